"""A standard's test cases as promtool takes them: the rules that a case speaks of, and a test file.

The rules are rendered as `generate` renders them; of a standard's rules those are evaluated that a case
speaks of, and the series that they read. promtool compares all annotations of an alert, a case only those
that it gives: where the expectations of one alert give different ones, they are put to promtool one after the
other, with rules that have no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mac import rules, slo, templating
from mac.model import Binding, Cell, Member, ParameterValue, Partition, Resource, Service, Standard
from mac.problems import Problem
from mac.testcases import AlertExpectation, StandardTest, TestCase


@dataclass(frozen=True, slots=True)
class Run:
    """One file for promtool of a case: of each alert, expectations that give the same annotations."""

    with_expressions: bool = False
    alerts: list[AlertExpectation] = field(default_factory=list)
    shown: dict[str, frozenset[str]] = field(default_factory=dict)  # alert → names of its annotations

    def takes(self, expectation: AlertExpectation) -> bool:
        """Adds the expectation, unless what it gives differs from what is compared of its alert already."""
        if expectation.firing:
            given = frozenset(expectation.firing[0].annotations)
            if self.shown.setdefault(expectation.alert, given) != given:
                return False
        self.alerts.append(expectation)
        return True


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case with all its rules, rendered; with `problems` it cannot be run."""

    subject: str
    case: TestCase
    rules: tuple[rules.Rule, ...] = ()
    runs: tuple[Run, ...] = ()
    problems: tuple[Problem, ...] = ()


def prepared(
    test: StandardTest,
    case: TestCase,
    standards: Mapping[str, Standard],
    services: Mapping[str, Service],
) -> Prepared:
    """The case of a test, ready to be run, or with what is wrong with it."""
    subject, beneath = _subject(test, standards, services)
    rendered, problems = rules.for_binding(_binding(subject, test, case))
    group: list[rules.Rule] = []
    for standard in beneath:
        below, faults = rules.for_binding(_binding(standard, test, case))
        group += [rule.rule for rule in below if "record" in rule.rule]
        problems = (*problems, *faults)
    problems = (*problems, *_misplaced(subject, case))
    if problems:
        return Prepared(test.subject, case, problems=problems)
    group += [rule.rule for rule in rendered]
    return Prepared(test.subject, case, tuple(group), _runs(case))


def _subject(
    test: StandardTest, standards: Mapping[str, Standard], services: Mapping[str, Service]
) -> tuple[Standard, tuple[Standard, ...]]:
    """What is tested, and the standards whose recorded series it reads."""
    if not test.slo:
        return standards[test.standard], ()
    objective = next(o for o in services[test.service].slos if o.name == test.slo)
    indicator = slo.find(objective, standards)
    if indicator is None:
        raise KeyError(f"{objective.standard} has no indicator {objective.indicator}")
    queries = "\n".join(query.text for query in indicator.queries)
    beneath = (s for s in standards.values() if any(r.record in queries for r in s.recording))
    return slo.standard(objective, indicator, standards), tuple(beneath)


def _misplaced(standard: Standard, case: TestCase) -> Iterator[Problem]:
    known = {alert.alert for alert in standard.alerts}
    for expectation in case.alerts:
        if expectation.alert not in known:
            message = f'{standard.name} has no alert "{expectation.alert}"'
            yield Problem(expectation.location, "unknown-alert", message)
        if len({frozenset(firing.annotations) for firing in expectation.firing}) > 1:
            message = "the alerts of one expectation give different annotations"
            hint = "give the same annotations for each of them"
            yield Problem(expectation.location, "test-failed", message, hint)


def _binding(standard: Standard, test: StandardTest, case: TestCase) -> Binding:
    resource = Resource(arn="", kind=standard.applies_to.kind, account="", region="", id="")
    return Binding(
        cell=Cell(test.cell, "", ""),
        environment=test.environment,
        service=test.service,
        standard=standard,
        team=test.team,
        tier=test.tier,
        members=(Member(resource, {}),) * test.expected,
        partitions=(Partition("", {**standard.defaults, **_parameters(standard, case)}, test.expected),),
    )


def _parameters(standard: Standard, case: TestCase) -> dict[str, ParameterValue]:
    """Those of a case that the standard has: what lies beneath an SLO may have others."""
    return {name: value for name, value in case.parameters.items() if name in standard.parameters}


def _runs(case: TestCase) -> tuple[Run, ...]:
    found = [Run(with_expressions=True)]
    for expectation in case.alerts:
        if not any(run.takes(expectation) for run in found):
            found.append(Run())
            found[-1].takes(expectation)
    return tuple(run for run in found if run.alerts or case.expressions)


def rule_document(each: Prepared, run: Run) -> dict[str, Any]:
    """The rule file: what the run speaks of, with the annotations that are compared."""
    shown = []
    for rule in _spoken_of(each, run):
        compared = run.shown.get(rule.get("alert", ""), frozenset())
        annotations = {k: v for k, v in rule.get("annotations", {}).items() if k in compared}
        rest = {key: value for key, value in rule.items() if key != "annotations"}
        shown.append({**rest, "annotations": annotations} if annotations else rest)
    return {"groups": [{"name": "test", "rules": shown}]}


def _spoken_of(each: Prepared, run: Run) -> list[rules.Rule]:
    """The alerts of the run, and every recording rule whose name occurs in what is read, in their order."""
    alerts = {expectation.alert for expectation in run.alerts}
    expressions = [e.expr for e in each.case.expressions] if run.with_expressions else []
    everything = [*expressions, *(rule["expr"] for rule in each.rules)]
    if any("ALERTS" in text or "__name__" in text for text in everything):
        return list(each.rules)  # what they read is not to be seen from names
    texts = [rule["expr"] for rule in each.rules if rule.get("alert") in alerts] + expressions
    read: set[str] = set()
    while texts:
        text = texts.pop()
        for rule in each.rules:
            name = rule.get("record", "")
            if name and name in text and name not in read:
                read.add(name)
                texts += [r["expr"] for r in each.rules if r.get("record") == name]
    return [rule for rule in each.rules if rule.get("alert") in alerts or rule.get("record") in read]


def test_document(each: Prepared, run: Run, rule_file: str) -> dict[str, Any]:
    """The test file, for rules that lie in `rule_file`."""
    case = each.case
    static = {rule["alert"]: _labels(rule) for rule in each.rules if "alert" in rule}
    return {
        "rule_files": [rule_file],
        "evaluation_interval": case.interval,
        "tests": [
            {
                "interval": case.interval,
                "input_series": [{"series": s.series, "values": s.values} for s in case.series],
                "alert_rule_test": [
                    {
                        "eval_time": expectation.at,
                        "alertname": expectation.alert,
                        "exp_alerts": [
                            {
                                # A label of the rule beats one of its expression.
                                "exp_labels": {**firing.labels, **static[expectation.alert]},
                                "exp_annotations": dict(firing.annotations),
                            }
                            for firing in expectation.firing
                        ],
                    }
                    for expectation in run.alerts
                ],
                "promql_expr_test": [
                    {
                        "expr": expectation.expr,
                        "eval_time": expectation.at,
                        "exp_samples": [{"labels": s.labels, "value": s.value} for s in expectation.samples],
                    }
                    for expectation in (case.expressions if run.with_expressions else ())
                ],
            }
        ],
    }


def _labels(rule: rules.Rule) -> dict[str, str]:
    # The rule file has Go templates; a firing alert has what they print.
    return {name: templating.go_printed(str(text)) for name, text in rule["labels"].items()}
