"""One day of episodes through a real Alertmanager, in time that runs faster, beside the model.

Alertmanager cannot be given a clock, so its waits are made shorter instead: group_wait, group_interval and
repeat_interval by the same factor as the day. Mute and active times are those of the wall clock; they are
left out, for the model as well.
"""

from __future__ import annotations

import http.server
import json
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.noise.configurations import Configuration
from benchmarks.noise.evaluate import notifications
from mac import durations, servers
from mac.forecast.model import Episode, Status

SPEED = 300.0  # simulated seconds in a real one
_WAITS = ("group_wait", "group_interval", "repeat_interval")
_TIMES = ("mute_time_intervals", "active_time_intervals")
_LATER = 86_400.0  # real seconds; until when an alert that fires is valid

Document = Any


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Notifications in which something fires, and those that only say that all is over: (model, real)."""

    firing: tuple[int, int]
    resolved: tuple[int, int]


def confirm(
    configuration: Configuration, episodes: Sequence[Episode], begin: float, end: float, speed: float = SPEED
) -> Confirmed:
    """Plays the episodes from `begin` to `end` (Unix seconds of the simulation)."""
    untimed = replace(configuration, alertmanager=_without_times(configuration.alertmanager))
    model = [n.status for n in notifications(untimed, episodes, end)]
    with tempfile.TemporaryDirectory(prefix="mac-noise-") as folder, _Webhook() as webhook:
        path = Path(folder, "alertmanager.yml")
        path.write_text(json.dumps(_scaled(untimed.alertmanager, speed, webhook.url)), encoding="utf-8")
        with servers.alertmanager(path) as api:
            started = time.time() + 1.0

            def moment(at: float) -> str:
                return datetime.fromtimestamp(started + (at - begin) / speed, UTC).isoformat()

            for at, posts in _timetable(episodes, end):
                _wait(started + (at - begin) / speed)
                api.post(
                    [
                        {
                            "labels": dict(episode.labels),
                            "startsAt": moment(episode.start),
                            "endsAt": moment(at if over else at + _LATER * speed),
                        }
                        for episode, over in posts
                    ]
                )
            _wait(started + (end - begin) / speed)
            heard = tuple(webhook.heard)

    def counted(status: Status) -> tuple[int, int]:
        return model.count(status), heard.count(status.value)

    return Confirmed(counted(Status.FIRING), counted(Status.RESOLVED))


def _timetable(episodes: Sequence[Episode], end: float) -> list[tuple[float, list[tuple[Episode, bool]]]]:
    """What is posted when: (episode, whether it is over)."""
    found: dict[float, list[tuple[Episode, bool]]] = {}
    for episode in episodes:
        found.setdefault(episode.start, []).append((episode, False))
        if episode.end is not None and episode.end < end:
            found.setdefault(episode.end, []).append((episode, True))
    return sorted(found.items())


def _wait(until: float) -> None:
    """The simulation's clock: nothing happens before."""
    pause = until - time.time()
    if pause > 0:
        time.sleep(pause)


def _without_times(document: Document) -> Document:
    def route(entry: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in entry.items() if name not in _TIMES}
        return {**kept, "routes": [route(child) for child in entry.get("routes", ())]}

    return {**document, "route": route(document["route"])}


def _scaled(document: Document, speed: float, url: str) -> Document:
    def route(entry: Mapping[str, Any]) -> dict[str, Any]:
        waits = {
            name: f"{max(1, round((durations.seconds(entry[name]) or 0) / speed * 1000))}ms"
            for name in _WAITS
            if name in entry
        }
        return {**entry, **waits, "routes": [route(child) for child in entry.get("routes", ())]}

    receivers = []
    for receiver in document["receivers"]:
        told = any(name.endswith("_configs") for name in receiver)
        hook = {"webhook_configs": [{"url": url, "send_resolved": True}]} if told else {}
        receivers.append({"name": receiver["name"], **hook})
    kept = {name: document[name] for name in ("inhibit_rules", "time_intervals") if name in document}
    return {"route": route(document["route"]), "receivers": receivers, **kept}


class _Webhook(AbstractContextManager["_Webhook"]):
    """Takes every notification on loopback; `heard` are their statuses."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["status"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> _Webhook:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
