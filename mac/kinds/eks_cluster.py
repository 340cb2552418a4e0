"""EKS clusters. Clusters that are only registered with EKS, and run elsewhere, are left out."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, timestamp
from mac.model import Lifecycle, Resource

NAME = "eks-cluster"

STATES = {
    "CREATING": Lifecycle.STARTING,
    "PENDING": Lifecycle.STARTING,
    "ACTIVE": Lifecycle.IN_SERVICE,
    "UPDATING": Lifecycle.IN_SERVICE,
    "DELETING": Lifecycle.LEAVING,
    "FAILED": Lifecycle.STOPPED,  # it was never set up
}
LISTED = "ListClusters"
LIST_CALLS = {LISTED: "eks:ListClusters"}
GONE = ("ResourceNotFoundException",)


def clusters(api: Api) -> Iterator[str]:
    """The name of every cluster."""
    yield from api.pages(LISTED, "clusters", size=100)


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(name: str) -> Raw:
        cluster: Raw = api.call("DescribeCluster", gone=GONE, name=name)["cluster"]
        return cluster

    yield from api.each(describe, clusters(api))


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["status"]
    host = urlsplit(raw.get("endpoint") or "").hostname
    network = raw.get("resourcesVpcConfig") or {}
    return Resource(
        arn=raw["arn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["name"],
        name=raw["name"],
        addresses=(host,) if host else (),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=dict(raw.get("tags") or {}),
        attributes=present(
            {
                "version": raw.get("version"),
                "platform_version": raw.get("platformVersion"),
                "public_endpoint": network.get("endpointPublicAccess"),
                "vpc": network.get("vpcId"),
            }
        ),
        launched=timestamp(raw.get("createdAt")),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("ClusterName", resource.id),)


KIND = Kind(
    name=NAME,
    title="EKS cluster",
    service="eks",
    calls={**LIST_CALLS, "DescribeCluster": "eks:DescribeCluster"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/EKS", "ContainerInsights"),
    dimensions=dimensions,
    facts=attribute_facts("version"),
    fact_names=("version",),
)
