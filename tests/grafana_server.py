"""Grafana's APIs of folders, search and dashboards on loopback, as its HTTP API reference has them.

It is not Grafana: it keeps what it is given, adds `id` and `version`, refuses a dashboard without a title and
one whose folder is not there.
"""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any


class GrafanaServer(AbstractContextManager["GrafanaServer"]):
    """`boards`: uid → (folder's uid, dashboard). `seen`: "METHOD path"."""

    def __init__(self, token: str) -> None:
        self.boards: dict[str, tuple[str, dict[str, Any]]] = {}
        self.folders: dict[str, str] = {}
        self.seen: list[str] = []
        self._token = token
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Authorization") != f"Bearer {outer._token}":
                    status, answer = 401, {"message": "Invalid API key"}
                else:
                    status, answer = outer._answer(self.command, self.path, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                self.handle_one()

            def do_POST(self) -> None:
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

    def __enter__(self) -> GrafanaServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

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
