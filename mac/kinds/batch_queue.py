"""Batch job queues."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, dimension, present
from mac.model import Lifecycle, Resource

NAME = "batch-queue"

DISABLED = "DISABLED"
STATES = {
    "CREATING": Lifecycle.STARTING,
    "VALID": Lifecycle.IN_SERVICE,
    "UPDATING": Lifecycle.IN_SERVICE,
    "INVALID": Lifecycle.IN_SERVICE,  # broken, and not on purpose
    "DELETING": Lifecycle.LEAVING,
    DISABLED: Lifecycle.STOPPED,  # by its owner, whatever its status
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    yield from api.pages("DescribeJobQueues", "jobQueues", size=100)


def transform(place: Place, raw: Raw) -> Resource | None:
    status = raw.get("status") or ""
    if status == "DELETED":
        return None
    state = DISABLED if raw["state"] == DISABLED and status != "DELETING" else status
    environments = sorted(raw.get("computeEnvironmentOrder") or (), key=lambda e: int(e["order"]))
    return Resource(
        arn=raw["jobQueueArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["jobQueueName"],
        name=raw["jobQueueName"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=dict(raw.get("tags") or {}),
        attributes=present(
            {
                "priority": raw.get("priority"),
                "type": (raw.get("jobQueueType") or "").lower().replace("_", "-"),
                "compute_environments": [e["computeEnvironment"] for e in environments],
            }
        ),
    )


KIND = Kind(
    name=NAME,
    title="Batch job queue",
    service="batch",
    calls={"DescribeJobQueues": "batch:DescribeJobQueues"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/Batch",),
    dimensions=dimension("JobQueueName"),
    facts=attribute_facts("type"),
    fact_names=("type",),
)
