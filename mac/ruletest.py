"""Standards' rule tests, run by promtool: many cases a process, several processes at once.

The rules are rendered as `generate` renders them; of a standard's rules those are evaluated that a case
speaks of, and the series that they read. promtool compares all annotations of an alert, a case only those
that it gives: where the expectations of one alert give different ones, they are put to promtool one after the
other, with rules that have no others. promtool does not say which file a failure is about: the cases of a
process that fails are run again, each by itself.
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

from mac import conventions, durations, emit, process, promtool_report, rules, slo, templating
from mac.engines import Engine
from mac.model import Binding, Cell, Member, ParameterValue, Partition, Resource, Service, Standard
from mac.problems import EngineError, Location, Problem, ordered
from mac.promtool_report import Failure
from mac.testcases import AlertExpectation, StandardTest, TestCase

_TIMEOUT = 120.0  # seconds for each file; one takes milliseconds
_BATCH = 24
"""Cases in one process: to start it takes as long as to run one."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case ended. It passed when it has no problems. `seconds`: its share of promtool's time."""

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
class _Case:
    """A case with all its rules, rendered; with `problems` it cannot be run."""

    subject: str
    case: TestCase
    rules: tuple[rules.Rule, ...] = ()
    runs: tuple[_Run, ...] = ()
    problems: tuple[Problem, ...] = ()

    def result(self, problems: Iterable[Problem], seconds: float) -> CaseResult:
        return CaseResult(self.subject, self.case.name, self.case.location, ordered(problems), seconds)


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
    chosen = [
        _prepared(_subject(test, standards, services or {}), test, case)
        for test in tests
        for case in test.cases
        if select(test, case)
    ]
    workers = max(1, min(jobs or (os.cpu_count() or 1), len(chosen)))
    size = max(1, min(_BATCH, len(chosen) // workers))
    with ThreadPoolExecutor(workers, thread_name_prefix="ruletest") as pool:
        pending = [
            pool.submit(_results, chosen[begin : begin + size], promtool)
            for begin in range(0, len(chosen), size)
        ]
        try:
            return Report(tuple(result for future in pending for result in future.result()))
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


# --- cases -------------------------------------------------------------------------------------------


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


def _prepared(subject: _Subject, test: StandardTest, case: TestCase) -> _Case:
    rendered, problems = rules.for_binding(_binding(subject.standard, test, case))
    group: list[rules.Rule] = []
    for standard in subject.beneath:
        below, faults = rules.for_binding(_binding(standard, test, case))
        group += [rule.rule for rule in below if "record" in rule.rule]
        problems = (*problems, *faults)
    problems = (*problems, *_misplaced(subject.standard, case))
    if problems:
        return _Case(test.subject, case, problems=problems)
    group += [rule.rule for rule in rendered]
    return _Case(test.subject, case, tuple(group), _runs(case))


def _results(cases: Sequence[_Case], promtool: Engine) -> list[CaseResult]:
    """All of them in one process; each in one of its own where that fails."""
    runs = [(each, run) for each in cases for run in each.runs]
    begin = time.perf_counter()
    if not runs or _promtool(runs, promtool).returncode == 0:
        share = (time.perf_counter() - begin) / len(cases)
        return [each.result(each.problems, share if each.runs else 0.0) for each in cases]
    return [_alone(each, promtool) for each in cases]


def _alone(each: _Case, promtool: Engine) -> CaseResult:
    begin = time.perf_counter()
    found = list(each.problems)
    for run in each.runs:
        answer = _promtool([(each, run)], promtool)
        found += [_problem(each.case, run, failure) for failure in _failures(answer, each.case, promtool)]
    return each.result(found, time.perf_counter() - begin)


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


def _runs(case: TestCase) -> tuple[_Run, ...]:
    found = [_Run(with_expressions=True)]
    for expectation in case.alerts:
        if not any(run.takes(expectation) for run in found):
            found.append(_Run())
            found[-1].takes(expectation)
    return tuple(run for run in found if run.alerts or case.expressions)


def _rules(each: _Case, run: _Run) -> dict[str, Any]:
    """The rule file: what the run speaks of, with the annotations that are compared."""
    shown = []
    for rule in _spoken_of(each, run):
        compared = run.shown.get(rule.get("alert", ""), frozenset())
        annotations = {k: v for k, v in rule.get("annotations", {}).items() if k in compared}
        rest = {key: value for key, value in rule.items() if key != "annotations"}
        shown.append({**rest, "annotations": annotations} if annotations else rest)
    return {"groups": [{"name": "test", "rules": shown}]}


def _spoken_of(each: _Case, run: _Run) -> list[rules.Rule]:
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


def _test_document(each: _Case, run: _Run, rule_file: str) -> dict[str, Any]:
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


# --- promtool ----------------------------------------------------------------------------------------


def _promtool(runs: Sequence[tuple[_Case, _Run]], promtool: Engine) -> process.Completed:
    with tempfile.TemporaryDirectory(prefix="mac-test-") as folder:
        directory = Path(folder)
        names = []
        for number, (each, run) in enumerate(runs):
            rule_file, name = f"rules-{number}.yml", f"test-{number}.yml"
            (directory / rule_file).write_text(emit.yaml(_rules(each, run)), encoding="utf-8")
            document = _test_document(each, run, rule_file)
            (directory / name).write_text(emit.yaml(document), encoding="utf-8")
            names.append(name)
        return promtool.test_rules(directory, names, timeout=_TIMEOUT * len(names))


def _failures(answer: process.Completed, case: TestCase, promtool: Engine) -> tuple[Failure, ...]:
    if answer.returncode == 0:
        return ()
    text = f"{answer.stdout}\n{answer.stderr}".strip()
    if answer.returncode != 1:
        raise EngineError(f"{promtool} ended with exit code {answer.returncode} on {case.name!r}\n{text}")
    # It refused: that must never read as "all is well", whatever it printed.
    return promtool_report.parse(text) or (Failure(message=promtool_report.plain(text)),)


def _problem(case: TestCase, run: _Run, failure: Failure) -> Problem:
    place = case.location
    message = failure.message
    if failure.alert:
        place = next(
            (e.location for e in run.alerts if (e.alert, _at(e.at)) == (failure.alert, _at(failure.at))),
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
        conventions.REACH,
        conventions.REMINDER,
        conventions.SLO,
    }
)


def _spell_one(alert: promtool_report.Alert) -> str:
    labels = ", ".join(f'{name}="{value}"' for name, value in alert.labels if name not in _STATIC)
    annotations = ", ".join(f"{name}: {value}" for name, value in alert.annotations)
    return f"an alert {{{labels}}}" + (f" with {annotations}" if annotations else "")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
