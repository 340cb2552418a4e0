"""What Grafana shows: a dashboard a service, an overview a team, and how Grafana finds the files.

A service's dashboard has the golden signals first, then a row for each standard's other panels. The data
source, the environment, the region and the cell are variables, so that one dashboard shows a service
everywhere.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from mac import conventions, grafana, promql, rules, templating
from mac.grafana import Annotation, Dashboard, Link, Row, Variable
from mac.model import SIGNALS, Addresses, Binding, Catalog, Panel, Project, Standard, Text
from mac.templating import Mode, Safe, TemplateError

Document = dict[str, Any]

_FILTERS = (conventions.ENVIRONMENT, conventions.REGION, conventions.CELL)
_LOCAL = (conventions.REGION, conventions.CELL)
"""A Prometheus that holds one cell leaves these off what it records; they are added to what it sends."""

_AUTO = "__auto"  # Grafana names a series by the labels in which it differs
_UPDATE_SECONDS = 30


def service(name: str, bindings: Iterable[Binding], catalog: Catalog) -> Document | None:
    """Grafana's JSON of a service's dashboard; None when its standards have no panels.

    Raises TemplateError for a panel that cannot be rendered.
    """
    bound = list(bindings)
    shown = [binding for binding in _by_standard(bound) if binding.standard.panels]
    if not shown:
        return None
    teams = sorted({binding.team for binding in bound})
    matcher = _matcher([name])
    standards = ", ".join(binding.standard.name for binding in shown)
    return grafana.document(
        Dashboard(
            uid=conventions.dashboard_uid(name),
            title=name,
            description=f"Generated from the standards {standards}.",
            tags=("mac", "service", *map(_team_tag, teams)),
            variables=_variables(_any_series(matcher, _metrics(shown))),
            annotations=(_firing(matcher),),
            links=(*_team_links(teams), *_service_links(name, bound, catalog)),
            rows=tuple(_rows(shown, catalog.project.addresses)),
        )
    )


def address(addresses: Addresses, bindings: Sequence[Binding]) -> str:
    """Where people see the dashboard of a service, for what one environment has in a cell; "" for nowhere.

    `bindings`: of that service, environment and cell.
    """
    if not addresses.grafana or not any(binding.standard.panels for binding in bindings):
        return ""
    place = bindings[0]
    chosen = {
        conventions.ENVIRONMENT: place.environment,
        conventions.REGION: place.cell.region,
        conventions.CELL: place.cell.name,
    }
    query = urlencode({f"var-{label}": value for label, value in chosen.items()}, quote_via=quote)
    return f"{addresses.grafana}d/{conventions.dashboard_uid(place.service)}?{query}"


def overview(team: str, bindings: Iterable[Binding], addresses: Addresses) -> Document:
    """Grafana's JSON of what a team looks at first: which of its services alert, burn, or do not answer."""
    bound = list(bindings)
    services = sorted({binding.service for binding in bound})
    matcher = _matcher(services)
    alerting = _without_variables(templating.matchers({conventions.TEAM: team}))
    return grafana.document(
        Dashboard(
            uid=conventions.team_dashboard_uid(team),
            title=f"Team {team}",
            description="Every service of the team: what alerts, what burns its error budget, what answers.",
            tags=("mac", "overview", _team_tag(team)),
            variables=_variables(_any_series(matcher, _metrics(_by_standard(bound)))),
            annotations=(_firing(alerting),),
            links=(
                Link("Services", tags=("mac", "service", _team_tag(team))),
                *_alertmanager_link(addresses, conventions.TEAM, team),
                *_site_link(addresses),
            ),
            rows=tuple(_overview_rows(bound, matcher, alerting)),
        )
    )


def provider(project: Project) -> Document:
    """The file in Grafana's provisioning/dashboards/ that makes it read the generated dashboards."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "mac",
                "type": "file",
                "folder": project.grafana.folder,
                "disableDeletion": False,
                "allowUiUpdates": False,
                "updateIntervalSeconds": _UPDATE_SECONDS,
                "options": {"path": project.grafana.path, "foldersFromFilesStructure": False},
            }
        ],
    }


def _by_standard(bindings: Iterable[Binding]) -> list[Binding]:
    """One binding of each standard, sorted by its name: panels do not depend on where they are bound."""
    found: dict[str, Binding] = {}
    for binding in bindings:
        found.setdefault(binding.standard.name, binding)
    return [found[name] for name in sorted(found)]


def _team_tag(team: str) -> str:
    return f"team: {team}"


# --- a service's panels ------------------------------------------------------------------------------


def _rows(bindings: list[Binding], addresses: Addresses) -> Iterator[Row]:
    by_signal: dict[str, list[tuple[Binding, Panel]]] = defaultdict(list)
    for binding in bindings:
        for panel in binding.standard.panels:
            by_signal[panel.signal].append((binding, panel))
    for signal in SIGNALS:
        if signal in by_signal:
            yield Row(signal.capitalize(), _panels(by_signal[signal], addresses))
    for binding in bindings:
        others = [(b, panel) for b, panel in by_signal[""] if b is binding]
        if others:
            yield Row(binding.standard.title, _panels(others, addresses))


def _panels(shown: list[tuple[Binding, Panel]], addresses: Addresses) -> tuple[grafana.Panel, ...]:
    """Panels of a row. Where two standards have one of the same title, each says whose it is."""
    owners: dict[str, set[str]] = defaultdict(set)
    for binding, panel in shown:
        owners[panel.title].add(binding.standard.name)
    return tuple(
        _panel(binding, panel, addresses, is_alone=len(owners[panel.title]) == 1) for binding, panel in shown
    )


def _panel(binding: Binding, panel: Panel, addresses: Addresses, *, is_alone: bool) -> grafana.Panel:
    standard = binding.standard
    context = _context(binding)
    return grafana.Panel(
        identity=f"{standard.name}\0{panel.title}",
        title=panel.title if is_alone else f"{panel.title} ({standard.title})",
        expr=_render(panel.expr, context),
        unit=panel.unit,
        description=panel.description,
        legend=_AUTO,
        threshold=_number(panel.threshold, context) if panel.threshold else None,
        links=tuple(_standard_links(standard, addresses)),
    )


def _context(binding: Binding) -> Mapping[str, Any]:
    # The variables must reach Grafana as they are; everything around them is escaped.
    scope = Safe(f"{_matcher([binding.service])},{_chosen()}")
    return {**rules.names(binding, binding.partitions[0], is_split=False), "scope": scope}


def _render(text: Text, context: Mapping[str, Any]) -> str:
    return templating.template(text.text, Mode.EXPRESSION).render(context).strip()


def _number(text: Text, context: Mapping[str, Any]) -> float | None:
    """The threshold where it is a number; a duration has no place on an axis."""
    try:
        number = float(_render(text, context))
    except (ValueError, TemplateError):
        return None
    return number if math.isfinite(number) else None


# --- a team's panels ---------------------------------------------------------------------------------


def _overview_rows(bindings: list[Binding], matcher: str, alerting: str) -> Iterator[Row]:
    firing = f'ALERTS{{alertstate="firing",{alerting},{_chosen()}}}'
    labels = (conventions.SERVICE, conventions.ENVIRONMENT, "alertname", conventions.SEVERITY)
    yield Row(
        "Alerts",
        (
            grafana.Panel(
                identity="firing now",
                title="Firing now",
                expr=f"sum by ({', '.join(labels)}) ({firing})",
                kind=grafana.TABLE,
                renamed=(*((label, label.capitalize()) for label in labels), ("Value", "Alerts")),
            ),
            _by_service("Firing alerts", f"sum by (service) ({firing})"),
        ),
    )
    scope = f"{matcher},{_chosen()}"
    if any(_is_objective(binding.standard) for binding in bindings):
        left = f"min by (service, slo) ({conventions.SLO_BUDGET_REMAINING}{{{scope}}})"
        failing = f"max by (service, slo) ({conventions.slo_ratio('1h')}{{{scope}}})"
        budget = f"max by (service, slo) (1 - {conventions.SLO_OBJECTIVE}{{{scope}}})"
        yield Row(
            "Error budgets",
            (
                _by_service("Error budget left", left, "percentunit", 0, legend="{{service}}: {{slo}}"),
                _by_service(
                    "Burn rate over an hour",
                    f"{failing} / {budget}",
                    threshold=1,
                    legend="{{service}}: {{slo}}",
                ),
            ),
        )
    if any(binding.standard.scrape for binding in bindings):
        up = f"avg by (service) (up{{{scope}}})"
        down = f"count by (service) (up{{{scope}}} == 0)"
        yield Row(
            "Targets",
            (_by_service("Targets that answer", up, "percentunit"), _by_service("Targets down", down)),
        )


def _by_service(
    title: str, expr: str, unit: str = "short", threshold: float | None = None, legend: str = "{{service}}"
) -> grafana.Panel:
    return grafana.Panel(title, title, expr, unit, legend=legend, threshold=threshold)


def _is_objective(standard: Standard) -> bool:
    return any(rule.record == conventions.SLO_BUDGET_REMAINING for rule in standard.recording)


# --- variables and annotations -----------------------------------------------------------------------


def _variables(selector: str) -> tuple[Variable, ...]:
    return tuple(Variable(label, selector) for label in _FILTERS)


def _chosen() -> str:
    """Matchers of what is chosen on the dashboard. A series without a label of _LOCAL is of every value."""
    return ",".join(
        f'{label}=~"${label}|"' if label in _LOCAL else f'{label}=~"${label}"' for label in _FILTERS
    )


def _firing(matcher: str) -> Annotation:
    return Annotation(
        name="Firing alerts",
        expr=f'ALERTS{{alertstate="firing",{matcher},{_chosen()}}}',
        title="{{alertname}}",
        text="{{service}} in {{environment}}",
        tags=(conventions.SEVERITY, conventions.STANDARD),
    )


def _matcher(services: list[str]) -> str:
    if len(services) == 1:
        return _without_variables(templating.matchers({conventions.SERVICE: services[0]}))
    pattern = "|".join(map(templating.re2_literal, services))
    return _without_variables(f'{conventions.SERVICE}=~"{pattern}"')


def _without_variables(matcher: str) -> str:
    """A matcher in which nothing is a variable of Grafana's: it writes them $x and [[x]]."""
    return matcher.replace("$", r"\x24").replace("[[", r"\x5b\x5b")


def _metrics(bindings: Iterable[Binding]) -> set[str]:
    """Metrics that a service has wherever it is: `up` of what is scraped, and for what is read from
    CloudWatch, which has no `up` of its own, those of its panels.
    """
    metrics = set()
    for binding in bindings:
        if binding.standard.scrape:
            metrics.add("up")
            continue
        context = _context(binding)
        for panel in binding.standard.panels:
            parsed = promql.parse(_render(panel.expr, context))
            if isinstance(parsed, promql.Expression):
                metrics |= parsed.metrics
    return metrics


def _any_series(matcher: str, metrics: set[str]) -> str:
    if len(metrics) == 1:
        return f"{min(metrics)}{{{matcher}}}"
    return f'{{__name__=~"{"|".join(sorted(metrics))}",{matcher}}}' if metrics else f"{{{matcher}}}"


# --- links -------------------------------------------------------------------------------------------


def _team_links(teams: Iterable[str]) -> Iterator[Link]:
    for team in teams:
        yield Link(f"Team {team}", f"/d/{conventions.team_dashboard_uid(team)}", keep=True)


def _service_links(name: str, bindings: Iterable[Binding], catalog: Catalog) -> Iterator[Link]:
    addresses = catalog.project.addresses
    cells = sorted({binding.cell.name for binding in bindings})
    if "{cell}" in addresses.prometheus:
        for cell in cells:
            base = addresses.prometheus.replace("{cell}", quote(cell, safe=""))
            yield Link(f"Alerts in Prometheus ({cell})", _prometheus_alerts(base, name))
    elif addresses.prometheus:
        yield Link("Alerts in Prometheus", _prometheus_alerts(addresses.prometheus, name))
    yield from _alertmanager_link(addresses, conventions.SERVICE, name)
    yield from _site_link(addresses)
    if addresses.repository:
        declared = catalog.services.get(name)
        if declared is not None and declared.location.path:
            yield Link("Service", addresses.repository + quote(declared.location.path))
        yield Link("Provenance", addresses.repository + quote(_provenance(catalog.project)))


def _provenance(project: Project) -> str:
    folder = project.output.strip("/").removeprefix("./")
    return conventions.PROVENANCE if folder in ("", ".") else f"{folder}/{conventions.PROVENANCE}"


def _prometheus_alerts(base: str, name: str) -> str:
    return f"{base}alerts?{urlencode({'search': name}, quote_via=quote, safe='')}"


def _alertmanager_link(addresses: Addresses, label: str, value: str) -> Iterator[Link]:
    if addresses.alertmanager:
        only = quote(f"{{{templating.matchers({label: value})}}}", safe="")
        yield Link("Alertmanager", f"{addresses.alertmanager}#/alerts?filter={only}")


def _site_link(addresses: Addresses) -> Iterator[Link]:
    if addresses.site:
        yield Link("Catalogue", addresses.site)


def _standard_links(standard: Standard, addresses: Addresses) -> Iterator[Link]:
    if standard.runbook:
        address = standard.runbook.replace("$", "%24").replace("[[", "%5B%5B")
        yield Link(f"Runbook: {standard.title}", address)
    if addresses.repository and standard.location.path:
        yield Link(f"Standard: {standard.name}", addresses.repository + quote(standard.location.path))
