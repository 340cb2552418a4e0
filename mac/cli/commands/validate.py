"""`mac validate`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import options

if TYPE_CHECKING:
    from mac.problems import Problem


@click.command(epilog="Example: mac validate standards/data --format github")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@options.root
@click.option("--engines", is_flag=True, help="Fail when promtool or amtool is missing.")
@options.output_format("text", "json", "github")
def command(paths: tuple[Path, ...], root: Path, engines: bool, output_format: str) -> int:
    """Check everything that is written and generated, offline.

    Documents are always read together, since they refer to one another; PATHs, files or folders, choose
    whose problems are shown. Ends with 1 when any of those is an error.
    """
    from mac import checkrun, report
    from mac.cli.problems import checkout_prefix
    from mac.problems import errors

    found, sources = checkrun.check(root, engines_required=engines, note=options.progress)
    chosen = [_below(path, root) for path in paths]
    problems = _of([*found, *_missing(chosen, root, found)], chosen)
    for path in chosen:
        known = [*sources, *(p.location.path for p in problems)]
        if not any(_lies(shown, path) for shown in known):
            options.progress(f"{path} holds no document that mac reads")
    if output_format == "json":
        options.data(report.as_json(problems))
    elif output_format == "github":
        if problems:
            options.data(report.github(problems, prefix=checkout_prefix(root)))
    elif problems:
        options.data(report.text(problems, sources, color=options.wants_color(sys.stdout)))
    else:
        count = sum(1 for path in sources if not chosen or any(_lies(path, c) for c in chosen))
        options.data(f"{count} document{'s' * (count != 1)}, no problems")
    return 1 if errors(problems) else 0


def _below(path: Path, root: Path) -> str:
    """A PATH as problems name it; empty for the whole repository."""
    absolute = Path(os.path.normpath(Path.cwd() / path))
    for base in (root, root.resolve()):
        for candidate in (absolute, absolute.resolve()):
            if candidate.is_relative_to(base):
                shown = candidate.relative_to(base).as_posix()
                return "" if shown == "." else shown
    raise click.BadParameter(f"{path} lies outside of the monitoring repository {root}")


def _of(problems: Iterable[Problem], chosen: list[str]) -> tuple[Problem, ...]:
    return tuple(p for p in problems if not chosen or any(_lies(p.location.path, c) for c in chosen))


def _missing(chosen: Iterable[str], root: Path, told: Iterable[Problem]) -> list[Problem]:
    """PATHs that are not there."""
    from mac.problems import Location, Problem

    known = {problem.location.path for problem in told}
    return [
        Problem(Location(path), "file-missing", "the file does not exist")
        for path in chosen
        if path not in known and not os.path.lexists(root / path)
    ]


def _lies(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")
