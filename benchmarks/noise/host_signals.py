"""What the node exporter of a machine tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.noise import incidents
from benchmarks.noise.assumptions import value
from benchmarks.noise.clock import START, Floats, load, smoothed, stream
from benchmarks.noise.machines import Machine
from benchmarks.noise.signals import NONE, Series, Wanted, constant, counter

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
    yield from _rest(world, machine, window, wanted)


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
    if not any(n in wanted for n in ("node_cpu_seconds_total", "node_load1", "node_load5", "node_load15")):
        return
    share = used(world, machine, window)
    stolen = np.full(window.count, 0.002)
    for trap in world.traps:
        if trap.kind == "noisy-neighbour" and machine.id in trap.machines:
            stolen[(window.seconds >= trap.start) & (window.seconds < trap.end)] = 0.18
    if "node_cpu_seconds_total" in wanted:
        # One series stands for the mean of all processors: rules take the mean over them anyway.
        modes = {
            "idle": np.maximum(1 - share - stolen - 0.01, 0.001),
            "iowait": np.full(window.count, 0.01),
            "steal": stolen,
            "user": share,
        }
        for mode, rate in modes.items():
            yield Series("node_cpu_seconds_total", {"cpu": "0", "mode": mode}, counter(rate), 2)
    for name, minutes in (("node_load1", 1), ("node_load5", 5), ("node_load15", 15)):
        if name in wanted:
            kernel = np.ones(minutes * 2) / (minutes * 2)
            padded = np.concatenate([np.full(len(kernel) - 1, share[0]), share])
            yield Series(name, NONE, machine.group.cores * np.convolve(padded, kernel, "valid"), 2)


def _memory(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    names = ("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes", "node_vmstat_oom_kill")
    if not any(n in wanted for n in (*names, "node_vmstat_pgmajfault")):
        return
    rng = stream(world.seed, "memory", machine.number)
    base = _MEMORY.get(machine.group.service, 0.4)
    share = np.clip(base + 0.03 * smoothed(rng, window.count, 20) + 0.03 * rng.standard_normal(), 0.05, 0.86)
    kills = np.zeros(window.count)
    for incident in world.incidents:
        if incident.kind == "memory-leak" and machine.id in incident.machines:
            # It grows until the kernel kills the process, which begins again with little and leaks on.
            own = incidents.LEAK_KILLS_AFTER * rng.uniform(0.95, 1.1)
            inside = (window.seconds >= incident.start) & (window.seconds < incident.end)
            cycle = np.where(inside, (window.seconds - incident.start) % own / own, 0.0)
            share = np.where(inside, base + (0.995 - base) * cycle, share)
            kills[1:][inside[1:] & (cycle[1:] < cycle[:-1])] = 1
    total = machine.group.memory
    values = {
        "node_memory_MemAvailable_bytes": np.round(total * (1 - share)),
        "node_memory_MemTotal_bytes": constant(window.count, total),
        "node_vmstat_oom_kill": np.cumsum(kills),
        "node_vmstat_pgmajfault": counter(np.abs(2 + smoothed(rng, window.count, 10))).round(),
    }
    for name, found in values.items():
        if name in wanted:
            yield Series(name, NONE, found)


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
    yield from _file_system("/", "/dev/nvme0n1p1", size, share, wanted)
    if machine.group.scratch:
        scratch = _sawtooth(world, machine, window)
        yield from _file_system("/mnt", "/dev/nvme1n1", float(machine.group.scratch), scratch, wanted)


def _sawtooth(world: World, machine: Machine, window: Window) -> Floats:
    """Scratch space fills while jobs run and is emptied at once when they end."""
    rng = stream(world.seed, "scratch", machine.number)
    period = value("scratch_period") * rng.uniform(0.6, 1.4)
    phase = rng.uniform(0, period)
    return np.asarray(0.08 + rng.uniform(0.5, 0.78) * ((window.seconds + phase) % period) / period)


def _file_system(
    mountpoint: str, device: str, size: float, share: Floats, wanted: Wanted
) -> Iterator[Series]:
    labels = {"device": device, "device_error": "", "fstype": "xfs", "mountpoint": mountpoint}
    inodes = size / (16 << 10)
    values = {
        "node_filesystem_avail_bytes": np.round(size * (1 - share)),
        "node_filesystem_size_bytes": constant(len(share), size),
        "node_filesystem_files_free": np.round(inodes * (1 - 0.4 * share)),
        "node_filesystem_files": constant(len(share), inodes),
        "node_filesystem_readonly": constant(len(share), 0),
        "node_filesystem_device_error": constant(len(share), 0),
    }
    for name, found in values.items():
        if name in wanted:
            yield Series(name, labels, found)


def _rest(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    rng = stream(world.seed, "network", machine.number)
    busy = 0.3 + 0.7 * load(_CPU[machine.group.service][2], window.seconds)
    if "node_boot_time_seconds" in wanted:
        yield Series("node_boot_time_seconds", NONE, constant(window.count, int(START + machine.running)))
    if "node_timex_offset_seconds" in wanted:
        yield Series("node_timex_offset_seconds", NONE, 0.001 * np.abs(smoothed(rng, window.count, 10)), 6)
    if "node_timex_sync_status" in wanted:
        yield Series("node_timex_sync_status", NONE, constant(window.count, 1))
    for name, rate in (
        ("node_network_receive_bytes_total", 4e7),
        ("node_network_transmit_bytes_total", 3e7),
        ("node_network_receive_errs_total", 0.0),
        ("node_network_transmit_errs_total", 0.0),
        ("node_network_receive_packets_total", 3e4),
        ("node_network_transmit_packets_total", 3e4),
    ):
        if name in wanted:
            yield Series(name, {"device": "ens5"}, counter(rate * busy).round())
    for name, rate in (
        ("node_disk_io_time_seconds_total", 0.25),
        ("node_disk_read_time_seconds_total", 0.05),
        ("node_disk_write_time_seconds_total", 0.08),
        ("node_disk_reads_completed_total", 40.0),
        ("node_disk_writes_completed_total", 60.0),
        ("node_disk_read_bytes_total", 2e7),
        ("node_disk_written_bytes_total", 1.5e7),
    ):
        if name in wanted:
            yield Series(name, {"device": "nvme0n1"}, counter(rate * busy), 2)
    if "node_systemd_unit_state" in wanted:
        for job in machine.group.daemons:
            failed = np.zeros(window.count)
            for outage in machine.outages:
                if outage.job == job and outage.cause in ("stopped", "broken image"):
                    failed[(window.seconds >= outage.start) & (window.seconds < outage.end)] = 1
            labels = {"name": f"{job}.service", "state": "failed", "type": "simple"}
            yield Series("node_systemd_unit_state", labels, failed)
