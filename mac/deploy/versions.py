"""Versions of a folder that a server reads: complete directories, and links that say which one counts.

    versions/0007-3f9c01d2ab44/    the files, and .mac.json, which says what they are
    current                        a link to the version that the server reads
    verified                       a link to the last version that a server was seen to run

A version is complete before it has its name, and is never changed. A link is replaced by one rename. So after
a kill at any moment a server finds a whole version, and the next run sees how far this one came.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mac import emit, lock
from mac.exchange import sync_file, sync_folder, write_all
from mac.problems import OutputError

MANIFEST = ".mac.json"
CURRENT = "current"
VERIFIED = "verified"

_VERSIONS = "versions"
_DRAFT = ".draft-"
_NAME = re.compile(r"(\d{4,})-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its name, the commit that it was first deployed from, and path → hash of its files."""

    name: str
    revision: str
    files: Mapping[str, str]

    @property
    def number(self) -> int:
        return _number(self.name)


def _number(name: str) -> int:
    return int(name.partition("-")[0])


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hashes(files: Mapping[str, bytes]) -> Mapping[str, str]:
    return {path: hash_of(content) for path, content in files.items()}


def digest(hashed: Mapping[str, str]) -> str:
    """One hash for a set of files."""
    return hash_of(emit.json_line(dict(sorted(hashed.items()))))


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions in one folder. Every method raises OutputError for what the file system refuses."""

    folder: Path

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone, and with what a killed run left cleared away. Makes the folder when it is not there."""
        try:
            self._all.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise lock.output_error(f"cannot make {self._all}", error) from error
        with lock.locked(self.folder, lock.WAIT):
            with self._told("clear up"):
                for place in (self.folder, self._all):
                    for name in os.listdir(place):
                        if name.startswith(_DRAFT):
                            _delete(place / name)
            yield

    def linked(self, link: str) -> Version | None:
        """The version that a link leads to; None when there is none, or when its directory is not whole."""
        place = self.folder / link
        if not place.is_symlink():
            if place.exists():
                message = f"{place} is not a link, and was not made by mac"
                raise OutputError(message, "move it away, or name another folder in mac.yaml")
            return None
        with self._told(f"read {place}"):
            target = PurePosixPath(os.readlink(place))
        return self._read(target.name) if str(target.parent) == _VERSIONS else None

    def switched(self) -> float:
        """When `current` was made to lead where it does, in seconds since 1970; 0 when it is not there."""
        with suppress(OSError):
            return (self.folder / CURRENT).lstat().st_mtime
        return 0.0

    def path(self, version: Version) -> Path:
        return self._all / version.name

    def content(self, version: Version) -> Mapping[str, str]:
        """Path → hash of the files that really stand there: somebody may have changed them."""
        return hashes(self.read(version))

    def read(self, version: Version) -> Mapping[str, bytes]:
        """The files that really stand there. What somebody made a link of has its place as content, and what
        is neither file nor folder has none.
        """
        folder = self.path(version)
        found = {}
        with self._told(f"read {folder}"):
            for here, folders, names in os.walk(folder, onerror=_raise):
                # A server follows links to folders, which the walk does not.
                for name in (*names, *(name for name in folders if os.path.islink(os.path.join(here, name)))):
                    place = Path(here, name)
                    path = place.relative_to(folder).as_posix()
                    if path != MANIFEST and not name.startswith(_DRAFT):
                        found[path] = _content(place)
        return found

    def draft(self, revision: str, files: Mapping[str, bytes]) -> Path:
        """A directory with these files, complete and on the disk, that nobody reads yet."""
        draft = self._all / f"{_DRAFT}{secrets.token_hex(6)}"
        try:
            with self._told("write a new version in"):
                self._fill(draft, revision, files)
        except OutputError:
            _delete(draft)  # on a full disk it would keep others from writing
            raise
        return draft

    def _fill(self, draft: Path, revision: str, files: Mapping[str, bytes]) -> None:
        os.mkdir(draft)
        for path, content in files.items():
            place = draft / _checked(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            write_all(place, content)
            sync_file(place)
        known = hashes(dict(sorted(files.items())))
        write_all(draft / MANIFEST, emit.json_pretty({"revision": revision, "files": known}))
        sync_file(draft / MANIFEST)
        for here, _, _ in os.walk(draft):
            sync_folder(Path(here))

    def keep(self, draft: Path) -> Version:
        """Makes a version of a draft."""
        made = _manifest(draft)
        if made is None:
            raise OutputError(f"{draft} is not whole")
        number = max((_number(name) for name in self._names()), default=0) + 1
        name = f"{number:04d}-{digest(made.files)[:12]}"
        with self._told("keep a new version in"):
            os.rename(draft, self._all / name)
            sync_folder(self._all)
        return Version(name, made.revision, made.files)

    def discard(self, draft: Path) -> None:
        _delete(draft)

    def like(self, files: Mapping[str, bytes]) -> Version | None:
        """The newest version that has exactly these files, untouched."""
        wanted = hashes(files)
        for version in reversed(self.all()):
            if version.files == wanted and self.content(version) == wanted:
                return version
        return None

    def all(self) -> tuple[Version, ...]:
        """Every version, the oldest first."""
        found = [version for name in self._names() if (version := self._read(name)) is not None]
        return tuple(sorted(found, key=lambda version: version.number))

    def _names(self) -> list[str]:
        """Also of directories that somebody has left without what says what they are."""
        if not self._all.is_dir():
            return []
        with self._told("list"):
            return [name for name in os.listdir(self._all) if _NAME.fullmatch(name)]

    def link(self, link: str, version: Version) -> None:
        """Makes a link lead to a version, in one step."""
        draft = self.folder / f"{_DRAFT}{link}"
        with self._told("switch"):
            with suppress(FileNotFoundError):
                os.unlink(draft)
            os.symlink(f"{_VERSIONS}/{version.name}", draft)
            os.rename(draft, self.folder / link)
            sync_folder(self.folder)

    def stir(self, version: Version) -> None:
        """Makes something happen in each directory of a version, for a server that watches them and not the
        link on the way there. As far as it goes: such a server looks by itself as well.
        """
        places = sorted({(self.path(version) / path).parent for path in version.files})
        with suppress(OSError):
            for place in places:
                (place / f"{_DRAFT}stirred").touch()
                (place / f"{_DRAFT}stirred").unlink()

    def prune(self, keep: int) -> None:
        """Deletes all but the newest `keep` versions; those that a link leads to stay."""
        linked = {v.name for link in (CURRENT, VERIFIED) if (v := self.linked(link))}
        with self._told("remove an old version of"):
            for version in self.all()[:-keep]:
                if version.name not in linked:
                    draft = self._all / f"{_DRAFT}{version.name}"
                    os.rename(self._all / version.name, draft)  # never half a version under its name
                    _delete(draft)

    @property
    def _all(self) -> Path:
        return self.folder / _VERSIONS

    def _read(self, name: str) -> Version | None:
        found = _manifest(self._all / name) if _NAME.fullmatch(name) else None
        return Version(name, found.revision, found.files) if found else None

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = doing if str(self.folder) in doing else f"{doing} {self.folder}"
            raise lock.output_error(f"cannot {what}", error) from error


def _manifest(folder: Path) -> Version | None:
    try:
        raw = emit.read_json((folder / MANIFEST).read_bytes())
        return Version(folder.name, str(raw["revision"]), {str(k): str(v) for k, v in raw["files"].items()})
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    except OSError as error:
        raise lock.output_error(f"cannot read {folder / MANIFEST}", error) from error


def _content(place: Path) -> bytes:
    mode = os.lstat(place).st_mode
    if stat.S_ISLNK(mode):
        return os.fsencode(os.readlink(place))
    return place.read_bytes() if stat.S_ISREG(mode) else b""  # a pipe would be waited for


def _checked(path: str) -> str:
    """Whatever a name contains, it stays within the version."""
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\0" in path or pure.name == MANIFEST:
        raise OutputError(f"{path!r} is not a path within a version")
    return path


def _delete(place: Path) -> None:
    """As far as it goes: the next run tries again."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with suppress(OSError):
            os.unlink(place)


def _raise(error: OSError) -> None:
    if error.errno != errno.ENOENT:
        raise error
