"""The listener of `mac sync`: /metrics and /healthz over HTTP."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6, SOCK_STREAM, getaddrinfo
from typing import ClassVar

from mac.exposition import CONTENT_TYPE
from mac.problems import MacError

_PATIENCE = 10.0  # seconds for a request to arrive


@contextmanager
def listening(
    host: str, port: int, page: Callable[[], str], healthy: Callable[[], tuple[bool, str]]
) -> Iterator[str]:
    """Answers while the `with` block runs, at the address that is given. Port 0 takes a free one.

    `page`: the text of /metrics; `healthy`: whether /healthz says 200 or 503, and its text. Raises MacError
    when the address cannot be had.
    """
    answer = _answering(page, healthy)
    try:
        family = getaddrinfo(host, port, type=SOCK_STREAM)[0][0]
        server = _listener(family)((host, port), answer)
    except OSError as error:
        raise MacError(
            f"cannot listen on {_shown(host)}:{port}: {error.strerror or error}",
            "--listen names another address; --listen none does without",
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="mac-listener", daemon=True)
    thread.start()
    try:
        yield f"http://{_shown(host)}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listener(family: int) -> type[ThreadingHTTPServer]:
    class Listener(ThreadingHTTPServer):
        address_family = AF_INET6 if family == AF_INET6 else AF_INET
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Whoever hangs up before the answer is no news, and a traceback no line of the log."""
            if not isinstance(sys.exc_info()[1], OSError):
                super().handle_error(request, client_address)  # type: ignore[arg-type]

    return Listener


def _answering(
    page: Callable[[], str], healthy: Callable[[], tuple[bool, str]]
) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        timeout: ClassVar[float] = _PATIENCE
        server_version, sys_version = "mac", ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._send(200, page(), CONTENT_TYPE)
            elif path == "/healthz":
                well, words = healthy()
                self._send(200 if well else 503, words)
            else:
                self._send(404, "there are /metrics and /healthz\n")

        def do_HEAD(self) -> None:
            self.do_GET()

        def _send(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape is no news."""

    return Answering
