"""NAT gateways."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "nat-gateway"

STATES = {
    "pending": Lifecycle.STARTING,
    "available": Lifecycle.IN_SERVICE,
    "deleting": Lifecycle.LEAVING,
    "failed": Lifecycle.STOPPED,  # it was never set up, and AWS takes it away within the hour
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    yield from api.pages("DescribeNatGateways", "NatGateways", size=1000)


def transform(place: Place, raw: Raw) -> Resource | None:
    state = raw["State"]
    if state == "deleted":  # AWS lists these for an hour
        return None
    tags = tag_map(raw.get("Tags"))
    gateway = raw["NatGatewayId"]
    # A gateway may have many addresses; the primary one of each zone first, and always in the same order.
    addresses = sorted(
        raw.get("NatGatewayAddresses") or (),
        key=lambda a: (not a.get("IsPrimary"), a.get("PrivateIp") or "", a.get("PublicIp") or ""),
    )
    return Resource(
        arn=f"arn:{place.partition}:ec2:{place.region}:{place.account}:natgateway/{gateway}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=gateway,
        name=tags.get("Name", ""),
        addresses=tuple(a["PrivateIp"] for a in addresses if a.get("PrivateIp")),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tags,
        attributes=present(
            {
                "connectivity": raw.get("ConnectivityType"),
                "public_addresses": [a["PublicIp"] for a in addresses if a.get("PublicIp")],
                "subnet": raw.get("SubnetId"),
                "vpc": raw.get("VpcId"),
                "failure": raw.get("FailureCode"),
            }
        ),
        launched=timestamp(raw.get("CreateTime")),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("NatGatewayId", resource.id),)


KIND = Kind(
    name=NAME,
    title="NAT gateway",
    service="ec2",
    calls={"DescribeNatGateways": "ec2:DescribeNatGateways"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/NATGateway",),
    dimensions=dimensions,
    facts=attribute_facts("connectivity"),
    fact_names=("connectivity",),
)
