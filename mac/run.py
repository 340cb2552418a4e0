"""What a run is asked for, what it has built, and what it did: the values of `pipeline`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mac.model import Catalog, Snapshot
from mac.problems import Problem

if TYPE_CHECKING:
    from mac.bind import Bindings
    from mac.diff import Plan
    from mac.record import Record
    from mac.render import Rendered
    from mac.snapshot_source import Source
    from mac.write import Written

Progress = Callable[[str, str], None]
"""Called with a stage's name and what it is doing; for people, on stderr."""


def silent(stage: str, text: str) -> None:
    """A Progress that says nothing."""


def unguarded(_catalog: Catalog, _rendered: Rendered, _progress: Progress) -> tuple[Problem, ...]:
    """A Guard that stops nothing."""
    return ()


Guard = Callable[[Catalog, "Rendered", Progress], tuple[Problem, ...]]
"""What else must not be generated: errors stop, warnings are shown."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate. `snapshot`: read this instead of asking AWS. `output`: where instead of mac.yaml's.

    `base`: the revision whose output is compared with, instead of the one on disk. `allow`: the guards that
    are open for this run, see guards.NAMES. `guard` is one more, asked by `generate` alone. `now` decides
    which exemptions hold.
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
    engines_required: bool = False
    guard: Guard = unguarded
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


class Clock:
    """Measures stages; a stage that runs again adds to its time."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - start

    def stages(self) -> tuple[Stage, ...]:
        return tuple(Stage(name, round(seconds, 3)) for name, seconds in self._seconds.items())
