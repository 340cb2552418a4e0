"""When the next round of `mac sync` is, and what of the inventory it reads. Pure: times are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mac import backoff
from mac.model import Scope

APART = 2.0
"""Seconds between a round and one that an event asks for, at least: events come in swarms."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a round reads. `only`: these scopes, None for everything. `sweeps`: it is a reading of everything,
    or what is left of one. `patience`: seconds after which a sweep gives way to events, None when never.
    """

    only: frozenset[Scope] | None
    sweeps: bool
    patience: float | None = None


@dataclass(slots=True)
class Schedule:
    """A reading of everything every `interval` seconds, a partial one as soon as something is known to have
    changed, nothing while the last failure is too young. `chance` gives factors around 1, so that those who
    were started together do not stay together. Times are monotonic seconds.

    What has changed does not wait for a reading of everything, which gives way and goes on after it. It comes
    to its end all the same when events never cease: from then on it has as much time in turn as they had.
    """

    interval: float
    chance: Callable[[], float]
    failures: int = 0  # rounds in a row that came to no configuration
    _full_at: float = 0.0
    _not_before: float = 0.0
    _begun_at: float | None = None  # the reading of everything that is under way
    _left: frozenset[Scope] | None = None  # of it; None for everything
    _ever: bool = False  # whether everything was read once
    _patience: float = 0.0
    _events_next: bool = True

    def pause(self, now: float, changed: bool) -> float:
        """Seconds until the next round; 0 when it is due. `changed`: something is known to have changed."""
        due = min(self._full_at, now) if changed else self._full_at
        return max(0.0, max(due, self._not_before) - now)

    def next(self, now: float, changed: frozenset[Scope]) -> Reading:
        """What a round that begins now reads."""
        due = now >= self._full_at
        if changed and (not due or (self._ever and self._events_next)):
            return Reading(changed, sweeps=False)
        return Reading(self._left, sweeps=True, patience=self._patience if self._ever else None)

    def note(
        self,
        reading: Reading,
        began: float,
        now: float,
        *,
        made: bool,
        unread: frozenset[Scope] = frozenset(),
    ) -> None:
        """A round has ended. `made`: it came to a configuration, old or new. `unread`: what it left."""
        self.failures = 0 if made else self.failures + 1
        if reading.sweeps:
            self._events_next = True
            if made:
                self._begun_at = began if self._begun_at is None else self._begun_at
                self._swept(self._begun_at, unread)
        elif now >= self._full_at:
            self._events_next, self._patience = False, now - began
        wait = min(APART, self.interval) if made else backoff.pause(self.failures, self.interval)
        if unread:
            wait = 0.0  # somebody waits for it
        self._not_before = now + wait * (1.0 if made else self.chance())

    def _swept(self, began: float, unread: frozenset[Scope]) -> None:
        self._left = unread or None
        if not unread:
            self._ever, self._begun_at, self._patience = True, None, 0.0
            self._full_at = began + self.interval * self.chance()
