"""Problems of commands whose output is something else, with the user's own lines or as data."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from mac import files, report
from mac.cli.options import data, wants_color
from mac.cli.session import Session
from mac.problems import Problem


def report_as_asked(problems: Iterable[Problem], session: Session) -> None:
    """What a command ends with instead of its answer: data where --format names a format of problems."""
    if session.output_format == "json":
        data(report.as_json(problems))
    elif session.output_format == "github":
        data(report.github(problems, prefix=checkout_prefix(session.repository)))
    else:
        show(problems, session.repository, every=session.verbose)


def show(problems: Iterable[Problem], root: Path | None, *, every: bool = False) -> None:
    """`root`: the monitoring repository, in which the problems' paths lie; None when there is none.

    `every`: also those that are like many others, as -v asks for.
    """
    found = tuple(problems)
    text = report.text(found, lines_of(found, root), color=wants_color(sys.stderr), every=every)
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


def checkout_prefix(root: Path | None) -> str:
    """Where the repository lies in the checkout that GitHub shows."""
    workspace = os.environ.get("GITHUB_WORKSPACE", "")
    if root and workspace and root.resolve().is_relative_to(Path(workspace).resolve()):
        shown = root.resolve().relative_to(Path(workspace).resolve()).as_posix()
        return "" if shown == "." else shown
    return ""
