"""The states of an alerting rule at every evaluation, from the series of its expression.

A rule's expression was evaluated at each step of a range query; here is what Prometheus makes of it: an alert
is pending while its series is there, fires when that lasted for `for`, and goes on firing for
`keep_firing_for` after its series went. Its labels are those of the series without the name, then the rule's
(templates are expanded, so that `{{ $value }}` in a label makes another alert whenever it changes), then
`alertname`.

Where two series come to the same labels at one evaluation Prometheus fails that evaluation: nothing changes,
as if it had not taken place.

Rules that are loaded anew keep the states of their alerts when group, name and labels are the same, whatever
became of the expression. So a rule that changed is replayed as several stretches in a row. What is dropped by
a reload is never resolved by Prometheus: Alertmanager gives it up when it was not sent again for four times
the resend delay.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mac.forecast import gotemplate
from mac.forecast.gotemplate import Template
from mac.forecast.model import Episode, Labels, labels
from mac.forecast.sending import Resending

_NAME = "__name__"
_INSTANT = 1e-6  # seconds; what times may lose when they are added up


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """A rule as its file has it. `hold` is `for`, `keep` is `keep_firing_for`, in seconds.

    `labels` and `annotations` are Go templates. `group`: its file and group, by which a reload knows it;
    `source` is passed on to the episodes.
    """

    alert: str
    hold: float = 0.0
    keep: float = 0.0
    labels: Labels = ()
    annotations: Labels = ()
    group: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a matrix: its labels (with `__name__`, if it has one) and its points, (time, value).

    A step without a value is left out; NaN is a value like any other.
    """

    labels: Labels
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A rule and its series from `start` to `end` (Unix seconds, both evaluated), each `interval` seconds."""

    rule: AlertingRule
    series: Sequence[Series]
    start: float
    end: float
    interval: float

    @property
    def evaluations(self) -> int:
        return int((self.end - self.start) / self.interval + _INSTANT) + 1


class State(StrEnum):
    """That of an alert at an evaluation; one that is inactive has none."""

    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Span:
    """An alert was in this state from `first` to `last` (the times of evaluations, both included)."""

    labels: Labels
    state: State
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Replay:
    """`spans` and `episodes` in the order of time. `failed`: how many evaluations fail. `unsupported`: why
    the labels of the rule cannot be replayed; then there is nothing else.
    """

    spans: tuple[Span, ...] = ()
    episodes: tuple[Episode, ...] = ()
    failed: int = 0
    unsupported: str = ""


def replay(stretches: Sequence[Stretch], external: Labels = (), resending: Resending | None = None) -> Replay:
    """What one rule does over stretches that follow one another in time.

    `external`: the external labels of its Prometheus; they are in `$externalLabels`, and in an episode's
    labels where the alert has none of that name, as Prometheus sends it. They are not in `spans`.
    """
    machine = _Machine(dict(external), resending or Resending())
    for number, stretch in enumerate(stretches):
        before = stretches[number - 1] if number else None
        if before is not None and not _same(before.rule, stretch.rule):
            machine.drop()
        try:
            machine.play(stretch)
        except gotemplate.Unsupported as reason:
            return Replay(unsupported=f"{stretch.rule.alert}: {reason}")
    machine.stop()
    spans = sorted(machine.spans, key=lambda s: (s.first, s.labels))
    episodes = sorted(machine.episodes, key=lambda e: (e.start, e.labels))
    return Replay(tuple(spans), tuple(episodes), machine.failed)


def _same(before: AlertingRule, after: AlertingRule) -> bool:
    return (before.group, before.alert, before.labels) == (after.group, after.alert, after.labels)


@dataclass(slots=True)
class _Alert:
    """One that is active. `active` and `firing`: since when, `seen`: the last evaluation at which it was.
    `missing`: since when it fires without its series.
    """

    active: float
    seen: float
    firing: float | None = None
    missing: float | None = None
    annotations: Labels = ()


_Presence = Sequence[tuple[Series, Sequence[int]]]
"""The series that come to an alert's labels, and the evaluations (numbers, rising) at which each does."""


class _Machine:
    """All alerts of one rule."""

    def __init__(self, external: Mapping[str, str], resending: Resending) -> None:
        self._external = external
        self._resending = resending
        self._active: dict[Labels, _Alert] = {}
        self._over: dict[Labels, int] = {}  # the place of an alert's last episode
        self._rule = AlertingRule("")
        self._interval = 0.0
        self.spans: list[Span] = []
        self.episodes: list[Episode] = []
        self.failed = 0

    def play(self, stretch: Stretch) -> None:
        present, failing = self._present(stretch)
        self.failed += len(failing)
        self._rule, self._interval = stretch.rule, stretch.interval
        times = _Times(stretch, failing)
        for key in sorted({*present, *self._active}):
            self._alert(key, present.get(key, ()), times)

    def stop(self) -> None:
        """The horizon: what is active stays so."""
        for key, alert in self._active.items():
            if alert.firing is None:
                self.spans.append(Span(key, State.PENDING, alert.active, alert.seen))
            else:
                self._fired(key, alert, alert.firing, None)

    def drop(self) -> None:
        """A reload that does not carry the rule's alerts over."""
        for key, alert in self._active.items():
            if alert.firing is None:
                self.spans.append(Span(key, State.PENDING, alert.active, alert.seen))
                continue
            episode = self._fired(key, alert, alert.firing, None)
            delay = max(self._resending.delay, episode.interval)
            end = self._resending.last(episode, alert.seen) + 4 * delay
            # Nobody repeats that it is over.
            self.episodes[-1] = replace(episode, end=end, repeated_until=end)
        self._active.clear()

    # --- which alerts are there at which evaluation --------------------------------------------------

    def _present(self, stretch: Stretch) -> tuple[Mapping[Labels, _Presence], set[int]]:
        """The alerts whose series are there, and the evaluations at which two come to the same labels."""
        templates = [(name, gotemplate.parse(text)) for name, text in stretch.rule.labels]
        changes = any(template.uses_value for _, template in templates)
        found: dict[Labels, list[tuple[Series, Sequence[int]]]] = {}
        for series in stretch.series:
            steps = [round((time - stretch.start) / stretch.interval) for time, _ in series.points]
            own: dict[Labels, list[int]] = {}
            if changes:
                for step, (_, value) in zip(steps, series.points, strict=True):
                    own.setdefault(self._labels(stretch.rule, templates, series, value), []).append(step)
            elif steps:
                own[self._labels(stretch.rule, templates, series, series.points[0][1])] = steps
            for key, taken in own.items():
                found.setdefault(key, []).append((series, _within(taken, stretch.evaluations)))
        failing: set[int] = set()
        for presence in found.values():
            if len(presence) > 1:
                counted = Counter(step for _, steps in presence for step in steps)
                failing.update(step for step, number in counted.items() if number > 1)
        return found, failing

    def _labels(
        self, rule: AlertingRule, templates: Iterable[tuple[str, Template]], series: Series, value: float
    ) -> Labels:
        own = dict(series.labels)
        data = gotemplate.Data(own, self._external, value)
        expanded = {name: template.expand(data) for name, template in templates}
        return labels({k: v for k, v in own.items() if k != _NAME} | expanded | {"alertname": rule.alert})

    # --- one alert through time ----------------------------------------------------------------------

    def _alert(self, key: Labels, present: _Presence, times: _Times) -> None:
        """Looks only at where its series comes and goes, not at each evaluation."""
        done = 0  # evaluations that were worked through
        for first, last in _runs(times.numbers([steps for _, steps in present])):
            self._absent(key, done, first, times)
            self._here(key, (first, last), times, present)
            done = last + 1
        self._absent(key, done, len(times), times)

    def _here(self, key: Labels, run: tuple[int, int], times: _Times, present: _Presence) -> None:
        """Its series is there from the first to the last evaluation of the run."""
        first, last = run
        rule = self._rule
        alert = self._active.get(key)
        if alert is None:
            alert = self._active[key] = _Alert(times.at(first), times.at(first))
            self._no_longer_repeated(key, alert.active)
        alert.missing = None
        if alert.firing is None:
            fires = bisect_left(range(last + 1), alert.active + rule.hold - _INSTANT, lo=first, key=times.at)
            if fires <= last:
                alert.firing = times.at(fires)
                alert.annotations = self._annotations(rule, present, times.step(fires), alert.firing)
                if alert.active < alert.firing:
                    before = times.at(fires - 1) if fires > first else alert.seen
                    self.spans.append(Span(key, State.PENDING, alert.active, before))
        alert.seen = times.at(last)

    def _absent(self, key: Labels, first: int, end: int, times: _Times) -> None:
        """Its series is not there from evaluation `first` until `end` (excluded)."""
        alert = self._active.get(key)
        if alert is None or first >= end:
            return
        if alert.firing is None:
            self.spans.append(Span(key, State.PENDING, alert.active, alert.seen))
            del self._active[key]
            return
        if alert.missing is None:
            alert.missing = times.at(first)
        over = bisect_left(range(end), alert.missing + self._rule.keep - _INSTANT, lo=first, key=times.at)
        if over > first:
            alert.seen = times.at(over - 1)
        if over < end:
            self._fired(key, alert, alert.firing, times.at(over))
            del self._active[key]

    def _fired(self, key: Labels, alert: _Alert, start: float, end: float | None) -> Episode:
        self.spans.append(Span(key, State.FIRING, start, alert.seen))
        self._over[key] = len(self.episodes)
        sent = labels({**self._external, **dict(key)})
        episode = Episode(
            sent, start, end, alert.annotations, interval=self._interval, rule=self._rule.source
        )
        self.episodes.append(episode)
        return episode

    def _no_longer_repeated(self, key: Labels, time: float) -> None:
        """Pending again, it is not repeated any more that it is resolved."""
        place = self._over.get(key)
        if place is not None and self.episodes[place].repeated_until is None:
            self.episodes[place] = replace(self.episodes[place], repeated_until=time)

    def _annotations(self, rule: AlertingRule, present: _Presence, step: int, time: float) -> Labels:
        """As they are when it begins to fire; one that cannot be expanded stays as it is written."""
        if not rule.annotations:
            return ()
        series = next(own for own, steps in present if _contains(steps, step))
        value = series.points[bisect_left(series.points, (time - self._interval / 2,))][1]
        data = gotemplate.Data(dict(series.labels), self._external, value)
        found = {}
        for name, text in rule.annotations:
            try:
                found[name] = gotemplate.parse(text).expand(data)
            except gotemplate.Unsupported:
                found[name] = text
        return labels(found)


class _Times:
    """The evaluations of a stretch that do not fail, numbered from 0."""

    def __init__(self, stretch: Stretch, failing: set[int]) -> None:
        self._start, self._interval = stretch.start, stretch.interval
        self._steps: Sequence[int] = range(stretch.evaluations)
        self._numbers: Mapping[int, int] | None = None
        if failing:
            self._steps = [step for step in self._steps if step not in failing]
            self._numbers = {step: number for number, step in enumerate(self._steps)}

    def __len__(self) -> int:
        return len(self._steps)

    def step(self, number: int) -> int:
        return self._steps[number]

    def at(self, number: int) -> float:
        return self._start + self._steps[number] * self._interval

    def numbers(self, presence: Sequence[Sequence[int]]) -> Sequence[int]:
        """The numbers of the evaluations at which any of these series is there."""
        steps = presence[0] if len(presence) == 1 else sorted(step for own in presence for step in own)
        if self._numbers is None:
            return steps
        return [self._numbers[step] for step in steps if step in self._numbers]


def _within(steps: Sequence[int], evaluations: int) -> Sequence[int]:
    """Those that are evaluations of the stretch."""
    if steps[0] >= 0 and steps[-1] < evaluations:
        return steps
    return [step for step in steps if 0 <= step < evaluations]


def _contains(steps: Sequence[int], step: int) -> bool:
    place = bisect_left(steps, step)
    return place < len(steps) and steps[place] == step


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of those that follow one another."""
    start = 0
    for n in range(1, len(numbers) + 1):
        if n == len(numbers) or numbers[n] != numbers[n - 1] + 1:
            yield numbers[start], numbers[n - 1]
            start = n
