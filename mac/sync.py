"""The loop that keeps what runs equal to what is there: `mac sync`."""

from __future__ import annotations

from typing import Protocol

from mac.model import Scope


class Wake(Protocol):
    """A source of changes, such as a queue of events."""

    def wait(self, seconds: float) -> frozenset[Scope]:
        """The scopes that have changed since it was asked last: returned as soon as there are any, empty when
        `seconds` have passed without. What was returned is not told again.

        Called over and over from a thread of its own, which may end at any time without a notice. Raises a
        MacError when the source fails; it is asked again later.
        """
