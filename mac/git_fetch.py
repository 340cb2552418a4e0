"""A commit of another repository, fetched by its hash into a folder that goes afterwards.

Nothing of it is checked out or run: no hooks, no submodules, no filters. Git's credentials and settings count
as for the user's own fetches. Only https and ssh are spoken, unless the user's protocol policy
(GIT_ALLOW_PROTOCOL, or protocol.<name>.allow) names others.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mac.git_command import Answer, run
from mac.git_text import blobs_in, redact, shown
from mac.package_model import Entry, EntryType, SourceError
from mac.problems import GitError

FETCH_TIMEOUT = 120.0
"""Seconds after which a fetch that has not ended is ended."""

MAX_PACK = 50_000_000
"""Bytes that a commit with all its files may take, as git packs them."""

_READ_TIMEOUT = 30.0
_SHA256_DIGITS = 64
_SETTINGS = (
    *("-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "-c", "protocol.ssh.allow=always"),
    *("-c", "protocol.version=2"),  # so that servers give any commit
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "fetch.unpackLimit=1"),  # one file, so that its size has a limit
    *("-c", "core.bigFileThreshold=1m"),  # larger ones are not held in memory
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false"),
)
_TYPES = {"tree": EntryType.FOLDER, "commit": EntryType.SUBMODULE}
_LINK = "120000"


def _run(
    folder: Path,
    *arguments: str,
    stdin: bytes = b"",
    timeout: float = _READ_TIMEOUT,
    file_limit: int | None = None,
) -> Answer:
    """In the repository of this folder, which is looked for nowhere else."""
    return run(
        folder, "--git-dir=.", *_SETTINGS, *arguments, stdin=stdin, timeout=timeout, file_limit=file_limit
    )


@dataclass(frozen=True, slots=True)
class Commit:
    """The content of a fetched commit; of use until its folder goes."""

    _folder: Path
    _sha: str
    _blobs: dict[str, bytes] = field(default_factory=dict)  # path → object

    def entries(self, folder: str) -> tuple[Entry, ...] | None:
        """What stands in a folder. Raises GitError."""
        answer = _run(self._folder, "ls-tree", "-z", "-l", f"{self._sha}:{folder}")
        if answer.code != 0:
            return None
        found = []
        for line in answer.names:
            about, name = line.split("\t", 1)
            mode, kind, blob, size = about.split()
            if kind == "blob":
                self._blobs[f"{folder}/{name}" if folder else name] = blob.encode()
                found.append(Entry(name, EntryType.LINK if mode == _LINK else EntryType.FILE, int(size)))
            else:
                found.append(Entry(name, _TYPES.get(kind, EntryType.OTHER)))
        return tuple(found)

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """The contents of files that `entries` told of. Raises GitError."""
        wanted = {path: self._blobs[path] for path in paths}
        asked = b"".join(blob + b"\n" for blob in sorted(set(wanted.values())))
        answer = _run(self._folder, "cat-file", "--batch", stdin=asked)
        if answer.code != 0:
            raise GitError(f"git cat-file failed: {shown(answer.err)}")
        contents = blobs_in(answer.out)
        return {path: contents[blob] for path, blob in wanted.items()}


@contextmanager
def commit(address: str, sha: str, *, timeout: float = FETCH_TIMEOUT) -> Iterator[Commit]:
    """The commit with this whole hash. Raises GitError when git refuses or the time is over, SourceError when
    the repository does not have it.
    """
    with tempfile.TemporaryDirectory(prefix="mac-package-") as name:
        folder = Path(name)
        form = "sha256" if len(sha) == _SHA256_DIGITS else "sha1"
        made = run(folder, *_SETTINGS, "init", "--quiet", "--bare", "--template=", f"--object-format={form}")
        if made.code != 0:
            raise GitError(f"git cannot make a repository: {shown(made.err)}")
        _fetch(folder, address, sha, timeout)
        yield Commit(folder, sha)


def _fetch(folder: Path, address: str, sha: str, timeout: float) -> None:
    answer = _run(
        folder,
        *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules"),
        *("--no-auto-maintenance", "--end-of-options", address, sha),
        timeout=timeout,
        file_limit=MAX_PACK,
    )
    where = redact(address)
    if answer.code != 0:
        if any(pack.stat().st_size >= MAX_PACK for pack in folder.glob("objects/pack/tmp_pack_*")):
            message = f"{where} is larger than {MAX_PACK / 1e6:.0f} MB at this revision"
            raise SourceError("git", message, "keep standards in a repository of their own")
        words = shown(answer.err)
        if "not our ref" in words or "unadvertised object" in words:
            message = f"{where} has no commit {sha}"
            hint = "is it pushed? a server may also refuse what no branch or tag holds"
            raise SourceError("revision", message, hint)
        hint = ""
        if "transport" in words and "not allowed" in words:
            hint = "packages come over https or ssh; GIT_ALLOW_PROTOCOL in the environment names others"
        raise GitError(f"cannot fetch from {where}: {words}", hint)
    if _run(folder, "cat-file", "-t", sha).line != "commit":
        raise SourceError("revision", f"{sha} is not a commit of {where}", "a tag has the hash of a commit")
