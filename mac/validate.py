"""Everything that is generated is checked before it is written.

    shape        our own JSON Schemas, of exactly what is generated; for dashboards Grafana's types too
    expressions  PromQL, series that exist, labels that the series have
    names        unique where one would overwrite the other
    routing      labels survive, lead to a receiver that tells somebody; inhibition does not mute its source
    texts        Go templates in annotations, labels and receivers are whole
    metrics      names and labels that exporters export (of the standards, by `mac validate` alone)
    manifests    the published definitions of the Prometheus Operator's objects
    engines      promtool, amtool and the blackbox exporter, when they are there

`check` is pure. `check_with_engines` writes the files to a temporary folder and runs the engines there.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mac import conventions, emit, engines, grafana, metrics, schema, slo
from mac.checks import expressions, gotext, manifests, names, routing
from mac.checks import metrics as metric_checks
from mac.checks.tree import Places, Tree
from mac.checks.tree import owner as tree_owner
from mac.model import Catalog, Json, Standard, Text
from mac.problems import Location, Problem, Severity, ordered

SCHEMAS = {
    "rules": "generated/rules",
    "prometheus": "generated/prometheus",
    "targets": "generated/targets",
    "alertmanager": "generated/alertmanager",
    "exporter": "generated/cloudwatch",
    "prober": "generated/blackbox",
    "dashboard": "generated/dashboard",
    "overview": "generated/dashboard",
    "provider": "generated/provider",
    "sensor-script": "generated/sensor-script",
    "sensor-document": "generated/sensor-document",
    "sensor-template": "generated/sensor-template",
    "sensor-cloud-init": "generated/sensor-cloud-init",
    "sensor-ansible": "generated/sensor-ansible",
}
"""The kind of a file in the provenance → the schema of its content."""


def places(catalog: Catalog) -> Places:
    """The expressions of the standards' rules, so that problems are shown there."""
    found: dict[tuple[str, str], Text] = {}
    for standard in catalog.standards.values():
        found |= {(standard.name, rule.name): rule.expr for rule in standard.recording}
        found |= {(standard.name, rule.name): rule.expr for rule in standard.alerts}
    for service in catalog.services.values():
        for objective in service.slos:
            indicator = slo.find(objective, catalog.standards)
            if indicator is not None:
                owner = tree_owner(service.name, conventions.slo_standard(objective.name))
                found |= {(owner, rule): text for rule, text in slo.origins(objective, indicator).items()}
    return found


def check(
    files: Mapping[str, bytes],
    documents: Mapping[str, Json],
    provenance: Mapping[str, Any],
    where: Places | None = None,
) -> tuple[Problem, ...]:
    """All problems of a generated tree. `documents` are the files' values, by path.

    A tree whose shape is wrong is not looked at further. `where`: see `places`.
    """
    tree = Tree(documents, provenance, where or {})
    shape = [*_shapes(tree), *_listed(files, provenance)]
    if shape:
        return ordered(shape)
    return ordered(
        [
            *expressions.check(tree),
            *names.check(tree),
            *routing.check(tree),
            *_texts(tree),
            *_references(tree),
            *manifests.check(tree),
        ]
    )


def _shapes(tree: Tree) -> Iterator[Problem]:
    for path, entry in sorted(tree.provenance.get("files", {}).items()):
        name = SCHEMAS.get(str(entry.get("kind")))
        if name is not None and path in tree.documents:
            found = list(_shape(path, tree.documents[path], name))
            yield from found
            if not found and name == SCHEMAS["dashboard"]:
                yield from _grafana(path, tree.documents[path])
    yield from _shape(conventions.PROVENANCE, tree.provenance, "generated/provenance")


def _shape(path: str, document: Json, name: str) -> Iterator[Problem]:
    for error in schema.check(document, name):
        pointer = "/".join(str(step) for step in error.pointer)
        message = f"at {pointer}: {error.message}" if pointer else error.message
        yield Problem(Location(path), "generated-schema", message, error.hint)


def _grafana(path: str, document: Json) -> Iterator[Problem]:
    reason = grafana.fault(document)
    if reason:
        yield Problem(Location(path), "generated-schema", reason)


def _listed(files: Mapping[str, bytes], provenance: Mapping[str, Any]) -> Iterator[Problem]:
    """The provenance names every file, and every file that it names is there."""
    listed = set(provenance.get("files", {})) | {conventions.PROVENANCE}
    for path in sorted(files.keys() ^ listed):
        message = "this file is not in the provenance" if path in files else "this file was not generated"
        yield Problem(Location(path), "generated-schema", message)


def _texts(tree: Tree) -> Iterator[Problem]:
    for rule in tree.rules:
        if not rule.alerting:
            continue  # the labels of a recorded series are taken as they are
        for name, text in (*rule.annotations.items(), *rule.labels.items()):
            reason = gotext.fault(text)
            if reason:
                yield tree.problem(
                    rule, "text-template", f"{name}: {reason}", "see the text between {{ and }}"
                )
    for path, document, _ in tree.entries("alertmanager"):
        for receiver in document.get("receivers", ()):
            for text in _strings(receiver):
                reason = gotext.fault(text)
                if reason:
                    message = f'receiver "{receiver.get("name")}": {reason}, in: {text[:80]}'
                    yield Problem(Location(path), "text-template", message)


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _references(tree: Tree) -> Iterator[Problem]:
    """Files that a prometheus.yml reads are generated with it; target and rule files are read by one."""
    read: set[str] = set()
    patterns: set[str] = set()
    for path, document, _ in tree.entries("prometheus"):
        folder = path.rpartition("/")[0]
        patterns.update(f"{folder}/{pattern}" for pattern in document.get("rule_files", ()))
        for scrape in document.get("scrape_configs", ()):
            for name in _references_of(scrape):
                meant = _generated(name, folder)
                read.add(meant)
                if name.startswith("targets/") and meant not in tree.documents:
                    message = f'scrape job "{scrape.get("job_name")}" reads {name}, which is not generated'
                    yield Problem(Location(path), "generated-schema", message)
    for path, _, _ in tree.entries("targets"):
        if path not in read:
            yield Problem(Location(path), "generated-schema", "no scrape job reads these targets")
    for path, _, entry in tree.entries("rules"):
        if entry.get("evaluated") != "ruler" and path.rpartition("/")[0] + "/*.yml" not in patterns:
            yield Problem(Location(path), "generated-schema", "no prometheus.yml loads these rules")


def _references_of(scrape: Mapping[str, Any]) -> Iterator[str]:
    """The files that a scrape job discovers its targets in, and the addresses at which it asks for them."""
    for discovery in scrape.get("file_sd_configs", ()):
        yield from discovery.get("files", ())
    for discovery in scrape.get("http_sd_configs", ()):
        yield str(discovery.get("url", ""))


def _generated(name: str, folder: str) -> str:
    """The generated file that is meant, wherever it is kept: `folder` is that of the one that names it."""
    at = name.rfind("/cells/")
    return name[at + 1 :] if at >= 0 else f"{folder}/{name}"


def check_metrics(
    uses: Mapping[str, tuple[Standard, metric_checks.Uses]],
    catalogues: metrics.Catalogues,
    note: Callable[[str], None],
) -> tuple[Problem, ...]:
    """Metrics and labels that no exporter of their standard exports.

    `uses`: each standard with its expressions. `note` is told which standards cannot be checked.
    """
    checked = [standard for standard, _ in uses.values()]
    unchecked = metric_checks.unchecked(checked, catalogues)
    if unchecked:
        note(
            f"not checked are the metrics of {', '.join(unchecked)}: `exporters` would say in which "
            "catalogues they are (mac metrics list)"
        )
    expressions_of = {name: found for name, (_, found) in uses.items()}
    return ordered(metric_checks.check(checked, expressions_of, catalogues))


def edited(files: Mapping[str, bytes], provenance: Mapping[str, Any]) -> tuple[Problem, ...]:
    """A warning for each generated file that is not as it was written."""
    return tuple(
        Problem(
            Location(path),
            "edited-file",
            "this generated file was changed by hand; generate puts it back",
            "change the standard, the service or the template instead",
            Severity.WARNING,
        )
        for path, entry in provenance.get("files", {}).items()
        if path in files and hashlib.sha256(files[path]).hexdigest() != entry.get("sha256")
    )


# --- engines -----------------------------------------------------------------------------------------


def check_with_engines(
    files: Mapping[str, bytes], *, required: bool, where: Places | None = None
) -> tuple[Problem, ...]:
    """What promtool, amtool and the blackbox exporter find wrong with a generated tree.

    Without them nothing is checked, unless they are `required`: then a missing one raises EngineError. The
    exporter is asked if it is there, since not everybody probes.
    """
    find = engines.require if required else engines.find
    promtool, amtool, blackbox = find("promtool"), find("amtool"), engines.find("blackbox_exporter")
    if promtool is None and amtool is None and blackbox is None:
        return ()
    provenance = emit.read_json(files[conventions.PROVENANCE]) if conventions.PROVENANCE in files else {}
    tree = Tree({}, provenance, where or {})
    problems: list[Problem] = []
    with tempfile.TemporaryDirectory(prefix="mac-") as folder:
        root = Path(folder).resolve()
        _unpack(files, root)
        for path in sorted(files):
            tool = promtool if conventions.is_prometheus_file(path) else None
            tool = amtool if path == conventions.ALERTMANAGER_CONFIG else tool
            tool = blackbox if path.endswith(f"/{conventions.BLACKBOX_CONFIG}") else tool
            if tool is not None:
                found = tool.check_config(root / path, root)
                problems += [_found(tree, root, path, tool, finding) for finding in found]
    return ordered(problems)


def _unpack(files: Mapping[str, bytes], root: Path) -> None:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


_RULE = re.compile(r'group "(?P<group>(?:[^"\\]|\\.)*)", rule \d+, "(?P<name>[^"]*)": (?P<rest>.*)')


def _found(tree: Tree, root: Path, path: str, tool: engines.Engine, finding: engines.Finding) -> Problem:
    """An engine's complaint at the generated file, or at the standard that the rule comes from."""
    given = finding.file.replace(f"{root}/", "") if finding.file else path
    message = finding.message.replace(f"{root}/", "")
    place = Location(given, finding.line, finding.column or (1 if finding.line else 0))
    match = _RULE.search(message)
    entry = tree.provenance.get("files", {}).get(given, {})
    hint = ""
    if match is not None:
        group = match["group"].replace('\\"', '"').replace("\\\\", "\\")
        standard = next((str(r["standard"]) for r in entry.get("rules", ()) if r["group"] == group), "")
        source = tree.places.get((tree_owner(str(entry.get("service", "")), standard), match["name"]))
        if source is not None:
            return Problem(source.location, "engine-rejects", f"{match['name']}: {tool}: {match['rest']}")
        hint = f"it comes from the standard {standard}" if standard else ""
    return Problem(place, "engine-rejects", f"{tool}: {message}", hint)
