"""Writing generated YAML and JSON, and reading it back.

The emitter knows one style of YAML, the safest that people can still read: every string is quoted, except
expressions of several lines, which become literal blocks. What is written is read back with an
independent YAML 1.2 parser and compared by the caller, so a mistake here is found and never shipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import orjson
import ryaml

from mac.model import Json

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
# Words that some YAML reader takes for something else than a string.
_NOT_PLAIN = frozenset(["y", "yes", "n", "no", "on", "off", "true", "false", "null", "nan", "inf"])
# Printable ASCII lines without leading or trailing blanks on the first and any line's end.
_BLOCK = re.compile(r"[!-~](?:[ -~]*[!-~])?(?:\n(?:[ -~]*[!-~])?)*\n?")
# One line of printable ASCII with double quotes or backslashes in it, and no single quote.
_SINGLE = re.compile(r"""(?=.*["\\])[ -&(-~]+""")

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Control characters, line separators that only some readers break lines at, marks that reorder text on
# the screen, the byte order mark, and lone surrogates. Everything else stands as it is.
_NEEDS_ESCAPE = re.compile(
    '[\\\\"\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff0-\uffff\ud800-\udfff]'
)


class UnrepresentableError(ValueError):
    """A string that no UTF-8 file can hold (a lone surrogate)."""


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        raise UnrepresentableError(f"lone surrogate U+{code:04X}")
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def yaml_string(value: str) -> str:
    """A double-quoted YAML scalar that every YAML reader takes for exactly `value`."""
    return f'"{_NEEDS_ESCAPE.sub(_escape, value)}"'


def yaml_key(key: str) -> str:
    plain = _PLAIN_KEY.fullmatch(key) and key.lower() not in _NOT_PLAIN
    return key if plain else yaml_string(key)


def yaml(value: Json, indent: int = 0) -> str:
    """`value` as block YAML whose lines, but the first, are indented by `indent` spaces. No final newline.

    Raises UnrepresentableError for a lone surrogate, TypeError for what is not JSON.
    """
    lines: list[str] = []
    _block(value, indent, lines, "")
    return "\n".join(lines).removeprefix(" " * indent)


def _is_collection(value: Json) -> bool:
    return bool(value) and isinstance(value, Mapping | list | tuple)


def _block(value: Json, indent: int, lines: list[str], lead: str) -> None:
    """Appends `value`; `lead` is what stands before its first line, of the same width as the indent."""
    pad = " " * indent
    if not _is_collection(value):
        lines.append((lead or pad) + _scalar(value, indent + 2))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            start = f"{lead or pad}{yaml_key(str(key))}:"
            lead = ""
            if _is_collection(item):
                lines.append(start)
                _block(item, indent + 2, lines, "")
            else:
                lines.append(f"{start} {_scalar(item, indent + 2)}")
    else:
        for item in value:
            if _is_collection(item) and not isinstance(item, Mapping):
                lines.append(f"{pad}-")
                _block(item, indent + 2, lines, "")
            else:
                _block(item, indent + 2, lines, f"{pad}- ")


def _scalar(value: Json, indent: int) -> str:
    if isinstance(value, str):
        if "\n" in value and not value.endswith("\n\n") and _BLOCK.fullmatch(value):
            chomp = "|" if value.endswith("\n") else "|-"
            pad = " " * indent
            body = "\n".join(pad + line if line else "" for line in value.removesuffix("\n").split("\n"))
            return f"{chomp}\n{body}"
        return f"'{value}'" if _SINGLE.fullmatch(value) else yaml_string(value)
    if value is None or isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def read_yaml(text: str) -> Json:
    """The value of a YAML document. Raises ValueError with the parser's own words."""
    try:
        return ryaml.loads(text)
    except ryaml.InvalidYamlError as error:
        raise ValueError(str(error)) from error


def json_line(value: Json) -> bytes:
    """`value` as one line of JSON with sorted keys, UTF-8, no newline at its end.

    Raises UnrepresentableError for a lone surrogate.
    """
    return _json(value, orjson.OPT_SORT_KEYS)


def json_pretty(value: Json) -> bytes:
    """`value` as JSON for people: two spaces, sorted keys, a final newline."""
    return _json(value, orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def json_escaped(value: Json, *, pretty: bool = False) -> str:
    """`value` as JSON whatever its strings hold, on one line or for people.

    UTF-8 has no lone surrogates, JSON's own escapes do.
    """
    try:
        return (json_pretty if pretty else json_line)(value).decode()
    except UnrepresentableError:
        if pretty:
            return json.dumps(value, sort_keys=True, indent=2) + "\n"
        return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _json(value: Json, option: int) -> bytes:
    try:
        return orjson.dumps(value, option=option)
    except TypeError as error:
        if "surrogate" in str(error):
            raise UnrepresentableError(str(error)) from error
        raise


def json_rows(rows: Sequence[Json]) -> bytes:
    """A JSON list with one element on each line, so that a change of one element is a change of one line."""
    if not rows:
        return b"[]\n"
    return b"[\n" + b",\n".join(json_line(row) for row in rows) + b"\n]\n"


def read_json(data: bytes | str) -> Json:
    """The value of a JSON text. Raises ValueError with the parser's own words."""
    return orjson.loads(data)
