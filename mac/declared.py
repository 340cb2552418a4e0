"""Where the endpoints that services declare are probed, and by which standards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mac import conventions, endpoints, exemptions
from mac.model import Catalog, Cell, Resource, ServiceEndpoint, Spared, Standard, Unbound
from mac.problems import Problem, Severity, did_you_mean

Key = tuple[Cell, str, str, str]
"""Cell, environment, service and standard: what one binding is for."""

Placed = tuple[Key, Resource, dict[str, str]]
"""An endpoint, with its labels, and the binding that it belongs to."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The endpoints that services declare: all with their labels, and what becomes of each."""

    known: tuple[tuple[Resource, Mapping[str, str]], ...] = ()
    placed: tuple[Placed, ...] = ()
    spared: tuple[Spared, ...] = ()
    unbound: tuple[Unbound, ...] = ()
    problems: tuple[Problem, ...] = ()


def place(
    catalog: Catalog,
    bound: Collection[Key],
    cells: Sequence[Cell],
    today: date,
    matches: Callable[[Standard, Mapping[str, str]], bool],
) -> Declared:
    """Every declared endpoint under the standards for it, and a warning for each that nothing probes.

    One is probed from a single cell, or an outage would be told as often as the service has cells: from the
    one that it names, else the first in which the service has something, else the first of all.
    """
    known: list[tuple[Resource, Mapping[str, str]]] = []
    placed: list[Placed] = []
    spared: list[Spared] = []
    unbound: list[Unbound] = []
    problems: list[Problem] = []
    places: dict[tuple[str, str], set[Cell]] = defaultdict(set)
    for cell, environment, name, _ in bound:
        places[name, environment].add(cell)
    by_name = {cell.name: cell for cell in cells}
    standards = [
        s for _, s in sorted(catalog.standards.items()) if s.applies_to.kind == endpoints.KIND and s.probe
    ]
    for service in catalog.services.values():
        for own in service.endpoints:
            environment = own.environment or _usual_environment(catalog)
            near = sorted(places[service.name, environment]) or cells
            chosen = by_name.get(own.cell) if own.cell else next(iter(near), None)
            resource = endpoints.resource(service, own, chosen)
            labels = endpoints.labels(service, environment, resource)
            known.append((resource, labels))
            watching = [s for s in standards if matches(s, labels)]
            if chosen is None or not watching:
                problem = _no_standard(own) if chosen else _no_cell(own, by_name)
                problems.append(problem)
                unbound.append(Unbound(resource, problem.code, problem.message))
                continue
            before = len(placed)
            for standard in watching:
                exemption = exemptions.exemption(catalog, labels, standard, today)
                if exemption:
                    spared.append(Spared(resource, standard.name, exemption))
                else:
                    placed.append(((chosen, environment, service.name, standard.name), resource, labels))
            if len(placed) == before:
                unbound.append(Unbound(resource, "exempt", "its service exempts it from every standard"))
    return Declared(tuple(known), tuple(placed), tuple(spared), tuple(unbound), tuple(problems))


def _usual_environment(catalog: Catalog) -> str:
    """That of a resource without a tag."""
    source = next((s for s in catalog.project.labels if s.label == conventions.ENVIRONMENT), None)
    return source.default if source and source.default else "default"


def _no_standard(own: ServiceEndpoint) -> Problem:
    message = f"no standard for the kind {endpoints.KIND} is for {own.endpoint.url}"
    return Problem(own.location, "endpoint-unprobed", message, "", Severity.WARNING)


def _no_cell(own: ServiceEndpoint, known: Mapping[str, Cell]) -> Problem:
    where = f'there is no cell "{own.cell}"' if own.cell else "there is no cell"
    message = f"{where}, so nothing probes {own.endpoint.url}"
    hint = did_you_mean(own.cell, known)
    return Problem(own.location, "endpoint-unprobed", message, hint, Severity.WARNING)
