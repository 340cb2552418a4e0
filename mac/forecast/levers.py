"""What grouping, inhibition, times and silences are worth: the same alerts once more without each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from mac.forecast.alertmanager import Behaviour, simulate
from mac.forecast.model import Episode, Lever, Outcome, Saved, Silence
from mac.forecast.routes import Configuration, Route


def saved(
    outcome: Outcome,
    configuration: Configuration,
    episodes: Sequence[Episode],
    *,
    until: float,
    silences: Sequence[Silence] = (),
    behaviour: Behaviour | None = None,
) -> tuple[Saved, ...]:
    """What each lever saves, in the order of `Lever`; `outcome` is that of the same alerts with all of them.

    Each is taken away alone, so the figures do not add up: an alert can be both inhibited and muted. It takes
    one more simulation for each lever that the configuration uses.
    """
    told = Counter(n.receiver for n in outcome.notifications)
    found = []
    for lever in Lever:
        changed = _without(lever, configuration)
        heard = () if lever is Lever.SILENCES else silences
        if changed is configuration and heard == silences:
            found.append(Saved(lever, 0))
            continue
        other = simulate(changed, episodes, until=until, silences=heard, behaviour=behaviour)
        more = Counter(n.receiver for n in other.notifications)
        more.subtract(told)
        by_receiver = tuple(sorted((name, number) for name, number in more.items() if number))
        found.append(Saved(lever, sum(number for _, number in by_receiver), by_receiver))
    return tuple(found)


def _without(lever: Lever, configuration: Configuration) -> Configuration:
    """The configuration itself when it does not use the lever."""
    if lever is Lever.INHIBITION and configuration.inhibit_rules:
        return replace(configuration, inhibit_rules=())
    change = _CHANGES.get(lever)
    root = configuration.root if change is None else _each(configuration.root, change)
    return configuration if root == configuration.root else replace(configuration, root=root)


_CHANGES: dict[Lever, Callable[[Route], Route]] = {
    Lever.GROUPING: lambda route: replace(route, group_by=None),
    Lever.MUTES: lambda route: replace(route, mutes=()),
    Lever.ACTIVE_TIMES: lambda route: replace(route, active=()),
}


def _each(route: Route, change: Callable[[Route], Route]) -> Route:
    return replace(change(route), routes=tuple(_each(child, change) for child in route.routes))
