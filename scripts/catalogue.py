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
    words = re.search(r"(?:version,? |v=|Exporter )(\d+(?:\.\d+)*)", done.stdout + done.stderr)
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
    port, database = free_port(), free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        running(
            [server, "--port", str(database), "--bind", "127.0.0.1", "--dir", folder, "--maxmemory", "64mb"],
            env=packages.environment(OLDEST),
        ),
    ):
        reachable(database)
        with running(
            [program, f"-web.listen-address=127.0.0.1:{port}", f"-redis.addr=redis://127.0.0.1:{database}"]
        ):
            text = get(f"http://127.0.0.1:{port}/metrics")
    if not re.search(r"^redis_up 1$", text, re.MULTILINE):
        raise CatalogueError("the exporter does not reach redis")
    version = version_of(server, packages.environment(OLDEST))
    source = f"a run of redis_exporter beside Redis {version} without replicas"
    return Run((text,), version_of(program), source)


def prometheus(_packages: Packages) -> Run:
    program = PROJECT / f".engines/{NEWEST}/usr/bin/prometheus"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "prometheus.yml")
        rules = Path(folder, "rules.yml")
        rules.write_text(json.dumps({"groups": [{"name": "a", "rules": [{"record": "a", "expr": "up"}]}]}))
        scrapes = [{"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
        files = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": scrapes,
        }
        config.write_text(json.dumps(files))
        options = [f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
        with running([program, *options, f"--web.listen-address=127.0.0.1:{port}"]):
            url = f"http://127.0.0.1:{port}/metrics"
            text = wait_for(url, re.compile(r"^prometheus_rule_group_last_duration_seconds\{", re.MULTILINE))
    return Run((text,), version_of(program), "a run of Prometheus that scrapes itself and evaluates a rule")


def wait_for(url: str, pattern: re.Pattern[str]) -> str:
    """The answer once it has what is waited for."""
    end = time.monotonic() + PATIENCE
    while not pattern.search(text := get(url)):
        if time.monotonic() > end:
            raise CatalogueError(f"{url} never shows {pattern.pattern}")
        time.sleep(0.2)
    return text


def alertmanager(_packages: Packages) -> Run:
    folder = PROJECT / f".engines/{NEWEST}/usr"
    program = folder / "bin/prometheus-alertmanager"
    port = free_port()
    with tempfile.TemporaryDirectory() as work:
        config = Path(work, "alertmanager.yml")
        config.write_text(json.dumps({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}))
        options = [f"--config.file={config}", f"--storage.path={work}", "--cluster.listen-address="]
        with running(
            [program, *options, f"--web.listen-address=127.0.0.1:{port}"],
            cwd=folder / "share/prometheus/alertmanager",
        ):
            text = get(f"http://127.0.0.1:{port}/metrics")
    return Run((text,), version_of(program), "a run of Alertmanager alone, not in a cluster")


EXPORTERS: dict[str, tuple[str, Callable[[Packages], Run]]] = {
    "alertmanager": ("Alertmanager itself", alertmanager),
    "blackbox": ("Probes of the blackbox exporter, and the exporter itself", blackbox),
    "node": ("Machines through the node exporter", node),
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
