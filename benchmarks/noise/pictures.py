"""The benchmark's pictures, as SVG: alerts a day on one logarithmic axis, and one day as a timeline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

# Readable on a light and on a dark page; told apart without colour by their order and their labels.
COLOURS = ("#c2410c", "#b58900", "#2563eb", "#64748b")
_TEXT = "#6b7280"
_FONT = 'font-family="system-ui, sans-serif" font-size="13"'


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the timeline. `bars`: (start, end, title), `ticks`: (time, title, whether it pages)."""

    title: str
    bars: tuple[tuple[float, float, str], ...] = ()
    ticks: tuple[tuple[float, str, bool], ...] = ()


def bars(title: str, unit: str, groups: Mapping[str, Sequence[tuple[str, float]]]) -> str:
    """Bars of one logarithmic axis from 1: group title → (name, value), the same names in each group."""
    largest = max((value for rows in groups.values() for _, value in rows), default=1.0)
    decades = max(1, math.ceil(math.log10(max(largest, 1.0) * 1.001)))
    left, width, row, gap = 230, 560, 20, 26
    height = 60 + sum(len(rows) * row + gap for rows in groups.values())
    parts = [_head(left + width + 90, height, title)]
    for decade in range(decades + 1):
        x = left + width * decade / decades
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="34" y2="{height - 22}" stroke="{_TEXT}" opacity="0.3"/>'
        )
        parts.append(_text(x, height - 6, f"{10**decade:,}", "middle"))
    parts.append(_text(left + width + 84, height - 6, unit, "end"))
    y = 38.0
    for group, rows in groups.items():
        parts.append(_text(8, y + 14, group, "start", bold=True))
        y += gap - 6
        for number, (name, value) in enumerate(rows):
            length = width * max(math.log10(max(value, 1.0)) / decades, 0.002)
            colour = COLOURS[number % len(COLOURS)]
            parts.append(_text(left - 8, y + 14, name, "end"))
            parts.append(
                f'<rect x="{left}" y="{y + 3:.1f}" width="{length:.1f}" height="{row - 5}" fill="{colour}">'
                f"<title>{escape(f'{group}, {name}: {value:,.1f} {unit}')}</title></rect>"
            )
            parts.append(
                _text(left + length + 6, y + 14, f"{value:,.0f}" if value >= 10 else f"{value:.1f}", "start")
            )
            y += row
        y += 6
    return "".join([*parts, "</svg>\n"])


def timeline(title: str, begin: float, end: float, lanes: Sequence[Lane]) -> str:
    """Rows over one stretch of time; hours of it are numbered from its beginning."""
    left, width = 200, 760
    heights = [max(26, 9 * _depth(lane.bars) + 10) for lane in lanes]
    height = 40 + sum(heights) + 30
    scale = width / (end - begin)
    parts = [_head(left + width + 20, height, title)]
    hours = round((end - begin) / 3600)
    for hour in range(0, hours + 1, max(1, hours // 12)):
        x = left + hour * 3600 * scale
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="34" y2="{height - 24}" stroke="{_TEXT}" opacity="0.3"/>'
        )
        parts.append(_text(x, height - 8, f"{hour}:00", "middle"))
    y = 38.0
    for lane, tall in zip(lanes, heights, strict=True):
        parts.append(_text(left - 10, y + 17, lane.title, "end"))
        for (start, stop, said), level in zip(lane.bars, _levels(lane.bars), strict=True):
            x, length = left + (start - begin) * scale, max((min(stop, end) - start) * scale, 2.0)
            parts.append(
                f'<rect x="{x:.1f}" y="{y + 5 + 9 * level:.1f}" width="{length:.1f}" height="7" rx="2" '
                f'fill="{COLOURS[3]}"><title>{escape(said)}</title></rect>'
            )
        for at, said, pages in lane.ticks:
            x = left + (at - begin) * scale
            colour, low = (COLOURS[0], 2.0) if pages else (COLOURS[2], 9.0)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y + low:.1f}" y2="{y + 22:.1f}" stroke="{colour}" '
                f'stroke-width="1.2" opacity="0.7"><title>{escape(said)}</title></line>'
            )
        y += tall
    return "".join([*parts, "</svg>\n"])


def _levels(found: Sequence[tuple[float, float, str]]) -> list[int]:
    """For each bar the lowest row in which it overlaps with none before it."""
    ends: list[float] = []
    levels = []
    for start, end, _ in found:
        level = next((n for n, busy in enumerate(ends) if busy <= start), len(ends))
        ends[level : level + 1] = [end]
        levels.append(level)
    return levels


def _depth(found: Sequence[tuple[float, float, str]]) -> int:
    return max(_levels(found), default=0) + 1


def _head(width: float, height: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" {_FONT}>'
        f"<title>{escape(title)}</title>{_text(8, 20, title, 'start', bold=True)}"
    )


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_TEXT}"{weight}>{escape(text)}</text>'
    )
