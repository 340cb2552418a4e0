"""The shipped standards, services and teams: complete, tested, right about what exporters emit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from mac import conventions, engines, promql, rules, ruletest, scraping, standards, templating
from mac.model import AlertSeverity, Binding, Catalog, Cell, Member, Partition, Resource, Standard
from mac.templating import Mode
from mac.testcases import StandardTest

PROJECT = Path(__file__).parent.parent
RUNBOOKS = conventions.SHIPPED_RUNBOOKS
NAMES = (
    *("alb", "alluxio-worker", "hdfs-datanode", "hdfs-namenode"),
    *("host", "rds-instance", "sqs-queue", "yarn-nodemanager"),
)
SERVICES = {"ingest", "etl", "hdfs", "metastore", "alluxio", "query", "scheduler", "bastion"}
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


def binding(standard: Standard, *overrides: str, size: int = 4) -> Binding:
    """The standard for one service; each override is a tag's value of the first parameter open to tags."""
    settled = {name: p.default for name, p in standard.parameters.items()}
    resource = Resource(arn="", kind=standard.applies_to.kind, account="", region="", id="")
    partitions = [Partition("", settled, size)]
    partitions += [Partition(text, {**settled, **_values(standard, text)}, 1) for text in overrides]
    return Binding(
        Cell("main-us-east-1", "123456789012", "us-east-1"),
        "production",
        "web",
        standard,
        "data",
        1,
        (Member(resource, {}),) * (size + len(overrides)),
        tuple(partitions),
    )


def _values(standard: Standard, override: str) -> dict[str, float | int | str]:
    name, _, text = override.partition("=")
    parameter = standard.parameters[name]
    return {name: text if parameter.type in ("string", "duration") else float(text)}


def expressions(standard: Standard) -> Iterator[tuple[str, str]]:
    """Name and text of every expression of the standard, rendered, those of its panels included."""
    bound = binding(standard)
    rendered, problems = rules.for_binding(bound)
    assert problems == ()
    for rule in rendered:
        yield rule.name, rule.rule["expr"]
    names = rules.names(bound, bound.partitions[0], is_split=False)
    for panel in standard.panels:
        yield panel.title, templating.template(panel.expr.text, Mode.EXPRESSION).render(names)


# --- the whole set -----------------------------------------------------------------------------------


def test_the_first_set_is_complete() -> None:
    catalog, tests = shipped()
    assert set(NAMES) <= set(catalog.standards)
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


def test_every_alert_is_seen_to_fire_and_to_stay_silent() -> None:
    catalog, tests = shipped()
    assert ruletest.untested(catalog.standards.values(), tests) == ()


def test_recorded_names_and_alert_names_are_unique_over_all_standards() -> None:
    names = [rule.name for each in shipped()[0].standards.values() for rule in rules.standard_rules(each)]
    assert len(names) == len(set(names))


# --- one standard ------------------------------------------------------------------------------------


def test_every_alert_has_a_runbook_with_its_own_section(standard: Standard) -> None:
    for alert in standard.alerts:
        assert alert.runbook.startswith(RUNBOOKS)
        path, _, anchor = alert.runbook.removeprefix(RUNBOOKS).partition("#")
        assert path == f"{standard.name}.md"
        assert anchor == alert.alert.lower()
        page = (PROJECT / "standards/runbooks" / path).read_text(encoding="utf-8")
        sections = {part.split("\n", 1)[0]: part for part in page.split("\n## ")[1:]}
        assert alert.alert in sections
        for heading in ("**Meaning.**", "**Impact.**", "**First steps.**"):
            assert heading in sections[alert.alert]


def test_a_runbook_has_no_section_for_an_alert_that_is_gone(standard: Standard) -> None:
    page = (PROJECT / f"standards/runbooks/{standard.name}.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == [alert.alert for alert in standard.alerts]


def test_absence_is_told(standard: Standard) -> None:
    assert any("absent(" in alert.expr.text for alert in standard.alerts)


def test_every_alert_waits_before_it_fires(standard: Standard) -> None:
    rendered, _ = rules.for_binding(binding(standard))
    assert all("for" in rule.rule for rule in rendered if "alert" in rule.rule)


def test_what_pages_or_mutes_others_says_so_with_all_its_labels(standard: Standard) -> None:
    for rule in rules.for_binding(binding(standard))[0]:
        if "alert" not in rule.rule:
            continue
        labels = rule.rule["labels"]
        assert {"service", "environment", "team", "tier", "severity", "standard"} <= set(labels)
        if labels.get("outage"):
            assert labels["severity"] == AlertSeverity.PAGE  # else a ticket could mute a page


def test_every_parameter_is_described_and_bounded(standard: Standard) -> None:
    for parameter in standard.parameters.values():
        assert parameter.description
        if parameter.type != "string":
            assert parameter.minimum is not None, parameter.name
            assert parameter.maximum is not None, parameter.name


def test_it_has_panels_with_descriptions(standard: Standard) -> None:
    assert standard.panels
    assert all(panel.title and panel.description for panel in standard.panels)


def test_every_expression_is_promql_and_selects_its_service(standard: Standard) -> None:
    for name, text in expressions(standard):
        parsed = promql.parse(text)
        assert not isinstance(parsed, promql.Failure), (name, parsed)
        for selector in parsed.selectors:
            if (selector.metric, selector.equal_to("job")) == ("up", scraping.CLOUDWATCH_JOB):
                continue  # the exporter is the cell's
            assert selector.equal_to("service") == "web", (name, selector)
            assert selector.equal_to("environment") == "production", (name, selector)


def test_recorded_series_that_it_reads_are_those_that_it_records(standard: Standard) -> None:
    recorded = {rule.record for rule in standard.recording}
    for name, text in expressions(standard):
        read = set(re.findall(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+", text))
        assert read <= recorded, name


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
                if ":" in selector.metric:
                    override = selector.equal_to("override") or ""
                    assert (selector.metric, override) in recorded, (rule.name, selector.metric, override)


# --- CloudWatch --------------------------------------------------------------------------------------


def exported(namespace: str, metric: str, statistic: str) -> str:
    """The name under which yet-another-cloudwatch-exporter shows a metric (its BuildMetricName)."""

    def snake(text: str) -> str:
        out, before = "", ""
        for char in text:
            if char in " ,\t/\\.-:=@<>()“":
                out += "_"
            elif char == "%":
                out += "_percent"
            else:
                if char.isupper() and (before.islower() or before.isdigit()):
                    out += "_"
                out += char.lower()
            before = char
        return out

    prefix = snake(namespace.lower())
    prefix = prefix if prefix.startswith("aws") else f"aws_{prefix}"
    return f"{prefix}_{snake(metric)}_{snake(statistic)}"


@pytest.mark.parametrize(
    ("namespace", "metric", "statistic", "name"),
    [
        ("AWS/RDS", "CPUUtilization", "Average", "aws_rds_cpuutilization_average"),
        ("AWS/RDS", "FreeStorageSpace", "Average", "aws_rds_free_storage_space_average"),
        (
            "AWS/ApplicationELB",
            "HTTPCode_Target_5XX_Count",
            "Sum",
            "aws_applicationelb_httpcode_target_5_xx_count_sum",
        ),
        ("AWS/SQS", "NumberOfMessagesDeleted", "Sum", "aws_sqs_number_of_messages_deleted_sum"),
        ("AWS/ApplicationELB", "TargetResponseTime", "p99", "aws_applicationelb_target_response_time_p99"),
    ],
)
def test_names_are_made_as_the_exporter_makes_them(
    namespace: str, metric: str, statistic: str, name: str
) -> None:
    assert exported(namespace, metric, statistic) == name


@pytest.mark.parametrize("name", ["alb", "rds-instance", "sqs-queue"])
def test_cloudwatch_series_are_exactly_those_that_the_standard_asks_for(name: str) -> None:
    checked = shipped()[0].standards[name]
    source = checked.cloudwatch
    assert source is not None
    asked = {exported(source.namespace, m.name, s) for m in source.metrics for s in m.statistics}
    read = {found for _, text in expressions(checked) for found in re.findall(r"aws_\w+", text)}
    assert read == asked


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
