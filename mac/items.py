"""Generated files as the things that they configure: targets, rules, routes, receivers, scrape configs.

An item has an identity that survives what does not matter (the order of targets, the place of a rule in its
file) and a value. Two trees of files mean the same when their items are equal. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mac import conventions, emit
from mac.model import Json

Entry = Mapping[str, Any]
"""What the provenance says of one file."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What makes an item the same item in another tree.

    `group`: the job of a target, the rule group and type of a rule, the parent of a route, else a path.
    `number` tells apart items that have everything else in common.
    """

    kind: str
    cell: str
    service: str
    environment: str
    group: str
    name: str
    override: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One configured thing, where it stands, and which documents it belongs to ("" or () when none)."""

    key: Key
    value: Json
    path: str
    name: str
    service: str = ""
    environment: str = ""
    team: str = ""
    standards: tuple[str, ...] = ()


def read(files: Mapping[str, bytes], provenance: Mapping[str, Any], paths: Iterable[str]) -> dict[Key, Item]:
    """The items of the files at `paths`, by key. A file that cannot be read is one item of kind "file"."""
    entries: Mapping[str, Entry] = provenance.get("files", {})
    jobs = {(e["cell"], e["job"]): str(e["standard"]) for e in entries.values() if e.get("kind") == "targets"}
    shards = shards_in(provenance)
    found: dict[Key, Item] = {}
    for path in sorted(paths):
        if path in files and path != conventions.PROVENANCE:
            for item in _file(path, files[path], entries.get(path, {})):
                key = item.key
                standard = jobs.get((key.cell, item.name)) if key.kind == "scrape" else None
                if standard:
                    _add(found, replace(item, standards=(standard,)))
                elif key.kind == "target" and key.cell in shards:
                    _add(found, _in_shard(item, *shards[key.cell]))
                else:
                    _add(found, item)
    return found


def shards_in(provenance: Mapping[str, Any]) -> Mapping[str, tuple[str, int]]:
    """Shard → the cell that it is of, and its number there."""
    entries = provenance.get("files", {}).values()
    return {e["cell"]: (str(e["shard"]["of"]), int(e["shard"]["number"])) for e in entries if "shard" in e}


def _in_shard(item: Item, cell: str, number: int) -> Item:
    """A target is the same in whichever shard of its cell it is: it moves, and does not go."""
    value = {**item.value, conventions.SHARD: number}
    return replace(item, key=replace(item.key, cell=cell), value=value)


def _add(found: dict[Key, Item], item: Item) -> None:
    key = item.key
    while key in found:
        key = replace(key, number=key.number + 1)
    found[key] = item if key is item.key else replace(item, key=key)


def _file(path: str, content: bytes, entry: Entry) -> list[Item]:
    """All items of a file, in an order that does not depend on the file's own where that has no meaning."""
    readers = {
        "targets": _targets,
        "rules": _rules,
        "prometheus": _prometheus,
        "exporter": _cloudwatch,
        "prober": _prober,
        "alertmanager": _alertmanager,
        "dashboard": _dashboard,
        "overview": _dashboard,
        "manifest": _manifest,
    }
    kind = _kind(path, entry)
    reader = _sensor if kind.startswith("sensor-") else readers.get(kind)
    if reader is None:
        return [_whole(path, content, entry)]
    try:
        text = content.decode()
        document = _parsed(path, text)
        return list(reader(path, document, entry))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return [_whole(path, content, entry)]  # edited into something else


def _parsed(path: str, text: str) -> Json:
    if path.endswith(".sh"):
        return text
    return emit.read_json(text) if path.endswith(".json") else emit.read_yaml(text)


def _kind(path: str, entry: Entry) -> str:
    if entry:
        return str(entry.get("kind", ""))
    if path == conventions.ALERTMANAGER_CONFIG:
        return "alertmanager"
    return ""


def _whole(path: str, content: bytes, entry: Entry) -> Item:
    key = Key("file", str(entry.get("cell", "")), "", "", path, path)
    return Item(key, content.decode("utf-8", "backslashreplace"), path, path)


def _targets(path: str, groups: list[Json], entry: Entry) -> Iterator[Item]:
    cell, job = str(entry["cell"]), str(entry["job"])
    found = []
    for group in groups:
        labels = group["labels"]
        for target in group["targets"]:
            resource = str(labels.get(conventions.RESOURCE_ID) or target)
            standard = str(labels.get(conventions.PROBE) or entry["standard"])
            # A resource is probed at each of its endpoints.
            name = target if conventions.PROBE in labels else resource
            value = {"address": target, "labels": labels, "resource_id": resource}
            key = Key("target", cell, "", "", job, name)
            found.append(_target(key, value, path, labels, (standard,)))
    yield from sorted(found, key=_content)


def _cloudwatch(path: str, document: Json, entry: Entry) -> Iterator[Item]:
    """A resource is one target of the CloudWatch exporter in a namespace, also when it takes several jobs."""
    found = []
    jobs = defaultdict(list)
    for job in document["static"]:
        jobs[job["namespace"], job["name"]].append(job)
    for (namespace, name), (job, *others) in jobs.items():
        tags = {tag["key"]: tag["value"] for tag in job.get("customTags", ())}
        resource = str(tags.get(conventions.RESOURCE_ID) or name)
        key = Key("target", str(entry["cell"]), "", "", namespace, name)
        value = {**job, "customTags": tags, "resource_id": resource}
        if others:
            value["others"] = [{field: o[field] for field in ("dimensions", "metrics")} for o in others]
        found.append(_target(key, value, path, tags, entry["standards"]))
    yield from sorted(found, key=_content)
    yield from _rest(path, document, entry, without=("static",))


def _prober(path: str, document: Json, entry: Entry) -> Iterator[Item]:
    yield from _rest(path, document, entry, without=())


def _target(key: Key, value: Json, path: str, labels: Mapping[str, str], standards: Iterable[str]) -> Item:
    return Item(
        key=key,
        value=value,
        path=path,
        name=key.group,
        service=labels.get(conventions.SERVICE, ""),
        environment=labels.get(conventions.ENVIRONMENT, ""),
        team=labels.get(conventions.TEAM, ""),
        standards=tuple(standards),
    )


def _rules(path: str, document: Json, entry: Entry) -> Iterator[Item]:
    standards = {str(rule["group"]): str(rule["standard"]) for rule in entry["rules"]}
    cell, service, environment = (str(entry[name]) for name in ("cell", "service", "environment"))
    found = []
    for group in document["groups"]:
        for rule in group["rules"]:
            name = str(rule.get("alert") or rule["record"])
            kind = "alerting" if "alert" in rule else "recording"
            labels = rule.get("labels", {})
            override = str(labels.get(conventions.OVERRIDE, ""))
            key = Key("rule", cell, service, environment, f"{group['name']}\n{kind}", name, override)
            standard = standards.get(group["name"], "")
            settings = {name: value for name, value in group.items() if name not in ("name", "rules")}
            value = {**rule, **({"group": settings} if settings else {})}
            team = str(labels.get(conventions.TEAM) or entry.get("team", ""))
            found.append(
                Item(key, value, path, name, service, environment, team, (standard,) if standard else ())
            )
    yield from sorted(found, key=_content)


def _prometheus(path: str, document: Json, entry: Entry) -> Iterator[Item]:
    cell = str(entry["cell"])
    for scrape in document["scrape_configs"]:
        job = str(scrape["job_name"])
        yield Item(Key("scrape", cell, "", "", path, job), scrape, path, job)
    yield from _rest(path, document, entry, without=("scrape_configs",))


def _alertmanager(path: str, document: Json, entry: Entry) -> Iterator[Item]:
    yield from _routes(path, document["route"], "", "")
    for receiver in document["receivers"]:
        name = str(receiver["name"])
        team = name.partition(" / ")[0]
        yield Item(Key("receiver", "", "", "", path, name), receiver, path, name, team=team)
    for interval in document.get("time_intervals", ()):
        name = str(interval["name"])
        team = name.partition(" / ")[0]
        yield Item(Key("route", "", "", "", "interval", name), interval, path, f"time: {name}", team=team)
    for rule in document.get("inhibit_rules", ()):
        sides = [", ".join(rule.get(side, ())) for side in ("source_matchers", "target_matchers")]
        name = f"{sides[0]} mutes {sides[1]}"
        yield Item(Key("route", "", "", "", "inhibition", name), rule, path, f"inhibition: {name}")
    known = ("route", "receivers", "time_intervals", "inhibit_rules")
    yield from _rest(path, document, entry, without=known)


def _routes(path: str, route: Json, parent: str, team: str) -> Iterator[Item]:
    """A route and those below it, named by the matchers that lead to it."""
    matchers = list(route.get("matchers", ()))
    for matcher in matchers:
        if matcher.startswith(f'{conventions.TEAM}="'):
            team = matcher[len(conventions.TEAM) + 2 : -1]
    name = _route_name(route, parent)
    value = {field: content for field, content in route.items() if field != "routes"}
    yield Item(Key("route", "", "", "", "tree", name), value, path, name, team=team)
    for child in route.get("routes", ()):
        yield from _routes(path, child, name, team)


def _route_name(route: Json, parent: str) -> str:
    """By its matchers. What muting makes of one route, two for different times, has its receiver too."""
    own = ", ".join(route.get("matchers", ()))
    if own and conventions.AFTER_HOURS in str(route.get("receiver", "")):
        own = f"{own} ({conventions.AFTER_HOURS})"
    if not parent:
        return own or "everything"
    return f"{parent} / {own or 'everything else'}"


def _dashboard(path: str, document: Json, entry: Entry) -> Iterator[Item]:
    service, team = str(entry.get("service", "")), str(entry.get("team", ""))
    panels = {}
    for panel in document.get("panels", ()):
        title, count = str(panel.get("title", "")), 1
        while title in panels:
            count += 1
            title = f"{panel.get('title', '')} ({count})"
        panels[title] = panel
    value = {**document, "panels": panels}
    key = Key("dashboard", "", service, "", path, path)
    name = str(document.get("title") or service)
    yield Item(key, value, path, name, service, team=team, standards=tuple(entry.get("standards", ())))


def _manifest(path: str, document: Json, entry: Entry) -> Iterator[Item]:
    """A whole object: what is in it is told of the file that it is made of."""
    owner = {name: str(entry.get(name, "")) for name in ("service", "environment", "team")}
    key = Key("file", str(entry.get("cell", "")), "", "", path, path)
    yield Item(key, document, path, path, **owner, standards=tuple(entry.get("standards", ())))


def _sensor(path: str, document: Json, entry: Entry) -> Iterator[Item]:
    yield Item(
        Key("sensor", "", "", "", path, path), document, path, path, standards=(str(entry["standard"]),)
    )


def _rest(path: str, document: Json, entry: Entry, without: tuple[str, ...]) -> Iterator[Item]:
    """What of a file is no item of its own: Prometheus's global settings, for example."""
    rest = {name: value for name, value in document.items() if name not in without}
    if rest:
        key = Key("file", str(entry.get("cell", "")), "", "", path, path)
        yield Item(key, rest, path, path, standards=tuple(entry.get("standards", ())))


def _content(item: Item) -> tuple[Key, bytes]:
    return (item.key, emit.json_line(item.value))


def route_order(files: Mapping[str, bytes]) -> Mapping[str, tuple[str, ...]]:
    """Route → its children, in the order in which Alertmanager asks them; {} when there is no such file."""
    content = files.get(conventions.ALERTMANAGER_CONFIG)
    if content is None:
        return {}
    order: dict[str, tuple[str, ...]] = {}

    def visit(route: Json, parent: str) -> str:
        name = _route_name(route, parent)
        order[name] = tuple(visit(child, name) for child in route.get("routes", ()))
        return name

    try:
        visit(emit.read_yaml(content.decode())["route"], "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return order


def resource_ids(items: Iterable[Item]) -> frozenset[str]:
    """The resources that stand behind the targets among these items."""
    return frozenset(
        str(item.value.get("resource_id") or item.key.name) for item in items if item.key.kind == "target"
    )


def by_scope(items: Iterable[Item]) -> Mapping[tuple[str, str, str], int]:
    """(cell, service, environment) → how many rules it has."""
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for item in items:
        if item.key.kind == "rule":
            counts[item.key.cell, item.service, item.environment] += 1
    return counts
