"""When nobody is told: working hours, mute times and maintenance as Alertmanager's time intervals.

An interval of Alertmanager lies within one day of its time zone's calendar; whatever runs over midnight is
several of them under one name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from mac.model import Maintenance, MuteTime, WorkingHours

Document = dict[str, Any]

_WEEK = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_DAY = ("00:00", "24:00")


def working(name: str, hours: WorkingHours) -> Document:
    return {"name": name, "time_intervals": [_weekly(hours.days, hours.start, hours.end, hours.timezone)]}


def weekly(name: str, mute: MuteTime) -> Document:
    """A mute time; one that ends before it starts goes on until the next morning."""
    hours = mute.hours
    if hours.start < hours.end:
        return working(name, hours)
    parts = [_weekly(hours.days, hours.start, _DAY[1], hours.timezone)]
    if hours.end != _DAY[0]:
        following = [_WEEK[(day + 1) % len(_WEEK)] for day in _days(hours.days)]
        parts.append(_weekly(following, _DAY[0], hours.end, hours.timezone))
    return {"name": name, "time_intervals": parts}


def window(name: str, maintenance: Maintenance) -> Document:
    """One window: the evening of its first day, whole days, the morning of its last."""
    start, end = datetime.fromisoformat(maintenance.start), datetime.fromisoformat(maintenance.end)
    return {"name": name, "time_intervals": list(_parts(start, end, maintenance.timezone))}


def _parts(start: datetime, end: datetime, zone: str) -> Iterator[Document]:
    first = _clock(start)
    if start.date() == end.date():
        yield _dated([start.date()], first, _clock(end), zone)
        return
    whole = [start.date() + timedelta(days=n) for n in range((end.date() - start.date()).days)]
    if first != _DAY[0]:
        yield _dated([whole.pop(0)], first, _DAY[1], zone)
    for _, days in groupby(whole, key=lambda day: (day.year, day.month)):
        yield _dated(list(days), *_DAY, zone)
    if _clock(end) != _DAY[0]:
        yield _dated([end.date()], _DAY[0], _clock(end), zone)


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M}"


def _weekly(days: Iterable[str], start: str, end: str, zone: str) -> Document:
    times = [{"start_time": start, "end_time": end}]
    return {"times": times, "weekdays": list(days), "location": zone}


def _dated(days: list[date], start: str, end: str, zone: str) -> Document:
    """Days of one month that follow one another."""
    first, last = days[0], days[-1]
    return {
        "times": [{"start_time": start, "end_time": end}],
        "days_of_month": [str(first.day) if first == last else f"{first.day}:{last.day}"],
        "months": [str(first.month)],
        "years": [str(first.year)],
        "location": zone,
    }


def _days(ranges: Iterable[str]) -> list[int]:
    """Days of the week, in order, each once."""
    found: set[int] = set()
    for text in ranges:
        first, _, last = text.partition(":")
        found.update(range(_WEEK.index(first), _WEEK.index(last or first) + 1))
    return sorted(found)
