"""Alertmanager's label matchers: reading, writing and matching them; whether several can hold at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_MATCHER = re.compile(
    r"""\s*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?P<op>=~|!~|!=|=)\s*"""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^"]*?))\s*""",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LITERALS = re.compile(r"[\w .:/@-]+(?:\|[\w .:/@-]+)*")


@dataclass(frozen=True, slots=True)
class Matcher:
    """`name op value`; `op` is one of = != =~ !~. A label that is missing has the value ""."""

    name: str
    op: str
    value: str

    def matches(self, value: str) -> bool:
        if self.op in ("=", "!="):
            return (value == self.value) is (self.op == "=")
        return (_compiled(self.value).fullmatch(value) is not None) is (self.op == "=~")

    def mentioned(self) -> tuple[str, ...]:
        """The values that it speaks of, as far as they are plain words."""
        if self.op in ("=", "!="):
            return (self.value,)
        return tuple(self.value.split("|")) if _LITERALS.fullmatch(self.value) else ()


@lru_cache(maxsize=16_384)
def read(text: str) -> Matcher:
    """A matcher as it stands in alertmanager.yml. Raises ValueError when it is none."""
    match = _MATCHER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a matcher")
    quoted = match["quoted"]
    value = match["bare"] if quoted is None else _ESCAPED.sub(_unescaped, quoted)
    if match["op"] in ("=~", "!~"):
        _compiled(value)
    return Matcher(match["name"], match["op"], value)


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    for matcher in matchers:  # noqa: SIM110 - a loop is twice as fast, and forecasts ask millions of times
        if not matcher.matches(labels.get(matcher.name, "")):
            return False
    return True


def example(matchers: Iterable[Matcher]) -> Mapping[str, str] | None:
    """Labels that satisfy all of the matchers at once, or None when there are none.

    A label has the values that some matcher mentions, none, or one that nobody mentions: more are not
    needed where regular expressions list words, as in all that mac writes.
    """
    by_label: dict[str, list[Matcher]] = {}
    for matcher in matchers:
        by_label.setdefault(matcher.name, []).append(matcher)
    found: dict[str, str] = {}
    for label, own in by_label.items():
        candidates = ["", *(value for m in own for value in m.mentioned()), "any other value"]
        value = next((c for c in candidates if all(m.matches(c) for m in own)), None)
        if value is None:
            return None
        found[label] = value
    return found


@lru_cache(maxsize=16_384)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


# --- writing them ------------------------------------------------------------------------------------


def equals(label: str, value: str) -> str:
    return f'{label}="{escaped(value)}"'


def any_of(label: str, values: Sequence[str]) -> str:
    """A matcher for values that people wrote: whatever they hold, it means just them."""
    if len(values) == 1:
        return equals(label, values[0])
    return f'{label}=~"{escaped("|".join(re.escape(value) for value in sorted(values)))}"'


def one_of(label: str, values: Iterable[str]) -> str:
    # Names of standards, services and severities are plain words, so nothing needs escaping for RE2.
    return f'{label}=~"{"|".join(sorted(escaped(str(v)) for v in values))}"'


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
