"""DynamoDB tables."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "dynamodb-table"

STATES = {
    "CREATING": Lifecycle.STARTING,
    "ACTIVE": Lifecycle.IN_SERVICE,
    "UPDATING": Lifecycle.IN_SERVICE,
    "DELETING": Lifecycle.LEAVING,
    "ARCHIVING": Lifecycle.LEAVING,
    "ARCHIVED": Lifecycle.STOPPED,
}
_GONE = ("ResourceNotFoundException",)


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(name: str) -> Raw:
        table = api.call("DescribeTable", gone=_GONE, TableName=name)["Table"]
        tags = list(api.pages("ListTagsOfResource", "Tags", gone=_GONE, ResourceArn=table["TableArn"]))
        return {**table, "Tags": tags}

    yield from api.each(describe, api.pages("ListTables", "TableNames", size=100))


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["TableStatus"]
    billing = (raw.get("BillingModeSummary") or {}).get("BillingMode") or "PROVISIONED"
    return Resource(
        arn=raw["TableArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["TableName"],
        name=raw["TableName"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        attributes={"billing": billing.lower().replace("_", "-")},
        launched=timestamp(raw.get("CreationDateTime")),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("TableName", resource.id),)


KIND = Kind(
    name=NAME,
    title="DynamoDB table",
    service="dynamodb",
    calls={
        "ListTables": "dynamodb:ListTables",
        "DescribeTable": "dynamodb:DescribeTable",
        "ListTagsOfResource": "dynamodb:ListTagsOfResource",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/DynamoDB",),
    dimensions=dimensions,
    facts=attribute_facts("billing"),
    fact_names=("billing",),
)
