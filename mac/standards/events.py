"""The queue in which AWS tells `mac sync` of changes, as mac.yaml says it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mac.event_model import EventQueue
from mac.problems import Problem
from mac.source import Document, Pointer

AT: Pointer = ("spec", "sync", "events")

# As SQS names them itself, and through an endpoint in a VPC.
_HOST = re.compile(r"https?://(?:[^/]+\.)?sqs\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?/")


def read(document: Document) -> EventQueue | None:
    """`spec.sync.events` of a document that fits its schema; None where there is none."""
    if not document.has(AT):
        return None
    raw = document.data["spec"]["sync"]["events"]
    return EventQueue(
        raw["queue"],
        raw.get("region") or _region(raw["queue"]),
        raw.get("role_arn", ""),
        raw.get("external_id", ""),
        document.location((*AT, "queue")),
    )


def _region(queue: str) -> str:
    """The region that a queue's ARN or URL names; "" where it names none."""
    if queue.startswith("arn:"):
        return queue.split(":")[3]
    found = _HOST.match(queue)
    return found[1] if found else ""


def check(settings: EventQueue | None, document: Document) -> Iterator[Problem]:
    """What a schema cannot say of it."""
    if settings is None:
        return
    own = _region(settings.queue)
    if not settings.region:
        hint = "write it beside the queue, such as region: us-east-1"
        yield Problem(settings.location, "missing-key", "the queue's URL does not tell its region", hint)
    elif own and own != settings.region:
        message = f"the queue is in {own}, not in {settings.region}"
        yield Problem(document.location((*AT, "region")), "wrong-value", message, "remove it")
