"""Which standard watches which resource, for which service and environment, with which parameters.

Pure: a Catalog, a Snapshot and a date go in; bindings, unbound resources with reasons, and Problems come out.
Every resource of the snapshot ends up in a binding or in `unbound`; none is dropped in silence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from mac import conventions, declared, endpoints, exemptions, objectives, tag_parameters, unbound, watchers
from mac.declared import Declared
from mac.kinds import all_kinds, monitoring
from mac.labels import labels as labels_of
from mac.model import (
    Binding,
    Catalog,
    Cell,
    InventoryConfig,
    KnownAccount,
    Member,
    ParameterValue,
    Partition,
    Resource,
    Service,
    Snapshot,
    Spared,
    Standard,
    Unbound,
)
from mac.notes import Notes, quoted
from mac.problems import Problem, nearest, ordered
from mac.shard_model import Division


@dataclass(frozen=True, slots=True)
class Bindings:
    """The outcome of binding. `bound` counts resources, not bindings. `divisions`: see `shards`.

    `spared`: what exemptions of whole standards leave out. `out_of_reach`: resource and standard, where the
    standard is for it, and it has neither an address nor metrics to collect. `declared`: the endpoints that
    services declare, which no inventory counts.
    """

    bindings: tuple[Binding, ...]
    unbound: tuple[Unbound, ...]
    cells: tuple[Cell, ...]
    problems: tuple[Problem, ...]
    bound: int
    spared: tuple[Spared, ...] = ()
    out_of_reach: tuple[tuple[Resource, str], ...] = ()
    declared: Declared = field(default_factory=Declared)
    divisions: tuple[Division, ...] = ()


def bind(catalog: Catalog, snapshot: Snapshot, today: date) -> Bindings:
    """Binds every resource. Exemptions that ended before `today` no longer hold and are reported."""
    notes = Notes()
    left: list[Unbound] = []
    groups: dict[tuple[Cell, str, str, str], list[tuple[Resource, dict[str, str]]]] = defaultdict(list)
    cells = _Cells(catalog.inventory, snapshot.accounts)
    by_kind: dict[str, list[Standard]] = defaultdict(list)
    for standard in sorted(catalog.standards.values(), key=lambda s: s.name):
        by_kind[standard.applies_to.kind].append(standard)
    bound = 0
    spared: list[Spared] = []
    out_of_reach: list[tuple[Resource, str]] = []
    for resource in sorted(snapshot.resources, key=lambda r: r.sort_key):
        labels = labels_of(resource, catalog.project.labels)
        candidates = _candidates(by_kind, resource)
        refusal = unbound.refusal(catalog, resource, labels, candidates, notes)
        if refusal:
            left.append(Unbound(resource, *refusal))
            continue
        meant = [s for s in candidates if _matches(s, labels)]
        chosen = [s for s in meant if _collectable(s, resource, catalog)]
        out_of_reach += [(resource, s.name) for s in meant if s not in chosen]
        watched = 0
        for standard in chosen:
            exemption = exemptions.exemption(catalog, labels, standard, today)
            if exemption:
                spared.append(Spared(resource, standard.name, exemption))
                continue
            cell = cells.of(resource)
            key = (cell, labels[conventions.ENVIRONMENT], labels[conventions.SERVICE], standard.name)
            groups[key].append((resource, labels))
            watched += 1
        if watched:
            bound += 1
            tag_parameters.note_unknown(resource, chosen, notes)
        elif chosen:
            left.append(Unbound(resource, "exempt", "its service exempts it from every standard"))
        else:
            left.append(Unbound(resource, "no-standard", unbound.no_standard(resource, labels, meant)))
    own = declared.place(catalog, list(groups), cells.all(), today, _matches)
    for key, resource, labels in own.placed:
        groups[key].append((resource, labels))
    _watch_the_watchers(catalog, cells.all(), by_kind[monitoring.NAME], groups, today)
    bindings = tuple(
        _binding(catalog, key, members, today, notes) for key, members in sorted(groups.items(), key=_by_key)
    )
    measured = tuple(objectives.bindings(catalog, bindings, today))
    problems = [
        *notes.problems(),
        *exemptions.expired(catalog, today),
        *own.problems,
        *objectives.unmeasured(catalog, bindings, measured),
    ]
    bindings = tuple(sorted((*bindings, *measured), key=_order))
    return Bindings(
        bindings,
        tuple(left),
        cells.all(),
        ordered(problems),
        bound,
        tuple(spared),
        tuple(out_of_reach),
        own,
    )


def _watch_the_watchers(
    catalog: Catalog,
    cells: tuple[Cell, ...],
    standards: list[Standard],
    groups: dict[tuple[Cell, str, str, str], list[tuple[Resource, dict[str, str]]]],
    today: date,
) -> None:
    """Adds what of monitoring itself each cell sees, for the standards of that kind."""
    collecting = {key[0] for key in groups if catalog.standards[key[3]].cloudwatch is not None}
    for cell in cells if standards else ():
        for resource, labels in watchers.parts(catalog.project, cell, cloudwatch=cell in collecting):
            for standard in standards:
                if _matches(standard, labels) and not exemptions.exemption(catalog, labels, standard, today):
                    key = (cell, labels[conventions.ENVIRONMENT], labels[conventions.SERVICE], standard.name)
                    groups[key].append((resource, labels))


def _by_key(item: tuple[tuple[Cell, str, str, str], object]) -> tuple[str, str, str, str]:
    cell, environment, service, standard = item[0]
    return (cell.name, environment, service, standard)


def _candidates(by_kind: Mapping[str, list[Standard]], resource: Resource) -> list[Standard]:
    """The standards for its kind, those that watch the kind that it is like without asking AWS, and those
    that probe endpoints, if it has any.
    """
    own = by_kind.get(resource.kind, [])
    known = all_kinds().get(resource.kind)
    alike = by_kind.get(known.like, []) if known and known.like else []
    probing = by_kind.get(endpoints.KIND, []) if known and known.endpoints(resource) else []
    found = [
        *own,
        *(s for s in alike if s.cloudwatch is None),
        *(s for s in probing if s.probe and s.cloudwatch is None and s.scrape is None),
    ]
    return sorted(found, key=lambda s: s.name)


def _order(binding: Binding) -> tuple[str, str, str, str]:
    return (binding.cell.name, binding.environment, binding.service, binding.standard.name)


# --- labels ------------------------------------------------------------------------------------------


def _roles(labels: Mapping[str, str]) -> set[str]:
    """A machine may have several roles; its tag joins them with a plus sign."""
    return {part.strip() for part in labels.get(conventions.ROLE, "").split("+")}


def _matches(standard: Standard, labels: Mapping[str, str]) -> bool:
    clauses = standard.applies_to.any_of
    return not clauses or any(
        all(_accepts(labels, label, values) for label, values in clause.items()) for clause in clauses
    )


def _accepts(labels: Mapping[str, str], label: str, values: tuple[str, ...]) -> bool:
    if label == conventions.ROLE:
        return not _roles(labels).isdisjoint(values)
    return labels.get(label) in values


def _collectable(standard: Standard, resource: Resource, catalog: Catalog) -> bool:
    """What is scraped needs an address and the port, what CloudWatch tells of needs dimensions there, what is
    probed needs an endpoint.
    """
    scrape, probe = standard.scrape, standard.probe
    if scrape is not None and (not resource.addresses or resource.port(scrape.port) is None):
        return False
    if probe is not None and not endpoints.of(probe, resource, endpoints.modules(catalog.project)):
        return False
    return standard.cloudwatch is None or bool(all_kinds()[resource.kind].dimensions(resource))


# --- bindings ----------------------------------------------------------------------------------------


class _Cells:
    """Cells by account and region. A region outside the inventory's (a bucket's) joins the first cell, unless
    a file names it for what is not in AWS."""

    def __init__(self, inventory: InventoryConfig, known: tuple[KnownAccount, ...]) -> None:
        self._names = {a.id: a.name for a in known} | {a.id: a.name for a in inventory.accounts}
        self._regions = {a.id: a.regions for a in known if a.regions}
        self._all = inventory.regions
        self._elsewhere = {(one.resource.account, one.resource.region) for one in inventory.listed}
        self._used: dict[tuple[str, str], Cell] = {}

    def of(self, resource: Resource) -> Cell:
        region = resource.region
        regions = self._regions.get(resource.account, self._all)
        if regions and region not in regions and (resource.account, region) not in self._elsewhere:
            region = regions[0]
        key = (resource.account, region)
        if key not in self._used:
            name = conventions.cell_name(self._names.get(resource.account) or resource.account, region)
            self._used[key] = Cell(name, resource.account, region)
        return self._used[key]

    def all(self) -> tuple[Cell, ...]:
        return tuple(sorted(self._used.values()))


def _binding(
    catalog: Catalog,
    key: tuple[Cell, str, str, str],
    found: list[tuple[Resource, dict[str, str]]],
    today: date,
    notes: Notes,
) -> Binding:
    cell, environment, service, standard_name = key
    standard = catalog.standards[standard_name]
    document = catalog.services.get(service)
    settled = _settled(catalog, standard, environment, document)
    tier = document.tier if document else catalog.project.default_tier
    members: list[Member] = []
    partitions: dict[str, dict[str, ParameterValue]] = {}
    sizes: dict[str, int] = defaultdict(int)
    for resource, labels in sorted(found, key=lambda pair: pair[0].sort_key):
        own = tag_parameters.of(standard, resource, settled, notes)
        override = conventions.override(own)
        partitions.setdefault(override, {**settled, **own})
        sizes[override] += 1
        carried = {k: v for k, v in sorted(labels.items()) if k != conventions.TEAM}
        if override:
            carried[conventions.OVERRIDE] = override
        members.append(Member(resource, carried, override))
    return Binding(
        cell=cell,
        environment=environment,
        service=service,
        standard=standard,
        team=_team(catalog, document, found, notes),
        tier=tier,
        pages=tier in catalog.project.page_tiers,
        members=tuple(members),
        partitions=tuple(Partition(o, partitions[o], sizes[o]) for o in sorted(partitions)),
        silenced=exemptions.silenced(document, standard_name, environment, today),
    )


def _settled(
    catalog: Catalog, standard: Standard, environment: str, service: Service | None
) -> dict[str, ParameterValue]:
    """Parameters of a standard for a service: its defaults, then the environment's, then the service's."""
    layers = (
        standard.defaults,
        catalog.project.environments.get(environment, {}).get(standard.name, {}),
        service.parameters.get(standard.name, {}) if service else {},
    )
    values: dict[str, ParameterValue] = {}
    for layer in layers:
        values.update((k, v) for k, v in layer.items() if k in standard.parameters)
    return values


def _team(
    catalog: Catalog,
    document: Service | None,
    found: list[tuple[Resource, dict[str, str]]],
    notes: Notes,
) -> str:
    """The service's owner; without a document the team tag if all resources agree on one that exists."""
    if document:
        return document.owner
    tagged = {labels.get(conventions.TEAM, "") for _, labels in found}
    for resource, labels in found:
        team = labels.get(conventions.TEAM, "")
        if team and team not in catalog.teams:
            told = catalog.project.default_team
            message = f"the tag names the team {quoted(team)}, which does not exist; {told} is told instead"
            notes.add_unknown("unknown-team", team, resource, message, nearest(team, catalog.teams))
    known = tagged & set(catalog.teams)
    return known.pop() if len(known) == 1 and len(tagged) == 1 else catalog.project.default_team
