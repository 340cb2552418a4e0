"""SNS topics. Their access policies are not kept."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, dimension, tag_map, with_tags
from mac.model import Resource

NAME = "sns-topic"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    listed = api.pages("ListTopics", "Topics")  # SNS decides on the size of a page: 100
    yield from with_tags(
        api, listed, "ListTagsForResource", "ResourceArn", "TopicArn", gone=("ResourceNotFound",)
    )


def transform(place: Place, raw: Raw) -> Resource:
    arn = raw["TopicArn"]
    name = arn.rpartition(":")[2]
    return Resource(
        arn=arn,
        kind=NAME,
        account=place.account,
        region=place.region,
        id=name,
        name=name,
        tags=tag_map(raw["Tags"]),
        attributes={"fifo": name.endswith(".fifo")},
    )


KIND = Kind(
    name=NAME,
    title="SNS topic",
    service="sns",
    calls={"ListTopics": "sns:ListTopics", "ListTagsForResource": "sns:ListTagsForResource"},
    fetch=fetch,
    transform=transform,
    namespaces=("AWS/SNS",),
    dimensions=dimension("TopicName"),
    facts=attribute_facts("fifo"),
    fact_names=("fifo",),
)
