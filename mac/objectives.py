"""Where the SLOs of services are measured: a binding in each place that has what their indicators need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from mac import conventions, exemptions, slo
from mac.model import Binding, Catalog, Cell, Service
from mac.problems import Problem, Severity


def bindings(catalog: Catalog, bound: tuple[Binding, ...], today: date) -> Iterator[Binding]:
    """The SLOs of every service, in each place where it has what they measure."""
    places: dict[tuple[Cell, str, str], list[Binding]] = defaultdict(list)
    for binding in bound:
        places[binding.cell, binding.environment, binding.service].append(binding)
    for (_, environment, name), own in places.items():
        service = catalog.services.get(name)
        for objective in service.slos if service else ():
            found = [b for b in own if objective.standard in ("", b.standard.name)]
            indicator = slo.find(objective, catalog.standards)
            if not found or indicator is None or objective.environment not in ("", environment):
                continue
            compiled = slo.standard(objective, indicator, catalog.standards)
            labels = {conventions.SERVICE: name, conventions.ENVIRONMENT: environment}
            if exemptions.exemption(catalog, labels, compiled, today) is None:
                measured = found[0]
                yield replace(
                    measured,
                    standard=compiled,
                    members=measured.members if objective.standard else (),
                    partitions=(replace(measured.partitions[0], override=""),),
                    silenced=exemptions.silenced(service, compiled.name, environment, today),
                )


def unmeasured(
    catalog: Catalog, bound: tuple[Binding, ...], measured: tuple[Binding, ...]
) -> Iterator[Problem]:
    """SLOs that are rendered nowhere although their service has resources."""
    present = {b.service for b in bound}
    rendered = {(b.service, b.standard.name) for b in measured}
    for name, service in catalog.services.items():
        for objective in service.slos:
            own = conventions.slo_standard(objective.name)
            if name not in present or (name, own) in rendered or _is_exempted(service, own):
                continue
            where = f" in {objective.environment}" if objective.environment else ""
            what = f"what the standard {objective.standard} watches" if objective.standard else "any resource"
            yield Problem(
                objective.location,
                "slo-unbound",
                f"{name} has not {what}{where}, so nothing measures its SLO {objective.name}",
                "remove it, or see why the inventory does not have it",
                Severity.WARNING,
            )


def _is_exempted(service: Service, standard: str) -> bool:
    return any(e.standard == standard and not e.alert for e in service.exemptions)
