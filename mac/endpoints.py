"""Which endpoints a standard probes on a resource, by which modules, and those that a service declares."""

from __future__ import annotations

from collections.abc import Mapping

from mac import conventions, kinds
from mac.kinds import endpoint as declared
from mac.model import Cell, Endpoint, Probe, ProbeModule, Project, Resource, Service, ServiceEndpoint
from mac.probe_model import MODULES, SCHEMES

KIND = declared.NAME


def modules(project: Project) -> Mapping[str, ProbeModule]:
    """By name: mac's own, and those of the repository, which may take the place of one of these."""
    return {**MODULES, **project.probe_modules}


def of(probe: Probe, resource: Resource, known: Mapping[str, ProbeModule]) -> tuple[Endpoint, ...]:
    """What to probe on a resource; nothing where it has no endpoint. `known`: all modules.

    A standard's module takes the place of an endpoint's where it speaks the same protocol.
    """
    found = _at_port(probe, resource) if probe.port else kinds.all_kinds()[resource.kind].endpoints(resource)
    return tuple(Endpoint(each.url, _module(probe, each, known)) for each in found)


def _at_port(probe: Probe, resource: Resource) -> tuple[Endpoint, ...]:
    port = resource.port(probe.port)
    if not resource.addresses or port is None:
        return ()
    address = resource.addresses[0]
    host = f"[{address}]" if ":" in address else address
    return (Endpoint(f"{probe.scheme}://{host}:{port}", SCHEMES[probe.scheme][1]),)


def _module(probe: Probe, endpoint: Endpoint, known: Mapping[str, ProbeModule]) -> str:
    prober, _ = SCHEMES[endpoint.url.partition("://")[0]]
    fits = probe.module in known and known[probe.module].prober == prober
    return probe.module if fits else endpoint.module


def resource(service: Service, own: ServiceEndpoint, cell: Cell | None) -> Resource:
    """An endpoint that a service declares, as a resource in the cell that probes it, if there is one."""
    account, region = (cell.account, cell.region) if cell else ("", "")
    return declared.resource(own.endpoint, account, region, service.name)


def labels(service: Service, environment: str, found: Resource) -> dict[str, str]:
    """Those of an endpoint that a service declares."""
    return {
        conventions.SERVICE: service.name,
        conventions.ENVIRONMENT: environment,
        conventions.ACCOUNT: found.account,
        conventions.REGION: found.region,
        conventions.RESOURCE_ID: found.id,
    }
