"""Standards' rule tests, run by promtool: many cases a process, several processes at once.

promtool does not say which file a failure is about: the cases of a process that fails are run again, each by
itself.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mac import emit, process, promtool_report, ruletest_cases
from mac.engines import Engine
from mac.model import Service, Standard
from mac.problems import EngineError, Location, Problem, ordered
from mac.promtool_report import Failure
from mac.ruletest_cases import Prepared, Run
from mac.ruletest_report import problem
from mac.testcases import StandardTest, TestCase

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
        ruletest_cases.prepared(test, case, standards, services or {})
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


def _results(cases: Sequence[Prepared], promtool: Engine) -> list[CaseResult]:
    """All of them in one process; each in one of its own where that fails."""
    runs = [(each, run) for each in cases for run in each.runs]
    begin = time.perf_counter()
    if not runs or _promtool(runs, promtool).returncode == 0:
        share = (time.perf_counter() - begin) / len(cases)
        return [_result(each, each.problems, share if each.runs else 0.0) for each in cases]
    return [_alone(each, promtool) for each in cases]


def _alone(each: Prepared, promtool: Engine) -> CaseResult:
    begin = time.perf_counter()
    found = list(each.problems)
    for run in each.runs:
        answer = _promtool([(each, run)], promtool)
        found += [
            problem(each.case, run.alerts, failure) for failure in _failures(answer, each.case, promtool)
        ]
    return _result(each, found, time.perf_counter() - begin)


def _result(each: Prepared, problems: Iterable[Problem], seconds: float) -> CaseResult:
    return CaseResult(each.subject, each.case.name, each.case.location, ordered(problems), seconds)


def _promtool(runs: Sequence[tuple[Prepared, Run]], promtool: Engine) -> process.Completed:
    with tempfile.TemporaryDirectory(prefix="mac-test-") as folder:
        directory = Path(folder)
        names = []
        for number, (each, run) in enumerate(runs):
            rule_file, name = f"rules-{number}.yml", f"test-{number}.yml"
            (directory / rule_file).write_text(
                emit.yaml(ruletest_cases.rule_document(each, run)), encoding="utf-8"
            )
            document = ruletest_cases.test_document(each, run, rule_file)
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
