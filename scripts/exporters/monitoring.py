"""Exporters that need no database: node, blackbox, and the parts of monitoring itself."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import re
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from exporters.exposition import Run
from exporters.programs import (
    NEWEST,
    PROJECT,
    CatalogueError,
    Packages,
    free_port,
    get,
    reachable,
    running,
    version_of,
    wait_for,
)

ALERTMANAGER = PROJECT / f".engines/{NEWEST}/usr/bin/prometheus-alertmanager"


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


def alertmanager(_packages: Packages) -> Run:
    with tempfile.TemporaryDirectory() as folder, alertmanager_at(Path(folder)) as port:
        text = get(f"http://127.0.0.1:{port}/metrics")
    return Run((text,), version_of(ALERTMANAGER), "a run of Alertmanager in a cluster of one")


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
