"""The contract of a standard: what keeps it quiet, complete and proven.

A rule is a function of a standard to complaints, each of an alert or of the whole standard ("").
`RULES` has all of them by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mac import durations, promql, rules, series_labels
from mac.checks import metrics as metric_checks
from mac.metrics import Catalogues
from mac.metrics.catalogue import exported
from mac.model import AlertSeverity, Binding, Cell, Member, Partition, Resource, Standard, StandardAlert
from mac.promql import Expression, children
from mac.series_labels import Labels
from mac.testcases import AlertExpectation, StandardTest, TestCase

Complaint = tuple[str, str]
"""(alert, or "" for the standard; what is wrong)"""

Rule = Callable[["Subject"], Iterator[Complaint]]
RULES: dict[str, Rule] = {}

NEAR = 10 * 60  # seconds that may lie between "not yet" and "fires", or `for` if that is more
_STORAGE = re.compile(
    r"filesystem_(avail|free|files_free)|free_(local_)?storage|storage_space|capacity_?remaining|remaining$"
    r"|disk_(used|space|free)|hdfs_?(used|utilization)|storage_(bytes|used)|(used|disk)_percent"
)
_PREDICTS = ("predict_linear", "deriv")
_TRAFFIC_CALLS = ("rate", "increase", "irate")


def rule(function: Rule) -> Rule:
    RULES[function.__name__] = function
    return function


def binding(standard: Standard, *overrides: str, size: int = 4) -> Binding:
    """The standard for one service; each override is a tag's value of a parameter open to tags."""
    resource = Resource(arn="", kind=standard.applies_to.kind, account="", region="", id="")
    partitions = [Partition("", standard.defaults, size)]
    partitions += [Partition(text, {**standard.defaults, **_values(standard, text)}, 1) for text in overrides]
    return Binding(
        Cell("main-us-east-1", "123456789012", "us-east-1"),
        "production",
        "web",
        standard,
        "data",
        1,
        (Member(resource, {}),) * (size + len(overrides)),
        tuple(partitions),
    )


def _values(standard: Standard, override: str) -> dict[str, float | int | str]:
    name, _, text = override.partition("=")
    parameter = standard.parameters[name]
    return {name: text if parameter.type in ("string", "duration") else float(text)}


@dataclass(frozen=True)
class Subject:
    """A standard with its tests, the lines of its document, its runbook, and all recorded series."""

    standard: Standard
    tests: Sequence[StandardTest]
    lines: Sequence[str]
    runbook: str
    catalogues: Catalogues
    recorded: Mapping[str, Labels]

    @cached_property
    def rendered(self) -> Mapping[str, dict[str, Any]]:
        """Alert or record → the rule."""
        found, problems = rules.for_binding(binding(self.standard))
        assert problems == ()
        return {each.name: each.rule for each in found}

    @cached_property
    def trees(self) -> Mapping[str, Expression]:
        """Alert or record → its expression, parsed."""
        found = {name: promql.parse(str(each["expr"])) for name, each in self.rendered.items()}
        return {name: tree for name, tree in found.items() if isinstance(tree, Expression)}

    @cached_property
    def known(self) -> Mapping[str, Labels]:
        return {**self.recorded, **metric_checks.of_standard(self.standard, self.catalogues).series}

    @cached_property
    def cases(self) -> tuple[TestCase, ...]:
        return tuple(case for test in self.tests for case in test.cases)

    def expectations(self, alert: str) -> Iterator[tuple[TestCase, list[AlertExpectation]]]:
        """Each case that speaks of the alert, with what it expects of it."""
        for case in self.cases:
            found = [expected for expected in case.alerts if expected.alert == alert]
            if found:
                yield case, found

    def nodes(self, name: str) -> Iterator[Any]:
        """Every node of a rule's tree, and of the recording rules that it builds on."""
        seen = {name}
        pending = [name]
        while pending:
            tree = self.trees.get(pending.pop())
            if tree is None:
                continue
            yield from _below(tree.root)
            new = [metric for metric in tree.metrics if metric in self.trees and metric not in seen]
            seen.update(new)
            pending += new

    def is_absence(self, alert: str) -> bool:
        return any(_is_call(node, "absent", "absent_over_time") for node in self.nodes(alert))


def _below(node: Any) -> Iterator[Any]:
    pending = [node]
    while pending:
        here = pending.pop()
        yield here
        pending += children(here)


def _is_call(node: Any, *names: str) -> bool:
    return type(node).__name__ == "Call" and node.func.name in names


def _op(node: Any) -> str:
    return str(node.op) if type(node).__name__ == "BinaryExpr" else ""


def _bare(node: Any) -> Any:
    while type(node).__name__ == "ParenExpr":
        node = node.expr
    return node


# --- noise -------------------------------------------------------------------------------------------


@rule
def no_alert_a_machine(subject: Subject) -> Iterator[Complaint]:
    """What is scraped from machines alerts about services; a CloudWatch resource may be named."""
    machines = (subject.standard.scrape or subject.standard.probe) is not None
    for alert in subject.standard.alerts:
        labels = series_labels.of(subject.trees[alert.alert], subject.known).labels
        for label in ("instance", "resource_id") if machines else ("instance",):
            if label in labels:
                yield alert.alert, f"its result may have the label {label}: one alert for each"


@rule
def ratios_have_a_minimum_of_traffic(subject: Subject) -> Iterator[Complaint]:
    for alert in subject.standard.alerts:
        nodes = list(subject.nodes(alert.alert))
        divides = any(
            (_op(node) == "/" and _is_traffic(subject, node.rhs)) or _is_call(node, "histogram_quantile")
            for node in nodes
        )
        if divides and not any(_is_guard(subject, node) for node in nodes):
            yield alert.alert, "it divides by traffic without asking for a minimum of it"


def _is_guard(subject: Subject, node: Any) -> bool:
    """traffic > number"""
    if _op(node) not in (">", ">="):
        return False
    number = _bare(node.rhs)
    return (
        type(number).__name__ == "NumberLiteral"
        and number.val > 0
        and _is_traffic(subject, node.lhs)
        and not any(_op(below) == "/" for below in _below(node.lhs))
    )


def _is_traffic(subject: Subject, node: Any, depth: int = 0) -> bool:
    for below in _below(node):
        if _is_call(below, *_TRAFFIC_CALLS):
            return True
        if type(below).__name__ == "VectorSelector":
            name = below.name or ""
            if name.startswith("aws_") and name.endswith(("_sum", "_sample_count")):
                return True
            tree = subject.trees.get(name)
            if tree is not None and depth < 5 and _is_traffic(subject, tree.root, depth + 1):
                return True
    return False


@rule
def every_alert_waits(subject: Subject) -> Iterator[Complaint]:
    for alert in subject.standard.alerts:
        if "for" not in subject.rendered[alert.alert]:
            yield alert.alert, "it has no `for`"


@rule
def every_alert_outlasts_a_gap(subject: Subject) -> Iterator[Complaint]:
    """`keep_firing_for`, unless absence is told, or a comment at the alert says why not."""
    for alert in subject.standard.alerts:
        if "keep_firing_for" in subject.rendered[alert.alert] or subject.is_absence(alert.alert):
            continue
        if not any("keep_firing_for" in line.partition("#")[2] for line in _block(subject, alert)):
            yield alert.alert, "it has no `keep_firing_for`, and no comment that says why"


def _block(subject: Subject, alert: StandardAlert) -> Sequence[str]:
    """The lines of an alert in its document."""
    begins = sorted(a.location.line for a in subject.standard.alerts)
    end = next((line for line in begins if line > alert.location.line), len(subject.lines) + 1)
    return subject.lines[alert.location.line - 1 : end - 1]


@rule
def absence_is_told(subject: Subject) -> Iterator[Complaint]:
    if not any(subject.is_absence(alert.alert) for alert in subject.standard.alerts):
        yield "", "no alert tells that its metrics do not arrive"


@rule
def machines_that_are_not_collected_are_told(subject: Subject) -> Iterator[Complaint]:
    """That a job has no target is for the standard to tell; that machines do not answer on it, for
    SensorsSilent of `host`, which sees every job of the machines that it is for.
    """
    scrape, kind = subject.standard.scrape, subject.standard.applies_to.kind
    if scrape is None:
        return
    absences = [subject.trees[a.alert] for a in subject.standard.alerts if subject.is_absence(a.alert)]
    selectors = [selector for tree in absences for selector in tree.selectors]
    if not any(s.metric == "up" and s.equal_to("job") == scrape.job for s in selectors):
        yield "", f"no alert tells that the job {scrape.job} has no target"
    if kind not in ("ec2-instance", "monitoring"):
        yield "", f"SensorsSilent does not see machines of the kind {kind}"


@rule
def exhaustion_is_predicted(subject: Subject) -> Iterator[Complaint]:
    nodes = [node for alert in subject.standard.alerts for node in subject.nodes(alert.alert)]
    stores = sorted(
        {n.name for n in nodes if type(n).__name__ == "VectorSelector" and _STORAGE.search(n.name or "")}
    )
    if stores and not any(_is_call(node, *_PREDICTS) for node in nodes):
        yield "", f"it watches {stores[0]} by a fixed threshold alone"


@rule
def only_pages_are_outages(subject: Subject) -> Iterator[Complaint]:
    for alert in subject.standard.alerts:
        if alert.outage and alert.severity is not AlertSeverity.PAGE:
            yield alert.alert, "it mutes others and pages nobody"


@rule
def what_runs_on_hosts_depends_on_them(subject: Subject) -> Iterator[Complaint]:
    standard = subject.standard
    on_hosts = standard.scrape is not None and standard.applies_to.kind == "ec2-instance"
    if on_hosts and standard.name != "host" and not standard.depends_on:
        yield "", "it depends on nothing, so a dead host is told twice"


# --- what people read --------------------------------------------------------------------------------

_VALUE = re.compile(r"\{\{-?\s*\$value\s*(\|[^}]*)?\}\}")


@rule
def numbers_are_for_people(subject: Subject) -> Iterator[Complaint]:
    """A bare $value is for whole numbers: others have seventeen digits."""
    for alert in subject.standard.alerts:
        texts = " ".join(subject.rendered[alert.alert]["annotations"].values())
        bare = any(not found[1] for found in _VALUE.finditer(texts))
        if bare and not _is_whole(subject.trees[alert.alert].root):
            yield alert.alert, "it shows a bare $value that is no whole number: humanize it"


def _is_whole(node: Any) -> bool:
    """Counts, and sums of what is written down whole: no quotients, rates or averages."""
    node = _bare(node)
    if _op(node) in ("or", "-", "+"):
        return _is_whole(node.lhs) and _is_whole(node.rhs)
    if _op(node) in (">", ">=", "<", "<=", "==", "!=", "and", "unless"):
        return _is_whole(node.lhs)
    if type(node).__name__ == "AggregateExpr":
        return str(node.op) == "count" or (str(node.op) in ("sum", "max", "min") and _is_whole(node.expr))
    if type(node).__name__ == "Call":
        return node.func.name in (
            "changes",
            "count_over_time",
            "max_over_time",
            "min_over_time",
            "vector",
        ) or (node.func.name == "last_over_time")
    return type(node).__name__ in ("VectorSelector", "NumberLiteral")


@rule
def every_alert_has_its_section_in_the_runbook(subject: Subject) -> Iterator[Complaint]:
    sections = {part.split("\n", 1)[0]: part for part in subject.runbook.split("\n## ")[1:]}
    for alert in subject.standard.alerts:
        section = sections.pop(alert.alert, None)
        if section is None:
            yield alert.alert, "the runbook has no section of its name"
            continue
        missing = [w for w in ("**Meaning.**", "**Impact.**", "**First steps.**") if w not in section]
        if missing:
            yield alert.alert, f"its section lacks {missing[0]}"
        if re.search(r"\b(as|see) above\b", section, re.IGNORECASE):
            yield alert.alert, "its section says only that something stands above; link to it"
    for name in sections:
        if re.fullmatch(r"\w+", name):
            yield "", f"the runbook has a section {name}, which is no alert"


@rule
def panels_that_the_runbook_names_are_there(subject: Subject) -> Iterator[Complaint]:
    titles = {panel.title for panel in subject.standard.panels}
    for section in subject.runbook.split("\n## ")[1:]:
        alert, _, text = section.partition("\n")
        for named in re.findall(r"\*([^*]+)\*", text.replace("**", "")) if "panel" in text else ():
            if " ".join(named.split()) not in titles:
                yield alert, f"the runbook names *{named}*, which is no panel"


@rule
def its_dashboard_shows_what_alerts(subject: Subject) -> Iterator[Complaint]:
    panels = subject.standard.panels
    if not panels:
        yield "", "it has no dashboard"
        return
    for panel in panels:
        if not panel.description:
            yield "", f'the panel "{panel.title}" has no description'
    if not any(panel.threshold for panel in panels):
        yield "", "no panel shows a threshold"


@rule
def parameters_are_described_and_bounded(subject: Subject) -> Iterator[Complaint]:
    for parameter in subject.standard.parameters.values():
        bounded = parameter.minimum is not None and parameter.maximum is not None
        if not parameter.description or not (bounded or parameter.type == "string"):
            yield "", f"the parameter {parameter.name} is not described, or not bounded"


@rule
def its_metrics_are_in_a_catalogue(subject: Subject) -> Iterator[Complaint]:
    standard = subject.standard
    if (standard.scrape or standard.probe) is not None and standard.exporters is None:
        yield "", "it does not name its exporters"
    for name in standard.exporters or ():
        if subject.catalogues.exporter(name) is None:
            yield "", f"there is no catalogue {name}"
    if standard.cloudwatch and subject.catalogues.namespace(standard.cloudwatch.namespace) is None:
        yield "", f"there is no catalogue of {standard.cloudwatch.namespace}"


@rule
def cloudwatch_is_asked_for_nothing_in_vain(subject: Subject) -> Iterator[Complaint]:
    """Each statistic of each resource costs money at each look."""
    asked = subject.standard.cloudwatch
    if asked is None:
        return
    used = rules.expressions(binding(subject.standard))
    known = metric_checks.of_standard(subject.standard, subject.catalogues)
    parsed = [promql.parse(expr) for _, expr, _ in used]
    selectors = [s for each in parsed if isinstance(each, Expression) for s in each.selectors]
    read = {name for selector in selectors for name in metric_checks.read_by(selector, known)}
    for metric in asked.metrics:
        for statistic in metric.statistics:
            if exported(asked.namespace, metric.name, statistic) not in read:
                yield "", f"nothing reads the {statistic} of {metric.name}"


# --- proof -------------------------------------------------------------------------------------------


@rule
def every_alert_is_seen_to_fire_in_time(subject: Subject) -> Iterator[Complaint]:
    """In one case it is silent, and soon after it fires."""
    for alert in subject.standard.alerts:
        wait = durations.seconds(str(subject.rendered[alert.alert].get("for", "0s"))) or 0
        gaps = [
            after - before
            for _, found in subject.expectations(alert.alert)
            for before in _times(found, firing=False)
            for after in _times(found, firing=True)
            if after > before
        ]
        if not gaps:
            yield alert.alert, "no case sees it silent and then firing"
        elif min(gaps) > max(NEAR, wait):
            yield (
                alert.alert,
                f"{min(gaps):.0f} s lie between silence and firing: when it begins is not known",
            )


def _times(expected: Sequence[AlertExpectation], *, firing: bool) -> list[float]:
    found = [durations.seconds(each.at) for each in expected if bool(each.firing) is firing]
    return [seconds for seconds in found if seconds is not None]


@rule
def what_every_alert_says_is_checked(subject: Subject) -> Iterator[Complaint]:
    for alert in subject.standard.alerts:
        shown = [f for _, found in subject.expectations(alert.alert) for e in found for f in e.firing]
        if not any(fired.annotations.get("summary") for fired in shown):
            yield alert.alert, "no case compares its summary"


@rule
def every_alert_is_seen_to_stay_silent(subject: Subject) -> Iterator[Complaint]:
    for alert in subject.standard.alerts:
        cases = [found for _, found in subject.expectations(alert.alert)]
        if not any(all(not expected.firing for expected in found) for found in cases):
            yield alert.alert, "it fires in every case that speaks of it"


@rule
def machines_terminated_on_purpose_are_not_told(subject: Subject) -> Iterator[Complaint]:
    scraped = subject.standard.scrape is not None and subject.standard.applies_to.kind == "ec2-instance"
    if not scraped and subject.standard.probe is None:
        return
    for alert in subject.standard.alerts:
        if subject.is_absence(alert.alert):
            continue
        if not any(
            "terminated" in case.name.casefold()
            and any("stale" in series.values for series in case.series)
            and all(not expected.firing for expected in found)
            for case, found in subject.expectations(alert.alert)
        ):
            yield alert.alert, "no case with machines that are terminated sees it silent"
