"""SLOs that are written for other tools, in standards/slo/: which tool a document is for, and what the
readers of each have in common.

What a specification says and mac does not carry over is a Problem: an error where the SLO would mean
something else, a warning where it is told, routed or shown in another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mac import conventions
from mac.model import Slo, Text
from mac.problems import Location, Problem, Severity
from mac.source import Document, Pointer

OPENSLO, SLOTH = "openslo/v1", "prometheus/v1"

# Of one width with what is usual, so that what follows keeps its place.
_WINDOW = re.compile(r"\{\{\s*\.window\s*\}\}")
_WINDOW_NAME = "<< window>>"
_PER_SECOND = re.compile(r"(?<![\w:])i?rate\s*\(")
_COUNTS = re.compile(r"(?<![\w:])(?:increase|count_over_time|sum_over_time)\s*\(")
_SET_BY_MAC = {conventions.SERVICE, conventions.TEAM, conventions.TIER, conventions.SEVERITY}


@dataclass(frozen=True, slots=True)
class Specified:
    """An SLO of a specification, and the service that it names at `place`."""

    service: str
    place: Location
    slo: Slo
    document: Document


def tool(document: Document) -> str:
    """The tool that a document is for: "openslo", "sloth", or "" for mac's own."""
    data = document.data if isinstance(document.data, Mapping) else {}
    version = data.get("apiVersion")
    if isinstance(version, str) and version.startswith("openslo"):
        return "openslo"
    if "version" in data and version is None:
        return "sloth"
    return "sloth" if isinstance(version, str) and version.startswith("sloth.slok.dev/") else ""


def name(text: str) -> str:
    """A name as mac writes those of SLOs."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:59].strip("-") or "slo"


def query(document: Document, at: Pointer, value: str) -> Text:
    """A query in which the other tool's window is mac's."""
    return Text(_WINDOW.sub(_WINDOW_NAME, value), document.text_location(at))


def has_window(text: Text) -> bool:
    return _WINDOW_NAME in text.text


def counted(text: Text, *, of: Text) -> tuple[Text, bool]:
    """A query made to give a number of events, and whether it is one; the functions in `of` tell its unit."""
    if _PER_SECOND.search(of.text):
        end = "\n" if "#" in text.text else ""
        return Text(f"({text.text.strip()}{end}) * << seconds >>", text.location), True
    return text, _COUNTS.search(of.text) is not None


def not_carried(
    document: Document, at: Pointer, what: str, hint: str = "", *, severity: Severity = Severity.WARNING
) -> Problem:
    return Problem(document.location(at, key=True), "slo-not-carried", what, hint, severity)


def labels(document: Document, at: Pointer, raw: Mapping[str, Any]) -> Iterator[tuple[str, str] | Problem]:
    """The labels that rules can have, and a problem for each of the others. `env` is mac's environment."""
    for key, value in raw.items():
        if key in ("env", conventions.ENVIRONMENT) and isinstance(value, str):
            yield conventions.ENVIRONMENT, value
        elif not isinstance(value, str) or not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", key):
            yield not_carried(document, (*at, key), f'"{key}" is not a label that a rule can have')
        elif key in _SET_BY_MAC:
            message = f'the label "{key}" is set by mac'
            yield not_carried(document, (*at, key), message, "it comes from the service's document")
        else:
            yield key, value
