"""A server that reads its configuration from files: how it is told to read again, and whether it has."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mac import http
from mac.deploy_model import DeployError

_FIRST_LOOK, _LAST_LOOK = 0.05, 1.0  # seconds between two looks at a server, longer each time


class Running(Protocol):
    """What a destination asks of the server behind it. Raises DeployError, or http's ServerError."""

    def reload(self) -> None:
        """Has it read its files again; returns when it has taken them."""

    def faults(self, folder: Path, files: Mapping[str, bytes]) -> Iterable[str]:
        """Where what it runs departs from these files, which it reads from `folder`, as it is asked for."""

    def last_read(self) -> LastRead:
        """When it read its files last, and how that ended."""


def fault(running: Running, folder: Path, files: Mapping[str, bytes]) -> str:
    """The first place where what runs departs from these files; "" when there is none."""
    return next(iter(running.faults(folder, files)), "")


@dataclass(frozen=True, slots=True)
class LastRead:
    """`at`: seconds since 1970 of the last success. `well`: whether the last attempt was one."""

    at: float
    well: bool


@dataclass(frozen=True, slots=True)
class Reloading:
    """Prometheus and Alertmanager alike: `program` is also how they begin the names of their own metrics."""

    server: http.Server
    program: str
    pid_file: str = ""
    settle: float = 60.0

    def reload(self) -> None:
        """Raises DeployError, in the server's words where it has any, when it refuses or does not do it."""
        before = self.last_read()
        if self.pid_file:
            self._hang_up()
        else:
            self._post()

        def taken() -> str:
            now = self.last_read()
            if now.at > before.at and now.well:
                return ""
            if before.well and not now.well:
                raise DeployError(
                    f"{self.server.url} refuses the configuration", f"the log of {self.program} says why"
                )
            return f"{self.server.url} has not read its configuration again"

        until(taken, self.settle)

    def _post(self) -> None:
        try:
            self.server.call("POST", "/-/reload", again=False, timeout=self.settle)
        except http.ServerError as error:
            if error.status in (403, 404, 405):
                hint = f"start {self.program} with --web.enable-lifecycle, or name its pid_file in mac.yaml"
                raise DeployError(error.message, hint) from error
            raise DeployError(error.message, error.hint) from error

    def _hang_up(self) -> None:
        path = Path(self.pid_file)
        try:
            text = path.read_text(encoding="ascii").strip()
            pid = int(text)
        except (OSError, ValueError) as error:
            raise DeployError(f"{path} holds no process id: {error}") from error
        # The file may be left over, and another program would end on this signal.
        words = b""
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
        if pid <= 1 or self.program.encode() not in os.path.basename(words):
            raise DeployError(f"{path} names the process {pid}, which is no {self.program}")
        try:
            os.kill(pid, signal.SIGHUP)
        except OSError as error:
            raise DeployError(f"{self.program} cannot be told to read again: {error.strerror}") from error

    def last_read(self) -> LastRead:
        text = self.server.get("/metrics").body.decode("utf-8", "replace")
        at, well = f"{self.program}_config_last_reload_success_timestamp_seconds", "last_reload_successful"
        return LastRead(gauge(text, at), gauge(text, f"{self.program}_config_{well}") == 1)

    def gauge(self, name: str) -> float:
        """One of its own metrics, by its name without labels."""
        return gauge(self.server.get("/metrics").body.decode("utf-8", "replace"), name)


def gauge(text: str, name: str) -> float:
    """The value of a metric without labels in a server's metrics; DeployError when it is not there."""
    match = re.search(rf"^{re.escape(name)} (\S+)", text, re.MULTILINE)
    if match is None:
        raise DeployError(f"the server has no metric {name}", "is the address that of the right program?")
    return float(match[1])


def until(fault: Callable[[], str], seconds: float) -> None:
    """Returns as soon as there is no fault; DeployError with the last one when `seconds` have passed.

    A server that does not answer may be starting: that is a fault as any other.
    """

    def tolerant() -> str:
        try:
            return fault()
        except http.ServerError as error:
            return error.message

    if last := last_fault(tolerant, seconds):
        raise DeployError(f"{last} (looked for {seconds:g} seconds)")


def last_fault(fault: Callable[[], str], seconds: float) -> str:
    """Nothing as soon as there is no fault, the last one after `seconds`. Raises what `fault` raises."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_LOOK
    while last := fault():
        if time.monotonic() >= deadline:
            break
        time.sleep(pause)
        pause = min(pause * 2, _LAST_LOOK)
    return last
