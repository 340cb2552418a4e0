"""Programs that are run beside one another on loopback, and where they come from."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import engines

PROJECT = Path(__file__).resolve().parent.parent.parent
OLDEST, *_, NEWEST = engines.GENERATIONS
PATIENCE = 60.0  # seconds for a program to answer


class CatalogueError(Exception):
    """Something that the person at the terminal must see to."""


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def running(argv: Sequence[str | Path], **options: object) -> Iterator[None]:
    """A program while the block runs; what it printed is shown when the block fails."""
    with tempfile.TemporaryFile() as said:
        program = subprocess.Popen(argv, stdout=said, stderr=subprocess.STDOUT, **options)  # type: ignore[call-overload]
        try:
            yield
        except CatalogueError:
            said.seek(0)
            tell(said.read().decode(errors="replace")[-2000:])
            raise
        finally:
            program.terminate()
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


def get(url: str) -> str:
    """The answer, as soon as there is one."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if time.monotonic() > end:
                raise CatalogueError(f"{url} does not answer: {error}") from error
            time.sleep(0.1)


def reachable(port: int) -> None:
    """Returns when something listens on the port."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > end:
                raise CatalogueError(f"nothing listens on port {port}") from error
            time.sleep(0.1)
        else:
            return


def wait_for(url: str, pattern: re.Pattern[str]) -> str:
    """The answer once it has what is waited for."""
    end = time.monotonic() + PATIENCE
    while not pattern.search(text := get(url)):
        if time.monotonic() > end:
            raise CatalogueError(f"{url} never shows {pattern.pattern}")
        time.sleep(0.2)
    return text


class Packages:
    """Debian's packages, unpacked into a folder for each generation when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._work = ExitStack()

    def program(self, path: str, packages: Sequence[str], suite: str = NEWEST) -> Path:
        """A program that is in one of these packages. Those written in Go run anywhere; others need a suite
        whose libraries are no newer than this machine's.
        """
        root = self.folder / suite
        program = root / path
        if not os.access(program, os.X_OK):
            work = Path(self._work.enter_context(tempfile.TemporaryDirectory(prefix="mac-catalogue-")))
            apt = engines.trusted(suite, work)
            root.mkdir(parents=True, exist_ok=True)
            for package in packages:
                tell(f"unpacking {package} of {suite} …")
                engines.unpack(apt.download(package), root)
        if not os.access(program, os.X_OK):
            raise CatalogueError(f"{program} is not in {', '.join(packages)}")
        return program

    def environment(self, suite: str) -> dict[str, str]:
        """So that a program finds the libraries that were unpacked beside it."""
        root, machine = self.folder / suite, os.uname().machine
        libraries = [f"{root}/{part}/{machine}-linux-gnu" for part in ("usr/lib", "lib")]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}

    def close(self) -> None:
        self._work.close()


def version_of(program: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [program, "--version"], text=True, capture_output=True, check=False, env=environment
    )
    words = re.search(
        r"(?:version,? |v=|Exporter |Ver |PostgreSQL\) )(\d+(?:\.\d+)*)", done.stdout + done.stderr
    )
    if words is None:
        raise CatalogueError(f"{program} does not say its version")
    return words[1]
