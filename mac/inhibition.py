"""What is not said because something else is: Alertmanager's inhibition rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mac import conventions, watchers
from mac.kinds import monitoring
from mac.matchers import equals, escaped, one_of
from mac.model import AlertSeverity, Catalog, Standard

Document = dict[str, Any]

# Only within one Prometheus: an outage in one region says nothing about the other.
_SAME_PLACE = [conventions.ENVIRONMENT, conventions.CELL]
_SAME_SERVICE = [conventions.SERVICE, *_SAME_PLACE]
_ABSENT = re.compile(r"\babsent(_over_time)?\s*\(")


def rules(catalog: Catalog) -> list[Document]:
    """`inhibit_rules` of alertmanager.yml."""
    return [
        *_outages_mute_details(catalog),
        *_one_blindness_is_told(catalog),
        *_explanations(catalog),
        *_dependents_wait(
            conventions.STANDARD,
            [
                *((name, standard.depends_on) for name, standard in catalog.standards.items()),
                *_objectives(catalog),
            ],
            _SAME_SERVICE,
        ),
        *_dependents_wait(
            conventions.SERVICE,
            ((name, service.depends_on) for name, service in catalog.services.items()),
            _SAME_PLACE,
        ),
    ]


def _outages_mute_details(catalog: Catalog) -> Iterator[Document]:
    """While a service is down, its tickets wait, and while a part of the cell is, those of all services;
    pages and outages themselves are never muted by this, nor that monitoring works.
    """
    targets = [
        one_of(conventions.SEVERITY, [AlertSeverity.TICKET, AlertSeverity.INFO]),
        f'{conventions.OUTAGE}!="true"',
        f'{conventions.STANDARD}!="{conventions.HEARTBEAT_STANDARD}"',
    ]
    outage = equals(conventions.OUTAGE, "true")
    yield {"source_matchers": [outage], "target_matchers": targets, "equal": _SAME_SERVICE}
    if any(alert.whole_cell for standard in catalog.standards.values() for alert in standard.alerts):
        yield {
            "source_matchers": [outage, equals(conventions.REACH, conventions.CELL)],
            "target_matchers": targets,
            "equal": [conventions.CELL],
        }


def _explanations(catalog: Catalog) -> Iterator[Document]:
    """While an alert fires, others of its service that say the same with less right are muted."""
    explained: dict[tuple[str, ...], list[str]] = {}
    for standard in catalog.standards.values():
        for alert in standard.alerts:
            if alert.explained_by:
                explained.setdefault(tuple(sorted(alert.explained_by)), []).append(alert.alert)
    for sources, alerts in sorted(explained.items()):
        yield {
            "source_matchers": [one_of("alertname", sources)],
            "target_matchers": [one_of("alertname", alerts)],
            "equal": _SAME_SERVICE,
        }


def _one_blindness_is_told(catalog: Catalog) -> Iterator[Document]:
    """While a cell's CloudWatch exporter is down, no resource is told to lack its metrics.

    What still fires because of a value is told: it may be true.
    """
    source = next((s.name for s in catalog.standards.values() if _watches_cloudwatch(s)), "")
    readers = [s for s in catalog.standards.values() if s.cloudwatch is not None]
    absences = [a.alert for s in readers for a in s.alerts if _ABSENT.search(a.expr.text)]
    read = {standard.name for standard in readers}
    objectives = {
        conventions.slo_standard(slo.name)
        for service in catalog.services.values()
        for slo in service.slos
        if slo.standard in read
    }
    targets = (
        [one_of("alertname", absences)] if absences else [],
        [equals("alertname", conventions.SLO_ABSENT), one_of(conventions.STANDARD, objectives)]
        if objectives
        else [],
    )
    for matchers in targets if source else ():
        if matchers:
            yield {
                "source_matchers": [
                    equals(conventions.STANDARD, source),
                    equals(conventions.OUTAGE, "true"),
                ],
                "target_matchers": [*matchers, f'{conventions.STANDARD}!="{escaped(source)}"'],
                "equal": [conventions.CELL],
            }


def _watches_cloudwatch(standard: Standard) -> bool:
    clauses = standard.applies_to.any_of
    return standard.applies_to.kind == monitoring.NAME and any(
        watchers.CLOUDWATCH_EXPORTER in clause.get(conventions.ROLE, ()) for clause in clauses
    )


def _dependents_wait(
    label: str, depends_on: Iterable[tuple[str, Sequence[str]]], equal: Sequence[str]
) -> list[Document]:
    """While something is down, what depends on it is muted. `label` names both; `equal`: where they meet."""
    return [
        {
            "source_matchers": [equals(conventions.OUTAGE, "true"), one_of(label, needed)],
            "target_matchers": [equals(label, name)],
            "equal": list(equal),
        }
        for name, needed in sorted(depends_on)
        if needed
    ]


def _objectives(catalog: Catalog) -> Iterable[tuple[str, Sequence[str]]]:
    """What is down explains why an error budget goes: SLOs wait for the standards that measure them."""
    needed: dict[str, set[str]] = {}
    for service in catalog.services.values():
        for slo in service.slos:
            base = catalog.standards.get(slo.standard)
            if base is not None:
                names = needed.setdefault(conventions.slo_standard(slo.name), set())
                names.update((base.name, *base.depends_on))
    return [(name, sorted(names)) for name, names in sorted(needed.items())]
