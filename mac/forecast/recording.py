"""Recording rules of a change that history does not have: what they would have recorded, put in their place.

A server's history holds what the rules of the past recorded. Where a change records something new, or the
same name in another way, an alert that reads it cannot be asked of history as it stands: the definition takes
the place of the name. A rule's labels say which of several rules of one name a selector means; they are set
on the result, as recording does. What is asked is then exact up to the moment of evaluation: a recorded value
can be as old as its group's interval, a definition is always of now. A range over a recorded name becomes a
subquery with the interval of its group as resolution; its samples lie at multiples of the interval.

Some uses cannot be replaced: `offset` and `@` do not apply to an expression, a matcher on a label that the
definition computes cannot be applied to it, and a rule that reads itself has no beginning. They are named, so
that what depends on them is not replayed rather than replayed wrongly.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mac import durations, matchers, promql
from mac.forecast.model import Labels
from mac.promql import Failure, Selector
from mac.substitution import Use, set_label, substitute


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A rule as its file has it. `interval`: seconds between its group's evaluations; `group`: its file and
    group.
    """

    record: str
    expr: str
    labels: Labels = ()
    interval: float = 60.0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Substituted:
    """An expression that history can answer. `ranges`: the recorded names whose ranges became subqueries.
    `reasons`: why it cannot be asked; then `expr` is as it was.
    """

    expr: str
    ranges: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def reads(expr: str) -> frozenset[str]:
    """The names of the series that an expression reads; none when it is no expression."""
    parsed = promql.parse(expr)
    return frozenset() if isinstance(parsed, Failure) else parsed.metrics


def changed(head: Sequence[RecordingRule], base: Collection[RecordingRule]) -> tuple[RecordingRule, ...]:
    """The rules whose values history does not have: those that the base has not, or not with the same
    expression and labels, and those that read such a rule. In the order of `head`.

    Where they stand does not matter: a rule that moved to another group goes on recording the same series.
    """
    known = {(rule.record, rule.expr, rule.labels) for rule in base}
    found = {rule for rule in head if (rule.record, rule.expr, rule.labels) not in known}
    grew = True
    while grew:
        names = {rule.record for rule in found}
        further = {rule for rule in head if rule not in found and reads(rule.expr) & names}
        found |= further
        grew = bool(further)
    return tuple(rule for rule in head if rule in found)


def substituted(expr: str, rules: Sequence[RecordingRule], lacking: Collection[RecordingRule]) -> Substituted:
    """The expression with the definitions of those rules in it that history lacks.

    `rules` are all of the change, `lacking` those of them whose values are not in history (`changed`, or what
    the server says it has no series of). Where a selector means both kinds all of them are put in.
    """
    return _Definitions(rules, lacking).of(expr)


class _Definitions:
    """Recording rules by name, and the expressions that they come to."""

    def __init__(self, rules: Sequence[RecordingRule], lacking: Collection[RecordingRule]) -> None:
        self._named: dict[str, list[RecordingRule]] = {}
        for rule in rules:
            self._named.setdefault(rule.record, []).append(rule)
        self._lacking = frozenset(lacking)
        self._open: list[RecordingRule] = []  # whose definitions are being put together
        self._ranges: dict[str, None] = {}
        self._reasons: dict[str, None] = {}

    def of(self, expr: str) -> Substituted:
        found = self._expand(expr)
        if self._reasons:
            return Substituted(expr, reasons=tuple(self._reasons))
        return Substituted(found, tuple(self._ranges))

    def _expand(self, expr: str) -> str:
        found = substitute(expr, self._replacement)
        if isinstance(found, Failure):
            self._reasons[found.message] = None
            return expr
        return found

    def _replacement(self, use: Use) -> str | None:
        name = use.selector.metric
        meant = [rule for rule in self._named.get(name, ()) if self._is_meant(rule, use.selector)]
        if not self._lacking.intersection(meant):
            return None
        if use.moved:
            self._reasons[f"{name} is read with an offset or at a fixed time"] = None
            return None
        texts = [self._definition(rule) for rule in meant]
        text = " or ".join(f"({text})" for text in texts) if len(texts) > 1 else texts[0]
        if use.range is None:
            return text
        self._ranges[name] = None
        step = min(rule.interval for rule in meant)
        return f"({text})[{_spelt(use.range)}:{_spelt(step)}]"

    def _is_meant(self, rule: RecordingRule, selector: Selector) -> bool:
        """Whether a selector of its name may select what it records, going by the rule's own labels."""
        own = dict(rule.labels)
        kept = True
        for matcher in selector.matchers:
            known = matchers.Matcher(matcher.name, matcher.op, matcher.value)
            if matcher.name in own and not known.matches(own[matcher.name]):
                return False
            kept = kept and matcher.name in own
        if not kept and rule in self._lacking:
            labels = sorted({matcher.name for matcher in selector.matchers} - own.keys())
            self._reasons[
                f"{rule.record} is selected by {', '.join(labels)}, which its expression computes"
            ] = None
        return True

    def _definition(self, rule: RecordingRule) -> str:
        if rule in self._open:
            self._reasons[f"{rule.record} reads itself"] = None
            return rule.expr
        self._open.append(rule)
        text = self._expand(rule.expr)
        self._open.pop()
        for name, value in rule.labels:
            text = set_label(text, name, value)
        return text


def _spelt(seconds: float) -> str:
    return durations.spell(round(seconds * 1000))
