"""What differs between what is at a destination and what is meant to be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mac import conventions
from mac.deploy_model import Action, DeployChange, DeployError, Release

_OTHER_SHAPE = (LookupError, TypeError, AttributeError, ValueError)


@contextmanager
def answering(url: str, whom: str) -> Iterator[None]:
    """What is read of a server's answers in the block. Raises DeployError when they are not those of `whom`,
    as when another program, or a proxy, answers at that address.
    """
    try:
        yield
    except _OTHER_SHAPE as error:
        message = f"{url} does not answer as {whom} does ({type(error).__name__}: {error})"
        raise DeployError(message, "is the address that of the right program?") from error


@contextmanager
def generated(path: str) -> Iterator[None]:
    """What is read of a commit's file in the block. Raises DeployError when it is not as mac generates it."""
    try:
        yield
    except _OTHER_SHAPE as error:
        message = f"{path} is not as mac generates it ({type(error).__name__}: {error})"
        raise DeployError(message, "somebody edited it: generate it again, and commit") from error


def rule_files(release: Release, cell: str) -> Iterator[tuple[str, str, bytes]]:
    """The rule files of a cell: path below the cell's folder, whole path, content."""
    prefix = f"cells/{cell}/"
    for path, data in release.files.items():
        inside = path.removeprefix(prefix)
        if inside != path and (inside.startswith("rules/") or inside == conventions.HEARTBEAT_FILE):
            yield inside, path, data


def content(release: Release, path: str) -> bytes:
    """A file that a destination cannot do without. Raises DeployError."""
    if path not in release.files:
        raise missing(release, path)
    return release.files[path]


def missing(release: Release, path: str) -> DeployError:
    """What to raise when a destination cannot do without a file that the commit does not have."""
    return DeployError(f"the commit {release.revision[:12]} has no {path}", "generate it, and commit")


def between(there: Mapping[str, str], meant: Mapping[str, str]) -> tuple[DeployChange, ...]:
    """Name → digest on both sides; sorted by name."""
    found = []
    for name in sorted(there.keys() | meant.keys()):
        if name not in there:
            found.append(DeployChange(name, Action.ADD))
        elif name not in meant:
            found.append(DeployChange(name, Action.REMOVE))
        elif there[name] != meant[name]:
            found.append(DeployChange(name, Action.CHANGE))
    return tuple(found)
