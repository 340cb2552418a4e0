"""What is wrong with teams and with the times at which nobody is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from mac import conventions
from mac.model import AlertSeverity, Maintenance, Team
from mac.problems import Location, Problem, did_you_mean
from mac.source import Document, Pointer
from mac.standards import values
from mac.standards.written import Written

_WEEK = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_ALWAYS_TOLD = (AlertSeverity.PAGE, AlertSeverity.TICKET)
_LONGEST = 62  # days of one maintenance window; what is longer is an exemption

_OF_ALERTS = (
    "alertname",
    conventions.SERVICE,
    conventions.ENVIRONMENT,
    conventions.TEAM,
    conventions.TIER,
    conventions.SEVERITY,
    conventions.STANDARD,
    conventions.ACCOUNT,
    conventions.REGION,
    conventions.CELL,
)
"""Labels that every alert has, so that a time may be for some of their values."""


def check(team: Team, document: Document, written: Written) -> Iterator[Problem]:
    """Everything that is wrong with one team."""
    spec: Mapping[str, Any] = document.data["spec"]
    for severity in _ALWAYS_TOLD:
        if not spec["receivers"].get(severity):
            at: Pointer = ("spec", "receivers", severity)
            place = (
                document.location(at, key=True) if document.has(at) else document.location(at[:2], key=True)
            )
            message = f"alerts of the severity {severity} would reach nobody in this team"
            hint = f'name at least one integration under "{severity}"'
            yield Problem(place, "receiver-missing", message, hint)
    if team.after_hours and not team.working_hours:
        place = document.location(("spec", "after_hours"), key=True)
        yield Problem(place, "wrong-value", "there are no working hours that these receivers come after")
    if "working_hours" in spec:
        at = ("spec", "working_hours")
        yield from _hours(spec["working_hours"], at, document)
        if spec["working_hours"]["start"] >= spec["working_hours"]["end"]:
            place = document.location((*at, "end"))
            hint = "hours over midnight are written as two teams' or as whole days: 00:00 to 24:00"
            yield Problem(place, "wrong-value", "the working hours end before they begin", hint)
    for n, mute in enumerate(spec.get("mute_times", ())):
        at = ("spec", "mute_times", n)
        yield from _hours(mute, at, document)
        if mute["start"] == mute["end"]:
            message, hint = "it ends when it begins", "a whole day is 00:00 to 24:00"
            yield Problem(document.location((*at, "end")), "wrong-value", message, hint)
        yield from _match(mute.get("match", {}), (*at, "match"), document, written)
    yield from _names((mute.name, mute.location) for mute in team.mute_times)


def check_maintenance(
    windows: Iterable[Maintenance], document: Document, written: Written
) -> Iterator[Problem]:
    """Everything that is wrong with the maintenance windows of mac.yaml."""
    for n, window in enumerate(windows):
        at: Pointer = ("spec", "maintenance", n)
        yield from _timezone(window.timezone, (*at, "timezone"), document)
        yield from _match(window.match, (*at, "match"), document, written)
        times = []
        for field, text in (("from", window.start), ("until", window.end)):
            try:
                times.append(datetime.fromisoformat(text))
            except ValueError:
                place = document.location((*at, field))
                yield Problem(place, "wrong-value", f"{text} is not a day of the calendar")
        if len(times) < 2:
            continue
        place = document.location((*at, "until"))
        if times[0] >= times[1]:
            yield Problem(place, "wrong-value", "the window ends before it begins")
        elif (times[1] - times[0]).days >= _LONGEST:
            hint = "what is to be silent for longer is an exemption in its service's document"
            yield Problem(place, "wrong-value", f"the window is longer than {_LONGEST} days", hint)
    yield from _names((window.name, window.location) for window in windows)


def _hours(hours: Mapping[str, Any], at: Pointer, document: Document) -> Iterator[Problem]:
    for index, days in enumerate(hours["days"]):
        first, _, last = days.partition(":")
        if last and _WEEK.index(first) > _WEEK.index(last):
            place = document.location((*at, "days", index))
            hint = "Alertmanager's week begins on sunday; write the days one by one"
            yield Problem(place, "wrong-value", f"{first} comes after {last}", hint)
    yield from _timezone(hours["timezone"], (*at, "timezone"), document)


def _timezone(zone: str, at: Pointer, document: Document) -> Iterator[Problem]:
    if not values.is_timezone(zone):
        hint = did_you_mean(zone, values.timezones())
        message = f'there is no time zone "{zone}"'
        yield Problem(
            document.location(at), "wrong-value", message, hint if "mean" in hint else "as in Europe/Madrid"
        )


def _match(
    match: Mapping[str, Iterable[str]], at: Pointer, document: Document, written: Written
) -> Iterator[Problem]:
    known = {
        conventions.SERVICE: ("unknown-service", written.service_names()),
        conventions.TEAM: ("unknown-team", written.team_names()),
        conventions.STANDARD: ("unknown-standard", written.standard_names()),
        conventions.SEVERITY: ("wrong-value", {str(severity) for severity in AlertSeverity}),
    }
    for label, wanted in match.items():
        if label not in _OF_ALERTS:
            place = document.location((*at, label), key=True)
            message = f'not every alert has a label "{label}"'
            yield Problem(place, "unknown-label", message, did_you_mean(label, _OF_ALERTS))
            continue
        code, names = known.get(label, ("", set()))
        for n, value in enumerate(wanted):
            if code and value not in names:
                place = document.location((*at, label, n))
                yield Problem(place, code, f'there is no {label} "{value}"', did_you_mean(value, names))


def _names(named: Iterable[tuple[str, Location]]) -> Iterator[Problem]:
    seen: dict[str, Location] = {}
    for name, place in named:
        first = seen.setdefault(name, place)
        if first != place:
            message = f'"{name}" stands on line {first.line} already'
            yield Problem(place, "duplicate-name", message, "give one of them another name")
