"""Who set what an alert compares with: every value that a rule reads, with all who had a say in it."""

from __future__ import annotations

from collections.abc import Iterator

from mac import conventions, parameters, precedence, rules, slo
from mac.explain.known import Known
from mac.explain.model import Decision, Setting
from mac.items import Item
from mac.model import AlertSeverity, Parameter, Standard, StandardAlert, StandardRule
from mac.slo_model import Slo
from mac.source import Pointer

_SHOWN = 3  # resources with a tag


def source_of(known: Known, item: Item) -> tuple[Standard | None, StandardRule | None, Slo | None]:
    """The standard of a rule, the rule in it, and the SLO that it is made of, if it is."""
    name = next(iter(item.standards), "")
    standard, objective = known.catalog.standards.get(name), None
    if standard is None:
        service = known.catalog.services.get(item.service)
        for objective in service.slos if service else ():
            indicator = slo.find(objective, known.catalog.standards)
            if conventions.slo_standard(objective.name) == name and indicator is not None:
                standard = slo.standard(objective, indicator, known.catalog.standards)
                break
        else:
            return None, None, None
    alerting = "alert" in item.value
    own = (each for each in rules.standard_rules(standard) if each.name == item.key.name)
    rule = next((each for each in own if isinstance(each, StandardAlert) is alerting), None)
    return standard, rule, objective if name not in known.catalog.standards else None


def decisions(known: Known, item: Item) -> tuple[Decision, ...]:
    """What a generated rule reads: its parameters, those of its expression first, its times, its severity."""
    standard, rule, objective = source_of(known, item)
    if standard is None or rule is None:
        return ()
    # An SLO's queries see the parameters of the standard that has its indicator.
    base = known.catalog.standards.get(objective.standard) if objective else standard
    who = "slo" if objective else "standard"
    read = rules.parameters_read(standard, rule)
    whose = (item.service, item.environment, item.key.override)
    found = []
    for name, used in read.items():
        if base is not None and name in base.parameters:
            found.append(parameter(known, base, name, whose, used))
    if isinstance(rule, StandardAlert):
        found += _times(who, standard, rule, item, {key for used in read.values() for key in used})
    if objective:
        found.insert(0, _objective(known, objective))
    if isinstance(rule, StandardAlert):
        found.append(_severity(known, who, standard, rule, item))
    return tuple(found)


Whose = tuple[str, str, str]
"""A service, an environment, and the override of what has tags of its own."""


def parameter(
    known: Known, standard: Standard, name: str, whose: Whose, used: tuple[str, ...] = ()
) -> Decision:
    """The value of a parameter of a standard, for those who are meant."""
    declared = standard.parameters[name]
    service, environment, override = whose
    chain = list(_documents(known, standard, declared, service, environment))
    tagged = conventions.overridden(override)
    if name in tagged:
        value = parameters.from_text(declared, tagged[name])
        key = f"{conventions.PARAMETER_TAG_PREFIX}{name}"
        place = _tagged(known, standard, whose)
        chain.append(Setting("tag", key, tagged[name] if value is None else value, place))
    return Decision(name, chain[-1].value, declared.unit, declared.description, used, tuple(chain))


def _documents(
    known: Known, standard: Standard, declared: Parameter, service: str, environment: str
) -> Iterator[Setting]:
    name = declared.name
    for each in reversed(known.lineage(standard.name)[1:]):
        base = known.standard(each)
        if base is not None and name in base.parameters:
            place = _default(known, base, name)
            if place != _default(known, standard, name):
                yield Setting("standard", each, base.parameters[name].default, place)
    document = known.catalog.services.get(service)
    for layer in precedence.layers(known.catalog, standard, environment, document):
        if name not in layer.values:
            continue
        if layer.who == "standard":
            place = _default(known, standard, name)
        elif layer.who == "environment":
            at: Pointer = ("spec", "environments", environment, "parameters", standard.name, name)
            place = str(known.place(known.catalog.project.location.path, at))
        else:
            at = ("spec", "parameters", standard.name, name)
            place = str(known.place(document.location.path, at)) if document else ""
        yield Setting(layer.who, layer.name, layer.values[name], place)


def _default(known: Known, standard: Standard, name: str) -> str:
    """Where the default of a parameter is written: in the standard, or in one that it extends."""
    at: Pointer = ("spec", "parameters", name, "default")
    for each in known.lineage(standard.name):
        found = known.standard(each)
        if found is not None and (place := known.place(found.location.path, at)).line:
            return str(place)
    return str(standard.parameters[name].location)


def _tagged(known: Known, standard: Standard, whose: Whose) -> str:
    """The resources that have the tags of an override."""
    names = sorted(
        {
            str(item.value["resource_id"])
            for item in known.targets
            if standard.name in item.standards
            and (item.service, item.environment, labels(item).get(conventions.OVERRIDE)) == whose
        }
    )
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def labels(item: Item) -> dict[str, str]:
    """Those of a target."""
    found: dict[str, str] = item.value.get("labels") or item.value.get("customTags") or {}
    return found


# --- what is no parameter ----------------------------------------------------------------------------


def _times(
    who: str, standard: Standard, rule: StandardAlert, item: Item, explained: set[str]
) -> Iterator[Decision]:
    """Times that stand in the standard as they are."""
    for key, text in (("for", rule.for_), ("keep_firing_for", rule.keep_firing_for)):
        if key not in explained and key in item.value:
            value = str(item.value[key])
            setting = Setting(who, _name(standard), value, str(text.location))
            yield Decision(key, value, "", "", (key,), (setting,))


def _severity(known: Known, who: str, standard: Standard, rule: StandardAlert, item: Item) -> Decision:
    at = next(
        (known.place(path, ("spec", "alerts", n, "severity")) for path, n in _written(known, standard, rule)),
        rule.location,
    )
    chain = [Setting(who, _name(standard), str(rule.severity), str(at if at.line else rule.location))]
    value = str(item.value.get("labels", {}).get(conventions.SEVERITY, rule.severity))
    if value != rule.severity and rule.severity is AlertSeverity.PAGE:
        project, service = known.catalog.project, known.catalog.services.get(item.service)
        tier = service.tier if service else project.default_tier
        path = service.location.path if service else project.location.path
        own = known.place(path, ("spec", "tier" if service else "default_tier"))
        pages = known.place(project.location.path, ("spec", "page_tiers"), project.location)
        settled = own if own.line else pages
        chain.append(Setting("tier", f"{tier} of {item.service}, which does not page", value, str(settled)))
    return Decision("severity", value, "", "", ("severity",), tuple(chain))


def _name(standard: Standard) -> str:
    """As its author called it: the names of SLOs' standards begin with what no other's does."""
    return standard.name.removeprefix(conventions.SLO_STANDARD_PREFIX)


def _written(known: Known, standard: Standard, rule: StandardAlert) -> Iterator[tuple[str, int]]:
    """The documents that have an alert of this name: the standard's, or those that it extends."""
    for each in known.lineage(standard.name):
        found = known.standard(each)
        document = known.document(found.location.path) if found else None
        alerts = document.data["spec"].get("alerts", ()) if document else ()
        for n, raw in enumerate(alerts):
            if raw.get("alert") == rule.alert and "severity" in raw and document:
                yield document.path, n


def _objective(known: Known, objective: Slo) -> Decision:
    value = f"{objective.objective * 100:.12g}% over {objective.window}"
    document = known.document(objective.location.path)
    written = document.data.get("spec", {}).get("slo", ()) if document else ()
    number = next((n for n, raw in enumerate(written) if raw.get("name") == objective.name), None)
    place = objective.location
    if number is not None:
        place = known.place(place.path, ("spec", "slo", number, "objective"), place)
    setting = Setting("slo", objective.name, value, str(place))
    return Decision("objective", value, "", objective.description, ("expr",), (setting,))
