"""Amazon Data Firehose streams. Of a destination only its type is kept: keys and passwords may lie in it."""

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

NAME = "firehose-stream"

STATES = {
    "CREATING": Lifecycle.STARTING,
    "CREATING_FAILED": Lifecycle.STOPPED,  # it was never set up
    "ACTIVE": Lifecycle.IN_SERVICE,
    "DELETING": Lifecycle.LEAVING,
    "DELETING_FAILED": Lifecycle.LEAVING,
}
_GONE = ("ResourceNotFoundException",)
_DESCRIPTION = "DestinationDescription"
# Where both the older and the newer description of a destination are told, the newer one counts.
_DESTINATIONS = {
    "ExtendedS3": "s3",
    "S3": "s3",
    "Redshift": "redshift",
    "Elasticsearch": "elasticsearch",
    "Amazonopensearchservice": "opensearch",
    "AmazonOpenSearchServerless": "opensearch-serverless",
    "Splunk": "splunk",
    "HttpEndpoint": "http",
    "Snowflake": "snowflake",
    "Iceberg": "iceberg",
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(name: str) -> Raw:
        answer = api.call("DescribeDeliveryStream", gone=_GONE, DeliveryStreamName=name)
        tags = api.pages("ListTagsForDeliveryStream", "Tags", size=50, gone=_GONE, DeliveryStreamName=name)
        return {**answer["DeliveryStreamDescription"], "Tags": list(tags)}

    # Without a page size there are 10 on a page.
    yield from api.each(describe, api.pages("ListDeliveryStreams", "DeliveryStreamNames", size=1000))


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["DeliveryStreamStatus"]
    source = raw.get("Source") or {}
    stream = (source.get("KinesisStreamSourceDescription") or {}).get("KinesisStreamARN")
    cluster = (source.get("MSKSourceDescription") or {}).get("MSKClusterARN")
    return Resource(
        arn=raw["DeliveryStreamARN"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["DeliveryStreamName"],
        name=raw["DeliveryStreamName"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        links=present(
            {"kinesis-stream": (stream,) if stream else (), "msk-cluster": (cluster,) if cluster else ()}
        ),
        attributes=present({"source": raw["DeliveryStreamType"], "destination": _destination(raw)}),
        launched=timestamp(raw.get("CreateTimestamp")),
    )


def _destination(raw: Raw) -> str:
    for destination in raw.get("Destinations") or ():
        for prefix, name in _DESTINATIONS.items():
            if destination.get(prefix + _DESCRIPTION):
                return name
    return ""


KIND = Kind(
    name=NAME,
    title="Firehose stream",
    service="firehose",
    calls={
        "ListDeliveryStreams": "firehose:ListDeliveryStreams",
        "DescribeDeliveryStream": "firehose:DescribeDeliveryStream",
        "ListTagsForDeliveryStream": "firehose:ListTagsForDeliveryStream",
    },
    fetch=fetch,
    transform=transform,
    paging={
        "ListDeliveryStreams": Paging(
            "ExclusiveStartDeliveryStreamName", "DeliveryStreamNames[-1]", "Limit", "HasMoreDeliveryStreams"
        ),
        "ListTagsForDeliveryStream": Paging("ExclusiveStartTagKey", "Tags[-1].Key", "Limit", "HasMoreTags"),
    },
    states=STATES,
    namespaces=("AWS/Firehose",),
    dimensions=dimension("DeliveryStreamName"),
    facts=attribute_facts("destination", "source"),
    fact_names=("destination", "source"),
)
