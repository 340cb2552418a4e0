"""The picture of a forecast, as numbers and in a real browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import forecast_page
from mac.forecast_figures import DAY, Forecast, Side, Told
from tests import chromium
from tests.chromium import Page

START = 1_700_006_400.0
HOSTILE = '<script>alert(1)</script>"&'


def side(*times: float, page: bool = False) -> Side:
    told = (Told(t, f"team / {HOSTILE}", (HOSTILE,), ("web",), ("team",), page=page) for t in times)
    return Side(tuple(told), (), 1)


def forecast(after: Side, before: Side | None = None, days: float = 14) -> Forecast:
    return Forecast(START, START + days * DAY, "http://127.0.0.1", after, before, "HEAD" if before else "")


@given(st.lists(st.floats(0, 14 * DAY - 1), max_size=40), st.sampled_from([0.5, 2.0, 14.0, 90.0, 366.0]))
def test_every_bar_lies_within_its_panel_and_no_notification_is_lost(
    offsets: list[float], days: float
) -> None:
    inside = [START + offset for offset in offsets if offset < days * DAY]
    drawn = forecast_page.picture(forecast(side(*inside, page=True), side(*inside), days))
    for panel in drawn.panels:
        for bar in panel.bars:
            assert drawn.left - 1e-6 <= bar.x <= bar.x + bar.width <= drawn.right + 1
            assert panel.top - 1e-6 <= bar.y <= bar.y + bar.height <= panel.bottom + 1e-6
    first = drawn.panels[0]
    scale = (first.bottom - first.top) / float(first.ticks[-1][1])
    assert sum(bar.height for bar in first.bars) == pytest.approx(len(inside) * scale)


def test_both_sides_have_one_scale() -> None:
    drawn = forecast_page.picture(forecast(side(START), side(*[START] * 40)))
    before, after = drawn.panels
    assert [words for _, words in before.ticks] == [words for _, words in after.ticks]
    assert before.bars[0].height == pytest.approx(40 * after.bars[0].height)


@pytest.mark.skipif(
    not os.access(chromium.PROGRAM, os.X_OK), reason="there is no browser: `make browser` unpacks one"
)
def test_a_browser_shows_the_page_and_asks_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "forecast.html"
    times = [START + n * 7000 for n in range(170)]
    path.write_text(
        forecast_page.html(forecast(side(*times[::9]), side(*times, page=True))), encoding="utf-8"
    )
    with Page(tmp_path / "profile") as page:
        page.open(path)
        assert (page.errors, page.requests) == ([], [path.as_uri()])
        assert page.run("document.querySelectorAll('svg rect').length") > 20
        assert page.run("document.querySelector('svg').getBoundingClientRect().width") > 400
        assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
        assert HOSTILE in page.run("document.body.textContent")
