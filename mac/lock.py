"""The work area `.mac/` of an output folder, and the lock that one writing process holds on it."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mac.conventions import WORK_DIR
from mac.problems import BusyError, OutputError

WAIT = 60.0
"""Seconds in which most other runs come to their end."""
POLL = 0.05
"""Seconds between two attempts to take a lock that somebody else holds."""

_held: set[tuple[Path, int]] = set()
# (root, thread) pairs: a second flock by the same thread would wait for itself.


def work_dir(root: Path) -> Path:
    """`<root>/.mac`, made when it is not there, hidden from Git. Raises OutputError."""
    work = root / WORK_DIR
    try:
        work.mkdir(exist_ok=True)
        if work.is_symlink():
            raise OutputError(f"{work} is a symbolic link", "mac keeps its lock there: make it a folder")
        ignore = work / ".gitignore"
        if not ignore.exists():
            ignore.write_bytes(b"*\n")
    except OSError as error:
        raise output_error(f"cannot use {work}", error) from error
    return work


def output_error(what: str, error: OSError) -> OutputError:
    """An OSError in the words of the person who has to mend it."""
    hints = {
        errno.ENOSPC: "the disk is full: free some space and run again",
        errno.EDQUOT: "the quota is used up: free some space and run again",
        errno.EFBIG: "a file would grow past the limit of this process",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "check who owns it and who may write there",
        errno.EPERM: "check who owns it and who may write there",
        errno.EXDEV: "the output must lie on one file system, and not on an image layer",
        errno.EBUSY: "is it a mount point? mac replaces whole folders, so mount the one above",
    }
    reason = error.strerror or str(error)
    place = f" ({error.filename})" if error.filename and str(error.filename) not in what else ""
    return OutputError(f"{what}: {reason}{place}", hints.get(error.errno or 0, ""))


def holds(root: Path) -> bool:
    """Whether this thread is inside `locked` for this root."""
    return (root.resolve(), threading.get_ident()) in _held


@contextmanager
def locked(root: Path, wait: float, waiting: Callable[[str], None] = lambda holder: None) -> Iterator[None]:
    """Holds the lock of `root`; waits up to `wait` seconds for another process, then raises BusyError
    that names it. `waiting` is called once, with the holder, when there is somebody to wait for. Nested use
    in one thread is free. The kernel releases the lock of a process that dies.
    """
    root = root.resolve()
    key = (root, threading.get_ident())
    if key in _held:
        yield
        return
    path = work_dir(root) / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise output_error(f"cannot lock {root}", error) from error
    try:
        _take(descriptor, root, wait, waiting)
        _held.add(key)
        try:
            yield
        finally:
            _held.discard(key)
    finally:
        os.close(descriptor)


def _take(descriptor: int, root: Path, wait: float, waiting: Callable[[str], None]) -> None:
    told = False
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise BusyError(
                    f"another mac ({_holder(descriptor)}) is writing in {root}",
                    "wait until it has ended, or end it, and run again",
                ) from None
            if not told:
                waiting(_holder(descriptor))
                told = True
            time.sleep(POLL)
        except OSError as error:
            raise output_error(f"cannot lock {root}", error) from error
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):  # the lock holds without its label
            raise output_error(f"cannot lock {root}", error) from error


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    return f"process {text}" if text.isdigit() else "process unknown"
