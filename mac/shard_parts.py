"""A cell as the parts that have folders: itself, or its shards and what a ruler evaluates. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mac import conventions, dashboards, hashing, rules, shard_rules, watchers
from mac.kinds import monitoring
from mac.model import Binding, Catalog, Cell, Member
from mac.problems import Problem
from mac.rules import RenderedRule
from mac.shard_model import Division

Ruled = tuple[Binding, tuple[RenderedRule, ...]]
"""A binding, and rules of it."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Which of `count` parts of the cell `of` a Prometheus collects."""

    of: str
    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Part:
    """What has a folder below cells/. `bindings`: what it collects, nothing in the case of a `ruler`.
    `rules`: what it evaluates. `own_series`: those that a shard records of single resources.
    """

    cell: Cell
    bindings: tuple[Binding, ...]
    rules: tuple[Ruled, ...]
    shard: Shard | None = None
    ruler: bool = False
    own_series: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def place(self) -> str:
        """The cell that its series are of: itself, or the one that it is a shard of."""
        return self.shard.of if self.shard else self.cell.name


def parts(
    catalog: Catalog, cell: Cell, bindings: Iterable[Binding], division: Division | None
) -> tuple[Part, ...]:
    """The parts of a cell whose bindings these are; `division` when it is divided."""
    own = tuple(bindings)
    rendered, problems = _rendered(catalog, cell, own)
    if division is None:
        return (Part(cell, own, rendered, problems=problems),)
    watching = [b for b in own if _is_watcher(b)]
    local = {id(b): shard_rules.local_names(r) for b, r in rendered if not _is_watcher(b)}
    members = {id(b): _by_shard(b, division.count) for b in own if not _is_watcher(b)}
    found = []
    for number in range(division.count):
        place = Cell(conventions.shard_name(cell.name, number), cell.account, cell.region)
        collected = [
            replace(b, cell=place, members=tuple(mine))
            for b in own
            if id(b) in members and (mine := members[id(b)].get(number))
        ]
        watched = tuple(_watching(watching, place, collected))
        seen, more = _rendered(catalog, cell, (*watched, shard_rules.alive(catalog.project, place)))
        kept = tuple(
            (binding, tuple(r for r in own_rules if r.name in local[id(binding)]))
            for binding, own_rules in rendered
            if local.get(id(binding)) and members[id(binding)].get(number)
        )
        found.append(
            Part(
                place,
                (*collected, *watched),
                (*kept, *seen),
                Shard(cell.name, number, division.count),
                own_series=tuple(sorted({r.name for _, some in kept for r in some})),
                problems=more,
            )
        )
    missed, more = _rendered(catalog, cell, (shard_rules.missed(catalog.project, cell, division.count),))
    everywhere = tuple(
        (b, shard_rules.for_ruler(_without(r, local.get(id(b), frozenset())), cell))
        for b, r in (*rendered, *missed)
        if not _is_watcher(b)
    )
    return (*found, Part(cell, (), everywhere, ruler=True, problems=(*problems, *more)))


def _rendered(
    catalog: Catalog, cell: Cell, bindings: Iterable[Binding]
) -> tuple[tuple[Ruled, ...], tuple[Problem, ...]]:
    """The rules of each binding. `cell`: whose dashboards they lead to."""
    own = tuple(bindings)
    together: dict[tuple[str, str], list[Binding]] = defaultdict(list)
    for binding in own:
        together[binding.environment, binding.service].append(replace(binding, cell=cell))
    addresses = {
        place: dashboards.address(catalog.project.addresses, some) for place, some in together.items()
    }
    found: list[Ruled] = []
    problems: list[Problem] = []
    for binding in own:
        rendered, wrong = rules.for_binding(binding, addresses[binding.environment, binding.service])
        found.append((binding, rendered))
        problems += wrong
    return tuple(found), tuple(problems)


def _without(rendered: tuple[RenderedRule, ...], names: frozenset[str]) -> tuple[RenderedRule, ...]:
    return tuple(rule for rule in rendered if rule.name not in names)


def _is_watcher(binding: Binding) -> bool:
    """Whether it is about parts of monitoring itself: each shard has its own, and sees them alone."""
    return binding.standard.applies_to.kind == monitoring.NAME


def _by_shard(binding: Binding, count: int) -> Mapping[int, list[Member]]:
    found: dict[int, list[Member]] = defaultdict(list)
    for member in binding.members:
        found[hashing.shard_of(member.resource, count)].append(member)
    return found


def _watching(bindings: Iterable[Binding], place: Cell, collected: Iterable[Binding]) -> Iterable[Binding]:
    """What a shard sees of monitoring. Its parts have the same addresses as those of other shards."""
    cloudwatch = any(b.standard.cloudwatch for b in collected)
    for binding in bindings:
        members = tuple(
            replace(m, labels={**m.labels, conventions.RESOURCE_ID: f"{place.name}/{m.resource.id}"})
            for m in binding.members
            if cloudwatch or m.resource.name != watchers.CLOUDWATCH_EXPORTER
        )
        if members:
            yield replace(binding, cell=place, members=members)
