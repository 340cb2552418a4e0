#!/usr/bin/env python3
"""Unpack the monitoring engines of three Debian generations side by side, without installing anything.

    python3 scripts/engines.py [DIR]        (default: .engines beside this project's pyproject.toml)

        DIR/bookworm/usr/bin    promtool, prometheus 2.42, prometheus-alertmanager and amtool 0.25,
                                prometheus-blackbox-exporter 0.23
        DIR/trixie/usr/bin      the same, 2.53, 0.28 and 0.26
        DIR/sid/usr/bin         the same, 3.x, 0.3x and 0.28

Needs apt-get and dpkg-deb, as every Debian has them, and no rights: apt works in folders of its own. The
mirror is the one that this machine's own apt uses. Every package index is verified: the first generation with
this machine's keyring, each later one also with the keyring package of the generation before it.

A generation that is there, complete, and was made from the same inputs is left alone. Runs at the same time
wait for each other.

Debian builds Alertmanager so that it reads its default template from /usr/share. Unpacked elsewhere it would
not start, so that path is replaced, in the unpacked copy, by one of the same length that means "the current
directory": start it in the folder `usr/share/prometheus/alertmanager` beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GENERATIONS: dict[str, tuple[str, ...]] = {
    "bookworm": ("prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter"),
    "trixie": ("prometheus", "promtool", "prometheus-alertmanager", "prometheus-blackbox-exporter"),
    "sid": ("prometheus", "promtool", "prometheus-alertmanager", "prometheus-blackbox-exporter"),
}
TOOLS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool", "prometheus-blackbox-exporter")

KEYRING_PACKAGE = "debian-archive-keyring"
KEYRINGS = (
    "usr/share/keyrings/debian-archive-keyring.pgp",
    "usr/share/keyrings/debian-archive-keyring.gpg",
)

# Suites that a machine's own entry for Debian itself (not its security updates) may name.
SUITES = frozenset(
    {"bullseye", "bookworm", "trixie", "forky", "duke", "sid"}
    | {"oldoldstable", "oldstable", "stable", "testing", "unstable"}
)

ASSETS = b"/usr/share/prometheus/alertmanager"
HERE = b"/proc/self/cwd".ljust(len(ASSETS), b"/")

STAMP = "complete.json"


class UnpackError(Exception):
    """Something that the person at the terminal must see to."""


# --- the machine's own sources -----------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    uri: str
    signed_by: str  # a file, or "" for what apt trusts anyway


def sources(etc: Path) -> Iterator[Source]:
    """The machine's entries for Debian itself, in apt's order."""
    parts = sorted((etc / "sources.list.d").glob("*")) if (etc / "sources.list.d").is_dir() else []
    for path in [etc / "sources.list", *parts]:
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".sources":
            yield from deb822(text)
        elif path.suffix == ".list":
            yield from one_line(text)


def deb822(text: str) -> Iterator[Source]:
    text = re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = {
            name.lower(): value.strip()
            for name, value in re.findall(r"^([A-Za-z-]+):((?:.*(?:\n[ \t]+.*)*))", stanza, re.MULTILINE)
        }
        if fields.get("enabled", "yes").lower() in ("no", "false", "off", "0"):
            continue
        keyring = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            if "deb" in fields.get("types", "").split() and is_debian(
                uri, fields.get("suites", "").split(), fields.get("components", "").split()
            ):
                # A key that is embedded in the entry is not a file; the installed keyring has it too.
                yield Source(uri, keyring if re.fullmatch(r"/\S+", keyring) else "")


def one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        entry = re.match(r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<rest>[^#]+)", line)
        if entry is None:
            continue
        suite, *components = entry["rest"].split()
        if is_debian(entry["uri"], [suite], components):
            keyring = re.search(r"signed-by=(/[^\s,]+)", entry["options"] or "")
            yield Source(entry["uri"], keyring[1] if keyring else "")


def is_debian(uri: str, suites: list[str], components: list[str]) -> bool:
    return not uri.startswith("cdrom:") and "main" in components and not SUITES.isdisjoint(suites)


def debian_source(etc: Path = Path("/etc/apt")) -> Source:
    for source in sources(etc):
        return source
    raise UnpackError(
        f"no entry for Debian itself (a suite such as bookworm, component main) in {etc}/sources.list*"
    )


# --- apt in folders of its own -----------------------------------------------------------------------


class Apt:
    """apt-get with one suite, its own lists and no knowledge of what is installed."""

    def __init__(self, work: Path, suite: str, uri: str) -> None:
        self.suite = suite
        self.uri = uri
        self.folder = work / suite
        for name in ("lists/partial", "cache/archives/partial", "sources.list.d", "packages"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()

    def update(self, keyrings: list[str]) -> None:
        """Fetch and verify the suite's index, with the first of the keyrings that can."""
        said = ""
        for keyring in keyrings:
            options = f"[signed-by={keyring}] " if keyring else ""
            (self.folder / "sources.list").write_text(f"deb {options}{self.uri} {self.suite} main\n")
            done = self.run("update", "--error-on=any")
            if done.returncode == 0:
                return
            said = done.stderr.strip()
        raise UnpackError(f"the package index of {self.suite} could not be fetched and verified:\n{said}")

    def download(self, package: str) -> Path:
        """The package's file, verified against the index."""
        before = set((self.folder / "packages").iterdir())
        done = self.run("download", package, cwd=self.folder / "packages")
        new = sorted(set((self.folder / "packages").iterdir()) - before)
        if done.returncode != 0 or len(new) != 1:
            raise UnpackError(f"{package} of {self.suite} could not be fetched:\n{done.stderr.strip()}")
        return new[0]

    def run(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        options = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": self.folder / "sources.list.d",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": self.folder,
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            # root's apt would step down to a user who may not enter this checkout.
            "APT::Sandbox::User": "root",
            "APT::Update::Pre-Invoke": "",
            "APT::Update::Post-Invoke": "",
            "APT::Update::Post-Invoke-Success": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            # A mirror that lags behind is as good here: what counts is that the packages are signed.
            "Acquire::Check-Valid-Until": "false",
        }
        argv = ["apt-get", "-qq"]
        for name, value in options.items():
            argv += ["-o", f"{name}={value}"]
        return subprocess.run(
            [*argv, *words], cwd=cwd, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False
        )


def trusted(suite: str, work: Path) -> Apt:
    """A suite whose index is verified, as `make` verifies it: each generation vouches for the next."""
    source = debian_source()
    keyrings = installed_keyrings(source)
    for generation in GENERATIONS:
        apt = Apt(work, generation, source.uri)
        vouch(apt, work / generation, keyrings)
        if generation == suite:
            return apt
    raise UnpackError(f"{suite} is none of {', '.join(GENERATIONS)}")


def installed_keyrings(source: Source) -> list[str]:
    keyrings = [source.signed_by] if source.signed_by else []
    keyrings += [f"/{name}" for name in KEYRINGS if Path("/", name).is_file()]
    return list(dict.fromkeys(keyrings)) or [""]


def vouch(apt: Apt, folder: Path, keyrings: list[str]) -> None:
    """Fetch and verify a generation's index, and put the keyrings that it ships before the others."""
    apt.update(keyrings)
    unpack(apt.download(KEYRING_PACKAGE), folder / "keyring")
    keyrings[:0] = [str(path) for name in KEYRINGS if (path := folder / "keyring" / name).is_file()]


def unpack(package: Path, folder: Path) -> None:
    done = subprocess.run(["dpkg-deb", "-x", package, folder], text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise UnpackError(f"{package.name} cannot be unpacked:\n{done.stderr.strip()}")


# --- one generation ----------------------------------------------------------------------------------


def fingerprint(generation: str) -> str:
    """Of everything that what is unpacked depends on."""
    machine = os.uname().machine
    text = json.dumps([generation, GENERATIONS[generation], machine, Path(__file__).read_text()])
    return hashlib.sha256(text.encode()).hexdigest()


def is_complete(folder: Path, generation: str) -> bool:
    """Whether the stamp is of the same inputs, and every engine is there as it was then."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
        return stamp["inputs"] == fingerprint(generation) and stamp["sizes"] == sizes(folder)
    except (OSError, ValueError, KeyError):
        return False


def sizes(folder: Path) -> dict[str, int]:
    found = {}
    for tool in TOOLS:
        path = folder / "usr/bin" / tool
        if not os.access(path, os.X_OK):
            raise FileNotFoundError(path)
        found[tool] = path.stat().st_size
    return found


def relocate(alertmanager: Path) -> None:
    """See the module's docstring. A build that carries its template inside has nothing to replace."""
    program = alertmanager.read_bytes()
    if ASSETS in program:
        alertmanager.write_bytes(program.replace(ASSETS, HERE))


def versions(folder: Path) -> list[str]:
    """Proof that each engine runs on this machine."""
    lines = []
    for tool in TOOLS:
        program = folder / "usr/bin" / tool
        done = subprocess.run([program, "--version"], text=True, capture_output=True, check=False)
        words = re.search(r"version (\S+)", done.stdout + done.stderr)
        if done.returncode != 0 or words is None:
            raise UnpackError(f"{program} does not run: {done.stderr.strip() or done.returncode}")
        lines.append(f"{tool} {words[1]}")
    return lines


def make(generation: str, target: Path, work: Path, source: Source, keyrings: list[str]) -> None:
    """Build the generation aside, and put it in its place when it is complete. Extends `keyrings`."""
    apt = Apt(work, generation, source.uri)
    vouch(apt, work / generation, keyrings)
    if is_complete(target / generation, generation):
        return
    made = work / generation / "made"
    for package in GENERATIONS[generation]:
        unpack(apt.download(package), made)
    relocate(made / "usr/bin/prometheus-alertmanager")
    said = versions(made)
    stamp = {"inputs": fingerprint(generation), "sizes": sizes(made)}
    (made / STAMP).write_text(json.dumps(stamp, indent=2) + "\n")
    old = work / generation / "old"
    if (target / generation).exists():
        (target / generation).rename(old)
    made.rename(target / generation)
    tell(f"  {generation}: {', '.join(said)}")


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def lock(target: Path) -> Iterator[None]:
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another run that unpacks the engines …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def complete(target: Path) -> None:
    """Make what is missing in `target`. Call it under the lock."""
    missing = [generation for generation in GENERATIONS if not is_complete(target / generation, generation)]
    if not missing:
        return
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise UnpackError(f"{program} is missing: the engines are unpacked from Debian's packages")
    for leftover in target.glob(".work-*"):
        shutil.rmtree(leftover)  # of a run that was killed
    tell(f"unpacking the monitoring engines into {target} …")
    source = debian_source()
    keyrings = installed_keyrings(source)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=target) as work:
        # Each generation vouches for the keys of the next, so none before the last one is left out.
        for generation in GENERATIONS:
            make(generation, target, Path(work), source, keyrings)
            if generation == missing[-1]:
                break


def main() -> int:
    default = Path(__file__).resolve().parent.parent / ".engines"
    target = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else default
    try:
        with lock(target):
            complete(target)
    except (UnpackError, OSError) as error:
        tell(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
