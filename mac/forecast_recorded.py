"""Alerts on recorded series: over what history has of them, or over their definitions where it has them not.

History has what the rules that run have recorded. A rule of a change is not among them, and one that runs is
not either at times before it did: the server is asked whether it has the series where the replay begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mac import promql
from mac.forecast import recording
from mac.forecast.recording import RecordingRule
from mac.forecast_input import Configured, Rule
from mac.promql import Matcher, Selector

Has = Callable[[str, str], bool]
"""(cell, selector) → whether history has such series where the replay begins."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """`configured` asks of history what it has. `impossible`: a rule's key → why it cannot be replayed."""

    configured: Configured
    impossible: Mapping[str, str]


def recorded(configured: Configured) -> Iterator[tuple[str, str]]:
    """(cell, selector) of what each recording rule records, as far as an alert reads it at any depth."""
    for cell, rules in _by_cell(configured).items():
        read = _read(rules, (rule.expr for rule in configured.alerts if rule.cell == cell))
        for rule in read:
            yield cell, _selector(rule)


def rewritten(configured: Configured, running: Configured, has: Has) -> Rewritten:
    """Every alert over what history has, as the rules of `running` recorded it."""
    ours, theirs = _by_cell(configured), _by_cell(running)
    lacking = {
        cell: {
            *recording.changed(rules, theirs.get(cell, ())),
            *(rule for rule in rules if not has(cell, _selector(rule))),
        }
        for cell, rules in ours.items()
    }
    found: list[Rule] = []
    impossible: dict[str, str] = {}
    for rule in configured.rules:
        rules = ours.get(rule.cell, ()) if rule.alerting else ()
        read = _read(rules, [rule.expr]) if rules else ()
        if read:
            done = recording.substituted(rule.expr, read, lacking[rule.cell] & set(read))
            if done.reasons:
                impossible[rule.key] = f"history has not all that it reads: {'; '.join(done.reasons)}"
            found.append(replace(rule, expr=done.expr))
        else:
            found.append(rule)
    return Rewritten(replace(configured, rules=tuple(found)), impossible)


def _by_cell(configured: Configured) -> dict[str, tuple[RecordingRule, ...]]:
    found: dict[str, list[RecordingRule]] = {}
    for rule in configured.recordings:
        one = RecordingRule(rule.name, rule.expr, rule.labels, rule.interval, rule.group)
        found.setdefault(rule.cell, []).append(one)
    return {cell: tuple(rules) for cell, rules in found.items()}


def _read(rules: Iterable[RecordingRule], exprs: Iterable[str]) -> tuple[RecordingRule, ...]:
    """Those that these expressions read, at any depth."""
    named: dict[str, list[RecordingRule]] = {}
    for rule in rules:
        named.setdefault(rule.record, []).append(rule)
    names = set()
    pending = {name for expr in exprs for name in recording.reads(expr)}
    while pending:
        names |= pending
        further = {r for name in pending for rule in named.get(name, ()) for r in recording.reads(rule.expr)}
        pending = further - names
    return tuple(rule for name in sorted(names) for rule in named.get(name, ()))


def _selector(rule: RecordingRule) -> str:
    matchers = tuple(Matcher(name, "=", value) for name, value in rule.labels)
    return promql.selector_text(Selector(rule.record, matchers))
