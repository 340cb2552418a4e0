"""Machines and clusters over time: launched, ready, leaving, gone; failed, replaced, restarted.

Times are seconds from the world's start; what began before it has a negative time. INF stands for never.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.noise import roles
from benchmarks.noise.assumptions import value
from benchmarks.noise.clock import DAY, load, stream
from benchmarks.noise.roles import Group

INF = math.inf
HOST = "host"

BEFORE = 8 * 3600.0
"""Seconds of scaling and of clusters before the world begins: a list by hand still has what left then."""

SCALE_IN, SPOT, REPLACED, EMR_END = "scale-in", "spot", "replaced", "emr-termination"


@dataclass(frozen=True, slots=True)
class Outage:
    """A job of a machine does not answer from `start` to `end`; the job "" is the whole machine."""

    job: str
    start: float
    end: float
    cause: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One EC2 instance.

    AWS shows it running from `running`, in service from `in_service` (an EMR machine after its bootstrap),
    on its way out from `leaving`, and no more from `gone`. `ready` is the node exporter's first answer,
    `daemons_ready` that of the rest, `off` the last answer of any.
    """

    number: int
    group: Group
    zone: str
    rack: int
    cluster: str
    launched: float
    running: float
    in_service: float
    ready: float
    daemons_ready: float
    leaving: float = INF
    off: float = INF
    gone: float = INF
    why: str = ""
    outages: tuple[Outage, ...] = ()

    @property
    def id(self) -> str:
        return f"i-{self.number:017x}"

    @property
    def address(self) -> str:
        """On the loopback, so that nothing generated from it ever reaches a network."""
        return f"127.{16 + (self.number >> 16)}.{self.number >> 8 & 255}.{self.number & 255}"

    def jobs(self) -> dict[str, int]:
        return {HOST: roles.HOST_PORT, **self.group.daemons}


@dataclass(frozen=True, slots=True)
class Cluster:
    """An EMR cluster: RUNNING from `ready`, TERMINATING from `leaving`."""

    id: str
    name: str
    transient: bool
    zone: str
    launched: float
    ready: float
    leaving: float
    gone: float


class Fleet:
    """Builds all machines of a world, numbering them in the order in which they are planned."""

    def __init__(self, seed: int, hosts: int, days: float) -> None:
        self.seed, self.end = seed, days * DAY
        self.sizes = roles.sizes(hosts)
        self.machines: list[Machine] = []
        self.clusters: list[Cluster] = []
        for group in roles.GROUPS:
            self._group(group, "", -DAY, INF)
        self._warehouse()
        self._sessions()
        self._fail()

    # --- launching --------------------------------------------------------------------------------

    def launch(self, group: Group, at: float, zone: str, cluster: str, rack: int = 0) -> int:
        """A machine that is asked for at a time, and stays; its index."""
        rng = stream(self.seed, "boot", len(self.machines))
        running = at + value("boot_running")
        booted = at + max(60.0, rng.gamma(16, value("boot_exporter") / 16))
        daemons = booted + max(20.0, rng.gamma(16, value("boot_daemon") / 16))
        in_service = at + value("boot_emr") if group.emr else running
        self.machines.append(
            Machine(
                len(self.machines) + 1, group, zone, rack, cluster, at, running, in_service, booted, daemons
            )
        )
        return len(self.machines) - 1

    def leave(self, index: int, at: float, why: str, off: float | None = None) -> None:
        """The machine is terminated from a time on. `off`: its last answer, when it is dead already."""
        rng = stream(self.seed, "leave", index)
        after = value("spot_notice") if why == SPOT else max(15.0, rng.exponential(value("shutdown")))
        last = at + after if off is None else off
        gone = max(at, last) + 90
        self.machines[index] = replace(self.machines[index], leaving=at, off=last, gone=gone, why=why)

    def _group(self, group: Group, cluster: str, start: float, end: float, zone: str = "") -> list[int]:
        """All machines that a group ever has, growing and shrinking with its load."""
        rng = stream(self.seed, "group", group.name, cluster)
        found: list[int] = []
        alive: list[int] = []
        average = self.sizes[group.name]
        racks = max(3, round(average * value("rack_share")))

        def grow(count: int, at: float) -> None:
            for _ in range(count):
                place = zone or roles.ZONES[len(found) % len(roles.ZONES)]
                index = self.launch(group, at, place, cluster, len(found) // racks)
                found.append(index)
                alive.append(index)

        grow(self._wanted(group, max(start, -BEFORE)), start)
        if not group.peaks:
            return found
        below = 0
        for at in np.arange(max(start, -BEFORE), min(end, self.end), value("scale_tick")):
            wanted = self._wanted(group, float(at))
            below = below + 1 if wanted < len(alive) else 0
            if wanted > len(alive):
                grow(wanted - len(alive), float(at) + rng.uniform(0, 60))
            elif below >= 3:  # a policy waits before it takes machines away
                for _ in range(len(alive) - wanted):
                    index = alive.pop(int(rng.integers(len(alive))))
                    self.leave(index, float(at) + rng.uniform(0, 60), SCALE_IN)
        return found

    def _wanted(self, group: Group, at: float) -> int:
        """Machines wanted at a time, so that the day's mean is the size that was asked for."""
        average = self.sizes[group.name]
        if not group.peaks:
            return average
        day = load(group.peaks, np.arange(0, DAY, 600.0))
        now = float(load(group.peaks, np.array([at]))[0])
        scale = average / float(np.mean(group.swing + (1 - group.swing) * day))
        return max(2, round(scale * (group.swing + (1 - group.swing) * now)))

    # --- clusters ---------------------------------------------------------------------------------

    def _cluster(self, name: str, transient: bool, zone: str, start: float, end: float) -> Cluster:
        number = len(self.clusters) + 1
        gone = end + 300
        cluster = Cluster(
            f"j-{number:012d}", name, transient, zone, start, start + value("boot_emr"), end, gone
        )
        self.clusters.append(cluster)
        return cluster

    def _warehouse(self) -> None:
        cluster = self._cluster("etl-warehouse", False, roles.ZONES[0], -DAY, INF)
        for group in roles.WAREHOUSE:
            self._group(group, cluster.id, -DAY, INF, cluster.zone)

    def _sessions(self) -> None:
        """One transient cluster after the other in each slot, with a short gap between them."""
        for slot in range(roles.SESSIONS):
            rng = stream(self.seed, "sessions", slot)
            at = -BEFORE - rng.uniform(0, value("session_length"))
            number = 0
            while at < self.end:
                length = rng.gamma(9, value("session_length") / 9)
                zone = roles.ZONES[(slot + number) % len(roles.ZONES)]
                cluster = self._cluster(f"etl-session-{slot}-{number}", True, zone, at, at + length)
                for group in roles.SESSION:
                    for index in self._group(group, cluster.id, at, at + length, zone):
                        self.leave(index, at + length, EMR_END)
                at += length + value("session_gap") * rng.uniform(0.4, 1.6)
                number += 1

    # --- what goes wrong by itself ----------------------------------------------------------------

    def _fail(self) -> None:
        self._spot_events()
        self._deployments()
        for index in range(len(self.machines)):
            machine = self.machines[index]
            rng = stream(self.seed, "failures", machine.number)
            self._hardware(index, machine, rng)
            self._exporters(index, rng)

    def _life(self, machine: Machine) -> tuple[float, float]:
        return max(0.0, machine.daemons_ready), min(self.end, machine.leaving)

    def _hardware(self, index: int, machine: Machine, rng: np.random.Generator) -> None:
        start, end = self._life(machine)
        fixed = not machine.group.weight  # a lost coordinator is an incident, and incidents are scheduled
        if end <= start or fixed or rng.random() >= value("machine_failures") * (end - start) / DAY:
            return
        self.kill(index, float(rng.uniform(start, end)), "hardware")

    def kill(self, index: int, at: float, cause: str) -> None:
        """The machine dies; its group, or somebody, replaces it after a while."""
        machine = self.machines[index]
        rng = stream(self.seed, "replacement", machine.number)
        grouped = machine.group.autoscaling or bool(machine.group.emr)
        delay = (
            value("replaced_by_group") if grouped else max(1800, rng.exponential(value("replaced_by_hand")))
        )
        leaving = min(machine.leaving, at + delay)
        outage = Outage("", at, INF, cause)
        self.machines[index] = replace(machine, outages=(*machine.outages, outage))
        if leaving < machine.leaving:
            self.leave(index, leaving, REPLACED, off=at)
            cluster = next((c for c in self.clusters if c.id == machine.cluster), None)
            if cluster is None or leaving < cluster.leaving - 600:
                new = self.launch(machine.group, leaving, machine.zone, machine.cluster, machine.rack)
                if machine.leaving < INF:
                    self.leave(new, machine.leaving, machine.why)

    def _exporters(self, index: int, rng: np.random.Generator) -> None:
        machine = self.machines[index]
        start, end = self._life(machine)
        days = max(0.0, end - start) / DAY
        found: list[Outage] = []
        for job in machine.jobs():
            for rate, length in (
                ("exporter_crashes", "exporter_restart"),
                ("exporter_hangs", "exporter_hang"),
            ):
                if job != HOST and rate == "exporter_hangs":
                    continue  # the agent of a Java daemon lives and dies with it
                for _ in range(int(rng.poisson(value(rate) * days))):
                    at = float(rng.uniform(start, end))
                    found.append(Outage(job, at, at + max(20.0, rng.exponential(value(length))), rate))
        if found:
            self.machines[index] = replace(machine, outages=(*machine.outages, *found))

    def _deployments(self) -> None:
        """Once in a working day a release of each service restarts its daemons, one by one."""
        for service in sorted({group.service for group in roles.GROUPS}):
            for day in range(math.ceil(self.end / DAY)):
                at = day * DAY + float(stream(self.seed, "release", service, day).uniform(9, 17)) * 3600
                for group in (g for g in roles.GROUPS if g.service == service and g.daemons):
                    members = self._members(group, at)
                    pause = min(2 * value("daemon_restart"), 3600 / max(1, len(members)))
                    for index in members:
                        self._restart(index, at)
                        at += pause
                    at += 300

    def _restart(self, index: int, at: float) -> None:
        machine = self.machines[index]
        until = at + value("daemon_restart")
        outages = (Outage(job, at, until, "deployment") for job in machine.group.daemons)
        self.machines[index] = replace(machine, outages=(*machine.outages, *outages))

    def _spot_events(self) -> None:
        """AWS takes spot instances of one type and zone back together."""
        groups = [g for g in (*roles.WAREHOUSE, *roles.SESSION) if g.spot]
        for group in groups:
            rng = stream(self.seed, "spot", group.name)
            rate = value(f"spot_{group.spot}") / value("spot_share")  # events a day
            for _ in range(int(rng.poisson(rate * self.end / DAY))):
                at = float(rng.uniform(0, self.end))
                members = self._members(group, at)
                self._take(members, at, rng)

    def _members(self, group: Group, at: float) -> list[int]:
        """Indices of the machines of a group that are in service."""
        return [i for i, m in enumerate(self.machines) if m.group is group and m.in_service <= at < m.leaving]

    def _take(self, members: Sequence[int], at: float, rng: np.random.Generator) -> None:
        taken = [i for i in members if rng.random() < value("spot_share") * rng.uniform(0.4, 1.6)]
        for index in taken:
            self.take_back(index, at)

    def take_back(self, index: int, at: float) -> None:
        """AWS takes a spot instance back; its cluster asks for another one."""
        before = self.machines[index]
        self.leave(index, at, SPOT)
        cluster = next(c for c in self.clusters if c.id == before.cluster)
        if cluster.leaving > at + 900:
            wait = stream(self.seed, "capacity", before.number).uniform(60, 600)
            new = self.launch(before.group, at + wait, before.zone, before.cluster)
            if before.leaving < INF:
                self.leave(new, max(before.leaving, self.machines[new].in_service + 60), before.why)
