"""What a forecast costs a real Prometheus: queries, samples, seconds, and how long others wait meanwhile.

    make bench-forecast BENCH="--rules 500 --days 14"

A Prometheus on loopback gets a history of some services, written by promtool. Then `mac forecast` asks it for
rules over all of it, twice: the second time everything is in the cache. Beside it another user asks one small
query after another, as a dashboard does, before and during the forecast. Nothing of it leaves this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mac import engines, forecasting, process, servers
from mac.access_model import ServerAccess
from mac.forecast import routes
from mac.forecast.states import AlertingRule
from mac.forecast_input import Configured, Rule
from mac.http import Server
from mac.model import Catalog, InventoryConfig, Project

RESULTS = Path(__file__).parent / "results/forecast.json"
START = 1_700_006_400
DAY, STEP = 86_400, 30
EXPRESSIONS = (
    'avg by (service) (up{{service="{s}"}}) < {n}',
    'sum by (service) (rate(requests_total{{service="{s}",code="500"}}[5m])) > {n}',
    'max by (service) (load{{service="{s}"}}) > {n}',
    'count by (service) (load{{service="{s}"}} > {n}) > 2',
    'avg_over_time(load{{service="{s}"}}[10m]) > {n}',
)
ROUTES = {
    "route": {"receiver": "all", "group_by": ["service"], "group_wait": "30s", "group_interval": "5m"},
    "receivers": [{"name": "all", "webhook_configs": [{"url": "http://127.0.0.1:9/"}]}],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=500)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--services", type=int, default=20)
    parser.add_argument("--hosts", type=int, default=5, help="of each service")
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-forecast-") as folder:
        measured = measure(given, Path(folder))
    text = json.dumps(measured, indent=2) + "\n"
    given.output.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    began = time.perf_counter()
    data, samples = write(given, folder)
    written = time.perf_counter() - began
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n", encoding="utf-8")
    engine = engines.require("prometheus")
    kept = ["--storage.tsdb.retention.time=100y"]
    with servers.prometheus(config, engine=engine, arguments=kept, data=data) as server:
        user = User(server, START + given.days * DAY)
        user.ask(5.0)
        alone = user.times
        first, during = with_user(user, lambda: forecast(given, server.url, folder))
        again, _ = with_user(user, lambda: forecast(given, server.url, folder))
        peak = resident(server)
    return {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "prometheus": str(engine)},
        "history": {
            "days": given.days,
            "series": given.services * given.hosts * 4,
            "samples": samples,
            "seconds_to_write": round(written, 1),
        },
        "rules": given.rules,
        "concurrency": given.concurrency,
        "forecast": first,
        "again_from_the_cache": again,
        "another_user": {"alone": latency(alone), "during": latency(during)},
        "prometheus_resident_megabytes": peak,
    }


def write(given: argparse.Namespace, folder: Path) -> tuple[Path, int]:
    """Series of hosts that go down now and then, and of loads with a daily swing."""
    source, data = folder / "samples.txt", folder / "data"
    samples = 0
    with source.open("w", encoding="utf-8") as file:
        for name, kind in (("up", "gauge"), ("load", "gauge"), ("requests", "counter")):
            file.write(f"# TYPE {name} {kind}\n")
            for line in series(name, given):
                file.write(line)
                samples += line.count("\n")
        file.write("# EOF\n")
    data.mkdir()
    command = ["tsdb", "create-blocks-from", "openmetrics", "-q", "--max-block-duration=24h", source, data]
    done = process.run([engines.require("promtool").path, *command], timeout=3000)
    if done.returncode:
        sys.exit(done.stderr)
    return data, samples


def series(name: str, given: argparse.Namespace) -> Iterator[str]:
    steps = range(given.days * DAY // STEP)
    for service in range(given.services):
        for host in range(given.hosts):
            own = f'service="s{service}",instance="h{host}"'
            seed = service * 31 + host * 7
            if name == "up":
                values = (int((n + seed * 97) % 4000 > 12) for n in steps)
                yield "".join(f"up{{{own}}} {v} {START + n * STEP}\n" for n, v in enumerate(values))
            elif name == "load":
                swing = (abs((n * STEP + seed * 977) % DAY / DAY - 0.5) * 2 for n in steps)
                yield "".join(f"load{{{own}}} {v:.4f} {START + n * STEP}\n" for n, v in enumerate(swing))
            else:
                for code, pace in (("200", 300), ("500", 1 + seed % 3)):
                    labels = f'{own},code="{code}"'
                    yield "".join(
                        f"requests_total{{{labels}}} {n * pace} {START + n * STEP}\n" for n in steps
                    )


def configured(given: argparse.Namespace) -> Configured:
    rules = []
    for n in range(given.rules):
        service = f"s{n % given.services}"
        form = EXPRESSIONS[n // given.services % len(EXPRESSIONS)]
        expr = form.format(s=service, n=round(0.5 + n / given.rules / 2, 4))
        labels = (("service", service), ("severity", "page" if n % 5 == 0 else "ticket"))
        name = f"Alert{n}"
        rules.append(
            Rule("cell", service, name, expr, STEP, AlertingRule(name, 300.0, 0.0, labels, group=service))
        )
    return Configured(tuple(rules), {"cell": ()}, routes.read(ROUTES))


def forecast(given: argparse.Namespace, url: str, folder: Path) -> dict[str, Any]:
    until = START + given.days * DAY
    request = forecasting.Request(
        folder,
        days=given.days,
        until=until,
        at_once=given.concurrency,
        seconds=3600,
        cache=folder / "cache",
        now=datetime.fromtimestamp(until, UTC),
    )
    catalog = Catalog(Project((), "nobody"), InventoryConfig((), ()), {}, {}, {})
    began = time.perf_counter()
    done = forecasting.over(request, catalog, ServerAccess(url), after=configured(given)).forecast
    cost = done.cost
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "queries": cost.queries,
        "cached": cost.kept,
        "failed": cost.failed,
        "samples": cost.samples,
        "points": cost.points,
        "query_seconds": round(cost.seconds, 1),
        "longest_query_seconds": cost.longest,
        "alerts": done.after.totals["alerts"],
        "notifications": done.after.totals["notifications"],
    }


class User:
    """Somebody who looks at a dashboard: one small query after another."""

    def __init__(self, server: servers.Prometheus, now: float) -> None:
        self._server, self._now = server, now
        self._over = threading.Event()
        self.times: list[float] = []

    def ask(self, seconds: float) -> None:
        self.times = []
        self._over.clear()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._over.is_set():
            began = time.perf_counter()
            self._server.get("/api/v1/query", query="sum by (service) (up)", time=str(self._now - STEP))
            self.times.append(time.perf_counter() - began)
            self._over.wait(0.05)

    def stop(self) -> None:
        self._over.set()


def with_user(user: User, work: Any) -> tuple[Any, list[float]]:
    thread = threading.Thread(target=user.ask, args=(3600.0,))
    thread.start()
    try:
        return work(), user.times
    finally:
        user.stop()
        thread.join()


def latency(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "queries": len(ordered),
        "median_milliseconds": round(statistics.median(ordered) * 1000, 1),
        "p95_milliseconds": round(ordered[int(len(ordered) * 0.95)] * 1000, 1),
        "longest_milliseconds": round(ordered[-1] * 1000, 1),
    }


def resident(server: servers.Prometheus) -> float:
    """By its own metric."""
    lines = Server(ServerAccess(server.url)).get("/metrics").body.decode().splitlines()
    line = next(each for each in lines if each.startswith("process_resident_memory_bytes "))
    return round(float(line.split()[1]) / 1e6, 1)


if __name__ == "__main__":
    main()
