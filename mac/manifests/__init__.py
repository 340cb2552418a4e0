"""Generated files as manifests for the Prometheus Operator, for whoever brings them into a cluster. Pure.

They are made of the files themselves, so that what a template adds is in them too. What has no place in them
is a Problem.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from mac import conventions
from mac.manifests import alerting, objects, rules, scraping
from mac.manifests.objects import Manifest
from mac.model import Catalog, Json
from mac.operator_model import AlertmanagerAs, OperatorSettings
from mac.problems import Location, Problem, Severity

Read = Callable[[str], Json]
"""Path → the value of a generated file."""

_OF_CELL = ("global", "rule_files", "alerting", "scrape_configs")
_OF_GLOBAL = ("scrape_interval", "evaluation_interval", "external_labels")


def manifests(
    catalog: Catalog, files: Mapping[str, bytes], entries: Mapping[str, Mapping[str, Any]], read: Read
) -> tuple[tuple[Manifest, ...], tuple[Problem, ...]]:
    """All manifests of a tree and their kustomization files, none if mac.yaml does not ask for any.

    `entries`: what the provenance says of each file.
    """
    settings = catalog.project.operator
    if settings is None:
        return (), ()
    made = _Made(catalog, settings, files, entries, read)
    found = [*made.rules(), *made.scraping(), *made.alerting()]
    return (*found, *_kustomizations(found)), tuple(made.problems + _too_large(settings, found))


class _Made:
    """The manifests, as they come about; what could not be made is among the problems."""

    def __init__(
        self,
        catalog: Catalog,
        settings: OperatorSettings,
        files: Mapping[str, bytes],
        entries: Mapping[str, Mapping[str, Any]],
        read: Read,
    ) -> None:
        self._catalog, self._settings = catalog, settings
        self._files, self._entries, self._read = files, entries, read
        self.problems: list[Problem] = []

    def rules(self) -> Iterator[Manifest]:
        """Of the rule files that a Prometheus loads; those of a ruler are not for it."""
        loaded = {
            f"{path.rpartition('/')[0]}/{pattern}"
            for path, _ in self._of("prometheus")
            for pattern in self._read(path).get("rule_files") or ()
        }
        for path, entry in self._of("rules"):
            if any(PurePosixPath(path).match(pattern) for pattern in loaded):
                interval = self._catalog.project.evaluation_interval
                yield from rules.manifests(self._settings, self._read(path), entry, interval)

    def scraping(self) -> Iterator[Manifest]:
        """Once for a cell, of which there may be several Prometheus that collect the same."""
        done: dict[str, Json] = {}
        for path, entry in self._of("prometheus"):
            document, folder = self._read(path), path.rpartition("/")[0]
            for key in self._beyond(document):
                why = "it belongs to the object of the Prometheus, which mac does not write"
                self._tell(path, key, why, Severity.WARNING)
            scrapes = document.get("scrape_configs") or []
            if done.setdefault(folder, scrapes) is not scrapes:
                if done[folder] != scrapes:
                    self._tell(path, "scrape_configs", "another Prometheus of the cell has others")
                continue
            names = (p for p, e in self._of("targets") if e["cell"] == entry["cell"])
            targets = {name.removeprefix(f"{folder}/"): self._read(name) for name in names}
            for scrape in scrapes:
                try:
                    yield from scraping.manifests(self._settings, scrape, entry, targets)
                except scraping.InexpressibleError as error:
                    self._tell(path, f"scrape job {scrape['job_name']}", str(error))

    def alerting(self) -> Iterator[Manifest]:
        path = conventions.ALERTMANAGER_CONFIG
        if path not in self._files or self._settings.alertmanager is AlertmanagerAs.NONE:
            return
        if self._settings.alertmanager is AlertmanagerAs.VERBATIM:
            yield alerting.secret(self._settings, self._files[path].decode())
            return
        before = len(self.problems)
        made = alerting.config(
            self._settings, self._read(path), lambda what, why: self._untold(path, what, why)
        )
        if len(self.problems) == before:
            yield made

    def _of(self, kind: str) -> list[tuple[str, Mapping[str, Any]]]:
        return [(path, e) for path, e in sorted(self._entries.items()) if e["kind"] == kind]

    def _beyond(self, document: Mapping[str, Any]) -> Iterator[str]:
        """What a template has added that no object here has a place for."""
        yield from sorted(document.keys() - set(_OF_CELL))
        for section, known in (("global", _OF_GLOBAL), ("alerting", ("alertmanagers",))):
            inner = document.get(section) or {}
            yield from (f"{section}.{key}" for key in sorted(inner.keys() - set(known)))

    def _tell(self, path: str, what: str, why: str, severity: Severity = Severity.ERROR) -> None:
        problem = Problem(Location(path), "operator-inexpressible", f"{what}: {why}", "", severity)
        self.problems.append(problem)

    def _untold(self, path: str, what: str, why: str) -> None:
        """At the team's document, where there is one: names of its receivers and times begin with its own."""
        team = self._catalog.teams.get(what.partition(" / ")[0])
        place = team.location if team else Location(path)
        hint = "operator.alertmanager: secret hands over the file as it is, which has a place for it"
        self.problems.append(Problem(place, "operator-inexpressible", f"{what}: {why}", hint))


def _too_large(settings: OperatorSettings, found: list[Manifest]) -> list[Problem]:
    return [
        Problem(
            settings.location,
            "manifest-too-large",
            f"{made.path} has {length:,} bytes, and {objects.LARGEST:,} are taken",
            "what is in it cannot be divided: fewer rules in one standard, or targets outside of Git",
        )
        for made in found
        if (length := objects.size(made.document)) > objects.LARGEST
    ]


def _kustomizations(found: list[Manifest]) -> Iterator[Manifest]:
    """One for the folder of each cell, one for Alertmanager, and one for all of them."""
    within: dict[str, list[str]] = defaultdict(list)
    for made in found:
        within[str(made.entry.get("cell", ""))].append(made.path)
    for cell, paths in sorted(within.items()):
        folder = conventions.operator_folder(cell)
        yield _kustomization(folder, paths, {"cell": cell} if cell else {})
    if within:
        yield _kustomization(conventions.OPERATOR_DIR, [conventions.operator_folder(c) for c in within], {})


def _kustomization(folder: str, paths: Iterable[str], entry: Mapping[str, Json]) -> Manifest:
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(path.removeprefix(f"{folder}/") for path in paths),
    }
    return Manifest(f"{folder}/{conventions.KUSTOMIZATION}", document, {"object": "Kustomization", **entry})
