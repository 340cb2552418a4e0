"""Target groups of load balancers."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds import load_balancer
from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, tag_map
from mac.model import Resource

NAME = "target-group"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    listed = api.pages("DescribeTargetGroups", "TargetGroups", size=400)
    yield from load_balancer.with_tags(api, listed, "TargetGroupArn", "TargetGroupNotFound")


def transform(place: Place, raw: Raw) -> Resource:
    return Resource(
        arn=raw["TargetGroupArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["TargetGroupName"],
        name=raw["TargetGroupName"],
        tags=tag_map(raw["Tags"]),
        links=present({"load-balancer": tuple(sorted(raw.get("LoadBalancerArns") or ()))}),
        attributes=present(
            {
                "target_type": raw.get("TargetType"),
                "protocol": raw.get("Protocol"),
                "port": raw.get("Port"),
                "vpc": raw.get("VpcId"),
                "health_check_path": raw.get("HealthCheckPath"),
            }
        ),
    )


def dimensions(resource: Resource) -> Dimensions:
    """Both, since CloudWatch keeps target groups by load balancer; none when nothing sends traffic to it."""
    balancers = resource.links.get("load-balancer", ())
    if not balancers:
        return ()
    return (
        ("TargetGroup", resource.arn.rpartition(":")[2]),
        ("LoadBalancer", load_balancer.suffix(balancers[0])),
    )


KIND = Kind(
    name=NAME,
    title="target group",
    service="elbv2",
    calls={"DescribeTargetGroups": "elasticloadbalancing:DescribeTargetGroups", **load_balancer.TAG_CALLS},
    fetch=fetch,
    transform=transform,
    namespaces=tuple(load_balancer.NAMESPACES.values()),
    dimensions=dimensions,
    facts=attribute_facts("protocol", "target_type"),
    fact_names=("protocol", "target_type"),
)
