"""`mac diff`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options, progress
from mac.cli.session import Session

if TYPE_CHECKING:
    from mac.snapshot_source import Source


@click.command(epilog="Example: mac diff --base origin/main --format markdown > comment.md")
@options.root
@click.option("--base", metavar="REV", default="", help="Compare with this Git revision, not with the files.")
@options.snapshot
@options.output("Where the generated files are.")
@click.option(
    "--detailed-exitcode", is_flag=True, help="End with 2 when there are changes, with 0 when none."
)
@click.option("--allow-empty", is_flag=True, help="Show the plan even if nothing is bound.")
@click.option("--allow-stale", is_flag=True, help="Show the plan even if AWS answers nothing.")
@options.output_format("text", "json", "markdown", "github")
@click.pass_obj
def command(
    session: Session,
    root: Path,
    base: str,
    snapshot: Source | None,
    output: Path | None,
    detailed_exitcode: bool,
    allow_empty: bool,
    allow_stale: bool,
    output_format: str,
) -> int:
    """Show what `mac generate` would change.

    Files are compared by what they mean: targets, rules, routes, receivers. Changes stand under what caused
    them: the inventory, standards, services, teams, templates or settings. Nothing is written.
    """
    from mac import emit, guards, pipeline, plan_report
    from mac.cli import problems

    request = pipeline.Request(
        root=root,
        snapshot=snapshot,
        output=output,
        base=base,
        allow=guards.named(empty=allow_empty, stale=allow_stale),
    )
    with progress.stage_progress() as report_progress:
        built = pipeline.plan(request, report_progress)
    if built.problems:
        problems.show(built.problems, root, every=session.verbose)
    if output_format == "json":
        options.data(emit.json_pretty(plan_report.as_dict(built.plan)).decode())
    elif output_format == "markdown":
        options.data(plan_report.markdown(built.plan, built.problems))
    elif output_format == "github":
        options.data(plan_report.github(built.plan))
    else:
        options.data(plan_report.text(built.plan, color=options.wants_color(sys.stdout)))
    return errors.CHANGES if detailed_exitcode and built.plan else errors.DONE
