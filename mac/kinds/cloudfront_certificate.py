"""Certificates that CloudFront uses, which are always in us-east-1. See `acm_certificate` for the others."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds import acm_certificate
from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts
from mac.model import Resource

NAME = "cloudfront-certificate"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    if (
        place.partition == "aws"
    ):  # in the others CloudFront does not take certificates from ACM, or is not there
        yield from acm_certificate.tagged(api, acm_certificate.certificates(api, cloudfront=True))


def transform(place: Place, raw: Raw) -> Resource:
    return acm_certificate.certificate(place, raw, NAME)


KIND = Kind(
    name=NAME,
    title="certificate of CloudFront",
    service="acm",
    calls=acm_certificate.CALLS,
    fetch=fetch,
    transform=transform,
    states=acm_certificate.STATES,
    global_=True,
    home=acm_certificate.CLOUDFRONT_REGION,
    namespaces=acm_certificate.KIND.namespaces,
    dimensions=acm_certificate.KIND.dimensions,
    facts=attribute_facts(*acm_certificate.KIND.fact_names),
    fact_names=acm_certificate.KIND.fact_names,
)
