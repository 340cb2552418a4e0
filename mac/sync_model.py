"""What `mac sync` is asked for, and what came of a round: plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mac.deploy_model import Delivered
from mac.drift_model import DriftReport
from mac.model import Scope, ScopeStatus
from mac.problems import MacError, Problem, ProblemsError
from mac.run import Built, Judge, Stage

LOCK, PUSH, DEPLOY, DRIFT, EVENTS = "lock", "push", "deploy", "drift", "events"
STAGES = (
    *(LOCK, "begin", "load", "inventory", "bind", "render", "validate", "plan", "guards", "judge", "write"),
    *("commit", PUSH, DEPLOY, DRIFT, EVENTS),
)
"""Everything that a round does, in order, and the reading of events beside it."""


class Wake(Protocol):
    """A source of changes, such as a queue of events."""

    def wait(self, seconds: float) -> frozenset[Scope]:
        """The scopes that have changed since it was asked last: returned as soon as there are any, empty when
        `seconds` have passed without. What was returned is not told again.

        Called over and over from a thread of its own, which may end at any time without a notice. Raises a
        MacError when the source fails; it is asked again later.
        """


@dataclass(frozen=True, slots=True)
class Settings:
    """What is kept in sync. `interval`: seconds between two full readings. `push`: to the remote, if there is
    one. `names`: the destinations, all if none is named. The others are as in `run.Request`.
    """

    root: Path
    interval: float = 60.0
    push: bool = True
    names: Sequence[str] = ()
    allow: frozenset[str] = frozenset()
    engines_required: bool = False
    judges: tuple[Judge, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and in which stage."""

    stage: str
    error: Exception

    @property
    def message(self) -> str:
        if isinstance(self.error, MacError):
            return self.error.message
        return f"this is a bug in mac: {type(self.error).__name__}: {self.error}"

    @property
    def hint(self) -> str:
        return self.error.hint if isinstance(self.error, MacError) else ""

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.error.problems if isinstance(self.error, ProblemsError) else ()


@dataclass(frozen=True, slots=True)
class Figures:
    """What a round has read and generated, counted. `plan`: (kind, action) → items. `coverage`: 0…1."""

    scopes: tuple[ScopeStatus, ...]
    resources: Mapping[str, int]  # by kind
    targets: Mapping[str, int]  # by cell
    rules: Mapping[tuple[str, str], int]  # by cell and type
    plan: Mapping[tuple[str, str], int]
    coverage: float


def figures(built: Built, coverage: float) -> Figures:
    entries: Sequence[Mapping[str, Any]] = tuple(built.rendered.provenance["files"].values())
    targets: Counter[str] = Counter({e["cell"]: 0 for e in entries if e["kind"] == "prometheus"})
    rules: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        if entry["kind"] == "targets":
            targets[entry.get("cell", "")] += entry["targets"]
        elif entry["kind"] == "rules":
            rules.update((entry.get("cell", ""), rule["type"]) for rule in entry["rules"])
    plan: Counter[tuple[str, str]] = Counter()
    for change in built.plan.changes:
        plan[change.kind, change.action] += change.count
    resources = Counter(resource.kind for resource in built.snapshot.resources)
    return Figures(built.snapshot.scopes, resources, targets, rules, plan, coverage)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did. `only`: the scopes that were read, None for all. `completes`: with it everything
    was read, though in several rounds. `at`: when it ended, in seconds since 1970. `figures`: None when it
    did not come so far.
    """

    at: float
    seconds: float
    only: frozenset[Scope] | None = None
    stages: tuple[Stage, ...] = ()
    failures: tuple[Failure, ...] = ()
    figures: Figures | None = None
    commit: str = ""
    pushed: bool = False
    delivered: tuple[Delivered, ...] = ()
    waiting: tuple[str, ...] = ()  # what failed before and is tried again later
    drift: DriftReport | None = None  # of a full round
    completes: bool = False

    def read(self, scopes: frozenset[Scope]) -> frozenset[Scope]:
        """Those of some scopes of which it has what AWS said."""
        if self.figures is None:
            return frozenset()
        return scopes if self.only is None else scopes & self.only

    @property
    def full(self) -> bool:
        """Whether everything has been read with it."""
        return self.only is None or self.completes

    @property
    def good(self) -> bool:
        """Whether everything is as it should be; without events it is, only later, and who is not looked at
        may be well.
        """
        return not self.waiting and all(failure.stage in (EVENTS, DRIFT) for failure in self.failures)


Told = Callable[[Round], None]
