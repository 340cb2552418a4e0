"""The documents of a repository beside what they were decoded to: checks need both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mac.model import InventoryConfig, Project, Service, Slo, Standard, Team
from mac.source import Document
from mac.standards.specifications import Specified
from mac.testcases import RoutingTest, StandardTest

_KIND = re.compile(r"^kind:\s*[\"']?(\w+)", re.MULTILINE)
_METADATA_NAME = re.compile(r"^metadata:.*?\bname:\s*[\"']?([\w.-]+)", re.MULTILINE | re.DOTALL)


@dataclass(slots=True)
class Written:
    """`specified`: SLOs of OpenSLO and sloth files.

    `broken`: kind → names of documents that do not fit their schema; they exist all the same.

    `taken`: the name of a standard → the standards that extend it, and so take its place.
    """

    project: tuple[Project, Document] | None = None
    inventory: tuple[InventoryConfig, Document] | None = None
    standards: dict[str, tuple[Standard, Document]] = field(default_factory=dict)
    services: dict[str, tuple[Service, Document]] = field(default_factory=dict)
    teams: dict[str, tuple[Team, Document]] = field(default_factory=dict)
    tests: list[tuple[StandardTest, Document]] = field(default_factory=list)
    routing_tests: list[RoutingTest] = field(default_factory=list)
    taken: dict[str, tuple[str, ...]] = field(default_factory=dict)
    specified: list[Specified] = field(default_factory=list)
    broken: dict[str, set[str]] = field(default_factory=dict)

    def note_broken(self, document: Document) -> None:
        """Remembers the name of a document that does not fit, as far as it can be read."""
        data = document.data if isinstance(document.data, dict) else {}
        kind, metadata = data.get("kind"), data.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if isinstance(kind, str) and isinstance(name, str):
            self.broken.setdefault(kind, set()).add(name)

    def note_unreadable(self, path: str, lines: Sequence[str]) -> None:
        """The same for a text that is not YAML: its name is guessed, and so is the file's."""
        text = "\n".join(lines)
        kind, name = _KIND.search(text), _METADATA_NAME.search(text)
        stem = path.rpartition("/")[2].partition(".")[0]
        for guess in {stem, *([name[1]] if name else [])}:
            for likely in [kind[1]] if kind else ["Standard", "Service", "Team"]:
                self.broken.setdefault(likely, set()).add(guess)

    def slos_of(self, service: Service) -> tuple[Slo, ...]:
        """The SLOs of a service, from its own document and from specifications."""
        return (*service.slos, *(each.slo for each in self.specified if each.service == service.name))

    def standard_names(self) -> set[str]:
        return _names(self.standards, self.broken.get("Standard"))

    def in_place_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """The standards that are meant where these names stand: for one that is extended, its extensions."""
        found: dict[str, None] = {}
        for name in names:
            inner = self.taken.get(name)
            found |= dict.fromkeys(self.in_place_of(inner) if inner else (name,))
        return tuple(found)

    def service_names(self) -> set[str]:
        return _names(self.services, self.broken.get("Service"))

    def team_names(self) -> set[str]:
        return _names(self.teams, self.broken.get("Team"))


def _names(sound: Mapping[str, object], broken: set[str] | None) -> set[str]:
    return set(sound) | (broken or set())
