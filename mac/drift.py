"""What was read at destinations, against what is meant to be there and what is in AWS → what is not in step.

Pure. Only what is mac's at a destination is among what was read: rules and files of others are no drift.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from mac import conventions, durations, emit
from mac.deploy_model import Action, DeployChange, DestinationType, Observed, Scraping, contains
from mac.drift_model import DestinationDrift, Difference, Drift, DriftKind, DriftReport
from mac.drift_values import SHOWN, differences
from mac.kinds import monitoring
from mac.model import Binding, Member, Resource

_NAMED = 3  # things of an old revision that are named

Key = tuple[str, str, str, str]
"""Job, account, region and identifier: by what a target is recognized."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A destination as it was read. `observed`: None when it could not be.

    `meant`: what the commit that is meant to run puts there; `base`: what the one does that runs, as far as
    is known; `revision`: that one, and `behind`: how many commits older it is, None when it is no ancestor.
    `cell`: whose machines it scrapes; "" for none. `unread`: why something was not read.
    """

    name: str
    type: DestinationType
    cell: str = ""
    observed: Observed | None = None
    meant: Mapping[str, bytes] = field(default_factory=dict)
    base: Mapping[str, bytes] = field(default_factory=dict)
    revision: str = ""
    behind: int | None = None
    scraping: Scraping | None = None
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked of scraping. `every_cell`: whether a cell that no destination is for counts as blind.

    `grace`: seconds for which a machine may be launched, and a Prometheus started, without being judged.
    `files`: the generated ones, which say whose targets are whose where several Prometheus share a cell.
    """

    bindings: Sequence[Binding]
    now: datetime
    grace: float
    every_cell: bool = True
    files: Mapping[str, bytes] = field(default_factory=dict)


def report(
    revision: str, readings: Sequence[Reading], scope: Scope | None, now: datetime, notes: Iterable[str] = ()
) -> DriftReport:
    """All that is out of step. `scope`: None when scraping is not asked about."""
    by_place: dict[str, list[Drift]] = defaultdict(list)
    told = list(notes)
    machines = None
    if scope is not None and any(reading.cell for reading in readings):
        wanted = _wanted(scope.bindings)
        machines = len({key[1:] for key in wanted})
        for drift in (*_down(readings, wanted, scope), *_not_scraped(readings, wanted, scope)):
            by_place[drift.destination].append(drift)
        told += _starting(readings, scope)
    destinations = tuple(destination(each, revision, by_place.pop(each.name, ())) for each in readings)
    return DriftReport(revision, now, destinations, tuple(by_place.pop("", ())), machines, tuple(told))


# --- configuration -----------------------------------------------------------------------------------


def differing(observed: Observed, meant: Mapping[str, bytes]) -> tuple[DeployChange, ...]:
    """What would have to change for what was read to be what is meant; sorted by name."""
    found = []
    for name in sorted(observed.items.keys() | meant.keys()):
        if name not in observed.items:
            found.append(DeployChange(name, Action.ADD))
        elif name not in meant:
            found.append(DeployChange(name, Action.REMOVE))
        elif not _same(observed, name, meant[name]):
            found.append(DeployChange(name, Action.CHANGE))
    return tuple(found)


def distance(observed: Observed, meant: Mapping[str, bytes]) -> int:
    """How far what was read is from what is meant: how many values differ, at least one for each thing."""
    return sum(
        max(1, len(_values(observed, change.what, meant[change.what], most=None)))
        if change.action is Action.CHANGE
        else 1
        for change in differing(observed, meant)
    )


def destination(reading: Reading, revision: str, scraped: Iterable[Drift] = ()) -> DestinationDrift:
    """One destination, with what was found about its targets."""
    observed, meant = reading.observed, reading.meant
    drifts = [Drift(DriftKind.UNKNOWN, reading.name, reading.name, why) for why in reading.unread]
    if observed is None:
        return DestinationDrift(reading.name, reading.type, "", None, len(meant), (*drifts, *scraped))
    if observed.unread:
        drifts.append(Drift(DriftKind.UNKNOWN, reading.name, reading.name, observed.unread))
    runs = revision
    behind: int | None = 0
    if meant and not observed.items:
        detail = "nothing of mac's is there: nothing was deployed, or somebody removed it"
        drifts.append(Drift(DriftKind.MISSING, reading.name, "everything", detail))
        return DestinationDrift(reading.name, reading.type, "", None, len(meant), (*drifts, *scraped))
    edited = tuple(_edited(reading, observed))
    drifts += edited
    by_hand = {drift.what for drift in edited}
    older = {name for name, content in reading.base.items() if meant.get(name, content) != content}
    old = {c.what for c in differing(observed, meant) if c.what not in by_hand or c.what in older}
    if old:
        runs, behind = reading.revision, reading.behind
        drifts.append(_old(reading, sorted(old)))
    drifts += (Drift(DriftKind.NOT_LOADED, reading.name, reading.name, fault) for fault in observed.faults)
    return DestinationDrift(reading.name, reading.type, runs, behind, len(meant), (*drifts, *scraped))


def _same(observed: Observed, name: str, content: bytes) -> bool:
    there = observed.items[name]
    if there == content or not observed.adds:
        return there == content
    return contains(emit.read_json(there), emit.read_json(content))


def _values(
    observed: Observed, name: str, meant: bytes, *, most: int | None = SHOWN
) -> tuple[Difference, ...]:
    return differences(observed.items[name], meant, most=most, adds=observed.adds)


def _edited(reading: Reading, observed: Observed) -> Iterator[Drift]:
    """What is neither as the commit has it that runs, nor as the one that is meant to."""
    edits = observed.edits
    if edits is None:
        opposite = {Action.ADD: Action.REMOVE, Action.REMOVE: Action.ADD, Action.CHANGE: Action.CHANGE}
        edits = tuple(DeployChange(c.what, opposite[c.action]) for c in differing(observed, reading.base))
    for edit in edits:
        name = edit.what
        there, meant = observed.items.get(name), reading.meant.get(name)
        if there is None:
            if meant is not None:
                yield Drift(DriftKind.MISSING, reading.name, name, "the commit has it, and it is gone")
        elif meant is None and edit.action is Action.ADD:
            yield Drift(DriftKind.EXTRA, reading.name, name, "no commit has it")
        elif meant is None or not _same(observed, name, meant):
            given = reading.base.get(name, meant)
            shown = () if given is None else _values(observed, name, given)
            yield Drift(DriftKind.CHANGED, reading.name, name, "somebody changed it there", differences=shown)


def _old(reading: Reading, things: Sequence[str]) -> Drift:
    named = ", ".join(things[:_NAMED]) + (" …" if len(things) > _NAMED else "")
    short = reading.revision[:12] or "an unknown commit"
    if reading.behind is None:
        where = "which is not in the history of the commit that is meant"
    else:
        where = f"{reading.behind} commit{'' if reading.behind == 1 else 's'} behind"
    detail = f"it has what {short} has, {where}; {len(things)} differ: {named}"
    return Drift(DriftKind.OLD_REVISION, reading.name, short, detail)


# --- scraping ----------------------------------------------------------------------------------------


def _wanted(bindings: Iterable[Binding]) -> Mapping[Key, tuple[str, Member]]:
    """What is to be scraped: the cell and the member. Monitoring's own parts are in no inventory."""
    return {
        _key(scrape.job, member.labels): (binding.cell.name, member)
        for binding in bindings
        if (scrape := binding.standard.scrape) is not None
        for member in binding.members
        if member.resource.kind != monitoring.NAME
    }


def _key(job: str, labels: Mapping[str, str]) -> Key:
    names = (conventions.ACCOUNT, conventions.REGION, conventions.RESOURCE_ID)
    account, region, identifier = (labels.get(name, "") for name in names)
    return (job, account, region, identifier)


def _down(
    readings: Iterable[Reading], wanted: Mapping[Key, tuple[str, Member]], scope: Scope
) -> Iterator[Drift]:
    for reading in readings:
        for target in reading.scraping.targets if reading.scraping else ():
            job = target.labels.get("job", "")
            found = wanted.get(_key(job, target.labels))
            if target.is_down and found is not None and not _young(found[1].resource, scope):
                resource = found[1].resource
                detail = f"{_called(resource)} is in service, and does not answer the job {job}"
                yield Drift(
                    DriftKind.TARGET_DOWN,
                    reading.name,
                    target.address,
                    f"{detail}: {target.error}" if target.error else detail,
                    arn=resource.arn,
                )


def _not_scraped(
    readings: Sequence[Reading], wanted: Mapping[Key, tuple[str, Member]], scope: Scope
) -> Iterator[Drift]:
    """Machines that no Prometheus has as a target. Where one could not be read, it is not known."""
    has = {
        _key(target.labels.get("job", ""), target.labels)
        for reading in readings
        for target in (reading.scraping.targets if reading.scraping else ())
    }
    of_cell: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        if reading.cell:
            of_cell[reading.cell].append(reading)
    given = _given(scope.files)
    parts: dict[str, set[str]] = defaultdict(set)
    for key, (cell, _) in wanted.items():
        parts[cell].add(given.get(_filed(key), cell))
    blind: dict[tuple[str, str], tuple[Resource, list[str]]] = {}
    for key, (cell, member) in wanted.items():
        # One that is in no file yet may come to any part of its cell.
        cells = [given[_filed(key)]] if _filed(key) in given else sorted(parts[cell])
        places = [place for each in cells for place in of_cell.get(each, ())]
        if key in has or _young(member.resource, scope) or not (places or scope.every_cell):
            continue
        if any(place.scraping is None or _is_starting(place.scraping, scope) for place in places):
            continue
        name = places[0].name if places else ""
        blind.setdefault((name, member.resource.arn), (member.resource, []))[1].append(key[0])
    for (name, arn), (resource, jobs) in sorted(blind.items(), key=lambda item: item[0]):
        which = f"the job{'' if len(jobs) == 1 else 's'} {', '.join(sorted(jobs))}"
        why = "" if name else "; no destination is the Prometheus of its cell"
        detail = f"{_called(resource)} is in service, and no Prometheus scrapes it for {which}{why}"
        yield Drift(DriftKind.NOT_SCRAPED, name, resource.id, detail, arn=arn)


def _given(files: Mapping[str, bytes]) -> Mapping[Key, str]:
    """Whose targets are whose: the folder of each, by the file's name in the place of the job."""
    found = {}
    for path, content in files.items():
        if conventions.is_targets_file(path):
            _, cell, _, name = path.split("/")
            with suppress(ValueError, TypeError, AttributeError):  # of somebody who edited it by hand
                for group in emit.read_json(content):
                    found[_key(name, group.get("labels") or {})] = cell
    return found


def _filed(key: Key) -> Key:
    return (f"{conventions.slug(key[0])}.json", *key[1:])


def _starting(readings: Iterable[Reading], scope: Scope) -> Iterator[str]:
    for reading in readings:
        if reading.scraping is not None and _is_starting(reading.scraping, scope):
            yield f"{reading.name} was started a moment ago: whether it has all targets is not judged yet"


def _is_starting(scraping: Scraping, scope: Scope) -> bool:
    return scope.now.timestamp() - scraping.since < scope.grace


def _young(resource: Resource, scope: Scope) -> bool:
    return bool(resource.launched) and durations.elapsed(resource.launched, scope.now) < scope.grace


def _called(resource: Resource) -> str:
    return f"{resource.name} ({resource.id})" if resource.name else resource.id
