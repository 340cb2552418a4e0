"""EC2 instances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "ec2-instance"

STATES = {
    "pending": Lifecycle.STARTING,
    "running": Lifecycle.IN_SERVICE,
    "shutting-down": Lifecycle.LEAVING,
    "stopping": Lifecycle.LEAVING,
    "stopped": Lifecycle.STOPPED,
}

GROUP_TAG = "aws:autoscaling:groupName"
CLUSTER_TAG = "aws:elasticmapreduce:job-flow-id"
ROLE_TAG = "aws:elasticmapreduce:instance-group-role"
"""Tags that AWS itself sets on the instances of autoscaling groups and EMR clusters."""


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    for reservation in api.pages("DescribeInstances", "Reservations", size=1000):
        yield from reservation["Instances"]


def transform(place: Place, raw: Raw) -> Resource | None:
    state = raw["State"]["Name"]
    if state == "terminated":  # AWS lists these for an hour, with the address that they had
        return None
    tags = tag_map(raw.get("Tags"))
    instance = raw["InstanceId"]
    addresses = (raw.get("PrivateIpAddress"), raw.get("Ipv6Address"))
    return Resource(
        arn=f"arn:{place.partition}:ec2:{place.region}:{place.account}:instance/{instance}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=instance,
        name=tags.get("Name", ""),
        addresses=tuple(a for a in addresses if a),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tags,
        attributes=present(
            {
                "instance_type": raw.get("InstanceType"),
                "zone": raw.get("Placement", {}).get("AvailabilityZone"),
                "image": raw.get("ImageId"),
                "architecture": raw.get("Architecture"),
                "platform": raw.get("Platform"),
                "market": raw.get("InstanceLifecycle", "on-demand"),
                "private_dns": raw.get("PrivateDnsName"),
                "subnet": raw.get("SubnetId"),
                "vpc": raw.get("VpcId"),
            }
        ),
        launched=timestamp(raw.get("LaunchTime")),
    )


def dimensions(resource: Resource) -> Dimensions:
    return (("InstanceId", resource.id),)


def facts(resource: Resource) -> Mapping[str, str]:
    """The links to groups and clusters are set by `mac.links`."""
    attributes = resource.attributes
    return present(
        {
            "zone": attributes.get("zone"),
            "instance_type": attributes.get("instance_type"),
            "market": attributes.get("market"),
            "asg": next(iter(resource.links.get("autoscaling-group", ())), ""),
            "emr_cluster": attributes.get("emr_cluster"),
            "emr_role": attributes.get("emr_role"),
        }
    )


KIND = Kind(
    name=NAME,
    title="EC2 instance",
    service="ec2",
    calls={"DescribeInstances": "ec2:DescribeInstances"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/EC2",),
    dimensions=dimensions,
    facts=facts,
    fact_names=("asg", "emr_cluster", "emr_role", "instance_type", "market", "zone"),
)
