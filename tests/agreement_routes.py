"""The model of Alertmanager beside a real one: random routes and alerts, in time that runs faster.

A scenario's times are in units. The model takes a unit for a second; for the real Alertmanager it is a part
of one. Alerts start at whole units and end a bit later, groups are flushed at .6, so that no order is
left to chance. All scenarios of a run share one Alertmanager: each has its own label `case`, its own routes,
and its own inhibition rules.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webhook import Webhook

from mac import engines, servers
from mac.forecast import alertmanager, routes
from mac.forecast.alertmanager import Behaviour
from mac.forecast.model import Episode, Labels, Notification, Silence, labels
from mac.forecast.sending import Resending
from mac.matchers import Matcher

HORIZON = 48
MARGIN = 0.2  # units by which alerts may be posted too late for the order to stay as it is
RESENDING = Resending(delay=1.5, retention=7.0)
_FLUSH, _END, _CLEANED = 0.6, 0.2, 0.2  # of a unit
_LIFE = 30.0  # units for which a firing alert is valid unless it is sent again

_LABELS = {"alertname": ("Down", "Slow", "Full"), "service": ("x", "y"), "severity": ("page", "ticket")}


@dataclass(frozen=True)
class Scenario:
    """What happens, and the part of a configuration that is about it. Lengths in the document are units."""

    case: str
    route: Mapping[str, Any]
    receivers: Sequence[Mapping[str, Any]]
    inhibit_rules: Sequence[Mapping[str, Any]]
    episodes: Sequence[Episode]
    silences: Sequence[Silence]


@dataclass(frozen=True)
class Told:
    """A notification, in the same words whoever sent it."""

    case: str
    receiver: str
    group: Labels
    firing: tuple[Labels, ...]
    resolved: tuple[Labels, ...]


# --- what happens ------------------------------------------------------------------------------------


def scenario(seed: int, horizon: int = HORIZON, *, exact: bool = False) -> Scenario:
    """`exact`: each repeat_interval is a multiple of group_interval, so that a repeat is due at a flush."""
    dice = random.Random(seed)
    case = f"c{seed}"
    receivers = [
        {"name": f"{case}-{n}", "webhook_configs": [{"send_resolved": dice.random() < 0.7}]} for n in range(3)
    ]
    receivers.append({"name": f"{case}-none"})
    names = [str(receiver["name"]) for receiver in receivers]
    route = {
        **_options(dice, exact),
        "receiver": names[0],
        "matchers": [f'case="{case}"'],
        "routes": [_route(dice, names, exact) for _ in range(dice.randrange(4))],
    }
    return Scenario(
        case,
        route,
        receivers,
        [_inhibit_rule(dice, case) for _ in range(dice.randrange(3))],
        sorted(_episodes(dice, case, horizon), key=lambda e: (e.start, e.labels)),
        [_silence(dice, case, horizon) for _ in range(dice.randrange(2))],
    )


def _options(dice: random.Random, exact: bool) -> dict[str, Any]:
    interval = dice.randrange(2, 6)
    names = list(_LABELS)
    return {
        "group_by": ["..."] if dice.random() < 0.1 else dice.sample(names, dice.randrange(1, len(names) + 1)),
        "group_wait": dice.randrange(3) + _FLUSH,
        "group_interval": interval,
        # If it is no multiple, whether a repeat is due is not a matter of milliseconds.
        "repeat_interval": interval * dice.randrange(2, 5) - (0 if exact else 0.5),
    }


def _route(dice: random.Random, names: Sequence[str], exact: bool, depth: int = 0) -> dict[str, Any]:
    entry: dict[str, Any] = {"matchers": [_matcher(dice)]}
    if dice.random() < 0.2:
        label = dice.choice(list(_LABELS))
        entry = {dice.choice(("match", "match_re")): {label: dice.choice(_LABELS[label])}}
    if dice.random() < 0.6:
        entry |= _options(dice, exact)
    if dice.random() < 0.8:
        entry["receiver"] = dice.choice(names)
    if dice.random() < 0.4:
        entry["continue"] = True
    if dice.random() < 0.15:
        entry["mute_time_intervals"] = [dice.choice(("always", "never"))]
    if dice.random() < 0.15:
        entry["active_time_intervals"] = [dice.choice(("always", "never"))]
    if depth < 1 and dice.random() < 0.5:
        entry["routes"] = [_route(dice, names, exact, depth + 1) for _ in range(dice.randrange(1, 3))]
    return entry


def _matcher(dice: random.Random) -> str:
    label = dice.choice(list(_LABELS))
    value = dice.choice(_LABELS[label])
    return dice.choice(
        (f'{label}="{value}"', f'{label}!="{value}"', f'{label}=~"{value}|other"', f'{label}!~"{value[0]}.*"')
    )


def _inhibit_rule(dice: random.Random, case: str) -> dict[str, Any]:
    own = f'case="{case}"'
    return {
        "source_matchers": [own, _matcher(dice)],
        "target_matchers": [own, _matcher(dice)],
        "equal": dice.sample(["service", "severity", "number"], dice.randrange(3)),
    }


def _silence(dice: random.Random, case: str, horizon: int) -> Silence:
    label = dice.choice(list(_LABELS))
    start = dice.randrange(2, horizon - 10)
    own = (Matcher("case", "=", case), Matcher(label, "=", dice.choice(_LABELS[label])))
    return Silence(own, start, start + dice.randrange(3, 15))


def _episodes(dice: random.Random, case: str, horizon: int) -> Iterable[Episode]:
    for number in range(dice.randrange(4, 12)):
        chosen = {name: dice.choice(values) for name, values in _LABELS.items()}
        own = labels({**chosen, "number": str(number % 4), "case": case, "id": str(number)})
        start = dice.randrange(1, 20)
        while start < horizon - 4:
            # Each has its own moment: a group that a resolved alert brings about is flushed there, too.
            end = start + dice.choice((1, 2, 3, 5, 8, 13, 40)) + _END + 0.012 * number
            again = int(end) + dice.randrange(1, 12)
            over = end < horizon
            yield Episode(own, start, end if over else None, interval=1.0, repeated_until=again)
            if not over or dice.random() < 0.4:
                break
            start = again


def document(scenarios: Sequence[Scenario], unit: float) -> dict[str, Any]:
    """The configuration of all, with the unit as so many seconds."""

    def scaled(route: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(route)
        for name in ("group_wait", "group_interval", "repeat_interval"):
            if name in found:
                found[name] = f"{round(found[name] * unit * 1000)}ms"
        return found | {"routes": [scaled(child) for child in route.get("routes", ())]}

    return {
        "route": {"receiver": "nobody", "routes": [scaled(s.route) for s in scenarios]},
        "receivers": [{"name": "nobody"}, *(r for s in scenarios for r in s.receivers)],
        "inhibit_rules": [rule for s in scenarios for rule in s.inhibit_rules],
        "time_intervals": [
            {"name": "always", "time_intervals": [{"years": ["1970:2999"]}]},
            {"name": "never", "time_intervals": [{"years": ["1969"]}]},
        ],
    }


# --- the model ---------------------------------------------------------------------------------------


def expected(
    scenarios: Sequence[Scenario],
    version: tuple[int, int],
    horizon: int = HORIZON,
    *,
    unit: float = 0.0,
    started: float = 0.0,
) -> list[tuple[float, Told]]:
    """What the model tells. `unit`: seconds that one is for the real Alertmanager, where it matters what that
    cleans up twice a minute, however fast the rest runs. `started`: when it did, in units.
    """
    known = alertmanager.behaviour(version)
    pause = known.maintenance
    if pause is not None:
        pause = pause / unit if unit else 1e9
    outcome = alertmanager.simulate(
        routes.read(document(scenarios, 1.0)),
        [episode for s in scenarios for episode in s.episodes],
        silences=[silence for s in scenarios for silence in s.silences],
        until=horizon,
        behaviour=Behaviour(known.one_source, pause, cleaning=1e9, resending=RESENDING),
        started=started,
    )
    return [(n.time, _of_model(n)) for n in outcome.notifications]


def _of_model(told: Notification) -> Told:
    case = next(value for name, value in (told.firing or told.resolved)[0] if name == "case")
    return Told(case, told.receiver, told.group, told.firing, told.resolved)


# --- the real one ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Observed:
    """What a real Alertmanager told, with the time in units; by how many units it was told too late; and when
    it started.
    """

    told: Sequence[tuple[float, Told]]
    late: float
    started: float


def observe(
    scenarios: Sequence[Scenario],
    engine: engines.Engine,
    folder: Path,
    unit: float = 0.5,
    horizon: int = HORIZON,
) -> Observed:
    """Plays the scenarios to a real Alertmanager; a unit is so many seconds."""
    config = document(scenarios, unit)
    heard: list[tuple[float, Told]] = []
    with Webhook() as webhook:
        path = folder / "alertmanager.yml"
        config["receivers"] = [
            entry if "webhook_configs" in receiver else receiver
            for receiver, entry in zip(
                config["receivers"], webhook.instead_of(config["receivers"]), strict=True
            )
        ]
        for receiver, own in zip(config["receivers"], document(scenarios, unit)["receivers"], strict=True):
            if "webhook_configs" in own:
                receiver["webhook_configs"][0] |= own["webhook_configs"][0]
        path.write_text(json.dumps(config))
        with servers.alertmanager(path, engine=engine) as api:
            started = datetime.fromisoformat(api.status()["uptime"]).timestamp()
            begin = time.time() + 1.0
            # Groups are flushed at .6 and alerts start at whole units: it cleans up between the two.
            begin += (started - begin + _CLEANED * unit) % unit
            for s in scenarios:
                for silence in s.silences:
                    api.silence(_posted_silence(silence, begin, unit))
            late = 0.0
            for moment, posts in _timetable(scenarios, begin, unit, horizon):
                pause = begin + moment * unit - time.time()
                if pause > 0:
                    time.sleep(pause)
                api.post(posts)
                late = max(late, time.time() - begin - moment * unit)
            pause = begin + horizon * unit - time.time()
            if pause > 0:
                time.sleep(pause)
        for at, call in webhook.timed():
            heard.append(((at - begin) / unit, _of_webhook(call.receiver, call.group, call.alerts)))
    told = [(at, told) for at, told in heard if at <= horizon]
    return Observed(told, late / unit, (started - begin) / unit)


def _timetable(
    scenarios: Sequence[Scenario], begin: float, unit: float, horizon: int
) -> list[tuple[float, list[dict[str, Any]]]]:
    """When which alerts are posted: as a Prometheus would, in the order of their labels."""

    def moment(units: float) -> str:
        return datetime.fromtimestamp(begin + units * unit, UTC).isoformat()

    posts: dict[float, list[tuple[Labels, dict[str, Any]]]] = {}
    period = RESENDING.period(1.0)
    for episode in (episode for s in scenarios for episode in s.episodes):
        alert = {"labels": dict(episode.labels), "startsAt": moment(episode.start)}
        at = episode.start
        while at < (horizon if episode.end is None else episode.end):
            posts.setdefault(at, []).append((episode.labels, {**alert, "endsAt": moment(at + _LIFE)}))
            at += period
        if episode.end is not None:
            over = {**alert, "endsAt": moment(episode.end)}
            for at in (episode.end, *RESENDING.repeats(episode)):
                posts.setdefault(at, []).append((episode.labels, over))
    return [
        (at, [alert for _, alert in sorted(posted, key=lambda pair: pair[0])])
        for at, posted in sorted(posts.items())
        if at < horizon
    ]


def _posted_silence(silence: Silence, begin: float, unit: float) -> dict[str, Any]:
    return {
        "matchers": [
            {"name": m.name, "value": m.value, "isRegex": False, "isEqual": True} for m in silence.matchers
        ],
        "startsAt": datetime.fromtimestamp(begin + silence.start * unit, UTC).isoformat(),
        "endsAt": datetime.fromtimestamp(begin + silence.end * unit, UTC).isoformat(),
        "createdBy": "a test",
        "comment": "part of a scenario",
    }


def _of_webhook(receiver: str, group: Mapping[str, str], alerts: Sequence[Mapping[str, Any]]) -> Told:
    def having(status: str) -> tuple[Labels, ...]:
        return tuple(sorted(labels(a["labels"]) for a in alerts if a["status"] == status))

    return Told(alerts[0]["labels"]["case"], receiver, labels(group), having("firing"), having("resolved"))


# --- comparing ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the two part in one scenario's notifications to one receiver about one group."""

    case: str
    receiver: str
    group: Labels
    model: Sequence[tuple[float, Told]]
    real: Sequence[tuple[float, Told]]


def compare(
    model: Sequence[tuple[float, Told]], real: Sequence[tuple[float, Told]], tolerance: float = 0.35
) -> tuple[int, list[Difference]]:
    """How many notifications agree in content and, within the tolerance, in time; and where they do not."""

    def by_group(found: Sequence[tuple[float, Told]]) -> dict[tuple[Any, ...], list[tuple[float, Told]]]:
        grouped: dict[tuple[Any, ...], list[tuple[float, Told]]] = {}
        for at, told in found:
            grouped.setdefault((told.case, told.receiver, told.group), []).append((at, told))
        return {
            key: sorted(own, key=lambda pair: (round(pair[0]), pair[1].firing))
            for key, own in grouped.items()
        }

    left, right = by_group(model), by_group(real)
    agreed, differences = 0, []
    for key in sorted({*left, *right}):
        mine, theirs = left.get(key, []), right.get(key, [])
        same = [a[1] == b[1] and abs(a[0] - b[0]) <= tolerance for a, b in zip(mine, theirs, strict=False)]
        agreed += sum(same)
        if not all(same) or len(mine) != len(theirs):
            differences.append(Difference(*key, mine, theirs))
    return agreed, differences
