"""Dashboards in a folder of a Grafana, over its API.

A dashboard is mac's by its uid and its folder; others are left alone. Grafana keeps what it is given and adds
to it (an id, a version), so what is there is the same when it has all that was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mac import emit, http
from mac.deploy import changes, rollback, versions
from mac.deploy_model import (
    ApiSettings,
    DeployError,
    DeployPlan,
    Needs,
    Observed,
    Release,
    contains,
)

_OURS = "mac-"  # how conventions.dashboard_uid begins
_PAGE = 1000
_ADDED = ("id", "version")
_JSON = {"Content-Type": "application/json"}

Dashboards = Mapping[str, Mapping[str, Any]]
"""By uid."""


@dataclass(frozen=True, slots=True)
class Grafana:
    settings: ApiSettings
    server: http.Server

    def plan(self, release: Release) -> DeployPlan:
        """What differs. Raises ServerError."""
        there, wanted = self._stored(), _wanted(release)
        return DeployPlan(release.revision, changes.between(_compared(there, wanted), _shown(wanted)))

    def apply(self, release: Release) -> str:
        """Sends what differs, deletes what is gone, and reads it back, else sends back what was there."""
        before, wanted = self._stored(), _wanted(release)
        with rollback.by(lambda: self._bring(self._stored(), before)):
            self._bring(before, wanted)
            if changes.between(_compared(self._stored(), wanted), _shown(wanted)):
                raise DeployError(f"{self.server.url} keeps other dashboards than it was given")
        return versions.digest(_shown(wanted))[:12]

    def meant(self, release: Release) -> Mapping[str, bytes]:
        """Uid → dashboard."""
        return _contents(_wanted(release))

    def read_back(self) -> Observed:
        return Observed(_contents(self._stored()), adds=True)

    def needs(self) -> Needs:
        return Needs(
            requests=(
                "GET /api/search",
                f"GET /api/folders/{self.settings.namespace}",
                "POST /api/folders",
                f"GET /api/dashboards/uid/{_OURS}*",
                "POST /api/dashboards/db",
                f"DELETE /api/dashboards/uid/{_OURS}*",
            )
        )

    # --- parts -----------------------------------------------------------------------------------

    def _stored(self) -> Dashboards:
        found: dict[str, Mapping[str, Any]] = {}
        page = 1
        while True:
            query = [("type", "dash-db"), ("limit", str(_PAGE)), ("page", str(page))]
            answer = self.server.get("/api/search", query)
            with changes.answering(answer.url, "Grafana"):
                raw = answer.json()
                if not isinstance(raw, list):
                    raise TypeError("no list of dashboards")
                listed = [(str(entry["uid"]), entry.get("folderUid")) for entry in raw]
            for uid, folder in listed:
                if uid.startswith(_OURS) and folder == self.settings.namespace:
                    answer = self.server.get(f"/api/dashboards/uid/{quote(uid, safe='')}", expected=(404,))
                    if answer.status != 404:  # deleted since it was listed
                        with changes.answering(answer.url, "Grafana"):
                            found[uid] = _own(answer.json()["dashboard"])
            if len(listed) < _PAGE:
                return found
            page += 1

    def _bring(self, there: Dashboards, wanted: Dashboards) -> None:
        same = _compared(there, wanted)
        digests = _shown(wanted)
        if wanted:
            self._folder()
        for uid, dashboard in sorted(wanted.items()):
            if same.get(uid) != digests[uid]:
                body = {"dashboard": dict(dashboard), "folderUid": self.settings.namespace, "overwrite": True}
                path = "/api/dashboards/db"
                self.server.call("POST", path, body=emit.json_line(body), headers=_JSON, again=True)
        for uid in sorted(there.keys() - wanted.keys()):
            self.server.call("DELETE", f"/api/dashboards/uid/{quote(uid, safe='')}", expected=(404,))

    def _folder(self) -> None:
        uid = self.settings.namespace
        if self.server.get(f"/api/folders/{quote(uid, safe='')}", expected=(404,)).status == 404:
            body = emit.json_line({"uid": uid, "title": self.settings.title})
            self.server.call("POST", "/api/folders", body=body, headers=_JSON)


def _wanted(release: Release) -> Dashboards:
    found = {}
    for path, data in release.files.items():
        if path.startswith("dashboards/") and path.endswith(".json"):
            with changes.generated(path):
                dashboard = emit.read_json(data)
                found[str(dashboard["uid"])] = _own(dashboard)
    return found


def _own(dashboard: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what Grafana adds."""
    return {key: value for key, value in dashboard.items() if key not in _ADDED}


def _contents(dashboards: Dashboards) -> Mapping[str, bytes]:
    return {uid: emit.json_line(dict(board)) for uid, board in dashboards.items()}


def _shown(dashboards: Dashboards) -> Mapping[str, str]:
    return versions.hashes(_contents(dashboards))


def _compared(there: Dashboards, wanted: Dashboards) -> Mapping[str, str]:
    """The digests of what is there, with that of what is meant where it has all of it."""
    meant = _shown(wanted)
    return {
        uid: meant[uid] if uid in wanted and contains(board, wanted[uid]) else digest
        for (uid, board), digest in zip(there.items(), _shown(there).values(), strict=True)
    }
