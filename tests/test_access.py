"""A server's access, as mac.yaml says it, and AWS's signature on what is asked."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import aws_fleet as fleet
import pytest
from test_http import Asked, said, server
from test_standards import build

from mac import http, problems, signing, standards
from mac.access_model import Secret, ServerAccess, SigV4
from mac.problems import AwsError, Problem

ROLE = "arn:aws:iam::123456789012:role/mac-metrics"
Given = Callable[[str], tuple[ServerAccess | None, tuple[Problem, ...]]]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """What becomes of `prometheus.query`, written as one line of YAML, and what is wrong with it."""
    build("_base", tmp_path)
    path = tmp_path / "mac.yaml"

    def load(query: str) -> tuple[ServerAccess | None, tuple[Problem, ...]]:
        path.write_text(
            "apiVersion: mac/v1\nkind: Project\nspec:\n  default_team: platform\n"
            f"  prometheus:\n    query: {query}\n",
            encoding="utf-8",
        )
        loaded = standards.load(tmp_path)
        access = loaded.catalog.project.query if loaded.catalog else None
        return access, tuple(p for p in loaded.problems if p.location.path == "mac.yaml")

    return load


def test_an_address_is_enough(given: Given) -> None:
    access, found = given("{url: 'http://127.0.0.1:9090'}")
    assert found == ()
    assert access is not None
    assert (access.url, access.timeout, access.location.line) == ("http://127.0.0.1:9090", 30.0, 6)


def test_everything_that_can_be_said_arrives(given: Given) -> None:
    access, found = given(
        "{url: 'https://mimir.example.com/prometheus', tenant: a, timeout: 1m,"
        " basic_auth: {username: mac, password: {env: PASSWORD}},"
        " tls: {ca_file: /ca, cert_file: /cert, key_file: /key, server_name: mimir}}"
    )
    assert found == ()
    assert access is not None
    assert (access.tenant, access.username, access.timeout) == ("a", "mac", 60.0)
    assert (access.ca_file, access.cert_file, access.key_file, access.server_name) == (
        "/ca",
        "/cert",
        "/key",
        "mimir",
    )
    assert access.password is not None
    assert (access.password.env, access.password.location.line) == ("PASSWORD", 6)


def test_a_role_of_aws_is_known_by_its_region(given: Given) -> None:
    access, found = given(f"{{url: 'https://aps', sigv4: {{region: eu-west-1, role_arn: '{ROLE}'}}}}")
    assert found == ()
    assert access is not None
    assert access.sigv4 == SigV4("eu-west-1", ROLE)


def test_an_amp_workspace_is_not_taken_for_a_secret(given: Given) -> None:
    host = "https://aps-workspaces.eu-west-1.amazonaws.com"
    _, found = given(
        f"{{url: '{host}/workspaces/ws-0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f', sigv4: {{region: eu-west-1}}}}"
    )
    assert found == ()


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        (
            "{url: 'https://a', bearer_token: {file: /t}, sigv4: {region: eu-west-1}}",
            "wrong-value",
            "exclude",
        ),
        ("{url: 'https://a', bearer_token: {file: /t, env: T}}", "wrong-value", "only one"),
        ("{url: 'https://a', bearer_token: {file: t}}", "wrong-value", "absolute path"),
        ("{url: 'https://a', tls: {cert_file: /c}}", "missing-key", "needs its key"),
        ("{url: 'https://a', timeout: 0s}", "wrong-value", "some time"),
        ("{tenant: a}", "missing-key", "url"),
        ("{url: 'mimir'}", "wrong-value", "an address such as"),
        ("{url: 'https://a', insecure: true}", "unknown-key", "insecure"),
        (
            "{url: 'http://prom.example', bearer_token: {file: /t}}",
            "plain-secret",
            "without encryption",
        ),
    ],
)
def test_what_cannot_be_is_told_at_its_place(given: Given, query: str, code: str, said: str) -> None:
    _, found = given(query)
    assert [problem.code for problem in found] == [code]
    assert said in found[0].message + found[0].hint
    assert found[0].location.line == 6


@pytest.mark.parametrize(
    "query",
    [
        "{url: 'https://a', bearer_token: hush-hush}",
        "{url: 'https://a', basic_auth: {username: u, password: hush-hush}}",
        "{url: 'https://u:hush-hush@a'}",
        "{url: 'https://a/?token=hush-hush'}",
    ],
)
def test_a_secret_in_plain_is_told_and_not_repeated(given: Given, query: str) -> None:
    _, found = given(query)
    assert [problem.code for problem in found] == ["plain-secret"]
    assert "hush" not in str(found[0].as_dict())


def test_credentials_to_loopback_need_no_encryption(given: Given) -> None:
    assert given("{url: 'http://127.0.0.1:1', bearer_token: {file: /t}}")[1] == ()


def test_a_guard_that_cannot_ask_anybody_is_a_problem(tmp_path: Path) -> None:
    build("_base", tmp_path)
    (tmp_path / "mac.yaml").write_text(
        "apiVersion: mac/v1\nkind: Project\nspec: {default_team: platform, guards: {forecast: true}}\n",
        encoding="utf-8",
    )
    found = problems.errors(standards.load(tmp_path).problems)
    assert [problem.code for problem in found] == ["missing-key"]


# --- AWS ---------------------------------------------------------------------------------------------


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-key")


@pytest.fixture
def moto() -> Iterator[str]:
    with fleet.serve() as endpoint:
        yield endpoint


def signature(asked: Asked, secret: str) -> str:
    """Signature version 4 once more, from its specification."""
    headers = asked.headers
    path, _, query = asked.path.partition("?")
    scope = re.search(r"Credential=[^/]+/(\d+)/([^/]+)/([^/]+)/aws4_request", headers["authorization"])
    named = re.search(r"SignedHeaders=([^,]+)", headers["authorization"])
    assert scope
    assert named
    canonical = "\n".join(
        [
            asked.method,
            path,
            query,
            *(f"{name}:{headers[name]}" for name in named[1].split(";")),
            "",
            named[1],
            hashlib.sha256(asked.body).hexdigest(),
        ]
    )
    place = f"{scope[1]}/{scope[2]}/{scope[3]}/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{place}\n{hashed}"
    key = f"AWS4{secret}".encode()
    for part in (*scope.groups(), "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.usefixtures("keys")
def test_a_signature_is_what_aws_computes_of_the_request_that_arrives() -> None:
    body = b"query=up%7Ba%3D%22b%22%7D"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with server(said({})) as double:
        client = http.Server(ServerAccess(double.url), sign=signing.signer(SigV4("eu-west-1")))
        client.call("POST", "/workspaces/ws-1/api/v1/query_range", [("a", "b c")], body=body, headers=kind)
    asked = double.asked[0]
    expected = signature(asked, "a-secret-key")
    assert asked.headers["authorization"].endswith(f"Signature={expected}")
    assert "/eu-west-1/aps/aws4_request" in asked.headers["authorization"]


def test_a_role_is_entered_before_it_signs(moto: str) -> None:
    with server(said({})) as double:
        http.Server(ServerAccess(double.url), sign=signing.signer(SigV4("us-east-1", ROLE))).get("/")
    assert double.asked[0].headers["x-amz-security-token"]
    assert "Credential=test/" not in double.asked[0].headers["authorization"]


def test_without_credentials_there_is_no_signature() -> None:
    with server(said({})) as double, pytest.raises(AwsError, match="no AWS credentials were found"):
        http.Server(ServerAccess(double.url), sign=signing.signer(SigV4("us-east-1"))).get("/")


def test_a_secret_says_where_it_is() -> None:
    assert [str(Secret(file="/run/token")), str(Secret(env="TOKEN"))] == ["/run/token", "$TOKEN"]
