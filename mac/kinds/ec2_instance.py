"""EC2 instances.

A spot instance that AWS takes back runs on for two minutes after the notice. EC2 tells of that in the status
of the spot request alone, so that is asked for where there are spot instances. A rebalance recommendation is
told to the instance itself and to EventBridge, and by no call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, present, tag_map, timestamp
from mac.model import Lifecycle, LifecycleReason, Resource

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

# Of a spot request. A request that ends with its instance goes to `instance-terminated-…` at the notice.
_NOTICES = (
    "instance-terminated-by-price",
    "instance-terminated-no-capacity",
    "marked-for-stop",
    "marked-for-termination",
)
# EC2's codes for why a machine is not running, as far as they say more than that it was asked to stop.
_REASONS = {
    "Server.SpotInstanceShutdown": LifecycleReason.SPOT_INTERRUPTION,
    "Server.SpotInstanceTermination": LifecycleReason.SPOT_INTERRUPTION,
    "Server.ScheduledStop": LifecycleReason.MAINTENANCE,
    "Server.InsufficientInstanceCapacity": LifecycleReason.FAILURE,
    "Server.InternalError": LifecycleReason.FAILURE,
    "Client.InternalError": LifecycleReason.FAILURE,
    "Client.InvalidSnapshot.NotFound": LifecycleReason.FAILURE,
    "Client.VolumeLimitExceeded": LifecycleReason.FAILURE,
}
_UP = ("pending", "running")


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    notices: dict[str, str] | None = None
    for reservation in api.pages("DescribeInstances", "Reservations", size=1000):
        for instance in reservation["Instances"]:
            if instance.get("InstanceLifecycle") != "spot":
                yield instance
                continue
            if notices is None:
                notices = _spot_notices(api)
            yield {**instance, "SpotStatus": notices.get(instance["InstanceId"])}


def _spot_notices(api: Api) -> dict[str, str]:
    """Spot instance → the status code of its request, for those that AWS is taking back."""
    requests = api.pages(
        "DescribeSpotInstanceRequests",
        "SpotInstanceRequests",
        size=1000,
        Filters=[{"Name": "status-code", "Values": list(_NOTICES)}],
    )
    return {r["InstanceId"]: r["Status"]["Code"] for r in requests if r.get("InstanceId")}


def lifecycle(state: str, spot_status: str = "", state_reason: str = "") -> tuple[Lifecycle, str]:
    """What EC2 itself says of an instance, and why it is not in service."""
    found = STATES.get(state, Lifecycle.IN_SERVICE)
    if state in _UP and spot_status:
        return Lifecycle.LEAVING, LifecycleReason.SPOT_INTERRUPTION.told(spot_status)
    if found is Lifecycle.IN_SERVICE:
        return found, ""
    if found is Lifecycle.STARTING:
        return found, LifecycleReason.LAUNCH.told(state)
    return found, _REASONS.get(state_reason, LifecycleReason.SHUTDOWN).told(state_reason or state)


def transform(place: Place, raw: Raw) -> Resource | None:
    state = raw["State"]["Name"]
    if state == "terminated":  # AWS lists these for an hour, with the address that they had
        return None
    tags = tag_map(raw.get("Tags"))
    instance = raw["InstanceId"]
    addresses = (raw.get("PrivateIpAddress"), raw.get("Ipv6Address"))
    spot_status = raw.get("SpotStatus") or ""
    # EC2 keeps the reason of the last stop when it starts the instance again.
    state_reason = "" if state in _UP else (raw.get("StateReason") or {}).get("Code") or ""
    meaning, reason = lifecycle(state, spot_status, state_reason)
    return Resource(
        arn=f"arn:{place.partition}:ec2:{place.region}:{place.account}:instance/{instance}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=instance,
        name=tags.get("Name", ""),
        addresses=tuple(a for a in addresses if a),
        state=state,
        lifecycle=meaning,
        lifecycle_reason=reason,
        tags=tags,
        attributes=present(
            {
                "instance_type": raw.get("InstanceType"),
                "zone": raw.get("Placement", {}).get("AvailabilityZone"),
                "image": raw.get("ImageId"),
                "architecture": raw.get("Architecture"),
                "platform": raw.get("Platform"),
                "market": raw.get("InstanceLifecycle", "on-demand"),
                "spot_status": spot_status,
                "state_reason": state_reason,
                "private_dns": raw.get("PrivateDnsName"),
                "subnet": raw.get("SubnetId"),
                "vpc": raw.get("VpcId"),
            }
        ),
        launched=timestamp(raw.get("LaunchTime")),
    )


_READ = (
    *("Architecture", "ImageId", "InstanceId", "InstanceLifecycle", "InstanceType", "Ipv6Address"),
    *("LaunchTime", "Placement.AvailabilityZone", "Platform", "PrivateDnsName", "PrivateIpAddress"),
    *("State.Name", "StateReason.Code", "SubnetId", "Tags", "VpcId"),
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
    calls={
        "DescribeInstances": "ec2:DescribeInstances",
        "DescribeSpotInstanceRequests": "ec2:DescribeSpotInstanceRequests",
    },
    fetch=fetch,
    transform=transform,
    reads={"DescribeInstances": tuple(f"Reservations.Instances.{member}" for member in _READ)},
    states=STATES,
    namespaces=("AWS/EC2",),
    dimensions=dimensions,
    facts=facts,
    ended=lambda raw: str(raw["InstanceId"]),
    fact_names=("asg", "emr_cluster", "emr_role", "instance_type", "market", "zone"),
)
