"""Prometheus and Alertmanager as real servers on loopback, and what their HTTP APIs say.

For the demo, for trying a configuration before it is deployed, and for tests. Each server has a port that the
system chose (it listens on 127.0.0.1 only), data in a temporary folder, and ends with its `with` block.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from mac import engines, process
from mac.model import Json
from mac.problems import EngineError

# Both write it when the system has chosen the port, in all generations.
_LISTENING = r'msg="Listening on".* address=127\.0\.0\.1:(\d+)\s*$'
_REQUEST_TIMEOUT = 30.0  # seconds
_START_TIMEOUT = 60.0  # seconds; thousands of rule groups take some


class Api:
    """The HTTP API of one server. Every call raises EngineError when it does not answer, or refuses."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # Never by a proxy that the environment names: the server is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ready(self) -> bool:
        """Whether it has read its configuration and answers. False too when nothing listens."""
        try:
            with self._opener.open(f"{self.url}/-/ready", timeout=_REQUEST_TIMEOUT) as answer:
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def reload(self) -> None:
        """Read the configuration again; EngineError when it is refused. `prometheus` switches this on."""
        self._open("/-/reload", method="POST")

    def get(self, path: str, **parameters: str) -> Json:
        """The JSON at a path, as it is."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        body = self._open(path + query)
        try:
            return json.loads(body)
        except ValueError as error:
            raise EngineError(f"{self.url}{path} does not answer with JSON") from error

    def _open(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        kind = {"Content-Type": "application/json"} if body is not None else {}
        request = urllib.request.Request(self.url + path, body, kind, method=method)  # noqa: S310 - always http
        try:
            with self._opener.open(request, timeout=_REQUEST_TIMEOUT) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace").strip()
            raise EngineError(f"{self.url}{path} answers {error.code}: {said}") from error
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"{self.url}{path} does not answer: {error}") from error


class Prometheus(Api):
    """A Prometheus' API, version 1."""

    def rule_groups(self) -> tuple[Json, ...]:
        """As `/api/v1/rules` gives them: {"name", "file", "interval", "rules": [{"type", "name", …}], …}."""
        return tuple(self._data("/api/v1/rules")["groups"])

    def targets(self) -> tuple[Json, ...]:
        """The active ones, as `/api/v1/targets` gives them: {"labels", "scrapeUrl", "scrapePool", …}."""
        return tuple(self._data("/api/v1/targets", state="active")["activeTargets"])

    def alerts(self) -> tuple[Json, ...]:
        return tuple(self._data("/api/v1/alerts")["alerts"])

    def alertmanagers(self) -> tuple[str, ...]:
        """The URLs to which it sends its alerts."""
        return tuple(entry["url"] for entry in self._data("/api/v1/alertmanagers")["activeAlertmanagers"])

    def query(self, expr: str) -> Json:
        """An instant query's `data`: {"resultType", "result"}."""
        return self._data("/api/v1/query", query=expr)

    def configuration(self) -> str:
        """The configuration that it runs, as it spells it."""
        return str(self._data("/api/v1/status/config")["yaml"])

    def version(self) -> str:
        return str(self._data("/api/v1/status/buildinfo")["version"])

    def _data(self, path: str, **parameters: str) -> Json:
        answer = self.get(path, **parameters)
        if answer.get("status") != "success":
            raise EngineError(f"{self.url}{path} refuses: {answer.get('error')}")
        return answer["data"]


class Alertmanager(Api):
    """An Alertmanager's API, version 2."""

    def alerts(self) -> tuple[Json, ...]:
        return tuple(self.get("/api/v2/alerts"))

    def post(self, alerts: Sequence[Json]) -> None:
        """Tells it of alerts, as a Prometheus does: {"labels", "annotations", "startsAt", "endsAt"}."""
        self._open("/api/v2/alerts", method="POST", body=json.dumps(list(alerts)).encode())

    def silence(self, silence: Json) -> str:
        """Adds a silence: {"matchers", "startsAt", "endsAt", "createdBy", "comment"}. Returns its id."""
        answer = self._open("/api/v2/silences", method="POST", body=json.dumps(silence).encode())
        return str(json.loads(answer)["silenceID"])

    def receivers(self) -> tuple[str, ...]:
        return tuple(receiver["name"] for receiver in self.get("/api/v2/receivers"))

    def status(self) -> Json:
        """{"cluster", "config": {"original"}, "uptime", "versionInfo"}."""
        return self.get("/api/v2/status")

    def configuration(self) -> str:
        """The configuration that it runs, as it spells it (secrets left out)."""
        return str(self.status()["config"]["original"])

    def version(self) -> str:
        return str(self.status()["versionInfo"]["version"])


@contextlib.contextmanager
def prometheus(
    config: Path,
    *,
    engine: engines.Engine | None = None,
    arguments: Sequence[str] = (),
    data: Path | None = None,
) -> Iterator[Prometheus]:
    """A Prometheus on `config`, ready. It scrapes what the configuration says: mind where that points.

    `data`: the folder of its blocks, which stays; a temporary one by default.

    Raises EngineError when there is none, or when it refuses the configuration (its log's end says why).
    """
    engine = engine or engines.require("prometheus")
    with tempfile.TemporaryDirectory(prefix="mac-prometheus-") as temporary:
        argv = [
            str(engine.path),
            f"--config.file={config.absolute()}",
            f"--storage.tsdb.path={data.absolute() if data else temporary}",
            "--web.listen-address=127.0.0.1:0",
            "--web.enable-lifecycle",
            *arguments,
        ]
        with process.start(argv, cwd=temporary) as server:
            api = Prometheus(_address(server))
            server.wait_until(api.ready, _START_TIMEOUT)
            yield api


@contextlib.contextmanager
def alertmanager(config: Path, *, engine: engines.Engine | None = None) -> Iterator[Alertmanager]:
    """An Alertmanager on `config`, ready, alone (no cluster). It notifies as the configuration says.

    Raises EngineError as `prometheus` does.
    """
    engine = engine or engines.require("alertmanager")
    with tempfile.TemporaryDirectory(prefix="mac-alertmanager-") as data:
        argv = [
            str(engine.path),
            f"--config.file={config.absolute()}",
            f"--storage.path={data}",
            "--web.listen-address=127.0.0.1:0",
            "--cluster.listen-address=",
        ]
        # An unpacked Debian build reads its default template from the folder in which it is started.
        beside = engine.path.parent.parent / "share/prometheus/alertmanager"
        with process.start(argv, cwd=beside if beside.is_dir() else data) as server:
            api = Alertmanager(_address(server))
            server.wait_until(api.ready, _START_TIMEOUT)
            yield api


def _address(server: process.Server) -> str:
    return f"http://127.0.0.1:{server.wait_for_line(_LISTENING, _START_TIMEOUT)[1]}"
