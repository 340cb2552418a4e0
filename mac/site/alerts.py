"""Every alert of the catalogue with what people have to know of it, wherever it is declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mac import conventions, markdown, rules, slo
from mac.model import AlertSeverity, Service, Standard, StandardAlert, Text
from mac.site import places
from mac.site.material import Material
from mac.templating import Mode, Names, TemplateError, template


@dataclass(frozen=True, slots=True)
class Runbook:
    """Where an alert is explained: a page of the site and a section of it, or an address elsewhere."""

    page: str = ""
    anchor: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert. `page` and `anchor`: where the site describes it. `meaning`: a sentence or two, or "".

    `service` is empty for an alert of a standard, else it is the service whose SLO this is of.
    """

    alert: StandardAlert
    severity: AlertSeverity
    standard: Standard
    page: str
    anchor: str
    runbook: Runbook
    meaning: str
    service: str = ""

    @property
    def waits(self) -> str:
        """How long the condition must hold, with the standard's own parameters."""
        return _by_default(self.alert.for_, self.standard)

    @property
    def stays(self) -> str:
        """How long it goes on firing when the condition no longer holds."""
        return _by_default(self.alert.keep_firing_for, self.standard)


class Library:
    """The alerts and the runbooks, read once."""

    def __init__(self, material: Material) -> None:
        self.runbooks = {page: markdown.read(text) for page, text in sorted(material.runbooks.items())}
        base = material.catalog.project.runbooks
        self._pages = {conventions.runbook_address(base, page): page for page in self.runbooks}
        self._tiers = material.catalog.project.page_tiers
        self.of_standard: Mapping[str, tuple[Entry, ...]] = {
            name: tuple(self._entries(standard, places.standard(name), ""))
            for name, standard in sorted(material.catalog.standards.items())
        }
        self.of_slos: Mapping[str, tuple[Entry, ...]] = {
            name: tuple(self._of_slos(service, material.catalog.standards))
            for name, service in sorted(material.catalog.services.items())
        }

    @property
    def all(self) -> tuple[Entry, ...]:
        """Those of standards, then those of SLOs; by name."""
        standards = [entry for entries in self.of_standard.values() for entry in entries]
        slos = [entry for entries in self.of_slos.values() for entry in entries]
        return (*_by_name(standards), *_by_name(slos))

    def runbook(self, address: str) -> Runbook:
        """What is meant by an address that alerts link to."""
        before, _, anchor = address.partition("#")
        page = self._pages.get(before, "")
        if not page:
            return Runbook(address=address)
        return Runbook(page, anchor if anchor in self.runbooks[page].anchors else "")

    def _entries(
        self, standard: Standard, page: str, service: str, *, tier: int | None = None
    ) -> Iterator[Entry]:
        for alert in standard.alerts:
            runbook = self.runbook(alert.runbook or standard.runbook)
            meaning = self.runbooks[runbook.page].opening(runbook.anchor) if runbook.page else ""
            name = conventions.alert_anchor(alert.alert)
            yield Entry(
                alert,
                rules.severity(alert.severity, pages=tier is None or tier in self._tiers),
                standard,
                page,
                f"{standard.name}-{name}" if service else name,
                runbook,
                meaning.removeprefix("Meaning.").strip(),
                service,
            )

    def _of_slos(self, service: Service, standards: Mapping[str, Standard]) -> Iterator[Entry]:
        for objective in service.slos:
            indicator = slo.find(objective, standards)
            if indicator is not None:
                compiled = slo.standard(objective, indicator, standards)
                page = places.service(service.name)
                yield from self._entries(compiled, page, service.name, tier=service.tier)


def _by_default(text: Text, standard: Standard) -> str:
    """A duration as it is where nobody sets a parameter, else as it is written."""
    try:
        return template(text.text, Mode.EXPRESSION).render({"p": Names(standard.defaults)})
    except TemplateError:
        return text.text


def _by_name(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda e: (e.alert.alert, e.service, e.anchor))
