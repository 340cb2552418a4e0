"""One Grafana dashboard a service: a row for each of its standards, alert thresholds drawn on the panels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from mac import conventions, promql, rules, templating
from mac.model import Binding, Panel, Text
from mac.templating import Mode, Safe, TemplateError

Document = dict[str, Any]

_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 2
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboard(service: str, bindings: Iterable[Binding]) -> Document | None:
    """Grafana's dashboard JSON (schema version 39) for a service; None when its standards have no panels.

    The environment and the data source, which is a cell's Prometheus or one behind them, are variables of the
    dashboard, so that one dashboard shows the service everywhere.
    Its uid is made from the service's name: links to it survive.
    """
    by_standard: dict[str, Binding] = {}
    for binding in bindings:
        if binding.standard.panels:
            by_standard.setdefault(binding.standard.name, binding)
    if not by_standard:
        return None
    panels: list[Document] = []
    y = 0
    for name in sorted(by_standard):
        binding = by_standard[name]
        panels.append(_row(len(panels) + 1, binding.standard.title, y))
        y += 1
        for index, panel in enumerate(binding.standard.panels):
            place = (index % _COLUMNS * _WIDTH, y + index // _COLUMNS * _HEIGHT)
            panels.append(_panel(len(panels) + 1, panel, binding, place))
        y += (len(binding.standard.panels) + 1) // _COLUMNS * _HEIGHT
    return {
        "uid": uid(service),
        "title": service,
        "tags": ["mac"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables(service, by_standard.values())},
        "panels": panels,
    }


def uid(service: str) -> str:
    """Under which Grafana has the dashboard of a service: `/d/<uid>`."""
    return "mac-" + hashlib.sha256(service.encode()).hexdigest()[:20]


def _variables(service: str, bindings: Iterable[Binding]) -> list[Document]:
    selector = _any_series(service, bindings)
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            "name": conventions.ENVIRONMENT,
            "label": conventions.ENVIRONMENT.capitalize(),
            "type": "query",
            "datasource": _DATASOURCE,
            "query": {
                "query": f"label_values({selector}, {conventions.ENVIRONMENT})",
                "refId": conventions.ENVIRONMENT,
            },
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
        },
    ]


def _any_series(service: str, bindings: Iterable[Binding]) -> str:
    """A selector of series that a service has wherever it is: `up` of what is scraped, and for what is read
    from CloudWatch, which has no `up` of its own, the series of its panels.
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
    matchers = _of_service(service)
    if len(metrics) == 1:
        return f"{metrics.pop()}{{{matchers}}}"
    return f'{{__name__=~"{"|".join(sorted(metrics))}",{matchers}}}' if metrics else f"{{{matchers}}}"


def _row(number: int, title: str, y: int) -> Document:
    place = {"h": 1, "w": 24, "x": 0, "y": y}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": place}


def _panel(number: int, panel: Panel, binding: Binding, place: tuple[int, int]) -> Document:
    context = _context(binding)
    threshold = _number(panel.threshold, context) if panel.threshold else None
    steps: list[Document] = [{"color": "green", "value": None}]
    if threshold is not None:
        steps.append({"color": "red", "value": threshold})
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": place[0], "y": place[1]},
        "targets": [{"refId": "A", "datasource": _DATASOURCE, "expr": _render(panel.expr, context)}],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "custom": {"thresholdsStyle": {"mode": "off" if threshold is None else "line"}},
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }


def _context(binding: Binding) -> Mapping[str, Any]:
    # The variable must reach Grafana as it is; everything around it is escaped.
    scope = Safe(_of_service(binding.service) + f',{conventions.ENVIRONMENT}=~"${conventions.ENVIRONMENT}"')
    return {**rules.names(binding, binding.partitions[0], is_split=False), "scope": scope}


def _of_service(service: str) -> str:
    """The matcher of a service, in which nothing is a variable of Grafana's: it writes them $x and [[x]]."""
    matcher = templating.matchers({conventions.SERVICE: service})
    return matcher.replace("$", r"\x24").replace("[[", r"\x5b\x5b")


def _render(text: Text, context: Mapping[str, Any]) -> str:
    return templating.template(text.text, Mode.EXPRESSION).render(context).strip()


def _number(text: Text, context: Mapping[str, Any]) -> float | None:
    """The threshold where it is a number; a duration has no place on an axis."""
    try:
        return float(_render(text, context))
    except (ValueError, TemplateError):
        return None
