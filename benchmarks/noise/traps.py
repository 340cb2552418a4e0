"""What only looks like trouble: about it nobody may be told."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.noise.assumptions import value
from benchmarks.noise.clock import DAY, stream
from benchmarks.noise.incidents import REPORTED, TUNED, Incident, in_service, set_of, silence
from benchmarks.noise.machines import INF, Fleet, Machine, Outage


@dataclass(frozen=True, slots=True)
class Trap:
    """What looks like trouble and is none: between `start` and `end` nothing may be told because of it."""

    kind: str
    service: str
    start: float
    end: float
    machines: tuple[str, ...] = ()


TRAPS: Mapping[tuple[str, int], tuple[str, ...]] = {
    (TUNED, 1): ("scale-in", "nightly-batch", "one-machine-lost", "rolling-deployment"),
    (REPORTED, 1): ("emr-termination", "noisy-neighbour", "spot-wave", "one-machine-lost"),
    (REPORTED, 2): ("planned-failover", "long-run", "database-backup", "one-machine-lost"),
}
"""Those of each set of a split. A failure of one machine of many is in all: a fleet has it on any day."""

STANDBY_STARTS = 300.0
"""Seconds for which a NameNode that was restarted waits in safe mode, while another one serves."""
LONG_JOB, LONG_RUN = 3, 1.5
"""The job that takes longer once, and by how much; nobody is promised anything of it."""


def plan(fleet: Fleet, incidents: tuple[Incident, ...], seed: int, split: str, days: int) -> tuple[Trap, ...]:
    """The traps of the split's set, each once a day, apart from the incidents of its service."""
    found: list[Trap] = []
    for day in range(days):
        for name in TRAPS[split, set_of(split, seed)]:
            rng = stream(seed, "traps", name, day)
            found.append(_TRAPS[name](fleet, incidents, rng, day * DAY))
    return tuple(sorted(found, key=lambda t: (t.start, t.kind)))


def described(name: str) -> str:
    """What happens in a trap of this kind, in a sentence."""
    return inspect.cleandoc(_TRAPS[name].__doc__ or "").replace("\n", " ")


def _free(
    incidents: tuple[Incident, ...], service: str, length: float, rng: np.random.Generator, day: float
) -> float:
    """A start such that no incident touches the service from an hour before it to its end."""
    touching = [i for i in incidents if service in (i.service, *i.also)]
    for _ in range(200):
        start = day + float(rng.uniform(1.5 * 3600, DAY - length - 3600))
        if all(start + length < i.start or start > i.end + 3600 for i in touching):
            return start
    return day + DAY - length - 600


def _scale_in(fleet: Fleet, incidents: tuple[Incident, ...], rng: np.random.Generator, day: float) -> Trap:
    """The evening's shrinking of the ingest tier: many machines leave within an hour or two."""
    left = sorted(
        m.leaving for m in fleet.machines
        if m.group.name == "ingest" and m.why == "scale-in" and day + 72_000 < m.leaving <= day + DAY
    )  # fmt: skip
    start, end = (left[0], left[-1] + 900) if left else (day + 72_000, day + 79_200)
    ids = tuple(m.id for m in fleet.machines if m.group.name == "ingest" and start <= m.leaving <= end)
    return Trap("scale-in", "ingest", start, min(end, day + DAY), ids)


def _emr_end(fleet: Fleet, incidents: tuple[Incident, ...], rng: np.random.Generator, day: float) -> Trap:
    """A transient cluster ends with its last step."""
    touching = [i for i in incidents if "etl" in (i.service, *i.also)]
    ends = [c for c in fleet.clusters if c.transient and day + 5400 < c.leaving < day + DAY - 3600]
    calm = [c for c in ends if all(not i.start - 1800 < c.leaving < i.end + 1800 for i in touching)]
    cluster = (calm or ends)[0]
    ids = tuple(m.id for m in fleet.machines if m.cluster == cluster.id)
    return Trap("emr-termination", "etl", cluster.leaving, cluster.gone + 1500, ids)


def _batch(fleet: Fleet, incidents: tuple[Incident, ...], rng: np.random.Generator, day: float) -> Trap:
    """The night's jobs keep the core machines of the warehouse busy for two hours, as every night."""
    start, end = day + 1.4 * 3600, day + 3.6 * 3600
    ids = tuple(m.id for m in _alive(fleet, "etl-warehouse-core", start))
    return Trap("nightly-batch", "etl", start, end, ids)


def _neighbour(fleet: Fleet, incidents: tuple[Incident, ...], rng: np.random.Generator, day: float) -> Trap:
    """Something else on the hypervisor takes CPU time from one Alluxio worker for an hour."""
    start = _free(incidents, "alluxio", 3600, rng, day)
    members = _alive(fleet, "alluxio-worker", start)
    return Trap(
        "noisy-neighbour", "alluxio", start, start + 3600, (members[int(rng.integers(len(members)))].id,)
    )


def _one_lost(fleet: Fleet, incidents: tuple[Incident, ...], rng: np.random.Generator, day: float) -> Trap:
    """One DataNode of many dies. HDFS copies its blocks by itself; a person replaces it some time."""
    start = _free(incidents, "hdfs", 7200, rng, day)
    members = [i for i in in_service(fleet, "datanode", start) if fleet.machines[i].leaving == INF]
    index = members[int(rng.integers(len(members)))]
    fleet.kill(index, start, "one of many")
    return Trap("one-machine-lost", "hdfs", start, start + 7200, (fleet.machines[index].id,))


def _rolling(fleet: Fleet, incidents: tuple[Incident, ...], rng: np.random.Generator, day: float) -> Trap:
    """A release of Alluxio's workers: one after the other restarts."""
    start = _free(incidents, "alluxio", 2700, rng, day)
    members = in_service(fleet, "alluxio-worker", start)
    pause = 2400 / max(1, len(members))
    for position, index in enumerate(members):
        at = start + position * pause
        silence(fleet, [index], Outage("alluxio-worker", at, at + value("daemon_restart"), "deployment"))
    return Trap(
        "rolling-deployment", "alluxio", start, start + 2700, tuple(fleet.machines[i].id for i in members)
    )


def _spot_wave(fleet: Fleet, incidents: tuple[Incident, ...], rng: np.random.Generator, day: float) -> Trap:
    """AWS takes half of the warehouse's task machines back within two minutes."""
    start = _free(incidents, "etl", 2400, rng, day)
    members = [i for i, m in enumerate(fleet.machines)
               if m.group.name == "etl-warehouse-task" and m.in_service <= start < m.leaving]  # fmt: skip
    taken = members[: max(2, len(members) // 2)]
    ids = tuple(fleet.machines[i].id for i in taken)
    for index in taken:
        fleet.take_back(index, start + float(rng.uniform(0, 120)))
    return Trap("spot-wave", "etl", start, start + 2400, ids)


def _failover(fleet: Fleet, incidents: tuple[Incident, ...], rng: np.random.Generator, day: float) -> Trap:
    """Somebody restarts the active NameNode on purpose: another one leads, and it waits in safe mode."""
    start = _free(incidents, "hdfs", 1800, rng, day)
    index = _leader(fleet, "namenode", "hdfs-namenode", start)
    silence(fleet, [index], Outage("hdfs-namenode", start, start + value("daemon_restart"), "fail-over"))
    return Trap("planned-failover", "hdfs", start, start + 1800, (fleet.machines[index].id,))


def _leader(fleet: Fleet, group: str, job: str, at: float) -> int:
    """Index of the active machine of a group: the first one, until it fails."""
    found = in_service(fleet, group, at)
    outages = [
        (o, i) for i in found for o in fleet.machines[i].outages
        if o.job in ("", job) and not o.cause.startswith("exporter") and o.start <= at
    ]  # fmt: skip
    active = found[0]
    for outage, index in sorted(outages, key=lambda pair: pair[0].start):
        if index == active:
            down = {i for o, i in outages if o.start <= outage.start < o.end}
            active = next((i for i in found if i not in down), found[0])
    return active


def _long_run(fleet: Fleet, incidents: tuple[Incident, ...], rng: np.random.Generator, day: float) -> Trap:
    """One run of a job has half as much again to do, as at the end of a month, and takes as much longer."""
    start = _free(incidents, "etl", 7200, rng, day)
    return Trap("long-run", "etl", start, start + 7200)


def _backup(fleet: Fleet, incidents: tuple[Incident, ...], rng: np.random.Generator, day: float) -> Trap:
    """The metastore's database is dumped, which keeps its disk and its CPU busy for forty minutes."""
    start = _free(incidents, "metastore", 2400, rng, day)
    return Trap("database-backup", "metastore", start, start + 2400)


def _alive(fleet: Fleet, group: str, at: float) -> list[Machine]:
    return [fleet.machines[i] for i in in_service(fleet, group, at)]


_TRAPS: dict[str, Callable[[Fleet, tuple[Incident, ...], np.random.Generator, float], Trap]] = {
    "scale-in": _scale_in,
    "emr-termination": _emr_end,
    "nightly-batch": _batch,
    "noisy-neighbour": _neighbour,
    "one-machine-lost": _one_lost,
    "rolling-deployment": _rolling,
    "spot-wave": _spot_wave,
    "planned-failover": _failover,
    "long-run": _long_run,
    "database-backup": _backup,
}
