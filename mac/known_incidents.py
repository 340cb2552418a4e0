"""A list of what was really wrong, as people wrote it down: `--known FILE`.

incidents:
  - {name: lost rack, service: hdfs, start: 2026-11-03T02:10:00Z, end: 2026-11-03T03:00:00Z}
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mac import files, source
from mac.forecast_figures import Incident
from mac.problems import Location, Problem, ProblemsError, did_you_mean
from mac.source import Document, Pointer

_KEYS = ("name", "service", "start", "end")


def read(path: Path, root: Path) -> tuple[Incident, ...]:
    """Raises ProblemsError with everything that is wrong."""
    content, problems = files.read(path, root)
    if content is None:
        raise ProblemsError(problems)
    document, problems = source.parse(content, files.shown(path, root))
    if document is None:
        raise ProblemsError(problems)
    found = list(problems)
    listed = document.data.get("incidents") if isinstance(document.data, dict) else None
    if not isinstance(listed, list):
        message = "a file of known incidents has a list `incidents`"
        raise ProblemsError([*found, Problem(document.location(), "missing-key", message)])
    incidents = [_incident(document, ("incidents", n), raw, found) for n, raw in enumerate(listed)]
    if found:
        raise ProblemsError(found)
    return tuple(each for each in incidents if each)


def _incident(document: Document, at: Pointer, raw: Any, found: list[Problem]) -> Incident | None:
    place = document.location(at)
    if not isinstance(raw, Mapping):
        found.append(Problem(place, "wrong-type", "an incident is a mapping", "see docs/forecast.md"))
        return None
    for key in raw.keys() - set(_KEYS):
        at_key = document.location((*at, key), key=True)
        message = f'an incident has no key "{key}"'
        found.append(Problem(at_key, "unknown-key", message, did_you_mean(key, _KEYS)))
    missing = [key for key in ("service", "start", "end") if not isinstance(raw.get(key), str)]
    if missing:
        found.append(Problem(place, "missing-key", f"an incident needs {' and '.join(missing)} as text"))
        return None
    times = [_time(document, (*at, key), raw[key], found) for key in ("start", "end")]
    if None in times:
        return None
    start, end = (float(each or 0) for each in times)
    if end <= start:
        found.append(Problem(document.location((*at, "end")), "wrong-value", "it ends before it begins"))
    return Incident(str(raw.get("name") or raw["service"]), raw["service"], start, end, place)


def _time(document: Document, at: Pointer, text: str, found: list[Problem]) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        place: Location = document.location(at)
        found.append(Problem(place, "wrong-value", f"{text} is no time", "as in 2026-11-03T02:10:00Z"))
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
