"""What `mac inventory` shows of a snapshot: its scopes, how each was read, and since when it was not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from mac import durations, summary
from mac.kinds import all_kinds
from mac.model import GLOBAL_REGION, Lifecycle, Scope, ScopeState, ScopeStatus, Snapshot
from mac.problems import Problem

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def age(status: ScopeStatus, now: datetime) -> float | None:
    """For how many seconds the scope has not been read completely; None where that does not apply."""
    complete = status.state is ScopeState.COMPLETE
    return None if complete or not status.since else durations.elapsed(status.since, now)


def spelt(seconds: float | None) -> str:
    """An age in its two largest units, cut: "1d2h"."""
    if seconds is None:
        return ""
    size = next((size for _, size in _UNITS if seconds >= size), 1)
    smaller = size // (24 if size == 86400 else 60) or 1
    return durations.spell(int(seconds // smaller) * smaller * 1000)


def as_dict(found: Snapshot, digest: str, now: datetime, problems: Iterable[Problem] = ()) -> dict[str, Any]:
    """The JSON of `mac inventory --format json`."""
    by_scope = _by_scope(found)
    return {
        "schema_version": summary.SCHEMA_VERSION,
        "snapshot": digest,
        "resources": len(found.resources),
        "by_kind": dict(sorted(Counter(r.kind for r in found.resources).items())),
        "states": summary.scope_counts(found),
        "accounts": [
            {"id": a.id, "name": a.name, "regions": list(a.regions), "left_out": a.left_out}
            for a in found.accounts
        ],
        "scopes": [
            {
                "account": s.scope.account,
                "region": s.scope.region,
                "kind": s.scope.kind,
                "state": s.state.value,
                "cause": s.cause,
                "resources": by_scope[s.scope],
                "since": s.since,
                "age_seconds": age(s, now),
                "reason": s.reason,
            }
            for s in found.scopes
        ],
        "problems": [problem.as_dict() for problem in problems],
    }


def as_text(found: Snapshot, now: datetime) -> str:
    """A line for each kind, since its scopes side by side would be too many; then each that is not complete,
    those of one cause together; then the accounts that are left out."""
    kinds = Counter(r.kind for r in found.resources)
    serving = Counter(r.kind for r in found.resources if r.lifecycle is Lifecycle.IN_SERVICE)
    rows: list[tuple[str, ...]] = [("KIND", "FOUND", "IN SERVICE", "SCOPES")]
    for kind in sorted({s.scope.kind for s in found.scopes}):
        states = Counter(s.state.value for s in found.scopes if s.scope.kind == kind)
        shown = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        rows.append((kind, str(kinds[kind]), str(serving[kind]), shown))
    rows.append(("all", str(len(found.resources)), str(sum(serving.values())), ""))
    text = summary.table(rows)
    incomplete = _incomplete(found, now)
    if incomplete:
        text += "\n" + summary.table([("SCOPE", "STATUS", "RESOURCES", "AGE", "REASON"), *incomplete])
    left_out = [(a.id, a.name, a.left_out) for a in found.accounts if a.left_out]
    if left_out:
        text += "\n" + summary.table([("ACCOUNT", "NAME", "LEFT OUT"), *left_out])
    return text


def _incomplete(found: Snapshot, now: datetime) -> list[tuple[str, ...]]:
    """Scopes that fail for one reason since one moment are one line."""
    by_scope = _by_scope(found)
    alike: dict[tuple[str, str, str], list[Scope]] = defaultdict(list)
    for s in found.scopes:
        if s.state is not ScopeState.COMPLETE:
            status = s.state.value if s.cause in ("", s.state.value) else f"{s.state.value} ({s.cause})"
            alike[status, spelt(age(s, now)), s.reason].append(s.scope)
    return [
        (_together(scopes), status, str(sum(by_scope[s] for s in scopes)), since, reason)
        for (status, since, reason), scopes in alike.items()
    ]


def _together(scopes: Sequence[Scope]) -> str:
    """The scope, or what several have in common: "123456789012/*/ec2-instance (4 scopes)"."""
    if len(scopes) == 1:
        return str(scopes[0])
    parts = ({s.account for s in scopes}, {s.region for s in scopes}, {s.kind for s in scopes})
    return f"{'/'.join('*' if len(names) > 1 else min(names) for names in parts)} ({len(scopes)} scopes)"


def _by_scope(found: Snapshot) -> Counter[Scope]:
    known = all_kinds()
    return Counter(
        Scope(
            r.account,
            GLOBAL_REGION if r.kind in known and known[r.kind].global_ else r.region,
            r.kind,
        )
        for r in found.resources
    )
