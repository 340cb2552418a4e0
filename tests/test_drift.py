"""What counts as out of step, from readings alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import builders
import pytest
from conftest import PROJECT

from mac import bind, drift, drift_report, exposition
from mac.deploy_model import Action, DeployChange, DestinationType, Observed, ScrapedTarget, Scraping
from mac.drift import Reading, Scope
from mac.drift_model import Difference, Drift, DriftKind, DriftReport, DriftState
from mac.drift_values import HIDDEN, differences
from mac.model import Binding, Resource

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HEAD = "a" * 40
OLD = "b" * 40
CELL = "main-us-east-1"
LONG_AGO = NOW.timestamp() - 3600


def of(reading: Reading) -> list[tuple[DriftKind, str]]:
    return [(each.kind, each.what) for each in drift.destination(reading, HEAD).drifts]


def reading(
    there: Mapping[str, bytes],
    meant: Mapping[str, bytes],
    base: Mapping[str, bytes] | None = None,
    **changes: Any,
) -> Reading:
    """Of a destination that keeps no record of its own."""
    fields: dict[str, Any] = {"revision": OLD if base is not None else HEAD, "behind": 2}
    observed = Observed(there)
    whole = {"observed": observed, "meant": meant, "base": meant if base is None else base, **fields}
    return Reading("here", DestinationType.RULER, **{**whole, **changes})


# --- configuration -----------------------------------------------------------------------------------


def test_what_is_as_it_is_meant_to_be_is_in_sync() -> None:
    found = drift.destination(reading({"a": b"1"}, {"a": b"1"}), HEAD)
    assert (found.state, found.revision, found.behind, found.things) == (DriftState.IN_SYNC, HEAD, 0, 1)


def test_what_was_taken_away_changed_and_added_by_hand_is_told_apart() -> None:
    found = of(reading({"b": b"mine", "c": b"3", "x": b"9"}, {"a": b"1", "b": b"2", "c": b"3"}))
    assert found == [(DriftKind.MISSING, "a"), (DriftKind.CHANGED, "b"), (DriftKind.EXTRA, "x")]


def test_an_older_commit_is_told_once_and_what_was_edited_on_top_of_it_too() -> None:
    base = {"a": b"1", "b": b"1", "gone": b"1"}
    meant = {"a": b"2", "b": b"2", "new": b"2"}
    one = drift.destination(reading(base, meant, base), HEAD)
    assert [(d.kind, d.what) for d in one.drifts] == [(DriftKind.OLD_REVISION, OLD[:12])]
    assert (one.revision, one.behind) == (OLD, 2)
    assert "2 commits behind; 4 differ: a, b, gone …" in one.drifts[0].detail
    edited = drift.destination(reading({**base, "b": b"mine"}, meant, base), HEAD)
    assert [(d.kind, d.what) for d in edited.drifts] == [
        (DriftKind.CHANGED, "b"),
        (DriftKind.OLD_REVISION, OLD[:12]),
    ]


def test_somebody_who_did_by_hand_what_the_commit_does_is_no_drift() -> None:
    base, meant = {"a": b"1", "gone": b"1", "same": b"1"}, {"a": b"2", "new": b"2", "same": b"1"}
    assert of(reading(meant, meant, base)) == []


def test_an_edit_of_what_an_older_commit_has_is_told_with_that_commit() -> None:
    base, meant = {"a": b"{x: 1, y: 1}"}, {"a": b"{x: 2, y: 1}"}
    there = {"a": b"{x: 1, y: 9}"}
    assert drift.distance(Observed(there), base) < drift.distance(Observed(there), meant)
    found = drift.destination(reading(there, meant, base), HEAD)
    assert [d.kind for d in found.drifts] == [DriftKind.CHANGED, DriftKind.OLD_REVISION]
    assert found.drifts[0].differences == (Difference("y", "9", "1"),)
    assert found.behind == 2


def test_a_commit_that_is_no_ancestor_has_no_distance() -> None:
    found = drift.destination(reading({"a": b"1"}, {"a": b"2"}, {"a": b"1"}, behind=None), HEAD)
    assert found.behind is None
    assert "not in the history" in found.drifts[0].detail


def test_a_destination_that_keeps_a_record_says_itself_what_was_edited() -> None:
    edits = (
        DeployChange("a", Action.CHANGE),
        DeployChange("x", Action.ADD),
        DeployChange("c", Action.REMOVE),
    )
    observed = Observed({"a": b"mine", "b": b"1", "x": b"9"}, OLD, edits)
    found = of(reading({}, {"a": b"1", "b": b"2", "c": b"3"}, {}, observed=observed))
    assert found == [
        (DriftKind.CHANGED, "a"),
        (DriftKind.EXTRA, "x"),
        (DriftKind.MISSING, "c"),
        (DriftKind.OLD_REVISION, OLD[:12]),
    ]


def test_a_destination_with_nothing_of_ours_is_told_in_one_line() -> None:
    assert of(reading({}, {"a": b"1", "b": b"1"})) == [(DriftKind.MISSING, "everything")]
    assert of(reading({}, {})) == []


def test_what_a_destination_adds_by_itself_is_no_drift() -> None:
    there, meant = {"u": b'{"title":"Web","id":7,"panels":[{"id":1,"x":2}]}'}, {"u": b'{"title":"Web"}'}
    assert of(reading(there, meant, observed=Observed(there, adds=True))) == []
    other = reading(there, {"u": b'{"title":"HDFS"}'}, observed=Observed(there, adds=True))
    [changed] = drift.destination(other, HEAD).drifts
    assert changed.differences == (Difference("title", "Web", "HDFS"),)


def test_what_could_not_be_read_is_never_in_sync() -> None:
    unread = drift.destination(reading({}, {"a": b"1"}, observed=None, unread=("it is away",)), HEAD)
    assert (unread.state, unread.drifts[0].detail) == (DriftState.UNKNOWN, "it is away")
    half = Observed({"a": b"1"}, unread="the server is away")
    found = drift.destination(reading({}, {"a": b"1"}, observed=half), HEAD)
    assert found.state is DriftState.UNKNOWN
    both = drift.destination(reading({}, {"a": b"2"}, observed=half), HEAD)
    assert {each.kind for each in both.drifts} == {DriftKind.UNKNOWN, DriftKind.CHANGED}
    assert both.state is DriftState.UNKNOWN


def test_each_place_where_the_server_runs_something_else_is_told() -> None:
    observed = Observed({"a": b"1"}, faults=("it runs b", "it runs c"))
    found = of(reading({}, {"a": b"1"}, observed=observed))
    assert found == [(DriftKind.NOT_LOADED, "here")] * 2


# --- values ------------------------------------------------------------------------------------------

RULES: dict[str, Any] = {
    "groups": [
        {"name": "g", "rules": [{"alert": "Down", "expr": "up == 0"}, {"alert": "Slow", "expr": "x > 1"}]}
    ]
}


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_change_is_shown_at_its_place_by_name_and_in_few_values() -> None:
    other = json.loads(json.dumps(RULES))
    other["groups"][0]["rules"] = [{"alert": "Slow", "expr": "x > 2"}, {"alert": "Down", "expr": "up == 0"}]
    [found] = differences(encoded(other), encoded(RULES))
    assert found == Difference("groups[g].rules[Slow].expr", "x > 2", "x > 1")
    other["groups"][0]["rules"] = []
    assert differences(encoded(other), encoded(RULES)) == (
        Difference("groups[g].rules[Down]", "nothing", "2 keys"),
        Difference("groups[g].rules[Slow]", "nothing", "2 keys"),
    )
    many = {str(n): n for n in range(50)}
    assert len(differences(encoded(many), b"{}")) == 3
    assert differences(b"a: [", b"a: 1") == ()


def test_long_values_are_shown_where_they_differ() -> None:
    one, other = ({"expr": "a" * 100 + end} for end in (" == 0", " == 1 and " + "b" * 100))
    [found] = differences(encoded(one), encoded(other))
    assert found.there == "…aaaaaaaaaaaaaaa == 0"
    assert found.meant.startswith("…aaaaaaaaaaaaaaa == 1 and bbb")
    assert (len(found.meant), found.meant[-1]) == (80, "…")


def test_a_target_is_named_by_its_address() -> None:
    one = [{"targets": ["127.0.0.1:1"], "labels": {"service": "web"}}]
    other = [{"targets": ["127.0.0.1:1"], "labels": {"service": "hdfs"}}]
    [found] = differences(encoded(one), encoded(other))
    assert found == Difference("[127.0.0.1:1].labels.service", "web", "hdfs")


SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "document",
    [
        {"global": {"smtp_auth_password": SECRET}},
        {"receivers": [{"name": "a", "webhook_configs": [{"url": f"https://x.example.com/{SECRET}"}]}]},
        {"receivers": [{"name": "a", "pagerduty_configs": [{"routing_key": SECRET}]}]},
        {"scrape_configs": [{"job_name": "a", "params": {"key": [SECRET]}}]},
        {"scrape_configs": [{"job_name": "a", "basic_auth": {"username": SECRET}}]},
        {"remote_write": [{"url": f"https://u:{SECRET}@x.example.com/"}]},
        {"modules": {"m": {"http": {"headers": {"X": SECRET}}}}},
        {"groups": [{"name": "g", "rules": [{"alert": "A", "annotations": {"token": SECRET}}]}]},
        {"groups": [{"name": "g", "rules": [{"alert": "A", "annotations": {"d": f"https://u:{SECRET}@x"}}]}]},
        {"alertmanager_config": f"route: {{}}\nreceivers:\n- name: a\n  x_configs: [{{key: {SECRET}}}]\n"},
    ],
)
def test_no_value_that_may_be_secret_is_shown(document: Any) -> None:
    plain = json.loads(json.dumps(document).replace(SECRET, "y"))
    for one, other in ((document, plain), (plain, document)):
        found = differences(encoded(one), encoded(other))
        assert found
        assert SECRET not in repr(found)
        assert any(HIDDEN in (each.there, each.meant) for each in found)


def test_a_number_may_be_secret_too() -> None:
    one, other = (
        {"receivers": [{"name": "a", "x_configs": [{"routing_key": n}]}]} for n in (12345678, 87654321)
    )
    [found] = differences(encoded(one), encoded(other))
    assert (found.there, found.meant) == (HIDDEN, HIDDEN)


def test_lengths_and_routes_are_shown() -> None:
    one, other = (
        {"global": {"resolve_timeout": length}, "route": {"receiver": name}}
        for length, name in (("5m", "a / page"), ("6m", "b / page"))
    )
    assert {(d.path, d.there, d.meant) for d in differences(encoded(one), encoded(other))} == {
        ("global.resolve_timeout", "5m", "6m"),
        ("route.receiver", "a / page", "b / page"),
    }


# --- scraping ----------------------------------------------------------------------------------------


def bindings(*machines: Resource) -> Sequence[Binding]:
    catalog = builders.catalog(builders.standard())
    found = bind.bind(catalog, builders.snapshot(*machines), NOW.date()).bindings
    assert sum(len(each.members) for each in found) == len(machines)
    return found


def target(machine: Resource, *, down: bool = False, job: str = "web") -> ScrapedTarget:
    labels = {"job": job, "account": machine.account, "region": machine.region, "resource_id": machine.id}
    return ScrapedTarget(f"{machine.addresses[0]}:80", labels, down, "refused" if down else "")


def prometheus(*targets: ScrapedTarget, since: float = LONG_AGO, **changes: Any) -> Reading:
    fields: dict[str, Any] = {
        "cell": CELL,
        "observed": Observed({}),
        "revision": HEAD,
        "scraping": Scraping(since, targets),
    }
    return Reading("p", DestinationType.PROMETHEUS_FILES, **{**fields, **changes})


def judged(
    *readings: Reading, machines: Sequence[Resource], every_cell: bool = True, grace: float = 65.0
) -> DriftReport:
    scope = Scope(bindings(*machines), NOW, grace, every_cell)
    return drift.report(HEAD, readings, scope, NOW)


def told(report: DriftReport) -> list[tuple[DriftKind, str, str]]:
    return [(each.kind, each.destination, each.what) for each in report.drifts]


ONE, TWO = builders.instance(1), builders.instance(2)


def test_machines_that_answer_are_in_sync() -> None:
    report = judged(prometheus(target(ONE), target(TWO)), machines=[ONE, TWO])
    assert (report.state, report.machines) == (DriftState.IN_SYNC, 2)


def test_a_machine_that_does_not_answer_and_one_that_nobody_asks_are_told() -> None:
    report = judged(prometheus(target(ONE, down=True)), machines=[ONE, TWO])
    assert told(report) == [
        (DriftKind.TARGET_DOWN, "p", "127.0.0.1:80"),
        (DriftKind.NOT_SCRAPED, "p", TWO.id),
    ]
    down, blind = report.drifts
    assert (down.arn, blind.arn) == (ONE.arn, TWO.arn)
    assert "refused" in down.detail
    assert "the job web" in blind.detail


def test_targets_whose_machine_is_gone_and_those_of_others_are_not_told() -> None:
    gone = builders.instance(9)
    own = ScrapedTarget("127.0.0.1:9090", {"job": "prometheus"}, is_down=True)
    report = judged(prometheus(target(ONE), target(gone, down=True), own), machines=[ONE])
    assert report.drifts == ()
    other_job = judged(prometheus(target(ONE), target(ONE, down=True, job="theirs")), machines=[ONE])
    assert other_job.drifts == ()


def test_a_machine_that_was_launched_a_moment_ago_is_given_time() -> None:
    fresh = builders.instance(3, launched=(NOW - timedelta(seconds=60)).isoformat())
    assert judged(prometheus(), machines=[fresh]).drifts == ()
    assert judged(prometheus(target(fresh, down=True)), machines=[fresh]).drifts == ()
    older = builders.instance(3, launched=(NOW - timedelta(seconds=70)).isoformat())
    assert [each.kind for each in judged(prometheus(), machines=[older]).drifts] == [DriftKind.NOT_SCRAPED]


def test_a_prometheus_that_was_started_a_moment_ago_is_given_time() -> None:
    report = judged(prometheus(since=NOW.timestamp() - 5), machines=[ONE])
    assert report.drifts == ()
    assert "p was started a moment ago" in report.notes[0]


def test_what_a_prometheus_that_cannot_be_read_scrapes_is_not_guessed() -> None:
    away = prometheus(scraping=None, observed=None, unread=("it is away",))
    report = judged(away, machines=[ONE])
    assert [each.kind for each in report.drifts] == [DriftKind.UNKNOWN]
    assert report.state is DriftState.UNKNOWN
    twin = prometheus(target(ONE))
    assert [each.kind for each in judged(twin, away, machines=[ONE, TWO]).drifts] == [DriftKind.UNKNOWN]


def test_a_machine_that_another_prometheus_scrapes_is_scraped() -> None:
    elsewhere = prometheus(target(TWO), cell="other")
    assert judged(prometheus(target(ONE)), elsewhere, machines=[ONE, TWO]).drifts == ()


def test_a_cell_without_a_prometheus_is_blind_unless_single_destinations_are_looked_at() -> None:
    elsewhere = prometheus(cell="other")
    report = judged(elsewhere, machines=[ONE])
    assert told(report) == [(DriftKind.NOT_SCRAPED, "", ONE.id)]
    assert "no destination is the Prometheus of its cell" in report.drifts[0].detail
    assert judged(elsewhere, machines=[ONE], every_cell=False).drifts == ()
    ruler_only = drift.report(HEAD, [reading({}, {})], Scope(bindings(ONE), NOW, 65.0), NOW)
    assert (ruler_only.machines, ruler_only.drifts) == (None, ())


def test_whose_targets_are_whose_is_taken_from_the_files_where_a_cell_has_several() -> None:
    three = builders.instance(3)
    files = {
        f"cells/{CELL}-{part}/targets/web.json": encoded(
            [{"targets": [f"{machine.addresses[0]}:80"], "labels": dict(target(machine).labels)}]
        )
        for part, machine in (("a", ONE), ("b", TWO))
    }
    scope = Scope(bindings(ONE, TWO, three), NOW, 65.0, True, files)
    a, b = (replace(prometheus(), name=part, cell=f"{CELL}-{part}") for part in "ab")
    report = drift.report(HEAD, [a, b], scope, NOW)
    kind = DriftKind.NOT_SCRAPED
    assert told(report) == [(kind, "a", ONE.id), (kind, "a", three.id), (kind, "b", TWO.id)]
    away = replace(b, scraping=None, unread=("it is away",))
    assert told(drift.report(HEAD, [a, away], scope, NOW)) == [
        (kind, "a", ONE.id),
        (DriftKind.UNKNOWN, "b", "b"),
    ]


# --- what is said of it ------------------------------------------------------------------------------


def test_metrics_count_each_kind_and_leave_out_what_is_not_known() -> None:
    machines = [builders.instance(n) for n in range(1, 4)]
    away = Reading("r", DestinationType.RULER, unread=("away",))
    report = judged(prometheus(target(ONE, down=True)), away, machines=machines)
    text = exposition.text(report.metrics())
    assert 'mac_drift{destination="p",kind="not-scraped"} 2\n' in text
    assert 'mac_drift{destination="p",kind="target-down"} 1\n' in text
    assert 'mac_drift{destination="p",kind="changed"} 0\n' in text
    assert 'mac_drift{destination="r",kind="unknown"} 1\n' in text
    assert 'mac_drift{destination="r",kind="changed"}' not in text
    assert 'mac_drift_commits_behind{destination="p"} 0\n' in text
    assert 'mac_drift_commits_behind{destination="r"}' not in text
    assert f"mac_drift_last_read_timestamp_seconds {int(NOW.timestamp())}\n" in text
    assert text.count("# TYPE mac_drift gauge\n") == 1


def test_many_alike_are_listed_in_part_and_counted_in_full() -> None:
    machines = [builders.instance(n) for n in range(1, 31)]
    report = judged(prometheus(), machines=machines)
    text = drift_report.text(report)
    assert text.count("not-scraped i-") == 10
    assert "… and 20 more of not-scraped" in text
    assert "30 machines should be scraped, 30 of them are known not to be" in text
    found = drift_report.as_dict(report)
    assert found["destinations"][0]["counts"] == {"not-scraped": 30}
    assert len(found["destinations"][0]["drifts"]) == 30


def test_values_are_said_beside_what_is_meant() -> None:
    changed = Drift(DriftKind.CHANGED, "here", "a.yml", "somebody changed it", (Difference("a.b", "1", "2"),))
    found = drift.destination(reading({"a.yml": b"{a: {b: 1}}"}, {"a.yml": b"{a: {b: 2}}"}), HEAD)
    assert found.drifts[0].differences == changed.differences
    text = drift_report.text(DriftReport(HEAD, NOW, (found,)))
    assert "  changed a.yml: somebody changed it there\n    a.b: 1, and 2 is meant\n" in text


def test_the_page_of_drift_explains_every_kind_and_metric() -> None:
    page = (PROJECT / "docs/drift.md").read_text()
    report = DriftReport(HEAD, NOW, ())
    names = [*DriftKind, *DriftState, *drift_report.as_dict(report), "mac_drift{destination,kind}"]
    assert [name for name in names if f"`{name}`" not in page] == []
    assert [f.name for f in report.metrics() if f"`{f.name}" not in page] == []


def test_an_exposition_escapes_what_labels_hold() -> None:
    family = exposition.Family("a_total", "x\ny\\", (exposition.Sample(1.5, {"b": 'q"\\\n'}),), "counter")
    assert exposition.text([family]) == (
        '# HELP a_total x\\ny\\\\\n# TYPE a_total counter\na_total{b="q\\"\\\\\\n"} 1.5\n'
    )
    numbers = tuple(exposition.Sample(value) for value in (float("inf"), float("nan"), 3.0, 0.1))
    assert exposition.text([exposition.Family("n", "", numbers)]).splitlines()[2:] == [
        "n +Inf",
        "n NaN",
        "n 3",
        "n 0.1",
    ]
