"""When the next round of `mac sync` is, and how much of the inventory it reads. Pure: times are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mac import backoff

APART = 2.0
"""Seconds between a round and one that an event asks for, at least: events come in swarms."""


@dataclass(slots=True)
class Schedule:
    """A full reading every `interval` seconds, a partial one as soon as something is known to have changed,
    nothing while the last failure is too young. `chance` gives factors around 1, so that those who were
    started together do not stay together. Times are monotonic seconds.
    """

    interval: float
    chance: Callable[[], float]
    failures: int = 0  # rounds in a row that came to no configuration
    _full_at: float = 0.0
    _not_before: float = 0.0

    def pause(self, now: float, changed: bool) -> float:
        """Seconds until the next round; 0 when it is due. `changed`: something is known to have changed."""
        due = min(self._full_at, now) if changed else self._full_at
        return max(0.0, max(due, self._not_before) - now)

    def wants_all(self, now: float) -> bool:
        """Whether a round that begins now reads everything."""
        return now >= self._full_at

    def note(self, began: float, now: float, *, full: bool, made: bool) -> None:
        """A round has ended. `made`: it came to a configuration, old or new."""
        self.failures = 0 if made else self.failures + 1
        if full and made:
            self._full_at = began + self.interval * self.chance()
        wait = min(APART, self.interval) if made else backoff.pause(self.failures, self.interval)
        self._not_before = now + wait * (1.0 if made else self.chance())
