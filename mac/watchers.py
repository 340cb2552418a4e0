"""Who watches the watchers: monitoring's own parts, as resources of the kind `monitoring` and their labels.

Pure. mac.yaml says where they answer. They are in no snapshot, and `mac coverage` does not count them.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac import conventions
from mac.kinds import monitoring
from mac.model import Cell, Project, Resource

PROMETHEUS, ALERTMANAGER, CLOUDWATCH_EXPORTER = "prometheus", "alertmanager", "cloudwatch-exporter"
MAC_SYNC = "mac-sync"
"""The roles."""

_PORTS = {PROMETHEUS: 9090, ALERTMANAGER: 9093, CLOUDWATCH_EXPORTER: 5000, MAC_SYNC: 9877}


def parts(project: Project, cell: Cell, *, cloudwatch: bool) -> Iterator[tuple[Resource, dict[str, str]]]:
    """The parts that a cell's Prometheus sees. `cloudwatch`: whether it collects from CloudWatch."""
    yield _part(cell, PROMETHEUS, project.own_address)
    for address in project.alertmanagers:
        yield _part(cell, ALERTMANAGER, address)
    if cloudwatch:
        yield _part(cell, CLOUDWATCH_EXPORTER, project.cloudwatch_exporter)
    if project.mac_sync:
        yield _part(cell, MAC_SYNC, project.mac_sync)


def _part(cell: Cell, role: str, address: str) -> tuple[Resource, dict[str, str]]:
    host, _, port = address.rpartition(":")
    resource = Resource(
        arn=f"mac:{monitoring.NAME}:{cell.name}:{role}:{address}",
        kind=monitoring.NAME,
        account=cell.account,
        region=cell.region,
        id=address,
        name=role,
        addresses=(host,),
        # Where a standard says 9093 and mac.yaml another port, it is found as a container's port is.
        attributes={"host_ports": {str(_PORTS[role]): int(port)}},
    )
    labels = {
        conventions.SERVICE: conventions.MONITORING,
        conventions.ENVIRONMENT: conventions.EVERYWHERE,
        conventions.ROLE: role,
        conventions.ACCOUNT: cell.account,
        conventions.REGION: cell.region,
        conventions.RESOURCE_ID: address,
    }
    return resource, labels
