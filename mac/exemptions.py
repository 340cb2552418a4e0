"""What a service leaves out of its standards, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from mac import conventions
from mac.model import Catalog, Service, Standard
from mac.problems import Problem, Severity


def holds(expires: str, today: date) -> bool:
    """Whether an exemption's last day is still to come, or today."""
    return date.fromisoformat(expires) >= today


def exempt(catalog: Catalog, labels: Mapping[str, str], standard: Standard, today: date) -> bool:
    """Whether a whole standard is left out for a service in its environment."""
    service = catalog.services.get(labels[conventions.SERVICE])
    return service is not None and any(
        e.standard == standard.name and not e.alert and holds(e.expires, today)
        for e in service.exemptions
        if e.environment in ("", labels[conventions.ENVIRONMENT])
    )


def expired(catalog: Catalog, today: date) -> list[Problem]:
    """A warning for each exemption that has ended."""
    return [
        Problem(
            exemption.location,
            "exemption-expired",
            f"the exemption of {exemption.alert or exemption.standard} ended on {exemption.expires} "
            "and no longer holds",
            "remove it, or give it a new date and a reason that still stands",
            Severity.WARNING,
        )
        for service in catalog.services.values()
        for exemption in service.exemptions
        if not holds(exemption.expires, today)
    ]


def silenced(document: Service | None, standard_name: str, environment: str, today: date) -> frozenset[str]:
    """The alerts of a standard that exemptions leave out."""
    return frozenset(
        e.alert
        for e in (document.exemptions if document else ())
        if e.alert and e.standard == standard_name and holds(e.expires, today)
        if e.environment in ("", environment)
    )
