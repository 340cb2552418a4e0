"""Writing the generated tree: all of it, or nothing.

The tree is replaced by units: a top-level entry (`cells/`, `alertmanager/`, `provenance.json`), the inventory
snapshot, or the packages of standards. The complete new version of each unit that changes is staged beside
the old one, with hard links to whatever stays as it is, the user's own files among them; then `exchange`
swaps them.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mac.conventions import PACKAGES_DIR, PROVENANCE, SNAPSHOT_DIR, WORK_DIR
from mac.exchange import (
    Journal,
    Recovery,
    Swap,
    discard,
    exchange,
    fresh,
    has_journal,
    inode,
    new_staging,
    recover,
    sync_file,
    sync_file_system,
    sync_folder,
    write_all,
)
from mac.lock import locked, output_error
from mac.problems import Location, OutputError, Problem, ProblemsError

__all__ = [
    "Recovery",
    "Written",
    "foreign",
    "has_journal",
    "locked",
    "read_tree",
    "recover",
    "replace_file",
    "write",
]

_FEW_FILES = 64
"""Up to so many files are synced one by one; beyond, one sync of the file system is faster."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of each path, sorted. `written` were new or different; `unchanged` were not touched."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def write(
    root: Path, files: Mapping[str, bytes], owned: Iterable[str], *, remove: Iterable[str] = ()
) -> Written:
    """Makes the tree hold exactly these contents at these paths, and nothing at the paths of `remove`.

    Paths are relative to `root`, with "/". `owned`: the paths that mac wrote before; `remove` must be among
    them. Files with the same content are not touched, nor are files of others; folders that removals leave
    empty go. After any failure or kill, and `recover`, the tree is the old one or the new one.

    Raises ProblemsError for files of others in the way, OutputError for paths that lead out of `root` and
    for whatever the file system refuses.
    """
    mine = frozenset(owned)
    removed = sorted(set(remove) - files.keys())
    if not mine.issuperset(removed):
        raise ValueError(f"not owned, so not removed: {sorted(set(removed) - mine)}")
    root = root.resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(f"cannot make {root}", error) from error
    with locked(root, 0.0):
        recover(root)
        problems = foreign(root, files, mine)
        if problems:
            raise ProblemsError(problems)
        places = _places(root, [*files, *removed])
        try:
            changed = {path: data for path, data in files.items() if not _same(places[path], data)}
            gone = [path for path in removed if _is_entry(places[path])]
        except OSError as error:
            raise output_error(f"cannot read the output in {root}", error) from error
        if changed or gone:
            contents = {places[path]: data for path, data in changed.items()}
            _replace(root, _Change(contents, frozenset(places[path] for path in gone)))
    return Written(tuple(sorted(changed)), tuple(sorted(files.keys() - changed.keys())), tuple(gone))


def foreign(root: Path, files: Mapping[str, bytes], owned: Iterable[str]) -> tuple[Problem, ...]:
    """A problem for each path where something that mac did not write is in the way. Writes nothing.

    A file of others that has the very content is not in the way. Raises OutputError as `write` does.
    """
    root = root.resolve()
    mine = frozenset(owned)
    places = _places(root, files)
    blocked: dict[str, str] = {}
    folders: set[Path] = set()
    try:
        for path, data in files.items():
            place = places[path]
            if place.is_dir() and not place.is_symlink():
                inside = next((f for f in _entries(root, place) if f not in mine), None)
                if inside is not None:
                    blocked[path] = f"{path} is a folder that holds files of others, such as {inside}"
            elif path not in mine and _is_entry(place) and not _same(place, data):
                blocked[path] = f"{path} exists and was not written by mac"
            folders.update(place.parents)
        for folder in folders:
            name = folder.relative_to(root).as_posix() if root in folder.parents else "."
            if name != "." and name not in mine and _is_file_like(folder):
                blocked[name] = f"{name} is not a folder, and was not written by mac"
    except OSError as error:
        raise output_error(f"cannot read the output in {root}", error) from error
    hint = "move it to another place, or delete it, and run again"
    return tuple(
        Problem(Location(path), "foreign-file", text, hint) for path, text in sorted(blocked.items())
    )


def read_tree(root: Path, paths: Iterable[str]) -> Mapping[str, bytes]:
    """The contents of those paths that are files. Raises OutputError for what cannot be read."""
    root = root.resolve()
    contents = {}
    for path, place in _places(root, paths).items():
        try:
            if stat.S_ISREG(place.stat().st_mode):
                contents[path] = place.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise output_error(f"cannot read {path}", error) from error
    return contents


# --- paths -------------------------------------------------------------------------------------------


def replace_file(path: Path, data: bytes) -> None:
    """One file at a place of the user's choice, whole or not at all. Raises OutputError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_all(draft, data)
        os.replace(draft, path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise output_error(f"cannot write {path}", error) from error


def _places(root: Path, paths: Iterable[str]) -> dict[str, Path]:
    """Where each path really lies, links followed on the way to it. Raises OutputError outside `root`."""
    folders: dict[str, Path] = {}
    places: dict[str, Path] = {}
    taken: dict[Path, str] = {}
    for path in paths:
        pure = PurePosixPath(path)
        parts = pure.parts
        if not parts or pure.is_absolute() or ".." in parts or "\0" in path or str(pure) != path:
            raise OutputError(f"{path!r} is not a path within the output")
        if parts[0] in (WORK_DIR, ".git"):
            raise OutputError(f"{path} lies in {parts[0]}/, which is not for output")
        parent = str(pure.parent)
        if parent not in folders:
            folders[parent] = _inside(root, root / parent, path)
        place = folders[parent] / pure.name
        try:
            linked = place.is_symlink()
        except OSError as error:  # a name that no file system takes
            raise output_error(f"{path!r} cannot be a file", error) from error
        if linked:
            _inside(root, place, path)
        if taken.setdefault(place, path) != path:
            raise OutputError(f"{taken[place]} and {path} are one file", "a symbolic link joins them")
        places[path] = place
    return places


def _inside(root: Path, path: Path, name: str) -> Path:
    try:
        real = path.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise OutputError(f"{name} cannot be followed: {error}") from error
    if real != root and root not in real.parents:
        raise OutputError(f"{name} leads out of {root}, to {real}", "a symbolic link points outside")
    if real != root and real.relative_to(root).parts[0] in (WORK_DIR, ".git"):
        raise OutputError(f"{name} leads into {real}, which is not for output")
    return real


def _is_entry(place: Path) -> bool:
    return place.is_symlink() or (place.exists() and not place.is_dir())


def _is_file_like(place: Path) -> bool:
    return place.exists() and not place.is_dir()


def _same(place: Path, data: bytes) -> bool:
    try:
        status = place.stat()
        return stat.S_ISREG(status.st_mode) and status.st_size == len(data) and place.read_bytes() == data
    except (FileNotFoundError, NotADirectoryError):
        return False


def _entries(root: Path, folder: Path) -> Iterable[str]:
    for here, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]
        for name in sorted([*names, *links]):
            yield Path(here, name).relative_to(root).as_posix()


def _unit(root: Path, place: Path) -> str:
    """The entry that is exchanged as a whole for this file: as small as keeps one rename enough."""
    relative = place.relative_to(root)
    for name in (SNAPSHOT_DIR, PACKAGES_DIR):
        folder = PurePosixPath(name)
        if relative.is_relative_to(folder) and (root / folder.parent).is_dir():
            return name
    return relative.parts[0]


# --- staging -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Change:
    """Absolute paths: those that get this content, and those that go."""

    contents: Mapping[Path, bytes]
    gone: frozenset[Path]


@dataclass(frozen=True, slots=True)
class _Staged:
    """What was made in the staging area and has to reach the disk before anything is exchanged."""

    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


def _replace(root: Path, change: _Change) -> None:
    affected = {*change.contents, *change.gone}
    # Provenance says what the rest is: it comes last.
    units = sorted({_unit(root, place) for place in affected}, key=lambda unit: (unit == PROVENANCE, unit))
    staging = None
    try:
        staging = new_staging(root)
        staged = _Staged()
        swaps = tuple(_stage(root, unit, fresh(staging, n), change, staged) for n, unit in enumerate(units))
        _flush(staging, staged)
        replaced = tuple(sorted(place.relative_to(root).as_posix() for place in affected))
        exchange(root, Journal(staging.name, swaps, replaced))
    except OSError as error:
        raise output_error("cannot write the output, the old one stays", error) from error
    finally:
        # What was prepared is of use only to a journal.
        if staging is not None and not has_journal(root):
            discard(staging)


def _stage(root: Path, unit: str, ready: Path, change: _Change, staged: _Staged) -> Swap:
    """Builds the new version of a unit at `ready`, or nothing if nothing is left of it. Raises OSError."""
    target = root / unit
    old = inode(target)
    here = [place for place in change.contents if place == target or target in place.parents]
    leaving = [place for place in change.gone if place == target or target in place.parents]
    if old is not None and target.is_dir() and not target.is_symlink():
        _mirror(target, ready, {*here, *leaving}, staged)
    for place in here:
        copy = ready / place.relative_to(target)
        if copy.is_dir() and not copy.is_symlink():
            _remove_hollow(copy, staged)  # a folder whose files all went, now a file
        if place != target:
            _make_folders(copy.parent, staged)
        write_all(copy, change.contents[place])
        _inherit(place, copy)
        staged.files.append(copy)
    for place in leaving:
        if place != target:
            _prune((ready / place.relative_to(target)).parent, ready, staged)
    return Swap(unit, old, inode(ready))


def _mirror(source: Path, copy: Path, leave_out: set[Path], staged: _Staged) -> None:
    os.mkdir(copy)
    staged.folders.append(copy)
    with os.scandir(source) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            place = source / entry.name
            if place in leave_out:
                continue
            if entry.is_symlink():
                os.symlink(os.readlink(place), copy / entry.name)
                shutil.copystat(place, copy / entry.name, follow_symlinks=False)
            elif entry.is_dir():
                _mirror(place, copy / entry.name, leave_out, staged)
            else:
                _link(place, copy / entry.name, staged)
    _inherit(source, copy)


def _link(source: Path, copy: Path, staged: _Staged) -> None:
    try:
        os.link(source, copy, follow_symlinks=False)
    except OSError:
        if not source.is_file():
            raise
        # Not every file system links, and Linux may forbid it for files of other users.
        shutil.copy2(source, copy)
        _inherit(source, copy)
        staged.files.append(copy)


def _inherit(source: Path, copy: Path) -> None:
    """Gives the copy the owner and the mode of what was there before, if that was of the same type."""
    try:
        status = os.lstat(source)
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISLNK(status.st_mode) or stat.S_ISDIR(status.st_mode) != copy.is_dir():
        return
    mine = os.lstat(copy)
    if (mine.st_uid, mine.st_gid) != (status.st_uid, status.st_gid):
        with suppress(PermissionError):  # only root gives files away
            os.chown(copy, status.st_uid, status.st_gid)
    os.chmod(copy, stat.S_IMODE(status.st_mode))


def _make_folders(folder: Path, staged: _Staged) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent, staged)
    os.mkdir(folder)
    staged.folders.append(folder)


def _prune(folder: Path, top: Path, staged: _Staged) -> None:
    """Removes the folder and those above it, up to and with `top`, as long as they are empty."""
    while folder == top or top in folder.parents:
        if folder.is_dir():
            if any(True for _ in folder.iterdir()):
                return
            os.rmdir(folder)
            staged.folders.remove(folder)
        folder = folder.parent


def _remove_hollow(folder: Path, staged: _Staged) -> None:
    for here, _, _ in os.walk(folder, topdown=False):
        os.rmdir(here)
        staged.folders.remove(Path(here))


def _flush(staging: Path, staged: _Staged) -> None:
    if len(staged.files) <= _FEW_FILES or not sync_file_system(staging):
        for path in staged.files:
            sync_file(path)
        for folder in staged.folders:
            sync_folder(folder)
    sync_folder(staging / "new")
