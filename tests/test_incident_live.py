"""From machines that die to the page that is read: a real Prometheus and Alertmanager on what is generated.

Exporters are real HTTP servers on 127.x addresses, at the port of the standard. Only times are shortened: in
the monitoring repository that the test makes, as its owner could.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import builders
import pytest
from webhook import Webhook

from mac import conventions, emit, generating, init, pipeline, servers, snapshot
from mac.model import Resource
from mac.run import Outcome

# Of the service that scales in, long enough for a slow machine to generate and reload while its alert waits.
PATIENCE = {"query": "60s", "scheduler": "15s"}
PORT = 9100
# As the node exporter 1.x writes them.
METRICS = b"""\
# TYPE node_filesystem_avail_bytes gauge
node_filesystem_avail_bytes{device="/dev/nvme0n1p1",fstype="xfs",mountpoint="/"} 5e+10
# TYPE node_filesystem_size_bytes gauge
node_filesystem_size_bytes{device="/dev/nvme0n1p1",fstype="xfs",mountpoint="/"} 1e+11
# TYPE node_vmstat_oom_kill untyped
node_vmstat_oom_kill 0
"""


class Exporter:
    """What answers on one machine."""

    def __init__(self, address: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(METRICS)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((address, PORT), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def die(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Fleet:
    """Machines of services, each with its exporter, in a network of 127.0.0.0/8 that nothing else uses."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._network = f"127.{secrets.randbelow(100) + 100}.{secrets.randbelow(256)}"
        self._exporters: dict[str, Exporter] = {}
        self.machines: list[Resource] = []

    def launch(self, service: str, role: str, count: int) -> None:
        for _ in range(count):
            number = len(self.machines) + 1
            address = f"{self._network}.{number}"
            tags = {"service": service, "role": role, "environment": "production"}
            machine = builders.instance(number, tags, addresses=(address,))
            exporter = self._exporters[machine.id] = Exporter(address)
            self._stack.callback(exporter.die)
            self.machines.append(machine)

    def of(self, service: str) -> list[Resource]:
        return [m for m in self.machines if m.tags["service"] == service]

    def kill(self, machines: Sequence[Resource]) -> None:
        for machine in machines:
            self._exporters[machine.id].die()

    def terminate(self, machines: Sequence[Resource]) -> None:
        """On purpose: the inventory knows them no longer."""
        self.machines = [m for m in self.machines if m not in machines]


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{path}: {old}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What `mac init` makes, with services that cannot wait as long."""
    path = tmp_path / "monitoring"
    init.write(path)
    edit(
        path / "mac.yaml",
        ("scrape_interval: 30s", "scrape_interval: 1s"),
        ("evaluation_interval: 30s", "evaluation_interval: 1s"),
        ("group_wait: 30s", "group_wait: 1s"),
        ("group_interval: 5m", "group_interval: 1s"),
    )
    # Nobody may set less than a minute otherwise; what the standard says of its alerts stays as it is.
    edit(
        path / "standards/compute/host.yaml",
        ("min: 1m", "min: 1s"),
        ("interval: 30s, timeout: 10s", "interval: 1s, timeout: 1s"),
    )
    for service, patience in PATIENCE.items():
        shortened = f"\n  parameters: {{host: {{boot_time: 3s, outage_patience: {patience}}}}}\n"
        edit(path / f"standards/services/{service}.yaml", ("\n  tier: 2\n", "\n  tier: 2" + shortened))
    return path


def generate(root: Path, fleet: Fleet) -> Outcome:
    stored = root.parent / "snapshot.jsonl"
    stored.write_bytes(snapshot.to_bytes(builders.snapshot(*fleet.machines)))
    return generating.generate(pipeline.Request(root, snapshot=stored))


def until(holds: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def value(prometheus: servers.Prometheus, expr: str) -> float | None:
    """The value of the one series that an expression gives, None when it gives none."""
    result = prometheus.query(expr)["result"]
    assert len(result) <= 1, result
    return float(result[0]["value"][1]) if result else None


@contextlib.contextmanager
def running(
    root: Path, fleet: Fleet, webhook: Webhook
) -> Iterator[tuple[servers.Prometheus, servers.Alertmanager]]:
    """Prometheus and Alertmanager on the output; only who is told leads elsewhere."""
    generate(root, fleet)
    routes = emit.read_yaml((root / conventions.ALERTMANAGER_CONFIG).read_text(encoding="utf-8"))
    told_here = root.parent / "alertmanager.yml"
    told_here.write_text(json.dumps({**routes, "receivers": webhook.instead_of(routes["receivers"])}))
    with servers.alertmanager(told_here) as alertmanager:
        edit(root / "mac.yaml", ("127.0.0.1:9093", alertmanager.url.removeprefix("http://")))
        generate(root, fleet)
        [config] = root.glob("cells/*/prometheus.yml")
        with servers.prometheus(config, arguments=["--rules.alert.resend-delay=1s"]) as prometheus:
            yield prometheus, alertmanager


def test_machines_that_die_are_one_page_and_machines_that_are_terminated_are_none(
    root: Path,
) -> None:
    with contextlib.ExitStack() as stack:
        webhook = stack.enter_context(Webhook())
        fleet = Fleet(stack)
        fleet.launch("query", "trino-worker", 3)
        fleet.launch("scheduler", "airflow", 3)
        prometheus, alertmanager = stack.enter_context(running(root, fleet, webhook))
        for service in ("query", "scheduler"):
            count = f'service:host:count{{service="{service}"}}'
            until(lambda count=count: value(prometheus, count) == 3, f"{count} is 3")
        until(lambda: bool(prometheus.alertmanagers()), "the Alertmanager is found")

        # Scaled in: two of three go dark, and leave the inventory a moment later.
        leaving = fleet.of("query")[:2]
        fleet.kill(leaving)
        down = 'service:host_down:count{service="query"}'
        until(lambda: value(prometheus, down) == 2, f"{down} is 2")
        pending = 'count(ALERTS{service="query",alertstate="pending"})'
        until(lambda: value(prometheus, pending) == 1, "it waits to see whether they come back")
        fleet.terminate(leaving)
        assert generate(root, fleet).built.rendered.problems == ()
        prometheus.reload()
        scraped = 'count(up{service="query",job="host"})'
        until(lambda: value(prometheus, scraped) == 1, "they are no targets")
        until(lambda: value(prometheus, pending) is None, "nothing waits any more")

        # An incident: two of three go dark and stay in the inventory.
        fleet.kill(fleet.of("scheduler")[:2])
        assert webhook.wait_until(bool, timeout=60)
        [page] = webhook.all()
        assert page.receiver == "platform / page"
        assert page.group == {"service": "scheduler", "environment": "production"}
        [alert] = page.alerts
        assert alert["labels"]["alertname"] == "HostsUnreachable"
        assert alert["labels"]["role"] == "airflow"
        assert alert["labels"]["cell"] == "main-us-east-1"
        assert alert["annotations"]["summary"] == "66.67% of the airflow hosts of scheduler do not answer"
        assert alert["annotations"]["runbook_url"].endswith("standards/runbooks/host.md#hostsunreachable")

        # Told once, although Prometheus says it again and again; and of the others nothing was ever to tell.
        for _ in range(3):
            [known] = alertmanager.alerts()
            before = known["updatedAt"]
            until(lambda before=before: alertmanager.alerts()[0]["updatedAt"] != before, "it is sent again")
        assert webhook.all() == [page]
        assert (
            value(prometheus, 'count(max_over_time(ALERTS{alertstate="firing",service="query"}[10m]))')
            is None
        )
