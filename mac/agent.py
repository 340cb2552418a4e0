"""The pull agent: follows a branch, and keeps what runs equal to it.

Each round fetches, verifies who vouches for the newest commit, moves the clone there and deploys. A round
with nothing new changes nothing, unless somebody changed a destination by hand or a server has forgotten. A
commit that failed is tried again later and later; a new one is tried at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from mac import delivery, git, git_follow, lock
from mac.backoff import Attempts
from mac.deploy_model import Delivered
from mac.problems import MacError

_JITTER = 0.1  # agents that were started together shall not fetch together


@dataclass(frozen=True, slots=True)
class Watch:
    """What an agent follows. `interval`: seconds of a round. `allowed_signers`: None trusts the remote."""

    root: Path
    branch: str
    remote: str = "origin"
    interval: float = 60.0
    allowed_signers: Path | None = None
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did. `error`: why it did not come to deploying, or why the remote was not reached."""

    commit: str
    delivered: tuple[Delivered, ...] = ()
    error: MacError | None = None

    @property
    def good(self) -> bool:
        return self.error is None and all(one.good for one in self.delivered)


class Stop:
    """Whether to stop. `ask` may be called from a signal at any moment, also while this thread is in
    `waited`: `threading.Event` would wait for a lock that it holds itself.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[None] = SimpleQueue()

    def ask(self) -> None:
        self._asked.put(None)

    def waited(self, seconds: float) -> bool:
        """Sleeps for so long at most; True as soon as it was asked to stop."""
        try:
            self._asked.get(timeout=seconds)
        except Empty:
            return False
        return True


@dataclass(slots=True)
class Agent:
    """`wait` sleeps for so many seconds and says whether to stop; `clock` is monotonic seconds."""

    watch: Watch
    wait: Callable[[float], bool]
    clock: Callable[[], float] = time.monotonic
    _attempts: Attempts = field(default_factory=Attempts)

    def run(self, told: Callable[[Round], None]) -> None:
        """Until `wait` says to stop. `told` is called with each round that did or tried anything."""
        while True:
            done = self.round()
            if done is not None:
                told(done)
            # Not for security: only so that not all agents ask at once.
            if self.wait(self.watch.interval * random.uniform(1 - _JITTER, 1 + _JITTER)):  # noqa: S311
                return

    def round(self) -> Round | None:
        """One round; None when a commit that failed has to wait."""
        watch = self.watch
        commit = ""
        try:
            with lock.locked(watch.root, lock.WAIT):
                repository = git.open(watch.root)
                commit, unreached = self._newest(repository)
                if not self._attempts.wants(commit, self.clock()):
                    return Round(commit, error=unreached) if unreached else None
                if watch.allowed_signers:
                    git_follow.verify(repository.top, commit, watch.allowed_signers)
                git_follow.go_to(repository.top, commit)
                delivery.followed(watch.root)
                _, delivered = delivery.deliver(watch.root, names=watch.names, revision=commit)
                done = Round(commit, delivered, unreached)
                good = all(one.good for one in delivered)
        except MacError as error:
            done, good = Round(commit, error=error), False
        self._attempts.note(commit, good, watch.interval, self.clock())
        return done

    def _newest(self, repository: git.Repository) -> tuple[str, MacError | None]:
        """The remote's newest commit; while the remote is not reached the present one, and why."""
        try:
            return git_follow.fetch(repository.top, self.watch.remote, self.watch.branch), None
        except MacError as error:
            head = repository.head()
            if head is None:
                raise
            return head, error
