"""What a line of a document, a template or a snapshot leads to: everything that is generated from it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from mac import conventions, emit, rules
from mac.explain import chains, generated, origins, places, things
from mac.explain.known import Known
from mac.explain.model import Lead, Line, Origin, Value
from mac.items import Item
from mac.model import Standard
from mac.source import Document, Pointer

Answered = tuple[Line, list[Item]]

_TEMPLATES = "templates/"
_HEADING = re.compile(r"#+\s+`?([A-Za-z_][A-Za-z0-9_]*)`?\s*")
# Keys of mac.yaml → kinds of generated files that show them.
_SETTINGS = {
    "prometheus": ("prometheus",),
    "remote_write": ("prometheus",),
    "shards": ("prometheus",),
    "replicas": ("prometheus",),
    "alertmanager": ("alertmanager",),
    "maintenance": ("alertmanager",),
    "probe_modules": ("prober",),
    "addresses": ("dashboard", "overview"),
    "docs": ("dashboard", "overview"),
    "grafana": ("provider",),
    "operator": ("manifest",),
    "sensors": ("sensor-template", "sensor-cloud-init", "sensor-ansible"),
}


def line(asked: Line, column: int, known: Known) -> Answered | None:
    """The answer for a line of a file of the repository, and the targets that it is; None: mac does not read
    the file.
    """
    path = asked.path
    if path.startswith(_TEMPLATES):
        return _template(asked, known)
    if path.startswith(f"{conventions.SNAPSHOT_DIR}/"):
        return _resource(asked, known)
    if path.startswith(f"{conventions.RUNBOOK_DIR}/") and path.endswith(".md"):
        return _runbook(asked, known)
    document = known.document(path) if path.endswith((".yaml", ".yml")) else None
    if document is None or not isinstance(document.data, dict):
        return None
    if not str(document.data.get("apiVersion", "")).startswith("mac/"):
        return None
    pointer = places.pointer_at(document, asked.line, column) if asked.line else ()
    readers: dict[str, Callable[[Document, Pointer, Known], Line]] = {
        "Standard": _standard,
        "Service": _service,
        "Team": _team,
        "Project": _project,
        "StandardTest": _test,
    }
    kind = str(document.data.get("kind", ""))
    told = readers.get(kind, _other)(document, pointer, known)
    text, what = asked.text.strip(), told.what
    if asked.line and (not text or text.startswith("#")):
        what = f"{'a comment' if text else 'a blank line'} within {what}"
    shown = replace(
        told, path=path, line=asked.line, text=asked.text, owner="you", what=what, at=generated.jq(pointer)
    )
    return shown, []


# --- leads --------------------------------------------------------------------------------------------


def of_rules(items: Iterable[Item], known: Known) -> tuple[Lead, ...]:
    return tuple(
        Lead(
            things.kind(item),
            item.key.name,
            item.service,
            item.environment,
            things.folder(item),
            item.path,
            things.rule_line(item, known),
        )
        for item in things.ordered(items)
    )


def of_targets(items: Iterable[Item]) -> tuple[Lead, ...]:
    """Counted by file, service and environment."""
    counts: dict[tuple[str, str, str, str, str], int] = defaultdict(int)
    for item in items:
        place = (things.group(item), item.service, item.environment, things.folder(item), item.path)
        counts[place] += 1
    return tuple(Lead("target", *place, 0, count) for place, count in sorted(counts.items()))


def of_files(paths: Iterable[str], known: Known) -> tuple[Lead, ...]:
    found = []
    for path in sorted(paths):
        entry = known.entries[path]
        service, environment, cell = (str(entry.get(key, "")) for key in ("service", "environment", "cell"))
        found.append(Lead("file", str(entry.get("kind", "")), service, environment, cell, path, 0))
    return tuple(found)


def _kinds(known: Known, *wanted: str) -> list[str]:
    return [path for path, entry in known.entries.items() if entry.get("kind") in wanted]


def _watched(known: Known, names: Iterable[str]) -> list[Item]:
    """The targets of these standards."""
    wanted = set(names)
    found = []
    for item in known.targets:
        if not wanted.isdisjoint(item.standards):
            resource = known.resources.get(str(item.value["resource_id"]))
            standard = things.watching(item, resource, known)
            if standard and standard.name in wanted:
                found.append(item)
    return found


def _ruled(known: Known, names: Iterable[str], only: Iterable[str] | None = None) -> list[Item]:
    """The rules of these standards; `only`: those of these names."""
    wanted, called = set(names), None if only is None else set(only)
    return [
        item
        for item in known.rules
        if not wanted.isdisjoint(item.standards) and (called is None or item.key.name in called)
    ]


def _values(known: Known, standard: Standard, name: str, items: Iterable[Item]) -> tuple[Value, ...]:
    """What a parameter is in each place where the standard has rules."""
    found = sorted({(item.service, item.environment, item.key.override) for item in items})
    return tuple(
        Value(*place, chains.parameter(known, standard, name, place))
        for place in found
        if not place[2]
        or name in conventions.overridden(place[2])
        or not any(other[:2] == place[:2] and not other[2] for other in found)
    )


def _readers(standard: Standard, name: str) -> dict[str, tuple[str, ...]]:
    """Rule → where it reads a parameter."""
    read = {rule.name: rules.parameters_read(standard, rule) for rule in rules.standard_rules(standard)}
    return {rule: places[name] for rule, places in read.items() if name in places}


def _parameter(known: Known, names: Iterable[str], name: str, only: Callable[[Item], bool]) -> Line:
    """What comes of a parameter of these standards, in the rules that are `only`."""
    leads: list[Lead] = []
    values: list[Value] = []
    come: list[Origin] = []
    for each in names:
        standard = known.catalog.standards.get(each)
        if standard is None or name not in standard.parameters:
            continue
        readers = _readers(standard, name)
        own = [item for item in _ruled(known, [each]) if only(item)]
        leads += of_rules([item for item in own if item.key.name in readers], known)
        values += _values(known, standard, name, own)
        come += [
            Origin("read by", f"{rule.name} ({', '.join(readers[rule.name])})", str(rule.location))
            for rule in rules.standard_rules(standard)
            if rule.name in readers
        ]
    return Line("", 0, "", "", "", origins=tuple(come), leads=tuple(leads), values=tuple(values))


# --- documents ----------------------------------------------------------------------------------------


def _standard(document: Document, pointer: Pointer, known: Known) -> Line:
    name = str(document.data["metadata"]["name"])
    heirs = known.heirs(name)
    own = f"the standard {name}"
    base = [
        Origin("standard", heir, str(known.catalog.standards[heir].location))
        for heir in heirs
        if heir != name
    ]
    come = tuple(replace(each, what="extended by") for each in base)
    section = [str(step) for step in pointer[1:3]] if pointer[:1] == ("spec",) else []
    item = generated.value(document.data, pointer[:3]) if len(pointer) > 2 else None
    match section:
        case ["parameters", parameter]:
            what = f"the parameter {parameter} of {own}"
            told = _parameter(known, heirs, parameter, lambda _: True)
            return replace(told, what=_within(what, pointer[3:]), origins=(*come, *told.origins))
        case ["alerts", _] if isinstance(item, dict) and "alert" in item:
            what, found = f"the alert {item['alert']} of {own}", _ruled(known, heirs, [str(item["alert"])])
            return Line("", 0, "", "", _within(what, pointer[3:]), origins=come, leads=of_rules(found, known))
        case ["recording", _] if isinstance(item, dict) and "record" in item:
            what = f"the recorded series {item['record']} of {own}"
            read = _reading(known, heirs, str(item["record"]))
            found = _ruled(known, heirs, [str(item["record"]), *read])
            return Line("", 0, "", "", _within(what, pointer[3:]), origins=come, leads=of_rules(found, known))
        case ["indicators", indicator]:
            slos = [
                conventions.slo_standard(slo.name)
                for service in known.catalog.services.values()
                for slo in service.slos
                if slo.standard in heirs and slo.indicator == indicator
            ]
            leads = of_rules(_ruled(known, slos), known)
            return Line("", 0, "", "", f"the indicator {indicator} of {own}", origins=come, leads=leads)
        case ["dashboard", *_]:
            shown = [
                path
                for path in _kinds(known, "dashboard")
                if not set(heirs).isdisjoint(known.entries[path].get("standards", ()))
            ]
            what = f"the dashboard of {own}"
            if len(pointer) > 4 and pointer[2] == "panels":
                panel = generated.value(document.data, pointer[:4])
                what = f'the panel "{panel.get("title", "")}" of {own}'
            elif len(pointer) == 4 and pointer[2] == "panels":
                what = f'the panel "{generated.value(document.data, pointer).get("title", "")}" of {own}'
            return Line("", 0, "", "", what, origins=come, leads=of_files(shown, known))
        case ["scrape" | "cloudwatch" | "probe" as way, *_]:
            what = f"the {way} of {own}"
            return Line("", 0, "", "", what, origins=come, leads=of_targets(_watched(known, heirs)))
        case ["sensors", *_]:
            shown = [path for path, entry in known.entries.items() if entry.get("standard") in heirs]
            shown = [path for path in shown if path.startswith("sensors/")]
            return Line("", 0, "", "", f"the sensors of {own}", origins=come, leads=of_files(shown, known))
    found = _ruled(known, heirs)
    leads = (*of_targets(_watched(known, heirs)), *of_files({each.path for each in found}, known))
    return Line("", 0, "", "", _within(own, pointer), origins=come, leads=leads)


def _within(what: str, rest: Pointer) -> str:
    if not rest or rest in (("alert",), ("record",)):
        return what
    return f"the {'.'.join(str(step) for step in rest)} of {what}"


def _reading(known: Known, names: Iterable[str], record: str) -> set[str]:
    """Rules that read a recorded series of their standard."""
    found = set()
    for name in names:
        standard = known.catalog.standards[name]
        for rule in rules.standard_rules(standard):
            if rule.name != record and record in rules.series_read(standard, rule):
                found.add(rule.name)
    return found


def _service(document: Document, pointer: Pointer, known: Known) -> Line:
    name = str(document.data["metadata"]["name"])
    own = f"the service {name}"
    section = [str(step) for step in pointer[1:4]] if pointer[:1] == ("spec",) else []
    match section:
        case ["parameters", standard, parameter]:
            told = _parameter(known, [standard], parameter, lambda item: item.service == name)
            what = f"the {parameter} of the standard {standard} for {own}"
            return replace(told, what=what)
        case ["parameters", standard] if standard in known.catalog.standards:
            read = [item for item in _ruled(known, [standard]) if item.service == name]
            what = f"the parameters of the standard {standard} for {own}"
            return Line("", 0, "", "", what, leads=of_rules(read, known))
        case ["exemptions", _, *_]:
            exemption = generated.value(document.data, pointer[:3])
            what = f"the exemption of {own} from {exemption.get('alert') or exemption['standard']}"
            come = origins.standards([str(exemption["standard"])], known)
            what += f", which holds until {exemption['expires']}" if "expires" in exemption else ""
            return Line("", 0, "", "", what, origins=tuple(come))
        case ["slo", _, *_]:
            slo = str(generated.value(document.data, pointer[:3]).get("name", ""))
            found = [i for i in _ruled(known, [conventions.slo_standard(slo)]) if i.service == name]
            return Line("", 0, "", "", f"the SLO {slo} of {own}", leads=of_rules(found, known))
        case ["endpoints", _, *_]:
            url = str(generated.value(document.data, pointer[:3]).get("url", ""))
            probed = [
                item
                for item in known.targets
                if item.service == name
                and str(item.value.get("address", "")) in (url, url.partition("://")[2])
            ]
            return Line("", 0, "", "", f"the endpoint {url} of {own}", leads=of_targets(probed))
    mine = [item for item in known.targets if item.service == name]
    shown = [path for path, entry in known.entries.items() if entry.get("service") == name]
    leads = (*of_targets(mine), *of_files(shown, known))
    return Line("", 0, "", "", _within(own, pointer), leads=leads)


def _team(document: Document, pointer: Pointer, known: Known) -> Line:
    name = str(document.data["metadata"]["name"])
    owned = [path for path, entry in known.entries.items() if entry.get("team") == name]
    told = [path for path in _kinds(known, "alertmanager") if pointer[:1] != ("metadata",)]
    return Line("", 0, "", "", _within(f"the team {name}", pointer), leads=of_files({*told, *owned}, known))


def _project(document: Document, pointer: Pointer, known: Known) -> Line:
    section = [str(step) for step in pointer[1:]] if pointer[:1] == ("spec",) else []
    match section:
        case ["environments", environment, "parameters", standard, parameter, *_]:
            told = _parameter(known, [standard], parameter, lambda item: item.environment == environment)
            what = f"the {parameter} of the standard {standard} for the environment {environment}"
            return replace(told, what=what)
        case ["labels", label, *_]:
            what = f"the tags that the label {label} comes from"
            return Line("", 0, "", "", what, leads=of_targets(known.targets))
        case [key, *_] if key in _SETTINGS:
            shown = _kinds(known, *_SETTINGS[key])
            return Line("", 0, "", "", f"the setting {'.'.join(section)}", leads=of_files(shown, known))
    what = f"the setting {'.'.join(section)}" if section else "the settings of this repository"
    return Line("", 0, "", "", what)


def _test(document: Document, pointer: Pointer, known: Known) -> Line:
    spec = document.data["spec"]
    subject = str(spec.get("standard", ""))
    what = f"a test of the standard {subject}" if subject else f"a test of the SLO {spec.get('slo', '')}"
    return Line("", 0, "", "", what, origins=tuple(origins.standards([subject], known)))


def _other(document: Document, pointer: Pointer, known: Known) -> Line:
    kinds = {
        "Inventory": "what is read of AWS",
        "Resources": "resources that are not in AWS",
        "RoutingTest": "a test of routing",
    }
    return Line("", 0, "", "", kinds.get(str(document.data.get("kind")), "a document of mac"))


# --- what is no document ------------------------------------------------------------------------------


def _template(asked: Line, known: Known) -> Answered:
    name = asked.path.removeprefix(_TEMPLATES)
    made = [path for path, entry in known.entries.items() if entry.get("template") == name]
    what = "a line of a template" if made else "a line of a template that nothing is generated from"
    return replace(asked, owner="you", what=what, leads=of_files(made, known)), []


def _resource(asked: Line, known: Known) -> Answered:
    """A resource has a line of its own in the snapshot."""
    try:
        row = emit.read_json(asked.text.strip().removesuffix(","))
        arn = str(row["arn"])
    except (ValueError, KeyError, TypeError):
        return replace(asked, owner="mac", what="a line of the snapshot of the inventory"), []
    found = [
        item
        for item in known.targets
        if (resource := known.resources.get(str(item.value["resource_id"]))) and resource.arn == arn
    ]
    watched = "" if found else ", which is no target"
    what = f"the resource {arn} as AWS told it{watched}"
    return replace(asked, owner="mac", what=what), found


def _runbook(asked: Line, known: Known) -> Answered:
    """The section of a runbook that a line is in is an alert's."""
    content = (known.root / asked.path).read_text(encoding="utf-8", errors="replace").split("\n")
    headings = (match[1] for text in reversed(content[: asked.line]) if (match := _HEADING.fullmatch(text)))
    found = [item for item in known.rules if things.kind(item) == "alert"]
    alerts = {item.key.name for item in found}
    alert = next((heading for heading in headings if heading in alerts), "")
    what = f"what the runbook says of the alert {alert}" if alert else "a line of a runbook"
    leads = of_rules([item for item in found if item.key.name == alert], known)
    return replace(asked, owner="you", what=what, leads=leads), []
