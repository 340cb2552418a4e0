"""Durations as Prometheus writes them: `90s`, `1h30m`, `2d`, `0`.

Units stand from large to small, each at most once: y (365 days), w, d, h, m, s, ms. Every function takes and
gives whole milliseconds unless its name says otherwise.
"""

from __future__ import annotations

import re
from datetime import datetime

_UNITS = {
    "y": 365 * 24 * 3600 * 1000,
    "w": 7 * 24 * 3600 * 1000,
    "d": 24 * 3600 * 1000,
    "h": 3600 * 1000,
    "m": 60 * 1000,
    "s": 1000,
    "ms": 1,
}
_SHAPE = re.compile("".join(rf"(?:([0-9]+){unit})?" for unit in _UNITS))
_LONGEST = (2**63 - 1) // 10**6  # Go counts nanoseconds in 64 bits
_MOST_DIGITS = 19


def milliseconds(text: str) -> int | None:
    """The length of a duration; None when the text is not one, or longer than Prometheus can hold."""
    if text == "0":
        return 0
    match = _SHAPE.fullmatch(text)
    if not text or match is None:
        return None
    counts = match.groups(default="0")
    if any(len(count) > _MOST_DIGITS for count in counts):
        return None
    total = sum(int(count) * size for count, size in zip(counts, _UNITS.values(), strict=True))
    return total if total <= _LONGEST else None


def seconds(text: str) -> float | None:
    """The length in seconds; None when the text is not a duration."""
    length = milliseconds(text)
    return None if length is None else length / 1000


def elapsed(since: str, now: datetime) -> float:
    """Seconds from an ISO 8601 time until `now`; 0 when it is empty or still to come."""
    return max(0.0, (now - datetime.fromisoformat(since)).total_seconds()) if since else 0.0


def spell(length: int) -> str:
    """The shortest duration text of that many milliseconds, as Prometheus prints it. Negative: ValueError."""
    if length < 0:
        raise ValueError("a duration is never negative")
    if length == 0:
        return "0s"
    parts = []
    for unit, size in _UNITS.items():
        # A remainder would have to be spelt in days, so weeks and years only stand alone.
        if unit in ("y", "w") and length % size:
            continue
        count, length = divmod(length, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
