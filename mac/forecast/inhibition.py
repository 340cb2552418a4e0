"""Which alerts inhibit which, as Alertmanager decides it at each flush."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from mac import matchers
from mac.forecast.model import Episode, Labels
from mac.forecast.routes import InhibitRule
from mac.forecast.sending import Resending

Place = tuple[int, tuple[str, ...]]
"""A rule (its index) and the values that source and target share."""


@dataclass(frozen=True, slots=True)
class Ties:
    """How an alert is tied to others: where it inhibits, and where it may be inhibited.

    `targets`: with whether it fits the source of that rule too, so that only an alert that is no target of
    the rule may inhibit it.
    """

    sources: tuple[Place, ...]
    targets: tuple[tuple[Place, bool], ...]

    def among(self, places: AbstractSet[Place]) -> Ties:
        """Without the places at which nothing ever inhibits."""
        return Ties(self.sources, tuple(target for target in self.targets if target[0] in places))


def ties(rules: Sequence[InhibitRule], labels: Mapping[str, str]) -> Ties:
    """What the rules have to do with an alert of these labels."""
    sources, targets = [], []
    for number, rule in enumerate(rules):
        is_source = matchers.all_match(rule.source, labels)
        is_target = matchers.all_match(rule.target, labels)
        if is_source:
            sources.append((number, rule.key(labels)))
        if is_target:
            targets.append(((number, rule.key(labels)), is_source))
    return Ties(tuple(sources), tuple(targets))


@dataclass(slots=True)
class _Sources:
    """The alerts that fire at one place. `blind_until`: see `Inhibition`."""

    firing: dict[Labels, tuple[Episode, bool]] = field(default_factory=dict)
    blind_until: float = 0.0


class Inhibition:
    """What fires and inhibits, kept up with every alert that starts or ends.

    With `one_source` (Alertmanager since 0.29) each place remembers only the alert that was sent last. When
    that one ends, the place inhibits nothing until another that fires is sent again; and if it is a target of
    its own rule, the others do not stand in for it. Before, each alert that fires counted.
    """

    def __init__(self, one_source: bool, resending: Resending) -> None:
        self._one_source = one_source
        self._resending = resending
        self._places: dict[Place, _Sources] = {}

    def start(self, episode: Episode, tied: Ties) -> None:
        targets = {place for place, _ in tied.targets}
        for place in tied.sources:
            sources = self._places.setdefault(place, _Sources())
            sources.firing[episode.labels] = (episode, place in targets)
            sources.blind_until = 0.0

    def end(self, episode: Episode, tied: Ties, time: float) -> None:
        for place in tied.sources:
            sources = self._places.get(place)
            if sources is None or episode.labels not in sources.firing:
                continue
            del sources.firing[episode.labels]
            others = [other for other, _ in sources.firing.values()]
            if not others or not self._one_source:
                continue
            latest = max(others, key=lambda other: self._sent(other, time))
            if time < sources.blind_until or self._sent(latest, time) < self._sent(episode, time):
                sources.blind_until = min(self._resending.next(other, time) for other in others)

    def by(self, tied: Ties, time: float) -> Episode | None:
        """The alert that inhibits at this moment, or None."""
        for place, excludes in tied.targets:
            sources = self._places.get(place)
            if sources is None or not sources.firing or time < sources.blind_until:
                continue
            candidates = list(sources.firing.values())
            if self._one_source and len(candidates) > 1:
                candidates = [max(candidates, key=lambda found: self._sent(found[0], time))]
            for episode, is_target in candidates:
                if not (excludes and is_target):
                    return episode
        return None

    def _sent(self, episode: Episode, time: float) -> tuple[float, Labels]:
        """When it was last sent as firing; of those that were sent at once, the last."""
        return self._resending.last(episode, time), episode.labels
