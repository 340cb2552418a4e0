"""Teams: where they are told what, and when nobody is told.

A part of `mac.model`, from where everyone imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mac.problems import NOWHERE, Location


class AlertSeverity(StrEnum):
    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Receiver:
    """One integration: its type (pagerduty, slack, webhook, …) and its Alertmanager fields."""

    type: str
    fields: Mapping[str, Any]


Receivers = Mapping[str, tuple[Receiver, ...]]
"""Severity → integrations."""


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """Times of the day (24-hour, "09:00") on days or ranges of days ("monday:friday") in a time zone."""

    timezone: str
    days: tuple[str, ...]
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class MuteTime:
    """A time of every week in which alerts with these labels (none: all of the team's) are not told.

    What still fires afterwards is told then. An end before the start lies on the next day.
    """

    name: str
    hours: WorkingHours
    reason: str
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One window, from and until local times ("2026-12-01T22:00"), in which alerts with these labels wait."""

    name: str
    start: str
    end: str
    timezone: str
    reason: str
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class NoiseBudget:
    """How many notifications there may be on the average; None: any number. `location`: of `budget`."""

    pages_per_week: float | None = None
    notifications_per_day: float | None = None
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Team:
    """`after_hours` takes the place of `receivers` outside of the working hours, `environments` in an
    environment, for the severities that they name. `heartbeat`: who must hear all the time that monitoring
    itself works.
    """

    name: str
    receivers: Receivers
    title: str = ""
    working_hours: WorkingHours | None = None
    after_hours: Receivers = field(default_factory=dict)
    environments: Mapping[str, Receivers] = field(default_factory=dict)
    heartbeat: tuple[Receiver, ...] = ()
    mute_times: tuple[MuteTime, ...] = ()
    budget: NoiseBudget | None = None
    location: Location = NOWHERE
