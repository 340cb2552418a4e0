"""Lambda functions. Their environment variables are never kept: secrets lie in them."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present
from mac.model import Resource

NAME = "lambda-function"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(function: Raw) -> Raw:
        answer = api.call("ListTags", gone=("ResourceNotFoundException",), Resource=function["FunctionArn"])
        return {**function, "Tags": answer.get("Tags") or {}}

    yield from api.each(describe, api.pages("ListFunctions", "Functions", size=50))


def transform(place: Place, raw: Raw) -> Resource:
    return Resource(
        arn=raw["FunctionArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["FunctionName"],
        name=raw["FunctionName"],
        tags=dict(raw["Tags"]),
        attributes=present(
            {
                "runtime": raw.get("Runtime"),
                "package": (raw.get("PackageType") or "").lower(),
                "architectures": sorted(raw.get("Architectures") or ()),
                "memory_bytes": (raw.get("MemorySize") or 0) * 1024**2 or None,
                "timeout_seconds": raw.get("Timeout"),
            }
        ),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("FunctionName", resource.id),)


KIND = Kind(
    name=NAME,
    title="Lambda function",
    service="lambda",
    calls={"ListFunctions": "lambda:ListFunctions", "ListTags": "lambda:ListTags"},
    fetch=fetch,
    transform=transform,
    namespaces=("AWS/Lambda",),
    dimensions=dimensions,
    facts=attribute_facts("runtime"),
    fact_names=("runtime",),
)
