"""Rules over time: each text of a rule while it held, with the key by which Prometheus keeps its state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

Document = Any


@dataclass(frozen=True, slots=True)
class Span:
    """A rule's text, as the rule file has it, while it held: from `start` until `end`."""

    start: float
    end: float
    rule: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TimedRule:
    """A rule over time. `key`: file, group, name, labels; by it Prometheus keeps its state on a reload."""

    key: tuple[str, str, str, tuple[tuple[str, str], ...], int]
    spans: tuple[Span, ...]

    @property
    def name(self) -> str:
        return self.key[2]

    @property
    def recording(self) -> bool:
        return "record" in self.spans[0].rule


class RulesOverTime:
    """Collects states of a rule set into rules with spans; equal text in a row is one span."""

    def __init__(self) -> None:
        self._spans: dict[Any, list[Span]] = {}

    def replace(self, at: float, groups: Iterable[tuple[str, Document]]) -> None:
        now = dict(_keyed(groups))
        for key, spans in self._spans.items():
            last = spans[-1]
            if last.end == math.inf and now.get(key) != last.rule:
                spans[-1] = replace(last, end=at)
        for key, rule in now.items():
            spans = self._spans.setdefault(key, [])
            if not spans or spans[-1].end < math.inf:
                spans.append(Span(at, math.inf, rule))

    def until(self, end: float) -> tuple[TimedRule, ...]:
        return tuple(
            TimedRule(key, tuple(replace(s, end=min(s.end, end)) for s in spans if s.start < end))
            for key, spans in self._spans.items()
        )


def _keyed(groups: Iterable[tuple[str, Document]]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    for file, group in groups:
        seen: dict[Any, int] = {}
        for rule in group["rules"]:
            labels = tuple(sorted(rule.get("labels", {}).items()))
            same = (file, group["name"], rule.get("alert") or rule["record"], labels)
            seen[same] = seen.get(same, -1) + 1
            yield (*same, seen[same]), rule


def timed(groups: Iterable[tuple[str, Document]], start: float, end: float) -> tuple[TimedRule, ...]:
    """Rules that stay as they are from `start` until `end`."""
    rules = RulesOverTime()
    rules.replace(start, groups)
    return rules.until(end)
