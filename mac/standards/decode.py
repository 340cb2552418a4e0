"""Standards, services and teams that fit their schema, made into the model's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mac.model import (
    AlertSeverity,
    AppliesTo,
    CloudWatch,
    CloudWatchMetric,
    Endpoint,
    Exemption,
    MuteTime,
    NoiseBudget,
    Panel,
    Parameter,
    Probe,
    Receiver,
    Scrape,
    Service,
    ServiceEndpoint,
    Standard,
    StandardAlert,
    StandardRecording,
    Team,
    Text,
    WorkingHours,
)
from mac.probe_model import SCHEMES
from mac.source import Document, Pointer
from mac.standards import objectives, sensors

Raw = Mapping[str, Any]

_NAME: Pointer = ("metadata", "name")

# --- standards ---------------------------------------------------------------------------------------


def standard(document: Document) -> Standard:
    data, spec = document.data["metadata"], document.data["spec"]
    applies_to = spec["applies_to"]
    panels = spec.get("dashboard", {}).get("panels", [])
    return Standard(
        name=data["name"],
        title=data["title"],
        description=data.get("description", "").strip(),
        applies_to=AppliesTo(
            applies_to["kind"],
            tuple(match(clause) for clause in applies_to.get("any", ())),
        ),
        runbook=spec.get("runbook", ""),
        parameters={
            name: _parameter(document, name, raw) for name, raw in spec.get("parameters", {}).items()
        },
        scrape=Scrape(**spec["scrape"]) if "scrape" in spec else None,
        sensors=sensors.sensors(document),
        cloudwatch=_cloudwatch(document, spec["cloudwatch"]) if "cloudwatch" in spec else None,
        probe=_probe(document, spec["probe"]) if "probe" in spec else None,
        recording=tuple(_recording(document, n, raw) for n, raw in enumerate(spec.get("recording", ()))),
        alerts=tuple(_alert(document, n, raw) for n, raw in enumerate(spec.get("alerts", ()))),
        panels=tuple(_panel(document, n, raw) for n, raw in enumerate(panels)),
        depends_on=tuple(spec.get("depends_on", ())),
        exporters=tuple(spec["exporters"]) if "exporters" in spec else None,
        exporters_location=document.location(("spec", "exporters")),
        extends=spec.get("extends", ""),
        covers=tuple(spec.get("covers", ())),
        indicators={
            name: objectives.indicator(document, ("spec", "indicators", name), name, raw)
            for name, raw in spec.get("indicators", {}).items()
        },
        location=document.location(_NAME),
    )


def _parameter(document: Document, name: str, raw: Raw) -> Parameter:
    return Parameter(
        name=name,
        type=raw["type"],
        default=raw["default"],
        unit=raw.get("unit", ""),
        minimum=raw.get("min"),
        maximum=raw.get("max"),
        description=raw["description"].strip(),
        open_to_tags=raw.get("tag", False),
        location=document.location(("spec", "parameters", name), key=True),
    )


def _cloudwatch(document: Document, raw: Raw) -> CloudWatch:
    at: Pointer = ("spec", "cloudwatch", "metrics")
    metrics = tuple(
        CloudWatchMetric(
            name=m["name"],
            statistics=tuple(m["statistics"]),
            dimensions=dict(m.get("dimensions", {})),
            location=document.location((*at, n, "name")),
        )
        for n, m in enumerate(raw["metrics"])
    )
    times = {key: raw[key] for key in ("period", "length") if key in raw}
    return CloudWatch(raw["namespace"], metrics, **times)


def _probe(document: Document, raw: Raw) -> Probe:
    at: Pointer = ("spec", "probe")
    given: dict[str, Any] = {key: raw[key] for key in ("module", "scheme", "port") if key in raw}
    if "path" in raw:
        given["path"] = _text(document, (*at, "path"), raw["path"])
    return Probe(**given, location=document.location(at, key=True))


def _recording(document: Document, n: int, raw: Raw) -> StandardRecording:
    at: Pointer = ("spec", "recording", n)
    return StandardRecording(
        record=raw["record"],
        expr=_text(document, (*at, "expr"), raw["expr"]),
        labels=dict(raw.get("labels", {})),
        location=document.location((*at, "record")),
    )


def _alert(document: Document, n: int, raw: Raw) -> StandardAlert:
    at: Pointer = ("spec", "alerts", n)

    def text(key: str) -> Text:
        return _text(document, (*at, key), raw[key]) if key in raw else Text("0s")

    return StandardAlert(
        alert=raw["alert"],
        expr=text("expr"),
        severity=AlertSeverity(raw["severity"]),
        summary=text("summary"),
        description=text("description"),
        for_=text("for"),
        keep_firing_for=text("keep_firing_for"),
        outage=raw.get("outage", False),
        whole_cell=raw.get("reach") == "cell",
        reminder=raw.get("reminder", ""),
        explained_by=tuple(raw.get("explained_by", ())),
        runbook=raw.get("runbook", ""),
        labels=dict(raw.get("labels", {})),
        location=document.location((*at, "alert")),
    )


def _panel(document: Document, n: int, raw: Raw) -> Panel:
    at: Pointer = ("spec", "dashboard", "panels", n)
    threshold = raw.get("threshold")
    return Panel(
        title=raw["title"],
        expr=_text(document, (*at, "expr"), raw["expr"]),
        unit=raw.get("unit", "short"),
        description=raw.get("description", ""),
        threshold=None if threshold is None else _text(document, (*at, "threshold"), str(threshold)),
        signal=raw.get("signal", ""),
    )


def _text(document: Document, pointer: Pointer, value: str) -> Text:
    return Text(value, document.text_location(pointer))


# --- services and teams ------------------------------------------------------------------------------


def service(document: Document, default_tier: int) -> Service:
    data, spec = document.data["metadata"], document.data["spec"]
    return Service(
        name=data["name"],
        owner=spec["owner"],
        tier=spec.get("tier", default_tier),
        title=data.get("title", ""),
        description=data.get("description", "").strip(),
        depends_on=tuple(spec.get("depends_on", ())),
        parameters=overrides(spec),
        exemptions=tuple(
            Exemption(**raw, location=document.location(("spec", "exemptions", n, "expires")))
            for n, raw in enumerate(spec.get("exemptions", ()))
        ),
        slos=tuple(
            objectives.slo_of(document, ("spec", "slo", n), raw) for n, raw in enumerate(spec.get("slo", ()))
        ),
        endpoints=tuple(
            _endpoint(document, ("spec", "endpoints", n), raw)
            for n, raw in enumerate(spec.get("endpoints", ()))
        ),
        budget=_budget(document),
        location=document.location(_NAME),
    )


def _endpoint(document: Document, at: Pointer, raw: Raw) -> ServiceEndpoint:
    _, usual = SCHEMES[raw["url"].partition("://")[0]]
    return ServiceEndpoint(
        Endpoint(raw["url"], raw.get("module", usual)),
        raw.get("environment", ""),
        raw.get("cell", ""),
        document.location((*at, "url")),
    )


def team(document: Document) -> Team:
    data, spec = document.data["metadata"], document.data["spec"]
    hours = spec.get("working_hours")
    receivers = dict(spec["receivers"])
    heartbeat = receivers.pop("heartbeat", ())
    return Team(
        name=data["name"],
        title=data.get("title", ""),
        receivers=_receivers(receivers),
        working_hours=_hours(hours) if hours else None,
        after_hours=_receivers(spec.get("after_hours", {})),
        environments={name: _receivers(raw) for name, raw in spec.get("environments", {}).items()},
        heartbeat=_integrations(heartbeat),
        mute_times=tuple(
            MuteTime(
                name=raw["name"],
                hours=_hours(raw),
                reason=raw["reason"],
                match=match(raw.get("match", {})),
                location=document.location(("spec", "mute_times", n, "name")),
            )
            for n, raw in enumerate(spec.get("mute_times", ()))
        ),
        budget=_budget(document),
        location=document.location(_NAME),
    )


def _budget(document: Document) -> NoiseBudget | None:
    raw = document.data["spec"].get("budget")
    return NoiseBudget(**raw, location=document.location(("spec", "budget"), key=True)) if raw else None


def _receivers(raw: Raw) -> dict[str, tuple[Receiver, ...]]:
    return {severity: _integrations(items) for severity, items in raw.items()}


def _integrations(items: Sequence[Raw]) -> tuple[Receiver, ...]:
    return tuple(Receiver(kind, dict(fields)) for item in items for kind, fields in item.items())


def _hours(raw: Raw) -> WorkingHours:
    return WorkingHours(raw["timezone"], tuple(raw["days"]), raw["start"], raw["end"])


def match(raw: Raw) -> dict[str, tuple[str, ...]]:
    return {label: tuple(values) for label, values in raw.items()}


def overrides(raw: Raw) -> dict[str, dict[str, Any]]:
    return {standard: dict(values) for standard, values in raw.get("parameters", {}).items()}
