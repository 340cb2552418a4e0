"""Targets and rules, explained: where each is generated, and everything that it comes from."""

from __future__ import annotations

from collections.abc import Iterable

from mac import bind, conventions, hashing
from mac import labels as labels_of
from mac.explain import chains, places
from mac.explain.known import Known
from mac.explain.model import Bound, Choice, Explanation, Label
from mac.items import Item
from mac.model import Resource, Standard
from mac.slo_model import Slo

ALERTING, RECORDING = "\nalerting", "\nrecording"


def kind(item: Item) -> str:
    """alert, recording or target."""
    if item.key.kind == "rule":
        return "alert" if item.key.group.endswith(ALERTING) else "recording"
    return item.key.kind


def names(item: Item, known: Known) -> tuple[str, ...]:
    """What people call a target."""
    address = str(item.value.get("address", ""))
    resource = known.resources.get(str(item.value["resource_id"]))
    own = (resource.arn, *resource.addresses) if resource else ()
    return (str(item.value["resource_id"]), item.key.name, address, address.rpartition(":")[0], *own)


def explained(item: Item, known: Known) -> Explanation:
    """A target or a rule."""
    return _target(item, known) if item.key.kind == "target" else _rule(item, known)


def folder(item: Item) -> str:
    """The folder below cells/ that it is generated in."""
    return item.path.split("/")[1]


def rule_line(item: Item, known: Known) -> int:
    """On which line of its file the name of a rule stands; 0 when that is not known."""
    key = "alert" if kind(item) == "alert" else "record"
    found = places.rule_lines(known.lines(item.path), key, item.key.name)
    alike = _alike(item, known)
    return found[alike.index(item)] if len(found) == len(alike) else 0


def _alike(item: Item, known: Known) -> list[Item]:
    """The rules of its name in its file, in the order in which they stand there."""
    same = [o for o in known.rules_of[item.path, item.key.name] if kind(o) == kind(item)]
    listed = [
        (str(entry["group"]), str(entry.get("override", "")))
        for entry in known.entries.get(item.path, {}).get("rules", ())
        if entry["name"] == item.key.name
    ]
    order = {place: n for n, place in reversed(list(enumerate(listed)))}
    return sorted(same, key=lambda o: (order.get((group(o), o.key.override), 0), o.key.number))


def group(item: Item) -> str:
    """The rule group of a rule, the job of a target."""
    return item.key.group.partition("\n")[0]


# --- rules -------------------------------------------------------------------------------------------


def _rule(item: Item, known: Known) -> Explanation:
    standard, rule, objective = chains.source_of(known, item)
    name = next(iter(item.standards), "")
    return Explanation(
        what=item.key.name,
        kind=kind(item),
        file=item.path,
        line=rule_line(item, known),
        cell=folder(item),
        group=group(item),
        service=item.service,
        environment=item.environment,
        override=item.key.override,
        standard=name,
        written=_written(standard, objective),
        defined=str(rule.location) if rule else "",
        template=template_of(item.path, known),
        expr=str(item.value.get("expr", "")),
        decisions=chains.decisions(known, item),
        evaluated=_evaluated(folder(item), known),
    )


def _written(standard: Standard | None, objective: Slo | None) -> str:
    if objective:
        return str(objective.location)
    return str(standard.location) if standard else ""


def _evaluated(cell: str, known: Known) -> str:
    if cell in known.counts:
        return f"a ruler that has the series of all {known.counts[cell]} shards of {cell}"
    return f"the Prometheus of {cell}"


def template_of(path: str, known: Known) -> str:
    name = str(known.entries.get(path, {}).get("template", ""))
    return known.template(name) if name else ""


# --- targets -----------------------------------------------------------------------------------------


def target_line(item: Item, known: Known) -> int:
    """On which line of its file a target stands; 0 when that is not known."""
    lines = known.lines(item.path)
    resource, address = str(item.value["resource_id"]), str(item.value.get("address") or item.key.name)
    return places.line_with(lines, resource, address) or places.line_with(lines, address)


def _target(item: Item, known: Known) -> Explanation:
    resource = known.resources.get(str(item.value["resource_id"]))
    standard = watching(item, resource, known)
    choice = None
    if resource and folder(item) in known.shards:
        cell, number = known.shards[folder(item)]
        choice = _choice(resource, cell, number, known.counts[cell])
    return Explanation(
        what=str(item.value.get("address") or item.key.name),
        kind="target",
        file=item.path,
        line=target_line(item, known),
        cell=folder(item),
        group=group(item),
        service=item.service,
        environment=item.environment,
        override=chains.labels(item).get(conventions.OVERRIDE, ""),
        standard=standard.name if standard else next(iter(item.standards), ""),
        written=str(standard.location) if standard else "",
        defined=collecting(standard, known) if standard else "",
        template=template_of(item.path, known),
        arn=resource.arn if resource else "",
        resource=_bound(item, resource, standard, known) if resource else None,
        choice=choice,
    )


def watching(item: Item, resource: Resource | None, known: Known) -> Standard | None:
    """The standard of a target. A file for the CloudWatch exporter has those of several."""
    listed = [s for name in item.standards if (s := known.catalog.standards.get(name))]
    if len(listed) < 2:
        return next(iter(listed), None)
    fitting = [s for s in listed if s.cloudwatch and s.cloudwatch.namespace == item.value.get("namespace")]
    if resource:
        own = {**labels_of.labels(resource, known.catalog.project.labels), **chains.labels(item)}
        kinds = [s for s in fitting if s.applies_to.kind == resource.kind] or fitting
        fitting = [s for s in kinds if not s.applies_to.any_of or bind.clause_of(s, own)] or kinds
    return next(iter(fitting), listed[0])


def collecting(standard: Standard, known: Known) -> str:
    """Where a standard says how its resources are collected."""
    for key in ("scrape", "cloudwatch", "probe"):
        for name in known.lineage(standard.name):
            found = known.standard(name)
            document = known.document(found.location.path) if found else None
            if document and document.has(("spec", key)):
                return str(document.location(("spec", key), key=True))
    return ""


def _bound(item: Item, resource: Resource, standard: Standard | None, known: Known) -> Bound:
    sources = known.catalog.project.labels
    tags = labels_of.tags(resource, sources)
    own = {**labels_of.labels(resource, sources), **chains.labels(item)}
    because = f"kind {resource.kind}"
    for label, _ in sorted(bind.clause_of(standard, own).items()) if standard else ():
        because += f", {label} {own.get(label, '')}"
    return Bound(
        arn=resource.arn,
        kind=resource.kind,
        account=resource.account,
        region=resource.region,
        name=resource.name,
        labels=tuple(
            Label(label, own[label], tags.get(label, "")) for label in conventions.TAXONOMY if label in own
        ),
        because=because,
    )


def _choice(resource: Resource, cell: str, number: int, count: int) -> Choice:
    next_one = next(shard for shard in hashing.jumps(hashing.identity(resource)) if shard >= count)
    return Choice(cell, number, count, hashing.identity(resource), next_one + 1)


def ordered(found: Iterable[Item]) -> list[Item]:
    return sorted(found, key=lambda item: (item.service, item.environment, item.key))
