"""The rules and routes of a tree of generated files, as a forecast needs them.

The heartbeat is left out: it fires for ever on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mac import conventions, durations
from mac.forecast import routes
from mac.forecast.model import Labels, labels
from mac.forecast.states import AlertingRule

_DEFAULT_INTERVAL = "1m"  # Prometheus'

Documents = Mapping[str, Any]
"""Path → the value of a generated file."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one Prometheus. `alerting` is None for a recording rule, which records `name`.

    `interval`: seconds between two evaluations. `labels` are those of a recording rule.
    """

    cell: str
    group: str
    name: str
    expr: str
    interval: float
    alerting: AlertingRule | None = None
    labels: Labels = ()

    @property
    def key(self) -> str:
        """The same before and after a change of its expression."""
        told = ",".join(f"{k}={v}" for k, v in (self.alerting.labels if self.alerting else self.labels))
        return f"{self.cell}|{self.group}|{self.name}|{told}"

    @property
    def own(self) -> Mapping[str, str]:
        """The labels that it sets, as they are written."""
        return dict(self.alerting.labels if self.alerting else self.labels)


@dataclass(frozen=True, slots=True)
class Configured:
    """What a tree of files configures. `external`: cell → the labels that its Prometheus adds.

    `routing` is None where there is no Alertmanager configuration that can be read.
    """

    rules: tuple[Rule, ...]
    external: Mapping[str, Labels]
    routing: routes.Configuration | None

    @property
    def alerts(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.alerting)

    @property
    def recordings(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if not rule.alerting)


def read(documents: Documents) -> Configured:
    """Raises ValueError for routes that Alertmanager would refuse."""
    intervals: dict[str, float] = {}
    external: dict[str, Labels] = {}
    for path, document in documents.items():
        cell = _cell(path)
        if conventions.is_prometheus_file(path):
            settings = document.get("global") or {}
            interval = settings.get("evaluation_interval", _DEFAULT_INTERVAL)
            intervals[cell] = _seconds(interval)
            external[cell] = labels(settings.get("external_labels") or {})
    rules = tuple(
        rule
        for path, document in sorted(documents.items())
        if _holds_rules(path)
        for rule in _rules(_cell(path), path, document, intervals.get(_cell(path), 60.0))
    )
    routing = documents.get(conventions.ALERTMANAGER_CONFIG)
    return Configured(rules, external, routes.read(routing) if routing else None)


def _cell(path: str) -> str:
    """The folder of a cell: what a cell's name is made into, and plain names are themselves."""
    first, _, rest = path.partition("/")
    return rest.partition("/")[0] if first == "cells" else ""


def _holds_rules(path: str) -> bool:
    return path.startswith("cells/") and path.split("/")[2:3] == ["rules"]


def _rules(cell: str, path: str, document: Any, default: float) -> Iterator[Rule]:
    for group in document.get("groups") or ():
        interval = _seconds(group["interval"]) if "interval" in group else default
        for raw in group.get("rules") or ():
            own = labels({name: str(value) for name, value in (raw.get("labels") or {}).items()})
            name, group_name = str(raw.get("alert") or raw.get("record")), str(group["name"])
            rule = Rule(cell, group_name, name, str(raw["expr"]), interval, labels=own)
            if "alert" not in raw:
                yield rule
                continue
            alerting = AlertingRule(
                alert=name,
                hold=_seconds(raw.get("for", "0s")),
                keep=_seconds(raw.get("keep_firing_for", "0s")),
                labels=own,
                # Annotations change nothing of what is told to whom.
                group=f"{path} {group_name}",
            )
            yield Rule(cell, group_name, name, str(raw["expr"]), interval, alerting)


def _seconds(text: object) -> float:
    length = durations.seconds(str(text))
    if length is None:
        raise ValueError(f"{text!r} is not a duration")
    return length
