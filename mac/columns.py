"""Text in columns, for people."""

from __future__ import annotations

from collections.abc import Iterable


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Columns of text, left-aligned, two spaces apart; no line ends in blanks."""
    listed = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*listed, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in listed)
    return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """A tag is anybody's text: it must break neither a table nor the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
