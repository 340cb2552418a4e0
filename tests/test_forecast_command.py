"""`mac forecast` over the past of a real Prometheus: two days of a small service."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import past
import pytest
from click.testing import Result
from past import START
from test_http import said, server

from mac import forecasting, http
from mac import snapshot as snapshots
from tests.builders import instance, snapshot

Mac = Callable[..., Result]

HOUR = 3600
UNTIL = "2023-11-17T00:00Z"
LABELS = 'job="web",service="web",environment="production"'

FILES = {
    "mac.yaml": "apiVersion: mac/v1\nkind: Project\nspec:\n  default_team: platform\n",
    "inventory/aws.yaml": (
        "apiVersion: mac/v1\nkind: Inventory\nspec:\n"
        '  accounts: [{id: "123456789012", name: main}]\n  regions: [us-east-1]\n'
    ),
    "standards/teams/platform.yaml": """\
apiVersion: mac/v1
kind: Team
metadata: {name: platform}
spec:
  budget: {pages_per_week: 2, notifications_per_day: 100}
  working_hours: {timezone: America/Los_Angeles, days: ["monday:friday"], start: "09:00", end: "18:00"}
  receivers:
    page: [{pagerduty: {routing_key_file: /etc/pd}}, {slack: {api_url_file: /etc/slack, channel: "#a"}}]
    ticket: [{slack: {api_url_file: /etc/slack, channel: "#a"}}]
""",
    "standards/services/web.yaml": """\
apiVersion: mac/v1
kind: Service
metadata: {name: web}
spec: {owner: platform, tier: 1}
""",
    "standards/web.yaml": """\
apiVersion: mac/v1
kind: Standard
metadata: {name: web, title: Web}
spec:
  applies_to: {kind: ec2-instance, any: [{role: [web]}]}
  scrape: {job: web, port: 8080}
  parameters:
    floor: {type: ratio, default: 0.5, description: The share of machines below which it is down.}
  recording:
    - record: service:web_up:ratio
      expr: avg by (service, environment) (up{job="web",<< scope >>})
  alerts:
    - {alert: WebDown, severity: page, for: 5m, summary: down, description: It is down.,
       expr: "service:web_up:ratio{<< scope >>} < << p.floor >>"}
    - {alert: WebBusy, severity: ticket, for: 2m, summary: busy, description: It is busy.,
       expr: 'max by (service, environment) (busy{job="web",<< scope >>}) > 0.9'}
    - {alert: WebBlind, severity: ticket, summary: blind, description: Nobody knows.,
       expr: 'max by (service, environment) (nothing{job="web",<< scope >>}) > 0.9'}
    - {alert: WebSlow, severity: ticket, summary: slow, description: It is slow.,
       expr: 'max by (service, environment) (busy{job="web",<< scope >>}) > 2'}
""",
}


def samples() -> past.Samples:
    """Down for an hour from 22:00 UTC (afternoon in Los Angeles) and from 06:00 on the second day (night);
    for two minutes in between, which nobody is told of; busy for five minutes each six hours.
    """
    steps = range(2 * 2880)

    def down(second: int) -> bool:
        hours = second / HOUR
        return 22 <= hours < 23 or 30 <= hours < 31 or 26 <= hours < 26.03

    up = [(START + n * 30, float(not down(n * 30))) for n in steps]
    busy = [(START + n * 30, 0.95 if n * 30 % (6 * HOUR) < 300 else 0.3) for n in steps]
    sent = [(START + n * 30, float(n * 30 >= 22 * HOUR) * 3) for n in steps]
    return {
        f'up{{{LABELS},instance="1"}}': up,
        f'up{{{LABELS},instance="2"}}': up,
        f'busy{{{LABELS},instance="1"}}': busy,
        'alertmanager_notifications_total{integration="pagerduty"}': sent,
    }


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with past.prometheus(tmp_path_factory.mktemp("past"), samples()) as running:
        yield running.url


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "monitoring"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    for name, content in snapshots.stored_files(snapshot(instance(1), instance(2))).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


Forecast = Callable[..., Result]


@pytest.fixture
def forecast(repository: Path, prometheus: str, mac: Mac) -> Forecast:
    def call(*arguments: str | Path, server: str = prometheus) -> Result:
        given = ["--prometheus", server] if server else []
        return mac("forecast", "-C", repository, *given, "--days", "2", "--until", UNTIL, *arguments)

    return call


def as_json(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def generated(repository: Path, mac: Mac) -> Path:
    result = mac("generate", "-C", repository, "--snapshot", repository / "inventory/snapshot")
    assert result.exit_code == 0, result.stderr
    return repository


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- figures -----------------------------------------------------------------------------------------


def test_pages_are_counted_once_for_a_receiver_and_at_night_where_the_team_is(forecast: Forecast) -> None:
    after = as_json(forecast("--format", "json"))["after"]
    assert (after["pages"], after["pages_at_night"]) == (2, 1)
    assert after["pages_by"]["receiver"] == {"platform / page": 2}
    assert after["pages_by"]["team"] == {"platform": 2}
    assert after["by"]["alert"]["WebDown"] == 2


def test_a_dip_that_is_shorter_than_for_is_not_told(forecast: Forecast) -> None:
    after = as_json(forecast("--format", "json"))["after"]
    times = [each["time"] for each in after["timeline"] if each["kind"] == "page"]
    assert times == ["2023-11-15T22:05:30Z", "2023-11-16T06:05:30Z"]


def test_an_alert_without_data_is_not_called_quiet(forecast: Forecast) -> None:
    after = as_json(forecast("--format", "json"))["after"]
    assert after["never_fired"] == [{"service": "web", "alert": "WebSlow"}]
    (unknown,) = after["unknown"]
    assert (unknown["alert"], unknown["reason"]) == ("WebBlind", "no data")
    assert unknown["selectors"] == [f"nothing{{{LABELS}}}"]


def test_without_generated_files_there_is_no_before(forecast: Forecast) -> None:
    assert as_json(forecast("--format", "json"))["before"] is None


def test_a_change_is_compared_with_the_generated_files(generated: Path, forecast: Forecast) -> None:
    change(generated / "standards/web.yaml", "for: 5m", "for: 90m")
    found = as_json(forecast("--format", "json"))
    assert (found["before"]["pages"], found["after"]["pages"]) == (2, 0)
    assert [each["told_after_seconds"] for each in found["incidents"]] == [
        {"before": 30.0, "after": None}
    ] * 2


def test_a_revision_can_be_the_base(generated: Path, forecast: Forecast) -> None:
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", generated, *arguments], check=True)
    change(generated / "standards/web.yaml", "severity: page", "severity: ticket")
    found = as_json(forecast("--format", "json", "--base", "HEAD"))
    assert found["base"] == "HEAD"
    assert (found["before"]["pages"], found["after"]["pages"]) == (2, 0)


def test_a_parameter_can_be_tried(generated: Path, forecast: Forecast) -> None:
    found = as_json(forecast("--format", "json", "--what-if", "web.floor=0"))
    assert (found["before"]["pages"], found["after"]["pages"]) == (2, 0)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("wev.floor=0", "unknown-service"),
        ("web.flor=0", "unknown-parameter"),
        ("web.floor=2", "parameter-value"),
        ("web.floor=much", "parameter-value"),
        ("floor", "wrong-value"),
    ],
)
def test_a_parameter_that_cannot_be_is_told(forecast: Forecast, change: str, code: str) -> None:
    result = forecast("--what-if", change)
    assert result.exit_code == 1
    assert f"[{code}]" in result.stderr


# --- recorded series ---------------------------------------------------------------------------------


def test_what_history_has_not_recorded_is_computed(forecast: Forecast) -> None:
    """The history has no service:web_up:ratio at all: the other tests have pages."""
    after = as_json(forecast("--format", "json"))["after"]
    assert "WebDown" in after["by"]["alert"]


# --- incidents ---------------------------------------------------------------------------------------

INCIDENTS = """\
incidents:
  - {name: lost machines, service: web, start: 2023-11-15T22:00:00Z, end: 2023-11-15T23:00:00Z}
  - {name: a short dip, service: web, start: 2023-11-16T02:00:00Z, end: 2023-11-16T02:02:00Z}
"""


def test_known_incidents_are_looked_for(forecast: Forecast, tmp_path: Path) -> None:
    (tmp_path / "known.yaml").write_text(INCIDENTS, encoding="utf-8")
    found = as_json(forecast("--format", "json", "--known", tmp_path / "known.yaml"))
    delays = {each["name"]: each["told_after_seconds"]["after"] for each in found["incidents"]}
    assert delays == {"lost machines": 330.0, "a short dip": None}


def test_a_list_of_incidents_that_cannot_be_read_is_told_with_every_fault(
    forecast: Forecast, tmp_path: Path
) -> None:
    first = "{service: web, start: yesterday, end: 2023-11-15T23:00:00Z}"
    bad = f"incidents:\n  - {first}\n  - {{name: x, hour: 3}}\n"
    (tmp_path / "known.yaml").write_text(bad, encoding="utf-8")
    result = forecast("--known", tmp_path / "known.yaml")
    assert result.exit_code == 1
    for code in ("wrong-value", "unknown-key", "missing-key"):
        assert f"[{code}]" in result.stderr


# --- budgets and what was really sent ----------------------------------------------------------------


def test_a_budget_that_is_exceeded_is_said_and_fails_where_that_is_asked(forecast: Forecast) -> None:
    (over,) = as_json(forecast("--format", "json"))["over_budget"]
    assert (over["kind"], over["name"], over["limit"]) == ("team", "platform", "pages_per_week")
    assert (over["allowed"], over["forecast"], over["path"]) == (2, 7.0, "standards/teams/platform.yaml")
    result = forecast("--fail-over-budget")
    assert result.exit_code == 1
    assert "over budget: team platform: 7.0 pages a week, 2 are allowed" in result.stderr


def test_what_was_really_sent_stands_beside_the_forecast(forecast: Forecast) -> None:
    found = as_json(forecast("--format", "json", "--actual"))
    sent = {each["integration"]: each for each in found["actual"]}
    assert sent["pagerduty"]["sent"] == pytest.approx(3, abs=0.1)
    assert sent["pagerduty"]["forecast"] == 4  # two pages, and twice that it is over
    reasons = {(each["alert"], each["reason"]) for each in found["proposals"]}
    assert ("WebBusy", "over-by-itself") in reasons
    assert ("WebSlow", "never-fired") in reasons
    assert ("WebBlind", "never-fired") not in reasons


def test_silences_of_alertmanager_are_respected(forecast: Forecast) -> None:
    silence = {
        "id": "1",
        "matchers": [{"name": "alertname", "value": "Web.*", "isRegex": True, "isEqual": True}],
        "startsAt": "2023-11-15T00:00:00Z",
        "endsAt": "2023-11-16T00:00:00.123Z",
    }
    with server(said([silence])) as alertmanager:
        found = as_json(forecast("--format", "json", "--alertmanager", alertmanager.url))
    assert found["after"]["pages"] == 1
    assert found["after"]["saved"]["silences"] >= 1
    assert found["notes"] == []


def guarded(repository: Path, url: str) -> None:
    with (repository / "mac.yaml").open("a", encoding="utf-8") as file:
        file.write(f"  guards: {{forecast: true}}\n  prometheus: {{query: {{url: '{url}'}}}}\n")


@pytest.fixture
def past_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """`generate` forecasts from the last fourteen days, and those of the test's history are long ago."""
    made = forecasting.Request
    until = datetime.fromisoformat(UNTIL).timestamp()
    monkeypatch.setattr(forecasting, "Request", lambda root: made(root, days=2, until=until))


@pytest.mark.usefixtures("past_is_now")
def test_generate_stops_at_a_budget_where_that_is_asked_for(
    repository: Path, prometheus: str, mac: Mac
) -> None:
    guarded(repository, prometheus)
    call = ("generate", "-C", repository, "--snapshot", repository / "inventory/snapshot")
    result = mac(*call)
    assert result.exit_code == 1
    assert "[over-budget]" in result.stderr
    assert "standards/teams/platform.yaml:5:3" in result.stderr
    assert not (repository / "cells").exists()
    assert mac(*call, "--allow-noise").exit_code == 0
    assert (repository / "cells").exists()
    assert mac(*call).exit_code == 0, "a plan without changes is not judged"


def test_generate_goes_on_when_nobody_can_be_asked_for_a_forecast(
    repository: Path, mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_PAUSE", 0.01)
    with server() as gone:
        pass
    guarded(repository, gone.url)
    result = mac("generate", "-C", repository, "--snapshot", repository / "inventory/snapshot")
    assert result.exit_code == 0
    assert "[forecast-failed]" in result.stderr


# --- the server --------------------------------------------------------------------------------------


def test_asking_again_costs_the_server_nothing(forecast: Forecast) -> None:
    first = as_json(forecast("--format", "json"))["cost"]
    again = as_json(forecast("--format", "json"))["cost"]
    assert first["queries"] > again["queries"]
    assert again["samples"] == 0
    assert as_json(forecast("--format", "json", "--no-cache"))["cost"]["samples"] == first["samples"]


def test_a_server_that_is_not_there_is_an_environment_failure(
    forecast: Forecast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_PAUSE", 0.01)
    with server() as gone:
        pass
    result = forecast(server=gone.url)
    assert result.exit_code == 3
    assert "does not answer" in result.stderr


def test_without_a_server_it_says_what_to_write(forecast: Forecast) -> None:
    result = forecast(server="")
    assert result.exit_code == 64
    assert "prometheus.query.url" in result.stderr


def test_the_server_of_mac_yaml_is_asked(repository: Path, prometheus: str, forecast: Forecast) -> None:
    with (repository / "mac.yaml").open("a", encoding="utf-8") as file:
        file.write(f"  prometheus: {{query: {{url: '{prometheus}'}}}}\n")
    assert as_json(forecast("--format", "json", server=""))["server"] == prometheus


@pytest.mark.parametrize("address", ["ftp://x", "prometheus:9090", "http://u:p@127.0.0.1:1", "http://a/?b=c"])
def test_an_address_that_is_none_is_wrong_usage(forecast: Forecast, address: str) -> None:
    result = forecast(server=address)
    assert result.exit_code == 64
    assert "u:p" not in result.stderr


# --- reports -----------------------------------------------------------------------------------------


def test_the_text_says_what_a_person_asks(generated: Path, forecast: Forecast) -> None:
    change(generated / "standards/web.yaml", "for: 5m", "for: 90m")
    shown = forecast().stdout
    assert "1.0 of them pages with the generated files" in shown
    assert "Incidents that nobody would be told of:\n  2023-11-15 22:05 web: WebDown" in shown
    assert "Alerts without data, of which nothing is known:\n  web: WebBlind" in shown
    assert "samples read" in shown


def test_markdown_shows_what_is_lost_and_folds_the_rest(generated: Path, forecast: Forecast) -> None:
    change(generated / "standards/web.yaml", "for: 5m", "for: 90m")
    shown = forecast("--format", "markdown").stdout
    assert "| pages | 2 | 0 | -2 | 0.0 |" in shown
    assert shown.index("**Incidents that nobody would be told of**") < shown.index("<details>")


def test_the_page_is_one_file_that_loads_nothing(generated: Path, forecast: Forecast, tmp_path: Path) -> None:
    change(generated / "standards/web.yaml", "for: 5m", "for: 90m")
    result = forecast("--format", "html", "--output", tmp_path / "forecast.html")
    assert (result.exit_code, result.stdout) == (0, "")
    page = (tmp_path / "forecast.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert page.count('<rect class="page"') == 2
    assert not any(word in page for word in ("http-equiv", "<script", "<link", "src=", "@import"))


def test_the_report_is_the_same_whenever_it_is_made(forecast: Forecast) -> None:
    first, again = (as_json(forecast("--format", "json")) for _ in range(2))
    assert {**first, "cost": {}} == {**again, "cost": {}}
