"""Small valid values for tests: each function takes what a test is about and fills in the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mac.model import (
    Account,
    AlertSeverity,
    AppliesTo,
    Catalog,
    InventoryConfig,
    LabelSource,
    Panel,
    Parameter,
    Project,
    Receiver,
    Resource,
    Scope,
    ScopeStatus,
    Scrape,
    Service,
    Snapshot,
    Standard,
    StandardAlert,
    StandardRecording,
    Team,
    Text,
)

ACCOUNT = "123456789012"
REGION = "us-east-1"

LABELS = (
    LabelSource("service", ("service",)),
    LabelSource("role", ("role",)),
    LabelSource("environment", ("environment", "env"), default="production", aliases={"prod": "production"}),
    LabelSource("team", ("team", "owner")),
)


def instance(number: int = 1, tags: Mapping[str, str] | None = None, **changes: Any) -> Resource:
    """A running EC2 instance with a loopback address; `tags` replace service=web, role=web."""
    identifier = f"i-{number:017x}"
    fields: dict[str, Any] = {
        "arn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{identifier}",
        "kind": "ec2-instance",
        "account": ACCOUNT,
        "region": REGION,
        "id": identifier,
        "addresses": (f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",),
        "state": "running",
        "tags": {"service": "web", "role": "web"} if tags is None else tags,
    }
    return Resource(**{**fields, **changes})


def snapshot(*resources: Resource) -> Snapshot:
    scopes = sorted({Scope(r.account, r.region, r.kind) for r in resources})
    return Snapshot(tuple(ScopeStatus(s) for s in scopes), tuple(sorted(resources, key=lambda r: r.sort_key)))


def alert(
    name: str = "WebDown", expr: str = "service:web_up:ratio{<< scope >>} < << p.floor >>", **changes: Any
) -> StandardAlert:
    fields: dict[str, Any] = {
        "alert": name,
        "expr": Text(expr),
        "severity": AlertSeverity.PAGE,
        "summary": Text("{{ $value | humanizePercentage }} of << service >> answers"),
        "description": Text("Below << p.floor >>."),
        "for_": Text("5m"),
    }
    return StandardAlert(**{**fields, **changes})


def recording(
    name: str = "service:web_up:ratio",
    expr: str = 'avg by (service, environment) (up{job="web",<< scope >>})',
) -> StandardRecording:
    return StandardRecording(name, Text(expr))


def parameter(name: str = "floor", default: float = 0.9, **changes: Any) -> Parameter:
    return Parameter(**{"name": name, "type": "ratio", "default": default, **changes})


def standard(name: str = "web", **changes: Any) -> Standard:
    fields: dict[str, Any] = {
        "name": name,
        "title": name.title(),
        "applies_to": AppliesTo("ec2-instance"),
        "runbook": "https://example.com/web",
        "parameters": {"floor": parameter(open_to_tags=True)},
        "scrape": Scrape(job=name, port=9100),
        "recording": (recording(),),
        "alerts": (alert(),),
        "panels": (
            Panel("Answering", Text("service:web_up:ratio{<< scope >>}"), threshold=Text("<< p.floor >>")),
        ),
    }
    return Standard(**{**fields, **changes})


def team(name: str = "platform") -> Team:
    page = Receiver("pagerduty", {"routing_key_file": f"/etc/alertmanager/secrets/{name}-pagerduty"})
    ticket = Receiver(
        "slack", {"api_url_file": f"/etc/alertmanager/secrets/{name}-slack", "channel": f"#{name}"}
    )
    return Team(name, {"page": (page,), "ticket": (ticket,)})


def catalog(*standards: Standard, services: tuple[Service, ...] = (), **project: Any) -> Catalog:
    """One account and region, teams platform and data, the service `web` unless others are given."""
    chosen = standards or (standard(),)
    declared = services or (Service("web", "platform", 1),)
    settings = {"labels": LABELS, "default_team": "platform", **project}
    return Catalog(
        project=Project(**settings),
        inventory=InventoryConfig((Account(ACCOUNT, "main"),), (REGION,)),
        standards={s.name: s for s in chosen},
        services={s.name: s for s in declared},
        teams={t.name: t for t in (team("platform"), team("data"))},
        digests={f"standard/{s.name}": "sha256:0" for s in chosen},
    )
