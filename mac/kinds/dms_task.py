"""DMS replication tasks. Their settings and table mappings are not kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from mac.kinds.kind import (
    Api,
    Dimensions,
    Kind,
    Place,
    Raw,
    attribute_facts,
    in_batches,
    present,
    tag_map,
    timestamp,
)
from mac.model import Lifecycle, Resource

NAME = "dms-task"

STATES = {
    "creating": Lifecycle.STARTING,
    "starting": Lifecycle.STARTING,
    "ready": Lifecycle.STOPPED,  # made, and not started
    "running": Lifecycle.IN_SERVICE,
    "failed": Lifecycle.IN_SERVICE,
    "moving": Lifecycle.STOPPED,  # only a task that stands still can be moved
    "failed-move": Lifecycle.STOPPED,
    "modifying": Lifecycle.STOPPED,
    "testing": Lifecycle.STOPPED,
    "stopping": Lifecycle.LEAVING,
    "stopped": Lifecycle.STOPPED,
    "deleting": Lifecycle.LEAVING,
}
_GONE = ("ResourceNotFoundFault",)
_TAG_BATCH = 20  # AWS tells no limit


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def with_tags(batch: Sequence[Raw]) -> list[Raw]:
        arns = [task["ReplicationTaskArn"] for task in batch]
        tags = defaultdict(list)
        for tag in api.call("ListTagsForResource", gone=_GONE, ResourceArnList=arns).get("TagList") or ():
            tags[tag["ResourceArn"]].append(tag)
        return [{**task, "Tags": tags[arn]} for arn, task in zip(arns, batch, strict=True)]

    # Settings can be as large as all the rest, and hold what nobody else should read.
    tasks = list(api.pages("DescribeReplicationTasks", "ReplicationTasks", size=100, WithoutSettings=True))
    if not tasks:
        return
    # CloudWatch knows a task by the name of its machine beside its own.
    machines = {
        machine["ReplicationInstanceArn"]: machine["ReplicationInstanceIdentifier"]
        for machine in api.pages("DescribeReplicationInstances", "ReplicationInstances", size=100)
    }
    for task in in_batches(api, tasks, _TAG_BATCH, with_tags):
        yield {**task, "Machine": machines.get(task.get("ReplicationInstanceArn"))}


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["Status"]
    links = {
        "dms-instance": raw.get("ReplicationInstanceArn"),
        "dms-source": raw.get("SourceEndpointArn"),
        "dms-target": raw.get("TargetEndpointArn"),
    }
    return Resource(
        arn=raw["ReplicationTaskArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["ReplicationTaskIdentifier"],
        name=raw["ReplicationTaskIdentifier"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        links={relation: (arn,) for relation, arn in links.items() if arn},
        attributes=present({"migration": raw.get("MigrationType"), "instance": raw["Machine"]}),
        launched=timestamp(raw.get("ReplicationTaskCreationDate")),
    )


def dimensions(resource: Resource) -> Dimensions:
    """None for a task whose machine is not known. CloudWatch's name of a task is the end of its ARN."""
    machine = resource.attributes.get("instance")
    if not machine:
        return ()
    return (
        ("ReplicationInstanceIdentifier", machine),
        ("ReplicationTaskIdentifier", resource.arn.rpartition(":")[2]),
    )


KIND = Kind(
    name=NAME,
    title="DMS task",
    service="dms",
    calls={
        "DescribeReplicationTasks": "dms:DescribeReplicationTasks",
        "DescribeReplicationInstances": "dms:DescribeReplicationInstances",
        "ListTagsForResource": "dms:ListTagsForResource",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/DMS",),
    dimensions=dimensions,
    facts=attribute_facts("instance", "migration"),
    fact_names=("instance", "migration"),
)
