"""Provisioned Redshift clusters."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, dimension, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "redshift-cluster"

STATES = {
    "available": Lifecycle.IN_SERVICE,
    "creating": Lifecycle.STARTING,
    "deleting": Lifecycle.LEAVING,
    "final-snapshot": Lifecycle.LEAVING,  # taken before a cluster is deleted
    "paused": Lifecycle.STOPPED,
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    yield from api.pages("DescribeClusters", "Clusters", size=100)


def transform(place: Place, raw: Raw) -> Resource:
    name, state, endpoint = raw["ClusterIdentifier"], raw["ClusterStatus"], raw.get("Endpoint") or {}
    return Resource(
        arn=f"arn:{place.partition}:redshift:{place.region}:{place.account}:cluster:{name}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=name,
        name=name,
        addresses=tuple(a for a in (endpoint.get("Address"),) if a),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw.get("Tags")),
        attributes=present(
            {
                "node_type": raw.get("NodeType"),
                "nodes": raw.get("NumberOfNodes"),
                "zone": raw.get("AvailabilityZone"),
                "multi_az": (raw.get("MultiAZ") or "").lower() == "enabled",
                "port": endpoint.get("Port"),
                "vpc": raw.get("VpcId"),
            }
        ),
        launched=timestamp(raw.get("ClusterCreateTime")),
    )


KIND = Kind(
    name=NAME,
    title="Redshift cluster",
    service="redshift",
    calls={"DescribeClusters": "redshift:DescribeClusters"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/Redshift",),
    dimensions=dimension("ClusterIdentifier"),
    facts=attribute_facts("node_type", "zone"),
    fact_names=("node_type", "zone"),
)
