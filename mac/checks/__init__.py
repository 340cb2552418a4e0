"""The checks of what is generated, one module each: each maps a `tree.Tree` to Problems and does no I/O."""
