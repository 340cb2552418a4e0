"""What generating would change: two trees of generated files to a Plan. Pure.

A Plan is data: `mac diff` prints it and `mac generate` executes it. Its edits are exact, item by item; its
changes are what people read, with identical edits counted in one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mac import conventions, items
from mac.causes import Causes
from mac.items import Item, Key
from mac.model import Json

ADD = "add"
REMOVE = "remove"
MODIFY = "modify"

ACTIONS = (ADD, REMOVE, MODIFY)
KINDS = ("target", "rule", "route", "receiver", "scrape", "dashboard", "sensor", "file")

_EXAMPLES = 5
_OPEN = ("labels", "annotations", "customTags", "global", "panels", "external_labels")
# Mappings whose keys are shown as fields of their own: labels.team, annotations.summary.


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of an item, dotted, and its value before and after; None where there was none."""

    field: str
    old: Json
    new: Json


@dataclass(frozen=True, slots=True)
class Edit:
    """One item that comes (`old` is None), goes (`new` is None) or changes."""

    key: Key
    old: Item | None
    new: Item | None

    @property
    def action(self) -> str:
        return ADD if self.old is None else REMOVE if self.new is None else MODIFY

    @property
    def item(self) -> Item:
        """The item as it will be, or as it was when it goes."""
        found = self.new or self.old
        if found is None:
            raise ValueError("an edit has at least one side")
        return found


@dataclass(frozen=True, slots=True)
class Change:
    """`count` items that change in the same way. `examples`: the first few of them, for targets."""

    action: str
    kind: str
    name: str
    service: str
    environment: str
    cell: str
    cause: str
    count: int = 1
    fields: tuple[FieldChange, ...] = ()
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All changes, sorted, and the edits that they are made of. Empty when the trees mean the same."""

    changes: tuple[Change, ...] = ()
    edits: tuple[Edit, ...] = ()

    @cached_property
    def summary(self) -> Mapping[str, int]:
        """Action → number of items (not of lines)."""
        counts = dict.fromkeys(ACTIONS, 0)
        for change in self.changes:
            counts[change.action] += change.count
        return counts

    def __bool__(self) -> bool:
        return bool(self.changes)


def plan(
    old: Mapping[str, bytes],
    new: Mapping[str, bytes],
    old_provenance: Mapping[str, Any],
    new_provenance: Mapping[str, Any],
) -> Plan:
    """What turns `old` into `new`. Files are compared by what they mean; those with equal bytes are not read.

    An old tree without provenance ({}) is a first generation.
    """
    paths = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    before, after = items.read(old, old_provenance, paths), items.read(new, new_provenance, paths)
    edits = tuple(
        Edit(key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if key not in before or key not in after or before[key].value != after[key].value
    )
    context = _Context(_Tree(old, old_provenance, before), _Tree(new, new_provenance, after))
    changes = [*_collapsed(context.change(edit) for edit in edits), *_reordered(old, new, context.causes)]
    return Plan(tuple(sorted(changes, key=_order)), edits)


def apply(state: Mapping[Key, Item], made: Plan) -> dict[Key, Item]:
    """The items of a tree after a plan; the other half of `plan`, which tests hold it to."""
    result = dict(state)
    for edit in made.edits:
        if edit.new is None:
            del result[edit.key]
        else:
            result[edit.key] = edit.new
    return result


# --- edits to changes --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tree:
    """One side of the comparison; `items` are those of the files that differ."""

    files: Mapping[str, bytes]
    provenance: Mapping[str, Any]
    items: Mapping[Key, Item]

    def resources(self) -> frozenset[str]:
        """Every resource that is a target, also in the files that do not differ."""
        seen = {item.path for item in self.items.values()}
        entries = self.provenance.get("files", {})
        rest = [p for p, e in entries.items() if p not in seen and e.get("kind") in ("targets", "exporter")]
        same = items.read(self.files, self.provenance, rest)
        return items.resource_ids(self.items.values()) | items.resource_ids(same.values())


class _Context:
    """What is needed to tell the cause of an edit."""

    def __init__(self, before: _Tree, after: _Tree) -> None:
        self.causes = Causes(before.provenance, after.provenance)
        sides = (before, after)
        moved = any(key.kind == "target" for key in before.items.keys() ^ after.items.keys())
        self._known = [side.resources() if moved else frozenset() for side in sides]
        self._scopes = [items.by_scope(side.items.values()) for side in sides]
        self._whole = {
            shard: cell for side in sides for shard, (cell, _) in items.shards_in(side.provenance).items()
        }

    def change(self, edit: Edit) -> tuple[Change, str]:
        """The change that an edit is by itself, and its example."""
        item = edit.item
        kind = edit.key.kind
        fields = _fields(edit.old.value, edit.new.value) if edit.old and edit.new else ()
        example = str(item.value.get("resource_id") or edit.key.name) if kind == "target" else ""
        change = Change(
            action=edit.action,
            kind=kind,
            name=item.name,
            service=item.service,
            environment=item.environment,
            # What every shard has, such as a scrape job, is told once.
            cell=item.key.cell if kind == "file" else self._whole.get(item.key.cell, item.key.cell),
            cause=self._cause(edit, example, fields),
            fields=fields,
        )
        return change, example

    def _cause(self, edit: Edit, resource: str, fields: tuple[FieldChange, ...]) -> str:
        item = edit.item
        names = [f.field for f in fields]
        if edit.key.kind == "target":
            elsewhere = edit.action == MODIFY or resource in self._known[0 if edit.action == ADD else 1]
            same_host = names == ["address"] and _host(fields[0].old) == _host(fields[0].new)
            return self.causes.of_target(item, names, elsewhere=elsewhere, same_host=same_host)
        if edit.key.kind == "rule":
            scope = (item.key.cell, item.service, item.environment)
            alone = not self._scopes[0 if edit.action == ADD else 1].get(scope)
            return self.causes.of_rule(item, names, came_or_went=edit.action != MODIFY, alone=alone)
        return self.causes.of_other(item)


def _host(address: Json) -> str:
    return str(address).rpartition(":")[0]


def _fields(old: Json, new: Json, prefix: str = "") -> tuple[FieldChange, ...]:
    """The fields in which two values differ, in alphabetical order."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return (FieldChange(prefix or "content", old, new),)
    found: list[FieldChange] = []
    for name in sorted(old.keys() | new.keys(), key=str):
        a, b = old.get(name), new.get(name)
        if a == b and (name in old) == (name in new):
            continue
        path = f"{prefix}.{name}" if prefix else str(name)
        if name in _OPEN and isinstance(a or {}, dict) and isinstance(b or {}, dict):
            found += _fields(a or {}, b or {}, path)
        else:
            found.append(FieldChange(path, a, b))
    return tuple(found)


def _collapsed(changes: Iterable[tuple[Change, str]]) -> Iterator[Change]:
    """Changes that are alike in everything, as one with their number; targets without their own values."""
    alike: dict[tuple[Any, ...], list[tuple[Change, str]]] = defaultdict(list)
    for change, example in changes:
        shape = _outline(change.fields) if change.kind == "target" else _frozen(change.fields)
        place = (change.service, change.environment, change.cell)
        alike[change.action, change.kind, change.name, *place, change.cause, shape].append((change, example))
    for group in alike.values():
        first = group[0][0]
        yield Change(
            action=first.action,
            kind=first.kind,
            name=first.name,
            service=first.service,
            environment=first.environment,
            cell=first.cell,
            cause=first.cause,
            count=len(group),
            fields=_common(change for change, _ in group),
            examples=tuple(example for _, example in group[:_EXAMPLES] if example),
        )


def _outline(fields: Iterable[FieldChange]) -> tuple[str, ...]:
    """The names of fields; of a move also from where to where, so that people see what goes where."""
    return tuple(f"{f.field} {f.old} {f.new}" if f.field == conventions.SHARD else f.field for f in fields)


def _frozen(fields: Iterable[FieldChange]) -> tuple[str, ...]:
    return tuple(f"{f.field}\n{f.old!r}\n{f.new!r}" for f in fields)


def _common(changes: Iterable[Change]) -> tuple[FieldChange, ...]:
    """The fields of alike changes: with a value where all have it, else with None for "they differ"."""
    first, *others = [change.fields for change in changes]
    result = []
    for index, field in enumerate(first):
        olds = all(fields[index].old == field.old for fields in others)
        news = all(fields[index].new == field.new for fields in others)
        result.append(FieldChange(field.field, field.old if olds else None, field.new if news else None))
    return tuple(result)


def _reordered(old: Mapping[str, bytes], new: Mapping[str, bytes], causes: Causes) -> Iterator[Change]:
    """Alertmanager asks routes in order, so routes that change places change who is told."""
    if old.get(conventions.ALERTMANAGER_CONFIG) == new.get(conventions.ALERTMANAGER_CONFIG):
        return
    before, after = items.route_order(old), items.route_order(new)
    for name in sorted(before.keys() & after.keys()):
        both = frozenset(before[name]) & frozenset(after[name])
        was = [child for child in before[name] if child in both]
        will = [child for child in after[name] if child in both]
        if was != will:
            item = Item(Key("route", "", "", "", "tree", name), None, conventions.ALERTMANAGER_CONFIG, name)
            order = FieldChange("order", was, will)
            yield Change(MODIFY, "route", name, "", "", "", causes.of_other(item), fields=(order,))


def _order(change: Change) -> tuple[Any, ...]:
    place = (change.service, change.environment, change.cell)
    fields = tuple(f.field for f in change.fields)
    kind = KINDS.index(change.kind)
    return (change.cause, kind, change.name, *place, ACTIONS.index(change.action), fields, change.examples)
