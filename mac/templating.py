"""The Jinja sandbox: templates of engineers, values of strangers.

Anyone who may tag an instance writes values that land in expressions, texts and files. So a value is only
let through where it cannot become syntax: each of the three kinds of template has a rule for what an
interpolation may produce, and filters that escape for where it lands.

- an *expression* (PromQL) takes numbers, plain words and what a filter or `scope` has marked safe;
- a *text* (annotation) takes anything, and braces of Go's template language are escaped by themselves;
- a *file* takes numbers, plain words and what the `yaml`, `json` or `sh` filter wrote.

Delimiters are `<< >>`, `<% %>`, `<# #>`, since `{{ }}` belongs to Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache, lru_cache
from typing import Any

import jinja2
import jinja2.meta
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mac import emit

MAX_OUTPUT = 64 * 1024 * 1024

_PLAIN = re.compile(r"[A-Za-z0-9_./:@-]*")
_PROMQL_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_PROMQL_UNSAFE = re.compile('[\\\\"\x00-\x1f\x7f-\x9f\u2028\u2029]')
_BRACE = '{{"{"}}'  # an action that prints a brace
_BRACES, _SPLIT_BRACE = re.compile(r"\{(?=\{)"), "{''"
_FORBIDDEN = (
    nodes.FilterBlock,  # its content bypasses the rule for interpolations
    nodes.CallBlock,
    nodes.AssignBlock,
    nodes.Macro,
    nodes.Include,
    nodes.Import,
    nodes.FromImport,
    nodes.Extends,
    nodes.ScopedEvalContextModifier,
)
# Filters that neither reach into objects nor grow their input beyond reason.
_FILTERS = (
    *("default", "first", "int", "join", "last", "length", "list", "lower"),
    *("max", "min", "round", "sort", "sum", "trim", "unique", "upper"),
)


class Mode(Enum):
    """What a template produces, and so what an interpolation may put there."""

    EXPRESSION = "expression"
    TEXT = "text"
    FILE = "file"


class TemplateError(Exception):
    """A template that cannot be read or rendered. `line` counts from 1 within the template."""

    def __init__(self, message: str, line: int, *, syntax: bool = False, name: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.syntax = syntax
        self.name = name  # the undefined name, if that is the trouble


class Safe(str):
    """A string that was escaped for where it lands. Any operation on it gives an ordinary string again."""

    __slots__ = ()


def promql_string(value: object) -> Safe:
    """The inside of a double-quoted PromQL string that means exactly `value`."""
    return Safe(_PROMQL_UNSAFE.sub(_promql_escape, str(value)))


def _promql_escape(match: re.Match[str]) -> str:
    char = match.group()
    return _PROMQL_ESCAPES.get(char) or f"\\u{ord(char):04x}"


def re2_literal(value: object) -> Safe:
    """A regular expression, inside a PromQL string, that matches exactly `value`."""
    return promql_string(re.escape(str(value)))


def go_text(value: object) -> Safe:
    """Text that Go's template language prints as exactly `value`.

    Each brace is escaped alone, so that two values side by side cannot form an action either.
    """
    return Safe(str(value).replace("{", _BRACE))


def go_printed(text: str) -> str:
    """What Go's template language prints for a text that `go_text` made."""
    return text.replace(_BRACE, "{")


def shell_word(value: object) -> Safe:
    """A word of a POSIX shell that means exactly `value`, which has no NUL.

    No two braces stand side by side in it: Systems Manager would put a parameter there.
    """
    quoted = str(value).replace("'", "'\\''")
    return Safe(f"'{_BRACES.sub(_SPLIT_BRACE, quoted)}'")


def matchers(labels: Mapping[str, str]) -> Safe:
    """PromQL label matchers: `a="b",c="d"`."""
    return Safe(",".join(f'{name}="{promql_string(value)}"' for name, value in labels.items()))


class Names:
    """A mapping whose keys are reached by attribute in a template, and nothing else of it is."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["*", "%", "**"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        # "a" * 10**8 and "%1000000000d" % 1 would eat the machine.
        if not all(isinstance(side, int | float) for side in (left, right)) or operator == "**":
            raise SecurityError(f"operator {operator} is for two numbers here")
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> None:
        return None  # the format method of strings is out of reach like every other method

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        # Values are data: their methods (format, join, items …) are out of reach, loop variables are not.
        return type(obj).__name__ == "LoopContext" and not attr.startswith("_")


def _number(value: float) -> str:
    # Twelve digits hide what binary fractions make of 1 - 0.7.
    return str(value) if isinstance(value, int) else format(value, ".12g")


def _finalize(mode: Mode) -> Callable[[Any], Any]:
    def finalize(value: Any) -> Any:
        if isinstance(value, Safe | jinja2.Undefined):
            return value
        if isinstance(value, bool) or value is None:
            raise SecurityError(f"{value} has no text form here")
        if isinstance(value, int | float):
            return _number(value)
        if mode is Mode.TEXT:
            return go_text(value)
        if isinstance(value, str) and _PLAIN.fullmatch(value):
            return value
        fix = (
            "the filter promql (inside quotes)" if mode is Mode.EXPRESSION else "the filter yaml, json or sh"
        )
        raise SecurityError(f"a value is placed without escaping; use {fix}")

    return finalize


def _yaml_filter(value: Any, indent: int = 0) -> Safe:
    return Safe(emit.yaml(value, indent))


def _json_filter(value: Any) -> Safe:
    return Safe(emit.json_line(value).decode())


def _json_rows_filter(value: Any) -> Safe:
    return Safe(emit.json_rows(value).decode().rstrip("\n"))


def _json_pretty_filter(value: Any) -> Safe:
    return Safe(emit.json_pretty(value).decode().rstrip("\n"))


@cache
def _environment(mode: Mode) -> _Sandbox:
    env = _Sandbox(
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=mode is Mode.FILE,
        lstrip_blocks=mode is Mode.FILE,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize(mode),
        loader=None,
        cache_size=0,
    )
    env.globals.clear()
    env.filters = {name: env.filters[name] for name in _FILTERS}
    env.filters.update(promql=promql_string, re2=re2_literal)
    if mode is not Mode.EXPRESSION:
        env.filters.update(go=go_text)
    if mode is Mode.FILE:
        env.filters.update(sh=shell_word)
        env.filters.update(
            yaml=_yaml_filter, json=_json_filter, json_rows=_json_rows_filter, json_pretty=_json_pretty_filter
        )
    return env


class Template:
    """A compiled template. `parameters` are the names that it takes from `p`, `names` all others."""

    __slots__ = ("_template", "names", "parameters", "text")

    def __init__(self, text: str, mode: Mode) -> None:
        env = _environment(mode)
        self.text = text
        try:
            tree = env.parse(text)
            for node in tree.find_all(_FORBIDDEN):
                kind = type(node).__name__.lower()
                raise TemplateError(f"a template may not use {kind}", node.lineno, syntax=True)
            self.names = frozenset(jinja2.meta.find_undeclared_variables(tree)) - {"p"}
            self.parameters = frozenset(_parameters(tree))
            self._template = env.from_string(tree)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(str(error.message), error.lineno, syntax=True) from error
        except RecursionError as error:
            raise TemplateError("the template is nested too deeply", 1, syntax=True) from error

    def render(self, names: Mapping[str, Any]) -> str:
        """The text. Raises TemplateError with the template's line."""
        if "<" not in self.text:
            return self.text
        try:
            parts = []
            size = 0
            for part in self._template.generate(names):
                size += len(part)
                if size > MAX_OUTPUT:
                    raise TemplateError(f"more than {MAX_OUTPUT} characters come out", 1)
                parts.append(part)
            return "".join(parts)
        except jinja2.UndefinedError as error:
            message = str(error.message or error)
            found = re.search(r"attribute '([^']*)'|^'([^']*)' is undefined", message)
            name = next(filter(None, found.groups()), "") if found else ""
            if "templating.Names" in message:
                message = f'p has no parameter "{name}"'
            raise TemplateError(message, _line(error), name=name) from error
        except (SecurityError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise TemplateError(str(error), _line(error)) from error


def _parameters(tree: nodes.Template) -> list[str]:
    found = [
        node.attr
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == "p"
    ]
    for item in tree.find_all(nodes.Getitem):
        key = item.arg
        if isinstance(item.node, nodes.Name) and item.node.name == "p" and isinstance(key, nodes.Const):
            found.append(str(key.value))
    return found


def _line(error: BaseException) -> int:
    """The line of the template where it happened: Jinja rewrites the traceback to show it."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


@lru_cache(maxsize=16384)
def template(text: str, mode: Mode) -> Template:
    """Compiled once for each text. Raises TemplateError."""
    return Template(text, mode)
