"""Classic Load Balancers, with the instances that are registered with them.

Whether an instance is healthy now is not kept: it changes between two readings and belongs to CloudWatch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mac.kinds import load_balancer
from mac.kinds.kind import (
    Api,
    Kind,
    Place,
    Raw,
    attribute_facts,
    dimension,
    in_batches,
    present,
    tag_map,
    timestamp,
)
from mac.model import Resource

NAME = "classic-load-balancer"

_TAG_BATCH = 20  # AWS's limit
_GONE = ("LoadBalancerNotFound",)


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def tagged(batch: Sequence[Raw]) -> list[Raw]:
        names = [balancer["LoadBalancerName"] for balancer in batch]
        answer = api.call("DescribeTags", gone=_GONE, LoadBalancerNames=names)
        tags = {described["LoadBalancerName"]: described["Tags"] for described in answer["TagDescriptions"]}
        return [{**balancer, "Tags": tags[balancer["LoadBalancerName"]]} for balancer in batch]

    listed = api.pages("DescribeLoadBalancers", "LoadBalancerDescriptions", size=400)
    yield from in_batches(api, listed, _TAG_BATCH, tagged)


def transform(place: Place, raw: Raw) -> Resource:
    name = raw["LoadBalancerName"]
    listeners = [described["Listener"] for described in raw.get("ListenerDescriptions") or ()]
    return Resource(
        arn=f"arn:{place.partition}:elasticloadbalancing:{place.region}:{place.account}:loadbalancer/{name}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=name,
        name=name,
        addresses=tuple(a for a in (raw.get("DNSName"),) if a),
        tags=tag_map(raw["Tags"]),
        links=present({"ec2-instance": tuple(sorted(i["InstanceId"] for i in raw.get("Instances") or ()))}),
        attributes=present(
            {
                "scheme": raw.get("Scheme"),
                "zones": sorted(raw.get("AvailabilityZones") or ()),
                "vpc": raw.get("VPCId"),
                "listeners": sorted(f"{at['Protocol'].lower()}:{at['LoadBalancerPort']}" for at in listeners),
                "health_check": (raw.get("HealthCheck") or {}).get("Target"),
            }
        ),
        launched=timestamp(raw.get("CreatedTime")),
    )


KIND = Kind(
    name=NAME,
    title="Classic Load Balancer",
    service="elb",
    calls={
        "DescribeLoadBalancers": "elasticloadbalancing:DescribeLoadBalancers",
        "DescribeTags": "elasticloadbalancing:DescribeTags",
    },
    fetch=fetch,
    transform=transform,
    namespaces=("AWS/ELB",),
    dimensions=dimension("LoadBalancerName"),
    endpoints=load_balancer.endpoints,
    facts=attribute_facts("scheme"),
    fact_names=("scheme",),
)
