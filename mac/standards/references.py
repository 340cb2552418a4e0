"""Where documents speak of one another: names that must exist, values that must fit, circles.

Every function yields the problems of one document; `check` asks all of them. What lies in documents that do
not fit their schema is not judged, and neither is what refers to their inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from mac import conventions, durations, kinds, parameters
from mac.model import GLOBAL_REGION, InventoryConfig, Service, Unwatched
from mac.problems import Location, Problem, did_you_mean
from mac.source import Document, Pointer
from mac.standards import (
    access,
    cycles,
    destinations,
    events,
    inventory,
    objectives,
    probes,
    project,
    record,
    scale,
    sensors,
    standard,
    teams,
    values,
)
from mac.standards.written import Written
from mac.testcases import StandardTest

_WRITTEN_BY_HAND = ("standards", "templates", "inventory")
_NOT_FOR_OUTPUT = frozenset([".git", conventions.WORK_DIR])
_INTERVALS = {
    "prometheus": ("scrape_interval", "evaluation_interval"),
    "alertmanager": ("group_wait", "group_interval", "repeat_interval", "heartbeat_interval"),
}
_MAY_BE_ZERO = "group_wait"  # at the others Prometheus puts its own default in place, Alertmanager refuses


def check(written: Written) -> Iterator[Problem]:
    """Everything that is wrong between documents."""
    yield from _project(written)
    yield from _inventory(written)
    for item, document in written.standards.values():
        yield from standard.check(item, document, written)
    yield from standard.check_names(item for n, item in written.standards.items() if n not in written.taken)
    for service, document in written.services.values():
        yield from _service(service, document, written)
    yield from _specified(written)
    for team, document in written.teams.values():
        yield from teams.check(team, document, written)
    for test, document in written.tests:
        yield from _test(test, document, written)
    yield from cycles.check(
        "standard", {n: (written.in_place_of(s.depends_on), d) for n, (s, d) in written.standards.items()}
    )
    yield from cycles.check("service", {n: (s.depends_on, d) for n, (s, d) in written.services.items()})


# --- settings and inventory --------------------------------------------------------------------------


def _project(written: Written) -> Iterator[Problem]:
    if written.project is None:
        return
    settings, document = written.project
    at: Pointer = ("spec", "default_team")
    if settings.default_team not in written.team_names():
        message = f'the default team "{settings.default_team}" has no document in standards/teams/'
        hint = (
            did_you_mean(settings.default_team, written.team_names()) or "write one: it is told of the rest"
        )
        place = document.location(at) if document.has(at) else document.location(("spec",), key=True)
        yield Problem(place, "unknown-team", message, hint)
    yield from _output(document)
    yield from _intervals(document)
    for environment in document.data["spec"].get("environments", {}):
        yield from _overrides(document, ("spec", "environments", environment, "parameters"), written)
    for n, unwatched in enumerate(settings.unwatched):
        yield from _unwatched(document, ("spec", "unwatched", n), unwatched)
    yield from probes.check_modules(settings, document)
    yield from sensors.check_downloads(settings, (item for item, _ in written.standards.values()))
    yield from record.check(settings.git, settings.targets, document)
    yield from teams.check_maintenance(settings.maintenance, document, written)
    yield from destinations.check(settings.destinations, document)
    yield from scale.check(settings.scale, document)
    yield from events.check(settings.events, document)
    if settings.alertmanager_api:
        yield from access.check(settings.alertmanager_api, document, project.ALERTMANAGER_API)
    if settings.query:
        yield from access.check(settings.query, document, project.QUERY)
    elif settings.guards.forecast:
        place = document.location(("spec", "guards", "forecast"))
        hint = "write the address of a server with the history as prometheus.query.url"
        yield Problem(place, "missing-key", "nothing says whom to ask for a forecast", hint)


def _unwatched(document: Document, at: Pointer, unwatched: Unwatched) -> Iterator[Problem]:
    known = [conventions.KIND, *standard.EVERYWHERE]
    for label, given in unwatched.match.items():
        if label not in known:
            place = document.location((*at, "match", label), key=True)
            yield Problem(
                place, "unknown-label", f'resources have no label "{label}"', did_you_mean(label, known)
            )
        for n, name in enumerate(given if label == conventions.KIND else ()):
            if name not in kinds.names():
                place = document.location((*at, "match", label, n))
                yield _unknown(place, "unknown-resource-kind", "resource kind", name, kinds.names())
    if unwatched.expires and not values.is_date(unwatched.expires):
        message = f"{unwatched.expires} is not a day of the calendar"
        yield Problem(document.location((*at, "expires")), "wrong-value", message)


def _output(document: Document) -> Iterator[Problem]:
    at: Pointer = ("spec", "output")
    folder = PurePosixPath(document.data["spec"].get("output", ".")).parts
    if folder and (folder[0] in _WRITTEN_BY_HAND or not _NOT_FOR_OUTPUT.isdisjoint(folder)):
        message = f"generated files cannot lie in {'/'.join(folder)}"
        yield Problem(document.location(at), "wrong-value", message, 'a folder of their own, or "."')


def _intervals(document: Document) -> Iterator[Problem]:
    for section, names in _INTERVALS.items():
        for name in names:
            value = document.data["spec"].get(section, {}).get(name)
            length = None if value is None else durations.milliseconds(value)
            if value is not None and not length and (length is None or name != _MAY_BE_ZERO):
                place = document.location(("spec", section, name))
                yield Problem(place, "wrong-value", f"{value} is no time to wait", "as in 30s")


def _inventory(written: Written) -> Iterator[Problem]:
    if written.inventory is None:
        return
    config, document = written.inventory
    for n, kind in enumerate(config.kinds):
        if kind not in kinds.aws_kinds():
            place = document.location(("spec", "kinds", n))
            yield _unknown(place, "unknown-resource-kind", "resource kind", kind, kinds.aws_kinds())
    yield from _sources(config)
    listed = inventory.listed_accounts(document)
    for field in ("id", "name"):
        seen: dict[str, Pointer] = {}
        for at, account in listed:
            value = account[field]
            if seen.setdefault(value, at) != at:
                place = document.location((*at, field))
                message = f'two accounts have the {field} "{value}"'
                yield Problem(place, "duplicate-name", message, "remove one of them")
    for at, account in listed:
        if "role_arn" in account and account["role_arn"].split(":")[4] != account["id"]:
            place = document.location((*at, "role_arn"))
            message = f"the role belongs to another account than {account['id']}"
            yield Problem(place, "wrong-value", message, "the inventory would be of the wrong account")


def _sources(config: InventoryConfig) -> Iterator[Problem]:
    """Each resource and each kind has one source."""
    seen: dict[str, Location] = {}
    for one in config.listed:
        resource = one.resource
        for name in (f"{resource.account}/{resource.region}/{resource.kind}/{resource.id}", resource.arn):
            other = seen.setdefault(name, one.location)
            if other != one.location:
                message = f"{name} stands in {other} already"
                yield Problem(one.location, "duplicate-resource", message, "remove one of them")
                break
    yield from _told_by_aws(config)
    for aggregator in config.aggregators:
        role = aggregator.account.role_arn
        if role and role.split(":")[4] != aggregator.account.id:
            message = f"the role belongs to another account than {aggregator.account.id}"
            yield Problem(aggregator.location, "wrong-value", message, "it must be the aggregator's own")
        for kind in aggregator.kinds:
            if config.kinds and kind not in config.kinds:
                message = f"the inventory does not read the kind {kind}"
                yield Problem(
                    aggregator.location, "wrong-value", message, "add it to `kinds` of the inventory"
                )
    if len(config.aggregators) > 1:
        message = "an inventory has one AWS Config aggregator"
        hint = "it answers for all accounts and regions: make one that collects from all of them"
        yield Problem(config.aggregators[1].location, "wrong-value", message, hint)


def _told_by_aws(config: InventoryConfig) -> Iterator[Problem]:
    """What files tell of the accounts that the inventory lists. Others are known when AWS is asked."""
    asked = {account.id: (*(account.regions or config.regions), GLOBAL_REGION) for account in config.accounts}
    known = kinds.aws_kinds()
    for one in config.listed:
        resource = one.resource
        if resource.kind in (config.kinds or known) and resource.kind in known:
            region = GLOBAL_REGION if known[resource.kind].global_ else resource.region
            if region in asked.get(resource.account, ()):
                message = f"AWS is asked for {resource.kind} in {resource.account}/{region}"
                hint = "remove it; what is not in AWS belongs to an account or a region of its own"
                yield Problem(one.location, "duplicate-resource", message, hint)


# --- services, teams, tests --------------------------------------------------------------------------


def _service(service: Service, document: Document, written: Written) -> Iterator[Problem]:
    spec: Mapping[str, Any] = document.data["spec"]
    if spec["owner"] not in written.team_names():
        place = document.location(("spec", "owner"))
        yield _unknown(place, "unknown-team", "team", spec["owner"], written.team_names())
    for n, name in enumerate(spec.get("depends_on", ())):
        if name not in written.service_names():
            place = document.location(("spec", "depends_on", n))
            yield _unknown(place, "unknown-service", "service", name, written.service_names())
    yield from _overrides(document, ("spec", "parameters"), written)
    for n, exemption in enumerate(spec.get("exemptions", ())):
        yield from _exemption(service, document, ("spec", "exemptions", n), exemption, written)
    yield from probes.check_endpoints(service, document, written)
    standards = {name: found for name, (found, _) in written.standards.items()}
    yield from objectives.check_slos(document, service.slos, standards, written.standard_names())
    yield from objectives.check_names(service.name, written.slos_of(service))


def _specified(written: Written) -> Iterator[Problem]:
    """SLOs that are written for other tools."""
    for each in written.specified:
        if each.service not in written.service_names():
            yield _unknown(each.place, "unknown-service", "service", each.service, written.service_names())
        if each.slo.own is not None:
            yield from objectives.unbounded(each.slo.own)
        yield from objectives.reserved(each.slo)
        yield from objectives.unreachable(each.slo)


def _exemption(
    service: Service, document: Document, at: Pointer, exemption: Mapping[str, str], written: Written
) -> Iterator[Problem]:
    name, alert = exemption["standard"], exemption.get("alert")
    slos = {conventions.slo_standard(slo.name) for slo in written.slos_of(service)}
    if name in slos:
        if alert and alert not in conventions.SLO_ALERTS:
            place = document.location((*at, "alert"))
            yield _lacks(place, "unknown-alert", name, alert, conventions.SLO_ALERTS)
    elif name not in written.standard_names():
        place = document.location((*at, "standard"))
        yield _unknown(place, "unknown-standard", "standard", name, written.standard_names() | slos)
    elif name in written.taken:
        yield _taken(document.location((*at, "standard")), name, written)
    elif alert and name in written.standards:
        alerts = [a.alert for a in written.standards[name][0].alerts]
        if alert not in alerts:
            place = document.location((*at, "alert"))
            yield _lacks(place, "unknown-alert", name, alert, alerts)
    if not values.is_date(exemption["expires"]):
        message = f"{exemption['expires']} is not a day of the calendar"
        yield Problem(document.location((*at, "expires")), "wrong-value", message)


def _test(test: StandardTest, document: Document, written: Written) -> Iterator[Problem]:
    alerts: list[str] | None = None
    if test.slo:
        yield from _tested_slo(test, document, written)
        alerts = list(conventions.SLO_ALERTS)
    elif test.standard not in written.standard_names():
        place = document.location(("spec", "standard"))
        yield _unknown(place, "unknown-standard", "standard", test.standard, written.standard_names())
    elif test.standard in written.standards:
        alerts = [a.alert for a in written.standards[test.standard][0].alerts]
    seen: dict[str, Location] = {}
    for n, case in enumerate(test.cases):
        at: Pointer = ("spec", "cases", n)
        if case.name in seen:
            message = f"another case has this name, on line {seen[case.name].line}"
            yield Problem(document.location((*at, "name")), "duplicate-name", message)
        seen.setdefault(case.name, document.location((*at, "name")))
        if alerts is None:
            continue
        if not test.slo:
            yield from _values(document, (*at, "parameters"), test.standard, written)
        for m, expectation in enumerate(case.alerts):
            if expectation.alert not in alerts:
                place = document.location((*at, "alerts", m, "alert"))
                yield _lacks(place, "unknown-alert", test.subject, expectation.alert, alerts)


def _tested_slo(test: StandardTest, document: Document, written: Written) -> Iterator[Problem]:
    if test.service not in written.service_names():
        place = document.location(("spec", "service"))
        yield _unknown(place, "unknown-service", "service", test.service, written.service_names())
    elif test.service in written.services:
        known = {slo.name: slo for slo in written.slos_of(written.services[test.service][0])}
        if test.slo not in known:
            place = document.location(("spec", "slo"))
            yield _lacks(place, "unknown-slo", test.service, test.slo, known)
        elif known[test.slo].standard in written.standards:
            for n in range(len(test.cases)):
                at: Pointer = ("spec", "cases", n, "parameters")
                yield from _values(document, at, known[test.slo].standard, written)


# --- parameters --------------------------------------------------------------------------------------


def _overrides(document: Document, at: Pointer, written: Written) -> Iterator[Problem]:
    """Parameters by standard, as services and environments set them."""
    for name in _value(document, at) or {}:
        if name in written.taken:
            yield _taken(document.location((*at, name), key=True), name, written)
        elif name in written.standard_names():
            yield from _values(document, (*at, name), name, written)
        else:
            place = document.location((*at, name), key=True)
            yield _unknown(place, "unknown-standard", "standard", name, written.standard_names())


def _values(document: Document, at: Pointer, name: str, written: Written) -> Iterator[Problem]:
    """Values for the parameters of one standard."""
    if name not in written.standards:
        return
    known = written.standards[name][0].parameters
    for key, value in (_value(document, at) or {}).items():
        if key not in known:
            place = document.location((*at, key), key=True)
            yield _lacks(place, "unknown-parameter", name, key, known)
        elif standard.parameter_faults(known[key]):
            continue  # the declaration is wrong, and told
        elif fault := parameters.fault(known[key], value):
            where = f"it is declared in {known[key].location}"
            yield Problem(document.location((*at, key)), "parameter-value", f"{key} {fault}", where)


def _taken(place: Location, name: str, written: Written) -> Problem:
    """A base watches nothing, so what is said of it would have no effect."""
    others = " and ".join(written.taken[name])
    return Problem(place, "unknown-standard", f"{others} takes the place of {name}", f"write {others} here")


def _value(document: Document, pointer: Pointer) -> Any:
    value = document.data
    for step in pointer:
        if not document.has(pointer):
            return None
        value = value[step]
    return value


def _unknown(place: Location, code: str, what: str, word: str, known: Iterable[str]) -> Problem:
    return Problem(place, code, f'there is no {what} "{word}"', did_you_mean(word, known))


def _lacks(place: Location, code: str, owner: str, word: str, known: Iterable[str]) -> Problem:
    what = "SLO" if code == "unknown-slo" else code.removeprefix("unknown-")
    hint = did_you_mean(word, known) or f"it has no {what}s"
    return Problem(place, code, f'{owner} has no {what} "{word}"', hint)
