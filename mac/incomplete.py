"""What is told of scopes that were not read completely: each cause once, however many scopes it leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain

from mac.durations import elapsed
from mac.model import InventoryConfig, ScopeState, ScopeStatus, Snapshot
from mac.problems import AwsError, Location, Problem, Severity

_REASONS = 3  # of one sort of failure that are told one by one


def problems(state: Snapshot) -> list[Problem]:
    """Credentials that have expired are one matter, and so are forty calls that an endpoint does not have."""
    found = []
    for scope_state, reason, statuses in _causes(state.scopes):
        others = f" and {len(statuses) - 1} more" if len(statuses) > 1 else ""
        since = _since(statuses)
        hint = "what was last known of it is kept" + (f" (incomplete since {since})" if since else "")
        message = f"this scope{others} {'are' if others else 'is'} {scope_state}: {reason}"
        place = Location(str(statuses[0].scope))
        found.append(Problem(place, "scope-incomplete", message, hint, Severity.WARNING))
    return found


def outdated(
    snapshot: Snapshot, config: InventoryConfig, now: datetime, *, strict: bool = False
) -> list[Problem]:
    """The scopes whose last known good is older than the inventory allows. Errors when `strict`."""
    old = (s for s in snapshot.scopes if elapsed(s.since, now) > config.max_age)
    return [
        Problem(
            Location(str(statuses[0].scope)),
            "inventory-outdated",
            f"{_count(len(statuses))} not been read since {_since(statuses)}: {reason}",
            "what is generated from it may be of machines that are long gone; mend the cause, take the scope "
            "out of inventory/aws.yaml, or raise max_age there",
            Severity.ERROR if strict else Severity.WARNING,
        )
        for _, reason, statuses in _causes(old)
    ]


def _causes(scopes: Iterable[ScopeStatus]) -> Iterator[tuple[ScopeState, str, list[ScopeStatus]]]:
    """What is not complete, by state and reason; where one sort of failure has many reasons, they are one."""
    sorts: dict[tuple[ScopeState, str], dict[str, list[ScopeStatus]]] = defaultdict(lambda: defaultdict(list))
    for status in sorted(scopes, key=lambda s: s.scope):
        if status.state is not ScopeState.COMPLETE:
            sorts[status.state, status.cause][status.reason].append(status)
    for (state, _), reasons in sorted(sorts.items()):
        if len(reasons) <= _REASONS:
            yield from ((state, reason, reasons[reason]) for reason in sorted(reasons))
            continue
        first, *others = sorted(reasons, key=lambda reason: (-len(reasons[reason]), reason))
        together = sorted(chain.from_iterable(reasons.values()), key=lambda s: s.scope)
        yield state, f"{first}; and {len(others)} other reasons: see mac inventory", together


def _since(statuses: Iterable[ScopeStatus]) -> str:
    return min((s.since for s in statuses if s.since), default="")


def _count(scopes: int) -> str:
    return "this scope has" if scopes == 1 else f"this scope and {scopes - 1} more have"


def refuse_silence(found: Snapshot) -> None:
    """When AWS answered nothing at all, a run that goes on would look healthy. Raises AwsError."""
    if found.scopes and not any(s.state is ScopeState.COMPLETE for s in found.scopes):
        reasons = ", ".join(sorted({f"{s.state}: {s.reason}" for s in found.scopes})[:3])
        raise AwsError(
            f"none of the {len(found.scopes)} scopes of the inventory could be read ({reasons})",
            "nothing was changed; --allow-stale generates from what was known before",
        )
