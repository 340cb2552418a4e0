"""What the services do at each step: requests, queues, jobs, databases, in health and in each incident."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.noise import incidents as known
from benchmarks.noise.clock import DAY, STEP, Floats, Mask, load, smoothed, stream
from benchmarks.noise.incidents import Incident
from benchmarks.noise.traps import LONG_JOB, LONG_RUN, Trap

GIB = float(1 << 30)


@dataclass(frozen=True, slots=True)
class Queue:
    """An SQS queue per step: messages sent and deleted a minute, visible, and the oldest's age in seconds."""

    sent: Floats
    deleted: Floats
    visible: Floats
    age: Floats


@dataclass(frozen=True, slots=True)
class Job:
    """An ETL job per step, as its scheduler has it. Times are seconds from the world's start; NaN: none."""

    name: str
    critical: bool
    usual: float
    failed: Floats
    running_since: Floats
    next_run: Floats
    last_success: Floats


class Services:
    """The state of all services, worked out once. `times`: seconds of each step."""

    def __init__(
        self, seed: int, times: Floats, happening: tuple[Incident, ...], traps: tuple[Trap, ...], hosts: int
    ) -> None:
        self.seed, self.times, self.incidents, self.traps = seed, times, happening, traps
        self.count = len(times)
        self.size = hosts / 146
        self._ingest()
        self._stores()
        self._query()
        self._metastore()
        self._alluxio()
        self._hdfs()
        self._yarn()
        self.jobs = tuple(self._jobs())
        self._airflow()

    # --- parts that others use ----------------------------------------------------------------------

    def fault(self, kind: str) -> Mask:
        """Steps at which an incident of this kind goes on."""
        return self._during(kind, self.incidents)

    def harmless(self, kind: str) -> Mask:
        """Steps at which a trap of this kind goes on."""
        return self._during(kind, self.traps)

    def _during(self, kind: str, happening: Iterable[Incident | Trap]) -> Mask:
        found = np.zeros(self.count, dtype=np.bool_)
        for each in happening:
            if each.kind == kind:
                found |= (self.times >= each.start) & (self.times < each.end)
        return found

    def since(self, kind: str) -> Floats:
        """Seconds since the incident of this kind began; NaN where none goes on."""
        found = np.full(self.count, np.nan)
        for incident in self.incidents:
            if incident.kind == kind:
                inside = (self.times >= incident.start) & (self.times < incident.end)
                found[inside] = self.times[inside] - incident.start
        return found

    def after(self, kind: str) -> Floats:
        """Seconds since an incident of this kind ended; infinite before."""
        found = np.full(self.count, np.inf)
        for incident in self.incidents:
            if incident.kind == kind:
                later = self.times >= incident.end
                found[later] = self.times[later] - incident.end
        return found

    def noise(self, name: str, minutes: float = 5.0) -> Floats:
        return smoothed(stream(self.seed, "services", name), self.count, minutes)

    def rng(self, name: str) -> np.random.Generator:
        return stream(self.seed, "services", name)

    # --- ingest -------------------------------------------------------------------------------------

    def _ingest(self) -> None:
        day = load("day", self.times)
        rate = 3000 * self.size * (0.4 + 0.6 * day) * (1 + 0.05 * self.noise("requests"))
        waiting = self.fault("ingest-slow")
        rate = np.where(waiting, 0.85 * rate, rate)  # producers that wait for an answer send less
        self.alb_requests = np.maximum(rate, 0).round()  # a minute
        share = np.where(self.fault("bad-deployment"), 0.3, 0.0004)
        self.alb_errors = (
            self.rng("alb-errors").binomial(self.alb_requests.astype(np.int64), share).astype(float)
        )
        slow = np.where(self.fault("bad-deployment"), 0.5, np.where(waiting, 6.0, 0.0))
        self.alb_p99 = 0.35 + 0.15 * day + 0.04 * np.abs(self.noise("p99")) + slow
        self.certificate_days = np.where(
            self.fault("certificate-expiry"), 2.0, 211.0 - np.floor(self.times / DAY)
        )
        events, letters = self._dead_letters(self._queue("ingest-events", rate * 2, "queue-backlog"))
        self.queues = {
            "ingest-events": events,
            "ingest-events-dlq": letters,
            "metastore-sync": self._queue("metastore-sync", 20 + 30 * load("batch", self.times), ""),
            "cache-purge": self._queue("cache-purge", 5 + 10 * load("batch", self.times), ""),
        }

    def _queue(self, name: str, rate: Floats, kind: str) -> Queue:
        """Consumers keep up, unless they stand still; afterwards they catch up at three times the rate."""
        sent = self.rng(name).poisson(np.maximum(rate, 0)).astype(float)
        stopped = self.fault(kind) if kind else np.zeros(self.count, dtype=np.bool_)
        waiting, behind = 0.0, 0.0
        visible, deleted, age = (np.zeros(self.count) for _ in range(3))
        per_step = STEP / 60
        for step in range(self.count):
            waiting += sent[step] * per_step
            taken = 0.0 if stopped[step] else min(waiting, 3 * max(rate[step], 1.0) * per_step)
            waiting -= taken
            behind = (
                behind + STEP
                if stopped[step]
                else (behind * waiting / (waiting + taken) if taken else behind)
            )
            visible[step], deleted[step] = waiting, taken / per_step
            age[step] = max(behind, 2.0)
        jitter = np.abs(self.noise(f"{name}-age", 3))
        return Queue(sent, deleted.round(), (visible + 3 * jitter).round(), (age + 4 * jitter).round())

    def _dead_letters(self, events: Queue) -> tuple[Queue, Queue]:
        """The queue and its dead letters: a few old ones that somebody looks at some day.

        In the incident consumers cannot read every fifth message. It is received five times, half a minute
        apart, and moved; SQS does not count that as sent. At the end somebody has the messages moved back,
        within ten minutes.
        """
        still = np.zeros(self.count)
        refused = np.where(self.fault("dead-letters"), 0.2 * events.deleted, 0.0)  # a minute
        retried = 5
        moved = np.concatenate([np.zeros(retried), refused[:-retried]]) * STEP / 60
        lying, back = 0.0, np.zeros(self.count)
        visible = np.zeros(self.count)
        mended, left = self.after("dead-letters"), 0.0
        for step in range(self.count):
            lying += moved[step]
            if mended[step] < STEP:
                left = lying / 20  # a step
            if mended[step] < np.inf:
                back[step] = min(lying, max(left, moved[step]))
                lying -= back[step]
            visible[step] = lying
        # SQS leaves messages out of the age that were received three times.
        age = np.maximum(events.age, np.where(refused > 0, 90.0, 0.0))
        deleted = (events.deleted - refused + back * 60 / STEP).round()
        waiting = (events.visible + 0.5 * refused).round()
        letters = Queue(still, still, 4 + visible.round(), 200_000 + self.times)
        return replace(events, deleted=deleted, age=age, visible=waiting), letters

    # --- S3, RDS ------------------------------------------------------------------------------------

    def _stores(self) -> None:
        batch = load("batch", self.times)
        rate = 20_000 * self.size * (0.3 + 0.7 * batch) * (1 + 0.08 * self.noise("s3"))
        denied = self.fault("s3-access-denied")
        self.s3_requests = np.maximum(np.where(denied, 0.7 * rate, rate), 0).round()
        self.s3_denied = np.where(denied, 0.6, 0.01)  # the rest is what people may not, or does not exist
        share = np.where(self.fault("s3-throttling"), 0.25, 0.0002)
        self.s3_errors = self.rng("s3").binomial(self.s3_requests.astype(np.int64), share).astype(float)
        self.s3_latency = 180 + 60 * batch + 15 * np.abs(self.noise("s3-latency"))  # milliseconds, p99
        exhausted = self.fault("metastore-connections")
        usual = 140 + 120 * batch + 8 * self.noise("connections")
        free = 380 * GIB - 1500 * self.times
        taken = np.nan_to_num(self.since("database-storage-filling")) / known.DISK_FULL_AFTER
        dumped = self.harmless("database-backup")
        self.rds = {
            "metastore": {
                "CPUUtilization": np.clip(
                    22 + 25 * batch + 3 * self.noise("rds-cpu") + np.where(dumped, 25, 0), 1, 100
                ),
                "DatabaseConnections": np.where(exhausted, 1000.0, usual).round(),
                "FreeStorageSpace": (free * (1 - taken)).round(),
                "FreeableMemory": (24 + 0.3 * self.noise("rds-memory")) * GIB,
                "DiskQueueDepth": np.abs(0.4 + 0.2 * self.noise("rds-disk"))
                + np.where(dumped, 4.0, np.where(taken > 0, 1.0, 0.0)),
            },
            "airflow": {
                "CPUUtilization": np.clip(12 + 6 * batch + 2 * self.noise("airflow-cpu"), 1, 100),
                "DatabaseConnections": (45 + 3 * self.noise("airflow-connections")).round(),
                "FreeStorageSpace": 90 * GIB - 300 * self.times,
                "FreeableMemory": (3.2 + 0.1 * self.noise("airflow-memory")) * GIB,
                "DiskQueueDepth": np.abs(0.1 + 0.05 * self.noise("airflow-disk")),
                "MaximumUsedTransactionIDs": 4e7 + 5 * self.times,  # PostgreSQL alone has these
            },
        }

    # --- query, metastore, Alluxio ------------------------------------------------------------------

    def _query(self) -> None:
        office = load("office", self.times)
        down = self.fault("critical-node-lost")
        asked = (0.05 + 0.6 * office) * max(1.0, self.size**0.5)  # a second
        held = self.fault("queries-waiting")  # a few queries hold the memory; the others wait for it
        self.queries = np.where(down, 0.0, np.where(held, 0.3 * asked, asked))
        share = np.full(self.count, 0.004)
        share[self.fault("metastore-connections")] = 0.5
        share[self.fault("alluxio-master-down") | self.fault("zookeeper-quorum-lost")] = 0.6
        self.query_failures = share
        short = np.nan_to_num(self.since("new-machines-failing") / 7200)
        self.queries_killed = np.where(held, 1 / 600, 0.0)  # a second: they had no memory left
        behind, wait = self._held_back(asked)
        self.queries_queued = np.maximum(0, 2 * office + self.noise("queued") + 3 * short + behind).round()
        calm = 400 + 1500 * office + 200 * np.abs(self.noise("wait"))
        self.queries_wait = calm + 1000 * wait  # milliseconds, p95

    def _held_back(self, asked: Floats) -> tuple[Floats, Floats]:
        """(queries, seconds that they wait) while few can run; people ask no more when 400 wait. Afterwards
        the queue is worked off within minutes."""
        behind, wait = np.zeros(self.count), np.zeros(self.count)
        for incident in self.incidents:
            if incident.kind != "queries-waiting":
                continue
            since = self.times - incident.start
            inside = (since >= 0) & (self.times < incident.end)
            heavy = 60 * np.minimum(since / 300, 1)
            behind[inside] = np.minimum(heavy + np.cumsum(np.where(inside, 0.7 * asked * STEP, 0)), 400)[
                inside
            ]
            wait[inside] = np.minimum(0.7 * since[inside], 1200)
            later = self.times >= incident.end
            past = self.times[later] - incident.end
            behind[later] = behind[inside][-1] * np.exp(-past / 300)
            wait[later] = wait[inside][-1] * np.exp(-past / 300)
        return behind, wait

    def _metastore(self) -> None:
        batch, office = load("batch", self.times), load("office", self.times)
        exhausted = self.fault("metastore-connections")
        inside = np.nan_to_num(self.since("metastore-connections"), nan=0.0)
        rate = (8 + 20 * batch + 15 * office) * (1 + 0.05 * self.noise("hms"))
        self.metastore_calls = np.where(exhausted, 0.0, rate)  # a second, each server
        self.metastore_active = np.where(exhausted, 120.0, 1 + 2 * batch).round()
        calm = 150 + 100 * batch + 10 * self.noise("hms-connections")
        # Clients that wait hold their connections, and more come.
        self.metastore_connections = np.minimum(np.where(exhausted, calm + inside * 3, calm), 1000).round()
        self.metastore_p95 = np.where(
            exhausted, 30_000.0, 60 + 40 * batch + 5 * np.abs(self.noise("hms-p95"))
        )

    def _alluxio(self) -> None:
        work = 0.3 + 0.7 * np.maximum(load("batch", self.times), load("office", self.times))
        down = self.fault("alluxio-master-down") | self.fault("zookeeper-quorum-lost")
        self.alluxio_reads = np.where(down, 0.0, 6.0 * work)  # blocks a second, each worker
        self.alluxio_misses = np.full(self.count, 0.12)
        self.alluxio_failing = np.where(self.fault("understore-errors"), 0.5, 0.003)

    # --- HDFS, YARN ---------------------------------------------------------------------------------

    def _hdfs(self) -> None:
        """A cache: it fills as jobs write, and the hourly purge takes away what is in S3."""
        hourly = (self.times % 3600) / 3600
        self.hdfs_free = 0.42 - 0.06 * hourly + 0.01 * self.noise("hdfs", 60)
        self.hdfs_purgeable = 0.25 + 0.05 * hourly
        self.warehouse_free = 0.55 + 0.02 * self.noise("warehouse", 60)
        self.purged = np.floor(self.times / 3600) * 3600  # when the purge succeeded last
        for incident in self.incidents:
            if incident.kind == "namenode-safe-mode":  # nothing can be deleted either
                self.purged[(self.purged >= incident.start) & (self.purged < incident.end)] -= 3600

    def _yarn(self) -> None:
        batch = load("batch", self.times)
        self.apps_running = np.maximum(2, 4 + 30 * batch + self.noise("apps")).round()
        self.apps_pending = np.maximum(0, 3 * batch + self.noise("pending")).round()
        self.memory_used = np.clip(0.35 + 0.6 * batch + 0.03 * self.noise("memory"), 0, 0.98)
        # Shares of applications and of containers that fail: on HDFS, and on EMR's clusters, which read S3.
        unwritten, unread = self.fault("namenode-safe-mode"), self.fault("s3-access-denied")
        self.apps_failing = (np.where(unwritten, 0.5, 0.03), np.where(unread, 0.5, 0.03))
        self.containers_failing = (np.where(unwritten, 0.3, 0.02), np.where(unread, 0.3, 0.02))
        self.memory_pending = np.clip(0.25 * batch + 0.03 * self.noise("memory-pending"), 0, None)

    # --- jobs ---------------------------------------------------------------------------------------

    def _jobs(self) -> list[Job]:
        """Twelve jobs an hour; the first two are critical, and the incidents of ETL happen to the first."""
        return [self._job(number) for number in range(12)]

    def _job(self, number: int) -> Job:
        rng = self.rng(f"job-{number}")
        first = number == 0
        usual = known.USUAL_RUN if first else float(rng.uniform(300, 1500))
        offset = known.RUN_MINUTE if first else float(rng.uniform(0, 3000))
        failed, success = np.zeros(self.count), np.full(self.count, -3600.0)
        since, upcoming = np.full(self.count, np.nan), np.full(self.count, np.nan)
        free = -np.inf  # when the run before has ended
        for planned in np.arange(offset - 3600, self.times[-1] + 7200, 3600.0):
            begin, end = planned, planned + usual * float(rng.uniform(0.75, 1.0))
            if planned < free:
                continue  # one run at a time: the scheduler leaves this one out
            incident = self._of_run(planned) if first else None
            if incident is not None and incident.kind == "etl-missing":
                begin, end = incident.end, incident.end + usual
            elif incident is not None and incident.kind == "etl-late":
                end = incident.end
            elif number == LONG_JOB and self._is_long(planned):
                end = begin + LONG_RUN * usual
            else:
                begin, end = self._held_up(begin, end)
            upcoming[np.isnan(upcoming) & (self.times < begin)] = planned
            broken = self._broken(number, begin, end)
            if broken < end:
                since[(self.times >= begin) & (self.times < broken)] = begin
                failed[self.times >= broken] = 1.0
                free = broken
                continue
            if incident is not None and incident.kind == "etl-failed":
                since[(self.times >= begin) & (self.times < incident.start)] = begin
                failed[(self.times >= incident.start) & (self.times < incident.end)] = 1.0
                begin, end = incident.end - usual, incident.end  # the repaired run
            since[(self.times >= begin) & (self.times < end)] = begin
            success[self.times >= end] = end
            failed[self.times >= end] = 0.0
            free = end
        name = f"{'critical' if number < 2 else 'hourly'}-{number:02d}"
        return Job(name, number < 2, usual, failed, since, upcoming, success)

    def _is_long(self, planned: float) -> bool:
        """Whether it is the first run that begins in a trap of long runs."""
        return any(t.kind == "long-run" and t.start <= planned < t.start + 3600 for t in self.traps)

    def _held_up(self, begin: float, end: float) -> tuple[float, float]:
        """Begin and end of a run that begins when the scheduler schedules."""
        for incident in self.incidents:
            if incident.kind == "scheduler-hangs" and incident.start <= begin < incident.end:
                return incident.end + 20, incident.end + 20 + end - begin
        return begin, end

    def _broken(self, number: int, begin: float, end: float) -> float:
        """When a run fails, infinite when it does not: one that reads S3, as every second job does, after
        two minutes of retries; one that writes to HDFS, as they all do in the end, when it comes to it."""
        for incident in self.incidents:
            reads = max(begin, incident.start) + 120
            if incident.kind == "s3-access-denied" and not number % 2 and reads < min(end, incident.end):
                return reads
            if incident.kind == "namenode-safe-mode" and incident.start <= end < incident.end:
                return end - 1
        return np.inf

    def _of_run(self, planned: float) -> Incident | None:
        """The incident that happens to the run of the first job that is planned then."""
        for incident in self.incidents:
            if (
                incident.kind in known.RUN_DELAY
                and incident.start - known.RUN_DELAY[incident.kind] == planned
            ):
                return incident
        return None

    def _airflow(self) -> None:
        batch = load("batch", self.times)
        hangs = self.since("scheduler-hangs")
        hanging = ~np.isnan(hangs)
        # What runs already ends within minutes; nothing else begins.
        self.tasks = (0.05 + 0.3 * batch) * np.exp(-np.nan_to_num(hangs) / 300)  # ended a second
        self.task_failures = np.full(self.count, 0.01)
        self.task_failures[self.fault("namenode-safe-mode")] = 0.3
        self.task_failures[self.fault("s3-access-denied")] = 0.4
        self.heartbeats = np.where(hanging, 0.0, 0.2)  # a second
        self.runs_begun = np.where(hanging, 0.0, 12 / 3600)  # a second
        self.runs_delay = 8 * self.runs_begun  # seconds of delay a second
        self.tasks_running = np.maximum(1, 6 + 30 * batch + self.noise("tasks")).round()
        self.tasks_queued = np.maximum(0, 2 * batch + self.noise("tasks-queued")).round()
        for incident in self.incidents:
            if incident.kind != "scheduler-hangs":
                continue
            first = int(np.searchsorted(self.times, incident.start))
            # A gauge that nobody sets stays; the runs that were held up begin within five minutes.
            self.tasks_running[hanging] = self.tasks_running[first]
            self.tasks_queued[hanging] = self.tasks_queued[first]
            length = incident.end - incident.start
            begin = (self.times >= incident.end) & (self.times < incident.end + 300)
            self.runs_begun[begin] += 12 * length / 3600 / 300
            self.runs_delay[begin] += 12 * length / 3600 / 300 * length / 2
