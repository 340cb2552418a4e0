"""The capacity table: what docs/capacity.md shows is what the script computes."""

from __future__ import annotations

from conftest import PROJECT

from benchmarks import capacity


def test_the_table_of_the_page_is_that_of_the_script() -> None:
    page = (PROJECT / "docs/capacity.md").read_text(encoding="utf-8")
    made = page.split("<!-- made by benchmarks/capacity.py -->\n")[1]
    assert made.startswith(f"{capacity.table()}\n"), "write the output of benchmarks/capacity.py there"


def test_figures_grow_with_the_fleet_and_shards_with_the_largest_cell() -> None:
    one, ten = capacity.figures(capacity.Fleet(1_000, 2, 2)), capacity.figures(capacity.Fleet(10_000, 2, 2))
    assert (one["series"], ten["series"]) == ("1.5 million", "15 million")
    assert (one["samples a second"], one["disk a day"]) == ("50,000", "8.64 GB")
    largest = capacity.figures(capacity.Fleet(100_000, 50, 4))
    assert largest["shards of the largest cell"] == "6"


def test_each_tier_has_its_price() -> None:
    assert capacity.ingestion(1e9) == 90
    assert capacity.ingestion(2e9) == 180
    assert round(capacity.ingestion(252e9)) == 180 + 8750
    assert round(capacity.ingestion(262e9)) == 180 + 8750 + 160
