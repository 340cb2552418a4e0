"""Who sees what of the world: lists of targets over time, and what a list shows, keeps and misses.

Times of targets are Unix seconds, as a Prometheus has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from benchmarks.noise.clock import DAY, START
from benchmarks.noise.machines import HOST, Machine

if TYPE_CHECKING:
    from benchmarks.noise.world import World

Labels = tuple[tuple[str, str], ...]

UPDATES = (8.0, 13.0, 18.0)
"""Hours of the day at which the list by hand is brought up to date."""

NODE = "node"
"""What people call the job of the node exporter; the standards call it `host`."""


class Target(Protocol):
    """A target of one job, from `start` (inclusive) until `end`. `labels`: without job and instance."""

    @property
    def job(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """A Target of a list by hand."""

    job: str
    address: str
    labels: Labels
    start: float
    end: float


def by_hand(world: World, updates: Sequence[float] | None = UPDATES) -> tuple[Listed, ...]:
    """The list that somebody brings up to date at these hours of each day; None: at once, by itself.

    At an update it has each machine that AWS shows as running then, with all its exporters. At the world's
    beginning it is as it was left by the last update of the day before.
    """
    found = []
    for machine in world.machines:
        if updates is None:
            start, end = machine.running, machine.leaving
        else:
            start = _next(machine.running, updates)
            end = _next(machine.leaving, updates)
        start, end = max(start, 0.0), min(end, world.end)
        if start >= end:
            continue
        labels = (
            ("host", machine.id),
            ("role", machine.group.role or machine.group.emr),
            ("service", machine.group.service),
        )
        for job, port in machine.jobs().items():
            name = NODE if job == HOST else job
            found.append(Listed(name, f"{machine.address}:{port}", labels, START + start, START + end))
    return tuple(sorted(found))


def _next(at: float, updates: Sequence[float]) -> float:
    """The first update at or after a time."""
    if at == math.inf:
        return at
    day = at // DAY
    times = (d * DAY + hour * 3600 for d in (day, day + 1) for hour in sorted(updates))
    return next(t for t in times if t >= at)


def live(
    world: World,
    ever: Iterable[tuple[str, str, Labels]],
    sync: float = 60.0,
    apply: float = 30.0,
    *,
    lifecycle: bool = True,
) -> tuple[Listed, ...]:
    """The targets of a Prometheus whose list is generated anew every `sync` seconds, and read `apply` later.

    `ever`: job, address and labels of all that is generated from `inventory.everything`; they do not depend
    on when a machine is there, so that only its time is left to say. The first list is there from the
    beginning. Without `lifecycle` what boots or leaves is taken for in service.
    """
    machines = by_address(world)
    found = []
    for job, address, labels in ever:
        machine = machines[address.rpartition(":")[0]]
        first, last = (machine.in_service, machine.leaving) if lifecycle else (machine.launched, machine.gone)
        start = 0.0 if first <= 0 else _looked(first, sync) + apply
        end = world.end if last >= world.end else _looked(last, sync) + apply
        end = min(end, world.end)
        if last > 0 and start < end and _looked(max(first, 0.0), sync) < last:
            found.append(Listed(job, address, labels, START + start, START + end))
    return tuple(sorted(found))


def _looked(at: float, sync: float) -> float:
    """The first look at the inventory at or after a time."""
    return math.ceil(at / sync) * sync


def by_address(world: World) -> Mapping[str, Machine]:
    """Address without port → the machine that has it; no address is given twice."""
    return {machine.address: machine for machine in world.machines}


@dataclass(frozen=True, slots=True)
class Sight:
    """Hours that machines were in service and `blind`: on no list; and listed hours of machines `gone`."""

    host_hours: float
    blind: float
    gone: float

    @property
    def blind_share(self) -> float:
        return self.blind / self.host_hours if self.host_hours else 0.0


def sight(world: World, targets: Iterable[Target]) -> Sight:
    """What a list sees: a machine is seen while the target of its node exporter, or any other, is listed.

    A machine counts from its first answer, for no list shows more before.
    """
    machines = by_address(world)
    listed: dict[str, list[tuple[float, float]]] = {}
    for target in targets:
        address = target.address.rpartition(":")[0]
        listed.setdefault(address, []).append((target.start - START, target.end - START))
    hours = blind = gone = 0.0
    for address, machine in machines.items():
        start, end = max(0.0, machine.in_service, machine.ready), min(world.end, machine.leaving)
        spans = _merged(listed.get(address, []))
        if start < end:
            hours += end - start
            blind += end - start - sum(max(0.0, min(e, end) - max(s, start)) for s, e in spans)
        gone += sum(max(0.0, e - max(s, machine.leaving)) for s, e in spans)
    return Sight(hours / 3600, blind / 3600, gone / 3600)


def _merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def seen(world: World, targets: Iterable[Target]) -> frozenset[str]:
    """The kinds of incidents of which a list shows anything: those of machines of which it has at least one
    while they are broken, and all those that show elsewhere."""
    machines = by_address(world)
    listed: dict[str, list[tuple[float, float]]] = {}
    for target in targets:
        machine = machines.get(target.address.rpartition(":")[0])
        if machine is not None:
            listed.setdefault(machine.id, []).append((target.start - START, target.end - START))
    found = set()
    for incident in world.incidents:
        spans = [span for machine in incident.machines for span in listed.get(machine, [])]
        if not incident.machines or any(s < incident.end and e > incident.start for s, e in spans):
            found.add(incident.kind)
    return frozenset(found)
