#!/usr/bin/env python3
"""Unpack Debian's headless Chromium into .engines/browser: the site's test looks at the pages in it.

Nothing is installed: the package and the libraries that it needs are unpacked beside one another, from the
machine's own source for Debian, as engines.py does. `.engines/browser/chromium` starts it with them.

The C library is the machine's, which must be as new as that of Debian 12.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import engines

SUITE = "bookworm"
PACKAGE = "chromium-headless-shell"

# What it depends on and a headless browser without a graphics card never opens, and what every machine has.
LEFT_OUT = frozenset(
    {"libc6", "gcc-12-base", "debconf", "sysvinit-utils", "lsb-base", "x11-utils", "xdg-utils", "x11-common"}
    | {"libgl1-mesa-dri", "libllvm15", "libz3-4"}
)

LAUNCHER = """\
#!/bin/sh
# Starts the browser with the libraries and fonts beside it.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
set -- "$here/usr/lib/chromium/chromium-headless-shell" "$@"
for folder in "$here"/usr/lib/*-linux-gnu* "$here"/lib/*-linux-gnu*; do
  libraries="${libraries:+$libraries:}$folder:$folder/pulseaudio"
done
export FONTCONFIG_FILE="$here/fonts.conf"
LD_LIBRARY_PATH="$libraries" exec "$@"
"""

FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""


def fingerprint() -> str:
    """Of everything that what is unpacked depends on."""
    text = json.dumps([os.uname().machine, Path(__file__).read_text(encoding="utf-8")])
    return hashlib.sha256(text.encode()).hexdigest()


def is_complete(folder: Path) -> bool:
    try:
        return (folder / engines.STAMP).read_text() == fingerprint() and os.access(
            folder / "chromium", os.X_OK
        )
    except OSError:
        return False


def packages(apt: engines.Apt) -> list[str]:
    """The package and all that it depends on, but what is left out."""
    done = apt.run("install", "--print-uris", "--no-install-recommends", PACKAGE)
    found = re.findall(r"^'\S+' ([^_\s]+)_\S+\.deb ", done.stdout, re.MULTILINE)
    if done.returncode != 0 or PACKAGE not in found:
        raise engines.UnpackError(f"{PACKAGE} of {SUITE} is not to be had:\n{done.stderr.strip()}")
    return [name for name in found if name not in LEFT_OUT]


def make(target: Path, work: Path) -> None:
    """Build it aside, and put it in its place when it runs."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise engines.UnpackError(f"{program} is missing: the browser is unpacked from Debian's packages")
    source = engines.debian_source()
    apt = engines.Apt(work, SUITE, source.uri)
    keyrings = [source.signed_by] if source.signed_by else []
    keyrings += [f"/{name}" for name in engines.KEYRINGS if Path("/", name).is_file()]
    apt.update(list(dict.fromkeys(keyrings)) or [""])
    made = work / "made"
    fetched = apt.folder / "packages"
    done = apt.run("download", *packages(apt), cwd=fetched)
    if done.returncode != 0:
        raise engines.UnpackError(f"the browser's packages could not be fetched:\n{done.stderr.strip()}")
    for package in sorted(fetched.iterdir()):
        engines.unpack(package, made)
    (made / "fonts.conf").write_text(FONTS)
    (made / "chromium").write_text(LAUNCHER)
    (made / "chromium").chmod(0o755)
    done = subprocess.run([made / "chromium", "--version"], text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise engines.UnpackError(f"the browser does not run: {done.stderr.strip() or done.returncode}")
    (made / engines.STAMP).write_text(fingerprint())
    if target.exists():
        target.rename(work / "old")
    made.rename(target)
    engines.tell(f"  browser: {done.stdout.strip()}")


def main() -> int:
    folder = Path(__file__).resolve().parent.parent / ".engines"
    target = folder / "browser"
    try:
        with engines.lock(folder):
            if is_complete(target):
                return 0
            engines.tell(f"unpacking a browser for the tests into {target} …")
            with tempfile.TemporaryDirectory(prefix=".work-", dir=folder) as work:
                make(target, Path(work))
    except (engines.UnpackError, OSError) as error:
        engines.tell(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
