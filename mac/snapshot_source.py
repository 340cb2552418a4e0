"""Where a snapshot comes from: a file, a folder, or a Git revision, and what a file's name says of its form.

A revision is written as in Git: `REV` for the snapshot that the monitoring repository had kept then,
`REV:PATH` for another, with PATH from the top of the work tree, or from the current folder if it begins `./`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mac import compact, git, snapshot
from mac.conventions import SNAPSHOT_DIR
from mac.model import Snapshot
from mac.problems import GitError, Location, Problem, ProblemsError, UsageError

# The first colon that is no part of a revision such as HEAD@{2026-11-23 12:00}.
_REVISION = re.compile(r"((?:@\{[^}]*\}|[^:])+)(?::(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Revision:
    """A snapshot in Git: the revision, and the path in it (empty: where the repository keeps its own)."""

    rev: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.rev}:{self.path}" if self.path else self.rev


Source = Path | Revision


def locate(text: str) -> Source:
    """What a user names: what lies at that path, if there is something, else a revision. Reads nothing."""
    path = Path(text)
    if text and path.exists():  # an empty path is the current folder to Python
        return path.absolute()
    found = _REVISION.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} names no snapshot", "name a file, a folder, or a Git revision")
    return Revision(found[1], found[2] or "")


def is_there(source: Source, root: Path) -> bool:
    """Whether there is something at the path, or such a revision.

    What has a colon in it, or Git's own marks for ancestors, is no file that is still to be written, but a
    mistyped revision if anything: it is there, or `read` says why not.
    """
    if isinstance(source, Path) or source.path or any(mark in source.rev for mark in ("~", "^", "@{")):
        return True
    try:
        git.open(root).tree(source.rev, root, [SNAPSHOT_DIR])
    except GitError:
        return False
    return True


def read(source: Source, root: Path) -> Snapshot:
    """The snapshot at `source`, for the monitoring repository at `root`.

    Raises ProblemsError when there is none, or a broken one; UsageError when it is neither a path nor a
    revision.
    """
    if isinstance(source, Path):
        return snapshot.read(source)
    try:
        repository = git.open(root)
        folder, path = _place(repository, source, root)
        found = repository.tree(source.rev, folder, [path])
    except GitError as error:
        message = f"{source} is neither a file, nor a folder, nor a Git revision: {error.message}"
        raise UsageError(message, error.hint) from error
    if path in found:
        return snapshot.from_bytes(found[path], f"{source.rev}:{path}")
    below = {name.removeprefix(f"{path}/"): data for name, data in found.items()}
    if not below:
        place = Location(f"{source.rev}:{path}")
        raise ProblemsError([Problem(place, "file-missing", "there is no snapshot in this revision")])
    return snapshot.from_files(below, f"{source.rev}:{path}")


def _place(repository: git.Repository, source: Revision, root: Path) -> tuple[Path, str]:
    """The folder from which the path counts, and the path."""
    if not source.path:
        return root, SNAPSHOT_DIR
    path = PurePosixPath(source.path)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise UsageError(f"{source}: the path must lie below the top of the work tree")
    return (Path.cwd() if source.path.startswith("./") else repository.top), path.as_posix()


def to_write(text: str, root: Path) -> Path:
    """The file that a reading of AWS is to be written to, absolute.

    Raises UsageError, before anything is asked, for what cannot be written or is of somebody else.
    """
    source = locate(text)
    if isinstance(source, Revision):
        if is_there(source, root):
            raise UsageError(f"{text} is a Git revision, which cannot be written", "name a file")
        source = Path(text).absolute()
    if source.is_dir():
        raise UsageError(f"{text} is a folder", "name a file; without --snapshot it is inventory/snapshot/")
    if not source.parent.is_dir():
        raise UsageError(f"{text}: there is no folder {source.parent}", "make it first")
    if source.exists() and source.stat().st_size:
        try:
            snapshot.read(source)
        except ProblemsError as error:
            hint = "name another file, or remove this one"
            raise UsageError(f"{text} is not a snapshot, and is not overwritten", hint) from error
    return source


def encode(found: Snapshot, path: Path) -> bytes:
    """The single-file form, compressed when the file's name ends in .gz."""
    data = snapshot.to_bytes(found)
    return compact.compress(data) if path.name.endswith(compact.SUFFIX) else data
