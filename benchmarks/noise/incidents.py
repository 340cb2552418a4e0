"""What really goes wrong, and what only looks like it.

An incident is told by the state of the world: what is broken, since when, until when, whose it is, and how
much later a person can still prevent the harm. No rule of any configuration is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.noise import roles
from benchmarks.noise.assumptions import value
from benchmarks.noise.clock import DAY, stream
from benchmarks.noise.machines import HOST, INF, Fleet, Outage

TUNED, REPORTED = "tuned", "reported"
SPLITS = (TUNED, REPORTED)
SETS: Mapping[str, Mapping[int, tuple[int, ...]]] = {
    TUNED: {1: (1, 2, 3)},
    REPORTED: {1: (22, 23, 24), 2: (31, 32, 33)},
}
"""Split → set of kinds → the seeds that run it. Standards are tuned on the first split; the other is only for
reports. Its first set was looked at while they were; its second was written without knowing them."""
SEEDS = {TUNED: (1, 2, 3), REPORTED: (22, 31, 32)}
"""What is run when no seeds are asked for: something of each set."""


def set_of(split: str, seed: int) -> int:
    """The set of kinds that a seed runs: the first one, unless the seed is another's."""
    return next((number for number, seeds in SETS[split].items() if seed in seeds), 1)


def label(split: str, number: int) -> str:
    """A set of kinds as tables have it."""
    return split if len(SETS[split]) == 1 else f"{split} {number}"


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that a person must be told of.

    `bound`: seconds after `start` within which telling is in time. `also`: services that suffer, and may
    rightly be told of beside `service`. `machines`: ids of those that are broken, if it is about machines.
    """

    kind: str
    service: str
    team: str
    start: float
    end: float
    bound: float
    also: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()


Effect = Callable[[Fleet, float, float], tuple[str, ...]]
"""Breaks machines from a start to an end and returns their ids."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`minutes`: shortest and longest duration. `bound`: seconds, with the reason why it is that long.

    `hours`: when on a day it must begin, since only then it can happen; None for a slot of its own.
    `number`: its set in the split.
    """

    name: str
    split: str
    service: str
    minutes: tuple[float, float]
    bound: float
    why: str
    also: tuple[str, ...] = ()
    hours: tuple[float, float] | None = None
    effect: Effect | None = None
    number: int = 1


def in_service(fleet: Fleet, group: str, at: float) -> list[int]:
    """Indices of the machines of a group that are in service."""
    return [
        i for i, m in enumerate(fleet.machines)
        if m.group.name == group and m.daemons_ready <= at < m.leaving
    ]  # fmt: skip


def silence(fleet: Fleet, members: list[int], outage: Outage) -> tuple[str, ...]:
    """An outage of all these machines, of each until it leaves."""
    for index in members:
        machine = fleet.machines[index]
        own = replace(outage, end=min(outage.end, machine.leaving))
        fleet.machines[index] = replace(machine, outages=(*machine.outages, own))
    return tuple(fleet.machines[i].id for i in members)


def _stopped(group: str, job: str) -> Effect:
    """A daemon of all machines of a group does not run."""

    def effect(fleet: Fleet, start: float, end: float) -> tuple[str, ...]:
        return silence(fleet, in_service(fleet, group, start), Outage(job, start, end, "stopped"))

    return effect


def _restarted(group: str, job: str) -> Effect:
    """A daemon of all machines of a group is restarted at the beginning, on all at once."""

    def effect(fleet: Fleet, start: float, end: float) -> tuple[str, ...]:
        outage = Outage(job, start, start + value("daemon_restart"), "restarted together")
        return silence(fleet, in_service(fleet, group, start), outage)

    return effect


def _lost_quorum(fleet: Fleet, start: float, end: float) -> tuple[str, ...]:
    """All ZooKeeper servers but one stop; that one runs, and finds no other to follow or lead."""
    lost = in_service(fleet, "alluxio-master", start)[1:]
    return silence(fleet, lost, Outage("zookeeper", start, end, "stopped"))


def _lost_rack(fleet: Fleet, start: float, end: float) -> tuple[str, ...]:
    """The power of one rack of DataNodes fails; later it is back."""
    members = in_service(fleet, "datanode", start)
    racks: dict[int, list[int]] = {}
    for index in members:
        racks.setdefault(fleet.machines[index].rack, []).append(index)
    lost = max(racks.values(), key=len)
    return silence(fleet, lost, Outage("", start, end, "rack power"))


def _lost_zone(fleet: Fleet, start: float, end: float) -> tuple[str, ...]:
    """The third zone cannot be reached. Machines of one EMR cluster are all in one zone."""
    zone = roles.ZONES[2]
    members = [
        i for i, m in enumerate(fleet.machines)
        if m.zone == zone and m.running < end and m.gone > start
    ]  # fmt: skip
    lost = []
    for index in members:
        machine = fleet.machines[index]
        outage = Outage("", max(start, machine.running), min(end, machine.gone), "zone")
        fleet.machines[index] = replace(machine, outages=(*machine.outages, outage))
        lost.append(machine.id)
    return tuple(lost)


def _lost_coordinator(fleet: Fleet, start: float, end: float) -> tuple[str, ...]:
    """The machine of the only Trino coordinator dies; at the end somebody has launched another."""
    (index,) = in_service(fleet, "trino-coordinator", start)
    machine = fleet.machines[index]
    fleet.machines[index] = replace(machine, outages=(*machine.outages, Outage("", start, INF, "hardware")))
    new = fleet.launch(machine.group, end - 300, machine.zone, "", machine.rack)
    fleet.leave(index, end - 300, "replaced", off=start)
    ready = fleet.machines[new]
    fleet.machines[new] = replace(ready, ready=min(ready.ready, end - 60), daemons_ready=end)
    return (machine.id,)


def _broken_image(fleet: Fleet, start: float, end: float) -> tuple[str, ...]:
    """Trino does not start on workers that are launched from now on; at the end they are mended."""
    found = []
    for index, machine in enumerate(fleet.machines):
        if machine.group.name == "trino-worker" and start <= machine.launched < end:
            outage = Outage("trino", machine.running, min(end, machine.gone), "broken image")
            fleet.machines[index] = replace(machine, outages=(*machine.outages, outage))
            found.append(machine.id)
    return tuple(found)


def _on(group: str) -> Effect:
    """Touches no machine's life: its signals show it, on the machines of a group."""

    def effect(fleet: Fleet, start: float, end: float) -> tuple[str, ...]:
        return tuple(fleet.machines[i].id for i in in_service(fleet, group, start))

    return effect


def _leak(fleet: Fleet, start: float, end: float) -> tuple[str, ...]:
    """Trino's workers grow until the kernel kills them, are started again, and grow on."""
    members = in_service(fleet, "trino-worker", start)
    for index in members:
        rng = stream(fleet.seed, "leak", index)
        at = start
        while (at := at + LEAK_KILLS_AFTER * rng.uniform(0.95, 1.1)) < end:
            silence(fleet, [index], Outage("trino", at, at + value("daemon_restart"), KILLED))
    return tuple(fleet.machines[i].id for i in members)


KILLED = "out of memory"
DISK_FULL_AFTER = 6 * 3600.0
"""Seconds until what fills up is full: disks, a database's storage, or the inodes of a file system."""
LEAK_KILLS_AFTER = 5 * 3600.0
USUAL_RUN = 1800.0
RUN_MINUTE = 600.0
"""Seconds past the hour at which the first critical job is planned."""
RUN_DELAY = {"etl-late": USUAL_RUN, "etl-failed": 1500.0, "etl-missing": 0.0}
"""Seconds from a run's planned start to the incident: it should have ended, it fails, it does not begin."""

KINDS = (
    Kind("lost-datanodes", TUNED, "hdfs", (60, 95), 1800,
         "after ten minutes HDFS begins to copy a rack's blocks; a second loss then loses data",
         also=("alluxio", "etl"), effect=_lost_rack),
    Kind("disk-filling", TUNED, "alluxio", (350, 350), DISK_FULL_AFTER - 3600,
         "an hour before the disks are full", hours=(1.6, 2.4), effect=_on("alluxio-worker")),
    Kind("resourcemanager-down", TUNED, "hdfs", (25, 45), 900,
         "no job starts meanwhile", effect=_stopped("resourcemanager", "yarn-resourcemanager")),
    Kind("etl-late", TUNED, "etl", (45, 60), 2 * USUAL_RUN,
         "readers of the table are promised it in three times the usual duration", also=("scheduler",)),
    Kind("alluxio-master-down", TUNED, "alluxio", (25, 40), 900,
         "every read fails", also=("query", "etl"), effect=_stopped("alluxio-master", "alluxio-master")),
    Kind("s3-throttling", TUNED, "etl", (40, 60), 1800, "jobs retry for half an hour, then fail"),
    Kind("critical-node-lost", TUNED, "query", (20, 35), 900,
         "nobody can query without the coordinator", effect=_lost_coordinator),
    Kind("bad-deployment", TUNED, "ingest", (30, 50), 900,
         "producers lose events after a quarter of an hour"),
    Kind("new-machines-failing", TUNED, "query", (150, 165), 7200,
         "the office peak comes two hours later and finds too few workers",
         hours=(7.9, 8.2), effect=_broken_image),
    Kind("zone-lost", REPORTED, "hdfs", (30, 50), 900,
         "a third of everything is gone", also=tuple(sorted(set(roles.OWNERS) - {"hdfs"})),
         effect=_lost_zone),
    Kind("etl-failed", REPORTED, "etl", (60, 90), 1800, "a repair takes longer the later it begins",
         also=("scheduler",)),
    Kind("etl-missing", REPORTED, "etl", (90, 110), 3600, "the next run would start an hour later",
         also=("scheduler",)),
    Kind("understore-errors", REPORTED, "alluxio", (70, 95), 3600,
         "what is cached still reads, and falls out within hours", also=("query",),
         effect=_on("alluxio-worker")),
    Kind("metastore-connections", REPORTED, "metastore", (50, 70), 1800,
         "clients retry for half an hour", also=("query", "etl"), effect=_on("metastore")),
    Kind("certificate-expiry", REPORTED, "ingest", (600, 700), 6 * 3600.0,
         "it expires in two days: somebody renews it today", hours=(3.0, 4.0)),
    Kind("queue-backlog", REPORTED, "ingest", (80, 100), 3600, "readers are promised events within an hour"),
    Kind("exporter-crash", REPORTED, "hdfs", (60, 90), 1800,
         "nobody sees those machines meanwhile", effect=_stopped("datanode", HOST)),
    Kind("memory-leak", REPORTED, "query", (400, 430), LEAK_KILLS_AFTER + 3600,
         "an hour after the kernel begins to kill workers", hours=(1.6, 2.4), effect=_leak),
    Kind("namenode-safe-mode", REPORTED, "hdfs", (35, 50), 900,
         "nothing can be written, and jobs fail when they come to it", also=("etl", "scheduler"),
         effect=_restarted("namenode", "hdfs-namenode"), number=2),
    Kind("zookeeper-quorum-lost", REPORTED, "alluxio", (25, 40), 900,
         "no Alluxio master may lead, so every read fails", also=("query", "etl"), effect=_lost_quorum,
         number=2),
    Kind("database-storage-filling", REPORTED, "metastore", (350, 350), DISK_FULL_AFTER - 3600,
         "an hour before the database takes no more writes", hours=(1.6, 2.4), number=2),
    Kind("inodes-used-up", REPORTED, "scheduler", (350, 350), DISK_FULL_AFTER - 3600,
         "an hour before no task can write its log", hours=(3.0, 4.0), effect=_on("airflow-worker"),
         number=2),
    Kind("scheduler-hangs", REPORTED, "scheduler", (45, 60), 1800,
         "no run begins; after half an hour readers of hourly tables notice", also=("etl",), number=2),
    Kind("dead-letters", REPORTED, "ingest", (90, 110), 3600,
         "readers are promised events within an hour, and these do not come", number=2),
    Kind("s3-access-denied", REPORTED, "etl", (45, 65), 1800,
         "the hour's jobs fail; a repair takes longer the later it begins", also=("scheduler",), number=2),
    Kind("queries-waiting", REPORTED, "query", (60, 80), 1800,
         "people and dashboards give up after half an hour", number=2),
    Kind("ingest-slow", REPORTED, "ingest", (45, 60), 1800,
         "the buffers of producers are full after half an hour", number=2),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}

_SLOTS = (4.3, 6.1, 10.9, 13.0, 15.2, 17.4, 19.8)
"""Hours at which the others begin, far enough from one another that none hides the next."""


def schedule(fleet: Fleet, seed: int, split: str, days: int) -> tuple[Incident, ...]:
    """One incident of each kind of the split's set a day, at times of the seed's own, and their effects."""
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, not one of {', '.join(SPLITS)}")
    number = set_of(split, seed)
    chosen = [kind for kind in KINDS if (kind.split, kind.number) == (split, number)]
    found: list[Incident] = []
    for day in range(days):
        rng = stream(seed, "incidents", split, day)
        anywhere = [k for k in chosen if k.hours is None]
        order = rng.permutation(len(anywhere))
        begins = {k.name: rng.uniform(*k.hours) for k in chosen if k.hours is not None}
        for slot, which in zip(_SLOTS, order, strict=True):
            begins[anywhere[int(which)].name] = slot + rng.uniform(0, 0.25)
        for kind in chosen:
            start = day * DAY + begins[kind.name] * 3600
            end = start + rng.uniform(*kind.minutes) * 60
            found.append(_begin(fleet, kind, start, end))
    return tuple(sorted(found, key=lambda i: i.start))


def _begin(fleet: Fleet, kind: Kind, start: float, end: float) -> Incident:
    if kind.name in RUN_DELAY:  # it happens to a run, and runs have their times
        run = np.ceil((start - RUN_MINUTE) / 3600) * 3600 + RUN_MINUTE
        start, end = float(run) + RUN_DELAY[kind.name], end + float(run) - start + RUN_DELAY[kind.name]
    broken = kind.effect(fleet, start, end) if kind.effect else ()
    if kind.name == "new-machines-failing":  # it begins with the first machine that should work and does not
        due = [m.daemons_ready for m in fleet.machines if m.id in set(broken)]
        start = min(due, default=start)
    return Incident(
        kind.name, kind.service, roles.OWNERS[kind.service], start, end, kind.bound, kind.also, broken
    )
