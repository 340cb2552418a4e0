"""ElastiCache replication groups. CloudWatch's metrics are those of their clusters."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "elasticache-replication-group"

STATES = {
    "available": Lifecycle.IN_SERVICE,
    "modifying": Lifecycle.IN_SERVICE,
    "snapshotting": Lifecycle.IN_SERVICE,
    "creating": Lifecycle.STARTING,
    "deleting": Lifecycle.LEAVING,
    "create-failed": Lifecycle.STOPPED,
}
_GONE = ("ReplicationGroupNotFoundFault",)
# While a group is made or deleted, ElastiCache refuses to tell its tags.
_UNTOLD = ("InvalidReplicationGroupState",)


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(group: Raw) -> Raw:
        coming_or_going = group["Status"] in ("creating", "deleting")
        answer = api.call(
            "ListTagsForResource",
            gone=_GONE + (_UNTOLD if coming_or_going else ()),
            ResourceName=group["ARN"],
        )
        return {**group, "Tags": answer.get("TagList")}

    yield from api.each(describe, api.pages("DescribeReplicationGroups", "ReplicationGroups", size=100))


def transform(place: Place, raw: Raw) -> Resource:
    state, nodes = raw["Status"], raw.get("NodeGroups") or ()
    endpoints = [raw.get("ConfigurationEndpoint")]
    for which in ("PrimaryEndpoint", "ReaderEndpoint"):
        endpoints += [group.get(which) for group in nodes]
    return Resource(
        arn=raw["ARN"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["ReplicationGroupId"],
        name=raw["ReplicationGroupId"],
        addresses=tuple(e["Address"] for e in endpoints if e and e.get("Address")),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        links=present({"elasticache-cluster": tuple(sorted(raw.get("MemberClusters") or ()))}),
        attributes=present(
            {
                "engine": raw.get("Engine"),
                "node_type": raw.get("CacheNodeType"),
                "shards": len(nodes),
                "cluster_mode": bool(raw.get("ClusterEnabled")),
                "multi_az": raw.get("MultiAZ") == "enabled",
                "automatic_failover": raw.get("AutomaticFailover") == "enabled",
            }
        ),
        launched=timestamp(raw.get("ReplicationGroupCreateTime")),
    )


KIND = Kind(
    name=NAME,
    title="ElastiCache replication group",
    service="elasticache",
    calls={
        "DescribeReplicationGroups": "elasticache:DescribeReplicationGroups",
        "ListTagsForResource": "elasticache:ListTagsForResource",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    facts=attribute_facts("cluster_mode", "engine", "node_type"),
    fact_names=("cluster_mode", "engine", "node_type"),
)
