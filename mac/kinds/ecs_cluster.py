"""ECS clusters, and how what runs in them is read: listed by cluster, described in batches with the tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mac.answers import CallError
from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, present, tag_map
from mac.model import Lifecycle, Resource

NAME = "ecs-cluster"

STATES = {
    "PROVISIONING": Lifecycle.STARTING,
    "ACTIVE": Lifecycle.IN_SERVICE,
    "DEPROVISIONING": Lifecycle.LEAVING,
    "FAILED": Lifecycle.STOPPED,  # its capacity was never set up
}
ENDED = "INACTIVE"
"""How ECS calls a cluster or service that was deleted, and is still told of for a while."""

LISTED = "ListClusters"
LIST_CALLS = {LISTED: "ecs:ListClusters"}

_PAGE = 100  # AWS's limit, of every list of ECS
_BATCH = 100
_MISSING = "MISSING"
_CLUSTER_GONE = ("ClusterNotFoundException",)


def clusters(api: Api) -> Iterator[str]:
    """The ARN of every cluster."""
    yield from api.pages(LISTED, "clusterArns", size=_PAGE)


def members(api: Api, operation: str, key: str, **parameters: str) -> list[tuple[str, str]]:
    """(cluster, member) of every cluster, as ARNs: what a list of ECS, which is by cluster, holds in all."""

    def ask(cluster: str) -> list[tuple[str, str]]:
        listed = api.pages(operation, key, size=_PAGE, gone=_CLUSTER_GONE, cluster=cluster, **parameters)
        return [(cluster, arn) for arn in listed]

    return [member for listed in api.each(ask, clusters(api)) for member in listed]


def described(
    api: Api, operation: str, key: str, found: Sequence[tuple[str, str]], batch: int, *, tags: bool = True
) -> Iterator[Raw]:
    """The description, with `tags`, of these (cluster, member) pairs, at most `batch` at a time."""
    of_cluster: dict[str, list[str]] = {}
    for cluster, member in found:
        of_cluster.setdefault(cluster, []).append(member)
    asked = [
        (cluster, group[start : start + batch])
        for cluster, group in of_cluster.items()
        for start in range(0, len(group), batch)
    ]

    def describe(question: tuple[str, list[str]]) -> list[Raw]:
        cluster, arns = question
        parameters: dict[str, Any] = {key: arns}
        if tags:
            parameters["include"] = ["TAGS"]
        if cluster:
            parameters["cluster"] = cluster
        answer = api.call(operation, gone=_CLUSTER_GONE, **parameters)
        return complete(operation, answer, key)

    for descriptions in api.each(describe, asked):
        yield from descriptions


def complete(operation: str, answer: Raw, key: str) -> list[Raw]:
    """What a batch answered. What it names as missing was deleted meanwhile; any other failure is one."""
    for failure in answer.get("failures") or ():
        if failure.get("reason") != _MISSING:
            raise CallError(
                f"{operation}: {failure.get('reason')}: {failure.get('detail') or ''}".rstrip(": ")
            )
    return list(answer.get(key) or ())


def name_of(arn: str) -> str:
    """The name of a cluster, from its ARN."""
    return arn.rpartition("/")[2]


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    listed = [("", arn) for arn in clusters(api)]
    yield from described(api, "DescribeClusters", "clusters", listed, _BATCH)


def transform(place: Place, raw: Raw) -> Resource | None:
    state = raw["status"]
    if state == ENDED:
        return None
    return Resource(
        arn=raw["clusterArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["clusterName"],
        name=raw["clusterName"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw.get("tags"), "key", "value"),
        # How many tasks and instances there are changes all the time: they are resources of their own.
        attributes=present({"capacity_providers": sorted(raw.get("capacityProviders") or ())}),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("ClusterName", resource.id),)


KIND = Kind(
    name=NAME,
    title="ECS cluster",
    service="ecs",
    calls={**LIST_CALLS, "DescribeClusters": "ecs:DescribeClusters"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/ECS", "ECS/ContainerInsights"),
    dimensions=dimensions,
)
