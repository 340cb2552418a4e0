"""Go templates, as annotations, labels and receivers have them: are they whole, and which labels they use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_OPENS = frozenset({"if", "range", "with", "define", "block"})
_LABEL = re.compile(r"(?:\$labels|\.Labels)\.([A-Za-z_][A-Za-z0-9_]*)")
_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/)|(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<end>-?\}\})|(?P<open>\{\{)|(?P<bracket>[()])|(?P<word>\w+)|(?P<other>.)""",
    re.DOTALL,
)


@lru_cache(maxsize=16_384)
def fault(text: str) -> str:
    """What is not balanced in a Go template, in a few words; empty when it is whole."""
    if "{{" not in text:
        return ""  # a lone "}}" is text
    depth = 0
    for action, reason in _actions(text):
        if reason:
            return reason
        word = action.split(maxsplit=1)[0] if action.split() else ""
        if word in _OPENS:
            depth += 1
        elif word in ("end", "else") and depth == 0:
            return f'"{word}" without an "if", "range" or "with"'
        elif word == "end":
            depth -= 1
    return '"if", "range" or "with" without an "end"' if depth else ""


@lru_cache(maxsize=16_384)
def labels_used(text: str) -> frozenset[str]:
    """The labels that a template of an alert reads: `$labels.zone` reads zone."""
    if "{{" not in text:
        return frozenset()
    # Only actions read labels: the same words in a tag's value, between escaped braces, are text.
    return frozenset(name for action, _ in _actions(text) for name in _LABEL.findall(action))


def _actions(text: str) -> Iterator[tuple[str, str]]:
    """The content of every `{{ … }}` with its strings blanked, or a reason why it has no end."""
    at = text.find("{{")
    while at != -1:
        inside, end, reason = _action(text, at + 2)
        yield inside, reason
        at = text.find("{{", end)


def _action(text: str, start: int) -> tuple[str, int, str]:
    if text.startswith("-", start):
        start += 1
    inside: list[str] = []
    brackets = 0
    for token in _TOKEN.finditer(text, start):
        kind = token.lastgroup
        if kind == "end":
            reason = "a parenthesis is not closed" if brackets else ""
            return "".join(inside), token.end(), reason
        if kind == "open":
            return "", token.end(), '"{{" inside of "{{"'
        if kind == "bracket":
            brackets += 1 if token.group() == "(" else -1
            if brackets < 0:
                return "", token.end(), "a parenthesis is closed that was not opened"
        if kind == "other" and token.group() in "\"'`":
            return "", token.end(), "a string has no end"
        inside.append(" " if kind in ("string", "comment") else token.group())
    return "", len(text), '"{{" without "}}"'
