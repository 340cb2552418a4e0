"""Alertmanager's configuration for Kubernetes: the file as it is in a Secret, or an AlertmanagerConfig.

The Secret means the same as the file. An AlertmanagerConfig says less: it has no time zones, secrets are keys
of Secrets and never files, and so are names of users. What it cannot say is told, never left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mac import conventions, matchers
from mac.manifests import objects
from mac.manifests.objects import Manifest
from mac.model import Json
from mac.operator_model import OperatorSettings

CONFIG = ("monitoring.coreos.com/v1alpha1", "AlertmanagerConfig")
SECRET = ("v1", "Secret")
KEY = "alertmanager.yaml"
"""The key of a Secret that the operator reads."""
NAME = "mac-alertmanager"

# Where the operator mounts the Secrets that an Alertmanager names under spec.secrets.
_SECRET_PATH = re.compile(r"/etc/alertmanager/secrets/(?P<name>[a-z0-9][a-z0-9.-]*)/(?P<key>[A-Za-z0-9._-]+)")

Tell = Callable[[str, str], None]
"""Called with the name of what cannot be said, and why."""


def secret(settings: OperatorSettings, text: str) -> Manifest:
    """alertmanager.yml in a Secret: references to secrets are in it, and no secret."""
    document = objects.document(settings, SECRET, NAME, {"stringData": {KEY: text}})
    return _manifest(document)


def config(settings: OperatorSettings, alertmanager: Mapping[str, Any], tell: Tell) -> Manifest:
    """The same as an AlertmanagerConfig. What it has no place for is told."""
    known = ("global", "route", "receivers", "inhibit_rules", "time_intervals")
    for key in alertmanager.keys() - set(known):
        tell(key, "an AlertmanagerConfig has no place for it")
    if alertmanager.get("global"):
        tell("global", "global settings belong to the object of the Alertmanager")
    spec: dict[str, Any] = {
        "route": _route(alertmanager["route"]),
        "receivers": [_Receiver(each, tell).config() for each in alertmanager["receivers"]],
    }
    if alertmanager.get("inhibit_rules"):
        spec["inhibitRules"] = [_inhibition(rule) for rule in alertmanager["inhibit_rules"]]
    if alertmanager.get("time_intervals"):
        spec["muteTimeIntervals"] = [_interval(each, tell) for each in alertmanager["time_intervals"]]
    return _manifest(objects.document(settings, CONFIG, NAME, {"spec": spec}))


def _manifest(document: Json) -> Manifest:
    path = f"{conventions.operator_folder()}/alertmanager.yaml"
    return Manifest(path, document, {"object": document["kind"], "name": NAME})


# --- routes ------------------------------------------------------------------------------------------

_ROUTE = {
    "receiver": "receiver",
    "group_by": "groupBy",
    "group_wait": "groupWait",
    "group_interval": "groupInterval",
    "repeat_interval": "repeatInterval",
    "continue": "continue",
    "active_time_intervals": "activeTimeIntervals",
    "mute_time_intervals": "muteTimeIntervals",
}


def _route(route: Mapping[str, Any]) -> dict[str, Any]:
    found = {field: route[key] for key, field in _ROUTE.items() if key in route}
    if route.get("matchers"):
        found["matchers"] = list(_matchers(route["matchers"]))
    if route.get("routes"):
        found["routes"] = [_route(child) for child in route["routes"]]
    return found


def _matchers(texts: Iterable[str]) -> Iterator[dict[str, str]]:
    for text in texts:
        matcher = matchers.read(text)
        yield {"name": matcher.name, "matchType": matcher.op, "value": matcher.value}


def _inhibition(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sourceMatch": list(_matchers(rule["source_matchers"])),
        "targetMatch": list(_matchers(rule["target_matchers"])),
        "equal": list(rule["equal"]),
    }


def _interval(interval: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    parts = []
    for each in interval["time_intervals"]:
        zone = each.get("location", "UTC")
        if zone != "UTC":
            tell(interval["name"], f"its times are of {zone}, and an AlertmanagerConfig's are of UTC")
        part: dict[str, Any] = {
            "times": [{"startTime": t["start_time"], "endTime": t["end_time"]} for t in each["times"]]
        }
        for key in ("weekdays", "months", "years"):
            if key in each:
                part[key] = list(each[key])
        if "days_of_month" in each:
            part["daysOfMonth"] = [_days(text) for text in each["days_of_month"]]
        parts.append(part)
    return {"name": interval["name"], "timeIntervals": parts}


def _days(text: str) -> dict[str, int]:
    first, _, last = text.partition(":")
    return {"start": int(first), "end": int(last or first)}


# --- receivers ---------------------------------------------------------------------------------------

_SECRETS = {
    ("pagerduty", "routing_key_file"): "routingKey",
    ("pagerduty", "service_key_file"): "serviceKey",
    ("slack", "api_url_file"): "apiURL",
    ("opsgenie", "api_key_file"): "apiKey",
    ("victorops", "api_key_file"): "apiKey",
    ("email", "auth_password_file"): "authPassword",
    ("webhook", "url_file"): "urlSecret",
    ("msteamsv2", "webhook_url_file"): "webhookURL",
}
# Fields whose name is another than the one that capitals would make of it.
_NAMES = {
    ("pagerduty", "client_url"): "clientURL",
    ("slack", "icon_url"): "iconURL",
    ("opsgenie", "api_url"): "apiURL",
    ("email", "require_tls"): "requireTLS",
    ("sns", "api_url"): "apiURL",
    ("sns", "topic_arn"): "topicARN",
}
_PAIRS = (("pagerduty", "details"), ("email", "headers"))
"""Mappings that are lists of keys and values there."""


class _Receiver:
    def __init__(self, receiver: Mapping[str, Any], tell: Tell) -> None:
        self._receiver, self._tell = receiver, tell
        self._name = str(receiver["name"])

    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self._name}
        for key, integrations in self._receiver.items():
            if key != "name":
                kind = key.removesuffix("_configs")
                found[f"{kind}Configs"] = [self._integration(kind, each) for each in integrations]
        return found

    def _integration(self, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in fields.items():
            if (kind, key) in _SECRETS:
                found[_SECRETS[kind, key]] = self._secret(f"{kind}.{key}", value)
            elif key == "http_config":
                found["httpConfig"] = self._http(kind, value)
            elif (kind, key) in _PAIRS:
                found[key] = [{"key": name, "value": str(text)} for name, text in sorted(value.items())]
            elif key == "sigv4":
                found["sigv4"] = {_camel(name): text for name, text in value.items()}
            else:
                found[_NAMES.get((kind, key), _camel(key))] = value
        return found

    def _http(self, kind: str, http: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in http.items():
            where = f"{kind}.http_config.{key}"
            if key == "authorization":
                found["authorization"] = {
                    _camel(name).removesuffix("File"): self._secret(f"{where}.{name}", text)
                    if name.endswith("_file")
                    else text
                    for name, text in value.items()
                }
            elif key == "basic_auth":
                self._say(where, "there the user's name is a secret as well, and mac.yaml's is none")
            elif key == "tls_config":
                found["tlsConfig"] = self._tls(where, value)
            else:
                found[_camel(key)] = value
        return found

    def _tls(self, where: str, tls: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in tls.items():
            if key in ("ca_file", "cert_file"):
                found[key.removesuffix("_file")] = {"secret": self._secret(f"{where}.{key}", value)}
            elif key == "key_file":
                found["keySecret"] = self._secret(f"{where}.{key}", value)
            else:
                found[_camel(key)] = value
        return found

    def _secret(self, where: str, path: str) -> dict[str, str]:
        match = _SECRET_PATH.fullmatch(path)
        if match is None:
            self._say(
                where,
                f"{path} names no key of a Secret; /etc/alertmanager/secrets/NAME/KEY does, where the "
                "operator mounts Secrets",
            )
            return {"name": "", "key": ""}
        return {"name": match["name"], "key": match["key"]}

    def _say(self, where: str, why: str) -> None:
        self._tell(f"{self._name}: {where}", why)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
