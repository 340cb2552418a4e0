"""Composes the reading of the inventory: what `mac inventory` does, and what a run begins with."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mac import collect, conventions, guards, incomplete, lock, snapshot, snapshot_source, write
from mac.giving_way import GivingWay
from mac.model import Catalog, Scope, Snapshot
from mac.problems import Problem
from mac.run import Progress, Request, silent


def take(
    root: Path,
    catalog: Catalog,
    *,
    to: Path | None = None,
    allow_shrink: bool = False,
    progress: Progress = silent,
) -> Snapshot:
    """Reads AWS and writes the snapshot: to the monitoring repository, or to the file `to`.

    `allow_shrink`: an organization may have lost any number of its accounts.
    """
    progress("inventory", "asking AWS")
    with lock.locked(root, lock.WAIT, lambda holder: progress("wait", f"for {holder}")):
        write.recover(root)
        stored = root / conventions.SNAPSHOT_DIR
        found = _ask_aws(catalog, stored, datetime.now(UTC), progress, everything=allow_shrink)
        if to is not None:
            write.replace_file(to, snapshot_source.encode(found, to))
        else:
            files, owned = snapshot.stored_files(found), snapshot.stored(root)
            write.write(root, files, owned, remove=owned - files.keys())
        return found


def observe(root: Path, catalog: Catalog, progress: Progress = silent) -> Snapshot:
    """The inventory as AWS tells it now; nothing is written."""
    progress("inventory", "asking AWS")
    return _ask_aws(catalog, root / conventions.SNAPSHOT_DIR, datetime.now(UTC), progress)


def requested(
    request: Request, catalog: Catalog, homes: Iterable[Path], progress: Progress
) -> tuple[Snapshot, list[Problem]]:
    """What is there, by AWS or by the snapshot that was given, and what of it could not be read.

    `homes`: where the last snapshot may be kept; the first one that has it counts.
    """
    progress("inventory", "reading the snapshot" if request.snapshot else "asking AWS")
    if request.snapshot:
        state = snapshot_source.read(request.snapshot, request.root)
    else:
        kept = [home / conventions.SNAPSHOT_DIR for home in homes]
        last = next((folder for folder in kept if folder.exists()), kept[0])
        everything = guards.ACCOUNTS in request.allow
        state = _ask_aws(
            catalog,
            last,
            request.now,
            progress,
            everything=everything,
            only=request.only,
            giving_way=request.giving_way,
        )
        if guards.STALE not in request.allow:
            incomplete.refuse_silence(state)
    return state, [
        *incomplete.problems(state),
        *incomplete.outdated(state, catalog.inventory, request.now),
    ]


def _ask_aws(
    catalog: Catalog,
    stored: Path,
    now: datetime,
    progress: Progress,
    *,
    everything: bool = False,
    only: frozenset[Scope] | None = None,
    giving_way: GivingWay | None = None,
) -> Snapshot:
    last = snapshot.read(stored) if stored.exists() else Snapshot()
    start = time.monotonic()
    config = replace(catalog.inventory, largest_loss=1.0) if everything else catalog.inventory
    return collect.collect(
        config,
        last,
        now=now,
        only=only,
        giving_way=giving_way,
        progress=lambda step: progress("inventory", step.text(time.monotonic() - start)),
    )
