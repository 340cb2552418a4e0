"""The loop that keeps what runs equal to what is there: `mac sync`.

A round is what `mac generate --commit --push` and `mac deploy` do, one after the other, under one lock. What
fails is told and tried again later; what does not depend on it goes on: a scope that is not read keeps its
resources, a destination that fails does not stop the others, a remote that does not answer gets its commits
later, and while nothing new can be generated what was generated last is kept running.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from mac import backoff, delivery, drifting, generating, lock, pipeline
from mac.backoff import Attempts
from mac.deploy_model import Delivered, DeployError, Release
from mac.drift_model import DriftReport
from mac.giving_way import GivingWay
from mac.model import Project, Scope
from mac.problems import BusyError, MacError, ProblemsError
from mac.run import Built, Clock, Outcome, Progress, Request, silent
from mac.sync_model import (
    DEPLOY,
    DRIFT,
    EVENTS,
    LOCK,
    PUSH,
    Failure,
    Figures,
    Round,
    Settings,
    Told,
    Wake,
    figures,
)
from mac.sync_schedule import Reading, Schedule

__all__ = ["Abandoned", "Settings", "Sync", "Wake"]

_AT_ONCE = 8  # destinations
_EVENT_WAIT = 20.0  # seconds of one question to the event source; a queue holds it for as long at most
_EVENT_PAUSE = 5.0  # seconds after its first failure
_JITTER = 0.1
_LOCK_LOOK = 1.0  # seconds between two looks at whether to stop
_LOOK = 1.0  # seconds after which it is seen in any case that the loop is to stop
_REMOTE = "the remote"
_TO_BE_ENDED = frozenset(["write", "commit", "push", DEPLOY])
"""Stages that are brought to their end when the loop is stopped; all others have changed nothing yet."""


class Abandoned(BaseException):
    """A round was given up because the loop is to stop; it has changed nothing."""


@dataclass(slots=True)
class Sync:
    """`progress` is told of each stage, `clock` is monotonic seconds. `stop` may be called from a signal."""

    settings: Settings
    wake: Wake | None = None
    progress: Progress = silent
    clock: Callable[[], float] = time.monotonic
    _stopping: bool = False
    _signal: threading.Condition = field(default_factory=threading.Condition)
    _changed: set[Scope] = field(default_factory=set)
    _known: frozenset[Scope] | None = None  # the scopes of the inventory, once it was read
    _unheard: list[Failure] = field(default_factory=list)
    _release: Release | None = None
    _project: Project | None = None
    _attempts: dict[str, Attempts] = field(default_factory=lambda: defaultdict(Attempts))

    # --- the loop --------------------------------------------------------------------------------

    def run(self, told: Told) -> None:
        """Until `stop`. `told` is called with each round."""
        # Not for security: only so that not all ask at once.
        schedule = Schedule(self.settings.interval, lambda: random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311
        if self.wake is not None:
            threading.Thread(target=self._listen, args=(self.wake,), name="mac-events", daemon=True).start()
        while self._waited(schedule):
            began = self.clock()
            changed = self._taken()
            reading = schedule.next(began, changed)
            giving_way = self._giving_way(reading, began, changed)
            try:
                done = self.round(reading.only, giving_way)
            except Abandoned:
                return
            if done.figures:
                self._known = frozenset(status.scope for status in done.figures.scopes)
            self._note_changes(changed - done.read(changed))
            unread = giving_way.unread if giving_way else frozenset()
            schedule.note(reading, began, self.clock(), made=done.figures is not None, unread=unread)
            told(done)

    def stop(self) -> None:
        """Ends the loop: a round that has begun to write comes to its end first, any other is given up."""
        self._stopping = True
        with self._signal:
            self._signal.notify_all()

    def _waited(self, schedule: Schedule) -> bool:
        """Waits for the next round; False when there is none any more."""
        with self._signal:
            while not self._stopping:
                pause = schedule.pause(self.clock(), bool(self._changed))
                if pause <= 0:
                    return True
                # A signal between the question above and this would wake nobody.
                self._signal.wait(min(pause, _LOOK))
        return False

    # --- events ----------------------------------------------------------------------------------

    def _listen(self, wake: Wake) -> None:
        failures = 0
        while not self._stopping:
            try:
                self._note_changes(wake.wait(_EVENT_WAIT))
                failures = 0
            except Exception as error:
                failures += 1
                with self._signal:
                    self._unheard = [Failure(EVENTS, error)]
                    self._signal.wait_for(lambda: self._stopping, backoff.pause(failures, _EVENT_PAUSE))

    def _note_changes(self, scopes: frozenset[Scope]) -> None:
        # An event may be of an account or a kind that is not read: no round for that.
        scopes = scopes if self._known is None else scopes & self._known
        if scopes:
            with self._signal:
                self._changed |= scopes
                self._signal.notify_all()

    def _giving_way(self, reading: Reading, began: float, changed: frozenset[Scope]) -> GivingWay | None:
        """To what has `changed` before the reading, or changes in the meantime."""
        patience = reading.patience
        if patience is None:
            return None
        return GivingWay(lambda: bool(changed or self._changed) and self.clock() - began >= patience)

    def _taken(self) -> frozenset[Scope]:
        with self._signal:
            taken = frozenset(self._changed)
            self._changed.clear()
        return taken

    # --- a round ---------------------------------------------------------------------------------

    def round(self, only: frozenset[Scope] | None = None, giving_way: GivingWay | None = None) -> Round:
        """One round, which reads all scopes or `only` these. What fails is told in the answer.

        `giving_way`: it is a reading of everything, or the rest of one, and may end early.
        """
        began, clock = self.clock(), Clock()
        with self._signal:
            failures, self._unheard = self._unheard, []
        outcome: Outcome | None = None
        counted: Figures | None = None
        delivered: tuple[Delivered, ...] = ()
        waiting: list[str] = []
        with ExitStack() as held:
            try:
                with clock.stage(LOCK):
                    self._lock(held)
                outcome = self._generated(only, giving_way, clock, waiting)
                counted = figures(outcome.built, pipeline.covered_by(outcome.built).percent / 100)
                if outcome.unreached:
                    failures.append(Failure(PUSH, outcome.unreached))
            except Exception as error:
                failures.append(Failure(clock.last, _explained(error)))
            if clock.last != LOCK:
                with _told_as(DEPLOY, failures), clock.stage(DEPLOY):
                    delivered = self._deploy(outcome, waiting)
            failures += [Failure(DEPLOY, _of(one)) for one in delivered if not one.good]
            unread = giving_way.unread if giving_way else frozenset()
            whole = (only is None or giving_way is not None) and not unread
            if unread and counted:
                every = frozenset(status.scope for status in counted.scopes)
                only = (every if only is None else only) - unread
            drift: DriftReport | None = None
            if outcome is not None and whole and delivered and not self._stopping:
                with _told_as(DRIFT, failures), clock.stage(DRIFT):
                    drift = self._drift(outcome)
        return Round(
            at=time.time(),
            seconds=self.clock() - began,
            only=only,
            stages=clock.stages(),
            failures=tuple(failures),
            figures=counted,
            commit=(outcome.commit or "") if outcome else "",
            pushed=bool(outcome and outcome.pushed),
            delivered=delivered,
            waiting=tuple(waiting),
            drift=drift,
            completes=whole,
        )

    def _lock(self, held: ExitStack) -> None:
        """Takes the lock of the repository for the whole round. Raises BusyError."""
        until = self.clock() + lock.WAIT
        while True:
            try:
                held.enter_context(
                    lock.locked(self.settings.root, _LOCK_LOOK, lambda who: self._watch("wait", f"for {who}"))
                )
            except BusyError:
                if self.clock() >= until:
                    raise
                self._check()
            else:
                return

    def _generated(
        self, only: frozenset[Scope] | None, giving_way: GivingWay | None, clock: Clock, waiting: list[str]
    ) -> Outcome:
        settings, remote = self.settings, self._attempts[_REMOTE]
        asks = settings.push and remote.wants(_REMOTE, self.clock())
        if settings.push and not asks:
            waiting.append(_REMOTE)
        request = Request(
            settings.root,
            commit=True,
            push=asks,
            allow=settings.allow,
            judges=settings.judges,
            engines_required=settings.engines_required,
            only=only,
            giving_way=giving_way,
            lasting=True,
        )
        outcome = generating.generate(request, self._watch, clock)
        if asks:
            remote.note(_REMOTE, outcome.unreached is None, settings.interval, self.clock())
        return outcome

    def _deploy(self, outcome: Outcome | None, waiting: list[str]) -> tuple[Delivered, ...]:
        """Brings what was generated, or what was generated last, to every destination that is not to wait."""
        if outcome is not None:
            built = outcome.built
            self._release = _committed(built)
            self._project = built.catalog.project
        release, project = self._release, self._project
        if release is None or project is None or not project.destinations:
            return ()
        digest, now = _digest(release.files), self.clock()
        chosen = delivery.chosen_from(project, self.settings.names)
        # Who mends the address or the credentials of a destination waits for nothing either.
        what = {each.name: f"{digest} {each}" for each in chosen}
        due = [each for each in chosen if self._attempts[each.name].wants(what[each.name], now)]
        waiting += (each.name for each in chosen if each not in due)
        done = delivery.hand_over(
            due, release, at_once=_AT_ONCE, progress=lambda name: self.progress(DEPLOY, f"to {name}")
        )
        for one in done:
            self._attempts[one.name].note(what[one.name], one.good, self.settings.interval, self.clock())
        return done

    def _drift(self, outcome: Outcome) -> DriftReport | None:
        """What is out of step all the same, with the commit of this round wherever it was made."""
        built = outcome.built
        place = built.record
        if place.repository is None:
            return None
        return drifting.read(
            self.settings.root,
            names=self.settings.names,
            fleet=drifting.Fleet(built.snapshot, built.bindings.bindings),
            history=drifting.History(place.repository, place.output, _committed(built)),
        )

    # --- stopping --------------------------------------------------------------------------------

    def _watch(self, stage: str, text: str) -> None:
        if stage not in _TO_BE_ENDED:
            self._check()
        self.progress(stage, text)

    def _check(self) -> None:
        if self._stopping:
            raise Abandoned


@contextmanager
def _told_as(stage: str, failures: list[Failure]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        failures.append(Failure(stage, _explained(error)))


def _committed(built: Built) -> Release:
    """What the commit of a round has: targets outside of Git are deployed with none."""
    return Release(built.record.head() or "", built.record.in_git(built.rendered.files))


def _explained(error: Exception) -> Exception:
    return lock.output_error("the disk", error) if isinstance(error, OSError) else error


def _of(one: Delivered) -> MacError:
    """Why a destination is not as it should be."""
    if one.problems:
        return ProblemsError(one.problems)
    return DeployError(f"{one.name}: {one.message}", one.hint)


def _digest(files: Mapping[str, bytes]) -> str:
    sha = hashlib.sha256()
    for path in sorted(files):
        sha.update(b"%d %d " % (len(path), len(files[path])) + path.encode() + files[path])
    return sha.hexdigest()
