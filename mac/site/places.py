"""Where each page of the site lies, and how one leads to another: relative, so that any folder will do."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from mac.conventions import slug
from mac.markdown import Follow, Text

HOME, SERVICES, ALERTS, STANDARDS = "index.html", "services.html", "alerts.html", "standards.html"
TEAMS, RUNBOOKS, COVERAGE, EXEMPTIONS = "teams.html", "runbooks.html", "coverage.html", "exemptions.html"
STYLE, SCRIPT, INDEX = "assets/site.css", "assets/site.js", "assets/index.js"


def service(name: str) -> str:
    return f"services/{slug(name)}.html"


def standard(name: str) -> str:
    return f"standards/{slug(name)}.html"


def team(name: str) -> str:
    return f"teams/{slug(name)}.html"


def runbook(page: str) -> str:
    """The page of the site for a page below standards/runbooks ("host.md")."""
    return f"runbooks/{page.removesuffix('.md')}.html"


def link(start: str, path: str, anchor: str = "") -> str:
    """The address of `path` as the page `start` writes it."""
    fragment = f"#{quote(anchor)}" if anchor else ""
    if path == start and anchor:
        return fragment
    # A file's name need not be UTF-8.
    return quote("../" * start.count("/") + path, errors="surrogateescape") + fragment


def follow(start: str, page: str, runbooks: Mapping[str, Text]) -> Follow:
    """How a link within the runbook `page` is written on the page `start` of the site.

    Other runbooks and their sections are reached; nothing else of the repository is part of the site.
    """

    def lead(written: str) -> str:
        parts = urlsplit(written)
        target = page
        if parts.path:
            target = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path)))
        if target not in runbooks:
            return ""
        anchor = unquote(parts.fragment)
        return link(start, runbook(target), anchor if anchor in runbooks[target].anchors else "")

    return lead
