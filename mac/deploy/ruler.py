"""The ruler of Mimir or Cortex: rule groups in namespaces, over HTTP.

A rule file of the cell becomes a namespace whose name begins with mac's own, so that namespaces of others
stay as they are. Only groups that differ are sent, and groups that are gone are deleted, after all others are
in place. Paths and answers are those of Mimir's and Cortex's HTTP API references.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from mac import durations, emit, http
from mac.deploy import changes, rollback, versions
from mac.deploy.running import until
from mac.deploy_model import (
    ApiSettings,
    DeployError,
    DeployPlan,
    Needs,
    Observed,
    Release,
)

_JOIN = ":"  # stands in no file name that mac makes
_YAML = {"Content-Type": "application/yaml"}
_ROLES = {
    "mimir": ("/config/v1/rules", "/api/v1/rules"),
    "cortex": ("/api/v1/rules", "/prometheus/api/v1/rules"),
}

Key = tuple[str, str]
"""Namespace and name of a group."""

Groups = Mapping[Key, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Ruler:
    """`server`: the prefix of Mimir's query API, mostly `/prometheus`; for Cortex its top."""

    settings: ApiSettings
    server: http.Server

    def plan(self, release: Release) -> DeployPlan:
        """What differs. Raises ServerError."""
        wanted, there = self._wanted(release), self._stored()
        found = changes.between(_digests(there), _digests(wanted))
        return DeployPlan(release.revision, found, "" if found else self._unloaded(wanted))

    def apply(self, release: Release) -> str:
        """Sends what differs, and waits until all of it is evaluated. Raises RolledBackError, or DeployError
        when not even what was there before can be put back.
        """
        before, wanted = self._stored(), self._wanted(release)
        with rollback.by(lambda: self._put_back(before)):
            self._bring(before, wanted)
            until(lambda: self._unloaded(wanted), self.settings.settle)
        return versions.digest(_digests(wanted))[:12]

    def meant(self, release: Release) -> Mapping[str, bytes]:
        """Namespace and group → the group."""
        return _contents(self._wanted(release))

    def read_back(self) -> Observed:
        """What is there in mac's own namespaces, and whether it is evaluated."""
        there = self._stored()
        return Observed(_contents(there), faults=tuple(filter(None, [self._unloaded(there)])))

    def needs(self) -> Needs:
        one = f"{self._rules}/{self.settings.namespace}{_JOIN}{self.settings.cell}{_JOIN}*"
        listed = (f"GET {self._rules}", f"GET {_ROLES[self.settings.api][1]}")
        return Needs(requests=(*listed, f"POST {one}", f"DELETE {one}/*"))

    # --- parts -----------------------------------------------------------------------------------

    def _wanted(self, release: Release) -> Groups:
        found: dict[Key, Mapping[str, Any]] = {}
        for inside, path, data in changes.rule_files(release, self.settings.cell):
            with changes.generated(path):
                groups = _parsed(data)["groups"]
                found |= {(self._namespace(inside), str(g["name"])): _group(g) for g in groups}
        return found

    def _namespace(self, inside: str) -> str:
        parts = [part for part in PurePosixPath(inside).with_suffix("").parts if part != "rules"]
        return _JOIN.join([self.settings.namespace, self.settings.cell, *parts])

    def _is_ours(self, namespace: str) -> bool:
        return namespace.startswith(f"{self.settings.namespace}{_JOIN}{self.settings.cell}{_JOIN}")

    @property
    def _rules(self) -> str:
        return _ROLES[self.settings.api][0]

    def _stored(self) -> Groups:
        # Some versions answer 404 when a tenant has no rules, as they do when the path is wrong.
        answer = self.server.get(self._rules, expected=(404,))
        if answer.status == 404:
            if b"no rule groups found" not in answer.body:
                hint = "is the address right, and is the ruler's API switched on?"
                raise DeployError(f"{answer.url} answers 404", hint)
            return {}
        with changes.answering(answer.url, "a ruler"):
            return {
                (namespace, str(group["name"])): _group(group)
                for namespace, groups in (_parsed(answer.body) or {}).items()
                if self._is_ours(namespace)
                for group in groups
            }

    def _unloaded(self, wanted: Groups) -> str:
        answer = self.server.get(_ROLES[self.settings.api][1])
        with changes.answering(answer.url, "a ruler"):
            data = answer.json()["data"]["groups"] or ()
            runs = {(g["file"], g["name"]): len(g["rules"]) for g in data if self._is_ours(g["file"])}
        for key in sorted(wanted.keys() | runs.keys()):
            rules = len(wanted[key].get("rules") or ()) if key in wanted else None
            if runs.get(key) != rules:
                says = "does not evaluate" if rules is not None else "still evaluates"
                return f"{self.server.url} {says} the rule group {key[1]!r} of {key[0]}"
        return ""

    def _bring(self, before: Groups, wanted: Groups) -> None:
        old, new = _digests(before), _digests(wanted)
        for key, group in sorted(wanted.items()):
            if old.get(_shown(key)) != new[_shown(key)]:
                body = emit.yaml(dict(group)).encode()
                # Twice is once: the group is replaced as a whole.
                path = f"{self._rules}/{quote(key[0], safe='')}"
                self.server.call("POST", path, body=body, headers=_YAML, again=True)
        for namespace, name in sorted(before.keys() - wanted.keys()):
            path = f"{self._rules}/{quote(namespace, safe='')}/{quote(name, safe='')}"
            self.server.call("DELETE", path, expected=(404,))

    def _put_back(self, before: Groups) -> None:
        self._bring(self._stored(), before)
        until(lambda: self._unloaded(before), self.settings.settle)


def _contents(groups: Groups) -> Mapping[str, bytes]:
    return {_shown(key): emit.json_line(_canonical(group)) for key, group in groups.items()}


def _digests(groups: Groups) -> Mapping[str, str]:
    return versions.hashes(_contents(groups))


def _shown(key: Key) -> str:
    return f"{key[0]}: {key[1]}"


def _group(group: Mapping[str, Any]) -> Mapping[str, Any]:
    """As it is; raises when it is none."""
    _canonical(group)
    return group


def _canonical(group: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a group as it was sent and as it is listed: nothing empty, durations in milliseconds."""
    whole = {**_plain(group), "rules": [_plain(rule) for rule in group.get("rules") or ()]}
    return dict(sorted(whole.items()))


def _plain(raw: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(_values(raw)))


def _values(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in raw.items():
        if key in ("for", "keep_firing_for", "interval", "query_offset", "evaluation_delay"):
            length = durations.milliseconds(str(value))
            if length != 0:
                yield key, str(value) if length is None else length
        elif isinstance(value, Mapping):
            if value:
                yield key, {str(k): str(v) for k, v in sorted(value.items())}
        elif value not in (None, "", 0, []) and key != "rules":
            yield key, str(value).strip() if isinstance(value, str) else value


def _parsed(data: bytes) -> Any:
    return emit.read_yaml(data.decode("utf-8", "replace"))
