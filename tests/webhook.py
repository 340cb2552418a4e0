"""A receiver of Alertmanager's notifications on loopback, for tests of who is told what."""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Notification:
    """One call of the webhook: the receiver that the route chose, and what it was told."""

    receiver: str
    group: Mapping[str, str]
    alerts: Sequence[Mapping[str, Any]]

    @property
    def firing(self) -> list[str]:
        return sorted(a["labels"]["alertname"] for a in self.alerts if a["status"] == "firing")

    @property
    def resolved(self) -> list[str]:
        return sorted(a["labels"]["alertname"] for a in self.alerts if a["status"] == "resolved")


class Webhook(AbstractContextManager["Webhook"]):
    """Takes every notification of the receivers that `instead_of` rewrote."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._received: list[Notification] = []
        self._times: list[float] = []
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver = urllib.parse.unquote(self.path.removeprefix("/"))
                webhook._take(Notification(receiver, body["groupLabels"], body["alerts"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            # Groups are flushed together; who finds the queue full tries again after a second.
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Webhook:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def instead_of(self, receivers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The same receivers, told here: real integrations would leave the machine."""
        address = f"http://127.0.0.1:{self._server.server_address[1]}/"
        return [
            {
                "name": receiver["name"],
                "webhook_configs": [
                    {"url": address + urllib.parse.quote(receiver["name"], safe=""), "send_resolved": True}
                ],
            }
            for receiver in receivers
        ]

    def all(self, **group: str) -> list[Notification]:
        """What came so far for groups with these labels."""
        with self._changed:
            return [n for n in self._received if group.items() <= n.group.items()]

    def timed(self) -> list[tuple[float, Notification]]:
        """What came so far, with the Unix time at which it came."""
        with self._changed:
            return list(zip(self._times, self._received, strict=True))

    def wait_until(self, enough: Callable[[Sequence[Notification]], bool], timeout: float = 30.0) -> bool:
        """Whether what came is enough before the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: enough(self._received), timeout)

    def _take(self, notification: Notification) -> None:
        with self._changed:
            self._received.append(notification)
            self._times.append(time.time())
            self._changed.notify_all()
