"""Other programs: running one to its end, keeping a server running while it is needed.

The only module that starts processes. Argument lists only, never a shell. Whatever is started is a process
group of its own and is ended by its id, also when the caller is interrupted.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from mac.problems import EngineError

TAIL = 4000
"""How many bytes of a program's last words an error shows."""

_POLL = 0.02  # seconds between two looks at a server that is starting or ending


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended. `returncode` is negative when a signal ended it. Output is decoded UTF-8."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    stdin: str | bytes | None = None,
    timeout: float = 120.0,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program to its end. Any exit code is an answer and is returned.

    Without `stdin` the program reads nothing. `env`, when given, is the whole environment.
    Raises EngineError when it cannot be started or has not ended after `timeout` seconds.
    """
    words = tuple(os.fspath(word) for word in argv)
    text = stdin.encode() if isinstance(stdin, str) else stdin
    process = _spawn(
        words,
        stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=env,
    )
    try:
        out, err = process.communicate(text, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise EngineError(f"{words[0]} did not end within {timeout:g} seconds") from None
    finally:
        if process.returncode is None:
            _kill_group(process, signal.SIGKILL)
            process.wait()
    return Completed(words, process.returncode, _decode(out), _decode(err))


class Server:
    """A program that keeps running. Made by `start`."""

    def __init__(self, process: subprocess.Popen[bytes], argv: tuple[str, ...], log: IO[bytes]) -> None:
        self.argv = argv
        self.pid = process.pid
        self._process = process
        self._log = log

    @property
    def running(self) -> bool:
        return self._exit_code() is None

    def log(self) -> str:
        """Everything it has written so far, on both of its streams."""
        return _decode(self._read(0))

    def log_tail(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        return _decode(self._read(max(0, size - TAIL))).strip()

    def wait_for_line(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        """The first match of `pattern` (multi-line) in what it writes; raises EngineError as `wait_until`."""
        found: list[re.Match[str]] = []

        def written() -> bool:
            # Only whole lines: what is matched may not be cut in the middle of a port.
            whole, _, _ = self.log().rpartition("\n")
            match = re.search(pattern, whole, re.MULTILINE)
            if match:
                found.append(match)
            return bool(match)

        self.wait_until(written, timeout)
        return found[0]

    def wait_until(self, ready: Callable[[], bool], timeout: float = 30.0) -> None:
        """Return as soon as `ready` says so.

        Raises EngineError, with the end of its log, when it dies before or `timeout` seconds have passed.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            code = self._exit_code()
            if code is not None:
                raise EngineError(f"{self.argv[0]} ended with exit code {code}\n{self.log_tail()}".strip())
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{self.argv[0]} was not ready within {timeout:g} seconds\n{self.log_tail()}".strip()
                )
            time.sleep(_POLL)

    def stop(self, grace: float = 10.0) -> int:
        """End it by SIGTERM, and after `grace` seconds by SIGKILL. Returns its exit code."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            if self._process.returncode is None:
                _kill_group(self._process, signal.SIGTERM)
                deadline = time.monotonic() + grace
                while self.running and time.monotonic() < deadline:
                    time.sleep(_POLL)
        finally:
            if self._process.returncode is None:
                _kill_group(self._process, signal.SIGKILL)
                self._process.wait()
        return self._process.returncode

    def _exit_code(self) -> int | None:
        """None while it runs. Leaves it to `stop` to reap it: until then its group's id cannot be reused."""
        if self._process.returncode is not None:
            return self._process.returncode
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def _read(self, offset: int) -> bytes:
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), max(0, size - offset), offset)


@contextlib.contextmanager
def start(
    argv: Sequence[str | os.PathLike[str]],
    *,
    ready: Callable[[Server], bool] | None = None,
    timeout: float = 30.0,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    tether: bool = False,
) -> Iterator[Server]:
    """A server that runs inside the `with` block and is ended after it, whatever happens there.

    `ready` is asked until it says yes. With `tether` the server's standard input is a pipe that closes
    when this process goes, however it goes: a server that reads it to its end never outlives us.
    Raises EngineError when it cannot be started, dies early or is not ready within `timeout` seconds.
    """
    words = tuple(os.fspath(word) for word in argv)
    with tempfile.TemporaryFile() as log:
        process = _spawn(
            words,
            stdin=subprocess.PIPE if tether else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cwd,
            env=env,
        )
        server = Server(process, words, log)
        try:
            if ready is not None:
                server.wait_until(lambda: ready(server), timeout)
            yield server
        finally:
            server.stop()


def _spawn(
    argv: tuple[str, ...],
    *,
    stdin: int,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(f"{argv[0]} cannot be started: {error.strerror or error}") from error


def _kill_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # Only for a leader that was not reaped: its id is the group's, and could not have been given away.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")
