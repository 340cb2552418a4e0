"""Pull requests of GitHub and merge requests of GitLab: one for a branch, updated rather than made again.

GitHub: REST API, version 2022-11-28 (List, Create and Update a pull request). GitLab: REST API v4 (List
project merge requests, Create MR, Update MR). Both take the token as a bearer token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from mac.http import Query, Server, ServerError
from mac.model import Json
from mac.record_model import PullRequests

_GITHUB = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    "Content-Type": "application/json",
}
_GITLAB = {"Content-Type": "application/json"}
_TITLE = 250  # characters; GitLab takes 255
_BODY = 60_000  # GitHub takes 65,536
_TAKEN = (409, 422)  # so GitLab and GitHub say that there is one already


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed: a branch that was pushed, a title of one line, a body in Markdown."""

    branch: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class _Api:
    """How a forge is asked: where its requests are, how one is found, and what its fields are called."""

    path: str
    query: Query
    headers: Mapping[str, str]
    update: str  # method
    number: str  # field
    address: str  # field
    content: Mapping[str, str]
    places: Mapping[str, str]


def propose(settings: PullRequests, proposal: Proposal) -> str:
    """Makes the request, or updates the open one of that branch; its address for people.

    Raises ServerError with the forge's words.
    """
    api = _APIS[settings.forge](settings, proposal)
    server = Server(settings.access)
    found = _open(server, api)
    if found is None:
        body = _encoded({**api.content, **api.places})
        answer = server.call("POST", api.path, body=body, headers=api.headers, expected=_TAKEN)
        made = answer.json()
        if answer.status not in _TAKEN:
            return _field(made, api.address, answer.url)
        found = _open(server, api)  # somebody else was faster, or it is refused for another reason
        if found is None:
            raise ServerError(
                f"{answer.url} answers {answer.status}: {_said(made)}",
                hint="is there a branch of that name, and does it differ from the base?",
                status=answer.status,
            )
    number = _field(found, api.number, api.path)
    path = f"{api.path}/{number}"
    answer = server.call(api.update, path, body=_encoded(api.content), headers=api.headers, again=True)
    return _field(answer.json(), api.address, answer.url)


def _open(server: Server, api: _Api) -> Json | None:
    """The open request of the branch to the base, if there is one."""
    answer = server.call("GET", api.path, api.query, headers=api.headers)
    listed = answer.json()
    if not isinstance(listed, list):
        raise ServerError(f"{answer.url} answers with no list")
    return listed[0] if listed else None


def _github(settings: PullRequests, proposal: Proposal) -> _Api:
    owner = settings.project.partition("/")[0]
    # Without its owner the filter by head is ignored, and all requests would be listed.
    query = (("state", "open"), ("head", f"{owner}:{proposal.branch}"), ("base", settings.base))
    return _Api(
        path=f"/repos/{settings.project}/pulls",
        query=query,
        headers=_GITHUB,
        update="PATCH",
        number="number",
        address="html_url",
        content={"title": proposal.title[:_TITLE], "body": proposal.body[:_BODY]},
        places={"head": proposal.branch, "base": settings.base},
    )


def _gitlab(settings: PullRequests, proposal: Proposal) -> _Api:
    query = (("state", "opened"), ("source_branch", proposal.branch), ("target_branch", settings.base))
    return _Api(
        path=f"/projects/{quote(settings.project, safe='')}/merge_requests",
        query=query,
        headers=_GITLAB,
        update="PUT",
        number="iid",
        address="web_url",
        content={"title": proposal.title[:_TITLE], "description": proposal.body[:_BODY]},
        places={"source_branch": proposal.branch, "target_branch": settings.base},
    )


_APIS: Mapping[str, Callable[[PullRequests, Proposal], _Api]] = {"github": _github, "gitlab": _gitlab}


def _encoded(value: Mapping[str, str]) -> bytes:
    return json.dumps(value).encode()


def _field(value: Json, name: str, where: str) -> str:
    if not isinstance(value, dict) or name not in value:
        raise ServerError(f"{where} answers without {name}")
    return str(value[name])


def _said(value: Json) -> str:
    if not isinstance(value, dict):
        return "it does not say why"
    return json.dumps([value.get("message"), value.get("errors", [])])[:400]
