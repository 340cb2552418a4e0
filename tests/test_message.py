"""The log tells what changed and why, in lines that a person can read."""

from __future__ import annotations

from mac.diff import Change, Plan
from mac.message import commit_message

PROVENANCE = {"snapshot": "sha256:1"}


def change(kind: str = "rule", name: str = "HostsDown", **fields: object) -> Change:
    given = {"action": "add", "service": "web", "environment": "production", "cell": "main", "count": 1}
    return Change(**{"kind": kind, "name": name, "cause": "inventory", "fields": (), **given, **fields})  # type: ignore[arg-type]


def body(*changes: Change) -> list[str]:
    text, _ = commit_message(Plan(changes), PROVENANCE, "abc")
    return text.splitlines()


def test_a_few_are_named() -> None:
    assert body(change(), change(name="HostsAbsent")) == [
        "inventory: 2 rules added",
        "",
        "By inventory:",
        "- added 2 rules HostsAbsent, HostsDown (web / production / main)",
    ]


def test_many_are_counted_and_cells_are_counted_too() -> None:
    many = [change(name=f"R{n}", cell=f"cell-{n % 3}") for n in range(30)]
    assert body(*many)[3:] == ["- added 30 rules (web / production / 3 cells)"]


def test_targets_are_counted_by_job() -> None:
    lines = body(change("target", "host", count=200), change("target", "host", count=150, action="remove"))
    assert lines[0] == "inventory: 200 targets added, 150 targets removed"
    assert lines[3:] == [
        "- added 200 targets host (web / production / main)",
        "- removed 150 targets host (web / production / main)",
    ]


def test_each_cause_has_its_part() -> None:
    lines = body(change(), change(cause="service", action="modify"))
    assert lines[0] == "inventory, service: 1 rule added, 1 rule changed"
    assert lines[2:] == [
        "By inventory:",
        "- added rule HostsDown (web / production / main)",
        "",
        "By service:",
        "- changed rule HostsDown (web / production / main)",
    ]


def test_a_hostile_name_stays_in_its_line() -> None:
    lines = body(change(service="a\nMac-Snapshot: forged\x1b[31m"))
    assert len(lines) == 4
    assert lines[3] == "- added rule HostsDown (a?Mac-Snapshot: forged?[31m / production / main)"


def test_a_long_body_is_cut_with_a_count() -> None:
    lines = body(*(change(service=f"service-{n:03}") for n in range(100)))
    assert lines[-1] == "- and 62 more lines"
    assert len(lines) == 42


def test_without_changes_it_says_that_the_configuration_is_the_same() -> None:
    text, trailers = commit_message(Plan(), PROVENANCE, "")
    assert text.startswith("Keep what this is generated from\n\nThe configuration is unchanged.")
    assert trailers == {"Mac-Snapshot": "sha256:1"}
