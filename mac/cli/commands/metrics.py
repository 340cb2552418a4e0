"""`mac metrics`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options

if TYPE_CHECKING:
    from mac.metrics import Catalogues
    from mac.metrics.catalogue import Catalogue


@click.group(epilog="Example: mac metrics list --exporter node")
def command() -> None:
    """Look up what exporters export."""


@command.command(
    "check", epilog="Example: mac metrics check 'rate(node_cpu_seconds_total{mode=\"idle\"}[5m])'"
)
@click.argument("expr")
@click.option(
    "--exporter",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only in this catalogue; may be repeated.  [default: in all of them]",
)
@options.output_format("text", "json")
@click.pass_context
def check(ctx: click.Context, expr: str, names: tuple[str, ...], output_format: str) -> int:
    """Check the metrics and labels of a PromQL expression.

    Of CloudWatch's metrics every statistic is known. Series with a colon in their name are recorded by
    standards: they may have any label.
    """
    from mac import emit, promql, report
    from mac.checks import metrics as checks
    from mac.problems import Location, Problem

    place = "expression"
    parsed = promql.parse(expr)
    if isinstance(parsed, promql.Failure):
        where = Location(place, parsed.line, parsed.column, parsed.length)
        found = [Problem(where, "promql-syntax", parsed.message, parsed.hint)]
    else:
        chosen = _chosen(_catalogues(ctx), names)
        found = list(checks.of_text(expr, chosen, place))
    if output_format == "json":
        options.data(emit.json_pretty({"schema_version": 1, "problems": report.as_dicts(found)}).decode())
    elif found:
        sources = {place: tuple(expr.split("\n"))}
        options.data(report.text(found, sources, color=options.wants_color(sys.stdout)))
    else:
        options.data("every metric and label is known")
    return errors.PROBLEMS if found else errors.DONE


@command.command("list", epilog="Example: mac metrics list --exporter AWS/SQS --format json")
@click.option(
    "--exporter", "names", multiple=True, metavar="NAME", help="Its metrics: a catalogue or a namespace."
)
@options.output_format("text", "json")
@click.pass_context
def list_(ctx: click.Context, names: tuple[str, ...], output_format: str) -> None:
    """List the catalogues, or the metrics of some, and how they were obtained."""
    from mac import columns, emit

    catalogues = _catalogues(ctx)
    chosen = _chosen(catalogues, names)
    if output_format == "json":
        listed = [_as_dict(each, whole=bool(names)) for each in chosen]
        options.data(emit.json_pretty({"schema_version": 1, "catalogues": listed}).decode())
    elif names:
        rows = [
            (m.name, m.type if not each.namespace else m.unit, ", ".join(m.labels) or "-", m.obtained)
            for each in chosen
            for m in sorted(each.metrics.values(), key=lambda m: m.name)
        ]
        options.data(columns.table([("METRIC", "TYPE", "LABELS", "OBTAINED"), *rows]))
    else:
        shown = [
            (
                each.namespace or each.name,
                each.version or "-",
                str(len(each.metrics)),
                each.obtained,
                each.title,
            )
            for each in chosen
        ]
        options.data(columns.table([("NAME", "VERSION", "METRICS", "OBTAINED", "WHAT"), *shown]))


def _catalogues(ctx: click.Context) -> Catalogues:
    """Those that mac ships, and those of the repository if there is one."""
    from mac import metrics

    return metrics.find(options.repository_or_here(ctx))


def _chosen(catalogues: Catalogues, names: tuple[str, ...]) -> list[Catalogue]:
    from mac.problems import ProblemsError, did_you_mean, errors

    if names:
        chosen = []
        for name in names:
            found = catalogues.exporter(name) or catalogues.namespace(name)
            if found is None and not catalogues.problems:
                known = [each.namespace or each.name for each in catalogues.every()]
                raise click.BadParameter(f"{name}: {did_you_mean(name, known)}", param_hint="--exporter")
            chosen += [found] if found else []
    else:
        chosen = list(catalogues.every())
    if errors(catalogues.problems):
        raise ProblemsError(catalogues.problems)
    return chosen


def _as_dict(catalogue: Catalogue, *, whole: bool) -> dict[str, object]:
    found: dict[str, object] = {
        "name": catalogue.name,
        "title": catalogue.title,
        "version": catalogue.version,
        "namespace": catalogue.namespace,
        "obtained": catalogue.obtained,
        "sources": list(catalogue.sources),
        "count": len(catalogue.metrics),
    }
    if whole:
        found["dimensions"] = list(catalogue.dimensions)
        found["metrics"] = [
            {"name": m.name, "type": m.type, "labels": list(m.labels), "unit": m.unit, "obtained": m.obtained}
            for m in sorted(catalogue.metrics.values(), key=lambda m: m.name)
        ]
    return found
