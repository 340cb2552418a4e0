"""Servers that are spoken to over HTTP: Prometheus, Mimir, Alertmanager, Grafana.

The only module that knows urllib3. Certificates are always verified. A request that may be made twice is made
again when the server is not reached, is overloaded or is starting; one that changes something is made once,
unless its caller says that twice is once. Secrets are read for each request, since they are rotated, and
appear in no message.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry, Timeout

from mac import __version__, emit
from mac.access_model import Secret, ServerAccess
from mac.model import Json
from mac.problems import MacError

Query = Iterable[tuple[str, str]]
Sign = Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]]
"""(method, URL, headers, body) → the headers to send. `signing.signer` makes one for AWS."""

_AGAIN = 4  # attempts after the first
_PAUSE = 0.5  # seconds before the second attempt after the first; doubled each time
_TRANSIENT = (429, 500, 502, 503, 504)
_CONNECTION = re.compile(r"^<?(urllib3\.connection\.)?HTTPS?Connection(Pool)?( object at 0x\w+>|\(.*?\)): ")
_SAID = 400  # characters of an answer that are worth showing
_LONGEST_PAUSE = 20.0  # seconds, whatever Retry-After says


class ServerError(MacError):
    """A server is not reached, or refuses. `status` and `body` are its answer's; 0 when there was none."""

    def __init__(self, message: str, *, hint: str = "", status: int = 0, body: bytes = b"") -> None:
        super().__init__(message, hint)
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said with success, or with a status that was expected. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Json:
        """ServerError when it is no JSON, as when a login page answers."""
        try:
            return emit.read_json(self.body)
        except ValueError as error:
            kind = self.headers.get("content-type", "nothing that it names")
            raise ServerError(
                f"{self.url} answers with {kind} where JSON was expected",
                hint="is the address that of the API, and is a login page or a proxy in between?",
                status=self.status,
                body=self.body,
            ) from error


class Server:
    """One server. May be used from several threads; connections are kept and shared."""

    def __init__(self, access: ServerAccess, *, sign: Sign | None = None, connections: int = 4) -> None:
        self.access = access
        self.url = access.url.rstrip("/")
        self._sign = sign
        self._connections = connections
        self._lock = threading.Lock()
        self._pool: urllib3.PoolManager | None = None

    def get(self, path: str, query: Query = (), *, expected: Iterable[int] = ()) -> Answer:
        return self.call("GET", path, query, expected=expected)

    def call(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool | None = None,
        expected: Iterable[int] = (),
        timeout: float | None = None,
    ) -> Answer:
        """One request, and again where that does no harm.

        `path` begins with a slash and is already quoted. `again`: whether a second time is as good as once;
        by default what HTTP says of the method (GET, HEAD, PUT, DELETE). `expected`: statuses beside 2xx that
        are answers, not failures, 404 for one. `timeout` in seconds replaces the server's.

        Raises ServerError.
        """
        encoded = urlencode(list(query), quote_via=quote)  # as AWS's signature wants it
        url = f"{self.url}{path}{'?' + encoded if encoded else ''}"
        repeat = method in ("GET", "HEAD", "PUT", "DELETE") if again is None else again
        sent = self._headers(method, url, headers or {}, body or b"")
        seconds = timeout or self.access.timeout
        retry = Retry(
            total=_AGAIN if repeat else 0,
            other=0,  # a certificate that is not trusted will not be in a second either
            allowed_methods=None,
            status_forcelist=_TRANSIENT if repeat else (),
            backoff_factor=_PAUSE,
            backoff_max=_LONGEST_PAUSE,
            backoff_jitter=_PAUSE,
            retry_after_max=int(_LONGEST_PAUSE),
            raise_on_status=False,
        )
        try:
            answer = self._connected().request(
                method,
                url,
                body=body,
                headers=sent,
                retries=retry,
                redirect=False,  # it would take the credentials elsewhere
                timeout=Timeout(connect=min(seconds, 10.0), read=seconds),
            )
        except (HTTPError, OSError) as error:
            reason = _reason(error)
            hint = "tls.ca_file names the authority to trust" if "CERTIFICATE_VERIFY_FAILED" in reason else ""
            raise ServerError(f"{self._shown(url)} does not answer: {reason}", hint=hint) from error
        given = Answer(
            answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.data, self._shown(url)
        )
        if 200 <= given.status < 300 or given.status in tuple(expected):
            return given
        credentials = sent.get("Authorization", "").partition(" ")[2]
        raise ServerError(
            f"{given.url} answers {given.status}{_said(given, credentials)}",
            hint=_hint(given, self.access),
            status=given.status,
            body=given.body,
        )

    def _headers(self, method: str, url: str, own: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        headers = {"User-Agent": f"mac/{__version__}", "Accept-Encoding": "gzip", **own}
        access = self.access
        if access.tenant:
            headers["X-Scope-OrgID"] = access.tenant
        if access.bearer_token:
            token = read(access.bearer_token)
            if not (token.isascii() and token.isprintable()):
                raise ServerError(f"the secret in {access.bearer_token} is no token: a header cannot hold it")
            headers["Authorization"] = f"Bearer {token}"
        elif access.username:
            password = read(access.password) if access.password else ""
            pair = base64.b64encode(f"{access.username}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return self._sign(method, url, headers, body) if self._sign else headers

    def _connected(self) -> urllib3.PoolManager:
        with self._lock:
            if self._pool is None:
                self._pool = self._pool_for(urlsplit(self.url).hostname or "")
            return self._pool

    def _pool_for(self, host: str) -> urllib3.PoolManager:
        access = self.access
        settings: dict[str, Any] = {"maxsize": self._connections, "block": True}
        if self.url.startswith("https:"):
            try:
                context = ssl.create_default_context(cafile=access.ca_file or None)
                if access.cert_file:
                    context.load_cert_chain(access.cert_file, access.key_file or None)
            except OSError as error:
                raise ServerError(f"the certificates for {self.url} cannot be read: {error}") from error
            settings["ssl_context"] = context
            if access.server_name:
                settings |= {"server_hostname": access.server_name, "assert_hostname": access.server_name}
        proxy = "" if _is_loopback(host) or urllib.request.proxy_bypass(host) else _proxy(self.url)
        if proxy:
            return urllib3.ProxyManager(proxy, **settings)
        return urllib3.PoolManager(**settings)

    def _shown(self, url: str) -> str:
        """Without its query: an expression may be long, and a parameter may be secret."""
        return url.partition("?")[0]


def read(secret: Secret) -> str:
    """The secret itself, without the newline that an editor leaves. ServerError when it is not there."""
    if secret.env:
        value = os.environ.get(secret.env, "")
        if not value:
            raise ServerError(f"the environment has no {secret.env}", hint="a secret is read from it")
        return value
    try:
        value = Path(secret.file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServerError(f"the secret in {secret.file} cannot be read: {error}") from error
    if not value:
        raise ServerError(f"the secret in {secret.file} is empty")
    return value


def _is_loopback(host: str) -> bool:
    """Never by a proxy, as Go's programs do it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _proxy(url: str) -> str:
    proxies = urllib.request.getproxies()
    return proxies.get(urlsplit(url).scheme, "") or proxies.get("all", "")


def _reason(error: Exception) -> str:
    cause: BaseException = error
    if isinstance(error, MaxRetryError) and error.reason:
        cause = error.reason
    return _CONNECTION.sub("", str(cause))  # urllib3 begins with the connection's own representation


def _said(answer: Answer, credentials: str) -> str:
    """The server's own words, if it has any; were they ours, without the credentials that we sent."""
    text = answer.body.decode("utf-8", "replace").strip()
    if credentials:
        text = text.replace(credentials, "…")
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        text = str(parsed.get("error") or parsed.get("message") or text)
    if not text or text.startswith("<"):
        return ""
    return f": {text[:_SAID]}{'…' if len(text) > _SAID else ''}"


def _hint(answer: Answer, access: ServerAccess) -> str:
    if answer.status == 401:
        return "the credentials are missing or wrong"
    if answer.status == 403:
        return "the credentials are valid, and may not do this"
    if answer.status == 404 and not access.tenant:
        return "is the path of the address right, such as /prometheus for Mimir?"
    if 300 <= answer.status < 400:
        return (
            f"it leads to {answer.headers.get('location', 'elsewhere')}: write that address, if it is right"
        )
    return ""
