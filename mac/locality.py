"""Whether the Prometheus that collects a resource can evaluate an expression without any other. Pure.

It can when each result comes from series of one resource: every aggregation keeps the label `resource_id`,
every match between series compares it, and nothing asks whether series are absent. What is not sure is not
local.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mac import conventions
from mac.promql import Expression, children
from mac.series_labels import Result
from mac.series_labels import of as labels_of

_LABEL = conventions.RESOURCE_ID
# Their results have no label of a resource, or say that there is none.
_OF_NOTHING = frozenset({"absent", "absent_over_time", "scalar", "vector"})
_RELABELLING = frozenset({"label_replace", "label_join"})
_ALERTS = ("ALERTS", "ALERTS_FOR_STATE")


def is_local(expression: Expression, recorded: Collection[str] = ()) -> bool:
    """`recorded`: recorded series that are local themselves; no others may be read."""
    metrics = [selector.metric for selector in expression.selectors]
    if not metrics or not all(_is_raw(metric) or metric in recorded for metric in metrics):
        return False
    pending = [expression.root]
    while pending:
        node = pending.pop()
        if not _keeps(node):
            return False
        pending += children(node)
    return _LABEL in _result(expression).labels


def kept(expression: Expression) -> frozenset[str] | None:
    """The labels of its result; None when they cannot be listed."""
    labels = _result(expression).labels
    return None if labels.inverted else labels.names


def _result(expression: Expression) -> Result:
    return labels_of(expression)


def _is_raw(metric: str) -> bool:
    """What an exporter exports. A name that is matched by a regular expression may be anything's."""
    return bool(metric) and ":" not in metric and metric not in _ALERTS


def _keeps(node: Any) -> bool:
    kind = type(node).__name__
    if kind == "AggregateExpr":
        return node.modifier is not None and _has(node.modifier, "By")
    if kind == "Call":
        target = node.args[1].val if node.func.name in _RELABELLING else ""
        return node.func.name not in _OF_NOTHING and target != _LABEL
    if kind == "BinaryExpr" and node.modifier is not None and node.modifier.matching is not None:
        return _has(node.modifier.matching, "Include")
    return True


def _has(modifier: Any, listing: str) -> bool:
    """`by (…)` and `on (…)` list the labels that count, `without` and `ignoring` those that do not."""
    return (_LABEL in modifier.labels) is str(modifier.type).endswith(listing)
