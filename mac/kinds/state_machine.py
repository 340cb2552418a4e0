"""Step Functions state machines. Their definitions are not kept.

The list does not tell that a machine is being deleted: one whose executions are still ending counts as in
service until it has gone.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, tag_map, timestamp, with_tags
from mac.model import Resource

NAME = "state-machine"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    yield from with_tags(
        api,
        api.pages("ListStateMachines", "stateMachines", size=1000),
        "ListTagsForResource",
        "resourceArn",
        "stateMachineArn",
        key="tags",
        gone=("ResourceNotFound",),
    )


def transform(place: Place, raw: Raw) -> Resource:
    return Resource(
        arn=raw["stateMachineArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["name"],
        name=raw["name"],
        tags=tag_map(raw["Tags"], "key", "value"),
        attributes={"type": raw["type"].lower()},
        launched=timestamp(raw.get("creationDate")),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("StateMachineArn", resource.arn),)


KIND = Kind(
    name=NAME,
    title="Step Functions state machine",
    service="stepfunctions",
    calls={
        "ListStateMachines": "states:ListStateMachines",
        "ListTagsForResource": "states:ListTagsForResource",
    },
    fetch=fetch,
    transform=transform,
    namespaces=("AWS/States",),
    dimensions=dimensions,
    facts=attribute_facts("type"),
    fact_names=("type",),
)
