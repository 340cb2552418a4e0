"""What is found out of step between Git, what runs, and what is in AWS: plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mac.deploy_model import DestinationType
from mac.exposition import Family, Sample


class DriftKind(StrEnum):
    """How something is out of step."""

    MISSING = "missing"  # in the commit, and gone from the destination
    CHANGED = "changed"  # somebody changed it there
    EXTRA = "extra"  # stands among what is mac's, and is in no commit
    OLD_REVISION = "old-revision"  # as an older commit has it
    NOT_LOADED = "not-loaded"  # it is there, and the server runs something else
    TARGET_DOWN = "target-down"  # in service, and does not answer
    NOT_SCRAPED = "not-scraped"  # in service, and no Prometheus has it as a target
    UNKNOWN = "unknown"  # could not be read: never in sync


class DriftState(StrEnum):
    """How a destination stands. UNKNOWN goes before DRIFTED."""

    IN_SYNC = "in-sync"
    DRIFTED = "drifted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that differs, by its path within a thing: what is there and what is meant, short; "" for none.

    What may be a secret is never in either.
    """

    path: str
    there: str
    meant: str


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is out of step. `destination`: its name; "" when the thing belongs to none.

    `what`: the thing as people know it there: a file, a rule group, a target's address, a resource's id.
    `detail`: a sentence. `differences`: the first few. `arn`: of the resource that it is about, if any.
    """

    kind: DriftKind
    destination: str
    what: str
    detail: str
    differences: tuple[Difference, ...] = ()
    arn: str = ""


@dataclass(frozen=True, slots=True)
class DestinationDrift:
    """A destination and what is out of step there.

    `revision`: the commit that it runs, "" when not known. `behind`: by how many commits that is older than
    the one that is meant; None when not known, or when it is no ancestor. `things`: how many were compared.
    """

    name: str
    type: DestinationType
    revision: str
    behind: int | None
    things: int
    drifts: tuple[Drift, ...] = ()

    @property
    def state(self) -> DriftState:
        return _state(self.drifts)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What runs, against a commit and an inventory, at one moment.

    `revision`: the commit that is meant to run. `unplaced`: what is out of step and belongs to no
    destination. `machines`: how many were looked for among targets; None when none were. `notes`: what was
    not judged, and why.
    """

    revision: str
    at: datetime
    destinations: tuple[DestinationDrift, ...]
    unplaced: tuple[Drift, ...] = ()
    machines: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def drifts(self) -> tuple[Drift, ...]:
        return (*(drift for each in self.destinations for drift in each.drifts), *self.unplaced)

    @property
    def state(self) -> DriftState:
        """The worst of all."""
        return _state(self.drifts)

    def metrics(self) -> tuple[Family, ...]:
        """Families for a page of metrics: `exposition.text` writes them.

        mac_drift{destination,kind}: how many things. Every kind of a destination is there, 0 where nothing is
        out of step, but for one that could not be read: it has `unknown` and what else was seen.
        mac_drift_commits_behind{destination}, where it is known.
        mac_drift_last_read_timestamp_seconds, without labels.
        """
        return (
            Family("mac_drift", "Things that are out of step with Git or the inventory.", (*self._counts(),)),
            Family(
                "mac_drift_commits_behind",
                "Commits by which what runs is older than what is meant to run.",
                tuple(
                    Sample(each.behind, {"destination": each.name})
                    for each in self.destinations
                    if each.behind is not None
                ),
            ),
            Family(
                "mac_drift_last_read_timestamp_seconds",
                "When the destinations were last read, in seconds since 1970.",
                (Sample(self.at.timestamp()),),
            ),
        )

    def _counts(self) -> Iterator[Sample]:
        places = [(each.name, each.state, each.drifts) for each in self.destinations]
        if self.unplaced:
            places.append(("", DriftState.UNKNOWN, self.unplaced))  # it has only what was found
        for name, state, drifts in places:
            for kind in DriftKind:
                count = sum(drift.kind is kind for drift in drifts)
                if count or state is not DriftState.UNKNOWN:
                    yield Sample(count, {"destination": name, "kind": kind.value})


def _state(drifts: Iterable[Drift]) -> DriftState:
    kinds = {drift.kind for drift in drifts}
    if DriftKind.UNKNOWN in kinds:
        return DriftState.UNKNOWN
    return DriftState.DRIFTED if kinds else DriftState.IN_SYNC
