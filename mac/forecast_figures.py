"""What a forecast comes to: notifications and pages before and after, by whom, by what, and what is lost.

A notification is one message to one receiver, however many integrations that has. Only those that say that
something fires are counted; that it is over, and reminders of what was told, are counted apart. A page is one
of the severity `page` that is no reminder. Night is from 22:00 to 07:00 where the team works.
"""

from __future__ import annotations

import zoneinfo
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from mac import conventions
from mac.forecast.model import Cause, Episode, Notification, Outcome, Saved, Status
from mac.history import Cost
from mac.model import AlertSeverity, Catalog, NoiseBudget
from mac.problems import Location

DAY = 86_400.0
_NIGHT = (22, 7)  # hours
_WEEK = 7.0
SHOWN_CAUSES = 10


@dataclass(frozen=True, slots=True)
class Told:
    """One notification. `alerts`, `services`, `teams`: of the alerts that it says are firing (or over)."""

    time: float
    receiver: str
    alerts: tuple[str, ...]
    services: tuple[str, ...]
    teams: tuple[str, ...]
    page: bool = False
    night: bool = False
    reminder: bool = False
    resolved: bool = False

    @property
    def counts(self) -> bool:
        return not self.resolved and not self.reminder


@dataclass(frozen=True, slots=True)
class Unsure:
    """A rule of which nothing can be said. `selectors`: those that no series fits, if that is why."""

    alert: str
    service: str
    reason: str
    selectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """The forecast of one configuration.

    `quiet`: alerts that never fired though their data is there, as (service, alert). `unsure`: those of which
    nothing can be said. `held`: reason → episodes that nobody was told of.
    """

    told: tuple[Told, ...]
    episodes: tuple[Episode, ...]
    rules: int
    quiet: tuple[tuple[str, str], ...] = ()
    unsure: tuple[Unsure, ...] = ()
    saved: tuple[Saved, ...] = ()
    held: Mapping[str, int] = field(default_factory=dict)

    @property
    def notifications(self) -> tuple[Told, ...]:
        return tuple(told for told in self.told if told.counts)

    @property
    def pages(self) -> tuple[Told, ...]:
        return tuple(told for told in self.told if told.page)

    @property
    def totals(self) -> dict[str, int]:
        """The figures that stand at the top of each report."""
        return {
            "alerts": len(self.episodes),
            "notifications": len(self.notifications),
            "pages": len(self.pages),
            "pages_at_night": sum(told.night for told in self.pages),
            "reminders": sum(told.reminder for told in self.told),
            "resolved": sum(told.resolved for told in self.told),
        }

    def count(self, by: str) -> dict[str, int]:
        """Notifications by one of DIMENSIONS. One about two services counts for both."""
        found: Counter[str] = Counter()
        for told in self.notifications:
            found.update(_KEYS[by](told))
        return dict(found)

    def page_count(self, by: str) -> dict[str, int]:
        found: Counter[str] = Counter()
        for told in self.pages:
            found.update(_KEYS[by](told))
        return dict(found)


_KEYS: Mapping[str, Callable[[Told], Iterable[str]]] = {
    "team": lambda told: told.teams,
    "receiver": lambda told: (told.receiver,),
    "service": lambda told: told.services,
    "alert": lambda told: told.alerts,
}
DIMENSIONS = tuple(_KEYS)


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that was really wrong with a service: known, or told by a page that lasted."""

    name: str
    service: str
    start: float
    end: float
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether an incident is told, and how many seconds after its start; None when it is not."""

    incident: Incident
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Sent:
    """Messages by one type of integration, reminders and those of the end included: really, and forecast."""

    integration: str
    really: float
    forecast: int


@dataclass(frozen=True, slots=True)
class Overrun:
    """A budget and what the forecast is: on the average of the days that were replayed."""

    kind: str  # service or team
    name: str
    limit: str  # pages_per_week or notifications_per_day
    allowed: float
    forecast: float
    location: Location


@dataclass(frozen=True, slots=True)
class Forecast:
    """`start` and `end` are Unix seconds. `before` is None where there is nothing to compare with."""

    start: float
    end: float
    server: str
    after: Side
    before: Side | None = None
    base: str = ""
    judged: tuple[Judged, ...] = ()
    overruns: tuple[Overrun, ...] = ()
    sent: tuple[Sent, ...] = ()
    cost: Cost = field(default_factory=Cost)
    notes: tuple[str, ...] = ()

    @property
    def days(self) -> float:
        return (self.end - self.start) / DAY

    @property
    def lost(self) -> tuple[Judged, ...]:
        """Incidents that are told before and not after; known ones that are not told at all."""
        return tuple(judged for judged in self.judged if judged.after is None)


# --- notifications -----------------------------------------------------------------------------------


def told(outcome: Outcome, start: float, zones: Mapping[str, str]) -> tuple[Told, ...]:
    """The notifications from `start` on, once for each receiver. `zones`: team → its time zone."""
    first: dict[tuple[object, ...], Notification] = {}
    for notification in outcome.notifications:
        if notification.time >= start:
            key = (notification.time, notification.receiver, notification.route, notification.group)
            first.setdefault((*key, notification.status), notification)
    return tuple(_told(notification, zones) for notification in first.values())


def _told(notification: Notification, zones: Mapping[str, str]) -> Told:
    resolved = notification.status is Status.RESOLVED
    about = [dict(each) for each in (notification.resolved if resolved else notification.firing)]
    reminder = notification.cause is Cause.REPEAT
    severities = {labels.get(conventions.SEVERITY, "") for labels in about}
    teams = _values(about, conventions.TEAM)
    page = AlertSeverity.PAGE in severities and not resolved and not reminder
    return Told(
        notification.time,
        notification.receiver,
        _values(about, "alertname"),
        _values(about, conventions.SERVICE),
        teams,
        page=page,
        night=page and is_night(notification.time, zones.get(teams[0], "") if teams else ""),
        reminder=reminder,
        resolved=resolved or notification.cause is Cause.RESOLVED,
    )


def _values(about: Iterable[Mapping[str, str]], label: str) -> tuple[str, ...]:
    return tuple(sorted({labels[label] for labels in about if labels.get(label)}))


def is_night(time: float, zone: str) -> bool:
    """Whether people sleep there; in UTC where the zone is not known."""
    hour = datetime.fromtimestamp(time, _zone(zone)).hour
    return hour >= _NIGHT[0] or hour < _NIGHT[1]


def _zone(name: str) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name) if name else UTC
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return UTC


def zones(catalog: Catalog) -> dict[str, str]:
    """Team → its time zone, for those whose document names one."""
    found = {}
    for name, team in catalog.teams.items():
        hours = [team.working_hours] if team.working_hours else [mute.hours for mute in team.mute_times]
        if hours:
            found[name] = hours[0].timezone
    return found


# --- incidents ---------------------------------------------------------------------------------------


def lasting(side: Side, start: float, end: float, seconds: float) -> tuple[Incident, ...]:
    """Episodes of pages that lasted: what was wrong with a service, as far as its alerts knew.

    Those of one service that overlap are one incident.
    """
    spans: dict[str, list[tuple[float, float, str]]] = {}
    for episode in side.episodes:
        last = end if episode.end is None else episode.end
        is_page = episode.label(conventions.SEVERITY) == AlertSeverity.PAGE
        if is_page and last - episode.start >= seconds and last > start:
            service = episode.label(conventions.SERVICE)
            spans.setdefault(service, []).append((max(start, episode.start), last, episode.name))
    found = []
    for service, own in spans.items():
        for first, last, names in _merged(sorted(own)):
            found.append(Incident(", ".join(sorted(names)), service, first, last))
    return tuple(sorted(found, key=lambda each: (each.start, each.service)))


def _merged(spans: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, set[str]]]:
    found: list[tuple[float, float, set[str]]] = []
    for start, end, name in spans:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end), found[-1][2] | {name})
        else:
            found.append((start, end, {name}))
    return found


def judge(
    incidents: Iterable[Incident], before: Side | None, after: Side, *, grace: float
) -> tuple[Judged, ...]:
    """Whether each incident is told, from its start until `grace` seconds after its end."""
    return tuple(
        Judged(incident, _delay(incident, before, grace) if before else None, _delay(incident, after, grace))
        for incident in incidents
    )


def _delay(incident: Incident, side: Side, grace: float) -> float | None:
    """Seconds until somebody is told, also by what says that it is over."""
    times = (
        told.time
        for told in side.told
        if incident.service in told.services
        and incident.start <= told.time <= incident.end + grace
        and not told.resolved
    )
    first = min(times, default=None)
    return None if first is None else first - incident.start


# --- budgets -----------------------------------------------------------------------------------------


def overruns(catalog: Catalog, side: Side, days: float) -> tuple[Overrun, ...]:
    """The budgets that the forecast exceeds."""
    found: list[Overrun] = []
    documents: list[tuple[str, str, NoiseBudget | None]] = [
        *(("service", name, service.budget) for name, service in catalog.services.items()),
        *(("team", name, team.budget) for name, team in catalog.teams.items()),
    ]
    for kind, name, budget in documents:
        if budget is None:
            continue
        week = side.page_count(kind).get(name, 0) / days * _WEEK
        day = side.count(kind).get(name, 0) / days
        for limit, allowed, forecast in (
            ("pages_per_week", budget.pages_per_week, week),
            ("notifications_per_day", budget.notifications_per_day, day),
        ):
            if allowed is not None and forecast > allowed:
                found.append(Overrun(kind, name, limit, allowed, forecast, budget.location))
    return tuple(found)


# --- what could be better ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proposal:
    """An alert that says too much or nothing. `reason` is a stable word, `detail` a sentence."""

    service: str
    alert: str
    reason: str
    detail: str


_OFTEN, _BRIEF, _FLAPS, _AGAIN = 5, 600.0, 4, 3600.0


def proposals(side: Side, silenced: Iterable[tuple[str, str]]) -> tuple[Proposal, ...]:
    """What the past of each alert suggests. `silenced`: those whose every episode was silenced."""
    found = [
        Proposal(service, alert, "always-silenced", "everything that it said was silenced: mend or remove it")
        for service, alert in silenced
    ]
    own: dict[tuple[str, str], list[Episode]] = {}
    for episode in side.episodes:
        own.setdefault((episode.label(conventions.SERVICE), episode.name), []).append(episode)
    for (service, alert), episodes in sorted(own.items()):
        ended = [episode.end - episode.start for episode in episodes if episode.end is not None]
        flaps = _most_within(sorted(episode.start for episode in episodes), _AGAIN)
        if flaps >= _FLAPS:
            detail = f"it fired {flaps} times within an hour: a longer `for`, or keep_firing_for"
            found.append(Proposal(service, alert, "flapping", detail))
        if len(ended) == len(episodes) >= _OFTEN and max(ended) < _BRIEF:
            detail = f"all {len(ended)} times it was over within {max(ended) / 60:.0f} minutes by itself"
            found.append(Proposal(service, alert, "over-by-itself", detail))
    found += [
        Proposal(service, alert, "never-fired", "its data is there, and it never fired: is it still needed?")
        for service, alert in side.quiet
    ]
    return tuple(found)


def _most_within(times: Sequence[float], seconds: float) -> int:
    first = most = 0
    for last, time in enumerate(times):
        while time - times[first] > seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
