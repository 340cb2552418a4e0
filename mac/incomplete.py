"""What is told of scopes that were not read completely: each cause once, however many scopes it leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from mac.durations import elapsed
from mac.model import InventoryConfig, Scope, ScopeState, ScopeStatus, Snapshot
from mac.problems import AwsError, Location, Problem, Severity


def failed(snapshot: Snapshot) -> Mapping[tuple[ScopeState, str], tuple[Scope, ...]]:
    """The scopes that are not complete, by state and reason, so that one cause is told once."""
    causes: dict[tuple[ScopeState, str], list[Scope]] = defaultdict(list)
    for status in snapshot.scopes:
        if status.state is not ScopeState.COMPLETE:
            causes[status.state, status.reason].append(status.scope)
    return {cause: tuple(sorted(causes[cause])) for cause in sorted(causes)}


def outdated(
    snapshot: Snapshot, config: InventoryConfig, now: datetime, *, strict: bool = False
) -> list[Problem]:
    """The scopes whose last known good is older than the inventory allows; each cause is told once.

    Errors when `strict`, else warnings.
    """
    old: dict[tuple[ScopeState, str], list[ScopeStatus]] = defaultdict(list)
    for status in snapshot.scopes:
        if status.state is not ScopeState.COMPLETE and elapsed(status.since, now) > config.max_age:
            old[status.state, status.reason].append(status)
    return [
        Problem(
            Location(str(statuses[0].scope)),
            "inventory-outdated",
            f"{_count(len(statuses))} not been read since {min(s.since for s in statuses)}: {reason}",
            "what is generated from it may be of machines that are long gone; mend the cause, take the scope "
            "out of inventory/aws.yaml, or raise max_age there",
            Severity.ERROR if strict else Severity.WARNING,
        )
        for (_, reason), statuses in sorted(old.items())
    ]


def _count(scopes: int) -> str:
    return "this scope has" if scopes == 1 else f"this scope and {scopes - 1} more have"


def problems(state: Snapshot) -> list[Problem]:
    """One for each cause: credentials that have expired are one matter, however many scopes they leave."""
    found = []
    began = {status.scope: status.since for status in state.scopes}
    for (scope_state, reason), scopes in failed(state).items():
        others = f" and {len(scopes) - 1} more" if len(scopes) > 1 else ""
        since = min((began[scope] for scope in scopes if began[scope]), default="")
        hint = "what was last known of it is kept" + (f" (incomplete since {since})" if since else "")
        message = f"this scope{others} {'are' if others else 'is'} {scope_state}: {reason}"
        found.append(Problem(Location(str(scopes[0])), "scope-incomplete", message, hint, Severity.WARNING))
    return found


def refuse_silence(found: Snapshot) -> None:
    """When AWS answered nothing at all, a run that goes on would look healthy. Raises AwsError."""
    if found.scopes and not any(s.state is ScopeState.COMPLETE for s in found.scopes):
        reasons = ", ".join(sorted({f"{s.state}: {s.reason}" for s in found.scopes})[:3])
        raise AwsError(
            f"none of the {len(found.scopes)} scopes of the inventory could be read ({reasons})",
            "nothing was changed; --allow-stale generates from what was known before",
        )
