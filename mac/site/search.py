"""What every page's search field looks through: a script, since a page from disk may fetch nothing."""

from __future__ import annotations

from collections.abc import Iterator

from mac import emit
from mac.markup import clean
from mac.site import places
from mac.site.alerts import Library
from mac.site.material import Material

Entry = tuple[str, str, str, str]
"""What it is, its name, its address from the top of the site, further words to find it by."""


def index(material: Material, library: Library) -> bytes:
    rows = [[clean(text) for text in entry] for entry in _entries(material, library)]
    return b"const MAC_INDEX = " + emit.json_rows(rows).rstrip(b"\n") + b";\n"


def _entries(material: Material, library: Library) -> Iterator[Entry]:
    catalog = material.catalog
    for name in material.services:
        service = catalog.services.get(name)
        words = f"{service.title} {service.description} {service.owner}" if service else ""
        yield "service", name, places.link("", places.service(name)), words
    for entry in library.all:
        address = places.link("", entry.page, entry.anchor)
        words = f"{entry.severity} {entry.service} {entry.standard.name} {entry.meaning}"
        name = f"{entry.alert.alert} ({entry.service})" if entry.service else entry.alert.alert
        yield "alert", name, address, words
    for name, standard in sorted(catalog.standards.items()):
        words = f"{standard.title} {standard.applies_to.kind} {standard.description}"
        yield "standard", name, places.link("", places.standard(name)), words
    for name, team in sorted(catalog.teams.items()):
        yield "team", name, places.link("", places.team(name)), team.title
    for page, text in library.runbooks.items():
        yield "runbook", text.title or page, places.link("", places.runbook(page)), page
