from __future__ import annotations

import json
from pathlib import Path

import pytest

from mac import engines
from mac.engines import Finding
from mac.problems import EngineError

RULES = """\
groups:
  - name: a
    rules:
      - {record: "a:up:sum", expr: sum(up)}
      - {alert: Down, expr: up == 0, for: 5m, keep_firing_for: 5m}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def promtool() -> engines.Engine:
    return engines.require("promtool")


def amtool() -> engines.Engine:
    return engines.require("amtool")


def test_each_generation_is_found_with_its_version(generation: str) -> None:
    oldest = {"bookworm": (2, 42), "trixie": (2, 53), "sid": (3, 0)}[generation]
    for tool in ("promtool", "prometheus"):
        found = engines.require(tool)
        assert found.version >= (*oldest, 0)
        assert generation in str(found.path)
    alertmanagers = {"bookworm": (0, 25), "trixie": (0, 28), "sid": (0, 29)}
    for tool in ("amtool", "alertmanager"):
        assert engines.require(tool).version >= (*alertmanagers[generation], 0)


def test_an_engine_is_found_on_path_by_either_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAC_ALERTMANAGER")
    for name in ("alertmanager", "prometheus-alertmanager"):
        folder = tmp_path / name
        folder.mkdir()
        program = write(folder, name, "#!/bin/sh\necho 'alertmanager, version 0.99.1 (branch: x)'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/bin")
        assert engines.require("alertmanager").version == (0, 99, 1)


def test_a_missing_engine_is_none_and_when_it_is_required_an_error_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MAC_PROMTOOL")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert engines.find("promtool") is None
    with pytest.raises(EngineError) as caught:
        engines.require("promtool")
    assert "MAC_PROMTOOL" in caught.value.hint


def test_a_variable_that_names_nothing_is_an_error_and_not_a_missing_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAC_PROMTOOL", "/no/such/promtool")
    with pytest.raises(EngineError, match="MAC_PROMTOOL names /no/such/promtool"):
        engines.find("promtool")


def test_a_program_that_is_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAC_PROMTOOL", "/bin/true")
    with pytest.raises(EngineError, match="does not say that it is promtool"):
        engines.find("promtool")


@pytest.mark.usefixtures("generation")
def test_good_rules_have_no_findings(tmp_path: Path) -> None:
    assert promtool().check_rules([write(tmp_path, "good.yml", RULES)]) == ()


@pytest.mark.usefixtures("generation")
def test_every_bad_rule_file_is_told_with_its_place(tmp_path: Path) -> None:
    syntax = write(tmp_path, "syntax.yml", 'groups:\n  - name: "a\n')
    key = write(tmp_path, "key.yml", "groups:\n  - name: a\n    bogus: 1\n    other: 2\n")
    expr = write(
        tmp_path,
        "expr.yml",
        "groups:\n  - name: a\n    rules:\n      - {alert: X, expr: foo bar}\n"
        "      - {alert: Y, expr: up, annotations: {summary: '{{ $labels.x'}}\n",
    )
    good = write(tmp_path, "good.yml", RULES)
    found = promtool().check_rules([good, expr, key, syntax])
    assert [(Path(f.file).name, f.line, f.column) for f in found] == [
        ("expr.yml", 4, 26),
        ("expr.yml", 0, 0),
        ("key.yml", 3, 0),
        ("key.yml", 4, 0),
        ("syntax.yml", 2, 0),
    ]
    assert 'unexpected identifier "bar"' in found[0].message
    assert "unclosed action" in found[1].message
    assert "field bogus not found" in found[2].message
    assert found[4].message == "found unexpected end of stream"


@pytest.mark.usefixtures("generation")
def test_a_configuration_is_checked_with_the_rules_and_targets_that_it_names(tmp_path: Path) -> None:
    write(tmp_path, "good.yml", RULES)
    write(tmp_path, "bad.yml", "groups:\n  - name: a\n    rules: [{alert: X, expr: 'up ='}]\n")
    write(tmp_path, "targets.json", json.dumps([{"targets": "127.0.0.1:9100"}]))

    def check(config: dict[str, object]) -> list[tuple[str, str]]:
        path = write(tmp_path, "prometheus.yml", json.dumps(config))
        return [(Path(f.file).name, f.message) for f in promtool().check_config(path)]

    job = {"job_name": "x", "file_sd_configs": [{"files": ["targets.json"]}]}
    assert check({"rule_files": ["good.yml"]}) == []
    assert [name for name, _ in check({"rule_files": ["good.yml", "bad.yml"]})] == ["bad.yml"]
    assert [name for name, _ in check({"scrape_configs": [job]})] == ["targets.json"]
    [(name, message)] = check({"rule_files": ["missing.yml"]})
    assert name == "prometheus.yml"
    assert "does not point to an existing file" in message
    [(name, message)] = check({"scrape_configs": [{"job_name": "x", "bogus": 1}]})
    assert name == "prometheus.yml"
    assert "field bogus not found" in message


@pytest.mark.usefixtures("generation")
def test_an_alertmanager_configuration_is_checked_by_amtool(tmp_path: Path) -> None:
    receivers = [{"name": "x", "slack_configs": [{"api_url_file": "/secrets/x", "channel": "#x"}]}]
    good = write(tmp_path, "good.yml", json.dumps({"route": {"receiver": "x"}, "receivers": receivers}))
    assert amtool().check_config(good) == ()
    bad = write(tmp_path, "bad.yml", json.dumps({"route": {"receiver": "y"}, "receivers": receivers}))
    assert amtool().check_config(bad) == (Finding(str(bad), 0, 0, 'undefined receiver "y" used in route'),)
    # Newer generations write a warning about the matcher between the file's name and the verdict.
    odd = {"receiver": "x", "matchers": ["a=~"], "bogus": 1}
    worse = write(tmp_path, "worse.yml", json.dumps({"route": odd, "receivers": receivers}))
    [finding] = amtool().check_config(worse)
    assert finding.file == str(worse)
    assert finding.line == 1


@pytest.mark.usefixtures("generation")
def test_a_refusal_is_a_finding_even_when_it_names_no_file(tmp_path: Path) -> None:
    for engine in (promtool(), amtool()):
        [finding] = engine.check_config(tmp_path / "missing.yml")
        assert "does not exist" in finding.message


@pytest.mark.usefixtures("generation")
def test_rule_tests_run_beside_their_rules(tmp_path: Path) -> None:
    write(tmp_path, "rules.yml", RULES)

    def outcome(labels: dict[str, str]) -> int:
        case = {
            "interval": "1m",
            "input_series": [{"series": 'up{job="a"}', "values": "0x20"}],
            "alert_rule_test": [
                {"eval_time": "10m", "alertname": "Down", "exp_alerts": [{"exp_labels": labels}]}
            ],
        }
        document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}
        return (
            promtool()
            .test_rules(tmp_path, [write(tmp_path, "case.yml", json.dumps(document)).name])
            .returncode
        )

    assert outcome({"job": "a"}) == 0
    assert outcome({"job": "b"}) == 1


def test_more_files_than_fit_into_one_call_are_all_checked(tmp_path: Path) -> None:
    paths = [write(tmp_path, f"{n:04}.yml", "groups: []\n") for n in range(engines._FILES_AT_ONCE)]
    paths.append(write(tmp_path, "last.yml", "groups: 1\n"))
    assert {Path(f.file).name for f in promtool().check_rules(paths)} == {"last.yml"}


def test_an_engine_that_breaks_down_is_an_error_and_not_a_verdict(tmp_path: Path) -> None:
    program = write(
        tmp_path,
        "promtool",
        '#!/bin/sh\n[ "$1" = --version ] && echo "promtool, version 3.0.0" && exit 0\necho oh no; exit 2\n',
    )
    program.chmod(0o755)
    engine = engines.Engine("promtool", program, (3, 0, 0))
    with pytest.raises(EngineError, match=r"(?s)exit code 2.*oh no"):
        engine.check_rules([tmp_path / "rules.yml"])
