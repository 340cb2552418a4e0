"""Machines that are not in AWS: the file of other resources tells them, and no call.

Standards for EC2 instances that scrape them are for these as well; those that read CloudWatch are not.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds import ec2_instance
from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts
from mac.model import Resource

NAME = "machine"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    raise TypeError("a machine is listed in a file, not read from AWS")


def transform(place: Place, raw: Raw) -> Resource | None:
    raise TypeError("a machine is listed in a file, not read from AWS")


KIND = Kind(
    name=NAME,
    title="machine outside AWS",
    service="",
    calls={},
    fetch=fetch,
    transform=transform,
    like=ec2_instance.NAME,
    facts=attribute_facts("zone"),
    fact_names=("zone",),
)
