"""One configuration over the past: what each alert asks of history, and what comes of the answers.

Pure: `wanted` says what to ask, `side` takes the answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mac import conventions, promql
from mac.forecast import alertmanager, levers, states
from mac.forecast.model import Episode, Labels, Outcome, Reason, Saved, Silence
from mac.forecast_figures import Side, Told, Unsure, told
from mac.forecast_input import Configured, Rule
from mac.forecast_recorded import Rewritten
from mac.history import Failure, Matrix, Question, aligned

_LONGEST_LEAD = 86_400.0
_SOME = 600.0  # seconds more than the longest `for`

Answers = Mapping[tuple[str, Question], Matrix | Failure]
"""(cell, question) → what its server said."""

Existing = Mapping[tuple[str, str], bool | Failure]
"""(cell, selector) → whether any series fits."""


@dataclass(frozen=True, slots=True)
class Window:
    """Unix seconds. What happens from `lead` to `start` is replayed and not counted: what fires at `start`
    may have begun before.
    """

    start: float
    end: float
    lead: float

    @property
    def days(self) -> float:
        return (self.end - self.start) / 86_400


def window(sides: Iterable[Configured], start: float, end: float) -> Window:
    """With a lead that the longest `for` fits into."""
    holds = (
        rule.alerting.hold + rule.alerting.keep for each in sides for rule in each.alerts if rule.alerting
    )
    lead = min(max(holds, default=0.0) + _SOME, _LONGEST_LEAD)
    return Window(start, end, start - lead)


def question(rule: Rule, window: Window) -> Question:
    """What an alert's expression was at each evaluation."""
    return Question(rule.expr, aligned(window.lead, window.end, rule.interval))


def wanted(configured: Configured, window: Window) -> Iterator[tuple[str, Question]]:
    """(cell, question) for each alert. Equal ones are asked once by who asks."""
    for rule in configured.alerts:
        yield rule.cell, question(rule, window)


def doubtful(configured: Configured, window: Window, answers: Answers) -> Iterator[tuple[str, str]]:
    """(cell, selector) of each alert that never had a value: quiet, or blind?"""
    for rule in configured.alerts:
        if answers[rule.cell, question(rule, window)] == ():
            for selector in selectors(rule.expr):
                yield rule.cell, selector


def selectors(expr: str) -> tuple[str, ...]:
    """The series that an expression reads, each as it is selected; () for what cannot be parsed."""
    parsed = promql.parse(expr)
    if isinstance(parsed, promql.Failure):
        return ()
    return tuple(dict.fromkeys(promql.selector_text(selector) for selector in parsed.selectors))


# --- from answers to notifications -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replayed:
    """A configuration's past. `silenced`: (service, alert) whose every episode was silenced.

    `messages`: the type of an integration → how many it would have sent, of any sort.
    """

    side: Side
    messages: Mapping[str, int]
    silenced: tuple[tuple[str, str], ...] = ()


def side(
    rewritten: Rewritten,
    window: Window,
    answers: Answers,
    existing: Existing,
    *,
    zones: Mapping[str, str],
    silences: Iterable[Silence] = (),
) -> Replayed:
    """What this configuration would have told."""
    configured = rewritten.configured
    episodes: list[Episode] = []
    quiet: list[tuple[str, str]] = []
    unsure: list[Unsure] = []
    for rule in configured.alerts:
        if rule.alerting is None:
            continue
        answer = answers[rule.cell, question(rule, window)]
        impossible = rewritten.impossible.get(rule.key)
        if impossible:
            unsure.append(Unsure(rule.name, _service(rule), impossible))
            continue
        doubt = _doubt(rule, answer, existing)
        if doubt or isinstance(answer, Failure):
            unsure.append(doubt or Unsure(rule.name, _service(rule), "failed"))
            continue
        found = _replay(rule, answer, configured.external.get(rule.cell, ()), window)
        if found.unsupported:
            unsure.append(Unsure(rule.name, _service(rule), f"its labels: {found.unsupported}"))
            continue
        own = [e for e in found.episodes if e.end is None or e.end > window.start]
        episodes += own
        if not own:
            quiet.append((_service(rule), rule.name))
    outcome = Outcome(())
    saved: tuple[Saved, ...] = ()
    if configured.routing is not None:
        kept = tuple(silences)
        outcome = alertmanager.simulate(configured.routing, episodes, until=window.end, silences=kept)
        saved = levers.saved(outcome, configured.routing, episodes, until=window.end, silences=kept)
    notifications: tuple[Told, ...] = told(outcome, window.start, zones)
    held = Counter(str(each.reason) for each in outcome.suppressed if each.never)
    done = Side(
        notifications,
        tuple(episodes),
        len(configured.alerts),
        tuple(sorted(set(quiet))),
        tuple(unsure),
        saved,
        held=dict(sorted(held.items())),
    )
    messages = Counter(
        each.integration.partition("[")[0] for each in outcome.notifications if each.time >= window.start
    )
    return Replayed(done, dict(messages), _silenced(episodes, outcome))


def _doubt(rule: Rule, answer: Matrix | Failure, existing: Existing) -> Unsure | None:
    """Why it is not known whether an alert fires; None where it is."""
    if isinstance(answer, Failure):
        return Unsure(rule.name, _service(rule), answer.reason)
    if answer:
        return None
    missing = []
    for selector in selectors(rule.expr):
        there = existing.get((rule.cell, selector), True)
        if isinstance(there, Failure):
            return Unsure(rule.name, _service(rule), there.reason)
        if not there:
            missing.append(selector)
    return Unsure(rule.name, _service(rule), "no data", tuple(missing)) if missing else None


def _replay(rule: Rule, answer: Matrix, external: Labels, window: Window) -> states.Replay:
    if rule.alerting is None:
        return states.Replay()
    asked = question(rule, window).range
    series = tuple(
        states.Series(each.labels, tuple(zip(each.times, each.values, strict=True))) for each in answer
    )
    alerting = replace(rule.alerting, source=rule.key)
    return states.replay([states.Stretch(alerting, series, asked.start, asked.end, asked.step)], external)


def _service(rule: Rule) -> str:
    return rule.own.get(conventions.SERVICE, "")


def _silenced(episodes: Iterable[Episode], outcome: Outcome) -> tuple[tuple[str, str], ...]:
    silent = {
        (each.episode.labels, each.episode.start)
        for each in outcome.suppressed
        if each.reason is Reason.SILENCED and each.never
    }
    found: dict[tuple[str, str], bool] = {}
    for episode in episodes:
        key = (episode.label(conventions.SERVICE), episode.name)
        found[key] = found.get(key, True) and (episode.labels, episode.start) in silent
    return tuple(sorted(key for key, always in found.items() if always))
