"""The site in a real browser, from disk: searched, used by keys, in the dark, on paper, without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from mac import audit
from tests import chromium
from tests.chromium import Page
from tests.test_site import HOSTILE, hostile_material, repository_with_snapshot, write_site

pytestmark = pytest.mark.skipif(
    chromium.may_be_missing(os.environ), reason="there is no browser: `make browser` unpacks one"
)

FOCUSED = "document.activeElement.textContent || document.activeElement.id"
RESULTS = "[...document.querySelectorAll('#_results a')].map((a) => a.firstChild.textContent)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = repository_with_snapshot(tmp_path_factory.mktemp("monitoring"))
    out = tmp_path_factory.mktemp("site with a blank #1")
    audit.write_site(audit.site_of(root, None, date(2026, 11, 23)), out)
    return out


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with Page(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_every_page_opens_from_disk_without_an_error_and_asks_for_nothing_else(
    page: Page, folder: Path
) -> None:
    page.requests.clear()
    page.errors.clear()
    for path in sorted(folder.rglob("*.html")):
        page.open(path)
        assert page.run("document.querySelector('h1').textContent.trim()"), path
        assert page.run("document.getElementById('_search').hidden") is False, path
    assert page.errors == []
    assert len(page.requests) > 50
    assert {url.split("/")[0] for url in page.requests} <= {"file:", "about:blank"}


def test_an_alert_is_found_and_reached_with_the_keyboard_alone(page: Page, folder: Path) -> None:
    page.open(folder / "services" / "ingest.html")
    page.press("/")
    assert page.run("document.activeElement.id") == "_query"
    page.type("hostsunreach")
    assert page.run(RESULTS) == ["HostsUnreachable"]
    assert page.run("document.getElementById('_status').textContent") == "1 result"
    page.press("ArrowDown")
    assert page.run("document.activeElement.firstChild.textContent") == "HostsUnreachable"
    page.press("ArrowUp")
    assert page.run("document.activeElement.id") == "_query"
    page.wait_for_page(lambda: page.press("Enter"))
    assert page.run("location.href").endswith("/standards/host.html#hostsunreachable")
    assert page.run("document.querySelector(':target h3 a').textContent") == "HostsUnreachable"
    assert "First steps." in page.run("document.querySelector(':target').textContent")


def test_a_search_ranks_the_name_before_what_only_mentions_it(page: Page, folder: Path) -> None:
    page.open(folder / "index.html")
    page.press("/")
    page.type("host")
    found = page.run(RESULTS)
    assert found[0] == "host"
    assert len(found) > 5
    page.press("Escape")
    assert page.run("document.getElementById('_results').hidden") is True
    page.press("/")
    page.type("no such thing at all")
    assert page.run(RESULTS) == []
    assert "Nothing found" in page.run("document.getElementById('_results').textContent")


def test_a_filter_leaves_the_rows_that_have_the_words(page: Page, folder: Path) -> None:
    page.open(folder / "alerts.html")
    rows = "[...document.querySelectorAll('#_alerts tbody tr')].filter((r) => r.checkVisibility()).length"
    everything = page.run(rows)
    page.run("document.querySelector('[data-filter]').focus()")
    page.type("page rds")
    some = page.run(rows)
    assert 0 < some < everything
    assert (
        page.run("document.querySelector('.filter [role=status]').textContent") == f"{some} of {everything}"
    )


def test_the_first_tab_offers_to_skip_to_the_content(page: Page, folder: Path) -> None:
    page.open(folder / "alerts.html")
    page.press("Tab")
    assert page.run(FOCUSED) == "Skip to the content"
    page.press("Enter")
    assert page.run("document.activeElement.id") == "_main"


def test_colours_follow_the_reader_and_keep_enough_contrast(page: Page, folder: Path) -> None:
    page.open(folder / "standards" / "host.html")
    contrast = """(() => {
      const light = (text) => {
        const [r, g, b] = text.match(/[0-9.]+/g).slice(0, 3).map((n) => n / 255)
          .map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = light(getComputedStyle(document.body).backgroundColor);
      return Math.min(...['p', 'main a', 'dt', '.severity.page', '.severity.ticket'].map((s) => {
        const [a, b] = [light(getComputedStyle(document.querySelector(s)).color), ground].sort();
        return (b + 0.05) / (a + 0.05);
      }));
    })()"""
    grounds = set()
    for scheme in ("light", "dark"):
        page.show(scheme)
        grounds.add(page.run("getComputedStyle(document.body).backgroundColor"))
        assert page.run(contrast) >= 4.5, scheme
    page.show("light")
    assert len(grounds) == 2


def test_on_paper_the_navigation_is_gone_and_expressions_are_unfolded(page: Page, folder: Path) -> None:
    page.open(folder / "standards" / "host.html")
    page.show("light", "print")
    assert page.run("getComputedStyle(document.querySelector('header')).display") == "none"
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run("[...document.querySelectorAll('details')].every((d) => d.open)") is True
    page.show("light", "screen")


def test_no_name_of_a_stranger_becomes_markup_or_runs(page: Page, tmp_path: Path) -> None:
    write_site(hostile_material(), tmp_path)
    page.errors.clear()
    for path in sorted(tmp_path.rglob("*.html")):
        page.open(path)
        assert page.run("document.querySelectorAll('main script, main img, main iframe').length") == 0
        assert page.run("typeof hacked") == "undefined", path
    page.press("/")
    page.type("hacked")
    assert page.run("document.querySelectorAll('#_results img, #_results script').length") == 0
    assert any(HOSTILE in name for name in page.run(RESULTS))
    assert page.run("typeof hacked") == "undefined"
    assert page.errors == []


def test_a_narrow_screen_does_not_scroll_sideways(page: Page, folder: Path) -> None:
    page.command(
        "Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=True
    )
    for path in ("index.html", "alerts.html", "standards/host.html", "services/ingest.html", "coverage.html"):
        page.open(folder / path)
        assert page.run("document.documentElement.scrollWidth") <= 360, path
    page.command("Emulation.clearDeviceMetricsOverride")
