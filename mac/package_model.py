"""Packages of standards as values: what mac.yaml pins, what a source holds, what was fetched."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeGuard

from mac.inventory_model import Json
from mac.problems import NOWHERE, Location

SCHEMA_VERSION = 1

KINDS = ("Standard", "StandardTest", "RoutingTest")
"""What a package's documents may be."""

METRICS = "metrics"
"""The folder of a package that has catalogues of metrics, and no documents."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Package:
    """A pin: the Git repository `git` at the commit `revision`, or `distribution` of this `version`.

    `path`: the folder with `standards/` and `metrics/`, from the top. `runbooks`: the address of its pages.
    """

    name: str
    git: str = ""
    revision: str = ""
    distribution: str = ""
    version: str = ""
    path: str = "."
    runbooks: str = ""
    location: Location = NOWHERE

    @property
    def source(self) -> dict[str, str]:
        """What decides on the content."""
        if self.git:
            return {"git": self.git, "revision": self.revision, "path": self.path}
        return {"distribution": self.distribution, "version": self.version, "path": self.path}

    @property
    def pinned_at(self) -> str:
        """The revision or version."""
        return self.revision or self.version


class EntryType(StrEnum):
    FILE = "a file"
    FOLDER = "a folder"
    LINK = "a symbolic link"
    SUBMODULE = "a submodule"
    OTHER = "neither a file nor a folder"


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in a folder of a source. `size` in bytes, of files."""

    name: str
    type: EntryType
    size: int = 0


class Content(Protocol):
    """A source at one revision. Paths are from its top, with "/"; "" is the top."""

    def entries(self, folder: str) -> tuple[Entry, ...] | None:
        """What stands in the folder, no link followed; None when there is no such folder."""

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """The contents of files that `entries` told of."""


class SourceError(Exception):
    """The source does not have what is pinned. `key`: what of the pin is wrong."""

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was fetched: `package.json` of a package's folder. `files`: path in the folder → SHA-256."""

    name: str
    source: Mapping[str, str]
    files: Mapping[str, str]

    @property
    def pinned_at(self) -> str:
        return self.source.get("revision") or self.source.get("version") or ""


def manifest(package: Package, files: Mapping[str, bytes]) -> Manifest:
    hashes = {path: digest(data) for path, data in sorted(files.items())}
    return Manifest(package.name, package.source, hashes)


def as_dict(given: Manifest) -> dict[str, Json]:
    return {
        "schema_version": SCHEMA_VERSION,
        "name": given.name,
        "source": dict(given.source),
        "files": dict(given.files),
    }


def from_dict(value: Json) -> Manifest:
    """Raises ValueError, with a sentence, for what no `mac packages update` writes."""
    if not isinstance(value, dict) or value.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"schema_version is not {SCHEMA_VERSION}")
    name, source, files = value.get("name"), value.get("source"), value.get("files")
    if not isinstance(name, str) or not _are_texts(source) or not _are_texts(files):
        raise ValueError("name, source or files is missing, or holds more than texts")
    for path, hashed in files.items():
        if not all(is_plain(part) for part in path.split("/")) or not _SHA256.fullmatch(hashed):
            raise ValueError(f"{path!r} is not a file of a package with its hash")
    return Manifest(name, source, files)


def _are_texts(value: Json) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_plain(name: str) -> bool:
    """Whether a file or folder of this name can be kept wherever the repository is checked out."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name) is not None and not name.endswith(".")
