"""HTTP and WebSocket APIs of API Gateway."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, dimension, present, timestamp
from mac.model import Endpoint, Resource

NAME = "http-api"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    # Without a page size: AWS documents neither its default nor its maximum here.
    yield from api.pages("GetApis", "Items")


def transform(place: Place, raw: Raw) -> Resource:
    endpoint = raw.get("ApiEndpoint") or ""
    return Resource(
        arn=f"arn:{place.partition}:apigateway:{place.region}::/apis/{raw['ApiId']}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["ApiId"],
        name=raw["Name"],
        addresses=tuple(a for a in (endpoint.partition("://")[2],) if a),
        tags=dict(raw.get("Tags") or {}),
        attributes=present(
            {
                "protocol": raw["ProtocolType"].lower(),
                "default_endpoint": not raw.get("DisableExecuteApiEndpoint", False),
            }
        ),
        launched=timestamp(raw.get("CreatedDate")),
    )


def endpoints(resource: Resource) -> tuple[Endpoint, ...]:
    """A WebSocket API has none: it does not answer a plain request."""
    if resource.attributes.get("protocol") != "http" or not resource.attributes.get("default_endpoint"):
        return ()
    return tuple(Endpoint(f"https://{address}", "http_answers") for address in resource.addresses)


KIND = Kind(
    name=NAME,
    title="HTTP or WebSocket API",
    service="apigatewayv2",
    calls={"GetApis": "apigateway:GET"},
    # The same action on other paths reads API keys.
    only=("arn:*:apigateway:*::/apis",),
    fetch=fetch,
    transform=transform,
    namespaces=("AWS/ApiGateway",),
    dimensions=dimension("ApiId"),
    endpoints=endpoints,
    facts=attribute_facts("protocol"),
    fact_names=("protocol",),
)
