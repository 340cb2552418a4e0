"""What the site is made of: what engineers wrote, and what is known of the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from mac.bind import Bindings
from mac.coverage import Coverage
from mac.model import Catalog


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A generated dashboard: its file in the output, and the uid under which Grafana has it."""

    file: str
    uid: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What a snapshot adds. `dashboards`: service → the dashboard that is generated for it."""

    bindings: Bindings
    coverage: Coverage
    dashboards: Mapping[str, Dashboard] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Material:
    """`runbooks`: page, as below standards/runbooks ("host.md") → its Markdown. `today` says which exemptions
    have ended. `grafana`: the address of the Grafana that has the dashboards, or "".
    """

    catalog: Catalog
    runbooks: Mapping[str, str]
    today: date
    observed: Observed | None = None
    grafana: str = ""

    @property
    def services(self) -> tuple[str, ...]:
        """Those that have a document, and those that only have resources."""
        bound = {b.service for b in self.observed.bindings.bindings} if self.observed else set()
        return tuple(sorted({*self.catalog.services, *bound}))
