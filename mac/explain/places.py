"""Which value of a YAML or JSON text stands on a line, and on which line a value stands. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mac import emit, source
from mac.source import Node, Pointer

_LARGE = 200_000  # bytes: of more than that only the item of the line is read
_ITEM = "  - "  # as mac's templates indent the items of their lists


def pointer_at(document: source.Document, line: int, column: int = 0) -> Pointer:
    """The innermost value on a line, or at a column of it; for a blank line or a comment what encloses it.

    Lines and columns count from 1. () is the whole document.
    """
    starts = sorted(set(_starts(document.top, ())))
    text = document.lines[line - 1] if line <= len(document.lines) else ""
    here = [(at, pointer) for n, at, pointer in starts if n == line and (not column or at <= column)]
    if here and column:
        return here[-1][1]
    if here:
        return _common([pointer for _, pointer in here])
    before = [(at, pointer) for n, at, pointer in starts if n < line]
    if not before:
        return ()
    at, pointer = before[-1]
    if text.strip() and not text.lstrip().startswith("#"):
        return pointer
    # What is indented as deeply as its neighbours belongs to what encloses them.
    columns = {known: start for start, known in before}
    if not text.strip():
        following = (after for after in document.lines[line:] if after.strip())
        text = next(following, "")
    indent = len(text) - len(text.lstrip())
    if text.lstrip().startswith("- "):
        indent += 1
    while pointer and columns.get(pointer, at) - 1 >= indent:
        pointer = pointer[:-1]
    return pointer


def _starts(node: Node, at: Pointer) -> Iterator[tuple[int, int, Pointer]]:
    """(line, column, pointer) of every key and item."""
    for key, child in node.children.items():
        pointer = (*at, key)
        place = node.keys[key] if isinstance(key, str) and key in node.keys else child.place
        yield place.line, place.column, pointer
        if child.place.line >= place.line:  # else it is an alias, and stands elsewhere
            yield from _starts(child, pointer)


def _common(pointers: Sequence[Pointer]) -> Pointer:
    """The innermost of nested ones; of neighbours what holds them all."""
    longest = max(pointers, key=len)
    while not all(p == longest[: len(p)] or longest == p[: len(longest)] for p in pointers):
        longest = longest[:-1]
    return longest


def generated(content: bytes, path: str, line: int) -> tuple[Pointer, source.Document | None]:
    """The value on a line of a generated file, and the file read with its places.

    Of a long list in YAML only the item of the line is read: it stands alone in the document that is given,
    while the pointer counts all.
    """
    lines = content.decode("utf-8", "replace").split("\n")
    if path.endswith(".json") and (row := json_row(lines, line)) is not None:
        return (row,), None
    first = 0
    if len(content) > _LARGE and not path.endswith(".json"):
        cut = _item(lines, line)
        if cut is not None:
            first, lines, line = cut
            content = "\n".join(lines).encode()
    document, _ = source.parse(content, path)
    if document is None:
        return (), None
    pointer = pointer_at(document, line)
    if first and len(pointer) > 1 and pointer[1] == 0:
        pointer = (pointer[0], first - 1, *pointer[2:])
    return pointer, document


def json_row(lines: Sequence[str], line: int) -> int | None:
    """Which element of a JSON list stands on a line, when each has a line of its own."""
    if not lines or lines[0].strip() != "[" or not 1 < line <= len(lines):
        return None
    try:
        emit.read_json(lines[line - 1].rstrip().removesuffix(","))
    except ValueError:
        return None
    return line - 2


def _item(lines: Sequence[str], line: int) -> tuple[int, list[str], int] | None:
    """The item of a list that has the line, alone under its key: (its number from 1, lines, line in them)."""
    top = next((n for n in range(line - 1, -1, -1) if lines[n] and lines[n][0] not in " #-"), None)
    if top is None:
        return None
    start = next((n for n in range(line - 1, top, -1) if lines[n].startswith(_ITEM)), None)
    if start is None:
        return None
    ends = (n for n in range(start + 1, len(lines)) if _ends(lines[n]))
    end = next(ends, len(lines))
    number = sum(1 for n in range(top + 1, start + 1) if lines[n].startswith(_ITEM))
    return number, [lines[top], *lines[start:end]], line - start + 1


def _ends(line: str) -> bool:
    return line.startswith(_ITEM) or bool(line and line[0] not in " #")


# --- from a value to its line ------------------------------------------------------------------------


def rule_lines(lines: Sequence[str], key: str, name: str) -> tuple[int, ...]:
    """The lines of a rule file on which a rule's name stands, in their order. `key`: alert or record."""
    wanted = re.compile(rf"""\s*(- )?{key}: ["']?{re.escape(name)}["']?\s*""")
    return tuple(n for n, line in enumerate(lines, 1) if wanted.fullmatch(line))


def line_with(lines: Sequence[str], *words: str) -> int:
    """The first line on which all these texts stand in quotes; 0 for none."""
    quoted = [emit.json_escaped(word) for word in words]
    return next((n for n, line in enumerate(lines, 1) if all(word in line for word in quoted)), 0)


def template_place(lines: Sequence[str], generated_line: str, key: str) -> tuple[int, int]:
    """(line, column) in a template of what wrote a line of its output: the same text, else where the value of
    `key` is printed; (0, 0) when it is not found.
    """
    if generated_line.strip():
        for n, line in enumerate(lines, 1):
            if line == generated_line and "<<" not in line and "<%" not in line:
                return n, len(line) - len(line.lstrip()) + 1
    names = [key, "document"]
    for n, line in enumerate(lines, 1):
        loop = re.search(rf"<%-?\s*for\s+(\w+)\s+in\s+{re.escape(key)}\b", line)
        if loop:
            names.insert(0, loop[1])
        printed = re.search(rf"<<-?\s*({'|'.join(map(re.escape, names))})\b", line)
        if printed:
            return n, printed.start() + 1
    return 0, 0
