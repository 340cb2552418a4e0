"""The simulated fleet: one seeded truth, of which every configuration sees what its targets show.

    python -m benchmarks.noise.world --seed 1 --hosts 146 --out DIR

writes the series of both views and the truth, and prints a summary.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.noise import (
    aws_signals,
    data_signals,
    host_signals,
    incidents,
    inventory,
    openmetrics,
    roles,
    traps,
    views,
)
from benchmarks.noise.clock import DAY, START, STEP, Floats, Mask, steps
from benchmarks.noise.incidents import Incident
from benchmarks.noise.machines import HOST, Cluster, Fleet, Machine
from benchmarks.noise.signals import Series, Wanted
from benchmarks.noise.state import Services
from benchmarks.noise.traps import Trap
from mac import emit
from mac.model import Snapshot


@dataclass(frozen=True, slots=True)
class Window:
    """The steps of a machine's life, from its launch to its end. `seconds`: of each of them."""

    first: int
    count: int
    seconds: Floats

    @property
    def slice(self) -> slice:
        return slice(self.first, self.first + self.count)


class World:
    """All that happens to `hosts` machines (on average) in `days` days, by a seed and a split of incidents.

    Raises ValueError for an unknown split or too few hosts.
    """

    def __init__(self, seed: int, hosts: int, days: int = 1, split: str = incidents.TUNED) -> None:
        self.seed, self.hosts, self.days, self.split = seed, hosts, days, split
        self.end = float(days * DAY)
        self.count = steps(days)
        self.times: Floats = np.arange(self.count, dtype=np.float64) * STEP
        fleet = Fleet(seed, hosts, days)
        self.incidents: tuple[Incident, ...] = incidents.schedule(fleet, seed, split, days)
        self.traps: tuple[Trap, ...] = traps.plan(fleet, self.incidents, seed, split, days)
        self.machines: tuple[Machine, ...] = tuple(fleet.machines)
        self.clusters: tuple[Cluster, ...] = tuple(fleet.clusters)
        self.services = Services(seed, self.times, self.incidents, self.traps, hosts)
        self._sizes = fleet.sizes
        self._counted: dict[tuple[tuple[str, ...], str, str], tuple[Floats, Floats]] = {}
        self._leaders: dict[tuple[str, str, str], Floats] = {}

    # --- what AWS says ------------------------------------------------------------------------------

    def inventory(self, at: float) -> Snapshot:
        """The inventory that AWS's API would give at `at` seconds."""
        return inventory.snapshot(self, at)

    def changes(self) -> tuple[float, ...]:
        """The times at which the inventory changes, sorted, from 0 on."""
        times = {0.0}
        for machine in self.machines:
            times |= {
                machine.launched,
                machine.running,
                machine.in_service,
                machine.leaving,
                machine.off,
                machine.gone,
            }
        for cluster in self.clusters:
            times |= {cluster.launched, cluster.ready, cluster.leaving, cluster.gone}
        return tuple(sorted(t for t in times if 0 <= t < self.end))

    def bounds(self, group: str) -> tuple[int, int]:
        """The smallest and the largest size of an autoscaling group."""
        described = next(g for g in roles.GROUPS if g.name == group)
        size = self._sizes[group]
        return (size, size) if not described.peaks else (1, 2 * size + 2)

    # --- who answers ----------------------------------------------------------------------------------

    def window(self, machine: Machine) -> Window:
        first = max(0, math.ceil(machine.launched / STEP))
        cut = slice(first, max(first, self._step(machine.gone)))
        seconds = self.times[cut]
        return Window(first, len(seconds), seconds)

    def answers(self, machine: Machine, job: str, window: Window) -> Mask:
        """Steps of the window at which a scrape of the job succeeds."""
        ready = machine.ready if job == HOST else machine.daemons_ready
        found = (window.seconds >= ready) & (window.seconds < machine.off)
        for outage in machine.outages:
            if outage.job in ("", job):
                found &= ~((window.seconds >= outage.start) & (window.seconds < outage.end))
        return np.asarray(found, dtype=np.bool_)

    def works(self, machine: Machine, job: str, window: Window) -> Mask:
        """As `answers`, without crashes of the exporter alone: does what the job is about run?"""
        ready = machine.ready if job == HOST else machine.daemons_ready
        found = (window.seconds >= ready) & (window.seconds < machine.off)
        for outage in machine.outages:
            if outage.job in ("", job) and not outage.cause.startswith("exporter"):
                found &= ~((window.seconds >= outage.start) & (window.seconds < outage.end))
        return np.asarray(found, dtype=np.bool_)

    def counted(self, groups: tuple[str, ...], job: str, cluster: str) -> tuple[Floats, Floats]:
        """Machines of these groups at each step on which the job runs, and that have begun and not left."""
        key = (groups, job, cluster)
        if key not in self._counted:
            live, known = np.zeros(self.count), np.zeros(self.count)
            for machine in self.machines:
                if machine.group.name in groups and machine.cluster == cluster:
                    window = self.window(machine)
                    live[window.slice] += self.works(machine, job, window)
                    begun = (window.seconds >= machine.daemons_ready) & (window.seconds < machine.leaving)
                    known[window.slice] += begun
            self._counted[key] = (live, known)
        return self._counted[key]

    def leads(self, machine: Machine, window: Window, job: str = "") -> Mask:
        """Steps at which this machine is the active one of its group: it stays so until it fails."""
        job = job or next(iter(machine.group.daemons))
        key = (machine.group.name, machine.cluster, job)
        if key not in self._leaders:
            self._leaders[key] = self._led(*key)
        return np.asarray(self._leaders[key][window.slice] == machine.number, dtype=np.bool_)

    def _led(self, group: str, cluster: str, job: str) -> Floats:
        members = [m for m in self.machines if m.group.name == group and m.cluster == cluster]
        up = np.zeros((len(members), self.count), dtype=np.bool_)
        for row, machine in enumerate(members):
            window = self.window(machine)
            up[row, window.slice] = self.works(machine, job, window)
        if job == "zookeeper":  # it takes most of them to choose a leader
            up[:, up.sum(axis=0) <= len(members) // 2] = False
        leader = np.zeros(self.count)
        active = -1
        for step in range(self.count):
            if active < 0 or not up[active, step]:
                standing = np.flatnonzero(up[:, step])
                active = int(standing[0]) if len(standing) else -1
            leader[step] = members[active].number if active >= 0 else 0
        return leader

    def first(self, group: str) -> Machine:
        return next(m for m in self.machines if m.group.name == group)

    def spans(self, intervals: Iterable[tuple[float, float]]) -> Floats:
        """How many of the intervals are open at each step."""
        change = np.zeros(self.count + 1)
        for start, end in intervals:
            first, last = self._step(start), self._step(end)
            if last > first:
                change[first] += 1
                change[last] -= 1
        return np.asarray(np.cumsum(change)[:-1], dtype=np.float64)

    def _step(self, at: float) -> int:
        """The first step at or after a time, within the world."""
        return self.count if at >= self.end else max(0, math.ceil(at / STEP))

    # --- what exporters say ---------------------------------------------------------------------------

    def series(self, machine: Machine, job: str, window: Window, wanted: Wanted) -> Iterator[Series]:
        """What a scrape of the job finds, while it answers, for each step of the window.

        Raises KeyError for a job that nothing in this world answers to.
        """
        if job == HOST:
            return host_signals.series(self, machine, window, wanted)
        return data_signals.JOBS[job](self, machine, window, wanted)

    def host_hours(self) -> float:
        """Hours that machines were in service."""
        return sum(max(0.0, min(m.leaving, self.end) - max(m.in_service, 0.0)) for m in self.machines) / 3600


def summary(world: World) -> Sequence[str]:
    """What a world is made of, a line each."""
    launches = sum(1 for m in world.machines if m.launched >= 0)
    average = world.host_hours() / 24 / world.days
    head = f"seed {world.seed}, split {world.split}: {average:.0f} hosts on average, {launches} launches, "
    happens: list[tuple[str, Incident | Trap, str]] = [
        *(("incident", i, f", to tell within {i.bound / 60:.0f} min") for i in world.incidents),
        *(("trap", t, "") for t in world.traps),
    ]
    return [
        f"{head}{len(world.clusters)} EMR clusters in {world.days} days",
        *(
            f"{what:<9}{it.kind:<22} {it.service:<10} {_clock(it.start)}–{_clock(it.end)} "
            f"{len(it.machines)} machines{more}"
            for what, it, more in happens
        ),
    ]


def _clock(seconds: float) -> str:
    day, rest = divmod(int(seconds), DAY)
    return f"{f'{day}d ' if day else ''}{rest // 3600:02d}:{rest % 3600 // 60:02d}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the samples that a list by hand shows, and prints what the world is made of."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noise.world", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hosts", type=int, default=146)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--split", choices=incidents.SPLITS, default=incidents.TUNED)
    parser.add_argument("--out", type=Path, required=True, help="an empty directory")
    options = parser.parse_args(arguments)
    world = World(options.seed, options.hosts, options.days, options.split)
    print("\n".join(summary(world)))
    options.out.mkdir(parents=True, exist_ok=True)
    truth = {
        "start": START,
        "incidents": [asdict(incident) for incident in world.incidents],
        "traps": [asdict(trap) for trap in world.traps],
    }
    (options.out / "truth.json").write_bytes(emit.json_pretty(truth))
    watched = [r.arn for r in inventory.everything(world).resources if r.kind in aws_signals.METRICS]
    cloudwatch: dict[str, Mapping[str, str]] = {arn: {} for arn in watched}
    for name, updates in (("static", views.UPDATES), ("live", None)):
        targets = views.by_hand(world, updates)
        seen = views.sight(world, targets)
        folder = options.out / name
        folder.mkdir()
        began = time.monotonic()
        files = openmetrics.parts(world, targets, cloudwatch, folder, Wanted())
        size = sum(path.stat().st_size for path in files)
        print(
            f"{name}: {len(targets)} targets, blind {seen.blind_share:.1%} of {seen.host_hours:.0f} hours, "
            f"{seen.gone:.0f} hours of what is gone; "
            f"{size / 2**20:.0f} MiB in {time.monotonic() - began:.0f} s"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
