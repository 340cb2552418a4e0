"""What RE2, the regular expressions of Prometheus and Alertmanager, refuses although other engines accept it.

The PromQL parser checks regular expressions with Rust's engine. The two languages differ at their edges:
RE2 as Go compiles it has no verbose mode, no `\\u` escapes, repetitions of at most 1,000, no repetition of
a repetition, and knows Unicode classes by script and general category alone. And the parser wraps a pattern
in a group before it checks it, so that `a)(b` passes. `fault` finds those; what both engines refuse is left
to the parser. Source: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import re
from functools import lru_cache

_GROUP = re.compile(r"\(\?(?:P<[A-Za-z0-9_]+>|[imsU]*(?:-[imsU]+)?[:)])")
_FLAGS_ONLY = re.compile(r"\(\?[imsU]*(?:-[imsU]+)?\)")
_REPEAT = re.compile(r"\{(\d+)(,(\d*))?\}")
_PROPERTY = re.compile(r"\\[pP](?:\{\^?([^}]*)\}|(.))")
_ESCAPE = re.compile(r"\\(?:x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|[pP](?:\{[^}]*\}|.)|[0-7]{1,3}|.)", re.DOTALL)
_POSIX = re.compile(r"\[:(\^?)([a-z]*):\]")
_LARGEST_REPEAT = 1000

_CLASSES = "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit"
_POSIX_NAMES = frozenset(_CLASSES.split())
_CATEGORIES = """
Any C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs
"""
_SCRIPTS = """
Arabic Armenian Bengali Bopomofo Braille Cherokee Common Coptic Cyrillic Devanagari Ethiopic Georgian Greek
Gujarati Gurmukhi Han Hangul Hebrew Hiragana Inherited Kannada Katakana Khmer Lao Latin Malayalam Mongolian
Myanmar Oriya Runic Sinhala Syriac Tamil Telugu Thaana Thai Tibetan Yi
"""
_UNICODE_NAMES = frozenset((_CATEGORIES + _SCRIPTS).split())


@lru_cache(maxsize=16_384)
def fault(pattern: str) -> str:
    """Why RE2 refuses `pattern`, in a few words; empty when no such reason was found."""
    if not any(c in pattern for c in "\\[(){*+?"):
        return ""
    return _Scan(pattern).fault()


class _Scan:
    """One pass over a pattern. `sizes` holds, for each open group, the largest repetition inside it."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.repeated = False  # the item that ends here is already a repetition
        self.last = 1  # the largest repetition inside the item that ends here
        self.sizes = [1]

    def fault(self) -> str:
        while self.at < len(self.pattern):
            reason = self._step(self.pattern[self.at])
            if reason:
                return reason
        return "a parenthesis is not closed" if len(self.sizes) > 1 else ""

    def _step(self, char: str) -> str:
        if char in "*+?":
            return self._operator(1)
        if char == "{":
            return self._braces()
        if char == "(":
            return self._open()
        if char == ")":
            if len(self.sizes) == 1:
                return "a parenthesis is closed that was not opened"
            self._item(1, self.sizes.pop())
            return ""
        if char == "\\":
            return self._escape()
        if char == "[":
            return self._char_class()
        self._item(1, 1)
        return ""

    def _item(self, length: int, size: int) -> None:
        self.at += length
        self.repeated = False
        self.last = size
        self.sizes[-1] = max(self.sizes[-1], size)

    def _operator(self, length: int) -> str:
        if self.repeated:
            return "a repetition is repeated"
        self.at += length
        self.repeated = True
        if self.pattern[self.at : self.at + 1] == "?":
            self.at += 1
        return ""

    def _braces(self) -> str:
        match = _REPEAT.match(self.pattern, self.at)
        if match is None:  # a literal brace
            self._item(1, 1)
            return ""
        largest = max(int(number) for number in (match[1], match[3] or "0"))
        if largest > _LARGEST_REPEAT or largest * self.last > _LARGEST_REPEAT:
            return f"repetition of more than {_LARGEST_REPEAT}"
        size = max(1, largest) * self.last
        reason = self._operator(len(match[0]))
        self.last = size
        self.sizes[-1] = max(self.sizes[-1], size)
        return reason

    def _open(self) -> str:
        if not self.pattern.startswith("(?", self.at):
            self._item(1, 1)
            self.sizes.append(1)
            return ""
        match = _GROUP.match(self.pattern, self.at)
        if match is None:
            return f'group "{self.pattern[self.at : self.at + 4]}…" is not known'
        self._item(len(match[0]), 1)
        if not _FLAGS_ONLY.fullmatch(match[0]):
            self.sizes.append(1)
        return ""

    def _escape(self) -> str:
        match = _ESCAPE.match(self.pattern, self.at)
        if match is None:  # a backslash at the end: the parser says so
            self.at = len(self.pattern)
            return ""
        self._item(len(match[0]), 1)
        return _escape_fault(match[0])

    def _char_class(self) -> str:
        """`[…]`: a `]` that comes first is literal."""
        self._item(1, 1)
        text = self.pattern
        if text.startswith("^", self.at):
            self.at += 1
        first = True
        while self.at < len(text) and (first or text[self.at] != "]"):
            first = False
            posix = _POSIX.match(text, self.at)
            if posix:
                if posix[2] not in _POSIX_NAMES:
                    return f'character class "{posix[0]}" is not known'
                self.at += len(posix[0])
                continue
            low, reason = self._class_member()
            if reason:
                return reason
            dash = text[self.at : self.at + 1] == "-" and text[self.at + 1 : self.at + 2] not in ("", "]")
            if dash and low:
                self.at += 1
                high, reason = self._class_member()
                if reason:
                    return reason
                if len(low) == 1 and len(high) == 1 and low > high:
                    return f'range "{low}-{high}" runs backwards'
        self.at += 1
        return ""

    def _class_member(self) -> tuple[str, str]:
        """The character at this place ("" for a class such as \\d), and a fault."""
        char = self.pattern[self.at]
        if char != "\\":
            self.at += 1
            return char, ""
        match = _ESCAPE.match(self.pattern, self.at)
        if match is None:
            self.at = len(self.pattern)
            return "", ""
        self.at += len(match[0])
        escaped = match[0][1:]
        single = len(escaped) == 1 and not escaped.isalnum()
        return (escaped if single else ""), _escape_fault(match[0])


def _escape_fault(escape: str) -> str:
    if escape[1] in "uU":
        return f'escape "{escape}" is not known; write \\x{{…}}'
    named = _PROPERTY.fullmatch(escape)
    if named is not None:
        name = named[1] or named[2] or ""
        if name not in _UNICODE_NAMES:
            return f'Unicode class "{name}" is not known'
    return ""
