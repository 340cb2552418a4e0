"""Metrics: what an expression reads is what its exporters export, with labels that they put on.

A standard says by `exporters` and `cloudwatch` which catalogues of `mac.metrics` hold its metrics. One that
scrapes and names no exporter is not checked: `unchecked` says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mac import conventions, kinds, promql, series_labels
from mac.kinds import monitoring
from mac.metrics import Catalogues
from mac.metrics.catalogue import Catalogue, dimension_label, exported
from mac.model import CloudWatch, Standard, Text
from mac.problems import Location, Problem, did_you_mean, nearest
from mac.promql import Expression, Failure, Selector
from mac.series_labels import EVERY, Labels

Uses = Sequence[tuple[str, str, Text]]
"""(what it is of, expression, its template), as `rules.expressions` makes them."""

_TARGET = (
    *conventions.TAXONOMY,
    *(conventions.ACCOUNT, conventions.REGION, conventions.RESOURCE_ID, conventions.OVERRIDE),
    *("job", "instance"),
)
_PROBED = (conventions.PROBE, conventions.PROBED)
_CLOUDWATCH = ("name", "account_id", "account_alias")
"""What the CloudWatch exporter puts on every series, beside the region."""

_PROMETHEUS = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
_ALERTS = ("ALERTS", "ALERTS_FOR_STATE")
_LOST = Labels(frozenset((conventions.SERVICE, conventions.ENVIRONMENT, conventions.ZONE)))
_STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")
_PERCENTILE = re.compile(r"p\d+(_\d+)?$")
_ROUNDS = 3  # how deep recorded series are recorded from recorded series


@dataclass(frozen=True, slots=True)
class Known:
    """The series that expressions may read, with their labels.

    `partial`: other metrics than these may be there too. `hints`: a name that is not there → what to do.
    """

    series: Mapping[str, Labels]
    partial: bool = False
    hints: Mapping[str, str] | None = None


def check(
    standards: Iterable[Standard], uses: Mapping[str, Uses], catalogues: Catalogues
) -> Iterator[Problem]:
    """Problems of standards, which know one another's recorded series. `uses`: standard → its expressions."""
    listed = list(standards)
    for standard in listed:
        yield from _named(standard, catalogues)
    known = {standard.name: of_standard(standard, catalogues) for standard in listed}
    recorded = {conventions.ZONE_LOST: _LOST, **recorded_series(listed, uses, known)}
    for standard in listed:
        mine = known[standard.name]
        mine = replace(mine, series={**recorded, **mine.series})
        for name, expr, text in uses.get(standard.name, ()):
            for problem in of_expression(expr, mine, recorded, text):
                yield replace(problem, message=f"{name}: {problem.message}")


def of_text(expr: str, catalogues: Sequence[Catalogue], path: str) -> Iterator[Problem]:
    """Problems of an expression of which no standard is known, at places in `path`.

    Of CloudWatch's metrics every statistic may be read. Recorded series may have any label.
    """
    parsed = promql.parse(expr)
    if isinstance(parsed, Failure):
        return
    read = parsed.metrics
    statistics = [*_STATISTICS, *{found[0] for name in read if (found := _PERCENTILE.search(name))}]
    known = of_catalogues(catalogues, statistics)
    recorded = {name: EVERY for name in read if ":" in name}
    known = replace(known, series={**known.series, **recorded})
    yield from of_expression(expr, known, recorded, Text(expr, Location(path, 1, 1)))


def unchecked(standards: Iterable[Standard], catalogues: Catalogues) -> tuple[str, ...]:
    """The names of the standards some of whose metrics nobody can check."""
    return tuple(s.name for s in standards if of_standard(s, catalogues).partial)


# --- what a standard may read ------------------------------------------------------------------------


def of_standard(standard: Standard, catalogues: Catalogues) -> Known:
    """The series of a standard's exporters and namespace, and Prometheus' own."""
    probed = _PROBED if standard.probe else ()
    target = Labels(frozenset((*_TARGET, *probed, *_facts(standard.applies_to.kind))))
    # What watches monitoring itself may read of the targets of all kinds whether they answer.
    scraped = target.plus(_every_fact()) if standard.applies_to.kind == monitoring.NAME else target
    series = {**dict.fromkeys(_PROMETHEUS, scraped), **dict.fromkeys(_ALERTS, EVERY)}
    partial = (standard.scrape or standard.probe) is not None and standard.exporters is None
    hints: dict[str, str] = {}
    for name in standard.exporters or ():
        found = catalogues.exporter(name)
        if found is None:
            partial = True
        else:
            series |= {metric: target.plus(labels) for metric, labels in found.series().items()}
    if standard.cloudwatch is not None:
        found = catalogues.namespace(standard.cloudwatch.namespace)
        series |= _asked(standard.cloudwatch, found, target)
        if found is not None:
            hints = _not_asked(found, series)
    return Known(series, partial, hints)


def of_catalogues(catalogues: Iterable[Catalogue], statistics: Sequence[str]) -> Known:
    """All series of some catalogues; of CloudWatch's those of these statistics."""
    target = Labels(frozenset((*_TARGET, *_PROBED)) | _every_fact())
    series = {**dict.fromkeys(_PROMETHEUS, target), **dict.fromkeys(_ALERTS, EVERY)}
    for one in catalogues:
        if one.namespace:
            labels = target.plus((*_CLOUDWATCH, *map(dimension_label, one.dimensions)))
            series |= {exported(one.namespace, m, s): labels for m in one.metrics for s in statistics}
        else:
            series |= {metric: target.plus(labels) for metric, labels in one.series().items()}
    return Known(series)


def _every_fact() -> frozenset[str]:
    return frozenset(fact for kind in kinds.all_kinds().values() for fact in kind.fact_names)


def _facts(kind: str) -> tuple[str, ...]:
    """The labels that resources of a kind may have, and of the kinds that its standards are for too."""
    every = kinds.all_kinds()
    return tuple(
        fact
        for name, one in every.items()
        if kind in {name, one.like} or (kind in every and every[kind].like == name)
        for fact in one.fact_names
    )


def _asked(asked: CloudWatch, found: Catalogue | None, target: Labels) -> dict[str, Labels]:
    series = {}
    for metric in asked.metrics:
        dimensions = (*(found.dimensions if found else ()), *metric.dimensions)
        labels = target.plus((*_CLOUDWATCH, *map(dimension_label, dimensions))) if found else EVERY
        for statistic in metric.statistics:
            series[exported(asked.namespace, metric.name, statistic)] = labels
    return series


def _not_asked(found: Catalogue, asked: Mapping[str, Labels]) -> dict[str, str]:
    """What CloudWatch has and the standard does not ask for → how to ask for it."""
    return {
        name: f"the standard does not ask for it: add the statistic {statistic} of {metric} to `cloudwatch`"
        for metric in found.metrics
        for statistic in (*_STATISTICS, "p50", "p90", "p95", "p99")
        if (name := exported(found.namespace, metric, statistic)) not in asked
    }


def recorded_series(
    standards: Sequence[Standard], uses: Mapping[str, Uses], known: Mapping[str, Known]
) -> dict[str, Labels]:
    """The recorded series of all standards with the labels that they may have.

    In the first round a recorded series may have any label; what is recorded from it is then known better.
    """
    rules = {(s.name, rule.record): rule.labels for s in standards for rule in s.recording}
    found: dict[str, Labels] = {}
    for _ in range(_ROUNDS):
        before, found = found, {}
        for (standard, record), own in rules.items():
            for name, expr, _text in uses.get(standard, ()):
                parsed = promql.parse(expr) if name == record else None
                if not isinstance(parsed, Expression):
                    continue
                series = {**before, **known[standard].series}
                labels = series_labels.of(parsed, series).labels
                labels = labels.plus(
                    (*own, conventions.SERVICE, conventions.ENVIRONMENT, conventions.OVERRIDE)
                )
                found[record] = found[record].either(labels) if record in found else labels
            found.setdefault(record, EVERY)
    return found


# --- what a standard names ---------------------------------------------------------------------------


def _named(standard: Standard, catalogues: Catalogues) -> Iterator[Problem]:
    for name in standard.exporters or ():
        if name not in catalogues.exporters:
            hint = nearest(name, catalogues.exporters)
            hint = hint or f"list its metrics in {conventions.METRICS_DIR}/{name}.yaml"
            message = f'there is no catalogue of the metrics of "{name}"'
            yield Problem(standard.exporters_location, "unknown-exporter", message, hint)
    asked = standard.cloudwatch
    found = catalogues.namespace(asked.namespace) if asked else None
    if asked is None or found is None:
        return
    for metric in asked.metrics:
        if metric.name not in found.metrics:
            message = f'{asked.namespace} has no metric "{metric.name}"'
            yield Problem(
                metric.location, "unknown-metric", message, did_you_mean(metric.name, found.metrics)
            )
        for dimension in metric.dimensions:
            if found.dimensions and dimension not in found.dimensions:
                message = f'the metrics of {asked.namespace} have no dimension "{dimension}"'
                yield Problem(
                    metric.location, "unknown-metric", message, did_you_mean(dimension, found.dimensions)
                )


# --- one expression ----------------------------------------------------------------------------------


def of_expression(
    expr: str, known: Known, recorded: Mapping[str, Labels], text: Text | None = None
) -> Iterator[Problem]:
    """What an expression reads that is not there. `text`: the template that it comes from, to show the place.

    What is no PromQL is told elsewhere; so is what can never match whatever the metrics are.
    """
    parsed = promql.parse(expr)
    if isinstance(parsed, Failure):
        return
    text = text or Text(expr, Location("", 1, 1))
    unknown = False
    for selector in parsed.selectors:
        names = [name for name in read_by(selector, known) if name not in known.series]
        for name in names:
            if not known.partial or _is_asked_of_cloudwatch(name, known):
                hint = (known.hints or {}).get(name) or nearest(name, known.series)
                message = f"no exporter that is named here exports {name}"
                yield Problem(text.find(name), "unknown-metric", message, hint)
            unknown = True
        if not names:
            yield from _matched(selector, known, text)
    if unknown:
        return  # what is grouped by may be its labels
    wrong = list(_grouped(parsed, known, text))
    yield from wrong
    if wrong:
        return
    before = series_labels.of(parsed, recorded).complaints
    for complaint in series_labels.of(parsed, known.series).complaints:
        if complaint not in before and 'has no label "' not in complaint:
            yield Problem(text.location, "metric-label", complaint)


def read_by(selector: Selector, known: Known) -> tuple[str, ...]:
    """The metrics that a selector reads; for a pattern those that fit, or the pattern when none does."""
    if selector.metric:
        return (selector.metric,)
    pattern = next((m.value for m in selector.matchers if m.name == "__name__" and m.op == "=~"), None)
    if pattern is None:
        return ()
    try:
        fits = tuple(name for name in known.series if re.fullmatch(pattern, name))
    except re.error:
        return ()  # RE2 has what Python has not
    return fits or (pattern,)


def _is_asked_of_cloudwatch(name: str, known: Known) -> bool:
    return name in (known.hints or {})


def _matched(selector: Selector, known: Known, text: Text) -> Iterator[Problem]:
    for matcher in selector.matchers:
        if matcher.name == "__name__":
            continue
        for name in read_by(selector, known):
            labels = known.series[name]
            if matcher.name not in labels:
                message = f'{name} has no label "{matcher.name}"'
                yield Problem(text.find(matcher.name), "metric-label", message, _meant(matcher.name, labels))


def _grouped(parsed: Expression, known: Known, text: Text) -> Iterator[Problem]:
    """A label that is grouped by, or matched on, is one of some series of the expression, or made in it."""
    there = Labels()
    for selector in parsed.selectors:
        for name in read_by(selector, known) or ("",):
            there = there.either(known.series.get(name, EVERY))
    made = series_labels.made(parsed)
    for label in parsed.grouping:
        if label not in there and label not in made:
            message = f'no series of this expression has a label "{label}"'
            yield Problem(text.find(label), "metric-label", message, _meant(label, there))


def _meant(label: str, labels: Labels) -> str:
    return "" if labels.inverted else did_you_mean(label, labels.names)
