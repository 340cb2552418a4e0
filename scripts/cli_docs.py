#!/usr/bin/env python3
"""Write docs/cli.md from the command line itself. A test tells when it is out of date: `make docs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from mac.cli import COMMANDS, cli

PAGE = Path(__file__).resolve().parent.parent / "docs/cli.md"
WIDTH = 100

HEAD = """\
# Command reference

Written by `make docs` from the command line itself.

Data goes to standard output, progress and diagnostics to standard error. Colour is for terminals only, and
`NO_COLOR` switches it off. JSON output is an object with `schema_version`, except for lists of problems.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | the user's input has problems |
| 2 | only `mac diff --detailed-exitcode`: there are changes |
| 3 | the environment failed: AWS, Git, a missing tool, the file system |
| 64 | wrong usage |
| 70 | a bug in mac |
| 130 | interrupted |
| 141 | the reader of the output went away |

Engines are found by `MAC_PROMTOOL`, `MAC_AMTOOL`, `MAC_PROMETHEUS` and `MAC_ALERTMANAGER` (paths), else on
`PATH`.
"""


def page() -> str:
    settings = {**cli.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH, "color": False}
    root = click.Context(cli, info_name="mac", **settings)
    parts = [HEAD, *(section(ctx) for ctx in walk(root))]
    return "\n".join(parts)


def walk(ctx: click.Context) -> Iterator[click.Context]:
    yield ctx
    command = ctx.command
    if isinstance(command, click.Group):
        names = list(COMMANDS) if command is cli else command.list_commands(ctx)
        for name in names:
            child = command.get_command(ctx, name)
            if child is not None:
                yield from walk(click.Context(child, info_name=name, parent=ctx))


def section(ctx: click.Context) -> str:
    depth = "##" if ctx.parent is None or ctx.parent.parent is None else "###"
    text = "\n".join(line.rstrip() for line in ctx.get_help().splitlines())
    return f"{depth} {ctx.command_path}\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
