"""`mac.http` against real servers on loopback, with and without TLS."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mac import http
from mac.access_model import Secret, ServerAccess

SECRET = "s3cr3t-t0ken"


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Double:
    """A server that answers what it is told to, in turn; the last reply again and again."""

    replies: list[Reply]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    before: Callable[[], object] = lambda: None


@contextmanager
def server(*replies: Reply, tls: ssl.SSLContext | None = None) -> Iterator[Double]:
    double = Double(list(replies))

    class OneRequest(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            n = len(double.asked)
            headers = {name.lower(): value for name, value in self.headers.items()}
            double.asked.append(Asked(self.command, self.path, headers, body))
            double.before()
            status, sent, content = double.replies[min(n, len(double.replies) - 1)]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **sent}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.answer()

        do_POST = do_GET  # noqa: N815  the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), OneRequest)
    listening.daemon_threads = True
    if tls:
        listening.socket = tls.wrap_socket(listening.socket, server_side=True)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    double.url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.server_address[1]}"
    try:
        yield double
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def said(value: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return status, {"Content-Type": "application/json", **named}, json.dumps(value).encode()


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PAUSE", 0.01)


@pytest.fixture
def token(tmp_path: Path) -> Secret:
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    return Secret(file=str(path))


# --- what is sent ------------------------------------------------------------------------------------


def test_a_question_reaches_the_path_below_the_servers_address() -> None:
    with server(said({"a": 1})) as double:
        answer = http.Server(ServerAccess(f"{double.url}/prometheus/")).get(
            "/api/v1/query", [("query", "a b")]
        )
    assert answer.json() == {"a": 1}
    assert double.asked[0].path == "/prometheus/api/v1/query?query=a%20b"
    assert answer.url == f"{double.url}/prometheus/api/v1/query"


def test_the_token_is_read_for_each_request_since_it_is_rotated(token: Secret) -> None:
    with server(said({})) as double:
        client = http.Server(ServerAccess(double.url, bearer_token=token))
        client.get("/")
        Path(token.file).write_text("another", encoding="utf-8")
        client.get("/")
    assert [asked.headers["authorization"] for asked in double.asked] == [
        f"Bearer {SECRET}",
        "Bearer another",
    ]


def test_a_password_may_hold_any_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_PASSWORD", "pä:ss")
    with server(said({})) as double:
        access = ServerAccess(double.url, username="mac", password=Secret(env="A_PASSWORD"))
        http.Server(access).get("/")
    assert double.asked[0].headers["authorization"] == "Basic bWFjOnDDpDpzcw=="


def test_the_tenant_is_told_to_mimir() -> None:
    with server(said({})) as double:
        http.Server(ServerAccess(double.url, tenant="data-platform")).get("/")
    assert double.asked[0].headers["x-scope-orgid"] == "data-platform"


def test_what_signs_sees_the_request_as_it_is_sent() -> None:
    seen = []

    def sign(method: str, url: str, headers: object, body: bytes) -> dict[str, str]:
        seen.append((method, url, body))
        return {"Authorization": "signed"}

    with server(said({})) as double:
        http.Server(ServerAccess(double.url), sign=sign).call("POST", "/a", [("b", "c")], body=b"d")
    assert seen == [("POST", f"{double.url}/a?b=c", b"d")]
    assert double.asked[0].headers["authorization"] == "signed"


def test_compressed_answers_are_read() -> None:
    packed = gzip.compress(b'{"a": [1, 2]}')
    with server((200, {"Content-Encoding": "gzip"}, packed)) as double:
        assert http.Server(ServerAccess(double.url)).get("/").json() == {"a": [1, 2]}


# --- again, and not again ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_overloaded_server_is_asked_again(status: int) -> None:
    with server(said({}, status), said({}, status), said("here")) as double:
        assert http.Server(ServerAccess(double.url)).get("/").json() == "here"
    assert len(double.asked) == 3


def test_a_server_that_stays_away_is_given_up_with_its_last_words() -> None:
    with (
        server(said({"error": "too many samples"}, 503)) as double,
        pytest.raises(http.ServerError, match="answers 503: too many samples") as raised,
    ):
        http.Server(ServerAccess(double.url)).get("/")
    assert raised.value.status == 503
    assert len(double.asked) == 5


def test_what_changes_something_is_done_once() -> None:
    with server(said({}, 503)) as double, pytest.raises(http.ServerError):
        http.Server(ServerAccess(double.url)).call("POST", "/")
    assert len(double.asked) == 1


def test_a_post_is_repeated_when_twice_is_as_good_as_once() -> None:
    with server(said({}, 503), said({})) as double:
        http.Server(ServerAccess(double.url)).call("POST", "/", body=b"a=b", again=True)
    assert [asked.body for asked in double.asked] == [b"a=b", b"a=b"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_argued_with(status: int) -> None:
    with (
        server(said({"status": "error", "error": "no"}, status)) as double,
        pytest.raises(http.ServerError, match=rf"answers {status}: no$") as raised,
    ):
        http.Server(ServerAccess(double.url)).get("/")
    assert len(double.asked) == 1
    assert raised.value.exit_code == 3
    assert bool(raised.value.hint) == (status in (401, 403, 404))


def test_an_expected_status_is_an_answer() -> None:
    with server((404, {}, b"")) as double:
        assert http.Server(ServerAccess(double.url)).get("/", expected=[404]).status == 404


def test_a_redirection_is_told_and_not_followed(token: Secret) -> None:
    with (
        server(said({})) as elsewhere,
        server((302, {"Location": elsewhere.url}, b"")) as double,
        pytest.raises(http.ServerError, match="answers 302") as raised,
    ):
        http.Server(ServerAccess(double.url, bearer_token=token)).get("/")
    assert elsewhere.asked == []
    assert elsewhere.url in raised.value.hint


def test_nobody_listening_is_told_with_the_reason() -> None:
    with server() as double:
        pass
    with pytest.raises(http.ServerError, match="does not answer: Failed to establish") as raised:
        http.Server(ServerAccess(double.url)).get("/")
    assert raised.value.status == 0


def test_a_server_that_says_nothing_is_not_waited_for_for_ever() -> None:
    release = threading.Event()
    with server(said({})) as double:
        double.before = release.wait
        try:
            with pytest.raises(http.ServerError, match="timed out"):
                http.Server(ServerAccess(double.url, timeout=0.2)).call("POST", "/")
        finally:
            release.set()


def test_a_login_page_is_not_taken_for_an_answer() -> None:
    with server((200, {"Content-Type": "text/html"}, b"<html>who are you?</html>")) as double:
        answer = http.Server(ServerAccess(double.url)).get("/")
        with pytest.raises(http.ServerError, match="text/html where JSON was expected"):
            answer.json()


# --- secrets -----------------------------------------------------------------------------------------


def test_no_message_holds_the_secret_even_if_the_server_repeats_it(token: Secret) -> None:
    with (
        server(said({"error": f"bad token {SECRET}"}, 401)) as double,
        pytest.raises(http.ServerError) as raised,
    ):
        http.Server(ServerAccess(double.url, bearer_token=token)).get("/", [("token", SECRET)])
    assert SECRET not in raised.value.message + raised.value.hint
    assert "bad token …" in raised.value.message


def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(token: Secret) -> None:
    Path(token.file).write_text(f"{SECRET}\nsecond line", encoding="utf-8")
    with server(said({})) as double, pytest.raises(http.ServerError, match="is no token") as raised:
        http.Server(ServerAccess(double.url, bearer_token=token)).get("/")
    assert SECRET not in raised.value.message
    assert double.asked == []


@pytest.mark.parametrize("secret", [Secret(env="MAC_NOT_SET"), Secret(file="/nonexistent/token")])
def test_a_secret_that_is_not_there_is_told_by_its_place(secret: Secret) -> None:
    with pytest.raises(http.ServerError) as raised:
        http.read(secret)
    assert (secret.env or secret.file) in raised.value.message


def test_an_empty_secret_is_none(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n", encoding="utf-8")
    with pytest.raises(http.ServerError, match="is empty"):
        http.read(Secret(file=str(tmp_path / "token")))


# --- proxies -----------------------------------------------------------------------------------------


def test_loopback_is_never_reached_by_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(said("proxy")) as proxy, server(said("server")) as double:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert http.Server(ServerAccess(double.url)).get("/").json() == "server"


def test_other_servers_are_reached_by_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(said("proxy")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert http.Server(ServerAccess("http://prometheus.example")).get("/").json() == "proxy"
    assert proxy.asked[0].path == "http://prometheus.example/"


def test_no_proxy_exempts_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "prometheus.invalid")
    with pytest.raises(http.ServerError, match="resolve"):
        http.Server(ServerAccess("http://prometheus.invalid")).call("POST", "/")


# --- TLS ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    ca_file: str


def authority(folder: Path, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    made = _certificate(name, key, name, key, ca=True)
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return Authority(made, key, str(path))


def issued(by: Authority, folder: Path, name: str) -> tuple[str, str]:
    """(certificate file, key file) for a name or an address."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = by.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    made = _certificate(name, key, str(issuer), by.key, ca=False)
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(paths[0]), str(paths[1])


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    try:
        other: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        other = x509.DNSName(name)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([other]), critical=False)
    )
    if ca:
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(by, hashes.SHA256())


def serving(certificate: tuple[str, str], *, clients: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_an_unknown_authority_is_refused_at_once(tmp_path: Path, token: Secret) -> None:
    tls = serving(issued(authority(tmp_path, "ours"), tmp_path, "127.0.0.1"))
    with (
        server(said({}), tls=tls) as double,
        pytest.raises(http.ServerError, match="CERTIFICATE_VERIFY_FAILED") as caught,
    ):
        http.Server(ServerAccess(double.url, bearer_token=token)).get("/")
    assert "tls.ca_file" in caught.value.hint
    assert double.asked == []


def test_the_authority_of_ca_file_is_trusted(tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    with server(said("here"), tls=serving(issued(ours, tmp_path, "127.0.0.1"))) as double:
        assert http.Server(ServerAccess(double.url, ca_file=ours.ca_file)).get("/").json() == "here"


def test_a_certificate_of_another_name_is_refused_unless_that_name_is_asked_for(tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    with server(said("here"), tls=serving(issued(ours, tmp_path, "prometheus.internal"))) as double:
        access = ServerAccess(double.url, ca_file=ours.ca_file)
        with pytest.raises(http.ServerError, match=r"CERTIFICATE_VERIFY_FAILED|not valid for"):
            http.Server(access).get("/")
        named = ServerAccess(double.url, ca_file=ours.ca_file, server_name="prometheus.internal")
        assert http.Server(named).get("/").json() == "here"


def test_mac_shows_its_own_certificate(tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    tls = serving(issued(ours, tmp_path, "127.0.0.1"), clients=ours.ca_file)
    certificate, key = issued(ours, tmp_path, "mac")
    with server(said("here"), tls=tls) as double:
        access = ServerAccess(double.url, ca_file=ours.ca_file, cert_file=certificate, key_file=key)
        assert http.Server(access).get("/").json() == "here"
        with pytest.raises(http.ServerError):
            http.Server(ServerAccess(double.url, ca_file=ours.ca_file)).call("POST", "/")


def test_certificates_that_cannot_be_read_are_told() -> None:
    access = ServerAccess("https://127.0.0.1:9", ca_file="/nonexistent/ca.pem")
    with pytest.raises(http.ServerError, match=r"certificates for https://127\.0\.0\.1:9 cannot be read"):
        http.Server(access).get("/")
