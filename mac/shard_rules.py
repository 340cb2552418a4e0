"""Which rules of a cell that is divided its shards evaluate, and what those of the ruler lack.

Alerts go to the ruler, all but those about monitoring's own parts, which every shard sees for itself. So do
recording rules, but for those that look at one resource at a time: the shard that collects it records them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mac import conventions, locality, promql, series_labels
from mac.model import (
    AlertSeverity,
    AppliesTo,
    Binding,
    Cell,
    Partition,
    Project,
    Standard,
    StandardAlert,
    StandardRecording,
    Text,
)
from mac.promql import Expression
from mac.rules import RenderedRule, Rule
from mac.series_labels import Labels

Rendered = tuple[RenderedRule, ...]

_SILENCE = "5m"


def local_names(rendered: Iterable[RenderedRule]) -> frozenset[str]:
    """The series among these rules that shards record: each looks at one resource, and has none of the labels
    that a Prometheus adds to what it sends.
    """
    variants: dict[str, list[Rule]] = defaultdict(list)
    for rule in rendered:
        variants[rule.name].append(rule.rule)
    found: set[str] = set()
    for name, rules in variants.items():
        if all("record" in rule and _is_local(rule, found) for rule in rules):
            found.add(name)
    return frozenset(found)


def _is_local(rule: Rule, recorded: Iterable[str]) -> bool:
    parsed = promql.parse(rule["expr"])
    if not isinstance(parsed, Expression) or not locality.is_local(parsed, frozenset(recorded)):
        return False
    kept = locality.kept(parsed)
    return kept is not None and kept.isdisjoint(conventions.EXTERNAL)


def for_ruler(rendered: Rendered, cell: Cell) -> Rendered:
    """Rules as a ruler needs them: it adds no labels to what it sends, so the alerts have the cell's."""
    known: dict[str, Labels] = {}
    done = []
    for each in rendered:
        parsed = promql.parse(each.rule["expr"])
        labels = series_labels.of(parsed, known).labels if isinstance(parsed, Expression) else None
        if "record" in each.rule:
            if labels is not None:
                known[each.name] = labels.plus(each.rule.get("labels", {}))
            done.append(each)
        else:
            rule = placed(each.rule, cell, series_labels.EVERY if labels is None else labels)
            done.append(RenderedRule(rule, each.source, each.override))
    return tuple(done)


def placed(rule: Rule, cell: Cell, labels: Labels = series_labels.NONE) -> Rule:
    """An alert with the labels that the cell's Prometheus would add. `labels`: those that its series may
    have, which go before.
    """
    place = {conventions.ACCOUNT: cell.account, conventions.CELL: cell.name, conventions.REGION: cell.region}
    added = {
        name: _unless_there(name, value) if name in labels else value
        for name, value in place.items()
        if name not in rule["labels"]
    }
    return {**rule, "labels": dict(sorted({**rule["labels"], **added}.items()))}


def _unless_there(name: str, value: str) -> str:
    return f"{{{{ with $labels.{name} }}}}{{{{ . }}}}{{{{ else }}}}{value}{{{{ end }}}}"


# --- shards that watch and are watched ---------------------------------------------------------------


def alive(project: Project, shard: Cell) -> Binding:
    """Each shard records that it works: a series that leaves by remote write as all others do."""
    own = StandardRecording(conventions.SHARD_ALIVE, Text("vector(1)"))
    return _about_shards(
        project, shard, Standard(conventions.SHARD_STANDARD, "Shards", _NOBODY, recording=(own,))
    )


def missed(project: Project, cell: Cell, count: int) -> Binding:
    """An alert for each shard of which nothing arrives: the others' series would look like all there is."""
    alerts = tuple(_silent(cell, str(number)) for number in range(count))
    return _about_shards(
        project, cell, Standard(conventions.SHARD_STANDARD, "Shards", _NOBODY, alerts=alerts)
    )


_NOBODY = AppliesTo("")


def _silent(cell: Cell, number: str) -> StandardAlert:
    series = f'{conventions.SHARD_ALIVE}{{{conventions.CELL}="{cell.name}",{conventions.SHARD}="{number}"}}'
    name = conventions.shard_name(cell.name, int(number))
    return StandardAlert(
        alert=conventions.SHARD_SILENT,
        expr=Text(f"absent({series})"),
        severity=AlertSeverity.PAGE,
        summary=Text(f"Nothing arrives from {name}"),
        description=Text(
            "Its Prometheus is down, or its remote write fails. What it collects is not watched meanwhile, "
            "and alerts about what is missing may follow."
        ),
        for_=Text(_SILENCE),
        labels={conventions.SHARD: number},
    )


def _about_shards(project: Project, cell: Cell, standard: Standard) -> Binding:
    return Binding(
        cell=cell,
        environment=conventions.EVERYWHERE,
        service=conventions.MONITORING,
        standard=standard,
        team=project.default_team,
        tier=1,
        members=(),
        partitions=(Partition("", {}, 0),),
        pages=1 in project.page_tiers,
    )
