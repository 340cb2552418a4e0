"""Composes what `mac explain` answers: where a target or an alert comes from, and which Prometheus has it.

Read from the generated files, their provenance, the documents, and the snapshot that the repository keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mac import columns, conventions, hashing, items, pipeline, shards, snapshot_source
from mac.items import Item
from mac.model import Catalog, Resource
from mac.problems import UsageError, did_you_mean

SCHEMA_VERSION = 1
_SHOWN = 200  # answers
_ALERTING = "\nalerting"


@dataclass(frozen=True, slots=True)
class Choice:
    """Why a target is in a shard: the hash of `identity` says so. Once there are `moves_at` shards it moves
    to the last of them.
    """

    cell: str
    shard: int
    count: int
    identity: str
    moves_at: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """One target or alert. `evaluated`: by what; "" for a target. `standard`: its name, `written`: where."""

    what: str
    kind: str
    file: str
    cell: str
    group: str
    service: str
    environment: str
    standard: str
    written: str
    arn: str = ""
    evaluated: str = ""
    choice: Choice | None = None


def explain(root: Path, what: str, output: Path | None = None) -> tuple[Explanation, ...]:
    """All targets and alerts that `what` names: an alert; a resource's id, ARN or address; a target's.

    Raises UsageError when nothing of that name is generated, ProblemsError when documents cannot be read.
    """
    catalog = pipeline.load(root)
    files, provenance = pipeline.present(root, output)
    if not provenance:
        raise UsageError("nothing is generated yet", "`mac generate` does")
    known = items.read(files, provenance, files)
    resources = _resources(root)
    chosen = [item for item in known.values() if what in _names(item, resources)]
    if not chosen:
        alerts = {item.key.name for item in known.values() if item.key.group.endswith(_ALERTING)}
        raise UsageError(f"no target and no alert is called {what}", did_you_mean(what, sorted(alerts)))
    places = items.shards_in(provenance)
    counts = shards.counts(provenance)
    return tuple(_explained(item, catalog, resources, places, counts) for item in chosen)


def as_dict(found: Sequence[Explanation]) -> dict[str, Any]:
    """The JSON of `mac explain --format json`."""
    return {"schema_version": SCHEMA_VERSION, "found": [asdict(each) for each in found]}


def text(found: Sequence[Explanation]) -> str:
    parts = [f"{columns.printable(each.what)}\n{columns.table(_lines(each))}" for each in found[:_SHOWN]]
    if len(found) > _SHOWN:
        parts.append(f"and {len(found) - _SHOWN} more\n")
    return "\n".join(parts)


# --- what there is -----------------------------------------------------------------------------------


def _resources(root: Path) -> Mapping[str, Resource]:
    """Id or ARN → resource, of the snapshot that is kept; nothing where there is none."""
    kept = root / conventions.SNAPSHOT_DIR
    if not kept.exists():
        return {}
    found = snapshot_source.read(kept, root).resources
    return {name: resource for resource in found for name in (resource.id, resource.arn)}


def _names(item: Item, resources: Mapping[str, Resource]) -> tuple[str, ...]:
    """What people call a target or an alert; () for anything else."""
    if item.key.kind == "rule":
        return (item.key.name,) if item.key.group.endswith(_ALERTING) else ()
    if item.key.kind != "target":
        return ()
    address = str(item.value.get("address", ""))
    resource = resources.get(str(item.value["resource_id"]))
    own = (resource.arn, *resource.addresses) if resource else ()
    return (str(item.value["resource_id"]), item.key.name, address, address.rpartition(":")[0], *own)


def _explained(
    item: Item,
    catalog: Catalog,
    resources: Mapping[str, Resource],
    places: Mapping[str, tuple[str, int]],
    counts: Mapping[str, int],
) -> Explanation:
    standard = next(iter(item.standards), "")
    known = catalog.standards.get(standard)
    folder = item.path.split("/")[1]
    target = item.key.kind == "target"
    resource = resources.get(str(item.value.get("resource_id", ""))) if target else None
    choice = None
    if target and resource and folder in places:
        cell, number = places[folder]
        choice = _choice(resource, cell, number, counts[cell])
    return Explanation(
        what=str(item.value.get("address") or item.key.name) if target else item.key.name,
        kind="target" if target else "alert",
        file=item.path,
        cell=folder,
        group=item.key.group.partition("\n")[0],
        service=item.service,
        environment=item.environment,
        standard=standard,
        written=str(known.location) if known else "",
        arn=resource.arn if resource else "",
        evaluated="" if target else _evaluated(folder, counts),
        choice=choice,
    )


def _choice(resource: Resource, cell: str, number: int, count: int) -> Choice:
    next_one = next(shard for shard in hashing.jumps(hashing.identity(resource)) if shard >= count)
    return Choice(cell, number, count, hashing.identity(resource), next_one + 1)


def _evaluated(folder: str, counts: Mapping[str, int]) -> str:
    if folder in counts:
        return f"a ruler that has the series of all {counts[folder]} shards of {folder}"
    return f"the Prometheus of {folder}"


# --- how it is shown ---------------------------------------------------------------------------------


def _lines(each: Explanation) -> Iterator[tuple[str, ...]]:
    group = "job" if each.kind == "target" else "rule group"
    written = f" ({each.written})" if each.written else ""
    rows = (
        (group, each.group),
        ("service", " / ".join(part for part in (each.service, each.environment) if part)),
        ("standard", f"{each.standard}{written}" if each.standard else ""),
        ("resource", each.arn),
        ("file", each.file),
        ("evaluated by", each.evaluated),
        ("shard", _why(each.choice) if each.choice else ""),
    )
    for name, value in rows:
        if value:
            yield ("", name, value)


def _why(choice: Choice) -> str:
    return (
        f"{choice.shard} of the {choice.count} of {choice.cell}, by the hash of {choice.identity}; it stays "
        f"there until there are {choice.moves_at}, and moves to the last of those"
    )
