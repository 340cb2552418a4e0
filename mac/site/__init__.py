"""The catalogue as a static site: services, alerts, standards, teams, runbooks, coverage, exemptions.

It opens from disk and needs nothing from anywhere: all links are relative, styles and scripts are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mac import conventions, coverage_report, markup, rules
from mac.coverage import State
from mac.model import AlertSeverity, Service, Slo
from mac.site import places, search
from mac.site.alerts import Entry, Library
from mac.site.fleet import Fleet, Watch
from mac.site.material import Dashboard, Material, Observed

__all__ = ["Dashboard", "Material", "Observed", "render"]

_HERE = Path(__file__).resolve().parent
_TEMPLATES = _HERE / "templates"
_ASSETS = {places.STYLE: "site.css", places.SCRIPT: "site.js"}
_SECTIONS = (
    ("Services", places.SERVICES),
    ("Alerts", places.ALERTS),
    ("Standards", places.STANDARDS),
    ("Teams", places.TEAMS),
    ("Runbooks", places.RUNBOOKS),
    ("Coverage", places.COVERAGE),
    ("Exemptions", places.EXEMPTIONS),
)

Page = tuple[str, str, Mapping[str, Any]]
"""Where it lies, its template, and what is special to it."""


def render(material: Material) -> Mapping[str, bytes]:
    """Path → content of every file of the site. The same material gives the same bytes."""
    library, fleet = Library(material), Fleet(material)
    files = {path: (_HERE / "assets" / name).read_bytes() for path, name in _ASSETS.items()}
    files[places.INDEX] = search.index(material, library)
    shared = {
        "catalog": material.catalog,
        "material": material,
        "library": library,
        "fleet": fleet,
        "places": places,
        "sections": _SECTIONS,
        "states": [state.value for state in State],
        "severities": [severity.value for severity in AlertSeverity],
    }
    for path, template, special in _pages(material, library, fleet):
        link: Callable[..., str] = partial(places.link, path)
        names = {**shared, "path": path, "root": "../" * path.count("/"), "link": link, **special}
        files[path] = markup.page(_TEMPLATES, template, names).encode()
    return dict(sorted(files.items()))


def _pages(material: Material, library: Library, fleet: Fleet) -> Iterator[Page]:
    catalog = material.catalog
    percent = coverage_report.shown_percent(fleet.coverage.percent) if fleet.coverage else ""
    yield places.HOME, "home.html", {"percent": percent}
    yield (
        places.SERVICES,
        "services.html",
        {"services": [_service(n, material, fleet) for n in material.services]},
    )
    yield places.ALERTS, "alerts.html", {"entries": library.all}
    yield places.STANDARDS, "standards.html", {}
    yield places.TEAMS, "teams.html", {}
    yield places.RUNBOOKS, "runbooks.html", {}
    yield places.COVERAGE, "coverage.html", {"percent": percent, "State": State}
    yield places.EXEMPTIONS, "exemptions.html", {"today": material.today.isoformat()}
    for name in material.services:
        yield places.service(name), "service.html", _service_page(name, material, library, fleet)
    for name, standard in sorted(catalog.standards.items()):
        path = places.standard(name)
        shown = {
            "standard": standard,
            "entries": library.of_standard[name],
            "explained": partial(_explained, path, library),
            "runbook": library.runbook(standard.runbook),
            "used_by": sorted(s.name for s in catalog.standards.values() if name in s.depends_on),
        }
        yield path, "standard.html", shown
    for name, team in sorted(catalog.teams.items()):
        owned = [n for n in material.services if _owner(n, material, fleet) == name]
        yield places.team(name), "team.html", {"team": team, "owned": owned}
    for page, text in library.runbooks.items():
        path = places.runbook(page)
        body = text.html(places.follow(path, page, library.runbooks))
        about = [entry for entry in library.all if entry.runbook.page == page and not entry.service]
        yield (
            path,
            "runbook.html",
            {"page": page, "title": text.title or page, "body": body, "entries": about},
        )


def _service(name: str, material: Material, fleet: Fleet) -> Mapping[str, Any]:
    """What the list of services says of one."""
    service = material.catalog.services.get(name)
    tier = service.tier if service else fleet.undeclared[name][1]
    return {"name": name, "service": service, "owner": _owner(name, material, fleet), "tier": tier}


def _owner(name: str, material: Material, fleet: Fleet) -> str:
    service = material.catalog.services.get(name)
    return service.owner if service else fleet.undeclared[name][0]


def _service_page(name: str, material: Material, library: Library, fleet: Fleet) -> Mapping[str, Any]:
    services = material.catalog.services
    service = services.get(name)
    watches = fleet.by_service.get(name, ())
    standards = sorted({watch.standard for watch in watches if watch.standard in library.of_standard})
    observed = material.observed
    dashboard = observed.dashboards.get(name) if observed else None
    dependents = sorted(s.name for s in services.values() if name in s.depends_on)
    shown = _service(name, material, fleet)
    tiers = material.catalog.project.page_tiers
    silenced = _silenced(watches)
    return {
        **shown,
        "watches": watches,
        "alerts": [
            (
                entry,
                rules.severity(entry.severity, pages=shown["tier"] in tiers),
                silenced.get(entry.alert.alert, ()),
            )
            for standard in standards
            for entry in library.of_standard[standard]
        ],
        "slos": list(_slos(service, library)) if service else [],
        "explained": partial(_explained, places.service(name), library),
        "dashboard": dashboard,
        "grafana": f"{material.grafana.rstrip('/')}/d/{dashboard.uid}"
        if dashboard and material.grafana
        else "",
        "dependents": dependents,
        "today": material.today.isoformat(),
    }


def _slos(service: Service, library: Library) -> Iterator[tuple[Slo, str, list[Entry]]]:
    """Each SLO, its objective in percent, and its alerts."""
    for slo in service.slos:
        name = conventions.slo_standard(slo.name)
        own = [entry for entry in library.of_slos[service.name] if entry.standard.name == name]
        yield slo, f"{slo.objective * 100:.12g}", own


def _silenced(watches: tuple[Watch, ...]) -> Mapping[str, list[str]]:
    """Alert → the environments in which an exemption leaves it out."""
    found: dict[str, list[str]] = {}
    for watch in watches:
        for alert in watch.silenced:
            found.setdefault(alert, []).append(watch.environment)
    return found


def _explained(path: str, library: Library, entry: Entry) -> markup.Html | None:
    """What the runbook says of an alert, as the page `path` shows it."""
    runbook = entry.runbook
    if not runbook.page:
        return None
    lead = places.follow(path, runbook.page, library.runbooks)
    return library.runbooks[runbook.page].section(runbook.anchor, lead)
