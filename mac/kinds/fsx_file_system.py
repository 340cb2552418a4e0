"""FSx file systems: Lustre, Windows File Server, NetApp ONTAP, OpenZFS."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, dimension, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "fsx-file-system"

STATES = {
    "CREATING": Lifecycle.STARTING,
    "AVAILABLE": Lifecycle.IN_SERVICE,
    "UPDATING": Lifecycle.IN_SERVICE,
    "MISCONFIGURED": Lifecycle.IN_SERVICE,
    "MISCONFIGURED_UNAVAILABLE": Lifecycle.IN_SERVICE,
    "FAILED": Lifecycle.IN_SERVICE,
    "DELETING": Lifecycle.LEAVING,
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    yield from api.pages("DescribeFileSystems", "FileSystems", size=1000)


def transform(place: Place, raw: Raw) -> Resource:
    identifier, state, tags = raw["FileSystemId"], raw.get("Lifecycle") or "", tag_map(raw.get("Tags"))
    return Resource(
        arn=raw["ResourceARN"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=identifier,
        name=tags.get("Name", ""),
        addresses=tuple(a for a in (raw.get("DNSName"),) if a),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tags,
        attributes=present(
            {
                "type": raw["FileSystemType"].lower(),
                "storage_type": (raw.get("StorageType") or "").lower(),
                "storage_bytes": (raw.get("StorageCapacity") or 0) * 1024**3 or None,
                "vpc": raw.get("VpcId"),
            }
        ),
        launched=timestamp(raw.get("CreationTime")),
    )


KIND = Kind(
    name=NAME,
    title="FSx file system",
    service="fsx",
    calls={"DescribeFileSystems": "fsx:DescribeFileSystems"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/FSx",),
    dimensions=dimension("FileSystemId"),
    facts=attribute_facts("storage_type", "type"),
    fact_names=("storage_type", "type"),
)
