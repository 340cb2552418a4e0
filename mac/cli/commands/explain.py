"""`mac explain`."""

from __future__ import annotations

from pathlib import Path

import click

from mac.cli import options


@click.command(epilog="Example: mac explain i-0abc1234def567890")
@options.root
@click.argument("what")
@options.output("Where the generated files are.")
@options.output_format("text", "json")
def command(root: Path, what: str, output: Path | None, output_format: str) -> None:
    """Tell where a target or an alert comes from.

    WHAT is an alert's name, the id, ARN or address of a resource, or the address of a target. The
    answer has the standard, the generated file, and what evaluates an alert; of a cell that is divided also
    which shard collects the target, and why.
    """
    from mac import emit, explain

    found = explain.explain(root, what, output)
    if output_format == "json":
        options.data(emit.json_escaped(explain.as_dict(found), pretty=True))
    else:
        options.data(explain.text(found))
