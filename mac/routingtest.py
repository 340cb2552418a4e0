"""Tests of routing: amtool says whom an alert reaches, a real Alertmanager whether another one mutes it.

Nobody is told while they run: the Alertmanager gets the generated routes and inhibition, and receivers that
tell nobody.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mac import conventions, emit, servers
from mac.engines import Engine
from mac.model import Catalog
from mac.problems import EngineError, Problem, did_you_mean
from mac.rules import severity
from mac.ruletest import CaseResult
from mac.testcases import RoutingCase, RoutingTest

SUBJECT = "routing"
"""What results of these tests are about, in place of a standard."""

_TIMEOUT = 30.0  # seconds until an Alertmanager has taken up a few alerts
_POLL = 0.02  # seconds
_CELL = "example"

# By these an Alertmanager shows that it knows all that were posted before: the first mutes the second.
_LAST, _SHOWN = "MacLastOfTheCase", "MacShownWhenRead"

Started = Callable[[Path], AbstractContextManager[servers.Alertmanager]]
"""Starts an Alertmanager on a configuration."""


def run(
    catalog: Catalog,
    document: Mapping[str, Any],
    chosen: Sequence[tuple[RoutingTest, RoutingCase]],
    amtool: Engine,
    alertmanager: Started = servers.alertmanager,
) -> tuple[CaseResult, ...]:
    """Run these cases on a configuration, the generated alertmanager.yml as data.

    Raises EngineError when amtool or Alertmanager break down.
    """
    with tempfile.TemporaryDirectory(prefix="mac-routing-") as folder:
        path = Path(folder, "alertmanager.yml")
        path.write_text(emit.yaml(_silent(document)), encoding="utf-8")
        known = frozenset(str(receiver["name"]) for receiver in document["receivers"])
        setting = _Setting(catalog, path, known, amtool, alertmanager)
        return tuple(_result(setting, case) for _, case in chosen)


@dataclass(frozen=True, slots=True)
class _Setting:
    """What the cases run on. `known`: the receivers of the configuration."""

    catalog: Catalog
    config: Path
    known: frozenset[str]
    amtool: Engine
    alertmanager: Started


def _result(setting: _Setting, case: RoutingCase) -> CaseResult:
    begin = time.perf_counter()
    known = setting.known
    labels = filled(setting.catalog, case.labels)
    problems: list[Problem] = []
    if case.receivers is not None:
        unknown = [name for name in case.receivers if name not in known]
        problems += [
            Problem(case.location, "test-failed", f'there is no receiver "{name}"', did_you_mean(name, known))
            for name in unknown
        ]
        reached = setting.amtool.routes(setting.config, labels)
        if not unknown and sorted(reached) != sorted(case.receivers):
            message = f"it reaches {_listed(reached)}, and should reach {_listed(case.receivers)}"
            problems.append(Problem(case.location, "test-failed", message, f"its labels: {_shown(labels)}"))
    if case.muted is not None:
        others = [filled(setting.catalog, other) for other in case.others]
        with setting.alertmanager(setting.config) as api:
            muted = _is_muted(api, labels, others)
        if muted != case.muted:
            message = "it is muted, and should be told" if muted else "it is told, and should be muted"
            hint = f"its labels: {_shown(labels)}"
            problems.append(Problem(case.location, "test-failed", message, hint))
    return CaseResult(SUBJECT, case.name, case.location, tuple(problems), time.perf_counter() - begin)


def filled(catalog: Catalog, given: Mapping[str, str]) -> dict[str, str]:
    """The labels that the alert has when a Prometheus sends it; those that are given win."""
    project = catalog.project
    found = {conventions.ENVIRONMENT: "production", conventions.CELL: _CELL}
    service = catalog.services.get(given.get(conventions.SERVICE, ""))
    tier = service.tier if service else project.default_tier
    if conventions.SERVICE in given:
        found[conventions.TEAM] = service.owner if service else project.default_team
        found[conventions.TIER] = str(tier)
    for standard in catalog.standards.values():
        for alert in standard.alerts:
            if alert.alert == given.get("alertname"):
                found |= {**alert.labels, conventions.STANDARD: standard.name}
                found[conventions.SEVERITY] = str(severity(alert.severity, pages=tier in project.page_tiers))
                if alert.outage:
                    found[conventions.OUTAGE] = "true"
                    if alert.whole_cell:
                        found[conventions.REACH] = conventions.CELL
                if alert.reminder:
                    found[conventions.REMINDER] = alert.reminder
    return {**found, **given}


def _silent(document: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with receivers that tell nobody, and the rule that shows how far it has read."""
    shown = {
        "source_matchers": [f'alertname="{_LAST}"'],
        "target_matchers": [f'alertname="{_SHOWN}"'],
        "equal": ["alertgroup"],
    }
    return {
        "route": document["route"],
        "time_intervals": document.get("time_intervals") or [],
        "inhibit_rules": [*(document.get("inhibit_rules") or ()), shown],
        "receivers": [{"name": receiver["name"]} for receiver in document["receivers"]],
    }


def _is_muted(
    api: servers.Alertmanager, labels: Mapping[str, str], others: Sequence[Mapping[str, str]]
) -> bool:
    """Whether the alert is held back while the others fire."""
    for alert in (*others, labels, {"alertname": _SHOWN}, {"alertname": _LAST}):
        api.post([{"labels": dict(alert)}])
    deadline = time.monotonic() + _TIMEOUT
    while True:
        states = {_key(alert["labels"]): alert["status"] for alert in api.alerts()}
        # Alerts are taken up in the order in which they were posted.
        if states.get(_key({"alertname": _SHOWN}), {}).get("inhibitedBy"):
            return bool(states[_key(labels)]["inhibitedBy"])
        if time.monotonic() > deadline:
            raise EngineError(f"Alertmanager has not taken up {len(others) + 1} alerts in {_TIMEOUT:.0f} s")
        time.sleep(_POLL)


def _key(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in labels.items() if value)


def _listed(receivers: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(receivers)) or "nobody"


def _shown(labels: Mapping[str, str]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
