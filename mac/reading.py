"""Reads one scope, and does not take for gone what the reading may only have missed.

AWS lists while the fleet changes. What stands on two pages is kept once. What moves from a page that is still
to come to one that was already read stands on none, and is no less there; so what was known before and is
missing from a list of several pages is looked for in a second reading, and only what both miss is gone. A
list of one page has nothing to move between; nor is there any doubt about what AWS itself says has ended. A
page without items that is not the last is legal, and rare: it is read a second time as well.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta

from mac import scope_api
from mac.answers import CallError, Cause
from mac.aws import Access, Aws
from mac.kinds.kind import Kind, Place
from mac.model import Resource

Key = tuple[str, str, str, str, str]
"""A resource's `sort_key`."""


@dataclass(frozen=True, slots=True)
class _Once:
    """One reading: what is there, the ids of what has ended, and whether it may have missed something."""

    found: Mapping[Key, Resource]
    ended: Collection[str]
    paged: bool
    doubtful: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be read. `region` is asked, and all of it may take `deadline` seconds.

    `known`: what was there when it was last read. `fresh`: those of it that were launched so lately that a
    list may not have them yet, from one call to the next.
    """

    kind: Kind
    place: Place
    region: str
    known: Mapping[Key, Resource]
    fresh: Collection[Key]
    deadline: float


def read_all(aws: Aws, access: Access, asked: Question, details: Executor) -> tuple[Resource, ...]:
    """Every resource of a kind, or CallError."""
    until = time.monotonic() + asked.deadline
    try:
        last = _once(aws, access, asked, details, until)
        found = dict(last.found)
        missing = [key for key, resource in asked.known.items() if _vanished(key, resource, last)]
        if last.doubtful or (last.paged and missing):
            last = _once(aws, access, asked, details, until)
            found = {key: r for key, r in found.items() if r.id not in last.ended} | dict(last.found)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # A field is missing or of another type: no answer can be better than a wrong one.
        what = f"{type(error).__name__}: {error}"
        reason = f"a {asked.kind.title} is described in a way that mac cannot read: {what}"
        raise CallError(reason, cause=Cause.MALFORMED) from error
    late = {key: asked.known[key] for key in asked.fresh if _vanished(key, asked.known[key], last)}
    return tuple({**late, **found}.values())


def _vanished(key: Key, resource: Resource, reading: _Once) -> bool:
    return key not in reading.found and resource.id not in reading.ended


def _once(aws: Aws, access: Access, asked: Question, details: Executor, until: float) -> _Once:
    kind, place = asked.kind, asked.place
    found: dict[Key, Resource] = {}
    ended: set[str] = set()
    with scope_api.opened(aws, access, kind, asked.region, details, until=until) as api:
        for raw in kind.fetch(api, place):
            resource = kind.transform(place, raw)
            if resource is not None:
                found[resource.sort_key] = resource  # the later page knows better
            elif kind.ended is not None:
                ended.add(kind.ended(raw))
        return _Once(found, ended, api.paged, api.doubtful)


def young(resource: Resource, now: datetime, grace: float) -> bool:
    """Whether it was launched less than `grace` seconds ago, so that AWS may not tell all of it yet."""
    if not resource.launched or not grace:
        return False
    return now - datetime.fromisoformat(resource.launched) < timedelta(seconds=grace)
