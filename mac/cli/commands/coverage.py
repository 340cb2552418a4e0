"""`mac coverage`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options, progress

if TYPE_CHECKING:
    from mac.snapshot_source import Source


@click.command(epilog="Example: mac coverage --by team --fail-under 95")
@options.root
@options.kept_snapshot
@click.option(
    "--by",
    type=click.Choice(["kind", "service", "team", "account"]),
    default="kind",
    show_default=True,
    help="What the resources are counted by.",
)
@click.option("--matrix", is_flag=True, help="List every resource with its standards.")
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PCT",
    help="End with 1 when less than PCT % of what is not exempt is monitored with all layers.",
)
@options.output_format("text", "json", "markdown")
def command(
    root: Path,
    snapshot: Source | None,
    by: str,
    matrix: bool,
    fail_under: float | None,
    output_format: str,
) -> int:
    """Show which resources are watched, and which are not.

    Every resource in service is monitored, monitored in part (a layer is missing), exempt with a reason, or
    not monitored at all. AWS is not asked.
    """
    from datetime import UTC, datetime

    from mac import audit, coverage_report, emit

    found = audit.coverage_of(root, snapshot, datetime.now(UTC).date())
    if output_format == "json":
        options.data(emit.json_escaped(coverage_report.as_dict(found, matrix=matrix), pretty=True))
    elif output_format == "markdown":
        options.data(coverage_report.markdown(found, by))
    else:
        options.data(coverage_report.text(found, by, matrix=matrix))
    if fail_under is not None and found.percent < fail_under:
        shown = coverage_report.shown_percent(found.percent)
        progress.diagnostics(f"coverage is {shown} %, and {fail_under:g} % is asked for")
        return errors.PROBLEMS
    return errors.DONE
