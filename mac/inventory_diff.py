"""What differs between two snapshots: resources that came, went or changed, by kind and service."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mac import columns, emit, snapshot
from mac.model import Json, Resource, Scope, Snapshot, together

SCHEMA_VERSION = 1

ServiceOf = Callable[[Resource], str]
"""The service of a resource; empty when none is known."""

_NAMED = 4  # so many resources are named in a line of text
_WIDTH = 60  # of a value in a line of text
_NESTED = ("tags", "links", "attributes")
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_NONE = "-"
_SINGLY = 5  # scopes that changed alike and are told one by one


class Action(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a resource, `tags.service` for one in a field. None: it was not there."""

    field: str
    before: Json
    after: Json


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """`resource` is the newer of the two; `fields` only for one that changed."""

    action: Action
    resource: Resource
    service: str = ""
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ScopeChange:
    """How a scope was and is read; empty where it was not there."""

    scope: Scope
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class InventoryDiff:
    """Both sorted. `before` and `after` are the hashes of the snapshots."""

    before: str
    after: str
    changes: tuple[ResourceChange, ...] = ()
    scopes: tuple[ScopeChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.scopes)


def compare(before: Snapshot, after: Snapshot, service_of: ServiceOf) -> InventoryDiff:
    old = {r.sort_key: r for r in before.resources}
    new = {r.sort_key: r for r in after.resources}
    changes = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if was is None and now is not None:
            changes.append(ResourceChange(Action.ADDED, now, service_of(now)))
        elif now is None and was is not None:
            changes.append(ResourceChange(Action.REMOVED, was, service_of(was)))
        elif was is not None and now is not None:
            fields = tuple(_fields(was, now))
            if fields:
                changes.append(ResourceChange(Action.CHANGED, now, service_of(now), fields))
    return InventoryDiff(
        snapshot.digest(before), snapshot.digest(after), tuple(changes), tuple(_scopes(before, after))
    )


def flat(resource: Resource) -> dict[str, Json]:
    """A resource as it is written, with tags, links and attributes each by itself."""
    found: dict[str, Json] = {}
    for name, value in snapshot.as_dict(resource).items():
        if name in _NESTED:
            found |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            found[name] = value
    return found


def _fields(was: Resource, now: Resource) -> Iterator[FieldChange]:
    old, new = flat(was), flat(now)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield FieldChange(name, old.get(name), new.get(name))


def _scopes(before: Snapshot, after: Snapshot) -> Iterator[ScopeChange]:
    old = {s.scope: s.state.value for s in before.scopes}
    new = {s.scope: s.state.value for s in after.scopes}
    for scope in sorted(old.keys() | new.keys()):
        if old.get(scope) != new.get(scope):
            yield ScopeChange(scope, old.get(scope, ""), new.get(scope, ""))


# --- telling it --------------------------------------------------------------------------------------


def summary(found: InventoryDiff) -> list[dict[str, Any]]:
    """How many were added, removed and changed, of each kind and service, sorted."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for change in found.changes:
        counts[change.resource.kind, change.service][change.action] += 1
    return [
        {"kind": kind, "service": service, **{action.value: counted[action] for action in Action}}
        for (kind, service), counted in sorted(counts.items())
    ]


def as_dict(found: InventoryDiff) -> dict[str, Any]:
    """The JSON of `mac inventory diff --format json`: every change by itself."""
    return {
        "schema_version": SCHEMA_VERSION,
        "before": found.before,
        "after": found.after,
        "summary": summary(found),
        "changes": [_change(change) for change in found.changes],
        "scopes": [
            {
                "account": s.scope.account,
                "region": s.scope.region,
                "kind": s.scope.kind,
                "before": s.before,
                "after": s.after,
            }
            for s in found.scopes
        ],
    }


def _change(change: ResourceChange) -> dict[str, Any]:
    resource = change.resource
    return {
        "action": change.action.value,
        "kind": resource.kind,
        "service": change.service,
        "account": resource.account,
        "region": resource.region,
        "id": resource.id,
        "name": resource.name,
        "arn": resource.arn,
        "fields": [{"field": f.field, "before": f.before, "after": f.after} for f in change.fields],
    }


def as_text(found: InventoryDiff) -> str:
    """For people: a table by kind and service, then one line for all that changed alike."""
    if not found:
        return "The two snapshots hold the same.\n"
    parts = []
    if found.changes:
        rows: list[tuple[str, ...]] = [("KIND", "SERVICE", "ADDED", "REMOVED", "CHANGED")]
        for row in summary(found):
            counted = (str(row[action.value] or _NONE) for action in Action)
            rows.append((row["kind"], row["service"] or _NONE, *counted))
        parts += [columns.table(rows), "\n".join(_lines(found.changes)) + "\n"]
    if found.scopes:
        lines = [("SCOPE", "BEFORE", "AFTER")]
        parts.append(columns.table([*lines, *_scope_rows(found.scopes)]))
    return "\n".join(parts)


def _scope_rows(changes: Iterable[ScopeChange]) -> Iterator[tuple[str, str, str]]:
    """A few scopes that changed alike by themselves, many together."""
    alike: dict[tuple[str, str], list[Scope]] = defaultdict(list)
    for change in changes:
        alike[change.before or _NONE, change.after or _NONE].append(change.scope)
    for (before, after), scopes in sorted(alike.items()):
        told = [together(scopes)] if len(scopes) > _SINGLY else [str(scope) for scope in scopes]
        yield from ((scope, before, after) for scope in told)


def _lines(changes: Iterable[ResourceChange]) -> Iterator[str]:
    alike: dict[tuple[str, str, int, tuple[str, ...]], list[ResourceChange]] = defaultdict(list)
    order = list(Action)
    for change in changes:
        what = tuple(_field(f) for f in change.fields)
        key = (change.resource.kind, change.service, order.index(change.action), what)
        alike[key].append(change)
    for _, same in sorted(alike.items()):
        first = same[0]
        who = ", ".join(_named(c.resource) for c in same[:_NAMED])
        more = f" and {len(same) - _NAMED:,} more" if len(same) > _NAMED else ""
        of = f" of {first.service}" if first.service else ""
        count = f"{len(same):,} " if len(same) > 1 else ""
        yield f"{_SIGNS[first.action]} {count}{first.resource.kind}{of}: {who}{more}"
        yield from (f"    {_field(f)}" for f in first.fields)


def _named(resource: Resource) -> str:
    more = f" ({resource.name})" if resource.name not in ("", resource.id) else ""
    return columns.printable(resource.id + more)


def _field(change: FieldChange) -> str:
    return f"{columns.printable(change.field)}: {_value(change.before)} → {_value(change.after)}"


def _value(value: Json) -> str:
    if value is None:
        return _NONE
    text = value if isinstance(value, str) and value.isprintable() else emit.json_escaped(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
