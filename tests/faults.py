"""One failure at each page of each call: a proxy in front of the embedded AWS, and what came of it.

The proxy passes every request on once, keeps the answer, and gives the same answer ever after, but for the
one request that it is told to spoil. So the fleet stands still, and what changes in the inventory was done by
the failure.

    python -m tests.faults [GROUP…]     # every kind that a test builds a fleet of; prints the numbers
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import inspect
import json
import os
import re
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from mac import bind, pipeline
from mac.aws import Aws, Limits
from mac.collect import collect
from mac.model import Account, Catalog, ScopeState, Snapshot
from tests import aws_fleet as fleet

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = Path(__file__).parent.parent
GROUPS = ("test_kinds", "test_kinds_compute", "test_kinds_data", "test_kinds_edge", "test_kinds_stores")
# Not two: where the embedded AWS forgets the token, where EC2 refuses so small a page, and where there would
# be many pages alike.
PAGE_SIZES = {"s3-bucket": 0, "dms-task": 0, "nat-gateway": 5, "ec2-instance": 5}
HANG = "hang"
EMPTIED = "page emptied, token kept"


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


def cut(_: str, answer: Answer) -> Answer:
    """Half of the body, as if it were all of it."""
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def login_page(_: str, answer: Answer) -> Answer:
    return Answer(200, (("Content-Type", "text/html"),), b"<html><body>Please log in.</body></html>")


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
    EMPTIED: emptied,
    "body ends early": None,  # these three are done to the connection
    "connection reset": None,
    HANG: None,
}


# --- the proxy ---------------------------------------------------------------------------------------

Key = tuple[str, str, str, bytes]
"""A request: service, method, path (with query, and the target of the JSON protocols), body."""


@dataclass
class Proxy:
    """Answers for the embedded AWS at `backend`. `spoiled`: the request to fail, and how."""

    backend: str
    endpoint: str = ""
    known: dict[Key, Answer] = field(default_factory=dict)
    asked: set[Key] = field(default_factory=set)
    spoiled: tuple[Key, str] | None = None
    hits: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, key: Key, headers: Mapping[str, str]) -> Answer:
        with self.lock:
            self.asked.add(key)
            if key not in self.known:
                address = urlsplit(self.backend)
                connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
                connection.request(key[1], key[2].partition(" ")[0], key[3], dict(headers))
                told = connection.getresponse()
                kept = tuple((k, v) for k, v in told.getheaders() if k.lower() in _KEPT)
                self.known[key] = Answer(told.status, kept, told.read())
                connection.close()
            return self.known[key]


_KEPT = ("content-type", "x-amzn-errortype", "x-amz-bucket-region", "location")


@contextmanager
def proxied(backend: str) -> Iterator[Proxy]:
    proxy = Proxy(backend)

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
            if proxy.spoiled and proxy.spoiled[0] == key:
                how, proxy.spoiled = proxy.spoiled[1], None  # once
                proxy.hits += 1
                change = FAULTS[how]
                if change is not None:
                    answer = change(key[0], answer) or answer
                    promised = len(answer.body)
                elif how == "body ends early":
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


# --- the matrix --------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was tried. `pages`: distinct requests, each a call or a page of one."""

    kinds: int = 0
    calls: int = 0
    pages: int = 0
    failures: int = 0
    confirmed: int = 0  # a second reading made up for the failure, and the scope was complete
    targets: int = 0
    targets_lost: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kinds} kinds, {self.calls} calls, {self.pages} pages, {self.failures} failures tried "
            f"({self.confirmed} made good by a second reading); {self.targets} targets, "
            f"targets lost: {self.targets_lost}; wrong: {len(self.wrong)}"
        )


def operation(key: Key) -> str:
    """A word for what a request asks; the same for all pages of a call."""
    service, method, path, body = key
    action = re.search(rb"Action=(\w+)", body)
    named = path.partition(" ")[2] or f"{method} {urlsplit(path).path}"
    return f"{service}:{action.group(1).decode() if action else named}"


def targets(catalog: Catalog, snapshot: Snapshot) -> frozenset[tuple[str, str]]:
    """What is watched: (standard, resource) of every binding."""
    bound = bind.bind(catalog, snapshot, date(2026, 11, 23)).bindings
    return frozenset((b.standard.name, m.resource.arn) for b in bound for m in b.members)


def aws_for(kind: str, timeout: float = 20) -> Aws:
    size = PAGE_SIZES.get(kind, 2)
    limits = Limits(connect_timeout=5, read_timeout=timeout, attempts=1, page_size=size, pause=0)
    made = Aws(limits, threads=4)
    made._core.register_component("data_loader", fleet._loader)
    return made


def matrix(
    proxy: Proxy,
    account: Account,
    kinds: Collection[str],
    tally: Tally,
    *,
    hangs: Callable[[int, int], bool] = lambda page, pages: True,
    patience: float = 1,
) -> None:
    """Every failure at every page of every call of every kind, one at a time.

    `hangs`: where one may hang, and `patience`: for how many seconds. All else must be answered within them.

    Beside the kind another is read, which must not notice.
    """
    catalog = pipeline.load(ROOT)
    for kind in kinds:
        beside = "sqs-queue" if kind != "sqs-queue" else "dynamodb-table"
        config = fleet.config(account, kinds=(kind, beside))
        proxy.spoiled = None
        first = collect(config, Snapshot(), now=NOW, aws=aws_for(kind))
        if any(s.state is not ScopeState.COMPLETE for s in first.scopes):
            tally.wrong.append(f"{kind}: not read at all: {[s.reason for s in first.scopes if s.reason]}")
            continue
        watched = targets(catalog, first)
        proxy.asked.clear()
        collect(fleet.config(account, kinds=(kind,)), Snapshot(), now=NOW, aws=aws_for(kind))
        pages = sorted(proxy.asked)
        tally.kinds += 1
        tally.pages += len(pages)
        tally.calls += len({operation(key) for key in pages})
        tally.targets += len(watched)
        calm, hasty = aws_for(kind), aws_for(kind, timeout=patience)
        for number, key in enumerate(pages):
            for how, change in FAULTS.items():
                if how == EMPTIED and (change is None or change(key[0], proxy.known[key]) is None):
                    continue
                if how == HANG and not hangs(number, len(pages)):
                    continue
                proxy.spoiled, proxy.hits = (key, how), 0
                found = collect(config, first, now=NOW, aws=hasty if how == HANG else calm)
                tally.wrong += _wrong(tally, key, how, first, found)
                tally.failures += 1
                tally.targets_lost += len(watched - targets(catalog, found))
                if not proxy.hits:
                    tally.wrong.append(f"{kind}: {how} at {operation(key)}: was never asked")
        proxy.spoiled = None


def _wrong(tally: Tally, key: Key, how: str, first: Snapshot, found: Snapshot) -> Iterator[str]:
    """What should not have come of a failure. The scope that was failed is the one that is not complete."""
    what = f"{how} at {operation(key)} {key[3][:120]!r}"
    if found.resources != first.resources:
        yield f"{what}: the resources are not those that were known"
    incomplete = sum(s.state is not ScopeState.COMPLETE for s in found.scopes)
    if incomplete == 0 and how == EMPTIED:
        tally.confirmed += 1
    elif key[0] == "sts" and incomplete != len(found.scopes):
        yield f"{what}: an account that was not entered was read"
    elif key[0] != "sts" and incomplete != 1:
        yield f"{what}: {incomplete} scopes are not complete, and not one"


def _build(build: Callable[..., None], aws: Any, account: Account) -> None:
    """A group's own fleet: some want the account's number, some make one of each at a time."""
    fleet.queue(aws, "beside")
    match list(inspect.signature(build).parameters):
        case ["aws"]:
            build(aws)
        case ["aws", "account"]:
            build(aws, account.id)
        case ["aws", "number", "tagged"]:
            for number in range(3):
                build(aws, number, number > 0)
        case parameters:
            raise TypeError(f"{build.__module__}.build takes {parameters}")


def main(groups: Collection[str]) -> int:
    """All kinds of these groups."""
    tally = Tally()
    for name in groups:
        module = importlib.import_module(f"tests.{name}")
        with fleet.serve() as backend:
            account = fleet.new_account()
            aws = fleet.session(account)
            _build(module.build, aws, account)
            with proxied(backend) as proxy:
                matrix(proxy, account, module.SERVED, tally)
        print(f"{name}: so far {tally}", flush=True)
    for line in tally.wrong:
        print(line, file=sys.stderr)
    return 1 if tally.wrong or tally.targets_lost else 0


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    sys.exit(main(sys.argv[1:] or GROUPS))
