"""EMR Serverless applications. Their Spark and Hive configuration is never kept: passwords lie in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, timestamp
from mac.model import Lifecycle, Resource

NAME = "emr-serverless-application"

_BEFORE_7_10 = re.compile(r"emr-([0-6]|7\.[0-9])\.[0-9]")

STATES = {
    "CREATING": Lifecycle.STARTING,
    "CREATED": Lifecycle.IN_SERVICE,  # ready: by default it starts by itself when a job comes
    "STARTING": Lifecycle.STARTING,
    "STARTED": Lifecycle.IN_SERVICE,
    "STOPPING": Lifecycle.LEAVING,
    "STOPPED": Lifecycle.STOPPED,
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(listed: Raw) -> Raw:
        application: Raw = api.call(
            "GetApplication", gone=("ResourceNotFoundException",), applicationId=listed["id"]
        )["application"]
        return application

    listed = api.pages("ListApplications", "applications", size=50, states=list(STATES))
    yield from api.each(describe, listed)


def transform(place: Place, raw: Raw) -> Resource | None:
    state = raw["state"]
    if state == "TERMINATED":
        return None
    return Resource(
        arn=raw["arn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["applicationId"],
        name=raw.get("name") or "",
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=dict(raw.get("tags") or {}),
        attributes=present(
            {
                "engine": raw["type"].lower(),
                "release": raw.get("releaseLabel"),
                "architecture": raw.get("architecture"),
                "auto_start": (raw.get("autoStartConfiguration") or {}).get("enabled"),
                "maximum_cpu": (raw.get("maximumCapacity") or {}).get("cpu"),
                "maximum_memory": (raw.get("maximumCapacity") or {}).get("memory"),
            }
        ),
        launched=timestamp(raw.get("createdAt")),
    )


def dimensions(resource: Resource) -> Dimensions:
    """From release 7.10 on, only the metrics that name the application beside its id are kept up."""
    own = (("ApplicationId", resource.id),)
    if _BEFORE_7_10.match(resource.attributes.get("release", "")) or not resource.name:
        return own
    return (*own, ("ApplicationName", resource.name))


KIND = Kind(
    name=NAME,
    title="EMR Serverless application",
    service="emr-serverless",
    calls={
        "ListApplications": "emr-serverless:ListApplications",
        "GetApplication": "emr-serverless:GetApplication",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/EMRServerless",),
    dimensions=dimensions,
    facts=attribute_facts("engine", "release"),
    fact_names=("engine", "release"),
)
