"""What CloudWatch has of the world, as the CloudWatch exporter asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.noise.assumptions import value
from benchmarks.noise.clock import STEP, Floats, load
from mac.metrics import catalogue

if TYPE_CHECKING:
    from benchmarks.noise.world import World

Dimensions = Mapping[str, str]

MINUTE, FIVE_MINUTES = 60, 300


def statistic(world: World, namespace: str, metric: str, dimensions: Dimensions) -> Floats | None:
    """The values that the exporter has at each step, NaN where CloudWatch has no sample; None for a metric or
    resource that the world does not know. They come late, by the assumption `cloudwatch_lag`.

    Each metric has one statistic here, the one that the standards ask for.
    """
    source = _NAMESPACES.get(namespace)
    found = source(world, metric, dimensions) if source else None
    if found is None:
        return None
    period = FIVE_MINUTES if namespace == "AWS/ElasticMapReduce" else MINUTE
    return _late(found, period)


def _late(values: Floats, period: int) -> Floats:
    """A value holds for its period and is known when the period and CloudWatch's delay are over."""
    every = max(1, period // STEP)
    held = np.repeat(values[::every], every)[: len(values)]
    lag = (int(value("cloudwatch_lag")) + period) // STEP
    return np.concatenate([np.full(lag, held[0]), held[:-lag]]) if lag else held


def _autoscaling(world: World, metric: str, dimensions: Dimensions) -> Floats | None:
    name = dimensions.get("AutoScalingGroupName", "")
    members = [m for m in world.machines if m.group.name == name and not m.cluster]
    if not members:
        return None
    match metric:
        case "GroupDesiredCapacity":
            return world.spans([(m.launched, m.leaving) for m in members])
        case "GroupInServiceCapacity":
            return world.spans([(m.in_service, m.leaving) for m in members])
        case "GroupPendingInstances":
            return world.spans([(m.launched, m.in_service) for m in members])
        case "GroupTerminatingInstances":
            return world.spans([(m.leaving, m.gone) for m in members])
        case "GroupMinSize":
            return np.full(world.count, float(world.bounds(name)[0]))
        case "GroupMaxSize":
            return np.full(world.count, float(world.bounds(name)[1]))
    return None


def _emr(world: World, metric: str, dimensions: Dimensions) -> Floats | None:
    cluster = next((c for c in world.clusters if c.id == dimensions.get("JobFlowId")), None)
    if cluster is None:
        return None
    state = world.services
    live = (world.times >= cluster.ready) & (world.times < cluster.leaving)
    members = [m for m in world.machines if m.cluster == cluster.id and m.group.emr != "master"]
    nothing = np.zeros(world.count)
    masters = sum(1 for m in world.machines if m.cluster == cluster.id and m.group.emr == "master")
    if metric.startswith("MultiMaster") and masters == 1:
        return np.full(world.count, np.nan)
    values = {
        "IsIdle": nothing,
        "AppsPending": state.apps_pending,
        "AppsRunning": state.apps_running,
        "ContainerPending": (20 * load("batch", world.times)).round(),
        "YARNMemoryAvailablePercentage": 100 * (1 - state.memory_used),
        "MRUnhealthyNodes": nothing,
        "MRTotalNodes": world.spans([(m.in_service, m.leaving) for m in members]),
        "CoreNodesPending": nothing,
        "TaskNodesPending": nothing,
        "MultiMasterInstanceGroupNodesRunning": np.full(world.count, float(masters)),
        "MultiMasterInstanceGroupNodesRequested": np.full(world.count, float(masters)),
        "HDFSUtilization": 100 * (1 - state.warehouse_free),
        "MissingBlocks": nothing,
    }
    found = values.get(metric)
    return None if found is None else np.where(live, found, np.nan)


def _balancer(world: World, metric: str, dimensions: Dimensions) -> Floats | None:
    state = world.services
    if metric in ("HealthyHostCount", "UnHealthyHostCount"):
        live, known = world.counted(("ingest",), "host", "")
        silent = np.maximum(known - live, 0)
        return live if metric == "HealthyHostCount" else silent
    minutes = {
        "RequestCount": state.alb_requests,
        "HTTPCode_ELB_5XX_Count": np.where(state.alb_errors > 40, (0.05 * state.alb_errors).round(), np.nan),
        # Where nothing failed CloudWatch has no sample.
        "HTTPCode_Target_5XX_Count": np.where(state.alb_errors > 0, state.alb_errors, np.nan),
        "TargetResponseTime": state.alb_p99,
    }
    return minutes.get(metric)


def _queue(world: World, metric: str, dimensions: Dimensions) -> Floats | None:
    queue = world.services.queues.get(dimensions.get("QueueName", ""))
    if queue is None:
        return None
    return {
        "ApproximateAgeOfOldestMessage": queue.age,
        "ApproximateNumberOfMessagesVisible": queue.visible,
        "NumberOfMessagesSent": queue.sent,
        "NumberOfMessagesDeleted": queue.deleted,
    }.get(metric)


def _database(world: World, metric: str, dimensions: Dimensions) -> Floats | None:
    return world.services.rds.get(dimensions.get("DBInstanceIdentifier", ""), {}).get(metric)


def _bucket(world: World, metric: str, dimensions: Dimensions) -> Floats | None:
    state = world.services
    if "FilterId" in dimensions and not dimensions["BucketName"].endswith("-raw"):
        return None  # only that one has request metrics
    age = world.times / 86_400
    if "StorageType" in dimensions:
        daily = {"NumberOfObjects": 4e7 + 2e5 * np.floor(age), "BucketSizeBytes": 9e14 + 4e12 * np.floor(age)}
        return daily.get(metric)
    return {
        "AllRequests": state.s3_requests,
        "4xxErrors": (state.s3_denied * state.s3_requests).round(),
        "5xxErrors": np.where(state.s3_errors > 0, state.s3_errors, 0.0),
        "FirstByteLatency": state.s3_latency,
        "BytesDownloaded": state.s3_requests * (1.01 - state.s3_denied) * 3e6,
        "BytesUploaded": state.s3_requests * (1.01 - state.s3_denied) * 1e6,
    }.get(metric)


def _certificate(world: World, metric: str, dimensions: Dimensions) -> Floats | None:
    return world.services.certificate_days if metric == "DaysToExpiry" else None


_NAMESPACES = {
    "AWS/ApplicationELB": _balancer,
    "AWS/AutoScaling": _autoscaling,
    "AWS/CertificateManager": _certificate,
    "AWS/ElasticMapReduce": _emr,
    "AWS/RDS": _database,
    "AWS/S3": _bucket,
    "AWS/SQS": _queue,
}

_MAXIMUM, _MINIMUM, _SUM, _AVERAGE = "Maximum", "Minimum", "Sum", "Average"


@dataclass(frozen=True, slots=True)
class Metric:
    """One statistic of a metric of a kind of resource. `further`: dimensions beside the resource's own."""

    namespace: str
    name: str
    statistic: str
    further: Dimensions = field(default_factory=dict)

    @property
    def exported(self) -> str:
        """The series in which the CloudWatch exporter shows it."""
        return catalogue.exported(self.namespace, self.name, self.statistic)


def _all(namespace: str, names: Mapping[str, str], further: Dimensions | None = None) -> tuple[Metric, ...]:
    return tuple(Metric(namespace, name, statistic, further or {}) for name, statistic in names.items())


METRICS: Mapping[str, tuple[Metric, ...]] = {
    "acm-certificate": _all("AWS/CertificateManager", {"DaysToExpiry": _MINIMUM}),
    "autoscaling-group": _all(
        "AWS/AutoScaling",
        dict.fromkeys(
            (
                *("GroupDesiredCapacity", "GroupInServiceCapacity", "GroupMinSize", "GroupMaxSize"),
                *("GroupPendingInstances", "GroupTerminatingInstances"),
            ),
            _MAXIMUM,
        ),
    ),
    "emr-cluster": _all(
        "AWS/ElasticMapReduce",
        {
            **dict.fromkeys(("IsIdle", "AppsPending", "ContainerPending", "MRUnhealthyNodes"), _MINIMUM),
            **dict.fromkeys(("CoreNodesPending", "TaskNodesPending", "MissingBlocks"), _MINIMUM),
            **dict.fromkeys(("AppsRunning", "MRTotalNodes"), _MAXIMUM),
            "MultiMasterInstanceGroupNodesRunning": _MAXIMUM,
            "MultiMasterInstanceGroupNodesRequested": _MAXIMUM,
            **dict.fromkeys(("YARNMemoryAvailablePercentage", "HDFSUtilization"), _AVERAGE),
        },
    ),
    "load-balancer": _all(
        "AWS/ApplicationELB",
        {
            **dict.fromkeys(("RequestCount", "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count"), _SUM),
            "TargetResponseTime": "p99",
        },
    ),
    "target-group": _all(
        "AWS/ApplicationELB", {"HealthyHostCount": _MAXIMUM, "UnHealthyHostCount": _MAXIMUM}
    ),
    "rds-instance": _all(
        "AWS/RDS",
        {
            **dict.fromkeys(("CPUUtilization", "DiskQueueDepth"), _AVERAGE),
            **dict.fromkeys(("DatabaseConnections", "MaximumUsedTransactionIDs"), _MAXIMUM),
            **dict.fromkeys(("FreeStorageSpace", "FreeableMemory"), _MINIMUM),
        },
    ),
    "s3-bucket": (
        *_all("AWS/S3", {"NumberOfObjects": _AVERAGE}, {"StorageType": "AllStorageTypes"}),
        *_all("AWS/S3", {"BucketSizeBytes": _AVERAGE}, {"StorageType": "StandardStorage"}),
        *_all(
            "AWS/S3",
            {
                **dict.fromkeys(("AllRequests", "4xxErrors", "5xxErrors"), _SUM),
                **dict.fromkeys(("BytesDownloaded", "BytesUploaded"), _SUM),
                "FirstByteLatency": "p99",
            },
            {"FilterId": "EntireBucket"},
        ),
    ),
    "sqs-queue": _all(
        "AWS/SQS",
        {
            **dict.fromkeys(
                ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"), _MAXIMUM
            ),
            **dict.fromkeys(("NumberOfMessagesSent", "NumberOfMessagesDeleted"), _SUM),
        },
    ),
}
"""Kind of resource → what the exporter is asked for, with the statistics that the standards read."""
