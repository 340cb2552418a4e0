"""Problems for people, programs and GitHub. Pure: texts in, texts out."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mac import emit
from mac.problems import Location, Problem, Severity, ordered

Sources = Mapping[str, Sequence[str]]
"""Path as Locations have it → the file's lines."""

_ALIKE = 10  # warnings of one code about the fleet that are shown; the rest is counted
_FLEET = re.compile(r"arn:|\d{12}/")
"""What begins so is no file: a resource of AWS, or a scope."""

_TAB = 4
_WIDEST = 110  # columns of a user's line that are shown
_NEAR = 1000  # characters around a place that are looked at

_RED, _YELLOW, _BLUE, _CYAN, _BOLD, _RESET = (f"\x1b[{code}m" for code in (31, 33, 34, 36, 1, 0))


def text(problems: Iterable[Problem], sources: Sources, *, color: bool = False, every: bool = False) -> str:
    """Each problem with the user's own line, a caret under what is meant and the hint; then their number.

    Of many warnings of one code about AWS some are shown and the others counted, unless `every` is asked
    for. Empty when there are none. Ends with a newline otherwise.
    """
    found = ordered(problems)
    if not found:
        return ""
    paint = _Paint(color)
    secrets = _secrets(found)
    shown, more = (found, {}) if every else _cut(found)
    blocks = ["\n".join(_block(problem, sources, secrets, paint)) for problem in shown]
    blocks += [
        f"… and {count} more {paint(f'[{code}]', _CYAN)}: mac -v shows each" for code, count in more.items()
    ]
    return "\n\n".join([*blocks, _count(found, paint)]) + "\n"


def as_json(problems: Iterable[Problem]) -> str:
    """A JSON list of objects with path, line, column, severity, code, message and hint."""
    return emit.json_pretty(as_dicts(problems)).decode()


def as_dicts(problems: Iterable[Problem]) -> list[dict[str, object]]:
    """The same as values, for a larger JSON document; any JSON writer can hold them."""
    return [_printable_fields(problem) for problem in ordered(problems)]


def github(problems: Iterable[Problem], *, prefix: str = "") -> str:
    """Workflow commands that GitHub shows as annotations. `prefix`: the folder that paths begin in."""
    return "".join(_annotation(problem, prefix) + "\n" for problem in ordered(problems))


def summary(problems: Iterable[Problem]) -> str:
    """How many there are: `2 errors and 1 warning in 2 files`."""
    found = ordered(problems)
    counts = []
    for severity in Severity:
        number = sum(p.severity is severity for p in found)
        if number:
            counts.append(f"{number} {severity.value}{'s' * (number != 1)}")
    paths = len({p.location.path for p in found if p.location.path and not _of_the_fleet(p)})
    where = f" in {paths} file{'s' * (paths != 1)}" if paths else ""
    return (" and ".join(counts) or "no problems") + where


# --- for people --------------------------------------------------------------------------------------


class _Paint:
    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, words: str, *codes: str) -> str:
        return f"{''.join(codes)}{words}{_RESET}" if self._color and words else words

    def severity(self, severity: Severity) -> str:
        return self(severity.value, _BOLD, _RED if severity is Severity.ERROR else _YELLOW)


def _of_the_fleet(problem: Problem) -> bool:
    return _FLEET.match(problem.location.path) is not None


def _cut(problems: Iterable[Problem]) -> tuple[list[Problem], Mapping[str, int]]:
    """Those that are shown, and how many of each code are not: a fleet may have thousands of one kind."""
    shown: list[Problem] = []
    seen: Counter[str] = Counter()
    for problem in problems:
        if problem.severity is Severity.WARNING and _of_the_fleet(problem):
            seen[problem.code] += 1
            if seen[problem.code] > _ALIKE:
                continue
        shown.append(problem)
    return shown, {code: count - _ALIKE for code, count in sorted(seen.items()) if count > _ALIKE}


def _secrets(problems: Iterable[Problem]) -> dict[tuple[str, int], list[Location]]:
    """By path and line, what no report may repeat: reports are read where a secret must not be."""
    found: dict[tuple[str, int], list[Location]] = {}
    for problem in problems:
        if problem.code == "plain-secret":
            found.setdefault((problem.location.path, problem.location.line), []).append(problem.location)
    return found


def _block(
    problem: Problem, sources: Sources, secrets: Mapping[tuple[str, int], list[Location]], paint: _Paint
) -> list[str]:
    place = problem.location
    where = paint(visible(str(place)), _BOLD) + ": " if place.path else ""
    code = paint(f"[{problem.code}]", _CYAN)
    block = [f"{where}{paint.severity(problem.severity)}: {visible(problem.message)} {code}"]
    lines = sources.get(place.path, ())
    gutter = " " * (len(str(place.line)) + 3)
    if 1 <= place.line <= len(lines):
        line = lines[place.line - 1]
        for secret in secrets.get((place.path, place.line), ()):
            start, end = _span(line, secret)
            line = line[:start] + "•" * (end - start) + line[end:]
        shown, marks = _marked(line, place)
        bar = paint("|", _BLUE)
        block.append(f"  {paint(str(place.line), _BLUE)} {bar} {shown}".rstrip())
        if marks:
            strong = _RED if problem.severity is Severity.ERROR else _YELLOW
            block.append(f"{gutter}{bar} {marks.replace('^', '')}{paint(marks.lstrip(), _BOLD, strong)}")
    else:
        gutter = "  "
    if problem.hint:
        block.append(f"{gutter}{paint('=', _BLUE)} {visible(problem.hint)}")
    return block


def _span(line: str, place: Location) -> tuple[int, int]:
    """Where what is meant begins and ends in its line, counted from 0."""
    start = min(max(place.column - 1, 0), len(line))
    return start, max(min(start + max(place.length, 1), len(line)), start)


def _marked(line: str, place: Location) -> tuple[str, str]:
    """The line as it is shown, and carets under the columns that are meant ("" for none)."""
    start, end = _span(line, place)
    cut = max(start - _NEAR, 0)  # a line may have a million characters
    cells = [_cell(character) for character in line[cut : end + _NEAR]]
    start, end = start - cut, end - cut
    first, last = _window(cells, start, end)
    before = "…" if first or cut else ""
    after = "…" if last < len(cells) else ""
    shown = (before + "".join(cells[first:last]) + after).rstrip()
    if not place.column:
        return shown, ""
    margin = _width(before + "".join(cells[first:start]))
    under = _width("".join(cells[start : min(end, last)])) or 1
    return shown, " " * margin + "^" * under


def _window(cells: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """The part of a long line that is shown: what is meant, with as much before it as fits."""
    if _width("".join(cells)) <= _WIDEST:
        return 0, len(cells)
    wanted = min(end - start, _WIDEST // 2)
    first = max(0, start - (_WIDEST - wanted) // 2)
    last = first
    used = 0
    while last < len(cells) and used + _width(cells[last]) <= _WIDEST:
        used += _width(cells[last])
        last += 1
    return first, last


def _cell(character: str) -> str:
    """A character as it is shown: tabs as blanks, and nothing that moves the cursor or turns the line."""
    return " " * _TAB if character == "\t" else visible(character)


_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def visible(words: str) -> str:
    """Without characters that would act on the terminal or reorder the line; each is spelled instead."""
    return _UNSAFE.sub(lambda match: f"<U+{ord(match.group()):04X}>", words)


def one_line(words: str, limit: int) -> str:
    """A name out of a tag: no control characters, no more than so many characters."""
    clean = "".join(c if c.isprintable() else "?" for c in words)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _width(words: str) -> int:
    """Columns that a terminal uses."""
    return sum(
        0
        if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in words
    )


def _count(found: Sequence[Problem], paint: _Paint) -> str:
    has_errors = any(p.severity is Severity.ERROR for p in found)
    return paint(summary(found), _BOLD, _RED if has_errors else _YELLOW)


# --- for programs ------------------------------------------------------------------------------------


def _printable_fields(problem: Problem) -> dict[str, object]:
    fields = problem.as_dict()
    return {k: _encodable(v) if isinstance(v, str) else v for k, v in fields.items()}


def _encodable(words: str) -> str:
    """JSON is UTF-8: a lone surrogate, as a file name may have, becomes U+FFFD."""
    return words.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _annotation(problem: Problem, prefix: str) -> str:
    place = problem.location
    properties: dict[str, str] = {}
    if place.path:
        properties["file"] = f"{prefix.rstrip('/')}/{place.path}" if prefix else place.path
    if place.line:
        properties["line"] = str(place.line)
        if place.column:
            properties["col"] = str(place.column)
            if place.length:
                properties["endColumn"] = str(place.column + place.length)
    properties["title"] = problem.code
    words = f"{problem.message}\n{problem.hint}" if problem.hint else problem.message
    return workflow_command(problem.severity.value, properties, words)


def workflow_command(name: str, properties: Mapping[str, str], words: str) -> str:
    """One of GitHub's workflow commands (error, warning, notice), on a line without its end."""
    options = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {options}::{_data(words)}"


def _data(words: str) -> str:
    words = _encodable(words).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return visible(words)


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")
