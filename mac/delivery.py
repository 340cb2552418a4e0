"""Composes deployment: the generated files of a commit, and the destinations of mac.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mac import conventions, deploy, git, pipeline, record, standards
from mac.deploy_model import (
    Delivered,
    DestinationSettings,
    DestinationType,
    FilesSettings,
    Needs,
    Release,
)
from mac.model import Project
from mac.problems import GitError, Problem, ProblemsError, UsageError, did_you_mean

Told = Callable[[str], None]
"""Called with the name of each destination before it is dealt with."""


def release(root: Path, revision: str = "HEAD", project: Project | None = None) -> Release:
    """The generated files of a commit: of the deployment repository, where mac.yaml names one, as it is now.

    Raises GitError, also when nothing was generated in it.
    """
    project = project or standards.settings(root)
    where, hint = (
        "the commit",
        "`mac generate --commit` generates and commits; --revision names another commit",
    )
    if project.git.repository:
        where = "in the deployment repository the commit"
        sha, files, provenance = record.published(root, project.git, project.output, revision)
    else:
        sha = git.open(root).resolve(revision)
        files, provenance = pipeline.present(root, root / project.output, sha)
        if project.git.branch:
            branch = project.git.branch
            hint = f"it is generated on the branch {branch}: merge it, or deploy it with --revision {branch}"
    if not provenance:
        raise GitError(
            f"{where} {sha[:12]} has no {conventions.PROVENANCE}: nothing was generated in it", hint
        )
    return Release(sha, files)


def followed(root: Path) -> None:
    """Raises UsageError where commits of the monitoring repository have nothing to deploy in them."""
    if standards.settings(root).git.repository:
        raise UsageError(
            "--watch follows this repository, and what is generated is in another one (git.repository)",
            "run `mac deploy` from a timer: it looks there each time",
        )


def deliver(
    root: Path,
    *,
    names: Sequence[str] = (),
    revision: str = "HEAD",
    dry_run: bool = False,
    progress: Told = lambda name: None,
) -> tuple[str, tuple[Delivered, ...]]:
    """Brings what a commit has to the destinations with these names (to all, if none is named), in the order
    of mac.yaml. Returns the commit and what came of each.

    Raises ProblemsError and UsageError before anything is done; a destination's failure is in its answer.
    """
    project = standards.settings(root)
    to = chosen_from(project, names)
    what = release(root, revision, project)
    return what.revision, hand_over(to, what, dry_run=dry_run, progress=progress)


def hand_over(
    to: Sequence[DestinationSettings],
    what: Release,
    *,
    dry_run: bool = False,
    at_once: int = 1,
    progress: Told = lambda name: None,
) -> tuple[Delivered, ...]:
    """Brings a release to these destinations, so many `at_once`, of which each is waited for. Raises
    ProblemsError for a cell that the release does not have, before anything is done.
    """
    check_cells(to, what)

    def deliver_to(settings: DestinationSettings) -> Delivered:
        progress(settings.name)
        return deploy.deliver(settings, what, dry_run=dry_run)

    if at_once == 1:
        return tuple(map(deliver_to, to))
    with ThreadPoolExecutor(at_once, "mac-deploy") as pool:
        return tuple(pool.map(deliver_to, to))


def settings(root: Path) -> Project:
    """What mac.yaml says."""
    return standards.settings(root)


def needs(root: Path, names: Sequence[str] = ()) -> Mapping[str, Needs]:
    """Name → what each of these destinations (all, if none is named) has to allow."""
    return {s.name: deploy.destination(s).needs() for s in chosen_from(standards.settings(root), names)}


def chosen_from(project: Project, names: Sequence[str]) -> tuple[DestinationSettings, ...]:
    """The destinations with these names, all if none is named. Raises UsageError."""
    known = {settings.name for settings in project.destinations}
    if not known:
        raise UsageError("mac.yaml names no destinations", "add them under spec.destinations: docs/deploy.md")
    for name in names:
        if name not in known:
            raise UsageError(f"mac.yaml has no destination {name}", did_you_mean(name, known))
    return tuple(settings for settings in project.destinations if settings.name in names or not names)


def check_cells(to: Sequence[DestinationSettings], what: Release) -> None:
    """Raises ProblemsError for cells that the release does not have."""
    cells = {path.split("/")[1] for path in what.files if path.startswith("cells/")}
    configured = {path.split("/")[1] for path in what.files if conventions.is_prometheus_file(path)}
    problems = [
        Problem(
            settings.cell_location,
            "unknown-cell",
            f"the commit {what.revision[:12]} has no cell {settings.cell}",
            did_you_mean(settings.cell, cells),
        )
        for settings in to
        if settings.cell and settings.cell not in cells
    ]
    problems += [problem for settings in to if (problem := _other_replica(settings, what, configured))]
    problems += [
        Problem(
            settings.cell_location,
            "unknown-cell",
            f"{settings.cell} is divided in the commit {what.revision[:12]}: no Prometheus has all of it",
            "name one of its shards, as in shard: 0",
        )
        for settings in to
        if settings.type is DestinationType.PROMETHEUS_FILES and settings.cell in cells - configured
    ]
    if problems:
        raise ProblemsError(problems)


def _other_replica(settings: DestinationSettings, what: Release, configured: set[str]) -> Problem | None:
    """A problem where the cell has Prometheus, and none by that name."""
    if not isinstance(settings, FilesSettings) or settings.cell not in configured:
        return None
    if f"cells/{settings.cell}/{conventions.prometheus_name(settings.replica)}" in what.files:
        return None
    start = f"cells/{settings.cell}/"
    one = settings.replica and f"the replica {settings.replica} of "
    message = f"the commit {what.revision[:12]} has no prometheus.yml for {one}{settings.cell}"
    there = ", ".join(
        sorted(
            path.removeprefix(start)
            for path in what.files
            if path.startswith(start) and conventions.is_prometheus_file(path)
        )
    )
    return Problem(
        settings.cell_location, "unknown-cell", message, f"it has {there}; replica names one of several"
    )
