"""What stands on a line of a generated file, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mac import conventions, emit
from mac.explain import chains, origins, places, routes, things
from mac.explain.known import Known
from mac.explain.model import Line, Origin
from mac.items import Item
from mac.model import Json, StandardAlert, Text
from mac.problems import Location
from mac.source import Pointer

Entry = Mapping[str, Any]
Told = tuple[str, list[Item], list[Origin]]
"""What it is, in words; the targets and rules that stand there; where else it comes from."""


def line(asked: Line, known: Known) -> tuple[Line, list[Item]]:
    """The answer for a line of a generated file, and the targets and rules that stand on it."""
    path, content = asked.path, known.files[asked.path]
    if path == conventions.PROVENANCE:
        what = "the provenance: which document and template each generated file is made of"
        return replace(asked, owner="mac", what=what), []
    entry = known.entries[path]
    pointer: Pointer = ()
    document: Json = None
    if asked.line and not path.endswith(".sh"):
        pointer, _ = places.generated(content, path, asked.line)
        document = _parsed(path, content)
        pointer = _valid(document, pointer)
    what, found, come = _told(asked, document, pointer, entry, known)
    come = [*come, *_template(asked, pointer, entry, known)]
    if asked.line and (not asked.text.strip() or asked.text.lstrip().startswith("#")):
        blank = "a comment" if asked.text.strip() else "a blank line"
        what = f"{blank} within {what}"
    shown = replace(asked, owner="mac", what=what, at=jq(pointer), origins=tuple(come))
    return shown, found


def jq(pointer: Pointer) -> str:
    """A pointer as jq writes it: .groups[0].rules[2].for."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in pointer)
    return "".join(parts)


def _parsed(path: str, content: bytes) -> Json:
    try:
        text = content.decode()
        return emit.read_json(text) if path.endswith(".json") else emit.read_yaml(text)
    except ValueError:
        return None  # edited into something else, which a note tells


def _valid(document: Json, pointer: Pointer) -> Pointer:
    """As much of a pointer as the document has."""
    for n, step in enumerate(pointer):
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return pointer[:n]
    return pointer


def value(document: Json, pointer: Pointer) -> Json:
    for step in pointer:
        document = document[step]
    return document


def _template(asked: Line, pointer: Pointer, entry: Entry, known: Known) -> Iterator[Origin]:
    name = str(entry.get("template", ""))
    if not name:
        return
    key = str(pointer[0]) if pointer and isinstance(pointer[0], str) else "groups"
    place = known.template(name)
    number, column = (
        places.template_place(known.template_lines(name), asked.text, key) if asked.line else (0, 0)
    )
    if number:
        path, _, own = place.partition(" ")
        place = f"{path}:{number}:{column}" + (f" {own}" if own else "")
    yield Origin("template", name, place)


# --- by what a file is --------------------------------------------------------------------------------


def _told(asked: Line, document: Json, pointer: Pointer, entry: Entry, known: Known) -> Told:
    kind = str(entry.get("kind", ""))
    readers: Mapping[str, Callable[[Line, Json, Pointer, Entry, Known], Told]] = {
        "rules": _rules,
        "targets": _targets,
        "exporter": _exporter,
        "prometheus": routes.prometheus,
        "alertmanager": routes.alertmanager,
        "prober": routes.prober,
        "dashboard": _dashboard,
        "overview": _dashboard,
        "provider": routes.provider,
    }
    return readers.get(kind, _other)(asked, document, pointer, entry, known)


def _rules(asked: Line, document: Json, pointer: Pointer, entry: Entry, known: Known) -> Told:
    place = " / ".join(part for part in (entry.get("service"), entry.get("environment")) if part)
    here = [item for item in known.rules if item.path == asked.path]
    if len(pointer) < 2 or pointer[0] != "groups":
        return (
            f"the rules of {place} in {entry.get('cell', '')}",
            [],
            origins.service(str(entry.get("service", "")), known),
        )
    group = document["groups"][pointer[1]]
    if len(pointer) < 4 or pointer[2] != "rules":
        own = [item for item in here if things.group(item) == group["name"]]
        names = {name for item in own for name in item.standards}
        return (
            f'the rule group "{group["name"]}"',
            [],
            [*origins.standards(names, known), *origins.service(str(entry.get("service", "")), known)],
        )
    rule = group["rules"][pointer[3]]
    name, kind = (rule["alert"], "alert") if "alert" in rule else (rule["record"], "recording")
    override = str(rule.get("labels", {}).get(conventions.OVERRIDE, ""))
    wanted = (group["name"], name, kind, override)
    found = [i for i in here if (things.group(i), i.key.name, things.kind(i), i.key.override) == wanted]
    what = f"the {'alert' if kind == 'alert' else 'recorded series'} {name} of {place}"
    field = [str(step) for step in pointer[4:]]
    if field and field != [kind if kind == "alert" else "record"]:
        what = f"the {'.'.join(field)} of {what}"
    come = _field(found[0], ".".join(field), known, asked.text) if found else []
    if name == conventions.HEARTBEAT:
        come.append(Origin("made by", "mac itself, for teams with a heartbeat receiver", ""))
    elif group["name"].endswith(f" / {conventions.SHARD_STANDARD}"):
        come.append(Origin("made by", "mac itself, for cells that are divided", "mac.yaml"))
    return what, found[:1], come


def _field(item: Item, field: str, known: Known, text: str) -> list[Origin]:
    """Where one key of a rule is written. `text`: that of the line, maybe one of several of its value."""
    _, rule, _ = chains.source_of(known, item)
    service = known.catalog.services.get(item.service)
    project = known.catalog.project.location.path
    if rule is None:
        return []
    texts = {"expr": rule.expr}
    if isinstance(rule, StandardAlert):
        texts |= {
            "for": rule.for_,
            "keep_firing_for": rule.keep_firing_for,
            "annotations.summary": rule.summary,
            "annotations.description": rule.description,
        }
    if field in texts:
        rendered = item.value.get(field) or item.value.get("annotations", {}).get(
            field.rpartition(".")[2], ""
        )
        line_of_text = _same_line(texts[field], str(rendered), text)
        return [Origin(field.rpartition(".")[2], "its text", str(line_of_text))]
    if field == "labels.severity":
        chain = [d for d in chains.decisions(known, item) if d.name == "severity"]
        return [Origin("severity", f"{d.winner.name}", d.winner.place) for d in chain]
    if field in ("labels.team", "labels.tier"):
        key = "owner" if field == "labels.team" else "tier"
        place = known.place(service.location.path, ("spec", key)) if service else None
        if place is not None and place.line:
            return [Origin(key, item.service, str(place))]
        default = "default_team" if key == "owner" else "default_tier"
        where = known.place(project, ("spec", default), known.catalog.project.location)
        return [Origin(default, "the project's default", str(where))]
    if field == "annotations.dashboard_url":
        where = known.place(project, ("spec", "addresses"), known.catalog.project.location)
        return [Origin("addresses", "of the project", str(where))]
    return []


def _same_line(source: Text, rendered: str, line: str) -> Location:
    """The line of a template's text that became a line of what it rendered; its first where none is sure."""
    lines = [each.strip() for each in rendered.rstrip().split("\n")]
    known = len(lines) == len(source.text.rstrip().split("\n")) and lines.count(line.strip()) == 1
    number = lines.index(line.strip()) if known else 0
    place = source.location
    return Location(place.path, place.line + number, place.column) if number and place.line else place


def _targets(asked: Line, document: Json, pointer: Pointer, entry: Entry, known: Known) -> Told:
    job = str(entry.get("job", ""))
    group = value(document, pointer[:1]) if pointer and isinstance(document, list) else None
    if not isinstance(group, dict):
        return (
            f"the targets of the job {job} in {entry.get('cell')}",
            [],
            origins.standards({entry["standard"]}, known),
        )
    addresses, labels = set(group.get("targets", ())), group.get("labels", {})
    found = [
        item
        for item in known.targets
        if item.path == asked.path
        and item.value.get("address") in addresses
        and item.value.get("labels") == labels
    ]
    return f"the target {', '.join(sorted(addresses))} of the job {job}", found, []


def _exporter(asked: Line, document: Json, pointer: Pointer, entry: Entry, known: Known) -> Told:
    if len(pointer) < 2 or pointer[0] != "static":
        what = f"what the CloudWatch exporter of {entry['cell']} is told"
        return what, [], origins.standards(entry["standards"], known)
    job = document["static"][pointer[1]]
    found = [
        item
        for item in known.targets
        if item.path == asked.path and (item.key.name, things.group(item)) == (job["name"], job["namespace"])
    ]
    come: list[Origin] = []
    if len(pointer) > 3 and pointer[2] == "metrics":
        metric = job["metrics"][pointer[3]]["name"]
        for name in entry["standards"]:
            standard = known.catalog.standards.get(name)
            source = standard.cloudwatch if standard else None
            if source and source.namespace == job["namespace"]:
                own = (m for m in source.metrics if m.name == metric)
                come += [Origin("metric", f"{metric} of {name}", str(m.location)) for m in own]
    return f"the CloudWatch metrics of {job['name']}", found, come


def _dashboard(asked: Line, document: Json, pointer: Pointer, entry: Entry, known: Known) -> Told:
    owner = f"the service {entry['service']}" if entry.get("service") else f"the team {entry.get('team')}"
    come = [] if entry.get("service") else origins.team(str(entry.get("team")), known)
    what = f"the dashboard of {owner}"
    if len(pointer) > 1 and pointer[0] == "panels":
        title = str(document["panels"][pointer[1]].get("title", ""))
        what = f'the panel "{title}" of {what}'
        panels = [
            Origin("panel", f"{title} of {name}", str(panel.expr.location))
            for name in entry.get("standards", ())
            if (standard := known.catalog.standards.get(name))
            for panel in standard.panels
            if panel.title == title
        ]
        if panels:
            return what, [], [*panels, *origins.service(str(entry.get("service", "")), known)]
    return (
        what,
        [],
        [
            *come,
            *origins.standards(entry.get("standards", ()), known),
            *origins.service(str(entry.get("service", "")), known),
        ],
    )


def _other(asked: Line, document: Json, pointer: Pointer, entry: Entry, known: Known) -> Told:
    kind = str(entry.get("kind", "")).replace("-", " ") or "file"
    names = {str(name) for name in entry.get("standards", ())} | {str(entry.get("standard", ""))}
    what = f"a generated file ({kind})"
    if kind == "manifest":
        what = f"the {entry.get('object', 'object')} for the Prometheus Operator in {asked.path}"
    elif kind.startswith("sensor"):
        what = f"the {kind} of the standard {entry.get('standard')}"
    return (
        what,
        [],
        [*origins.standards(names, known), *origins.service(str(entry.get("service", "")), known)],
    )
