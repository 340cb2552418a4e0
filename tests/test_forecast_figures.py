"""What a forecast reads of generated files, and what it makes of notifications."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mac import forecast_figures, forecast_input, forecast_recorded, forecast_replay, substitution
from mac.forecast.model import Cause, Episode, Notification, Outcome, Status, labels
from mac.forecast_figures import Incident, Side, Told
from mac.model import NoiseBudget, Service, Team
from mac.problems import Location
from tests import builders

DAY = forecast_figures.DAY
NOON = 1_700_049_600.0
"""15 November 2023, 12:00 UTC."""


def documents(*rules: dict[str, Any], cell: str = "main", interval: str = "30s") -> dict[str, Any]:
    return {
        f"cells/{cell}/prometheus.yml": {
            "global": {"evaluation_interval": interval, "external_labels": {"cell": cell}}
        },
        f"cells/{cell}/rules/production/web.yml": {"groups": [{"name": "web", "rules": list(rules)}]},
        f"cells/{cell}/heartbeat.yml": {"groups": [{"name": "h", "rules": [{"alert": "H", "expr": "1"}]}]},
    }


# --- rules -------------------------------------------------------------------------------------------


def test_rules_have_the_interval_and_the_labels_of_their_prometheus_and_no_heartbeat() -> None:
    read = forecast_input.read(documents({"alert": "Down", "expr": "up == 0", "for": "5m"}))
    (rule,) = read.alerts
    assert rule.alerting is not None
    assert (rule.name, rule.interval, rule.alerting.hold) == ("Down", 30.0, 300.0)
    assert read.external == {"main": (("cell", "main"),)}
    assert read.routing is None


def test_a_group_may_have_an_interval_of_its_own() -> None:
    given = documents({"alert": "Down", "expr": "up == 0"})
    given["cells/main/rules/production/web.yml"]["groups"][0]["interval"] = "2m"
    assert forecast_input.read(given).alerts[0].interval == 120.0


def test_a_cell_whose_name_is_no_file_name_is_read_too() -> None:
    read = forecast_input.read(documents({"alert": "Down", "expr": "up"}, cell="a~0123456789", interval="1m"))
    assert read.alerts[0].interval == 60.0


# --- recorded series ---------------------------------------------------------------------------------

RECORD = {"record": "web:up", "expr": 'avg(up{job="web"})', "labels": {"service": "web"}}
ALERT = {"alert": "Down", "expr": 'web:up{service="web"} < 0.5'}


def test_a_series_that_history_has_is_asked_by_its_name() -> None:
    read = forecast_input.read(documents(RECORD, ALERT))
    done = forecast_recorded.rewritten(read, read, lambda cell, selector: True)
    assert done.configured.alerts[0].expr == ALERT["expr"]


def test_the_rules_that_run_say_what_history_has() -> None:
    before = forecast_input.read(documents({**RECORD, "expr": "avg(other)"}, ALERT))
    after = forecast_input.read(documents(RECORD, ALERT))
    done = forecast_recorded.rewritten(after, before, lambda cell, selector: True)
    assert 'avg(up{job="web"})' in done.configured.alerts[0].expr
    assert "web:up" not in done.configured.alerts[0].expr


def test_the_server_is_asked_for_what_each_rule_records() -> None:
    read = forecast_input.read(documents(RECORD, {"record": "unused", "expr": "up"}, ALERT))
    assert list(forecast_recorded.recorded(read)) == [("main", 'web:up{service="web"}')]


def test_an_alert_whose_recorded_series_cannot_be_replaced_says_why() -> None:
    moved = {"alert": "Down", "expr": 'web:up{service="web"} offset 1h < 0.5'}
    read = forecast_input.read(documents(RECORD, moved))
    done = forecast_recorded.rewritten(read, read, lambda cell, selector: False)
    assert "offset" in done.impossible[read.alerts[0].key]


@pytest.mark.parametrize(
    ("expr", "limited"),
    [
        ("up", 'up{cell="a"}'),
        ("up offset 5m", 'up{cell="a"} offset 5m'),
        ('rate(up{job="x"}[5m]) > 1', 'rate(up{cell="a",job="x"}[5m]) > 1'),
        ('{__name__="up"}', '{__name__="up",cell="a"}'),
        ('count(up{a="}{"} == 0) or vector(1)', 'count(up{a="}{",cell="a"} == 0) or vector(1)'),
    ],
)
def test_an_expression_can_be_limited_to_a_cell(expr: str, limited: str) -> None:
    assert substitution.limited_to(expr, {"cell": "a"}) == limited


# --- notifications -----------------------------------------------------------------------------------


def notification(time: float, cause: Cause = Cause.NEW_GROUP, **changes: Any) -> Notification:
    alert = labels({"alertname": "Down", "service": "web", "team": "platform", "severity": "page"})
    resolved = cause is Cause.RESOLVED
    fields = {
        "receiver": "platform / page",
        "integration": "pagerduty[0]",
        "route": "0",
        "group": (),
        "status": Status.RESOLVED if resolved else Status.FIRING,
        "firing": () if resolved else (alert,),
        "resolved": (alert,) if resolved else (),
    }
    return Notification(time=time, cause=cause, **{**fields, **changes})


def told(*notifications: Notification, zone: str = "UTC") -> tuple[Told, ...]:
    return forecast_figures.told(Outcome(notifications), NOON, {"platform": zone})


def test_two_integrations_of_a_receiver_are_one_notification() -> None:
    assert len(told(notification(NOON), notification(NOON, integration="slack[0]"))) == 1


def test_reminders_and_ends_are_no_pages() -> None:
    found = told(
        notification(NOON), notification(NOON + 1, Cause.REPEAT), notification(NOON + 2, Cause.RESOLVED)
    )
    assert [each.page for each in found] == [True, False, False]
    assert [each.counts for each in found] == [True, False, False]


def test_what_is_before_the_start_does_not_count() -> None:
    assert told(notification(NOON - 1)) == ()


@pytest.mark.parametrize(("zone", "night"), [("UTC", False), ("America/Los_Angeles", True), ("", False)])
def test_night_is_where_the_team_is(zone: str, night: bool) -> None:
    assert told(notification(NOON), zone=zone)[0].night is night


def test_two_rules_that_make_one_alert_are_one_to_alertmanager() -> None:
    given = [episode(NOON, NOON + 60), episode(NOON + 30, NOON + 90), episode(NOON + 90, None)]
    assert [(e.start, e.end) for e in forecast_replay.apart(given)] == [(NOON, NOON + 90), (NOON + 90, None)]


# --- incidents and budgets ---------------------------------------------------------------------------


def episode(start: float, end: float | None, name: str = "Down", severity: str = "page") -> Episode:
    return Episode(labels({"alertname": name, "service": "web", "severity": severity}), start, end)


def side(*episodes: Episode, told: tuple[Told, ...] = ()) -> Side:
    return Side(told, episodes, 1)


def test_pages_of_a_service_that_overlap_are_one_incident_and_short_ones_none() -> None:
    found = forecast_figures.lasting(
        side(
            episode(NOON, NOON + 900),
            episode(NOON + 600, None, "Errors"),
            episode(NOON - 5000, NOON - 4900, "Flap"),
            episode(NOON, None, "Ticket", "ticket"),
        ),
        NOON - DAY,
        NOON + DAY,
        600,
    )
    assert found == (Incident("Down, Errors", "web", NOON, NOON + DAY),)


def test_an_incident_is_told_by_whatever_is_said_of_its_service_in_time() -> None:
    def page(time: float, service: str = "web") -> Told:
        return Told(time, "r", ("Other",), (service,), ("platform",), page=True)

    incident = Incident("x", "web", NOON, NOON + 600)
    for when, expected in ((NOON + 30, 30.0), (NOON + 640, None), (NOON - 10, None)):
        (judged,) = forecast_figures.judge([incident], None, side(told=(page(when),)), grace=30)
        assert judged.after == expected
    (judged,) = forecast_figures.judge([incident], None, side(told=(page(NOON, "other"),)), grace=30)
    assert judged.after is None


def test_a_budget_is_held_against_the_average() -> None:
    budget = NoiseBudget(pages_per_week=7, notifications_per_day=1, location=Location("a.yaml", 1, 1))
    service = Service("web", "platform", 1, budget=budget)
    team = Team("platform", {}, budget=NoiseBudget(pages_per_week=100))
    catalog = replace(builders.catalog(services=(service,)), teams={"platform": team})
    pages = tuple(Told(NOON, "r", ("A",), ("web",), ("platform",), page=True) for _ in range(3))
    (week, day) = forecast_figures.overruns(catalog, side(told=pages), days=2)
    assert (week.limit, week.forecast, day.limit, day.forecast) == (
        "pages_per_week",
        10.5,
        "notifications_per_day",
        1.5,
    )
    assert forecast_figures.overruns(catalog, side(told=pages), days=3) == ()


def test_alerts_that_flap_are_named() -> None:
    flapping = [episode(NOON + n * 600, NOON + n * 600 + 120) for n in range(5)]
    found = forecast_figures.proposals(side(*flapping), [("web", "Old")])
    assert {(each.alert, each.reason) for each in found} == {
        ("Old", "always-silenced"),
        ("Down", "flapping"),
        ("Down", "over-by-itself"),
    }
