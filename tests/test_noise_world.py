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
    views,
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
    "exporter-crash", "memory-leak",
}  # fmt: skip


@functools.cache
def world(split: str) -> World:
    return World(1, HOSTS, split=split)


@functools.cache
def shipped() -> Catalog:
    found = standards.load(PROJECT).catalog
    assert found is not None
    return found


def incident(kind: str) -> tuple[World, Incident]:
    found = world(incidents.BY_NAME[kind].split)
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


def test_each_kind_of_incident_is_in_one_split_and_each_split_has_traps() -> None:
    assert set(incidents.BY_NAME) == KINDS
    by_split = {split: [k.name for k in incidents.KINDS if k.split == split] for split in incidents.SPLITS}
    assert {len(kinds) for kinds in by_split.values()} == {9}
    for split, kinds in by_split.items():
        found = world(split)
        assert sorted(i.kind for i in found.incidents) == sorted(kinds)
        assert sorted(t.kind for t in found.traps) == sorted(incidents.TRAPS[split])
        assert set(incidents.SEEDS[split]).isdisjoint(
            seed for other, seeds in incidents.SEEDS.items() if other != split for seed in seeds
        )


def test_the_page_of_the_world_says_what_the_code_does() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.rendered(text) == text, "python -m benchmarks.noise.page"
    for kind in incidents.KINDS:
        assert f"| {kind.name} | {kind.split} | {kind.service} |" in text
    assert text.count("| assumed |") == sum(not a.source for a in assumptions.TABLE.values())


@pytest.mark.parametrize("split", incidents.SPLITS)
def test_incidents_lie_within_the_days_and_are_told_to_the_owner_of_their_service(split: str) -> None:
    found = World(2, HOSTS, days=2, split=split)
    assert len(found.incidents) == 18
    for each in found.incidents:
        assert 0 < each.start < each.end <= found.end
        assert each.bound <= found.end - each.start
        assert each.team == shipped().services[each.service].owner


@pytest.mark.parametrize("split", incidents.SPLITS)
@pytest.mark.parametrize("seed", [1, 2, 3, 11, 12, 13])
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
    return np.asarray(np.nanmean(np.vstack(read), axis=0))


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
    # No database here has a replica.
    assert read - recorded - there == {"aws_rds_replica_lag_maximum"}
    assert {s.scrape.job for b in bindings.bindings if (s := b.standard).scrape} == set(EXPORTERS)
    assert set(data_signals.JOBS) | {HOST} == set(EXPORTERS)


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
