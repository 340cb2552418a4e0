"""What the simulated fleet is made of: groups of machines and EMR clusters as in the demo's first cell."""

from __future__ import annotations

from dataclasses import dataclass, field

from mac.demo.fleet import apportion_with_one

ACCOUNT = "111122223333"
ACCOUNT_NAME = "production"
REGION = "us-east-1"
ENVIRONMENT = "production"
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")

HOST_PORT = 9100


@dataclass(frozen=True, slots=True)
class Group:
    """Machines that are launched alike. `peaks`: by which curve an autoscaled group grows, "" for none.

    `daemons`: job → port of what answers beside the node exporter, as the standards' scrape sections say.
    `emr`: master, core or task for machines of a cluster. `swing`: smallest size as a share of the largest.
    """

    name: str
    service: str
    role: str
    team: str
    type: str
    daemons: dict[str, int]
    fixed: int = 0
    weight: int = 0
    autoscaling: bool = False
    peaks: str = ""
    swing: float = 1.0
    spot: str = ""  # "common" or "scarce"
    emr: str = ""
    cores: int = 8
    memory: int = 32 << 30
    disk: int = 100 << 30
    scratch: int = 0  # bytes on /mnt, 0 for none
    tags: dict[str, str] = field(default_factory=dict)


_NAMENODE = {"hdfs-namenode": 9403}
_DATANODE = {"hdfs-datanode": 9404}
_NODEMANAGER = {"yarn-nodemanager": 9405}
_RESOURCEMANAGER = {"yarn-resourcemanager": 9402}
_TB = 1 << 40

GROUPS = (
    Group("ingest", "ingest", "ingest", "ingestion", "c6i.2xlarge", {},
          weight=240, autoscaling=True, peaks="day", swing=0.45, memory=16 << 30),
    Group("namenode", "hdfs", "hdfs-namenode+hdfs-cache", "data", "r6i.4xlarge",
          {**_NAMENODE, "hdfs-cache": 9091}, fixed=3, cores=16, memory=128 << 30),
    Group("datanode", "hdfs", "hdfs-datanode+yarn-nodemanager", "data", "d3.4xlarge",
          {**_DATANODE, **_NODEMANAGER}, weight=226, cores=16, memory=128 << 30, scratch=_TB),
    Group("resourcemanager", "hdfs", "yarn-resourcemanager", "data", "r6i.2xlarge",
          _RESOURCEMANAGER, fixed=2, memory=64 << 30),
    Group("metastore", "metastore", "metastore", "data", "m6i.2xlarge", {"hive-metastore": 9407}, fixed=3),
    Group("alluxio-master", "alluxio", "alluxio-master+zookeeper", "data", "r6i.2xlarge",
          {"alluxio-master": 19999, "zookeeper": 7000}, fixed=3, memory=64 << 30),
    Group("alluxio-worker", "alluxio", "alluxio-worker", "data", "i4i.4xlarge",
          {"alluxio-worker": 30000}, weight=110, autoscaling=True, cores=16, memory=128 << 30),
    Group("trino-coordinator", "query", "trino-coordinator", "data", "r6i.4xlarge",
          {"trino": 9407}, fixed=1, cores=16, memory=128 << 30),
    Group("trino-worker", "query", "trino-worker", "data", "r6i.8xlarge",
          {"trino": 9407}, weight=100, autoscaling=True, peaks="office", swing=0.5, cores=32,
          memory=256 << 30),
    Group("airflow", "scheduler", "airflow-scheduler", "platform", "m6i.xlarge",
          {"airflow": 9102}, fixed=2, cores=4, memory=16 << 30),
    # It reads the scheduler's records, and stands with the service whose jobs they are about.
    Group("etl-state", "etl", "etl-state", "data", "t3.medium", {"etl-state": 9560}, fixed=2, cores=2,
          memory=4 << 30),
    Group("airflow-worker", "scheduler", "airflow-worker", "platform", "m6i.2xlarge", {},
          weight=22, autoscaling=True),
    Group("bastion", "bastion", "bastion", "platform", "t3.small", {}, fixed=2, cores=2, memory=2 << 30),
)  # fmt: skip

# The first is one long cluster, the second a chain of transient ones in as many slots as SESSIONS says.
WAREHOUSE = (
    Group("etl-warehouse-master", "etl", "", "data", "m6i.4xlarge",
          {**_NAMENODE, **_RESOURCEMANAGER}, fixed=3, emr="master", cores=16, memory=64 << 30),
    Group("etl-warehouse-core", "etl", "", "data", "m6i.4xlarge",
          {**_DATANODE, **_NODEMANAGER}, weight=64, emr="core", cores=16, memory=64 << 30, scratch=_TB),
    Group("etl-warehouse-task", "etl", "", "data", "m6i.4xlarge",
          _NODEMANAGER, weight=56, peaks="batch", swing=0.5, spot="scarce", emr="task", cores=16,
          memory=64 << 30, scratch=_TB),
)  # fmt: skip
SESSION = (
    Group("etl-sessions-master", "etl", "", "data", "m6i.2xlarge",
          {**_NAMENODE, **_RESOURCEMANAGER}, fixed=1, emr="master"),
    Group("etl-sessions-core", "etl", "", "data", "m6i.2xlarge",
          {**_DATANODE, **_NODEMANAGER}, weight=16, emr="core", scratch=_TB // 2),
    Group("etl-sessions-task", "etl", "", "data", "m6i.2xlarge",
          _NODEMANAGER, weight=24, spot="common", emr="task", scratch=_TB // 2),
)  # fmt: skip
SESSIONS = 3

BUCKETS = ("raw", "curated", "checkpoints", "metastore-backup")
DATABASES = (
    ("metastore", "mysql", "db.r6g.2xlarge", "metastore", "metastore-db", "data"),
    ("airflow", "postgres", "db.m6g.large", "scheduler", "airflow-db", "platform"),
)
QUEUES = (
    ("ingest-events", "ingest", "ingestion"),
    ("ingest-events-dlq", "ingest", "ingestion"),
    ("metastore-sync", "metastore", "data"),
    ("cache-purge", "alluxio", "data"),
)
OWNERS = {
    **{group.service: group.team for group in (*GROUPS, *WAREHOUSE)},
}
"""Service → the team that is told, as standards/services has it."""


def sizes(hosts: int) -> dict[str, int]:
    """Machines of each group on an average day: `hosts` in all, the fixed ones as they are.

    Raises ValueError when there are too few for each group to have one machine.
    """
    slots = [*GROUPS, *WAREHOUSE, *(g for g in SESSION for _ in range(SESSIONS))]
    found = {g.name: g.fixed for g in (*GROUPS, *WAREHOUSE, *SESSION)}
    scaled = [g for g in slots if g.weight]
    rest = hosts - sum(g.fixed for g in slots)
    if rest < 2 * len(scaled):
        raise ValueError(f"{hosts} hosts are too few: {hosts - rest + 2 * len(scaled)} are needed")
    for group, share in zip(scaled, apportion_with_one([g.weight for g in scaled], rest), strict=True):
        found[group.name] = max(found[group.name], share)
    return found
