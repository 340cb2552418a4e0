"""Reading a file that a user names, whatever lies there: a pipe, a directory, a huge file.

And where the files are that mac ships.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from mac.problems import Location, Problem

MAX_BYTES = 2_000_000

_LINE_BREAK = re.compile("\r\n|\n|\r")


def shipped_root() -> Path:
    """Where standards, templates and inventory are that mac ships: in the wheel, or in its checkout."""
    package = Path(__file__).resolve().parent
    scaffold = package / "scaffold"
    return scaffold if scaffold.is_dir() else package.parent


def shown(path: Path, root: Path) -> str:
    """`path` as it is shown: relative to `root` where it lies below, with slashes."""
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def read(path: Path, root: Path) -> tuple[bytes | None, tuple[Problem, ...]]:
    """A document's bytes. Size and type are looked at before anything is read; a pipe is never waited for."""
    place = Location(shown(path, root))
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return None, (Problem(place, "file-unreadable", "is a directory, not a file"),)
        if not stat.S_ISREG(status.st_mode):
            return None, (Problem(place, "file-unreadable", "is not a regular file"),)
        if status.st_size <= MAX_BYTES:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                content = file.read(MAX_BYTES + 1)
            if len(content) <= MAX_BYTES:
                return content, ()
            status = path.stat()
    except (OSError, ValueError) as error:
        return None, (_unreadable(path, place, error),)
    size = f"{status.st_size / 1e6:,.1f} MB; mac reads documents of up to {MAX_BYTES / 1e6:.0f} MB"
    return None, (
        Problem(place, "file-too-large", f"the file has {size}", "split it into several documents"),
    )


def decode(content: bytes, shown: str) -> tuple[str | None, tuple[Problem, ...]]:
    """The text of a file's bytes, without a byte order mark."""
    try:
        return content.decode().removeprefix("\ufeff"), ()
    except UnicodeDecodeError as error:
        before = lines(content[: error.start])
        hint = "save it as UTF-8"
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            hint = "the file is UTF-16: save it as UTF-8"
        place = Location(shown, len(before), len(before[-1]) + 1, 1)
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        return None, (Problem(place, "not-utf8", message, hint),)


def read_text(path: Path, root: Path) -> tuple[str | None, tuple[Problem, ...]]:
    """A document's text; as `read` and `decode`."""
    content, problems = read(path, root)
    return (None, problems) if content is None else decode(content, shown(path, root))


def unlistable(error: OSError, root: Path) -> Problem:
    """The problem of a folder that refused to be listed."""
    place = Location(shown(Path(os.fsdecode(error.filename)), root))
    if error.errno == errno.ENOTDIR:
        return Problem(place, "file-unreadable", "is a file, not a folder")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Problem(place, "file-unreadable", "may not be listed by you", "check its owner and mode")
    if error.errno == errno.ELOOP:
        return Problem(place, "file-unreadable", "is a symbolic link that leads back to itself")
    return Problem(place, "file-unreadable", f"cannot be listed: {error.strerror or error}")


def _unreadable(path: Path, place: Location, error: Exception) -> Problem:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR):
        if path.is_symlink():
            target = os.readlink(path)
            return Problem(place, "file-missing", f"is a symbolic link to {target}, which does not exist")
        return Problem(place, "file-missing", "the file does not exist")
    if number == errno.ELOOP:
        return Problem(place, "file-unreadable", "is a symbolic link that leads back to itself")
    if number in (errno.EACCES, errno.EPERM):
        return Problem(place, "file-unreadable", "may not be read by you", "check its owner and mode")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Problem(place, "file-unreadable", f"cannot be read: {reason}")


def lines(content: bytes) -> tuple[str, ...]:
    """The lines of a text as Locations count them; undecodable bytes become U+FFFD."""
    return split_lines(content.decode("utf-8", "replace").removeprefix("\ufeff"))


def split_lines(text: str) -> tuple[str, ...]:
    return tuple(_LINE_BREAK.split(text))
