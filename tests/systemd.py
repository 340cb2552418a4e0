"""What systemd itself says of a unit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needed = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")


def check(unit: str, path: Path) -> None:
    """Writes a unit to `path`, and fails the test for whatever is wrong with it, warnings included."""
    path.write_text(unit.replace("User=mac", "User=root"))  # the user is not made yet
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path],
        capture_output=True,
        text=True,
        check=False,
    )
    about_it = [line for line in checked.stderr.splitlines() if path.name in line]
    assert (checked.returncode, about_it) == (0, [])
