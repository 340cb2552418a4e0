"""`mac forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options, progress

if TYPE_CHECKING:
    from mac.access_model import ServerAccess
    from mac.snapshot_source import Source

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog="Example: mac forecast --base origin/main --days 14 --format markdown > comment.md")
@options.root
@click.option(
    "--base", metavar="REV", default="", help="Compare with the rules and routes of this Git revision."
)
@options.kept_snapshot
@click.option(
    "--prometheus", metavar="URL", default="", help="The server with the history, instead of mac.yaml's."
)
@click.option(
    "--alertmanager", metavar="URL", default="", help="Where silences are known, instead of mac.yaml's."
)
@click.option(
    "--days",
    type=click.FloatRange(0, 366, min_open=True),
    default=14.0,
    show_default=True,
    metavar="N",
    help="How many days of history are replayed.",
)
@click.option(
    "--until", metavar="TIME", default="", help="Where they end, as in 2026-11-03T00:00Z.  [default: now]"
)
@click.option(
    "--what-if",
    multiple=True,
    metavar="SERVICE.PARAMETER=VALUE",
    help="Forecast with this parameter of a service. May be given several times.",
)
@click.option(
    "--known", type=_FILE, metavar="FILE", help="Incidents that must be told: see docs/forecast.md."
)
@click.option(
    "--actual", is_flag=True, help="Compare with what Alertmanager really sent, and say what to improve."
)
@click.option(
    "--fail-over-budget", is_flag=True, help="End with 1 when a budget of a service or team is exceeded."
)
@click.option("--time-limit", type=click.FloatRange(1), default=600.0, show_default=True, metavar="SECONDS",
              help="How long the server may be asked.")  # fmt: skip
@click.option("--concurrency", type=click.IntRange(1, 32), default=2, show_default=True, metavar="N",
              help="How many queries are asked at a time.")  # fmt: skip
@click.option(
    "--cache/--no-cache", default=True, help="Keep what the server said, and ask only for the rest."
)
@click.option("--clear-cache", is_flag=True, help="Forget first what this server said before.")
@click.option("--output", "file", type=_FILE, metavar="FILE", help="Write the report there.")
@options.output_format("text", "json", "markdown", "html")
def command(
    root: Path,
    base: str,
    snapshot: Source | None,
    prometheus: str,
    alertmanager: str,
    days: float,
    until: str,
    what_if: tuple[str, ...],
    known: Path | None,
    actual: bool,
    fail_over_budget: bool,
    time_limit: float,
    concurrency: int,
    cache: bool,
    clear_cache: bool,
    file: Path | None,
    output_format: str,
) -> int:
    """Say how many notifications each team would get.

    The rules and routes that `mac generate` would write are replayed over the history of a Prometheus, beside
    those of a revision (or those on disk): the server evaluates the rules, a model of Alertmanager groups,
    inhibits, mutes and routes what fires.
    """
    from mac import emit, forecast_page, forecast_report, forecasting, history_cache

    request = forecasting.Request(
        root=root,
        base=base,
        snapshot=snapshot,
        server=_access(prometheus),
        alertmanager=_access(alertmanager),
        days=days,
        until=_time(until),
        what_if=what_if,
        known=known.absolute() if known else None,
        actual=actual,
        seconds=time_limit,
        at_once=concurrency,
        cache=history_cache.default_folder() if cache else None,
        clear_cache=clear_cache,
    )
    with progress.stage_progress() as report_progress:
        done = forecasting.forecast(request, report_progress)
    found, proposals = done.forecast, done.proposals if actual else ()
    if output_format == "json":
        report = emit.json_escaped(forecast_report.as_dict(found, proposals), pretty=True)
    elif output_format == "markdown":
        report = forecast_report.markdown(found, proposals)
    elif output_format == "html":
        report = forecast_page.html(found, proposals)
    else:
        report = forecast_report.text(found, proposals)
    if file is None:
        options.data(report)
    else:
        file.write_text(report, encoding="utf-8", errors="backslashreplace")
    if found.overruns and fail_over_budget:
        for line in forecast_report.budget_lines(found.overruns):
            progress.diagnostics(f"over budget: {line}")
        return errors.PROBLEMS
    return errors.DONE


def _access(url: str) -> ServerAccess | None:
    if not url:
        return None
    from urllib.parse import urlsplit

    from mac.access_model import ServerAccess

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise click.UsageError(f"{url!r} is no address such as http://127.0.0.1:9090")
    if "@" in parts.netloc:
        raise click.UsageError("credentials do not belong in an address: mac.yaml names where they are")
    return ServerAccess(url.rstrip("/"))


def _time(text: str) -> float:
    if not text:
        return 0.0
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is no time such as 2026-11-03T00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
