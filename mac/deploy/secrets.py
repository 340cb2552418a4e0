"""Secrets of receivers that a destination resolves: values that AWS keeps, in the place of files.

alertmanager.yml names files, and mac.yaml says which of them AWS keeps. Where Alertmanager reads files, they
are written beside the versions, in `secrets/` of the destination's folder; where it takes none, their values
are sent.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mac import stored_secrets
from mac.deploy_model import SECRETS_DIR, Action, DeployChange, Needs, StoredSecret
from mac.exchange import sync_file, sync_folder
from mac.lock import output_error
from mac.problems import OutputError

_MODE = 0o640  # Alertmanager is another user, and in the group of the destination's folder
_DRAFT = ".draft-"

_ACTIONS = {"ssm": "ssm:GetParameter", "secretsmanager": "secretsmanager:GetSecretValue"}


def values(references: Iterable[StoredSecret]) -> Mapping[str, str]:
    """Path, as receivers name it → secret. Raises AwsError."""
    return {reference.path: stored_secrets.read(reference) for reference in references}


def plan(folder: Path, found: Mapping[str, str]) -> tuple[DeployChange, ...]:
    """What differs in the files of these secrets. Raises OutputError."""
    changed = []
    for path, value in sorted(found.items()):
        place = _place(folder, path)
        what = f"{SECRETS_DIR}/{place.name}"
        if not place.is_file() or place.is_symlink():
            changed.append(DeployChange(what, Action.ADD))
        elif _content(place) != value.encode():
            changed.append(DeployChange(what, Action.CHANGE))
    return tuple(changed)


def write(folder: Path, found: Mapping[str, str]) -> None:
    """Makes the files hold these secrets, each replaced as a whole. Raises OutputError."""
    for change in plan(folder, found):
        place = folder / change.what
        value = next(value for path, value in found.items() if _place(folder, path) == place)
        draft = place.with_name(f"{_DRAFT}{secrets.token_hex(6)}")
        try:
            place.parent.mkdir(mode=0o750, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                with suppress(PermissionError):  # the group of the folder is none of ours
                    os.fchown(descriptor, -1, folder.stat().st_gid)
                os.fchmod(descriptor, _MODE)
                file.write(value.encode())
            sync_file(draft)
            os.rename(draft, place)
            sync_folder(place.parent)
        except OSError as error:
            with suppress(OSError):
                os.unlink(draft)
            raise output_error(f"cannot write {place}", error) from error


def needs(references: Iterable[StoredSecret], base: Needs) -> Needs:
    """What a destination has to allow, with what its secrets take."""
    listed = list(references)
    actions = {_ACTIONS[reference.service] for reference in listed}
    resources = {reference.arn for reference in listed}
    roles = {reference.role_arn for reference in listed if reference.role_arn}
    return replace(
        base,
        actions=(*base.actions, *sorted(actions)),
        resources=(*base.resources, *sorted(resources)),
        roles=(*base.roles, *sorted(roles)),
    )


def _content(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise output_error(f"cannot read {place}", error) from error


def _place(folder: Path, path: str) -> Path:
    """Where a file is written: nowhere but right within the folder's own."""
    place = folder / SECRETS_DIR / Path(path).name
    if Path(path) != place or place.parent.is_symlink():
        raise OutputError(f"{path} is no file of {folder / SECRETS_DIR}", "mac writes secrets there alone")
    return place
