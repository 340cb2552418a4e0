from __future__ import annotations

import json
from pathlib import Path

import pytest

from mac import servers
from mac.problems import EngineError

RULES = {
    "groups": [
        {
            "name": "always / here",
            "interval": "1s",
            "rules": [
                {"record": "one:value", "expr": "vector(1)"},
                {"alert": "Always", "expr": "vector(1) > 0", "labels": {"severity": "info"}},
            ],
        }
    ]
}


def prometheus_config(folder: Path, alertmanager: str = "127.0.0.1:9") -> Path:
    (folder / "rules.yml").write_text(json.dumps(RULES))
    (folder / "targets.json").write_text(
        json.dumps([{"targets": ["127.0.0.1:1", "127.0.0.1:2"], "labels": {"service": "hdfs"}}])
    )
    path = folder / "prometheus.yml"
    path.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "30s", "evaluation_interval": "1s"},
                "rule_files": ["rules.yml"],
                "scrape_configs": [{"job_name": "host", "file_sd_configs": [{"files": ["targets.json"]}]}],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            }
        )
    )
    return path


def alertmanager_config(folder: Path) -> Path:
    path = folder / "alertmanager.yml"
    path.write_text(json.dumps({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}))
    return path


def wait_for(server: servers.Api, condition: object) -> None:
    """Until `condition()` holds; the server says of itself what is missing otherwise."""
    import time

    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"{server.url} never got there"
        time.sleep(0.05)


@pytest.mark.usefixtures("generation")
def test_an_alert_goes_from_a_rule_through_prometheus_to_alertmanager(tmp_path: Path) -> None:
    with servers.alertmanager(alertmanager_config(tmp_path)) as alertmanager:
        assert alertmanager.receivers() == ("nobody",)
        address = alertmanager.url.removeprefix("http://")
        # The first alert fires before the Alertmanager is discovered: have it sent again at once.
        soon = ["--rules.alert.resend-delay=1s"]
        with servers.prometheus(prometheus_config(tmp_path, address), arguments=soon) as prometheus:
            [group] = prometheus.rule_groups()
            assert group["name"] == "always / here"
            assert [rule["name"] for rule in group["rules"]] == ["one:value", "Always"]
            wait_for(prometheus, lambda: len(prometheus.targets()) == 2)
            assert {t["labels"]["service"] for t in prometheus.targets()} == {"hdfs"}
            wait_for(prometheus, lambda: prometheus.query("one:value")["result"])
            wait_for(prometheus, prometheus.alertmanagers)
            wait_for(alertmanager, alertmanager.alerts)
            [alert] = alertmanager.alerts()
            assert alert["labels"] == {"alertname": "Always", "severity": "info"}
            assert [a["labels"]["alertname"] for a in prometheus.alerts()] == ["Always"]


@pytest.mark.usefixtures("generation")
def test_a_configuration_is_read_again_and_a_broken_one_refused(tmp_path: Path) -> None:
    config = alertmanager_config(tmp_path)
    with servers.alertmanager(config) as alertmanager:
        config.write_text(config.read_text().replace("nobody", "somebody"))
        alertmanager.reload()
        assert "somebody" in alertmanager.configuration()
        config.write_text("route: {}")
        with pytest.raises(EngineError, match="/-/reload answers 500"):
            alertmanager.reload()
        assert alertmanager.receivers() == ("somebody",)


@pytest.mark.usefixtures("generation")
def test_servers_on_a_broken_configuration_say_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("bogus: 1\n")
    for start in (servers.prometheus, servers.alertmanager):
        with pytest.raises(EngineError, match="field bogus not found"), start(broken):
            pass


def test_an_api_that_nobody_serves_is_not_ready_and_every_question_fails() -> None:
    api = servers.Prometheus("http://127.0.0.1:1")
    assert not api.ready()
    with pytest.raises(EngineError, match="does not answer"):
        api.rule_groups()


def test_a_proxy_in_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with servers.alertmanager(alertmanager_config(tmp_path)) as alertmanager:
        assert alertmanager.version()


def test_a_refused_query_gives_the_reason(tmp_path: Path) -> None:
    with (
        servers.prometheus(prometheus_config(tmp_path)) as prometheus,
        pytest.raises(EngineError, match="parse error"),
    ):
        prometheus.query("up{")
