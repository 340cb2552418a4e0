"""`mac deploy` where the commit at hand has not all: another repository, branch or folder has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from mac import agent, delivery, deploy, http, servers
from mac.deploy.prometheus import _targets_in
from mac.deploy_model import DeployError, State
from mac.problems import GitError, UsageError
from tests import deploying
from tests.test_pipeline import fleet, git, run, seen
from tests.test_record import deployment, names, repository, setting

__all__ = ["deployment", "repository", "seen"]  # fixtures

Mac = Callable[..., Result]
Seen = Callable[..., Path]
TARGETS = "cells/main-us-east-1/targets/host.json"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PAUSE", 0.001)


def declare(root: Path, folder: Path) -> None:
    setting(root, f"  destinations: {{grafana: {{type: grafana-files, folder: '{folder}'}}}}\n")


# --- another repository ------------------------------------------------------------------------------


def test_what_is_in_the_deployment_repository_is_deployed_and_put_back(
    repository: Path, deployment: Path, seen: Seen, tmp_path: Path, mac: Mac
) -> None:
    folder = tmp_path / "grafana"
    declare(repository, folder)
    nothing = mac("deploy", "-C", repository)
    assert nothing.exit_code == 3
    assert "deployment repository the commit" in nothing.output
    assert "nothing was generated in it" in nothing.output
    first = run(repository, seen(fleet()), commit=True, push=True).commit
    done = mac("deploy", "-C", repository, "--format", "json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert (answer["revision"], answer["destinations"][0]["state"]) == (first, "deployed")
    assert (folder / "current/ingest.json").exists()
    second = run(
        repository,
        seen(fleet(service="other")),
        commit=True,
        push=True,
        allow=("shrink-targets", "shrink-rules"),
    ).commit
    assert second != first
    assert mac("deploy", "-C", repository).exit_code == 0
    assert not (folder / "current/ingest.json").exists()
    for revision in ("HEAD~1", str(first)):
        assert mac("deploy", "-C", repository, "--revision", revision).exit_code == 0
        assert (folder / "current/ingest.json").exists()
    assert (
        json.loads(mac("deploy", "-C", repository, "--dry-run", "--format", "json").stdout)["revision"]
        == second
    )
    assert git(repository, "status", "--porcelain") == ""


def test_the_branch_and_the_folder_of_the_deployment_repository_are_those_of_mac_yaml(
    repository: Path, deployment: Path, seen: Seen, tmp_path: Path
) -> None:
    path = repository / "mac.yaml"
    text = path.read_text().replace('output: "."', "output: generated")
    path.write_text(text.replace("{repository:", "{branch: live, repository:"))
    with pytest.raises(GitError, match="has no branch live yet"):
        delivery.release(repository)
    made = run(repository, seen(fleet()), commit=True, push=True).commit
    found = delivery.release(repository)
    assert found.revision == made
    assert {"cells/main-us-east-1/prometheus.yml", "provenance.json"} <= set(found.files)


def test_a_deployment_repository_that_is_not_reached_is_told(
    repository: Path, deployment: Path, seen: Seen
) -> None:
    run(repository, seen(fleet()), commit=True, push=True)
    deployment.rename(deployment.with_name("away.git"))
    with pytest.raises(GitError, match="cannot reach"):
        delivery.release(repository)


def test_the_agent_says_that_it_cannot_follow_another_repository(
    repository: Path, deployment: Path, seen: Seen, tmp_path: Path, mac: Mac
) -> None:
    declare(repository, tmp_path / "grafana")
    run(repository, seen(fleet()), commit=True, push=True)
    done = agent.Agent(agent.Watch(repository, "main"), lambda seconds: True).round()
    assert done is not None
    assert isinstance(done.error, UsageError)
    assert "git.repository" in done.error.message
    assert not (tmp_path / "grafana").exists()
    unit = mac("deploy", "-C", repository, "unit")
    assert unit.exit_code == 64
    assert "git.repository" in unit.output


def test_a_branch_that_is_not_merged_is_named(repository: Path, seen: Seen, tmp_path: Path, mac: Mac) -> None:
    declare(repository, tmp_path / "grafana")
    setting(repository, "  git: {branch: generated}\n")
    run(repository, seen(fleet()), commit=True, push=True)
    assert "provenance.json" not in names(repository, "HEAD")
    refused = mac("deploy", "-C", repository)
    assert refused.exit_code == 3
    assert "--revision generated" in refused.output
    assert mac("deploy", "-C", repository, "--revision", "generated").exit_code == 0
    git(repository, "merge", "--quiet", "generated")
    assert mac("deploy", "-C", repository).exit_code == 0


# --- targets outside of Git --------------------------------------------------------------------------


def test_targets_outside_of_git_are_compared_with_their_folder_as_it_is(tmp_path: Path) -> None:
    live = tmp_path / "live/host.json"
    live.parent.mkdir()

    def write(*targets: str) -> None:
        (tmp_path / "new").write_text(json.dumps([{"targets": list(targets), "labels": {}}]))
        (tmp_path / "new").replace(live)

    config = {
        "scrape_configs": [
            {"job_name": "host", "file_sd_configs": [{"files": [str(live)], "refresh_interval": "1s"}]},
            {"job_name": "none", "file_sd_configs": [{"files": [str(tmp_path / "none.json")]}]},
            {
                "job_name": "asked",
                "http_sd_configs": [{"url": "http://127.0.0.1:1/t", "refresh_interval": "5m"}],
            },
        ]
    }
    files = {
        path: data
        for path, data in deploying.prometheus_files("Web", config=config).items()
        if not path.startswith("targets/")
    }
    write("127.0.0.1:1", "127.0.0.2:1")
    folder, release = tmp_path / "p", deploying.release(files)
    settings = deploying.settings(folder, "http://127.0.0.1:1", settle=1.0)
    assert deploy.deliver(settings, release).state is State.FAILED  # it is not started yet
    with servers.prometheus(folder / "current/prometheus.yml") as server:
        there = deploying.settings(folder, server.url)
        assert deploy.deliver(there, release).state is State.DEPLOYED
        assert len([t for t in server.targets() if t["labels"]["job"] == "host"]) == 2
    write("127.0.0.3:1")
    wanted, jobs = _targets_in(config, files)
    assert wanted == {("host", "127.0.0.3:1")}
    assert jobs == {"host", "none"}, "what is asked for over HTTP is not known here"
    live.unlink()
    live.mkdir()
    with pytest.raises(DeployError, match="cannot be read"):
        _targets_in(config, files)


def test_a_commit_whose_targets_are_outside_of_git_is_deployed_without_them(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    setting(repository, f"  targets: file\n  targets_folder: {tmp_path / 'live'}\n")
    run(repository, seen(fleet()), commit=True)
    found = delivery.release(repository)
    assert TARGETS not in found.files
    assert (tmp_path / "live" / TARGETS).exists()
