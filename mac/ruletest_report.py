"""What a rule test says of an expectation that does not hold, at the place where it is written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mac import conventions, durations
from mac.problems import Problem
from mac.promtool_report import Alert, Failure
from mac.testcases import AlertExpectation, TestCase

_STATIC = frozenset(
    {
        "alertname",
        conventions.SERVICE,
        conventions.ENVIRONMENT,
        conventions.TEAM,
        conventions.TIER,
        conventions.SEVERITY,
        conventions.STANDARD,
        conventions.OUTAGE,
        conventions.REACH,
        conventions.REMINDER,
        conventions.SLO,
    }
)
"""What every alert of a rule has, so that it tells nothing."""


def problem(case: TestCase, alerts: Sequence[AlertExpectation], failure: Failure) -> Problem:
    """`alerts`: those of the case that were put to promtool together."""
    place = case.location
    message = failure.message
    if failure.alert:
        place = next(
            (e.location for e in alerts if (e.alert, _at(e.at)) == (failure.alert, _at(failure.at))),
            place,
        )
        message = f"{failure.alert} at {failure.at}: {_difference(failure)}"
    elif failure.expr:
        place = next(
            (e.location for e in case.expressions if (e.expr, _at(e.at)) == (failure.expr, _at(failure.at))),
            place,
        )
        message = f"{_one_line(failure.expr)} at {failure.at}: {failure.message}"
    return Problem(place, "test-failed", message)


def _at(text: str) -> int | str:
    length = durations.milliseconds(text)
    return text if length is None else length


def _difference(failure: Failure) -> str:
    """What fired and what should have, without the labels that every alert of the rule has."""
    if failure.message:
        return failure.message
    return f"expected {_spell(failure.expected)}, got {_spell(failure.got)}"


def _spell(alerts: Sequence[Alert]) -> str:
    if not alerts:
        return "silence"
    return ", ".join(_spell_one(alert) for alert in alerts)


def _spell_one(alert: Alert) -> str:
    labels = ", ".join(f'{name}="{value}"' for name, value in alert.labels if name not in _STATIC)
    annotations = ", ".join(f"{name}: {value}" for name, value in alert.annotations)
    return f"an alert {{{labels}}}" + (f" with {annotations}" if annotations else "")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
