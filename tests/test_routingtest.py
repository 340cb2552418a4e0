"""Tests of routing: what amtool and Alertmanager say reaches the case that it is about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from mac import routingtest
from tests import builders

Mac = Callable[..., Result]

TEST = """\
apiVersion: mac/v1
kind: RoutingTest
metadata: {name: mine}
spec:
  cases:
"""


@pytest.fixture
def repository(tmp_path: Path, mac: Mac) -> Path:
    root = tmp_path / "monitoring"
    assert mac("init", root).exit_code == 0
    return root


def run(mac: Mac, root: Path, *cases: str) -> Result:
    path = root / "standards/teams/mine.test.yaml"
    path.write_text(TEST + "\n".join(f"    - {case}" for case in cases) + "\n")
    return mac("test", "-C", root, path, "--format", "json")


@pytest.mark.usefixtures("generation")
def test_the_shipped_cases_hold(repository: Path, mac: Mac) -> None:
    result = mac("test", "-C", repository, repository / "standards/teams")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "0 failed" in result.stdout


def test_a_case_that_does_not_hold_is_told_at_its_line(repository: Path, mac: Mac) -> None:
    result = run(
        mac,
        repository,
        "{name: wrong, labels: {alertname: HdfsDataNodesDown, service: hdfs}, receivers: [platform / page]}",
        "{name: typo, labels: {service: hdfs, severity: page}, receivers: [data / pages]}",
        "{name: told, labels: {alertname: x, service: hdfs}, while: [{alertname: y}], muted: true}",
        "{name: held, labels: {alertname: HdfsDataNodesFull, service: hdfs},"
        " while: [{alertname: HdfsDataNodesDown, service: hdfs}], muted: false}",
    )
    assert result.exit_code == 1
    cases = json.loads(result.stdout)["cases"]
    assert [(c["name"], c["outcome"], c["line"]) for c in cases] == [
        ("wrong", "failed", 6),
        ("typo", "failed", 7),
        ("told", "failed", 8),
        ("held", "failed", 9),
    ]
    messages = [problem["message"] for case in cases for problem in case["problems"]]
    assert messages == [
        'it reaches "data / page", and should reach "platform / page"',
        'there is no receiver "data / pages"',
        "it is told, and should be muted",
        "it is muted, and should be told",
    ]
    assert 'did you mean "data / page"?' in cases[1]["problems"][0]["hint"]


def test_labels_may_be_anything(repository: Path, mac: Mac) -> None:
    hostile = json.dumps(
        {"alertname": 'a"b\\c', "service": '{{ x }}\n, y="z', "severity": "page", "team": "data"}
    )
    result = run(mac, repository, f"{{name: odd, labels: {hostile}, receivers: [data / page]}}")
    assert result.exit_code == 0, result.stdout + result.stderr


def test_what_a_standard_and_a_service_say_is_filled_in_and_what_is_given_wins() -> None:
    made = builders.catalog()
    assert routingtest.filled(made, {"alertname": "WebDown", "service": "web"}) == {
        "alertname": "WebDown",
        "service": "web",
        "environment": "production",
        "cell": "example",
        "severity": "page",
        "standard": "web",
        "team": "platform",
        "tier": "1",
    }
    given = {"alertname": "WebDown", "service": "gone", "team": "data", "severity": "info", "tier": "4"}
    assert routingtest.filled(made, given).items() >= given.items()


def test_only_the_engines_that_are_needed_are_asked_for(
    repository: Path, mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAC_ALERTMANAGER", "/nonexistent/alertmanager")
    monkeypatch.setenv("MAC_PROMTOOL", "/nonexistent/promtool")
    plain = "{name: plain, labels: {service: hdfs, severity: page}, receivers: [data / page]}"
    assert run(mac, repository, plain).exit_code == 0
    other = "{name: x, labels: {alertname: a}, while: [{alertname: b}], muted: false}"
    result = run(mac, repository, plain, other)
    assert result.exit_code == 3
    assert "MAC_ALERTMANAGER" in result.stderr


def test_a_word_chooses_among_cases(repository: Path, mac: Mac) -> None:
    result = mac("test", "-C", repository, "-k", "Alluxio waits")
    assert result.exit_code == 0, result.stderr
    assert "1 passed, 0 failed" in result.stdout
