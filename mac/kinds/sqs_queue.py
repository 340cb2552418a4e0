"""SQS queues."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present
from mac.model import Resource

NAME = "sqs-queue"

_ATTRIBUTES = ["QueueArn", "VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy"]
_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(url: str) -> Raw:
        found = api.call("GetQueueAttributes", gone=_GONE, QueueUrl=url, AttributeNames=_ATTRIBUTES)
        tags = api.call("ListQueueTags", gone=_GONE, QueueUrl=url)
        return {**found["Attributes"], "Tags": tags.get("Tags") or {}}

    # Without a page size SQS stops at 1,000 queues and does not say so.
    yield from api.each(describe, api.pages("ListQueues", "QueueUrls", size=1000))


def transform(place: Place, raw: Raw) -> Resource:
    arn = raw["QueueArn"]
    name = arn.rpartition(":")[2]
    redrive = json.loads(raw.get("RedrivePolicy") or "{}")
    dead_letters = redrive.get("deadLetterTargetArn")
    return Resource(
        arn=arn,
        kind=NAME,
        account=place.account,
        region=place.region,
        id=name,
        name=name,
        tags=dict(raw["Tags"]),
        links=present({"dead-letter-queue": (dead_letters,) if dead_letters else ()}),
        attributes={
            "fifo": name.endswith(".fifo"),
            "visibility_timeout_seconds": int(raw["VisibilityTimeout"]),
            "retention_seconds": int(raw["MessageRetentionPeriod"]),
        },
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("QueueName", resource.id),)


KIND = Kind(
    name=NAME,
    title="SQS queue",
    service="sqs",
    calls={
        "ListQueues": "sqs:ListQueues",
        "GetQueueAttributes": "sqs:GetQueueAttributes",
        "ListQueueTags": "sqs:ListQueueTags",
    },
    fetch=fetch,
    transform=transform,
    namespaces=("AWS/SQS",),
    dimensions=dimensions,
    facts=attribute_facts("fifo"),
    fact_names=("fifo",),
)
