"""What is read to explain anything: documents, generated files and their provenance, the kept snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mac import conventions, files, items, pipeline, shards, snapshot, snapshot_source, source, templates
from mac.items import Item
from mac.model import Catalog, Resource, Snapshot, Standard
from mac.problems import NOWHERE, Location, UsageError
from mac.source import Document, Pointer


@dataclass(frozen=True)
class Known:
    """A repository, of which each part is read when it is asked for, and once."""

    root: Path
    catalog: Catalog
    files: Mapping[str, bytes]
    provenance: Mapping[str, Any]
    _documents: dict[str, Document | None] = field(default_factory=dict)
    _lines: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def snapshot(self) -> Snapshot | None:
        """The inventory that is kept, if one is."""
        kept = self.root / conventions.SNAPSHOT_DIR
        return snapshot_source.read(kept, self.root) if kept.exists() else None

    @cached_property
    def rules(self) -> tuple[Item, ...]:
        return self._items("rule", "rules")

    @cached_property
    def rules_of(self) -> Mapping[tuple[str, str], tuple[Item, ...]]:
        """(file, name) → the rules of that name in it."""
        found: dict[tuple[str, str], list[Item]] = defaultdict(list)
        for item in self.rules:
            found[item.path, item.key.name].append(item)
        return {place: tuple(own) for place, own in found.items()}

    @cached_property
    def targets(self) -> tuple[Item, ...]:
        return self._items("target", "targets", "exporter")

    def _items(self, kind: str, *of: str) -> tuple[Item, ...]:
        """Those of a kind, in files of these kinds."""
        paths = [path for path, entry in self.entries.items() if entry.get("kind") in of]
        found = items.read(self.files, self.provenance, paths).values()
        return tuple(item for item in found if item.key.kind == kind)

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        """Id or ARN → resource."""
        found = self.snapshot.resources if self.snapshot else ()
        return {name: resource for resource in found for name in (resource.id, resource.arn)}

    @cached_property
    def shards(self) -> Mapping[str, tuple[str, int]]:
        """Shard → the cell that it is of, and its number there."""
        return items.shards_in(self.provenance)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Cell that is divided → how many shards it has."""
        return shards.counts(self.provenance)

    @property
    def entries(self) -> Mapping[str, Mapping[str, Any]]:
        """What the provenance says of each generated file."""
        return self.provenance.get("files", {})  # type: ignore[no-any-return]

    def lines(self, path: str) -> tuple[str, ...]:
        """Of a generated file."""
        if path not in self._lines:
            self._lines[path] = files.lines(self.files.get(path, b""))
        return self._lines[path]

    def document(self, path: str) -> Document | None:
        """A document of the repository with the places of its values; None when it is not one document."""
        if path not in self._documents:
            content, _ = files.read(self.root / path, self.root) if path else (None, ())
            self._documents[path] = None if content is None else source.parse(content, path)[0]
        return self._documents[path]

    def place(self, path: str, pointer: Pointer, fallback: Location = NOWHERE) -> Location:
        """Where a value stands, or its key if it holds others; what the document lacks answers `fallback`."""
        document = self.document(path)
        if document is None or not document.has(pointer):
            return fallback
        if not pointer:
            return document.location()
        *above, last = pointer
        parent = document.top
        for step in above:
            parent = parent.children[step]
        return document.location(pointer, key=isinstance(parent.children[last].value, dict | list))

    def standard(self, name: str) -> Standard | None:
        return self.catalog.standards.get(name) or self.catalog.bases.get(name)

    def lineage(self, name: str) -> tuple[str, ...]:
        """A standard and those that it extends, one after the other."""
        found: list[str] = []
        while name and name not in found:
            found.append(name)
            standard = self.standard(name)
            name = standard.extends if standard else ""
        return tuple(found)

    def heirs(self, name: str) -> tuple[str, ...]:
        """The standards that watch something and are this one, or extend it."""
        return tuple(each for each in self.catalog.standards if name in self.lineage(each))

    def template(self, name: str) -> str:
        """Where a template is: in the repository, else with mac."""
        own = f"templates/{name}"
        return own if (self.root / own).is_file() else f"{own} (mac's own)"

    def template_lines(self, name: str) -> tuple[str, ...]:
        texts, _ = templates.read(self.root, [name])
        return files.split_lines(texts[name]) if name in texts else ()

    def changed(self, names: Iterable[str]) -> tuple[str, ...]:
        """Which of these inputs ("standard/host", "settings") are not as they were when all was generated."""
        before, now = self.provenance.get("inputs", {}), self.catalog.digests
        return tuple(name for name in names if name in now and before.get(name) != now[name])


def read(root: Path, output: Path | None = None) -> Known:
    """Raises UsageError when nothing is generated, ProblemsError when documents cannot be read."""
    catalog = pipeline.load(root)
    present, provenance = pipeline.present(root, output)
    if not provenance:
        raise UsageError("nothing is generated yet", "`mac generate` does")
    return Known(root, catalog, present, provenance)


def snapshot_changed(known: Known) -> bool:
    """Whether the files were generated from another snapshot than the one that is kept."""
    before = known.provenance.get("snapshot")
    return bool(before and known.snapshot and snapshot.digest(known.snapshot) != before)
