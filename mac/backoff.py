"""When something that failed is tried again: later and later."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_PAUSE = 600.0
"""Seconds between two attempts at what failed, at most."""


def pause(failures: int, interval: float) -> float:
    """Seconds until the next attempt after so many failures in a row, of what is done every `interval`."""
    return min(interval * 2.0**failures, max(LONGEST_PAUSE, interval)) if failures else 0.0


@dataclass(slots=True)
class Attempts:
    """How often the same thing failed in a row, and when it is tried again (monotonic seconds)."""

    what: str = ""
    failures: int = 0
    after: float = 0.0

    def wants(self, what: str, now: float) -> bool:
        """Whether to try this now: another thing at once, the same one when its pause is over."""
        return what != self.what or now >= self.after

    def note(self, what: str, good: bool, interval: float, now: float) -> None:
        again = what == self.what
        self.what = what
        self.failures = 0 if good else self.failures + 1 if again else 1
        self.after = now + pause(self.failures, interval)
