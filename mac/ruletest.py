"""Standards' rule tests, run by promtool: one process a case, several at once.

The rules are rendered as `generate` renders them. promtool compares all annotations of an alert, a case only
those that it gives: expectations with different annotations are put to promtool one after the other, with
rules that have no others.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mac import conventions, durations, emit, promtool_report, rules, slo, templating
from mac.engines import Engine
from mac.model import Binding, Cell, Member, ParameterValue, Partition, Resource, Service, Standard
from mac.problems import EngineError, Location, Problem, ordered
from mac.promtool_report import Failure
from mac.testcases import AlertExpectation, StandardTest, TestCase

_RULES = "rules.yml"
_TEST = "test.yml"
_TIMEOUT = 120.0  # seconds; a case takes milliseconds


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case ended. It passed when it has no problems. `seconds` are those of promtool."""

    standard: str
    name: str
    location: Location
    problems: tuple[Problem, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class Report:
    """All results, in the order of the tests, and what is wrong beside them: alerts that no case tests."""

    results: tuple[CaseResult, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.problems and all(result.passed for result in self.results)


@dataclass(frozen=True, slots=True)
class _Run:
    """One call of promtool for a case: expectations that give the same annotations."""

    annotations: frozenset[str]
    alerts: list[AlertExpectation] = field(default_factory=list)
    with_expressions: bool = False


def run(
    standards: Mapping[str, Standard],
    tests: Sequence[StandardTest],
    promtool: Engine,
    *,
    services: Mapping[str, Service] | None = None,
    select: Callable[[StandardTest, TestCase], bool] = lambda test, case: True,
    jobs: int | None = None,
) -> Report:
    """Run the selected cases. `tests` name standards that exist, or SLOs of `services`.

    Whether each alert has a case in which it fires and one in which it stays silent is a question about
    all cases: see `untested`. Raises EngineError when promtool breaks down.
    """
    chosen = [(test, case) for test in tests for case in test.cases if select(test, case)]
    workers = max(1, min(jobs or (os.cpu_count() or 1), len(chosen)))
    with ThreadPoolExecutor(workers, thread_name_prefix="ruletest") as pool:
        pending = [
            pool.submit(_result, _subject(test, standards, services or {}), test, case, promtool)
            for test, case in chosen
        ]
        try:
            return Report(tuple(future.result() for future in pending))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def untested(standards: Iterable[Standard], tests: Iterable[StandardTest]) -> tuple[Problem, ...]:
    """A problem for each alert of these standards that no case sees fire, or none sees silent.

    What an extension takes over unchanged is its base's to test.
    """
    fires: set[tuple[str, str]] = set()
    silent: set[tuple[str, str]] = set()
    for test in tests:
        for case in test.cases:
            for expectation in case.alerts:
                (fires if expectation.firing else silent).add((test.subject, expectation.alert))
    problems = []
    for standard in standards:
        for alert in standard.alerts:
            if standard.extends and alert.location.path != standard.location.path:
                continue
            lacks = [
                text
                for text, seen in (("in which it fires", fires), ("in which it stays silent", silent))
                if (standard.name, alert.alert) not in seen
            ]
            if lacks:
                message = f"{alert.alert} has no test case {' and none '.join(lacks)}"
                hint = f"add one to {_test_file(standard)}"
                problems.append(Problem(alert.location, "untested-alert", message, hint))
    return ordered(problems)


def _test_file(standard: Standard) -> str:
    path = standard.location.path
    return f"{path.removesuffix('.yaml')}.test.yaml" if path.endswith(".yaml") else "its test file"


# --- one case ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is tested, and the standards whose recorded series it reads."""

    standard: Standard
    beneath: tuple[Standard, ...] = ()


def _subject(
    test: StandardTest, standards: Mapping[str, Standard], services: Mapping[str, Service]
) -> _Subject:
    if not test.slo:
        return _Subject(standards[test.standard])
    objective = next(o for o in services[test.service].slos if o.name == test.slo)
    indicator = slo.find(objective, standards)
    if indicator is None:
        raise KeyError(f"{objective.standard} has no indicator {objective.indicator}")
    queries = "\n".join(query.text for query in indicator.queries)
    beneath = (s for s in standards.values() if any(r.record in queries for r in s.recording))
    return _Subject(slo.standard(objective, indicator, standards), tuple(beneath))


def _result(subject: _Subject, test: StandardTest, case: TestCase, promtool: Engine) -> CaseResult:
    begin = time.perf_counter()
    problems = _problems(subject, test, case, promtool)
    return CaseResult(test.subject, case.name, case.location, problems, time.perf_counter() - begin)


def _problems(subject: _Subject, test: StandardTest, case: TestCase, promtool: Engine) -> tuple[Problem, ...]:
    rendered, problems = rules.for_binding(_binding(subject.standard, test, case))
    group: list[rules.Rule] = []
    for standard in subject.beneath:
        below, faults = rules.for_binding(_binding(standard, test, case))
        group += [rule.rule for rule in below if "record" in rule.rule]
        problems = (*problems, *faults)
    problems = (*problems, *_misplaced(subject.standard, case))
    if problems:
        return ordered(problems)
    group += [rule.rule for rule in rendered]
    found: list[Problem] = []
    for part in _runs(case):
        failures = _promtool(_shown(group, part), _test_document(group, case, part), case, promtool)
        found += [_problem(case, part, failure) for failure in failures]
    return ordered(found)


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


def _runs(case: TestCase) -> list[_Run]:
    first = _Run(frozenset(), with_expressions=True)
    found = {first.annotations: first}
    for expectation in case.alerts:
        given = frozenset(expectation.firing[0].annotations) if expectation.firing else frozenset()
        found.setdefault(given, _Run(given)).alerts.append(expectation)
    return [part for part in found.values() if part.alerts or (part.with_expressions and case.expressions)]


def _shown(group: Sequence[rules.Rule], part: _Run) -> dict[str, Any]:
    shown = []
    for rule in group:
        annotations = {k: v for k, v in rule.get("annotations", {}).items() if k in part.annotations}
        rest = {key: value for key, value in rule.items() if key != "annotations"}
        shown.append({**rest, "annotations": annotations} if annotations else rest)
    return {"groups": [{"name": "test", "rules": shown}]}


def _test_document(group: Sequence[rules.Rule], case: TestCase, part: _Run) -> dict[str, Any]:
    static = {rule["alert"]: _labels(rule) for rule in group if "alert" in rule}
    return {
        "rule_files": [_RULES],
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
                    for expectation in part.alerts
                ],
                "promql_expr_test": [
                    {
                        "expr": expectation.expr,
                        "eval_time": expectation.at,
                        "exp_samples": [{"labels": s.labels, "value": s.value} for s in expectation.samples],
                    }
                    for expectation in (case.expressions if part.with_expressions else ())
                ],
            }
        ],
    }


def _labels(rule: rules.Rule) -> dict[str, str]:
    # The rule file has Go templates; a firing alert has what they print.
    return {name: templating.go_printed(str(text)) for name, text in rule["labels"].items()}


# --- promtool ----------------------------------------------------------------------------------------


def _promtool(
    rule_file: Mapping[str, Any], test_file: Mapping[str, Any], case: TestCase, promtool: Engine
) -> tuple[Failure, ...]:
    with tempfile.TemporaryDirectory(prefix="mac-test-") as folder:
        directory = Path(folder)
        (directory / _RULES).write_text(emit.yaml(rule_file), encoding="utf-8")
        (directory / _TEST).write_text(emit.yaml(test_file), encoding="utf-8")
        answer = promtool.test_rules(directory / _TEST, timeout=_TIMEOUT)
    if answer.returncode == 0:
        return ()
    text = f"{answer.stdout}\n{answer.stderr}".strip()
    if answer.returncode != 1:
        raise EngineError(f"{promtool} ended with exit code {answer.returncode} on {case.name!r}\n{text}")
    # It refused: that must never read as "all is well", whatever it printed.
    return promtool_report.parse(text) or (Failure(message=promtool_report.plain(text)),)


def _problem(case: TestCase, part: _Run, failure: Failure) -> Problem:
    place = case.location
    message = failure.message
    if failure.alert:
        place = next(
            (e.location for e in part.alerts if (e.alert, _at(e.at)) == (failure.alert, _at(failure.at))),
            place,
        )
        message = f"{failure.alert} at {failure.at}: {_difference(case, failure)}"
    elif failure.expr:
        place = next(
            (e.location for e in case.expressions if (e.expr, _at(e.at)) == (failure.expr, _at(failure.at))),
            place,
        )
        message = f"{_one_line(failure.expr)} at {failure.at}: {failure.message}"
    return Problem(place, "test-failed", message)


def _at(text: str) -> int | str:
    length = durations.milliseconds(text)
    return text if length is None else length


def _difference(case: TestCase, failure: Failure) -> str:
    """What fired and what should have, without the labels that every alert of the rule has."""
    if failure.message:
        return failure.message
    return f"expected {_spell(failure.expected)}, got {_spell(failure.got)}"


def _spell(alerts: Sequence[promtool_report.Alert]) -> str:
    if not alerts:
        return "silence"
    return ", ".join(_spell_one(alert) for alert in alerts)


_STATIC = frozenset(
    {
        "alertname",
        conventions.SERVICE,
        conventions.ENVIRONMENT,
        conventions.TEAM,
        conventions.TIER,
        conventions.SEVERITY,
        conventions.STANDARD,
        conventions.OUTAGE,
        conventions.SLO,
    }
)


def _spell_one(alert: promtool_report.Alert) -> str:
    labels = ", ".join(f'{name}="{value}"' for name, value in alert.labels if name not in _STATIC)
    annotations = ", ".join(f"{name}: {value}" for name, value in alert.annotations)
    return f"an alert {{{labels}}}" + (f" with {annotations}" if annotations else "")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
