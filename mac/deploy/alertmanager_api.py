"""The Alertmanager of Mimir or Cortex: one configuration a tenant, over HTTP.

It opens no files of the machine that it runs on, and refuses a configuration that names some. So what a
receiver reads from a file is read here, when it is sent, and stands in nothing that mac writes or says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mac import conventions, emit, http
from mac.access_model import Secret
from mac.deploy import changes, secrets, versions
from mac.deploy_model import ApiSettings, DeployError, DeployPlan, Needs, Observed, Release, RolledBackError
from mac.model import Json
from mac.problems import Location, Problem, ProblemsError

_PATH = "/api/v1/alerts"
_NAME = "alertmanager.yml"
_REFUSED = 400
_FILE = "_file"
_OF_TLS = ("ca_file", "cert_file", "key_file")


@dataclass(frozen=True, slots=True)
class AlertmanagerApi:
    settings: ApiSettings
    server: http.Server

    def plan(self, release: Release) -> DeployPlan:
        """What differs. Raises ServerError, and DeployError for a secret that is not there."""
        there, wanted = self._stored(), self._wanted(release)
        found = changes.between({} if there is None else {_NAME: _digest(there)}, {_NAME: _digest(wanted)})
        return DeployPlan(release.revision, found)

    def apply(self, release: Release) -> str:
        """Sends the configuration, which is checked there, and reads it back. Raises ProblemsError when it is
        refused, RolledBackError when it is not what is kept afterwards.
        """
        before, wanted = self._stored(), self._wanted(release)
        try:
            self._send(wanted)
        except http.ServerError as error:
            # Its words may have part of the configuration in them, and so of a secret.
            words = _without(self._reader().secrets(self._config(release)), error.message)
            if error.status != _REFUSED:
                raise DeployError(words, error.hint) from None
            place = Location(conventions.ALERTMANAGER_CONFIG)
            message = f"{self.server.url} refuses it: {words}"
            raise ProblemsError(
                [Problem(place, "engine-rejects", message, "nothing was changed there")]
            ) from None
        if self._stored() != wanted:
            if before is None:
                self.server.call("DELETE", _PATH)
            else:
                self._send(before)
            message = f"{self.server.url} kept something else than it was given, and has back what it had"
            raise RolledBackError(message)
        return _digest(wanted)[:12]

    def meant(self, release: Release) -> Mapping[str, bytes]:
        """With the secrets that are sent in it. Raises DeployError for one that is not there."""
        return {_NAME: emit.json_line(dict(self._wanted(release)))}

    def read_back(self) -> Observed:
        there = self._stored()
        return Observed({} if there is None else {_NAME: emit.json_line(dict(there))})

    def needs(self) -> Needs:
        least = Needs(requests=tuple(f"{method} {_PATH}" for method in ("GET", "POST", "DELETE")))
        return secrets.needs(self.settings.secrets, least)

    def _stored(self) -> Mapping[str, Any] | None:
        """As it is kept there: {"alertmanager_config": text, "template_files": {name: text}}."""
        answer = self.server.get(_PATH, expected=(404,))
        if answer.status == 404:
            return None
        try:
            raw = emit.read_yaml(answer.body.decode("utf-8", "replace"))
            return {
                "alertmanager_config": str(raw["alertmanager_config"]),
                "template_files": dict(raw.get("template_files") or {}),
            }
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DeployError(f"{answer.url} does not answer as Mimir or Cortex does") from error

    def _config(self, release: Release) -> Json:
        with changes.generated(conventions.ALERTMANAGER_CONFIG):
            return emit.read_yaml(changes.content(release, conventions.ALERTMANAGER_CONFIG).decode())

    def _wanted(self, release: Release) -> Mapping[str, Any]:
        config = self._config(release)
        return {"alertmanager_config": emit.yaml(self._reader().resolved(config)), "template_files": {}}

    def _reader(self) -> _Reader:
        return _Reader(secrets.values(self.settings.secrets))

    def _send(self, config: Mapping[str, Any]) -> None:
        body = emit.yaml(dict(config)).encode()
        self.server.call("POST", _PATH, body=body, headers={"Content-Type": "application/yaml"}, again=True)


def _digest(config: Mapping[str, Any]) -> str:
    return versions.hash_of(emit.json_line(dict(config)))


@dataclass(frozen=True, slots=True)
class _Reader:
    """`known`: path → secret; files at other paths are read."""

    known: Mapping[str, str]

    def resolved(self, value: Json) -> Json:
        """`api_url_file: PATH` becomes `api_url: CONTENT`."""
        if isinstance(value, list):
            return [self.resolved(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {
            key.removesuffix(_FILE) if _names_secret(key, inner) else key: self._read(inner)
            if _names_secret(key, inner)
            else self.resolved(inner)
            for key, inner in value.items()
        }

    def secrets(self, value: Json) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from [self._read(inner)] if _names_secret(key, inner) else self.secrets(inner)
        elif isinstance(value, list):
            for each in value:
                yield from self.secrets(each)

    def _read(self, path: str) -> str:
        return self.known[path] if path in self.known else _read(path)


def _names_secret(key: str, value: Json) -> bool:
    return key.endswith(_FILE) and key not in _OF_TLS and isinstance(value, str)


def _read(path: str) -> str:
    try:
        return http.read(Secret(file=path))
    except http.ServerError as error:
        hint = "this Alertmanager takes no files, so their content has to be where mac deploy runs"
        raise DeployError(error.message, hint) from error


def _without(secrets: Iterator[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return text
