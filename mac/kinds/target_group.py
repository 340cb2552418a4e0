"""Target groups of load balancers, with the targets that are registered with them.

Which of them are healthy now is not kept: it changes between two readings and belongs to CloudWatch.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds import load_balancer
from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, tag_map
from mac.model import Resource

NAME = "target-group"

_LEAVING = "draining"  # it was taken out on purpose and only ends what it has begun


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    listed = api.pages("DescribeTargetGroups", "TargetGroups", size=400)
    tagged = load_balancer.with_tags(api, listed, "TargetGroupArn", "TargetGroupNotFound")

    def describe(group: Raw) -> Raw:
        answer = api.call(
            "DescribeTargetHealth", gone=("TargetGroupNotFound",), TargetGroupArn=group["TargetGroupArn"]
        )
        return {**group, "Targets": answer["TargetHealthDescriptions"]}

    yield from api.each(describe, tagged)


def registered(raw: Raw) -> tuple[str, ...]:
    """The targets, sorted: instance ids, addresses with their port, ARNs of functions or load balancers."""
    kept = [t["Target"] for t in raw["Targets"] if t["TargetHealth"]["State"] != _LEAVING]
    if raw.get("TargetType") == "ip":
        return tuple(sorted({f"{_host(t['Id'])}:{t.get('Port', raw.get('Port'))}" for t in kept}))
    return tuple(sorted({t["Id"] for t in kept}))


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def transform(place: Place, raw: Raw) -> Resource:
    targets, machines = registered(raw), raw.get("TargetType") == "instance"
    return Resource(
        arn=raw["TargetGroupArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["TargetGroupName"],
        name=raw["TargetGroupName"],
        tags=tag_map(raw["Tags"]),
        links=present(
            {
                "load-balancer": tuple(sorted(raw.get("LoadBalancerArns") or ())),
                "ec2-instance": targets if machines else (),
            }
        ),
        attributes=present(
            {
                "target_type": raw.get("TargetType"),
                "protocol": raw.get("Protocol"),
                "port": raw.get("Port"),
                "vpc": raw.get("VpcId"),
                "health_check_path": raw.get("HealthCheckPath"),
                "targets": [] if machines else list(targets),
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
    calls={
        "DescribeTargetGroups": "elasticloadbalancing:DescribeTargetGroups",
        "DescribeTargetHealth": "elasticloadbalancing:DescribeTargetHealth",
        **load_balancer.TAG_CALLS,
    },
    fetch=fetch,
    transform=transform,
    namespaces=tuple(load_balancer.NAMESPACES.values()),
    dimensions=dimensions,
    facts=attribute_facts("protocol", "target_type"),
    fact_names=("protocol", "target_type"),
)
