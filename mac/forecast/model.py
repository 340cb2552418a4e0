"""Episodes of alerts, what Alertmanager makes of them, and why it says nothing of some.

Times are Unix seconds. `Labels` are sorted by name and hold no empty value, as Prometheus has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mac.matchers import Matcher

Labels = tuple[tuple[str, str], ...]


def labels(values: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """Labels from any mapping or pairs: sorted, without those that are empty."""
    return tuple(sorted((name, value) for name, value in dict(values).items() if value))


@dataclass(frozen=True, slots=True)
class Episode:
    """An alert that fires without a break, as its Prometheus tells Alertmanager.

    `labels`: with `alertname` and the external labels of its Prometheus. `start` is the evaluation at which
    it began to fire (after `for`), `end` the one at which it was resolved; None when it still fires at the
    horizon. `interval`: seconds between two evaluations of its rule. `repeated_until`: when its Prometheus
    stops to repeat that it is resolved, if that is earlier than usual (it is pending again). `rule` says
    where it comes from; it is not part of what Alertmanager knows.
    """

    labels: Labels
    start: float
    end: float | None
    annotations: Labels = ()
    interval: float = 60.0
    repeated_until: float | None = None
    rule: str = ""

    @property
    def name(self) -> str:
        return self.label("alertname")

    def label(self, name: str) -> str:
        """Its value, "" when it has none."""
        return next((value for label, value in self.labels if label == name), "")


@dataclass(frozen=True, slots=True)
class Silence:
    """An alert that fits all matchers is not told from `start` until `end`."""

    matchers: tuple[Matcher, ...]
    start: float
    end: float
    id: str = ""


class Status(StrEnum):
    """What a notification is as a whole: firing as long as one of its alerts is."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Cause(StrEnum):
    """Why a notification was sent just then."""

    NEW_GROUP = "new group"
    NEW_ALERT = "new alert"
    REPEAT = "repeat"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one integration of a receiver.

    `integration` is its type and index ("pagerduty[0]"): a receiver with two integrations is told twice.
    `route` is the place of the route in the tree ("0/3/1": the second child of the root's fourth child), and
    with `group` it identifies the group of alerts.
    """

    time: float
    receiver: str
    integration: str
    route: str
    group: Labels
    status: Status
    firing: tuple[Labels, ...]
    resolved: tuple[Labels, ...]
    cause: Cause


class Reason(StrEnum):
    """Why an alert that fires is not told to a receiver."""

    INHIBITED = "inhibited"
    MUTED = "mute time"
    INACTIVE = "outside of active time"
    SILENCED = "silenced"
    BRIEF = "over before it was told"
    NOBODY = "the receiver tells nobody"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An episode that one route held back for some reason.

    `by` says what did: the labels of the inhibiting alert as text, the name of a time interval, the id of a
    silence. `since` is when it first was. `never`: nobody behind this route was ever told of the episode.
    """

    episode: Episode
    receiver: str
    route: str
    reason: Reason
    by: str
    since: float
    never: bool


class Lever(StrEnum):
    """What keeps the number of notifications down."""

    GROUPING = "grouping"
    INHIBITION = "inhibition"
    MUTES = "mute times"
    ACTIVE_TIMES = "active times"
    SILENCES = "silences"


@dataclass(frozen=True, slots=True)
class Saved:
    """How many notifications more there would have been without one lever, all else being equal.

    `by_receiver`: the same by receiver, those alone where it makes a difference; it may be negative (what is
    muted through its end is never told as resolved, and an inhibited alert may join a later notification).
    """

    lever: Lever
    notifications: int
    by_receiver: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Alertmanager makes of episodes: every notification in the order of time, and what it held back."""

    notifications: tuple[Notification, ...]
    suppressed: tuple[Suppressed, ...] = ()
