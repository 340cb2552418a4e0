"""PromQL: parsing, and questions about an expression. Alone imports promql_parser.

`parse` accepts what every supported generation of Prometheus accepts and nothing else, so that a rule that
passes here loads everywhere. `mac.series_labels` asks which labels a result has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any

import promql_parser as pq

from mac import re2

MAX_LENGTH = 16_384
"""Characters. Prometheus has no limit; a person has."""

MAX_BRACKETS = 100
MAX_OPERATORS = 200
# The parser recurses on the machine's stack and ends the process when that is full: 1,000 levels are too many
# for a thread with a small stack.

CACHE_SIZE = 131_072

# The functions that Prometheus 2.42, 2.53 and 3.x all have, outside their experimental ones.
_FUNCTIONS = """
abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max
clamp_min cos cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv exp
floor histogram_count histogram_fraction histogram_quantile histogram_sum hour idelta increase irate
label_join label_replace last_over_time ln log10 log2 max_over_time min_over_time minute month pi
predict_linear present_over_time quantile_over_time rad rate resets round scalar sgn sin sinh sort sort_desc
sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time timestamp vector year
"""
_AGGREGATIONS = "sum min max avg group stddev stdvar count count_values bottomk topk quantile"
FUNCTIONS = frozenset(_FUNCTIONS.split())
AGGREGATIONS = frozenset(_AGGREGATIONS.split())

_LEGACY_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LEGACY_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_QUIET = re.compile(r"""#[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`""", re.DOTALL)
_WORD_OPERATOR = re.compile(r"\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_QUOTED_NAME = re.compile(r'[{,]\s*""\s*(?:[=!,}]|$)')
_BRACES = re.compile(r"\{[^}]*\}")
_QUOTED_GROUPING = re.compile(
    r'\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*""', re.IGNORECASE
)
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+-?[\w.]+", re.IGNORECASE)
_NO_UNIT = re.compile(r"(?:[\[:]|\boffset)\s*[-+]?[\d.]+(?![\w.])", re.IGNORECASE)
_UNIT = re.compile(r"(?<![\w:.])\d[\d.]*(?:ms|[smhdwy])(?![\w:])", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r'="([A-Za-z0-9_-]+)"')
_SLOT = "value-slot-"
_SLOTS = re.compile(rf"{_SLOT}(\d+)_")
_OPS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a text is not an expression. Line and column count from 1; 0 when the parser does not say.

    `unsupported`: some Prometheus accepts it, but not every one that mac supports.
    """

    message: str
    hint: str = ""
    line: int = 0
    column: int = 0
    length: int = 0
    unsupported: bool = False


@dataclass(frozen=True, slots=True)
class Matcher:
    """`name op value`; `op` is one of = != =~ !~."""

    name: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """A selection of series. `metric` is empty when the name is matched by other than equality."""

    metric: str
    matchers: tuple[Matcher, ...]

    def equal_to(self, label: str) -> str | None:
        """The one value that an equality matcher lets `label` have, or None."""
        return next((m.value for m in self.matchers if m.name == label and m.op == "="), None)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    `grouping`: every label named by `by`, `without`, `on`, `ignoring`, `group_left`, `group_right`.
    `shape`: the text with the plain values of its equality matchers left out. Expressions of one shape
    have the same labels; a standard's rules have one shape for all services.
    `root`: the parser's tree of the shape, for `mac.series_labels` alone.
    """

    text: str
    selectors: tuple[Selector, ...]
    grouping: tuple[str, ...]
    shape: str = field(repr=False)
    root: Any = field(repr=False, compare=False)

    @property
    def metrics(self) -> frozenset[str]:
        """The names of the series that it reads."""
        return frozenset(s.metric for s in self.selectors if s.metric)


@lru_cache(maxsize=CACHE_SIZE)
def parse(text: str) -> Expression | Failure:
    """The expression that `text` is, or why it is none. The same shape is parsed once."""
    if len(text) > MAX_LENGTH or _SLOT in text or "__name__" in text:
        return _parse(text)
    values = _PLAIN_VALUE.findall(text)
    if not values:
        return _parse(text)
    number = count()
    shape = _PLAIN_VALUE.sub(lambda _: f'="{_SLOT}{next(number)}_"', text)
    parsed = _parse(shape)
    if isinstance(parsed, Failure):
        return _parse(text)  # with places in this text
    selectors = tuple(_filled(selector, values) for selector in parsed.selectors)
    return Expression(text, selectors, parsed.grouping, shape, parsed.root)


def _filled(selector: Selector, values: Sequence[str]) -> Selector:
    """A selector of a shape with its values. They may stand inside of other strings, so all are looked at."""
    return Selector(
        selector.metric,
        tuple(
            Matcher(m.name, m.op, _SLOTS.sub(lambda slot: values[int(slot[1])], m.value))
            if _SLOT in m.value
            else m
            for m in selector.matchers
        ),
    )


@lru_cache(maxsize=CACHE_SIZE)
def _parse(text: str) -> Expression | Failure:
    failure = _too_large(text)
    if failure is not None:
        return failure
    try:
        root = pq.parse(text)
    except ValueError as error:
        return _failure(text, str(error))
    selectors: list[Selector] = []
    grouping: dict[str, None] = {}
    for node in _nodes(root):
        failure = _read(node, text, selectors, grouping)
        if failure is not None:
            return failure
    failure = _spelling(text) or _names(selectors, grouping)
    if failure is not None:
        return failure
    return Expression(text, tuple(selectors), tuple(grouping), text, root)


def _too_large(text: str) -> Failure | None:
    if len(text) > MAX_LENGTH:
        return Failure(
            f"the expression has {len(text)} characters; {MAX_LENGTH} are allowed",
            "record parts of it under names of their own",
        )
    if len(text) <= MAX_BRACKETS:
        return None
    code = _QUIET.sub('""', text)
    if max(code.count("("), code.count("[")) > MAX_BRACKETS and _depth(code) > MAX_BRACKETS:
        return Failure(f"parentheses are nested more than {MAX_BRACKETS} deep")
    operators = sum(code.count(c) for c in "+-*/%^<>") + code.count("==") + code.count("!=")
    if operators + len(_WORD_OPERATOR.findall(code)) > MAX_OPERATORS:
        return Failure(
            f"more than {MAX_OPERATORS} operators stand in one expression",
            "match several values with one regular expression, or record parts of it",
        )
    return None


def _depth(code: str) -> int:
    depth = deepest = 0
    for char in code:
        if char in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in ")]}":
            depth -= 1
    return deepest


def _nodes(root: Any) -> Iterator[Any]:
    """Every node, from left to right, parents first. A loop: the tree may be deeper than Python's stack."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))


def children(node: Any) -> list[Any]:
    """The operands of a node of the parser's tree."""
    kind = type(node)
    if kind is pq.VectorSelector or kind is pq.NumberLiteral or kind is pq.StringLiteral:
        return []
    if kind is pq.BinaryExpr:
        return [node.lhs, node.rhs]
    if kind is pq.MatrixSelector:
        return [node.vector_selector]
    if kind is pq.Call:
        return list(node.args)
    if kind is pq.AggregateExpr:
        return [node.expr] if node.param is None else [node.param, node.expr]
    return [node.expr]


def _read(node: Any, text: str, selectors: list[Selector], grouping: dict[str, None]) -> Failure | None:
    """Takes from a node what an Expression keeps; a Failure for what only some Prometheus accepts."""
    kind = type(node)
    if kind is pq.VectorSelector:
        return _read_selector(node, text, selectors)
    if kind is pq.MatrixSelector or kind is pq.SubqueryExpr:
        return None if node.range else Failure("a range of zero length selects nothing")
    if kind is pq.Call and node.func.name not in FUNCTIONS:
        message = f"function {node.func.name} is experimental, or not in every Prometheus since 2.42"
        return _at(text, node.func.name, message)
    if kind is pq.AggregateExpr:
        if str(node.op) not in AGGREGATIONS:
            return _at(text, str(node.op), f"aggregation {node.op} is experimental")
        if node.modifier is not None:
            grouping.update(dict.fromkeys(node.modifier.labels))
    if kind is pq.BinaryExpr and node.modifier is not None:
        return _read_modifier(node.modifier, text, grouping)
    return None


def _read_modifier(modifier: Any, text: str, grouping: dict[str, None]) -> Failure | None:
    fill = modifier.fill_values
    if fill is not None and (fill.lhs is not None or fill.rhs is not None):
        return _at(text, "fill", "fill is not in every Prometheus since 2.42")
    if modifier.matching is not None:
        grouping.update(dict.fromkeys(modifier.matching.labels))
    grouping.update(dict.fromkeys(modifier.group_labels or ()))
    return None


def _read_selector(node: Any, text: str, selectors: list[Selector]) -> Failure | None:
    if node.matchers.or_matchers:
        return _at(text, " or ", 'matchers are joined with "or"', 'Prometheus knows only ","')
    name = node.name or ""
    matchers = []
    for matcher in node.matchers.matchers:
        label, op, value = matcher.name, _OPS[str(matcher.op)], matcher.value
        if op in ("=~", "!~"):
            fault = re2.fault(value)
            if fault:
                return _at(text, value, f'regular expression "{value}": {fault}')
        if label == "__name__" and op == "=":
            name = value
        else:
            matchers.append(Matcher(label, op, value))
    selectors.append(Selector(name, tuple(matchers)))
    return None


def _spelling(text: str) -> Failure | None:
    """What the tree does not show: quoted names, and durations and numbers in each other's place."""
    code = _QUIET.sub('""', text)
    if '"' in code and (
        _QUOTED_GROUPING.search(code) or any(_QUOTED_NAME.search(part) for part in _BRACES.findall(code))
    ):
        return Failure("quoted names came with Prometheus 3; older ones refuse them", unsupported=True)
    if any(_NO_UNIT.search(part) for part in _RANGE.findall(code)):
        return Failure("a duration has no unit", "write [5m] for five minutes", unsupported=True)
    if _UNIT.search(_RANGE.sub("", code)):
        return Failure("a duration stands for a number", "write 300 for five minutes", unsupported=True)
    return None


def _names(selectors: list[Selector], grouping: dict[str, None]) -> Failure | None:
    for selector in selectors:
        if selector.metric and not _LEGACY_METRIC.fullmatch(selector.metric):
            return Failure(f'"{selector.metric}" is not a metric name', unsupported=True)
        for matcher in selector.matchers:
            if not _LEGACY_LABEL.fullmatch(matcher.name):
                return Failure(f'"{matcher.name}" is not a label name', unsupported=True)
    for label in grouping:
        if not _LEGACY_LABEL.fullmatch(label):
            return Failure(f'"{label}" is not a label name', unsupported=True)
    return None


# --- failures with a place ---------------------------------------------------------------------------

_MESSAGE_WORD = re.compile(r"""["'](.+)["']|for ([^\s]+)$|^bad number or duration syntax: (\S+)$""")
_HINTS = (
    ("illegal regex", "write a literal brace as [{]"),
    ("unclosed left", "a bracket is not closed"),
    ("expected type matrix", "give the selector a range, such as [5m]"),
)


def _failure(text: str, message: str) -> Failure:
    """The parser's message, placed at the word that it names when that stands once in the text."""
    hint = next((hint for start, hint in _HINTS if message.startswith(start)), "")
    match = _MESSAGE_WORD.search(message)
    word = next((group for group in match.groups() if group), "") if match else ""
    place = _place(text, word)
    return Failure(message, hint, *place)


def _at(text: str, word: str, message: str, hint: str = "") -> Failure:
    return Failure(message, hint, *_place(text, word), unsupported=True)


def _place(text: str, word: str) -> tuple[int, int, int]:
    """Line, column and length of the only occurrence of `word`, else zeros."""
    if not word or text.count(word) != 1:
        return (0, 0, 0)
    offset = text.index(word)
    line = text.count("\n", 0, offset) + 1
    return (line, offset - (text.rfind("\n", 0, offset) + 1) + 1, len(word.strip()))


def selector_text(selector: Selector) -> str:
    """A selector as it is written, without range and offset."""
    inside = ",".join(f"{m.name}{m.op}{quoted(m.value)}" for m in selector.matchers)
    return f"{selector.metric}{{{inside}}}" if inside else selector.metric


def quoted(value: str) -> str:
    """A string of PromQL."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
