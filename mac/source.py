"""Reading a user's YAML, with the place of every key and value.

libyaml's events carry line and column; typing is our own and follows the JSON-like core of YAML 1.2, so that
`on`, `yes`, `012` and dates stay the text that was written. Whatever is wrong with a text is a Problem; only
what hinders all reading leaves no Document.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mac import emit, files, yaml_syntax
from mac.model import Json
from mac.problems import Location, Problem

Pointer = tuple[str | int, ...]
"""Keys and indexes from the top of a document down to one value."""

MAX_EXPANDED = 2 * files.MAX_BYTES
"""Characters and values of a document after its aliases are written out."""
MAX_DEPTH = 64

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)?(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,4})?")
_WORDS: dict[str, Json] = {"": None, "~": None, "null": None, "true": True, "false": False}
_TEXT_TAGS = frozenset(["!", "tag:yaml.org,2002:str"])


@dataclass(slots=True)
class Node:
    """A value while and after it is built. `inner` is where a scalar's own characters begin."""

    value: Json
    place: Location
    inner: Location
    keys: dict[str, Location] = field(default_factory=dict)
    children: dict[str | int, Node] = field(default_factory=dict)
    weight: int = 1
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A document's plain values and the places where they stand.

    `path`: as it is shown, relative to the repository, with slashes. `data`: None, bool, int, float, str,
    lists and dictionaries of these; aliases share their values, so it is not to be changed.
    `lines`: the text without line ends. `content_digest`: a hash of `data`; comments do not count.
    `top`: `data` with its places.
    """

    path: str
    data: Json
    lines: tuple[str, ...]
    content_digest: str
    top: Node

    def location(self, pointer: Pointer = (), *, key: bool = False) -> Location:
        """Where the value (or with `key` its key) stands; what is not there answers for its parent.

        A multi-line block scalar answers with its first line, so that line n of its text stands n lines on.
        """
        node, parent = self._find(pointer)
        if key and pointer and parent is not None and pointer[-1] in parent.keys:
            return parent.keys[str(pointer[-1])]
        return node.place

    def text_location(self, pointer: Pointer) -> Location:
        """Where the characters of a scalar begin: behind its opening quote, in a block at its first line."""
        return self._find(pointer)[0].inner

    def has(self, pointer: Pointer) -> bool:
        """Whether a value stands there (null is one)."""
        node = self.top
        for step in pointer:
            if step not in node.children:
                return False
            node = node.children[step]
        return True

    def _find(self, pointer: Pointer) -> tuple[Node, Node | None]:
        node, parent = self.top, None
        for step in pointer:
            if step not in node.children:
                return node, None
            node, parent = node.children[step], node
        return node, parent


def digest(value: Json) -> str:
    """A hash of a document's values."""
    return "sha256:" + hashlib.sha256(emit.json_line(value)).hexdigest()


Read = tuple[Document | None, tuple[Problem, ...]]


def read(path: Path, root: Path) -> Read:
    """The document in a file. `root` is what shown paths are relative to."""
    content, problems = files.read(path, root)
    return (None, problems) if content is None else parse(content, files.shown(path, root))


@lru_cache(maxsize=1024)
def parse(content: bytes, shown: str) -> Read:
    """The document in a text. Never raises, whatever the bytes are.

    What was read is kept, as most files are the same in the next round of a process that goes on: nobody
    changes a document.
    """
    builder, problems = _built(content, shown, several=False)
    return (builder.documents()[0] if builder else None), problems


def parse_all(content: bytes, shown: str) -> tuple[tuple[Document, ...], tuple[Problem, ...]]:
    """The documents in a text that may have several; those that are empty are left out."""
    builder, problems = _built(content, shown, several=True)
    found = builder.documents() if builder else ()
    return tuple(document for document in found if document.data is not None), problems


def _built(content: bytes, shown: str, *, several: bool) -> tuple[_Builder | None, tuple[Problem, ...]]:
    if len(content) > files.MAX_BYTES:
        size = f"the text has {len(content) / 1e6:,.1f} MB; mac reads up to {files.MAX_BYTES / 1e6:.0f} MB"
        return None, (Problem(Location(shown), "file-too-large", size),)
    text, problems = files.decode(content, shown)
    if text is None:
        return None, problems
    shown_lines = files.lines(content)
    problem = _strange_character(text, shown)
    if problem:
        return None, (problem,)
    builder = _Builder(shown, shown_lines, several)
    try:
        builder.build(yaml.parse(text, Loader=yaml.CBaseLoader))
    except yaml.MarkedYAMLError as error:
        builder.syntax_error(error)
    except yaml.YAMLError as error:
        builder.problems.append(Problem(Location(shown), "yaml-syntax", str(error)))
    except _UnreadableError:
        pass
    else:
        return builder, tuple(builder.problems)
    return None, tuple(builder.problems)


def _strange_character(text: str, shown: str) -> Problem | None:
    """Characters that are not text, or at which only some YAML readers break the line."""
    match = _NOT_TEXT.search(text)
    if not match:
        return None
    before = files.split_lines(text[: match.start()])
    place = Location(shown, len(before), len(before[-1]) + 1, 1)
    code = ord(match.group())
    hint = f'in a double-quoted string write "\\u{code:04x}"' if code else "is this a text file?"
    return Problem(place, "yaml-syntax", f"the character U+{code:04X} cannot stand in YAML", hint)


class _UnreadableError(Exception):
    """Building stops: the reason is among the problems."""


# --- building ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet; `key` waits for its value."""

    node: Node
    anchor: str | None
    key: str | None = None
    duplicate: bool = False
    is_mapping: bool = True


class _Builder:
    """Makes nodes of events, without recursion: depth is bounded by MAX_DEPTH, not by the stack."""

    def __init__(self, shown: str, shown_lines: tuple[str, ...], several: bool) -> None:
        self.shown = shown
        self.lines = shown_lines
        self.several = several
        self.problems: list[Problem] = []
        self.done: list[Node] = []
        self.top: Node | None = None
        self.open: list[_Open] = []
        self.anchors: dict[str, Node | None] = {}  # None: not complete yet

    def build(self, events: Iterator[Any]) -> None:
        documents = 0
        for event in events:
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._start(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end(event)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1 and self.several:
                    self._next()
                elif documents > 1:
                    self._stop(
                        "yaml-unsupported",
                        self._place(event, 3),
                        "a second document begins here; mac reads one a file",
                        "move it to a file of its own",
                    )

    def _next(self) -> None:
        if self.top is not None:
            self.done.append(self.top)
        self.top, self.anchors = None, {}

    def documents(self) -> tuple[Document, ...]:
        """One at least."""
        last = self.top or Node(None, Location(self.shown), Location(self.shown))
        return tuple(self._document(top) for top in (*self.done, last))

    def _document(self, top: Node) -> Document:
        return Document(self.shown, top.value, self.lines, digest(top.value), top)

    # events

    def _scalar(self, event: Any) -> None:
        place, inner = self._scalar_places(event)
        self._tag(event, place)
        if self._awaits_key():
            self._key(event, place)
            return
        node = Node(self._typed(event), place, inner, weight=1 + len(event.value))
        self._name(event.anchor, node)
        self._add(node)

    def _start(self, event: Any) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        place = self._place(event, self._width(event) if event.flow_style else 1 - is_mapping)
        self._tag(event, place)
        if self._awaits_key():
            fault = yaml_syntax.collection_as_key(place.line - 1, place.column - 1, self.lines)
            self._stop("yaml-unsupported", self._at(fault), fault.message, fault.hint)
        if len(self.open) >= MAX_DEPTH:
            self._stop("yaml-unsupported", place, f"values are nested more than {MAX_DEPTH} deep")
        self._name(event.anchor, None)
        node = Node({} if is_mapping else [], place, place)
        self.open.append(_Open(node, event.anchor, is_mapping=is_mapping))

    def _end(self, event: Any) -> None:
        opened = self.open.pop()
        place = opened.node.place
        if place.length and event.end_mark.line + 1 == place.line:
            width = max(place.length, event.end_mark.column + 1 - place.column)
            opened.node.place = Location(place.path, place.line, place.column, width)
        self._name(opened.anchor, opened.node)
        self._add(opened.node)

    def _alias(self, event: Any) -> None:
        place = self._place(event, self._width(event))
        if self._awaits_key():
            self._stop("yaml-unsupported", place, "an alias cannot be a key")
        if event.anchor not in self.anchors:
            hint = 'a value that begins with "*" needs quotes'
            self._stop("yaml-alias", place, f'nothing has the anchor "&{event.anchor}"', hint)
        meant = self.anchors[event.anchor]
        if meant is None:
            self._stop("yaml-alias", place, f'"*{event.anchor}" stands inside of what it stands for')
        self._add(Node(meant.value, place, place, meant.keys, meant.children, meant.weight, meant.depth))

    # nodes

    def _awaits_key(self) -> bool:
        return bool(self.open) and self.open[-1].is_mapping and self.open[-1].key is None

    def _key(self, event: Any, place: Location) -> None:
        current = self.open[-1]
        name: str = event.value
        if name == "<<" and event.implicit[0]:
            hint = "write the values out, or use a parameter"
            self._stop("yaml-unsupported", place, "merge keys are not part of YAML 1.2", hint)
        value = self._typed(event)
        if not isinstance(value, str):
            written = "an empty key" if value is None and not name else f"the key {name}"
            hint = f'put it in quotes: "{name}"' if name else "give the key a name"
            self.problems.append(Problem(place, "yaml-unsupported", f"{written} is not text", hint))
        current.key = name
        current.duplicate = name in current.node.keys
        if current.duplicate:
            first = current.node.keys[name]
            message = f'the key "{name}" stands twice in this mapping; it is first on line {first.line}'
            hint = "keep one of the two"
            self.problems.append(Problem(place, "yaml-duplicate-key", message, hint))
        else:
            if not current.node.place.length:  # a block is shown by its first key
                current.node.place = current.node.inner = place
            current.node.keys[name] = place
            current.node.weight += len(name)

    def _add(self, node: Node) -> None:
        if not self.open:
            self.top = node
            return
        current = self.open[-1]
        parent = current.node
        if current.is_mapping:
            key: str | int = current.key or ""
            current.key = None
            if current.duplicate:
                return
            parent.value[key] = node.value
        else:
            key = len(parent.value)
            parent.value.append(node.value)
        parent.children[key] = node
        parent.weight += node.weight
        parent.depth = max(parent.depth, node.depth + 1)
        if parent.weight > MAX_EXPANDED or len(self.open) + node.depth > MAX_DEPTH:
            self._stop(
                "yaml-alias",
                node.place,
                "the aliases of this document expand beyond reason",
                f"written out it may have {MAX_EXPANDED / 1e6:.0f} MB and {MAX_DEPTH} levels",
            )

    def _name(self, anchor: str | None, node: Node | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def _tag(self, event: Any, place: Location) -> None:
        if event.tag and (event.tag not in _TEXT_TAGS or not isinstance(event, yaml.ScalarEvent)):
            hint = 'a text that begins with "!" needs quotes'
            self.problems.append(
                Problem(place, "yaml-unsupported", f'the tag "{event.tag}" is not known to mac', hint)
            )

    def _typed(self, event: Any) -> Json:
        """The value of a scalar; numbers that 64 bits cannot hold stay text."""
        text: str = event.value
        if not event.implicit[0] or event.tag:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if any(c.isdigit() for c in text) and _NUMBER.fullmatch(text) and not text.lstrip("-").isdigit():
            number = float(text) if text.lstrip("-")[0] not in "eE" else None
            if number is not None and abs(number) != float("inf"):
                # 1e3 is a whole number for a schema, so it is one for everybody who takes the value.
                return int(number) if number.is_integer() and abs(number) < 2**53 else number
        return text

    # places

    def _place(self, event: Any, length: int) -> Location:
        return Location(self.shown, event.start_mark.line + 1, event.start_mark.column + 1, length)

    def _width(self, event: Any) -> int:
        """Of the event's text on its first line."""
        start, end = event.start_mark, event.end_mark
        if end.line == start.line:
            return int(end.column - start.column)
        return max(len(self.lines[start.line].rstrip()) - int(start.column), 1)

    def _scalar_places(self, event: Any) -> tuple[Location, Location]:
        mark = event.start_mark
        if event.style in ("|", ">"):
            return self._block_place(event)
        width = self._width(event)
        place = self._place(event, width)
        if event.style in ("'", '"'):
            one_line = event.end_mark.line == mark.line
            return place, Location(self.shown, place.line, place.column + 1, max(width - 1 - one_line, 0))
        return place, place

    def _block_place(self, event: Any) -> tuple[Location, Location]:
        """The first line of a block, from its indentation on. An empty block answers with its indicator."""
        first, end = event.start_mark.line + 1, event.end_mark.line
        body = [line for line in self.lines[first : max(end, first)] if line.strip()]
        header = self.lines[first - 1][event.start_mark.column :]
        if not body or not event.value.strip("\n"):
            place = self._place(event, 1)
            return place, place
        given = re.match(r"[|>][-+]?([1-9])", header)
        indent = len(body[0]) - len(body[0].lstrip(" "))
        if given:  # the text's own leading blanks are not indentation
            kept = event.value.lstrip("\n")
            indent -= len(kept) - len(kept.lstrip(" "))
        width = len(self.lines[first].rstrip()) - indent if first < len(self.lines) else 0
        place = Location(self.shown, first + 1, indent + 1, max(width, 0))
        return place, place

    # problems

    def _stop(self, code: str, place: Location, message: str, hint: str = "") -> NoReturn:
        self.problems.append(Problem(place, code, message, hint))
        raise _UnreadableError

    def syntax_error(self, error: yaml.MarkedYAMLError) -> None:
        def position(mark: Any) -> tuple[int, int] | None:
            return (mark.line, mark.column) if mark is not None else None

        fault = yaml_syntax.explain(
            str(error.problem or ""),
            str(error.context or ""),
            position(error.problem_mark) or (0, 0),
            position(error.context_mark),
            self.lines,
        )
        self.problems.append(Problem(self._at(fault), "yaml-syntax", fault.message, fault.hint))

    def _at(self, fault: yaml_syntax.Fault) -> Location:
        return Location(self.shown, fault.line + 1, fault.column + 1, fault.length)
