"""How long a launched machine is unwatched while `mac sync` runs, and whether a terminated one is missed.

    make bench-lag BENCH="--machines 20000"

The demo's fleet in an embedded AWS, a repository with a remote, and a Prometheus for the cell in which most
machines are; every address is one of this machine's loopback, where a responder answers scrapes. Then 1,000
machines are launched at once, and their events put into the queue as EventBridge does. Measured is from when
AWS lists them all until Prometheus has scraped them all. Then 1,000 are terminated, and answer no longer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import selectors
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import boto3

from mac import collect, engines, pipeline, process, servers, snapshot
from mac.demo import fill, fleet, run
from mac.demo.embedded import embedded_aws
from mac.demo.fleet import Resize
from mac.model import Scope

RESULTS = Path(__file__).parent / "results/lag.json"
GROUP = "ingest"
AMBIENT = "123456789012"
SD_REFRESH = 5.0  # seconds: how often Prometheus takes what its discovery has found
PATIENCE = 1200.0  # seconds
NOT_STARTED = " monitoring"  # Alertmanager and the exporters beside Prometheus: their alerts fire, rightly


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=5000)
    parser.add_argument("--launched", type=int, default=1000)
    parser.add_argument("--watch", type=float, default=420.0, help="seconds after the terminations")
    parser.add_argument("--interval", default="5m", help="of mac sync")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-lag-") as folder:
        measured = measure(given, Path(folder).resolve())
    known = json.loads(given.output.read_text()) if given.output.exists() else []
    rows = [row for row in known if row["machines"] != measured["machines"]] + [measured]
    text = json.dumps(sorted(rows, key=lambda row: row["machines"]), indent=2) + "\n"
    given.output.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def say(text: str) -> None:
    sys.stderr.write(f"{datetime.now():%H:%M:%S} {text}\n")
    sys.stderr.flush()


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:  # noqa: PLR0915  one story
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(embedded_aws())
        planned = fleet.load(given.machines, None)
        clients = fill.Clients(aws.endpoint_url, planned.role)
        aws.seed(planned.seed)
        say(f"filling an AWS with {planned.machines:,} machines")
        places = fill.fill(planned, clients)
        site = planned.sites[0]
        environment = run._environment(aws)
        queue = boto3.client("sqs", "us-east-1", **keys(environment))
        address = queue.create_queue(QueueName="mac-sync-events")["QueueUrl"]
        terminal = run.Terminal(folder, environment, lambda text: None)
        root, cell = repository(terminal, planned), f"{site.account_name}-{site.region}"
        port, reads = free_port(), folder / "prometheus"
        configure(root, address, cell, port, reads)
        terminal.git("commit", "--quiet", "--all", "--message=Name a destination")
        say("generating for the first time")
        terminal.mac("generate", "--commit", "--push", "--allow-stale")
        terminal.mac("deploy", expected=(3,))  # nobody runs it yet
        refuse_foreign(reads)
        responder = stack.enter_context(Responder(ports(reads)))
        server = stack.enter_context(prometheus(reads, port, folder))
        command = [sys.executable, "-m", "mac", "-C", str(root), "sync", "--interval", given.interval]
        command += ["--log-format", "json", "--listen", "127.0.0.1:0"]
        loop = Loop(stack.enter_context(process.start(command, cwd=folder, env=environment)))
        loop.wait_for_round(after=0.0)
        world = World(server, reads)
        until(world.all_scraped, "the fleet is scraped")
        say(f"steady: {world.pools():,} targets; {world.inventory()}")
        limit = limits(root, environment, site, server)
        members = fill._members(clients("autoscaling", site), GROUP)

        say(f"launching {given.launched:,}")
        fill._scale(places[site], Resize(GROUP, site, given.launched), clients)
        launched, load = time.time(), round(os.getloadavg()[0], 1)
        now = fill._members(clients("autoscaling", site), GROUP)
        new = addresses(clients, site, sorted(set(now) - set(members)))
        send(queue, address, site, sorted(set(now) - set(members)), "running")
        until(lambda: world.lists(new), "they are written")
        until(world.all_active, "they are targets")
        active = time.time()
        until(world.all_scraped, "they are scraped")
        scraped = time.time()
        stages = split(loop.rounds(launched), launched, active, scraped)
        say(f"{scraped - launched:.1f} s: {stages}")

        before = world.alerts()
        say(f"terminating {given.launched:,}; {len(before)} alerts already")
        members = now
        doomed_addresses = dict(zip(members, ordered_addresses(clients, site, members), strict=True))
        ended = time.time()
        fill._scale(places[site], Resize(GROUP, site, -given.launched), clients)
        gone = sorted(set(members) - set(fill._members(clients("autoscaling", site), GROUP)))
        responder.silence(doomed_addresses[each] for each in gone)
        send(queue, address, site, gone, "terminated")
        left: float | None = None
        alerts: set[str] = set()
        while time.time() < ended + given.watch:
            alerts |= world.alerts() - before
            if left is None and world.lists_none({doomed_addresses[each] for each in gone}):
                left = time.time() - ended
            time.sleep(5.0)  # between two looks
        machine = {"cores": os.cpu_count(), "load": load, "prometheus": str(engines.require("prometheus"))}
        return {
            "machines": planned.machines,
            "launched": given.launched,
            "seconds": round(scraped - launched, 1),
            "limit_seconds": round(sum(limit.values()), 1),
            "stages": stages,
            "limit": limit,
            "terminated": {
                "machines": len(gone),
                "seconds_until_no_target": None if left is None else round(left, 1),
                "watched_seconds": given.watch,
                "alerts": sorted(each for each in alerts if not each.endswith(NOT_STARTED)),
                "alerts_about_what_is_not_started": sorted(a for a in alerts if a.endswith(NOT_STARTED)),
            },
            "targets_of_the_cell": world.pools(),
            "machine": machine,
        }


# --- the repository ----------------------------------------------------------------------------------


def repository(terminal: run.Terminal, planned: fleet.Fleet) -> Path:
    terminal.git("init", "--quiet", "--bare", "--initial-branch=main", "monitoring.git")
    terminal.git("clone", "--quiet", "monitoring.git", "monitoring")
    terminal.mac("init", "monitoring")
    terminal.directory /= "monitoring"
    run._write_inventory(terminal.directory, planned, lambda text: None)
    run._probe_nothing(terminal.directory / "mac.yaml")
    terminal.git("add", "--all")
    terminal.git("commit", "--quiet", "--message=Begin")
    terminal.git("push", "--quiet", "--set-upstream", "origin", "main")
    return terminal.directory


def configure(root: Path, queue: str, cell: str, port: int, reads: Path) -> None:
    path = root / "mac.yaml"
    text = path.read_text(encoding="utf-8")
    text = re.sub(r'own_address: "[^"]*"', f'own_address: "127.0.0.1:{port}"', text)
    path.write_text(
        f"""{text.rstrip()}
  sync: {{events: {{queue: "{queue}", region: us-east-1}}}}
  destinations:
    prometheus:
      type: prometheus-files
      cell: {cell}
      folder: {reads}
      server: {{url: "http://127.0.0.1:{port}"}}
""",
        encoding="utf-8",
    )


def keys(environment: dict[str, str]) -> dict[str, str]:
    return {
        "endpoint_url": environment["AWS_ENDPOINT_URL"],
        "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def targets(reads: Path) -> list[str]:
    found: list[str] = []
    for path in (reads / "current/targets").glob("*.json"):
        found += (t for group in json.loads(path.read_bytes()) for t in group["targets"])
    return found


def refuse_foreign(reads: Path) -> None:
    """Nothing but loopback is ever scraped."""
    foreign = [t for t in targets(reads) if re.match(r"\d+\.", t) and not t.startswith("127.")]
    if foreign:
        raise SystemExit(f"targets that are not on loopback: {foreign[:3]}")


def ports(reads: Path) -> set[int]:
    """Where machines are asked; what exporters on this machine would answer stays unanswered."""
    return {
        int(t.rpartition(":")[2]) for t in targets(reads) if not t.startswith("127.0.0.") and "/" not in t
    }


# --- AWS ---------------------------------------------------------------------------------------------


def ordered_addresses(clients: fill.Clients, site: fleet.Site, ids: Sequence[str]) -> list[str]:
    found: dict[str, str] = {}
    for start in range(0, len(ids), 500):
        answer = clients("ec2", site).describe_instances(InstanceIds=list(ids[start : start + 500]))
        for reservation in answer["Reservations"]:
            found |= {i["InstanceId"]: i.get("PrivateIpAddress", "") for i in reservation["Instances"]}
    return [found[each] for each in ids]


def addresses(clients: fill.Clients, site: fleet.Site, ids: Sequence[str]) -> set[str]:
    return set(ordered_addresses(clients, site, ids))


def send(queue: Any, address: str, site: fleet.Site, ids: Sequence[str], state: str) -> None:
    """What EventBridge puts into the queue, ten at a time."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for start in range(0, len(ids), 10):
        entries = [
            {
                "Id": str(number),
                "MessageBody": json.dumps(
                    {
                        "version": "0",
                        "id": each,
                        "detail-type": "EC2 Instance State-change Notification",
                        "source": "aws.ec2",
                        "account": site.account,
                        "time": at,
                        "region": site.region,
                        "resources": [f"arn:aws:ec2:{site.region}:{site.account}:instance/{each}"],
                        "detail": {"instance-id": each, "state": state},
                    }
                ),
            }
            for number, each in enumerate(ids[start : start + 10])
        ]
        queue.send_message_batch(QueueUrl=address, Entries=entries)


# --- Prometheus --------------------------------------------------------------------------------------


@contextlib.contextmanager
def prometheus(reads: Path, port: int, folder: Path) -> Iterator[servers.Prometheus]:
    engine = engines.require("prometheus")
    argv = [
        str(engine.path),
        f"--config.file={reads}/current/prometheus.yml",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-lifecycle",
    ]
    with process.start(argv, cwd=folder) as server:
        api = servers.Prometheus(f"http://127.0.0.1:{port}")
        server.wait_until(api.ready, 120.0)
        yield api


class World:
    """What Prometheus shows of what was written for it. Its own metrics are cheaper than its lists."""

    def __init__(self, server: servers.Prometheus, reads: Path) -> None:
        self.server, self.reads = server, reads
        self._apart = 0  # targets that are in no file of targets

    def pools(self) -> int:
        text = self.server._open("/metrics").decode()
        found = re.findall(r"^prometheus_target_scrape_pool_targets\{[^}]*\} (\S+)", text, re.MULTILINE)
        return int(sum(map(float, found)))

    def scraped(self) -> int:
        result = self.server.query("count(up)")["result"]
        return int(result[0]["value"][1]) if result else 0

    def written(self) -> set[str]:
        return {t.rpartition(":")[0] for t in targets(self.reads)}

    def inventory(self) -> str:
        return f"{len(targets(self.reads)):,} in files, {len(self.written()):,} addresses"

    def lists(self, wanted: set[str]) -> bool:
        return wanted <= self.written()

    def lists_none(self, unwanted: set[str]) -> bool:
        return not unwanted & self.written() and self.all_active()

    def all_active(self) -> bool:
        """The first time it is told how many targets stand elsewhere, as there is nothing to come."""
        return self.pools() - len(targets(self.reads)) == self._apart

    def all_scraped(self) -> bool:
        pools = self.pools()
        self._apart = self._apart or pools - len(targets(self.reads))
        return self.all_active() and self.scraped() >= pools > 0

    def alerts(self) -> set[str]:
        return {
            f"{alert['state']} {alert['labels']['alertname']} {alert['labels'].get('service', '')}"
            for alert in self.server.alerts()
            if alert["state"] == "firing"
        }


class Loop:
    """A `mac sync` and the rounds that it tells of."""

    def __init__(self, server: process.Server) -> None:
        self._server = server

    def rounds(self, since: float) -> list[dict[str, Any]]:
        """Those that ended since then (seconds since 1970), with `at`."""
        found = []
        for line in self._server.log().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                event["at"] = datetime.fromisoformat(event["time"]).timestamp()
                if event["event"] == "round" and event["at"] >= since:
                    found.append(event)
        return found

    def wait_for_round(self, after: float) -> None:
        def ended() -> bool:
            rounds = self.rounds(after)
            return bool(rounds) and rounds[-1]["result"] == "success"

        self._server.wait_until(ended, PATIENCE)


def until(done: Any, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise SystemExit(f"it took more than {PATIENCE:g} s until {what}")
        time.sleep(0.5)  # between two looks


def split(rounds: list[dict[str, Any]], launched: float, active: float, scraped: float) -> dict[str, float]:
    """Where the time went. Several rounds may have had a part of it: theirs are added up."""
    rounds = [each for each in rounds if each.get("changes") and each["at"] - each["seconds"] < active]
    sums: dict[str, float] = {}
    for each in rounds:
        for name, seconds in each["stages"].items():
            sums[name] = sums.get(name, 0.0) + seconds
    git = {"begin", "write", "commit", "push"}
    parts = {
        "inventory": sums.pop("inventory", 0.0),
        "git": sum(sums.pop(name, 0.0) for name in git),
        "deploy": sums.pop("deploy", 0.0),
        "generate": sum(sums.values()),
    }
    ended = max((each["at"] for each in rounds), default=active)
    parts["event_and_waiting"] = max(0.0, ended - launched - sum(parts.values()))
    parts["first_scrapes"] = max(0.0, scraped - ended)
    return {name: round(seconds, 1) for name, seconds in parts.items()} | {"rounds": len(rounds)}


def limits(
    root: Path, environment: dict[str, str], site: fleet.Site, server: servers.Prometheus
) -> dict[str, float]:
    """What it takes at least: AWS's answers about these scopes alone, and one reload."""
    kinds = ("ec2-instance", "autoscaling-group", "target-group")
    only = frozenset(Scope(site.account, site.region, kind) for kind in kinds)
    reading = multiprocessing.get_context("spawn").Pool(1)
    with reading:
        inventory = reading.apply(read_alone, (root, environment, only))
    began = time.perf_counter()
    server.reload()
    reload = time.perf_counter() - began
    return {"inventory": round(inventory, 1), "reload": round(reload, 1), "target_refresh": SD_REFRESH}


def read_alone(root: Path, environment: dict[str, str], only: frozenset[Scope]) -> float:
    os.environ.update(environment)
    catalog, last = pipeline.load(root), snapshot.read(root / "inventory/snapshot")
    began = time.perf_counter()
    collect.collect(catalog.inventory, last, now=datetime.now(UTC), only=only)
    return time.perf_counter() - began


# --- machines ----------------------------------------------------------------------------------------


class Responder:
    """Answers scrapes on every address of loopback, but for those that were silenced."""

    def __init__(self, ports: set[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self._control, theirs = context.Pipe()
        self._process = context.Process(target=respond, args=(sorted(ports), theirs), daemon=True)

    def __enter__(self) -> Responder:
        self._process.start()
        if self._control.recv() != "ready":
            raise SystemExit("the responder does not answer")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def silence(self, addresses: Any) -> None:
        self._control.send(list(addresses))
        self._control.recv()


def respond(ports: Sequence[int], control: Connection) -> None:
    """One listener a port, bound to the loopback device: nothing from elsewhere reaches it."""
    body = b"# HELP fake_up Always 1.\n# TYPE fake_up gauge\nfake_up 1\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n"
    answer += b"Content-Length: %d\r\n\r\n" % len(body) + body
    silent: set[str] = set()
    looks = selectors.DefaultSelector()
    for port in ports:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port))  # noqa: S104  on the device of loopback alone
        listener.listen(4096)
        listener.setblocking(False)
        looks.register(listener, selectors.EVENT_READ, "listener")
    looks.register(control.fileno(), selectors.EVENT_READ, "control")
    control.send("ready")
    while True:
        for key, _ in looks.select():
            if key.data == "control":
                silent |= set(control.recv())
                control.send("done")
            elif key.data == "listener":
                with contextlib.suppress(BlockingIOError):
                    while True:
                        connection, _ = key.fileobj.accept()  # type: ignore[union-attr]
                        if connection.getsockname()[0] in silent:
                            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                            connection.close()
                            continue
                        connection.setblocking(False)
                        looks.register(connection, selectors.EVENT_READ, "connection")
            else:
                looks.unregister(key.fileobj)
                with contextlib.suppress(OSError):
                    key.fileobj.recv(65536)  # type: ignore[union-attr]
                    key.fileobj.send(answer)  # type: ignore[union-attr]
                key.fileobj.close()  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
