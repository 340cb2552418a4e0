"""Parses AWS's answers as botocore does, for less: most of the time of reading a large fleet goes here.

A description of a machine is a hundred elements. botocore looks for every member that its model knows, in a
copy of each element by name, and lets dateutil guess at each time. Here the elements that are there are taken
up by a plan that is made once for each shape, and times are read as the ISO 8601 that AWS writes. Whatever is
out of the ordinary (flattened lists, attributes, unions, errors, repeated elements, other times) is left to
botocore; `tests/test_parsing.py` compares the two.

Texts that repeat, as states and tags do, are kept once in memory.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from botocore import parsers
from botocore.utils import parse_timestamp

_LARGE = 200_000  # bytes of a body that takes many times as much memory while it is parsed
_one_at_a_time = threading.Lock()

_LONGEST = 256  # characters of a text that is worth keeping once: a tag's value, at most

Plan = dict[str, tuple[str, bool, Any]]
"""Element → the member of the structure, whether it is plain text, and its shape."""


def timestamp(value: Any) -> datetime:
    """A time as AWS writes it. What is not in UTC, or no text, is left to botocore."""
    if isinstance(value, str) and value.endswith("Z") and value[4:5] == "-":
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    return parse_timestamp(value)


def without(body: bytes, elements: Iterable[bytes]) -> bytes:
    """An XML document without these elements and what is in them; as it is where that is not safe to tell.

    Markup can stand in a document as text by way of comments, CDATA, document types and processing
    instructions alone, and an element may be in another of its name. What has attributes, or a prefix, stays.
    """
    if b"<!" in body or body.find(b"<?", 1) > 0:
        return body
    for element in elements:
        start, end = b"<%b>" % element, b"</%b>" % element
        kept, *rest = body.split(start)
        if not rest:
            continue
        pieces = [part.partition(end) for part in rest]
        if all(found for _, found, _ in pieces):  # else one is in another, or has no end
            body = b"".join((kept, *(after for _, _, after in pieces)))
    return body


def _plan(shape: Any, known_locations: tuple[str, ...]) -> Plan | None:
    """How to read this structure; None when botocore should."""
    if shape.metadata.get("exception") or shape.is_tagged_union:
        return None
    plan: Plan = {}
    for name, member in shape.members.items():
        told = member.serialization
        special = told.get("location") in known_locations or told.get("eventheader")
        element = told.get("name") or name
        if special or told.get("xmlAttribute") or told.get("flattened") or element in plan:
            return None
        plan[element] = (name, member.type_name == "string", member)
    return plan


class _Planned(parsers.BaseXMLResponseParser):
    """Reads structures by plan."""

    _parse_shape: Any  # botocore's, which the stubs do not know
    unread: Mapping[str, tuple[bytes, ...]] = {}

    def parse(self, response: Any, shape: Any) -> Any:
        passed_over = self.unread.get(shape.name) if shape is not None else None
        if passed_over and response["status_code"] < 300:
            response["body"] = without(response["body"], passed_over)
        if len(response["body"]) < _LARGE:
            return super().parse(response, shape)
        with _one_at_a_time:  # threads would not be faster: parsing holds the interpreter
            return super().parse(response, shape)

    def _handle_structure(self, shape: Any, node: Any) -> Any:
        if isinstance(node, list):
            return cast(Any, super())._handle_structure(shape, node)
        try:
            plan = shape.mac_plan
        except AttributeError:  # threads may both make it: it is the same
            plan = shape.mac_plan = _plan(shape, self.KNOWN_LOCATIONS)
        if plan is None:
            return cast(Any, super())._handle_structure(shape, node)
        parsed: dict[str, Any] = {}
        for element in node:
            tag = element.tag
            found = plan.get(tag[tag.index("}") + 1 :] if tag[0] == "{" else tag)
            if found is None:
                continue
            name, plain, member = found
            if name in parsed:
                return cast(Any, super())._handle_structure(shape, node)
            if plain:
                text = element.text or ""
                parsed[name] = sys.intern(text) if len(text) < _LONGEST else text
            else:
                parsed[name] = self._parse_shape(member, element)
        return parsed


class _Query(_Planned, parsers.QueryParser):
    pass


class _Ec2(_Planned, parsers.EC2QueryParser):
    pass


_CLASSES = {"query": _Query, "ec2": _Ec2}


class ParserFactory(parsers.ResponseParserFactory):
    """In place of botocore's own, which makes a parser for every answer. They keep nothing of one.

    `unread`: the name of an output shape → elements of its answers that are passed over.
    """

    def __init__(self, unread: Mapping[str, tuple[bytes, ...]] | None = None) -> None:
        super().__init__()
        self._unread = {} if unread is None else unread
        self.set_parser_defaults(timestamp_parser=timestamp)
        self._made: dict[str, parsers.ResponseParser] = {}

    def create_parser(self, protocol_name: Any) -> parsers.ResponseParser:
        made = self._made.get(protocol_name)
        if made is None:
            known = _CLASSES.get(protocol_name)
            if known:
                made = known(timestamp)
                made.unread = self._unread
            else:
                made = super().create_parser(protocol_name)
            self._made[protocol_name] = made
        return made
