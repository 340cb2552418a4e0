"""What the node exporter of a machine tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.noise import incidents
from benchmarks.noise.assumptions import value
from benchmarks.noise.clock import Floats, load, smoothed, stream
from benchmarks.noise.machines import Machine
from benchmarks.noise.signals import Series, Wanted, constant, counter, each

if TYPE_CHECKING:
    from benchmarks.noise.world import Window, World

# Mean CPU use and the part that follows the load, by service.
_CPU = {
    "ingest": (0.15, 0.30, "day"),
    "hdfs": (0.20, 0.35, "batch"),
    "etl": (0.25, 0.45, "batch"),
    "query": (0.15, 0.40, "office"),
    "alluxio": (0.15, 0.25, "office"),
    "metastore": (0.15, 0.25, "batch"),
    "scheduler": (0.10, 0.15, "batch"),
    "bastion": (0.03, 0.02, "office"),
}
_MEMORY = {"ingest": 0.45, "hdfs": 0.65, "etl": 0.70, "query": 0.72, "alluxio": 0.68}


def series(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    yield from _cpu(world, machine, window, wanted)
    yield from _memory(world, machine, window, wanted)
    yield from _disks(world, machine, window, wanted)


def used(world: World, machine: Machine, window: Window) -> Floats:
    """Share of the CPU in use."""
    base, swing, peaks = _CPU[machine.group.service]
    rng = stream(world.seed, "cpu", machine.number)
    share = base + swing * load(peaks, window.seconds) + 0.04 * smoothed(rng, window.count, 3)
    share += 0.15 * np.exp(-np.maximum(window.seconds - machine.ready, 0) / 120)  # booting is work
    share = np.clip(share, 0.01, 0.78)
    for trap in world.traps:
        if trap.kind == "nightly-batch" and machine.id in trap.machines:
            inside = (window.seconds >= trap.start) & (window.seconds < trap.end)
            share = np.where(inside, 0.96 + 0.01 * smoothed(rng, window.count, 3), share)
    for start, end in _bursts(world, machine, rng):
        share[(window.seconds >= start) & (window.seconds < end)] = rng.uniform(0.84, 0.99)
    return np.asarray(np.clip(share, 0.01, 0.995), dtype=np.float64)


def _bursts(world: World, machine: Machine, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Most hosts have none, some one now and then, and one in eight several a day."""
    kind = stream(world.seed, "busy", machine.number).random()
    quiet, rare = value("busy_quiet"), value("busy_rare")
    rate = 0.0 if kind < quiet else value("busy_some") if kind < quiet + rare else value("busy_much")
    starts = rng.uniform(0, world.end, rng.poisson(rate * world.days))
    return [(s, s + max(660.0, rng.exponential(value("busy_length")))) for s in starts]


def _cpu(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    if "node_cpu_seconds_total" not in wanted:
        return
    share = used(world, machine, window)
    stolen = np.full(window.count, 0.002)
    for trap in world.traps:
        if trap.kind == "noisy-neighbour" and machine.id in trap.machines:
            stolen[(window.seconds >= trap.start) & (window.seconds < trap.end)] = 0.18
    # One series stands for the mean of all processors: rules take the mean over them anyway.
    modes = {
        "idle": np.maximum(1 - share - stolen - 0.01, 0.001),
        "iowait": np.full(window.count, 0.01),
        "steal": stolen,
        "user": share,
    }
    for mode, rate in modes.items():
        yield Series("node_cpu_seconds_total", {"cpu": "0", "mode": mode}, counter(rate), 2)


def _memory(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    names = ("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes", "node_vmstat_oom_kill")
    if not any(name in wanted for name in names):
        return
    rng = stream(world.seed, "memory", machine.number)
    base = _MEMORY.get(machine.group.service, 0.4)
    share = np.clip(base + 0.03 * smoothed(rng, window.count, 20) + 0.03 * rng.standard_normal(), 0.05, 0.86)
    killed = [o.start for o in machine.outages if o.cause == incidents.KILLED]
    for incident in world.incidents:
        if incident.kind == "memory-leak" and machine.id in incident.machines:
            begins = [incident.start, *(at for at in killed if incident.start < at < incident.end)]
            for start, end in zip(begins, [*begins[1:], incident.end], strict=True):
                inside = (window.seconds >= start) & (window.seconds < end)
                grown = (window.seconds[inside] - start) / (1.1 * incidents.LEAK_KILLS_AFTER)
                share[inside] = base + (0.995 - base) * grown
    kills = sum((window.seconds >= at).astype(float) for at in killed) + np.zeros(window.count)
    total = machine.group.memory
    values = {
        "node_memory_MemAvailable_bytes": np.round(total * (1 - share)),
        "node_memory_MemTotal_bytes": constant(window.count, total),
        "node_vmstat_oom_kill": kills,
    }
    yield from each(values, wanted)


def _disks(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    rng = stream(world.seed, "disk", machine.number)
    size = float(machine.group.disk)
    age = np.maximum(window.seconds - machine.launched, 0)
    # Logs grow and are rotated each night; what they leave is a little more each day.
    share = rng.uniform(0.30, 0.50) + 0.05 * (window.seconds % 86_400) / 86_400
    share += 0.02 * np.minimum(age / 3600, 1) + 0.002 * np.abs(smoothed(rng, window.count, 10))
    for incident in world.incidents:
        if incident.kind == "disk-filling" and machine.id in incident.machines:
            grown = (window.seconds - incident.start) / incidents.DISK_FULL_AFTER * (1 - share)
            during = (window.seconds >= incident.start) & (window.seconds < incident.end)
            share = np.where(during, np.minimum(share + grown, 0.999), share)
    files = 0.4 * share
    for incident in world.incidents:
        if incident.kind == "inodes-used-up" and machine.id in incident.machines:
            # Small files take all the inodes, and few of the bytes: a block of 4 KiB each.
            during = (window.seconds >= incident.start) & (window.seconds < incident.end)
            grown = np.where(during, (window.seconds - incident.start) / incidents.DISK_FULL_AFTER, 0)
            share, files = share + 0.15 * grown, files + (1 - files) * grown
    yield from _file_system(("/", "/dev/nvme0n1p1"), size, share, files, wanted)
    if machine.group.scratch:
        scratch = _sawtooth(world, machine, window)
        volume = float(machine.group.scratch)
        yield from _file_system(("/mnt", "/dev/nvme1n1"), volume, scratch, 0.4 * scratch, wanted)


def _sawtooth(world: World, machine: Machine, window: Window) -> Floats:
    """Scratch space fills while jobs run and is emptied at once when they end."""
    rng = stream(world.seed, "scratch", machine.number)
    period = value("scratch_period") * rng.uniform(0.6, 1.4)
    phase = rng.uniform(0, period)
    return np.asarray(0.08 + rng.uniform(0.5, 0.78) * ((window.seconds + phase) % period) / period)


def _file_system(
    mount: tuple[str, str], size: float, share: Floats, files: Floats, wanted: Wanted
) -> Iterator[Series]:
    """`mount`: point and device. `share` and `files`: the parts of its bytes and inodes that are used."""
    labels = {"device": mount[1], "device_error": "", "fstype": "xfs", "mountpoint": mount[0]}
    inodes = size / (16 << 10)
    values = {
        "node_filesystem_avail_bytes": np.round(size * (1 - share)),
        "node_filesystem_size_bytes": constant(len(share), size),
        "node_filesystem_files_free": np.round(inodes * (1 - files)),
        "node_filesystem_files": constant(len(share), inodes),
    }
    for name, found in values.items():
        if name in wanted:
            yield Series(name, labels, found)
