"""Manifests against the published definitions of their kinds, and what Kustomize is told of them."""

from __future__ import annotations

from collections.abc import Iterator

from mac import conventions, schema
from mac.checks.tree import Tree
from mac.problems import Location, Problem


def check(tree: Tree) -> Iterator[Problem]:
    """Everything that a cluster or Kustomize would not take, or that they would not find."""
    named: dict[tuple[str, str], str] = {}
    told: set[str] = set()
    present: set[str] = set()
    for path, document, entry in tree.entries("manifest"):
        kind = str(entry.get("object", ""))
        if path != f"{conventions.OPERATOR_DIR}/{conventions.KUSTOMIZATION}":
            present.add(path)
        faults = list(schema.check(document, f"operator/{kind.lower()}"))
        for fault in faults:
            pointer = "/".join(str(step) for step in fault.pointer)
            message = f"at {pointer}: {fault.message}" if pointer else fault.message
            yield Problem(Location(path), "generated-schema", message, fault.hint)
        if faults:
            continue
        if kind == "Kustomization":
            folder = path.removesuffix(conventions.KUSTOMIZATION)
            told.update(_file(folder + resource) for resource in document["resources"])
        else:
            name = document["metadata"]["name"]
            other = named.setdefault((kind, name), path)
            if other != path:
                yield Problem(Location(path), "generated-name", f"{kind} {name} is in {other} already")
    for path in sorted(present - told):
        yield Problem(Location(path), "generated-schema", "no kustomization.yaml names it")
    for path in sorted(told - present):
        yield Problem(
            Location(path), "generated-schema", "a kustomization.yaml names it, and it is not generated"
        )


def _file(resource: str) -> str:
    """What Kustomize reads for a resource: a folder stands for the file in it."""
    return resource if resource.endswith(".yaml") else f"{resource}/{conventions.KUSTOMIZATION}"
