"""What grouping, inhibition, times and silences each save: the same past without one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mac.forecast import alertmanager
from mac.forecast.model import Episode, Lever, Outcome, Saved, Silence
from mac.forecast.routes import Configuration, Route
from mac.forecast_figures import told


def saved(
    configuration: Configuration,
    episodes: Sequence[Episode],
    silences: Sequence[Silence],
    outcome: Outcome,
    *,
    start: float,
    until: float,
) -> tuple[Saved, ...]:
    """How many notifications more there would be from `start` on without each lever that is in use."""
    now = _counts(outcome, start)
    found = []
    for lever, without, kept in _without(configuration, silences):
        other = _counts(alertmanager.simulate(without, episodes, until=until, silences=kept), start)
        more = {name: other[name] - now[name] for name in sorted({*other, *now}) if other[name] != now[name]}
        found.append(Saved(lever, other.total() - now.total(), tuple(more.items())))
    return tuple(found)


def _counts(outcome: Outcome, start: float) -> Counter[str]:
    return Counter(each.receiver for each in told(outcome, start, {}) if each.counts)


def _without(
    whole: Configuration, silences: Sequence[Silence]
) -> Iterator[tuple[Lever, Configuration, Sequence[Silence]]]:
    every = tuple(whole.root.walk())
    if any(route.group_by is not None for route in every):
        yield Lever.GROUPING, replace(whole, root=_changed(whole.root, group_by=None)), silences
    if whole.inhibit_rules:
        yield Lever.INHIBITION, replace(whole, inhibit_rules=()), silences
    if any(route.mutes for route in every):
        yield Lever.MUTES, replace(whole, root=_changed(whole.root, mutes=())), silences
    if any(route.active for route in every):
        yield Lever.ACTIVE_TIMES, replace(whole, root=_changed(whole.root, active=())), silences
    if silences:
        yield Lever.SILENCES, whole, ()


def _changed(route: Route, **fields: tuple[str, ...] | None) -> Route:
    below = tuple(_changed(child, **fields) for child in route.routes)
    return replace(route, routes=below, **fields)  # type: ignore[arg-type]
