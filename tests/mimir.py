"""The configuration APIs of Mimir and Cortex on loopback, as their references and handlers say.

Strict: a tenant must be named, paths, methods and content are those that the real ones take; rules are judged
by promtool and Alertmanager configurations by amtool. It is not the real thing: what it was not written to do
shows nothing about Mimir.
"""

from __future__ import annotations

import tempfile
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mac import emit, engines
from tests.loopback import Answer, Loopback, as_json

_TENANT_FILES = ("credentials_file", "password_file", "api_url_file", "api_key_file", "bearer_token_file")


class Mimir(Loopback):
    """`groups`: namespace → name → group, as stored. `calls`: "METHOD path" of all but GET;
    `seen`: of everything.

    `limit`: rules that a group may have. `asleep`: the ruler does not take up what is stored. `hides_empty`:
    a tenant without rules is answered with 404, as older versions do.
    """

    def __init__(self, api: str = "mimir", tenant: str = "platform", token: str = "") -> None:
        super().__init__()
        self.groups: dict[str, dict[str, Any]] = {}
        self.alertmanager: dict[str, Any] | None = None
        self.calls: list[str] = []
        self.seen: set[str] = set()
        self.limit = 20
        self.asleep = False
        self.hides_empty = api == "cortex"
        self._loaded: dict[str, dict[str, Any]] = {}
        self._rules = {"mimir": "/prometheus/config/v1/rules", "cortex": "/api/v1/rules"}[api]
        self._tenant, self._token = tenant, token

    # --- answers ---------------------------------------------------------------------------------

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.seen.add(f"{method} {urllib.parse.unquote(path)}")
        if method != "GET":
            self.calls.append(f"{method} {urllib.parse.unquote(path)}")
        if self._token and headers.get("Authorization") != f"Bearer {self._token}":
            return _text(401, "invalid authentication token")
        if headers.get("X-Scope-OrgID") != self._tenant:
            return _text(401, "no org id")
        if path == "/prometheus/api/v1/rules" and method == "GET":
            return self._evaluated()
        if path == "/api/v1/alerts":
            return self._alertmanager(method, body)
        if path == self._rules and method == "GET":
            return self._list()
        names = path.removeprefix(f"{self._rules}/").split("/")
        if not path.startswith(f"{self._rules}/") or "" in names:
            return _text(404, "404 page not found")
        return self._group(method, [urllib.parse.unquote(name) for name in names], headers, body)

    def _list(self) -> Answer:
        listed = {namespace: list(groups.values()) for namespace, groups in self.groups.items() if groups}
        if not listed and self.hides_empty:
            return _text(404, "no rule groups found")
        return Answer(200, (emit.yaml(listed) if listed else "{}").encode(), "application/yaml")

    def _group(self, method: str, names: list[str], headers: Any, body: bytes) -> Answer:
        match method, names:
            case "POST", [namespace]:
                if headers.get("Content-Type") != "application/yaml":
                    return _text(415, "application/yaml is expected")
                try:
                    group = emit.read_yaml(body.decode())
                except ValueError:
                    return _text(400, "unable to decode rule group")
                if len(group["rules"]) > self.limit:
                    return _text(400, f"per-user rules per rule group limit ({self.limit}) exceeded")
                if wrong := _judged("promtool", "rules.yml", {"groups": [group]}):
                    return _text(400, wrong)
                self.groups.setdefault(namespace, {})[group["name"]] = _as_listed(group)
            case "DELETE", [namespace, name]:
                if self.groups.get(namespace, {}).pop(name, None) is None:
                    return _text(404, "group does not exist")
            case _:
                return _text(405, "method not allowed")
        return Answer(202, b'{"status":"success","data":null,"errorType":"","error":""}')

    def _evaluated(self) -> Answer:
        if not self.asleep:
            self._loaded = {namespace: dict(groups) for namespace, groups in self.groups.items()}
        groups = [
            {"name": name, "file": namespace, "rules": [{} for _ in group["rules"]]}
            for namespace, all_of_it in self._loaded.items()
            for name, group in all_of_it.items()
        ]
        answer = {"status": "success", "data": {"groups": groups}, "errorType": "", "error": ""}
        return as_json(200, answer)

    def _alertmanager(self, method: str, body: bytes) -> Answer:
        if method == "GET":
            if self.alertmanager is None:
                return _text(404, "alertmanager storage object not found")
            return Answer(200, emit.yaml(self.alertmanager).encode(), "application/yaml")
        if method == "DELETE":
            self.alertmanager = None
            return _text(200, "")
        given = emit.read_yaml(body.decode())
        config = emit.read_yaml(given["alertmanager_config"])
        used = sorted(key for key in _keys(config) if key in _TENANT_FILES)
        if used:
            return _text(400, f"error validating Alertmanager config: setting {used[0]} is not allowed")
        if wrong := _judged("amtool", "alertmanager.yml", config):
            return _text(400, f"error validating Alertmanager config: {wrong}")
        self.alertmanager = {
            "template_files": given.get("template_files") or {},
            "alertmanager_config": given["alertmanager_config"],
        }
        return _text(201, "")


def _as_listed(group: dict[str, Any]) -> dict[str, Any]:
    """What is empty is left out, and durations are spelled as Go spells them."""
    spelled = {"60s": "1m", "120s": "2m", "300s": "5m", "0s": None, "": None}
    listed = {"name": group["name"]}
    if group.get("interval"):
        listed["interval"] = spelled.get(group["interval"], group["interval"])
    listed["rules"] = [
        {
            key: spelled.get(value, value) if key in ("for", "keep_firing_for") else value
            for key, value in rule.items()
            if value and not (key in ("for", "keep_firing_for") and value == "0s")
        }
        for rule in group["rules"]
    ]
    return listed


def _judged(tool: str, name: str, document: Any) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(emit.yaml(document), encoding="utf-8")
        engine = engines.require(tool)
        found = engine.check_rules([path]) if tool == "promtool" else engine.check_config(path)
        return "; ".join(finding.message for finding in found)


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in _keys(inner)}
    if isinstance(value, list):
        return {key for inner in value for key in _keys(inner)}
    return set()


def _text(status: int, words: str) -> Answer:
    return Answer(status, words.encode(), "text/plain; charset=utf-8")
