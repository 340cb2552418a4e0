"""`mac schema`."""

from __future__ import annotations

import click

from mac.cli import options


@click.command(epilog="Example: mac schema standard > standard.schema.json")
@click.argument("kind", required=False, metavar="[KIND]")
def command(kind: str | None) -> None:
    """Print the JSON Schema of a document.

    KIND is a kind of document; without it the kinds are listed. An editor with a YAML language server
    takes the schema from the first line that `mac init` writes into each document.
    """
    from mac import schema

    if kind is None:
        options.data("\n".join(schema.names()))
        return
    # People copy the kind as a document spells it, too.
    name = schema.KINDS.get(kind, kind)
    if name not in schema.names():
        from mac.problems import did_you_mean

        raise click.BadParameter(f"there is no kind {kind!r}; {did_you_mean(kind, schema.names())}")
    options.data(schema.text(name))
