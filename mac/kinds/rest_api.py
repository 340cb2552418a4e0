"""REST APIs of API Gateway.

CloudWatch knows a REST API by its name, so two APIs of one name in a region share their metrics.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, timestamp
from mac.model import Endpoint, Lifecycle, Resource

NAME = "rest-api"

STATES = {
    "": Lifecycle.IN_SERVICE,
    "AVAILABLE": Lifecycle.IN_SERVICE,
    "UPDATING": Lifecycle.IN_SERVICE,
    "PENDING": Lifecycle.IN_SERVICE,
    "FAILED": Lifecycle.IN_SERVICE,  # the last change failed; what was deployed still answers
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    yield from api.pages("GetRestApis", "items", size=500)


def transform(place: Place, raw: Raw) -> Resource:
    identifier, types = raw["id"], sorted((raw.get("endpointConfiguration") or {}).get("types") or ())
    state = raw.get("apiStatus") or ""
    return Resource(
        arn=f"arn:{place.partition}:apigateway:{place.region}::/restapis/{identifier}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=identifier,
        name=raw["name"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=dict(raw.get("tags") or {}),
        attributes=present(
            {
                "endpoint": "+".join(types).lower(),
                "vpc_endpoints": sorted((raw.get("endpointConfiguration") or {}).get("vpcEndpointIds") or ()),
                "default_endpoint": not raw.get("disableExecuteApiEndpoint", False),
            }
        ),
        launched=timestamp(raw.get("createdDate")),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("ApiName", resource.name),)


def endpoints(resource: Resource) -> tuple[Endpoint, ...]:
    """The host; a path must name a stage and a method, or only API Gateway itself answers."""
    if not resource.attributes.get("default_endpoint") or resource.attributes.get("endpoint") == "private":
        return ()
    suffix = "amazonaws.com.cn" if resource.arn.startswith("arn:aws-cn:") else "amazonaws.com"
    host = f"{resource.id}.execute-api.{resource.region}.{suffix}"
    return (Endpoint(f"https://{host}", "http_answers"),)


KIND = Kind(
    name=NAME,
    title="REST API",
    service="apigateway",
    calls={"GetRestApis": "apigateway:GET"},
    # The same action on other paths reads API keys.
    only=("arn:*:apigateway:*::/restapis",),
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/ApiGateway",),
    dimensions=dimensions,
    endpoints=endpoints,
    facts=attribute_facts("endpoint"),
    fact_names=("endpoint",),
)
