"""The managed node groups of EKS clusters. Their machines are known by the autoscaling groups behind them."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds import eks_cluster
from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, present, timestamp
from mac.model import Lifecycle, Resource

NAME = "eks-nodegroup"

STATES = {
    "CREATING": Lifecycle.STARTING,
    "ACTIVE": Lifecycle.IN_SERVICE,
    "UPDATING": Lifecycle.IN_SERVICE,
    "DEGRADED": Lifecycle.IN_SERVICE,
    "DELETING": Lifecycle.LEAVING,
    "CREATE_FAILED": Lifecycle.STOPPED,  # it was never set up
    "DELETE_FAILED": Lifecycle.IN_SERVICE,  # it is still there
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def listed(cluster: str) -> list[tuple[str, str]]:
        names = api.pages(
            "ListNodegroups", "nodegroups", size=100, gone=eks_cluster.GONE, clusterName=cluster
        )
        return [(cluster, name) for name in names]

    def describe(found: tuple[str, str]) -> Raw:
        cluster, name = found
        group: Raw = api.call(
            "DescribeNodegroup", gone=eks_cluster.GONE, clusterName=cluster, nodegroupName=name
        )["nodegroup"]
        return group

    groups = [group for of_one in api.each(listed, eks_cluster.clusters(api)) for group in of_one]
    yield from api.each(describe, groups)


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["status"]
    cluster, name = raw["clusterName"], raw["nodegroupName"]
    scaling = raw.get("scalingConfig") or {}
    groups = (raw.get("resources") or {}).get("autoScalingGroups") or ()
    return Resource(
        arn=raw["nodegroupArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=f"{cluster}/{name}",  # groups of two clusters may have the same name
        name=name,
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=dict(raw.get("tags") or {}),
        links=present(
            {"eks-cluster": (cluster,), "autoscaling-group": tuple(sorted(g["name"] for g in groups))}
        ),
        attributes=present(
            {
                "eks_cluster": cluster,
                "minimum": scaling.get("minSize"),
                "maximum": scaling.get("maxSize"),
                "desired": scaling.get("desiredSize"),
                "market": (raw.get("capacityType") or "").lower().replace("_", "-"),
                "instance_types": sorted(raw.get("instanceTypes") or ()),
                "version": raw.get("version"),
                "release": raw.get("releaseVersion"),
            }
        ),
        launched=timestamp(raw.get("createdAt")),
    )


KIND = Kind(
    name=NAME,
    title="EKS node group",
    service="eks",
    calls={
        **eks_cluster.LIST_CALLS,
        "ListNodegroups": "eks:ListNodegroups",
        "DescribeNodegroup": "eks:DescribeNodegroup",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    facts=attribute_facts("eks_cluster", "market", "version"),
    fact_names=("eks_cluster", "market", "version"),
)
