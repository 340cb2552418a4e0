"""How a server is spoken to, as a document says it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from mac import durations
from mac.access_model import Secret, ServerAccess, SigV4
from mac.problems import Problem, Severity
from mac.source import Document, Pointer


def read(document: Document, at: Pointer, raw: Mapping[str, Any]) -> ServerAccess:
    """What stands at a place of a document that fits its schema."""
    basic, sigv4, tls = raw.get("basic_auth"), raw.get("sigv4"), raw.get("tls", {})
    return ServerAccess(
        url=raw["url"],
        tenant=raw.get("tenant", ""),
        bearer_token=_secret(document, (*at, "bearer_token"), raw.get("bearer_token")),
        username=basic["username"] if basic else "",
        password=_secret(document, (*at, "basic_auth", "password"), basic and basic["password"]),
        sigv4=SigV4(sigv4["region"], sigv4.get("role_arn", "")) if sigv4 else None,
        **tls,
        timeout=durations.seconds(raw.get("timeout", "30s")) or 0.0,
        location=document.location((*at, "url")),
    )


def check(access: ServerAccess, document: Document, at: Pointer) -> Iterator[Problem]:
    """What a schema cannot say of it."""
    if bool(access.cert_file) != bool(access.key_file):
        place = document.location((*at, "tls"), key=True)
        yield Problem(place, "missing-key", "a certificate needs its key, and a key its certificate")
    if not access.timeout:
        place = document.location((*at, "timeout"))
        yield Problem(place, "wrong-value", "a server needs some time to answer", "as in 30s")
    parts = urlsplit(access.url)
    if parts.scheme == "http" and (access.bearer_token or access.password) and not _near(parts.hostname):
        message = "the credentials go over the network without encryption"
        hint = "write https:// if the server has it"
        yield Problem(access.location, "plain-secret", message, hint, Severity.WARNING)


def _secret(document: Document, at: Pointer, raw: Mapping[str, str] | None) -> Secret | None:
    return Secret(**raw, location=document.location(at, key=True)) if raw else None


def _near(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
