"""The files of one Prometheus: its configuration, rules, targets, and those of the exporters beside it.

Of a cell that is divided, each shard has them, and the cell itself has only the rules that look at all of its
shards: a ruler evaluates those.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from mac import conventions, endpoints, framing, probing, remote_write, rules, scraping, shard_rules
from mac.framing import Document, Tree
from mac.model import Binding, Catalog, Cell, Scrape
from mac.problems import NOWHERE, Problem
from mac.rules import Rule
from mac.shard_parts import Part, Ruled


def add(tree: Tree, catalog: Catalog, part: Part) -> None:
    """Adds the files of a part."""
    tree.problems.extend(part.problems)
    _rule_files(tree, catalog, part)
    scrapes = _target_files(tree, part)
    if any(team.heartbeat for team in catalog.teams.values()):
        _heartbeat(tree, catalog, part)
    if part.ruler:
        return
    cell, bindings = part.cell, part.bindings
    watched = [b for b in bindings if b.standard.cloudwatch]
    if watched:
        document = scraping.cloudwatch_exporter(watched)
        tree.add(
            conventions.cloudwatch_file(cell.name),
            framing.CLOUDWATCH,
            document,
            kind="exporter",
            cell=cell.name,
            standards=sorted({b.standard.name for b in watched}),
            resources=len({job["name"] for job in document["static"]}),
        )
    probed = _probes(tree, catalog, cell, bindings)
    _configuration(tree, catalog, part, scrapes, probed)


def _rule_files(tree: Tree, catalog: Catalog, part: Part) -> None:
    by_service: dict[tuple[str, str], list[Ruled]] = defaultdict(list)
    for binding, rendered in part.rules:
        by_service[binding.environment, binding.service].append((binding, rendered))
    for place, own in by_service.items():
        _rules(tree, catalog, part, place, own)


def _target_files(tree: Tree, part: Part) -> list[Scrape]:
    by_job: dict[str, list[Binding]] = defaultdict(list)
    for binding in part.bindings:
        if binding.standard.scrape:
            by_job[binding.standard.scrape.job].append(binding)
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
            conventions.targets_file(part.cell.name, job),
            framing.TARGETS,
            groups,
            kind="targets",
            cell=part.cell.name,
            job=job,
            standard=standards[0],
            targets=len(groups),
        )
    return scrapes


def _configuration(
    tree: Tree, catalog: Catalog, part: Part, scrapes: list[Scrape], probed: list[Document]
) -> None:
    cloudwatch = any(b.standard.cloudwatch for b in part.bindings)
    entry: dict[str, Any] = {
        "kind": "prometheus",
        "cell": part.cell.name,
        "jobs": [
            *sorted(s.job for s in scrapes),
            *([conventions.CLOUDWATCH_JOB] if cloudwatch else []),
            *(str(probe["job_name"]) for probe in probed),
        ],
    }
    if part.shard:
        entry["shard"] = {"of": part.shard.of, "number": part.shard.number, "count": part.shard.count}
    document = scraping.prometheus(
        catalog.project,
        part.cell,
        scrapes,
        {b.environment for b in part.bindings} | {b.environment for b, _ in part.rules},
        cloudwatch=cloudwatch,
        probes=probed,
        heartbeat=any(team.heartbeat for team in catalog.teams.values()),
    )
    for replica in catalog.project.scale.replicas or ("",):
        tree.add(
            conventions.prometheus_file(part.cell.name, replica),
            framing.PROMETHEUS,
            remote_write.completed(document, catalog.project.scale, part, replica),
            **(entry if not replica else {**entry, "replica": replica}),
        )


def _probes(tree: Tree, catalog: Catalog, cell: Cell, bindings: tuple[Binding, ...]) -> list[Document]:
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
            framing.TARGETS,
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
        framing.BLACKBOX,
        probing.exporter(modules),
        kind="prober",
        cell=cell.name,
        modules=[module.name for module in modules],
        standards=sorted({b.standard.name for b in probing_ones}),
    )
    return list(probing.scrape_configs(catalog.project, cell, modules))


def _heartbeat(tree: Tree, catalog: Catalog, part: Part) -> None:
    rule = rules.heartbeat(catalog.project, part.cell)
    if part.ruler:
        rule = shard_rules.placed(rule, part.cell)
    name = conventions.HEARTBEAT_STANDARD
    listed = {"group": name, "name": rule["alert"], "type": "alerting", "standard": name}
    tree.add(
        conventions.heartbeat_file(part.cell.name),
        framing.RULES,
        {"groups": [_group(catalog, part, name, [rule])]},
        kind="rules",
        cell=part.cell.name,
        environment="",
        service=rule["labels"][conventions.SERVICE],
        team=rule["labels"][conventions.TEAM],
        rules=[listed],
        **_evaluated(part),
    )


def _rules(tree: Tree, catalog: Catalog, part: Part, place: tuple[str, str], own: list[Ruled]) -> None:
    environment, service = place
    groups, listed = [], []
    for binding, rendered in sorted(own, key=lambda pair: pair[0].standard.name):
        if not rendered:
            continue
        group = conventions.rule_group(service, environment, binding.standard.name)
        groups.append(_group(catalog, part, group, [r.rule for r in rendered]))
        for rule in rendered:
            kind = "alerting" if "alert" in rule.rule else "recording"
            entry = {"group": group, "name": rule.name, "type": kind, "standard": binding.standard.name}
            listed.append({**entry, "override": rule.override} if rule.override else entry)
    if groups:
        tree.add(
            conventions.rules_file(part.cell.name, environment, service),
            framing.RULES,
            {"groups": groups},
            kind="rules",
            cell=part.cell.name,
            environment=environment,
            service=service,
            team=own[0][0].team,
            rules=listed,
            **_evaluated(part),
        )


def _group(catalog: Catalog, part: Part, name: str, own: list[Rule]) -> Document:
    """A ruler has an interval of its own, mostly a minute, for groups that name none."""
    interval = {"interval": catalog.project.evaluation_interval} if part.ruler else {}
    return {"name": name, **interval, "rules": own}


def _evaluated(part: Part) -> dict[str, str]:
    return {"evaluated": "ruler"} if part.ruler else {}


def _shared_job(bindings: list[Binding], job: str, standards: list[str]) -> Problem:
    place = max((b.standard.location for b in bindings), default=NOWHERE)
    return Problem(
        place, "generated-name", f'the standards {" and ".join(standards)} share the scrape job "{job}"'
    )
