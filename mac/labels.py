"""The labels of a resource: from its tags as `mac.yaml` says, from its kind, from where it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mac import conventions, kinds
from mac.model import LabelSource, Resource


def labels(resource: Resource, sources: Iterable[LabelSource]) -> dict[str, str]:
    """Every label that is not empty. What the kind knows gives way to a tag that `mac.yaml` names."""
    kind = kinds.all_kinds().get(resource.kind)
    found = dict(kind.facts(resource)) if kind else {}
    folded = _folded(resource)
    for source in sources:
        key = _key(resource, folded, source)
        value = resource.tags[key] if key else source.default
        if value:
            found[source.label] = source.aliases.get(value, value)
    found.setdefault(conventions.ENVIRONMENT, "default")
    found[conventions.ACCOUNT] = resource.account
    found[conventions.REGION] = resource.region
    found[conventions.RESOURCE_ID] = resource.id
    return {name: value for name, value in found.items() if value}


def tags(resource: Resource, sources: Iterable[LabelSource]) -> dict[str, str]:
    """Label → the key of the resource's tag that it comes from; without those that no tag tells."""
    folded = _folded(resource)
    keys = {source.label: _key(resource, folded, source) for source in sources}
    return {label: key for label, key in keys.items() if key}


def _folded(resource: Resource) -> dict[str, str]:
    """Key without case → key."""
    found: dict[str, str] = {}
    for key in sorted(resource.tags):
        found.setdefault(key.casefold(), key)
    return found


def _key(resource: Resource, folded: Mapping[str, str], source: LabelSource) -> str:
    """The key of the first tag that is there: the exact key wins over one that differs in case."""
    for tag in source.tags:
        key = tag if resource.tags.get(tag) else folded.get(tag.casefold(), "")
        if key and resource.tags[key]:
            return key
    return ""
