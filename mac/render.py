"""Bindings to files: every generated file is built as data, framed by a template, read back and compared.

Pure: templates come in as texts. What a template adds is the user's own affair; what it loses or changes of
what was meant is a Problem, so no value of a tag can become syntax.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mac import (
    conventions,
    dashboards,
    emit,
    endpoints,
    manifests,
    probing,
    readback,
    routing,
    rules,
    scraping,
    sensors,
    templating,
)
from mac.bind import Bindings
from mac.model import Binding, Catalog, Cell, Json, Scrape
from mac.problems import NOWHERE, Location, Problem, Severity, ordered
from mac.templating import Mode, TemplateError

Document = Any

PROVENANCE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Output:
    """One kind of generated file: the template that frames it and how it is read back."""

    template: str
    read: Callable[[str], Json]


RULES = Output("rules/rules.yml.j2", emit.read_yaml)
PROMETHEUS = Output("prometheus/prometheus.yml.j2", emit.read_yaml)
TARGETS = Output("targets/targets.json.j2", emit.read_json)
ALERTMANAGER = Output("alertmanager/alertmanager.yml.j2", emit.read_yaml)
CLOUDWATCH = Output("exporters/cloudwatch.yml.j2", emit.read_yaml)
BLACKBOX = Output("exporters/blackbox.yml.j2", emit.read_yaml)
DASHBOARD = Output("dashboards/dashboard.json.j2", emit.read_json)
PROVIDER = Output("dashboards/provider.yml.j2", emit.read_yaml)
MANIFEST = Output("operator/manifest.yaml.j2", emit.read_yaml)

SENSOR_SCRIPT = Output(conventions.SENSOR_TEMPLATE, sensors.read_script)
SENSOR_DOCUMENT = Output("sensors/document.json.j2", emit.read_json)
SENSOR_TEMPLATE = Output("sensors/template.json.j2", emit.read_json)
SENSOR_CLOUD_INIT = Output("sensors/cloud-init.yaml.j2", emit.read_yaml)
SENSOR_ANSIBLE = Output("sensors/ansible.yaml.j2", emit.read_yaml)

OUTPUTS = (
    *(RULES, PROMETHEUS, TARGETS, ALERTMANAGER, CLOUDWATCH, BLACKBOX, DASHBOARD, PROVIDER, MANIFEST),
    *(SENSOR_SCRIPT, SENSOR_DOCUMENT, SENSOR_TEMPLATE, SENSOR_CLOUD_INIT, SENSOR_ANSIBLE),
)
_READERS = {output.template: output.read for output in OUTPUTS}


@dataclass(frozen=True, slots=True)
class Rendered:
    """All generated files: path → bytes, and path → the value that was meant. Provenance is among them."""

    files: Mapping[str, bytes]
    documents: Mapping[str, Document]
    provenance: Document
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Tree:
    """The files as they come about."""

    templates: Mapping[str, str]
    files: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    entries: dict[str, Document] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: str, output: Output, document: Document, **entry: Json) -> None:
        """Frames `document`, reads it back, and notes where it comes from."""
        text = self._frame(path, output, document)
        if text is None:
            return
        content = text.encode()
        self.files[path] = content
        self.documents[path] = document
        digest = hashlib.sha256(content).hexdigest()
        self.entries[path] = {"template": output.template, "sha256": digest, **entry}

    def read(self, path: str) -> Json:
        """The value of a file that is there, with what its template added."""
        return _READERS[self.entries[path]["template"]](self.files[path].decode())

    def _frame(self, path: str, output: Output, document: Document) -> str | None:
        place = Location(f"templates/{output.template}")
        source = self.templates.get(output.template)
        if source is None:
            self.problems.append(Problem(place, "template-missing", "this template is missing"))
            return None
        context = document if isinstance(document, dict) else {"groups": document}
        try:
            text = templating.template(source, Mode.FILE).render({**context, "document": document})
        except TemplateError as error:
            code = "template-syntax" if error.syntax else "template-value"
            self.problems.append(
                Problem(Location(place.path, error.line, 1), code, f"{error.message} (for {path})")
            )
            return None
        try:
            missing = readback.lost(document, output.read(text))
        except ValueError as error:
            missing = f"it cannot be read back: {error}"
        if missing:
            self.problems.append(Problem(place, "template-output", f"{path}: {missing}"))
            return None
        return text


def render(
    catalog: Catalog, bindings: Bindings, templates: Mapping[str, str], snapshot_digest: str
) -> Rendered:
    """Every generated file for these bindings, or the problems that stand in the way."""
    tree = _Tree(templates)
    for cell in bindings.cells:
        _cell(tree, catalog, cell, [b for b in bindings.bindings if b.cell == cell])
    _dashboards(tree, catalog, bindings.bindings)
    _sensors(tree, catalog)
    tree.add(
        conventions.ALERTMANAGER_CONFIG, ALERTMANAGER, routing.alertmanager(catalog), kind="alertmanager"
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
        reader = _READERS.get(entry.get("template"))
        if path not in files or reader is None:
            continue
        try:
            documents[path] = reader(files[path].decode())
        except ValueError as error:
            code = "json-syntax" if path.endswith(".json") else "yaml-syntax"
            hint = "put it back with `mac generate`"
            problems.append(Problem(Location(path), code, f"it cannot be read: {error}", hint))
    return documents, tuple(problems)


# --- the files of a cell -----------------------------------------------------------------------------


def _cell(tree: _Tree, catalog: Catalog, cell: Cell, bindings: list[Binding]) -> None:
    by_service: dict[tuple[str, str], list[Binding]] = defaultdict(list)
    by_job: dict[str, list[Binding]] = defaultdict(list)
    for binding in bindings:
        by_service[binding.environment, binding.service].append(binding)
        if binding.standard.scrape:
            by_job[binding.standard.scrape.job].append(binding)
    for own in by_service.values():
        _rules(tree, catalog, own)
    scrapes: list[Scrape] = []
    for job, own in by_job.items():
        standards = sorted({b.standard.name for b in own})
        scrape = own[0].standard.scrape
        if scrape is None:
            continue
        if len(standards) > 1:
            tree.problems.append(_shared_job(own, job, standards))
            continue
        scrapes.append(scrape)
        groups = scraping.target_groups(own, scrape)
        tree.add(
            conventions.targets_file(cell.name, job),
            TARGETS,
            groups,
            kind="targets",
            cell=cell.name,
            job=job,
            standard=standards[0],
            targets=len(groups),
        )
    heard = any(team.heartbeat for team in catalog.teams.values())
    if heard:
        _heartbeat(tree, catalog, cell)
    watched = [b for b in bindings if b.standard.cloudwatch]
    if watched:
        document = scraping.cloudwatch_exporter(watched)
        tree.add(
            conventions.cloudwatch_file(cell.name),
            CLOUDWATCH,
            document,
            kind="exporter",
            cell=cell.name,
            standards=sorted({b.standard.name for b in watched}),
            resources=len({job["name"] for job in document["static"]}),
        )
    probed = _probes(tree, catalog, cell, bindings)
    tree.add(
        conventions.prometheus_file(cell.name),
        PROMETHEUS,
        scraping.prometheus(
            catalog.project,
            cell,
            scrapes,
            {b.environment for b in bindings},
            cloudwatch=bool(watched),
            probes=probed,
            heartbeat=heard,
        ),
        kind="prometheus",
        cell=cell.name,
        jobs=[
            *sorted(s.job for s in scrapes),
            *([conventions.CLOUDWATCH_JOB] if watched else []),
            *(str(probe["job_name"]) for probe in probed),
        ],
    )


def _probes(tree: _Tree, catalog: Catalog, cell: Cell, bindings: list[Binding]) -> list[Document]:
    """The targets of a cell's probes and the exporter's configuration; gives their scrape jobs."""
    probing_ones = [b for b in bindings if b.standard.probe]
    groups, problems = probing.targets(catalog, probing_ones)
    tree.problems.extend(problems)
    known = endpoints.modules(catalog.project)
    modules = [known[name] for name in groups if name in known]
    for name, own in groups.items():
        job = conventions.probe_job(name)
        tree.add(
            conventions.targets_file(cell.name, job),
            TARGETS,
            own,
            kind="targets",
            cell=cell.name,
            job=job,
            standard=own[0]["labels"][conventions.PROBE],
            targets=len(own),
        )
    if not modules:
        return []
    tree.add(
        conventions.blackbox_file(cell.name),
        BLACKBOX,
        probing.exporter(modules),
        kind="prober",
        cell=cell.name,
        modules=[module.name for module in modules],
        standards=sorted({b.standard.name for b in probing_ones}),
    )
    return list(probing.scrape_configs(catalog.project, cell, modules))


def _heartbeat(tree: _Tree, catalog: Catalog, cell: Cell) -> None:
    rule = rules.heartbeat(catalog.project, cell)
    name = conventions.HEARTBEAT_STANDARD
    listed = {"group": name, "name": rule["alert"], "type": "alerting", "standard": name}
    tree.add(
        conventions.heartbeat_file(cell.name),
        RULES,
        {"groups": [{"name": name, "rules": [rule]}]},
        kind="rules",
        cell=cell.name,
        environment="",
        service=rule["labels"][conventions.SERVICE],
        team=rule["labels"][conventions.TEAM],
        rules=[listed],
    )


def _rules(tree: _Tree, catalog: Catalog, bindings: list[Binding]) -> None:
    """The rules of one service in one environment and cell."""
    cell, environment, service = bindings[0].cell, bindings[0].environment, bindings[0].service
    dashboard = dashboards.address(catalog.project.addresses, bindings)
    groups, listed = [], []
    for binding in sorted(bindings, key=lambda b: b.standard.name):
        rendered, problems = rules.for_binding(binding, dashboard)
        tree.problems.extend(problems)
        if not rendered:
            continue
        group = conventions.rule_group(service, environment, binding.standard.name)
        groups.append({"name": group, "rules": [r.rule for r in rendered]})
        for rule in rendered:
            kind = "alerting" if "alert" in rule.rule else "recording"
            entry = {"group": group, "name": rule.name, "type": kind, "standard": binding.standard.name}
            listed.append({**entry, "override": rule.override} if rule.override else entry)
    if groups:
        tree.add(
            conventions.rules_file(cell.name, environment, service),
            RULES,
            {"groups": groups},
            kind="rules",
            cell=cell.name,
            environment=environment,
            service=service,
            team=bindings[0].team,
            rules=listed,
        )


def _shared_job(bindings: list[Binding], job: str, standards: list[str]) -> Problem:
    place = max((b.standard.location for b in bindings), default=NOWHERE)
    return Problem(
        place, "generated-name", f'the standards {" and ".join(standards)} share the scrape job "{job}"'
    )


def _dashboards(tree: _Tree, catalog: Catalog, bindings: Iterable[Binding]) -> None:
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
                DASHBOARD,
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
            DASHBOARD,
            document,
            kind="overview",
            team=team,
            standards=sorted({b.standard.name for b in own}),
        )
    if by_team:
        document = dashboards.provider(catalog.project)
        tree.add(conventions.DASHBOARD_PROVIDER, PROVIDER, document, kind="provider")


def _sensors(tree: _Tree, catalog: Catalog) -> None:
    labels, downloads = catalog.project.labels, catalog.project.downloads
    for standard in catalog.standards.values():
        if not standard.sensors:
            continue
        scripts = {}
        for sensor in standard.sensors:
            path = conventions.sensor_script(standard.name, sensor.name)
            meant = sensors.script(standard, sensor)
            tree.add(path, SENSOR_SCRIPT, meant, kind="sensor-script", standard=standard.name)
            if path in tree.files:
                scripts[sensor.name] = tree.files[path].decode()
        if len(scripts) < len(standard.sensors):
            continue
        content = sensors.document(standard, scripts)
        files: tuple[tuple[str, str, Output, Document], ...] = (
            ("document.json", "sensor-document", SENSOR_DOCUMENT, content),
            (
                *("template.json", "sensor-template", SENSOR_TEMPLATE),
                sensors.template(standard, content, labels, downloads),
            ),
            (
                *("cloud-init.yaml", "sensor-cloud-init", SENSOR_CLOUD_INIT),
                sensors.cloud_init(standard, scripts, downloads),
            ),
            (
                *("ansible.yaml", "sensor-ansible", SENSOR_ANSIBLE),
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


def _manifests(tree: _Tree, catalog: Catalog) -> None:
    made, problems = manifests.manifests(catalog, tree.files, tree.entries, tree.read)
    for manifest in made:
        tree.add(manifest.path, MANIFEST, manifest.document, kind="manifest", **manifest.entry)
    tree.problems.extend(problems)


# --- where it comes from ------------------------------------------------------------------------------


def _template_digests(templates: Mapping[str, str]) -> dict[str, str]:
    return {
        f"template/{name}": "sha256:" + hashlib.sha256(templates[name].encode()).hexdigest()
        for name in sorted(templates)
    }
