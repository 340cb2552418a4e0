"""A parsed alertmanager.yml as what the forecast needs of it: routes, receivers, inhibition, time intervals.

`read` takes any configuration that Alertmanager 0.25 to 0.33 accepts, not only what mac writes. What is
inherited from a parent route or left to a default stands filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mac import durations, matchers
from mac.forecast.calendar import Interval, read_interval
from mac.forecast.model import Labels
from mac.matchers import Matcher

Document = Mapping[str, Any]

# Alertmanager's own defaults of the root route, in seconds.
_GROUP_WAIT, _GROUP_INTERVAL, _REPEAT_INTERVAL = 30.0, 300.0, 4 * 3600.0
_EVERY_LABEL = "..."

# All other integrations tell of the end unless they are told not to.
_SILENT_ABOUT_THE_END = frozenset({"email", "slack", "wechat", "rocketchat"})


@dataclass(frozen=True, slots=True)
class Integration:
    """One way in which a receiver is told. `name`: its type and index, "pagerduty[0]"."""

    name: str
    send_resolved: bool


@dataclass(frozen=True, slots=True)
class Route:
    """A node of the tree. Lengths are in seconds; `group_by` is None when each alert is its own group.

    `path` is its place ("0" is the root, "0/2" the root's third child), `key` what Alertmanager knows its
    groups by: the matchers on the way to it, which two routes can share.
    """

    path: str
    key: str
    receiver: str
    matchers: tuple[Matcher, ...]
    group_by: frozenset[str] | None
    group_wait: float
    group_interval: float
    repeat_interval: float
    goes_on: bool
    mutes: tuple[str, ...]
    active: tuple[str, ...]
    routes: tuple[Route, ...] = ()

    def match(self, labels: Mapping[str, str]) -> tuple[Route, ...]:
        """The routes that take an alert with these labels, in their order; () when this one does not."""
        if not matchers.all_match(self.matchers, labels):
            return ()
        found: list[Route] = []
        for route in self.routes:
            taken = route.match(labels)
            found += taken
            if taken and not route.goes_on:
                break
        return tuple(found) or (self,)

    def group_of(self, labels: Labels) -> Labels:
        """The labels of the group in which an alert with these labels is told."""
        if self.group_by is None:
            return labels
        return tuple(pair for pair in labels if pair[0] in self.group_by)

    def walk(self) -> Iterator[Route]:
        """This route and all below it."""
        yield self
        for route in self.routes:
            yield from route.walk()


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """While an alert that fits `source` fires, those that fit `target` with equal labels are not told."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def key(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """The values that source and target must share; a label that is missing counts as empty."""
        return tuple(labels.get(name, "") for name in self.equal)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What an alertmanager.yml says of who is told what."""

    root: Route
    receivers: Mapping[str, tuple[Integration, ...]]
    inhibit_rules: tuple[InhibitRule, ...] = ()
    intervals: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)


def read(document: Document) -> Configuration:
    """The configuration in a parsed alertmanager.yml. Raises ValueError for one that Alertmanager refuses."""
    try:
        return _read(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an Alertmanager configuration: {error!r}") from error


def _read(document: Document) -> Configuration:
    receivers = {str(entry["name"]): tuple(_integrations(entry)) for entry in document["receivers"]}
    intervals = {
        str(entry["name"]): tuple(read_interval(part) for part in entry.get("time_intervals") or ())
        # The second key is the older one.
        for section in ("time_intervals", "mute_time_intervals")
        for entry in document.get(section) or ()
    }
    root = _route(document["route"], None, "0")
    for route in root.walk():
        if route.receiver not in receivers:
            raise ValueError(f'there is no receiver "{route.receiver}"')
        for name in (*route.mutes, *route.active):
            if name not in intervals:
                raise ValueError(f'there is no time interval "{name}"')
    rules = tuple(_inhibit_rule(entry) for entry in document.get("inhibit_rules") or ())
    return Configuration(root, receivers, rules, intervals)


def _integrations(receiver: Document) -> Iterator[Integration]:
    for key, entries in receiver.items():
        if not key.endswith("_configs"):
            continue
        kind = key.removesuffix("_configs")
        for number, entry in enumerate(entries or ()):
            told = entry.get("send_resolved")
            default = kind not in _SILENT_ABOUT_THE_END
            yield Integration(f"{kind}[{number}]", default if told is None else bool(told))


def _route(entry: Document, parent: Route | None, path: str) -> Route:
    own = _matchers(entry, "match", "match_re", "matchers")
    shown = "{" + ",".join(f'{m.name}{m.op}"{m.value}"' for m in own) + "}"
    group_by = parent.group_by if parent else frozenset[str]()
    if names := entry.get("group_by"):
        group_by = None if _EVERY_LABEL in names else frozenset(names)

    def length(key: str, inherited: Callable[[Route], float], default: float) -> float:
        value = entry.get(key)
        if value is None:
            return inherited(parent) if parent else default
        return _seconds(value)

    route = Route(
        path=path,
        key=f"{parent.key}/{shown}" if parent else shown,
        receiver=str(entry.get("receiver") or (parent.receiver if parent else "")),
        matchers=own,
        group_by=group_by,
        group_wait=length("group_wait", lambda above: above.group_wait, _GROUP_WAIT),
        group_interval=length("group_interval", lambda above: above.group_interval, _GROUP_INTERVAL),
        repeat_interval=length("repeat_interval", lambda above: above.repeat_interval, _REPEAT_INTERVAL),
        goes_on=bool(entry.get("continue")),
        # Unlike the rest, these are never inherited.
        mutes=tuple(entry.get("mute_time_intervals") or ()),
        active=tuple(entry.get("active_time_intervals") or ()),
    )
    children = enumerate(entry.get("routes") or ())
    routes = tuple(_route(child, route, f"{path}/{number}") for number, child in children)
    return replace(route, routes=routes)


def _inhibit_rule(entry: Document) -> InhibitRule:
    return InhibitRule(
        _matchers(entry, "source_match", "source_match_re", "source_matchers"),
        _matchers(entry, "target_match", "target_match_re", "target_matchers"),
        tuple(entry.get("equal") or ()),
    )


def _matchers(entry: Document, equal: str, regex: str, listed: str) -> tuple[Matcher, ...]:
    found = [Matcher(name, "=", str(value)) for name, value in (entry.get(equal) or {}).items()]
    found += [Matcher(name, "=~", str(value)) for name, value in (entry.get(regex) or {}).items()]
    for text in entry.get(listed) or ():
        found += [matchers.read(part) for part in _split(text)]
    return tuple(sorted(found, key=lambda m: (m.name, m.value, m.op)))


_PART = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^",])+')


def _split(text: str) -> Sequence[str]:
    """One entry of a list can hold several matchers: `{a="b", c="d"}`."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    return [part for part in _PART.findall(text) if part.strip()]


def _seconds(value: object) -> float:
    length = durations.seconds(str(value))
    if length is None:
        raise ValueError(f"{value!r} is not a duration")
    return length
