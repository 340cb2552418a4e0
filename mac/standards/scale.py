"""Shards, replicas and remote write, as mac.yaml says them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from mac.problems import Problem
from mac.shard_model import CellSize, RemoteWrite, Scale, Sharding
from mac.source import Document, Pointer
from mac.standards import access

_SHARDS: Pointer = ("spec", "shards")
_MEASURE: Pointer = (*_SHARDS, "measure")
_WRITE: Pointer = ("spec", "remote_write")
_REPLICAS: Pointer = ("spec", "replicas")


def read(document: Document) -> Scale:
    """Of a document that fits its schema."""
    spec = document.data["spec"]
    return Scale(
        _sharding(document) if "shards" in spec else None,
        tuple(spec.get("replicas", ())),
        _remote_write(document) if "remote_write" in spec else None,
    )


def _sharding(document: Document) -> Sharding:
    raw: dict[str, Any] = document.data["spec"]["shards"]
    return Sharding(
        max_targets=raw.get("max_targets", 0),
        max_series=raw.get("max_series", 0),
        cells={
            name: CellSize(**size, location=document.location((*_SHARDS, "cells", name), key=True))
            for name, size in raw.get("cells", {}).items()
        },
        measure=access.read(document, _MEASURE, raw["measure"]) if "measure" in raw else None,
        location=document.location(_SHARDS, key=True),
    )


def _remote_write(document: Document) -> RemoteWrite:
    raw: dict[str, Any] = document.data["spec"]["remote_write"]
    basic, sigv4 = raw.get("basic_auth", {}), raw.get("sigv4", {})
    return RemoteWrite(
        url=raw["url"],
        tenant=raw.get("tenant", ""),
        token_file=raw.get("token_file", ""),
        username=basic.get("username", ""),
        password_file=basic.get("password_file", ""),
        sigv4_region=sigv4.get("region", ""),
        sigv4_role_arn=sigv4.get("role_arn", ""),
        tls=dict(raw.get("tls", {})),
        location=document.location((*_WRITE, "url")),
    )


def check(scale: Scale, document: Document) -> Iterator[Problem]:
    """What a schema cannot say of them."""
    sharding, write = scale.sharding, scale.remote_write
    if sharding is not None:
        if write is None:
            message = "a cell that is divided needs remote_write: its alerts look at the series of all shards"
            hint = "send them to Mimir, to Amazon Managed Service for Prometheus, or to another Prometheus"
            yield Problem(sharding.location, "missing-key", message, hint)
        if sharding.measure is not None:
            yield from access.check(sharding.measure, document, _MEASURE)
            if "{cell}" not in sharding.measure.url:
                hint = "as in http://prometheus-{cell}.example.com:9090"
                message = "every cell would be counted by the same Prometheus: {cell} is missing"
                yield Problem(sharding.measure.location, "wrong-value", message, hint)
            if not sharding.max_series:
                place = document.location(_MEASURE, key=True)
                yield Problem(place, "missing-key", "series are counted for nothing: max_series is missing")
    if scale.replicas and write is None:
        # Without it, replicas would both be right, and nothing would take one of the two.
        place = document.location(_REPLICAS, key=True)
        hint = "Mimir and Amazon Managed Service for Prometheus keep what one of them sends"
        yield Problem(place, "missing-key", "replicas need remote_write", hint)
    if write is None:
        return
    if bool(write.tls.get("cert_file")) != bool(write.tls.get("key_file")):
        place = document.location((*_WRITE, "tls"), key=True)
        yield Problem(place, "missing-key", "a certificate needs its key, and a key its certificate")
    if write.sigv4_region and urlsplit(write.url).scheme != "https":
        yield Problem(write.location, "wrong-value", "AWS answers at https:// only")
