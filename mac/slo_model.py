"""Service level indicators and objectives, as documents declare them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mac.problems import NOWHERE, Location
from mac.text import Text


@dataclass(frozen=True, slots=True)
class Indicator:
    """A service level indicator (SLI): what of a service is measured, as templates of queries.

    Every query sees `window`, the range to look over, and `seconds`, how long that is. Either `total` and
    one of `errors` and `good` are given, each a number of events within the window, or `ratio`, the share of
    events that failed.

    `countable`: the queries give numbers of events, so that a least number of them can be asked for.
    `sliced`: its events are stretches of time, which are dear to query over a long range.
    `minimum_traffic`: how many that is where nobody says; None: one over the budget.
    `absent_after`: how long there may be no data until somebody is asked about it, a PromQL duration.
    """

    name: str
    errors: Text | None = None
    good: Text | None = None
    total: Text | None = None
    ratio: Text | None = None
    countable: bool = True
    sliced: bool = False
    minimum_traffic: float | None = None
    absent_after: str = "1h"
    description: str = ""
    location: Location = NOWHERE

    @property
    def queries(self) -> tuple[Text, ...]:
        return tuple(q for q in (self.errors, self.good, self.total, self.ratio) if q is not None)


@dataclass(frozen=True, slots=True)
class BurnRate:
    """An alert's condition: `factor` times the rate at which the budget lasts just as long as its window.

    It must hold over `long`, which shows that it matters, and over `short`, which shows that it goes on.
    """

    factor: float
    long: str
    short: str


@dataclass(frozen=True, slots=True)
class Slo:
    """A service level objective: `objective` is the share of events, in 0…1, that must be good in `window`.

    `standard` and `indicator`: the name of an indicator of a standard; else `own` is the indicator.
    `page`, `ticket`: burn rates in place of the usual ones; () tells nobody; None: the usual ones.
    `labels` go on every rule. `environment`: only there.
    """

    name: str
    objective: float
    window: str = "30d"
    title: str = ""
    description: str = ""
    standard: str = ""
    indicator: str = ""
    own: Indicator | None = None
    minimum_traffic: float | None = None
    absent_after: str = ""
    page: tuple[BurnRate, ...] | None = None
    ticket: tuple[BurnRate, ...] | None = None
    environment: str = ""
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    location: Location = NOWHERE

    @property
    def budget(self) -> float:
        """The share of events that may fail."""
        return round(1 - self.objective, 12)
