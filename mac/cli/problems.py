"""Problems on standard error, with the user's own lines, for commands whose output is something else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from mac import files, report
from mac.cli.options import wants_color
from mac.problems import Problem


def show(problems: Iterable[Problem], root: Path | None) -> None:
    """`root`: the monitoring repository, in which the problems' paths lie; None when there is none."""
    found = tuple(problems)
    text = report.text(found, lines_of(found, root), color=wants_color(sys.stderr))
    click.echo(text, err=True, nl=False, color=wants_color(sys.stderr))


def lines_of(problems: Iterable[Problem], root: Path | None) -> dict[str, Sequence[str]]:
    """The lines of the files that the problems are in, as far as they can be read."""
    base = root or Path()
    lines: dict[str, Sequence[str]] = {}
    for path in {problem.location.path for problem in problems if problem.location.line}:
        content, _ = files.read(base / path, base)
        if content is not None:
            lines[path] = files.lines(content)
    return lines
