"""What of a field that changes a person is shown: the place where its values differ, in lines that fit.

The whole of both values is in the JSON of a plan.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

from mac import report
from mac.diff import FieldChange
from mac.model import Json

_WIDE = 100
_LONG, _AROUND = 160, 40
"""So much of a value is shown, and so much of what two values share around what differs."""
_PARTS = 6
"""So many places in one field are lines of their own; more are counted."""
_NAMES = ("name", "title", "refId")
"""What elements of a list are called by, if they have it: variables of a dashboard, queries of a panel."""


def lines(field: FieldChange) -> Iterator[str]:
    """A field of a change, before and after."""
    if field.old is None and field.new is None:
        yield f"{_shown(field.field)}: differs from one to the other"
        return
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, old, new in _parts(field.field, field.old, field.new):
        alike[_value(old), _value(new)].append(path)
    for (before, after), paths in [*alike.items()][:_PARTS]:
        yield from _part(paths, before, after)
    if left := sum(map(len, [*alike.values()][_PARTS:])):
        yield f"{_shown(field.field)}: differs in {_more(left)}"


def _parts(path: str, old: Json, new: Json) -> Iterator[tuple[str, Json, Json]]:
    """The innermost parts in which two values differ, with where they are; what fits on a line is one."""
    if len(_value(old)) + len(_value(new)) + len(path) > _WIDE:
        if isinstance(old, dict) and isinstance(new, dict):
            for key in sorted(old.keys() | new.keys(), key=str):
                if old.get(key) != new.get(key) or (key in old) != (key in new):
                    yield from _parts(f"{path}.{key}", old.get(key), new.get(key))
            return
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for number, (before, after) in enumerate(zip(old, new, strict=True)):
                if before != after:
                    yield from _parts(f"{path}[{_name(after, number)}]", before, after)
            return
    yield path, old, new


def _name(element: Json, number: int) -> str:
    names = [element[key] for key in _NAMES if key in element] if isinstance(element, dict) else []
    return str(names[0]) if names else str(number)


def _part(paths: Sequence[str], old: str, new: str) -> Iterator[str]:
    """What differs in the same way at all of these places."""
    place = _shown(paths[0]) + (f" (and in {_more(len(paths) - 1)})" if len(paths) > 1 else "")
    if len(old) + len(new) + len(place) <= _WIDE:
        yield f"{place}: {old} → {new}"
        return
    yield f"{place}:"
    for sign, part in zip("-+", _differing(old, new), strict=True):
        yield f"  {sign} {part}"


def _more(count: int) -> str:
    return f"{count} more place{'' if count == 1 else 's'}"


def _differing(old: str, new: str) -> tuple[str, str]:
    """Both values; of long ones the part from just before where they differ to just behind it."""
    if max(len(old), len(new)) <= _LONG:
        return old, new
    before = _alike(old, new)
    behind = _alike(old[before:][::-1], new[before:][::-1])
    start, cut = max(before - _AROUND, 0), max(behind - _AROUND, 0)

    def part(value: str) -> str:
        middle = _without_middle(value[start : len(value) - cut])
        return ("…" if start else "") + middle + ("…" if cut else "")

    return part(old), part(new)


def _without_middle(value: str) -> str:
    if len(value) <= _LONG:
        return value
    half = _LONG // 2
    return f"{value[:half]}…{value[-half:]}"


def _alike(one: str, other: str) -> int:
    """How many characters two values have in common at their beginning."""
    differ = (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))


def _value(value: Json) -> str:
    if value is None:
        return "(none)"
    shown = " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return report.one_line(shown, len(shown))


def _shown(path: str) -> str:
    return report.one_line(path, _LONG)
