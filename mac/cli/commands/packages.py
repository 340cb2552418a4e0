"""`mac packages`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options, progress

if TYPE_CHECKING:
    from mac.vendoring import Update


@click.group(epilog="Example: mac packages update acme && mac diff")
def command() -> None:
    """Fetch the standards of others, and check them."""


@command.command(epilog="Example: mac packages update && git diff --stat standards/packages")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.root
@options.output_format("text", "json")
def update(names: tuple[str, ...], root: Path, output_format: str) -> None:
    """Fetch packages as mac.yaml pins them, into standards/packages/.

    All packages, or those with these NAMEs. Every file is put back as the source has it; with no NAME a
    package without an entry in mac.yaml goes. Nothing is written unless everything is as it should be.
    """
    import json
    from dataclasses import asdict

    from mac import vendoring

    with progress.stage_progress() as report_progress:
        updates = vendoring.update(root, names, report_progress)
    if output_format == "json":
        answer = {"schema_version": 1, "packages": [asdict(each) for each in updates]}
        options.data(json.dumps(answer, indent=2))
        return
    if not updates:
        options.data("no package is pinned in mac.yaml")
    for each in updates:
        options.data(_line(each))
        for path in each.left_out:
            options.note_if_verbose(f"  left out: {path}")


@command.command(epilog="Example: mac packages check --format github")
@options.root
@options.output_format("text", "json", "github")
def check(root: Path, output_format: str) -> int:
    """Compare standards/packages/ with the pins, offline.

    A package that was not fetched as it is pinned, a file that was changed by hand, a folder without an entry
    and whatever is wrong within its documents is a problem. `mac validate` tells the same. Ends with 1 when
    there is an error.
    """
    from mac import report, vendoring
    from mac.cli.problems import checkout_prefix
    from mac.problems import errors as only_errors

    checked = vendoring.check(root)
    if output_format == "json":
        options.data(report.as_json(checked.problems))
    elif output_format == "github":
        if checked.problems:
            options.data(report.github(checked.problems, prefix=checkout_prefix(root)))
    elif checked.problems:
        options.data(report.text(checked.problems, checked.sources, color=options.wants_color(sys.stdout)))
    else:
        count = len(checked.packages)
        options.data(f"{count} package{'s' * (count != 1)}, as pinned")
    return errors.PROBLEMS if only_errors(checked.problems) else errors.DONE


def _line(each: Update) -> str:
    if not each.after:
        return f"{each.name}: removed, {_files(each.removed)}"
    if not each.before:
        return f"{each.name}: {each.after}, {_files(each.written)}"
    moved = each.after if each.before == each.after else f"{each.before} → {each.after}"
    if not each.written and not each.removed:
        return f"{each.name}: {moved}, nothing to change"
    return f"{each.name}: {moved}, {_files(each.written)} written, {len(each.removed)} removed"


def _files(paths: Sequence[str]) -> str:
    return f"{len(paths)} file{'s' * (len(paths) != 1)}"
