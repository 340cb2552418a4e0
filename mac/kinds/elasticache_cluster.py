"""ElastiCache clusters: the nodes of replication groups, and Memcached clusters."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "elasticache-cluster"

STATES = {
    "available": Lifecycle.IN_SERVICE,
    "creating": Lifecycle.STARTING,
    "deleting": Lifecycle.LEAVING,
}
_GONE = ("CacheClusterNotFound",)
# While a cluster is made or deleted, ElastiCache refuses to tell its tags.
_UNTOLD = ("InvalidReplicationGroupState",)


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(cluster: Raw) -> Raw:
        coming_or_going = cluster["CacheClusterStatus"] in ("creating", "deleting")
        answer = api.call(
            "ListTagsForResource",
            gone=_GONE + (_UNTOLD if coming_or_going else ()),
            ResourceName=cluster["ARN"],
        )
        return {**cluster, "Tags": answer.get("TagList")}

    listed = api.pages("DescribeCacheClusters", "CacheClusters", size=100, ShowCacheNodeInfo=True)
    yield from api.each(describe, listed)


def transform(place: Place, raw: Raw) -> Resource | None:
    state = raw["CacheClusterStatus"]
    if state == "deleted":
        return None
    group = raw.get("ReplicationGroupId")
    endpoints = [raw.get("ConfigurationEndpoint")]
    endpoints += [node.get("Endpoint") for node in raw.get("CacheNodes") or ()]
    return Resource(
        arn=raw["ARN"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["CacheClusterId"],
        name=raw["CacheClusterId"],
        addresses=tuple(e["Address"] for e in endpoints if e and e.get("Address")),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        links=present({"elasticache-replication-group": (group,) if group else ()}),
        attributes=present(
            {
                "engine": raw.get("Engine"),
                "engine_version": raw.get("EngineVersion"),
                "node_type": raw.get("CacheNodeType"),
                "nodes": raw.get("NumCacheNodes"),
                "zone": raw.get("PreferredAvailabilityZone"),
            }
        ),
        launched=timestamp(raw.get("CacheClusterCreateTime")),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("CacheClusterId", resource.id),)


KIND = Kind(
    name=NAME,
    title="ElastiCache cluster",
    service="elasticache",
    calls={
        "DescribeCacheClusters": "elasticache:DescribeCacheClusters",
        "ListTagsForResource": "elasticache:ListTagsForResource",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/ElastiCache",),
    dimensions=dimensions,
    facts=attribute_facts("engine", "node_type", "zone"),
    fact_names=("engine", "node_type", "zone"),
)
