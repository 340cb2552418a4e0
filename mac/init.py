"""A new monitoring repository: the standards, templates and settings that mac ships, and what surrounds them.

The shipped files are the project's own top level in a checkout, and `scaffold/` in an installed package.
Reads and writes files; never changes one that is there unless it is told to.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mac import __version__, files, process
from mac.problems import EngineError, GitError, Location, OutputError, Problem

_EXTRA = Path(__file__).resolve().parent / "scaffold_extra"

# Where it goes → where it lies. The user's from the beginning: kept as they are when they are there already.
_SURROUNDINGS = {
    ".github/workflows/mac.yml": "workflow.yml",
    ".pre-commit-config.yaml": "pre-commit-config.yaml",
    "README.md": "README.md",
}
_GITIGNORE = ".gitignore"
_SHIPPED = ("mac.yaml", "inventory/aws.yaml", "standards", "templates")


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What `write` did: paths relative to the repository, sorted."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]  # there already, as mac would write them
    kept: tuple[str, ...]  # there already, the user's own, left alone


def shipped() -> Mapping[str, bytes]:
    """The files of the monitoring repository proper: path → content."""
    source = files.shipped_root()
    found: dict[str, bytes] = {}
    for name in _SHIPPED:
        top = source / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            relative = path.relative_to(source)
            if path.is_file() and not any(part.startswith((".", "_")) for part in relative.parts):
                found[relative.as_posix()] = path.read_bytes()
    if "mac.yaml" not in found:
        raise OutputError(f"{source} has no mac.yaml: mac is not installed completely")
    return found


def surroundings() -> Mapping[str, bytes]:
    """Workflow, pre-commit configuration and README: path → content."""
    return {
        path: (_EXTRA / name).read_text(encoding="utf-8").replace("{version}", __version__).encode()
        for path, name in _SURROUNDINGS.items()
    }


def write(target: Path, *, force: bool = False) -> tuple[Scaffold | None, tuple[Problem, ...]]:
    """Make `target`, which may not exist yet, a monitoring repository.

    A shipped file that is there with another content is a Problem each, and nothing is written; with
    `force` mac's takes its place. Raises OutputError when the file system refuses.
    """
    own = shipped()
    around = surroundings()
    try:
        kept = [p for p in around if os.path.lexists(target / p) and not _same(target, p, around)]
        around = {path: data for path, data in around.items() if path not in kept}
        ignored = _gitignore(target)
        planned = {**own, **around, **({_GITIGNORE: ignored} if ignored else {})}
        problems = [p for path in planned if (p := _in_the_way(target, path))]
        differing = [path for path in own if os.path.lexists(target / path) and not _same(target, path, own)]
        if not force:
            problems += [_different(path) for path in differing if not _in_the_way(target, path)]
        if problems:
            return None, tuple(problems)
        unchanged = [path for path in planned if _same(target, path, planned)]
        for path in sorted(set(planned) - set(unchanged)):
            _replace(target / path, planned[path])
    except OSError as error:
        raise OutputError(f"{error.filename or target} cannot be written: {error.strerror}") from error
    written = sorted(set(planned) - set(unchanged))
    return Scaffold(tuple(written), tuple(sorted(unchanged)), tuple(sorted(kept))), ()


def _gitignore(target: Path) -> bytes:
    """The new content of .gitignore, or nothing when it has all that mac needs."""
    wanted = (_EXTRA / "gitignore").read_bytes()
    path = target / _GITIGNORE
    if not os.path.lexists(path):
        return wanted
    if not path.is_file():
        return b""
    present = path.read_bytes()
    if set(wanted.split()) <= set(present.split()) or b".mac/" in present.split():
        return b""
    return present + (b"" if present.endswith(b"\n") or not present else b"\n") + wanted


def _same(target: Path, path: str, own: Mapping[str, bytes]) -> bool:
    place = target / path
    return place.is_file() and not place.is_symlink() and place.read_bytes() == own[path]


def _in_the_way(target: Path, path: str) -> Problem | None:
    """What keeps a file from being put at `path`: a file where a folder belongs, or the reverse."""
    place = target / path
    if place.is_dir():
        return Problem(Location(path), "foreign-file", "a folder is where mac init would write a file")
    for parent in place.parents:
        if os.path.lexists(parent) and not parent.is_dir():
            return Problem(
                Location(str(parent)), "foreign-file", f"a file is where mac init needs a folder, for {path}"
            )
        if parent == target:
            break
    return None


def _different(path: str) -> Problem:
    return Problem(
        Location(path),
        "foreign-file",
        "this file is there already, with another content",
        "keep it and take what you need by hand, or let --force put mac's in its place",
    )


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".mac-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def make_git(target: Path) -> bool:
    """A Git repository in `target`, unless it lies in one already; whether one was made.

    Raises GitError when there is no Git, or it refuses.
    """
    try:
        inside = process.run(["git", "rev-parse", "--is-inside-work-tree"], cwd=target, timeout=30)
        if inside.returncode == 0:
            return False
        made = process.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=target, timeout=30)
    except EngineError as error:
        raise GitError(error.message, "install Git, or give --no-git") from error
    if made.returncode != 0:
        raise GitError(f"no Git repository could be made in {target}: {made.stderr.strip()}")
    return True
