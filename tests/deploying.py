"""Small configurations to deploy, and the commits that they come from; every target is on loopback."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mac.access_model import ServerAccess
from mac.deploy_model import DestinationType, FilesSettings, Release

CELL = "main-us-east-1"


def rules(*alerts: str, label: str = "page") -> dict[str, Any]:
    return {
        "groups": [
            {
                "name": "web / production / host",
                "interval": "30s",
                "rules": [
                    {"record": "service:up:ratio", "expr": "avg by (service) (up)"},
                    *(
                        {"alert": name, "expr": "up == 0", "for": "5m", "labels": {"severity": label}}
                        for name in alerts
                    ),
                ],
            }
        ]
    }


def prometheus_files(
    *alerts: str, targets: Sequence[str] = ("127.0.0.1:1",), config: Mapping[str, Any] | None = None
) -> dict[str, bytes]:
    """Path within the cell → content."""
    whole = {
        "global": {"scrape_interval": "30s", "external_labels": {"cell": CELL}},
        "rule_files": ["rules/production/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9"]}]}]},
        "scrape_configs": [
            {
                "job_name": "host",
                "file_sd_configs": [{"files": ["targets/host.json"], "refresh_interval": "5m"}],
            }
        ],
        **(config or {}),
    }
    return {
        "prometheus.yml": json.dumps(whole).encode(),
        "rules/production/web.yml": json.dumps(rules(*alerts)).encode(),
        "targets/host.json": json.dumps([{"targets": list(targets), "labels": {"service": "web"}}]).encode(),
    }


def alertmanager_files(*receivers: str) -> dict[str, bytes]:
    config = {
        "route": {"receiver": receivers[0], "routes": [{"receiver": name} for name in receivers[1:]]},
        "receivers": [{"name": name} for name in receivers],
    }
    return {"alertmanager.yml": json.dumps(config).encode()}


def release(
    prometheus: Mapping[str, bytes] | None = None,
    alertmanager: Mapping[str, bytes] | None = None,
    revision: str = "1" * 40,
) -> Release:
    files = {f"cells/{CELL}/{path}": data for path, data in (prometheus or {}).items()}
    files |= {f"alertmanager/{path}": data for path, data in (alertmanager or {}).items()}
    return Release(revision, {**files, "provenance.json": b"{}"})


def access(url: str) -> ServerAccess:
    return ServerAccess(url, timeout=20.0)


def settings(folder: Path, url: str = "", **changes: Any) -> FilesSettings:
    fields: dict[str, Any] = {
        "name": "here",
        "type": DestinationType.PROMETHEUS_FILES,
        "folder": str(folder),
        "cell": CELL,
        "server": access(url) if url else None,
    }
    return FilesSettings(**{**fields, **changes})
