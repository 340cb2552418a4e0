"""When a Prometheus tells Alertmanager of an alert: at once, then again and again.

It sends at evaluations only, and again when more than the resend delay has passed; that an alert is resolved
it repeats for a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mac.forecast.model import Episode

_INSTANT = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class Resending:
    """Seconds. `delay` is Prometheus' `--rules.alert.resend-delay`; `retention` is fixed in its code."""

    delay: float = 60.0
    retention: float = 900.0

    def period(self, interval: float) -> float:
        """Between two sends of an alert whose rule is evaluated at this interval."""
        return (self.delay // interval + 1) * interval

    def last(self, episode: Episode, time: float) -> float:
        """When it was last sent as firing, until `time` (which is not before its start)."""
        if episode.end is not None and time >= episode.end:
            # The evaluation that resolves it sends it as resolved.
            time = episode.end - _INSTANT
        period = self.period(episode.interval)
        return episode.start + max(0.0, (time - episode.start) // period) * period

    def next(self, episode: Episode, time: float) -> float:
        """The first send after `time` if it goes on firing."""
        return self.last(episode, time) + self.period(episode.interval)

    def repeats(self, episode: Episode) -> Iterator[float]:
        """When it is sent once more that the episode is over."""
        if episode.end is None:
            return
        until = episode.end + self.retention
        if episode.repeated_until is not None:
            # At that evaluation it is pending, and no longer sent.
            until = min(until, episode.repeated_until - _INSTANT)
        time = episode.end + self.period(episode.interval)
        while time <= until:
            yield time
            time += self.period(episode.interval)
