"""A forecast as one HTML file: figures, tables, and a picture of all notifications in time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mac import forecast_report, markup
from mac.forecast_figures import DAY, DIMENSIONS, Forecast, Proposal, Side

_HERE = Path(__file__).resolve().parent
_WIDTH, _LEFT, _RIGHT = 960.0, 48.0, 24.0
_PANEL, _GAP, _TOP = 130.0, 48.0, 22.0
_BINS = (3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0, DAY, 7 * DAY)
_MOST_BINS = 120
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """Notifications of one stretch of time. `kind`: page or notification; pages stand below the others."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One side, drawn from `top` to `bottom` on the same scale as the other."""

    title: str
    top: float
    bottom: float
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    width: float
    height: float
    left: float
    right: float
    panels: tuple[Panel, ...]
    days: tuple[tuple[float, str], ...]
    bin: str


def html(found: Forecast, proposals: Sequence[Proposal] = ()) -> str:
    """The whole page: nothing is loaded from anywhere."""
    names = {
        "forecast": found,
        "headline": forecast_report.headline(found),
        "totals": forecast_report.totals(found),
        "picture": picture(found),
        "rankings": [(by, forecast_report.ranked(found, by)) for by in DIMENSIONS],
        "sections": [(title, lines) for title, lines in forecast_report.sections(found, proposals) if lines],
        "cost": forecast_report.cost(found),
    }
    return markup.page(_HERE, "page.html.j2", names)


def picture(found: Forecast) -> Picture:
    """The geometry of the timeline."""
    sides = [("after, as it is written now", found.after)]
    if found.before is not None:
        sides.insert(0, (f"before: {found.base}", found.before))
    length = next((b for b in _BINS if (found.end - found.start) / b <= _MOST_BINS), _BINS[-1])
    counts = [_binned(side, found, length) for _, side in sides]
    highest = max([1, *(pages + others for side in counts for pages, others in side)])
    step = _step(highest)
    scale = math.ceil(highest / step) * step
    panels = []
    for n, ((title, _), binned) in enumerate(zip(sides, counts, strict=True)):
        top = _TOP + n * (_PANEL + _GAP)
        panels.append(_panel(title, top, binned, found, length, scale, step))
    height = _TOP + len(sides) * (_PANEL + _GAP)
    words = f"{length / 3600:g} h" if length < DAY else f"{length / DAY:g} d"
    return Picture(_WIDTH, height, _LEFT, _WIDTH - _RIGHT, tuple(panels), _days(found), words)


def _binned(side: Side, found: Forecast, length: float) -> list[tuple[int, int]]:
    """(pages, other notifications) of each stretch."""
    counts = [[0, 0] for _ in range(max(1, math.ceil((found.end - found.start) / length)))]
    for told in side.notifications:
        place = min(len(counts) - 1, int((told.time - found.start) // length))
        counts[place][not told.page] += 1
    return [(pages, others) for pages, others in counts]


def _panel(  # noqa: PLR0917  one picture's measures
    title: str,
    top: float,
    binned: Sequence[tuple[int, int]],
    found: Forecast,
    length: float,
    scale: float,
    step: float,
) -> Panel:
    bottom = top + _PANEL
    bars = []
    for n, (pages, others) in enumerate(binned):
        first, last = (_x(min(found.start + (n + k) * length, found.end), found) for k in (0, 1))
        when = datetime.fromtimestamp(found.start + n * length, UTC)
        words = f"{when:%a %d %b %H:%M} UTC: {pages} pages, {others} other notifications"
        low = bottom
        for kind, count in (("page", pages), ("notification", others)):
            if count:
                height = count / scale * _PANEL
                low -= height
                bars.append(Bar(kind, first, low, max(1.0, last - first - 1), height, words))
    ticks = []
    value = 0.0
    while value <= scale:
        ticks.append((bottom - value / scale * _PANEL, f"{value:g}"))
        value += step
    return Panel(title, top, bottom, tuple(bars), tuple(ticks))


def _step(highest: int) -> float:
    """A round number of which a few make the scale."""
    rough = highest / _TICKS
    if rough <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= rough)


def _x(time: float, found: Forecast) -> float:
    return _LEFT + (time - found.start) / (found.end - found.start) * (_WIDTH - _LEFT - _RIGHT)


def _days(found: Forecast) -> tuple[tuple[float, str], ...]:
    """Midnights (UTC), as many as can be read."""
    every = DAY * max(1, math.ceil(found.days / 14))
    first = math.ceil(found.start / DAY) * DAY
    times = []
    while first <= found.end:
        times.append((_x(first, found), f"{datetime.fromtimestamp(first, UTC):%d %b}"))
        first += every
    return tuple(times)
