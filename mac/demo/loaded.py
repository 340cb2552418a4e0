"""Whether real servers run what was generated: their APIs' counts beside those of the provenance."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mac import conventions, emit, engines, servers
from mac.problems import EngineError

T = TypeVar("T")

AT_ONCE = 2
"""Each job of each Prometheus takes one of the user's inotify instances, of which there are 128 by default;
where there is none left, Prometheus says so in its log and has no targets."""

PATIENCE = 90.0
"""Seconds in which a server must show what it was given: target files are read in its own time."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one cell."""

    targets: int
    groups: int
    rules: int

    def __str__(self) -> str:
        return f"{self.targets:,} targets, {self.groups:,} rule groups, {self.rules:,} rules"


@dataclass(frozen=True, slots=True)
class Cell:
    """One Prometheus: what the provenance names and what its API shows."""

    name: str
    version: str
    named: Counts
    shown: Counts


def named(provenance: Mapping[str, Any]) -> dict[str, Counts]:
    """What each cell's Prometheus has to show, by the cell's name."""
    entries = provenance["files"].items()
    counts: dict[str, Counts] = {}
    for cell in sorted(e["cell"] for _, e in entries if e["kind"] == "prometheus"):
        own = [(path, e) for path, e in entries if e.get("cell") == cell]
        rules = [(path, rule) for path, e in own if e["kind"] == "rules" for rule in e["rules"]]
        counts[cell] = Counts(
            targets=sum(e["targets"] for _, e in own if e["kind"] == "targets"),
            groups=len({(path, rule["group"]) for path, rule in rules}),
            rules=len(rules),
        )
    return counts


def shown(api: servers.Prometheus, jobs: set[str]) -> Counts:
    """What a Prometheus has loaded. Targets of jobs other than these (the exporters') do not count."""
    groups = api.rule_groups()
    return Counts(
        targets=sum(target["scrapePool"] in jobs for target in api.targets()),
        groups=len(groups),
        rules=sum(len(group["rules"]) for group in groups),
    )


def check(
    output: Path, engine: engines.Engine, report: Callable[[Cell], None], *, at_once: int = AT_ONCE
) -> None:
    """Starts every cell's Prometheus on the generated configuration in `output`, some `at_once`.

    Raises EngineError when one refuses it, or does not show what the provenance names.
    """
    provenance = emit.read_json((output / conventions.PROVENANCE).read_bytes())
    expectations = tuple(named(provenance).items())
    for begin in range(0, len(expectations), at_once):
        _check(output, engine, provenance, dict(expectations[begin : begin + at_once]), report)


def _check(
    output: Path,
    engine: engines.Engine,
    provenance: Mapping[str, Any],
    expectations: Mapping[str, Counts],
    report: Callable[[Cell], None],
) -> None:
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(
                servers.prometheus(output / conventions.prometheus_file(name), engine=engine)
            )
            for name in expectations
        }
        for name, api in running.items():
            expected = expectations[name]
            found = _settled(api, _jobs(provenance, name), expected)
            report(Cell(name, api.version(), expected, found))
            if found != expected:
                raise EngineError(
                    f"the Prometheus of {name} shows {found}, and the provenance names {expected}",
                    "a generated file is not what its provenance says, or Prometheus cannot represent it",
                )


def _jobs(provenance: Mapping[str, Any], cell: str) -> set[str]:
    return {e["job"] for e in provenance["files"].values() if e["kind"] == "targets" and e["cell"] == cell}


def _settled(api: servers.Prometheus, jobs: set[str], expected: Counts) -> Counts:
    """Rules are there as soon as it is ready; targets come when its discovery has read them."""
    return settled(partial(shown, api, jobs), lambda counts: counts.targets == expected.targets)


def settled(ask: Callable[[], T], good: Callable[[T], bool]) -> T:
    """The first good answer, else the last one when our patience is at its end."""
    deadline = time.monotonic() + PATIENCE
    while not good(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.2)  # between two questions
    return answer


def receivers(output: Path, engine: engines.Engine) -> tuple[str, int]:
    """Starts Alertmanager on the generated configuration: its version, and how many receivers it shows."""
    with servers.alertmanager(output / conventions.ALERTMANAGER_CONFIG, engine=engine) as api:
        return api.version(), len(api.receivers())
