"""An installed Python distribution, as a source of files: what its record names, and as it was installed."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mac.package_model import Entry, EntryType, SourceError


@dataclass(frozen=True, slots=True)
class Distribution:
    """`root`: where it was installed. `record`: path below it → the hash that it was installed with."""

    name: str
    root: Path
    record: Mapping[str, metadata.FileHash | None]

    def entries(self, folder: str) -> tuple[Entry, ...] | None:
        """What its record names in a folder. Raises SourceError for a file that is not there."""
        start = f"{folder}/" if folder else ""
        below = {path.removeprefix(start).partition("/") for path in self.record if path.startswith(start)}
        if not below:
            return None
        return tuple(
            Entry(name, EntryType.FOLDER) if rest else self._entry(f"{start}{name}", name)
            for name, rest in sorted({(name, bool(rest)) for name, _, rest in below})
        )

    def _entry(self, path: str, name: str) -> Entry:
        place = self.root / path
        try:
            status = place.lstat()
            linked = place.resolve() != self.root.resolve() / path
        except (OSError, RuntimeError) as error:
            raise self._changed(path, "cannot be read") from error
        if linked:
            return Entry(name, EntryType.LINK)
        kind = EntryType.FILE if stat.S_ISREG(status.st_mode) else EntryType.OTHER
        return Entry(name, kind, status.st_size)

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """The contents of files. Raises SourceError for one that was changed after it was installed."""
        contents = {}
        for path in paths:
            try:
                descriptor = os.open(self.root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                with os.fdopen(descriptor, "rb") as file:
                    data = file.read()
            except OSError as error:
                raise self._changed(path, "cannot be read") from error
            expected = self.record[path]
            if expected is not None and expected.value != _hash(expected.mode, data):
                raise self._changed(path, "is not what was installed")
            contents[path] = data
        return contents

    def _changed(self, path: str, what: str) -> SourceError:
        return SourceError("distribution", f"{path} of {self.name} {what}", f"install {self.name} again")


def _hash(algorithm: str, data: bytes) -> str:
    """As records spell it. Empty for an algorithm that is not known."""
    if algorithm not in hashlib.algorithms_available:
        return ""
    hashed = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()


def installed(name: str, version: str) -> Distribution:
    """The distribution that the running Python has. Raises SourceError when that is another version."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        hint = f"install {name}=={version} beside mac"
        raise SourceError("distribution", f"{name} is not installed beside mac", hint) from None
    if found.version != version:
        message = f"the {name} that is installed is {found.version}, not {version}"
        raise SourceError("version", message, "install that version, or pin this one")
    if found.files is None:
        raise SourceError("distribution", f"{name} was installed without a record of its files")
    # What begins with ".." are programs and the like, outside of the place for packages.
    record = {file.as_posix(): file.hash for file in found.files if ".." not in file.parts}
    return Distribution(name, Path(str(found.locate_file(""))), record)
