"""Who sets a parameter of a standard, from the weakest to the strongest. Tags of single resources come last:
see `bind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mac.model import Catalog, ParameterValue, Service, Standard


@dataclass(frozen=True, slots=True)
class Layer:
    """What one of them says. `who`: standard, environment or service; `name`: which."""

    who: str
    name: str
    values: Mapping[str, ParameterValue]


def layers(
    catalog: Catalog, standard: Standard, environment: str, service: Service | None
) -> tuple[Layer, ...]:
    """All that documents say of a standard's parameters for a service, the weakest first."""
    project = catalog.project
    return (
        Layer("standard", standard.name, standard.defaults),
        Layer("environment", environment, project.environments.get(environment, {}).get(standard.name, {})),
        Layer(
            "service",
            service.name if service else "",
            service.parameters.get(standard.name, {}) if service else {},
        ),
    )


def settled(
    catalog: Catalog, standard: Standard, environment: str, service: Service | None
) -> dict[str, ParameterValue]:
    """The values that hold for what no tag says otherwise of."""
    values: dict[str, ParameterValue] = {}
    for layer in layers(catalog, standard, environment, service):
        values.update((k, v) for k, v in layer.values.items() if k in standard.parameters)
    return values
