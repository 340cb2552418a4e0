"""Certificates of AWS Certificate Manager, with the time at which they expire.

Those that CloudFront uses lie in us-east-1 whatever the regions of the inventory: they are a kind of their
own, `cloudfront-certificate`, and are left out here. A certificate that both CloudFront and something in
us-east-1 use is one of CloudFront's. Those that a client obtains by ACME are not listed.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import (
    Api,
    Kind,
    Place,
    Raw,
    attribute_facts,
    present,
    tag_map,
    timestamp,
    with_tags,
)
from mac.model import Endpoint, Lifecycle, Resource

NAME = "acm-certificate"

CLOUDFRONT_REGION = "us-east-1"

STATES = {
    "PENDING_VALIDATION": Lifecycle.STARTING,
    "ISSUED": Lifecycle.IN_SERVICE,
    "EXPIRED": Lifecycle.IN_SERVICE,  # what uses it fails: that must not look like a planned end
    "INACTIVE": Lifecycle.STOPPED,
    "VALIDATION_TIMED_OUT": Lifecycle.STOPPED,
    "REVOKED": Lifecycle.IN_SERVICE,
    "FAILED": Lifecycle.STOPPED,
}
CALLS = {
    "ListCertificates": "acm:ListCertificates",
    "DescribeCertificate": "acm:DescribeCertificate",
    "ListTagsForCertificate": "acm:ListTagsForCertificate",
}

_GONE = ("ResourceNotFoundException",)
# Unless they are asked for by name, ACM lists no certificate with a longer or an elliptic key.
_KEY_TYPES = [
    *("RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096"),
    *("EC_prime256v1", "EC_secp384r1", "EC_secp521r1"),
]


def certificates(api: Api, *, cloudfront: bool) -> Iterator[Raw]:
    """The certificates of us-east-1 that CloudFront uses, or the others of that region. Only a description
    tells by whom a certificate is used."""

    def describe(listed: Raw) -> Raw | None:
        used: list[str] = []
        if listed.get("InUse"):
            answer = api.call("DescribeCertificate", gone=_GONE, CertificateArn=listed["CertificateArn"])
            used = answer["Certificate"].get("InUseBy") or []
        by_cloudfront = any(arn.split(":")[2:3] == ["cloudfront"] for arn in used)
        return listed if by_cloudfront is cloudfront else None

    yield from (found for found in api.each(describe, every(api)) if found is not None)


def every(api: Api) -> Iterator[Raw]:
    yield from api.pages(
        "ListCertificates", "CertificateSummaryList", size=1000, Includes={"keyTypes": _KEY_TYPES}
    )


def tagged(api: Api, listed: Iterator[Raw]) -> Iterator[Raw]:
    yield from with_tags(
        api, listed, "ListTagsForCertificate", "CertificateArn", "CertificateArn", gone=_GONE
    )


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    shared = place.region == CLOUDFRONT_REGION
    yield from tagged(api, certificates(api, cloudfront=False) if shared else every(api))


def certificate(place: Place, raw: Raw, kind: str) -> Resource:
    state = raw["Status"]
    names = {*(raw.get("SubjectAlternativeNameSummaries") or ())} - {raw.get("DomainName")}
    return Resource(
        arn=raw["CertificateArn"],
        kind=kind,
        account=place.account,
        region=place.region,
        id=raw["CertificateArn"].rpartition("/")[2],
        name=raw.get("DomainName") or "",
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        attributes=present(
            {
                "expires": timestamp(raw.get("NotAfter")),
                "names": sorted(names),
                "type": (raw.get("Type") or "").lower().replace("_", "-"),
                "in_use": bool(raw.get("InUse")),
                "key_algorithm": raw.get("KeyAlgorithm"),
                "renewal": (raw.get("RenewalEligibility") or "").lower(),
            }
        ),
        launched=timestamp(raw.get("CreatedAt") or raw.get("ImportedAt")),
    )


def transform(place: Place, raw: Raw) -> Resource:
    return certificate(place, raw, NAME)


def endpoints(resource: Resource) -> tuple[Endpoint, ...]:
    """The names of a certificate that something uses, at HTTPS' port: it shows which certificate is really
    served there. A wildcard names no host, and who trusts a private authority is not known.
    """
    if not resource.attributes.get("in_use") or resource.attributes.get("type") == "private":
        return ()
    names = [resource.name, *resource.attributes.get("names", ())]
    return tuple(Endpoint(f"tls://{name}:443", "tls_connect") for name in names if name and "*" not in name)


KIND = Kind(
    name=NAME,
    title="ACM certificate",
    service="acm",
    calls=CALLS,
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/CertificateManager",),
    dimensions=lambda resource: (("CertificateArn", resource.arn),),
    endpoints=endpoints,
    facts=attribute_facts("in_use", "renewal", "type"),
    fact_names=("in_use", "renewal", "type"),
)
