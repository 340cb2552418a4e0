"""Composes what `mac drift` tells: what runs at each destination, against a commit and the inventory.

Everything is only read; no lock is taken. `mac sync` calls `read` too, with the inventory that it has:

    report = drifting.read(root, fleet=drifting.Fleet(built.snapshot, built.bindings.bindings))
    exposition.text(report.metrics())
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mac import delivery
from mac.drift_model import DriftReport
from mac.model import Binding, Snapshot


@dataclass(frozen=True, slots=True)
class Fleet:
    """An inventory and how it is bound: what should be scraped."""

    snapshot: Snapshot
    bindings: Sequence[Binding]


def read(
    root: Path,
    *,
    names: Sequence[str] = (),
    revision: str = "HEAD",
    fleet: Fleet | None = None,
    grace: float | None = None,
    now: datetime | None = None,
    progress: delivery.Told = lambda name: None,
) -> DriftReport:
    """Reads the destinations with these names (all, if none is named) and tells what is out of step.

    `revision`: the commit that is meant to run. `fleet`: the inventory to hold against targets; the one that
    the commit has, bound today, by default. `grace`: seconds for which a machine may be launched, or a target
    may not answer, without being told; by default a scrape interval and the time in which Prometheus sees
    new targets. `now`: the present by default.

    A destination that cannot be read is UNKNOWN in the answer. Raises what `delivery.deliver` does before
    anything is read: ProblemsError, UsageError, GitError.
    """
    raise NotImplementedError
