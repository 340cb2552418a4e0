"""Proposals at strict doubles of both forges: what their documentation does not name is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from mac import propose
from mac.access_model import Secret, ServerAccess
from mac.http import ServerError
from mac.propose import Proposal
from mac.record_model import PullRequests
from tests.test_record import fleet, git, repository, run, seen, setting

__all__ = ["repository", "seen"]  # fixtures

TOKEN = "t0" * 10


@dataclass
class Forge:
    """A forge with one project. `before`: what happens while a request is on its way, once."""

    kind: str
    project: str = "acme/monitoring"
    branches: set[str] = field(default_factory=lambda: {"main", "generated"})
    requests: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    before: Callable[[Forge], None] | None = None
    url: str = ""

    def answer(
        self, method: str, path: str, query: dict[str, str], body: Any, headers: dict[str, str]
    ) -> tuple[int, Any]:
        self.calls.append(method)
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}
        if method in ("POST", "PATCH", "PUT"):
            assert headers["content-type"] == "application/json"
            if method == "POST" and self.before:
                before, self.before = self.before, None
                before(self)
        return (
            self.github(method, path, query, body, headers)
            if self.kind == "github"
            else self.gitlab(method, path, query, body)
        )

    def open(self, branch: str, base: str) -> list[dict[str, Any]]:
        return [r for r in self.requests if (r["branch"], r["base"], r["open"]) == (branch, base, True)]

    def add(self, branch: str, base: str, title: str, body: str) -> dict[str, Any]:
        self.requests.append(
            {"number": len(self.requests) + 1, "branch": branch, "base": base, "title": title, "body": body}
            | {"open": True}
        )
        return self.requests[-1]

    def github(
        self, method: str, path: str, query: dict[str, str], body: Any, headers: dict[str, str]
    ) -> tuple[int, Any]:
        assert headers["x-github-api-version"] == "2022-11-28"
        assert headers["accept"] == "application/vnd.github+json"
        pulls = f"/repos/{self.project}/pulls"

        def shown(request: dict[str, Any]) -> dict[str, Any]:
            return {"number": request["number"], "html_url": f"{self.url}/pull/{request['number']}"}

        if (method, path) == ("GET", pulls):
            assert set(query) == {"state", "head", "base"}
            assert query["state"] == "open"
            owner, _, branch = query["head"].partition(":")
            assert owner == self.project.split("/")[0]
            return 200, [shown(r) for r in self.open(branch, query["base"])]
        if (method, path) == ("POST", pulls):
            assert set(body) == {"title", "body", "head", "base"}
            if self.open(body["head"], body["base"]):
                errors = [{"message": f"A pull request already exists for acme:{body['head']}."}]
                return 422, {"message": "Validation Failed", "errors": errors}
            if body["head"] not in self.branches:
                errors = [{"resource": "PullRequest", "field": "head", "code": "invalid"}]
                return 422, {"message": "Validation Failed", "errors": errors}
            return 201, shown(self.add(body["head"], body["base"], body["title"], body["body"]))
        number = path.removeprefix(f"{pulls}/")
        if method == "PATCH" and number.isdigit() and int(number) <= len(self.requests):
            assert set(body) == {"title", "body"}
            self.requests[int(number) - 1].update(body)
            return 200, shown(self.requests[int(number) - 1])
        return 404, {"message": "Not Found"}

    def gitlab(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        prefix = "/api/v4/projects/"
        assert path.startswith(prefix)
        project, _, rest = path.removeprefix(prefix).partition("/")
        assert unquote(project) == self.project

        def shown(request: dict[str, Any]) -> dict[str, Any]:
            number = request["number"]
            return {"id": 900 + number, "iid": number, "web_url": f"{self.url}/-/merge_requests/{number}"}

        if (method, rest) == ("GET", "merge_requests"):
            assert set(query) == {"state", "source_branch", "target_branch"}
            assert query["state"] == "opened"
            return 200, [shown(r) for r in self.open(query["source_branch"], query["target_branch"])]
        if (method, rest) == ("POST", "merge_requests"):
            assert set(body) == {"title", "description", "source_branch", "target_branch"}
            if self.open(body["source_branch"], body["target_branch"]):
                return 409, {
                    "message": ["Another open merge request already exists for this source branch: !1"]
                }
            made = self.add(body["source_branch"], body["target_branch"], body["title"], body["description"])
            return 201, shown(made)
        number = rest.removeprefix("merge_requests/")
        if method == "PUT" and number.isdigit() and int(number) <= len(self.requests):
            assert set(body) == {"title", "description"}
            self.requests[int(number) - 1].update({"title": body["title"], "body": body["description"]})
            return 200, shown(self.requests[int(number) - 1])
        return 404, {"message": "404 Not found"}


@contextmanager
def serving(forge: Forge) -> Iterator[Forge]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            given = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, value = forge.answer(
                    self.command, parts.path, query, json.loads(given) if given else None, headers
                )
            except AssertionError as error:
                status, value = 400, {"message": f"not in the documentation: {error}"}
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.answer()

        do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815  the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        forge.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield forge
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=["github", "gitlab"])
def forge(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)
    with serving(Forge(request.param)) as double:
        yield double


def settings(forge: Forge) -> PullRequests:
    path = "/api/v4" if forge.kind == "gitlab" else ""
    access = ServerAccess(forge.url + path, bearer_token=Secret(env="FORGE_TOKEN"))
    return PullRequests(forge.kind, forge.project, "main", access)


def test_a_proposal_is_made_once_and_then_updated(forge: Forge) -> None:
    first = propose.propose(settings(forge), Proposal("generated", "3 targets added", "all of it"))
    second = propose.propose(settings(forge), Proposal("generated", "4 targets added", "more of it"))
    assert first == second
    assert first.startswith(forge.url)
    (request,) = forge.requests
    assert (request["title"], request["body"]) == ("4 targets added", "more of it")


def test_a_proposal_that_was_closed_is_made_again_and_other_branches_are_not_met(forge: Forge) -> None:
    forge.add("elsewhere", "main", "theirs", "")
    propose.propose(settings(forge), Proposal("generated", "first", ""))
    forge.requests[-1]["open"] = False
    propose.propose(settings(forge), Proposal("generated", "second", ""))
    assert [r["title"] for r in forge.requests] == ["theirs", "first", "second"]


def test_of_two_that_propose_at_once_the_second_updates(forge: Forge) -> None:
    forge.before = lambda double: double.add("generated", "main", "faster", "")
    propose.propose(settings(forge), Proposal("generated", "slower", "later"))
    assert [(r["title"], r["body"]) for r in forge.requests] == [("slower", "later")]


def test_what_a_forge_refuses_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)
    with serving(Forge("github", branches={"main"})) as double:
        with pytest.raises(ServerError, match="Validation Failed") as caught:
            propose.propose(settings(double), Proposal("generated", "x", ""))
        assert "does it differ from the base" in caught.value.hint
        monkeypatch.setenv("FORGE_TOKEN", "another-one")
        with pytest.raises(ServerError, match="Bad credentials"):
            propose.propose(settings(double), Proposal("generated", "x", ""))


def test_a_title_that_is_too_long_is_cut(forge: Forge) -> None:
    propose.propose(settings(forge), Proposal("generated", "x" * 300, "y" * 70_000))
    assert len(forge.requests[0]["title"]) == 250
    assert len(forge.requests[0]["body"]) == 60_000


def test_generate_proposes_what_it_pushed_and_updates_it(
    repository: Path, seen: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)
    with serving(Forge("github")) as double:
        api = f"{{url: '{double.url}', bearer_token: {{env: FORGE_TOKEN}}}}"
        forge = f"{{forge: github, project: acme/monitoring, base: main, api: {api}}}"
        setting(repository, f"  git: {{branch: generated, pull_requests: {forge}}}\n")
        options: dict[str, Any] = {"commit": True, "push": True, "pull_request": True}
        first = run(repository, seen(fleet()), **options)
        assert first.pull_request == f"{double.url}/pull/1"
        again = run(repository, seen(fleet(range(1, 44))), **options)
        assert again.pull_request == first.pull_request
        (request,) = double.requests
        assert "43 targets added" in request["title"]
        assert (request["branch"], request["base"]) == ("generated", "main")
        git(repository, "merge", "--quiet", "generated")
        git(repository, "push", "--quiet", "origin", "HEAD:main")
        assert run(repository, seen(fleet(range(1, 44))), **options).pull_request == ""
