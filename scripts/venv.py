#!/usr/bin/env python3
"""Make .venv beside this project's pyproject.toml, with the package and what its development needs.

Repeated only when pyproject.toml, the Python or the place of the checkout has changed. A run that did not end
well does not count. Runs at the same time wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "complete"
OLDEST = (3, 11)


def inputs() -> str:
    """A digest of everything that the environment depends on. A moved environment does not work."""
    text = f"{sys.version}\n{sys.base_prefix}\n{VENV}\n{(ROOT / 'pyproject.toml').read_text()}"
    return hashlib.sha256(text.encode()).hexdigest()


def is_complete(digest: str) -> bool:
    return STAMP.is_file() and STAMP.read_text() == digest and works()


def works() -> bool:
    """Whether the environment's Python is there and is this one's version."""
    code = f"import sys, pip; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    try:
        return (
            subprocess.run([VENV / "bin/python", "-c", code], capture_output=True, check=False).returncode
            == 0
        )
    except OSError:
        return False


def make() -> str:
    """Returns what went wrong, or nothing."""
    STAMP.unlink(missing_ok=True)
    if not works():
        if importlib.util.find_spec("ensurepip") is None:
            return "this Python cannot make virtual environments (on Debian: apt-get install python3-venv)"
        say(f"making {VENV} …")
        if subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=False).returncode != 0:
            return "the virtual environment could not be made"
    say("installing mac and what its development needs into .venv …")
    pip = [VENV / "bin/python", "-m", "pip", "--disable-pip-version-check"]
    if (
        subprocess.run([*pip, "install", "--quiet", "--editable", f"{ROOT}[dev]"], check=False).returncode
        != 0
    ):
        return "pip could not install mac (is the package index reachable?)"
    return ""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    if sys.version_info < OLDEST:
        say(
            f"error: mac needs Python {'.'.join(map(str, OLDEST))} or later; this is {sys.version.split()[0]}"
        )
        return 1
    with (ROOT / "pyproject.toml").open("rb") as project:
        fcntl.flock(project, fcntl.LOCK_EX)
        digest = inputs()
        if not is_complete(digest):
            problem = make()
            if problem:
                say(f"error: {problem}")
                return 1
            STAMP.write_text(digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
