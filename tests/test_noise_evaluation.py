"""The evaluating half of the noise benchmark: targets and rules over time, scores, gates, pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.noise import (
    configurations,
    confirm,
    evaluate,
    first_generation,
    gates,
    pictures,
    report,
    score,
)
from benchmarks.noise.configurations import Configuration
from benchmarks.noise.history import History
from benchmarks.noise.overtime import RulesOverTime, Span, TimedRule, timed
from benchmarks.noise.targets import Presence, Target
from mac import conventions, engines
from mac.forecast.model import Cause, Episode, Notification, Status, labels
from mac.forecast.states import Series
from mac.model import Lifecycle, Resource, Snapshot

START = 1_772_409_600.0  # a Monday, on the grid of the evaluation
HOUR = 3600.0


# --- targets and rules over time ---------------------------------------------------------------------


def test_a_target_lasts_from_the_list_that_has_it_to_the_first_that_has_not() -> None:
    presence = Presence()
    one, two = ("host", "127.0.0.1:9100", ()), ("host", "127.0.0.2:9100", ())
    presence.replace(0, {one})
    presence.replace(60, {one, two})
    presence.replace(120, {two})
    presence.replace(180, {one, two})
    assert presence.until(300) == (
        Target(*one, 0, 120),
        Target(*one, 180, 300),
        Target(*two, 60, 300),
    )


def test_a_target_whose_labels_change_is_another_one() -> None:
    presence = Presence()
    presence.replace(0, {("host", "127.0.0.1:9100", (("role", "a"),))})
    presence.replace(60, {("host", "127.0.0.1:9100", (("role", "b"),))})
    assert [(t.labels, t.start, t.end) for t in presence.until(90)] == [
        ((("role", "a"),), 0, 60),
        ((("role", "b"),), 60, 90),
    ]


def test_a_rule_whose_expression_changes_keeps_its_key_and_gets_a_second_span() -> None:
    rules = RulesOverTime()
    old = {"name": "g", "rules": [{"alert": "A", "expr": "up == 0"}, {"alert": "B", "expr": "up"}]}
    new = {"name": "g", "rules": [{"alert": "A", "expr": "up < 1"}]}
    rules.replace(0, [("f.yml", old)])
    rules.replace(60, [("f.yml", new)])
    rules.replace(90, [("f.yml", new)])
    found = {rule.name: rule for rule in rules.until(120)}
    assert found["A"].spans == (Span(0, 60, old["rules"][0]), Span(60, 120, new["rules"][0]))
    assert found["B"].spans == (Span(0, 60, old["rules"][1]),)


def test_rules_are_recorded_after_what_they_read() -> None:
    def rule(name: str, expr: str) -> TimedRule:
        return TimedRule(("f", "g", name, (), 0), (Span(0, 1, {"record": name, "expr": expr}),))

    top, middle, bottom = rule("c:c", "sum(b:b)"), rule("b:b", "sum(a:a) + sum(up)"), rule("a:a", "sum(up)")
    assert evaluate.levels([top, middle, bottom]) == [[bottom], [middle], [top]]


def test_rules_that_read_one_another_in_a_circle_do_not_hang() -> None:
    def rule(name: str, expr: str) -> TimedRule:
        return TimedRule(("f", "g", name, (), 0), (Span(0, 1, {"record": name, "expr": expr}),))

    circle = [rule("a:a", "b:b"), rule("b:b", "a:a")]
    assert evaluate.levels(circle) == [circle]


# --- what mac generates ------------------------------------------------------------------------------


@dataclass
class TwoMoments:
    """Three DataNodes; half an hour later one of them is being terminated, and a fourth was launched."""

    begin: float = START
    end: float = START + HOUR

    def changes(self) -> Sequence[float]:
        return [START + 1770.0]

    def inventory(self, at: float) -> Snapshot:
        later = at >= START + 1770
        machines = [_machine(1, Lifecycle.LEAVING if later else Lifecycle.IN_SERVICE)]
        machines += [_machine(n) for n in ((2, 3, 4) if later else (2, 3))]
        return Snapshot((), tuple(machines))


def _machine(number: int, lifecycle: Lifecycle = Lifecycle.IN_SERVICE) -> Resource:
    return Resource(
        arn=f"arn:aws:ec2:us-east-1:123456789012:instance/i-{number:017x}",
        kind="ec2-instance",
        account="123456789012",
        region="us-east-1",
        id=f"i-{number:017x}",
        addresses=(f"127.9.0.{number}",),
        state="running" if lifecycle is Lifecycle.IN_SERVICE else "shutting-down",
        lifecycle=lifecycle,
        tags={"service": "hdfs", "role": "hdfs-datanode"},
    )


def test_targets_follow_the_inventory_at_the_next_sync_and_the_rules_stay() -> None:
    found = configurations.generated(TwoMoments())
    hosts = [t for t in found.targets if t.job == "host"]
    applied = START + 1800 + configurations.APPLY
    assert [(t.address, t.start - START, t.end - START) for t in hosts] == [
        ("127.9.0.1:9100", 0, applied - START),
        ("127.9.0.2:9100", 0, HOUR),
        ("127.9.0.3:9100", 0, HOUR),
        ("127.9.0.4:9100", applied - START, HOUR),
    ]
    assert found.external_labels["region"] == "us-east-1"
    assert {rule.name for rule in found.rules} >= {"HostsUnreachable", "HdfsDataNodesDown"}
    assert all(len(rule.spans) == 1 for rule in found.rules), "no shipped rule counts machines"


# --- evaluation --------------------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path: Path) -> History:
    """An hour of `up` of two machines; the second is down from 10:00 to 25:00 and gone from 40:00."""
    steps = range(121)
    first = Series(
        labels({"job": "a", "service": "s", "host": "1"}), tuple((START + 30 * n, 1.0) for n in steps)
    )
    second = Series(
        labels({"job": "a", "service": "s", "host": "2"}),
        tuple((START + 30 * n, 0.0 if 20 <= n < 50 else 1.0) for n in steps if n < 80),
    )
    found = History(tmp_path / "data")
    found.add({"up": [first, second]}, tmp_path / "up.om")
    return found


def _configuration(*rules: dict[str, object], end: float = HOUR) -> Configuration:
    group = {"name": "g", "rules": list(rules)}
    return Configuration("c", timed([("f.yml", group)], START, START + end), (), {})


def test_a_series_that_ends_is_gone_at_once(history: History) -> None:
    with history.server() as server:
        (found,) = server.range('up{host="2"}', START, START + HOUR, 30)
    assert found.points[-1] == (START + 79 * 30, 1.0)


def test_an_alert_on_a_recorded_series_fires_after_its_time(history: History) -> None:
    configuration = _configuration(
        {"record": "s:down:count", "expr": "count by (service) (up == 0)", "labels": {"tier": "1"}},
        {"alert": "Down", "expr": "s:down:count > 0", "for": "5m", "labels": {"severity": "page"}},
        {"alert": "Never", "expr": "s:down:count > 1"},
    )
    configuration = replace(configuration, external_labels={"cell": "x"})
    found = evaluate.evaluate(configuration, history, START, START + HOUR)
    (episode,) = found.episodes
    assert dict(episode.labels) == {
        "alertname": "Down",
        "service": "s",
        "tier": "1",
        "severity": "page",
        "cell": "x",
    }
    assert (episode.start - START, episode.end) == (600 + 300, START + 1500)
    assert found.never == ("Never",)


def test_an_alert_keeps_its_state_when_its_expression_changes(history: History) -> None:
    rule = {"alert": "Down", "expr": "count by (service) (up == 0) > 0", "for": "5m"}
    changed = {**rule, "expr": "count by (service) (up == 0) >= 1"}
    key = ("f.yml", "g", "Down", (), 0)
    spans = (Span(START, START + 720, rule), Span(START + 720, START + HOUR, changed))
    configuration = Configuration("c", (TimedRule(key, spans),), (), {})
    (episode,) = evaluate.evaluate(configuration, history, START, START + HOUR).episodes
    assert (episode.start - START, episode.end) == (900, START + 1500)


def test_the_rules_of_the_first_generation_name_their_source() -> None:
    groups = first_generation.rule_groups()
    assert all(rule["annotations"]["source"] for group in groups for rule in group["rules"])
    assert not engines.require("promtool").check_rules([first_generation.RULES])


def test_both_alertmanagers_of_the_first_generation_are_accepted(tmp_path: Path) -> None:
    for number, grouping in enumerate((["..."], first_generation.GROUPING)):
        sent = evaluate.notifications(
            Configuration("c", (), (), first_generation.alertmanager(grouping)), _pair(), START + HOUR
        )
        assert len([s for s in sent if s.status is Status.FIRING]) == 2 - number


def _pair() -> tuple[Episode, ...]:
    """The same alert of two machines of one service, at the same time."""
    return tuple(
        Episode(
            labels({"alertname": "A", "service": "s", "host": str(n)}), START + 60, START + 1200, interval=30
        )
        for n in range(2)
    )


def test_a_real_alertmanager_sends_what_the_model_says() -> None:
    configuration = Configuration("c", (), (), first_generation.alertmanager(first_generation.GROUPING))
    found = confirm.confirm(configuration, _pair(), START, START + 1800, speed=300)
    assert (found.firing, found.resolved) == ((1, 1), (1, 1))


# --- scores ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Happening:
    kind: str = "lost"
    service: str = "hdfs"
    team: str = "data"
    start: float = START + 2 * HOUR
    end: float = START + 3 * HOUR
    bound: float = 900.0
    also: tuple[str, ...] = ("etl",)


def _alert(service: str, start: float, end: float) -> Episode:
    return Episode(labels({"alertname": "A", "service": service}), START + start, START + end)


def _message(alert: Episode, at: float, receiver: str = "data / page") -> Notification:
    group = labels({"service": alert.label("service")})
    return Notification(
        START + at, receiver, "webhook[0]", "0", group, Status.FIRING, (alert.labels,), (), Cause.NEW_GROUP
    )


def _scored(*pairs: tuple[Episode, Notification], traps: Sequence[Happening] = ()) -> score.Score:
    pagers, teams = score.audience(["data", "platform"])
    episodes = [episode for episode, _ in pairs]
    sent = [notification for _, notification in pairs]
    return score.score([Happening()], traps, episodes, sent, blind_share=0.0, pagers=pagers, teams=teams)


def test_an_incident_is_told_by_a_message_to_its_team_about_an_alert_that_began_with_it() -> None:
    alert = _alert("hdfs", 2 * HOUR + 300, 3 * HOUR)
    found = _scored((alert, _message(alert, 2 * HOUR + 330)))
    assert (found.recall, found.late, found.pages, found.precision) == (1.0, 0, 1, 1.0)
    assert found.incidents[0].by == "A"


def test_a_message_after_the_bound_is_late_and_does_not_count() -> None:
    alert = _alert("hdfs", 2 * HOUR + 300, 3 * HOUR)
    found = _scored((alert, _message(alert, 2 * HOUR + 901)))
    assert (found.recall, found.late, found.missed) == (0.0, 1, 0)


def test_an_alert_that_fired_before_the_incident_does_not_tell_it() -> None:
    alert = _alert("hdfs", HOUR, 4 * HOUR)
    found = _scored((alert, _message(alert, 2 * HOUR + 300)))
    assert (found.recall, found.missed, found.false_alerts) == (0.0, 1, 0)


def test_another_team_or_service_does_not_count() -> None:
    alert = _alert("hdfs", 2 * HOUR + 300, 3 * HOUR)
    assert _scored((alert, _message(alert, 2 * HOUR + 330, "platform / page"))).recall == 0
    other = _alert("ingest", 2 * HOUR + 300, 3 * HOUR)
    found = _scored((other, _message(other, 2 * HOUR + 330)))
    assert (found.recall, found.false_alerts, found.precision) == (0.0, 1, 0.0)


def test_an_alert_of_a_service_that_suffers_belongs_to_the_incident() -> None:
    alert = _alert("etl", 2 * HOUR + 300, 3 * HOUR)
    found = _scored((alert, _message(alert, 2 * HOUR + 330)))
    assert (found.recall, found.false_alerts) == (1.0, 0)


def test_a_false_alert_during_a_trap_of_its_service_is_the_traps() -> None:
    trap = Happening("scale-in", "ingest", "", START + HOUR, START + 2 * HOUR)
    inside, outside = _alert("ingest", HOUR + 60, HOUR + 120), _alert("ingest", 20 * HOUR, 21 * HOUR)
    found = _scored(
        (inside, _message(inside, HOUR + 90)), (outside, _message(outside, 20 * HOUR + 30)), traps=[trap]
    )
    assert (found.false_alerts, found.trap_alerts) == (2, 1)


def test_the_heartbeat_is_no_alert() -> None:
    beat = Episode(labels({"alertname": conventions.HEARTBEAT, "service": "monitoring"}), START, None)
    found = _scored((beat, _message(beat, 60, "platform / heartbeat")))
    assert (found.alerts, found.notifications) == (0, 0)


def test_nothing_configured_tells_nothing() -> None:
    assert _scored().recall == 0.0


# --- gates and pictures ------------------------------------------------------------------------------


def _run(**mac: float) -> dict[str, object]:
    first = {"alerts": 100, "notifications": 60, "pages": 30, "recall": 0.9, "blind_share": 0.2}
    first |= {"trap_alerts": 9, "recall_when_seen": 1.0}
    ours = {
        "alerts": 12,
        "notifications": 11,
        "pages": 9,
        "recall": 1.0,
        "blind_share": 0.001,
        "trap_alerts": 0,
    }
    names = (first_generation.UNGROUPED, first_generation.SHIPPED)
    return {
        "hosts": 146,
        "incidents": 9,
        "configurations": {**dict.fromkeys(names, first), gates.MAC: {**ours, **mac}},
    }


def test_all_gates_hold_for_a_good_run_and_each_fails_alone() -> None:
    assert all(gate.holds for gate in gates.gates([_run()], 0.0))
    for figure, bad, name in (
        ("recall", 0.99, "recall"),
        ("blind_share", 0.011, "blind host-hours"),
        ("pages", 11, "pages an incident"),
        ("notifications", 19, "notifications an incident"),
        ("trap_alerts", 1, "alerts on traps"),
    ):
        failing = [gate.name for gate in gates.gates([_run(), _run(**{figure: bad})], 0.0) if not gate.holds]
        assert failing == [name]
    assert [g.name for g in gates.gates([_run()], 0.1) if not g.holds] == ["recall of no configuration"]


def test_ratios_are_of_the_sums_of_all_runs() -> None:
    found = gates.ratios([_run(), _run(alerts=8)])
    assert found["alerts"] == 10.0
    assert math.isclose(found["notifications_shipped_grouping"], 120 / 22, abs_tol=0.01)


def test_a_run_is_printed_with_the_set_of_kinds_that_its_seed_runs() -> None:
    figures = dict.fromkeys(report._FIGURES, 0.0)
    run = {"hosts": 146, "incidents": 9, "configurations": dict.fromkeys(report.NAMES, figures)}
    run |= {"told": {}, "false_by_alert": {}}
    heads = [
        report.lines({**run, "split": split, "seed": seed}).splitlines()[0]
        for split, seed in (("tuned", 1), ("reported", 22), ("reported", 31))
    ]
    assert heads == [
        "146 hosts, seed 1, kinds tuned, 9 incidents",
        "146 hosts, seed 22, kinds reported 1, 9 incidents",
        "146 hosts, seed 31, kinds reported 2, 9 incidents",
    ]


def test_pictures_are_well_formed_and_escape_what_they_show() -> None:
    bars = pictures.bars("a < b", "a day", {"146 & more": [("x", 1234.0), ("y", 0.0)]})
    lanes = [pictures.Lane("<i>", ((0.0, 60.0, "a & b"), (30.0, 90.0, "c")), ((10.0, "t", True),))]
    for text in (bars, pictures.timeline("day", 0.0, 86400.0, lanes)):
        root = ElementTree.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "1,234" in bars
