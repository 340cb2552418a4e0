"""What a service leaves out of its standards, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from mac import conventions
from mac.model import Catalog, Exemption, Service, Standard
from mac.problems import Problem, Severity


def holds(expires: str, today: date) -> bool:
    """Whether an exemption's last day is still to come, or today."""
    return date.fromisoformat(expires) >= today


def exemption(
    catalog: Catalog, labels: Mapping[str, str], standard: Standard, today: date
) -> Exemption | None:
    """What leaves a whole standard out for the service of these labels, in its environment."""
    service = catalog.services.get(labels[conventions.SERVICE])
    return next(
        (
            e
            for e in (service.exemptions if service else ())
            if e.standard == standard.name and not e.alert and holds(e.expires, today)
            if e.environment in ("", labels[conventions.ENVIRONMENT])
        ),
        None,
    )


def expired(catalog: Catalog, today: date) -> list[Problem]:
    """A warning for each exemption that has ended."""
    exemptions = [e for service in catalog.services.values() for e in service.exemptions]
    written = [(e.alert or e.standard, e.expires, e.location) for e in exemptions]
    unwatched = [("unwatched resources", u.expires, u.location) for u in catalog.project.unwatched]
    return [
        Problem(
            location,
            "exemption-expired",
            f"the exemption of {what} ended on {expires} and no longer holds",
            "remove it, or give it a new date and a reason that still stands",
            Severity.WARNING,
        )
        for what, expires, location in (*written, *unwatched)
        if expires and not holds(expires, today)
    ]


def silenced(document: Service | None, standard_name: str, environment: str, today: date) -> frozenset[str]:
    """The alerts of a standard that exemptions leave out."""
    return frozenset(
        e.alert
        for e in (document.exemptions if document else ())
        if e.alert and e.standard == standard_name and holds(e.expires, today)
        if e.environment in ("", environment)
    )
