"""Documents read one by one, and all that is wrong with each by itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mac import conventions, files, source, testcases
from mac.model import Listed, Slo, Standard
from mac.package_model import KINDS as PACKAGE_KINDS
from mac.package_model import METRICS
from mac.problems import Location, Problem, Severity, errors, nearest
from mac.source import Document
from mac.standards import (
    decode,
    envelope,
    extension,
    inventory,
    listing,
    openslo,
    packages,
    project,
    sloth,
    specifications,
)
from mac.standards.specifications import Specified
from mac.standards.written import Written

PROJECT_FILE = "mac.yaml"
INVENTORY_FILE = "inventory/aws.yaml"
STANDARDS_FOLDER = "standards"
_KINDS = ("Standard", "StandardTest", "Service", "Team", "RoutingTest")


@dataclass(slots=True)
class Reading:
    """What was read so far. `sources`: path → lines of every file."""

    root: Path
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    written: Written = field(default_factory=Written)
    _extensions: list[Document] = field(default_factory=list)
    _openslo: list[Document] = field(default_factory=list)

    def project(self) -> None:
        if not os.path.lexists(self.root / PROJECT_FILE):
            hint = "`mac init` makes a monitoring repository; `-C DIR` names one"
            missing = Problem(Location(PROJECT_FILE), "file-missing", "the file does not exist", hint)
            self.problems.append(missing)
            return
        document = self._document(self.root / PROJECT_FILE, ["Project"])
        if document:
            self.written.project = (project.read(document), document)

    def inventory(self) -> None:
        document = self._document(self.root / INVENTORY_FILE, ["Inventory"])
        if document:
            self.written.inventory = (inventory.read(document, self._listed(document)), document)

    def packages(self) -> None:
        if self.written.project:
            self.problems += packages.check(self.root, *self.written.project)

    def _listed(self, document: Document) -> tuple[Listed, ...]:
        """The resources in the files that the inventory names."""
        found: list[Listed] = []
        for at, raw in inventory.sources(document):
            if "file" not in raw:
                continue
            path = self.root / raw["file"]
            if not path.resolve().is_relative_to(self.root.resolve()):
                place = document.location((*at, "file"))
                hint = "move it to inventory/"
                message = "the file lies outside the repository"
                self.problems.append(Problem(place, "wrong-value", message, hint))
                continue
            named = self._document(path, ["Resources"])
            if named:
                listed, problems = listing.read(named)
                found += listed
                self.problems += problems
            elif self.problems[-1].code == "file-missing":
                # The line that names it is what is wrong, not a file that is not there.
                place = document.location((*at, "file"))
                message = f"there is no file {raw['file']}"
                hint = nearest(raw["file"], _beside(path, self.root)) or "write it, or take the source out"
                self.problems[-1] = Problem(place, "file-missing", message, hint)
        return tuple(found)

    def documents(self) -> None:
        """Standards, services, teams and tests, and what is written for other tools."""
        for path in _documents(self.root / STANDARDS_FOLDER, self._note_unlisted):
            self._standards_document(path)

    def _note_unlisted(self, error: OSError) -> None:
        # Without the folder there are no teams, which is told.
        if error.errno != errno.ENOENT:
            self.problems.append(files.unlistable(error, self.root))

    def _standards_document(self, path: Path) -> None:
        if path.is_relative_to(self.root / conventions.SLO_DIR) and self._specifications(path):
            return
        document = self._document(path, _kinds_at(files.shown(path, self.root)))
        if document is None:
            return
        written = self.written
        match document.data["kind"]:
            case "Standard":
                self._standard(document)
            case "Service":
                default_tier = written.project[0].default_tier if written.project else 3
                service = decode.service(document, default_tier)
                service = replace(service, slos=tuple(self._with_slo_runbook(slo) for slo in service.slos))
                if self._is_new(service.name, written.services, "service", document):
                    written.services[service.name] = (service, document)
            case "Team":
                team = decode.team(document)
                if self._is_new(team.name, written.teams, "team", document):
                    written.teams[team.name] = (team, document)
            case "StandardTest":
                written.tests.append((testcases.read(document), document))
            case "RoutingTest":
                written.routing_tests.append(testcases.read_routing(document))

    def _standard(self, document: Document) -> None:
        standard = decode.standard(document)
        if self._is_new(standard.name, self.written.standards, "standard", document):
            standard = self._with_runbook(standard, document)
            self.written.standards[standard.name] = (standard, document)

    def extend(self) -> None:
        """When all standards are known: those that extend another."""
        written = self.written
        whole = {name: document for name, (_, document) in written.standards.items()}
        found = extension.extend(self._extensions, whole, written.broken.get("Standard", set()))
        self.problems += found.problems
        for document in found.broken:
            written.note_broken(document)
        for document in found.documents:
            faults = envelope.check(document, _kinds_at(document.path))
            self.problems += faults
            if errors(faults):
                written.note_broken(document)
            else:
                self._standard(document)
        written.taken = {base: tuple(sorted(names)) for base, names in found.taken.items()}

    def _specifications(self, path: Path) -> bool:
        """Reads a file with specifications for other tools; whether it was one."""
        content, _ = files.read(path, self.root)
        if content is None:
            return False
        shown = files.shown(path, self.root)
        documents, problems = source.parse_all(content, shown)
        tools = [specifications.tool(document) for document in documents]
        if not any(tools):
            return False
        self.sources[shown] = files.lines(content)
        self.problems += problems
        for document, tool in zip(documents, tools, strict=True):
            if tool == "openslo":
                self._openslo.append(document)
            elif tool == "sloth":
                self._specified(*sloth.read(document))
            else:
                message = "a document of mac's stands among those of another tool"
                hint = "move it to a file of its own"
                self.problems.append(Problem(document.location(), "misplaced-document", message, hint))
        return True

    def openslo(self) -> None:
        """What the OpenSLO documents say, once all are read: they refer to one another."""
        self._specified(*openslo.read(self._openslo, self.written.service_names()))

    def _specified(self, found: tuple[Specified, ...], problems: tuple[Problem, ...]) -> None:
        self.problems += problems
        for each in found:
            slo = self._with_slo_runbook(each.slo)
            self.written.specified.append(replace(each, slo=slo))

    def _with_runbook(self, standard: Standard, document: Document) -> Standard:
        """A runbook that is a page of the repository becomes the address at which people read it."""
        page = standard.runbook
        if not page or "://" in page:
            return standard
        address = self._address(page, document.location(("spec", "runbook")))
        if not address:
            return replace(standard, runbook="")
        alerts = tuple(
            replace(alert, runbook=alert.runbook or f"{address}#{conventions.alert_anchor(alert.alert)}")
            for alert in standard.alerts
        )
        return replace(standard, runbook=address, alerts=alerts)

    def _with_slo_runbook(self, slo: Slo) -> Slo:
        page = slo.runbook or conventions.SLO_RUNBOOK
        if "://" in page:
            return slo
        if not slo.runbook and not (self.root / conventions.RUNBOOK_DIR / page).is_file():
            return replace(slo, runbook=conventions.runbook_address("", page))
        return replace(slo, runbook=self._address(page, slo.location))

    def _address(self, page: str, place: Location) -> str:
        """Where people read a page of the repository or of a package; "" when nothing says it. `place`: what
        names it.
        """
        folder, base = self._runbooks(conventions.package_of(place.path))
        if not (self.root / folder / page).is_file():
            message = f"there is no page {folder}/{page}, so the alerts' links lead nowhere"
            hint = "write it: what each alert means, and what to do first"
            self.problems.append(Problem(place, "file-missing", message, hint, Severity.WARNING))
        return base and conventions.runbook_address(base, page)

    def _runbooks(self, package: str) -> tuple[str, str]:
        """Where the pages are, and where people read them: those of a package, or the repository's own."""
        settings = self.written.project[0] if self.written.project else None
        if not package or settings is None:
            own = settings.runbooks if settings else ""
            return conventions.RUNBOOK_DIR, own or conventions.SHIPPED_RUNBOOKS
        base = packages.runbooks(settings, package)
        pin = next((pin for pin in settings.packages if pin.name == package), None)
        if not base and pin:
            message = f"the alerts of {package} link to no runbook: nothing says where people read its pages"
            hint = f"write `runbooks` here, or in `spec` one that ends in {conventions.RUNBOOK_DIR}/"
            self.problems.append(Problem(pin.location, "missing-key", message, hint, Severity.WARNING))
        return f"{conventions.package_folder(package)}/runbooks", base

    def _document(self, path: Path, kinds: tuple[str, ...] | list[str]) -> Document | None:
        """The document, if it is one of these kinds and fits its schema. Extensions are put aside."""
        shown = files.shown(path, self.root)
        content, problems = files.read(path, self.root)
        self.problems += problems
        if content is None:
            self.written.note_unreadable(shown, ())
            return None
        self.sources[shown] = files.lines(content)
        document, problems = source.parse(content, shown)
        self.problems += problems
        if document is None:
            self.written.note_unreadable(shown, self.sources[shown])
            return None
        if extension.base_of(document) and document.data.get("kind") == "Standard":
            self._extensions.append(document)
            return None
        faults = envelope.check(document, kinds)
        self.problems += faults
        if errors(faults):
            self.written.note_broken(document)
            return None
        return document

    def _is_new(
        self, name: str, known: Mapping[str, tuple[object, Document]], kind: str, found: Document
    ) -> bool:
        if name not in known:
            return True
        other = known[name][1].location(("metadata", "name"))
        message = f'a {kind} named "{name}" exists already, in {other.path}'
        place = found.location(("metadata", "name"))
        self.problems.append(Problem(place, "duplicate-name", message, "give one of them another name"))
        return False


def _beside(path: Path, root: Path) -> list[str]:
    """What lies in the folder of a path that leads nowhere, as one would name it."""
    try:
        return [files.shown(other, root) for other in path.parent.iterdir()]
    except OSError:
        return []


def _documents(folder: Path, unlisted: Callable[[OSError], None]) -> Iterator[Path]:
    """YAML files below a folder, sorted; hidden ones are somebody else's, packages' catalogues no documents.
    `unlisted` is told of folders whose files cannot be known: what is in them has not been removed.
    """
    packages_folder = folder.parent / conventions.PACKAGES_DIR
    for parent, folders, names in os.walk(folder, onerror=unlisted):
        of_package = Path(parent).parent == packages_folder
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not (of_package and name == METRICS)
        )
        # A folder that is named like a document is told, not passed over.
        for name in sorted([*names, *folders]):
            if name.endswith((".yaml", ".yml")) and not name.startswith("."):
                yield Path(parent, name)


def _kinds_at(path: str) -> tuple[str, ...]:
    """What a document may be at this place."""
    return PACKAGE_KINDS if conventions.package_of(path) else _KINDS
