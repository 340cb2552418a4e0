"""Composes what `mac drift` tells: what runs at each destination, against a commit and the inventory.

Everything is only read; no lock is taken. `mac sync` calls `read` too, with the inventory that it has:

    report = drifting.read(root, fleet=drifting.Fleet(built.snapshot, built.bindings.bindings))
    exposition.text(report.metrics())
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mac import (
    bind,
    conventions,
    delivery,
    deploy,
    drift,
    durations,
    exposition,
    git,
    inventory,
    pipeline,
    record,
    scraping,
    snapshot_source,
    standards,
    write,
)
from mac.deploy_model import DestinationSettings, DestinationType, Observed, Release, Scraping
from mac.drift_model import DriftReport
from mac.model import Binding, Project, ScopeState, Snapshot, together
from mac.problems import MacError, ProblemsError
from mac.run import Progress

_HISTORY = 20  # commits that are looked at for one that has what is at a destination
_AT_ONCE = 8  # destinations
_DISCOVERY = 5.0  # seconds in which Prometheus takes up what discovery has found
_GENERATED = ("cells", "alertmanager", "dashboards")


@dataclass(frozen=True, slots=True)
class Fleet:
    """An inventory and how it is bound: what should be scraped. `note`: what has to be known of it."""

    snapshot: Snapshot
    bindings: Sequence[Binding]
    note: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """What commits have for destinations. `head`: the commit that is meant to run. `output`: the folder of
    what is generated; `snapshot`: where the inventory is, seen from the top, "" for its usual place.
    """

    repository: git.Repository
    output: Path
    head: Release
    snapshot: str = ""

    def release(self, sha: str) -> Release:
        """Raises GitError and ProblemsError."""
        if sha == self.head.revision:
            return self.head
        files, _ = record.present(self.repository, self.output, sha)
        return Release(self.repository.resolve(sha), files)

    def older(self) -> Iterable[Release]:
        """Releases before that of the head, newest first, as far as they can be read."""
        folders = [self.output / name for name in _GENERATED]
        with suppress(MacError):
            for sha in self.repository.touching(self.head.revision, folders, _HISTORY):
                if sha != self.head.revision:
                    yield self.release(sha)

    def behind(self, sha: str) -> int | None:
        return self.repository.behind(sha, self.head.revision) if sha else None


def read(
    root: Path,
    *,
    names: Sequence[str] = (),
    revision: str = "HEAD",
    fleet: Fleet | None = None,
    history: History | None = None,
    grace: float | None = None,
    now: datetime | None = None,
    progress: delivery.Told = lambda name: None,
) -> DriftReport:
    """Reads the destinations with these names (all, if none is named) and tells what is out of step.

    `revision`: the commit that is meant to run. `fleet`: the inventory to hold against targets; the one that
    the commit has, bound today, by default. `grace`: seconds for which a machine may be launched, or a target
    may not answer, without being told; by default a scrape interval and the time in which Prometheus sees
    new targets. `history`: the commits, where `revision` is not looked for as mac.yaml says it. `now`: the
    present by default.

    A destination that cannot be read is UNKNOWN in the answer. Raises what `delivery.deliver` does before
    anything is read: ProblemsError, UsageError, GitError.
    """
    project = standards.settings(root)
    chosen = delivery.chosen_from(project, names)
    history = history or _history(root, project, delivery.release(root, revision, project))
    release = history.head
    delivery.check_cells(chosen, release)
    moment = now or datetime.now(UTC)
    notes = []
    if fleet is None and any(_scrapes(settings) for settings in chosen):
        fleet, why = _committed(root, history, moment)
        notes += [why] if why else []
    patience = _grace(project, fleet) if grace is None else grace
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = [pool.submit(_ask, settings, patience) for settings in chosen]
        readings = []
        for settings, answer in zip(chosen, asked, strict=True):
            progress(settings.name)
            readings.append(_reading(settings, *answer.result(), history))
    scope = None
    if fleet is not None:
        notes += [fleet.note] if fleet.note else []
        scope = drift.Scope(fleet.bindings, moment, patience, not names, release.files)
    return drift.report(release.revision, readings, scope, moment, notes)


def live(root: Path, progress: Progress) -> Fleet:
    """The inventory as AWS tells it now. Raises ProblemsError and AwsError."""
    catalog = pipeline.load(root)
    found = inventory.observe(root, catalog, progress)
    unread = [status.scope for status in found.scopes if status.state is not ScopeState.COMPLETE]
    note = f"{together(unread)} could not be read now: what was last known of it is taken" if unread else ""
    return Fleet(found, bind.bind(catalog, found, datetime.now(UTC).date()).bindings, note)


def write_metrics(report: DriftReport, path: Path) -> None:
    """A file for node_exporter's textfile collector, replaced as a whole. Raises OutputError."""
    write.replace_file(path, exposition.text(report.metrics()).encode())


# --- the inventory -----------------------------------------------------------------------------------


def _committed(root: Path, history: History, now: datetime) -> tuple[Fleet | None, str]:
    """The fleet of the commit that is meant to run, or why there is none."""
    source = snapshot_source.Revision(history.head.revision, history.snapshot)
    try:
        found = snapshot_source.read(source, history.repository.root)
    except MacError as error:
        why = _said(error)
        return None, f"the commit has no inventory that can be read ({why}): targets were not held against it"
    bound = bind.bind(pipeline.load(root), found, now.date())
    return Fleet(found, bound.bindings), ""


def _grace(project: Project, fleet: Fleet | None) -> float:
    intervals = {
        scrape.interval
        for binding in (fleet.bindings if fleet else ())
        if (scrape := binding.standard.scrape) is not None and scrape.interval
    }
    longest = max(durations.seconds(text) or 0.0 for text in {project.scrape_interval, *intervals})
    return longest + (durations.seconds(scraping.REFRESH) or 0.0) + _DISCOVERY


# --- destinations ------------------------------------------------------------------------------------


def _history(root: Path, project: Project, release: Release) -> History:
    if not project.git.repository:
        return History(git.open(root), root / project.output, release)
    top = record.deployment(root)
    kept = os.path.normpath(f"{project.output}/{conventions.SNAPSHOT_DIR}")
    return History(git.open(top), top / project.output, release, kept)


def _said(error: MacError) -> str:
    return error.problems[0].message if isinstance(error, ProblemsError) else error.message


def _scrapes(settings: DestinationSettings) -> bool:
    return settings.type is DestinationType.PROMETHEUS_FILES


def _ask(
    settings: DestinationSettings, grace: float
) -> tuple[Observed | None, Scraping | None, tuple[str, ...]]:
    """What a destination says, and what it does not."""
    observed = scraped = None
    unread = []
    try:
        observed = deploy.destination(settings).read_back()
    except MacError as error:
        unread.append(_said(error))
    try:
        scraped = deploy.scraping(settings, grace)
    except MacError as error:
        # One reason is enough where it is the same server that does not answer.
        if observed is not None and not observed.unread:
            unread.append(_said(error))
    return observed, scraped, tuple(unread)


def _reading(
    settings: DestinationSettings,
    observed: Observed | None,
    scraped: Scraping | None,
    unread: tuple[str, ...],
    history: History,
) -> drift.Reading:
    cell = settings.cell if _scrapes(settings) else ""
    meant: Mapping[str, bytes] = {}
    target = deploy.destination(settings)
    try:
        meant = target.meant(history.head)
    except MacError as error:
        observed, unread = None, (*unread, _said(error))
    base, sha = meant, history.head.revision
    if observed is not None and observed.items and drift.differing(observed, meant):
        base, sha = _base(target, observed, meant, history)
    return drift.Reading(
        settings.name,
        settings.type,
        cell,
        observed,
        meant,
        base,
        sha,
        history.behind(sha),
        scraped,
        unread,
    )


def _base(
    target: deploy.Destination, observed: Observed, meant: Mapping[str, bytes], history: History
) -> tuple[Mapping[str, bytes], str]:
    """What the commit has that a destination runs, and that commit: the one that the destination names, else
    the newest of those from which it differs least.
    """
    if observed.edits is not None:
        try:
            return target.meant(history.release(observed.revision)), observed.revision
        except MacError:
            return {}, observed.revision
    base, sha = meant, history.head.revision
    fewest = drift.distance(observed, meant)
    for release in history.older():
        try:
            content = target.meant(release)
        except MacError:
            break
        count = drift.distance(observed, content)
        if count < fewest:
            base, sha, fewest = content, release.revision, count
        if not fewest:
            break
    return base, sha
