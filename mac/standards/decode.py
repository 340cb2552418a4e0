"""Documents that fit their schema, made into the model's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mac import conventions, durations, kinds
from mac.model import (
    Account,
    Addresses,
    AlertSeverity,
    AppliesTo,
    CloudWatch,
    CloudWatchMetric,
    ConfigAggregator,
    EnabledRegions,
    Endpoint,
    Exemption,
    GrafanaProvider,
    Guards,
    InventoryConfig,
    LabelSource,
    Listed,
    Maintenance,
    MuteTime,
    NoiseBudget,
    Organization,
    Package,
    Panel,
    Parameter,
    Probe,
    ProbeModule,
    Project,
    Receiver,
    Scrape,
    Service,
    ServiceEndpoint,
    Standard,
    StandardAlert,
    StandardRecording,
    Team,
    Text,
    Unwatched,
    Via,
    WorkingHours,
)
from mac.probe_model import SCHEMES
from mac.source import Document, Pointer
from mac.standards import access, destinations, events, kubernetes, objectives, record, scale, sensors

Raw = Mapping[str, Any]

_NAME: Pointer = ("metadata", "name")
QUERY: Pointer = ("spec", "prometheus", "query")
ALERTMANAGER_API: Pointer = ("spec", "alertmanager", "api")

_LABELS = (
    LabelSource(conventions.SERVICE, ("service",)),
    LabelSource(conventions.ROLE, ("role",)),
    LabelSource(conventions.ENVIRONMENT, ("environment", "env"), default="production"),
    LabelSource(conventions.TEAM, ("team", "owner")),
)
_DEFAULT_TEAM = "platform"


# --- settings ----------------------------------------------------------------------------------------


def project(document: Document) -> Project:
    spec: Raw = document.data["spec"]
    settings: dict[str, Any] = {
        key: spec[key] for key in ("default_tier", "undeclared_services", "output", "runbooks") if key in spec
    }
    if "page_tiers" in spec:
        settings["page_tiers"] = tuple(spec["page_tiers"])
    settings |= spec.get("prometheus", {}) | spec.get("alertmanager", {})
    if "query" in settings:
        settings["query"] = access.read(document, QUERY, settings["query"])
    if "api" in settings:
        settings["alertmanager_api"] = access.read(document, ALERTMANAGER_API, settings.pop("api"))
    if "alertmanagers" in settings:
        settings["alertmanagers"] = tuple(settings["alertmanagers"])
    return Project(
        labels=tuple(_label(default, spec.get("labels", {}).get(default.label)) for default in _LABELS),
        default_team=spec.get("default_team", _DEFAULT_TEAM),
        environments={
            name: _overrides(environment) for name, environment in spec.get("environments", {}).items()
        },
        git=record.git(document),
        targets=record.targets(document),
        guards=Guards(**_guards(spec.get("guards", {}))),
        addresses=Addresses(**spec.get("addresses", {}), site=spec.get("docs", "")),
        grafana=GrafanaProvider(**spec.get("grafana", {})),
        maintenance=tuple(
            Maintenance(
                name=raw["name"],
                start=raw["from"],
                end=raw["until"],
                timezone=raw["timezone"],
                reason=raw["reason"],
                match=_match(raw.get("match", {})),
                location=document.location(("spec", "maintenance", n, "name")),
            )
            for n, raw in enumerate(spec.get("maintenance", ()))
        ),
        unwatched=tuple(
            Unwatched(
                _match(raw["match"]),
                raw["reason"],
                raw.get("expires", ""),
                document.location(("spec", "unwatched", n), key=True),
            )
            for n, raw in enumerate(spec.get("unwatched", ()))
        ),
        packages=tuple(
            Package(**raw, location=document.location(("spec", "packages", n, "name")))
            for n, raw in enumerate(spec.get("packages", ()))
        ),
        downloads=sensors.downloads(document),
        destinations=destinations.read(document),
        events=events.read(document),
        operator=kubernetes.read(document),
        scale=scale.read(document),
        probe_modules={
            name: ProbeModule(
                name,
                raw["prober"],
                dict(raw.get(raw["prober"], {})),
                raw.get("timeout", ""),
                document.location(("spec", "probe_modules", name), key=True),
            )
            for name, raw in spec.get("probe_modules", {}).items()
        },
        location=document.location(("spec",), key=True),
        **settings,
    )


def _guards(raw: Raw) -> dict[str, Any]:
    return {**raw, "harmless": tuple(raw.get("harmless", ()))}


def _label(default: LabelSource, given: Raw | None) -> LabelSource:
    if given is None:
        return default
    return LabelSource(
        default.label,
        tuple(given["tags"]),
        given.get("default", default.default),
        dict(given.get("aliases", {})),
    )


def _overrides(raw: Raw) -> dict[str, dict[str, Any]]:
    return {standard: dict(values) for standard, values in raw.get("parameters", {}).items()}


def inventory(document: Document, listed: tuple[Listed, ...] = ()) -> InventoryConfig:
    """`listed`: what the files among its sources hold."""
    spec: Raw = document.data["spec"]
    accounts, regions = spec["accounts"], spec["regions"]
    given = {name: durations.seconds(spec[name]) for name in ("max_age", "grace", "deadline") if name in spec}
    return InventoryConfig(
        accounts=tuple(
            Account(**raw, location=document.location((*at, "id"))) for at, raw in listed_accounts(document)
        ),
        organization=_organization(document, accounts["organization"])
        if isinstance(accounts, Mapping)
        else None,
        regions=tuple(regions) if isinstance(regions, list) else (),
        enabled_regions=None if isinstance(regions, list) else _enabled(regions),
        via=Via(**spec["via"]) if "via" in spec else None,
        kinds=_kinds(spec.get("kinds", kinds.DEFAULT)),
        concurrency=spec.get("concurrency", 32),
        location=document.location(("spec",), key=True),
        aggregators=tuple(
            _aggregator(document, (*at, "config_aggregator"), raw["config_aggregator"])
            for at, raw in sources(document)
            if "config_aggregator" in raw
        ),
        listed=listed,
        **{name: length for name, length in given.items() if length is not None},
    )


def _kinds(given: str | Sequence[str]) -> tuple[str, ...]:
    """None named stands for every kind."""
    return () if isinstance(given, str) else tuple(given)


def sources(document: Document) -> list[tuple[Pointer, Raw]]:
    """The other sources that an inventory names, each with where it stands."""
    return [(("spec", "sources", n), raw) for n, raw in enumerate(document.data["spec"].get("sources", ()))]


def _aggregator(document: Document, at: Pointer, raw: Raw) -> ConfigAggregator:
    place = document.location((*at, "name"))
    entry = {key: raw[key] for key in ("role_arn", "external_id", "session_name") if key in raw}
    return ConfigAggregator(
        name=raw["name"],
        region=raw["region"],
        account=Account(raw["account"], raw["account"], location=place, **entry),
        kinds=tuple(raw.get("kinds", ())),
        location=place,
    )


def listed_accounts(document: Document) -> list[tuple[Pointer, Raw]]:
    """The accounts that an inventory lists, each with where it stands."""
    accounts = document.data["spec"]["accounts"]
    at: Pointer = ("spec", "accounts")
    if isinstance(accounts, Mapping):
        at, accounts = (*at, "list"), accounts.get("list", ())
    return [((*at, n), raw) for n, raw in enumerate(accounts)]


def _organization(document: Document, raw: Raw) -> Organization:
    lists = {name: tuple(raw[name]) for name in ("units", "exclude") if name in raw}
    place = document.location(("spec", "accounts", "organization"), key=True)
    return Organization(**{**raw, **lists}, location=place)


def _enabled(raw: Raw | str) -> EnabledRegions:
    chosen = raw["enabled"] if isinstance(raw, Mapping) else {}
    return EnabledRegions(tuple(chosen.get("include", ())), tuple(chosen.get("exclude", ())))


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
            tuple(_match(clause) for clause in applies_to.get("any", ())),
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
        parameters=_overrides(spec),
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
                match=_match(raw.get("match", {})),
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


def _match(raw: Raw) -> dict[str, tuple[str, ...]]:
    return {label: tuple(values) for label, values in raw.items()}
