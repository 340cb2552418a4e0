"""The model of Alertmanager: beside the real one, and case by case."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import agreement_calendar
import agreement_routes
import builders
import pytest
from conftest import PROJECT, engine_path

from mac import conventions, engines, routing, standards
from mac.forecast import levers, routes
from mac.forecast.alertmanager import Behaviour, simulate
from mac.forecast.calendar import read_interval
from mac.forecast.model import Cause, Episode, Lever, Outcome, Reason, Saved, Silence, labels
from mac.matchers import Matcher

Document = dict[str, Any]


def config(**route: Any) -> Document:
    """One receiver; groups by service, told after 30 s, then each 5 min, again after an hour."""
    extra = {
        name: route.pop(name) for name in ("inhibit_rules", "time_intervals", "receivers") if name in route
    }
    return {
        "route": {
            "receiver": "team",
            "group_by": ["service"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "1h",
            **route,
        },
        "receivers": [{"name": "team", "webhook_configs": [{}]}, {"name": "other", "webhook_configs": [{}]}],
        **extra,
    }


def alert(name: str, start: float, end: float | None, **own: str) -> Episode:
    return Episode(labels({"alertname": name, "service": "x", **own}), start, end)


def run(document: Mapping[str, Any], *episodes: Episode, until: float = 86_400, **options: Any) -> Outcome:
    return simulate(routes.read(document), episodes, until=until, **options)


def told(outcome: Outcome) -> list[tuple[float, str, list[str], list[str]]]:
    return [
        (
            n.time,
            str(n.cause),
            [dict(own)["alertname"] for own in n.firing],
            [dict(own)["alertname"] for own in n.resolved],
        )
        for n in outcome.notifications
    ]


def held(outcome: Outcome) -> list[tuple[str, Reason, str, bool]]:
    return [(s.episode.name, s.reason, s.by, s.never) for s in outcome.suppressed]


# --- beside the real one -----------------------------------------------------------------------------


def test_random_alerts_and_routes_are_told_as_by_a_real_alertmanager(tmp_path: Path) -> None:
    """A run on which the machine was too slow to keep the times says nothing, and is made again slower."""
    engine = engines.at("alertmanager", engine_path("sid", "alertmanager"))
    scenarios = [agreement_routes.scenario(seed, horizon=22) for seed in range(40)]
    model = agreement_routes.expected(scenarios, engine.version[:2], horizon=22)
    for unit in (0.5, 0.8, 1.5):
        real = agreement_routes.observe(scenarios, engine, tmp_path, unit, horizon=22)
        agreed, differences = agreement_routes.compare(model, real.told)
        if real.late < agreement_routes.MARGIN and not differences:
            break
    assert differences == []
    assert agreed == len(model) > 150


@pytest.mark.parametrize("generation", ["bookworm", "sid"])
def test_random_intervals_contain_this_moment_as_a_real_alertmanager_says(
    generation: str, tmp_path: Path
) -> None:
    engine = engines.at("alertmanager", engine_path(generation, "alertmanager"))
    inside, wrong = agreement_calendar.disagreements(7, 150, engine, tmp_path)
    assert wrong == []
    assert 30 < inside < 120


# --- groups ------------------------------------------------------------------------------------------


def test_a_group_is_told_after_group_wait_and_what_comes_later_at_group_interval() -> None:
    outcome = run(config(), alert("A", 0, 3600), alert("B", 10, 3600), alert("C", 40, 3600), until=1000)
    assert told(outcome) == [(30, "new group", ["A", "B"], []), (330, "new alert", ["A", "B", "C"], [])]


def test_the_end_is_told_at_the_next_flush_and_once() -> None:
    outcome = run(config(), alert("A", 0, 100))
    assert told(outcome) == [(30, "new group", ["A"], []), (330, "resolved", [], ["A"])]


def test_what_fires_is_repeated_and_a_repeat_interval_is_rounded_up_to_a_flush() -> None:
    assert [t for t, *_ in told(run(config(), alert("A", 0, None), until=8000))] == [30, 3630, 7230]
    odd = config(repeat_interval="32m")
    assert [t for t, *_ in told(run(odd, alert("A", 0, None), until=5000))] == [30, 2130, 4230]


def test_a_repeat_interval_beyond_the_retention_of_the_log_repeats_when_that_is_over() -> None:
    day = 86_400
    outcome = run(config(repeat_interval="30d"), alert("A", 0, None), until=11 * day)
    # Five days, and at most a quarter of an hour until the log is cleaned.
    assert [round(n.time / day, 1) for n in outcome.notifications] == [0.0, 5.0, 10.0]


def test_an_alert_that_ends_within_group_wait_is_never_told() -> None:
    outcome = run(config(), alert("A", 0, 20))
    assert told(outcome) == []
    assert held(outcome) == [("A", Reason.BRIEF, "", True)]


def test_an_alert_that_flaps_within_an_interval_is_told_once() -> None:
    outcome = run(config(), alert("A", 0, 100), alert("A", 200, 1000), until=900)
    assert told(outcome) == [(30, "new group", ["A"], [])]
    assert held(outcome) == []


def test_a_group_that_ended_begins_anew() -> None:
    outcome = run(config(), alert("A", 0, 100), alert("A", 2000, 2100))
    assert told(outcome) == [
        (30, "new group", ["A"], []),
        (330, "resolved", [], ["A"]),
        (2030, "new group", ["A"], []),
        (2330, "resolved", [], ["A"]),
    ]


def test_a_resolved_alert_that_its_prometheus_repeats_is_told_again_beside_another_that_fires() -> None:
    """For a quarter of an hour: a new alert clears the log of what was resolved."""
    outcome = run(config(), alert("A", 0, 100), alert("B", 0, None), alert("C", 400, None), until=1000)
    assert told(outcome) == [
        (30, "new group", ["A", "B"], []),
        (330, "resolved", ["B"], ["A"]),
        (630, "new alert", ["B", "C"], ["A"]),
    ]


def test_an_alert_that_two_rules_send_fires_as_long_as_one_of_them_says_so() -> None:
    both = [alert("A", 0, 400), alert("A", 200, 1000), alert("A", 300, 350), alert("A", 1000, 1001)]
    assert told(run(config(), *both)) == [(30, "new group", ["A"], []), (1230, "resolved", [], ["A"])]
    lasting = run(config(), alert("A", 0, 400), alert("A", 200, None), until=900)
    assert told(lasting) == [(30, "new group", ["A"], [])]


def test_an_older_alertmanager_lets_an_alert_wait_for_a_group_that_is_empty_and_not_yet_gone() -> None:
    """Empty groups are removed each 30 s from its start: here at 340, and the group is empty from 330 on."""
    older = Behaviour(maintenance=30.0)
    first = replace(alert("A", 0, 100), repeated_until=100.0)
    for start, first_told in ((338, 630), (345, 375)):
        outcome = run(config(), first, alert("B", start, None), until=700, behaviour=older, started=10.0)
        assert [n.time for n in outcome.notifications if n.firing] == [30, first_told]


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [(["service"], 1), (["service", "host"], 2), (["..."], 3), (["nothing"], 1)],
)
def test_grouping_is_by_the_labels_that_are_named(group_by: Sequence[str], groups: int) -> None:
    alerts = [alert("A", 0, 900, host="1"), alert("A", 0, 900, host="2"), alert("B", 0, 900, host="2")]
    outcome = run(config(group_by=group_by), *alerts, until=100)
    assert len(outcome.notifications) == groups


def test_each_integration_is_told_by_itself_and_of_the_end_only_if_it_wants() -> None:
    receivers = [{"name": "team", "pagerduty_configs": [{}], "slack_configs": [{}, {"send_resolved": True}]}]
    outcome = run(config(receivers=receivers), alert("A", 0, 100))
    assert [(n.time, n.integration) for n in outcome.notifications] == [
        (30, "pagerduty[0]"),
        (30, "slack[0]"),
        (30, "slack[1]"),
        (330, "pagerduty[0]"),
        (330, "slack[1]"),
    ]


def test_a_receiver_without_integrations_tells_nobody() -> None:
    outcome = run(config(receivers=[{"name": "team"}]), alert("A", 0, 100))
    assert told(outcome) == []
    assert held(outcome) == [("A", Reason.NOBODY, "", True)]


# --- routes ------------------------------------------------------------------------------------------


def test_the_first_route_that_matches_takes_an_alert_unless_it_goes_on() -> None:
    def tree(goes_on: bool) -> Document:
        return config(
            routes=[
                {"receiver": "other", "match": {"service": "x"}, "continue": goes_on},
                {"match_re": {"service": "x|y"}, "routes": [{"matchers": ['{service="x",team!="z"}']}]},
            ]
        )

    receivers = {
        goes_on: [
            (n.receiver, n.route) for n in run(tree(goes_on), alert("A", 0, 900), until=100).notifications
        ]
        for goes_on in (False, True)
    }
    assert receivers == {False: [("other", "0/0")], True: [("other", "0/0"), ("team", "0/1/0")]}


def test_what_routes_leave_out_they_inherit_but_not_their_times() -> None:
    document = config(
        routes=[{"routes": [{}], "active_time_intervals": ["never"], "group_by": [], "group_wait": "1s"}],
        time_intervals=[{"name": "never", "time_intervals": []}],
    )
    [_, child, grandchild] = routes.read(document).root.walk()
    assert (child.group_by, child.group_wait, child.active) == (frozenset({"service"}), 1.0, ("never",))
    assert (grandchild.group_wait, grandchild.repeat_interval, grandchild.active) == (1.0, 3600.0, ())


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"route": {"receiver": "nobody"}, "receivers": []},
        config(routes=[{"matchers": ["no matcher"]}]),
        config(group_wait="soon"),
        config(routes=[{"mute_time_intervals": ["unknown"]}]),
        config(time_intervals=[{"name": "a", "time_intervals": [{"location": "Nowhere/Land"}]}]),
        config(time_intervals=[{"name": "a", "time_intervals": [{"times": [{"start_time": "9:00"}]}]}]),
        config(time_intervals=[{"name": "a", "time_intervals": [{"weekdays": ["monday:someday"]}]}]),
    ],
)
def test_what_is_no_configuration_is_refused(document: Document) -> None:
    with pytest.raises(ValueError):
        routes.read(document)


def test_the_shipped_configuration_is_read_and_each_severity_reaches_its_receiver() -> None:
    catalog = standards.load(PROJECT).catalog
    assert catalog is not None
    found = routes.read(routing.alertmanager(catalog))
    team = min(catalog.teams)
    taken = found.root.match({conventions.TEAM: team, conventions.SEVERITY: "page"})
    assert [route.receiver for route in taken] == [conventions.receiver(team, "page")]


# --- inhibition --------------------------------------------------------------------------------------

INHIBIT = {
    "source_matchers": ['alertname=~"Outage.*"'],
    "target_matchers": ['severity="ticket"'],
    "equal": ["service"],
}


def test_a_target_waits_while_its_source_fires_and_is_told_afterwards() -> None:
    document = config(inhibit_rules=[INHIBIT], group_by=["alertname"])
    detail = alert("Detail", 0, 4000, severity="ticket")
    outcome = run(document, alert("Outage", 0, 1000), detail, until=2000)
    assert told(outcome) == [
        (30, "new group", ["Outage"], []),
        (1230, "new group", ["Detail"], []),
        (1230, "resolved", [], ["Outage"]),
    ]
    assert held(outcome) == [("Detail", Reason.INHIBITED, 'alertname="Outage", service="x"', False)]


def test_a_source_elsewhere_inhibits_nothing() -> None:
    document = config(inhibit_rules=[INHIBIT])
    detail = alert("Detail", 0, 4000, severity="ticket", service="y")
    outcome = run(document, alert("Outage", 0, 1000), detail, until=100)
    assert held(outcome) == []
    assert len(outcome.notifications) == 2


def test_an_alert_that_is_source_and_target_inhibits_no_other_that_is_both() -> None:
    document = config(inhibit_rules=[INHIBIT], group_by=["..."])
    both = [alert(f"Outage{n}", 0, 900, severity="ticket") for n in range(2)]
    plain = alert("Detail", 0, 900, severity="ticket")
    outcome = run(document, *both, plain, until=100)
    assert [names for _, _, names, _ in told(outcome)] == [["Outage0"], ["Outage1"]]
    assert [name for name, *_ in held(outcome)] == ["Detail"]


def test_when_one_of_two_sources_ends_a_new_alertmanager_forgets_the_other_until_it_is_sent_again() -> None:
    document = config(inhibit_rules=[INHIBIT], group_by=["alertname"], group_interval="10s")
    # Evaluated each minute, it is sent each two: the first at 0, 120, 240, the second at 60, 180, 300.
    sources = [alert("OutageA", 0, 3000), alert("OutageB", 60, 240)]
    detail = alert("Detail", 0, 3000, severity="ticket")
    first_told = {
        one_source: next(
            (n.time for n in outcome.notifications if dict(n.group) == {"alertname": "Detail"}), None
        )
        for one_source in (True, False)
        for outcome in [
            run(document, *sources, detail, until=900, behaviour=Behaviour(one_source=one_source))
        ]
    }
    assert first_told == {True: None, False: None}
    # Now the one that ends was sent last: nothing inhibits from 300 until 360.
    sources = [alert("OutageA", 0, 3000), alert("OutageB", 60, 300)]
    late = replace(sources[1], end=310.0, interval=10.0)
    outcome = run(document, sources[0], late, detail, until=900)
    assert [n.time for n in outcome.notifications if dict(n.group) == {"alertname": "Detail"}] == [310.0]
    older = run(document, sources[0], late, detail, until=900, behaviour=Behaviour(one_source=False))
    assert [n for n in older.notifications if dict(n.group) == {"alertname": "Detail"}] == []


# --- times and silences ------------------------------------------------------------------------------

MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
WORK = {
    "name": "work",
    "time_intervals": [
        {"weekdays": ["monday:friday"], "times": [{"start_time": "09:00", "end_time": "17:00"}]}
    ],
}


def hours(outcome: Outcome) -> list[float]:
    return [(n.time - MONDAY) / 3600 for n in outcome.notifications]


def test_outside_of_active_times_nothing_is_told_and_the_end_may_never_be() -> None:
    document = config(
        routes=[{"receiver": "team", "active_time_intervals": ["work"]}],
        time_intervals=[WORK],
        group_wait="0s",
    )
    early = alert("Early", MONDAY + 3600, MONDAY + 7200, service="a")
    lasting = alert("Lasting", MONDAY + 7 * 3600, MONDAY + 30 * 3600, service="b")
    outcome = run(
        document, early, lasting, until=MONDAY + 2 * 86_400, behaviour=Behaviour(retention=864_000.0)
    )
    # From nine, each hour until five; its end at six in the morning is told at nobody's desk.
    assert hours(outcome) == [9, 10, 11, 12, 13, 14, 15, 16]
    assert held(outcome) == [
        ("Early", Reason.INACTIVE, "work", True),
        ("Lasting", Reason.INACTIVE, "work", False),
    ]


def test_in_mute_times_nothing_is_told() -> None:
    document = config(
        routes=[{"receiver": "team", "mute_time_intervals": ["work"]}], time_intervals=[WORK], group_wait="0s"
    )
    outcome = run(document, alert("A", MONDAY + 8 * 3600, MONDAY + 18 * 3600), until=MONDAY + 86_400)
    assert hours(outcome) == [8, 17, 18]
    assert held(outcome) == [("A", Reason.MUTED, "work", False)]


def test_a_silence_holds_back_what_fits_it_while_it_lasts() -> None:
    silence = Silence((Matcher("alertname", "=~", "A|Z"),), 0, 1000, "id-1")
    outcome = run(config(), alert("A", 0, 5000), alert("B", 0, 5000), until=1500, silences=[silence])
    assert told(outcome) == [(30, "new group", ["B"], []), (1230, "new alert", ["A", "B"], [])]
    assert held(outcome) == [("A", Reason.SILENCED, "id-1", False)]


@pytest.mark.parametrize(
    ("entry", "moment", "inside"),
    [
        ({}, "2026-11-23T12:00", True),
        ({"times": [{"start_time": "09:00", "end_time": "17:00"}]}, "2026-11-23T16:59", True),
        ({"times": [{"start_time": "09:00", "end_time": "17:00"}]}, "2026-11-23T17:00", False),
        ({"times": [{"start_time": "22:00", "end_time": "24:00"}]}, "2026-11-23T23:59", True),
        ({"weekdays": ["sunday", "tuesday:thursday"]}, "2026-11-23T12:00", False),
        ({"weekdays": ["Saturday", "sunday:Monday"]}, "2026-11-23T12:00", True),
        ({"days_of_month": ["-1"]}, "2028-02-29T12:00", True),
        ({"days_of_month": ["-1"]}, "2028-02-28T12:00", False),
        ({"days_of_month": ["1:31"]}, "2026-02-28T12:00", True),
        ({"days_of_month": ["29:31"]}, "2026-02-28T12:00", False),
        ({"months": ["november:12"]}, "2026-11-23T12:00", True),
        ({"months": [1, "may:august"]}, "2026-11-23T12:00", False),
        ({"years": ["2020:2026"]}, "2026-11-23T12:00", True),
        ({"years": [2027]}, "2026-11-23T12:00", False),
        # In Sydney it is eleven hours later, in New York it is summer until the first of November.
        ({"weekdays": ["tuesday"], "location": "Australia/Sydney"}, "2026-11-23T13:00", True),
        (
            {"times": [{"start_time": "08:00", "end_time": "09:00"}], "location": "America/New_York"},
            "2026-10-31T12:30",
            True,
        ),
        (
            {"times": [{"start_time": "08:00", "end_time": "09:00"}], "location": "America/New_York"},
            "2026-11-02T12:30",
            False,
        ),
    ],
)
def test_an_interval_contains_a_moment(entry: Document, moment: str, inside: bool) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    assert read_interval(entry).contains(at) is inside


# --- what each of them is worth ------------------------------------------------------------------------


def test_each_lever_is_worth_what_there_would_be_without_it() -> None:
    document = config(
        routes=[
            {"receiver": "other", "matchers": ["team=night"], "mute_time_intervals": ["always"]},
            {"receiver": "team", "active_time_intervals": ["always"]},
        ],
        inhibit_rules=[INHIBIT],
        time_intervals=[{"name": "always", "time_intervals": [{}]}],
    )
    episodes = [
        alert("Outage", 0, 900),
        *(alert("Detail", 0, 900, severity="ticket", host=str(n)) for n in range(3)),
        *(alert("Broken", 0, 900, host=str(n)) for n in range(4)),
        alert("Asleep", 0, 900, team="night"),
        alert("Known", 0, 900, service="z"),
    ]
    silences = [Silence((Matcher("service", "=", "z"),), 0, 900)]
    found = routes.read(document)
    outcome = simulate(found, episodes, until=1000, silences=silences)
    assert [len(n.firing) for n in outcome.notifications] == [5, 0]
    worth = levers.saved(outcome, found, episodes, until=1000, silences=silences)
    assert worth == (
        # Five groups in place of one, told of their beginning and their end.
        Saved(Lever.GROUPING, 8, (("team", 8),)),
        # The details are in the notification that there is anyway, and are told of once more at the end.
        Saved(Lever.INHIBITION, 0),
        Saved(Lever.MUTES, 2, (("other", 2),)),
        Saved(Lever.ACTIVE_TIMES, 0),
        Saved(Lever.SILENCES, 2, (("team", 2),)),
    )


def test_a_lever_that_is_not_used_saves_nothing() -> None:
    found = routes.read(config(group_by=["..."]))
    outcome = simulate(found, [alert("A", 0, 900)], until=1000)
    assert {s.notifications for s in levers.saved(outcome, found, [alert("A", 0, 900)], until=1000)} == {0}


# --- speed -------------------------------------------------------------------------------------------


def test_a_day_of_thousands_of_episodes_takes_about_a_second() -> None:
    """Counted as work, not as time: this machine may be busy."""
    teams = [f"team-{n}" for n in range(6)]
    store = builders.standard("store")
    dependent = [builders.standard(f"standard-{n}", depends_on=("store",)) for n in range(20)]
    made = builders.catalog(store, *dependent, default_team=teams[0])
    made = replace(made, teams={name: builders.team(name) for name in teams})
    found = routes.read(routing.alertmanager(made))
    episodes = [
        Episode(
            labels(
                {
                    "alertname": f"Alert{n % 50}",
                    "service": f"service-{n % 40}",
                    "environment": "production",
                    "cell": f"cell-{n % 4}",
                    "team": teams[n % len(teams)],
                    "severity": ("page", "ticket", "info")[n % 3],
                    "standard": "store" if n % 7 == 0 else f"standard-{n % 20}",
                    "outage": "true" if n % 7 == 0 else "",
                    "id": str(n),
                }
            ),
            60.0 * (n % 1400),
            60.0 * (n % 1400) + 60.0 * (1 + n * 7919 % 300),
        )
        for n in range(3000)
    ]
    begin = time.process_time()
    outcome = simulate(found, episodes, until=86_400)
    spent = time.process_time() - begin
    assert len(outcome.notifications) > 500
    assert {n.cause for n in outcome.notifications} == set(Cause)
    assert spent < 10
