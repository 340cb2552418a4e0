"""EC2 Auto Scaling groups, with the lifecycle state of each of their instances."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, present, tag_map
from mac.model import Lifecycle, Resource

NAME = "autoscaling-group"

DELETING = "Delete in progress"
UNHEALTHY = "Unhealthy"
STATES = {"": Lifecycle.IN_SERVICE, DELETING: Lifecycle.LEAVING}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    for group in api.pages("DescribeAutoScalingGroups", "AutoScalingGroups", size=100):
        instances = list(group.get("Instances") or ())
        if group.get("WarmPoolConfiguration"):
            # A warm pool's instances are not in the group's list, and some of them run.
            instances += api.pages(
                "DescribeWarmPool",
                "Instances",
                size=50,
                AutoScalingGroupName=group["AutoScalingGroupName"],
            )
        yield {**group, "Instances": instances}


def transform(place: Place, raw: Raw) -> Resource:
    state = raw.get("Status") or ""
    instances = {i["InstanceId"]: i["LifecycleState"] for i in raw["Instances"]}
    return Resource(
        arn=raw["AutoScalingGroupARN"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["AutoScalingGroupName"],
        name=raw["AutoScalingGroupName"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw.get("Tags")),
        links=present(
            {
                "ec2-instance": tuple(sorted(instances)),
                "target-group": tuple(sorted(raw.get("TargetGroupARNs") or ())),
            }
        ),
        attributes=present(
            {
                "minimum": raw["MinSize"],
                "maximum": raw["MaxSize"],
                "desired": raw["DesiredCapacity"],
                "health_check": raw.get("HealthCheckType"),
                "zones": sorted(raw.get("AvailabilityZones") or ()),
                # Almost all are InService: only the others are worth a line in every difference.
                "instance_states": {i: s for i, s in sorted(instances.items()) if s != "InService"},
                # These leave because they failed, and not because fewer are wanted.
                "unhealthy": sorted(
                    i["InstanceId"] for i in raw["Instances"] if i.get("HealthStatus") == UNHEALTHY
                ),
                # In the first minutes of a machine, the other tags stand for its own.
                "not_propagated": sorted(
                    t["Key"] for t in raw.get("Tags") or () if not t["PropagateAtLaunch"]
                ),
                "suspended": sorted(p["ProcessName"] for p in raw.get("SuspendedProcesses") or ()),
            }
        ),
    )


_READ = (
    *("AutoScalingGroupARN", "AutoScalingGroupName", "AvailabilityZones", "DesiredCapacity"),
    *("HealthCheckType", "Instances.HealthStatus", "Instances.InstanceId", "Instances.LifecycleState"),
    *("MaxSize", "MinSize", "Status", "SuspendedProcesses.ProcessName", "Tags.Key", "Tags.PropagateAtLaunch"),
    *("Tags.Value", "TargetGroupARNs", "WarmPoolConfiguration"),
)


def dimensions(resource: Resource) -> Dimensions:
    return (("AutoScalingGroupName", resource.id),)


KIND = Kind(
    name=NAME,
    title="Auto Scaling group",
    service="autoscaling",
    calls={
        "DescribeAutoScalingGroups": "autoscaling:DescribeAutoScalingGroups",
        "DescribeWarmPool": "autoscaling:DescribeWarmPool",
    },
    fetch=fetch,
    transform=transform,
    reads={"DescribeAutoScalingGroups": tuple(f"AutoScalingGroups.{member}" for member in _READ)},
    states=STATES,
    namespaces=("AWS/AutoScaling", "AWS/EC2"),
    dimensions=dimensions,
)
