"""A metric of one machine over its life, and how such series are made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.noise.clock import STEP, Floats, Mask
from mac import promql

NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Series:
    """One series: a value for each step of its machine's window, and NaN where the exporter does not tell it.

    `decimals`: digits behind the point that are written.
    """

    name: str
    labels: Mapping[str, str]
    values: Floats
    decimals: int = 0


class Wanted:
    """Which metrics some rule reads: a set to ask `name in wanted`.

    Without expressions that is all of them. Raises ValueError for an expression that cannot be read.
    """

    def __init__(self, expressions: Iterable[str] | None = None) -> None:
        self._all = expressions is None
        self._names: set[str] = {"up"}
        self._patterns: set[str] = set()
        for text in expressions or ():
            expression = promql.parse(text)
            if isinstance(expression, promql.Failure):
                raise ValueError(f"{text}: {expression.message}")  # noqa: TRY004  the text is wrong, not its type
            for selector in expression.selectors:
                if selector.metric:
                    self._names.add(selector.metric)
                for matcher in selector.matchers:
                    if matcher.name == "__name__" and matcher.op == "=~":
                        self._patterns.add(matcher.value)

    def __contains__(self, name: str) -> bool:
        if self._all or name in self._names:
            return True
        if any(re.fullmatch(pattern, name) for pattern in self._patterns):
            self._names.add(name)
            return True
        return False


def constant(count: int, value: float) -> Floats:
    return np.full(count, float(value))


def counter(per_second: Floats, restarted: Mask | None = None, start: float = 0.0) -> Floats:
    """A counter that grows by a rate, and begins at zero after each step of `restarted`."""
    total = start + np.cumsum(np.maximum(per_second, 0)) * STEP
    if restarted is not None:
        for step in np.flatnonzero(restarted):
            total[step:] -= total[step]
    return np.asarray(total, dtype=np.float64)


def restarts(answers: Mask) -> Mask:
    """Steps at which something answers again after it did not."""
    found = np.zeros(len(answers), dtype=np.bool_)
    found[1:] = answers[1:] & ~answers[:-1]
    return found


def each(values: Mapping[str, Floats], wanted: Wanted, decimals: int = 0) -> Iterator[Series]:
    """Series without labels of their own."""
    for name, found in values.items():
        if name in wanted:
            yield Series(name, NONE, found, decimals)
