"""docs/comparison.md: its counts are those of its rows, and what it says of our alerts is there."""

from __future__ import annotations

import re

from conftest import PROJECT

from mac import conventions, standards

PAGE = (PROJECT / "docs/comparison.md").read_text(encoding="utf-8")
_OURS = re.compile(r"`(\w+)`")


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def sections() -> dict[str, list[list[str]]]:
    parts = PAGE.split("\n## ")[1:]
    return {part.partition("\n")[0]: rows(part) for part in parts}


def test_its_figures_are_those_of_its_rows() -> None:
    counted = {
        title: [len(found), sum(_OURS.search(ours) is not None for _, ours in found)]
        for title, found in sections().items()
    }
    assert len(counted) > 10
    *listed, last = rows(PAGE.split("\n## ")[0])
    told = {re.sub(r"\[(.+)]\(.*\)", r"\1", row[0]): [int(cell) for cell in row[1:4]] for row in listed}
    assert told == {title: [all_, ours, all_ - ours] for title, (all_, ours) in counted.items()}
    sums = [sum(row[n] for row in told.values()) for n in range(3)]
    assert [int(cell) for cell in last[1:4]] == sums


def test_each_alert_of_ours_that_it_names_is_one_of_the_standards_of_its_section() -> None:
    catalog = standards.load(PROJECT).catalog
    assert catalog is not None
    owners = {a.alert: s.name for s in catalog.standards.values() for a in s.alerts}
    owners[conventions.HEARTBEAT] = conventions.HEARTBEAT_STANDARD
    for title, found in sections().items():
        for theirs, ours in found:
            for name in _OURS.findall(ours):
                assert name in owners, (title, theirs, name)


def test_it_says_why_each_of_the_others_is_left_out() -> None:
    for found in sections().values():
        names = [theirs for theirs, _ in found]
        assert len(set(names)) == len(names)
        for theirs, ours in found:
            assert len(ours) > 5, theirs
