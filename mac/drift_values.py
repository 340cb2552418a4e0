"""What differs between a thing as it is and as it is meant, in few values that anybody may see. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

from mac import credentials, durations, emit
from mac.drift_model import Difference
from mac.model import Json

HIDDEN = "<hidden>"

_MOST = 3
_LONGEST = 80
_NAMES = ("name", "alert", "record", "job_name", "uid", "title")
# Where Prometheus, Alertmanager and exporters may be given credentials: only lengths and numbers are shown.
_GUARDED = frozenset(
    [
        *("global", "receivers", "templates", "template_files", "alerting", "scrape_configs", "modules"),
        *("remote_write", "remote_read", "tracing", "storage"),
    ]
)
_SECRET = re.compile(r"(?i)pass|secret|token|credential|auth|api_?key|private|headers|params")
_ABSENT = object()

Keys = tuple[str, ...]


def differences(there: bytes, meant: bytes) -> tuple[Difference, ...]:
    """The first few; none when either cannot be read as YAML or JSON."""
    try:
        one, other = _parsed(there), _parsed(meant)
    except ValueError:
        return ()
    return tuple(itertools.islice(_walk((), one, other), _MOST))


def _parsed(content: bytes) -> Json:
    try:
        return emit.read_json(content)
    except ValueError:
        return emit.read_yaml(content.decode("utf-8"))


def _walk(at: Keys, there: Json, meant: Json) -> Iterator[Difference]:
    if there == meant:
        return
    if isinstance(there, dict) and isinstance(meant, dict):
        for key in dict.fromkeys([*meant, *there]):
            yield from _walk((*at, str(key)), there.get(key, _ABSENT), meant.get(key, _ABSENT))
    elif isinstance(there, list) and isinstance(meant, list):
        yield from _walk_list(at, there, meant)
    elif isinstance(there, str) and isinstance(meant, str) and (inner := _inner(there, meant)):
        yield from _walk(at, *inner)
    else:
        yield Difference(_path(at), _shown(at, there), _shown(at, meant))


def _walk_list(at: Keys, there: list[Json], meant: list[Json]) -> Iterator[Difference]:
    """By name where all have one of their own, else by place."""
    one, other = _by_name(there), _by_name(meant)
    if one is None or other is None:
        if len(there) != len(meant):
            yield Difference(_path(at), _count(there), _count(meant))
            return
        one = {f"[{n}]": each for n, each in enumerate(there)}
        other = {f"[{n}]": each for n, each in enumerate(meant)}
    for name in dict.fromkeys([*other, *one]):
        yield from _walk((*at, name), one.get(name, _ABSENT), other.get(name, _ABSENT))


def _by_name(entries: list[Json]) -> Mapping[str, Json] | None:
    named = {f"[{name}]": each for each in entries if (name := _name(each))}
    return named if len(named) == len(entries) else None


def _name(entry: Json) -> str:
    if not isinstance(entry, dict):
        return ""
    if isinstance(targets := entry.get("targets"), list) and "labels" in entry:
        return ", ".join(map(str, targets))
    return next((str(entry[key]) for key in _NAMES if isinstance(entry.get(key), str)), "")


def _inner(there: str, meant: str) -> tuple[Json, Json] | None:
    """Both as documents, where a text holds one."""
    if "\n" not in there or "\n" not in meant:
        return None
    try:
        one, other = emit.read_yaml(there), emit.read_yaml(meant)
    except ValueError:
        return None
    return (one, other) if isinstance(one, dict) and isinstance(other, dict) and one != other else None


# --- what is shown -----------------------------------------------------------------------------------


def _path(at: Keys) -> str:
    return "".join(key if key.startswith("[") else f".{key}" for key in at).removeprefix(".")


def _count(entries: list[Json]) -> str:
    return f"{len(entries)} entries" if len(entries) != 1 else "1 entry"


def _shown(at: Keys, value: object) -> str:
    if value is _ABSENT:
        return "nothing"
    if isinstance(value, list):
        return _count(value)
    if isinstance(value, Mapping):
        return f"{len(value)} keys" if len(value) != 1 else "1 key"
    text = value if isinstance(value, str) else emit.json_line(value).decode().strip()
    if any(_SECRET.search(key) for key in at) or next(credentials.find("", text.encode()), None):
        return HIDDEN
    if not _GUARDED.isdisjoint(at) and isinstance(value, str) and durations.milliseconds(text) is None:
        return HIDDEN
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"
