"""ECS services."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds import ecs_cluster
from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "ecs-service"

STATES = {"ACTIVE": Lifecycle.IN_SERVICE, "DRAINING": Lifecycle.LEAVING}

_BATCH = 10  # AWS's limit


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    listed = ecs_cluster.members(api, "ListServices", "serviceArns")
    yield from ecs_cluster.described(api, "DescribeServices", "services", listed, _BATCH)


def identifier(cluster: str, service: str) -> str:
    """Services of two clusters may have the same name."""
    return f"{cluster}/{service}"


def transform(place: Place, raw: Raw) -> Resource | None:
    state = raw["status"]
    if state == ecs_cluster.ENDED:
        return None
    cluster = ecs_cluster.name_of(raw["clusterArn"])
    balancers = raw.get("loadBalancers") or ()
    return Resource(
        arn=raw["serviceArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=identifier(cluster, raw["serviceName"]),
        name=raw["serviceName"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw.get("tags"), "key", "value"),
        links=present(
            {
                "ecs-cluster": (cluster,),
                "target-group": tuple(
                    sorted({b["targetGroupArn"] for b in balancers if b.get("targetGroupArn")})
                ),
            }
        ),
        attributes=present(
            {
                "ecs_cluster": cluster,
                "desired": raw.get("desiredCount"),
                "launch_type": (raw.get("launchType") or "").lower().replace("_", "-"),
                "scheduling": (raw.get("schedulingStrategy") or "").lower(),
                "task_definition": (raw.get("taskDefinition") or "").rpartition("/")[2],
            }
        ),
        launched=timestamp(raw.get("createdAt")),
    )


def dimensions(resource: Resource) -> Dimensions:
    cluster, _, service = resource.id.partition("/")
    return (("ClusterName", cluster), ("ServiceName", service))


KIND = Kind(
    name=NAME,
    title="ECS service",
    service="ecs",
    calls={
        **ecs_cluster.LIST_CALLS,
        "ListServices": "ecs:ListServices",
        "DescribeServices": "ecs:DescribeServices",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/ECS", "ECS/ContainerInsights"),
    dimensions=dimensions,
    facts=attribute_facts("ecs_cluster", "launch_type"),
    fact_names=("ecs_cluster", "launch_type"),
)
