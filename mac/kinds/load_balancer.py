"""Application, Network and Gateway Load Balancers, with the ports on which they listen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mac.kinds.kind import (
    Api,
    Dimensions,
    Kind,
    Place,
    Raw,
    attribute_facts,
    in_batches,
    present,
    tag_map,
    timestamp,
)
from mac.model import Endpoint, Lifecycle, Resource

NAME = "load-balancer"

STATES = {
    "provisioning": Lifecycle.STARTING,
    "active": Lifecycle.IN_SERVICE,
    "active_impaired": Lifecycle.IN_SERVICE,
    "failed": Lifecycle.STOPPED,  # it was never set up
}
NAMESPACES = {
    "application": "AWS/ApplicationELB",
    "network": "AWS/NetworkELB",
    "gateway": "AWS/GatewayELB",
}

_TAGS = "DescribeTags"
_TAG_BATCH = 20  # AWS's limit
_GONE = "LoadBalancerNotFound"
TAG_CALLS = {_TAGS: "elasticloadbalancing:DescribeTags"}


def with_tags(api: Api, items: Iterable[Raw], arn: str, gone: str) -> Iterator[Raw]:
    """The items with their tags under "Tags". `arn` is the field that names an item, `gone` the error code
    of one that was deleted meanwhile."""

    def ask(batch: Sequence[Raw]) -> list[Raw]:
        answer = api.call(_TAGS, gone=(gone,), ResourceArns=[item[arn] for item in batch])
        tags = {described["ResourceArn"]: described["Tags"] for described in answer["TagDescriptions"]}
        return [{**item, "Tags": tags[item[arn]]} for item in batch]

    yield from in_batches(api, items, _TAG_BATCH, ask)


def suffix(arn: str) -> str:
    """What CloudWatch calls a load balancer: `app/name/hash` of its ARN."""
    return arn.partition(":loadbalancer/")[2]


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def described(balancer: Raw) -> Raw:
        arn = balancer["LoadBalancerArn"]
        listeners = api.pages("DescribeListeners", "Listeners", size=400, gone=(_GONE,), LoadBalancerArn=arn)
        return {**balancer, "Listeners": list(listeners)}

    listed = api.pages("DescribeLoadBalancers", "LoadBalancers", size=400)
    yield from api.each(described, with_tags(api, listed, "LoadBalancerArn", _GONE))


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["State"]["Code"]
    return Resource(
        arn=raw["LoadBalancerArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["LoadBalancerName"],
        name=raw["LoadBalancerName"],
        addresses=tuple(a for a in (raw.get("DNSName"),) if a),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        attributes=present(
            {
                "type": raw["Type"],
                "scheme": raw.get("Scheme"),
                "zones": sorted(z["ZoneName"] for z in raw.get("AvailabilityZones") or ()),
                "vpc": raw.get("VpcId"),
                # Those of a gateway load balancer have neither protocol nor port.
                "listeners": sorted(
                    f"{at['Protocol'].lower()}:{at['Port']}"
                    for at in raw.get("Listeners") or ()
                    if at.get("Protocol") and at.get("Port")
                ),
            }
        ),
        launched=timestamp(raw.get("CreatedTime")),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("LoadBalancer", suffix(resource.arn)),)


_PROBED = {
    "http": ("http", "http_answers"),
    "https": ("https", "http_answers_unverified"),
    "tcp": ("tcp", "tcp_connect"),
    "tcp_udp": ("tcp", "tcp_connect"),
    "tcp_quic": ("tcp", "tcp_connect"),
    "tls": ("tls", "tls_connect_unverified"),
    "ssl": ("tls", "tls_connect_unverified"),
}
"""Protocol of a listener → the scheme of its endpoint, and the module that probes it. What cannot be told
alive from outside, as UDP, is not here. Certificates have other names than AWS's."""


def endpoints(resource: Resource) -> tuple[Endpoint, ...]:
    """One for each listener, whether the load balancer is internal or not: the cell lies in its region."""
    return tuple(
        Endpoint(f"{_PROBED[protocol][0]}://{resource.addresses[0]}:{port}", _PROBED[protocol][1])
        for protocol, _, port in (at.partition(":") for at in resource.attributes.get("listeners", ()))
        if protocol in _PROBED and resource.addresses
    )


KIND = Kind(
    name=NAME,
    title="load balancer",
    service="elbv2",
    calls={
        "DescribeLoadBalancers": "elasticloadbalancing:DescribeLoadBalancers",
        "DescribeListeners": "elasticloadbalancing:DescribeListeners",
        **TAG_CALLS,
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=tuple(NAMESPACES.values()),
    dimensions=dimensions,
    endpoints=endpoints,
    facts=attribute_facts("type", "scheme"),
    fact_names=("scheme", "type"),
)
