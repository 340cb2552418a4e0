"""Which resources are watched, by which standards, and which are not: resource × standard, both ways.

The endpoints that services declare are resources here too, of the kind `endpoint`.

Pure. What is not in service is not counted: nobody is woken for a machine that was switched off on purpose.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from mac import conventions
from mac.bind import Bindings
from mac.labels import labels as labels_of
from mac.model import AlertSeverity, Binding, Catalog, Lifecycle, Resource, Snapshot, Unwatched

NOBODY = "-"
"""In place of a service or a team that is not known."""


class State(StrEnum):
    """What is watched of a resource, or of a resource by one standard."""

    MONITORED = "monitored"
    PARTIAL = "partial"  # a layer is missing
    EXEMPT = "exempt"
    UNMONITORED = "unmonitored"


class Layer(StrEnum):
    COLLECTION = "collection"  # it has neither an address to scrape nor metrics in CloudWatch
    ALERTS = "alerts"  # the standard has none, or the service exempts it from all of them


@dataclass(frozen=True, slots=True)
class Cell:
    """One resource under one standard. `detail`: the layer that is missing, or the exemption's reason."""

    standard: str
    state: State
    detail: str = ""
    expires: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One resource in service. `reason` (a stable word) and `detail` say why it is not monitored."""

    resource: Resource
    service: str
    team: str
    state: State
    cells: tuple[Cell, ...] = ()
    reason: str = ""
    detail: str = ""
    expires: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing of a partly watched resource: `standard: layer`."""
        return tuple(f"{c.standard}: {c.detail}" for c in self.cells if c.state is State.PARTIAL)


@dataclass(frozen=True, slots=True)
class ServiceGap:
    """A service that has resources, and what it lacks: owner, page, runbook, slo."""

    service: str
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The whole matrix. `not_in_service`: resources that were left out, by lifecycle.

    `only_general`: role → machines of which only standards without a clause know, as `host`.
    """

    rows: tuple[Row, ...]
    not_in_service: Mapping[str, int]
    unused_standards: tuple[str, ...]
    services: tuple[ServiceGap, ...]
    only_general: Mapping[str, int] = field(default_factory=dict)

    def count(self, rows: Iterable[Row] | None = None) -> dict[str, int]:
        """State → resources, with their total."""
        found = Counter(row.state for row in (self.rows if rows is None else rows))
        return {"total": found.total(), **{state.value: found[state] for state in State}}

    def by(self, key: Callable[[Row], str]) -> dict[str, dict[str, int]]:
        groups: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            groups[key(row)].append(row)
        return {name: self.count(groups[name]) for name in sorted(groups)}

    @property
    def unwatched(self) -> dict[str, int]:
        """Kind → resources that are neither monitored with all layers nor exempt."""
        fine = (State.MONITORED, State.EXEMPT)
        return dict(Counter(row.resource.kind for row in self.rows if row.state not in fine))

    @property
    def percent(self) -> float:
        """The share of what is not exempt that is monitored with all layers, of a hundred; 100 of nothing."""
        count = self.count()
        needed = count["total"] - count[State.EXEMPT]
        return 100.0 * count[State.MONITORED] / needed if needed else 100.0


def coverage(catalog: Catalog, snapshot: Snapshot, bindings: Bindings, today: date) -> Coverage:
    """How much of the snapshot, and of what services declare, the bindings watch.

    `today` says which exemptions of mac.yaml hold.
    """
    cells = _cells(bindings)
    own = bindings.declared
    reasons = {u.resource.arn: (u.reason, u.detail) for u in (*bindings.unbound, *own.unbound)}
    rows: list[Row] = []
    left_out: Counter[str] = Counter()
    declared = {resource.arn: labels for resource, labels in own.known}
    everything = (*snapshot.resources, *(resource for resource, _ in own.known))
    for resource in sorted(everything, key=lambda r: r.sort_key):
        if resource.lifecycle is not Lifecycle.IN_SERVICE:
            left_out[resource.lifecycle.value] += 1
            continue
        labels = declared.get(resource.arn) or labels_of(resource, catalog.project.labels)
        unbound = reasons.get(resource.arn, ("", ""))
        row = _row(catalog, resource, labels, cells.get(resource.arn, ()), unbound)
        rule = _unwatched(catalog.project.unwatched, resource, labels, today)
        if row.state is State.UNMONITORED and rule:
            state = State.EXEMPT
            row = replace(
                row, state=state, reason=state.value, detail=rule.reason, expires=rule.expires, cells=()
            )
        rows.append(row)
    rows = _through_others(catalog, rows)
    used = {binding.standard.name for binding in bindings.bindings}
    return Coverage(
        tuple(rows),
        dict(sorted(left_out.items())),
        tuple(sorted(set(catalog.standards) - used)),
        _gaps(catalog, bindings),
        _only_general(bindings),
    )


def _of_standards(bindings: Bindings) -> Iterator[Binding]:
    """Without the objectives of services: they measure what standards watch."""
    for binding in bindings.bindings:
        if not binding.standard.name.startswith(conventions.SLO_STANDARD_PREFIX):
            yield binding


def _cells(bindings: Bindings) -> Mapping[str, tuple[Cell, ...]]:
    """ARN → what each of its standards does for it."""
    found: dict[str, list[Cell]] = defaultdict(list)
    for binding in _of_standards(bindings):
        standard = binding.standard
        silent = all(alert.alert in binding.silenced for alert in standard.alerts)
        cell = Cell(
            standard.name, State.PARTIAL if silent else State.MONITORED, Layer.ALERTS if silent else ""
        )
        for member in binding.members:
            found[member.resource.arn].append(cell)
    for spared in (*bindings.spared, *bindings.declared.spared):
        exemption = spared.exemption
        cell = Cell(spared.standard, State.EXEMPT, exemption.reason, exemption.expires)
        found[spared.resource.arn].append(cell)
    for resource, name in bindings.out_of_reach:
        found[resource.arn].append(Cell(name, State.PARTIAL, Layer.COLLECTION))
    return {arn: tuple(sorted(cells, key=lambda c: c.standard)) for arn, cells in found.items()}


def _row(
    catalog: Catalog,
    resource: Resource,
    labels: Mapping[str, str],
    cells: tuple[Cell, ...],
    unbound: tuple[str, str],
) -> Row:
    name = labels.get(conventions.SERVICE, NOBODY)
    service = catalog.services.get(name)
    tagged = labels.get(conventions.TEAM, "")
    team = service.owner if service else (tagged if tagged in catalog.teams else NOBODY)
    reason, detail = unbound
    spared = next((cell for cell in cells if cell.state is State.EXEMPT), None)
    if reason == "exempt" and spared:
        return Row(resource, name, team, State.EXEMPT, cells, reason, spared.detail, spared.expires)
    if reason:
        # A standard that is out of reach does not make it watched in part: nothing collects it.
        return Row(resource, name, team, State.UNMONITORED, cells, reason, detail)
    partial = any(cell.state is State.PARTIAL for cell in cells)
    return Row(resource, name, team, State.PARTIAL if partial else State.MONITORED, cells)


def _unwatched(
    rules: Iterable[Unwatched], resource: Resource, labels: Mapping[str, str], today: date
) -> Unwatched | None:
    known = {**labels, conventions.KIND: resource.kind}
    for rule in rules:
        if rule.expires and date.fromisoformat(rule.expires) < today:
            continue
        if all(known.get(label) in values for label, values in rule.match.items()):
            return rule
    return None


# --- watched through another resource ----------------------------------------------------------------


def _through_others(catalog: Catalog, rows: list[Row]) -> list[Row]:
    """A resource that only its links make watched: the target group of a watched load balancer."""
    covering: dict[tuple[str, str, str], str] = {}  # account, kind and identifier → the standard
    reached: dict[tuple[str, str, str], str] = {}
    for row in rows:
        for cell in row.cells:
            if cell.state is not State.MONITORED or not catalog.standards[cell.standard].covers:
                continue
            resource = row.resource
            for identifier in (resource.id, resource.arn):
                covering[resource.account, resource.kind, identifier] = cell.standard
            for kind in catalog.standards[cell.standard].covers:
                for identifier in resource.links.get(kind, ()):
                    reached[resource.account, kind, identifier] = cell.standard
    found = []
    for row in rows:
        standard = ""
        if row.state is State.UNMONITORED:
            standard = _reached(catalog, row.resource, covering, reached)
        if standard:
            cell = Cell(standard, State.MONITORED, "through a linked resource")
            found.append(Row(row.resource, row.service, row.team, State.MONITORED, (cell,)))
        else:
            found.append(row)
    return found


def _reached(
    catalog: Catalog,
    resource: Resource,
    covering: Mapping[tuple[str, str, str], str],
    reached: Mapping[tuple[str, str, str], str],
) -> str:
    for identifier in (resource.id, resource.arn):
        if standard := reached.get((resource.account, resource.kind, identifier)):
            return standard
    for kind, identifiers in resource.links.items():
        for identifier in identifiers:
            standard = covering.get((resource.account, kind, identifier), "")
            if standard and resource.kind in catalog.standards[standard].covers:
                return standard
    return ""


# --- standards and services --------------------------------------------------------------------------


def _gaps(catalog: Catalog, bindings: Bindings) -> tuple[ServiceGap, ...]:
    """Services that own resources, and what they lack."""
    bound: dict[str, list[Binding]] = defaultdict(list)
    for binding in bindings.bindings:
        bound[binding.service].append(binding)
    found = []
    for name in sorted(set(bound) | set(catalog.services)):
        alerts = [
            (alert, binding)
            for binding in bound.get(name, ())
            for alert in binding.standard.alerts
            if alert.alert not in binding.silenced
        ]
        lacks = []
        if name not in catalog.services:
            lacks.append("owner")
        if name not in bound:
            lacks.append("resources")
        elif not any(alert.severity is AlertSeverity.PAGE for alert, _ in alerts):
            lacks.append("page")
        if any(not (alert.runbook or binding.standard.runbook) for alert, binding in alerts):
            lacks.append("runbook")
        if name in catalog.services and not catalog.services[name].slos:
            lacks.append("slo")
        if lacks:
            found.append(ServiceGap(name, tuple(lacks)))
    return tuple(found)


def _only_general(bindings: Bindings) -> dict[str, int]:
    """Roles whose machines no standard of their own watches."""
    general: dict[str, set[str]] = defaultdict(set)
    special: set[str] = set()
    for binding in _of_standards(bindings):
        for member in binding.members:
            if binding.standard.applies_to.any_of:
                special.add(member.resource.arn)
            elif role := member.labels.get(conventions.ROLE):
                general[role].add(member.resource.arn)
    counted = {role: len(arns - special) for role, arns in sorted(general.items())}
    return {role: count for role, count in counted.items() if count}
