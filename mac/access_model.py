"""How a server is spoken to: its address, who mac is there, and what it trusts.

Secrets are named, never held.
"""

from __future__ import annotations

from dataclasses import dataclass

from mac.problems import NOWHERE, Location


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is read when it is needed: a file, or an environment variable. One of them is set."""

    file: str = ""
    env: str = ""
    location: Location = NOWHERE

    def __str__(self) -> str:
        return self.file or f"${self.env}"


@dataclass(frozen=True, slots=True)
class SigV4:
    """Requests that AWS's own signature vouches for, as Amazon Managed Service for Prometheus wants them."""

    region: str
    role_arn: str = ""  # entered first; the ambient credentials where it is empty
    service: str = "aps"


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """One server's HTTP API. At most one of `bearer_token`, `username` with `password`, and `sigv4` is set.

    `tenant` becomes the header X-Scope-OrgID of Mimir, Cortex and Loki. What `ca_file` holds is trusted and
    nothing else; the system's authorities are, where it is empty. `timeout` is in seconds, for the connection
    (10 s at most) and for each wait for bytes.
    """

    url: str
    tenant: str = ""
    bearer_token: Secret | None = None
    username: str = ""
    password: Secret | None = None
    sigv4: SigV4 | None = None
    ca_file: str = ""
    cert_file: str = ""  # what mac shows of itself, with `key_file`
    key_file: str = ""
    server_name: str = ""  # the name that the certificate is to have, where it is not the URL's
    timeout: float = 30.0
    location: Location = NOWHERE
