"""What differs between what is at a destination and what is meant to be there."""

from __future__ import annotations

from collections.abc import Mapping

from mac.deploy_model import Action, DeployChange, DeployError, Release


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
