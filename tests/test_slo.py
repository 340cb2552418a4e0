"""Service level objectives: their rules, and when their alerts come, in promtool of all generations."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import bind, conventions, durations, engines, promql, render, routing, ruletest, slo, validate
from mac import templates as template_files
from mac.model import AlertSeverity, BurnRate, Exemption, Indicator, Service, Slo, Standard, Text
from mac.standards import objectives
from mac.testcases import AlertExpectation, FiringAlert, InputSeries, StandardTest, TestCase
from tests import builders
from tests.conftest import PROJECT

FAST, SLOW, ABSENT = conventions.SLO_ALERTS

EVENTS = Indicator(
    "events",
    errors=Text("sum_over_time(app_errors{<< scope >>}[<< window >>])"),
    total=Text("sum_over_time(app_events{<< scope >>}[<< window >>])"),
)


def objective(**changes: object) -> Slo:
    fields = {"name": "availability", "objective": 0.999, "own": EVENTS, "runbook": "https://x.org/slo"}
    return Slo(**{**fields, **changes})  # type: ignore[arg-type]


def service(*slos: Slo, **changes: object) -> Service:
    return replace(Service("web", "platform", 1, slos=slos), **changes)  # type: ignore[arg-type]


def case(
    expected: dict[str, list[tuple[str, bool]]], errors: str, events: str, interval: str = "1m"
) -> TestCase:
    labels = 'service="web",environment="production"'
    series = [("app_errors", errors), ("app_events", events)]
    return TestCase(
        name="a case",
        series=tuple(InputSeries(f"{name}{{{labels}}}", values) for name, values in series if values),
        interval=interval,
        alerts=tuple(
            AlertExpectation(alert, at, (FiringAlert(),) if fires else ())
            for alert, moments in expected.items()
            for at, fires in moments
        ),
    )


def outcome(found: Slo, tested: TestCase) -> list[str]:
    test = StandardTest("t", "", (tested,), service="web", slo=found.name)
    report = ruletest.run({}, [test], engines.require("promtool"), services={"web": service(found)})
    return [problem.message for result in report.results for problem in result.problems]


# --- when alerts come --------------------------------------------------------------------------------


def test_a_page_comes_when_two_hundredths_of_the_budget_are_gone_and_ends_with_the_failures(generation: str):
    # 2 % of 100 events a minute fail: an hour's share passes 1.44 % after 43 minutes.
    moments = [("160m", False), ("167m", True), ("235m", False)]
    wanted = {FAST: moments, ABSENT: [("230m", False)]}
    found = replace(objective(), page=(BurnRate(14.4, "1h", "5m"),))
    assert outcome(found, case(wanted, "0x120 2x60 0x60", "100x240")) == []


def test_what_stays_below_a_page_is_a_ticket(generation: str):
    wanted = {FAST: [("7h", False), ("9h", False)], SLOW: [("9h", True)]}
    assert outcome(objective(), case(wanted, "5.9x600", "1000x600")) == []


def test_a_slow_loss_is_a_ticket_and_less_than_the_budget_is_silence(generation: str):
    loses, keeps = {SLOW: [("80h", True)], FAST: [("80h", False)]}, {SLOW: [("80h", False)]}
    assert outcome(objective(), case(loses, "1.1x1000", "1000x1000", "5m")) == []
    assert outcome(objective(), case(keeps, "0.9x1000", "1000x1000", "5m")) == []


def test_what_a_page_told_is_no_ticket_as_well_and_what_goes_on_below_it_is(generation: str):
    # An hour in which a tenth fails is a tenth of the budget; three in a thousand spend it within ten days.
    over, goes_on = "0x24 100x12 0x200", "0x24 100x12 3x200"
    silent = {FAST: [("2h40m", True)], SLOW: [(at, False) for at in ("3h30m", "5h", "8h", "10h", "16h")]}
    told = {FAST: [("2h40m", True)], SLOW: [("8h", False), ("10h", True)]}
    assert outcome(objective(), case(silent, over, "1000x240", "5m")) == []
    assert outcome(objective(), case(told, goes_on, "1000x240", "5m")) == []


def test_few_events_say_nothing_however_many_of_them_fail(generation: str):
    # 900 in an hour, where 1000 are wanted; without the guard all of them would be told.
    silent, loud = {FAST: [("62m", False)]}, {FAST: [("62m", True)]}
    failing = case(silent, "15x70", "15x70")
    assert outcome(objective(), failing) == []
    unguarded = replace(failing, alerts=case(loud, "", "").alerts)
    assert outcome(objective(minimum_traffic=0), unguarded) == []


def test_silence_of_the_indicator_is_told_and_no_failure_is_not_silence(generation: str):
    assert outcome(objective(), case({ABSENT: [("50m", False), ("2h20m", True)]}, "", "100x60 stale")) == []
    # Before the first failure there is no series of failures.
    assert outcome(objective(), case({ABSENT: [("2h", False)], FAST: [("2h", False)]}, "", "9x200")) == []
    # No event at all is known to be none.
    assert (
        outcome(objective(), case({ABSENT: [("2h", False)], FAST: [("2h", False)]}, "0x200", "0x200")) == []
    )


def test_stretches_of_time_count_for_freshness(generation: str):
    stale = objectives.slices("freshness", Text("max(app_events{<< scope >>})"), ">", "900")
    found = objective(objective=0.99, own=stale)
    # From the sixtieth minute on the data are too old: 14.4 % of an hour are nine minutes.
    wanted = {FAST: [("62m", False), ("85m", True)], ABSENT: [("80m", False)]}
    assert outcome(found, case(wanted, "", "100x60 2000x60")) == []


def test_a_ratio_that_is_not_a_number_does_not_spoil_what_follows(generation: str):
    ratio = Indicator("ratio", ratio=Text("max_over_time(app_events{<< scope >>}[<< window >>])"))
    wanted = {FAST: [("2h", True)]}
    assert outcome(objective(own=ratio), case(wanted, "", "NaN NaN NaN NaN NaN NaN 1x200")) == []


# --- burn rates --------------------------------------------------------------------------------------


@given(days=st.integers(4, 400), share=st.floats(0.5, 0.99999))
def test_a_page_is_worth_two_hundredths_of_the_budget_at_least(days: int, share: float):
    found = objective(window=f"{days}d", objective=round(share, 6))
    usual = {AlertSeverity.PAGE: (0.02, 0.05), AlertSeverity.TICKET: (0.1, 0.1)}
    for severity, levels in slo.levels(found).items():
        for level in levels:
            long = durations.seconds(level.long) or 0
            spent = level.factor * long / (days * 86400)
            assert spent >= min(usual[severity]) - 1e-6  # factors have six digits
            assert level.factor >= 1
            assert level.factor * found.budget < 1
    for alert in slo.standard(found, EVENTS, {}).alerts[:-1]:
        told = alert.description.text.rpartition("within ")[2].removesuffix(".")
        slowest = min(level.factor for level in slo.levels(found)[alert.severity])
        assert durations.seconds(told) == pytest.approx(days * 86400 / slowest, abs=31)


def test_thirty_days_have_the_factors_of_the_workbook_and_longer_windows_its_shares():
    assert [level.factor for level in slo.scaled((*slo.PAGE, *slo.TICKET), "30d")] == [14.4, 6, 3, 1]
    assert [level.factor for level in slo.scaled(slo.PAGE, "90d")] == [43.2, 18]
    assert [level.factor for level in slo.scaled(slo.PAGE, "7d")] == [14.4, 6]


def test_a_rate_that_an_outage_does_not_reach_is_left_out():
    low = slo.levels(objective(objective=0.9))
    assert [level.factor for level in low[AlertSeverity.PAGE]] == [6]
    names = [alert.alert for alert in slo.standard(objective(objective=0.8), EVENTS, {}).alerts]
    assert names == [SLOW, ABSENT]


def test_by_default_one_failure_is_never_more_than_the_budget():
    assert slo.minimum_traffic(objective(), EVENTS) == 1000
    assert slo.minimum_traffic(objective(objective=0.95), EVENTS) == 20
    assert slo.minimum_traffic(objective(), replace(EVENTS, minimum_traffic=5)) == 5
    assert slo.minimum_traffic(objective(minimum_traffic=7), replace(EVENTS, minimum_traffic=5)) == 7
    assert slo.minimum_traffic(objective(minimum_traffic=7), replace(EVENTS, countable=False)) == 0


# --- rules -------------------------------------------------------------------------------------------


def test_every_range_of_an_alert_is_recorded_and_long_ones_are_added_up():
    compiled = slo.standard(objective(ticket=(BurnRate(2, "12h", "1h"),)), EVENTS, {})
    recorded = {rule.record: rule.expr.text for rule in compiled.recording}
    for window in ("5m", "30m", "1h", "2h", "6h", "12h", "1d", "3d", "30d"):
        assert conventions.slo_ratio(window) in recorded
    for window in ("12h", "1d", "3d", "30d"):
        assert f"[{window}:5m]" in recorded[conventions.slo_ratio(window)]
        assert "app_errors" not in recorded[conventions.slo_ratio(window)]
    assert "app_errors" in recorded[conventions.slo_ratio("6h")]
    assert recorded[conventions.SLO_OBJECTIVE] == "vector(0.999)"
    assert recorded[conventions.SLO_BUDGET_REMAINING].endswith("/ 0.001")


def test_a_comment_at_the_end_of_a_query_takes_nothing_with_it():
    commented = replace(EVENTS, errors=Text("sum_over_time(app_errors[<< window >>]) # of all"))
    compiled = slo.standard(objective(own=commented), commented, {})
    for rule in compiled.recording:
        text = rule.expr.text.replace("<< scope >>", 'service="web"').replace("<< window >>", "5m")
        plain = text.rpartition("%>")[2]
        assert isinstance(promql.parse(plain), promql.Expression), plain


def bound(*slos: Slo, standards: tuple[Standard, ...] = (), **changes: object) -> bind.Bindings:
    catalog = builders.catalog(*standards, services=(service(*slos, **changes),))
    return bind.bind(catalog, builders.snapshot(builders.instance()), date(2026, 11, 20))


def test_an_slo_is_measured_where_its_service_is_and_what_is_rendered_is_sound():
    own = builders.standard(indicators={"events": EVENTS})
    named = Slo("speed", 0.99, standard="web", indicator="events", runbook="https://x.org/slo")
    catalog = builders.catalog(own, services=(service(objective(), named),))
    bindings = bind.bind(catalog, builders.snapshot(builders.instance()), date(2026, 11, 20))
    assert [b.standard.name for b in bindings.bindings] == ["slo-availability", "slo-speed", "web"]
    texts, _ = template_files.read(PROJECT, (o.template for o in render.OUTPUTS))
    rendered = render.render(catalog, bindings, texts, "sha256:0")
    assert rendered.problems == ()
    where = validate.places(catalog)
    assert validate.check(rendered.files, rendered.documents, rendered.provenance, where) == ()
    assert validate.check_with_engines(rendered.files, required=True, where=where) == ()
    (rules,) = [d for path, d in rendered.documents.items() if "/rules/" in path]
    alert = next(r for g in rules["groups"] for r in g["rules"] if r.get("alert") == FAST)
    assert alert["labels"] | {"slo": "availability", "severity": "page", "tier": "1"} == alert["labels"]
    assert alert["annotations"]["runbook_url"] == "https://x.org/slo#errorbudgetburnfast"
    titles = [p["title"] for p in rendered.documents["dashboards/web.json"]["panels"]]
    assert "Error budget left: speed" in titles


def test_an_slo_whose_standard_its_service_lacks_is_told():
    other = builders.standard("queue", applies_to=builders.AppliesTo("sqs-queue"))
    lost = Slo("speed", 0.99, standard="queue", indicator="events")
    indicated = replace(other, indicators={"events": EVENTS}, alerts=(), recording=(), panels=())
    found = bound(lost, standards=(builders.standard(), indicated))
    assert [b.standard.name for b in found.bindings] == ["web"]
    assert [p.code for p in found.problems] == ["slo-unbound"]


def test_an_exemption_leaves_out_an_slo_or_one_of_its_alerts():
    whole = Exemption("slo-availability", "it is rebuilt", "2026-12-31")
    assert [b.standard.name for b in bound(objective(), exemptions=(whole,)).bindings] == ["web"]
    one = replace(whole, alert=FAST)
    (left, _) = bound(objective(), exemptions=(one,)).bindings
    assert left.silenced == {FAST}


def test_an_slo_of_another_environment_is_not_rendered_here():
    found = bound(objective(environment="staging"))
    assert [b.standard.name for b in found.bindings] == ["web"]
    assert "staging" in found.problems[0].message


def test_an_slo_waits_while_the_standard_that_measures_it_tells_an_outage():
    own = builders.standard(indicators={"events": EVENTS}, depends_on=("host",))
    named = Slo("speed", 0.99, standard="web", indicator="events")
    document = routing.alertmanager(builders.catalog(own, services=(service(named),)))
    (waiting,) = [r for r in document["inhibit_rules"] if 'standard="slo-speed"' in r["target_matchers"]]
    assert 'standard=~"host|web"' in waiting["source_matchers"]
    assert set(waiting["equal"]) >= {"service", "environment", "cell"}


def test_the_metrics_of_an_slo_are_those_of_the_standard_that_it_measures():
    measured = replace(builders.standard(), exporters=("node",), indicators={"events": EVENTS})
    known = {measured.name: measured}
    borrowed = replace(objective(), own=None, standard=measured.name, indicator="events")
    compiled = slo.standard(borrowed, EVENTS, known)
    checked = slo.collected(compiled, known)
    assert checked is not None
    assert (checked.name, checked.exporters, checked.scrape) == (compiled.name, ("node",), measured.scrape)
    assert slo.collected(measured, known) is measured
    assert slo.collected(slo.standard(objective(), EVENTS, known), known) is None
