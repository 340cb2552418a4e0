"""How a configuration did: what was told of each incident and when, and what else was said.

The truth is the world's; nothing here knows a rule. An alert belongs to an incident when it is about the
same service, or one that suffers with it, and overlaps with it in time; what belongs to no incident is false,
and during a trap of its service it is the trap's too. An incident is told when somebody of the team that
should know is notified of an alert about it that began after it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mac import conventions
from mac.forecast.model import Episode, Labels, Notification, Status
from mac.model import AlertSeverity

AFTERMATH = 2 * 3600.0
"""Seconds for which an alert may begin after an incident's end and still be about it: windows of hours look
back. It only decides what counts as false; being in time is measured by the incident's own bound."""
EARLY = 60.0
"""Seconds by which the clocks of world and scrape may differ."""


class Incident(Protocol):
    """What truly happened. `also`: services that suffer with its own. `bound` in seconds after `start`."""

    kind: str
    service: str
    team: str
    start: float
    end: float
    bound: float
    also: tuple[str, ...]


class Trap(Protocol):
    """What looks alarming and is none: nothing may be said about it."""

    kind: str
    service: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Told:
    """One incident. `at`: when its team was first told, None when never; `by`: of which alert."""

    incident: Incident
    at: float | None
    by: str

    @property
    def in_time(self) -> bool:
        return self.at is not None and self.at <= self.incident.start + self.incident.bound


@dataclass(frozen=True, slots=True)
class Score:
    """All figures of one configuration in one run.

    `alerts` are episodes of firing; `notifications` messages in which something fires, `resolved` messages
    that only say that all is over; `pages` those notifications that reach a pager.
    """

    incidents: tuple[Told, ...]
    alerts: int
    notifications: int
    pages: int
    resolved: int
    false_alerts: int
    trap_alerts: int
    blind_share: float
    by_alert: Mapping[str, int]
    false_by_alert: Mapping[str, int]

    @property
    def recall(self) -> float:
        """Share of the incidents that was told in time; 1 when there were none."""
        found = sum(told.in_time for told in self.incidents)
        return found / len(self.incidents) if self.incidents else 1.0

    @property
    def late(self) -> int:
        return sum(told.at is not None and not told.in_time for told in self.incidents)

    @property
    def missed(self) -> int:
        return sum(told.at is None for told in self.incidents)

    @property
    def precision(self) -> float:
        """Share of the alerts that belong to an incident; 1 when there were none."""
        return 1 - self.false_alerts / self.alerts if self.alerts else 1.0


def score(
    incidents: Sequence[Incident],
    traps: Sequence[Trap],
    episodes: Iterable[Episode],
    notifications: Iterable[Notification],
    *,
    blind_share: float,
    pagers: frozenset[str],
    teams: Mapping[str, str] | None = None,
) -> Score:
    """`pagers`: receivers that wake somebody. `teams`: receiver → team; None: everybody hears everything."""
    episodes = [e for e in episodes if e.name != conventions.HEARTBEAT]
    sent = [n for n in notifications if not is_heartbeat(n)]
    firing = [n for n in sent if n.status is Status.FIRING]
    false = [e for e in episodes if not any(_belongs(e, i) for i in incidents)]
    trapped = sum(any(_about(e, t.service) and _overlaps(e, t.start, t.end) for t in traps) for e in false)
    return Score(
        tuple(_told(incident, episodes, firing, teams) for incident in incidents),
        len(episodes),
        len(firing),
        sum(n.receiver in pagers for n in firing),
        len(sent) - len(firing),
        len(false),
        trapped,
        blind_share,
        _counted(episodes),
        _counted(false),
    )


def _told(
    incident: Incident,
    episodes: Sequence[Episode],
    notifications: Sequence[Notification],
    teams: Mapping[str, str] | None,
) -> Told:
    begun: dict[Labels, list[float]] = {}
    for episode in episodes:
        if _about(episode, *services(incident)) and incident.start - EARLY <= episode.start <= incident.end:
            begun.setdefault(episode.labels, []).append(episode.start)
    for sent in notifications:
        if teams is not None and teams.get(sent.receiver) != incident.team:
            continue
        for alert in sent.firing:
            if (
                any(start <= sent.time for start in begun.get(alert, ()))
                and sent.time <= incident.end + AFTERMATH
            ):
                return Told(incident, sent.time, dict(alert)["alertname"])
    return Told(incident, None, "")


def services(incident: Incident) -> tuple[str, ...]:
    return (incident.service, *incident.also)


def _belongs(episode: Episode, incident: Incident) -> bool:
    return _about(episode, *services(incident)) and _overlaps(episode, incident.start, incident.end)


def _about(episode: Episode, *wanted: str) -> bool:
    return episode.label(conventions.SERVICE) in wanted


def _overlaps(episode: Episode, start: float, end: float) -> bool:
    return episode.start <= end + AFTERMATH and (episode.end is None or episode.end >= start)


def is_heartbeat(sent: Notification) -> bool:
    """Whether it says only that monitoring works."""
    return all(
        dict(alert).get("alertname") == conventions.HEARTBEAT for alert in (*sent.firing, *sent.resolved)
    )


def _counted(episodes: Iterable[Episode]) -> dict[str, int]:
    found: dict[str, int] = {}
    for episode in episodes:
        found[episode.name] = found.get(episode.name, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def audience(teams: Iterable[str]) -> tuple[frozenset[str], dict[str, str]]:
    """(receivers that page, receiver → team) of what mac generates for these teams."""
    pagers: set[str] = set()
    heard: dict[str, str] = {}
    for team in teams:
        for severity in AlertSeverity:
            names = [conventions.receiver(team, severity)]
            names.append(conventions.receiver(team, severity, conventions.AFTER_HOURS))
            heard |= dict.fromkeys(names, team)
            if severity is AlertSeverity.PAGE:
                pagers.update(names)
    return frozenset(pagers), heard
