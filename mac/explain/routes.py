"""What stands in the configuration of Prometheus, Alertmanager and the blackbox exporter, and where it comes
from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mac import conventions, endpoints
from mac.explain import origins
from mac.explain.known import Known
from mac.explain.model import Line, Origin
from mac.items import Item
from mac.model import Json
from mac.source import Pointer

Entry = Mapping[str, Any]
Told = tuple[str, list[Item], list[Origin]]

_QUOTED = re.compile(r'(\w+)(=~?)"((?:[^"\\]|\\.)*)"')
_ALERTMANAGER = ("group_wait", "group_interval", "repeat_interval")


# --- Prometheus ---------------------------------------------------------------------------------------


def prometheus(asked: Line, document: Json, pointer: Pointer, entry: Entry, known: Known) -> Told:
    """prometheus.yml."""
    whole = f"the configuration of the Prometheus of {entry['cell']}"
    top = str(pointer[0]) if pointer else ""
    if top == "scrape_configs" and len(pointer) > 1:
        return _scrape(str(document[top][pointer[1]]["job_name"]), pointer, entry, known)
    if top == "global" and pointer[1:2] == ("external_labels",):
        inventory = known.catalog.inventory.location
        what = f"the labels that the Prometheus of {entry['cell']} adds to all that it sends"
        return what, [], [Origin("inventory", "accounts and regions", str(inventory))]
    settings = {
        "global": f"prometheus.{pointer[1] if len(pointer) > 1 else 'scrape_interval'}",
        "alerting": "prometheus.alertmanagers",
        "remote_write": "remote_write",
    }
    if top in settings:
        return f"{top} of {whole}", [], origins.setting(settings[top], known)
    if top == "rule_files":
        return f"the rule files of {whole}, a folder for each environment", [], []
    return whole, [], []


def _scrape(job: str, pointer: Pointer, entry: Entry, known: Known) -> Told:
    what = f"the scrape job {job} of {entry['cell']}"
    field = str(pointer[2]) if len(pointer) > 2 else ""
    own = [s for s in known.catalog.standards.values() if s.scrape and s.scrape.job == job]
    if job == conventions.CLOUDWATCH_JOB and not own:
        names = [s.name for s in known.catalog.standards.values() if s.cloudwatch]
        found = origins.setting("prometheus.cloudwatch_exporter", known)
        used = _exporter_of(str(entry["cell"]), known)
        return what, [], [*found, *origins.standards(used or names, known)]
    if job == conventions.BLACKBOX_JOB and not own:
        return what, [], origins.setting("prometheus.blackbox_exporter", known)
    if job.startswith(conventions.PROBE_JOB_PREFIX) and not own:
        return what, [], _module(job.removeprefix(conventions.PROBE_JOB_PREFIX), known)
    found = []
    for standard in own:
        keys = {"scrape_interval": "interval", "scrape_timeout": "timeout", "metrics_path": "path"}
        at: Pointer = ("spec", "scrape", keys.get(field, field))
        for name in known.lineage(standard.name):
            each = known.standard(name)
            place = known.place(each.location.path, at) if each and field else None
            if place is not None and place.line:
                found.append(Origin(keys.get(field, field), f"of {name}", str(place)))
                break
    if field == "scrape_interval" and not found:
        found = origins.setting("prometheus.scrape_interval", known)
    if field.endswith("_sd_configs"):
        found = origins.setting("targets", known) if known.catalog.project.targets.kept != "git" else []
    return what, [], [*found, *origins.standards([s.name for s in own], known)]


def _exporter_of(cell: str, known: Known) -> list[str]:
    entry = known.entries.get(conventions.cloudwatch_file(cell), {})
    return [str(name) for name in entry.get("standards", ())]


# --- the blackbox exporter ----------------------------------------------------------------------------


def prober(asked: Line, document: Json, pointer: Pointer, entry: Entry, known: Known) -> Told:
    """blackbox.yml."""
    if len(pointer) < 2 or pointer[0] != "modules":
        what = f"the modules of the blackbox exporter of {entry['cell']}"
        return what, [], origins.standards(entry.get("standards", ()), known)
    name = str(pointer[1])
    return f"the module {name} of the blackbox exporter", [], _module(name, known)


def _module(name: str, known: Known) -> list[Origin]:
    module = endpoints.modules(known.catalog.project).get(name)
    place = str(module.location) if module and module.location.path else "mac's own"
    probing = [s.name for s in known.catalog.standards.values() if s.probe]
    named = [s.name for s in known.catalog.standards.values() if s.probe and s.probe.module == name]
    return [Origin("module", name, place), *origins.standards(named or probing, known)]


def provider(asked: Line, document: Json, pointer: Pointer, entry: Entry, known: Known) -> Told:
    """Grafana's provisioning file."""
    return "where Grafana finds its dashboards", [], origins.setting("grafana", known)


# --- Alertmanager -------------------------------------------------------------------------------------


def alertmanager(asked: Line, document: Json, pointer: Pointer, entry: Entry, known: Known) -> Told:
    """alertmanager.yml."""
    top = str(pointer[0]) if pointer else ""
    if top == "receivers" and len(pointer) > 1:
        return _receiver(str(document[top][pointer[1]]["name"]), known)
    if top == "time_intervals" and len(pointer) > 1:
        return _interval(str(document[top][pointer[1]]["name"]), known)
    if top == "inhibit_rules" and len(pointer) > 1:
        return _inhibition(document[top][pointer[1]], known)
    if top == "route":
        return _route(document, pointer, known)
    return "the configuration of Alertmanager", [], []


def _route(document: Json, pointer: Pointer, known: Known) -> Told:
    """A route by the matchers that lead to it."""
    matchers: list[str] = []
    route, end = document["route"], 1
    while pointer[end : end + 1] == ("routes",) and len(pointer) > end + 1:
        route = route["routes"][pointer[end + 1]]
        matchers += route.get("matchers", ())
        end += 2
    field = str(pointer[end]) if len(pointer) > end else ""
    if not matchers:
        found = origins.setting(f"alertmanager.{field}", known) if field in _ALERTMANAGER else []
        if field == "receiver":
            found = origins.setting("default_team", known)
        return "the route of what no other takes", [], found
    labels = _labels(matchers)
    what = f"the route of {', '.join(matchers)}, which tells {route.get('receiver', '')}"
    team = next(iter(labels.get(conventions.TEAM, ())), "")
    if conventions.HEARTBEAT in labels.get("alertname", ()):
        return what, [], _receiver(str(route.get("receiver", "")), known)[2]
    if field in _ALERTMANAGER and conventions.REMINDER in labels:
        reminders = [
            Origin("alert", alert.alert, str(alert.location))
            for standard in known.catalog.standards.values()
            for alert in standard.alerts
            if alert.reminder in labels[conventions.REMINDER]
        ]
        return what, [], [*reminders, *origins.team(team, known)]
    if field.endswith("_time_intervals"):
        names = [str(name) for name in route.get(field, ())]
        return what, [], [origin for name in names for origin in _interval(name, known)[2]]
    receiver = _receiver(str(route.get("receiver", "")), known)[2]
    return what, [], receiver or origins.team(team, known)


def _receiver(name: str, known: Known) -> Told:
    """A receiver is called after its team, the severity, and when or where it is another than usual."""
    team, _, rest = name.partition(" / ")
    severity, _, circumstance = rest.partition(" / ")
    at: list[Pointer] = [("spec", "receivers", severity)]
    if circumstance == conventions.AFTER_HOURS:
        at.insert(0, ("spec", "after_hours", severity))
    elif circumstance:
        at.insert(0, ("spec", "environments", circumstance, severity))
    return f"the receiver {name}", [], origins.team(team, known, *at)


def _interval(name: str, known: Known) -> Told:
    what = f"the time interval {name}"
    owner, _, own = name.partition(" / ")
    for window in known.catalog.project.maintenance:
        if conventions.maintenance(window.name) == name:
            return what, [], [Origin("maintenance", window.name, str(window.location))]
    team = known.catalog.teams.get(owner)
    for mute in team.mute_times if team else ():
        if mute.name == own:
            return what, [], [Origin("mute time", mute.name, str(mute.location))]
    return what, [], origins.team(owner, known, ("spec", "working_hours"))


def _inhibition(rule: Json, known: Known) -> Told:
    """Made of dependencies that documents declare, or of what outages mute at large."""
    sources, targets = rule.get("source_matchers", ()), rule.get("target_matchers", ())
    what = f"the inhibition: {', '.join(sources)} mutes {', '.join(targets)}"
    muted, muting = _labels(targets), _labels(sources)
    found: list[Origin] = []
    for name in muted.get(conventions.STANDARD, ()):
        standard = known.catalog.standards.get(name)
        if standard:
            place = known.place(standard.location.path, ("spec", "depends_on"), standard.location)
            found.append(Origin("standard", name, str(place)))
    for name in muted.get(conventions.SERVICE, ()):
        service = known.catalog.services.get(name)
        if service:
            place = known.place(service.location.path, ("spec", "depends_on"), service.location)
            found.append(Origin("service", name, str(place)))
    wanted = {*muted.get("alertname", ()), *muting.get("alertname", ())}
    found += [
        Origin("alert", alert.alert, str(alert.location))
        for standard in known.catalog.standards.values()
        for alert in standard.alerts
        if alert.alert in wanted
    ]
    if not found:
        found = [
            *origins.standards(muting.get(conventions.STANDARD, ()), known),
            Origin("made by", "mac itself, of alerts with `outage: true`", ""),
        ]
    return what, [], found


def _labels(matchers: Any) -> dict[str, list[str]]:
    """Label → the values that matchers accept by name."""
    found: dict[str, list[str]] = {}
    for matcher in matchers:
        for label, operator, text in _QUOTED.findall(str(matcher)):
            plain = [
                re.sub(r"\\+(.)", r"\1", part) for part in (text.split("|") if "~" in operator else [text])
            ]
            found.setdefault(label, []).extend(plain)
    return found
