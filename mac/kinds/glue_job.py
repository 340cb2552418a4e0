"""Glue jobs. Their arguments are never kept: secrets lie in them."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, timestamp, with_tags
from mac.model import Resource

NAME = "glue-job"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    prefix = f"arn:{place.partition}:glue:{place.region}:{place.account}:job"
    listed = api.pages("GetJobs", "Jobs", size=1000)
    named = ({**job, "Arn": f"{prefix}/{job['Name']}"} for job in listed)
    yield from with_tags(api, named, "GetTags", "ResourceArn", "Arn", gone=("EntityNotFoundException",))


def transform(place: Place, raw: Raw) -> Resource:
    return Resource(
        arn=raw["Arn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["Name"],
        name=raw["Name"],
        tags=dict(raw["Tags"] or {}),
        attributes=present(
            {
                "type": (raw.get("Command") or {}).get("Name"),
                "glue_version": raw.get("GlueVersion"),
                "worker_type": raw.get("WorkerType"),
                "workers": raw.get("NumberOfWorkers"),
                "execution_class": (raw.get("ExecutionClass") or "").lower(),
                "timeout_seconds": (raw.get("Timeout") or 0) * 60 or None,
                "maximum_runs": (raw.get("ExecutionProperty") or {}).get("MaxConcurrentRuns"),
            }
        ),
        launched=timestamp(raw.get("CreatedOn")),
    )


def dimensions(resource: Resource) -> Dimensions:
    """The job's own; each metric has a JobRunId and a Type beside, which differ from metric to metric."""
    return (("JobName", resource.id),)


KIND = Kind(
    name=NAME,
    title="Glue job",
    service="glue",
    calls={"GetJobs": "glue:GetJobs", "GetTags": "glue:GetTags"},
    fetch=fetch,
    transform=transform,
    namespaces=("Glue",),
    dimensions=dimensions,
    facts=attribute_facts("glue_version", "type", "worker_type"),
    fact_names=("glue_version", "type", "worker_type"),
)
