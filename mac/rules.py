"""Rules of a standard for one binding: recording and alerting rules, as rule-file data.

A tag override splits a binding. Only the rules that use an overridden parameter, and those that are tied to
them by a recorded series, are rendered once per partition, each with a selector that leaves the others out;
every other rule is rendered once. So no alert exists twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mac import conventions, slo, templating
from mac.model import (
    AlertSeverity,
    AppliesTo,
    Binding,
    Cell,
    Indicator,
    Partition,
    Project,
    Service,
    Standard,
    StandardRecording,
    StandardRule,
    Text,
)
from mac.problems import Location, Problem, did_you_mean, ordered
from mac.templating import Mode, Names, TemplateError

Rule = dict[str, Any]
"""A rule as the rule file has it: alert or record, expr, for, labels, annotations …"""

NAMES = ("cell", "environment", "expected", "p", "scope", "service", "standard", "team", "tier")
"""What a template of a standard may use: the keys of `names`."""

_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")


@dataclass(frozen=True, slots=True)
class RenderedRule:
    """A rule and where it comes from."""

    rule: Rule
    source: StandardRule
    override: str = ""

    @property
    def name(self) -> str:
        return self.source.name


def for_binding(
    binding: Binding, dashboard: str = ""
) -> tuple[tuple[RenderedRule, ...], tuple[Problem, ...]]:
    """All rules of a binding, recording rules first, and the problems of their templates.

    `dashboard`: the address that its alerts link to.
    """
    standard = binding.standard
    split = _dependent(standard, _overridden(binding.partitions))
    everyone = Partition("", binding.partitions[0].parameters, len(binding.members))
    rendered: list[RenderedRule] = []
    problems: list[Problem] = []
    for source in _wanted(binding):
        is_split = source.name in split
        for partition in binding.partitions if is_split else (everyone,):
            context = names(binding, partition, is_split=is_split)
            try:
                rendered.append(
                    RenderedRule(
                        _rule(binding, source, partition.override, context, dashboard),
                        source,
                        partition.override,
                    )
                )
            except _AtError as error:
                problems.append(error.problem)
    return tuple(rendered), ordered(problems)


def _wanted(binding: Binding) -> Iterator[StandardRule]:
    """The rules of the standard without those that an exemption leaves out; and without series because of
    which others say less, where the alert that says it in their place is not there.
    """
    told = {alert.alert for alert in binding.standard.alerts} - binding.silenced
    for rule in standard_rules(binding.standard):
        teller = conventions.TOLD_BY.get(rule.name)
        if rule.name not in binding.silenced and (teller is None or teller in told):
            yield rule


def standard_rules(standard: Standard) -> tuple[StandardRule, ...]:
    """Recording rules first: alerts of the same group evaluate after what they build on."""
    return (*standard.recording, *standard.alerts)


def expressions(binding: Binding) -> tuple[tuple[str, str, Text], ...]:
    """(what it is of, expression, its template) of all rules and panels that can be rendered.

    What a panel's expression is of is its title.
    """
    standard, partition = binding.standard, binding.partitions[0]
    found = [(r.name, str(r.rule["expr"]), r.source.expr) for r in for_binding(binding)[0]]
    context = names(binding, partition, is_split=False)
    for panel in standard.panels:
        try:
            found.append((panel.title, _render(panel.expr, Mode.EXPRESSION, context, standard), panel.expr))
        except _AtError:
            continue  # told with the dashboard
    return tuple(found)


def names(binding: Binding, partition: Partition, *, is_split: bool) -> dict[str, Any]:
    """What templates see. `scope` selects the binding's series, or the partition's when it is split."""
    selected = {conventions.SERVICE: binding.service, conventions.ENVIRONMENT: binding.environment}
    if is_split:
        selected[conventions.OVERRIDE] = partition.override
    return {
        "cell": binding.cell.name,
        "environment": binding.environment,
        "expected": partition.size,
        "p": Names(partition.parameters),
        "scope": templating.matchers(selected),
        "service": binding.service,
        "standard": binding.standard.name,
        "team": binding.team,
        "tier": binding.tier,
    }


def check_slos(service: Service) -> tuple[Problem, ...]:
    """Problems of the queries of a service's own indicators; see `check_texts`."""
    empty = Standard(f"the service {service.name}", "", AppliesTo(""))
    own = (each.own for each in service.slos if each.own is not None)
    return ordered(problem for indicator in own for problem in _check_queries(indicator, empty))


def _check_queries(indicator: Indicator, standard: Standard) -> Iterator[Problem]:
    for query in indicator.queries:
        yield from check_text(query, Mode.EXPRESSION, standard, (*NAMES, *slo.NAMES))


def check_texts(standard: Standard) -> tuple[Problem, ...]:
    """Problems of all template texts of a standard that show without rendering them."""
    texts: list[tuple[Text, Mode]] = []
    for rule in standard_rules(standard):
        texts += _texts(rule)
    if standard.probe:
        texts.append((standard.probe.path, Mode.TEXT))
    for panel in standard.panels:
        texts.append((panel.expr, Mode.EXPRESSION))
        if panel.threshold:
            texts.append((panel.threshold, Mode.EXPRESSION))
    found = [problem for text, mode in texts for problem in check_text(text, mode, standard)]
    for indicator in standard.indicators.values():
        found += _check_queries(indicator, standard)
    return ordered(found)


def check_text(
    text: Text, mode: Mode, standard: Standard, known: Sequence[str] = NAMES
) -> tuple[Problem, ...]:
    """Problems of a template text that show without rendering it: syntax, unknown names and parameters."""
    try:
        compiled = templating.template(text.text, mode)
    except TemplateError as error:
        return (_problem(text, error),)
    problems = [
        Problem(
            text.find(name),
            "template-value",
            f'"{name}" is not a name that a standard\'s templates know',
            did_you_mean(name, known),
        )
        for name in sorted(compiled.names - set(known))
    ]
    problems += [
        Problem(
            text.find(name),
            "unknown-parameter",
            f'{standard.name} has no parameter "{name}"',
            did_you_mean(name, standard.parameters),
        )
        for name in sorted(compiled.parameters - set(standard.parameters))
    ]
    return tuple(problems)


def heartbeat(project: Project, cell: Cell) -> Rule:
    """The alert of a cell that always fires: whoever stops hearing it knows that monitoring is dead."""
    return {
        "alert": conventions.HEARTBEAT,
        "expr": "vector(1)",
        "labels": {
            conventions.ENVIRONMENT: conventions.EVERYWHERE,
            conventions.SERVICE: conventions.MONITORING,
            conventions.SEVERITY: str(AlertSeverity.INFO),
            conventions.STANDARD: conventions.HEARTBEAT_STANDARD,
            conventions.TEAM: project.default_team,
            conventions.TIER: "1",
        },
        "annotations": {
            "summary": str(templating.go_text(f"The Prometheus of {cell.name} and Alertmanager work")),
            "description": "It always fires. When it is no longer heard, nothing else would be told either.",
        },
    }


def severity(written: AlertSeverity, *, pages: bool) -> AlertSeverity:
    """The severity of an alert for a service whose tier `pages`, or does not."""
    return AlertSeverity.TICKET if written is AlertSeverity.PAGE and not pages else written


# --- one rule ----------------------------------------------------------------------------------------


class _AtError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _rule(
    binding: Binding, source: StandardRule, override: str, context: Mapping[str, Any], dashboard: str
) -> Rule:
    standard = binding.standard
    identity = {conventions.SERVICE: binding.service, conventions.ENVIRONMENT: binding.environment}
    if override:
        identity[conventions.OVERRIDE] = override
    expr = _render(source.expr, Mode.EXPRESSION, context, standard)
    if isinstance(source, StandardRecording):
        return {"record": source.record, "expr": expr, "labels": {**source.labels, **identity}}
    labels = {
        **source.labels,
        **identity,
        conventions.TEAM: binding.team,
        conventions.TIER: str(binding.tier),
        conventions.SEVERITY: str(severity(source.severity, pages=binding.pages)),
        conventions.STANDARD: standard.name,
    }
    if source.outage:
        labels[conventions.OUTAGE] = "true"
        if source.whole_cell:
            labels[conventions.REACH] = conventions.CELL
    if source.reminder:
        labels[conventions.REMINDER] = source.reminder
    rule: Rule = {
        "alert": source.alert,
        "expr": expr,
        "for": _render(source.for_, Mode.EXPRESSION, context, standard),
        "keep_firing_for": _render(source.keep_firing_for, Mode.EXPRESSION, context, standard),
        # Prometheus expands Go templates in an alert's labels, and a tag may hold braces.
        "labels": {name: str(templating.go_text(value)) for name, value in sorted(labels.items())},
        "annotations": {
            "summary": _render(source.summary, Mode.TEXT, context, standard),
            "description": _render(source.description, Mode.TEXT, context, standard),
            "runbook_url": source.runbook or standard.runbook,
            "dashboard_url": str(templating.go_text(dashboard)),
        },
    }
    for field in ("for", "keep_firing_for"):
        if rule[field] in ("", "0s", "0"):
            del rule[field]
    rule["annotations"] = {name: text for name, text in rule["annotations"].items() if text}
    return rule


def _render(text: Text, mode: Mode, context: Mapping[str, Any], standard: Standard) -> str:
    try:
        rendered = templating.template(text.text.rstrip(), mode).render(context)
        return rendered.strip() if mode is Mode.EXPRESSION else rendered
    except TemplateError as error:
        known = standard.parameters if "parameter" in error.message else NAMES
        hint = did_you_mean(error.name, known) if error.name else ""
        raise _AtError(_problem(text, error, hint)) from error


def _problem(text: Text, error: TemplateError, hint: str = "") -> Problem:
    place = text.location
    if error.line > 1:
        place = Location(place.path, place.line + error.line - 1 if place.line else 0, 1)
    code = "template-syntax" if error.syntax else "template-value"
    return Problem(place, code, error.message, hint)


# --- which rules an override splits ------------------------------------------------------------------


def _overridden(partitions: Iterable[Partition]) -> frozenset[str]:
    """Parameters whose value some tag sets."""
    return frozenset(name for part in partitions for name in conventions.overridden(part.override))


def _dependent(standard: Standard, overridden: frozenset[str]) -> frozenset[str]:
    """Names of the rules to split: those that use an overridden parameter, and all that are tied to them.

    Ties run both ways along recorded series. A rule that reads a split series sees one series a partition;
    and a split rule needs the series that it reads split too, or its partition would find nothing.
    """
    if not overridden:
        return frozenset()
    pending = [r for r in standard_rules(standard) if _uses(r, overridden)]
    found = {r.name for r in pending}
    while pending:
        rule = pending.pop()
        for other in standard_rules(standard):
            if other.name not in found and (_reads(rule, other) or _reads(other, rule)):
                found.add(other.name)
                pending.append(other)
    return frozenset(found)


def _reads(rule: StandardRule, other: StandardRule) -> bool:
    return isinstance(other, StandardRecording) and other.record in _METRIC.findall(rule.expr.text)


def _uses(rule: StandardRule, parameters: frozenset[str]) -> bool:
    try:
        texts = _texts(rule)
        return any(not parameters.isdisjoint(templating.template(t.text, m).parameters) for t, m in texts)
    except TemplateError:
        return False  # it is reported when it is rendered


def _texts(rule: StandardRule) -> list[tuple[Text, Mode]]:
    """The templates of a rule."""
    return [(text, mode) for _, text, mode in _fields(rule)]


def _fields(rule: StandardRule) -> list[tuple[str, Text, Mode]]:
    """The templates of a rule, each after its key."""
    if isinstance(rule, StandardRecording):
        return [("expr", rule.expr, Mode.EXPRESSION)]
    return [
        ("expr", rule.expr, Mode.EXPRESSION),
        ("for", rule.for_, Mode.EXPRESSION),
        ("keep_firing_for", rule.keep_firing_for, Mode.EXPRESSION),
        ("summary", rule.summary, Mode.TEXT),
        ("description", rule.description, Mode.TEXT),
    ]


def parameters_read(standard: Standard, rule: StandardRule) -> Mapping[str, tuple[str, ...]]:
    """Parameter → where the rule reads it: keys of its own, and names of series that the standard records."""
    found: dict[str, list[str]] = {}
    for each in (rule, *_beneath(standard, rule)):
        for key, text, mode in _fields(each):
            try:
                names = templating.template(text.text.rstrip(), mode).parameters
            except TemplateError:
                continue  # it is reported when it is rendered
            for name in sorted(names):
                found.setdefault(name, []).append(key if each is rule else each.name)
    return {name: tuple(dict.fromkeys(places)) for name, places in found.items()}


def series_read(standard: Standard, rule: StandardRule) -> tuple[str, ...]:
    """The series that the standard records and the rule reads, also by way of others."""
    return tuple(each.name for each in _beneath(standard, rule))


def _beneath(standard: Standard, rule: StandardRule) -> list[StandardRule]:
    found: list[StandardRule] = []
    pending = [rule]
    while pending:
        each = pending.pop(0)
        new = [o for o in standard.recording if o is not rule and o not in found and _reads(each, o)]
        found += new
        pending += new
    return found
