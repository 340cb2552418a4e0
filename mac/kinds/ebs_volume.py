"""EBS volumes that are attached to an instance. A volume that is attached to none does no work.

Whether a volume's instance should answer is in `mac.links`: a stopped machine's disks say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "ebs-volume"

STATES = {
    "attaching": Lifecycle.STARTING,
    "attached": Lifecycle.IN_SERVICE,
    "busy": Lifecycle.IN_SERVICE,  # it is to be detached, and the instance still uses it
    "detaching": Lifecycle.LEAVING,
    "detached": Lifecycle.STOPPED,
}
"""Of the attachment: the volume itself is `in-use` in all of them."""


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    attached = [{"Name": "status", "Values": ["in-use"]}]
    yield from api.pages("DescribeVolumes", "Volumes", size=1000, Filters=attached)


def transform(place: Place, raw: Raw) -> Resource | None:
    attachments = sorted(
        (a for a in raw.get("Attachments") or () if a.get("InstanceId")), key=lambda a: str(a["InstanceId"])
    )
    if not attachments:  # a volume of a service of AWS's own, or one that was detached meanwhile
        return None
    # A volume of several instances is in service while it is so for one of them.
    states = [a.get("State") or "" for a in attachments]
    state = min(states, key=lambda s: _ORDER.index(STATES.get(s, Lifecycle.IN_SERVICE)))
    tags = tag_map(raw.get("Tags"))
    volume = raw["VolumeId"]
    made = f"arn:{place.partition}:ec2:{place.region}:{place.account}:volume/{volume}"
    return Resource(
        arn=raw.get("VolumeArn") or made,
        kind=NAME,
        account=place.account,
        region=place.region,
        id=volume,
        name=tags.get("Name", ""),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tags,
        links={"ec2-instance": tuple(a["InstanceId"] for a in attachments)},
        attributes=present(
            {
                "type": raw.get("VolumeType"),
                "size_bytes": (raw.get("Size") or 0) * 1024**3 or None,
                "iops": raw.get("Iops"),
                "throughput_bytes": (raw.get("Throughput") or 0) * 1024**2 or None,
                "zone": raw.get("AvailabilityZone"),
                "encrypted": raw.get("Encrypted"),
                "devices": {a["InstanceId"]: a["Device"] for a in attachments if a.get("Device")},
            }
        ),
        launched=timestamp(raw.get("CreateTime")),
    )


_ORDER = (Lifecycle.IN_SERVICE, Lifecycle.STARTING, Lifecycle.LEAVING, Lifecycle.STOPPED)


_READ = (
    *("Attachments.Device", "Attachments.InstanceId", "Attachments.State", "AvailabilityZone", "CreateTime"),
    *("Encrypted", "Iops", "Size", "Tags", "Throughput", "VolumeArn", "VolumeId"),
    "VolumeType",
)


def dimensions(resource: Resource) -> Dimensions:
    return (("VolumeId", resource.id),)


KIND = Kind(
    name=NAME,
    title="attached EBS volume",
    service="ec2",
    calls={"DescribeVolumes": "ec2:DescribeVolumes"},
    fetch=fetch,
    transform=transform,
    reads={"DescribeVolumes": tuple(f"Volumes.{member}" for member in _READ)},
    states=STATES,
    namespaces=("AWS/EBS",),
    dimensions=dimensions,
    facts=attribute_facts("type", "zone"),
    fact_names=("type", "zone"),
)
