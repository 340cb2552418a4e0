"""Where what is generated is kept, as mac.yaml says it."""

from __future__ import annotations

from dataclasses import dataclass

from mac.access_model import ServerAccess


@dataclass(frozen=True, slots=True)
class PullRequests:
    """The API at which changes are proposed. `project`: owner/name on GitHub, the path or id on GitLab."""

    forge: str  # "github" or "gitlab"
    project: str
    base: str
    access: ServerAccess


@dataclass(frozen=True, slots=True)
class GitSettings:
    """`repository`: the address of another one for what is generated; "" for the monitoring repository's own.

    `branch`: "" for the current one, and for the default one of another repository. `author`: "Name <email>",
    "" for Git's own settings.
    """

    repository: str = ""
    branch: str = ""
    remote: str = "origin"
    author: str = ""
    pull_requests: PullRequests | None = None


@dataclass(frozen=True, slots=True)
class TargetFiles:
    """`kept`: "git", "file" (Prometheus reads `folder`), "http_sd" (it asks `url`, which serves `folder`)."""

    kept: str = "git"
    folder: str = ""  # absolute
    url: str = ""  # without a slash at its end
