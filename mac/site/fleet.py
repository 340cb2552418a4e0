"""What is known of the fleet, service by service and standard by standard, for the pages."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from mac import conventions, coverage_report
from mac.coverage import Coverage, Row, State
from mac.site.material import Material

NAMED = 20
"""Resources that are named for one reason; the others are counted."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One standard for one service in one environment: `resources` in it, `silenced` alerts."""

    service: str
    standard: str
    environment: str
    resources: int
    silenced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Resources of one kind for which the same is to be said."""

    kind: str
    why: str
    count: int
    named: tuple[str, ...]

    @property
    def more(self) -> int:
        return self.count - len(self.named)


class Fleet:
    """The bindings and the coverage, arranged. Everything is empty where there is no snapshot."""

    def __init__(self, material: Material) -> None:
        observed = material.observed
        self.known = observed is not None
        self.coverage: Coverage | None = observed.coverage if observed else None
        self.by_service: Mapping[str, tuple[Watch, ...]] = {}
        self.by_standard: Mapping[str, tuple[Watch, ...]] = {}
        self.counts: Mapping[str, Mapping[str, int]] = {}
        self.lacks: Mapping[str, tuple[str, ...]] = {}
        self.undeclared: Mapping[str, tuple[str, int]] = {}  # service without a document → team and tier
        if observed is None:
            return
        watches = _watches(material)
        self.by_service = _by(watches, lambda watch: watch.service)
        self.by_standard = _by(watches, lambda watch: watch.standard)
        self.counts = observed.coverage.by(lambda row: row.service)
        words = coverage_report.SERVICE_LACKS
        self.lacks = {g.service: tuple(words[w] for w in g.lacks) for g in observed.coverage.services}
        self.undeclared = {
            b.service: (b.team, b.tier)
            for b in observed.bindings.bindings
            if b.service not in material.catalog.services
        }

    def counted(self) -> list[tuple[str, list[tuple[str, Mapping[str, int]]]]]:
        """What the resources are counted by → each value and its counts."""
        found = self.coverage
        if found is None:
            return []
        return [(word, list(found.by(key).items())) for word, key in coverage_report.GROUPINGS.items()]

    def groups(self, state: State) -> list[Group]:
        """The resources of a state, the largest groups first."""
        rows = [row for row in self.coverage.rows if row.state is state] if self.coverage else []
        rows.sort(key=lambda row: (row.resource.kind, _why(row), _name(row)))
        found = []
        for (kind, why), same in groupby(rows, key=lambda row: (row.resource.kind, _why(row))):
            names = [_name(row) for row in same]
            found.append(Group(kind, why, len(names), tuple(names[:NAMED])))
        return sorted(found, key=lambda group: -group.count)


def _watches(material: Material) -> list[Watch]:
    resources: Counter[tuple[str, str, str]] = Counter()
    silenced: dict[tuple[str, str, str], frozenset[str]] = {}
    for binding in material.observed.bindings.bindings if material.observed else ():
        key = (binding.service, binding.standard.name, binding.environment)
        resources[key] += len(binding.members)
        silenced[key] = silenced.get(key, frozenset()) | binding.silenced
    # The rules of an SLO are bound like a standard; a service's page shows them as what they are.
    return [
        Watch(*key, resources[key], tuple(sorted(silenced[key])))
        for key in sorted(resources)
        if key[1] in material.catalog.standards or not key[1].startswith(conventions.SLO_STANDARD_PREFIX)
    ]


def _by(watches: Iterable[Watch], key: Callable[[Watch], str]) -> dict[str, tuple[Watch, ...]]:
    found: dict[str, list[Watch]] = defaultdict(list)
    for watch in watches:
        found[key(watch)].append(watch)
    return {name: tuple(own) for name, own in found.items()}


def _why(row: Row) -> str:
    if row.state is State.PARTIAL:
        return "; ".join(row.missing)
    return f"{row.detail} (until {row.expires})" if row.expires else row.detail


def _name(row: Row) -> str:
    return row.resource.name or row.resource.id
