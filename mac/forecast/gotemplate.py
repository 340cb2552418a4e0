"""The Go templates of an alert's labels and annotations, as far as rules use them.

A subset: text, strings, numbers, `$labels.x`, `$externalLabels.x`, `$value` (and `.Labels.x` and so on),
`if`, `else if`, `else`, comparisons, `and`, `or`, `not`, `printf`, `toUpper`, `toLower`, pipelines and
parentheses. The rest (queries, ranges, variables, other functions) raises `Unsupported`: a label that cannot
be known is not guessed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

Value = str | float | int | bool


class Unsupported(Exception):  # noqa: N818 - it says what about a template is, not that something broke
    """A template, or a part of one, that is not replayed. Its text says which."""


@dataclass(frozen=True, slots=True)
class Data:
    """What a template is about: the labels of the series, the external labels, the value."""

    labels: Mapping[str, str]
    external: Mapping[str, str] = field(default_factory=dict)
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. `uses_value`: whether it may change with the value of a series."""

    _parts: Sequence[_Part]
    uses_value: bool

    def expand(self, data: Data) -> str:
        """The text for this data. Raises Unsupported."""
        return "".join(part(data) for part in self._parts)


_Part = Callable[[Data], str]
_Term = Callable[[Data], Value]

_ACTION = re.compile(
    r"""\{\{(?P<left>-(?=\s))?(?P<body>(?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|/\*.*?\*/|(?!\}\}).)*?)"""
    r"""(?P<right>(?<=\s)-)?\}\}""",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"""
    r"""|(?P<field>[$.]?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)|(?P<sign>[()|]))""",
)
_COMMENT = re.compile(r"\s*/\*.*\*/\s*", re.DOTALL)
_FIELDS = {
    "$labels": "labels",
    ".Labels": "labels",
    "$externalLabels": "external",
    ".ExternalLabels": "external",
}
_VALUES = ("$value", ".Value")


@lru_cache(maxsize=16_384)
def parse(text: str) -> Template:
    """The template in a text. Raises Unsupported for what is outside of the subset, or no template at all."""
    pieces = list(_pieces(text))
    parts, rest = _block(pieces, 0)
    if rest != len(pieces):
        raise Unsupported(f"{{{{{pieces[rest][1]}}}}} stands alone")
    used = any(name in piece for is_action, piece in pieces if is_action for name in _VALUES)
    return Template(tuple(parts), used)


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """Text and actions by turns, with the spaces that actions trim left out."""
    at, trim = 0, False
    for action in _ACTION.finditer(text):
        before = text[at : action.start()]
        before = before.lstrip() if trim else before
        yield False, before.rstrip() if action["left"] else before
        if not _COMMENT.fullmatch(action["body"]):
            yield True, action["body"].strip()
        at, trim = action.end(), bool(action["right"])
    rest = text[at:]
    if "{{" in rest:
        raise Unsupported('"{{" without "}}"')
    yield False, rest.lstrip() if trim else rest


# --- parsing -----------------------------------------------------------------------------------------

_KEYWORDS = frozenset(["range", "with", "define", "block", "template", "break", "continue"])


def _block(pieces: Sequence[tuple[bool, str]], at: int) -> tuple[list[_Part], int]:
    """The parts until an `else` or `end` that is not theirs, and its place."""
    parts: list[_Part] = []
    while at < len(pieces):
        is_action, piece = pieces[at]
        word = piece.split(maxsplit=1)[0] if is_action and piece else ""
        if not is_action:
            parts.append(_constant(piece))
        elif word in ("else", "end"):
            break
        elif word == "if":
            part, at = _condition(pieces, at, piece.removeprefix("if"))
            parts.append(part)
        elif word in _KEYWORDS or ":=" in piece:
            raise Unsupported(f"{{{{{piece}}}}}")
        else:
            parts.append(_printed(_pipeline(piece)))
        at += 1
    return parts, at


def _condition(pieces: Sequence[tuple[bool, str]], at: int, test: str) -> tuple[_Part, int]:
    """An `if` whose action is at `at`; returns the place of its `end`."""
    chosen = _pipeline(test)
    then, at = _block(pieces, at + 1)
    otherwise: list[_Part] = []
    if at == len(pieces):
        raise Unsupported('"if" without "end"')
    word, _, rest = pieces[at][1].partition(" ")
    if word == "else" and rest.strip().startswith("if"):
        part, at = _condition(pieces, at, rest.strip().removeprefix("if"))
        otherwise = [part]
    elif word == "else":
        otherwise, at = _block(pieces, at + 1)
        if at == len(pieces) or pieces[at][1] != "end":
            raise Unsupported('"else" without "end"')

    def part_of(data: Data) -> str:
        return "".join(part(data) for part in (then if _truth(chosen(data)) else otherwise))

    return part_of, at


def _constant(text: str) -> _Part:
    return lambda _: text


def _printed(term: _Term) -> _Part:
    return lambda data: shown(term(data))


def _pipeline(text: str) -> _Term:
    tokens = []
    at = 0
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        if token is None:
            raise Unsupported(f"{{{{{text.strip()}}}}}")
        tokens.append((str(token.lastgroup), token.group().strip()))
        at = token.end()
    term, rest = _piped(tokens, 0)
    if rest != len(tokens):
        raise Unsupported(f"{{{{{text.strip()}}}}}")
    return term


_Tokens = Sequence[tuple[str, str]]


def _piped(tokens: _Tokens, at: int) -> tuple[_Term, int]:
    term, at = _command(tokens, at, None)
    while at < len(tokens) and tokens[at] == ("sign", "|"):
        term, at = _command(tokens, at + 1, term)
    return term, at


def _command(tokens: _Tokens, at: int, piped: _Term | None) -> tuple[_Term, int]:
    """A function with its arguments, or one value. What is piped in comes last."""
    if at < len(tokens) and tokens[at][0] == "field" and tokens[at][1] in _FUNCTIONS:
        function = _FUNCTIONS[tokens[at][1]]
        arguments: list[_Term] = []
        at += 1
        while at < len(tokens) and tokens[at] not in (("sign", "|"), ("sign", ")")):
            argument, at = _operand(tokens, at)
            arguments.append(argument)
        return _called(function, [*arguments, *([piped] if piped else [])]), at
    if piped:
        raise Unsupported(f"a pipe into {tokens[at][1] if at < len(tokens) else 'nothing'}")
    return _operand(tokens, at)


def _called(function: Callable[..., Value], arguments: Sequence[_Term]) -> _Term:
    def call(data: Data) -> Value:
        try:
            return function(*(argument(data) for argument in arguments))
        except (TypeError, ValueError, OverflowError) as error:
            raise Unsupported(str(error)) from error

    return call


def _operand(tokens: _Tokens, at: int) -> tuple[_Term, int]:
    if at == len(tokens):
        raise Unsupported("an action without a value")
    kind, text = tokens[at]
    if (kind, text) == ("sign", "("):
        term, at = _piped(tokens, at + 1)
        if at == len(tokens) or tokens[at] != ("sign", ")"):
            raise Unsupported("a parenthesis is not closed")
        return term, at + 1
    if kind == "string":
        constant = _string(text)
        return (lambda _: constant), at + 1
    if kind == "number":
        number = float(text) if re.search(r"[.eE]", text) else int(text)
        return (lambda _: number), at + 1
    return _field(text), at + 1


def _field(text: str) -> _Term:
    if text in _VALUES:
        return lambda data: data.value
    if text in ("true", "false"):
        return lambda _: text == "true"
    name, _, label = text.rpartition(".")
    if name in _FIELDS:
        which = _FIELDS[name]
        return lambda data: getattr(data, which).get(label, "")
    raise Unsupported(f"{{{{{text}}}}}")


def _string(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    try:
        return str(json.loads(text))
    except ValueError as error:
        raise Unsupported(f"the string {text}") from error


# --- values ------------------------------------------------------------------------------------------


def shown(value: Value) -> str:
    """As Go prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(value) if isinstance(value, float) else str(value)


def number(value: float) -> str:
    """As Go prints a float: the fewest digits that tell it, an exponent below -4 and from 6."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, exponent = _digits(value)
    if exponent < -4 or exponent >= 6:
        tail = "." + digits[1:] if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{exponent:+03d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole, part = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return sign + whole + ("." + part if part else "")


def _digits(value: float) -> tuple[str, str, int]:
    """Sign, significant digits, and the power of ten of the first one."""
    mantissa, _, exponent = f"{value!r}".lstrip("-").partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    leading = len(whole + part) - len(digits)
    power = len(whole) - 1 - leading + int(exponent or 0)
    return "-" if value < 0 else "", digits.rstrip("0"), power


def _truth(value: Value) -> bool:
    return bool(value)


def _same(first: Value, second: Value) -> bool:
    _comparable(first, second)
    return first == second


def _comparable(first: Value, second: Value) -> None:
    # Go compares neither text with numbers nor, in templates, whole numbers with others.
    if type(first) is not type(second):
        raise Unsupported(f"a comparison of {shown(first)} with {shown(second)}")


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    def compare(first: Value, second: Value) -> bool:
        _comparable(first, second)
        return test(first, second)

    return compare


def _any(*values: Value) -> Value:
    return next((value for value in values if _truth(value)), values[-1])


def _all(*values: Value) -> Value:
    return next((value for value in values if not _truth(value)), values[-1])


def _printf(pattern: Value, *values: Value) -> str:
    """The verbs that rules use: %s %v %d %q and %f, %e, %g with a width and a precision."""
    left = list(values)

    def one(verb: re.Match[str]) -> str:
        if verb["verb"] == "%":
            return "%"
        if not left:
            raise Unsupported(f"printf {pattern}")
        value = left.pop(0)
        if verb["verb"] in "feg" and isinstance(value, float) and math.isfinite(value):
            if verb["verb"] == "g" and not verb["size"]:
                return number(value)
            return f"%{verb['size']}{verb['verb']}" % value
        if verb["verb"] == "d" and isinstance(value, int) and not isinstance(value, bool):
            return f"%{verb['size']}d" % value
        if verb["verb"] in "sv" and not verb["size"] and (verb["verb"] == "v" or isinstance(value, str)):
            return shown(value)
        if verb["verb"] == "q" and isinstance(value, str) and not verb["size"] and value.isascii():
            return json.dumps(value)
        raise Unsupported(f"printf {pattern}")

    found = re.sub(r"%(?P<size>[-+0]*\d*(?:\.\d+)?)(?P<verb>[a-z%])", one, str(pattern))
    if left:
        raise Unsupported(f"printf {pattern}")
    return found


def _text(function: Callable[[str], str]) -> Callable[[Value], str]:
    def call(value: Value) -> str:
        if not isinstance(value, str):
            raise Unsupported(f"a text function of {shown(value)}")
        return function(value)

    return call


_FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "eq": lambda first, *others: any(_same(first, other) for other in others),
    "ne": lambda first, second: not _same(first, second),
    "lt": _ordered(lambda a, b: a < b),
    "le": _ordered(lambda a, b: a <= b),
    "gt": _ordered(lambda a, b: a > b),
    "ge": _ordered(lambda a, b: a >= b),
    "and": _all,
    "or": _any,
    "not": lambda value: not _truth(value),
    "printf": _printf,
    "toUpper": _text(str.upper),
    "toLower": _text(str.lower),
}
