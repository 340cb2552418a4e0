#!/usr/bin/env python3
"""Write docs/library.md from the shipped standards, their tests and the catalogues of their metrics.

A test tells when it is out of date: `make docs`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from mac import metrics, standards
from mac.metrics import Catalogues
from mac.metrics.catalogue import Catalogue, Metric, exported
from mac.model import AlertSeverity, SensorRun, Standard
from mac.problems import ProblemsError
from mac.testcases import TestCase

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/library.md"
AREAS = {
    "data": "The data platform",
    "compute": "Machines",
    "aws": "Services of AWS",
    "monitoring": "Monitoring itself",
}

HEAD = """\
# The shipped standards

Written by `make docs` from `standards/`: {count} standards with {alerts} alerts, of which {pages} wake
somebody, and {cases} test cases, each run by promtool of three generations. `tests/contract.py` says what
each of them keeps: what it may page for, how long it waits, that missing metrics are told, what its tests
must show.

- *for* is the kind of resource and, where it is not for all of them, the labels that one must have.
- *layers*: the [sensors](sensors.md) that machines get, or that are only checked there, since they come with
  what is watched; how it is collected (`scrape` with its port, `cloudwatch`, or `probe`), the series that are
  recorded, the panels of its dashboard. Each has a runbook.
- *alerts* counts all of them, and in brackets those that page.
- *SLIs* are the indicators that an [SLO](slo.md) of a service can name.
- *cases*: in how many some alert fires, in how many none does, and in how many of all machines are terminated
  on purpose.
- *metrics*: the catalogues that its expressions are checked with, and how the names that it reads were
  obtained: in a *run* of the exporter, from its *source*, or from its *documentation*. No name of
  CloudWatch's was seen in a run against AWS.

[comparison.md](comparison.md) goes through a public collection of rules: which of its alerts are told here.
"""


def page() -> str:
    loaded = standards.load(ROOT)
    if loaded.catalog is None:
        raise ProblemsError(loaded.problems)
    shipped = loaded.catalog.standards
    alerts = [alert for standard in shipped.values() for alert in standard.alerts]
    cases: dict[str, list[TestCase]] = defaultdict(list)
    for test in loaded.tests:
        cases[test.standard] += test.cases
    head = HEAD.format(
        count=len(shipped),
        alerts=len(alerts),
        pages=sum(alert.severity is AlertSeverity.PAGE for alert in alerts),
        cases=sum(map(len, cases.values())),
    )
    return "\n".join([head, *_areas(shipped.values(), cases, metrics.find(ROOT))])


def _areas(
    shipped: Iterable[Standard], cases: dict[str, list[TestCase]], catalogues: Catalogues
) -> Iterable[str]:
    rows: dict[str, list[str]] = defaultdict(list)
    for standard in shipped:
        rows[Path(standard.location.path).parent.name].append(row(standard, cases[standard.name], catalogues))
    for area in sorted(rows, key=[*AREAS].index):
        yield f"## {AREAS[area]}\n"
        yield "| standard | for | layers | alerts | SLIs | cases: fire, silent, terminated | metrics |"
        yield "|---|---|---|---|---|---|---|"
        yield from rows[area]
        yield ""


def row(standard: Standard, cases: Sequence[TestCase], catalogues: Catalogues) -> str:
    fire = sum(any(expected.firing for expected in case.alerts) for case in cases)
    terminated = sum("terminated" in case.name.casefold() for case in cases)
    pages = sum(alert.severity is AlertSeverity.PAGE for alert in standard.alerts)
    path = standard.location.path
    columns = (
        f"[{standard.name}](../{path})",
        _applies_to(standard),
        _layers(standard),
        f"{len(standard.alerts)} ({pages})",
        ", ".join(sorted(standard.indicators)),
        f"{fire}, {len(cases) - fire}, {terminated}",
        ", ".join(_origins(standard, catalogues)),
    )
    return f"| {' | '.join(columns)} |"


def _applies_to(standard: Standard) -> str:
    clauses = (
        " and ".join(f"{label} {', '.join(values)}" for label, values in clause.items())
        for clause in standard.applies_to.any_of
    )
    return ": ".join(part for part in (f"`{standard.applies_to.kind}`", "; ".join(clauses)) if part)


def _layers(standard: Standard) -> str:
    parts = [
        f"sensor {sensor.name}{' (checked only)' if sensor.run is SensorRun.BUILT_IN else ''}"
        for sensor in standard.sensors
    ]
    if standard.scrape:
        parts.append(f"scrape {standard.scrape.port}")
    if standard.cloudwatch:
        parts.append("cloudwatch")
    if standard.probe:
        parts.append("probe")
    if standard.recording:
        parts.append(f"{len(standard.recording)} recorded")
    return ", ".join([*parts, f"{len(standard.panels)} panels"])


def _origins(standard: Standard, catalogues: Catalogues) -> Iterable[str]:
    """Each catalogue with the ways in which the names were obtained that the standard reads of it."""
    texts = [rule.expr.text for rule in standard.recording]
    texts += [alert.expr.text for alert in standard.alerts]
    texts += [panel.expr.text for panel in standard.panels]
    words = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", " ".join(texts)))
    read = [(name, catalogues.exporter(name)) for name in standard.exporters or ()]
    if standard.cloudwatch:
        read.append((standard.cloudwatch.namespace, catalogues.namespace(standard.cloudwatch.namespace)))
    for name, found in read:
        if found:
            ways = {m.obtained for m in found.metrics.values() if _is_read(m, found, words)}
            yield f"{name} ({', '.join(sorted(ways or {found.obtained}))})"


def _is_read(metric: Metric, found: Catalogue, words: set[str]) -> bool:
    if not found.namespace:
        return any(name in words for name, _ in metric.series())
    begin = exported(found.namespace, metric.name, "")
    return any(word.startswith(begin) for word in words)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
