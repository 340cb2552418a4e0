"""What `mac sync` tells of itself: its own metrics, and whether it is well."""

from __future__ import annotations

import os
import platform
import resource
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mac import __version__
from mac.diff import ACTIONS
from mac.drift_model import DriftReport
from mac.exposition import Family, Sample, text
from mac.model import Scope, ScopeState
from mac.run import Stage
from mac.sync_model import STAGES, Figures, Round

READINGS = ("full", "partial")
RESULTS = ("success", "failure")


class Metrics:
    """Counts rounds. All methods may be called from several threads."""

    def __init__(self, interval: float, patience: float) -> None:
        """`patience`: seconds without a round in which nothing failed until it is not well."""
        self._interval, self._patience = interval, patience
        self._lock = threading.Lock()
        self._rounds: Counter[tuple[str, str]] = Counter()
        self._failed_in_a_row = 0
        self._failures: Counter[str] = Counter()
        self._last_round = 0.0
        self._last_success = time.time()
        self._last: dict[str, float] = {}  # stage → seconds
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._read: dict[Scope, float] = {}
        self._figures: Figures | None = None
        self._drift: DriftReport | None = None
        self._commits = 0
        self._deployments: Counter[tuple[str, str]] = Counter()
        self._in_sync: dict[tuple[str, str], bool] = {}

    def note(self, done: Round) -> None:
        """A round has ended."""
        with self._lock:
            self._rounds[READINGS[not done.full], RESULTS[not done.good]] += 1
            self._failed_in_a_row = 0 if done.good else self._failed_in_a_row + 1
            self._failures.update(failure.stage for failure in done.failures)
            self._last_round = done.at
            self._last_success = done.at if done.good else self._last_success
            self._count_time(done.stages)
            self._commits += bool(done.commit)
            self._drift = done.drift or self._drift
            if done.figures:
                self._figures = done.figures
                self._note_scopes(done, done.figures)
            for one in done.delivered:
                self._deployments[one.name, one.state.value] += 1
            # One that is gone from mac.yaml is forgotten; one that waits is as it was.
            kept = {key: good for key, good in self._in_sync.items() if key[0] in done.waiting}
            if done.delivered:
                self._in_sync = kept | {(o.name, o.type.value): o.good for o in done.delivered}

    def _count_time(self, stages: Iterable[Stage]) -> None:
        for stage in stages:
            self._last[stage.name] = stage.seconds
            self._spent[stage.name] += stage.seconds

    def _note_scopes(self, done: Round, figures: Figures) -> None:
        began = done.at - done.seconds
        read: dict[Scope, float] = {}
        for status in figures.scopes:
            scope, known = status.scope, self._read.get(status.scope)
            asked = done.only is None or scope in done.only or known is None
            if status.state is ScopeState.COMPLETE and asked:
                read[scope] = began
            elif known is not None:
                read[scope] = known
        self._read = read

    def healthy(self) -> tuple[bool, str]:
        """Whether a round has succeeded lately, and the same in words."""
        with self._lock:
            age, failed = time.time() - self._last_success, self._failed_in_a_row
        if age <= self._patience:
            return True, "ok\n"
        rounds = (
            f"{failed} round{'' if failed == 1 else 's'} failed since" if failed else "no round has ended"
        )
        return False, f"no round has succeeded for {age:.0f} seconds: {rounds}\n"

    def page(self) -> str:
        """All of it, as Prometheus scrapes it."""
        with self._lock:
            families = (*self._of_the_loop(), *self._of_the_fleet(), *self._of_destinations(), *_process())
            drift = self._drift.metrics() if self._drift else ()
        return text((*families, *drift))

    def _of_the_loop(self) -> Iterator[Family]:
        version = {"version": __version__, "python": platform.python_version()}
        yield _gauge("mac_sync_build_info", "Always 1.", [Sample(1, version)])
        yield _gauge("mac_sync_interval_seconds", "Time between two full readings.", [Sample(self._interval)])
        rounds = {(reading, result): 0 for reading in READINGS for result in RESULTS} | self._rounds
        yield _counter(
            "mac_sync_rounds_total",
            "Rounds that ended.",
            [Sample(count, {"reading": r, "result": result}) for (r, result), count in rounds.items()],
        )
        yield _gauge(
            "mac_sync_consecutive_failures",
            "Rounds since the last in which nothing failed.",
            [Sample(self._failed_in_a_row)],
        )
        if self._last_round:
            yield _gauge(
                "mac_sync_last_round_timestamp_seconds",
                "When the last round ended, in seconds since 1970.",
                [Sample(self._last_round)],
            )
        yield _gauge(
            "mac_sync_last_success_timestamp_seconds",
            "When the last round ended in which nothing failed; the start, before the first.",
            [Sample(self._last_success)],
        )
        failures = dict.fromkeys(STAGES, 0) | self._failures
        yield _counter("mac_sync_failures_total", "Failures by stage.", _by("stage", failures))
        yield _gauge(
            "mac_sync_stage_duration_seconds",
            "How long each stage took in the last round that had it.",
            _by("stage", self._last),
        )
        yield _counter(
            "mac_sync_stage_duration_seconds_total", "Time spent in each stage.", _by("stage", self._spent)
        )
        yield _counter("mac_sync_commits_total", "Commits that were made.", [Sample(self._commits)])

    def _of_the_fleet(self) -> Iterator[Family]:
        figures = self._figures
        if figures is None:
            return
        yield _gauge(
            "mac_sync_scope_last_complete_timestamp_seconds",
            "When a scope was last read completely, in seconds since 1970.",
            [
                Sample(at, {"account": scope.account, "region": scope.region, "kind": scope.kind})
                for scope, at in sorted(self._read.items())
            ],
        )
        states = Counter(status.state.value for status in figures.scopes)
        yield _gauge(
            "mac_sync_scopes",
            "Scopes by state.",
            _by("state", {s.value: states[s.value] for s in ScopeState}),
        )
        yield _gauge("mac_sync_resources", "Resources by kind.", _by("kind", figures.resources))
        yield _gauge("mac_sync_targets", "Targets that are generated.", _by("cell", figures.targets))
        yield _gauge(
            "mac_sync_rules",
            "Rules that are generated.",
            [Sample(n, {"cell": cell, "type": kind}) for (cell, kind), n in sorted(figures.rules.items())],
        )
        plan = {("target", a): 0 for a in ACTIONS} | {("rule", a): 0 for a in ACTIONS} | dict(figures.plan)
        yield _gauge(
            "mac_sync_plan_changes",
            "Items that the last plan changes.",
            [Sample(n, {"kind": kind, "action": action}) for (kind, action), n in sorted(plan.items())],
        )
        yield _gauge(
            "mac_sync_coverage_ratio", "The share of resources that is watched.", [Sample(figures.coverage)]
        )

    def _of_destinations(self) -> Iterator[Family]:
        yield _counter(
            "mac_sync_deployments_total",
            "Deliveries by what came of them.",
            [
                Sample(count, {"destination": name, "state": state})
                for (name, state), count in sorted(self._deployments.items())
            ],
        )
        yield _gauge(
            "mac_sync_destination_in_sync",
            "1 when a destination runs what was generated last, verified.",
            [
                Sample(good, {"destination": name, "type": kind})
                for (name, kind), good in sorted(self._in_sync.items())
            ],
        )


def _gauge(name: str, help_text: str, samples: Iterable[Sample]) -> Family:
    return Family(name, help_text, tuple(samples))


def _counter(name: str, help_text: str, samples: Iterable[Sample]) -> Family:
    return Family(name, help_text, tuple(samples), "counter")


def _by(label: str, values: Mapping[str, float]) -> list[Sample]:
    return [Sample(value, {label: name}) for name, value in values.items()]


def _process() -> Iterator[Family]:
    """As the client libraries of Prometheus name them."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield _counter("process_cpu_seconds_total", "CPU time spent.", [Sample(used.ru_utime + used.ru_stime)])
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        memory = pages * os.sysconf("SC_PAGE_SIZE")
        yield _gauge("process_resident_memory_bytes", "Memory in use.", [Sample(memory)])
    yield _gauge("process_start_time_seconds", "When it was started.", [Sample(_STARTED)])


_STARTED = time.time()
