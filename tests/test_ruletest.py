"""The runner of standards' tests: what promtool says reaches the case that it is about."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import alert, parameter, recording, standard
from click.testing import Result

from mac import engines, promtool_report, ruletest
from mac.engines import Engine
from mac.model import Standard, Text
from mac.problems import EngineError, Location
from mac.testcases import (
    AlertExpectation,
    ExpressionExpectation,
    FiringAlert,
    InputSeries,
    Sample,
    StandardTest,
    TestCase,
)

Mac = Callable[..., Result]

UP = 'up{job="web",service="example",environment="production",resource_id="i-1"}'


def case(name: str = "down", values: str = "1x10 0x30", **changes: Any) -> TestCase:
    return TestCase(**{"name": name, "series": (InputSeries(UP, values),), **changes})


def expect(
    at: str, *firing: Mapping[str, str], alert: str = "WebDown", line: int = 1, **labels: str
) -> AlertExpectation:
    """Each mapping is the annotations of an alert that fires."""
    found = tuple(FiringAlert(labels, annotations) for annotations in firing)
    return AlertExpectation(alert, at, found, Location("web.test.yaml", line, 1))


def run(*cases: TestCase, of: Standard | None = None, **settings: Any) -> ruletest.Report:
    checked = of or standard()
    tests = StandardTest("web", checked.name, cases, **settings)
    return ruletest.run({checked.name: checked}, [tests], engines.require("promtool"))


def messages(report: ruletest.Report) -> list[str]:
    return [problem.message for result in report.results for problem in result.problems]


@pytest.mark.usefixtures("generation")
def test_expectations_that_hold_pass_without_the_labels_that_every_alert_has() -> None:
    held = case(
        alerts=(expect("5m"), expect("20m", {})),
        expressions=(
            ExpressionExpectation(
                "service:web_up:ratio",
                "20m",
                (Sample('service:web_up:ratio{service="example",environment="production"}', 0),),
            ),
        ),
    )
    report = run(held)
    assert messages(report) == []
    assert report.passed
    assert [(r.standard, r.name) for r in report.results] == [("web", "down")]


@pytest.mark.usefixtures("generation")
def test_an_alert_that_should_fire_and_does_not_is_told_at_its_expectation() -> None:
    report = run(case(values="1x40", alerts=(expect("5m", line=3), expect("20m", {}, line=4))))
    assert not report.passed
    (problem,) = report.results[0].problems
    assert problem.code == "test-failed"
    assert problem.location == Location("web.test.yaml", 4, 1)
    assert problem.message == "WebDown at 20m: expected an alert {}, got silence"


@pytest.mark.usefixtures("generation")
def test_an_alert_that_should_be_silent_and_fires_is_told_without_its_static_labels() -> None:
    kept = standard(alerts=(alert(expr='up{job="web",<< scope >>} == 0'),))
    report = run(case(alerts=(expect("90m", line=7), expect("20m", line=8))), of=kept)
    (problem,) = report.results[0].problems
    assert problem.location.line == 8
    assert problem.message == 'WebDown at 20m: expected silence, got an alert {job="web", resource_id="i-1"}'


@pytest.mark.usefixtures("generation")
def test_annotations_are_compared_where_a_case_gives_them() -> None:
    right = {"summary": "0% of example answers"}
    wrong = {"summary": "all of example answers"}
    report = run(case(alerts=(expect("20m", {}), expect("21m", right), expect("22m", wrong, line=5))))
    (problem,) = report.results[0].problems
    assert problem.location.line == 5
    assert "with summary: all of example answers" in problem.message
    assert "with summary: 0% of example answers" in problem.message


@pytest.mark.usefixtures("generation")
def test_an_expression_with_another_value_is_told_with_both_values() -> None:
    place = Location("web.test.yaml", 9, 1)
    sample = Sample('service:web_up:ratio{service="example",environment="production"}', 0.5)
    expectation = ExpressionExpectation("service:web_up:ratio", "90m", (sample,), place)
    report = run(case(values="1x120", alerts=(expect("5m"),), expressions=(expectation,)))
    (problem,) = report.results[0].problems
    assert problem.location == place
    assert problem.message.startswith("service:web_up:ratio at 1h30m: expected {")
    assert " 5E-01, got {" in problem.message
    assert problem.message.endswith(" 1E+00")


@pytest.mark.usefixtures("generation")
def test_a_series_that_promtool_cannot_read_fails_its_case() -> None:
    place = Location("web.test.yaml", 2, 3)
    report = run(case(values="1xx10", alerts=(expect("5m"),), location=place))
    (problem,) = report.results[0].problems
    assert problem.location == place
    assert "parse error" in problem.message


@pytest.mark.usefixtures("generation")
def test_a_rule_that_promtool_cannot_read_fails_its_case() -> None:
    broken = standard(recording=(), alerts=(alert(expr="up ++"),))
    report = run(case(alerts=(expect("5m"),)), of=broken)
    assert len(messages(report)) == 1
    assert "parse error" in messages(report)[0]


def test_a_case_may_set_parameters() -> None:
    half = (InputSeries(UP, "1x40"), InputSeries(UP.replace("i-1", "i-2"), "0x40"))
    strict = TestCase("strict", half, alerts=(expect("20m", {}),))
    lenient = TestCase("lenient", half, {"floor": 0.4}, alerts=(expect("20m"),))
    assert run(strict, lenient).passed


def test_the_binding_of_the_tests_is_what_templates_see() -> None:
    seen = standard(
        recording=(),
        alerts=(
            alert(
                expr="vector(<< expected >>)",
                for_=Text("0s"),
                summary=Text("<< service >> << environment >> << team >> << tier >> << cell >>"),
            ),
        ),
    )
    told = {"summary": "hdfs staging data 3 far"}
    settings = {"service": "hdfs", "environment": "staging", "team": "data", "tier": 3, "cell": "far"}
    assert messages(run(case(alerts=(expect("1m", told),)), of=seen, expected=7, **settings)) == []


def test_braces_in_a_service_name_are_the_same_in_the_alert() -> None:
    checked = standard(recording=(), alerts=(alert(expr="vector(1)", for_=Text("0s")),))
    assert messages(run(case(alerts=(expect("1m", {}),)), of=checked, service="a{{ $x }}b")) == []


def test_the_problem_of_a_template_fails_the_case_without_promtool() -> None:
    place = Location("web.yaml", 12, 9)
    broken = standard(recording=(), alerts=(alert(expr="vector(<< p.flor >>)"),))
    text = replace(broken.alerts[0].expr, location=place)
    broken = replace(broken, alerts=(replace(broken.alerts[0], expr=text),))
    (problem,) = run(case(alerts=(expect("5m"),)), of=broken).results[0].problems
    assert problem.code == "template-value"
    assert problem.location.path == "web.yaml"


def test_an_expectation_of_an_alert_that_does_not_exist_fails() -> None:
    (problem,) = run(case(alerts=(expect("5m", alert="WebUp"),))).results[0].problems
    assert problem.code == "unknown-alert"


def test_alerts_of_one_expectation_give_the_same_annotations() -> None:
    mixed = expect("20m", {}, {"summary": "x"})
    (problem,) = run(case(alerts=(mixed,))).results[0].problems
    assert "different annotations" in problem.message


def test_only_selected_cases_run() -> None:
    checked = standard()
    tests = StandardTest("web", "web", (case("one", alerts=(expect("5m"),)), case("two")))
    report = ruletest.run(
        {"web": checked}, [tests], engines.require("promtool"), select=lambda test, each: each.name == "one"
    )
    assert [result.name for result in report.results] == ["one"]


def test_results_come_in_the_order_of_the_cases_however_many_run_at_once() -> None:
    names = [f"case {number}" for number in range(12)]
    checked = standard()
    tests = StandardTest("web", "web", tuple(case(name, alerts=(expect("5m"),)) for name in names))
    report = ruletest.run({"web": checked}, [tests], engines.require("promtool"), jobs=4)
    assert [result.name for result in report.results] == names


@pytest.mark.usefixtures("generation")
def test_of_the_cases_of_one_process_only_the_one_that_fails_is_told() -> None:
    wrong = case("wrong", values="1x40", alerts=(expect("20m", {}, line=6),))
    held = [case(f"held {number}", alerts=(expect("20m", {}),)) for number in range(3)]
    report = run(*held, wrong, case("unreadable", values="one two", alerts=(expect("20m", {}),)))
    assert [result.passed for result in report.results] == [True, True, True, False, False]
    assert [p.location.line for p in report.results[3].problems] == [6]


def test_many_cases_take_one_process(tmp_path: Path) -> None:
    fake = tmp_path / "promtool"
    fake.write_text(f"#!/bin/sh\necho $# >> {tmp_path}/calls\n")
    fake.chmod(0o755)
    tests = StandardTest("web", "web", tuple(case(f"{n}", alerts=(expect("5m"),)) for n in range(9)))
    report = ruletest.run({"web": standard()}, [tests], Engine("promtool", fake, (3, 5, 0)), jobs=1)
    assert len(report.results) == 9
    assert (tmp_path / "calls").read_text() == "11\n"  # test rules, and nine files


def test_rules_that_a_case_does_not_speak_of_are_not_evaluated() -> None:
    """Those that it reads are, by whatever other rule: WebDown reads a recorded series."""
    many = alert("WebMany", expr="up{<< scope >>} * on (service) group_left up{<< scope >>} > 0")
    both = standard(alerts=(*standard().alerts, many))
    twice = (InputSeries(UP, "0x40"), InputSeries(UP.replace("i-1", "i-2"), "0x40"))
    spoken = case(series=twice, alerts=(expect("20m", {}),))
    assert run(spoken, of=both).passed
    spoken = case(series=twice, alerts=(expect("20m", alert="WebMany"),))
    assert not run(spoken, of=both).passed  # its labels match many times


def test_a_promtool_that_breaks_down_is_no_failed_test(tmp_path: Path) -> None:
    fake = tmp_path / "promtool"
    fake.write_text("#!/bin/sh\necho out of memory >&2\nexit 2\n")
    fake.chmod(0o755)
    tests = StandardTest("web", "web", (case(alerts=(expect("5m"),)),))
    with pytest.raises(EngineError, match="exit code 2"):
        ruletest.run({"web": standard()}, [tests], Engine("promtool", fake, (2, 42, 0)))


def test_a_promtool_that_refuses_without_a_word_is_never_a_pass(tmp_path: Path) -> None:
    fake = tmp_path / "promtool"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    tests = StandardTest("web", "web", (case(alerts=(expect("5m"),)),))
    report = ruletest.run({"web": standard()}, [tests], Engine("promtool", fake, (2, 42, 0)))
    assert not report.passed


def test_an_alert_needs_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    place = Location("standards/x/web.yaml", 5, 3)
    checked = standard(
        alerts=(
            replace(alert("A"), location=place),
            replace(alert("B"), location=place),
            replace(alert("C"), location=place),
            replace(alert("D"), location=place),
        ),
        location=Location("standards/x/web.yaml"),
    )
    cases = (
        case(alerts=(expect("5m", alert="A"), expect("20m", {}, alert="A"))),
        case(alerts=(expect("5m", alert="B"), expect("20m", {}, alert="C"))),
    )
    problems = ruletest.untested([checked], [StandardTest("web", "web", cases)])
    assert [(p.code, p.message) for p in problems] == [
        ("untested-alert", "B has no test case in which it fires"),
        ("untested-alert", "C has no test case in which it stays silent"),
        ("untested-alert", "D has no test case in which it fires and none in which it stays silent"),
    ]
    assert problems[0].hint == "add one to standards/x/web.test.yaml"


def test_cases_of_another_standard_test_nothing_of_this_one() -> None:
    checked = standard(alerts=(alert("A"),))
    other = StandardTest(
        "other", "other", (case(alerts=(expect("5m", alert="A"), expect("9m", {}, alert="A"))),)
    )
    assert len(ruletest.untested([checked], [other])) == 1


def test_what_promtool_prints_is_read_back_with_its_quotes() -> None:
    printed = """Unit Testing:  test.yml
  FAILED:
    alertname: WebDown, time: 1h30m,\x20
        exp:[],\x20
        got:[
            0:
              Labels:{alertname="WebDown", path="a\\"b, c=\\"d\\"}"}
              Annotations:{summary="x \\u00e9 {y}"}
            ]
    expr: "up{a=\\"b\\"} > 1", time: 2m, err: 1:5: parse error: what
"""
    fired, failed = promtool_report.parse(printed)
    assert fired.got == (
        promtool_report.Alert((("alertname", "WebDown"), ("path", 'a"b, c="d"}')), (("summary", "x é {y}"),)),
    )
    assert (fired.alert, fired.at, fired.expected) == ("WebDown", "1h30m", ())
    assert (failed.expr, failed.message) == ('up{a="b"} > 1', "1:5: parse error: what")


def test_text_without_expectations_has_no_failures() -> None:
    assert promtool_report.parse("Unit Testing:  test.yml\n  FAILED:\nrules.yml: no such file") == ()


def test_a_recording_rule_is_tested_before_the_alerts_that_build_on_it() -> None:
    chained = standard(
        parameters={"floor": parameter()},
        recording=(
            recording("service:web:count", 'count by (service, environment) (up{job="web",<< scope >>})'),
            recording("service:web_half:count", "service:web:count{<< scope >>} / 2"),
        ),
        alerts=(alert(expr="service:web_half:count{<< scope >>} > << p.floor >>", for_=Text("0s")),),
    )
    pair = (InputSeries(UP, "1x5"), InputSeries(UP.replace("i-1", "i-2"), "1x5"))
    assert messages(run(TestCase("chained", pair, alerts=(expect("0m", {}),)), of=chained)) == []


# --- mac test ----------------------------------------------------------------------------------------

STANDARD = """\
apiVersion: mac/v1
kind: Standard
metadata: {name: web, title: Web, description: A web server.}
spec:
  applies_to: {kind: ec2-instance}
  runbook: https://example.com/web
  scrape: {job: web, port: 9100}
  alerts:
    - alert: WebDown
      expr: max by (service, environment) (up{job="web",<< scope >>}) == 0
      for: 5m
      severity: page
      summary: "<< service >> is down"
      description: Nothing answers.
"""
CASES = """\
apiVersion: mac/v1
kind: StandardTest
metadata: {name: web}
spec:
  standard: web
  cases:
    - name: it goes down
      series:
        - {series: 'up{job="web",service="example",environment="production"}', values: '1x10 0x20'}
      alerts:
        - {alert: WebDown, at: 10m, firing: []}
        - {alert: WebDown, at: 20m, firing: [{}]}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "standards/web").mkdir(parents=True)
    (tmp_path / "standards/teams").mkdir()
    (tmp_path / "mac.yaml").write_text("apiVersion: mac/v1\nkind: Project\nspec: {default_team: web}\n")
    (tmp_path / "inventory/aws.yaml").write_text(
        "apiVersion: mac/v1\nkind: Inventory\n"
        'spec: {accounts: [{id: "123456789012", name: main}], regions: [us-east-1]}\n'
    )
    (tmp_path / "standards/teams/web.yaml").write_text(
        "apiVersion: mac/v1\nkind: Team\nmetadata: {name: web, title: Web}\nspec:\n  receivers:\n"
        "    page: [{pagerduty: {routing_key_file: /etc/alertmanager/secrets/web}}]\n"
        "    ticket: [{pagerduty: {routing_key_file: /etc/alertmanager/secrets/web}}]\n"
        "    info: [{pagerduty: {routing_key_file: /etc/alertmanager/secrets/web}}]\n"
    )
    (tmp_path / "standards/web/web.yaml").write_text(STANDARD)
    (tmp_path / "standards/web/web.test.yaml").write_text(CASES)
    return tmp_path


def test_the_command_lists_each_case_and_ends_with_0(mac: Mac, repository: Path) -> None:
    result = mac("test", "-C", repository)
    assert result.exit_code == 0, result.stderr
    first, summary = result.stdout.splitlines()
    assert first.startswith("PASS web: it goes down (")
    assert summary.startswith("1 passed, 0 failed in ")


def test_a_failed_case_is_shown_in_the_users_own_line_and_ends_with_1(mac: Mac, repository: Path) -> None:
    (repository / "standards/web/web.test.yaml").write_text(CASES.replace("at: 20m", "at: 12m"))
    result = mac("test", "-C", repository)
    assert result.exit_code == 1
    assert result.stdout.startswith("FAIL web: it goes down (")
    assert "standards/web/web.test.yaml:12:19" in result.stderr
    assert "{alert: WebDown, at: 12m, firing: [{}]}" in result.stderr


def test_an_untested_alert_ends_with_1(mac: Mac, repository: Path) -> None:
    (repository / "standards/web/web.test.yaml").unlink()
    result = mac("test", "-C", repository)
    assert result.exit_code == 1
    assert "untested-alert" in result.stderr
    assert "standards/web/web.test.yaml" in result.stderr


def test_results_as_json(mac: Mac, repository: Path) -> None:
    (repository / "standards/web/web.test.yaml").write_text(CASES.replace("at: 20m", "at: 12m"))
    result = mac("test", "-C", repository, "--format", "json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert found["schema_version"] == 1
    assert {key: found["summary"][key] for key in ("passed", "failed", "untested")} == {
        "passed": 0,
        "failed": 1,
        "untested": 0,
    }
    (each,) = found["cases"]
    assert (each["standard"], each["outcome"], each["line"]) == ("web", "failed", 7)
    assert each["problems"][0]["code"] == "test-failed"


def test_paths_and_a_word_select_cases(mac: Mac, repository: Path) -> None:
    for path in ("standards", "standards/web/web.yaml", "standards/web/web.test.yaml"):
        assert mac("test", "-C", repository, repository / path).exit_code == 0
    assert mac("test", "-C", repository, "-k", "GOES").exit_code == 0
    assert mac("test", "-C", repository, "-k", "nothing has this").exit_code == 64
    assert mac("test", "-C", repository, repository / "inventory").exit_code == 1


def test_without_promtool_the_environment_has_failed(
    mac: Mac, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAC_PROMTOOL")
    monkeypatch.setenv("PATH", str(repository))
    result = mac("test", "-C", repository)
    assert result.exit_code == 3
    assert "promtool was not found" in result.stderr
