"""The labels of a resource: from its tags as `mac.yaml` says, from its kind, from where it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mac import conventions, kinds
from mac.model import LabelSource, Resource


def labels(resource: Resource, sources: Iterable[LabelSource]) -> dict[str, str]:
    """Every label that is not empty. What the kind knows gives way to a tag that `mac.yaml` names."""
    kind = kinds.all_kinds().get(resource.kind)
    found = dict(kind.facts(resource)) if kind else {}
    folded: dict[str, str] = {}
    for key in sorted(resource.tags):
        folded.setdefault(key.casefold(), resource.tags[key])
    for source in sources:
        value = next((v for tag in source.tags if (v := _tag(resource, folded, tag))), source.default)
        if value:
            found[source.label] = source.aliases.get(value, value)
    found.setdefault(conventions.ENVIRONMENT, "default")
    found[conventions.ACCOUNT] = resource.account
    found[conventions.REGION] = resource.region
    found[conventions.RESOURCE_ID] = resource.id
    return {name: value for name, value in found.items() if value}


def _tag(resource: Resource, folded: Mapping[str, str], tag: str) -> str:
    """The tag's value: the exact key wins over one that differs in case."""
    return resource.tags.get(tag) or folded.get(tag.casefold(), "")
