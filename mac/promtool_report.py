"""What `promtool test rules` prints when an expectation does not hold, read back.

The text is the same from 2.42 to 3.x: below "FAILED:" one paragraph for each expectation, that begins with
`alertname: X, time: 5m,` or `expr: "…", time: 5m,`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_BEGIN = re.compile(
    r'^ {4}(?:alertname: (?P<alert>[^\n]*?)|expr: (?P<expr>"(?:[^"\\\n]|\\.)*")), time: (?P<at>\w+),[ ]?',
    re.MULTILINE,
)
_SIDES = re.compile(r"\s*exp:(?P<expected>.*?)(?:, ?)?\n\s*got:(?P<got>.*)", re.DOTALL)
_ALERT = re.compile(r"Labels:\{(?P<labels>[^\n]*)\}\n\s*Annotations:\{(?P<annotations>[^\n]*)\}")
_PAIR = re.compile(r'(?P<name>[^\s,="]+|"(?:[^"\\]|\\.)*")=(?P<value>"(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as promtool shows it: labels and annotations as pairs, in its order."""

    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that does not hold. Without `alert` and `expr` it is about the files themselves."""

    message: str = ""
    alert: str = ""
    expr: str = ""
    at: str = ""
    expected: tuple[Alert, ...] = ()
    got: tuple[Alert, ...] = ()


def parse(text: str) -> tuple[Failure, ...]:
    """All expectations that did not hold; empty when the text has none (rules that cannot be read)."""
    starts = list(_BEGIN.finditer(text))
    ends = [*(match.start() for match in starts), len(text)][1:]
    return tuple(_failure(match, text[match.end() : end]) for match, end in zip(starts, ends, strict=True))


def plain(text: str) -> str:
    """promtool's words without its headings, on one line."""
    lines = (line.strip() for line in text.splitlines())
    return " ".join(line for line in lines if line and not line.startswith(("Unit Testing:", "FAILED:")))


def _failure(match: re.Match[str], body: str) -> Failure:
    at = match["at"]
    sides = _SIDES.match(body)
    if match["alert"] is not None:
        if sides is None:
            return Failure(plain(body), alert=match["alert"], at=at)
        return Failure(
            alert=match["alert"], at=at, expected=_alerts(sides["expected"]), got=_alerts(sides["got"])
        )
    expr = _unquote(match["expr"])
    if sides is None:
        return Failure(plain(body).removeprefix("err: "), expr=expr, at=at)
    expected, got = (plain(sides[side]) or "nothing" for side in ("expected", "got"))
    return Failure(f"expected {expected}, got {got}", expr=expr, at=at)


def _alerts(text: str) -> tuple[Alert, ...]:
    return tuple(Alert(_pairs(m["labels"]), _pairs(m["annotations"])) for m in _ALERT.finditer(text))


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((_unquote(m["name"]), _unquote(m["value"])) for m in _PAIR.finditer(text))


def _unquote(text: str) -> str:
    """A Go string literal; as it stands where Go escapes in a way that JSON does not know (\\x00)."""
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]
