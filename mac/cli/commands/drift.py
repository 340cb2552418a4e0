"""`mac drift`."""

from __future__ import annotations

from pathlib import Path

import click

from mac.cli import errors, options, progress


@click.command(epilog="Example: mac drift --fail --metrics /var/lib/node_exporter/mac_drift.prom")
@options.root
@options.destinations("Look at")
@click.option("--revision", metavar="REV", default="HEAD", show_default=True, help="What is meant to run.")
@click.option(
    "--live",
    is_flag=True,
    help="Hold targets against AWS as it is now, and not against the inventory that the commit has.",
)
@click.option(
    "--grace",
    metavar="DURATION",
    help="For so long a machine may be launched, or a target may not answer, without being told.  [default: "
    "the longest scrape interval, and 35s in which Prometheus sees new targets]",
)
@click.option("--fail", is_flag=True, help="End with 1 when something is out of step.")
@click.option(
    "--metrics",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write metrics to this file, as a whole, for node_exporter's textfile collector.",
)
@options.output_format("text", "json", "prometheus")
def command(
    root: Path,
    names: tuple[str, ...],
    revision: str,
    live: bool,
    grace: str | None,
    fail: bool,
    metrics: Path | None,
    output_format: str,
) -> int:
    """Show where what runs is out of step with Git, and with what is in AWS.

    Nothing is changed anywhere. A destination that cannot be read is never in sync: the exit code is 3.
    """
    from mac import drift_report, drifting, durations, emit, exposition
    from mac.drift_model import DriftState

    seconds = None if grace is None else durations.seconds(grace)
    if grace is not None and seconds is None:
        raise click.BadParameter(f"{grace!r} is no duration; as in 90s or 5m", param_hint="--grace")
    fleet = None
    if live:
        with progress.stage_progress() as show:
            fleet = drifting.live(root, show)
    report = drifting.read(
        root,
        names=names,
        revision=revision,
        fleet=fleet,
        grace=seconds,
        progress=lambda name: options.progress(f"looking at {name}"),
    )
    if metrics is not None:
        drifting.write_metrics(report, metrics)
    if output_format == "json":
        options.data(emit.json_escaped(drift_report.as_dict(report), pretty=True))
    elif output_format == "prometheus":
        options.data(exposition.text(report.metrics()))
    else:
        options.data(drift_report.text(report))
    if report.state is DriftState.UNKNOWN:
        return errors.ENVIRONMENT
    return errors.PROBLEMS if fail and report.state is DriftState.DRIFTED else errors.DONE
