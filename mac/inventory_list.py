"""Choosing among the resources of a snapshot, and listing them for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from mac import columns, conventions, emit, snapshot
from mac.model import Json, Resource
from mac.problems import UsageError, did_you_mean, nearest

SCHEMA_VERSION = 1

LabelsOf = Callable[[Resource], Mapping[str, str]]
"""The labels of a resource: what `mac.yaml` makes of its tags, and what its kind knows."""

_NONE = "-"
_TEXT_FIELDS = ("account", "arn", "id", "kind", "launched", "lifecycle", "name", "region", "state")
_PARTS = {"tag": "tags", "tags": "tags", "attribute": "attributes", "attributes": "attributes"}
_PARTS |= {"link": "links", "links": "links"}


@dataclass(frozen=True, slots=True)
class Condition:
    """`key` must have one of its values like `pattern` (with * and ?), or none if `negated`."""

    key: str
    pattern: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted: any of each list, all of the conditions; an empty list wants everything."""

    kinds: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def lists(self) -> dict[str, tuple[str, ...]]:
        return {
            "kind": self.kinds,
            conventions.SERVICE: self.services,
            "account": self.accounts,
            "region": self.regions,
        }


@dataclass(frozen=True, slots=True)
class Listed:
    """A resource and its labels."""

    resource: Resource
    labels: Mapping[str, str]

    def values(self, key: str) -> tuple[str, ...]:
        """What a condition's key means here: `tag.NAME`, `attribute.NAME`, `link.NAME`, a field, a label."""
        part, dot, name = key.partition(".")
        if dot and part in _PARTS:
            return _texts(getattr(self.resource, _PARTS[part]).get(name))
        if key in ("address", "addresses"):
            return self.resource.addresses
        if key in _TEXT_FIELDS:
            return _texts(str(getattr(self.resource, key)))
        return _texts(self.labels.get(key)) or _texts(self.resource.attributes.get(key))


def condition(text: str) -> Condition:
    """From KEY=VALUE or KEY!=VALUE. Raises UsageError."""
    key, equals, pattern = text.partition("=")
    negated = key.endswith("!")
    key = key.removesuffix("!").strip()
    if not equals or not key:
        raise UsageError(
            f"{text!r} is not a condition", "write KEY=VALUE or KEY!=VALUE, such as state=running"
        )
    return Condition(key, pattern.strip(), negated)


def select(
    resources: Iterable[Resource],
    wanted: Selection,
    labels_of: LabelsOf,
    known: Mapping[str, Collection[str]],
) -> tuple[Listed, ...]:
    """The resources that are wanted, in the snapshot's order.

    `known`: which kinds, services, accounts and regions there may be, though no resource has them. Raises
    UsageError for one that is neither known nor any resource's, and for a key that no resource has: a word
    that is spelled wrong must not look like an empty fleet.
    """
    listed = [Listed(resource, labels_of(resource)) for resource in resources]
    chosen = listed
    for key, values in wanted.lists().items():
        if values:
            _refuse_unknown(key, values, {v for one in listed for v in one.values(key)} | {*known[key]})
            chosen = [one for one in chosen if set(one.values(key)) & set(values)]
    for asked in wanted.conditions:
        if listed and not any(one.values(asked.key) for one in listed):
            raise UsageError(f"no resource has {asked.key!r}", did_you_mean(asked.key, _keys(listed)))
        chosen = [one for one in chosen if _holds(one, asked)]
    return tuple(chosen)


def misspelled(
    resources: Iterable[Resource], conditions: Iterable[Condition], labels_of: LabelsOf
) -> Iterator[str]:
    """Hints at conditions that no resource fulfils: that is no mistake, but it may be one where a value of
    another spelling is near."""
    listed = [Listed(resource, labels_of(resource)) for resource in resources]
    for asked in conditions:
        values = {value for one in listed for value in one.values(asked.key)}
        if not asked.negated and not any(fnmatchcase(value, asked.pattern) for value in values):
            near = nearest(asked.pattern, values)
            yield f"no resource has {asked.key}={asked.pattern}" + (f"; {near}" if near else "")


def _refuse_unknown(key: str, values: Iterable[str], known: Collection[str]) -> None:
    for value in values:
        if value not in known:
            raise UsageError(f"there is no {key} {value!r}", did_you_mean(value, sorted(known)))


def _keys(listed: Iterable[Listed]) -> list[str]:
    found = {"address", *_TEXT_FIELDS}
    for one in listed:
        found |= one.labels.keys() | one.resource.attributes.keys()
        found |= {f"tag.{name}" for name in one.resource.tags}
    return sorted(found)


def _holds(one: Listed, wanted: Condition) -> bool:
    return any(fnmatchcase(v, wanted.pattern) for v in one.values(wanted.key)) is not wanted.negated


def _texts(value: Json) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, bool):
        return (str(value).lower(),)
    if isinstance(value, list | tuple):
        return tuple(text for item in value for text in _texts(item))
    return (value if isinstance(value, str) else str(value),)


# --- telling it --------------------------------------------------------------------------------------


def as_table(listed: Iterable[Listed]) -> str:
    rows: list[tuple[str, ...]] = [("KIND", "ACCOUNT", "REGION", "ID", "NAME", "SERVICE", "STATE", "ADDRESS")]
    for one in listed:
        r = one.resource
        address = r.addresses[0] if r.addresses else ""
        service = one.labels.get(conventions.SERVICE, "")
        state = r.state or r.lifecycle.value
        cells = (r.kind, r.account, r.region, r.id, r.name if r.name != r.id else "", service, state, address)
        rows.append(tuple(cell or _NONE for cell in cells))
    return columns.table(rows)


def as_dict(listed: Iterable[Listed]) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "resources": [_row(one) for one in listed]}


def as_lines(listed: Iterable[Listed]) -> Iterator[str]:
    """One JSON object a resource, as the snapshot has it, and its labels."""
    for one in listed:
        yield emit.json_escaped(_row(one))


def _row(one: Listed) -> dict[str, Json]:
    return {**snapshot.as_dict(one.resource), "labels": dict(one.labels)}
