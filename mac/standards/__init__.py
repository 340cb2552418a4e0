"""What engineers wrote, read and checked: a monitoring repository in, a Catalog and every Problem out.

Reads `mac.yaml`, `inventory/aws.yaml` with the files that it names, and `standards/` with its packages. A
document that does not fit its schema is left out, but its name stays known, so that one mistake is told once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mac import kinds
from mac.model import Catalog, InventoryConfig, Project, Service, Slo, Standard
from mac.problems import Problem, ProblemsError, errors, ordered
from mac.standards import destinations, events, packages, references
from mac.standards.reading import Reading
from mac.standards.written import Written
from mac.testcases import RoutingTest, StandardTest


@dataclass(frozen=True, slots=True)
class Loaded:
    """`catalog` is None when any document has errors. `sources`: path → lines of every file that was read.

    `tests` are those whose documents fit their schema, also beside errors elsewhere.
    """

    catalog: Catalog | None
    problems: tuple[Problem, ...]
    sources: Mapping[str, tuple[str, ...]]
    tests: tuple[StandardTest, ...] = ()
    routing_tests: tuple[RoutingTest, ...] = ()


def load(root: Path) -> Loaded:
    """Everything that engineers wrote under `root`, and everything that is wrong with it."""
    reading = Reading(root)
    reading.project()
    reading.inventory()
    reading.packages()
    reading.documents()
    reading.extend()
    reading.openslo()
    written = reading.written
    found = ordered([*reading.problems, *references.check(written)])
    catalog = None
    if written.project and written.inventory and not errors(found):
        catalog = Catalog(
            project=written.project[0],
            inventory=_reading_what_is_watched(written),
            standards=_applied(written),
            bases={name: written.standards[name][0] for name in sorted(written.taken)},
            services={
                name: replace(item, slos=_measured(written, item))
                for name, (item, _) in sorted(written.services.items())
            },
            teams={name: item for name, (item, _) in sorted(written.teams.items())},
            digests=_digests(written),
        )
    return Loaded(
        catalog,
        found,
        reading.sources,
        tuple(test for test, _ in written.tests),
        tuple(written.routing_tests),
    )


def pinned(root: Path) -> tuple[Project, Mapping[str, tuple[str, ...]]]:
    """The settings alone, with sound pins of packages, and the lines of mac.yaml. Raises ProblemsError."""
    reading = Reading(root)
    reading.project()
    if reading.written.project is None:
        raise ProblemsError(reading.problems)
    found = [*reading.problems, *packages.pins(*reading.written.project)]
    if errors(found):
        raise ProblemsError(found)
    return reading.written.project[0], reading.sources


def settings(root: Path) -> Project:
    """mac.yaml alone, for what needs no standards. Raises ProblemsError."""
    reading = Reading(root)
    reading.project()
    if reading.written.project is None:
        raise ProblemsError(reading.problems)
    project, document = reading.written.project
    found = [
        *reading.problems,
        *destinations.check(project.destinations, document),
        *events.check(project.events, document),
    ]
    if errors(found):
        raise ProblemsError(found)
    return project


fetched = packages.read
"""What was fetched for a package."""


def _reading_what_is_watched(written: Written) -> InventoryConfig:
    """The inventory; where it names no kinds, those that the standards are for are read too."""
    if written.inventory is None:
        raise ValueError("there is no inventory")
    config, document = written.inventory
    if document.has(("spec", "kinds")):
        return config
    watched = {standard.applies_to.kind for standard, _ in written.standards.values()}
    return replace(config, kinds=tuple(sorted({*config.kinds, *(watched & kinds.aws_kinds().keys())})))


def _applied(written: Written) -> dict[str, Standard]:
    """What watches something: extensions in place of their bases, also where others depend on these."""
    return {
        name: replace(item, depends_on=written.in_place_of(item.depends_on))
        for name, (item, _) in sorted(written.standards.items())
        if name not in written.taken
    }


def _measured(written: Written, service: Service) -> tuple[Slo, ...]:
    """The SLOs of a service; one of an extended standard is measured by what took its place."""
    return tuple(
        replace(slo, standard=written.in_place_of([slo.standard])[0]) if slo.standard else slo
        for slo in written.slos_of(service)
    )


def _digests(written: Written) -> dict[str, str]:
    """Content hashes by "standard/<name>", "service/<name>", "team/<name>" and "settings"."""
    documents = {
        **{f"standard/{name}": document for name, (_, document) in written.standards.items()},
        **{f"service/{name}": document for name, (_, document) in written.services.items()},
        **{f"team/{name}": document for name, (_, document) in written.teams.items()},
    }
    if written.project:
        documents["settings"] = written.project[1]
    digests = {name: document.content_digest for name, document in sorted(documents.items())}
    for each in written.specified:
        name = f"service/{each.service}"
        parts = f"{digests.get(name, '')} {each.document.content_digest}"
        digests[name] = f"sha256:{hashlib.sha256(parts.encode()).hexdigest()}"
    return digests
