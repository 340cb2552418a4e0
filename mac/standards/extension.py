"""Standards that extend another: each becomes a whole document, with the place of every value.

An extension takes the place of what it extends: the base watches nothing any more, so that no alert exists
twice. What the extension does not say is the base's; `spec.without` names what it leaves out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mac import overlay
from mac.problems import Problem, did_you_mean
from mac.source import Document, Pointer

_NAMED: overlay.Named = {
    ("spec", "cloudwatch", "metrics"): "name",
    ("spec", "sensors"): "name",
    ("spec", "recording"): "record",
    ("spec", "alerts"): "alert",
    ("spec", "dashboard", "panels"): "title",
}

_PLACES: Mapping[str, Pointer] = {
    "parameters": ("spec", "parameters"),
    "recording": ("spec", "recording"),
    "alerts": ("spec", "alerts"),
    "panels": ("spec", "dashboard", "panels"),
}
"""What may be left out, by its key under `without`."""


@dataclass(slots=True)
class Extended:
    """`documents`: the extensions, whole. `taken`: base → the extensions that take its place."""

    documents: list[Document] = field(default_factory=list)
    taken: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: list[Document] = field(default_factory=list)


def base_of(document: Document) -> str:
    """The standard that it extends; empty for one that stands alone."""
    spec = document.data.get("spec") if isinstance(document.data, dict) else None
    name = spec.get("extends") if isinstance(spec, dict) else None
    return name if isinstance(name, str) else ""


def extend(
    extensions: Sequence[Document], whole: Mapping[str, Document], broken: Collection[str]
) -> Extended:
    """Joins each extension with its base, which may be an extension too.

    `whole`: the standards that extend nothing, by name. `broken`: standards that exist and cannot be read.
    """
    found = Extended()
    known = dict(whole)
    waiting = list(extensions)
    while waiting:
        ready = [document for document in waiting if base_of(document) in known]
        if not ready:
            break
        for document in ready:
            waiting.remove(document)
            base = base_of(document)
            left_out = _without(document)
            found.problems += _unknown(document, known[base], left_out)
            joined = overlay.overlay(
                known[base], document, _NAMED, {_PLACES[key]: names for key, names in left_out.items()}
            )
            found.documents.append(joined)
            name = _name(document)
            found.taken.setdefault(base, []).append(name)
            known.setdefault(name, joined)
    names = {_name(document) for document in waiting}
    for document in waiting:
        base = base_of(document)
        found.broken.append(document)
        place = document.location(("spec", "extends"))
        if base in names:
            message = f"{_name(document)} extends itself, by way of {base}"
            found.problems.append(Problem(place, "dependency-cycle", message))
        elif base not in broken:
            candidates = known.keys() - {_name(document)}
            hint = did_you_mean(base, candidates)
            found.problems.append(Problem(place, "unknown-standard", f'there is no standard "{base}"', hint))
    return found


def _name(document: Document) -> str:
    metadata = document.data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _without(document: Document) -> dict[str, list[str]]:
    given = document.data["spec"].get("without")
    if not isinstance(given, dict):
        return {}
    return {
        key: [name for name in names if isinstance(name, str)]
        for key, names in given.items()
        if key in _PLACES and isinstance(names, list)
    }


def _unknown(document: Document, base: Document, left_out: Mapping[str, list[str]]) -> Iterator[Problem]:
    for key, given in left_out.items():
        known = overlay.names(base, _PLACES[key], _NAMED)
        for n, name in enumerate(given):
            if name not in known:
                place = document.location(("spec", "without", key, n))
                message = f'{_name(base)} has no "{name}" under {key}'
                yield Problem(place, "unknown-key", message, did_you_mean(name, known))
