"""EMR clusters that have not ended."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "emr-cluster"

STATES = {
    "STARTING": Lifecycle.STARTING,
    "BOOTSTRAPPING": Lifecycle.STARTING,
    "RUNNING": Lifecycle.IN_SERVICE,
    "WAITING": Lifecycle.IN_SERVICE,
    "TERMINATING": Lifecycle.LEAVING,
}

LISTED = "ListClusters"
DESCRIBED = "DescribeCluster"


def live_clusters(api: Api) -> Iterator[Raw]:
    """The full description of each cluster that has not ended.

    One after the other: EMR allows only a few calls a second for the whole account.
    """
    for listed in api.pages(LISTED, "Clusters", ClusterStates=list(STATES)):
        cluster = api.call(DESCRIBED, ClusterId=listed["Id"])["Cluster"]
        if cluster["Status"]["State"] in STATES:  # it may have ended since it was listed
            yield cluster


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    yield from live_clusters(api)


def arn_of(place: Place, cluster: Raw) -> str:
    """Old clusters are described without an ARN."""
    made = f"arn:{place.partition}:elasticmapreduce:{place.region}:{place.account}:cluster/{cluster['Id']}"
    return cluster.get("ClusterArn") or made


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["Status"]["State"]
    ec2 = raw.get("Ec2InstanceAttributes") or {}
    return Resource(
        arn=arn_of(place, raw),
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["Id"],
        name=raw["Name"],
        addresses=tuple(a for a in (raw.get("MasterPublicDnsName"),) if a),
        state=state,
        lifecycle=STATES[state],
        tags=tag_map(raw.get("Tags")),
        attributes=present(
            {
                "release": raw.get("ReleaseLabel"),
                "applications": sorted(a["Name"] for a in raw.get("Applications") or ()),
                "collection": (raw.get("InstanceCollectionType") or "INSTANCE_GROUP").lower(),
                "transient": bool(raw.get("AutoTerminate")),
                "zone": ec2.get("Ec2AvailabilityZone"),
                "subnet": ec2.get("Ec2SubnetId"),
            }
        ),
        launched=timestamp((raw["Status"].get("Timeline") or {}).get("CreationDateTime")),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("JobFlowId", resource.id),)


KIND = Kind(
    name=NAME,
    title="EMR cluster",
    service="emr",
    calls={
        LISTED: "elasticmapreduce:ListClusters",
        DESCRIBED: "elasticmapreduce:DescribeCluster",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/ElasticMapReduce",),
    dimensions=dimensions,
    facts=attribute_facts("release", "transient", "zone"),
    fact_names=("release", "transient", "zone"),
)
