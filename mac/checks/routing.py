"""Who is told: alerts keep their labels, reach a receiver that tells somebody, and mute nothing wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mac import conventions, matchers, promql, templating
from mac.checks import gotext
from mac.checks.tree import Rule, Tree
from mac.matchers import Matcher
from mac.model import AlertSeverity
from mac.problems import Location, Problem, Severity
from mac.promql import Expression

ROUTING = (conventions.SERVICE, conventions.ENVIRONMENT, conventions.TEAM, conventions.SEVERITY)
"""The labels by which alerts are routed, grouped and muted."""

# Those come by themselves, from Prometheus or with the rule.
_ALWAYS = ("alertname", *conventions.EXTERNAL)


@dataclass(frozen=True, slots=True)
class Inhibition:
    """A rule by which firing alerts mute others."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """A node of Alertmanager's tree of routes."""

    receiver: str
    matchers: tuple[Matcher, ...]
    go_on: bool
    children: tuple[Route, ...]


def check(tree: Tree) -> Iterator[Problem]:
    """Problems of labels that get lost, of alerts that nobody hears, of inhibition that mutes itself."""
    yield from _labels(tree)
    for path, document, _ in tree.entries("alertmanager"):
        try:
            route = _route(document["route"], "")
            inhibitions = [_inhibition(rule) for rule in document.get("inhibit_rules", ())]
        except (ValueError, KeyError, TypeError) as error:
            yield Problem(Location(path), "generated-schema", f"a matcher cannot be read: {error}")
            continue
        silent, loud = _receivers(document)
        yield from _undefined(path, route, silent | loud)
        yield from _told(tree, route, silent)
        for rule in inhibitions:
            yield from _mutes_itself(path, rule)
            yield from _equal_labels(tree, rule)


# --- labels ------------------------------------------------------------------------------------------


def _labels(tree: Tree) -> Iterator[Problem]:
    for rule in tree.rules:
        if rule.alerting:
            yield from _of_alert(tree, rule)


def _of_alert(tree: Tree, rule: Rule) -> Iterator[Problem]:
    """Asks the expression only for what the rule's own labels do not give."""
    missing = [label for label in ROUTING if not rule.labels.get(label)]
    texts = (*rule.annotations.values(), *rule.labels.values())
    used = frozenset(label for text in texts for label in gotext.labels_used(text))
    asked = used.difference(rule.labels, _ALWAYS)
    if not missing and not asked:
        return
    parsed = promql.parse(rule.expr)
    if not isinstance(parsed, Expression):
        return
    result = tree.result(rule, parsed)
    for label in missing:
        if result.may_lose(label):
            yield tree.problem(
                rule,
                "lost-label",
                f'the alert has no label "{label}", which routing needs: its expression drops it',
                f"aggregate by ({label}, …), or give the alert the label",
            )
    for label in sorted(asked):
        if result.may_lose(label):
            yield tree.problem(
                rule,
                "lost-label",
                f'its text shows the label "{label}", which its expression drops',
                f"aggregate by ({label}, …), or leave it out of the text",
                severity=Severity.WARNING,
            )


# --- routes ------------------------------------------------------------------------------------------


def _route(node: Mapping[str, Any], inherited: str) -> Route:
    receiver = str(node.get("receiver", inherited))
    return Route(
        receiver,
        tuple(matchers.read(text) for text in node.get("matchers", ())),
        bool(node.get("continue", False)),
        tuple(_route(child, receiver) for child in node.get("routes", ())),
    )


def reached(route: Route, labels: Mapping[str, str]) -> tuple[str, ...]:
    """The receivers that an alert with these labels reaches, in order; () when the route does not match."""
    if not matchers.all_match(route.matchers, labels):
        return ()
    found: list[str] = []
    for child in route.children:
        below = reached(child, labels)
        found += below
        if below and not child.go_on:
            break
    return tuple(found) or (route.receiver,)


def _receivers(document: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the receivers that tell nobody, and of those that tell somebody."""
    silent: set[str] = set()
    loud: set[str] = set()
    for receiver in document.get("receivers", ()):
        tells = any(name.endswith("_configs") and configs for name, configs in receiver.items())
        (loud if tells else silent).add(str(receiver.get("name")))
    return frozenset(silent), frozenset(loud)


def _undefined(path: str, route: Route, defined: frozenset[str]) -> Iterator[Problem]:
    if route.receiver not in defined:
        message = f'a route leads to the receiver "{route.receiver}", which is not defined'
        yield Problem(Location(path), "route-unreachable", message)
    for child in route.children:
        yield from _undefined(path, child, defined)


def _told(tree: Tree, route: Route, silent: frozenset[str]) -> Iterator[Problem]:
    """Alerts of severity info may end in a receiver without integrations: they are for looking at."""
    mentioned = _mentioned(route)
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    for rule in tree.rules:
        if not rule.alerting or rule.labels.get(conventions.SEVERITY) == AlertSeverity.INFO:
            continue
        signature = tuple(_value(rule, label) for label in mentioned)
        if signature not in known:
            known[signature] = reached(route, dict(zip(mentioned, signature, strict=True)))
        receivers = known[signature]
        if not receivers or all(name in silent for name in receivers):
            team, severity = (rule.labels.get(name, "") for name in (conventions.TEAM, conventions.SEVERITY))
            where = f'the receiver "{receivers[0]}", which has no integration' if receivers else "no receiver"
            yield tree.problem(
                rule,
                "route-unreachable",
                f'alerts of team "{team}" with severity "{severity}" reach {where}: nobody is told',
                f'give team "{team}" a receiver for {severity} in standards/teams',
            )


def _mentioned(route: Route) -> tuple[str, ...]:
    names = {m.name for m in route.matchers}
    for child in route.children:
        names.update(_mentioned(child))
    return tuple(sorted(names))


def _value(rule: Rule, label: str) -> str:
    if label == "alertname":
        return rule.name
    if label == conventions.CELL:
        return rule.cell
    return templating.go_printed(rule.labels.get(label, ""))


# --- inhibition --------------------------------------------------------------------------------------


def _inhibition(rule: Mapping[str, Any]) -> Inhibition:
    return Inhibition(
        tuple(matchers.read(text) for text in rule.get("source_matchers", ())),
        tuple(matchers.read(text) for text in rule.get("target_matchers", ())),
        tuple(rule.get("equal", ())),
    )


def _shown(own: tuple[Matcher, ...]) -> str:
    return "{" + ", ".join(f'{m.name}{m.op}"{m.value}"' for m in own) + "}"


def _mutes_itself(path: str, rule: Inhibition) -> Iterator[Problem]:
    labels = matchers.example((*rule.source, *rule.target))
    if labels is None:
        return
    shown = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if value)
    yield Problem(
        Location(path),
        "inhibits-itself",
        f"the inhibition {_shown(rule.source)} → {_shown(rule.target)} mutes its own source: "
        f"an alert with {shown or 'no labels'} is on both sides",
        "let the sides exclude each other",
    )


def _equal_labels(tree: Tree, rule: Inhibition) -> Iterator[Problem]:
    """Labels that are missing on both sides are equal: the rule would mute across all services."""
    told: set[tuple[str, str]] = set()
    for alert in tree.rules:
        if not alert.alerting:
            continue
        missing = [e for e in rule.equal if e not in alert.labels and e not in _ALWAYS]
        if not missing or (alert.standard, alert.name) in told:
            continue
        labels = {m.name: _value(alert, m.name) for m in (*rule.source, *rule.target)}
        if matchers.all_match(rule.source, labels) or matchers.all_match(rule.target, labels):
            told.add((alert.standard, alert.name))
            yield tree.problem(
                alert,
                "lost-label",
                f'inhibition compares the label "{missing[0]}", which this alert does not have',
                f'without it the alert is compared as if "{missing[0]}" were empty',
            )
