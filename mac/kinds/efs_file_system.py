"""EFS file systems. Their size is not kept: it grows from one reading to the next."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, dimension, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "efs-file-system"

STATES = {
    "creating": Lifecycle.STARTING,
    "available": Lifecycle.IN_SERVICE,
    "updating": Lifecycle.IN_SERVICE,
    "deleting": Lifecycle.LEAVING,
    "error": Lifecycle.IN_SERVICE,
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    yield from api.pages("DescribeFileSystems", "FileSystems", size=100)


def transform(place: Place, raw: Raw) -> Resource | None:
    identifier, state = raw["FileSystemId"], raw["LifeCycleState"]
    if state == "deleted":
        return None
    made = f"arn:{place.partition}:elasticfilesystem:{place.region}:{place.account}:file-system/{identifier}"
    return Resource(
        arn=raw.get("FileSystemArn") or made,
        kind=NAME,
        account=place.account,
        region=place.region,
        id=identifier,
        name=raw.get("Name") or "",
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        attributes=present(
            {
                "performance_mode": raw.get("PerformanceMode"),
                "throughput_mode": raw.get("ThroughputMode"),
                "zone": raw.get("AvailabilityZoneName"),
                "mount_targets": raw.get("NumberOfMountTargets"),
            }
        ),
        launched=timestamp(raw.get("CreationTime")),
    )


KIND = Kind(
    name=NAME,
    title="EFS file system",
    service="efs",
    calls={"DescribeFileSystems": "elasticfilesystem:DescribeFileSystems"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/EFS",),
    dimensions=dimension("FileSystemId"),
    facts=attribute_facts("performance_mode", "throughput_mode"),
    fact_names=("performance_mode", "throughput_mode"),
)
