"""Expressions with some of their selectors replaced by other expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser as pq

from mac import promql, templating
from mac.promql import Failure, Selector


@dataclass(frozen=True, slots=True)
class Use:
    """A selector where it stands. `range`: seconds of a range selector, else None. `moved`: by an offset or
    an @ modifier.
    """

    selector: Selector
    range: float | None
    moved: bool


def substitute(text: str, replacement: Callable[[Use], str | None]) -> str | Failure:
    """The expression with each selector, and its range if it has one, replaced by what `replacement` says.

    None leaves a selector as it is. What is put in stands in parentheses, and is not looked at again. The
    labels that `absent` takes from its selector are put on again. An expression in which nothing is replaced
    comes back as it was written.
    """
    parsed = promql.parse(text)
    if isinstance(parsed, Failure):
        return parsed
    # Of this text, not of its shape.
    found = _Substitution(replacement)
    root = pq.transform(pq.parse(text), found.before, found.after)
    return str(root.prettify()) if found.replaced else text


class _Substitution:
    """The callbacks of one walk. The selector within a range selector is visited too, and left alone."""

    def __init__(self, replacement: Callable[[Use], str | None]) -> None:
        self._replacement = replacement
        self._inside = 0
        self._absent: list[tuple[Selector | None, int]] = []
        self.replaced = 0

    def before(self, node: Any) -> Any:
        if type(node) is pq.MatrixSelector:
            self._inside += 1
        if _is_absent(node):
            argument = node.args[0]
            inner = argument.vector_selector if type(argument) is pq.MatrixSelector else argument
            selector = _selector(inner) if type(inner) is pq.VectorSelector else None
            self._absent.append((selector, self.replaced))
        return None

    def after(self, node: Any) -> Any:
        if type(node) is pq.MatrixSelector:
            self._inside -= 1
            return self._put(node.vector_selector, node.range.total_seconds())
        if type(node) is pq.VectorSelector and not self._inside:
            return self._put(node, None)
        if _is_absent(node):
            selector, before = self._absent.pop()
            if selector is not None and self.replaced > before:
                return _labelled(node, selector)
        return None

    def _put(self, node: Any, range_: float | None) -> Any:
        moved = node.offset is not None or node.at is not None
        text = self._replacement(Use(_selector(node), range_, moved))
        if text is None:
            return None
        self.replaced += 1
        return pq.parse(text if range_ is not None else f"({text})")


def _selector(node: Any) -> Selector:
    parsed = promql.parse(str(node.prettify()))
    if isinstance(parsed, Failure):  # its whole expression was parsed before
        raise TypeError(parsed.message)
    return parsed.selectors[0]


def _is_absent(node: Any) -> bool:
    return type(node) is pq.Call and node.func.name in ("absent", "absent_over_time")


def _labelled(node: Any, selector: Selector) -> Any:
    """`absent` gives the labels that an equality matcher alone says."""
    text = str(node.prettify())
    named = [matcher.name for matcher in selector.matchers]
    for matcher in selector.matchers:
        if matcher.op == "=" and named.count(matcher.name) == 1:
            text = set_label(text, matcher.name, matcher.value)
    return pq.parse(text)


def set_label(text: str, name: str, value: str) -> str:
    """The expression with a label set to a value in each of its series."""
    literal = templating.promql_string(value.replace("$", "$$"))
    return f'label_replace({text}, "{name}", "{literal}", "", "")'


def limited_to(text: str, labels: Mapping[str, str]) -> str:
    """The expression over series that have these labels alone. Raises ValueError for what is none."""
    return str(
        pq.transform(
            pq.parse(text),
            lambda node: _narrowed(node, labels) if type(node) is pq.VectorSelector else None,
        ).prettify()
    )


def _narrowed(node: Any, labels: Mapping[str, str]) -> Any:
    written = ",".join(f"{name}={promql.quoted(value)}" for name, value in sorted(labels.items()))
    # Nothing but braces follows a name, and in a name there are none.
    name, brace, rest = node.prettify().partition("{")
    if brace:
        return pq.parse(f"{name}{{{written},{rest}")
    metric, space, modifiers = name.partition(" ")
    return pq.parse(f"{metric}{{{written}}}{space}{modifiers}")
