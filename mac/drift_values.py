"""What differs between a thing as it is and as it is meant, in few values that anybody may see. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

from mac import credentials, durations, emit
from mac.drift_model import Difference
from mac.model import Json

HIDDEN = "<hidden>"

SHOWN = 3
"""Values of one thing that are told."""

_LONGEST = 80
_BEFORE = 20  # characters before the first that differs
_NAMES = ("name", "alert", "record", "job_name", "uid", "title")
# Where Prometheus, Alertmanager and exporters may be given credentials: only lengths and numbers are shown.
_GUARDED = frozenset(
    [
        *("global", "receivers", "templates", "template_files", "alerting", "scrape_configs", "modules"),
        *("remote_write", "remote_read", "tracing", "storage"),
    ]
)
_SECRET = re.compile(r"(?i)pass|secret|token|credential|auth|api_?key|private|headers|params")
_MAY_BE_SECRET = re.compile(r"(?i)key|url|user|_id|receivers")  # though it is a number
_ABSENT, _NOTHING = object(), "nothing"

Keys = tuple[str, ...]


def differences(
    there: bytes, meant: bytes, *, most: int | None = SHOWN, adds: bool = False
) -> tuple[Difference, ...]:
    """The first few, with `most` None all; none when either cannot be read as YAML or JSON. `adds`: what is
    there may have keys that nobody meant.
    """
    try:
        one, other = _parsed(there), _parsed(meant)
    except ValueError:
        return ()
    found = (each for each in _walk((), one, other) if not adds or each.meant != _NOTHING)
    return tuple(itertools.islice(found, most))


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
        yield Difference(_path(at), *_short(_shown(at, there), _shown(at, meant)))


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
        return _NOTHING
    if isinstance(value, list):
        return _count(value)
    if isinstance(value, Mapping):
        return f"{len(value)} keys" if len(value) != 1 else "1 key"
    text = value if isinstance(value, str) else emit.json_line(value).decode().strip()
    if any(_SECRET.search(key) for key in at) or next(credentials.find("", text.encode()), None):
        return HIDDEN
    if not _GUARDED.isdisjoint(at):
        is_text = isinstance(value, str) and durations.milliseconds(text) is None
        if is_text or any(_MAY_BE_SECRET.search(key) for key in at):
            return HIDDEN
    return " ".join(text.split())


def _short(there: str, meant: str) -> tuple[str, str]:
    """Both cut to where they differ, when one of them is long."""
    if max(len(there), len(meant)) <= _LONGEST:
        return there, meant
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(there, meant, strict=False))
    start = max(sum(1 for _ in same) - _BEFORE, 0)
    return _cut(there, start), _cut(meant, start)


def _cut(text: str, start: int) -> str:
    kept = f"…{text[start + 1 :]}" if start else text
    return kept if len(kept) <= _LONGEST else f"{kept[: _LONGEST - 1]}…"
