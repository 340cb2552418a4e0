"""Endpoints, which a blackbox exporter probes from outside, and the modules that say how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mac.problems import NOWHERE, Location
from mac.text import Text


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that answers from outside: scheme, host and port, with a path or without.

    `url`: http, https, tcp, tls, grpc, grpcs or dns, as in tls://db.example.com:5432.
    """

    url: str
    module: str

    @property
    def target(self) -> str:
        """As the exporter is told it: only HTTP has a scheme there."""
        scheme, _, rest = self.url.partition("://")
        return self.url if scheme in ("http", "https") else rest


@dataclass(frozen=True, slots=True)
class Probe:
    """How a standard probes its resources: at the endpoints that their kind knows, or at a port of their
    first address. `path` is for HTTP, where an endpoint has none of its own. `module`: in place of the
    endpoint's.
    """

    module: str = ""
    scheme: str = ""
    port: int = 0  # 0: the kind's endpoints
    path: Text = field(default_factory=lambda: Text("/"))
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class ServiceEndpoint:
    """An endpoint that a service declares, beside those of its resources.

    `environment` and `cell` are empty where it does not say: the usual environment, the service's first cell.
    """

    endpoint: Endpoint
    environment: str = ""
    cell: str = ""
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class ProbeModule:
    """A module of the blackbox exporter. `settings` are those of its prober, as the exporter spells them."""

    name: str
    prober: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    timeout: str = ""
    location: Location = field(default=NOWHERE, compare=False)


SCHEMES = {
    "http": ("http", "http_2xx"),
    "https": ("http", "http_2xx"),
    "tcp": ("tcp", "tcp_connect"),
    "tls": ("tcp", "tls_connect"),
    "grpc": ("grpc", "grpc"),
    "grpcs": ("grpc", "grpc_tls"),
    "dns": ("dns", ""),
}
"""Scheme of an endpoint → its prober, and the module that probes it unless another is named."""

PROBERS = ("http", "tcp", "grpc", "dns")

_ANSWERS = [
    *range(200, 209),
    *range(300, 309),
    *range(400, 419),
    *(421, 422, 423, 424, 425, 426, 428, 429, 431, 451),
]
_UNVERIFIED = {"insecure_skip_verify": True}

MODULES = {
    module.name: module
    for module in (
        ProbeModule("http_2xx", "http"),
        ProbeModule("http_answers", "http", {"valid_status_codes": _ANSWERS, "follow_redirects": False}),
        ProbeModule(
            "http_answers_unverified",
            "http",
            {"valid_status_codes": _ANSWERS, "follow_redirects": False, "tls_config": _UNVERIFIED},
        ),
        ProbeModule("tcp_connect", "tcp"),
        ProbeModule("tls_connect", "tcp", {"tls": True}),
        ProbeModule("tls_connect_unverified", "tcp", {"tls": True, "tls_config": _UNVERIFIED}),
        ProbeModule("grpc", "grpc"),
        ProbeModule("grpc_tls", "grpc", {"tls": True}),
    )
}
"""The modules that mac knows by itself. `http_answers`: any status but a server's error, and a redirection is
an answer. `unverified`: for names that no certificate has, as AWS's own name of a load balancer."""
