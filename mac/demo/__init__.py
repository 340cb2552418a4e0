"""The demo: an embedded AWS, a fleet in it, and the same commands that a user types."""
