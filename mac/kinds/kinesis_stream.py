"""Kinesis data streams."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import (
    Api,
    Kind,
    Paging,
    Place,
    Raw,
    attribute_facts,
    dimension,
    present,
    tag_map,
    timestamp,
)
from mac.model import Lifecycle, Resource

NAME = "kinesis-stream"

STATES = {
    "CREATING": Lifecycle.STARTING,
    "ACTIVE": Lifecycle.IN_SERVICE,
    "UPDATING": Lifecycle.IN_SERVICE,
    "DELETING": Lifecycle.LEAVING,
}
_GONE = ("ResourceNotFoundException",)


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(stream: Raw) -> Raw:
        tags = api.pages("ListTagsForStream", "Tags", size=50, gone=_GONE, StreamName=stream["StreamName"])
        return {**stream, "Tags": list(tags)}

    yield from api.each(describe, api.pages("ListStreams", "StreamSummaries", size=1000))


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["StreamStatus"]
    mode = (raw.get("StreamModeDetails") or {}).get("StreamMode") or ""
    return Resource(
        arn=raw["StreamARN"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["StreamName"],
        name=raw["StreamName"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        attributes=present({"mode": mode.lower().replace("_", "-")}),
        launched=timestamp(raw.get("StreamCreationTimestamp")),
    )


KIND = Kind(
    name=NAME,
    title="Kinesis stream",
    service="kinesis",
    calls={"ListStreams": "kinesis:ListStreams", "ListTagsForStream": "kinesis:ListTagsForStream"},
    fetch=fetch,
    transform=transform,
    paging={
        # botocore's own ends in silence where an answer has more streams and no token.
        "ListStreams": Paging("ExclusiveStartStreamName", "StreamNames[-1]", "Limit", "HasMoreStreams"),
        "ListTagsForStream": Paging("ExclusiveStartTagKey", "Tags[-1].Key", "Limit", "HasMoreTags"),
    },
    states=STATES,
    namespaces=("AWS/Kinesis",),
    dimensions=dimension("StreamName"),
    facts=attribute_facts("mode"),
    fact_names=("mode",),
)
