"""Composes what `mac explain` answers: where a target or an alert comes from and who set its values, and what
stands on a line of a file, generated or written.

Read from the generated files, their provenance, the documents, and the snapshot that the repository keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mac.explain import known, locating, report, things
from mac.explain.known import Known
from mac.explain.model import Answer
from mac.items import Item
from mac.problems import UsageError, did_you_mean, nearest

SCHEMA_VERSION = 1

text = report.text


def explain(
    root: Path,
    what: str,
    output: Path | None = None,
    *,
    service: str = "",
    environment: str = "",
    here: Path | None = None,
) -> Answer:
    """What `what` names: an alert or a recorded series; a resource's id, ARN or address, a target's; a line
    of a file. `service`, `environment`: only what is theirs. `here`: where a relative path begins.

    Raises UsageError when nothing of that name is generated or there is no such line, ProblemsError when
    documents cannot be read.
    """
    read = known.read(root, output)
    place = locating.parse(what, read, (here or Path.cwd(), output or read.root))
    if place is not None:
        return locating.answer(place, read)
    chosen = [item for item in read.rules if item.key.name == what]
    chosen = chosen or [item for item in read.targets if what in things.names(item, read)]
    if not chosen:
        raise _unknown(what, read)
    fitting = [item for item in chosen if _is_for(item, service, environment)]
    if not fitting:
        raise _elsewhere(what, chosen, service, environment)
    found = tuple(things.explained(item, read) for item in things.ordered(fitting))
    return Answer(found, notes=tuple(notes(read, fitting)))


def as_dict(answer: Answer) -> dict[str, Any]:
    """The JSON of `mac explain --format json`."""
    return {"schema_version": SCHEMA_VERSION, **asdict(answer)}


def notes(read: Known, found: list[Item]) -> Iterator[str]:
    """What makes the answer differ from what is written or runs."""
    yield from locating.notes(
        read,
        {item.path for item in found},
        {name for item in found for name in _inputs(item)},
        of_targets=any(item.key.kind == "target" for item in found),
    )


def _inputs(item: Item) -> tuple[str, ...]:
    return (*(f"standard/{name}" for name in item.standards), f"service/{item.service}", "settings")


def _is_for(item: Item, service: str, environment: str) -> bool:
    return service in ("", item.service) and environment in ("", item.environment)


def _unknown(what: str, read: Known) -> UsageError:
    rules = sorted({item.key.name for item in read.rules})
    hint = nearest(what, rules)
    for folder, documents in (("standard", read.catalog.standards), ("service", read.catalog.services)):
        if what in documents:
            hint = f"{what} is a {folder}: ask for {documents[what].location.path}:1"
    return UsageError(
        f"no target and no alert is called {what}",
        hint or did_you_mean(what, sorted({i.key.name for i in read.rules if things.kind(i) == "alert"})),
    )


def _elsewhere(what: str, chosen: list[Item], service: str, environment: str) -> UsageError:
    asked = " / ".join(part for part in (service, environment) if part)
    services = {item.service for item in chosen}
    hint = did_you_mean(service, services) if service not in ("", *services) else ""
    there = sorted({item.environment for item in chosen if service in ("", item.service)})
    return UsageError(
        f"{what} is not generated for {asked}", hint or f"it is in the environments {', '.join(there)}"
    )


__all__ = ["SCHEMA_VERSION", "Answer", "as_dict", "explain", "text"]
