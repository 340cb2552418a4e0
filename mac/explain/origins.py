"""Documents that something comes from, with the places where they are written."""

from __future__ import annotations

from collections.abc import Iterable

from mac.explain.known import Known
from mac.explain.model import Origin
from mac.source import Pointer


def standards(names: Iterable[str], known: Known) -> list[Origin]:
    """Those of these names that there are."""
    return [
        Origin("standard", name, str(known.catalog.standards[name].location))
        for name in sorted(names)
        if name in known.catalog.standards
    ]


def service(name: str, known: Known) -> list[Origin]:
    found = known.catalog.services.get(name)
    return [Origin("service", found.name, str(found.location))] if found else []


def team(name: str, known: Known, *within: Pointer) -> list[Origin]:
    """`within`: the first of these that its document has is shown."""
    found = known.catalog.teams.get(name)
    if found is None:
        return []
    places = (known.place(found.location.path, pointer) for pointer in within)
    place = next((place for place in places if place.line), found.location)
    return [Origin("team", name, str(place))]


def setting(name: str, known: Known) -> list[Origin]:
    """A key of mac.yaml, such as prometheus.scrape_interval; where it is not written, the default holds."""
    project = known.catalog.project
    place = known.place(project.location.path, ("spec", *name.split(".")))
    if place.line:
        return [Origin("setting", name, str(place))]
    return [Origin("setting", name, f"{project.location.path}, which does not say: the default holds")]
