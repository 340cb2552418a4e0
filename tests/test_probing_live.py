"""A real blackbox exporter and a real Prometheus, on what is generated, probe a server until it is killed.

All on loopback. Only times are shortened: how often is looked, and how long is waited before a page.
"""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import builders
import pytest
from conftest import ENGINES, PROJECT, engine_path
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mac import engines, metrics, process, render, servers, standards, templates
from mac.bind import bind
from mac.model import Endpoint, Resource, Service, ServiceEndpoint, Standard

_LISTENING = r'(?:msg="Listening on"|Listening on).* address=127\.0\.0\.1:(\d+)'
_ENOUGH = 120.0  # seconds; a machine may be busy
_CERTIFICATE_DAYS = 10


class Site:
    """A server that answers over HTTPS with a certificate of its own, and over HTTP."""

    def __init__(self, folder: Path) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(404 if self.path == "/" else 200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder))
        self.plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.secure = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.secure.socket = context.wrap_socket(self.secure.socket, server_side=True)
        self._threads = [
            threading.Thread(target=server.serve_forever, daemon=True) for server in self._servers()
        ]
        for thread in self._threads:
            thread.start()

    def die(self) -> None:
        for server in self._servers():
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def _servers(self) -> tuple[http.server.ThreadingHTTPServer, ...]:
        return (self.plain, self.secure)


def certificate(folder: Path) -> Path:
    """A key and its certificate for 127.0.0.1 in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "site.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@cache
def shipped() -> Standard:
    catalog = standards.load(PROJECT).catalog
    assert catalog is not None
    return catalog.standards["endpoint"]


def generated(site: Site, exporter: str) -> render.Rendered:
    """The shipped standard on a load balancer that listens where the site does, and an endpoint of its
    service.
    """
    plain, secure = site.plain.server_port, site.secure.server_port
    balancer = Resource(
        arn=f"arn:aws:elasticloadbalancing:us-east-1:{builders.ACCOUNT}:loadbalancer/app/site/1",
        kind="load-balancer",
        account=builders.ACCOUNT,
        region=builders.REGION,
        id="site",
        addresses=("127.0.0.1",),
        tags={"service": "web"},
        attributes={"type": "application", "listeners": [f"https:{secure}"]},
    )
    own = Endpoint(f"http://127.0.0.1:{plain}/health", "http_2xx")
    service = Service(
        "web",
        "platform",
        1,
        endpoints=(
            ServiceEndpoint(own),
            ServiceEndpoint(Endpoint(f"tcp://127.0.0.1:{plain}", "tcp_connect")),
        ),
        parameters={"endpoint": {"outage_patience": "2s"}},
    )
    catalog = builders.catalog(
        shipped(),
        services=(service,),
        scrape_interval="1s",
        evaluation_interval="1s",
        blackbox_exporter=exporter,
    )
    bindings = bind(catalog, builders.snapshot(balancer), date(2026, 11, 23))
    texts, _ = templates.read(PROJECT, [output.template for output in render.OUTPUTS])
    result = render.render(catalog, bindings, texts, "sha256:0")
    assert result.problems == ()
    return result


@contextlib.contextmanager
def blackbox(generation: str, config: Path) -> Iterator[str]:
    """Where a blackbox exporter answers that runs on a configuration."""
    argv = [
        ENGINES / generation / "usr/bin/prometheus-blackbox-exporter",
        f"--config.file={config}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with process.start(argv, cwd=config.parent) as server:
        yield f"127.0.0.1:{server.wait_for_line(_LISTENING, _ENOUGH)[1]}"


def wait(said: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _ENOUGH
    while not said():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def values(prometheus: servers.Prometheus, expr: str) -> list[float]:
    return [float(found["value"][1]) for found in prometheus.query(expr)["result"]]


def states(prometheus: servers.Prometheus) -> dict[str, str]:
    return {alert["labels"]["alertname"]: alert["state"] for alert in prometheus.alerts()}


@pytest.mark.parametrize("generation", ["bookworm", "sid"])
def test_a_service_that_dies_is_told_and_its_certificate_is_watched(generation: str, tmp_path: Path) -> None:
    site = Site(tmp_path)
    with contextlib.ExitStack() as stack:
        living = stack.enter_context(contextlib.ExitStack())
        living.callback(site.die)
        # Its port is known once it runs, and its modules do not depend on it.
        config = tmp_path / "blackbox.yml"
        config.write_bytes(generated(site, "127.0.0.1:9115").files[_file("exporters/blackbox.yml")])
        exporter = stack.enter_context(contextlib.ExitStack())
        address = exporter.enter_context(blackbox(generation, config))
        for path, content in generated(site, address).files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)
        engine = engines.at("prometheus", engine_path(generation, "prometheus"))
        prometheus = stack.enter_context(
            servers.prometheus(tmp_path / _file("prometheus.yml"), engine=engine)
        )

        # By three modules: the load balancer's name is in no certificate, and a 404 is an answer.
        scope = '{probe="endpoint",service="web",environment="production"}'
        wait(lambda: values(prometheus, f"probe_success{scope}") == [1, 1, 1], "the endpoints answer")
        wait(lambda: values(prometheus, 'up{job="blackbox"}') == [1], "the exporter answers")
        left = values(prometheus, f"probe_ssl_earliest_cert_expiry{scope} - time()")
        assert left == [pytest.approx(_CERTIFICATE_DAYS * 86400, abs=600)]
        known_as_in_the_catalogue(prometheus)
        wait(
            lambda: states(prometheus).get("EndpointCertificateExpiring") == "pending",
            "a certificate of ten days is noticed",
        )
        wait(lambda: values(prometheus, "service:endpoint_down:ratio") == [0], "nothing is down")
        # The prober was missing until its first scrape.
        wait(lambda: set(states(prometheus)) == {"EndpointCertificateExpiring"}, "nothing else is told")

        living.close()
        wait(lambda: states(prometheus).get("EndpointsUnreachable") == "firing", "the outage is told")
        (told,) = [a for a in prometheus.alerts() if a["labels"]["alertname"] == "EndpointsUnreachable"]
        assert (
            told["labels"] | {"severity": "page", "outage": "true", "standard": "endpoint"} == told["labels"]
        )
        assert told["annotations"]["summary"] == "100% of the endpoints of web do not answer"

        exporter.close()
        wait(lambda: states(prometheus).get("EndpointProberDown") == "pending", "the exporter is missed")


def _file(name: str) -> str:
    return f"cells/main-{builders.REGION}/{name}"


def known_as_in_the_catalogue(prometheus: servers.Prometheus) -> None:
    """What Prometheus has collected of probes is in the catalogue, with these labels."""
    found = metrics.find(PROJECT).exporter("blackbox")
    assert found is not None
    known = found.series()
    seen: dict[str, set[str]] = {}
    for series in prometheus.query('{job=~"probe-.+"}')["result"]:
        labels: dict[str, Any] = series["metric"]
        seen.setdefault(labels["__name__"], set()).update(labels)
    target = seen.pop("up")
    own = {name: labels - target for name, labels in seen.items() if not name.startswith("scrape_")}
    assert {"probe_success", "probe_duration_seconds", "probe_ssl_earliest_cert_expiry"} <= set(own)
    unknown = {name: labels for name, labels in own.items() if not labels <= set(known.get(name, ()))}
    assert unknown == {}
    assert [name for name in own if name not in known] == []
