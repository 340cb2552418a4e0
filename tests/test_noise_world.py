"""The simulated fleet of the noise benchmark: one truth, told by its state, seen through lists of targets."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT

from benchmarks.noise import (
    assumptions,
    aws_signals,
    data_signals,
    incidents,
    inventory,
    openmetrics,
    page,
    roles,
    traps,
    views,
    watch_signals,
)
from benchmarks.noise.clock import START, STEP, Floats
from benchmarks.noise.incidents import Incident
from benchmarks.noise.machines import HOST, INF, Machine
from benchmarks.noise.signals import Series, Wanted
from benchmarks.noise.world import World, main
from mac import bind, engines, metrics, process, promql, rules, snapshot, standards
from mac.model import Catalog, Lifecycle

HOSTS = 146
KINDS = {
    "lost-datanodes", "disk-filling", "resourcemanager-down", "zone-lost", "etl-late", "etl-failed",
    "etl-missing", "alluxio-master-down", "understore-errors", "s3-throttling", "metastore-connections",
    "critical-node-lost", "bad-deployment", "certificate-expiry", "queue-backlog", "new-machines-failing",
    "exporter-crash", "memory-leak", "namenode-safe-mode", "zookeeper-quorum-lost",
    "database-storage-filling", "inodes-used-up", "scheduler-hangs", "dead-letters", "s3-access-denied",
    "queries-waiting", "ingest-slow",
}  # fmt: skip


SETS = [(split, number) for split in incidents.SPLITS for number in incidents.SETS[split]]


@functools.cache
def world(split: str, number: int = 1) -> World:
    return World(1 if number == 1 else incidents.SETS[split][number][0], HOSTS, split=split)


@functools.cache
def shipped() -> Catalog:
    found = standards.load(PROJECT).catalog
    assert found is not None
    return found


def incident(kind: str) -> tuple[World, Incident]:
    found = world(incidents.BY_NAME[kind].split, incidents.BY_NAME[kind].number)
    return found, next(i for i in found.incidents if i.kind == kind)


def machine(found: World, identifier: str) -> Machine:
    return next(m for m in found.machines if m.id == identifier)


# --- the seed ----------------------------------------------------------------------------------------


def _digest(found: World) -> str:
    sha = hashlib.sha256(repr((found.machines, found.incidents, found.traps)).encode())
    targets = [t for t in views.by_hand(found) if t.job in ("zookeeper", "trino", "etl-state")]
    for chunk in openmetrics.chunks(found, targets, {inventory.BALANCER: {}}, Wanted()):
        sha.update(chunk)
    sha.update(snapshot.to_bytes(found.inventory(40_000)))
    return sha.hexdigest()


def test_a_seed_gives_the_same_world_to_the_last_sample() -> None:
    first = _digest(world(incidents.TUNED))
    assert _digest(World(1, HOSTS)) == first
    assert _digest(World(2, HOSTS)) != first


def test_a_fleet_has_about_as_many_hosts_as_were_asked_for() -> None:
    for hosts in (HOSTS, 700):
        average = World(3, hosts).host_hours() / 24
        assert abs(average - hosts) < 0.05 * hosts


def test_too_few_hosts_are_refused_with_the_number_that_suffices() -> None:
    with pytest.raises(ValueError, match="40 hosts are too few"):
        roles.sizes(40)
    with pytest.raises(ValueError, match="split is 'both'"):
        World(1, HOSTS, split="both")


# --- incidents and traps -----------------------------------------------------------------------------


def test_each_kind_of_incident_is_in_one_set_of_a_split_and_each_set_has_traps() -> None:
    assert set(incidents.BY_NAME) == KINDS
    assert len(incidents.KINDS) == len(KINDS)
    by_set = {own: [k.name for k in incidents.KINDS if (k.split, k.number) == own] for own in SETS}
    assert {len(kinds) for kinds in by_set.values()} == {9}
    for own, kinds in by_set.items():
        found = world(*own)
        assert sorted(i.kind for i in found.incidents) == sorted(kinds)
        assert sorted(t.kind for t in found.traps) == sorted(traps.TRAPS[own])


def test_a_seed_runs_one_set_of_kinds_and_what_is_run_by_itself_has_them_all() -> None:
    seeds = [seed for split, number in SETS for seed in incidents.SETS[split][number]]
    assert len(seeds) == len(set(seeds))
    for split, own in incidents.SEEDS.items():
        assert {incidents.set_of(split, seed) for seed in own} == set(incidents.SETS[split])
        assert all(seed in incidents.SETS[split][incidents.set_of(split, seed)] for seed in own)
    kinds = {i.kind for i in World(32, HOSTS, split=incidents.REPORTED).incidents}
    assert kinds == {i.kind for i in world(incidents.REPORTED, 2).incidents}
    assert kinds.isdisjoint(i.kind for i in world(incidents.REPORTED).incidents)


def test_the_page_of_the_world_says_what_the_code_does() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.rendered(text) == text, "python -m benchmarks.noise.page"
    for kind in incidents.KINDS:
        of = incidents.label(kind.split, kind.number)
        assert f"| {kind.name} | {of} | {kind.service} |" in text
    assert text.count("| assumed |") == sum(not a.source for a in assumptions.TABLE.values())


@pytest.mark.parametrize(("split", "seed"), [*((split, 2) for split in incidents.SPLITS), ("reported", 32)])
def test_incidents_lie_within_the_days_and_are_told_to_the_owner_of_their_service(
    split: str, seed: int
) -> None:
    found = World(seed, HOSTS, days=2, split=split)
    assert len(found.incidents) == 18
    for each in found.incidents:
        assert 0 < each.start < each.end <= found.end
        assert each.bound <= found.end - each.start
        assert each.team == shipped().services[each.service].owner


@pytest.mark.parametrize(
    ("split", "seed"),
    [
        *((split, seed) for split in incidents.SPLITS for seed in (1, 2, 3, 11, 12, 13)),
        *((incidents.REPORTED, seed) for seed in incidents.SETS[incidents.REPORTED][2]),
    ],
)
def test_no_trap_lies_within_an_incident_of_its_service(split: str, seed: int) -> None:
    found = World(seed, HOSTS, split=split)
    for trap in found.traps:
        for each in found.incidents:
            if trap.service in (each.service, *each.also):
                assert trap.end <= each.start or each.end <= trap.start, (trap.kind, each.kind)


@pytest.mark.parametrize("kind", ["lost-datanodes", "zone-lost", "critical-node-lost"])
def test_machines_that_are_lost_answer_nothing_while_they_are(kind: str) -> None:
    found, each = incident(kind)
    assert each.machines
    before: list[float] = []
    for identifier in each.machines:
        lost = machine(found, identifier)
        window = found.window(lost)
        inside = (window.seconds >= max(each.start, lost.launched)) & (
            window.seconds < min(each.end, lost.gone)
        )
        healthy = (window.seconds >= lost.daemons_ready) & (window.seconds < each.start)
        for job in lost.jobs():
            assert not found.answers(lost, job, window)[inside].any()
            before += [float(found.works(lost, job, window)[healthy].mean())] if healthy.any() else []
    assert np.mean(before) > 0.9


# --- what shows an incident ----------------------------------------------------------------------------


def values(found: World, of: Machine, job: str, name: str, **labels: str) -> Floats:
    """The values of a series over the whole day, NaN where nothing answers."""
    window = found.window(of)
    series = next(
        s
        for s in found.series(of, job, window, Wanted())
        if s.name.startswith(name) and all(s.labels.get(k) == v for k, v in labels.items())
    )
    whole = np.full(found.count, np.nan)
    whole[window.slice] = np.where(found.answers(of, job, window), series.values, np.nan)
    return whole


def up(found: World, of: Machine, job: str) -> Floats:
    window = found.window(of)
    whole = np.full(found.count, np.nan)
    alive = (window.seconds >= of.daemons_ready) & (window.seconds < of.leaving)
    whole[window.slice] = np.where(alive, found.answers(of, job, window), np.nan)
    return whole


def mean(found: World, group: str, job: str, name: str, **labels: str) -> Floats:
    """Over the machines of a group that have been there since before the world."""
    members = [m for m in found.machines if m.group.name == group and m.launched < 0 and m.leaving == INF]
    read = [up(found, m, job) if name == "up" else values(found, m, job, name, **labels) for m in members]
    whole = np.vstack(read)
    told = (~np.isnan(whole)).sum(axis=0)
    return np.asarray(np.where(told > 0, np.nansum(whole, axis=0) / np.maximum(told, 1), np.nan))


def caching_failures(found: World) -> Floats:
    """A second, of those workers that were not restarted between two steps."""
    members = [m for m in found.machines if m.group.name == "alluxio-worker" and m.launched < 0]
    counted = [values(found, m, "alluxio-worker", "Worker_CacheFailedBlocks") for m in members]
    grown = np.diff(np.vstack(counted), axis=1, prepend=np.nan) / STEP
    grown[~(grown >= 0)] = 0
    return np.asarray(grown.mean(axis=0))


def cloudwatch(found: World, namespace: str, metric: str, **dimensions: str) -> Floats:
    read = aws_signals.statistic(found, namespace, metric, dimensions)
    assert read is not None
    return read


def disk_free(found: World) -> Floats:
    free = mean(found, "alluxio-worker", HOST, "node_filesystem_avail_bytes", mountpoint="/")
    return free / (100 << 30)


def error_share(found: World) -> Floats:
    errors = cloudwatch(found, "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", LoadBalancer="app")
    return np.nan_to_num(errors) / cloudwatch(found, "AWS/ApplicationELB", "RequestCount", LoadBalancer="app")


def throttled(found: World) -> Floats:
    bucket = {"BucketName": "production-us-east-1-raw", "FilterId": "EntireBucket"}
    errors, requests = (cloudwatch(found, "AWS/S3", m, **bucket) for m in ("5xxErrors", "AllRequests"))
    return errors / requests


def etl(found: World, name: str) -> Floats:
    return mean(found, "etl-state", "etl-state", name, etl_job="critical-00")


def broken_workers(found: World) -> Floats:
    """Share of the Trino workers that should serve and do not."""
    live, known = found.counted(("trino-worker",), "trino", "")
    return 1 - live / known


def etl_running(found: World) -> Floats:
    since = etl(found, "etl_job_running_since_timestamp_seconds")
    return np.where(since > 0, START + found.times - since, 0)


def oom_kills(found: World) -> Floats:
    """At each step, over the workers that are there all day; a scrape that failed tells of none."""
    members = [m for m in found.machines if m.group.name == "trino-worker" and m.launched < 0]
    killed = np.vstack([values(found, m, HOST, "node_vmstat_oom_kill") for m in members])
    known = np.maximum.accumulate(np.nan_to_num(killed), axis=1).sum(axis=0)
    return np.asarray(np.diff(known, prepend=0))


def database_free(found: World) -> Floats:
    return cloudwatch(found, "AWS/RDS", "FreeStorageSpace", DBInstanceIdentifier="metastore")


def inodes_free(found: World) -> Floats:
    free = mean(found, "airflow-worker", HOST, "node_filesystem_files_free", mountpoint="/")
    return free / ((100 << 30) / (16 << 10))


def heartbeats(found: World) -> Floats:
    """In the last ten minutes, as far as the first scheduler was heard."""
    counted = values(found, found.first("airflow"), "airflow", "airflow_scheduler_heartbeat")
    grown = np.diff(counted, prepend=counted[0])
    grown[~(grown >= 0)] = 6  # it was restarted, or not heard
    whole = np.convolve(grown, np.ones(20))[: found.count]
    whole[:20] = 120
    return whole


def leaders(found: World) -> Floats:
    """ZooKeeper servers that say how many follow them."""
    members = [m for m in found.machines if m.group.name == "alluxio-master"]
    told = [~np.isnan(values(found, m, "zookeeper", "synced_followers")) for m in members]
    return np.asarray(np.sum(told, axis=0, dtype=float))


def dead_letters(found: World) -> Floats:
    return cloudwatch(found, "AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName="ingest-events-dlq")


def denied(found: World) -> Floats:
    bucket = {"BucketName": "production-us-east-1-raw", "FilterId": "EntireBucket"}
    errors, requests = (cloudwatch(found, "AWS/S3", m, **bucket) for m in ("4xxErrors", "AllRequests"))
    return errors / requests


def trino(found: World, name: str) -> Floats:
    return np.nan_to_num(
        values(found, found.first("trino-coordinator"), "trino", f"trino_querymanager_{name}")
    )


Signal = Callable[[World], Floats]

# Of each kind: a signal, and its least or greatest value that counts as broken. Healthy is on the other side.
SHOWN: dict[str, tuple[Signal, str, float]] = {
    "lost-datanodes": (lambda w: mean(w, "datanode", "hdfs-datanode", "up"), "<", 0.9),
    "disk-filling": (disk_free, "<", 0.1),
    "resourcemanager-down": (lambda w: mean(w, "resourcemanager", "yarn-resourcemanager", "up"), "<", 0.1),
    "zone-lost": (lambda w: mean(w, "datanode", HOST, "up"), "<", 0.75),
    "etl-late": (etl_running, ">", incidents.USUAL_RUN * 1.5),
    "etl-failed": (lambda w: etl(w, "etl_job_last_run_failed"), ">", 0.5),
    "etl-missing": (
        lambda w: START + w.times - etl(w, "etl_job_next_run_timestamp_seconds"), ">", 1800,
    ),
    "alluxio-master-down": (lambda w: mean(w, "alluxio-master", "alluxio-master", "up"), "<", 0.1),
    "understore-errors": (caching_failures, ">", 0.05),
    "s3-throttling": (throttled, ">", 0.2),
    "metastore-connections": (
        lambda w: mean(w, "metastore", "hive-metastore", "hive_metastore_open_connections"), ">", 900,
    ),
    "critical-node-lost": (
        lambda w: w.counted(("trino-coordinator",), "trino", "")[0], "<", 0.5,
    ),
    "bad-deployment": (error_share, ">", 0.25),
    "certificate-expiry": (
        lambda w: cloudwatch(w, "AWS/CertificateManager", "DaysToExpiry"), "<", 7,
    ),
    "queue-backlog": (
        lambda w: cloudwatch(w, "AWS/SQS", "ApproximateAgeOfOldestMessage", QueueName="ingest-events"),
        ">", 3000,
    ),
    "new-machines-failing": (broken_workers, ">", 0.15),
    "exporter-crash": (lambda w: mean(w, "datanode", HOST, "up"), "<", 0.1),
    "memory-leak": (oom_kills, ">", 0.5),
    "namenode-safe-mode": (
        lambda w: np.nan_to_num(mean(w, "namenode", "hdfs-namenode", "hadoop_namenode_safe_mode")), ">", 0.9,
    ),
    "zookeeper-quorum-lost": (leaders, "<", 0.5),
    "database-storage-filling": (lambda w: database_free(w) / (380 * 2**30), "<", 0.2),
    "inodes-used-up": (inodes_free, "<", 0.15),
    "scheduler-hangs": (heartbeats, "<", 1),
    "dead-letters": (dead_letters, ">", 100),
    "s3-access-denied": (denied, ">", 0.5),
    "queries-waiting": (lambda w: trino(w, "queuedtime_p95"), ">", 300_000),
    "ingest-slow": (
        lambda w: cloudwatch(w, "AWS/ApplicationELB", "TargetResponseTime", LoadBalancer="app"), ">", 5,
    ),
}  # fmt: skip
AFTERMATH = 3600.0  # what an incident left behind takes that long to be worked off


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_incident_shows_while_it_lasts_and_only_then(kind: str) -> None:
    found, each = incident(kind)
    signal, sense, limit = SHOWN[kind]
    read = signal(found)
    broken = read > limit if sense == ">" else read < limit
    inside = (found.times >= each.start) & (found.times < each.end)
    assert broken[inside].any()
    elsewhere = (found.times < each.start) | (found.times > each.end + AFTERMATH)
    # Where another incident of the split makes the same signal bad, it is not this one's.
    for other in found.incidents:
        if other.kind in ("zone-lost", "exporter-crash") and kind in ("zone-lost", "exporter-crash"):
            elsewhere &= (found.times < other.start) | (found.times > other.end)
    assert not broken[elsewhere].any()


def test_an_exporter_that_crashes_takes_no_daemon_with_it() -> None:
    found, each = incident("exporter-crash")
    inside = (found.times >= each.start) & (found.times < each.end)
    assert mean(found, "datanode", "hdfs-datanode", "up")[inside].min() > 0.9


def test_machines_of_a_broken_image_run_all_but_the_daemon() -> None:
    found, each = incident("new-machines-failing")
    assert len(each.machines) >= 2
    for identifier in each.machines:
        of = machine(found, identifier)
        window = found.window(of)
        inside = (window.seconds > of.daemons_ready) & (window.seconds < min(each.end, of.leaving))
        assert not found.answers(of, "trino", window)[inside].any()
        assert found.answers(of, HOST, window)[inside].mean() > 0.9


def test_without_a_quorum_the_last_server_answers_and_no_alluxio_master_serves() -> None:
    found, each = incident("zookeeper-quorum-lost")
    inside = (found.times >= each.start) & (found.times < each.end)
    assert mean(found, "alluxio-master", "zookeeper", "up")[inside] == pytest.approx(1 / 3)
    assert mean(found, "alluxio-master", "alluxio-master", "up")[inside].min() > 0.9
    reads = mean(found, "alluxio-worker", "alluxio-worker", "Worker_BlocksReadLocal")[inside]
    assert np.diff(reads).max() == 0
    assert found.services.query_failures[inside].min() > 0.5


def test_what_stops_jobs_makes_runs_fail_or_begin_late_and_they_recover() -> None:
    found = world(incidents.REPORTED, 2)
    failed = np.sum([job.failed for job in found.services.jobs], axis=0)
    late = np.max([found.times - job.next_run for job in found.services.jobs], axis=0)

    def during(kind: str, read: Floats) -> float:
        _, each = incident(kind)
        return float(read[(found.times >= each.start) & (found.times < each.end)].max())

    assert during("namenode-safe-mode", failed) >= 4
    assert during("s3-access-denied", failed) >= 4
    assert during("scheduler-hangs", late) > 2000
    ends = [incident(kind)[1] for kind in ("namenode-safe-mode", "s3-access-denied", "scheduler-hangs")]
    calm = np.ones(found.count, dtype=np.bool_)
    for each in ends:
        calm &= (found.times < each.start) | (found.times > each.end + 2 * AFTERMATH)
    assert failed[calm].max() == 0
    assert late[calm].max() <= STEP


def test_messages_that_cannot_be_read_are_moved_uncounted_and_moved_back() -> None:
    found, each = incident("dead-letters")
    queues = found.services.queues
    letters, events = queues["ingest-events-dlq"], queues["ingest-events"]
    inside = (found.times >= each.start) & (found.times < each.end)
    assert np.diff(letters.visible[inside]).min() >= 0
    assert letters.sent.max() == 0
    assert letters.visible[found.times > each.end + 900].max() == 4
    assert events.deleted.sum() == pytest.approx(events.sent.sum(), rel=0.001)
    assert events.age.max() < 120


def test_a_planned_failover_leaves_one_namenode_leading_that_is_not_in_safe_mode() -> None:
    found = world(incidents.REPORTED, 2)
    trap = next(t for t in found.traps if t.kind == "planned-failover")
    members = [m for m in found.machines if m.group.name == "namenode"]
    leads = [found.leads(m, found.window(m)) for m in members]
    safe = [values(found, m, "hdfs-namenode", "hadoop_namenode_safe_mode") for m in members]
    inside = (found.times >= trap.start) & (found.times < trap.end)
    assert np.sum(leads, axis=0)[inside] == pytest.approx(1)
    restarted = next(i for i, m in enumerate(members) if m.id in trap.machines)
    before = int(np.flatnonzero(inside)[0]) - 1
    assert leads[restarted][before]
    assert not leads[restarted][inside].any()
    assert np.nanmax(safe[restarted][inside]) == 1
    assert max(np.nanmax(safe[i][inside]) for i in range(len(members)) if i != restarted) == 0


def test_a_long_run_ends_within_what_is_promised_and_before_the_next() -> None:
    found = world(incidents.REPORTED, 2)
    trap = next(t for t in found.traps if t.kind == "long-run")
    job = found.services.jobs[traps.LONG_JOB]
    running = np.nan_to_num(found.times - job.running_since)
    inside = (found.times >= trap.start) & (found.times < trap.end)
    assert running[inside].max() == pytest.approx(traps.LONG_RUN * job.usual, abs=STEP)
    assert running[~inside].max() <= job.usual
    assert not job.failed[inside].any()


# --- series --------------------------------------------------------------------------------------------

EXPORTERS = {
    HOST: ("node",),
    "airflow": ("airflow-statsd",),
    "alluxio-master": ("alluxio",),
    "alluxio-worker": ("alluxio",),
    "etl-state": ("job-metrics",),
    "hdfs-cache": ("job-metrics",),
    "hdfs-datanode": ("hadoop-jmx",),
    "hdfs-namenode": ("hadoop-jmx",),
    "hive-metastore": ("hive-jmx", "job-metrics"),
    "trino": ("trino-jmx",),
    "yarn-nodemanager": ("hadoop-jmx",),
    "yarn-resourcemanager": ("hadoop-jmx",),
    "zookeeper": ("zookeeper",),
}


@functools.cache
def exposed() -> dict[str, tuple[Series, ...]]:
    """All series of each job, from the first machine of each group."""
    found = world(incidents.TUNED)
    series: dict[str, list[Series]] = {}
    for group in (*roles.GROUPS, *roles.WAREHOUSE, *roles.SESSION):
        of = next(m for m in found.machines if m.group is group and found.window(m).count)
        for job in of.jobs():
            series.setdefault(job, []).extend(found.series(of, job, found.window(of), Wanted()))
    return {job: tuple(own) for job, own in series.items()}


@pytest.mark.parametrize("job", sorted(EXPORTERS))
def test_every_series_is_one_that_its_exporter_is_known_to_have(job: str) -> None:
    known: dict[str, tuple[str, ...]] = {}
    for name in EXPORTERS[job]:
        catalogue = metrics.find(PROJECT).exporter(name)
        assert catalogue is not None
        known |= catalogue.series()
    assert exposed()[job]
    for series in exposed()[job]:
        name = series.name.partition("_ip_")[0]
        assert name in known
        assert set(series.labels) <= set(known[name]), name
        assert np.nanmin(series.values, initial=0) >= 0


def test_everything_that_a_rule_of_the_shipped_standards_reads_is_there() -> None:
    found = world(incidents.TUNED)
    bindings = bind.bind(shipped(), inventory.everything(found), date(2026, 3, 2))
    assert {u.resource.kind for u in bindings.unbound} == {"emr-instance-group"}
    assert bindings.problems == ()
    there = {series.name.partition("_ip_")[0] for own in exposed().values() for series in own} | {"up"}
    there |= {metric.exported for own in aws_signals.METRICS.values() for metric in own}
    recorded, read = set(), set()
    for binding in bindings.bindings:
        panels = {panel.title for panel in binding.standard.panels}
        for name, text, _ in rules.expressions(binding):
            parsed = promql.parse(text)
            assert not isinstance(parsed, promql.Failure)
            recorded.add(name)
            read |= parsed.metrics if name not in panels else set()
    for job in (*WATCHERS, "probe-tls_connect"):
        there |= {series.name for series in watch_signals.series(found, job, Wanted())}
    # No database here has a replica, and no Prometheus sends what it has elsewhere.
    absent = {name for name in read - recorded - there if not name.startswith("prometheus_remote_storage_")}
    assert absent == {"aws_rds_replica_lag_maximum"}
    scraped = {s.scrape.job for b in bindings.bindings if (s := b.standard).scrape}
    assert scraped <= set(EXPORTERS) | set(WATCHERS)
    assert scraped >= set(EXPORTERS)
    assert set(data_signals.JOBS) | {HOST} == set(EXPORTERS)


WATCHERS = {"prometheus": "prometheus", "alertmanager": "alertmanager", "cloudwatch": "yace"}


@pytest.mark.parametrize(("job", "exporter"), [*WATCHERS.items(), ("probe-tls_connect", "blackbox")])
def test_what_the_monitoring_tells_of_itself_is_what_its_parts_export(job: str, exporter: str) -> None:
    catalogue = metrics.find(PROJECT).exporter(exporter)
    assert catalogue is not None
    known = catalogue.series()
    told = list(watch_signals.series(world(incidents.REPORTED), job, Wanted()))
    assert told
    for series in told:
        assert set(series.labels) <= set(known[series.name])


def test_a_target_that_is_no_machine_answers_and_probes_bring_their_prober() -> None:
    found, each = incident("certificate-expiry")
    ends = (float(START), START + found.end)
    targets = [
        views.Listed("prometheus", "127.0.0.1:9090", (("service", "monitoring"),), *ends),
        views.Listed("probe-tls_connect", "ingest.example.com:443", (("probe", "endpoint"),), *ends),
    ]
    text = b"".join(openmetrics.chunks(found, targets, {}, Wanted(["probe_ssl_earliest_cert_expiry"])))
    read = _read(text)
    assert {head.partition("{")[0] for head in read} == {"up", "probe_ssl_earliest_cert_expiry"}
    jobs = {head.partition('job="')[2].partition('"')[0] for head in read if head.startswith("up{")}
    assert jobs == {"prometheus", "probe-tls_connect", "blackbox"}
    assert all(value == 1 for head, own in read.items() if head.startswith("up{") for value in own.values())
    (expiry,) = (own for head, own in read.items() if head.startswith("probe_ssl"))
    broken = {at for at, value in expiry.items() if value - at < 3 * 86_400}
    assert broken == {at for at in expiry if START + each.start <= at < START + each.end}


def test_what_the_standards_ask_cloudwatch_for_is_answered() -> None:
    found = world(incidents.TUNED)
    bound = bind.bind(shipped(), inventory.everything(found), date(2026, 3, 2)).bindings
    known = {
        kind: {(m.namespace, m.name, m.statistic) for m in own} for kind, own in aws_signals.METRICS.items()
    }
    for binding in bound:
        source = binding.standard.cloudwatch
        for metric in source.metrics if source else ():
            for statistic in metric.statistics:
                if metric.name != "ReplicaLag":
                    kind = binding.standard.applies_to.kind
                    assert (source.namespace, metric.name, statistic) in known[kind]  # type: ignore[union-attr]


# --- the inventory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.0, 9 * 3600.0 + 7, 21 * 3600.0])
def test_the_inventory_has_in_service_what_is(at: float) -> None:
    found = world(incidents.TUNED)
    read = found.inventory(at)
    assert snapshot.from_bytes(snapshot.to_bytes(read)) == read
    machines = [r for r in read.resources if r.kind == "ec2-instance"]
    in_service = {r.id for r in machines if r.lifecycle is Lifecycle.IN_SERVICE}
    assert in_service == {m.id for m in found.machines if m.in_service <= at < m.leaving}
    assert {r.id for r in machines} == {m.id for m in found.machines if m.launched <= at < m.gone}


def test_the_inventory_says_at_all_times_what_lifecycles_say() -> None:
    found = World(1, 100)
    states: set[tuple[str, str]] = set()
    for at in found.changes()[::20]:
        for resource in found.inventory(at).resources:
            if resource.kind == "ec2-instance":
                states.add((str(resource.lifecycle), resource.lifecycle_reason.partition(":")[0]))
    reasons = {reason for lifecycle, reason in states if lifecycle == "leaving"}
    assert {"scale-in", "emr-termination"} <= reasons
    assert ("in-service", "") in states


def test_labels_do_not_depend_on_the_moment() -> None:
    """What `everything` is bound to is what the machines are bound to at each moment."""
    found = world(incidents.REPORTED)

    def bound(state: snapshot.Snapshot) -> set[tuple[str, str, str]]:
        return {
            (m.resource.id, binding.standard.name, repr(sorted(m.labels.items())))
            for binding in bind.bind(shipped(), state, date(2026, 3, 2)).bindings
            for m in binding.members
            if m.resource.kind == "ec2-instance"
        }

    ever = bound(inventory.everything(found))
    for at in (3600.0, 50_000.0):
        now = bound(found.inventory(at))
        assert now <= ever
        assert {identifier for identifier, *_ in now} == {
            m.id for m in found.machines if m.in_service <= at < m.leaving
        }


# --- lists of targets ------------------------------------------------------------------------------------


def test_a_list_by_hand_keeps_what_is_gone_and_misses_what_is_new() -> None:
    found = world(incidents.TUNED)
    by_hand, at_once = views.by_hand(found), views.by_hand(found, None)
    stale, live = views.sight(found, by_hand), views.sight(found, at_once)
    assert live.blind_share == pytest.approx(0)
    assert live.gone == pytest.approx(0, abs=1e-6)
    assert 0.05 < stale.blind_share < 0.4
    assert stale.gone > 100
    updates = {START + hour * 3600 for hour in views.UPDATES} | {START, START + found.end}
    assert {t.start for t in by_hand} | {t.end for t in by_hand} <= updates
    assert {(t.job, t.address) for t in by_hand if t.start == START + 13 * 3600} <= {
        (t.job, t.address) for t in at_once if t.start <= START + 13 * 3600
    }


@pytest.mark.parametrize("lifecycle", [True, False])
def test_a_live_list_has_what_was_in_service_when_it_was_looked_at_last(lifecycle: bool) -> None:
    found = world(incidents.REPORTED)
    ever = [(HOST, f"{m.address}:9100", (("resource_id", m.id),)) for m in found.machines]
    targets = views.live(found, ever, sync=60, apply=30, lifecycle=lifecycle)
    for second in (0.0, 29.0, 3630.0, 30_000.0, 61_337.0, found.end - 1):
        looked = max(0.0, (second - 30) // 60 * 60)
        listed = {dict(t.labels)["resource_id"] for t in targets if t.start <= START + second < t.end}
        resources = [r for r in found.inventory(looked).resources if r.kind == "ec2-instance"]
        assert listed == {r.id for r in resources if not lifecycle or r.lifecycle is Lifecycle.IN_SERVICE}, (
            second
        )


def test_a_list_that_misses_the_new_machines_cannot_show_what_happens_to_them() -> None:
    found, each = incident("new-machines-failing")
    assert each.kind in views.seen(found, views.by_hand(found, None))
    old = [t for t in views.by_hand(found, None) if t.start <= START]
    assert each.kind not in views.seen(found, old)
    assert "bad-deployment" in views.seen(found, [])  # CloudWatch shows it


# --- OpenMetrics -------------------------------------------------------------------------------------------


def _read(chunks: bytes) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for line in chunks.decode().splitlines():
        head, value, at = line.rsplit(" ", 2)
        assert int(at) not in found.setdefault(head, {})
        found[head][int(at)] = float(value)
    return found


def test_a_target_has_samples_while_it_answers_and_nothing_once_it_is_off_the_list() -> None:
    found = world(incidents.TUNED)
    of = next(m for m in found.machines if m.group.name == "ingest" and 20_000 < m.leaving < 80_000)
    start, end = START + of.launched // STEP * STEP, START + of.gone + 1800
    target = views.Listed("node", f"{of.address}:9100", (("service", "ingest"),), start, end)
    read = _read(b"".join(openmetrics.chunks(found, [target], {}, Wanted(["node_memory_MemTotal_bytes"]))))
    labels = f'instance="{of.address}:9100",job="node",service="ingest"'
    scraped = read[f"up{{{labels}}}"]
    expected = range(int(max(start, START)), int(min(end, START + found.end)), STEP)
    assert sorted(scraped) == list(expected)
    window = found.window(of)
    answers = dict(
        zip((START + window.seconds).astype(int).tolist(), found.answers(of, HOST, window), strict=True)
    )
    assert scraped == {at: float(answers.get(at, False)) for at in expected}
    memory = read[f"node_memory_MemTotal_bytes{{{labels}}}"]
    assert memory == {at: float(of.group.memory) for at, value in scraped.items() if value}


@pytest.mark.parametrize("decimals", [0, 2, 6])
def test_numbers_are_written_as_they_are(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    given = np.round(10 ** rng.uniform(-4, 15 - decimals, 500), decimals)
    given[:2] = 0, 10.0 ** (14 - decimals)
    written = openmetrics.digits(given, decimals)
    assert [float(bytes(row)) for row in written] == pytest.approx(given.tolist(), abs=0.5 * 10.0**-decimals)


def test_label_values_are_escaped() -> None:
    found = world(incidents.TUNED)
    hostile = views.Listed(
        "node", f"{found.machines[0].address}:9100", (("x", 'a"b\\c\nd'),), START, START + 60
    )
    text = b"".join(openmetrics.chunks(found, [hostile], {}, Wanted([]))).decode()
    assert text.splitlines()[0].startswith('up{instance="127.')
    assert r'x="a\"b\\c\nd"' in text


def test_promtool_takes_the_files_and_finds_every_sample(tmp_path: Path) -> None:
    found = world(incidents.TUNED)
    targets = [t for t in views.by_hand(found) if t.job in ("zookeeper", "hive-metastore")]
    watched = {arn: {"service": "ingest"} for arn in (inventory.BALANCER, inventory.TARGETS)}
    blocks = tmp_path / "data"
    promtool = engines.require("promtool")
    samples = 0
    for part in openmetrics.parts(found, targets, watched, tmp_path, Wanted(), size=4 << 20):
        text = part.read_bytes()
        assert text.endswith(b"# EOF\n")
        samples += text.count(b"\n") - 1
        done = process.run(
            [
                promtool.path,
                "tsdb",
                "create-blocks-from",
                "openmetrics",
                "--max-block-duration=24h",
                part,
                blocks,
            ]
        )
        assert done.returncode == 0, done.stderr
        part.unlink()
    kept = [
        json.loads((block / "meta.json").read_bytes())["stats"]
        for block in blocks.iterdir()
        if block.is_dir()
    ]
    assert len(kept) > 1
    assert sum(stats["numSamples"] for stats in kept) == samples


def test_the_command_writes_both_views_and_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.noise.views.by_hand", lambda found, updates=None: [])
    assert main(["--seed", "2", "--hosts", "90", "--out", str(tmp_path / "out")]) == 0
    assert "incident disk-filling" in capsys.readouterr().out
    truth = json.loads((tmp_path / "out/truth.json").read_bytes())
    assert len(truth["incidents"]) == 9
    assert datetime.fromtimestamp(truth["start"], UTC).weekday() == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["live", "static", "truth.json"]
