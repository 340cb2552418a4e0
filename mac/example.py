"""One made-up resource for each standard, so that standards are rendered and checked without an inventory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mac import conventions, slo
from mac.bind import Bindings
from mac.model import Account, Binding, Catalog, Cell, Member, Partition, Resource, Standard

SERVICE = "example"
ENVIRONMENT = "production"

_ACCOUNT = Account("123456789012", "example")
_REGION = "us-east-1"


def bindings(catalog: Catalog) -> Bindings:
    """Every standard bound once, with its default parameters, in one cell."""
    cell = Cell(conventions.cell_name(_ACCOUNT.name, _REGION), _ACCOUNT.id, _REGION)
    bound = tuple(_binding(catalog, cell, standard) for _, standard in sorted(catalog.standards.items()))
    bound += tuple(_objectives(catalog, bound))
    return Bindings(bound, (), (cell,) if bound else (), (), len(bound))


def _objectives(catalog: Catalog, bound: tuple[Binding, ...]) -> Iterator[Binding]:
    """Every SLO, of its own service. The queries of a standard's indicator see the standard's defaults."""
    by_name = {binding.standard.name: binding for binding in bound}
    for service in catalog.services.values():
        for objective in service.slos:
            indicator = slo.find(objective, catalog.standards)
            base = by_name.get(objective.standard) or next(iter(bound), None)
            if indicator is not None and base is not None:
                compiled = slo.standard(objective, indicator, catalog.standards)
                yield replace(base, service=service.name, standard=compiled, members=(), team=service.owner)


def _binding(catalog: Catalog, cell: Cell, standard: Standard) -> Binding:
    labels = {
        conventions.ACCOUNT: _ACCOUNT.id,
        conventions.ENVIRONMENT: ENVIRONMENT,
        conventions.REGION: _REGION,
        conventions.RESOURCE_ID: SERVICE,
        conventions.SERVICE: SERVICE,
    }
    return Binding(
        cell=cell,
        environment=ENVIRONMENT,
        service=SERVICE,
        standard=standard,
        team=catalog.project.default_team,
        tier=catalog.project.default_tier,
        members=(Member(_resource(standard), labels),),
        partitions=(Partition("", standard.defaults, 1),),
    )


def _resource(standard: Standard) -> Resource:
    # A load balancer's ARN and an ECS service's id have these shapes, and dimensions are cut out of them.
    arn = f"arn:aws:service:{_REGION}:{_ACCOUNT.id}:loadbalancer/app/{SERVICE}/0123456789abcdef"
    return Resource(
        arn=arn,
        kind=standard.applies_to.kind,
        account=_ACCOUNT.id,
        region=_REGION,
        id=f"{SERVICE}/{SERVICE}",
        name=SERVICE,
        addresses=("127.0.0.1",),
        attributes={"type": "application", "url": "https://example.com/", "module": "http_2xx"},
    )
