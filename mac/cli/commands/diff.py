"""`mac diff`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mac.cli import options, progress

CHANGED = 2
"""The exit code of --detailed-exitcode when there are changes."""


@click.command(epilog="Example: mac diff --base origin/main --format markdown > comment.md")
@options.root
@click.option("--base", metavar="REV", default="", help="Compare with this Git revision, not with the files.")
@click.option(
    "--snapshot",
    metavar="PATH|REV[:PATH]",
    help="Use this snapshot (a file, a folder, or one in a Git revision) instead of asking AWS.",
)
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the generated files are.  [default: `output` in mac.yaml, the repository itself]",
)
@click.option(
    "--detailed-exitcode", is_flag=True, help="End with 2 when there are changes, with 0 when none."
)
@click.option("--allow-empty", is_flag=True, help="Show the plan even if nothing is bound.")
@options.output_format("text", "json", "markdown", "github")
def command(
    root: Path,
    base: str,
    snapshot: str | None,
    output: Path | None,
    detailed_exitcode: bool,
    allow_empty: bool,
    output_format: str,
) -> int:
    """Show what `mac generate` would change.

    Files are compared by what they mean: targets, rules, routes, receivers. Changes stand under what caused
    them: the inventory, standards, services, teams, templates or settings. Nothing is written.
    """
    from mac import emit, pipeline, plan_report, report, snapshot_source

    request = pipeline.Request(
        root=root,
        snapshot=snapshot_source.locate(snapshot) if snapshot else None,
        output=output.absolute() if output else None,
        base=base,
        allow_empty=allow_empty,
    )
    with progress.stage_progress() as report_progress:
        built = pipeline.build(request, pipeline.Clock(), report_progress)
    if built.problems:
        progress.diagnostics(report.text(built.problems, {}))
    if output_format == "json":
        options.data(emit.json_pretty(plan_report.as_dict(built.plan)).decode())
    elif output_format == "markdown":
        options.data(plan_report.markdown(built.plan))
    elif output_format == "github":
        options.data(plan_report.github(built.plan))
    else:
        options.data(plan_report.text(built.plan, color=options.wants_color(sys.stdout)))
    return CHANGED if detailed_exitcode and built.plan else 0
