"""The shipped standards, services and teams: complete, tested, and rendered as they are meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from contract import binding
from test_contract import NAMES

from mac import conventions, engines, promql, rules, ruletest, standards
from mac.model import AlertSeverity, Catalog, Standard
from mac.testcases import AlertExpectation, FiringAlert, InputSeries, StandardTest, TestCase

PROJECT = Path(__file__).parent.parent
_EXPORTERS = (conventions.CLOUDWATCH_JOB, conventions.BLACKBOX_JOB)
SERVICES = {"ingest", "etl", "hdfs", "metastore", "alluxio", "query", "scheduler", "bastion", "monitoring"}
TEAMS = {"platform", "data", "ingestion"}


@cache
def shipped() -> tuple[Catalog, tuple[StandardTest, ...]]:
    loaded = standards.load(PROJECT)
    assert loaded.problems == ()
    assert loaded.catalog is not None
    return loaded.catalog, tuple(loaded.tests)


@pytest.fixture(params=NAMES)
def standard(request: pytest.FixtureRequest) -> Standard:
    return shipped()[0].standards[request.param]


def expressions(standard: Standard) -> Iterator[tuple[str, str]]:
    """Name and text of every expression of the standard, rendered, those of its panels included."""
    for name, text, _ in rules.expressions(binding(standard)):
        yield name, text


# --- the whole set -----------------------------------------------------------------------------------


def test_services_and_teams_are_complete() -> None:
    catalog, tests = shipped()
    assert set(NAMES) == set(catalog.standards)
    assert set(catalog.services) == SERVICES
    assert set(catalog.teams) == TEAMS
    assert {test.standard for test in tests} >= set(NAMES)


@pytest.mark.usefixtures("generation")
def test_every_case_of_every_standard_holds() -> None:
    catalog, tests = shipped()
    report = ruletest.run(catalog.standards, tests, engines.require("promtool"), services=catalog.services)
    failed = [p for result in report.results for p in result.problems]
    assert failed == []
    assert len(report.results) >= 70


@pytest.mark.usefixtures("generation")
def test_of_every_sensor_that_a_machine_should_run_it_is_told_once_that_it_never_answers() -> None:
    """Not for each machine; and nothing when they are terminated on purpose."""
    catalog, _ = shipped()
    on_machines = [s for s in catalog.standards.values() if s.applies_to.kind == "ec2-instance"]
    jobs = sorted(s.scrape.job for s in on_machines if s.scrape and s.name != "host")
    assert len(jobs) > 15

    def up(job: str, machine: int, values: str) -> InputSeries:
        place = f'service="example",environment="production",resource_id="i-{machine}"'
        return InputSeries(f'up{{job="{job}",{place}}}', values)

    soon = {"silent_patience": "30m"}
    hosts = [up("host", machine, "1x50") for machine in range(3)]
    told = AlertExpectation("SensorsSilent", "45m", tuple(FiringAlert({"job": job}) for job in jobs))
    quiet = AlertExpectation("SensorsSilent", "45m")
    silent = [up(job, machine, "0x50" if machine else "1x50") for job in jobs for machine in range(3)]
    gone = [up(job, machine, "0x34 stale" if machine else "1x50") for job in jobs for machine in range(3)]
    cases = (
        TestCase("two of three", (*hosts, *silent), parameters=soon, alerts=(told,)),
        TestCase(
            "none of three",
            (*hosts, *(up(j, m, "0x50") for j in jobs for m in range(3))),
            parameters=soon,
            alerts=(told,),
        ),
        TestCase("terminated", (*hosts, *gone), parameters=soon, alerts=(quiet,)),
    )
    report = ruletest.run(
        catalog.standards, [StandardTest("sensors", "host", cases)], engines.require("promtool")
    )
    assert [p for result in report.results for p in result.problems] == []


def test_every_alert_is_seen_to_fire_and_to_stay_silent() -> None:
    catalog, tests = shipped()
    assert ruletest.untested(catalog.standards.values(), tests) == ()


def test_recorded_names_and_alert_names_are_unique_over_all_standards() -> None:
    names = [rule.name for each in shipped()[0].standards.values() for rule in rules.standard_rules(each)]
    assert len(names) == len(set(names))


# --- one standard ------------------------------------------------------------------------------------


def test_what_pages_or_mutes_others_says_so_with_all_its_labels(standard: Standard) -> None:
    for rule in rules.for_binding(binding(standard))[0]:
        if "alert" not in rule.rule:
            continue
        labels = rule.rule["labels"]
        assert {"service", "environment", "team", "tier", "severity", "standard"} <= set(labels)
        if labels.get("outage"):
            assert labels["severity"] == AlertSeverity.PAGE  # else a ticket could mute a page


def test_every_expression_is_promql_and_selects_its_service(standard: Standard) -> None:
    for name, text in expressions(standard):
        parsed = promql.parse(text)
        assert not isinstance(parsed, promql.Failure), (name, parsed)
        for selector in parsed.selectors:
            if selector.equal_to("job") in _EXPORTERS:
                continue  # the exporter is the cell's
            if selector.metric == "up" and name.startswith("zone:"):
                continue  # a zone is of all services
            if selector.metric == conventions.ZONE_LOST:
                continue  # and its loss is told of none of them
            assert selector.equal_to("service") == "web", (name, selector)
            assert selector.equal_to("environment") == "production", (name, selector)


def test_recorded_series_that_it_reads_are_those_that_it_records(standard: Standard) -> None:
    recorded = {rule.record for rule in standard.recording}
    for name, text in expressions(standard):
        read = set(re.findall(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+", text))
        assert read <= recorded | {conventions.ZONE_LOST}, name


def test_with_an_override_what_is_read_is_what_is_recorded_for_the_same_resources(
    standard: Standard,
) -> None:
    """A selector with override="…" on a recorded series needs a rule that records it with that label."""
    for parameter in standard.parameters.values():
        if not parameter.open_to_tags:
            continue
        value = parameter.maximum if parameter.maximum != parameter.default else parameter.minimum
        rendered, problems = rules.for_binding(binding(standard, f"{parameter.name}={value}"))
        assert problems == ()
        recorded = {
            (r.rule["record"], r.rule["labels"].get("override", "")) for r in rendered if "record" in r.rule
        }
        for rule in rendered:
            parsed = promql.parse(rule.rule["expr"])
            assert not isinstance(parsed, promql.Failure)
            for selector in parsed.selectors:
                if ":" in selector.metric and selector.metric != conventions.ZONE_LOST:
                    override = selector.equal_to("override") or ""
                    assert (selector.metric, override) in recorded, (rule.name, selector.metric, override)


# --- services and teams ------------------------------------------------------------------------------


def test_every_team_is_reached_at_every_severity_by_file_references_only() -> None:
    for team in shipped()[0].teams.values():
        assert set(team.receivers) == {"page", "ticket", "info"}
        for receivers in team.receivers.values():
            for receiver in receivers:
                assert receiver.type in ("pagerduty", "slack")
                secrets = {key for key in receiver.fields if key != "channel"}
                assert all(key.endswith("_file") for key in secrets)


def test_exemptions_hold_for_years_and_say_why() -> None:
    found = [e for service in shipped()[0].services.values() for e in service.exemptions]
    assert found
    assert all(e.reason and date.fromisoformat(e.expires) > date(2028, 1, 1) for e in found)


def test_nobody_is_woken_for_a_bastion() -> None:
    catalog, _ = shipped()
    pages = catalog.services["bastion"].tier in catalog.project.page_tiers
    host = replace(binding(catalog.standards["host"]), pages=pages)
    told = {r.rule["labels"]["severity"] for r in rules.for_binding(host)[0] if "alert" in r.rule}
    assert told == {"ticket"}
