"""A destination that is a folder on this machine, and mostly a server that reads it.

A new version is checked by the destination's own promtool or amtool where it will lie, the link is switched,
the server reads again and is looked at. If it has not taken the version, the last one that it was seen to run
is put back in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from mac import engines
from mac.deploy import changes, replicas, secrets, versions
from mac.deploy.changes import missing
from mac.deploy.running import Running, fault, last_fault, until
from mac.deploy.versions import CURRENT, VERIFIED, Version, Versions
from mac.deploy_model import (
    DeployError,
    DeployPlan,
    FilesSettings,
    Needs,
    Observed,
    Release,
    RolledBackError,
)
from mac.problems import Location, MacError, Problem, ProblemsError

_STARTING = 10.0
"""Seconds in which a Prometheus that was just started or told to read again knows its targets: it looks at
what discovery has found every five."""


@dataclass(frozen=True, slots=True)
class Checked:
    """How a version is checked before a server sees it: `tool` of `engines`, on the file `config`."""

    tool: str
    config: str


@dataclass(frozen=True, slots=True)
class FilesDestination:
    """`prefix`: the folder of the generated files that go there, ending with a slash. `asked`: the requests
    that looking at the server takes.
    """

    settings: FilesSettings
    prefix: str
    check: Checked | None
    running: Running | None
    asked: tuple[str, ...] = ()

    def plan(self, release: Release) -> DeployPlan:
        """What differs. Raises OutputError, AwsError for a secret, DeployError or ServerError when the server
        does not answer.
        """
        store = self._store
        wanted = self.meant(release)
        current = store.linked(CURRENT)
        there = store.content(current) if current else {}
        found = changes.between(there, versions.hashes(wanted))
        found += secrets.plan(store.folder, secrets.values(self.settings.secrets))
        return DeployPlan(release.revision, found, "" if found else self._pending(current, wanted))

    def apply(self, release: Release) -> str:
        """Deploys, verifies, and returns the version's name.

        Raises ProblemsError when the version is refused before anything changes, RolledBackError when the
        server does not take it and the last good version is back, DeployError when it is not.
        """
        store = self._store
        wanted = self.meant(release)
        resolved = secrets.values(self.settings.secrets)
        with store.writing():
            secrets.write(store.folder, resolved)
            good = store.linked(VERIFIED)
            before = store.linked(CURRENT)
            if self.running and before:
                self._reach(self.running, good, before)
            version = store.like(wanted) or self._added(release.revision, wanted)
            store.link(CURRENT, version)
            try:
                self._taken(wanted, before)
            except MacError as error:
                self._put_back(error, version, good)
            store.link(VERIFIED, version)
            store.prune(self.settings.keep)
        return version.name

    def meant(self, release: Release) -> Mapping[str, bytes]:
        """Path → content. Raises DeployError without the file that the server begins with."""
        start = len(self.prefix)
        found = {p[start:]: data for p, data in release.files.items() if p.startswith(self.prefix)}
        if self.settings.cell:
            found = replicas.own(found, self.settings.cell, self.settings.replica)
        if self.check and self.check.config not in found:
            raise missing(release, f"{self.prefix}{self.check.config}")
        return found

    def read_back(self) -> Observed:
        """What is there, and whether the server runs it."""
        store = self._store
        current = store.linked(CURRENT)
        if current is None:
            return Observed({})
        there = store.read(current)
        seen = Observed(there, current.revision, changes.between(current.files, versions.hashes(there)))
        if self.running is None:
            return seen
        try:
            return replace(seen, faults=self._faults(self.running, there))
        except MacError as error:
            return replace(seen, unread=error.message)

    def needs(self) -> Needs:
        if self.running is None:
            return Needs(writes=(self.settings.folder,))
        reload = () if self.settings.pid_file else ("POST /-/reload",)
        least = Needs(
            writes=(self.settings.folder,),
            requests=("GET /metrics", *self.asked, *reload),
            signals=self.settings.pid_file,
        )
        return secrets.needs(self.settings.secrets, least)

    # --- parts -----------------------------------------------------------------------------------

    @property
    def _store(self) -> Versions:
        return Versions(Path(self.settings.folder))

    def _faults(self, running: Running, there: Mapping[str, bytes]) -> tuple[str, ...]:
        """What a server departs in that is not just reading what is there."""
        folder = self._store.folder / CURRENT
        last = running.last_read()
        found = tuple(running.faults(folder, there))
        # Its clock is ours, or nearly so.
        patience = min(max(last.at, self._store.switched()) + _STARTING - time.time(), _STARTING)
        if found and patience > 0:
            last_fault(lambda: fault(running, folder, there), patience)
            last = running.last_read()
            found = tuple(running.faults(folder, there))
        return found if last.well else ("it refused its configuration when it read it last", *found)

    def _stored(self, version: Version) -> Mapping[str, bytes]:
        folder = self._store.path(version)
        try:
            return {path: (folder / path).read_bytes() for path in version.files}
        except OSError as error:
            raise DeployError(f"{folder} is not whole: {error}") from error

    def _pending(self, current: Version | None, wanted: Mapping[str, bytes]) -> str:
        good = self._store.linked(VERIFIED)
        if current is None:
            return "nothing was deployed there yet" if wanted else ""
        if good is None or good.name != current.name:
            return f"the version {current.name} was not seen to run yet"
        running = self.running
        if running is None:
            return ""
        return last_fault(lambda: fault(running, self._store.folder / CURRENT, wanted), _STARTING)

    def _reach(self, running: Running, good: Version | None, current: Version) -> None:
        """A server that is down would look like one that refuses: nothing is switched under it."""
        try:
            running.last_read()
        except MacError as error:
            back = ""
            if good is not None and good.name != current.name:
                self._store.link(CURRENT, good)
                back = f"; {good.name}, which it ran last, is in its place for when it starts"
            message = f"nothing new was deployed, for the server does not answer{back}: {error.message}"
            raise DeployError(message, error.hint) from error

    def _added(self, revision: str, wanted: Mapping[str, bytes]) -> Version:
        store = self._store
        draft = store.draft(revision, wanted)
        try:
            problems = self._refused(draft)
        except BaseException:
            store.discard(draft)
            raise
        if problems:
            store.discard(draft)
            raise ProblemsError(problems)
        return store.keep(draft)

    def _refused(self, draft: Path) -> list[Problem]:
        if self.check is None:
            return []
        tool = self.check.tool
        engine = engines.at(tool, Path(self.settings.tool)) if self.settings.tool else engines.require(tool)
        return [
            Problem(
                Location(self._shown(finding.file, draft), finding.line, finding.column),
                "engine-rejects",
                f"{engine} of {self.settings.name} says: {finding.message}",
                "nothing was changed there",
            )
            for finding in engine.check_config(draft / self.check.config)
        ]

    def _shown(self, file: str, draft: Path) -> str:
        """A file of a draft as it is called in the repository."""
        inside = file.removeprefix(f"{draft}/")
        return f"{self.prefix}{inside or (self.check.config if self.check else '')}"

    def _taken(self, files: Mapping[str, bytes], before: Version | None) -> None:
        if self.running is None:
            return
        running, folder = self.running, self._store.folder / CURRENT
        running.reload()
        if before is not None:
            self._store.stir(before)  # Prometheus would look for targets after its refresh_interval only
        until(lambda: fault(running, folder, files), self.settings.settle)

    def _put_back(self, error: MacError, version: Version, good: Version | None) -> NoReturn:
        store = self._store
        if good is None:
            message = f"{version.name} is in place, and was not seen to run: {error.message}"
            hint = error.hint or f"start the server on {store.folder / CURRENT}, and deploy again"
            raise DeployError(message, hint) from error
        if good.name == version.name:
            message = f"{good.name} ran before, and is not seen to run now: {error.message}"
            raise DeployError(message, error.hint) from error
        store.link(CURRENT, good)
        try:
            self._taken(self._stored(good), version)
        except MacError as second:
            message = f"{version.name} was not taken ({error.message}), nor was {good.name}, which is back"
            raise DeployError(f"{message}: {second.message}", second.hint) from error
        raise RolledBackError(
            f"{version.name} was not taken, and {good.name} is back: {error.message}", error.hint
        ) from error
