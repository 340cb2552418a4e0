"""Something that happens between any two lines of a function, as a signal does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def at_line(line: int, happens: Callable[[], object]) -> Iterator[list[int]]:
    """Calls `happens` in this thread at the line with this number of those that are run in functions that
    are entered within. Yields how many lines are still to go: below zero once it has happened.
    """
    left = [line]

    def traced(frame: FrameType, event: str, _: object) -> Any:
        sys.settrace(None)
        if left[0] == 0:
            happens()
        left[0] -= 1
        sys.settrace(traced)
        return traced

    sys.settrace(traced)
    try:
        yield left
    finally:
        sys.settrace(None)
