"""What a YAML parser's complaint means to the person who wrote the text.

Pure: the complaint, its two positions and the lines go in; the place to look at, a sentence and a hint come
out. Lines and columns count from 0, as the parser's do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Position = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Fault:
    line: int
    column: int
    length: int
    message: str
    hint: str = ""


_TEMPLATE_VALUE = re.compile(r"^\s*(?:-\s+)*[^\s:#][^:#]*:\s+(\{\{)")
_UNQUOTED = re.compile(
    r"^\s*(?:-\s+)*(?P<key>[^\s:#\"'][^:]*):\s+(?P<value>[^\s\"'|>\[{#].*: .*|[^\s\"'|>\[{#].*:)$"
)
_AFTER_QUOTE = re.compile(r":\s+(?P<quote>[\"'])")
_NO_SPACE = re.compile(r"^\s*(?:-\s+)?(?P<key>[A-Za-z_][A-Za-z0-9_-]*):(?P<value>[^\s:/].*)$")


def explain(
    problem: str, context: str, at: Position, since: Position | None, lines: tuple[str, ...]
) -> Fault:
    """`problem` at `at`, while the parser was busy with `context` since `since`."""
    line, column = _within(at, lines)
    text = lines[line] if lines else ""
    if "\t" in text[: column + 1] and not text[:column].strip():
        tab = text.index("\t")
        return Fault(line, tab, 1, "a tab cannot indent YAML", "use spaces")
    for recognise in (_unclosed, _unquoted_value, _bad_start, _indentation):
        fault = recognise(problem, context, (line, column), since, lines)
        if fault:
            return fault
    if "<document start>" in problem:
        return Fault(line, column, 1, "text stands behind the end of the document", "one document a file")
    return Fault(line, column, 1, _sentence(problem, context))


def collection_as_key(line: int, column: int, lines: tuple[str, ...]) -> Fault:
    """A mapping or list stands where a key belongs: mostly a template without quotes."""
    if lines[line][:column].endswith("{"):
        return _template(line, column - 1, lines)
    hint = 'a value that begins with "{" or "[" needs quotes'
    return Fault(line, column, 1, "a key must be text, not a mapping or a list", hint)


def _within(at: Position, lines: tuple[str, ...]) -> Position:
    """The parser may point behind the last character: then the last text is what people should look at."""
    line, column = at
    line = min(line, max(len(lines) - 1, 0))
    while line > 0 and column == 0 and not lines[line].strip():
        line -= 1
        column = len(lines[line].rstrip())
    return line, column


def _unclosed(
    problem: str, context: str, at: Position, since: Position | None, lines: tuple[str, ...]
) -> Fault | None:
    if since is None:
        return None
    line, column = since
    if "quoted scalar" in context and "unexpected" in problem:
        quote = lines[line][column : column + 1]
        return Fault(line, column, 1, f"the quote {quote} that opens here is never closed")
    for word, opening, closing in (("flow sequence", "[", "]"), ("flow mapping", "{", "}")):
        if word not in context or "did not find expected" not in problem:
            continue
        if lines[line][column : column + 2] == "{{":
            return _template(line, column, lines)
        if at[0] != line or not lines[at[0]][at[1] :].strip():
            message = f'the "{opening}" that opens here is never closed with "{closing}"'
            return Fault(line, column, 1, message)
        return Fault(*at, 1, f'a "," or "{closing}" is missing before this')
    return None


def _template(line: int, column: int, lines: tuple[str, ...]) -> Fault:
    width = len(lines[line].rstrip()) - column
    return Fault(
        line, column, width, 'a value that begins with "{{" is read as a mapping', "put it in quotes"
    )


def _unquoted_value(
    problem: str, context: str, at: Position, since: Position | None, lines: tuple[str, ...]
) -> Fault | None:
    """The value on this line holds what YAML takes for syntax."""
    line, column = at
    text = lines[line].rstrip()
    if template := _TEMPLATE_VALUE.match(text):
        return _template(line, template.start(1), lines)
    if "mapping values are not allowed" in problem:
        if value := _UNQUOTED.match(text):
            start, end = value.span("value")
            message = 'a value with ": " in it is read as another mapping'
            return Fault(line, start, end - start, message, "put the value in quotes")
        before = lines[line - 1] if line else ""
        if glued := _NO_SPACE.match(before):
            start = glued.end("key")
            return Fault(line - 1, start, 1, 'a space is missing after this ":"')
        if before.strip() and ":" not in before:
            start = len(before) - len(before.lstrip())
            width = len(before.strip())
            return Fault(line - 1, start, width, 'this line is a key without ":"', 'write "key: value"')
        return Fault(
            line,
            column,
            1,
            "this line is indented further than the one that it continues",
            "keys of one mapping stand in the same column",
        )
    if "did not find expected key" in problem and "block mapping" in context:
        quote = _AFTER_QUOTE.search(text[:column])
        closes = text[:column].rstrip().endswith(quote["quote"]) if quote else False
        if quote and closes and text[column:].strip():
            width = len(text) - column
            hint = "quote the whole value; inside of \"…\" a quote is written \\\", inside of '…' it is ''"
            return Fault(line, column, width, "this stands behind the closing quote of the value", hint)
    return None


def _bad_start(
    problem: str, context: str, at: Position, since: Position | None, lines: tuple[str, ...]
) -> Fault | None:
    line, column = at
    text = lines[line]
    character = text[column : column + 1]
    if "cannot start any token" in problem:
        width = max(len(text.rstrip()) - column, 1)
        return Fault(line, column, width, f'a value cannot begin with "{character}"', "put it in quotes")
    if "alphabetic or numeric character" in problem and since is not None:
        sign = lines[since[0]][since[1] : since[1] + 1]
        kind = "alias" if sign == "*" else "anchor"
        message = f'"{sign}" begins an {kind}, and no name follows'
        return Fault(*since, 1, message, "put the value in quotes")
    if "escape character" in problem or "escape code" in problem:
        hint = "write \\\\ for a backslash, or use single quotes"
        return Fault(line, max(column, 0), 2, "this is no escape that YAML knows", hint)
    if "unexpected ':'" in problem:
        return Fault(line, column, 1, 'a space or a value is missing behind this ":"')
    if "block sequence entries are not allowed" in problem:
        return Fault(line, column, 1, 'a list item "- " cannot begin here', "begin the list on a new line")
    return None


def _indentation(
    problem: str, context: str, at: Position, since: Position | None, lines: tuple[str, ...]
) -> Fault | None:
    line, column = at
    if "could not find expected ':'" in problem and since is not None:
        start = since[0]
        text = lines[start]
        width = max(len(text.rstrip()) - since[1], 1)
        return Fault(start, since[1], width, 'this line is a key without ":"', 'write "key: value"')
    if "did not find expected key" in problem or "did not find expected '-'" in problem:
        width = max(len(lines[line].rstrip()) - column, 1)
        what = "a key" if "key" in problem else 'a list item "- "'
        where = f"; the block that it breaks begins on line {since[0] + 1}" if since else ""
        return Fault(line, column, width, f"{what} was expected here{where}", "check the indentation")
    return None


def _sentence(problem: str, context: str) -> str:
    return f"{problem}, {context}" if context else (problem or "the text is not YAML")
