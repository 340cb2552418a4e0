"""How often a call that failed in passing is made again, and on whose account.

Each account has a budget of its own: one that is throttled for long uses up its own retries and fails, while
the calls of every other account are still tried again.
"""

from __future__ import annotations

import random
import threading

_LONGEST = 20.0  # seconds, as in the SDK's own standard mode


class Budget:
    """The retries of one account in one reading. May be used from several threads.

    A retry takes one; a call that succeeds gives back `_REFUND`, so that an account whose calls fail now and
    then never runs out, and one that fails lastingly does. `throttles`: how often AWS has asked it to slow
    down; it is `throttled` from the first time on.
    """

    _REFUND = 0.1

    def __init__(self, retries: int) -> None:
        self._most = self._left = float(retries)
        self._lock = threading.Lock()
        self.throttles = 0
        self.spent = 0

    @property
    def throttled(self) -> bool:
        return self.throttles > 0

    def slow_down(self) -> None:
        """AWS has refused a call because there were too many."""
        with self._lock:
            self.throttles += 1

    def take(self) -> bool:
        """Whether one more retry is allowed; it counts as made."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            self.spent += 1
            return True

    def refund(self) -> None:
        """A call succeeded."""
        if self._left < self._most:
            with self._lock:
                self._left = min(self._most, self._left + self._REFUND)


def delay(attempt: int, base: float) -> float:
    """Seconds before the call is made again after its `attempt`th failure: up to `base`, twice that, …

    Spread at random, so that many callers that failed together do not come back together.
    """
    return random.random() * min(base * 2.0 ** (attempt - 1), _LONGEST)  # noqa: S311  no secret
