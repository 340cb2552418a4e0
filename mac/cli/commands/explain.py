"""`mac explain`."""

from __future__ import annotations

from pathlib import Path

import click

from mac.cli import options


@click.command(
    epilog="Example: mac explain HostsDown --service cart; mac explain standards/services/cart.yaml:14"
)
@options.root
@click.argument("what")
@click.option("--service", metavar="NAME", default="", help="Only the rules and targets of this service.")
@click.option("--environment", metavar="NAME", default="", help="Only those of this environment.")
@options.output("Where the generated files are.")
@options.output_format("text", "json")
def command(
    root: Path, what: str, service: str, environment: str, output: Path | None, output_format: str
) -> None:
    """Tell where an alert, a target or a line of a file comes from.

    WHAT is an alert's name; the id, ARN or address of a resource, or the address of a target; or a file with
    a line, as in FILE:12.

    Of an alert each value that it reads is told with who set it, and whose values that took the place of: the
    standard's default, the environment's, the service's, a tag's. Of a target it is the resource, the tags
    that bound it, and of a cell that is divided the shard that collects it. Of a line of a generated file it
    is what stands there and what that comes from; of a line of a document, what is generated from it.
    """
    from mac import emit, explain

    found = explain.explain(root, what, output, service=service, environment=environment)
    if output_format == "json":
        options.data(emit.json_escaped(explain.as_dict(found), pretty=True))
    else:
        options.data(explain.text(found))
