"""Targets that are kept outside of Git: a second folder with the same names, and its own provenance. Pure.

What changes with every machine would otherwise be most of the history; rules are always in Git.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mac import conventions, emit

Files = Mapping[str, bytes]
Tree = tuple[Files, Mapping[str, Any]]


def is_target(path: str) -> bool:
    """Whether a generated file lists targets."""
    return conventions.is_targets_file(path)


def is_apart(path: str) -> bool:
    """Whether the second folder has a file of that name."""
    return is_target(path) or path == conventions.PROVENANCE


def parted(files: Files) -> tuple[Files, Files]:
    """(what is in Git, what is outside of it). Each part has its own provenance; that in Git does not say of
    which snapshot it is, which would change it with every machine.
    """
    whole = emit.read_json(files[conventions.PROVENANCE])
    entries = whole["files"]
    inside = {key: value for key, value in whole.items() if key != "snapshot"}
    inside["files"] = {path: entry for path, entry in entries.items() if not is_target(path)}
    beyond = {**whole, "inputs": {}, "files": {p: e for p, e in entries.items() if is_target(p)}}
    targets = _targets(files)
    rest = {path: content for path, content in files.items() if path not in targets}
    return (
        {**rest, conventions.PROVENANCE: emit.json_pretty(inside)},
        {**targets, conventions.PROVENANCE: emit.json_pretty(beyond)},
    )


def joined(inside: Tree, beyond: Tree) -> Tree:
    """Both parts as one tree. Targets that Git still has, from before they were kept outside, count until the
    second folder has them.
    """
    entries = {**inside[1].get("files", {}), **beyond[1].get("files", {})}
    provenance = {**beyond[1], **inside[1], "files": entries}
    if "snapshot" in beyond[1]:
        provenance["snapshot"] = beyond[1]["snapshot"]
    return {**beyond[0], **inside[0], **_targets(beyond[0])}, provenance if entries else {}


def _targets(files: Files) -> Files:
    return {path: content for path, content in files.items() if is_target(path)}
