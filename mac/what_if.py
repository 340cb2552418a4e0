"""Parameters of services as they might be: `service.parameter=value`, for a forecast of a change to come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mac import parameters
from mac.model import Catalog, ParameterValue
from mac.problems import Location, Problem, ProblemsError, did_you_mean


def applied(catalog: Catalog, changes: Iterable[str]) -> Catalog:
    """The catalogue with each change, for all standards that have the parameter.

    Raises ProblemsError for what names no service or parameter, and for values that do not fit.
    """
    problems: list[Problem] = []
    for change in changes:
        catalog = _applied(catalog, change, problems)
    if problems:
        raise ProblemsError(problems)
    return catalog


def _applied(catalog: Catalog, change: str, problems: list[Problem]) -> Catalog:
    place = Location(f"--what-if {change}")
    left, equals, text = change.partition("=")
    name, dot, parameter = left.rpartition(".")
    if not equals or not dot:
        message = "a change is written service.parameter=value"
        problems.append(Problem(place, "wrong-value", message, "as in hdfs.down_ratio=0.2"))
        return catalog
    service = catalog.services.get(name)
    if service is None:
        hint = did_you_mean(name, catalog.services)
        problems.append(Problem(place, "unknown-service", f'there is no service "{name}"', hint))
        return catalog
    having = {
        s.name: s.parameters[parameter] for s in catalog.standards.values() if parameter in s.parameters
    }
    if not having:
        known = {each for standard in catalog.standards.values() for each in standard.parameters}
        message = f'no standard has a parameter "{parameter}"'
        problems.append(Problem(place, "unknown-parameter", message, did_you_mean(parameter, known)))
        return catalog
    merged: dict[str, dict[str, ParameterValue]] = {k: dict(v) for k, v in service.parameters.items()}
    faults: dict[str, str] = {}
    for standard, declared in having.items():
        value = parameters.from_text(declared, text)
        fault = "is not a number" if value is None else parameters.fault(declared, value)
        if fault or value is None:
            faults[standard] = fault
        else:
            merged.setdefault(standard, {})[parameter] = value
    if len(faults) == len(having):
        standard, fault = next(iter(faults.items()))
        message = f'"{text}" {fault}, for the parameter "{parameter}" of {standard}'
        problems.append(Problem(place, "parameter-value", message))
        return catalog
    changed = replace(service, parameters=merged)
    return replace(catalog, services={**catalog.services, name: changed})
