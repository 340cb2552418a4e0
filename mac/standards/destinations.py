"""Destinations of `mac deploy`: read from mac.yaml, and what a schema cannot say of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from mac import conventions, durations
from mac.deploy_model import (
    SECRETS_DIR,
    AmpSettings,
    ApiSettings,
    DestinationSettings,
    DestinationType,
    FilesSettings,
    StoredSecret,
)
from mac.problems import Problem
from mac.source import Document, Pointer
from mac.standards import access

AT: Pointer = ("spec", "destinations")

# What each type takes beside its type: what it must have, and what it may have.
_KEYS: Mapping[DestinationType, tuple[tuple[str, ...], tuple[str, ...]]] = {
    DestinationType.PROMETHEUS_FILES: (
        ("cell", "folder", "server"),
        ("shard", "replica", "pid_file", "tool", "keep", "settle"),
    ),
    DestinationType.ALERTMANAGER_FILES: (
        ("folder", "server"),
        ("pid_file", "tool", "keep", "settle", "secrets"),
    ),
    DestinationType.GRAFANA_FILES: (("folder",), ("keep",)),
    DestinationType.RULER: (("cell", "server"), ("api", "namespace", "title", "settle")),
    DestinationType.ALERTMANAGER_API: (("server",), ("secrets",)),
    DestinationType.GRAFANA_API: (("server",), ("namespace", "title")),
    DestinationType.AMP: (
        ("cell", "workspace", "region"),
        ("role_arn", "external_id", "namespace", "max_bytes", "settle"),
    ),
    DestinationType.AMP_ALERTMANAGER: (
        ("workspace", "region"),
        ("role_arn", "external_id", "max_bytes", "settle"),
    ),
}


_SECRET_KEYS = {"ssm_parameter": "parameter", "secretsmanager_secret": "secret"}

_TEXTS = (
    *("cell", "replica", "folder", "pid_file", "tool", "keep", "api", "namespace"),
    *("workspace", "region", "role_arn", "external_id", "max_bytes"),
)


def read(document: Document) -> tuple[DestinationSettings, ...]:
    """Those that have what their type needs; `check` tells of the others."""
    given: Mapping[str, Any] = document.data["spec"].get("destinations", {})
    return tuple(
        _read(document, name, raw)
        for name, raw in given.items()
        if all(key in raw for key in _KEYS[DestinationType(raw["type"])][0])
    )


def _read(document: Document, name: str, raw: Mapping[str, Any]) -> DestinationSettings:
    at = (*AT, name)
    given: dict[str, Any] = {key: value for key, value in raw.items() if key in _TEXTS}
    given |= {
        "name": name,
        "type": DestinationType(raw["type"]),
        "location": document.location(at, key=True),
        "cell_location": document.location((*at, "cell")),
    }
    if "shard" in raw:
        given["cell"] = conventions.shard_name(raw["cell"], raw["shard"])
    if "settle" in raw:
        given["settle"] = durations.seconds(raw["settle"]) or 0.0
    if "server" in raw:
        given["server"] = access.read(document, (*at, "server"), raw["server"])
    given["secrets"] = tuple(_secrets(document, (*at, "secrets"), raw.get("secrets", {})))
    needed = _KEYS[given["type"]][0]
    possible: type[DestinationSettings] = ApiSettings
    if "folder" in needed:
        possible = FilesSettings
    elif "workspace" in needed:
        possible = AmpSettings
    fields = {field.name for field in dataclasses.fields(possible)}
    return possible(**{key: value for key, value in given.items() if key in fields})


def _secrets(document: Document, at: Pointer, raw: Mapping[str, Any]) -> Iterator[StoredSecret]:
    for path, each in raw.items():
        named = {_SECRET_KEYS.get(key, key): value for key, value in each.items()}
        yield StoredSecret(path, location=document.location((*at, path), key=True), **named)


def _misplaced(settings: DestinationSettings) -> Iterator[Problem]:
    """Secrets that mac would have to write outside of the destination's folder."""
    if isinstance(settings, FilesSettings):
        folder = f"{settings.folder}/{SECRETS_DIR}"
        for secret in settings.secrets:
            if PurePosixPath(secret.path).parent != PurePosixPath(folder):
                hint = f"name it {folder}/{PurePosixPath(secret.path).name}, here and where receivers name it"
                yield Problem(secret.location, "wrong-value", f"mac writes secrets to {folder} alone", hint)


def check(read_ones: tuple[DestinationSettings, ...], document: Document) -> Iterator[Problem]:
    """Everything that is wrong with the destinations of mac.yaml."""
    for name, raw in document.data["spec"].get("destinations", {}).items():
        yield from _keys(document, (*AT, name), raw)
    folders: dict[str, str] = {}
    for settings in read_ones:
        at = (*AT, settings.name)
        yield from _misplaced(settings)
        if not isinstance(settings, AmpSettings) and settings.server:
            yield from access.check(settings.server, document, (*at, "server"))
            if settings.server.sigv4:
                place = document.location((*at, "server", "sigv4"), key=True)
                yield Problem(place, "wrong-value", "this server is not one of AWS", "remove it")
        if not settings.settle:
            place = document.location((*at, "settle"))
            yield Problem(place, "wrong-value", "a server needs some time to take it up", "as in 60s")
        folder = settings.folder if isinstance(settings, FilesSettings) else ""
        other = folders.setdefault(folder, settings.name) if folder else settings.name
        if other != settings.name:
            place = document.location((*at, "folder"))
            message = f"the folder belongs to the destination {other} already"
            yield Problem(place, "duplicate-name", message, "give each a folder of its own")


def _keys(document: Document, at: Pointer, raw: Mapping[str, Any]) -> Iterator[Problem]:
    needed, possible = _KEYS[DestinationType(raw["type"])]
    for key in needed:
        if key not in raw:
            message = f'"{key}" is missing: a destination of the type {raw["type"]} has one'
            yield Problem(document.location(at, key=True), "missing-key", message)
    for key in raw:
        if key not in (*needed, *possible, "type"):
            message = f'"{key}" has no meaning for a destination of the type {raw["type"]}'
            place = document.location((*at, key), key=True)
            yield Problem(place, "wrong-value", message, "remove it")
