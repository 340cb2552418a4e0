"""Composes what is asked about what is there, without AWS and without writing anything."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from mac import bind, conventions, coverage, pipeline, snapshot_source


def coverage_of(root: Path, source: snapshot_source.Source | None, today: date) -> coverage.Coverage:
    """How much of the snapshot `source` is watched; of the one that the repository keeps if it is None.

    Raises ProblemsError when the documents or the snapshot cannot be read.
    """
    catalog = pipeline.load(root)
    found = snapshot_source.read(source or root / conventions.SNAPSHOT_DIR, root)
    return coverage.coverage(catalog, found, bind.bind(catalog, found, today), today)
