"""What `mac inventory` shows of a snapshot: its scopes, how each was read, and since when it was not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mac import durations, summary
from mac.kinds import all_kinds
from mac.model import (
    GLOBAL_REGION,
    KnownAccount,
    Lifecycle,
    Scope,
    ScopeState,
    ScopeStatus,
    Snapshot,
    together,
)
from mac.problems import Problem

_SINGLY = 3  # scopes of one status that are told one by one
_REASONS = 5  # of one status that are told one by one
_TOLD = 5  # groups that `--strict` names
_NAMED = 3  # accounts that are named of many

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
    """A line for each kind, since its scopes side by side would be too many; then what is not complete, a few
    scopes by themselves and many together; then the accounts that are left out."""
    kinds = Counter(r.kind for r in found.resources)
    serving = Counter(r.kind for r in found.resources if r.lifecycle is Lifecycle.IN_SERVICE)
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for s in found.scopes:
        states[s.scope.kind][s.state.value] += 1
    rows: list[tuple[str, ...]] = [("KIND", "FOUND", "IN SERVICE", "SCOPES")]
    for kind, counted in sorted(states.items()):
        shown = ", ".join(f"{count} {state}" for state, count in sorted(counted.items()))
        rows.append((kind, str(kinds[kind]), str(serving[kind]), shown))
    rows.append(("all", str(len(found.resources)), str(sum(serving.values())), ""))
    text = summary.table(rows)
    groups = incomplete(found.scopes)
    if groups:
        by_scope = _by_scope(found)
        told = (_row(group, by_scope, now) for group in groups)
        text += "\n" + summary.table([("SCOPE", "STATUS", "RESOURCES", "AGE", "REASON"), *told])
    left_out = _left_out(found.accounts)
    if left_out:
        text += "\n" + summary.table([("ACCOUNT", "NAME", "LEFT OUT"), *left_out])
    if any(len(group.statuses) > 1 for group in groups):
        text += "\nEach scope by itself: --format json\n"
    return text


@dataclass(frozen=True, slots=True)
class Group:
    """Scopes that fail alike. `status`: state and cause; `reason`: of all, or of most."""

    status: str
    reason: str
    statuses: tuple[ScopeStatus, ...]

    def __str__(self) -> str:
        """The scope, or what several have in common: "123456789012/*/ec2-instance (4 scopes)"."""
        scopes = [s.scope for s in self.statuses]
        accounts = sorted({scope.account for scope in scopes})
        if len(accounts) == 1:
            return together(scopes)
        return f"{together(scopes)[:-1]} in {len(accounts)} accounts: {_some(accounts)})"


def incomplete(statuses: Iterable[ScopeStatus]) -> list[Group]:
    """The scopes that are not complete, in few groups: of each status those that are few by themselves, else
    by their reason; where there are many reasons, all of the status together."""
    by_status: dict[str, list[ScopeStatus]] = defaultdict(list)
    for s in statuses:
        if s.state is not ScopeState.COMPLETE:
            status = s.state.value if s.cause in ("", s.state.value) else f"{s.state.value} ({s.cause})"
            by_status[status].append(s)
    groups: list[Group] = []
    for status, alike in sorted(by_status.items()):
        if len(alike) <= _SINGLY:
            groups += [Group(status, s.reason, (s,)) for s in sorted(alike, key=lambda s: s.scope)]
            continue
        reasons: dict[str, list[ScopeStatus]] = defaultdict(list)
        for s in alike:
            reasons[_common(s)].append(s)
        ranked = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
        if len(ranked) <= _REASONS:
            groups += [Group(status, _reason(reason, same), tuple(same)) for reason, same in ranked]
        else:
            first, same = ranked[0]
            reason = f"{_reason(first, same)}; and {len(ranked) - 1} other reasons"
            groups.append(Group(status, reason, tuple(alike)))
    return groups


def refusal(found: Snapshot) -> str:
    """Why a reading is not good enough: how many scopes, which, and for which reasons."""
    groups = incomplete(found.scopes)
    count = sum(len(group.statuses) for group in groups)
    told = [f"  {group}: {group.status}: {group.reason}" for group in groups[:_TOLD]]
    rest = len(groups) - len(told)
    told += [f"  and {rest} more of the table above"] if rest else []
    of = f"{count} of {summary.number(len(found.scopes), 'scope')}"
    return "\n".join([f"{of} {'was' if count == 1 else 'were'} not read completely:", *told])


def _common(status: ScopeStatus) -> str:
    """The reason without the account's number and the region, which AWS likes to repeat."""
    scope = status.scope
    reason = status.reason.replace(scope.account, "ACCOUNT")
    return reason if scope.region == GLOBAL_REGION else reason.replace(scope.region, "REGION")


def _reason(common: str, statuses: Sequence[ScopeStatus]) -> str:
    """As AWS has put it, where it has put it to all in the same words."""
    told = {s.reason for s in statuses}
    return told.pop() if len(told) == 1 else common


def _row(group: Group, by_scope: Counter[Scope], now: datetime) -> tuple[str, ...]:
    ages = [seconds for s in group.statuses if (seconds := age(s, now)) is not None]
    resources = sum(by_scope[s.scope] for s in group.statuses)
    return str(group), group.status, str(resources), spelt(max(ages, default=None)), group.reason


def _left_out(accounts: Iterable[KnownAccount]) -> list[tuple[str, ...]]:
    alike: dict[str, list[KnownAccount]] = defaultdict(list)
    for account in accounts:
        if account.left_out:
            alike[account.left_out].append(account)
    rows: list[tuple[str, ...]] = []
    for why, left in sorted(alike.items()):
        if len(left) <= _SINGLY:
            rows += [(a.id, a.name, why) for a in left]
        else:
            rows.append((f"{len(left)} accounts: {_some([a.id for a in left])}", "", why))
    return rows


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


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
