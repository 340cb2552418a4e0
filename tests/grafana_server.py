"""Grafana's APIs of folders, search and dashboards on loopback, as its HTTP API reference has them.

It is not Grafana: it keeps what it is given, adds `id` and `version`, refuses a dashboard without a title and
one whose folder is not there.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from tests.loopback import Answer, Loopback, as_json


class GrafanaServer(Loopback):
    """`boards`: uid → (folder's uid, dashboard). `seen`: "METHOD path"."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.boards: dict[str, tuple[str, dict[str, Any]]] = {}
        self.folders: dict[str, str] = {}
        self.seen: list[str] = []
        self._token = token

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("Authorization") != f"Bearer {self._token}":
            return as_json(401, {"message": "Invalid API key"})
        return as_json(*self._answer(method, path, body))

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        parts = urllib.parse.urlsplit(path)
        self.seen.append(f"{method} {parts.path}")
        match method, parts.path.split("/")[1:]:
            case "GET", ["api", "search"]:
                query = urllib.parse.parse_qs(parts.query)
                first = (int(query["page"][0]) - 1) * int(query["limit"][0])
                listed = [
                    {"uid": uid, "title": board["title"], "folderUid": folder}
                    for uid, (folder, board) in sorted(self.boards.items())
                ]
                return 200, listed[first : first + int(query["limit"][0])]
            case "GET", ["api", "folders", uid]:
                known = uid in self.folders
                return (200, {"uid": uid}) if known else (404, {"message": "folder not found"})
            case "POST", ["api", "folders"]:
                given = json.loads(body)
                self.folders[given["uid"]] = given["title"]
                return 200, given
            case "GET", ["api", "dashboards", "uid", uid] if uid in self.boards:
                folder, board = self.boards[uid]
                return 200, {"dashboard": board, "meta": {"folderUid": folder}}
            case "DELETE", ["api", "dashboards", "uid", uid] if uid in self.boards:
                del self.boards[uid]
                return 200, {"message": "deleted"}
            case "POST", ["api", "dashboards", "db"]:
                return self._save(json.loads(body))
        return 404, {"message": "Not found"}

    def _save(self, given: dict[str, Any]) -> tuple[int, Any]:
        board = given["dashboard"]
        if not board.get("title"):
            return 400, {"message": "Dashboard title cannot be empty"}
        if given.get("folderUid") and given["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        there = self.boards.get(board["uid"])
        if there and not given.get("overwrite"):
            return 412, {"status": "version-mismatch"}
        version = there[1]["version"] + 1 if there else 1
        self.boards[board["uid"]] = (given.get("folderUid", ""), {**board, "id": 7, "version": version})
        return 200, {"uid": board["uid"], "status": "success", "version": version}
