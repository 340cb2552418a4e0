"""What a run is asked for, what it has built, and what it did: the values of `pipeline` and `generating`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mac.model import Catalog, Scope, Snapshot
from mac.problems import Problem, RemoteError

if TYPE_CHECKING:
    from mac.bind import Bindings
    from mac.diff import Plan
    from mac.giving_way import GivingWay
    from mac.record import Record
    from mac.render import Rendered
    from mac.snapshot_source import Source
    from mac.write import Written

Progress = Callable[[str, str], None]
"""Called with a stage's name and what it is doing; for people, on stderr."""


Judge = Callable[["Built", Progress], Iterable[Problem]]
"""What looks at a plan that changes something: errors stop the run as a guard does, warnings are shown."""


def silent(stage: str, text: str) -> None:
    """A Progress that says nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate. `snapshot`: read this instead of asking AWS. `output`: where instead of mac.yaml's.

    `base`: the revision whose output is compared with, instead of the one on disk. `allow`: the guards that
    are open for this run, see guards.NAMES. `judges` look at what was built as guards do. `now` decides which
    exemptions hold. `only`: of the scopes that are known from before, read these alone. `giving_way`: may end
    the reading early. `lasting`: begin on what the remote's branch has; go on without the remote where there
    is none, or while it does not answer.
    """

    root: Path
    snapshot: Source | None = None
    output: Path | None = None
    base: str = ""
    commit: bool = False
    push: bool = False
    branch: str = ""
    remote: str = ""
    pull_request: bool = False
    allow: frozenset[str] = frozenset()
    judges: tuple[Judge, ...] = ()
    engines_required: bool = False
    only: frozenset[Scope] | None = None
    giving_way: GivingWay | None = None
    lasting: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def today(self) -> date:
        return self.now.date()


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Built:
    """Everything up to the plan, in memory."""

    catalog: Catalog
    snapshot: Snapshot
    bindings: Bindings
    rendered: Rendered
    plan: Plan
    problems: tuple[Problem, ...]
    record: Record
    owned: tuple[str, ...]
    old_provenance: Mapping[str, Any]

    @property
    def output(self) -> Path:
        return self.record.output


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a generate did."""

    built: Built
    written: Written
    commit: str | None
    pushed: bool
    pull_request: str  # its address; "" when none was asked for, or there is nothing to propose
    stages: tuple[Stage, ...]
    unreached: RemoteError | None = None  # why nothing was pushed, with `lasting`


class Clock:
    """Measures stages; a stage that runs again adds to its time. `last`: the one that was begun last."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self.last = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.last = name
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - start

    def stages(self) -> tuple[Stage, ...]:
        return tuple(Stage(name, round(seconds, 3)) for name, seconds in self._seconds.items())
