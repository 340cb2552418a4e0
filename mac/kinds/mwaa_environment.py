"""MWAA environments: managed Airflow. Their configuration options are never kept: secrets lie in them.

The dimension is that of Amazon's documentation of MWAA; the CloudWatch exporter names none for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, timestamp
from mac.model import Lifecycle, Resource

NAME = "mwaa-environment"

STATES = {
    "CREATING": Lifecycle.STARTING,
    "PENDING": Lifecycle.STARTING,  # it waits for the user's own network endpoints
    "CREATE_FAILED": Lifecycle.STOPPED,  # it was never set up
    "AVAILABLE": Lifecycle.IN_SERVICE,
    "UPDATING": Lifecycle.IN_SERVICE,
    "DELETING": Lifecycle.LEAVING,
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(name: str) -> Raw:
        # It tells the tags too.
        answer = api.call("GetEnvironment", gone=("ResourceNotFoundException",), Name=name)
        found: Raw = answer["Environment"]
        return found

    yield from api.each(describe, api.pages("ListEnvironments", "Environments", size=25))


def transform(place: Place, raw: Raw) -> Resource | None:
    state = raw["Status"]
    if state == "DELETED":
        return None
    bucket = raw.get("SourceBucketArn")
    return Resource(
        arn=raw["Arn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["Name"],
        name=raw["Name"],
        addresses=tuple(a for a in (raw.get("WebserverUrl"),) if a),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=dict(raw.get("Tags") or {}),
        links=present({"s3-bucket": (bucket,) if bucket else ()}),
        attributes=present(
            {
                "airflow_version": raw.get("AirflowVersion"),
                "environment_class": raw.get("EnvironmentClass"),
                "minimum_workers": raw.get("MinWorkers"),
                "maximum_workers": raw.get("MaxWorkers"),
                "schedulers": raw.get("Schedulers"),
            }
        ),
        launched=timestamp(raw.get("CreatedAt")),
    )


def dimensions(resource: Resource) -> Dimensions:
    """The environment's own; each metric has others beside (Function, or Cluster, or …)."""
    return (("Environment", resource.id),)


KIND = Kind(
    name=NAME,
    title="MWAA environment",
    service="mwaa",
    calls={"ListEnvironments": "airflow:ListEnvironments", "GetEnvironment": "airflow:GetEnvironment"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/MWAA", "AmazonMWAA"),
    dimensions=dimensions,
    facts=attribute_facts("airflow_version", "environment_class"),
    fact_names=("airflow_version", "environment_class"),
)
