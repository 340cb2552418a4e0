"""What goes into Git's messages and what comes out of them: trailers, and words that are safe to show."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mac import credentials
from mac.problems import GitError

_USER_INFO = re.compile(r"(?<=://)[^/\s]*@")
_TOKEN = re.compile(r"(?i)([?&][a-z_-]*(?:token|password|secret|key)=)[^&\s'\"]+")
_AUTHORIZATION = re.compile(r"(?i)(authorization:\s*\w+\s+)\S+")
_TRAILER_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


def redact(text: str) -> str:
    """The text without the user names, passwords and tokens that its URLs and headers carry."""
    text = _USER_INFO.sub("***@", text)
    return _AUTHORIZATION.sub(r"\1***", _TOKEN.sub(r"\1***", text))


def shown(data: bytes, limit: int = 2000) -> str:
    """Git's, a hook's or a remote's words, the end if long: without credentials, and what would steer a
    terminal.
    """
    text = redact(data.decode("utf-8", "replace"))
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)
    # A carriage return within a line overwrites a progress display: what it showed last counts.
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    lines = ["".join(c if c.isprintable() or c == "\t" else "?" for c in line) for line in lines]
    whole = credentials.masked("\n".join(line for line in lines if line))
    return whole if len(whole) <= limit else "…" + whole[-limit:]


def trailers(message: str, values: Mapping[str, str]) -> str:
    """The message with one "Key: value" line for each value, as git interpret-trailers reads them.

    A value is folded into one line. Raises ValueError for a key that is none and for an empty message.
    """
    body = message.strip()
    if not body:
        raise ValueError("a commit needs a message")
    lines = []
    for key, value in values.items():
        if not _TRAILER_KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a trailer key")
        lines.append(f"{key}: {' '.join(value.split())}")
    return "\n\n".join([body, "\n".join(lines)] if lines else [body]) + "\n"


def blobs_in(batch: bytes) -> Mapping[bytes, bytes]:
    """Contents by object id, out of `git cat-file --batch`. Raises GitError for an object that is broken."""
    contents: dict[bytes, bytes] = {}
    start = 0
    while start < len(batch):
        end = batch.index(b"\n", start)
        blob, kind, *size = batch[start:end].split(b" ")
        if kind != b"blob":
            raise GitError(f"object {blob.decode()} of the repository cannot be read", "try `git fsck`")
        start = end + 1 + int(size[0])
        contents[blob] = batch[end + 1 : start]
        start += 1
    return contents
