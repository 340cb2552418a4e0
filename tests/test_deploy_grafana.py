"""Dashboards over Grafana's API."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from grafana_server import GrafanaServer

from mac import deploy, http
from mac.access_model import Secret, ServerAccess
from mac.deploy import grafana
from mac.deploy_model import ApiSettings, DestinationType, Release, State


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PAUSE", 0.001)


@pytest.fixture
def server() -> Iterator[GrafanaServer]:
    with GrafanaServer("right") as made:
        yield made


@pytest.fixture
def settings(server: GrafanaServer, tmp_path: Path) -> ApiSettings:
    (tmp_path / "token").write_text("right\n")
    access = ServerAccess(server.url, bearer_token=Secret(file=str(tmp_path / "token")), timeout=20.0)
    return ApiSettings("here", DestinationType.GRAFANA_API, access)


def release(**titles: str) -> Release:
    """Name → title of a dashboard."""
    files = {
        f"dashboards/{name}.json": json.dumps(
            {"uid": f"mac-{name}", "title": title, "panels": [{"id": 1}]}
        ).encode()
        for name, title in titles.items()
    }
    return Release("1" * 40, {**files, "dashboards/provider.yml": b"no dashboard", "provenance.json": b"{}"})


def shown(server: GrafanaServer) -> dict[str, str]:
    return {uid: board["title"] for uid, (_, board) in server.boards.items()}


def test_dashboards_come_change_and_go_and_those_of_others_stay(
    server: GrafanaServer, settings: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grafana, "_PAGE", 2)
    server.boards = {
        "theirs": ("mac", {"title": "in our folder", "uid": "theirs", "version": 1}),
        "mac-theirs": ("else", {"title": "elsewhere", "uid": "mac-theirs", "version": 1}),
    }
    first = release(web="Web", hdfs="HDFS")
    done = deploy.deliver(settings, first)
    assert (done.state, done.message) == (State.DEPLOYED, "")
    assert server.folders == {"mac": "Services"}
    assert deploy.deliver(settings, first).state is State.UNCHANGED
    server.seen.clear()
    assert deploy.deliver(settings, release(web="The web")).state is State.DEPLOYED
    assert [call for call in server.seen if not call.startswith("GET")] == [
        "POST /api/dashboards/db",
        "DELETE /api/dashboards/uid/mac-hdfs",
    ]
    assert shown(server) == {"theirs": "in our folder", "mac-theirs": "elsewhere", "mac-web": "The web"}
    needed = deploy.destination(settings).needs().requests
    assert [s for s in server.seen if not any(fnmatch.fnmatchcase(s, n) for n in needed)] == []


def test_what_somebody_edited_is_put_right(server: GrafanaServer, settings: ApiSettings) -> None:
    deploy.deliver(settings, release(web="Web"))
    server.boards["mac-web"][1]["panels"].append({"id": 2})
    assert deploy.deliver(settings, release(web="Web")).state is State.DEPLOYED
    assert server.boards["mac-web"][1]["panels"] == [{"id": 1}]


def test_a_dashboard_that_is_refused_leaves_all_as_it_was(
    server: GrafanaServer, settings: ApiSettings
) -> None:
    deploy.deliver(settings, release(web="Web", hdfs="HDFS"))
    done = deploy.deliver(settings, release(hdfs="changed", yarn=""))
    assert done.state is State.ROLLED_BACK
    assert "title cannot be empty" in done.message
    assert shown(server) == {"mac-web": "Web", "mac-hdfs": "HDFS"}


def test_a_token_that_is_wrong_is_told(settings: ApiSettings, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("wrong")
    done = deploy.deliver(settings, release(web="Web"))
    assert done.state is State.FAILED
    assert "401" in done.message
