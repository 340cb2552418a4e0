"""What the services do at each step: requests, queues, jobs, databases, in health and in each incident."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.noise import incidents as known
from benchmarks.noise.clock import DAY, STEP, Floats, Mask, load, smoothed, stream
from benchmarks.noise.incidents import Incident

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

    def __init__(self, seed: int, times: Floats, happening: tuple[Incident, ...], hosts: int) -> None:
        self.seed, self.times, self.incidents = seed, times, happening
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
        found = np.zeros(self.count, dtype=np.bool_)
        for incident in self.incidents:
            if incident.kind == kind:
                found |= (self.times >= incident.start) & (self.times < incident.end)
        return found

    def since(self, kind: str) -> Floats:
        """Seconds since the incident of this kind began; NaN where none goes on."""
        found = np.full(self.count, np.nan)
        for incident in self.incidents:
            if incident.kind == kind:
                inside = (self.times >= incident.start) & (self.times < incident.end)
                found[inside] = self.times[inside] - incident.start
        return found

    def noise(self, name: str, minutes: float = 5.0) -> Floats:
        return smoothed(stream(self.seed, "services", name), self.count, minutes)

    def rng(self, name: str) -> np.random.Generator:
        return stream(self.seed, "services", name)

    # --- ingest -------------------------------------------------------------------------------------

    def _ingest(self) -> None:
        day = load("day", self.times)
        rate = 3000 * self.size * (0.4 + 0.6 * day) * (1 + 0.05 * self.noise("requests"))
        self.alb_requests = np.maximum(rate, 0).round()  # a minute
        share = np.where(self.fault("bad-deployment"), 0.3, 0.0004)
        self.alb_errors = (
            self.rng("alb-errors").binomial(self.alb_requests.astype(np.int64), share).astype(float)
        )
        slow = np.where(self.fault("bad-deployment"), 0.5, 0.0)
        self.alb_p99 = 0.35 + 0.15 * day + 0.04 * np.abs(self.noise("p99")) + slow
        self.certificate_days = np.where(
            self.fault("certificate-expiry"), 2.0, 211.0 - np.floor(self.times / DAY)
        )
        self.queues = {
            "ingest-events": self._queue("ingest-events", rate * 2, "queue-backlog"),
            "ingest-events-dlq": self._dead_letters(),
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

    def _dead_letters(self) -> Queue:
        """A few old ones lie there that somebody looks at some day."""
        still = np.zeros(self.count)
        return Queue(still, still, np.full(self.count, 4.0), 200_000 + self.times)

    # --- S3, RDS ------------------------------------------------------------------------------------

    def _stores(self) -> None:
        batch = load("batch", self.times)
        rate = 20_000 * self.size * (0.3 + 0.7 * batch) * (1 + 0.08 * self.noise("s3"))
        self.s3_requests = np.maximum(rate, 0).round()
        share = np.where(self.fault("s3-throttling"), 0.25, 0.0002)
        self.s3_errors = self.rng("s3").binomial(self.s3_requests.astype(np.int64), share).astype(float)
        self.s3_latency = 180 + 60 * batch + 15 * np.abs(self.noise("s3-latency"))  # milliseconds, p99
        exhausted = self.fault("metastore-connections")
        usual = 140 + 120 * batch + 8 * self.noise("connections")
        self.rds = {
            "metastore": {
                "CPUUtilization": np.clip(22 + 25 * batch + 3 * self.noise("rds-cpu"), 1, 100),
                "DatabaseConnections": np.where(exhausted, 1000.0, usual).round(),
                "FreeStorageSpace": 380 * GIB - 1500 * self.times,
                "FreeableMemory": (24 + 0.3 * self.noise("rds-memory")) * GIB,
                "DiskQueueDepth": np.abs(0.4 + 0.2 * self.noise("rds-disk")),
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
        self.queries = np.where(down, 0.0, (0.05 + 0.6 * office) * max(1.0, self.size**0.5))  # a second
        share = np.full(self.count, 0.004)
        share[self.fault("metastore-connections")] = 0.5
        share[self.fault("alluxio-master-down")] = 0.6
        self.query_failures = share
        short = np.nan_to_num(self.since("new-machines-failing") / 7200)
        self.queries_queued = np.maximum(0, 2 * office + self.noise("queued") + 3 * short).round()
        self.queries_wait = 400 + 1500 * office + 200 * np.abs(self.noise("wait"))  # milliseconds, p95

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
        down = self.fault("alluxio-master-down")
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

    def _yarn(self) -> None:
        batch = load("batch", self.times)
        self.apps_running = np.maximum(2, 4 + 30 * batch + self.noise("apps")).round()
        self.apps_pending = np.maximum(0, 3 * batch + self.noise("pending")).round()
        self.memory_used = np.clip(0.35 + 0.6 * batch + 0.03 * self.noise("memory"), 0, 0.98)
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
            upcoming[np.isnan(upcoming) & (self.times < begin)] = planned
            if incident is not None and incident.kind == "etl-failed":
                since[(self.times >= begin) & (self.times < incident.start)] = begin
                failed[(self.times >= incident.start) & (self.times < incident.end)] = 1.0
                begin, end = incident.end - usual, incident.end  # the repaired run
            since[(self.times >= begin) & (self.times < end)] = begin
            success[self.times >= end] = end
            free = end
        name = f"{'critical' if number < 2 else 'hourly'}-{number:02d}"
        return Job(name, number < 2, usual, failed, since, upcoming, success)

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
        self.tasks = 0.05 + 0.3 * batch  # ended a second
        self.task_failures = np.full(self.count, 0.01)
        self.tasks_running = np.maximum(1, 6 + 30 * batch + self.noise("tasks")).round()
        self.tasks_queued = np.maximum(0, 2 * batch + self.noise("tasks-queued")).round()
