"""Replacing several files and folders as one step that a kill at any moment cannot tear.

New versions stand ready in `<root>/.mac/staging-*/new/<n>`. A journal says what is to be exchanged, by
inode, so that whoever finds it can see which exchanges are done and finish the rest. Each exchange is one
rename (RENAME_EXCHANGE of Linux), or two where the system has none.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from mac.conventions import WORK_DIR
from mac.lock import holds, locked, output_error
from mac.problems import OutputError

JOURNAL = "journal.json"
STAGING = "staging-"

READER_WAIT = 10.0
"""Seconds that a reading command waits for a writer that is between two exchanges."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = frozenset([errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])


@dataclass(frozen=True, slots=True)
class Swap:
    """One entry to replace: its path below the root, and the inodes of the old and the new version.

    None: there is no old one, or there shall be no new one.
    """

    path: str
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class Journal:
    """Swaps in the order in which they are made. `replaced`: paths below the root that the new version
    changes or lacks on purpose; whatever else an old folder holds belongs to the user.
    """

    staging: str
    swaps: tuple[Swap, ...]
    replaced: tuple[str, ...]


class Recovery(StrEnum):
    """What `recover` found: nothing to do, an exchange that it completed, or staging that it discarded."""

    NOTHING = "nothing"
    COMPLETED = "completed"
    DISCARDED = "discarded"


def recover(root: Path) -> Recovery:
    """Completes what a killed writer began, or clears away what it only prepared. Idempotent.

    Reads only, and takes no lock, when there is nothing to do. While a live process is writing it waits
    for it if it is between two exchanges, and else leaves it alone. Raises OutputError when an exchange
    can be neither completed nor taken back.
    """
    root = root.resolve()
    if not _remains(root):
        return Recovery.NOTHING
    if holds(root):
        return _recover(root)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(root, READER_WAIT if has_journal(root) else 0.0))
        except OutputError:
            if has_journal(root):
                raise
            return Recovery.NOTHING
        return _recover(root)


def _recover(root: Path) -> Recovery:
    remains = _remains(root)
    if has_journal(root):
        journal = _read(root)
        if journal is not None:
            settle(root, journal)
            return Recovery.COMPLETED
        _journal_path(root).unlink()
    for path in remains:
        discard(path)
    return Recovery.DISCARDED if remains else Recovery.NOTHING


def has_journal(root: Path) -> bool:
    """Whether an exchange is under way, or was cut short."""
    return _journal_path(root).exists()


def _journal_path(root: Path) -> Path:
    return root / WORK_DIR / JOURNAL


def _remains(root: Path) -> list[Path]:
    work = root / WORK_DIR
    try:
        return sorted(work / name for name in os.listdir(work) if name.startswith((STAGING, JOURNAL)))
    except OSError:
        return []


def new_staging(root: Path) -> Path:
    """An empty staging area with its `new` and `old` folders. Raises OSError."""
    staging = root / WORK_DIR / f"{STAGING}{secrets.token_hex(6)}"
    os.mkdir(staging)
    os.mkdir(staging / "new")
    os.mkdir(staging / "old")
    return staging


def fresh(staging: Path, number: int) -> Path:
    """Where the new version of the swap with this number stands ready."""
    return staging / "new" / str(number)


def discard(path: Path) -> None:
    """Deletes a staging area, as far as it can be deleted: the next recovery tries again."""
    if path.is_dir() and not path.is_symlink():
        # A folder that its owner may not write is copied with that mode, and would keep its files.
        for folder, _, _ in os.walk(path):
            with suppress(OSError):
                if os.lstat(folder).st_mode & 0o300 != 0o300:
                    os.chmod(folder, 0o700)
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            os.unlink(path)


def inode(path: Path) -> int | None:
    """The inode at `path` itself, a link not followed; None when there is nothing."""
    try:
        return os.lstat(path).st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def sync_file(path: Path) -> None:
    """Makes a file's content last through a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Makes renames within a folder last through a power cut. Raises OSError."""
    try:
        sync_file(path)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync folders
            raise


def sync_file_system(path: Path) -> bool:
    """Brings all that was written to the file system of `path` to the disk; False where there is no such
    call. Raises OSError.
    """
    import ctypes

    call = (
        getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if sys.platform.startswith("linux")
        else None
    )
    if call is None:
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if call(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(descriptor)
    return True


def write_all(path: Path, data: bytes) -> None:
    """A new file with this content, not yet synced. Raises OSError; FileExistsError when it is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


# --- the journal -------------------------------------------------------------------------------------


def exchange(root: Path, journal: Journal) -> None:
    """Writes the journal, makes its swaps, clears up. Raises OutputError, and then all is as it was."""
    path = _journal_path(root)
    draft = root / WORK_DIR / journal.staging / JOURNAL
    write_all(draft, json.dumps(asdict(journal)).encode())
    sync_file(draft)
    os.rename(draft, path)
    try:
        sync_folder(path.parent)
    except OSError:
        os.unlink(path)
        raise
    try:
        settle(root, journal)
    except KeyboardInterrupt:
        # Asked to stop between two renames: the shortest way to whole output is forward.
        if path.exists():
            settle(root, journal)
        raise


def _read(root: Path) -> Journal | None:
    """The journal, or None if it is not one: it came to its place by a rename, so that is no crash."""
    try:
        value = json.loads(_journal_path(root).read_bytes())
        swaps = tuple(Swap(str(s["path"]), s["old"], s["new"]) for s in value["swaps"])
        journal = Journal(str(value["staging"]), swaps, tuple(map(str, value["replaced"])))
    except OSError as error:
        raise output_error(f"cannot read {_journal_path(root)}", error) from error
    except (ValueError, KeyError, TypeError):
        return None
    inside = journal.staging.startswith(STAGING) and "/" not in journal.staging
    safe = all(not swap.path.startswith("/") and ".." not in swap.path.split("/") for swap in journal.swaps)
    return journal if inside and safe else None


def settle(root: Path, journal: Journal) -> None:
    """Brings every swap of the journal to its end; if one cannot be made, takes back those that were.

    Raises OutputError in the second case.
    """
    staging = root / WORK_DIR / journal.staging
    try:
        for number, swap in enumerate(journal.swaps):
            _forward(root / swap.path, staging, number, swap)
        for number, swap in enumerate(journal.swaps):
            _rescue(root, staging, number, swap, frozenset(journal.replaced))
    except OSError as error:
        failure = output_error("cannot put the new output in place, the old one stays", error)
        try:
            for number, swap in reversed(list(enumerate(journal.swaps))):
                _backward(root / swap.path, staging, number, swap)
        except OSError as second:
            raise output_error(
                f"the output is half replaced; what is missing stands in {staging}", second
            ) from error
        _close(root, staging)
        raise failure from error
    _close(root, staging)


def _close(root: Path, staging: Path) -> None:
    path = _journal_path(root)
    try:
        os.unlink(path)
        sync_folder(path.parent)
    except OSError as error:
        raise output_error(f"cannot remove {path}", error) from error
    discard(staging)


# --- one swap ----------------------------------------------------------------------------------------


def _forward(target: Path, staging: Path, number: int, swap: Swap) -> None:
    here = inode(target)
    if here == swap.new:
        return
    if here is not None and here != swap.old:
        raise OSError(errno.ESTALE, "was replaced by somebody else meanwhile", str(target))
    ready = fresh(staging, number)
    if swap.new is not None and inode(ready) != swap.new:
        raise OSError(errno.ENOENT, "its new version is gone", str(target))
    aside = staging / "old" / str(number)
    if swap.new is None:
        os.rename(target, aside)
    elif here is None:
        os.rename(ready, target)
    elif not rename_exchange(ready, target):
        os.rename(target, aside)
        os.rename(ready, target)
    sync_folder(target.parent)


def _backward(target: Path, staging: Path, number: int, swap: Swap) -> None:
    here = inode(target)
    if here == swap.old or (here is not None and here != swap.new):
        return  # untouched, or somebody else's by now
    ready = fresh(staging, number)
    if swap.old is None:
        os.rename(target, ready)
    elif here is not None and inode(ready) == swap.old:
        rename_exchange(ready, target)
    else:
        if here is not None:
            os.rename(target, ready)
        os.rename(staging / "old" / str(number), target)
    sync_folder(target.parent)


def rename_exchange(first: Path, second: Path) -> bool:
    """Exchanges two paths in one step; False where the system or the file system cannot. Raises OSError."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(second))


def _rescue(root: Path, staging: Path, number: int, swap: Swap, replaced: frozenset[str]) -> None:
    """Moves over what the user changed in the old folder after it had been copied."""
    old = next((p for p in _slots(staging, number) if swap.old is not None and inode(p) == swap.old), None)
    if old is None or old.is_symlink() or not old.is_dir():
        return
    for folder, names, files in os.walk(old):
        links = [name for name in names if os.path.islink(os.path.join(folder, name))]
        for source in (Path(folder, name) for name in [*files, *links]):
            path = f"{swap.path}/{source.relative_to(old).as_posix()}"
            if path not in replaced and _newer(source, root / path):
                os.makedirs((root / path).parent, exist_ok=True)
                os.replace(source, root / path)


def _slots(staging: Path, number: int) -> Iterable[Path]:
    return (fresh(staging, number), staging / "old" / str(number))


def _newer(source: Path, target: Path) -> bool:
    try:
        kept = os.lstat(target)
    except FileNotFoundError:
        return True
    mine = os.lstat(source)
    return mine.st_ino != kept.st_ino and mine.st_mtime_ns > kept.st_mtime_ns
