"""Sets of paths as git takes and gives them: from the work tree's top, with "/"."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath


def covers(names: Collection[str], name: str) -> bool:
    """Whether the name, a folder above it, or the top ("") is among the names."""
    if name in names or "" in names:
        return True
    cut = name.rfind("/")
    while cut > 0:
        if name[:cut] in names:
            return True
        cut = name.rfind("/", 0, cut)
    return False


def literal(names: Iterable[str]) -> list[str]:
    """Pathspecs that mean these names and no pattern, whatever folder git runs in; sorted."""
    return sorted(f":(top,literal){name}" for name in names)


def tops(names: Iterable[str]) -> list[str]:
    """Few pathspecs that cover all names: their top-level entries."""
    return literal({PurePosixPath(name).parts[0] if name else "" for name in names})


def is_entry(path: Path) -> bool:
    """Whether git can keep what is there: a file or a symbolic link."""
    return path.is_symlink() or (path.exists() and not path.is_dir())


def is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def nul(names: Iterable[str]) -> bytes:
    """The names, each ended by NUL: what git reads with -z."""
    return b"".join(os.fsencode(name) + b"\0" for name in sorted(names))
