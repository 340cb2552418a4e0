"""Deploys to a folder again and again in forked children and ends, or fails, each at another system call.

Run as a program: `python deploy_crash.py FOLDER kill|error`. Prints a JSON object: `steps`, the number of
system calls that were tried, and `failures`, a list of sentences. The server is one that reads the folder and
keeps what it read in a file, so that it outlives whoever deploys; it refuses the content "refused".
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import deploying
from write_crash import KILLED, child, tampered

from mac.deploy.files import FilesDestination
from mac.deploy.running import LastRead
from mac.deploy.versions import CURRENT, VERIFIED, Versions
from mac.deploy_model import DeployError, Release, RolledBackError
from mac.problems import MacError

PREFIX = f"cells/{deploying.CELL}/"
CONFIG = "prometheus.yml"
KEEP = 2

OLD = deploying.release({CONFIG: b"old", "rules/web.yml": b"old"}, revision="1" * 40)
NEW = deploying.release({CONFIG: b"new", "rules/hdfs.yml": b"new"}, revision="2" * 40)
BAD = deploying.release({CONFIG: b"refused", "rules/web.yml": b"old"}, revision="3" * 40)
FIRST = deploying.release({CONFIG: b"first"}, revision="0" * 40)


@dataclass(frozen=True)
class Reader:
    """A server, on files."""

    folder: Path
    memory: Path

    def last_read(self) -> LastRead:
        return LastRead(0.0, True)

    def reload(self) -> None:
        content = (self.folder / CURRENT / CONFIG).read_bytes()
        if content == b"refused":
            raise DeployError("the server refuses it")
        self.memory.write_bytes(content)

    def faults(self, folder: Path, files: Mapping[str, bytes]) -> Iterator[str]:
        runs = self.memory.read_bytes() if self.memory.exists() else b""
        if not runs == files[CONFIG] == (folder / CONFIG).read_bytes():
            yield "it runs another"


def destination(root: Path) -> FilesDestination:
    settings = deploying.settings(root / "etc", keep=KEEP, settle=0.0)
    return FilesDestination(settings, PREFIX, None, Reader(root / "etc", root / "memory"))


def files(release: Release) -> dict[str, bytes]:
    return {p.removeprefix(PREFIX): data for p, data in release.files.items() if p.startswith(PREFIX)}


def whole(root: Path) -> dict[str, bytes]:
    """What the server would read if it were started now."""
    current = root / "etc" / CURRENT
    return {
        path.relative_to(current).as_posix(): path.read_bytes()
        for path in current.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


class Trial:
    def __init__(self, folder: Path, mode: str) -> None:
        self.folder, self.mode = folder, mode
        self.failures: list[str] = []
        self.pattern = folder / "pattern"
        self.pattern.mkdir()
        for release in (FIRST, OLD):
            destination(self.pattern).apply(release)

    def run(self, release: Release, ends: Release) -> int:
        """Tries every step of bringing in a release; `ends` is what the next whole run must lead to."""
        step = 0
        while True:
            step += 1
            root = self.folder / "trial"
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(self.pattern, root, symlinks=True)
            reached = Path(f"{root}.reached")
            reached.unlink(missing_ok=True)
            code = child(lambda root=root, step=step: self.tamper(root, release, step))
            if code == 0 and not reached.exists():
                return step - 1
            self.check(
                root, release, ends, code, f"{self.mode}, {release.revision[0]}, step {step}, exit {code}"
            )

    def tamper(self, root: Path, release: Release, step: int) -> None:
        target = destination(root)
        count: Callable[[], int] = tampered(step, self.mode)
        try:
            target.apply(release)
        except MacError:
            pass  # rolled back, or the call that fails
        finally:
            if count() >= step:
                Path(f"{root}.reached").touch()

    def check(self, root: Path, release: Release, ends: Release, code: int, where: str) -> None:
        if code != (KILLED if self.mode == "kill" else 0):
            self.failures.append(f"{where}: unexpected exit")
        if whole(root) not in (files(OLD), files(release)):
            self.failures.append(f"{where}: what the server reads is neither old nor new")
        if release is NEW and whole(root) == files(NEW) and not destination(root).plan(NEW):
            pass  # nothing is left to do
        else:
            try:
                destination(root).apply(release)
                rolled_back = False
            except RolledBackError:
                rolled_back = True
            if rolled_back is (release is NEW):
                self.failures.append(f"{where}: the next run ended otherwise")
        store = Versions(root / "etc")
        if whole(root) != files(ends) or (root / "memory").read_bytes() != files(ends)[CONFIG]:
            self.failures.append(f"{where}: the next run does not lead where it should")
        good, current = store.linked(VERIFIED), store.linked(CURRENT)
        if good is None or current is None or good.name != current.name:
            self.failures.append(f"{where}: what runs is not what counts as verified")
        seen = destination(root).read_back()
        if seen.faults or seen.unread or seen.edits:
            self.failures.append(f"{where}: it reads back with faults")
        if release is NEW:
            destination(root).apply(OLD)
            left = os.listdir(root / "etc/versions")
            if len(left) > KEEP:
                self.failures.append(f"{where}: {sorted(left)} remain")


def main() -> None:
    os.fsync = lambda _: None  # a kill, unlike a power cut, loses nothing: only the call counts
    trial = Trial(Path(sys.argv[1]), sys.argv[2])
    steps = [trial.run(NEW, NEW), trial.run(BAD, OLD)]
    print(json.dumps({"steps": steps, "failures": trial.failures}))


if __name__ == "__main__":
    main()
