"""Alerts on recorded series, where history has them not, or not as they are recorded now.

The expression of the recording rule stands in place of the recorded name. That is the same where every label
that a selector asks for is one that the rule sets, or one that its own selectors are tied to; where it is not
known to be the same, the alert cannot be replayed, which is said.

A range of recorded samples becomes a subquery at the interval of the recording rule, so that samples lie at
other moments than Prometheus would have recorded them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mac import durations, promql, series_labels
from mac.forecast_input import Configured, Rule
from mac.matchers import Matcher
from mac.promql import Expression, Selector

_DEEPEST = 5

Kept = Callable[[str, str], bool]
"""(cell, selector) → whether history has the recorded series as they are recorded now."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """`configured` asks history for what it has. `impossible`: rule's key → why it cannot be replayed."""

    configured: Configured
    impossible: Mapping[str, str]


class _NotTheSameError(Exception):
    """Why a recorded series has no expression that is known to be the same."""


def recorded(configured: Configured) -> Iterator[tuple[str, str]]:
    """(cell, selector) of each recorded series that an alert reads, at any depth."""
    for cell, by_name in _by_cell(configured).items():
        pending = [rule.expr for rule in configured.alerts if rule.cell == cell]
        seen: set[str] = set()
        while pending:
            parsed = promql.parse(pending.pop())
            for selector in parsed.selectors if isinstance(parsed, Expression) else ():
                text = promql.selector_text(selector)
                if selector.metric in by_name and text not in seen:
                    seen.add(text)
                    yield cell, text
                    pending += [rule.expr for rule in by_name[selector.metric]]


def unchanged(configured: Configured, running: Configured) -> frozenset[tuple[str, str]]:
    """(cell, name) of the series that another configuration records in the same way."""
    here, there = _by_cell(configured), _by_cell(running)
    return frozenset(
        (cell, name)
        for cell, by_name in here.items()
        for name, rules in by_name.items()
        if _meaning(rules) == _meaning(there.get(cell, {}).get(name, []))
    )


def rewritten(configured: Configured, is_kept: Kept) -> Rewritten:
    """Every alert over what history has."""
    cells = _by_cell(configured)
    rules = []
    impossible = {}
    for rule in configured.rules:
        if rule.alerting is None:
            rules.append(rule)
            continue
        work = _Cell(rule.cell, cells.get(rule.cell, {}), is_kept)
        try:
            rules.append(replace(rule, expr=work.over(rule.expr, _DEEPEST)))
        except (_NotTheSameError, ValueError) as error:
            rules.append(rule)
            impossible[rule.key] = str(error)
    return Rewritten(replace(configured, rules=tuple(rules)), impossible)


def _by_cell(configured: Configured) -> dict[str, dict[str, list[Rule]]]:
    found: dict[str, dict[str, list[Rule]]] = {}
    for rule in configured.recordings:
        found.setdefault(rule.cell, {}).setdefault(rule.name, []).append(rule)
    return found


def _meaning(rules: Iterable[Rule]) -> set[tuple[str, object]]:
    return {(rule.expr, rule.labels) for rule in rules}


@dataclass(frozen=True, slots=True)
class _Cell:
    name: str
    by_name: Mapping[str, list[Rule]]
    is_kept: Kept

    def over(self, expr: str, deep: int) -> str:
        """The expression, with recorded names that history lacks replaced."""
        parsed = promql.parse(expr)
        if not isinstance(parsed, Expression) or not parsed.metrics & self.by_name.keys():
            return expr
        if not deep:
            raise _NotTheSameError(f"{expr} is recorded from recorded series too often")
        return promql.substituted(expr, lambda selector, span: self._instead(selector, span, deep))

    def _instead(self, selector: Selector, span: str, deep: int) -> str | None:
        rules = self.by_name.get(selector.metric)
        text = promql.selector_text(selector)
        if not rules or self.is_kept(self.name, text):
            return None
        if span == "offset":
            raise _NotTheSameError(f"history lacks {text}, which is recorded and read with an offset")
        fitting = [rule for rule in rules if _fits(rule, selector)]
        if not fitting:
            raise _NotTheSameError(f"history lacks {text}, and no rule records it")
        whole = " or ".join(f"({_labelled(rule, self.over(rule.expr, deep - 1))})" for rule in fitting)
        if not span:
            return f"({whole})"
        return f"({whole})[{span}:{durations.spell(round(fitting[0].interval * 1000))}]"


def _fits(rule: Rule, selector: Selector) -> bool:
    """Whether all that the rule records fits the selector (True), or nothing of it."""
    parsed = promql.parse(rule.expr)
    if not isinstance(parsed, Expression):
        raise _NotTheSameError(f"the expression of {rule.name} cannot be parsed")
    kept = series_labels.of(parsed).labels
    for matcher in selector.matchers:
        value = rule.own.get(matcher.name) or _tied(parsed, matcher.name)
        test = Matcher(matcher.name, matcher.op, matcher.value)
        if matcher.name not in rule.own and matcher.name not in kept:
            value = ""
        if value is None:
            raise _NotTheSameError(
                f"history lacks {rule.name}, and which of it has {matcher.name}{matcher.op}"
                f"{promql.quoted(matcher.value)} is not known"
            )
        if not test.matches(value):
            return False
    return True


def _tied(parsed: Expression, label: str) -> str | None:
    """The one value of a label that all selectors of an expression ask for."""
    values = {selector.equal_to(label) for selector in parsed.selectors}
    return values.pop() if len(values) == 1 else None


def _labelled(rule: Rule, expr: str) -> str:
    """With the labels that the rule sets."""
    for name, value in rule.labels:
        replacement = promql.quoted(value.replace("$", "$$"))
        expr = f'label_replace({expr}, "{name}", {replacement}, "", "")'
    return expr
