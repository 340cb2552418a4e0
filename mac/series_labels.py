"""Which labels the result of a PromQL expression has, worked out from its tree.

A set of labels is either listed or "every one but these": a selector gives every label that its series have,
`sum by (service)` gives `service` alone. What is not in the set is certainly missing from the result, or
from a branch of it; what is in the set may be there. So nothing that keeps a label is ever complained about.

The rules are those of Prometheus's engine (promql/engine.go: aggregation, resultMetric, VectorSetOp;
promql/functions.go: absent, label_replace, label_join, vector).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mac.promql import Expression, children

_SCALAR_FUNCTIONS = frozenset({"scalar", "time", "pi"})
_BARE_FUNCTIONS = frozenset({"vector"})
_DATES = "minute hour day_of_week day_of_month day_of_year days_in_month month year"
_DATE_FUNCTIONS = frozenset(_DATES.split())
_SHOWN = 8  # labels that a sentence names
_WHOLE_SERIES = frozenset({"topk", "bottomk"})


@dataclass(frozen=True, slots=True)
class Labels:
    """A set of label names: `names`, or every label but `names` when `inverted`. Never holds __name__."""

    names: frozenset[str] = frozenset()
    inverted: bool = False

    def __contains__(self, label: str) -> bool:
        return (label in self.names) is not self.inverted

    def but(self, labels: Iterable[str]) -> Labels:
        away = frozenset(labels)
        return Labels(self.names | away, True) if self.inverted else Labels(self.names - away)

    def only(self, labels: Iterable[str]) -> Labels:
        return Labels(frozenset(label for label in labels if label in self))

    def plus(self, labels: Iterable[str]) -> Labels:
        more = frozenset(labels)
        return Labels(self.names - more, True) if self.inverted else Labels(self.names | more)

    def both(self, other: Labels) -> Labels:
        """The labels that are in both sets."""
        if self.inverted and other.inverted:
            return Labels(self.names | other.names, True)
        if self.inverted:
            return other.but(self.names)
        return other.only(self.names)

    def either(self, other: Labels) -> Labels:
        """The labels that are in one of the sets, or in both."""
        if self.inverted and other.inverted:
            return Labels(self.names & other.names, True)
        if self.inverted:
            return self.plus(other.names)
        return other.plus(self.names)


EVERY = Labels(inverted=True)
NONE = Labels()


@dataclass(frozen=True, slots=True)
class Result:
    """The labels of an expression's result, and what in it can never match, as sentences.

    A scalar has no labels.
    """

    labels: Labels
    complaints: tuple[str, ...] = ()

    def may_lose(self, label: str) -> bool:
        """Whether `label` is missing from the result or from one branch of it."""
        return label not in self.labels


def of(expression: Expression, recorded: Mapping[str, Labels] | None = None) -> Result:
    """The labels of the result of `expression`.

    `recorded`: what is known of the labels of recorded series, by name; other series may have any label.
    """
    walk = _Walk(recorded or {})
    labels = walk.visit(expression.root)
    return Result(labels if labels is not None else NONE, tuple(dict.fromkeys(walk.complaints)))


def made(expression: Expression) -> frozenset[str]:
    """The labels that functions and aggregations of `expression` make."""
    found: set[str] = set()
    pending = [expression.root]
    while pending:
        node = pending.pop()
        pending += children(node)
        kind = type(node).__name__
        if kind == "Call" and node.func.name in ("label_replace", "label_join"):
            found.add(node.args[1].val)
        elif kind == "AggregateExpr" and str(node.op) == "count_values":
            found.add(node.param.val)
    return frozenset(found)


class _Walk:
    def __init__(self, recorded: Mapping[str, Labels]) -> None:
        self.recorded = recorded
        self.complaints: list[str] = []

    def visit(self, node: Any) -> Labels | None:
        """The labels of a node's result; None for a scalar or a string."""
        match type(node).__name__:
            case "NumberLiteral" | "StringLiteral":
                return None
            case "VectorSelector":
                return self._selector(node)
            case "MatrixSelector":
                return self._selector(node.vector_selector)
            case "AggregateExpr":
                return self._aggregate(node)
            case "Call":
                return self._call(node)
            case "BinaryExpr":
                return self._binary(node)
            case _:  # parentheses, minus, subquery
                return self.visit(node.expr)

    def _selector(self, node: Any) -> Labels:
        labels = EVERY
        name = node.name or _name_matcher(node)
        if name in self.recorded:
            labels = self.recorded[name]
            for matcher in node.matchers.matchers:
                if matcher.name not in labels and matcher.name != "__name__" and _needs_value(matcher):
                    self.complaints.append(f'{name} has no label "{matcher.name}"')
        empty = [m.name for m in node.matchers.matchers if str(m.op) == "MatchOp.Equal" and m.value == ""]
        return labels.but(empty) if empty else labels

    def _aggregate(self, node: Any) -> Labels:
        inner = self.visit(node.expr) or NONE
        op = str(node.op)
        if op in _WHOLE_SERIES:
            self._grouping(node.modifier, inner)
            return inner
        if node.modifier is None:
            outer = NONE
        elif str(node.modifier.type).endswith("By"):
            self._grouping(node.modifier, inner)
            outer = inner.only(node.modifier.labels)
        else:
            outer = inner.but(node.modifier.labels)
        if op == "count_values":
            outer = outer.plus([node.param.val])
        return outer

    def _grouping(self, modifier: Any, inner: Labels) -> None:
        if modifier is None or not str(modifier.type).endswith("By"):
            return
        self.complaints.extend(
            f'by ({", ".join(modifier.labels)}): the label "{label}" was dropped before'
            for label in modifier.labels
            if label not in inner
        )

    def _call(self, node: Any) -> Labels | None:
        name = node.func.name
        arguments = [self.visit(argument) for argument in node.args]
        if name in _SCALAR_FUNCTIONS:
            return None
        if name in _BARE_FUNCTIONS or (name in _DATE_FUNCTIONS and not arguments):
            return NONE
        if name in ("absent", "absent_over_time"):
            return _absent(node.args[0])
        labels = next((found for found in arguments if found is not None), NONE)
        if name == "histogram_quantile":
            return labels.but(["le"])
        if name == "label_replace":
            target, replacement = node.args[1].val, node.args[2].val
            return labels.plus([target]) if replacement else labels.but([target])
        if name == "label_join":
            target, separator = node.args[1].val, node.args[2].val
            sources = [argument.val for argument in node.args[3:]]
            filled = any(source in labels for source in sources) or (separator and len(sources) > 1)
            return labels.plus([target]) if filled else labels.but([target])
        return labels

    def _binary(self, node: Any) -> Labels | None:
        left, right = self.visit(node.lhs), self.visit(node.rhs)
        if left is None or right is None:
            return left if right is None else right
        modifier = node.modifier
        op = str(node.op)
        self._matching(node, left, right)
        if op == "or":
            return left.both(right)
        if op in ("and", "unless"):
            return left
        card = str(modifier.card).rpartition(".")[2] if modifier is not None else "OneToOne"
        if card == "ManyToOne":
            return left.plus(right.only(modifier.group_labels or ()).names)
        if card == "OneToMany":
            return right.plus(left.only(modifier.group_labels or ()).names)
        matching = modifier.matching if modifier is not None else None
        if matching is None:
            return left
        if str(matching.type).endswith("Include"):
            return left.only(matching.labels)
        return left.but(matching.labels)

    def _matching(self, node: Any, left: Labels, right: Labels) -> None:
        """Complains of labels that one side of a match certainly lacks while the other may have them."""
        op = str(node.op)
        if op == "or":
            return
        matching = node.modifier.matching if node.modifier is not None else None
        if matching is not None and str(matching.type).endswith("Include"):
            compared = frozenset(matching.labels)
        elif left.inverted or right.inverted:
            return  # one side may have any label
        else:
            compared = (left.names | right.names) - frozenset(matching.labels if matching is not None else ())
        sides = [
            f"only the {side} has {', '.join(names[:_SHOWN])}{', …' * (len(names) > _SHOWN)}"
            for side, here, there in (("left", left, right), ("right", right, left))
            if (names := sorted(label for label in compared if label in here and label not in there))
        ]
        if sides:
            self.complaints.append(f'the two sides of "{op}" never match: {"; ".join(sides)}')


def _needs_value(matcher: Any) -> bool:
    """Whether a matcher refuses a series without the label."""
    op = str(matcher.op)
    if op == "MatchOp.Equal":
        return bool(matcher.value)
    if op == "MatchOp.NotEqual":
        return not matcher.value
    return False


def _name_matcher(node: Any) -> str:
    found = (m.value for m in node.matchers.matchers if m.name == "__name__" and str(m.op) == "MatchOp.Equal")
    return next(found, "")


def _absent(argument: Any) -> Labels:
    """`absent` takes its labels from a selector's equality matchers; a label matched twice is left out."""
    while type(argument).__name__ == "ParenExpr":
        argument = argument.expr
    if type(argument).__name__ == "MatrixSelector":
        argument = argument.vector_selector
    if type(argument).__name__ != "VectorSelector":
        return NONE
    seen: dict[str, bool] = {}
    for matcher in argument.matchers.matchers:
        if matcher.name == "__name__":
            continue
        single = str(matcher.op) == "MatchOp.Equal" and matcher.name not in seen and bool(matcher.value)
        seen[matcher.name] = single
    return Labels(frozenset(name for name, single in seen.items() if single))
