"""MemoryDB clusters."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, dimension, present, tag_map
from mac.model import Lifecycle, Resource

NAME = "memorydb-cluster"

# As the service spells them; its documentation writes them with a capital.
STATES = {
    "available": Lifecycle.IN_SERVICE,
    "updating": Lifecycle.IN_SERVICE,
    "snapshotting": Lifecycle.IN_SERVICE,
    "creating": Lifecycle.STARTING,
    "deleting": Lifecycle.LEAVING,
}
_GONE = ("ClusterNotFoundFault",)
# While a cluster is made or deleted, its tags may not be told.
_UNTOLD = ("InvalidClusterStateFault",)


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(cluster: Raw) -> Raw:
        coming_or_going = cluster["Status"].lower() in ("creating", "deleting")
        answer = api.call(
            "ListTags", gone=_GONE + (_UNTOLD if coming_or_going else ()), ResourceArn=cluster["ARN"]
        )
        return {**cluster, "Tags": answer.get("TagList")}

    yield from api.each(describe, api.pages("DescribeClusters", "Clusters"))


def transform(place: Place, raw: Raw) -> Resource:
    state, endpoint = raw["Status"].lower(), raw.get("ClusterEndpoint") or {}
    return Resource(
        arn=raw["ARN"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["Name"],
        name=raw["Name"],
        addresses=tuple(a for a in (endpoint.get("Address"),) if a),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        attributes=present(
            {
                "engine": (raw.get("Engine") or "").lower(),
                "engine_version": raw.get("EngineVersion"),
                "node_type": raw.get("NodeType"),
                "shards": raw.get("NumberOfShards"),
                "multi_az": (raw.get("AvailabilityMode") or "").lower() == "multiaz",
                "port": endpoint.get("Port"),
            }
        ),
    )


KIND = Kind(
    name=NAME,
    title="MemoryDB cluster",
    service="memorydb",
    calls={"DescribeClusters": "memorydb:DescribeClusters", "ListTags": "memorydb:ListTags"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/MemoryDB",),
    dimensions=dimension("ClusterName"),
    facts=attribute_facts("engine", "node_type"),
    fact_names=("engine", "node_type"),
)
