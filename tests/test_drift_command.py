"""`mac drift` on a real repository, servers and all."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from amp_server import Amp
from click.testing import Result
from grafana_server import GrafanaServer
from mimir import Mimir

from mac import (
    collect,
    delivery,
    deploy,
    generating,
    guards,
    pipeline,
    servers,
    snapshot,
    standards,
    validate,
)
from mac import http as mac_http
from mac.deploy import files as deployed_files
from mac.deploy.files import FilesDestination
from mac.deploy.running import until
from mac.deploy_model import State
from mac.model import Resource, ScopeState
from mac.problems import EngineError
from tests import builders
from tests.running_git import git

Mac = Callable[..., Result]
CELL = "main-us-east-1"
OLD = "HEAD~2"
ONE, TWO, THREE = 1, 2, 3


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that do not answer are asked again at once, and what was just loaded is judged at once."""
    monkeypatch.setattr(mac_http, "_PAUSE", 0.001)
    monkeypatch.setattr(deployed_files, "_STARTING", 0.0)


def address(number: int) -> str:
    """On loopback, and no other process of these tests has it."""
    own = os.getpid()
    return f"127.{64 + (own >> 8 & 63)}.{own & 255}.{number}"


@cache
def port() -> int:
    """Free, so that nobody answers at the machines' addresses but who is meant to."""
    with socket.socket() as probe:
        probe.bind((address(ONE), 0))
        return int(probe.getsockname()[1])


def target(number: int) -> str:
    return f"{address(number)}:{port()}"


def machine(number: int) -> Resource:
    return builders.instance(number, {"service": "ingest", "role": "ingest"}, addresses=(address(number),))


def generate(root: Path, *numbers: int) -> None:
    """A commit with the inventory of these machines, and what it makes."""
    kept = root / "inventory/snapshot"
    shutil.rmtree(kept, ignore_errors=True)
    for path, data in snapshot.stored_files(builders.snapshot(*map(machine, numbers))).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    generating.generate(pipeline.Request(root, snapshot=kept, commit=True, allow=guards.SHRINK))


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small repository with generated files of machines 1 and 2 in OLD, and of 2 and 3 in HEAD."""
    from mac import init

    root = tmp_path_factory.mktemp("drift") / "monitoring"
    init.write(root)
    for path in (root / "standards").rglob("*.yaml"):
        if path.name != "host.yaml" and path.parent.name != "teams":
            path.unlink()
    (root / "standards/services/ingest.yaml").write_text(
        "apiVersion: mac/v1\nkind: Service\nmetadata: {name: ingest}\nspec:\n  owner: platform\n  tier: 2\n"
    )
    for path, old, new in (
        ("inventory/aws.yaml", "[us-east-1, eu-west-1]", "[us-east-1]"),
        ("standards/compute/host.yaml", "interval: 30s, timeout: 10s", "interval: 1s, timeout: 1s"),
        ("standards/compute/host.yaml", "port: 9100, path", f"port: {port()}, path"),
    ):
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Begin")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(validate, "check_with_engines", lambda *files, **options: ())
        generate(root, 1, 2)
        service = root / "standards/services/ingest.yaml"
        service.write_text(f"{service.read_text()}  parameters: {{host: {{down_ratio: 0.4}}}}\n")
        git(root, "commit", "--quiet", "--all", "--message=Page later")
        generate(root, 2, 3)
    return root


@pytest.fixture
def root(pattern: Path, tmp_path: Path) -> Path:
    shutil.copytree(pattern, tmp_path / "monitoring", symlinks=True)
    return tmp_path / "monitoring"


def destinations(root: Path, **each: Mapping[str, Any]) -> None:
    path = root / "mac.yaml"
    base = path.read_text().split("\n  destinations:")[0].rstrip()
    path.write_text(f"{base}\n  destinations: {json.dumps(each)}\n")


def bring(root: Path, revision: str) -> None:
    """Puts what a commit has where it belongs; servers are not asked."""
    release = delivery.release(root, revision)
    for settings in standards.settings(root).destinations:
        target = deploy.destination(settings)
        assert isinstance(target, FilesDestination)
        FilesDestination(target.settings, target.prefix, None, None).apply(release)


def told(done: Result, name: str) -> dict[str, list[str]]:
    """Kind → things, of one destination in a JSON answer."""
    answer = json.loads(done.stdout)
    [found] = [each for each in answer["destinations"] if each["name"] == name]
    kinds: dict[str, list[str]] = {}
    for each in found["drifts"]:
        kinds.setdefault(each["kind"], []).append(each["what"])
    return kinds


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@contextlib.contextmanager
def answering(number: int) -> Iterator[None]:
    """A node exporter of sorts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(b"up_for_seconds 1\n")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer((address(number), port()), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wait_for(server: servers.Prometheus, number: int, health: str) -> None:
    def unlike() -> str:
        found = {
            t["discoveredLabels"]["__address__"]: t["health"]
            for t in server.targets()
            if t["labels"]["job"] == "host"
        }
        return "" if found.get(target(number)) == health else f"{found}"

    until(unlike, 60.0)


@pytest.mark.usefixtures("generation")
def test_what_runs_is_held_against_git_and_the_inventory(root: Path, tmp_path: Path, mac: Mac) -> None:
    folder, other_folder = tmp_path / "p", tmp_path / "a"
    nowhere = {"url": "http://127.0.0.1:1"}
    prometheus = {"type": "prometheus-files", "cell": CELL, "folder": str(folder), "server": nowhere}
    alertmanager = {"type": "alertmanager-files", "folder": str(other_folder), "server": nowhere}
    destinations(root, prometheus=prometheus, alertmanager=alertmanager)
    bring(root, OLD)
    with (
        servers.prometheus(folder / "current/prometheus.yml") as server,
        servers.alertmanager(other_folder / "current/alertmanager.yml") as other,
    ):
        prometheus["server"], alertmanager["server"] = {"url": server.url}, {"url": other.url}
        destinations(root, prometheus=prometheus, alertmanager=alertmanager)

        def drift(*options: str) -> Result:
            return mac("drift", "-C", root, "--format", "json", *options)

        # One machine answers, the other does not: all else is as the commit has it.
        with answering(ONE):
            wait_for(server, ONE, "up")
            wait_for(server, TWO, "down")
            before = state(folder) | state(other_folder)
            done = drift("--revision", OLD, "--grace", "1s", "--fail", "--metrics", str(tmp_path / "m.prom"))
            assert done.exit_code == 1, done.output
            assert told(done, "prometheus") == {"target-down": [target(TWO)]}
            assert told(done, "alertmanager") == {}
            assert json.loads(done.stdout)["machines"] == 2
            assert state(folder) | state(other_folder) == before
            lines = (tmp_path / "m.prom").read_text().splitlines()
            assert 'mac_drift{destination="prometheus",kind="target-down"} 1' in lines
            assert 'mac_drift{destination="alertmanager",kind="changed"} 0' in lines

        # What answered a moment ago, as a machine does that is being terminated, is not told.
        wait_for(server, ONE, "down")
        done = drift("--revision", OLD, "--grace", "5m")
        assert told(done, "prometheus") == {"target-down": [target(TWO)]}
        assert "started a moment ago" in json.loads(done.stdout)["notes"][0]

        # Git has moved on: a machine has come, one has gone.
        done = drift("--grace", "1s")
        assert done.exit_code == 0, done.output
        old = git(root, "rev-parse", OLD)
        assert told(done, "prometheus") == {
            "old-revision": [old[:12]],
            "target-down": [target(TWO)],
            "not-scraped": [machine(THREE).id],
        }
        [found, _] = json.loads(done.stdout)["destinations"]
        assert (found["state"], found["revision"], found["behind"]) == ("drifted", old, 2)

        # Somebody works by hand, and does not have it loaded.
        config = folder / "current/prometheus.yml"
        config.write_text(
            config.read_text().replace('evaluation_interval: "30s"', "evaluation_interval: 31s")
        )
        (folder / "current/rules/production/ingest.yml").unlink()
        hand = folder / "current/rules/production/hand.yml"
        hand.write_text('groups: [{name: hand, rules: [{record: "a:b", expr: "1"}]}]')
        routes = other_folder / "current/alertmanager.yml"
        secret = "https://hooks.slack.com/services/T0/B0/notforeyes"
        assert "\nglobal:" not in routes.read_text()
        routes.write_text(f"{routes.read_text()}\nglobal: {{slack_api_url: '{secret}'}}\n")
        by_hand = {
            "changed": ["prometheus.yml"],
            "missing": ["rules/production/ingest.yml"],
            "extra": ["rules/production/hand.yml"],
            "target-down": [target(TWO)],
        }
        done = drift("--revision", OLD, "--grace", "5m")
        seen = told(done, "prometheus")
        assert len(seen.pop("not-loaded")) >= 3
        assert seen == by_hand
        assert told(done, "alertmanager") == {"changed": ["alertmanager.yml"], "not-loaded": ["alertmanager"]}
        assert "notforeyes" not in done.output
        text = mac("drift", "-C", root, "--revision", OLD, "--grace", "5m").stdout
        assert "    global.evaluation_interval: 31s, and 30s is meant\n" in text
        assert "    global: 1 key, and nothing is meant\n" in text

        # It is loaded, and still nobody's commit; then the server refuses what is added.
        server.reload()
        other.reload()
        done = drift("--revision", OLD, "--grace", "5m")
        assert told(done, "prometheus") == by_hand
        assert told(done, "alertmanager") == {"changed": ["alertmanager.yml"]}
        hand.write_text(
            'groups: [{name: hand, rules: [{record: "a:b", expr: "("}, {record: "c:d", expr: 1}]}]'
        )
        with pytest.raises(EngineError):
            server.reload()
        done = drift("--revision", OLD, "--to", "prometheus")
        details = [each["detail"] for each in json.loads(done.stdout)["destinations"][0]["drifts"]]
        assert "it refused its configuration when it read it last" in details
        # What cannot be read at all is a change like any other, and nothing that is not known.
        for broken in ("{", "rule_files: 7", "scrape_configs: [x]"):
            config.write_text(broken)
            hand.write_text("groups: [7]")
            done = drift("--revision", OLD, "--to", "prometheus")
            assert (done.exit_code, told(done, "prometheus")["changed"]) == (0, ["prometheus.yml"])
        config.unlink()
        done = drift("--revision", OLD, "--to", "prometheus")
        assert "prometheus.yml" in told(done, "prometheus")["missing"]
        assert "prometheus.yml is not there" in done.stdout
    # Nobody answers any more: what is there is told, and what runs is not known.
    gone = mac("drift", "-C", root, "--revision", OLD)
    assert gone.exit_code == 3
    assert "prometheus (prometheus-files): not known" in gone.stdout
    assert "alertmanager (alertmanager-files): not known" in gone.stdout
    assert "missing rules/production/ingest.yml" in gone.stdout
    assert "not-scraped" not in gone.stdout
    assert "in sync" not in gone.stdout


# --- destinations that keep no record of a commit ----------------------------------------------------


def delivered(root: Path, revision: str) -> None:
    for settings in standards.settings(root).destinations:
        done = deploy.deliver(settings, delivery.release(root, revision))
        assert done.state is State.DEPLOYED, done.message


def test_the_commit_that_a_ruler_runs_is_found_in_the_history(root: Path, mac: Mac) -> None:
    with Mimir() as server:
        access = {"url": f"{server.url}/prometheus", "tenant": "platform"}
        destinations(root, mimir={"type": "ruler", "cell": CELL, "server": access})

        def drift(*options: str) -> Result:
            return mac("drift", "-C", root, "--format", "json", *options)

        assert told(drift(), "mimir") == {"missing": ["everything"]}
        delivered(root, OLD)
        server.groups["theirs"] = {"g": {"name": "g", "rules": []}}
        old = git(root, "rev-parse", OLD)
        done = drift()
        assert told(done, "mimir") == {"old-revision": [old[:12]]}
        assert json.loads(done.stdout)["destinations"][0]["behind"] == 2
        assert json.loads(done.stdout)["machines"] is None
        assert told(drift("--revision", OLD), "mimir") == {}

        namespace = f"mac:{CELL}:production:ingest"
        name, group = next(iter(server.groups[namespace].items()))
        group["rules"][0]["expr"] = "vector(1)"
        done = drift("--revision", OLD, "--fail")
        assert (done.exit_code, told(done, "mimir")) == (1, {"changed": [f"{namespace}: {name}"]})
        [each] = json.loads(done.stdout)["destinations"][0]["drifts"]
        [difference] = each["differences"]
        assert (difference["there"], difference["path"][-5:]) == ("vector(1)", ".expr")

        delivered(root, "HEAD")
        server.asleep = True
        server.groups[namespace]["hand"] = {**group, "name": "hand"}
        assert told(drift(), "mimir") == {"extra": [f"{namespace}: hand"], "not-loaded": ["mimir"]}
    away = drift()
    assert (away.exit_code, told(away, "mimir")) == (3, {"unknown": ["mimir"]})


def test_dashboards_that_somebody_edited_are_told(root: Path, tmp_path: Path, mac: Mac) -> None:
    with GrafanaServer("right") as server:
        (tmp_path / "token").write_text("right")
        access = {"url": server.url, "bearer_token": {"file": str(tmp_path / "token")}}
        destinations(root, grafana={"type": "grafana-api", "server": access})
        server.boards["theirs"] = ("mac", {"title": "in our folder", "uid": "theirs", "version": 1})
        delivered(root, "HEAD")
        assert json.loads(mac("drift", "-C", root, "--format", "json").stdout)["state"] == "in-sync"
        uid = next(uid for uid in server.boards if uid != "theirs")
        server.boards[uid][1]["title"] = "Mine"
        done = mac("drift", "-C", root)
        assert f"  changed {uid}: somebody changed it there\n    title: Mine, and " in done.stdout


def test_a_workspace_of_aws_is_read_and_what_cannot_be_compared_is_unknown(
    root: Path, mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with Amp() as amp, Mimir() as mimir:
        monkeypatch.setenv("AWS_ENDPOINT_URL", amp.url)
        workspace = {"workspace": "ws-1", "region": "us-east-1"}
        whole = {
            "amp": {"type": "amp", "cell": CELL, **workspace},
            "definition": {"type": "amp-alertmanager", **workspace},
        }
        destinations(root, **whole)
        delivered(root, OLD)
        # The secrets that this API wants in its configuration are not on this machine.
        access = {"url": mimir.url, "tenant": "platform"}
        destinations(root, **whole, routes={"type": "alertmanager-api", "server": access})
        done = mac("drift", "-C", root, "--format", "json")
        assert done.exit_code == 3
        assert told(done, "amp") == {"old-revision": [git(root, "rev-parse", OLD)[:12]]}
        assert told(done, "definition") == {}
        assert told(done, "routes") == {"unknown": ["routes"]}


# --- the inventory, and usage ------------------------------------------------------------------------


def test_the_inventory_may_be_read_anew(
    root: Path, tmp_path: Path, mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = {"url": "http://127.0.0.1:1"}
    destinations(
        root,
        p={"type": "prometheus-files", "cell": CELL, "folder": str(tmp_path / "p"), "server": server},
        g={"type": "grafana-files", "folder": str(tmp_path / "g")},
    )
    found = builders.snapshot(*map(machine, range(1, 6)))
    stale = replace(found, scopes=tuple(replace(s, state=ScopeState.STALE) for s in found.scopes))
    monkeypatch.setattr(collect, "collect", lambda *given, **options: stale)
    before = state(root / "inventory")
    done = mac("drift", "-C", root, "--live", "--format", "json")
    assert done.exit_code == 3, done.output
    answer = json.loads(done.stdout)
    assert answer["machines"] == 5
    assert "could not be read now" in answer["notes"][0]
    assert state(root / "inventory") == before
    assert told(done, "g") == {"missing": ["everything"]}


def test_a_commit_without_an_inventory_is_told_and_its_files_are_compared(
    root: Path, tmp_path: Path, mac: Mac
) -> None:
    git(root, "rm", "-r", "--quiet", "inventory/snapshot")
    git(root, "commit", "--quiet", "--message=Without")
    server = {"url": "http://127.0.0.1:1"}
    folder = str(tmp_path / "p")
    destinations(root, p={"type": "prometheus-files", "cell": CELL, "folder": folder, "server": server})
    bring(root, f"{OLD}~1")
    done = mac("drift", "-C", root)
    assert done.exit_code == 3
    assert "old-revision" in done.stdout
    assert "3 commits behind" in done.stdout
    assert "note: the commit has no inventory" in done.stdout


def test_a_deployment_repository_has_the_commits_and_the_inventory(
    root: Path, tmp_path: Path, mac: Mac
) -> None:
    remote = tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(root), str(remote))
    git(root, "rm", "-r", "--quiet", "cells", "alertmanager", "inventory/snapshot", "provenance.json")
    git(root, "commit", "--quiet", "--message=Elsewhere")
    settings = root / "mac.yaml"
    text = settings.read_text()
    assert "\n  git:" not in text
    settings.write_text(text.replace("\nspec:\n", f"\nspec:\n  git: {{repository: 'file://{remote}'}}\n", 1))
    with Mimir() as server:
        access = {"url": f"{server.url}/prometheus", "tenant": "platform"}
        nowhere = {"url": "http://127.0.0.1:1"}
        folder = str(tmp_path / "p")
        ruler = {"type": "ruler", "cell": CELL, "server": access}
        destinations(root, mimir=ruler)
        delivered(root, OLD)
        p = {"type": "prometheus-files", "cell": CELL, "folder": folder, "server": nowhere}
        destinations(root, mimir=ruler, p=p)
        done = mac("drift", "-C", root, "--format", "json")
        assert told(done, "mimir") == {"old-revision": [git(remote, "rev-parse", OLD)[:12]]}
        answer = json.loads(done.stdout)
        assert (answer["destinations"][0]["behind"], answer["machines"], answer["notes"]) == (2, 2, [])


def test_wrong_usage_is_told_before_anything_is_read(root: Path, tmp_path: Path, mac: Mac) -> None:
    assert mac("drift", "-C", root).exit_code == 64
    destinations(root, g={"type": "grafana-files", "folder": str(tmp_path / "g")})
    assert mac("drift", "-C", root, "--grace", "soon").exit_code == 64
    assert mac("drift", "-C", root, "--to", "h").exit_code == 64
    assert mac("drift", "-C", root, "--revision", "nowhere").exit_code == 3
