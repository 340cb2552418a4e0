"""What stops a run before it writes. Each guard has a name, and that name opens it for one run. Pure.

A guard's Problem says what would go and how it is allowed. Shares are of one (0…1), coverage of a hundred.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from mac import conventions, credentials
from mac.credentials import Find
from mac.diff import MODIFY, REMOVE, Plan
from mac.model import Guards, ScopeState, Snapshot
from mac.problems import Location, Problem, Severity, ordered

TARGETS = "shrink-targets"
RULES = "shrink-rules"
ACCOUNTS = "shrink-accounts"
STALE = "stale-scopes"
UNBOUND = "nothing-bound"
NO_RULES = "zero-rules"
COVERAGE = "coverage"
FORECAST = "forecast"
SECRETS = "secrets"

NAMES: Mapping[str, str] = {
    TARGETS: "more targets go than guards.removed_targets allows",
    RULES: "more rules go than guards.removed_rules allows",
    ACCOUNTS: "many accounts of the organization are missing at once",
    STALE: "more scopes were not read than guards.stale_scopes allows, or none was",
    UNBOUND: "no standard finds a resource",
    NO_RULES: "no alerting rule is left",
    COVERAGE: "coverage is below guards.coverage",
    FORECAST: "the forecast breaks a budget",
    SECRETS: "a file looks as if a credential stood in it",
}
"""Guard → when it stops."""

SHRINK = frozenset([TARGETS, RULES, ACCOUNTS])
EMPTY = frozenset([UNBOUND, NO_RULES])


def named(*, shrink: bool = False, empty: bool = False, stale: bool = False) -> frozenset[str]:
    """The guards that the older options open together."""
    groups = ((shrink, SHRINK), (empty, EMPTY), (stale, frozenset([STALE])))
    return frozenset().union(*(names for given, names in groups if given))


_PLACES = 5  # of what would go that are named
_SETTINGS = Location("mac.yaml")


def hint(name: str, unless: str = "it is meant") -> str:
    """How a guard is opened."""
    return f"if {unless}, run again with --allow {name}: it holds for that run alone"


def shrink(
    made: Plan, limits: Guards, old_provenance: Mapping[str, Any], allowed: Iterable[str] = ()
) -> tuple[Problem, ...]:
    """Problems when the plan takes away more than the guards allow.

    What is replaced does not count: within one service, environment, cell and job (or rules of one service)
    as many removals are forgiven as there are additions. Fewer than `limits.minimum` never count.
    """
    targets, rules = counts(old_provenance)
    kinds = (
        (TARGETS, "target", targets, limits.removed_targets, "removed_targets"),
        (RULES, "rule", rules, limits.removed_rules, "removed_rules"),
    )
    problems = []
    for name, kind, present, share, setting in kinds:
        losses = _losses(made, kind)
        lost = losses.total()
        if name in allowed or not present or lost < limits.minimum or lost / present <= share:
            continue
        message = (
            f"{lost} of {present} {kind}s would go ({lost / present:.0%}); guards.{setting} allows "
            f"{share:.0%}. They are {_largest(losses)}"
        )
        problems.append(Problem(_SETTINGS, "guard-shrink", message, f"mac diff shows all; {hint(name)}"))
    return ordered(problems)


def moved(made: Plan, old: Mapping[str, int], new: Mapping[str, int], total: int) -> tuple[Problem, ...]:
    """A warning for each cell whose targets change places, which takes none of them away.

    `old`, `new`: cell → shards; 1 is not listed. `total`: targets before.
    """
    moves: Counter[str] = Counter()
    for change in made.changes:
        if change.kind == "target" and any(field.field == conventions.SHARD for field in change.fields):
            moves[change.cell] += change.count
    return tuple(
        Problem(
            _SETTINGS,
            "cell-resharded",
            f"{cell} goes from {_prometheus(old.get(cell, 1))} to {_prometheus(new.get(cell, 1))}: "
            f"{count} of {total} targets move to another one, and none goes",
            "deploy all shards of the cell together; mac diff shows what moves",
            Severity.WARNING,
        )
        for cell, count in sorted(moves.items())
    )


def _prometheus(count: int) -> str:
    return f"{count} shards" if count > 1 else "one Prometheus"


def _losses(made: Plan, kind: str) -> Counter[str]:
    """Place → how many more went there than came."""
    balance: dict[tuple[str, ...], int] = defaultdict(int)
    for change in made.changes:
        if change.kind == kind and change.action != MODIFY:
            job = change.name if kind == "target" else ""
            place = (change.service, change.environment, change.cell, job)
            balance[place] += change.count if change.action == REMOVE else -change.count
    return Counter({" / ".join(p for p in place if p): lost for place, lost in balance.items() if lost > 0})


def _largest(losses: Counter[str]) -> str:
    ranked = sorted(losses.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{lost} of {place}" for place, lost in ranked[:_PLACES]]
    rest = ranked[_PLACES:]
    if rest:
        words.append(f"{sum(lost for _, lost in rest)} in {len(rest)} other places")
    return ", ".join(words)


def counts(provenance: Mapping[str, Any]) -> tuple[int, int]:
    """(targets, rules) of a tree. A resource behind the CloudWatch exporter is a target."""
    entries = provenance.get("files", {}).values()
    targets = sum(int(e.get("targets", 0)) + int(e.get("resources", 0)) for e in entries)
    return targets, sum(len(e.get("rules", ())) for e in entries)


def zero_rules(provenance: Mapping[str, Any]) -> tuple[Problem, ...]:
    """A problem when nothing would ever alert."""
    entries = provenance.get("files", {}).values()
    if any(rule.get("type") == "alerting" for entry in entries for rule in entry.get("rules", ())):
        return ()
    message = "no alerting rule was generated: nothing would ever alert"
    advice = f"see mac validate and the tags of the resources; {hint(NO_RULES)}"
    return (Problem(Location("standards"), "zero-rules", message, advice),)


def stale(state: Snapshot, limits: Guards) -> tuple[Problem, ...]:
    """A problem when too large a share of the scopes was not read completely. A disabled region has nothing
    to be read.
    """
    asked = [s for s in state.scopes if s.state is not ScopeState.DISABLED]
    missing = [s for s in asked if s.state is not ScopeState.COMPLETE]
    if not asked or len(missing) / len(asked) <= limits.stale_scopes:
        return ()
    reasons = Counter(f"{s.state}: {s.reason}" for s in missing)
    message = (
        f"{len(missing)} of {len(asked)} scopes were not read completely ({len(missing) / len(asked):.0%}); "
        f"guards.stale_scopes allows {limits.stale_scopes:.0%}. They are {_largest(reasons)}"
    )
    advice = f"what is there stays as it is; mac inventory shows all; {hint(STALE)}"
    return (Problem(_SETTINGS, "guard-stale", message, advice),)


def coverage(percent: float, unwatched: Mapping[str, int], limits: Guards) -> tuple[Problem, ...]:
    """A problem when less is watched than mac.yaml demands. `unwatched`: kind → resources that are not."""
    if percent >= limits.coverage:
        return ()
    message = (
        f"{percent:.1f} % of the resources are watched; guards.coverage demands {limits.coverage:g} %. "
        f"Not watched are {_largest(Counter(unwatched))}"
    )
    return (Problem(_SETTINGS, "guard-coverage", message, f"mac coverage shows all; {hint(COVERAGE)}"),)


def secrets(files: Mapping[str, bytes], limits: Guards) -> tuple[Problem, ...]:
    """A problem for each place of the files that looks like a credential. The credential is not repeated."""
    return tuple(
        _secret(find) for find in credentials.in_files(files) if find.fingerprint not in limits.harmless
    )


def _secret(find: Find) -> Problem:
    advice = (
        "take it out of the tag, standard or template that it comes from, and change it: it was "
        f"readable there; {hint(SECRETS, 'it is none')}, or list {find.fingerprint} under guards.harmless "
        "in mac.yaml"
    )
    place = Location(find.path, find.line, find.column, find.length)
    return Problem(place, "guard-secret", f"this looks like {find.what}, and would be in Git", advice)
