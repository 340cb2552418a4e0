"""The parts of monitoring itself: each cell's Prometheus, its CloudWatch exporter, every Alertmanager, mac.

mac.yaml tells them (see `mac.watchers`), no call. Which part one is stands in its role.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw
from mac.model import Resource

NAME = "monitoring"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    raise TypeError("mac.yaml tells where monitoring runs, not AWS")


def transform(place: Place, raw: Raw) -> Resource | None:
    raise TypeError("mac.yaml tells where monitoring runs, not AWS")


KIND = Kind(
    name=NAME,
    title="part of monitoring itself",
    service="",
    calls={},
    fetch=fetch,
    transform=transform,
)
