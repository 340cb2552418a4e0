#!/usr/bin/env python3
"""Write a catalogue of metrics by running the real exporter and asking it.

    python3 scripts/catalogue.py node blackbox …        (all: without names)

The exporter comes from Debian's packages, unpacked below .engines/exporters without being installed, or is
the engine that `make engines` has unpacked. It runs on loopback, on a free port, beside what it looks at: a
web server with a certificate of its own for blackbox, a database for redis. What `/metrics` says becomes
mac/metrics/<name>.yaml. Entries of that file which were obtained in another way (`obtained` of their own)
stay: a run shows what this machine has, which is no RAID controller.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))
import engines

PROJECT = Path(__file__).resolve().parent.parent
CATALOGUES = PROJECT / "mac/metrics"
UNPACKED = PROJECT / ".engines/exporters"
OLDEST, *_, NEWEST = engines.GENERATIONS
PATIENCE = 60.0  # seconds for a program to answer


class CatalogueError(Exception):
    """Something that the person at the terminal must see to."""


# --- what an exporter says ---------------------------------------------------------------------------


@dataclass
class Seen:
    """A metric in an exposition. `labels` in the order in which they were seen."""

    type: str
    labels: dict[str, None] = field(default_factory=dict)


_TYPE = re.compile(r"# TYPE (\S+) (\w+)")
_SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? ')
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*"')
_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
_OWN_LABEL = {"histogram": "le", "summary": "quantile"}


def read(text: str, found: dict[str, Seen] | None = None) -> dict[str, Seen]:
    """The metrics of a text in Prometheus's format 0.0.4, added to those that were found before."""
    found = {} if found is None else found
    for line in text.splitlines():
        if declared := _TYPE.match(line):
            found.setdefault(declared[1], Seen(declared[2]))
        elif not line.startswith("#") and (sample := _SAMPLE.match(line)):
            metric = _family(sample[1], found)
            seen = found.setdefault(metric, Seen("untyped"))
            own = _OWN_LABEL.get(seen.type)
            seen.labels |= dict.fromkeys(name for name in _LABEL.findall(sample[2] or "") if name != own)
    return found


def _family(name: str, found: dict[str, Seen]) -> str:
    """The metric that a sample belongs to: a histogram's are named after it."""
    for kind, endings in _PARTS.items():
        for ending in endings:
            stem = name.removesuffix(ending)
            if stem != name and stem in found and found[stem].type == kind:
                return stem
    return name


# --- programs ----------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def running(argv: Sequence[str | Path], **options: object) -> Iterator[None]:
    """A program while the block runs; what it printed is shown when the block fails."""
    with tempfile.TemporaryFile() as said:
        program = subprocess.Popen(argv, stdout=said, stderr=subprocess.STDOUT, **options)  # type: ignore[call-overload]
        try:
            yield
        except CatalogueError:
            said.seek(0)
            tell(said.read().decode(errors="replace")[-2000:])
            raise
        finally:
            program.terminate()
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


def get(url: str) -> str:
    """The answer, as soon as there is one."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if time.monotonic() > end:
                raise CatalogueError(f"{url} does not answer: {error}") from error
            time.sleep(0.1)


def reachable(port: int) -> None:
    """Returns when something listens on the port."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > end:
                raise CatalogueError(f"nothing listens on port {port}") from error
            time.sleep(0.1)
        else:
            return


class Packages:
    """Debian's packages, unpacked into a folder for each generation when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._work = ExitStack()

    def program(self, path: str, packages: Sequence[str], suite: str = NEWEST) -> Path:
        """A program that is in one of these packages. Those written in Go run anywhere; others need a suite
        whose libraries are no newer than this machine's.
        """
        root = self.folder / suite
        program = root / path
        if not os.access(program, os.X_OK):
            work = Path(self._work.enter_context(tempfile.TemporaryDirectory(prefix="mac-catalogue-")))
            apt = engines.trusted(suite, work)
            root.mkdir(parents=True, exist_ok=True)
            for package in packages:
                tell(f"unpacking {package} of {suite} …")
                engines.unpack(apt.download(package), root)
        if not os.access(program, os.X_OK):
            raise CatalogueError(f"{program} is not in {', '.join(packages)}")
        return program

    def environment(self, suite: str) -> dict[str, str]:
        """So that a program finds the libraries that were unpacked beside it."""
        root, machine = self.folder / suite, os.uname().machine
        libraries = [f"{root}/{part}/{machine}-linux-gnu" for part in ("usr/lib", "lib")]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}

    def close(self) -> None:
        self._work.close()


# --- the exporters -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What an exporter said: texts of /metrics and the like, its version, and in words what was run."""

    texts: tuple[str, ...]
    version: str
    source: str


def version_of(program: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [program, "--version"], text=True, capture_output=True, check=False, env=environment
    )
    words = re.search(
        r"(?:version,? |v=|Exporter |Ver |PostgreSQL\) )(\d+(?:\.\d+)*)", done.stdout + done.stderr
    )
    if words is None:
        raise CatalogueError(f"{program} does not say its version")
    return words[1]


def node(packages: Packages) -> Run:
    program = packages.program("usr/bin/prometheus-node-exporter", ["prometheus-node-exporter"])
    port = free_port()
    with running([program, f"--web.listen-address=127.0.0.1:{port}", "--collector.processes"]):
        text = get(f"http://127.0.0.1:{port}/metrics")
    return Run(
        (text,), version_of(program), "a run of node_exporter with --collector.processes, in a container"
    )


def blackbox(packages: Packages) -> Run:
    program = packages.program("usr/bin/prometheus-blackbox-exporter", ["prometheus-blackbox-exporter"])
    modules = {
        "http": {"prober": "http", "http": {"tls_config": {"insecure_skip_verify": True}}},
        "tcp": {"prober": "tcp"},
        "tls": {"prober": "tcp", "tcp": {"tls": True, "tls_config": {"insecure_skip_verify": True}}},
        "icmp": {"prober": "icmp"},
    }
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, web_server(Path(folder)) as web:
        config = Path(folder, "blackbox.yml")
        config.write_text(json.dumps({"modules": modules}))
        probes = {
            "http": f"https://127.0.0.1:{web}/",
            "tcp": f"127.0.0.1:{web}",
            "tls": f"127.0.0.1:{web}",
            "icmp": "127.0.0.1",
        }
        with running([program, f"--web.listen-address=127.0.0.1:{port}", f"--config.file={config}"]):
            texts = [get(f"http://127.0.0.1:{port}/metrics")]
            for module, target in probes.items():
                texts.append(get(f"http://127.0.0.1:{port}/probe?module={module}&target={target}"))
                if not re.search(r"^probe_success 1$", texts[-1], re.MULTILINE):
                    raise CatalogueError(f"the probe {module} of {target} failed")
    return Run(tuple(texts), version_of(program), "a run of blackbox_exporter with http, tcp and icmp probes")


@contextlib.contextmanager
def web_server(folder: Path) -> Iterator[int]:
    """The port of a web server with a certificate of its own."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "www").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder / "www"))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def pushgateway(packages: Packages) -> Run:
    program = packages.program("usr/bin/prometheus-pushgateway", ["prometheus-pushgateway"])
    port = free_port()
    with running([program, f"--web.listen-address=127.0.0.1:{port}"]):
        get(f"http://127.0.0.1:{port}/metrics")
        push = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        push.request("PUT", "/metrics/job/x", b"a 1\n")
        push.getresponse().read()
        text = re.sub(r"^(# \w+ )?a\b.*\n", "", get(f"http://127.0.0.1:{port}/metrics"), flags=re.MULTILINE)
    return Run((text,), version_of(program), "a run of pushgateway with one group pushed to it")


def redis(packages: Packages) -> Run:
    server = packages.program(
        "usr/bin/redis-server",
        [
            *("redis-server", "redis-tools", "libjemalloc2", "liblzf1"),
            *("libhiredis0.14", "liblua5.1-0", "lua-bitop", "lua-cjson"),
        ],
        OLDEST,
    )
    program = packages.program("usr/bin/prometheus-redis-exporter", ["prometheus-redis-exporter"])
    environment, texts = packages.environment(OLDEST), []
    primary, replica = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as runs:
        for database, further in ((primary, []), (replica, ["--replicaof", "127.0.0.1", str(primary)])):
            place = Path(folder, str(database))
            place.mkdir()
            options = ["--port", str(database), "--bind", "127.0.0.1", "--dir", str(place), *further]
            runs.enter_context(running([server, *options, "--maxmemory", "64mb"], env=environment))
            reachable(database)
        for database, wanted in (
            (primary, "redis_connected_slave_lag"),
            (replica, r"redis_master_link_up\{.*\} 1"),
        ):
            port = free_port()
            flags = [f"-web.listen-address=127.0.0.1:{port}", f"-redis.addr=redis://127.0.0.1:{database}"]
            with running([program, *flags]):
                texts.append(wait_for(f"http://127.0.0.1:{port}/metrics", re.compile(wanted)))
    version = version_of(server, environment)
    source = f"a run of redis_exporter beside Redis {version}, a primary and its replica"
    return Run(tuple(texts), version_of(program), source)


def prometheus(_packages: Packages) -> Run:
    program = PROJECT / f".engines/{NEWEST}/usr/bin/prometheus"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, alertmanager_at(Path(folder)) as told:
        config = Path(folder, "prometheus.yml")
        rules = Path(folder, "rules.yml")
        made = [{"record": "a", "expr": "up"}, {"alert": "b", "expr": "up"}]
        rules.write_text(json.dumps({"groups": [{"name": "a", "rules": made}]}))
        scrapes = [{"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
        files = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{told}"]}]}]},
            "remote_write": [{"url": f"http://127.0.0.1:{port}/api/v1/write"}],
            "scrape_configs": scrapes,
        }
        config.write_text(json.dumps(files))
        options = [f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
        options += [f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"]
        with running([program, *options]):
            url = f"http://127.0.0.1:{port}/metrics"
            wait_for(url, re.compile(r"^prometheus_notifications_sent_total\S+ [1-9]", re.MULTILINE))
            text = wait_for(url, re.compile(r"^prometheus_rule_group_last_duration_seconds\{", re.MULTILINE))
    source = (
        "a run of Prometheus that scrapes itself, evaluates rules, tells an Alertmanager and writes remotely"
    )
    return Run((text,), version_of(program), source)


def wait_for(url: str, pattern: re.Pattern[str]) -> str:
    """The answer once it has what is waited for."""
    end = time.monotonic() + PATIENCE
    while not pattern.search(text := get(url)):
        if time.monotonic() > end:
            raise CatalogueError(f"{url} never shows {pattern.pattern}")
        time.sleep(0.2)
    return text


def alertmanager(_packages: Packages) -> Run:
    with tempfile.TemporaryDirectory() as folder, alertmanager_at(Path(folder)) as port:
        text = get(f"http://127.0.0.1:{port}/metrics")
    return Run((text,), version_of(ALERTMANAGER), "a run of Alertmanager in a cluster of one")


ALERTMANAGER = PROJECT / f".engines/{NEWEST}/usr/bin/prometheus-alertmanager"


@contextlib.contextmanager
def alertmanager_at(folder: Path) -> Iterator[int]:
    """The port of an Alertmanager that tells nobody."""
    port, cluster = free_port(), free_port()
    config = folder / "alertmanager.yml"
    config.write_text(json.dumps({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}))
    options = [f"--config.file={config}", f"--storage.path={folder}/alertmanager"]
    options += [f"--web.listen-address=127.0.0.1:{port}", f"--cluster.listen-address=127.0.0.1:{cluster}"]
    options += [f"--cluster.advertise-address=127.0.0.1:{cluster}"]
    with running([ALERTMANAGER, *options], cwd=ALERTMANAGER.parent.parent / "share/prometheus/alertmanager"):
        get(f"http://127.0.0.1:{port}/-/ready")
        yield port


MARIADB = (
    *("mariadb-server-core", "libaio1", "libsnappy1v5", "liburing2", "libpmem1", "libdaxctl1"),
    *("libndctl6", "libnuma1", "libpcre2-8-0"),
)


def mysql(packages: Packages) -> Run:
    server = packages.program("usr/sbin/mariadbd", MARIADB, OLDEST)
    program = packages.program("usr/bin/prometheus-mysqld-exporter", ["prometheus-mysqld-exporter"])
    environment = packages.environment(OLDEST)
    source, replica = free_port(), free_port()
    follow = f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={source}, MASTER_USER='root';"
    with tempfile.TemporaryDirectory() as folder, ExitStack() as runs:
        for number, (port, statements) in enumerate(((source, ""), (replica, f"{follow} START SLAVE;")), 1):
            first = Path(folder, f"{number}.sql")
            first.write_text(statements.replace("; ", ";\n") + "\n")
            options = mariadb_options(server, Path(folder, str(number)), environment)
            options += [f"--port={port}", "--bind-address=127.0.0.1", f"--server-id={number}", "--log-bin"]
            options += ["--skip-grant-tables", f"--init-file={first}"]
            runs.enter_context(running([server, *options], env=environment))
            reachable(port)
        texts = []
        for database in (source, replica):
            port = free_port()
            flags = [f"--mysqld.address=127.0.0.1:{database}", "--mysqld.username=root"]
            flags += [f"--web.listen-address=127.0.0.1:{port}"]
            with running([program, *flags], env={**os.environ, "MYSQLD_EXPORTER_PASSWORD": "none"}):
                texts.append(get(f"http://127.0.0.1:{port}/metrics"))
    if "mysql_slave_status_slave_sql_running" not in texts[1]:
        raise CatalogueError("the exporter does not see the replication")
    version = version_of(server, environment)
    said = f"a run of mysqld_exporter beside MariaDB {version}, a source and its replica"
    return Run(tuple(texts), version_of(program), said)


def mariadb_options(server: Path, folder: Path, environment: dict[str, str]) -> list[str]:
    """Makes the system tables of a new server in `folder`, and says what it is started with."""
    share = server.parent.parent / "share/mysql"
    folder.mkdir()
    options = [
        "--no-defaults",
        f"--datadir={folder}",
        f"--lc-messages-dir={share}",
        "--innodb-log-file-size=4M",
    ]
    options += [f"--socket={folder}/socket", f"--pid-file={folder}/pid", "--innodb-buffer-pool-size=16M"]
    options += [f"--character-sets-dir={share}/charsets", f"--plugin-dir={folder}"]
    if os.getuid() == 0:
        options.append("--user=root")
    tables = "".join(
        (share / f"{name}.sql").read_text() for name in ("mysql_system_tables", "mysql_performance_tables")
    )
    done = subprocess.run(
        [server, *options, "--bootstrap"],
        input=f"create database mysql;\nuse mysql;\n{tables}",
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise CatalogueError(f"MariaDB makes no tables: {done.stderr[-2000:]}")
    return options


POSTGRES = (
    *("postgresql-15", "postgresql-client-15", "libpq5", "libllvm14", "libicu72", "liblz4-1"),
    *("libreadline8", "libtinfo6"),
)


def postgres(packages: Packages) -> Run:
    server = packages.program("usr/lib/postgresql/15/bin/postgres", POSTGRES, OLDEST)
    program = packages.program("usr/bin/prometheus-postgres-exporter", ["prometheus-postgres-exporter"])
    primary, standby = free_port(), free_port()
    # PostgreSQL refuses to run as root.
    options: dict[str, object] = {"env": packages.environment(OLDEST)}
    if os.getuid() == 0:
        options |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as runs:
        Path(folder).chmod(0o755)
        home = Path(folder, "home")
        home.mkdir()
        if os.getuid() == 0:
            shutil.chown(home, "nobody", "nogroup")
        made = subprocess.run(
            [server.with_name("initdb"), "-D", home / "1", "-U", "postgres", "-A", "trust", "--locale=C"],
            capture_output=True,
            text=True,
            check=False,
            cwd=home,
            **options,  # type: ignore[call-overload]
        )
        if made.returncode != 0:
            raise CatalogueError(f"PostgreSQL makes no database: {made.stderr[-2000:]}")
        copy = ["cp", "-r", home / "1", home / "2"]
        subprocess.run(copy, check=True, cwd=home, **options)  # type: ignore[call-overload]
        subprocess.run(["touch", home / "2/standby.signal"], check=True, cwd=home, **options)  # type: ignore[call-overload]
        follow = f"primary_conninfo=host=127.0.0.1 port={primary} user=postgres"
        for name, port, further in (("1", primary, []), ("2", standby, ["-c", follow])):
            flags = ["-D", str(home / name), "-p", str(port), "-h", "127.0.0.1", "-k", str(home), *further]
            runs.enter_context(running([server, *flags], cwd=home, **options))
            reachable(port)
            if port == primary:
                slot = f"-p {port} -h 127.0.0.1 -U postgres -c".split()
                ask = [
                    server.with_name("psql"),
                    *slot,
                    "select pg_create_physical_replication_slot('kept', true)",
                ]
                subprocess.run(ask, check=True, capture_output=True, cwd=home, **options)  # type: ignore[call-overload]
        texts = []
        for database, wanted in ((primary, "pg_stat_replication_pg_wal_lsn_diff"), (standby, "pg_up 1")):
            port = free_port()
            place = f"postgresql://postgres@127.0.0.1:{database}/postgres?sslmode=disable"
            more = ("long_running_transactions", "database_wraparound", "stat_activity_autovacuum")
            with running(
                [
                    program,
                    f"--web.listen-address=127.0.0.1:{port}",
                    *(f"--collector.{name}" for name in more),
                ],
                env={**os.environ, "DATA_SOURCE_NAME": place},
            ):
                texts.append(wait_for(f"http://127.0.0.1:{port}/metrics", re.compile(wanted)))
    version = version_of(server, packages.environment(OLDEST))
    said = f"a run of postgres_exporter beside PostgreSQL {version}, a primary and its standby"
    return Run(tuple(texts), version_of(program), said)


FLEET = """
import boto3
region = {"region_name": "us-east-1"}
tags = [{"ResourceType": "instance", "Tags": [{"Key": "service", "Value": "web"}]}]
boto3.client("ec2", **region).run_instances(
    ImageId="ami-12c6146b", MinCount=1, MaxCount=1, InstanceType="t3.small", TagSpecifications=tags
)
boto3.client("sqs", **region).create_queue(QueueName="mac-sync-events")
"""
SYNCED = """
apiVersion: mac/v1
kind: Inventory
spec:
  accounts: [{id: "123456789012", name: main}]
  regions: [us-east-1]
  kinds: [ec2-instance]
"""
DESTINATIONS = """
  destinations: {grafana: {type: grafana-files, folder: %s}}
  sync: {events: {queue: "arn:aws:sqs:us-east-1:123456789012:mac-sync-events"}}
"""


def mac_sync(_packages: Packages) -> Run:
    """This checkout's own, in a repository of what is shipped, for one machine of an embedded AWS."""
    own = PROJECT / ".venv/bin"
    aws, port = free_port(), free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws}",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with tempfile.TemporaryDirectory() as folder, ExitStack() as runs:
        root = Path(folder, "monitoring")
        subprocess.run([own / "mac", "init", root], check=True, capture_output=True)
        (root / "inventory/aws.yaml").write_text(SYNCED)
        with (root / "mac.yaml").open("a") as file:
            file.write(DESTINATIONS % Path(folder, "dashboards"))
        runs.enter_context(running([own / "moto_server", "-H", "127.0.0.1", "-p", str(aws)]))
        reachable(aws)
        subprocess.run([own / "python", "-c", FLEET], env=environment, check=True)
        options = ["--root", root, "--no-push", "--listen", f"127.0.0.1:{port}", "--engines"]
        runs.enter_context(running([own / "mac", "sync", *options], env=environment))
        # A destination has been delivered to, and the queue has been asked.
        text = wait_for(
            f"http://127.0.0.1:{port}/metrics",
            re.compile(r"in_sync\{(.|\n)*mac_sync_events_last_read_timestamp_seconds \d"),
        )
    version = re.search(r'mac_sync_build_info\{.*version="([^"]+)"', text)
    return Run(
        (text,), version[1] if version else "", "a run of mac sync beside a machine, a queue and a folder"
    )


EXPORTERS: dict[str, tuple[str, Callable[[Packages], Run]]] = {
    "alertmanager": ("Alertmanager itself", alertmanager),
    "blackbox": ("Probes of the blackbox exporter, and the exporter itself", blackbox),
    "mac-sync": ("mac sync itself", mac_sync),
    "mysql": ("MySQL and MariaDB through mysqld_exporter", mysql),
    "node": ("Machines through the node exporter", node),
    "postgres": ("PostgreSQL through postgres_exporter", postgres),
    "prometheus": ("Prometheus itself", prometheus),
    "pushgateway": ("The Pushgateway itself", pushgateway),
    "redis": ("Redis through redis_exporter", redis),
}


# --- the file ----------------------------------------------------------------------------------------


def document(name: str, title: str, run: Run, kept: dict[str, dict[str, object]]) -> str:
    """The text of a catalogue. `kept`: entries that were obtained in another way."""
    found: dict[str, Seen] = {}
    for text in run.texts:
        read(text, found)
    entries: dict[str, dict[str, object]] = {
        metric: {"type": seen.type, "labels": sorted(seen.labels)} for metric, seen in found.items()
    }
    entries = {**{key: value for key, value in kept.items() if key not in entries}, **entries}
    lines = [
        f"# Written by scripts/catalogue.py {name}. Entries that say how they were obtained are kept by it.",
        f"catalogue: {name}",
        f"title: {json.dumps(title)}",
        f"version: {json.dumps(run.version)}",
        "obtained: run",
        f"source: {json.dumps(run.source)}",
        "metrics:",
    ]
    lines += [f"  {metric}: {_flow(entry)}" for metric, entry in sorted(entries.items())]
    return "\n".join(lines) + "\n"


def _flow(entry: dict[str, object]) -> str:
    parts = []
    for key, value in entry.items():
        text = f"[{', '.join(value)}]" if key == "labels" and isinstance(value, list) else json.dumps(value)
        parts.append(f"{key}: {value if key in ('type', 'obtained') else text}")
    return "{" + ", ".join(parts) + "}"


def kept(path: Path) -> dict[str, dict[str, object]]:
    """The entries of a file that say themselves how they were obtained."""
    if not path.is_file():
        return {}
    metrics = yaml.safe_load(path.read_text(encoding="utf-8"))["metrics"]
    return {name: entry for name, entry in metrics.items() if entry.get("obtained", "run") != "run"}


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXPORTERS))
    names = parser.parse_args().names or list(EXPORTERS)
    unknown = [name for name in names if name not in EXPORTERS]
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(EXPORTERS)}")
    packages = Packages(UNPACKED)
    try:
        for name in names:
            title, run = EXPORTERS[name]
            path = CATALOGUES / f"{name}.yaml"
            text = document(name, title, run(packages), kept(path))
            path.write_text(text, encoding="utf-8")
            tell(f"{path.relative_to(PROJECT)}: {text.count('{type')} metrics")
    except (CatalogueError, engines.UnpackError, OSError) as error:
        tell(f"error: {error}")
        return 1
    finally:
        packages.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
