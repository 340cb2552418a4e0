"""A proxy in front of the embedded AWS, and what can go wrong with an answer.

The proxy passes every request on once, keeps the answer, and gives the same answer ever after, but for the
requests that it is told to spoil. So the fleet stands still, and what changes in the inventory was done by
the failure. What the embedded AWS does not serve is answered from recordings.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from botocore import xform_name
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model

from mac.aws import Aws
from tests.recorded import Call

HANG = "hang"
SHORT = "body ends early"
EMPTIED = "page emptied, token kept"
P = TypeVar("P", bound="Proxy")
_ASKED = "X-Asked"  # the service, operation and parameters of a request, as botocore knows them


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def is_json(self) -> bool:
        kind = dict(self.headers).get("Content-Type", "")
        return "json" in kind or self.body[:1] in (b"{", b"[")


# --- what can go wrong -------------------------------------------------------------------------------


def refusal(codes: Mapping[str, str], status: int) -> Callable[[str, Answer], Answer]:
    """An error in the service's own form; `codes` by service, "" for the others."""

    def spoil(service: str, answer: Answer) -> Answer:
        code = codes.get(service, codes[""])
        if answer.is_json:
            body = json.dumps({"__type": code, "message": "no", "Code": code})
        elif service == "ec2":
            body = f"<Response><Errors>{_error(code)}</Errors></Response>"
        elif service == "s3":
            body = _error(code)
        else:
            body = f"<ErrorResponse>{_error(code)}</ErrorResponse>"
        kind = "application/json" if answer.is_json else "text/xml"
        headers = (("Content-Type", kind), ("x-amzn-errortype", code))
        return Answer(status, headers, body.encode())

    return spoil


def _error(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>"


def cut(_: str, answer: Answer) -> Answer | None:
    """Half of the body, as if it were all of it. None for an error, which a header tells as well."""
    if answer.status >= 300:
        return None
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def login_page(_: str, answer: Answer) -> Answer:
    return Answer(200, _PAGE, b"<html><body>Please log in.</body></html>")


_PAGE = (("Content-Type", "text/html"),)
_TOKEN = re.compile(r"(next)?_?(token|marker)|lastevaluatedtablename|position", re.IGNORECASE)


def emptied(_: str, answer: Answer) -> Answer | None:
    """The page without its items, but with the token of the next; None where there is no token."""
    if answer.is_json:
        page = json.loads(answer.body or b"null")
        if not isinstance(page, dict) or not any(_TOKEN.fullmatch(k) and v for k, v in page.items()):
            return None
        body = json.dumps({k: [] if isinstance(v, list) else v for k, v in page.items()}).encode()
        return Answer(answer.status, answer.headers, body) if body != answer.body else None
    try:
        root = ElementTree.fromstring(answer.body)
    except ElementTree.ParseError:
        return None
    for parent in root.iter():
        names = {child.tag.rpartition("}")[2]: child for child in parent}
        if any(_TOKEN.fullmatch(name) and (child.text or "").strip() for name, child in names.items()):
            for child in list(parent):
                if len(child) and not child.tag.endswith("ResponseMetadata"):
                    for item in list(child):
                        child.remove(item)
            return Answer(answer.status, answer.headers, ElementTree.tostring(root))
    return None


FAULTS: dict[str, Callable[[str, Answer], Answer | None] | None] = {
    "throttled": refusal({"": "ThrottlingException", "ec2": "RequestLimitExceeded", "s3": "SlowDown"}, 400),
    "denied": refusal({"": "AccessDenied", "ec2": "UnauthorizedOperation"}, 403),
    "server error": refusal({"": "InternalError"}, 500),
    "credentials expired": refusal({"": "ExpiredToken", "ec2": "RequestExpired"}, 400),
    "cut body": cut,
    "malformed": login_page,
    "refused by a proxy": lambda _, __: Answer(403, _PAGE, b"<html><title>Blocked</title></html>"),
    EMPTIED: emptied,
    SHORT: None,  # these three are done to the connection
    "connection reset": None,
    HANG: None,
}


# --- the proxy ---------------------------------------------------------------------------------------

Key = tuple[str, str, str, bytes]
"""A request: service, method, path (with query, and the target of the JSON protocols), body."""


@dataclass
class Proxy:
    """Answers for the embedded AWS at `backend`.

    `spoiled`: the requests to fail, each once, and how. `asked`: every request since this was cleared, and
    its operation. `recorded`: calls that are answered from here, by service, operation and parameters.
    """

    backend: str
    endpoint: str = ""
    known: dict[Key, Answer] = field(default_factory=dict)
    asked: dict[Key, str] = field(default_factory=dict)
    spoiled: dict[Key, str] = field(default_factory=dict)
    recorded: dict[str, Answer] = field(default_factory=dict)
    hits: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, key: Key, headers: Mapping[str, str]) -> Answer:
        with self.lock:
            asked = headers.get(_ASKED, "")
            self.asked[key] = json.loads(asked)[1] if asked else ""
            if key not in self.known:
                self.known[key] = self.recorded.get(asked) or self._passed_on(key, headers)
            return self.known[key]

    def fault(self, key: Key) -> str:
        """How this request is to fail; empty when it is not."""
        with self.lock:
            how = self.spoiled.pop(key, "")
            self.hits += bool(how)
            return how

    def _passed_on(self, key: Key, headers: Mapping[str, str]) -> Answer:
        address = urlsplit(self.backend)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        connection.request(key[1], key[2].partition(" ")[0], key[3], dict(headers))
        told = connection.getresponse()
        kept = tuple((k, v) for k, v in told.getheaders() if k.lower() in _KEPT)
        answer = Answer(told.status, kept, told.read())
        connection.close()
        return answer


def tell_what_is_asked(aws: Aws) -> None:
    """Makes the clients of `aws` say in a header what they ask, as botocore knows it."""

    def remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = dict(params)

    def tell(model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        params["headers"][_ASKED] = _question(model.service_model.service_name, model.name, context["asked"])

    aws.events.register("before-parameter-build", remember)
    aws.events.register("before-call", tell)


def _question(service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    return json.dumps([service, operation, parameters], sort_keys=True)


def recordings(service: str, calls: Iterable[Call]) -> dict[str, Answer]:
    """Recorded calls as a proxy answers them, in the form in which the service writes."""
    model = get_service_model(service)
    names = {xform_name(name): name for name in model.operation_names}
    found = {}
    for call in calls:
        operation = model.operation_model(names[call.operation])
        made = get_serializer_class(service, model.resolved_protocol)(operation_model=operation)
        told = made.serialize(call.answer)
        body = told["body"]
        headers = (("Content-Type", told["headers"]["Content-Type"]),)
        answer = Answer(200, headers, body if isinstance(body, bytes) else str(body).encode())
        if call.error:
            answer = refusal({"": call.error}, 400)(service, answer)
        found[_question(service, operation.name, call.expected)] = answer
    return found


_KEPT = ("content-type", "x-amzn-errortype", "x-amz-bucket-region", "location")


@dataclass
class Passing(Proxy):
    """Passes everything on as it is asked, and fails a share of it in the way `mode`, while that is set."""

    mode: str = ""
    share: float = 0.7

    def answer(self, key: Key, headers: Mapping[str, str]) -> Answer:
        return self._passed_on(key, headers)

    def fault(self, key: Key) -> str:
        mode = self.mode
        if not mode or random.random() >= self.share:
            return ""
        with self.lock:
            self.hits += 1
        return mode


@contextmanager
def proxied(backend: str, kind: type[P] = Proxy) -> Iterator[P]:  # type: ignore[assignment]
    proxy = kind(backend)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            signed = self.headers.get("Authorization", "")
            found = re.search(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/", signed)
            service = found.group(1) if found else ""
            key = (service, self.command, f"{self.path} {self.headers.get('X-Amz-Target', '')}".strip(), body)
            passed = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "expect")}
            self._send(key, proxy.answer(key, passed))

        do_GET = do_POST = do_HEAD = do_PUT = _any  # noqa: N815

        def _send(self, key: Key, answer: Answer) -> None:
            promised = len(answer.body)
            how = proxy.fault(key)
            if how:
                change = FAULTS[how]
                if change is not None:
                    answer = change(key[0], answer) or answer
                    promised = len(answer.body)
                elif how == SHORT:
                    answer = Answer(answer.status, answer.headers, answer.body[: promised // 2])
                    promised = max(promised, 1)
                    self.close_connection = True
                else:
                    if how == HANG:  # until the client has had enough
                        select.select([self.connection], [], [], 30)
                    else:
                        linger = struct.pack("ii", 1, 0)  # closed with a reset, not with an end
                        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.close_connection = True
                    with contextlib.suppress(OSError):
                        self.connection.shutdown(socket.SHUT_RD)
                        self.connection.close()
                    return
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(answer.body)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            """The client went away in the middle: that is what is tried here."""

    server = Server(("127.0.0.1", 0), Handler)
    proxy.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy
    server.shutdown()
    server.server_close()
