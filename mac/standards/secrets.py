"""Secrets that stand in a document where only a reference belongs: of receivers, sources, servers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mac.credentials import TOKEN, TOKEN_PATHS
from mac.problems import Location, Problem
from mac.source import Document, Pointer

# The field of Alertmanager that holds the secret itself → what to write instead.
_FIELDS = {
    "routing_key": "routing_key_file",
    "service_key": "service_key_file",
    "api_url": "api_url_file",
    "api_key": "api_key_file",
    "webhook_url": "webhook_url_file",
    "auth_password": "auth_password_file",
    "auth_secret": "auth_password_file",
    "credentials": "credentials_file",
    "password": "password_file",
    "bearer_token": "authorization.credentials_file",
    "access_key": "sigv4.role_arn",
    "secret_key": "sigv4.role_arn",
}
# Fields of that name which hold no secret in this integration.
_HARMLESS = {
    ("victorops", "routing_key"),
    ("opsgenie", "api_url"),
    ("victorops", "api_url"),
    ("sns", "api_url"),
}

SECTIONS = {
    "Team": ("receivers", "after_hours", "environments"),
    "Project": ("packages", "prometheus", "alertmanager", "git"),
}
"""Kind of document → where in its spec receivers, sources or servers stand."""

_SECRET_PARAMETER = re.compile(r"(?i)(api[_-]?key|auth|key|pass(word)?|secret|sig(nature)?|token)")
_SOURCE_WITH_SECRET = re.compile(r"(?i)://[^/\s@]*:[^/\s]*@|^https?://[^/\s]+@|[?&#]")
_SERVER_SECRET = re.compile(r"://[^/\s]*@|[?#]")
_TOKEN_PATHS = re.compile(TOKEN_PATHS)
_TOKEN = re.compile(TOKEN)
_RANDOM = re.compile(r"(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9_-]{32,}")


def instead_of(problems: Iterable[Problem], document: Document) -> tuple[Problem, ...]:
    """The problems of a document, where those about a secret say so and do not repeat it."""
    found = list(_secrets(document))
    at_secret = {place for place, _ in found}
    kept = [p for p in problems if p.location not in at_secret]
    return (*kept, *(problem for _, problem in found))


def _secrets(document: Document) -> Iterator[tuple[Location, Problem]]:
    """Each secret's value, and the place of its key, at which the schema may have had its own word."""
    spec = document.data.get("spec")
    for section in SECTIONS[document.data["kind"]] if isinstance(spec, dict) else ():
        for pointer, key, value, integration in _fields(("spec", section), spec.get(section), ""):
            ours = section in ("prometheus", "alertmanager")
            fault = _fault_of_server(key, value) if ours else _fault(key, value, integration)
            if fault:
                problem = Problem(document.location(pointer), "plain-secret", *fault)
                yield document.location(pointer), problem
                yield document.location(pointer, key=True), problem


def _fields(at: Pointer, value: Any, integration: str) -> Iterator[tuple[Pointer, str, Any, str]]:
    """Every scalar below a value: where it stands, its key, itself, and the integration around it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        around = integration or (str(key) if isinstance(at[-1], int) else "")  # an item of a list
        if isinstance(inner, dict | list):
            yield from _fields((*at, key), inner, around)
        elif inner is not None:
            yield (*at, key), str(key), inner, around


def _fault(key: str, value: Any, integration: str) -> tuple[str, str] | None:
    """(message, hint) when a field holds a secret."""
    instead = _FIELDS.get(key)
    if instead and (integration, key) not in _HARMLESS:
        return (
            f"{key} would put a secret into Git",
            f"write it to a file on Alertmanager's machine and name that file in {instead}",
        )
    if not isinstance(value, str):
        return None
    if key == "git":
        if _TOKEN.search(value) or _SOURCE_WITH_SECRET.search(value):
            return (f"{key} contains what looks like a secret", "take it out: Git asks its credential helper")
        return None
    if key.endswith("_file") and not value.startswith("/"):
        return (f"{key} must be an absolute path; what stands here may be the secret itself",
                "write it to a file on Alertmanager's machine and name that file here")  # fmt: skip
    if _TOKEN.search(value) or (not key.endswith("_file") and _address_with_secret(value)):
        hint = "take the secret out; for a webhook, http_config.authorization.credentials_file carries one"
        return (f"{key} contains what looks like a secret", hint)
    return None


def _fault_of_server(key: str, value: Any) -> tuple[str, str] | None:
    """The same of a server that mac itself speaks to."""
    if key in ("bearer_token", "password"):
        hint = "write it to a file, {file: /run/secrets/token}, or an environment variable, {env: TOKEN}"
        return (f"{key} would put a secret into Git", hint)
    if isinstance(value, str) and (_TOKEN.search(value) or (key == "url" and _SERVER_SECRET.search(value))):
        hint = "take it out: bearer_token and basic_auth say where secrets are read"
        return (f"{key} contains what looks like a secret", hint)
    return None


def _address_with_secret(value: str) -> bool:
    try:
        address = urlsplit(value)
        if not address.scheme or not address.netloc:
            return False
        return bool(
            address.password
            or address.username
            or _TOKEN_PATHS.search(value)
            or any(_SECRET_PARAMETER.search(name) for name, _ in parse_qsl(address.query))
            or any(_RANDOM.fullmatch(part) for part in address.path.split("/"))
        )
    except ValueError:
        return False


def in_query(url: str) -> str:
    """The name of a parameter in a URL's query that holds a secret in all likelihood, or nothing."""
    # urlsplit would judge an address in brackets as well.
    names = [name for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)]
    return next((name for name in names if _SECRET_PARAMETER.search(name)), "")
