"""Rule groups namespaces and Alertmanager definition of Amazon Managed Service for Prometheus, on loopback.

moto has no Alertmanager definition and takes everything at once; here what is sent is looked at later, as AWS
does it: a definition is CREATING or UPDATING for some looks, and then ACTIVE, or failed if it has the word
"refused" in it. Changes meanwhile are a conflict. Operations, fields and codes are those of the SDK's model.
"""

from __future__ import annotations

import base64
import http.server
import json
import threading
import urllib.parse
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

LOOKS = 2
"""How often a definition is looked at before it is taken up."""


class Amp(AbstractContextManager["Amp"]):
    """`rules`: name → what is kept. `calls`: "METHOD name" of each change."""

    def __init__(self) -> None:
        self.rules: dict[str, dict[str, Any]] = {}
        self.definition: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = outer._answer(self.command, self.path, json.loads(body or b"{}"))
                data = json.dumps(answer).encode()
                self.send_response(status)
                if status >= 400:
                    self.send_header("x-amzn-ErrorType", answer["__type"])
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                self.handle_one()

            def do_POST(self) -> None:
                self.handle_one()

            def do_PUT(self) -> None:
                self.handle_one()

            def do_DELETE(self) -> None:
                self.handle_one()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def data(self, name: str) -> str:
        return base64.b64decode(self.rules[name]["data"]).decode()

    def __enter__(self) -> Amp:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        parts = [urllib.parse.unquote(part) for part in urllib.parse.urlsplit(path).path.split("/")[1:]]
        match parts:
            case ["workspaces", "ws-1", "rulegroupsnamespaces"] if method == "GET":
                listed = [
                    {key: value for key, value in kept.items() if key not in ("data", "looks")}
                    for kept in self.rules.values()
                ]
                return 200, {"ruleGroupsNamespaces": listed}
            case ["workspaces", "ws-1", "rulegroupsnamespaces"]:
                return self._change(self.rules, method, body["name"], body)
            case ["workspaces", "ws-1", "rulegroupsnamespaces", name]:
                return self._one(self.rules, method, name, body, "ruleGroupsNamespace")
            case ["workspaces", "ws-1", "alertmanager", "definition"]:
                return self._one(self.definition, method, "definition", body, "alertManagerDefinition")
        return _error(404, "ResourceNotFoundException", "no such workspace")

    def _one(
        self, kept: dict[str, dict[str, Any]], method: str, name: str, body: dict[str, Any], key: str
    ) -> tuple[int, dict[str, Any]]:
        if method != "GET":
            return self._change(kept, method, name, body)
        if name not in kept:
            return _error(404, "ResourceNotFoundException", f"{name} does not exist")
        _look(kept, name)
        if name not in kept:
            return _error(404, "ResourceNotFoundException", f"{name} does not exist")
        return 200, {key: {k: v for k, v in kept[name].items() if k != "looks"}}

    def _change(
        self, kept: dict[str, dict[str, Any]], method: str, name: str, body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        self.calls.append(f"{method} {name}")
        there = kept.get(name)
        if there is not None and there["looks"]:
            return _error(409, "ConflictException", f"{name} is {there['status']['statusCode']}")
        if (there is None) is (method != "POST"):
            code = "ResourceNotFoundException" if there is None else "ConflictException"
            return _error(404 if there is None else 409, code, f"{name} cannot be changed so")
        if method == "DELETE":
            assert there is not None
            there |= {"looks": LOOKS, "status": {"statusCode": "DELETING"}}
            return 202, {}
        verb = "CREATING" if method == "POST" else "UPDATING"
        kept[name] = {
            "arn": f"arn:aws:aps:us-east-1:123456789012:rulegroupsnamespace/ws-1/{name}",
            "name": name,
            "createdAt": 0,
            "modifiedAt": 0,
            "tags": body.get("tags") or (there or {}).get("tags") or {},
            "data": body["data"],
            "status": {"statusCode": verb},
            "looks": LOOKS,
        }
        return 202, {"name": name, "arn": kept[name]["arn"], "status": kept[name]["status"]}


def _look(kept: dict[str, dict[str, Any]], name: str) -> None:
    there = kept[name]
    if not there["looks"]:
        return
    there["looks"] -= 1
    if there["looks"]:
        return
    verb = there["status"]["statusCode"]
    if verb == "DELETING":
        del kept[name]
    elif b"refused" in base64.b64decode(there["data"]):
        failed = "CREATION_FAILED" if verb == "CREATING" else "UPDATE_FAILED"
        there["status"] = {"statusCode": failed, "statusReason": "it has the word in it"}
    else:
        there["status"] = {"statusCode": "ACTIVE"}


def _error(status: int, code: str, words: str) -> tuple[int, dict[str, Any]]:
    return status, {"__type": code, "message": words}
