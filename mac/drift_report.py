"""What is out of step, for people and for programs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from mac.drift_model import DestinationDrift, Drift, DriftKind, DriftReport, DriftState

SCHEMA_VERSION = 1
_DEPLOYED = frozenset(
    [
        *(DriftKind.MISSING, DriftKind.CHANGED, DriftKind.EXTRA),
        *(DriftKind.OLD_REVISION, DriftKind.NOT_LOADED),
    ]
)
_SHOWN = 10  # of one kind, at one destination


def as_dict(report: DriftReport) -> dict[str, Any]:
    """The JSON form, a contract: schema_version, revision, at, state, machines, destinations, unplaced and
    notes.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "revision": report.revision,
        "at": report.at.isoformat(timespec="seconds"),
        "state": report.state.value,
        "machines": report.machines,
        "destinations": [
            {
                "name": each.name,
                "type": each.type.value,
                "state": each.state.value,
                "revision": each.revision,
                "behind": each.behind,
                "things": each.things,
                "counts": dict(sorted(Counter(drift.kind.value for drift in each.drifts).items())),
                "drifts": [_drift(drift) for drift in each.drifts],
            }
            for each in report.destinations
        ],
        "unplaced": [_drift(drift) for drift in report.unplaced],
        "notes": list(report.notes),
    }


def _drift(drift: Drift) -> dict[str, Any]:
    return {
        "kind": drift.kind.value,
        "what": drift.what,
        "detail": drift.detail,
        "arn": drift.arn,
        "differences": [
            {"path": each.path, "there": each.there, "meant": each.meant} for each in drift.differences
        ],
    }


def text(report: DriftReport) -> str:
    return "\n".join(_lines(report))


def _lines(report: DriftReport) -> Iterator[str]:
    yield f"commit {report.revision[:12]}"
    for each in report.destinations:
        yield f"{each.name} ({each.type.value}): {_standing(each)}"
        yield from _listed(each.drifts)
    if report.unplaced:
        yield "at no destination:"
        yield from _listed(report.unplaced)
    if report.machines is not None:
        silent = {d.arn for d in report.drifts if d.kind is DriftKind.NOT_SCRAPED}
        yield f"{report.machines} machines should be scraped, {len(silent)} of them are known not to be"
    if any(drift.kind in _DEPLOYED for drift in report.drifts):
        yield "`mac deploy` puts the configuration right; `mac deploy --dry-run` shows what it would change"
    for note in report.notes:
        yield f"note: {note}"


def _standing(each: DestinationDrift) -> str:
    if each.state is DriftState.IN_SYNC:
        return f"in sync, {each.things} thing{'' if each.things == 1 else 's'}"
    return "not known" if each.state is DriftState.UNKNOWN else "drifted"


def _listed(drifts: Iterable[Drift]) -> Iterator[str]:
    by_kind: dict[DriftKind, list[Drift]] = defaultdict(list)
    for drift in drifts:
        by_kind[drift.kind].append(drift)
    for kind in DriftKind:
        found = by_kind[kind]
        for drift in found[:_SHOWN]:
            about = "" if drift.what == drift.destination else f" {drift.what}"
            yield f"  {kind.value}{about}: {drift.detail}"
            for each in drift.differences:
                yield f"    {each.path}: {each.there}, and {each.meant} is meant"
        if len(found) > _SHOWN:
            yield f"  … and {len(found) - _SHOWN} more of {kind.value}"
