"""Running git, through GitPython's command runner: bounded in time, never at a prompt, where it is meant."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, cast

from mac.git_text import shown
from mac.problems import GitError, RemoteError

LOCK_WAIT = 3.0
"""Seconds that a command is tried again while another git holds the index."""

_GRACE = 2.0  # seconds between asking git to end and making it end, and for its last words after that
_ULIMIT_BLOCK = 512  # bytes, says POSIX
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",  # a question that nobody answers is a hang
    "GIT_OPTIONAL_LOCKS": "0",  # reading never takes the user's index lock
    "GIT_EDITOR": ":",
    "GIT_PAGER": "cat",
}
# Set while a hook runs; they would send every command to the hook's repository.
_LOCAL_VARIABLES = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *(
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_SHALLOW_FILE",
    ),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What git said: its exit code and the bytes of both its outputs."""

    code: int
    out: bytes
    err: bytes

    @property
    def line(self) -> str:
        """The output as text, without its last newline."""
        return self.out.decode("utf-8", "surrogateescape").removesuffix("\n")

    @property
    def names(self) -> list[str]:
        """NUL-separated paths."""
        return [os.fsdecode(name) for name in self.out.split(b"\0") if name]


@dataclass(frozen=True, slots=True)
class Caller:
    """Runs git at the top of one work tree."""

    top: Path

    def __call__(
        self,
        *arguments: str,
        stdin: bytes = b"",
        ok: Collection[int] = (0,),
        timeout: float | None = None,
        refusal: str = "",
    ) -> Answer:
        """Runs git at the top. Raises GitError for exit codes that are not `ok`; where there is a `timeout`,
        which only talking to a remote has, RemoteError.
        """
        deadline = time.monotonic() + LOCK_WAIT
        while True:
            answer = run(self.top, *arguments, stdin=stdin, timeout=timeout)
            if answer.code in ok:
                return answer
            locked = b"index.lock" in answer.err and b"File exists" in answer.err
            if not locked or time.monotonic() >= deadline:
                break
            time.sleep(0.1)
        words = shown(answer.err) or shown(answer.out) or f"exit code {answer.code}"
        failure = GitError if timeout is None else RemoteError
        command = _command(arguments)
        hint = (
            "another git is at work, or one was killed: if none runs, delete the lock file" if locked else ""
        )
        raise failure(f"{refusal or f'git {command} failed'}: {words}", hint)

    def names(self, *arguments: str) -> list[str]:
        """The paths that git prints NUL-separated."""
        return self(*arguments).names

    def head(self) -> str | None:
        """The id of the current commit; None before the first."""
        return self("rev-parse", "--verify", "--quiet", "HEAD", ok=(0, 1)).line or None


def run(
    folder: Path,
    *arguments: str,
    stdin: bytes = b"",
    timeout: float | None = None,
    file_limit: int | None = None,
) -> Answer:
    """Runs git in a folder. With a time-out it runs in a session of its own, with no terminal to ask at.

    `file_limit`: bytes of the largest file that git, and what it starts, may write.
    """
    try:
        from git.cmd import Git
        from git.exc import GitCommandNotFound
    except ImportError as error:  # raised by GitPython itself when there is no git
        raise GitError("git cannot be run", "install git, and see that it is in the PATH") from error
    inherited = [name for name in _LOCAL_VARIABLES if name in os.environ]
    clean = ["env", *(part for name in inherited for part in ("-u", name))] if inherited else []
    if file_limit is not None:
        # Where this is refused, a lower limit is in force.
        limited = f'ulimit -f {file_limit // _ULIMIT_BLOCK} 2>/dev/null; exec "$@"'
        clean = ["sh", "-c", limited, "sh", *clean]
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        try:
            process = Git(str(folder)).execute(
                [*clean, "git", "-C", str(folder), *arguments],
                istream=given,
                as_process=True,
                env=_ENVIRONMENT,
                start_new_session=timeout is not None,
            )
        except (GitCommandNotFound, OSError) as error:
            raise GitError("git cannot be run", "install git, and see that it is in the PATH") from error
        child = process.proc
        assert child is not None  # noqa: S101 - it was started just now
        out, err = _Collector(cast(IO[bytes], child.stdout)), _Collector(cast(IO[bytes], child.stderr))
        ended = Thread(target=child.wait, daemon=True)
        ended.start()
        try:
            ended.join(timeout)
            late = ended.is_alive()
        finally:
            if ended.is_alive():
                _end(child.pid, ended, whole_session=timeout is not None)
    if late:
        words = shown(err.gathered())
        raise RemoteError(
            f"git {_command(arguments)} did not end within {timeout:g} seconds"
            + (f": {words}" if words else ""),
            "is the remote reachable? mac cannot answer questions for a password: use a credential helper",
        )
    return Answer(child.returncode, out.gathered(), err.gathered())


def _command(arguments: Sequence[str]) -> str:
    """The subcommand, behind git's own options."""
    return next(a for a in arguments if not a.startswith("-") and "=" not in a)


class _Collector(Thread):
    """Reads a pipe to its end in the background."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._chunks: list[bytes] = []
        self.start()

    def run(self) -> None:
        with suppress(OSError, ValueError):  # closed meanwhile
            while chunk := os.read(self._pipe.fileno(), 1 << 16):
                self._chunks.append(chunk)

    def gathered(self) -> bytes:
        """What came. Something that git left running may hold the pipe open: not waited for."""
        self.join(_GRACE)
        return b"".join(self._chunks)


def _end(pid: int, ended: Thread, *, whole_session: bool) -> None:
    """Asks git, and what it started, to end; then makes them."""
    for what in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            if whole_session:
                os.killpg(pid, what)
            else:
                os.kill(pid, what)
        ended.join(_GRACE)
        if not ended.is_alive():
            break
