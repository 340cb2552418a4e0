"""A headless Chromium that a test drives over the DevTools protocol, through a pipe: no port, no library.

The browser reads commands at descriptor 3 and answers at 4: JSON texts, each ended by a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from conftest import ENGINES

PROGRAM = ENGINES / "browser/chromium"

_PATIENCE = 120.0  # seconds of silence after which the browser counts as hung
_START = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_KEYS = {"/": ("Slash", 191), "Enter": ("Enter", 13), "Escape": ("Escape", 27), "Tab": ("Tab", 9)}
_KEYS |= {"ArrowDown": ("ArrowDown", 40), "ArrowUp": ("ArrowUp", 38)}
_TEXTS = {"Enter": "\r", "/": "/"}


def may_be_missing(environment: Mapping[str, str], program: Path = PROGRAM) -> bool:
    """Whether tests may do without the browser: not where a change is judged, which CI says."""
    return not os.access(program, os.X_OK) and not environment.get("CI")


class Page:
    """One tab. `requests`: every address that was asked for; `errors`: what the console complains of."""

    def __init__(self, profile: Path) -> None:
        ours, theirs = os.pipe(), os.pipe()
        arguments = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}"),
            "--remote-debugging-pipe",
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(theirs[0]), str(ours[1]), str(PROGRAM), *arguments],
            pass_fds=(theirs[0], ours[1]),
            env={**os.environ, "HOME": str(profile), "XDG_CACHE_HOME": str(profile)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs[0])
        os.close(ours[1])
        self._in, self._out = ours[0], theirs[1]
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.loaded = 0
        self.requests: list[str] = []
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.command(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def open(self, path: Path, anchor: str = "") -> None:
        """Loads a file, and returns when all that belongs to it is there."""
        before = self.loaded
        # A blank page between them: else an anchor of the same page would load nothing.
        self.command("Page.navigate", url="about:blank")
        self._until_loaded(before)
        before = self.loaded
        self.command("Page.navigate", url=path.as_uri() + anchor)
        self._until_loaded(before)

    def wait_for_page(self, action: Any) -> None:
        """Does `action`, and returns when the page that it leads to is there."""
        before = self.loaded
        action()
        self._until_loaded(before)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        done = self.command("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def type(self, text: str) -> None:
        self.command("Input.insertText", text=text)

    def press(self, key: str) -> None:
        code, number = _KEYS[key]
        event = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        text = {"text": _TEXTS[key]} if key in _TEXTS else {}
        self.command("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        self.command("Input.dispatchKeyEvent", type="keyUp", **event)

    def show(self, scheme: str, medium: str = "screen") -> None:
        """As the page looks to somebody who prefers `scheme`, on screen or on paper."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.command("Emulation.setEmulatedMedia", media=medium, features=[feature])

    def picture(self) -> bytes:
        return base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"])

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self._out, left) :]
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def _until_loaded(self, before: int) -> None:
        while self.loaded == before:
            self._next()

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], _PATIENCE)
            assert ready, "the browser says nothing"
            data = os.read(self._in, 1 << 16)
            assert data, "the browser ended"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        match message.get("method"):
            case "Page.loadEventFired":
                self.loaded += 1
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(str(message["params"]["exceptionDetails"]))
            case "Log.entryAdded":
                self.errors.append(str(message["params"]["entry"]))
        return message
