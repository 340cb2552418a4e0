"""Endpoints that services declare in their documents: no call to AWS tells them, and no file of resources.

A standard for this kind is for every resource that has an endpoint too, as a load balancer has.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw
from mac.model import Endpoint, Resource
from mac.probe_model import SCHEMES

NAME = "endpoint"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    raise TypeError("an endpoint is declared in a service's document, not read from AWS")


def transform(place: Place, raw: Raw) -> Resource | None:
    raise TypeError("an endpoint is declared in a service's document, not read from AWS")


def resource(endpoint: Endpoint, account: str, region: str, service: str) -> Resource:
    """A declared endpoint, as if it had been found in the cell of `account` and `region`."""
    return Resource(
        arn=f"mac:{NAME}:{region}:{account}:{service}:{endpoint.url}",
        kind=NAME,
        account=account,
        region=region,
        id=endpoint.url,
        name=endpoint.url,
        attributes={"url": endpoint.url, "module": endpoint.module},
    )


def endpoints(resource: Resource) -> tuple[Endpoint, ...]:
    url = resource.attributes.get("url", "")
    _, usual = SCHEMES.get(url.partition("://")[0], ("", ""))
    module = resource.attributes.get("module", usual)
    return (Endpoint(url, module),) if module else ()


KIND = Kind(
    name=NAME,
    title="declared endpoint",
    service="",
    calls={},
    fetch=fetch,
    transform=transform,
    endpoints=endpoints,
)
