"""Snapshots that an earlier mac wrote, brought to the present schema. Pure; rows are as JSON has them.

    1   the first
    2   a scope that was not read completely says the sort of failure (`cause`), a resource why it is not in
        service (`lifecycle_reason`), and the header what is known of accounts (`accounts`)

What a version does not say is derived where its own words tell it, and is left out where they do not: a
snapshot is never refreshed by being read.
"""

from __future__ import annotations

from mac.answers import Cause
from mac.model import Json, ScopeState

CURRENT = 2
READABLE = (1, 2)

# How the first version's reasons began or ended for these failures; anything else is FAILED.
_WORDS = (
    ("throttled", Cause.THROTTLED),
    ("timed out", Cause.TIMEOUT),
    ("cannot be read", Cause.MALFORMED),
    ("in a way that mac cannot read", Cause.MALFORMED),
    ("ExpiredToken", Cause.EXPIRED),
)


def scope(version: int, row: Json) -> Json:
    """A scope's row in the present schema."""
    if version >= CURRENT or not isinstance(row, dict) or row.get("cause"):
        return row
    state = row.get("state")
    if state == ScopeState.DENIED:
        return {**row, "cause": Cause.DENIED.value}
    if state == ScopeState.DISABLED:
        return {**row, "cause": Cause.DISABLED.value}
    if state == ScopeState.STALE:
        reason = str(row.get("reason", ""))
        return {**row, "cause": next((c for word, c in _WORDS if word in reason), Cause.FAILED).value}
    return row
