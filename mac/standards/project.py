"""`mac.yaml`, made into the model's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mac import conventions
from mac.model import (
    Addresses,
    GrafanaProvider,
    Guards,
    LabelSource,
    Maintenance,
    Package,
    ProbeModule,
    Project,
    Unwatched,
)
from mac.source import Document, Pointer
from mac.standards import access, decode, destinations, events, kubernetes, record, scale, sensors

Raw = Mapping[str, Any]

QUERY: Pointer = ("spec", "prometheus", "query")
ALERTMANAGER_API: Pointer = ("spec", "alertmanager", "api")

_LABELS = (
    LabelSource(conventions.SERVICE, ("service",)),
    LabelSource(conventions.ROLE, ("role",)),
    LabelSource(conventions.ENVIRONMENT, ("environment", "env"), default="production"),
    LabelSource(conventions.TEAM, ("team", "owner")),
)
_DEFAULT_TEAM = "platform"


def read(document: Document) -> Project:
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
            name: decode.overrides(environment) for name, environment in spec.get("environments", {}).items()
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
                match=decode.match(raw.get("match", {})),
                location=document.location(("spec", "maintenance", n, "name")),
            )
            for n, raw in enumerate(spec.get("maintenance", ()))
        ),
        unwatched=tuple(
            Unwatched(
                decode.match(raw["match"]),
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
