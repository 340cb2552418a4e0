"""Rule groups namespaces and Alertmanager definition of Amazon Managed Service for Prometheus, on loopback.

moto has no Alertmanager definition and takes everything at once; here what is sent is looked at later, as AWS
does it: a definition is CREATING or UPDATING for some looks, and then ACTIVE, or failed if it has the word
"refused" in it. Changes meanwhile are a conflict. Operations, fields and codes are those of the SDK's model.
"""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from tests.loopback import Answer, Loopback, as_json

LOOKS = 2
"""How often a definition is looked at before it is taken up."""


class Amp(Loopback):
    """`rules`: name → what is kept. `calls`: "METHOD name" of each change."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: dict[str, dict[str, Any]] = {}
        self.definition: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []

    def data(self, name: str) -> str:
        return base64.b64decode(self.rules[name]["data"]).decode()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        status, found = self._answer(method, path, json.loads(body or b"{}"))
        code = {"x-amzn-ErrorType": found["__type"]} if status >= 400 else {}
        return as_json(status, found, **code)

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
