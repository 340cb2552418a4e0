"""Athena workgroups. Every account has one in each region, called primary."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import (
    Api,
    Dimensions,
    Kind,
    Paging,
    Place,
    Raw,
    attribute_facts,
    present,
    tag_map,
)
from mac.model import Lifecycle, Resource

NAME = "athena-workgroup"

STATES = {"ENABLED": Lifecycle.IN_SERVICE, "DISABLED": Lifecycle.STOPPED}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(group: Raw) -> Raw:
        arn = f"arn:{place.partition}:athena:{place.region}:{place.account}:workgroup/{group['Name']}"
        # No page size: Athena's smallest is more than there can be tags.
        tags = api.pages("ListTagsForResource", "Tags", gone=("ResourceNotFoundException",), ResourceARN=arn)
        return {**group, "Arn": arn, "Tags": list(tags)}

    yield from api.each(describe, api.pages("ListWorkGroups", "WorkGroups", size=50))


def transform(place: Place, raw: Raw) -> Resource:
    state = raw.get("State") or ""
    return Resource(
        arn=raw["Arn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["Name"],
        name=raw["Name"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        attributes=present({"engine": (raw.get("EngineVersion") or {}).get("EffectiveEngineVersion")}),
    )


def dimensions(resource: Resource) -> Dimensions:
    """The workgroup's own; most metrics have a QueryState and a QueryType beside."""
    return (("WorkGroup", resource.id),)


KIND = Kind(
    name=NAME,
    title="Athena workgroup",
    service="athena",
    calls={
        "ListWorkGroups": "athena:ListWorkGroups",
        "ListTagsForResource": "athena:ListTagsForResource",
    },
    fetch=fetch,
    transform=transform,
    paging={"ListWorkGroups": Paging("NextToken", "NextToken", "MaxResults")},
    states=STATES,
    namespaces=("AWS/Athena",),
    dimensions=dimensions,
    facts=attribute_facts("engine"),
    fact_names=("engine",),
)
