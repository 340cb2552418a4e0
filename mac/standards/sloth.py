"""SLOs of sloth's specification `prometheus/v1` (github.com/slok/sloth, pkg/prometheus/api/v1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mac import schema
from mac.model import Indicator, Slo
from mac.problems import Problem, Severity, errors
from mac.source import Document, Pointer
from mac.standards import objectives, specifications
from mac.standards.specifications import SLOTH, Specified, not_carried

Raw = Mapping[str, Any]

_RUNBOOKS = ("runbook", "runbook_url")


def read(document: Document) -> tuple[tuple[Specified, ...], tuple[Problem, ...]]:
    """The SLOs of a document, and what of it is wrong or not carried."""
    data = document.data
    if data.get("version") != SLOTH:
        message = f"mac reads of sloth's formats only version: {SLOTH}"
        hint = "the Kubernetes resource is written as that: its spec with error_query in place of errorQuery"
        return (), (Problem(document.location(), "unknown-kind", message, hint),)
    found = [*schema.problems(document, "specifications/sloth")]
    if errors(found):
        return (), tuple(found)
    found += _more(document, (), data, "slo_plugins")
    slos = []
    for n, raw in enumerate(data.get("slos", ())):
        at: Pointer = ("slos", n)
        for item in _slo(document, at, raw):
            if isinstance(item, Problem):
                found.append(item)
            else:
                slos.append(Specified(data["service"], document.location(("service",)), item, document))
    return tuple(slos), tuple(found)


def _slo(document: Document, at: Pointer, raw: Raw) -> Iterator[Slo | Problem]:
    alerting = raw.get("alerting", {})
    labels: dict[str, str] = {}
    for place, given in (
        (("labels",), document.data.get("labels", {})),
        ((*at, "labels"), raw.get("labels", {})),
        ((*at, "alerting", "labels"), alerting.get("labels", {})),
    ):
        for item in specifications.labels(document, place, given):
            if isinstance(item, Problem):
                yield item
            else:
                labels[item[0]] = item[1]
    yield from _more(document, at, raw, "plugins", "interval")
    yield from _alerting(document, (*at, "alerting"), alerting)
    own = _indicator(document, (*at, "sli"), raw["sli"])
    if isinstance(own, Problem):
        yield own
        return
    name = specifications.name(raw["name"])
    if name != raw["name"]:
        yield not_carried(document, (*at, "name"), f"the SLO is named {name} here")
    annotations = alerting.get("annotations", {})
    runbook = next((annotations[key] for key in _RUNBOOKS if key in annotations), "")
    yield Slo(
        name=name,
        objective=objectives.share(raw["objective"]),
        description=raw.get("description", "").strip(),
        own=own,
        page=() if alerting.get("page_alert", {}).get("disable") else None,
        ticket=() if alerting.get("ticket_alert", {}).get("disable") else None,
        environment=labels.pop("environment", ""),
        runbook=runbook if "://" in runbook else "",
        labels=labels,
        location=document.location((*at, "name")),
    )


def _indicator(document: Document, at: Pointer, raw: Raw) -> Indicator | Problem:
    def query(*steps: str) -> Any:
        value = raw
        for step in steps:
            value = value[step]
        return specifications.query(document, (*at, *steps), str(value))

    place = document.location(at, key=True)
    if "events" in raw:
        failing, total = query("events", "error_query"), query("events", "total_query")
        errors_, known = specifications.counted(failing, of=failing)
        total, countable = specifications.counted(total, of=total)
        return Indicator("events", errors_, total=total, countable=countable and known, location=place)
    if "raw" in raw:
        return Indicator("raw", ratio=query("raw", "error_ratio_query"), location=place)
    message = "the plugin is a program of sloth's, which mac does not run, so there are no queries"
    hint = "write its queries out as events: error_query and total_query"
    return not_carried(document, (*at, "plugin"), message, hint, severity=Severity.ERROR)


def _alerting(document: Document, at: Pointer, raw: Raw) -> Iterator[Problem]:
    if raw.get("name"):
        message = "the alerts have the same names for every SLO, and the label slo tells them apart"
        yield not_carried(document, (*at, "name"), message)
    for key in raw.get("annotations", {}):
        if key not in _RUNBOOKS or "://" not in raw["annotations"][key]:
            yield not_carried(
                document, (*at, "annotations", key), "the texts of the alerts are mac's", "see docs/slo.md"
            )
    for alert in ("page_alert", "ticket_alert"):
        for kind in ("labels", "annotations"):
            for key in raw.get(alert, {}).get(kind, {}):
                message = f'"{key}" is not set for one severity alone'
                hint = "the team's document says how each severity is told"
                yield not_carried(document, (*at, alert, kind, key), message, hint)


def _more(document: Document, at: Pointer, raw: Raw, *keys: str) -> Iterator[Problem]:
    for key in keys:
        if key in raw:
            what = "the intervals are the project's" if key == "interval" else "plugins of sloth's do not run"
            yield not_carried(document, (*at, key), what)
