"""A world as the evaluation sees it: in Unix seconds, with the samples that each configuration has of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.noise import incidents, inventory, openmetrics, roles, traps, views
from benchmarks.noise.clock import START
from benchmarks.noise.configurations import Configuration
from benchmarks.noise.signals import Wanted
from benchmarks.noise.targets import Key, Target
from benchmarks.noise.world import World
from mac import conventions, promql
from mac.model import Snapshot


class Scene:
    """One world. `begin` and `end` bound what is evaluated; incidents and traps have Unix seconds as well."""

    def __init__(self, seed: int, hosts: int, split: str) -> None:
        self.seed, self.hosts, self.split = seed, hosts, split
        self.world = World(seed, hosts, split=split)
        self.begin, self.end = float(START), START + self.world.end
        self.teams = tuple(sorted(set(roles.OWNERS.values())))
        self.incidents: tuple[incidents.Incident, ...] = tuple(
            replace(i, start=START + i.start, end=START + i.end) for i in self.world.incidents
        )
        self.traps: tuple[traps.Trap, ...] = tuple(
            replace(t, start=START + t.start, end=START + t.end) for t in self.world.traps
        )

    def changes(self) -> Sequence[float]:
        return tuple(START + at for at in self.world.changes())

    def inventory(self, at: float) -> Snapshot:
        return self.world.inventory(at - START)

    def everything(self) -> Snapshot:
        return inventory.everything(self.world)

    def live(self, ever: Iterable[Key], sync: float, apply: float, *, lifecycle: bool) -> tuple[Target, ...]:
        """What is no machine of the fleet, such as a load balancer that is probed, is there all the time."""
        machines = views.by_address(self.world)
        fleet: list[Key] = []
        others: list[Key] = []
        for key in ever:
            (fleet if key[1].rpartition(":")[0] in machines else others).append(key)
        found = [Target(*key, self.begin, self.end) for key in others]
        seen = views.live(self.world, fleet, sync, apply, lifecycle=lifecycle)
        found += [Target(t.job, t.address, t.labels, t.start, t.end) for t in seen]
        return tuple(sorted(found))

    def by_hand(self, *, live: bool = False) -> tuple[Target, ...]:
        """The list of the first generation: as somebody keeps it, or (for the ablation) always up to date.

        Nobody writes machines by hand that live for two hours: those of transient clusters are on no such
        list. It would be three times as noisy with them.
        """
        transient = {cluster.id for cluster in self.world.clusters if cluster.transient}
        machines = views.by_address(self.world)
        return tuple(
            Target(t.job, t.address, t.labels, t.start, t.end)
            for t in views.by_hand(self.world, None if live else views.UPDATES)
            if live or machines[t.address.rpartition(":")[0]].cluster not in transient
        )

    def exported_by_hand(self) -> dict[str, Mapping[str, str]]:
        """ARN → labels of the CloudWatch series that were set up by hand, with the service alone."""
        return {
            resource.arn: {conventions.SERVICE: resource.tags["service"]}
            for resource in self.inventory(self.begin).resources
            if "service" in resource.tags
        }

    def samples(self, configuration: Configuration, folder: Path) -> Iterator[Path]:
        """OpenMetrics files with what the configuration's Prometheus has. The caller removes each.

        What no rule reads is left out: metrics, and labels beside the ones by which targets are told apart.
        """
        metrics, labels = _read({span.rule["expr"] for rule in configuration.rules for span in rule.spans})
        return openmetrics.parts(
            self.world,
            configuration.targets,
            configuration.cloudwatch,
            folder,
            Wanted(metrics),
            labels=labels | _KEPT,
        )

    def blind_share(self, configuration: Configuration) -> float:
        """Share of the host-hours in service that no target of the configuration stood for."""
        return views.sight(self.world, configuration.targets).blind_share

    def seen(self, configuration: Configuration) -> frozenset[str]:
        """The kinds of incidents that the configuration's targets could show."""
        return views.seen(self.world, configuration.targets)


# Alluxio's workers put their host behind each name, so that rules match "Worker_BlocksReadUfs(_.+)?".
_STEM = re.compile(r"([A-Za-z0-9_:]+)\(_\.\+\)\?")


# What alerts are routed and told by.
_KEPT = frozenset({conventions.SERVICE, conventions.ENVIRONMENT, "host", "resource_id", "role"})


def _read(expressions: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """(metrics, labels) that expressions read; of names that they match by such an expression, the stem."""
    metrics: set[str] = set()
    labels: set[str] = set()
    for expression in expressions:
        parsed = promql.parse(expression)
        if isinstance(parsed, promql.Failure):
            raise SystemExit(f"{expression}: {parsed.message}")
        labels.update(parsed.grouping)
        for selector in parsed.selectors:
            labels.update(m.name for m in selector.matchers)
            names = [m.value for m in selector.matchers if m.name == "__name__"]
            stems = [m[1] for name in names if (m := _STEM.fullmatch(name))]
            metrics.update([selector.metric] if selector.metric else stems)
    return frozenset(metrics), frozenset(labels)
