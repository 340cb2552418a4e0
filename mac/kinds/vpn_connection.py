"""Site-to-Site VPN connections.

AWS describes them with the pre-shared keys of their tunnels, in plain text and inside the customer gateway's
configuration: neither is ever kept. Whether a tunnel is up is CloudWatch's to tell (`TunnelState`).
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, tag_map
from mac.model import Lifecycle, Resource

NAME = "vpn-connection"

STATES = {
    "pending": Lifecycle.STARTING,
    "available": Lifecycle.IN_SERVICE,
    "deleting": Lifecycle.LEAVING,
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    # All in one answer: the operation has no pages.
    yield from api.call("DescribeVpnConnections").get("VpnConnections") or ()


def transform(place: Place, raw: Raw) -> Resource | None:
    state = raw.get("State") or ""
    if state == "deleted":
        return None
    tags = tag_map(raw.get("Tags"))
    connection = raw["VpnConnectionId"]
    tunnels = {t.get("OutsideIpAddress") or "" for t in raw.get("VgwTelemetry") or ()}
    return Resource(
        arn=f"arn:{place.partition}:ec2:{place.region}:{place.account}:vpn-connection/{connection}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=connection,
        name=tags.get("Name", ""),
        addresses=tuple(sorted(tunnels - {""})),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tags,
        attributes=present(
            {
                "customer_gateway": raw.get("CustomerGatewayId"),
                "vpn_gateway": raw.get("VpnGatewayId"),
                "transit_gateway": raw.get("TransitGatewayId"),
                "static_routes": (raw.get("Options") or {}).get("StaticRoutesOnly"),
            }
        ),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("VpnId", resource.id),)


KIND = Kind(
    name=NAME,
    title="VPN connection",
    service="ec2",
    calls={"DescribeVpnConnections": "ec2:DescribeVpnConnections"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/VPN",),
    dimensions=dimensions,
    facts=attribute_facts("static_routes"),
    fact_names=("static_routes",),
)
