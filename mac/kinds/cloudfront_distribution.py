"""CloudFront distributions. Of their origins only the host names are kept: their headers may be secrets."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, tag_map
from mac.model import Endpoint, Lifecycle, Resource

NAME = "cloudfront-distribution"

DISABLED = "Disabled"
"""Not AWS's word: it tells of a distribution that was switched off by `Enabled` beside its Status."""
STATES = {
    "Deployed": Lifecycle.IN_SERVICE,
    "InProgress": Lifecycle.IN_SERVICE,  # a change is on its way; the last one is served
    DISABLED: Lifecycle.STOPPED,
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(distribution: Raw) -> Raw:
        answer = api.call("ListTagsForResource", gone=("NoSuchResource",), Resource=distribution["ARN"])
        return {**distribution, "Tags": answer["Tags"].get("Items")}

    yield from api.each(describe, api.pages("ListDistributions", "DistributionList.Items", size=100))


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["Status"] if raw["Enabled"] else DISABLED
    certificate = (raw.get("ViewerCertificate") or {}).get("ACMCertificateArn")
    origins = (raw.get("Origins") or {}).get("Items") or ()
    aliases = sorted((raw.get("Aliases") or {}).get("Items") or ())
    return Resource(
        arn=raw["ARN"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["Id"],
        name=raw.get("Comment") or raw["Id"],
        addresses=(*aliases, raw["DomainName"]),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        links=present({"cloudfront-certificate": (certificate,) if certificate else ()}),
        attributes=present(
            {
                "origins": sorted({origin["DomainName"] for origin in origins}),
                "price_class": raw.get("PriceClass"),
                "staging": bool(raw.get("Staging")),
            }
        ),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("DistributionId", resource.id), ("Region", "Global"))


def endpoints(resource: Resource) -> tuple[Endpoint, ...]:
    """The names that people use; AWS's own where there is none. A wildcard names no host."""
    if resource.attributes.get("staging"):
        return ()
    aliases = resource.addresses[:-1]
    names = [alias for alias in aliases if "*" not in alias] or resource.addresses[-1:]
    return tuple(Endpoint(f"https://{name}", "http_answers") for name in names)


KIND = Kind(
    name=NAME,
    title="CloudFront distribution",
    service="cloudfront",
    calls={
        "ListDistributions": "cloudfront:ListDistributions",
        "ListTagsForResource": "cloudfront:ListTagsForResource",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    global_=True,
    namespaces=("AWS/CloudFront",),
    dimensions=dimensions,
    endpoints=endpoints,
    facts=attribute_facts("staging"),
    fact_names=("staging",),
)
