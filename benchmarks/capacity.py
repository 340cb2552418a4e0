"""What a fleet takes, on paper: series, samples, bytes, calls, cost and shards, from named constants.

    python benchmarks/capacity.py              the table of docs/capacity.md
    python benchmarks/capacity.py --measure    measures what of it can be measured on this machine

Change the constants to your own numbers. Each says where it comes from.
"""

from __future__ import annotations

import http.server
import json
import random
import re
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mac import servers

DAY, MONTH = 86_400, 30 * 86_400  # seconds
GB = 1_000_000_000

# --- the fleet: assumptions, to be replaced by your own ----------------------------------------------

TARGETS_PER_MACHINE = 3  # the machine, its Java virtual machine, and what its role exports
SERIES_PER_MACHINE = 1_500  # of these three together: ask `count({resource_id="i-…"})` of your own
SCRAPE_INTERVAL = 30  # seconds; mac's default
MANAGED_PER_MACHINE = 0.1  # resources that CloudWatch tells of, for each machine
CLOUDWATCH_METRICS = 6.3  # of one of them: the mean of mac's 46 standards that read CloudWatch
CLOUDWATCH_INTERVAL = 300  # seconds; the exporter's default, --scraping-interval
KINDS = 53  # that mac knows and the inventory of benchmarks/results/inventory.json asked for

# --- one Prometheus: what mac.yaml would say ---------------------------------------------------------

MAX_SERIES = 5_000_000  # a choice: 28 GB of memory at the figures below
MEMORY_FACTOR = 2  # assumption: room for queries, full chunks, compaction, and what is not yet collected

# --- measured: `python benchmarks/capacity.py --measure`, November 2026 ------------------------------

BYTES_PER_SERIES = 2_800  # of resident memory, a minute after the first scrape, without rules and queries
REMOTE_BYTES_PER_SAMPLE = 20.0  # that remote write sends, compressed, with mac's labels
CALLS_PER_SCOPE = 1.9  # AWS calls of a round, benchmarks/results/inventory.json: 18,860 for 9,850 scopes

# --- from documents ----------------------------------------------------------------------------------

BYTES_PER_SAMPLE = 2.0  # on disk: the upper end of the Prometheus documentation's 1-2 (Storage)
INSTANCES_PER_CALL = 1_000  # the largest page of DescribeInstances (EC2 API reference)
# USD, us-east-1; not read from AWS's own list, which is drawn by a script: see docs/capacity.md.
CLOUDWATCH_PRICE = 0.01 / 1_000  # a GetMetricStatistics request, or a metric of GetMetricData
AMP_TIERS = ((2e9, 0.90 / 10e6), (252e9, 0.35 / 10e6), (float("inf"), 0.16 / 10e6))  # up to; a sample
AMP_STORAGE = 0.03  # a GB and month
AMP_RETENTION = 150 * DAY  # the default of a workspace


@dataclass(frozen=True, slots=True)
class Fleet:
    """Machines, spread evenly over accounts and regions: each pair of those is a cell."""

    machines: int
    accounts: int
    regions: int


FLEETS = (Fleet(1_000, 2, 2), Fleet(10_000, 10, 2), Fleet(100_000, 50, 4), Fleet(1_000_000, 200, 4))
LARGEST_CELL = 0.2  # of all machines: fleets are not spread evenly


def figures(fleet: Fleet) -> dict[str, str]:
    """Name of a figure → it, as it is shown."""
    targets = fleet.machines * TARGETS_PER_MACHINE
    series = fleet.machines * SERIES_PER_MACHINE
    rate = series / SCRAPE_INTERVAL
    scopes = fleet.accounts * fleet.regions * KINDS
    calls = scopes * CALLS_PER_SCOPE + fleet.machines / INSTANCES_PER_CALL
    asked = fleet.machines * MANAGED_PER_MACHINE * CLOUDWATCH_METRICS
    month = rate * MONTH
    stored = rate * AMP_RETENTION * BYTES_PER_SAMPLE / GB
    largest = series * LARGEST_CELL
    return {
        "targets": number(targets),
        "series": number(series),
        "samples a second": number(rate),
        "memory of all Prometheus": size(series * BYTES_PER_SERIES * MEMORY_FACTOR),
        "disk a day": size(rate * DAY * BYTES_PER_SAMPLE),
        "remote write": f"{size(rate * REMOTE_BYTES_PER_SAMPLE)}/s",
        "accounts × regions": f"{fleet.accounts} × {fleet.regions}",
        "AWS calls a round of the inventory": number(calls),
        "CloudWatch requests a second": number(asked / CLOUDWATCH_INTERVAL),
        "CloudWatch, USD a month": number(asked * MONTH / CLOUDWATCH_INTERVAL * CLOUDWATCH_PRICE),
        "AMP ingestion, USD a month": number(ingestion(month)),
        "AMP storage, USD a month": number(stored * AMP_STORAGE),
        "series of the largest cell": number(largest),
        "shards of the largest cell": number(-(-largest // MAX_SERIES)),
        "Prometheus in all, at the least": number(max(-(-series // MAX_SERIES), 1)),
    }


def ingestion(samples: float) -> float:
    """USD for so many samples in a month."""
    total = done = 0.0
    for top, price in AMP_TIERS:
        part = min(samples, top) - done
        if part <= 0:
            break
        total += part * price
        done += part
    return total


def number(value: float) -> str:
    if value >= 1e9:
        return f"{value / 1e9:.3g} billion"
    if value >= 1e6:
        return f"{value / 1e6:.3g} million"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def size(value: float) -> str:
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:.0f} B"


def table() -> str:
    """The table of docs/capacity.md, in Markdown."""
    columns = [figures(fleet) for fleet in FLEETS]
    lines = [
        f"| machines | {' | '.join(f'{fleet.machines:,}' for fleet in FLEETS)} |",
        f"|---|{'---:|' * len(FLEETS)}",
    ]
    lines += [f"| {name} | {' | '.join(column[name] for column in columns)} |" for name in columns[0]]
    return "\n".join(lines) + "\n"


# --- measuring ---------------------------------------------------------------------------------------

_PAGES, _VARIANTS = 60, 8  # pages of one exporter each, and how often its values differ


def measure(per_page: int) -> dict[str, float]:
    """One Prometheus that scrapes 60 pages of so many series for a minute and sends all to another one."""
    with _exporter(per_page) as port, tempfile.TemporaryDirectory() as folder:
        receiving, config = Path(folder, "receiving.yml"), Path(folder, "prometheus.yml")
        receiving.write_text("global: {}\n", encoding="utf-8")
        with servers.prometheus(receiving, arguments=["--web.enable-remote-write-receiver"]) as receiver:
            groups = [
                {
                    "targets": [f"127.0.0.1:{port}"],
                    "labels": {
                        "__metrics_path__": f"/{page}",
                        "resource_id": f"i-{page:017x}",
                        "account": "123456789012",
                        "region": "us-east-1",
                        "environment": "production",
                        "service": "hdfs",
                        "role": "hdfs-datanode",
                    },
                }
                for page in range(_PAGES)
            ]
            settings = {
                "global": {"scrape_interval": "5s"},
                "scrape_configs": [{"job_name": "host", "static_configs": groups}],
                "remote_write": [{"url": f"{receiver.url}/api/v1/write"}],
            }
            config.write_text(json.dumps(settings), encoding="utf-8")
            with servers.prometheus(config) as api:
                series = _PAGES * per_page
                _until(lambda: _head(api) >= series)
                time.sleep(60)  # the measured minute
                with urllib.request.urlopen(f"{api.url}/metrics", timeout=60) as answer:  # noqa: S310
                    text = answer.read().decode()
    sent = _metric(text, "prometheus_remote_storage_bytes_total")
    samples = _metric(text, "prometheus_remote_storage_samples_total")
    return {
        "series": _metric(text, "prometheus_tsdb_head_series"),
        "memory": _metric(text, "process_resident_memory_bytes"),
        "remote bytes a sample": sent / samples,
    }


def _head(api: servers.Prometheus) -> float:
    return float(api.get("/api/v1/status/tsdb")["data"]["headStats"]["numSeries"])


def _until(condition: Callable[[], bool], patience: float = 120.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.5)


def _metric(text: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)", text, re.MULTILINE))


@contextmanager
def _exporter(per_page: int) -> Iterator[int]:
    """Counters that grow by chance, as most of what exporters export does."""
    chance = random.Random(7)  # noqa: S311 - not a secret
    bodies = []
    values = [chance.randrange(10**6) for _ in range(per_page)]
    for _ in range(_VARIANTS):
        values = [value + chance.choice((0, 0, 1, 17, 4096)) for value in values]
        bodies.append(
            "".join(
                f'node_metric_{n // 8}_total{{device="d{n % 8}"}} {v}\n' for n, v in enumerate(values)
            ).encode()
        )

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = bodies[int(time.monotonic() / 5) % _VARIANTS]
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def main() -> None:
    if sys.argv[1:] == ["--measure"]:
        small, large = measure(250), measure(1_500)
        print(json.dumps([small, large], indent=2))
        more = large["series"] - small["series"]
        print(f"memory a series: {(large['memory'] - small['memory']) / more:.0f} bytes")
        return
    print(table(), end="")


if __name__ == "__main__":
    main()
