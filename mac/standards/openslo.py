"""SLOs of the OpenSLO specification, version openslo/v1 (github.com/OpenSLO/OpenSLO).

SLO and SLI are carried over; Service and DataSource are compared with what mac has; what is said of alerts
and of whom they reach is mac's own and the team's document's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mac import conventions, durations, schema
from mac.model import Indicator, Slo, Text
from mac.problems import Location, Problem, Severity, did_you_mean, errors
from mac.source import Document, Pointer
from mac.standards import objectives, specifications
from mac.standards.specifications import OPENSLO, Specified, not_carried

Raw = Mapping[str, Any]

KINDS = ("SLO", "SLI", "Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget")
_CHECKED = {"SLO": "specifications/openslo-slo", "SLI": "specifications/openslo-sli"}
_ALERTS = {"AlertPolicy", "AlertCondition", "AlertNotificationTarget"}
_PROMETHEUS = "prometheus"
_OPPOSITE = {"lte": ">", "lt": ">=", "gte": "<", "gt": "<="}
_LONG_UNITS = {"M": "months", "Q": "quarters", "Y": "years"}
_WINDOW, _SECONDS = re.compile(r"<<\s*window\s*>>"), re.compile(r"<<\s*seconds\s*>>")
_SELECTOR = r"[a-zA-Z_:][\w:]*(?:\{[^{}]*\})?"
_OF_COUNTER = re.compile(rf"\s*(?:sum\s*(?:by\s*\([^)]*\)\s*)?\(\s*({_SELECTOR})\s*\)|({_SELECTOR}))\s*")


@dataclass(slots=True)
class _Reading:
    """What documents refer to by name."""

    indicators: dict[str, tuple[Document, Pointer, Raw]]
    sources: dict[str, str]


def read(
    documents: Iterable[Document], services: Collection[str]
) -> tuple[tuple[Specified, ...], tuple[Problem, ...]]:
    """The SLOs of all documents of a repository, since they refer to one another, and what is wrong.

    `services`: the names of mac's, which those of OpenSLO stand for.
    """
    found: list[Problem] = []
    sound: list[Document] = []
    for document in documents:
        faults = [*_faults(document)]
        found += faults
        if not errors(faults):
            sound.append(document)
    named = {d.data["metadata"]["name"]: d for d in sound if d.data["kind"] == "SLI"}
    reading = _Reading(
        {name: (document, ("spec",), document.data["spec"]) for name, document in named.items()},
        {d.data["metadata"]["name"]: _type(d) for d in sound if d.data["kind"] == "DataSource"},
    )
    slos: list[Specified] = []
    for document in sound:
        if document.data["kind"] == "Service" and document.data["metadata"]["name"] not in services:
            name = document.data["metadata"]["name"]
            place = document.location(("metadata", "name"))
            message = f'there is no service "{name}" in {conventions.SERVICES_DIR}/'
            found.append(Problem(place, "unknown-service", message, did_you_mean(name, services)))
        if document.data["kind"] == "SLO":
            for item in _slos(document, reading):
                if isinstance(item, Problem):
                    found.append(item)
                else:
                    place = document.location(("spec", "service"))
                    slos.append(Specified(document.data["spec"]["service"], place, item, document))
    return tuple(slos), tuple(found)


def _faults(document: Document) -> Iterator[Problem]:
    version, kind = document.data.get("apiVersion"), document.data.get("kind")
    if version != OPENSLO:
        message = f"mac reads of OpenSLO only {OPENSLO}"
        yield Problem(document.location(("apiVersion",)), "unknown-kind", message)
    elif not isinstance(kind, str) or kind not in KINDS:
        hint = did_you_mean(kind, KINDS) if isinstance(kind, str) else f"known: {', '.join(KINDS)}"
        message = f"OpenSLO has no kind {schema.spelled(kind)}"
        yield Problem(document.location(("kind",)), "unknown-kind", message, hint)
    elif kind in _CHECKED:
        yield from schema.problems(document, _CHECKED[kind])
    elif kind in _ALERTS:
        message = f"an {kind} is not carried: burn-rate alerts are mac's own, and the team says who is told"
        yield not_carried(document, ("kind",), message, "remove it; see docs/slo.md")
    elif not isinstance(document.data.get("metadata"), dict) or "name" not in document.data["metadata"]:
        yield Problem(document.location(), "missing-key", f"the {kind} has no name", "metadata: {name: …}")


def _type(document: Document) -> str:
    spec = document.data.get("spec")
    return str(spec.get("type", "")) if isinstance(spec, dict) else ""


# --- one SLO -----------------------------------------------------------------------------------------


def _slos(document: Document, reading: _Reading) -> Iterator[Slo | Problem]:
    """An SLO of ours for each objective."""
    metadata, spec = document.data["metadata"], document.data["spec"]
    period = _period(document, spec)
    if isinstance(period, Problem):
        yield period
        return
    labels: dict[str, str] = {}
    for item in specifications.labels(document, ("metadata", "labels"), metadata.get("labels", {})):
        if isinstance(item, Problem):
            yield item
        else:
            labels[item[0]] = item[1]
    if spec.get("alertPolicies"):
        message = "alert policies are not carried: burn-rate alerts are mac's own"
        yield not_carried(document, ("spec", "alertPolicies"), message, "remove them; see docs/slo.md")
    base = specifications.name(metadata["name"])
    if base != metadata["name"]:
        yield not_carried(document, ("metadata", "name"), f"the SLO is named {base} here")
    several = len(spec["objectives"]) > 1
    for n, objective in enumerate(spec["objectives"]):
        own = _indicator(document, n, reading)
        if isinstance(own, Problem):
            yield own
            continue
        at: Pointer = ("spec", "objectives", n)
        target = "target" if "target" in objective else "targetPercent"
        share = objective[target] if target == "target" else objectives.share(objective[target])
        if not 0 < share < 1:
            message = "an objective lies between 0% and 100%, or there is no error budget to watch"
            yield Problem(document.location((*at, target)), "wrong-value", message)
            continue
        suffix = specifications.name(str(objective.get("displayName", n + 1))) if several else ""
        yield Slo(
            name=f"{base}-{suffix}" if several else base,
            objective=share,
            window=period,
            title=objective.get("displayName", "") if several else metadata.get("displayName", ""),
            description=spec.get("description", "").strip(),
            own=own,
            environment=labels.get("environment", ""),
            labels={key: value for key, value in labels.items() if key != "environment"},
            location=document.location(at if several else ("metadata", "name")),
        )


def _period(document: Document, spec: Raw) -> str | Problem:
    windows = spec.get("timeWindow")
    if not windows:
        return "30d"
    at: Pointer = ("spec", "timeWindow", 0)
    window = windows[0]
    if len(windows) > 1:
        return Problem(document.location((*at[:-1], 1)), "wrong-value", "an SLO has one time window")
    if "calendar" in window or window.get("isRolling") is False:
        message = "a calendar window is not carried: an error budget that jumps at midnight hides what went"
        return _refused(document, at, message, "isRolling: true, as in 4w or 30d")
    text = window["duration"]
    if text[-1] in _LONG_UNITS:
        message = f"{_LONG_UNITS[text[-1]]} have no fixed length"
        return _refused(document, (*at, "duration"), message, "write days or weeks, as in 30d or 4w")
    if (durations.milliseconds(text) or 0) < (durations.milliseconds("3d") or 0):
        message = f"{text} is shorter than the windows of the alerts, of which the longest is 3d"
        return Problem(document.location((*at, "duration")), "wrong-value", message)
    return objectives.spelled(text)


# --- indicators --------------------------------------------------------------------------------------


def _indicator(document: Document, n: int, reading: _Reading) -> Indicator | Problem:
    spec = document.data["spec"]
    objective, method = spec["objectives"][n], spec["budgetingMethod"]
    at: Pointer = ("spec", "objectives", n)
    inside: Pointer
    owner, inside, sli = document, ("spec", "indicator", "spec"), spec.get("indicator", {}).get("spec")
    if sli is None:
        reference = spec["indicatorRef"]
        if reference not in reading.indicators:
            place = document.location(("spec", "indicatorRef"))
            hint = did_you_mean(reference, reading.indicators)
            return Problem(place, "unknown-indicator", f'there is no SLI "{reference}"', hint)
        owner, inside, sli = reading.indicators[reference]
    if method == "RatioTimeslices":
        return _refused(document, ("spec", "budgetingMethod"), "RatioTimeslices is not carried")
    slices = method == "Timeslices"
    for key in ("timeSliceTarget", "timeSliceWindow"):
        if slices and key not in objective:
            return Problem(document.location(at, key=True), "missing-key", f"Timeslices needs {key}")
    if "thresholdMetric" in sli:
        if not {"op", "value"} <= objective.keys():
            message = "a thresholdMetric needs op and value in its objective"
            return Problem(document.location(at, key=True), "missing-key", message)
        text = _source(owner, (*inside, "thresholdMetric"), sli["thresholdMetric"], reading)
        if isinstance(text, Problem):
            return text
        op, value = _OPPOSITE[objective["op"]], f"{objective['value']:.12g}"
        if not slices:
            return objectives.slices("threshold", text, op, value, location=text.location)
        width = _slice(objective)
        bad = Text(f"avg_over_time((({text.text.strip()}) {op} bool {value})[{width}:1m])", text.location)
        return _sliced(bad, objective, width)
    found = _ratio(owner, (*inside, "ratioMetric"), sli["ratioMetric"], reading)
    if isinstance(found, Problem) or not slices:
        return found
    width = _slice(objective)
    return _sliced(_share(found, width), objective, width)


def _sliced(bad: Text, objective: Raw, width: str) -> Indicator:
    """Slices of time, of which those are bad in which more than is allowed was bad."""
    limit = f"{round(1 - objective['timeSliceTarget'], 12):.12g}"
    made = objectives.slices("timeslices", bad, ">", limit, location=bad.location)
    found = [
        Text(q.text.replace(f"<< window >>:{objectives.SLICE}", f"<< window >>:{width}"), q.location)
        for q in made.queries
    ]
    return replace(made, errors=found[0], total=found[1])


def _slice(objective: Raw) -> str:
    width = objective["timeSliceWindow"]
    return f"{width}m" if isinstance(width, int | float) else str(width)


def _share(found: Indicator, width: str) -> Text:
    """The share of bad events within a slice."""

    seconds = str((durations.milliseconds(width) or 0) // 1000)

    def over(text: Text | None) -> str:
        body = _WINDOW.sub(width, text.text) if text else ""
        return f"sum({_SECONDS.sub(seconds, body)})"

    if found.ratio is not None:
        return Text(over(found.ratio), found.ratio.location)
    total, place = over(found.total), found.location
    if found.errors is not None:
        return Text(f"({over(found.errors)} or 0 * {total}) / ({total} > 0)", place)
    return Text(f"1 - ({over(found.good)} or 0 * {total}) / ({total} > 0)", place)


def _ratio(document: Document, at: Pointer, raw: Raw, reading: _Reading) -> Indicator | Problem:
    texts: dict[str, Text] = {}
    for key in ("good", "bad", "total", "raw"):
        if key in raw:
            text = _source(document, (*at, key), raw[key], reading)
            if isinstance(text, Problem):
                return text
            texts[key] = text
    place = document.location(at, key=True)
    if "raw" in texts:
        return _raw(document, at, raw, texts)
    parts = {key for key in texts if key != "total"}
    if "total" not in texts or len(parts) != 1:
        message = "a ratioMetric has total and one of good and bad, or raw"
        return Problem(place, "wrong-value", message)
    counts: dict[str, Text] = {}
    countable = True
    for key, text in texts.items():
        if specifications.has_window(text):
            counts[key], known = specifications.counted(text, of=text)
            countable = countable and known
        elif not raw.get("counter", False):
            counts[key] = Text(f"sum_over_time(({text.text.strip()})[<< window >>:1m])", text.location)
        elif match := _OF_COUNTER.fullmatch(text.text):
            counts[key] = Text(f"increase({match[1] or match[2]}[<< window >>])", text.location)
        else:
            message = "how much this counter grew in a window cannot be made of the query"
            hint = "write a selector or its sum, or say the window: sum(increase(x_total[{{.window}}]))"
            return Problem(text.location, "slo-not-carried", message, hint)
    return Indicator(
        "ratio",
        counts.get("bad"),
        counts.get("good"),
        counts["total"],
        countable=countable and bool(raw.get("counter", False)),
        location=place,
    )


def _raw(document: Document, at: Pointer, raw: Raw, texts: Mapping[str, Text]) -> Indicator | Problem:
    text, place = texts["raw"], document.location(at, key=True)
    if "rawType" not in raw:
        return Problem(place, "missing-key", 'a raw metric needs rawType: "success" or "failure"')
    if not specifications.has_window(text):
        text = Text(f"avg_over_time(({text.text.strip()})[<< window >>:1m])", text.location)
    if raw["rawType"] == "success":
        text = Text(f"1 - ({text.text})", text.location)
    return Indicator("raw", ratio=text, location=place)


def _source(document: Document, at: Pointer, raw: Raw, reading: _Reading) -> Text | Problem:
    """The query of a metric, which must be for Prometheus."""
    inside: Pointer = (*at, "metricSource")
    source = raw["metricSource"]
    reference = source.get("metricSourceRef", "")
    kind = source.get("type") or reading.sources.get(reference, "")
    if not kind:
        place: Location = document.location((*inside, "metricSourceRef") if reference else inside, key=True)
        message = f'there is no DataSource "{reference}"' if reference else "the metric source has no type"
        return Problem(place, "wrong-value", message, "type: Prometheus")
    if kind.lower() != _PROMETHEUS:
        message = f"a metric of {kind} is not carried: mac's rules are evaluated by Prometheus"
        return _refused(document, (*inside, "type"), message)
    query = source.get("spec", {}).get("query")
    if not isinstance(query, str):
        message = "the metric source has no query"
        return Problem(
            document.location((*inside, "spec"), key=True), "missing-key", message, "spec: {query: …}"
        )
    return specifications.query(document, (*inside, "spec", "query"), query)


def _refused(document: Document, at: Pointer, message: str, hint: str = "") -> Problem:
    return not_carried(document, at, message, hint, severity=Severity.ERROR)
