"""What a server said of the past, kept on disk: it does not change, and asking again costs the server.

One file an answer, below a folder for the server. A file that cannot be read is as good as none. The cache
may hold what metrics hold: it is readable by its owner alone.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import tempfile
import time
from pathlib import Path

from mac import emit
from mac.model import Json

_VERSION = "1"
_KEPT = 30 * 24 * 3600.0  # seconds; a file that was not written since is removed
_SUFFIX = ".json.gz"


def default_folder() -> Path:
    """`mac/history` in the user's cache folder, as the XDG specification has it."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if named.startswith("/") else Path.home() / ".cache") / "mac" / "history"


class Cache:
    """Answers of one server. May be used from several threads and by several processes.

    `server`: its address and tenant, which no two servers share.
    """

    def __init__(self, folder: Path, server: str) -> None:
        self._folder = folder / _digest(server)

    def get(self, question: str) -> Json | None:
        """The answer, None when there is none."""
        try:
            kept = emit.read_json(gzip.decompress(self._path(question).read_bytes()))
        except (OSError, EOFError, ValueError):
            return None
        fits = isinstance(kept, dict) and kept.get("question") == question
        return kept.get("answer") if fits else None

    def put(self, question: str, answer: Json) -> None:
        """Keeps an answer. Where it cannot be written, it is not kept; that is no failure."""
        content = gzip.compress(emit.json_line({"question": question, "answer": answer}), 1, mtime=0)
        path = self._path(question)
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                os.replace(name, path)
            except OSError:
                os.unlink(name)
                raise

    def clear(self) -> int:
        """Forgets everything of this server; how many answers that was."""
        return self._remove(float("inf"))

    def prune(self) -> int:
        """Forgets what was not asked for a month."""
        return self._remove(time.time() - _KEPT)

    def _remove(self, before: float) -> int:
        removed = 0
        for path in self._folder.glob(f"*/*{_SUFFIX}"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
        return removed

    def _path(self, question: str) -> Path:
        name = _digest(f"{_VERSION} {question}")
        return self._folder / name[:2] / f"{name[2:]}{_SUFFIX}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
