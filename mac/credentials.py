"""What looks like a credential in any text, and where. Pure.

Few patterns, each of something that has no other meaning: a find stops a run, so what is merely random does
not count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

FINGERPRINT = 12
"""Hexadecimal digits by which a find is named without being shown."""


@dataclass(frozen=True, slots=True)
class Find:
    """A credential in a file: its place (from 1), what it seems to be, and its fingerprint."""

    path: str
    line: int
    column: int
    length: int
    what: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Pattern:
    """`marks`: bytes of which one is in every match; looking for them is far faster than the expression.

    The group `value`, else the whole match, is the credential.
    """

    what: str
    marks: tuple[bytes, ...]
    expression: re.Pattern[bytes]


def _pattern(what: str, marks: str, expression: str) -> _Pattern:
    return _Pattern(what, tuple(m.encode() for m in marks.split()), re.compile(expression.encode()))


TOKEN = r"\b(?:xox[abeprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[oprsu]_[A-Za-z0-9]{30,})"  # noqa: S105
"""Tokens that stand in documents too."""
TOKEN_PATHS = (
    r"(?:hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/"  # noqa: S105
    r"|api\.telegram\.org/bot|outlook\.office\.com/webhook/)"
)
"""Addresses whose path is the secret."""

# A key that names a secret, as JSON and YAML write it, and a value that is one: no path, no reference.
_NAMED = (
    r"(?i)[\"']?(?<![A-Za-z0-9])(?:password|passwd|secret|token|api[_-]?key|(?:secret[_-]?)?access[_-]?key"
    r"|private[_-]?key|client[_-]?secret)[\"']?[ \t]*[:=][ \t]*[\"'](?P<value>(?!arn:|https?:|[/$<{*])"
    r"[^\s\"'\\]{8,})[\"']"
)
_PATTERNS = (
    _pattern("a token", "xox AKIA ASIA gho_ ghp_ ghr_ ghs_ ghu_", TOKEN),
    _pattern("a token of GitHub", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{40,}"),
    _pattern("a token of GitLab", "glpat- gldt- glrt-", r"\bgl(?:pat|dt|rt)-[A-Za-z0-9_-]{20,}"),
    _pattern("a token of Grafana", "glsa_ glc_", r"\bgl(?:sa_[A-Za-z0-9]{32}_[a-f0-9]{8}|c_[\w+/=]{40,})"),
    _pattern("an API key of Google", "AIza", r"\bAIza[A-Za-z0-9_-]{35}"),
    _pattern("a key of Stripe", "_live_", r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    _pattern("a JSON web token", "eyJ", r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    _pattern("a private key", "PRIVATE", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    _pattern("an address with a token", "hooks. discord webhook telegram", TOKEN_PATHS + r"\w[^\s\"']{8,}"),
    _pattern("an address with a password", "://", r"://[^/\s@:\"'<{]*:(?P<value>[^/\s@\"'<{]{3,})@"),
    _pattern("a secret", "assw ecret oken key KEY OKEN ECRET ASSW Key", _NAMED),
)  # fmt: skip


def find(path: str, content: bytes) -> Iterator[Find]:
    """Everything in a file that looks like a credential, by place."""
    found: dict[tuple[int, int], str] = {}
    for pattern in _PATTERNS:
        if any(mark in content for mark in pattern.marks):
            for match in pattern.expression.finditer(content):
                group = "value" if "value" in pattern.expression.groupindex else 0
                found.setdefault(match.span(group), pattern.what)
    end = 0
    for (start, stop), what in sorted(found.items()):
        if start < end:
            continue  # within what was told
        end = stop
        begin = content.rfind(b"\n", 0, start) + 1
        yield Find(
            path=path,
            line=content.count(b"\n", 0, start) + 1,
            column=len(content[begin:start].decode("utf-8", "replace")) + 1,
            length=stop - start,
            what=what,
            fingerprint=hashlib.sha256(content[start:stop]).hexdigest()[:FINGERPRINT],
        )


def masked(text: str) -> str:
    """A text with stars in place of everything in it that looks like a credential."""
    lines = text.encode("utf-8", "replace").decode().split("\n")
    for found in find("", "\n".join(lines).encode()):
        if found.length and found.line <= len(lines):
            line, start = lines[found.line - 1], found.column - 1
            lines[found.line - 1] = line[:start] + "*" * found.length + line[start + found.length :]
    return "\n".join(lines)


def in_files(files: Mapping[str, bytes]) -> Iterator[Find]:
    """The same for many files, in the order of their paths."""
    for path in sorted(files):
        yield from find(path, files[path])
