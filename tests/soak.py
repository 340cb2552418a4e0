"""Two `mac sync` on one branch and one Prometheus, while machines come and go and everything fails at times.

    python -m tests.soak [--minutes 10]     # prints the numbers, and writes benchmarks/results/soak.json

At random moments: AWS throttles, denies, breaks down or hangs up; the remote is not there; engineers push; a
loop is killed; the disk is full; Prometheus restarts, hangs or refuses to read again; Alertmanager is down.
At the end the history must be linear and each commit valid, no machine may have left the targets while it was
alive, and what runs must be the head. Only loopback is spoken to.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mac import checkrun, engines, servers
from mac import snapshot as snapshots
from mac.problems import EngineError, errors
from tests import aws_fleet as fleet
from tests import fault_proxy, syncing
from tests.conftest import ENGINES, GENERATIONS, PROGRAMS, isolated_environment
from tests.syncing import git

RESULTS = Path(__file__).parent.parent / "benchmarks/results/soak.json"
CELL = "cells/main-us-east-1"
AWS_FAULTS = ("throttled", "denied", "server error", "connection reset")
DISK = 48_000_000  # bytes of the file system on which both clones and what is deployed lie
MACHINES = (12, 40)  # fewest and most


class Gate:
    """Stands before Prometheus, and refuses reloads while it is told to."""

    def __init__(self, port: int) -> None:
        self.refusing, self.refused = False, 0
        gate = self

        class Passing(BaseHTTPRequestHandler):
            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if gate.refusing and self.path == "/-/reload":
                    gate.refused += 1
                    self.send_error(500, "failed to reload config")
                    return
                try:
                    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                    asked.request(self.command, self.path, body)
                    answer = asked.getresponse()
                    text = answer.read()
                except OSError:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.getheader("Content-Type") or "text/plain")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = _any  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


@dataclass
class Program:
    """A program that is ended and started again. `log`: everything it has written."""

    argv: list[str]
    folder: Path
    log: Path
    environment: dict[str, str] | None = None
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                self.argv,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def send(self, number: int) -> None:
        if self.running is not None and self.running.poll() is None:
            os.kill(self.running.pid, number)

    def end(self, number: int = signal.SIGTERM, patience: float = 150.0) -> int:
        """Its exit code."""
        if self.running is None:
            return 0
        self.send(number)
        try:
            return self.running.wait(patience)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait()
            return -signal.SIGKILL


@dataclass
class Soak:
    """All that runs. `alive`: id → address of the machines that AWS has; `ended`: address → when."""

    folder: Path
    disk: Path
    world: syncing.World
    ec2: Any
    proxy: fault_proxy.Passing
    gate: Gate
    loops: list[Program]
    prometheus: Program
    alertmanager: Program
    mounted: bool
    chance: random.Random
    alive: dict[str, str] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    # --- churn -----------------------------------------------------------------------------------

    def churn(self) -> None:
        """Some machines come or go."""
        count = self.chance.randint(1, 5)
        if len(self.alive) < MACHINES[0] or (len(self.alive) < MACHINES[1] and self.chance.random() < 0.5):
            answer = self.ec2.run_instances(
                ImageId="ami-12c6146b",
                InstanceType="m5.large",
                MinCount=count,
                MaxCount=count,
                SubnetId=self.world.subnet,
                TagSpecifications=[{"ResourceType": "instance", "Tags": fleet.PAIRS}],
            )
            self.alive |= {i["InstanceId"]: i["PrivateIpAddress"] for i in answer["Instances"]}
            self.faults["machines launched"] += count
            return
        gone = self.chance.sample(sorted(self.alive), count)
        now = time.time()
        for each in gone:
            self.ended[self.alive.pop(each)] = now
        self.ec2.terminate_instances(InstanceIds=gone)
        self.faults["machines terminated"] += count

    # --- faults ----------------------------------------------------------------------------------

    def fail(self) -> None:
        """One of them, for some seconds."""
        name, fault = self.chance.choice(
            [
                *((f"AWS: {mode}", lambda mode=mode: self._aws(mode)) for mode in AWS_FAULTS),
                ("remote unreachable", self._no_remote),
                ("engineer pushes", self._engineer),
                ("kill -9", self._kill),
                ("kill -9", self._kill),
                ("disk full", self._full),
                ("prometheus restarts", self._restart),
                ("prometheus hangs", self._hang),
                ("prometheus refuses a reload", self._refuse),
                ("alertmanager down", self._no_alertmanager),
            ]
        )
        self.faults[name] += 1
        fault()

    def _pause(self, least: float = 3.0, most: float = 9.0) -> None:
        """While the fault lasts the fleet goes on."""
        end = time.monotonic() + self.chance.uniform(least, most)
        while time.monotonic() < end:
            time.sleep(1.0)
            if self.chance.random() < 0.3:
                self.churn()

    def _aws(self, mode: str) -> None:
        self.proxy.mode = mode
        self._pause()
        self.proxy.mode = ""

    def _no_remote(self) -> None:
        """Whoever connects is turned away; what is under way comes to its end."""
        (self.folder / "away").touch()
        self._pause()
        (self.folder / "away").unlink()

    def _engineer(self) -> None:
        """Somebody changes a document and pushes; if that is lost, again on the new head."""
        work = self.folder / "engineer"
        if not work.exists():
            git(self.folder, "clone", "--quiet", str(self.world.remote), "engineer")
        for _ in range(10):
            git(work, "fetch", "--quiet", "origin", "main")
            git(work, "reset", "--quiet", "--hard", "origin/main")
            path = work / "standards/services/shop.yaml"
            path.write_text(
                f"{syncing.FILES['standards/services/shop.yaml'].rstrip()}\n# {self.chance.random()}\n"
            )
            git(work, "commit", "--quiet", "--all", "--message=Change a document")
            if subprocess.run(["git", "push", "--quiet", "origin", "HEAD:main"], cwd=work, check=False,
                              capture_output=True).returncode == 0:  # fmt: skip
                return
            self.faults["engineer has to push again"] += 1

    def _kill(self) -> None:
        loop = self.chance.choice(self.loops)
        loop.end(signal.SIGKILL)
        self._pause(0.0, 2.0)
        loop.start()

    def _full(self) -> None:
        if not self.mounted:
            for loop in self.loops:
                if loop.running is not None and loop.running.poll() is None:
                    resource.prlimit(loop.running.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            self._pause()
            for loop in self.loops:
                if loop.running is not None and loop.running.poll() is None:
                    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                    resource.prlimit(loop.running.pid, resource.RLIMIT_FSIZE, unlimited)
            return
        filler = self.disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1_000_000, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        self._pause()
        filler.unlink()

    def _restart(self) -> None:
        self.prometheus.end(self.chance.choice([signal.SIGTERM, signal.SIGKILL]))
        self._pause(0.0, 4.0)
        self.prometheus.start()

    def _hang(self) -> None:
        self.prometheus.send(signal.SIGSTOP)
        self._pause()
        self.prometheus.send(signal.SIGCONT)

    def _refuse(self) -> None:
        self.gate.refusing = True
        self._pause()
        self.gate.refusing = False

    def _no_alertmanager(self) -> None:
        self.alertmanager.end(signal.SIGKILL)
        self._pause()
        self.alertmanager.start()

    # --- the end ---------------------------------------------------------------------------------

    def check(self) -> dict[str, Any]:
        """Ends the loops, lets one round put everything right, and looks."""
        for loop in self.loops:
            code = loop.end()
            if code != 0:
                self.wrong.append(f"a loop that was asked to end did so with {code}")
        first = self.loops[0]
        for number in range(2):
            head = self.world.head()
            once = [*first.argv[: first.argv.index("sync") + 1], "--once", "--log-format", "json"]
            given: dict[str, Any] = {"cwd": first.folder, "env": first.environment, "timeout": 300}
            done = subprocess.run(once, capture_output=True, text=True, check=False, **given)
            if done.returncode != 0:
                self.wrong.append(f"the last round ended with {done.returncode}: {done.stderr[-1500:]}")
            if number and self.world.head() != head:
                self.wrong.append("a round without a change made a commit")
        commits = git(self.world.remote, "rev-list", "--reverse", "main").splitlines()
        if git(self.world.remote, "rev-list", "--merges", "--count", "main") != "0":
            self.wrong.append("the history has merges")
        git(self.world.remote, "fsck", "--strict")
        lost = self._commits(commits)
        self._runs()
        return {"commits": len(commits), "lost": lost}

    def _commits(self, commits: list[str]) -> int:
        """Each commit by itself, and against the one before; how many machines were lost while alive."""
        work = self.folder / "checked"
        git(self.folder, "clone", "--quiet", str(self.world.remote), "checked")
        before: set[str] = set()
        lost = 0
        for commit in commits:
            git(work, "checkout", "--quiet", "--detach", commit)
            problems, _ = checkrun.check(work, engines_required=True)
            self.wrong += [f"{commit[:12]} is not valid: {p.code} {p.message}" for p in errors(problems)]
            if not (work / CELL).exists():
                continue
            snapshots.read(work / "inventory/snapshot")
            groups = json.loads((work / CELL / "targets/web.json").read_bytes())
            now = {address.partition(":")[0] for group in groups for address in group["targets"]}
            at = int(git(work, "show", "-s", "--format=%ct", commit))
            for address in sorted(before - now):
                if address not in self.ended or self.ended[address] > at + 1:
                    lost += 1
                    self.wrong.append(f"{commit[:12]} lost {address}, which was alive")
            before = now
        return lost

    def _runs(self) -> None:
        """What Prometheus has, against the head and against AWS."""
        work = self.folder / "checked"
        for path in sorted((work / CELL).rglob("*")):
            if path.is_file():
                there = self.disk / "prometheus/current" / path.relative_to(work / CELL)
                if not there.exists() or there.read_bytes() != path.read_bytes():
                    self.wrong.append(f"{path.relative_to(work)} does not run as the head has it")
        api = servers.Prometheus(f"http://127.0.0.1:{self.world.port}")
        runs = {address.partition(":")[0] for address in syncing.machines(api)}
        if runs != set(self.alive.values()):
            self.wrong.append(f"Prometheus scrapes {len(runs)} machines, and {len(self.alive)} are alive")


def watch(soak: Soak, stop: threading.Event) -> Iterator[float]:
    """Seconds for which a machine that is alive, and was a target, was none of a Prometheus that is well."""
    api = servers.Prometheus(f"http://127.0.0.1:{soak.world.port}")
    seen: set[str] = set()
    missing: dict[str, float] = {}
    while not stop.wait(2.0):
        try:
            now = {address.partition(":")[0] for address in syncing.machines(api)}
        except EngineError:
            missing.clear()
            continue
        alive = set(soak.alive.values())
        seen |= now
        gone = (seen & alive) - now
        missing = {each: missing.get(each, time.monotonic()) for each in gone}
        yield max((time.monotonic() - since for since in missing.values()), default=0.0)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Whether `folder` is a small file system of its own: that takes the right to mount."""
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    mounted = mount is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextlib.contextmanager
def built(folder: Path, seed: int) -> Iterator[Soak]:
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(fleet.serve())
        account = fleet.new_account()
        aws = fleet.session(account, syncing.REGION)
        ec2 = aws.client("ec2")
        disk = folder / "disk"
        mounted = stack.enter_context(small_disk(disk))
        world = syncing.build(folder, account, aws, settle="25s")
        gate, alerts = Gate(world.port), syncing.free_port()
        settings = world.root / "mac.yaml"
        text = settings.read_text().replace(
            f'127.0.0.1:{world.port}", timeout', f'127.0.0.1:{gate.port}", timeout'
        )
        text = text.replace(str(world.folder), str(disk / "prometheus"))
        settings.write_text(
            f"{text}    alertmanager:\n      type: alertmanager-files\n      folder: {disk}/alertmanager\n"
            f'      server: {{url: "http://127.0.0.1:{alerts}", timeout: 10s}}\n      settle: 10s\n'
        )
        git(world.root, "commit", "--quiet", "--all", "--message=Name the destinations")
        git(world.root, "push", "--quiet", "origin", "main")
        proxy = stack.enter_context(fault_proxy.proxied(backend, fault_proxy.Passing))
        environment = dict(os.environ)
        loops = []
        for name in ("one", "two"):
            git(disk, "clone", "--quiet", str(world.remote), name)
            for service in ("upload-pack", "receive-pack"):
                door = folder / service
                door.write_text(f'#!/bin/sh\n[ -e {folder}/away ] && exit 1\nexec git {service} "$@"\n')
                door.chmod(0o755)
                git(disk / name, "config", f"remote.origin.{service.replace('-', '')}", str(door))
            argv = [sys.executable, "-m", "mac", "-C", str(disk / name), "sync", "-v", "--interval", "4s"]
            argv += ["--log-format", "json", "--listen", "127.0.0.1:0"]
            loops.append(Program(argv, folder, folder / f"{name}.log", environment))
        soak = Soak(folder, disk, world, ec2, proxy, gate, loops, *_servers(folder, disk, world.port, alerts),
                    mounted, random.Random(seed))  # fmt: skip
        stack.callback(
            lambda: [each.end(signal.SIGKILL) for each in (*loops, soak.prometheus, soak.alertmanager)]
        )
        yield soak


def _servers(folder: Path, disk: Path, port: int, alerts: int) -> tuple[Program, Program]:
    prometheus, alertmanager = engines.require("prometheus"), engines.require("alertmanager")
    beside = alertmanager.path.parent.parent / "share/prometheus/alertmanager"
    return (
        Program(
            [
                str(prometheus.path),
                f"--config.file={disk}/prometheus/current/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-lifecycle",
            ],
            folder,
            folder / "prometheus.log",
        ),
        Program(
            [
                str(alertmanager.path),
                f"--config.file={disk}/alertmanager/current/alertmanager.yml",
                f"--storage.path={folder}/alerts",
                f"--web.listen-address=127.0.0.1:{alerts}",
                "--cluster.listen-address=",
            ],
            beside if beside.is_dir() else folder,
            folder / "alertmanager.log",
        ),
    )


def run(soak: Soak, seconds: float) -> dict[str, Any]:
    for _ in range(4):
        soak.churn()
    first = soak.loops[0]
    once = [*first.argv[: first.argv.index("sync") + 1], "--once"]
    subprocess.run(once, cwd=soak.folder, env=first.environment, check=False, capture_output=True)
    for each in (soak.prometheus, soak.alertmanager, *soak.loops):
        each.start()
    stop, longest = threading.Event(), [0.0]

    def look() -> None:
        for absent in watch(soak, stop):
            longest[0] = max(longest[0], absent)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    end = time.monotonic() + seconds
    said = time.monotonic()
    while time.monotonic() < end:
        soak.churn()
        soak.fail()
        for loop in soak.loops:
            if loop.running is not None and loop.running.poll() is not None:
                soak.wrong.append(f"a loop ended by itself with {loop.running.returncode}")
                loop.start()
        soak._pause(1.0, 6.0)
        if time.monotonic() > said + 60:
            said = time.monotonic()
            print(f"{end - said:5.0f} s left: {dict(soak.faults)}", file=sys.stderr, flush=True)
    checked = soak.check()
    stop.set()
    looking.join(10)
    return checked | {"longest_absence_seconds": round(longest[0], 1)}


def told(soak: Soak) -> dict[str, Any]:
    """What the loops' logs say of their rounds."""
    results: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    races = 0
    for loop in soak.loops:
        for line in loop.log.read_text(errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                soak.wrong.append(f"a line that is no JSON: {line[:200]}")
                continue
            if event["event"] == "round":
                results[event["result"]] += 1
            elif event["event"] == "failure":
                stages[event["stage"]] += 1
                if "bug in mac" in event["message"]:
                    soak.wrong.append(event["message"])
            elif event["event"] == "stage" and "moved on" in event.get("doing", ""):
                races += 1
    return {"rounds": dict(results), "failures_by_stage": dict(sorted(stages.items())), "lost_races": races}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder that gets the logs")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    os.environ.update(isolated_environment("/nonexistent"))
    for tool, program in PROGRAMS.items():
        os.environ[f"MAC_{tool.upper()}"] = str(ENGINES / GENERATIONS[-1] / "usr/bin" / program)
    with (
        tempfile.TemporaryDirectory(prefix="mac-soak-") as folder,
        built(Path(folder).resolve(), given.seed) as soak,
    ):
        checked = run(soak, given.minutes * 60)
        rounds = told(soak)
        if given.keep:
            given.keep.mkdir(exist_ok=True)
            for log in Path(folder).glob("*.log"):
                shutil.copy(log, given.keep)
        disk = "a tmpfs of 48 MB" if soak.mounted else "RLIMIT_FSIZE: nothing may be mounted here"
        found = {
            "seconds": given.minutes * 60,
            "seed": given.seed,
            "disk_full_by": disk,
            "faults": dict(sorted(soak.faults.items())),
            "aws_requests_failed": soak.proxy.hits,
            "reloads_refused": soak.gate.refused,
            **rounds,
            **checked,
            "wrong": soak.wrong,
        }
    text = json.dumps(found, indent=2) + "\n"
    given.output.write_text(text, encoding="utf-8")
    print(text)
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
