"""Deployment over the HTTP APIs of Mimir and Cortex."""

from __future__ import annotations

import fnmatch
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import deploying
import pytest
from mimir import Mimir

from mac import deploy, http
from mac.access_model import Secret, ServerAccess
from mac.deploy.files import FilesDestination
from mac.deploy_model import Action, ApiSettings, DestinationType, Release, State


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PAUSE", 0.001)


def group(name: str, *alerts: str, expr: str = "up == 0", interval: str = "60s") -> dict[str, Any]:
    rules = [
        {
            "alert": alert,
            "expr": expr,
            "for": "300s",
            "keep_firing_for": "0s",
            "labels": {"severity": "page"},
            "annotations": {"summary": "{{ $value }} a: b"},
        }
        for alert in alerts
    ]
    return {"name": name, "interval": interval, "rules": rules}


def release(**groups: list[dict[str, Any]]) -> Release:
    """File below rules/production/ → its groups."""
    files = {
        f"rules/production/{name}.yml": json.dumps({"groups": content}).encode()
        for name, content in groups.items()
    }
    heartbeat = {"heartbeat.yml": json.dumps({"groups": [group("heartbeat", "Heartbeat")]}).encode()}
    return deploying.release({"prometheus.yml": b"{}", **files, **heartbeat})


def ruler(server: Mimir, api: str = "mimir", **changes: Any) -> ApiSettings:
    url = f"{server.url}/prometheus" if api == "mimir" else server.url
    settings = ApiSettings(
        "here",
        DestinationType.RULER,
        ServerAccess(url, tenant="platform", timeout=20.0),
        cell=deploying.CELL,
        api=api,
        settle=20.0,
    )
    return replace(settings, **changes)


WEB = f"mac:{deploying.CELL}:production:web"
HDFS = f"mac:{deploying.CELL}:production:hdfs"
HEARTBEAT = f"mac:{deploying.CELL}:heartbeat"


@pytest.mark.parametrize("api", ["mimir", "cortex"])
def test_only_what_differs_is_sent_and_what_is_gone_deleted(api: str) -> None:
    with Mimir(api) as server:
        settings = ruler(server, api)
        first = release(
            web=[group("web / production / host", "Down"), group("b", "B")], hdfs=[group("c", "C")]
        )
        assert deploy.deliver(settings, first, dry_run=True).state is State.PLANNED
        assert server.calls == []
        done = deploy.deliver(settings, first)
        assert (done.state, done.message) == (State.DEPLOYED, "")
        assert sorted(server.groups) == [HEARTBEAT, HDFS, WEB]
        assert sorted(server.groups[WEB]) == ["b", "web / production / host"]
        server.calls.clear()
        assert deploy.deliver(settings, first).state is State.UNCHANGED
        assert server.calls == []

        prefix = "/prometheus/config/v1/rules" if api == "mimir" else "/api/v1/rules"
        second = release(web=[group("web / production / host", "Down", "Slow"), group("b", "B")])
        done = deploy.deliver(settings, second)
        assert done.state is State.DEPLOYED
        assert done.plan is not None
        assert {(c.what, c.action) for c in done.plan.changes} == {
            (f"{WEB}: web / production / host", Action.CHANGE),
            (f"{HDFS}: c", Action.REMOVE),
        }
        assert server.calls == [f"POST {prefix}/{WEB}", f"DELETE {prefix}/{HDFS}/c"]


def test_namespaces_of_others_stay_as_they_are() -> None:
    with Mimir() as server:
        others: Mapping[str, Any] = {
            "handmade": {"x": group("x", "X")},
            "machine:rules": {"y": group("y", "Y")},
            "mac:another-cell:production:web": {"z": group("z", "Z")},
        }
        server.groups = {namespace: dict(groups) for namespace, groups in others.items()}
        assert deploy.deliver(ruler(server), release(web=[group("a", "A")])).state is State.DEPLOYED
        empty = deploying.release({"prometheus.yml": b"{}"})
        assert deploy.deliver(ruler(server), empty).state is State.DEPLOYED
        assert {n: g for n, g in server.groups.items() if g} == others


def test_a_change_by_hand_is_seen_and_put_right() -> None:
    with Mimir() as server:
        wanted = release(web=[group("a", "A")])
        deploy.deliver(ruler(server), wanted)
        here = deploy.destination(ruler(server))
        intended = here.read_back().items
        server.groups[WEB]["a"]["rules"][0]["expr"] = "up == 1"
        assert here.read_back().items != intended
        assert deploy.deliver(ruler(server), wanted).state is State.DEPLOYED
        assert here.read_back().items == intended


@pytest.mark.parametrize("broken", ["limit", "syntax"])
def test_what_is_refused_half_way_leaves_what_was_there(broken: str) -> None:
    with Mimir() as server:
        deploy.deliver(ruler(server), release(web=[group("a", "A")], old=[group("o", "O")]))
        before = json.dumps(server.groups, sort_keys=True)
        bad = (
            group("z", *(f"A{n}" for n in range(30))) if broken == "limit" else group("z", "Z", expr="up ==")
        )
        done = deploy.deliver(ruler(server), release(web=[group("a", "A", "B"), bad]))
        assert done.state is State.ROLLED_BACK
        assert ("limit (20) exceeded" if broken == "limit" else "parse error") in done.message
        assert json.dumps({n: g for n, g in server.groups.items() if g}, sort_keys=True) == before


def test_a_ruler_that_does_not_take_it_up_has_back_what_it_had() -> None:
    with Mimir() as server:
        first = release(web=[group("a", "A")])
        deploy.deliver(ruler(server), first)
        server.asleep = True
        done = deploy.deliver(ruler(server, settle=0.2), release(web=[group("b", "B")]))
        assert done.state is State.ROLLED_BACK
        assert "still evaluates the rule group 'a'" in done.message
        assert list(server.groups[WEB]) == ["a"]


def test_a_wrong_path_is_no_empty_ruler_and_a_wrong_tenant_or_token_is_told(tmp_path: Path) -> None:
    with Mimir(token="right") as server:
        settings = ruler(server)
        assert "401" in deploy.deliver(settings, release()).message
        token = tmp_path / "token"
        token.write_text("right\n")
        access = replace(settings.server, bearer_token=Secret(file=str(token)))
        assert deploy.deliver(replace(settings, server=access), release()).state is State.DEPLOYED
        wrong = replace(settings, server=replace(access, url=f"{server.url}/mimir"))
        done = deploy.deliver(wrong, release())
        assert done.state is State.FAILED
        assert "answers 404" in done.message


# --- the Alertmanager --------------------------------------------------------------------------------


def alertmanager(server: Mimir) -> ApiSettings:
    access = ServerAccess(server.url, tenant="platform", timeout=20.0)
    return ApiSettings("here", DestinationType.ALERTMANAGER_API, access)


def with_secret(path: Path, extra: str = "") -> Release:
    config = {
        "route": {"receiver": "x"},
        "receivers": [
            {
                "name": f"x{extra}",
                "slack_configs": [{"api_url_file": str(path), "channel": "#a"}],
                "webhook_configs": [
                    {
                        "url": "http://127.0.0.1:1",
                        "http_config": {"authorization": {"credentials_file": str(path)}},
                    }
                ],
            }
        ],
    }
    return deploying.release(alertmanager={"alertmanager.yml": json.dumps(config).encode()})


def test_an_alertmanager_gets_the_content_of_secrets_and_nobody_else_does(tmp_path: Path) -> None:
    secret = tmp_path / "slack"
    secret.write_text("https://hooks.example.com/verysecret\n")
    with Mimir() as server:
        settings = alertmanager(server)
        done = deploy.deliver(settings, with_secret(secret))
        assert (done.state, done.message) == (State.DEPLOYED, "")
        assert server.alertmanager is not None
        assert 'api_url: "https://hooks.example.com/verysecret"' in server.alertmanager["alertmanager_config"]
        assert "verysecret" not in repr(done)
        assert deploy.deliver(settings, with_secret(secret)).state is State.UNCHANGED
        secret.write_text("https://hooks.example.com/rotated")
        assert deploy.deliver(settings, with_secret(secret)).state is State.DEPLOYED
        stored = dict(server.alertmanager)

        refused = deploy.deliver(settings, with_secret(secret, extra="y"))
        assert refused.state is State.REFUSED
        assert "refuses it" in refused.problems[0].message
        secret.write_text("no address: verysecret")
        refused = deploy.deliver(settings, with_secret(secret))
        assert refused.state is State.REFUSED
        assert "verysecret" not in repr(refused)
        secret.unlink()
        failed = deploy.deliver(settings, with_secret(secret))
        assert failed.state is State.FAILED
        assert str(secret) in failed.message
        assert server.alertmanager == stored


@pytest.mark.parametrize("api", ["mimir", "cortex"])
def test_what_is_asked_for_is_what_is_used(api: str, tmp_path: Path) -> None:
    with Mimir(api) as server:
        here = ruler(server, api)
        deploy.deliver(here, release(web=[group("a / b", "A")]))
        deploy.deliver(here, release(web=[group("c", "C")]))
        prefix = "/prometheus" if api == "mimir" else ""
        needed = [
            request.replace(" ", f" {prefix}", 1) for request in deploy.destination(here).needs().requests
        ]
        unused = [n for n in needed if not any(fnmatch.fnmatchcase(seen, n) for seen in server.seen)]
        unasked = [seen for seen in server.seen if not any(fnmatch.fnmatchcase(seen, n) for n in needed)]
        assert (unused, unasked) == ([], [])


def test_a_commit_without_the_file_that_it_takes_is_told() -> None:
    with Mimir() as server:
        done = deploy.deliver(alertmanager(server), deploying.release({"prometheus.yml": b""}))
        assert done.state is State.FAILED
        assert "has no alertmanager/alertmanager.yml" in done.message


# --- what answers is not what was meant --------------------------------------------------------------


@contextmanager
def answering(status: int, body: bytes, listed: int = 0) -> Iterator[str]:
    """A server that has one answer to everything, but maybe `listed` for who only looks."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(listed if listed and self.command == "GET" else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("kind", [DestinationType.RULER, DestinationType.GRAFANA_API])
@pytest.mark.parametrize(
    "body",
    [b"5", b'"x"', b"{}", b'{"data": null}', b'{"mac:main-us-east-1:a": [5]}', b'[{"id": 1}]', b"[3]"],
)
def test_a_server_of_another_sort_is_a_failure_and_no_bug(kind: DestinationType, body: bytes) -> None:
    with answering(200, body) as url:
        settings = ApiSettings("here", kind, ServerAccess(url, tenant="t"), cell=deploying.CELL, settle=0.1)
        done = deploy.deliver(settings, release(web=[group("a", "A")]))
        assert done.state is State.FAILED
        assert "does not answer" in done.message or "answers" in done.message


def test_a_prometheus_of_another_sort_is_a_failure_and_no_bug(tmp_path: Path) -> None:
    metrics = b"prometheus_config_last_reload_success_timestamp_seconds 1\n"
    for body in (b'{"status": "success", "data": 5}', b'{"status": "success"}', metrics):
        with answering(200, body) as url:
            settings = deploying.settings(tmp_path / "p", url)
            FilesDestination(settings, f"cells/{deploying.CELL}/", None, None).apply(
                deploying.release(deploying.prometheus_files())
            )
            done = deploy.deliver(settings, deploying.release(deploying.prometheus_files()))
            assert done.state is State.FAILED, body


@pytest.mark.parametrize(
    "body", [b"groups: 5", b"[]", b"groups: [5]", b"a: [", b"groups: [{name: x, rules: [y]}]"]
)
def test_a_file_that_somebody_broke_is_named(body: bytes) -> None:
    broken = deploying.release({"prometheus.yml": b"{}", "rules/production/web.yml": body})
    with Mimir() as server:
        done = deploy.deliver(ruler(server), broken)
        assert done.state is State.FAILED
        assert f"cells/{deploying.CELL}/rules/production/web.yml is not as mac generates it" in done.message
        assert server.calls == []


def test_no_refusal_repeats_a_secret(tmp_path: Path) -> None:
    secret = tmp_path / "slack"
    secret.write_text("https://hooks.example.com/verysecret\n")
    with answering(413, b"too large: api_url: https://hooks.example.com/verysecret", listed=404) as url:
        settings = ApiSettings("here", DestinationType.ALERTMANAGER_API, ServerAccess(url))
        done = deploy.deliver(settings, with_secret(secret))
    assert done.state is State.FAILED
    assert "413" in done.message
    assert "verysecret" not in repr(done)
