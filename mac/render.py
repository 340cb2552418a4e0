"""Bindings to files: every generated file is built as data, and framed by a template. Pure."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mac import (
    cell_files,
    conventions,
    dashboards,
    emit,
    framing,
    manifests,
    routing,
    sensors,
    shard_parts,
)
from mac.bind import Bindings
from mac.framing import Document, Output, Tree
from mac.model import Binding, Catalog
from mac.problems import Location, Problem, Severity, ordered
from mac.templating import TemplateError

OUTPUTS = framing.OUTPUTS

PROVENANCE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Rendered:
    """All generated files: path → bytes, and path → the value that was meant. Provenance is among them."""

    files: Mapping[str, bytes]
    documents: Mapping[str, Document]
    provenance: Document
    problems: tuple[Problem, ...]


def render(
    catalog: Catalog, bindings: Bindings, templates: Mapping[str, str], snapshot_digest: str
) -> Rendered:
    """Every generated file for these bindings, or the problems that stand in the way."""
    tree = Tree(templates)
    divisions = {division.cell: division for division in bindings.divisions}
    for cell in bindings.cells:
        own = [b for b in bindings.bindings if b.cell == cell]
        for part in shard_parts.parts(catalog, cell, own, divisions.get(cell.name)):
            cell_files.add(tree, catalog, part)
    _dashboards(tree, catalog, bindings.bindings)
    _sensors(tree, catalog)
    tree.add(
        conventions.ALERTMANAGER_CONFIG,
        framing.ALERTMANAGER,
        routing.alertmanager(catalog),
        kind="alertmanager",
    )
    _manifests(tree, catalog)
    provenance = {
        "schema_version": PROVENANCE_VERSION,
        "snapshot": snapshot_digest,
        "inputs": {**catalog.digests, **_template_digests(templates)},
        "files": tree.entries,
    }
    tree.files[conventions.PROVENANCE] = emit.json_pretty(provenance)
    return Rendered(tree.files, tree.documents, provenance, ordered(tree.problems))


def read_back(
    files: Mapping[str, bytes], provenance: Mapping[str, Any]
) -> tuple[dict[str, Document], tuple[Problem, ...]]:
    """The values of generated files that are there, and a Problem for each that cannot be read."""
    documents: dict[str, Document] = {}
    problems = []
    for path, entry in provenance["files"].items():
        reader = framing.READERS.get(entry.get("template"))
        if path not in files or reader is None:
            continue
        try:
            documents[path] = reader(files[path].decode())
        except ValueError as error:
            code = "json-syntax" if path.endswith(".json") else "yaml-syntax"
            hint = "put it back with `mac generate`"
            problems.append(Problem(Location(path), code, f"it cannot be read: {error}", hint))
    return documents, tuple(problems)


def _dashboards(tree: Tree, catalog: Catalog, bindings: Iterable[Binding]) -> None:
    by_service: dict[str, list[Binding]] = defaultdict(list)
    by_team: dict[str, list[Binding]] = defaultdict(list)
    for binding in bindings:
        by_service[binding.service].append(binding)
        by_team[binding.team].append(binding)
    for service, own in sorted(by_service.items()):
        try:
            document = dashboards.service(service, own, catalog)
        except TemplateError as error:
            place = own[0].standard.location
            tree.problems.append(Problem(place, "template-value", f"a panel: {error.message}"))
            continue
        if document is not None:
            tree.add(
                conventions.dashboard_file(service),
                framing.DASHBOARD,
                document,
                kind="dashboard",
                service=service,
                standards=sorted({b.standard.name for b in own if b.standard.panels}),
            )
    for team, own in sorted(by_team.items()):
        try:
            document = dashboards.overview(team, own, catalog.project.addresses)
        except TemplateError:
            continue  # a panel, which was told with its service
        tree.add(
            conventions.team_dashboard_file(team),
            framing.DASHBOARD,
            document,
            kind="overview",
            team=team,
            standards=sorted({b.standard.name for b in own}),
        )
    if by_team:
        document = dashboards.provider(catalog.project)
        tree.add(conventions.DASHBOARD_PROVIDER, framing.PROVIDER, document, kind="provider")


def _sensors(tree: Tree, catalog: Catalog) -> None:
    labels, downloads = catalog.project.labels, catalog.project.downloads
    for standard in catalog.standards.values():
        if not standard.sensors:
            continue
        scripts = {}
        for sensor in standard.sensors:
            path = conventions.sensor_script(standard.name, sensor.name)
            meant = sensors.script(standard, sensor)
            tree.add(path, framing.SENSOR_SCRIPT, meant, kind="sensor-script", standard=standard.name)
            if path in tree.files:
                scripts[sensor.name] = tree.files[path].decode()
        if len(scripts) < len(standard.sensors):
            continue
        content = sensors.document(standard, scripts)
        files: tuple[tuple[str, str, Output, Document], ...] = (
            ("document.json", "sensor-document", framing.SENSOR_DOCUMENT, content),
            (
                *("template.json", "sensor-template", framing.SENSOR_TEMPLATE),
                sensors.template(standard, content, labels, downloads),
            ),
            (
                *("cloud-init.yaml", "sensor-cloud-init", framing.SENSOR_CLOUD_INIT),
                sensors.cloud_init(standard, scripts, downloads),
            ),
            (
                *("ansible.yaml", "sensor-ansible", framing.SENSOR_ANSIBLE),
                sensors.ansible(standard, scripts, downloads),
            ),
        )
        for name, kind, output, document in files:
            path = conventions.sensor_file(standard.name, name)
            tree.add(path, output, document, kind=kind, standard=standard.name)
        for label in sensors.untold(standard.applies_to, labels):
            message = f"State Manager finds machines by their tags, and no tag tells {label}"
            hint = "machines that only this label tells get their sensors by cloud-init or Ansible"
            place = standard.location
            tree.problems.append(Problem(place, "sensor-target", message, hint, Severity.WARNING))


def _manifests(tree: Tree, catalog: Catalog) -> None:
    made, problems = manifests.manifests(catalog, tree.files, tree.entries, tree.read)
    for manifest in made:
        tree.add(manifest.path, framing.MANIFEST, manifest.document, kind="manifest", **manifest.entry)
    tree.problems.extend(problems)


# --- where it comes from ------------------------------------------------------------------------------


def _template_digests(templates: Mapping[str, str]) -> dict[str, str]:
    return {
        f"template/{name}": "sha256:" + hashlib.sha256(templates[name].encode()).hexdigest()
        for name in sorted(templates)
    }
