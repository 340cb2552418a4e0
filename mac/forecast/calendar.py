"""Alertmanager's time intervals: parts of the week, month and year in some place on earth.

A moment is in an interval when each field that it has allows the moment; a field allows what one of its
ranges does. Minutes count, not seconds, and a range of times ends before its last minute.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_CLOCK = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)")

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Interval:
    """One entry of a named time interval. A field without ranges allows everything.

    `times`: minutes of the day, the second one excluded. `weekdays`: Sunday is 0. `days`: of the month, from
    its end when negative.
    """

    times: tuple[Range, ...] = ()
    weekdays: tuple[Range, ...] = ()
    days: tuple[Range, ...] = ()
    months: tuple[Range, ...] = ()
    years: tuple[Range, ...] = ()
    location: str = "UTC"

    def contains(self, time: float) -> bool:
        """Whether this moment (Unix seconds) is in it."""
        return _contains(self, int(time // 60))


@lru_cache(maxsize=65_536)
def _contains(interval: Interval, minute: int) -> bool:
    moment = datetime.fromtimestamp(minute * 60, _zone(interval.location))
    now = moment.hour * 60 + moment.minute
    if interval.times and not any(start <= now < end for start, end in interval.times):
        return False
    days = _clamped(interval.days, moment)
    if interval.days and not days:
        return False
    return (
        _allows(interval.weekdays, moment.isoweekday() % 7)
        and _allows(days, moment.day)
        and _allows(interval.months, moment.month)
        and _allows(interval.years, moment.year)
    )


def _allows(ranges: Sequence[Range], value: int) -> bool:
    return not ranges or any(first <= value <= last for first, last in ranges)


def _clamped(ranges: Sequence[Range], moment: datetime) -> tuple[Range, ...]:
    """Ranges of days within the month of this moment; one that begins after its end is left out."""
    length = monthrange(moment.year, moment.month)[1]
    found = []
    for first, last in ranges:
        begin, end = (day + length + 1 if day < 0 else day for day in (first, last))
        if begin <= length:
            found.append((begin, min(end, length)))
    return tuple(found)


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    return ZoneInfo(name)


def read_interval(entry: Mapping[str, Any]) -> Interval:
    """An entry as it stands in alertmanager.yml. Raises ValueError when it is none."""
    location = str(entry.get("location") or "UTC")
    if location == "Local":
        location = "UTC"  # where Alertmanager runs is not known; containers run in UTC
    try:
        _zone(location)
    except (OSError, ValueError) as error:
        raise ValueError(f'"{location}" is not a time zone') from error
    return Interval(
        times=tuple(_times(part) for part in entry.get("times") or ()),
        weekdays=tuple(_range(text, _DAYS, 0) for text in entry.get("weekdays") or ()),
        days=tuple(_range(text, (), 0) for text in entry.get("days_of_month") or ()),
        months=tuple(_range(text, _MONTHS, 1) for text in entry.get("months") or ()),
        years=tuple(_range(text, (), 0) for text in entry.get("years") or ()),
        location=location,
    )


def _times(entry: Mapping[str, Any]) -> Range:
    return _minute(str(entry["start_time"])), _minute(str(entry["end_time"]))


def _minute(text: str) -> int:
    if not _CLOCK.fullmatch(text):
        raise ValueError(f'"{text}" is not a time of the day')
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _range(text: object, names: Sequence[str], first: int) -> Range:
    """`monday:friday`, `1:5`, `-3:-1` or one value. Names count from `first`."""
    begin, _, end = str(text).strip().lower().partition(":")

    def member(word: str) -> int:
        if word in names:
            return names.index(word) + first
        try:
            return int(word)
        except ValueError as error:
            raise ValueError(f'"{text}" is not a range') from error

    return member(begin), member(end or begin)
