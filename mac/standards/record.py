"""Where what is generated is kept, as mac.yaml says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mac.problems import Problem
from mac.record_model import GitSettings, PullRequests, TargetFiles
from mac.source import Document, Pointer
from mac.standards import access

_API: Pointer = ("spec", "git", "pull_requests", "api")
_TARGETS: Pointer = ("spec", "targets")


def git(document: Document) -> GitSettings:
    """`spec.git` of a document that fits its schema."""
    raw: dict[str, Any] = dict(document.data["spec"].get("git", {}))
    proposed = raw.pop("pull_requests", None)
    if proposed:
        api = access.read(document, _API, proposed["api"])
        raw["pull_requests"] = PullRequests(proposed["forge"], proposed["project"], proposed["base"], api)
    return GitSettings(**raw)


def targets(document: Document) -> TargetFiles:
    """`spec.targets` and what belongs to it."""
    spec = document.data["spec"]
    url = spec.get("targets_url", "").rstrip("/")
    return TargetFiles(spec.get("targets", "git"), spec.get("targets_folder", "").rstrip("/"), url)


def check(settings: GitSettings, files: TargetFiles, document: Document) -> Iterator[Problem]:
    """What a schema cannot say of them."""
    if settings.pull_requests:
        yield from access.check(settings.pull_requests.access, document, _API)
    place = document.location(_TARGETS) if document.has(_TARGETS) else document.location(("spec",), key=True)
    if files.kept != "git" and not files.folder:
        hint = "write the folder outside of Git, such as targets_folder: /srv/mac"
        yield Problem(place, "missing-key", "nothing says where the targets are written", hint)
    if files.kept == "http_sd" and not files.url:
        hint = "write the address at which that folder is served as targets_url"
        yield Problem(place, "missing-key", "nothing says where Prometheus asks for its targets", hint)
