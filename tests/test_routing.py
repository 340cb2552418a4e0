"""Routes: who is told in which circumstances, and what mutes what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import conventions, emit, engines, intervals, render, routing, templates
from mac.bind import bind
from mac.model import AlertSeverity, Catalog, Maintenance, MuteTime, Receiver, Team, WorkingHours
from tests import builders
from tests.builders import instance, snapshot
from tests.conftest import PROJECT

SLACK = Receiver("slack", {"api_url_file": "/etc/alertmanager/secrets/slack", "channel": "#calm"})
HOOK = Receiver("webhook", {"url": "http://127.0.0.1:9/heartbeat"})
HOURS = WorkingHours("Europe/Madrid", ("monday:friday",), "09:00", "18:00")
NIGHT = WorkingHours("Europe/Madrid", ("saturday",), "22:00", "06:00")


def catalog(*mutes: MuteTime, windows: Sequence[Maintenance] = (), **team: Any) -> Catalog:
    made = builders.catalog(maintenance=tuple(windows))
    platform = replace(made.teams["platform"], mute_times=mutes, **team)
    return replace(made, teams={**made.teams, "platform": platform})


def mute(name: str, match: Mapping[str, Sequence[str]] | None = None) -> MuteTime:
    return MuteTime(name, NIGHT, "a reason", {k: tuple(v) for k, v in (match or {}).items()})


def leaves(document: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """The routes that an alert ends in, as Alertmanager finds them: the first that matches, and on."""
    from mac import matchers

    def below(route: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        if not matchers.all_match([matchers.read(m) for m in route.get("matchers", ())], labels):
            return []
        found: list[Mapping[str, Any]] = []
        for child in route.get("routes", ()):
            inner = below(child)
            found += inner
            if inner and not child.get("continue"):
                break
        return found or [route]

    return iter(below(document["route"]))


def alert(**labels: str) -> dict[str, str]:
    return {"team": "platform", "severity": "page", "service": "web", "environment": "production", **labels}


def told(made: Catalog, **labels: str) -> list[str]:
    return [str(leaf["receiver"]) for leaf in leaves(routing.alertmanager(made), alert(**labels))]


@pytest.mark.usefixtures("generation")
def test_all_of_it_is_accepted_by_amtool_and_routed_as_meant(tmp_path: Path) -> None:
    window = Maintenance(
        "move", "2026-12-30T22:00", "2027-01-02T04:00", "UTC", "we move", {"region": ("a|b", "c")}
    )
    made = catalog(
        mute("load", {"service": ["web", 'x"y.*']}),
        mute("everything"),
        windows=[window],
        working_hours=HOURS,
        after_hours={"page": (SLACK,)},
        environments={"staging": {"page": (SLACK,)}},
        heartbeat=(HOOK,),
    )
    path = tmp_path / "alertmanager.yml"
    path.write_text(emit.yaml(routing.alertmanager(made)))
    amtool = engines.require("amtool")
    assert amtool.check_config(path) == ()
    for labels in (
        alert(),
        alert(severity="ticket"),
        alert(environment="staging"),
        alert(environment="staging", severity="ticket"),
        alert(service='x"y.*', region="a|b"),
        alert(team="data"),
        {"alertname": "unknown"},
        {"alertname": "Heartbeat", "standard": "heartbeat", "team": "platform"},
    ):
        expected = [leaf["receiver"] for leaf in leaves(routing.alertmanager(made), labels)]
        assert list(amtool.routes(path, labels)) == expected


def test_after_hours_other_people_are_told() -> None:
    made = catalog(working_hours=HOURS, after_hours={"page": (SLACK,)})
    day, night = leaves(routing.alertmanager(made), alert())
    assert day["receiver"] == "platform / page"
    assert day["active_time_intervals"] == night["mute_time_intervals"] == ["platform / working hours"]
    assert night["receiver"] == "platform / page / after hours"
    assert told(made, severity="ticket") == ["platform / ticket"]


def test_what_joins_a_ticket_waits_longer_than_what_joins_a_page_by_day_and_by_night() -> None:
    made = catalog(
        working_hours=HOURS,
        after_hours={"page": (SLACK,), "ticket": (SLACK,)},
        environments={"staging": {"ticket": (SLACK,)}},
    )
    made = replace(made, project=replace(made.project, ticket_interval="45m"))
    document = routing.alertmanager(made)
    assert document["route"]["group_interval"] == "5m"
    for environment, tickets in (("production", 2), ("staging", 1)):
        found = list(leaves(document, alert(severity="ticket", environment=environment)))
        assert [route.get("group_interval") for route in found] == ["45m"] * tickets
        pages = list(leaves(document, alert(environment=environment)))
        assert [route.get("group_interval") for route in pages] == [None] * 2


def test_an_environment_may_have_receivers_of_its_own_for_some_severities() -> None:
    made = catalog(environments={"staging": {"page": (SLACK,)}})
    assert told(made) == ["platform / page"]
    assert told(made, environment="staging") == ["platform / page / in staging"]
    assert told(made, environment="staging", severity="ticket") == ["platform / ticket"]


def test_there_are_no_receivers_that_no_route_names() -> None:
    document = routing.alertmanager(catalog())
    named = {leaf["receiver"] for leaf in _routes(document["route"])}
    assert [r["name"] for r in document["receivers"]] == sorted(named)
    # Nobody has a receiver for information, so one stands for all of them.
    assert {"name": conventions.NOBODY} in document["receivers"]


def _routes(route: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield route
    for child in route.get("routes", ()):
        yield from _routes(child)


LABELS = {"service": ["web", "etl"], "environment": ["production", "staging"], "severity": ["page", "ticket"]}


@given(
    st.lists(
        st.dictionaries(st.sampled_from(sorted(LABELS)), st.sampled_from([0, 1, 2]), max_size=3),
        max_size=4,
    ),
    st.tuples(*(st.sampled_from(values) for _, values in sorted(LABELS.items()))),
)
def test_an_alert_is_muted_by_all_times_that_are_for_it_and_by_no_other(
    matches: list[dict[str, int]], values: tuple[str, ...]
) -> None:
    mutes = [
        mute(
            f"m{n}",
            {
                label: LABELS[label][: choice or 1] if choice != 1 else LABELS[label][1:]
                for label, choice in m.items()
            },
        )
        for n, m in enumerate(matches)
    ]
    labels = dict(zip(sorted(LABELS), values, strict=True))
    expected = {
        conventions.mute_time("platform", m.name)
        for m in mutes
        if all(labels[label] in wanted for label, wanted in m.match.items())
    }
    made = catalog(*mutes, environments={"staging": {"page": (SLACK,)}})
    (leaf,) = leaves(routing.alertmanager(made), alert(**labels))
    assert set(leaf.get("mute_time_intervals", ())) == expected
    special = labels["environment"] == "staging" and labels["severity"] == "page"
    assert leaf["receiver"] == f"platform / {labels['severity']}" + (" / in staging" if special else "")


def test_maintenance_of_one_team_does_not_touch_another() -> None:
    window = Maintenance("move", "2026-12-01T22:00", "2026-12-02T04:00", "UTC", "x", {"team": ("data",)})
    document = routing.alertmanager(catalog(windows=[window]))
    (leaf,) = leaves(document, alert())
    assert "mute_time_intervals" not in leaf
    (leaf,) = leaves(document, alert(team="data"))
    assert leaf["mute_time_intervals"] == ["maintenance / move"]


# --- times -------------------------------------------------------------------------------------------

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def holds(document: Mapping[str, Any], moment: datetime) -> bool:
    """Whether Alertmanager's interval has this local time; its ends do not belong to it."""
    clock = f"{moment:%H:%M}"
    return any(
        all(t["start_time"] <= clock < t["end_time"] for t in part["times"])
        and ("weekdays" not in part or any(_day(moment) in _span(days) for days in part["weekdays"]))
        and ("years" not in part or str(moment.year) in part["years"])
        and ("months" not in part or str(moment.month) in part["months"])
        and ("days_of_month" not in part or any(moment.day in _numbers(d) for d in part["days_of_month"]))
        for part in document["time_intervals"]
    )


def _day(moment: datetime) -> str:
    return DAYS[moment.weekday()]


def _span(days: str) -> list[str]:
    week = ("sunday", *DAYS[:6])
    first, _, last = days.partition(":")
    return list(week[week.index(first) : week.index(last or first) + 1])


def _numbers(days: str) -> range:
    first, _, last = days.partition(":")
    return range(int(first), int(last or first) + 1)


MINUTES = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)).map(
    lambda m: m.replace(second=0, microsecond=0)
)


@given(MINUTES, st.integers(1, 62 * 24 * 60), st.integers(-3000, 95_000))
def test_a_window_is_the_time_between_its_ends(start: datetime, minutes: int, offset: int) -> None:
    end = start + timedelta(minutes=minutes)
    made = Maintenance("w", f"{start:%Y-%m-%dT%H:%M}", f"{end:%Y-%m-%dT%H:%M}", "UTC", "x")
    moment = start + timedelta(minutes=offset)
    assert holds(intervals.window("w", made), moment) == (start <= moment < end)


@given(
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1439),
    MINUTES,
)
def test_a_mute_time_that_ends_before_it_starts_goes_on_until_the_next_morning(
    days: set[str], start: int, end: int, moment: datetime
) -> None:
    if start == end:
        return
    clock = [f"{m // 60:02}:{m % 60:02}" for m in (start, end)]
    made = MuteTime("m", WorkingHours("UTC", tuple(sorted(days)), *clock), "x")
    minute = moment.hour * 60 + moment.minute
    if start < end:
        expected = _day(moment) in days and start <= minute < end
    else:
        yesterday = _day(moment - timedelta(days=1))
        expected = (_day(moment) in days and minute >= start) or (yesterday in days and minute < end)
    assert holds(intervals.weekly("m", made), moment) == expected


# --- the heartbeat -----------------------------------------------------------------------------------


def rendered(made: Catalog) -> render.Rendered:
    bindings = bind(made, snapshot(instance(1)), datetime(2026, 11, 23).date())
    texts, _ = templates.read(PROJECT, (output.template for output in render.OUTPUTS))
    found = render.render(made, bindings, texts, "sha256:0")
    assert found.problems == ()
    return found


def test_a_team_that_wants_a_heartbeat_has_one_from_every_cell() -> None:
    found = rendered(catalog(heartbeat=(HOOK,)))
    (group,) = found.documents["cells/main-us-east-1/heartbeat.yml"]["groups"]
    (rule,) = group["rules"]
    assert (rule["alert"], rule["expr"], "for" in rule) == ("Heartbeat", "vector(1)", False)
    assert found.documents["cells/main-us-east-1/prometheus.yml"]["rule_files"][0] == "heartbeat.yml"
    (leaf,) = leaves(
        found.documents[conventions.ALERTMANAGER_CONFIG], {**rule["labels"], "alertname": rule["alert"]}
    )
    assert (leaf["receiver"], leaf["repeat_interval"]) == ("platform / heartbeat", "1m")
    receivers = found.documents[conventions.ALERTMANAGER_CONFIG]["receivers"]
    (own,) = [r for r in receivers if r["name"] == "platform / heartbeat"]
    assert own["webhook_configs"][0]["send_resolved"] is False


def test_two_teams_hear_it_both() -> None:
    made = catalog(heartbeat=(HOOK,))
    both = replace(made, teams={**made.teams, "data": replace(made.teams["data"], heartbeat=(HOOK,))})
    heard = leaves(routing.alertmanager(both), {"alertname": "Heartbeat", "standard": "heartbeat"})
    assert [leaf["receiver"] for leaf in heard] == ["data / heartbeat", "platform / heartbeat"]


def test_without_anybody_to_hear_it_there_is_no_heartbeat() -> None:
    assert not [path for path in rendered(catalog()).files if "heartbeat" in path]
    assert not list(routing.alertmanager(catalog())["route"]["routes"][0].get("group_by", ()))


def test_the_team_of_builders_has_what_these_tests_take_for_granted() -> None:
    team: Team = builders.team()
    assert set(team.receivers) == {"page", "ticket"}


# --- what stands for days, what is said twice, and what a whole cell has lost -----------------------------


def _with_alerts(**fields: Any) -> Catalog:
    """A catalog whose standard has alerts of these kinds, by name."""
    made = catalog(working_hours=HOURS, after_hours={"page": (SLACK,)})
    name, base = next((n, s) for n, s in made.standards.items() if s.alerts)
    alerts = tuple(replace(base.alerts[0], alert=n, **own) for n, own in fields.items())
    return replace(made, standards={**made.standards, name: replace(base, alerts=alerts)})


def test_what_stands_for_days_is_told_apart_and_rarely_by_day_and_by_night() -> None:
    made = _with_alerts(Slow={"severity": AlertSeverity.PAGE, "reminder": "1d"})
    day, night = leaves(routing.alertmanager(made), alert(reminder="1d"))
    for leaf in (day, night):
        assert leaf["repeat_interval"] == "1d"
        assert leaf["group_by"] == ["service", "environment", "alertname"]
    assert (day["receiver"], night["receiver"]) == ("platform / page", "platform / page / after hours")
    assert day["active_time_intervals"] == night["mute_time_intervals"] == ["platform / working hours"]
    usual = leaves(routing.alertmanager(made), alert())
    assert all("repeat_interval" not in leaf for leaf in usual)
    [ticket] = leaves(routing.alertmanager(made), alert(severity="ticket", reminder="1d"))
    assert (ticket["receiver"], ticket["repeat_interval"]) == ("platform / ticket", "1d")


def test_only_the_loss_of_a_part_of_the_cell_mutes_tickets_of_other_services() -> None:
    usual = routing.alertmanager(_with_alerts(Down={"outage": True}))["inhibit_rules"]
    assert all("reach" not in matcher for rule in usual for matcher in rule["source_matchers"])
    rules = routing.alertmanager(_with_alerts(ZoneLost={"outage": True, "whole_cell": True}))["inhibit_rules"]
    [found] = [rule for rule in rules if 'reach="cell"' in rule["source_matchers"]]
    assert found["equal"] == ["cell"]
    assert 'severity=~"info|ticket"' in found["target_matchers"]
    assert 'standard!="heartbeat"' in found["target_matchers"]


def test_an_alert_waits_for_those_that_explain_it_within_its_service() -> None:
    made = _with_alerts(Cause={}, Symptom={"explained_by": ("Cause",)}, Other={"explained_by": ("Cause",)})
    [found] = [
        r for r in routing.alertmanager(made)["inhibit_rules"] if "alertname" in r["source_matchers"][0]
    ]
    assert found == {
        "source_matchers": ['alertname=~"Cause"'],
        "target_matchers": ['alertname=~"Other|Symptom"'],
        "equal": ["service", "environment", "cell"],
    }
