"""What an Alertmanager makes of episodes of alerts: every notification, and what it held back and why.

Events are worked through in the order of time: an alert starts, is resolved, is repeated as resolved, a group
is flushed. A group is flushed `group_wait` after its first alert and then each `group_interval`; at a flush
each integration is told if something is new to it, or if `repeat_interval` has passed. Flushes that cannot
say anything are left out, so that a quiet day costs nothing.

What is not modelled: a delivery that fails or takes long, a cluster of several Alertmanagers, restarts,
reloads, and alerts that others than Prometheus send. Alerts that are sent in the same moment arrive in the
order of their labels; the real one takes them as they come.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, groupby

from mac import matchers
from mac.forecast.inhibition import Inhibition, Ties, ties
from mac.forecast.model import (
    Cause,
    Episode,
    Labels,
    Notification,
    Outcome,
    Reason,
    Silence,
    Status,
    Suppressed,
)
from mac.forecast.routes import Configuration, Integration, Route
from mac.forecast.sending import Resending

_ROUNDING = 1e-6  # seconds; what adding up lengths of time may lose


@dataclass(frozen=True, slots=True)
class Behaviour:
    """In what Alertmanagers differ, and their command lines. Seconds.

    `one_source`: an inhibition rule remembers one source for each set of equal labels. `maintenance`: how
    often empty groups are removed; None when a group goes with its last alert. `retention`: of the log of
    notifications, at the most; `cleaning`: how often it is cleaned of what is older.
    """

    one_source: bool = True
    maintenance: float | None = None
    retention: float = 120 * 3600.0
    cleaning: float = 900.0
    resending: Resending = field(default_factory=Resending)


def behaviour(version: tuple[int, int]) -> Behaviour:
    """That of an Alertmanager of this version, as far as it was compared: 0.25, 0.28 and 0.33."""
    if version < (0, 29):
        return Behaviour(one_source=False, maintenance=30.0)
    return Behaviour()


def simulate(
    configuration: Configuration,
    episodes: Iterable[Episode],
    *,
    until: float,
    silences: Sequence[Silence] = (),
    behaviour: Behaviour | None = None,
    started: float | None = None,
) -> Outcome:
    """What is told until that time (Unix seconds), and what is not.

    Episodes of the same labels that overlap are taken as one. `started` is when the Alertmanager did, from
    which it counts its cleaning; by default with the first alert. Alerts that fire from the beginning are
    told as new.
    """
    ordered = sorted(_joined(episodes), key=lambda e: (e.start, e.labels))
    if started is None:
        started = ordered[0].start if ordered else 0.0
    return _Run(configuration, silences, behaviour or Behaviour(), until, started).work(ordered)


def _joined(episodes: Iterable[Episode]) -> Iterator[Episode]:
    """Two rules, or two Prometheus, may send the same alert: it fires as long as one of them says so."""
    for _, same in groupby(sorted(episodes, key=lambda e: (e.labels, e.start)), key=lambda e: e.labels):
        first, *others = same
        for episode in others:
            if first.end is not None and episode.start >= first.end:
                yield first
                first = episode
            elif first.end is not None and (episode.end is None or episode.end > first.end):
                first = replace(first, end=episode.end, repeated_until=episode.repeated_until)
        yield first


# --- state -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Known:
    """What follows from an alert's labels alone. `number` stands for the labels. `routes`: with its group's
    labels. `ties`: to alerts that there are at some time.
    """

    number: int
    labels: Labels
    routes: tuple[tuple[Route, Labels], ...]
    ties: Ties
    silences: tuple[Silence, ...]


@dataclass(slots=True)
class _Entry:
    """What the log of notifications knows of a group and an integration: what was told last, and when."""

    firing: frozenset[int]
    resolved: frozenset[int]
    time: float


@dataclass(slots=True)
class _Group:
    """Alerts that are told together. `alerts`: by their numbers, with whether they fire.

    `base` is the time of its first flush, from which all others are counted. `next`: of the flush that is
    due, infinite when none is needed until something happens. `empty`: since when it has no alerts.
    """

    route: Route
    labels: Labels
    base: float
    next: float
    flushed: bool = False
    empty: float | None = None
    alerts: dict[int, tuple[Episode, bool]] = field(default_factory=dict)
    log: dict[str, _Entry] = field(default_factory=dict)


# An event's kind orders those of the same moment: whatever arrives is in the group when it is flushed.
_START, _END, _REPEAT, _FLUSH = range(4)

_Event = tuple[float, int, int, object]


class _Run:
    """One simulation."""

    def __init__(
        self,
        configuration: Configuration,
        silences: Sequence[Silence],
        behaviour: Behaviour,
        until: float,
        started: float,
    ) -> None:
        self._configuration = configuration
        self._silences = silences
        self._behaviour = behaviour
        self._until = until
        self._inhibition = Inhibition(behaviour.one_source, behaviour.resending)
        self._sources: set[tuple[int, tuple[str, ...]]] = set()
        self._known: dict[Labels, _Known] = {}
        self._numbered: list[_Known] = []
        self._latest: dict[int, Episode] = {}
        self._groups: dict[tuple[str, Labels], _Group] = {}
        # What two routes of one key tell the same receiver is logged as one.
        self._logs: dict[tuple[str, Labels, str], dict[str, _Entry]] = {}
        self._events: list[_Event] = []
        self._order = count()
        self._started = started
        self._sent: list[Notification] = []
        self._told: set[tuple[int, str]] = set()
        self._held: dict[tuple[int, str], tuple[Episode, Route, Reason, str | Episode, float]] = {}

    def work(self, episodes: Sequence[Episode]) -> Outcome:
        for episode in episodes:
            self._push(episode.start, _START, episode)
            if episode.end is not None:
                self._push(episode.end, _END, episode)
            self._sources.update(self._of(episode.labels).ties.sources)
        same: dict[Ties, Ties] = {}
        for known in self._numbered:
            tied = known.ties.among(self._sources)
            known.ties = same.setdefault(tied, tied)
        while self._events:
            time, kind, _, subject = heapq.heappop(self._events)
            if isinstance(subject, _Group):
                # A flush that was put off, or of a group that is gone, is still in the queue.
                if time == subject.next:
                    self._flush(subject, time)
            elif isinstance(subject, Episode):
                self._arrive(subject, time, kind)
        self._sent.sort(key=lambda n: (n.time, n.receiver, n.route, n.group, n.integration))
        return Outcome(tuple(self._sent), tuple(self._suppressed()))

    def _push(self, time: float, kind: int, subject: object) -> None:
        if time <= self._until:
            heapq.heappush(self._events, (time, kind, next(self._order), subject))

    def _of(self, labels: Labels) -> _Known:
        known = self._known.get(labels)
        if known is None:
            values = dict(labels)
            known = _Known(
                len(self._numbered),
                labels,
                tuple((r, r.group_of(labels)) for r in self._configuration.root.match(values)),
                ties(self._configuration.inhibit_rules, values),
                tuple(s for s in self._silences if matchers.all_match(s.matchers, values)),
            )
            self._known[labels] = known
            self._numbered.append(known)
        return known

    # --- alerts come in ------------------------------------------------------------------------------

    def _arrive(self, episode: Episode, time: float, kind: int) -> None:
        known = self._of(episode.labels)
        if kind == _START:
            self._latest[known.number] = episode
            self._inhibition.start(episode, known.ties)
        elif kind == _END:
            self._inhibition.end(episode, known.ties, time)
            for again in self._behaviour.resending.repeats(episode):
                self._push(again, _REPEAT, episode)
        elif self._latest[known.number] is not episode:
            return  # it fires again
        for route, own in known.routes:
            self._insert((route, own), known.number, episode, time, firing=kind == _START)

    def _insert(
        self, where: tuple[Route, Labels], number: int, episode: Episode, time: float, *, firing: bool
    ) -> None:
        route, own = where
        place = (route.path, own)
        group = self._groups.get(place)
        late = episode.start + route.group_wait < time - _ROUNDING
        if group is None or self._is_gone(group, time):
            first = time if late else time + route.group_wait
            group = _Group(route, own, first, first)
            group.log = self._logs.setdefault((route.key, own, route.receiver), {})
            self._groups[place] = group
            self._push(first, _FLUSH, group)
        elif not group.flushed and late and self._behaviour.maintenance is not None:
            group.base = group.next = time
            self._push(time, _FLUSH, group)
        elif (due := self._aligned(group, time)) < group.next:
            self._flush_at(group, due)
        before, _ = group.alerts.get(number, (episode, firing))
        if before is not episode and (id(before), route.path) not in self._told:
            self._hold(before, route, Reason.BRIEF, "", time)
        group.alerts[number] = (episode, firing)
        group.empty = None

    def _is_gone(self, group: _Group, time: float) -> bool:
        """Whether a group without alerts was removed before this time."""
        pause = self._behaviour.maintenance
        if group.empty is None or pause is None:
            return False
        removed = self._started + math.ceil((group.empty - self._started) / pause) * pause
        if removed < time:
            group.next = math.inf
            return True
        return False

    # --- groups are flushed --------------------------------------------------------------------------

    def _flush_at(self, group: _Group, time: float) -> None:
        group.next = time
        self._push(time, _FLUSH, group)

    def _aligned(self, group: _Group, time: float) -> float:
        """The first flush of a group that is not before this time."""
        interval = group.route.group_interval
        return group.base + max(0, math.ceil((time - group.base - _ROUNDING) / interval)) * interval

    def _flush(self, group: _Group, time: float) -> None:
        group.flushed = True
        shown = self._shown(group, time)
        integrations = self._configuration.receivers[group.route.receiver]
        if shown:
            for integration in integrations:
                self._tell(group, integration, shown, time)
            for number, (episode, firing) in shown.items():
                if not firing:
                    continue
                if not integrations:
                    self._hold(episode, group.route, Reason.NOBODY, "", time)
                elif any(number in entry.firing for entry in group.log.values()):
                    self._told.add((id(episode), group.route.path))
        over = [number for number, (_, firing) in group.alerts.items() if not firing]
        for number in over:
            episode, _ = group.alerts.pop(number)
            if (id(episode), group.route.path) not in self._told:
                self._hold(episode, group.route, Reason.BRIEF, "", time)
        self._go_on(group, time)

    def _go_on(self, group: _Group, time: float) -> None:
        """When the group is flushed next, if ever."""
        route = group.route
        if not group.alerts:
            if self._behaviour.maintenance is None:
                group.next = math.inf
                del self._groups[route.path, group.labels]
            else:
                group.empty = time
                group.next = math.inf
            return
        following = self._aligned(group, time + route.group_interval / 2)
        if self._may_change(group):
            self._flush_at(group, following)
        elif group.log:
            oldest = min(entry.time for entry in group.log.values())
            self._flush_at(group, max(following, self._aligned(group, oldest + route.repeat_interval)))
        else:
            group.next = math.inf

    def _may_change(self, group: _Group) -> bool:
        """Whether a flush may have something to say although nothing arrives before it."""
        if group.route.mutes or group.route.active:
            return True
        if group.route.repeat_interval > self._behaviour.retention:
            return True  # it is forgotten that it was told
        alerts = (self._numbered[number] for number in group.alerts)
        return any(known.silences or known.ties.targets for known in alerts)

    def _shown(self, group: _Group, time: float) -> dict[int, tuple[Episode, bool]]:
        """The alerts that nothing holds back, in the stages of Alertmanager's pipeline."""
        shown = {}
        whole = self._quiet(group.route, time)
        inhibited: dict[int, Episode | None] = {}  # alerts of a group are tied alike
        for number, (episode, firing) in group.alerts.items():
            known = self._numbered[number]
            source = None
            if known.ties.targets:
                tied = id(known.ties)
                if tied not in inhibited:
                    inhibited[tied] = self._inhibition.by(known.ties, time)
                source = inhibited[tied]
            held = whole
            if source is not None:
                held = (Reason.INHIBITED, source)
            elif held is None and known.silences:
                held = next(
                    ((Reason.SILENCED, s.id) for s in known.silences if s.start <= time < s.end), None
                )
            if held is None:
                shown[number] = (episode, firing)
            elif firing:
                self._hold(episode, group.route, *held, time)
        return shown

    def _quiet(self, route: Route, time: float) -> tuple[Reason, str | Episode] | None:
        """Why nobody is told of anything on this route at this time, if that is so."""
        intervals = self._configuration.intervals

        def within(name: str) -> bool:
            return any(interval.contains(time) for interval in intervals[name])

        if route.active and not any(within(name) for name in route.active):
            return Reason.INACTIVE, ", ".join(route.active)
        muted = next((name for name in route.mutes if within(name)), None)
        return None if muted is None else (Reason.MUTED, muted)

    def _tell(
        self, group: _Group, integration: Integration, shown: dict[int, tuple[Episode, bool]], time: float
    ) -> None:
        firing = frozenset(number for number, (_, fires) in shown.items() if fires)
        resolved = frozenset(number for number, (_, fires) in shown.items() if not fires)
        entry = group.log.get(integration.name)
        repeat = group.route.repeat_interval
        if entry is not None and self._is_forgotten(entry, repeat, time):
            entry = None
        cause = _cause(entry, firing, resolved, integration, time >= self._due(entry, repeat))
        if cause is None:
            return
        group.log[integration.name] = _Entry(firing, resolved, time)
        if not firing and not integration.send_resolved:
            return  # it is written down as told
        self._sent.append(
            Notification(
                time=time,
                receiver=group.route.receiver,
                integration=integration.name,
                route=group.route.path,
                group=group.labels,
                status=Status.FIRING if firing else Status.RESOLVED,
                firing=self._labels(firing),
                resolved=self._labels(resolved) if integration.send_resolved else (),
                cause=cause,
            )
        )

    def _is_forgotten(self, entry: _Entry, repeat: float, time: float) -> bool:
        pause = self._behaviour.cleaning
        cleaned = self._started + (time - self._started) // pause * pause
        return cleaned >= entry.time + min(2 * repeat, self._behaviour.retention)

    def _due(self, entry: _Entry | None, repeat: float) -> float:
        return math.inf if entry is None else entry.time + repeat - _ROUNDING

    def _labels(self, numbers: Iterable[int]) -> tuple[Labels, ...]:
        return tuple(sorted(self._numbered[number].labels for number in numbers))

    # --- what is not told ----------------------------------------------------------------------------

    def _hold(self, episode: Episode, route: Route, reason: Reason, by: str | Episode, time: float) -> None:
        self._held.setdefault((id(episode), route.path), (episode, route, reason, by, time))

    def _suppressed(self) -> Iterable[Suppressed]:
        for key, (episode, route, reason, by, since) in self._held.items():
            named = by if isinstance(by, str) else ", ".join(f'{name}="{value}"' for name, value in by.labels)
            never = key not in self._told
            yield Suppressed(episode, route.receiver, route.path, reason, named, since, never)


def _cause(
    entry: _Entry | None,
    firing: frozenset[int],
    resolved: frozenset[int],
    integration: Integration,
    is_due: bool,
) -> Cause | None:
    """Why an integration is told of a group, in the order in which Alertmanager asks; None when it is not."""
    if entry is None:
        return Cause.NEW_GROUP if firing else None
    if not firing <= entry.firing:
        return Cause.NEW_ALERT if entry.firing else Cause.NEW_GROUP
    if not firing:
        return Cause.RESOLVED if entry.firing else None
    if integration.send_resolved and not resolved <= entry.resolved:
        return Cause.RESOLVED
    return Cause.REPEAT if is_due else None
