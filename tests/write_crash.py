"""Runs `write` again and again in forked children and ends, or fails, each at another system call.

Run as a program: `python write_crash.py FOLDER MODE`. Prints a JSON object: `steps`, the number of system
calls that were tried, `outcomes`, how often the output was old or new, and `failures`, a list of sentences.

Modes: kill (the child ends), kill-two-renames (the same where nothing exchanges in one step), error (one call
fails with EIO), full (no call that needs space succeeds any more).
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mac import exchange
from mac.problems import OutputError
from mac.write import recover, write

CALLS = [
    *("mkdir", "link", "symlink", "rename", "replace", "unlink", "rmdir"),
    *("open", "write", "fsync", "chmod", "chown", "ftruncate", "pwrite"),
]
NEED_SPACE = frozenset(["mkdir", "link", "symlink", "write"])
KILLED = 137

OLD = {
    "cells/a/prometheus.yml": b"same",
    "cells/a/rules/production/hdfs.yml": b"old rule",
    "cells/a/targets/host.json": b"leaves",
    "alertmanager/alertmanager.yml": b"old route",
    "dashboards/hdfs.json": b"the whole folder leaves",
    "inventory/snapshot/main.jsonl": b"old machines",
    "provenance.json": b"old provenance",
}
NEW = {
    "cells/a/prometheus.yml": b"same",
    "cells/a/rules/production/hdfs.yml": b"new rule",
    "cells/b/rules/production/yarn.yml": b"comes",
    "alertmanager/alertmanager.yml": b"new route",
    "exporters/jmx.yml": b"a folder that comes",
    "inventory/snapshot/main.jsonl": b"new machines",
    "provenance.json": b"new provenance",
}
UNITS = ("alertmanager", "cells", "dashboards", "exporters", "inventory/snapshot", "provenance.json")

Tree = dict[str, tuple[int, bytes]]


def make(root: Path) -> None:
    for path, data in OLD.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    (root / "cells/a/NOTES.md").write_bytes(b"a file of the user")
    (root / "cells/a/NOTES.md").chmod(0o640)
    (root / "cells/a/link").symlink_to("NOTES.md")
    (root / "cells/a/rules").chmod(0o750)
    (root / "inventory/aws.yaml").write_bytes(b"accounts")


def tree(root: Path) -> Tree:
    """Mode and content of everything but the work area."""
    found: Tree = {}
    for folder, folders, names in os.walk(root):
        if folder == str(root):
            folders.remove(".mac") if ".mac" in folders else None
        for name in [*folders, *names]:
            path = Path(folder, name)
            status = path.lstat()
            data = b""
            if stat.S_ISLNK(status.st_mode):
                data = os.fsencode(os.readlink(path))
            elif stat.S_ISREG(status.st_mode):
                data = path.read_bytes()
            found[path.relative_to(root).as_posix()] = (status.st_mode, data)
    return found


def unit(whole: Tree, name: str) -> Tree:
    return {path: value for path, value in whole.items() if path == name or path.startswith(name + "/")}


def change(root: Path) -> None:
    write(root, NEW, OLD, remove=OLD.keys() - NEW.keys())


def tampered(step: int, mode: str) -> Callable[[], int]:
    """Makes the system call with this number, counted from now, the one that fails; returns the counter."""
    count = 0

    def wrap(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            nonlocal count
            count += 1
            if mode.startswith("kill") and count == step:
                os._exit(KILLED)
            if mode == "error" and count == step:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if mode == "full" and count >= step and name in NEED_SPACE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **options)

        return call

    for name in CALLS:
        setattr(os, name, wrap(name, getattr(os, name)))
    one_step = (lambda *_: False) if mode == "kill-two-renames" else exchange.rename_exchange
    exchange.rename_exchange = wrap("exchange", one_step)
    return lambda: count


def child(action: Callable[[], object]) -> int:
    """The exit code of a forked child that does this: 0, 1 after an OutputError, KILLED."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            action()
            code = 0
        except OutputError:
            code = 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Trial:
    def __init__(self, folder: Path, mode: str) -> None:
        self.folder, self.mode = folder, mode
        self.failures: list[str] = []
        self.outcomes: Counter[str] = Counter()
        pattern = folder / "pattern"
        pattern.mkdir()
        make(pattern)
        self.pattern = pattern
        self.old = tree(pattern)
        done = self.copy("done")
        change(done)
        self.new = tree(done)
        if self.new == self.old:
            self.failures.append("the new tree is the old one")

    def copy(self, name: str) -> Path:
        root = self.folder / name
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.pattern, root, symlinks=True)
        return root

    def run(self) -> int:
        step = 0
        while True:
            step += 1
            root = self.copy("trial")
            code = child(lambda root=root, step=step: self._tampered_change(root, step))
            if code == 0 and not self.reached(root):
                return step - 1
            self.check(root, step, code)

    def _tampered_change(self, root: Path, step: int) -> None:
        count = tampered(step, self.mode)
        try:
            change(root)
        finally:
            if count() >= step:
                Path(f"{root}.reached").touch()

    def reached(self, root: Path) -> bool:
        marker = Path(f"{root}.reached")
        there = marker.exists()
        marker.unlink(missing_ok=True)
        return there

    def check(self, root: Path, step: int, code: int) -> None:
        self.reached(root)
        where = f"{self.mode}, step {step}, exit {code}"
        if code not in ((KILLED,) if self.mode.startswith("kill") else (0, 1)):
            self.failures.append(f"{where}: unexpected exit")
        before = tree(root)
        self.check_units(before, where)
        if not self.mode.startswith("kill"):
            if code == 0 and before != self.new:
                self.failures.append(f"{where}: said done, and it is not")
            if before not in (self.old, self.new):
                self.failures.append(f"{where}: neither old nor new without recovery")
            if self.mode == "full" and code == 1 and before != self.old:
                self.failures.append(f"{where}: failed, and changed the output")
        elif step % 2 and (root / ".mac" / exchange.JOURNAL).exists():
            self.kill_recovery(root, where)
        if (code := child(lambda: recover(root))) != 0:
            self.failures.append(f"{where}: recovery ended with {code}")
        self.check_end(root, where)

    def check_units(self, now: Tree, where: str) -> None:
        """Each unit is old or new as a whole, at most one is between two renames, provenance is last."""
        fresh = {name for name in UNITS if unit(now, name) == unit(self.new, name)}
        torn = [n for n in UNITS if n not in fresh and unit(now, n) != unit(self.old, n)]
        if torn and (self.mode != "kill-two-renames" or len(torn) > 1 or unit(now, torn[0])):
            self.failures.append(f"{where}: {torn} neither old nor new")
        if "provenance.json" in fresh and fresh != set(UNITS):
            self.failures.append(f"{where}: provenance came before the rest")

    def kill_recovery(self, root: Path, where: str) -> None:
        step = 0
        while True:
            step += 1
            again = self.folder / "again"
            shutil.rmtree(again, ignore_errors=True)
            os.rename(root, again)  # inodes are what the journal goes by: work on the thing itself
            code = child(lambda step=step, again=again: (tampered(step, self.mode), recover(again)))
            os.rename(again, root)
            if code != KILLED:
                break
            self.check_units(tree(root), f"{where}, recovery step {step}")
        if code != 0:
            self.failures.append(f"{where}: tampered recovery ended with {code}")

    def check_end(self, root: Path, where: str) -> None:
        after = tree(root)
        self.outcomes["new" if after == self.new else "old" if after == self.old else "torn"] += 1
        if after not in (self.old, self.new):
            self.failures.append(f"{where}: neither old nor new after recovery")
        remains = (
            set(os.listdir(root / ".mac")) - {"lock", ".gitignore"} if (root / ".mac").exists() else set()
        )
        if remains:
            self.failures.append(f"{where}: {sorted(remains)} remain")
        change(root)
        if tree(root) != self.new:
            self.failures.append(f"{where}: the next run does not reach the new output")


def main() -> None:
    os.fsync = lambda _: None  # a kill, unlike a power cut, loses nothing: only the call counts
    trial = Trial(Path(sys.argv[1]), sys.argv[2])
    steps = trial.run()
    print(json.dumps({"steps": steps, "outcomes": trial.outcomes, "failures": trial.failures}))


if __name__ == "__main__":
    main()
