"""What the daemons of the data platform tell, by the scrape job of their standard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.noise.assumptions import value
from benchmarks.noise.clock import START, Floats, load, smoothed, stream
from benchmarks.noise.machines import Machine
from benchmarks.noise.signals import NONE, Series, Wanted, constant, counter, each, restarts
from benchmarks.noise.traps import STANDBY_STARTS

if TYPE_CHECKING:
    from benchmarks.noise.world import Window, World

Source = Callable[["World", Machine, "Window", Wanted], Iterator[Series]]

_TB = float(1 << 40)


# --- HDFS and YARN -----------------------------------------------------------------------------------


def _namenode(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    state, cut = world.services, window.slice
    own = machine.group.service == "hdfs"
    groups = ("datanode",) if own else ("etl-warehouse-core", "etl-sessions-core")
    live, known = world.counted(groups, "hdfs-datanode", machine.cluster)
    live, known = live[cut], known[cut]
    free = (state.hdfs_free if own else state.warehouse_free)[cut]
    # Blocks of dead DataNodes are under-replicated until they are copied.
    dead = np.maximum(known - live, 0)
    blocks = 40_000.0 * np.maximum(known, 1)
    capacity = 24 * _TB * np.maximum(known, 1)
    checkpoint = (START + np.floor(window.seconds / 3600) * 3600) * 1000
    safe = state.fault("namenode-safe-mode")[cut] if own else np.zeros(window.count, dtype=np.bool_)
    for trap in world.traps:
        if trap.kind == "planned-failover" and machine.id in trap.machines:
            up = trap.start + value("daemon_restart")
            safe |= (window.seconds >= up) & (window.seconds < up + STANDBY_STARTS)
    values = {
        "hadoop_namenode_active": world.leads(machine, window).astype(float),
        "hadoop_namenode_safe_mode": safe.astype(float),
        "hadoop_namenode_fsnamesystem_missingblocks": constant(window.count, 0),
        "hadoop_namenode_fsnamesystem_blockstotal": blocks,
        "hadoop_namenode_fsnamesystem_underreplicatedblocks": np.round(40_000.0 * dead * 0.5 + 3),
        "hadoop_namenode_fsnamesystem_capacitytotal": capacity,
        "hadoop_namenode_fsnamesystem_capacityremaining": np.round(capacity * free),
        "hadoop_namenode_fsnamesystem_lastcheckpointtime": checkpoint,
        "hadoop_namenode_fsnamesystem_numdeaddatanodes": dead,
    }
    yield from each(values, wanted)


def _cache(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    """The last word of the workflows that save and purge, in a Pushgateway beside each NameNode."""
    state, cut = world.services, window.slice
    _, known = world.counted(("datanode",), "hdfs-datanode", "")
    state_time = START + np.floor((window.seconds - 120) / 600) * 600 + 120
    values = {
        "hdfs_cache_purgeable_bytes": np.round(24 * _TB * known[cut] * state.hdfs_purgeable[cut]),
        "hdfs_cache_purge_last_success_timestamp_seconds": START + state.purged[cut],
        "hdfs_cache_state_timestamp_seconds": state_time,
    }
    yield from each(values, wanted)
    if "hdfs_cache_unsaved_since_timestamp_seconds" in wanted:
        for number, job in enumerate(state.jobs):
            lag = 900 + 60 * number + 600 * ((window.seconds / 3600 + number / 12) % 1)
            since = START + np.round(window.seconds - lag)
            yield Series("hdfs_cache_unsaved_since_timestamp_seconds", {"etl_job": job.name}, since)


def _datanode(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    state, cut = world.services, window.slice
    own = machine.group.service == "hdfs"
    free = (state.hdfs_free if own else state.warehouse_free)[cut]
    capacity = 24 * _TB
    skew = stream(world.seed, "skew", machine.number).normal(0, 0.03)
    remaining = np.round(capacity * np.clip(free + skew, 0.06, 1))
    values = {
        "hadoop_datanode_fsdatasetstate_capacity": constant(window.count, capacity),
        "hadoop_datanode_fsdatasetstate_remaining": remaining,
        "hadoop_datanode_fsdatasetstate_numfailedvolumes": constant(window.count, 0),
    }
    yield from each(values, wanted)


def _resourcemanager(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    state, cut = world.services, window.slice
    own = machine.group.service == "hdfs"
    groups = ("datanode",) if own else ("etl-warehouse-core", "etl-warehouse-task",
                                        "etl-sessions-core", "etl-sessions-task")  # fmt: skip
    live, _ = world.counted(groups, "yarn-nodemanager", machine.cluster)
    live = live[cut]
    active = world.leads(machine, window)
    megabytes = 96_000.0 * live
    again = restarts(world.answers(machine, "yarn-resourcemanager", window))
    zero = np.zeros(window.count)
    failing = state.apps_failing[0 if own else 1][cut]
    ended = np.where(active, 0.02 + 0.05 * load("batch", window.seconds), 0)
    values = {
        "hadoop_resourcemanager_active": active.astype(float),
        "hadoop_resourcemanager_rootqueue_appsrunning": np.where(active, state.apps_running[cut], zero),
        "hadoop_resourcemanager_rootqueue_appspending": np.where(active, state.apps_pending[cut], zero),
        "hadoop_resourcemanager_rootqueue_allocatedmb": np.round(megabytes * state.memory_used[cut]),
        "hadoop_resourcemanager_rootqueue_availablemb": np.round(megabytes * (1 - state.memory_used[cut])),
        "hadoop_resourcemanager_rootqueue_pendingmb": np.round(megabytes * state.memory_pending[cut]),
        "hadoop_resourcemanager_rootqueue_appscompleted": counter(ended, again).round(),
        "hadoop_resourcemanager_rootqueue_appsfailed": counter(failing * ended, again).round(),
        "hadoop_resourcemanager_clustermetrics_numactivenms": np.where(active, live, zero),
        "hadoop_resourcemanager_clustermetrics_numunhealthynms": zero,
    }
    yield from each(values, wanted)


def _nodemanager(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    again = restarts(world.answers(machine, "yarn-nodemanager", window))
    rng = stream(world.seed, "containers", machine.number)
    rate = 0.05 + 0.25 * load("batch", window.seconds)
    share = world.services.containers_failing[0 if machine.group.service == "hdfs" else 1]
    failed = rng.poisson(share[window.slice] * rate * 30) / 30
    values = {
        "hadoop_nodemanager_containerscompleted": counter(rate, again).round(),
        "hadoop_nodemanager_containersfailed": counter(failed, again).round(),
        "hadoop_nodemanager_badlocaldirs": constant(window.count, 0),
        "hadoop_nodemanager_badlogdirs": constant(window.count, 0),
    }
    yield from each(values, wanted)


# --- Alluxio and ZooKeeper ---------------------------------------------------------------------------


def _alluxio_master(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    live, _ = world.counted(("alluxio-worker",), "alluxio-worker", "")
    rng = stream(world.seed, "alluxio", machine.number)
    # Without ZooKeeper none of them leads: they answer no calls, and know the workers that they knew.
    led = ~world.services.fault("zookeeper-quorum-lost")[window.slice]
    queued = np.maximum(0, 4 + 3 * smoothed(rng, window.count, 3)).round()
    values = {
        "Cluster_Workers": live[window.slice],
        "Master_JournalFreePercent": 81 - 0.1 * (window.seconds % 14_400) / 3600,
        "Master_JournalFlushFailure": constant(window.count, 0),
        "Master_JournalCheckpointWarn": constant(window.count, 0),
        "Master_RpcQueueLength": np.where(led, queued, 0.0),
    }
    yield from each(values, wanted, 2)


def _alluxio_worker(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    state, cut = world.services, window.slice
    rng = stream(world.seed, "alluxio", machine.number)
    again = restarts(world.answers(machine, "alluxio-worker", window))
    reads = state.alluxio_reads[cut] * np.clip(1 + 0.1 * smoothed(rng, window.count, 10), 0, None)
    missed, failing = state.alluxio_misses[cut], state.alluxio_failing[cut]
    capacity = 3.2 * _TB
    values = {
        "Worker_CapacityTotal": constant(window.count, round(capacity)),
        "Worker_CapacityUsed": np.round(capacity * (0.86 + 0.02 * smoothed(rng, window.count, 60))),
        "Worker_BlocksReadLocal": counter(reads * (1 - missed) * 0.7, again).round(),
        "Worker_BlocksReadRemote": counter(reads * (1 - missed) * 0.3, again).round(),
        "Worker_BlocksReadUfs": counter(reads * missed, again).round(),
        "Worker_CacheFailedBlocks": counter(reads * missed * failing, again).round(),
        "Worker_CacheSucceededBlocks": counter(reads * missed * (1 - failing), again).round(),
    }
    host = "ip_" + machine.address.replace(".", "_")
    for name, found in values.items():
        if name in wanted:
            yield Series(f"{name}_{host}", NONE, found)


def _zookeeper(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    leads = world.leads(machine, window, "zookeeper")
    live, _ = world.counted(("alluxio-master",), "zookeeper", "")
    # A server without a quorum serves nobody, and takes the gauges of serving away.
    serves = live[window.slice] > machine.group.fixed // 2
    writes = np.where(serves, 12.0, 0.0)
    again = restarts(world.answers(machine, "zookeeper", window))
    values = {
        "quorum_size": np.where(leads, 3.0, np.nan),
        "synced_followers": np.where(leads, live[window.slice] - 1, np.nan),
        "znode_count": np.where(serves, 48_213.0, np.nan),
        "updatelatency_sum": counter(writes * 4, again).round(),
        "updatelatency_count": counter(writes, again).round(),
        "open_file_descriptor_count": np.where(serves, 171.0, np.nan),
        "max_file_descriptor_count": np.where(serves, 65_536.0, np.nan),
    }
    yield from each(values, wanted)


# --- metastore and Trino -----------------------------------------------------------------------------


def _metastore(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    state, cut = world.services, window.slice
    again = restarts(world.answers(machine, "hive-metastore", window))
    apis = {"get_table": 0.7, "get_partitions": 0.3}
    for api, part in apis.items():
        own = {
            "hive_metastore_api_calls": (counter(state.metastore_calls[cut] * part, again).round(), 0),
            "hive_metastore_api_p95_milliseconds": (state.metastore_p95[cut], 1),
            "hive_metastore_active_calls": (np.round(state.metastore_active[cut] * part), 0),
        }
        for name, (found, decimals) in own.items():
            if name in wanted:
                yield Series(name, {"api": api}, found, decimals)
    values = {
        "hive_metastore_open_connections": state.metastore_connections[cut],
        "hive_metastore_directsql_errors": constant(window.count, 0),
    }
    yield from each(values, wanted)
    copied = START + np.floor((window.seconds - 200) / 600) * 600 + 200
    sync = {
        "hive_metastore_sync_oldest_unapplied_timestamp_seconds": copied - 240,
        "hive_metastore_sync_last_run_timestamp_seconds": copied,
    }
    for name, found in sync.items():
        if name in wanted and machine.zone.endswith("a"):  # one of them runs the copying
            yield Series(name, {"sync": "disaster-recovery"}, found)


def _trino(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    if machine.group.name != "trino-coordinator":
        return
    state, cut = world.services, window.slice
    again = restarts(world.answers(machine, "trino", window))
    rate = state.queries[cut]
    failing, killed = rate * state.query_failures[cut], state.queries_killed[cut]
    values = {
        "trino_querymanager_completedqueries_total": counter(rate, again).round(),
        "trino_querymanager_internalfailures_total": counter(0.25 * failing, again).round(),
        "trino_querymanager_externalfailures_total": counter(0.70 * failing, again).round(),
        "trino_querymanager_insufficientresourcesfailures_total": counter(
            0.05 * failing + killed, again
        ).round(),
        "trino_querymanager_queuedqueries": state.queries_queued[cut],
        "trino_querymanager_queuedtime_p95": state.queries_wait[cut].round(),
        "trino_clustermemorymanager_querieskilledduetooutofmemory": counter(killed, again).round(),
    }
    yield from each(values, wanted)


# --- Airflow and its records ---------------------------------------------------------------------------


def _airflow(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    """The first scheduler's statsd_exporter hears all of them; the second stands by."""
    if machine.number != world.first("airflow").number:
        return
    state, cut = world.services, window.slice
    again = restarts(world.answers(machine, "airflow", window))
    parse = 21 + 0.5 * smoothed(stream(world.seed, "parse"), window.count, 1)
    values: dict[str, Floats] = {
        "airflow_ti_failures": counter(state.tasks[cut] * state.task_failures[cut], again).round(),
        "airflow_ti_successes": counter(state.tasks[cut], again).round(),
        "airflow_dag_processing_import_errors": constant(window.count, 0),
        "airflow_executor_queued_tasks": state.tasks_queued[cut],
        "airflow_executor_running_tasks": state.tasks_running[cut],
        "airflow_dagrun_schedule_delay_sum": counter(state.runs_delay[cut], again),
        "airflow_dagrun_schedule_delay_count": counter(state.runs_begun[cut], again).round(),
    }
    own: Mapping[str, tuple[Mapping[str, str], Floats, int]] = {
        "airflow_scheduler_heartbeat": ({"type": ""}, counter(state.heartbeats[cut], again).round(), 0),
        "airflow_dag_processing_total_parse_time": (NONE, parse, 3),
        "airflow_pool_starving_tasks": ({"pool": "default_pool"}, constant(window.count, 0), 0),
    }
    yield from each(values, wanted, 2)
    for name, (labels, found, decimals) in own.items():
        if name in wanted:
            yield Series(name, labels, found, decimals)


def _etl_state(world: World, machine: Machine, window: Window, wanted: Wanted) -> Iterator[Series]:
    """The scheduler's records, which live in its database: both machines tell the same of the jobs of ETL."""
    read = START + np.floor(window.seconds / 60) * 60
    if "etl_state_timestamp_seconds" in wanted:
        yield Series("etl_state_timestamp_seconds", NONE, read)
    cut = window.slice

    def absolute(times: Floats) -> Floats:
        return np.asarray(np.where(np.isnan(times), 0.0, np.round(START + times)))

    for job in world.services.jobs:
        values = {
            "etl_job_critical": constant(window.count, float(job.critical)),
            "etl_job_last_run_failed": job.failed[cut],
            "etl_job_last_success_timestamp_seconds": absolute(job.last_success[cut]),
            "etl_job_running_since_timestamp_seconds": absolute(job.running_since[cut]),
            "etl_job_usual_duration_seconds": constant(window.count, round(job.usual)),
            "etl_job_next_run_timestamp_seconds": absolute(job.next_run[cut]),
        }
        for name, found in values.items():
            if name in wanted:
                yield Series(name, {"etl_job": job.name}, found)


JOBS: Mapping[str, Source] = {
    "airflow": _airflow,
    "alluxio-master": _alluxio_master,
    "alluxio-worker": _alluxio_worker,
    "etl-state": _etl_state,
    "hdfs-cache": _cache,
    "hdfs-datanode": _datanode,
    "hdfs-namenode": _namenode,
    "hive-metastore": _metastore,
    "trino": _trino,
    "yarn-nodemanager": _nodemanager,
    "yarn-resourcemanager": _resourcemanager,
    "zookeeper": _zookeeper,
}
"""Scrape job → what answers there."""
