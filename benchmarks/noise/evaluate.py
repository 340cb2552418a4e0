"""What a configuration says about a history: recorded series, alert states, episodes.

Expressions are evaluated by a real Prometheus at every evaluation of their rule; only `for` and
`keep_firing_for` are ours (mac.forecast.states). Recording rules come first, by levels: what one level
records is imported as blocks, and the next level reads it like any series. Prometheus evaluates the groups of
one interval at different offsets, so that across groups a recorded value may be one interval older than here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from benchmarks.noise.configurations import STEP, Configuration
from benchmarks.noise.history import History, Server
from benchmarks.noise.overtime import TimedRule
from mac import durations, promql
from mac.forecast import alertmanager, routes, states
from mac.forecast.model import Episode, Labels, Notification, labels
from mac.forecast.states import Series

WORKERS = 2
_POINTS = 10_000  # of one query; Prometheus refuses more than 11,000

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """`episodes`: by start. `queries`: how many range queries it took. `never`: alerts that never fired."""

    episodes: tuple[Episode, ...]
    queries: int
    never: tuple[str, ...]


def evaluate(
    configuration: Configuration,
    history: History,
    begin: float,
    end: float,
    progress: Progress = lambda text: None,
) -> Evaluated:
    """Every episode of every alert from `begin` to `end`, Unix seconds on the grid of STEP."""
    queries = 0
    recording = [rule for rule in configuration.rules if rule.recording]
    for number, level in enumerate(levels(recording)):
        progress(f"{configuration.name}: {len(level)} recording rules, level {number}")
        with history.server() as server:
            recorded = _matrices(server, level, begin, end)
            queries += server.queries
        by_name: dict[str, list[Series]] = {}
        for rule, found in zip(level, recorded, strict=True):
            own = dict(rule.key[3])
            by_name.setdefault(rule.name, []).extend(
                Series(_with(series.labels, own), series.points) for _, matrix in found for series in matrix
            )
        joined = {name: _joined(series) for name, series in sorted(by_name.items()) if series}
        if joined:
            history.add(joined, history.folder.parent / "recorded.om")
    alerting = [rule for rule in configuration.rules if not rule.recording]
    progress(f"{configuration.name}: {len(alerting)} alerting rules")
    with history.server() as server:
        matrices = _matrices(server, alerting, begin, end)
        queries += server.queries
    episodes: list[Episode] = []
    never: list[str] = []
    for rule, found in zip(alerting, matrices, strict=True):
        own = _episodes(configuration, rule, found, end)
        episodes += own
        if not own:
            never.append(rule.name)
    episodes.sort(key=lambda e: (e.start, e.labels))
    return Evaluated(tuple(episodes), queries, tuple(sorted(set(never))))


def levels(rules: Sequence[TimedRule]) -> list[list[TimedRule]]:
    """Recording rules in the order in which they can be evaluated: each level reads only those before it.

    Rules that read one another in a circle come last, together.
    """
    names = {rule.name for rule in rules}
    reads = {
        rule.key: frozenset().union(*(_metrics(span.rule["expr"]) for span in rule.spans))
        & names - {rule.name}
        for rule in rules
    }
    found: list[list[TimedRule]] = []
    left = list(rules)
    while left:
        waiting = {rule.name for rule in left}
        ready = [rule for rule in left if not reads[rule.key] & waiting]
        level = [rule for rule in ready if rule.name not in {r.name for r in left if r not in ready}] or left
        found.append(level)
        left = [rule for rule in left if rule not in level]
    return found


def _metrics(expr: str) -> frozenset[str]:
    parsed = promql.parse(expr)
    return frozenset() if isinstance(parsed, promql.Failure) else parsed.metrics


Matrix = tuple[Series, ...]
Spanned = list[tuple[int, Matrix]]  # (the span's number, what its expression gave)


def _matrices(server: Server, rules: Sequence[TimedRule], begin: float, end: float) -> list[Spanned]:
    """For each rule the result of each of its spans; equal expressions are asked once."""
    asked: dict[tuple[str, float, float], Matrix] = {}
    wanted: list[list[tuple[int, tuple[str, float, float]]]] = []
    for rule in rules:
        own = []
        for number, span in enumerate(rule.spans):
            start, last = _first(max(span.start, begin)), _last(min(span.end, end))
            if start <= last:
                own.append((number, (span.rule["expr"], start, last)))
        wanted.append(own)
    questions = sorted({question for own in wanted for _, question in own})

    def ask(question: tuple[str, float, float]) -> Matrix:
        expr, start, last = question
        parts = [server.range(expr, at, to, STEP) for at, to in _chunks(start, last)]
        return parts[0] if len(parts) == 1 else _joined([series for part in parts for series in part])

    with ThreadPoolExecutor(WORKERS) as pool:
        asked.update(zip(questions, pool.map(ask, questions), strict=True))
    return [[(number, asked[question]) for number, question in own] for own in wanted]


def _first(at: float) -> float:
    return math.ceil(at / STEP) * STEP


def _last(at: float) -> float:
    """The last point of the grid before `at`."""
    return math.ceil(at / STEP) * STEP - STEP


def _chunks(start: float, last: float) -> Iterator[tuple[float, float]]:
    width = (_POINTS - 1) * STEP
    while start <= last:
        yield start, min(start + width, last)
        start += width + STEP


def _joined(series: Iterable[Series]) -> Matrix:
    """Series of equal labels as one, its samples in the order of time."""
    found: dict[Labels, dict[float, float]] = {}
    for one in series:
        found.setdefault(one.labels, {}).update(one.points)
    return tuple(Series(key, tuple(sorted(points.items()))) for key, points in sorted(found.items()))


def _with(own: Labels, further: Mapping[str, str]) -> Labels:
    return labels({**dict(own), **further})


def _episodes(
    configuration: Configuration, rule: TimedRule, found: Spanned, end: float
) -> tuple[Episode, ...]:
    """The episodes of one alerting rule over all its spans."""
    stretches = []
    for number, matrix in found:
        span = rule.spans[number]
        start, last = _first(span.start), _last(min(span.end, end))
        stretches.append(states.Stretch(_alerting(rule, span.rule), matrix, start, last, STEP))
    replay = states.replay(stretches, labels(configuration.external_labels))
    if replay.unsupported or replay.failed:
        raise SystemExit(f"{rule.name}: {replay.unsupported or f'{replay.failed} evaluations fail'}")
    return replay.episodes


def _alerting(rule: TimedRule, text: Mapping[str, Any]) -> states.AlertingRule:
    return states.AlertingRule(
        rule.name,
        hold=_seconds(text, "for"),
        keep=_seconds(text, "keep_firing_for"),
        labels=labels(text.get("labels", {})),
        group=f"{rule.key[0]};{rule.key[1]}",
        source=rule.name,
    )


def _seconds(text: Mapping[str, Any], field: str) -> float:
    return durations.seconds(text.get(field, "0s")) or 0.0


def notifications(
    configuration: Configuration, episodes: Sequence[Episode], until: float
) -> tuple[Notification, ...]:
    """What the configuration's Alertmanager makes of episodes, receivers that tell nobody left out."""
    return alertmanager.simulate(routes.read(configuration.alertmanager), episodes, until=until).notifications
