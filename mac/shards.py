"""Cells that are too large for one Prometheus: into how many shards each is divided. Pure.

How many is what mac.yaml says of a cell, else what its size asks for, and never fewer than there were: a
fleet that breathes must not move its targets twice a day. `hashing` says which shard a resource belongs to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mac.bind import Bindings
from mac.model import Binding, Catalog
from mac.problems import Problem, Severity, did_you_mean, ordered
from mac.shard_model import CellSize, Division, Sharding


@dataclass(frozen=True, slots=True)
class Size:
    """Of a cell. `series`: 0 when nobody knows."""

    targets: int
    series: int = 0


def divide(
    catalog: Catalog,
    bindings: Bindings,
    before: Mapping[str, int] | None = None,
    measured: Mapping[str, int] | None = None,
) -> Bindings:
    """The bindings with what becomes of their cells. `before`: cell → shards that it had (see `counts`);
    `measured`: cell → series that its Prometheus have.
    """
    sharding = catalog.project.scale.sharding
    if sharding is None:
        return bindings
    targets = Counter({cell.name: 0 for cell in bindings.cells})
    for binding in bindings.bindings:
        targets[binding.cell.name] += len(binding.members) if _collects(binding) else 0
    problems = list(_unknown(sharding, targets))
    divisions = []
    for cell, number in sorted(targets.items()):
        given = sharding.cells.get(cell, CellSize())
        size = Size(number, (measured or {}).get(cell, 0) or given.series)
        enough = needed(sharding, size)
        count = given.shards or max(enough, (before or {}).get(cell, 1))
        if given.shards and enough > given.shards:
            problems.append(_too_few(cell, given, size, enough))
        if count > 1:
            divisions.append(Division(cell, count))
    return replace(bindings, divisions=tuple(divisions), problems=ordered([*bindings.problems, *problems]))


def needed(sharding: Sharding, size: Size) -> int:
    """How many Prometheus a cell of this size takes."""
    limits = ((size.targets, sharding.max_targets), (size.series, sharding.max_series))
    return max([1, *(-(-have // limit) for have, limit in limits if limit)])


def counts(provenance: Mapping[str, Any]) -> dict[str, int]:
    """Cell → into how many shards a generated tree divides it; none for those that it does not."""
    found = (entry.get("shard") for entry in provenance.get("files", {}).values())
    return {shard["of"]: int(shard["count"]) for shard in found if shard}


def _collects(binding: Binding) -> bool:
    standard = binding.standard
    return bool(standard.scrape or standard.cloudwatch or standard.probe)


def _unknown(sharding: Sharding, known: Mapping[str, int]) -> Iterator[Problem]:
    for name, size in sharding.cells.items():
        if name not in known:
            message = f"there is no cell {name}"
            yield Problem(size.location, "unknown-cell", message, did_you_mean(name, known), Severity.WARNING)


def _too_few(cell: str, given: CellSize, size: Size, enough: int) -> Problem:
    series = f" and {size.series} series" if size.series else ""
    message = f"{cell} has {size.targets} targets{series}: more than its {given.shards} shards may have"
    return Problem(given.location, "cell-too-large", message, f"{enough} would do", Severity.WARNING)
