"""How a long reading ends early for something that is more urgent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mac.model import Scope


@dataclass(slots=True)
class GivingWay:
    """Lets a reading of AWS end before it has read everything, for something that is more urgent.

    `asked`: whether it is to; what is being read then is read to its end. `unread`: the scopes that it left
    as they were known before; what is not known at all is never left.
    """

    asked: Callable[[], bool]
    unread: frozenset[Scope] = frozenset()
