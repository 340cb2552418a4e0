"""Deployment to files that real Prometheus and Alertmanager servers of every generation read."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import deploying
import pytest

from mac import deploy, http, servers
from mac.deploy import versions
from mac.deploy.files import FilesDestination
from mac.deploy.prometheus import Prometheus
from mac.deploy.running import fault, until
from mac.deploy_model import Action, DestinationType, FilesSettings, Release, State
from mac.problems import OutputError


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is asked again at once."""
    monkeypatch.setattr(http, "_PAUSE", 0.001)


def placed(settings: FilesSettings, prefix: str, release: Release) -> None:
    """As found by a server that starts for the first time."""
    FilesDestination(settings, prefix, None, None).apply(release)


def agreeable(folder: Path, tool: str) -> str:
    """A promtool that finds nothing wrong with anything, as that of another version may."""
    path = folder / tool
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{tool}, version 9.9.9 (x)"\nexit 0\n')
    path.chmod(0o755)
    return str(path)


def process_on(config: Path) -> int:
    """The process that was started with this file."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if f"--config.file={config}".encode() in words.split(b"\0"):
                return int(folder.name)
    raise AssertionError(f"no process on {config}")


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".mac.json"
    }


@pytest.mark.usefixtures("generation")
def test_a_prometheus_runs_what_is_deployed_or_has_back_what_it_ran(tmp_path: Path) -> None:
    folder = tmp_path / "prometheus"
    first = deploying.release(deploying.prometheus_files("Down"))
    placed(deploying.settings(folder), f"cells/{deploying.CELL}/", first)
    with servers.prometheus(folder / "current/prometheus.yml") as server:
        settings = deploying.settings(folder, server.url)
        here = deploy.destination(settings)
        assert not here.plan(first)
        assert here.read_back().faults == ()

        # Its targets would be looked at in five minutes: they are there because it was made to look.
        second = deploying.release(
            deploying.prometheus_files("Down", "Slow", targets=["127.0.0.1:1", "127.0.0.1:2"]),
            revision="2" * 40,
        )
        done = deploy.deliver(settings, second)
        assert (done.state, done.version[:4], done.message) == (State.DEPLOYED, "0002", "")
        assert done.plan is not None
        assert [f"{c.action} {c.what}" for c in done.plan.changes] == [
            "change rules/production/web.yml",
            "change targets/host.json",
        ]
        [group] = server.rule_groups()
        assert [rule["name"] for rule in group["rules"]] == ["service:up:ratio", "Down", "Slow"]
        assert len(server.targets()) == 2
        assert deploy.deliver(settings, second).state is State.UNCHANGED
        assert here.read_back().revision == "2" * 40

        # The same configuration with other targets: nothing to reload, and still all is verified.
        moved = deploying.release(deploying.prometheus_files("Down", "Slow", targets=["127.0.0.1:3"]))
        assert deploy.deliver(settings, moved).state is State.DEPLOYED
        assert [t["discoveredLabels"]["__address__"] for t in server.targets()] == ["127.0.0.1:3"]

        # promtool of its own version refuses: nothing is changed.
        wrong = dict(deploying.prometheus_files("Down"))
        wrong["rules/production/web.yml"] = wrong["rules/production/web.yml"].replace(b"up == 0", b"up ==")
        before = os.readlink(folder / "current")
        refused = deploy.deliver(settings, deploying.release(wrong))
        assert refused.state is State.REFUSED
        [problem] = {p.location.path: p for p in refused.problems}.values()
        assert problem.location.path == f"cells/{deploying.CELL}/rules/production/web.yml"
        assert os.readlink(folder / "current") == before

        # A promtool of another version does not see it; Prometheus refuses, and has back what it ran.
        blind = replace(settings, tool=agreeable(tmp_path, "promtool"))
        back = deploy.deliver(blind, deploying.release(wrong))
        assert back.state is State.ROLLED_BACK, back.message
        assert os.readlink(folder / "current") == before
        assert here.read_back().faults == ()

        # By a signal, to the right process only.
        pid_file = tmp_path / "pid"
        by_signal = replace(settings, pid_file=str(pid_file))
        pid_file.write_text(f"{process_on(folder / 'current/prometheus.yml')}\n")
        assert deploy.deliver(by_signal, first).state is State.DEPLOYED
        assert [rule["name"] for rule in server.rule_groups()[0]["rules"]] == ["service:up:ratio", "Down"]
        back = deploy.deliver(replace(by_signal, tool=blind.tool), deploying.release(wrong))
        assert back.state is State.ROLLED_BACK, back.message
        pid_file.write_text(f"{os.getpid()}\n")
        stopped = deploy.deliver(by_signal, second)
        assert stopped.state is State.FAILED
        assert "is no prometheus" in stopped.message


@pytest.mark.usefixtures("generation")
def test_an_alertmanager_runs_what_is_deployed_or_has_back_what_it_ran(tmp_path: Path) -> None:
    folder = tmp_path / "alertmanager"
    first = deploying.release(alertmanager=deploying.alertmanager_files("nobody"))
    kind = DestinationType.ALERTMANAGER_FILES
    placed(deploying.settings(folder, type=kind), "alertmanager/", first)
    with servers.alertmanager(folder / "current/alertmanager.yml") as server:
        settings = deploying.settings(folder, server.url, type=kind, cell="")
        here = deploy.destination(settings)
        assert not here.plan(first)
        second = deploying.release(alertmanager=deploying.alertmanager_files("nobody", "somebody"))
        assert deploy.deliver(settings, second).state is State.DEPLOYED
        assert server.receivers() == ("nobody", "somebody")
        assert deploy.deliver(settings, second).state is State.UNCHANGED

        broken = deploying.release(alertmanager={"alertmanager.yml": b"route: {receiver: gone}\n"})
        refused = deploy.deliver(settings, broken)
        assert refused.state is State.REFUSED
        assert refused.problems[0].location.path == "alertmanager/alertmanager.yml"
        back = deploy.deliver(replace(settings, tool=agreeable(tmp_path, "amtool")), broken)
        assert back.state is State.ROLLED_BACK, back.message
        assert server.receivers() == ("nobody", "somebody")
        assert here.read_back().faults == ()


# --- kills and failures at every step ----------------------------------------------------------------


@pytest.mark.parametrize("mode", ["kill", "error"])
def test_after_a_kill_at_every_system_call_the_next_run_is_right(tmp_path: Path, mode: str) -> None:
    program = Path(__file__).with_name("deploy_crash.py")
    run = subprocess.run(
        [sys.executable, program, tmp_path, mode], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["failures"] == []
    assert min(result["steps"]) > 25


# --- what counts as the same configuration -----------------------------------------------------------

RICH: dict[str, Any] = {
    "global": {"scrape_interval": "60s", "evaluation_interval": "15s", "external_labels": {"a": "1"}},
    "remote_write": [
        {
            "url": "http://127.0.0.1:1/api/v1/push",
            "remote_timeout": "30s",
            "basic_auth": {"username": "u", "password": "hidden"},
            "write_relabel_configs": [{"source_labels": ["job"], "regex": "x", "action": "drop"}],
            "queue_config": {"max_shards": 7},
        }
    ],
    "scrape_configs": [
        {
            "job_name": "rich",
            "honor_labels": False,
            "scheme": "https",
            "params": {"module": ["a", "b"]},
            "tls_config": {"insecure_skip_verify": True},
            "bearer_token": "hidden",
            "relabel_configs": [{"target_label": "cell", "replacement": "here"}],
            "static_configs": [{"targets": ["127.0.0.1:2"], "labels": {"team": "x"}}],
        },
        {
            "job_name": "dropped",
            "static_configs": [{"targets": ["127.0.0.1:4"]}],
            "relabel_configs": [{"source_labels": ["__address__"], "regex": ".*", "action": "drop"}],
        },
    ],
}


@pytest.mark.usefixtures("generation")
def test_defaults_hidden_secrets_and_other_spellings_are_no_difference(tmp_path: Path) -> None:
    files = deploying.prometheus_files("Down", config=RICH)
    path = tmp_path / "prometheus.yml"
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with servers.prometheus(path) as server:
        running = Prometheus(http.Server(deploying.access(server.url)), "prometheus")
        until(lambda: fault(running, tmp_path, files), 60.0)
        for change, where in (
            ({"global": {**RICH["global"], "external_labels": {"a": "2"}}}, "global.external_labels.a"),
            ({"global": {**RICH["global"], "scrape_interval": "61s"}}, "global.scrape_interval"),
            ({"scrape_configs": RICH["scrape_configs"][:1]}, "scrape_configs (2 instead of 1)"),
        ):
            other = deploying.prometheus_files("Down", config={**RICH, **change})
            assert where in fault(running, tmp_path, other)
        elsewhere = fault(running, tmp_path / "other", files)
        assert f"was it started on {tmp_path}/other/prometheus.yml, by this path?" in elsewhere
        for changed, word in (
            (deploying.prometheus_files("Other", config=RICH), "runs otherwise the rule group"),
            ({**files, "rules/production/b.yml": files["rules/production/web.yml"]}, "does not run the rule"),
        ):
            assert word in fault(running, tmp_path, changed)


# --- what is in the way ------------------------------------------------------------------------------


def test_a_server_that_is_down_keeps_what_it_has_and_the_first_version_waits_for_its_start(
    tmp_path: Path,
) -> None:
    settings = deploying.settings(tmp_path / "p", "http://127.0.0.1:1", settle=0.1)
    first = deploying.release(deploying.prometheus_files("Down"))
    done = deploy.deliver(settings, first)
    assert done.state is State.FAILED
    assert "0001-" in done.message
    assert "start the server" in done.hint
    assert content(tmp_path / "p/current") == deploying.prometheus_files("Down")
    done = deploy.deliver(settings, deploying.release(deploying.prometheus_files("Slow")))
    assert done.state is State.FAILED
    assert content(tmp_path / "p/current") == deploying.prometheus_files("Down")


def test_a_dry_run_makes_nothing(tmp_path: Path) -> None:
    settings = deploying.settings(tmp_path / "p", "http://127.0.0.1:1")
    done = deploy.deliver(settings, deploying.release(deploying.prometheus_files("Down")), dry_run=True)
    assert done.state is State.PLANNED
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_changed_by_hand_is_told_and_put_right(tmp_path: Path) -> None:
    here = FilesDestination(deploying.settings(tmp_path / "p"), f"cells/{deploying.CELL}/", None, None)
    release = deploying.release(deploying.prometheus_files("Down"))
    here.apply(release)
    assert not here.plan(release)
    (tmp_path / "p/current/prometheus.yml").write_text("mine")
    (tmp_path / "p/current/extra.yml").write_text("mine")
    edits = here.read_back().edits or ()
    assert [(c.what, c.action) for c in edits] == [
        ("extra.yml", Action.ADD),
        ("prometheus.yml", Action.CHANGE),
    ]
    assert [c.what for c in here.plan(release).changes] == ["extra.yml", "prometheus.yml"]
    assert here.apply(release).startswith("0002-")
    assert content(tmp_path / "p/current") == deploying.prometheus_files("Down")


def test_an_earlier_version_is_used_again_and_old_ones_go(tmp_path: Path) -> None:
    here = FilesDestination(
        deploying.settings(tmp_path / "p", keep=2), f"cells/{deploying.CELL}/", None, None
    )
    one, two, three = (deploying.release(deploying.prometheus_files(name)) for name in "ABC")
    assert [here.apply(each)[:4] for each in (one, two, one, three)] == ["0001", "0002", "0001", "0003"]
    assert sorted(name[:4] for name in os.listdir(tmp_path / "p/versions")) == ["0002", "0003"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "p/current").mkdir(parents=True)
    settings = deploying.settings(tmp_path / "p")
    here = FilesDestination(settings, f"cells/{deploying.CELL}/", None, None)
    with pytest.raises(OutputError, match="was not made by mac"):
        here.apply(deploying.release(deploying.prometheus_files()))


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", ".mac.json"])
def test_no_name_leads_out_of_a_version(tmp_path: Path, path: str) -> None:
    here = FilesDestination(deploying.settings(tmp_path / "p"), f"cells/{deploying.CELL}/", None, None)
    with pytest.raises(OutputError):
        here.apply(Release("1" * 40, {f"cells/{deploying.CELL}/{path}": b""}))
    assert not (tmp_path / "x").exists()


def test_what_a_server_would_follow_or_wait_for_is_a_change_too(tmp_path: Path) -> None:
    here = FilesDestination(deploying.settings(tmp_path / "p"), f"cells/{deploying.CELL}/", None, None)
    release = deploying.release(deploying.prometheus_files("Down"))
    here.apply(release)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/mine.yml").write_text("groups: []")
    (tmp_path / "p/current/rules/mine").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "p/current/pipe")
    assert [(c.what, c.action) for c in here.plan(release).changes] == [
        ("pipe", Action.REMOVE),
        ("rules/mine", Action.REMOVE),
    ]
    assert here.apply(release).startswith("0002-")
    assert content(tmp_path / "p/current") == deploying.prometheus_files("Down")


def test_a_version_that_lost_what_says_what_it_is_is_in_nobodys_way(tmp_path: Path) -> None:
    here = FilesDestination(deploying.settings(tmp_path / "p"), f"cells/{deploying.CELL}/", None, None)
    release = deploying.release(deploying.prometheus_files("Down"))
    here.apply(release)
    (tmp_path / "p/current/.mac.json").unlink()
    assert here.apply(release).startswith("0002-")
    assert not here.plan(release)


def test_what_could_not_be_written_leaves_nothing_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    here = FilesDestination(deploying.settings(tmp_path / "p"), f"cells/{deploying.CELL}/", None, None)
    monkeypatch.setattr(versions, "sync_file", full)
    with pytest.raises(OutputError, match="No space left"):
        here.apply(deploying.release(deploying.prometheus_files("Down")))
    assert os.listdir(tmp_path / "p/versions") == []
