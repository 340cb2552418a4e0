"""What `mac test` does, in order: load the documents (reads files), select tests, run them (promtool, amtool,
Alertmanager).

Beside `pipeline` the one module that composes stages.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mac import bind, conventions, engines, render, routingtest, ruletest, servers, standards, templates
from mac.engines import Engine
from mac.model import Catalog, Standard
from mac.problems import Location, Problem, ProblemsError, UsageError, errors
from mac.standards import Loaded
from mac.testcases import RoutingCase, RoutingTest, StandardTest


@dataclass(frozen=True, slots=True)
class Tested:
    """A report, with what it takes to show it. `engines`: the programs that were asked.

    `sources`: path → lines of the files that were read.
    """

    report: ruletest.Report
    engines: tuple[Engine, ...]
    sources: Mapping[str, Sequence[str]]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Chosen:
    standards: Sequence[Standard]
    tests: Sequence[StandardTest]
    routing: Sequence[RoutingTest]


def run_tests(
    root: Path,
    *,
    paths: Iterable[Path] = (),
    word: str = "",
    promtool: Path | None = None,
    jobs: int | None = None,
) -> Tested:
    """Run the tests below `paths` (files or folders; none: all), those with `word` in standard or name.

    With a word it is no question whether every alert is tested, since most cases were left out. Raises
    ProblemsError when the documents are wrong, EngineError without the engines that the tests need,
    UsageError when a path or the word selects nothing.
    """
    begin = time.perf_counter()
    loaded = standards.load(root)
    if loaded.catalog is None or errors(loaded.problems):
        raise ProblemsError(loaded.problems)
    chosen = _select(root, loaded, loaded.catalog, tuple(paths))
    folded = word.casefold()
    used: list[Engine] = []
    results: tuple[ruletest.CaseResult, ...] = ()
    if chosen.standards or chosen.tests:
        used.append(engines.at("promtool", promtool) if promtool else engines.require("promtool"))
        results = ruletest.run(
            {**loaded.catalog.bases, **loaded.catalog.standards},
            chosen.tests,
            used[0],
            services=loaded.catalog.services,
            select=lambda each, case: folded in f"{each.subject} {case.name}".casefold(),
            jobs=jobs,
        ).results
    routed = [
        (test, case)
        for test in chosen.routing
        for case in test.cases
        if folded in f"{routingtest.SUBJECT} {test.name} {case.name}".casefold()
    ]
    if routed:
        found, asked = _routing(root, loaded.catalog, routed)
        results = (*results, *found)
        used += asked
    if word and not results:
        raise UsageError(f"no test case has {word!r} in its standard or name")
    missing = () if word else ruletest.untested(chosen.standards, chosen.tests)
    report = ruletest.Report(results, missing)
    return Tested(report, tuple(used), loaded.sources, time.perf_counter() - begin)


def _routing(
    root: Path, catalog: Catalog, routed: Sequence[tuple[RoutingTest, RoutingCase]]
) -> tuple[tuple[ruletest.CaseResult, ...], list[Engine]]:
    """The cases on the configuration that `mac generate` would write: it depends on documents alone."""
    asked = [engines.require("amtool")]
    if any(case.muted is not None for _, case in routed):
        asked.append(engines.require("alertmanager"))
    texts, problems = templates.read(root, (output.template for output in render.OUTPUTS))
    rendered = render.render(catalog, bind.Bindings((), (), (), (), 0), texts, "")
    if errors(wrong := [*problems, *rendered.problems]):
        raise ProblemsError(wrong)
    document = rendered.documents[conventions.ALERTMANAGER_CONFIG]
    found = routingtest.run(
        catalog, document, routed, asked[0], lambda path: servers.alertmanager(path, engine=asked[-1])
    )
    return found, asked


def _select(root: Path, loaded: Loaded, catalog: Catalog, paths: tuple[Path, ...]) -> _Chosen:
    known, tests, routing = {**catalog.bases, **catalog.standards}, loaded.tests, loaded.routing_tests
    if not paths:
        return _Chosen(list(known.values()), tests, routing)
    wanted = {path: path.resolve() for path in paths}
    used: set[Path] = set()

    def below(place: Location) -> bool:
        file = (root / place.path).resolve()
        hits = {path for path, full in wanted.items() if file == full or full in file.parents}
        used.update(hits)
        return bool(hits)

    named = {s.name for s in known.values() if below(s.location)}
    pointed_at = [t for t in tests if below(t.location)]
    named |= {t.standard for t in pointed_at if t.standard}
    routed = [test for test in routing if below(test.location)]
    for path in paths:
        if path not in used:
            raise ProblemsError([_nothing_there(path)])
    chosen = [t for t in tests if t.standard in named or (t.slo and t in pointed_at)]
    return _Chosen([known[name] for name in sorted(named)], chosen, routed)


def _nothing_there(path: Path) -> Problem:
    hint = "name a standard, a .test.yaml, or a folder with some"
    return Problem(Location(str(path)), "file-missing", "there is no test here", hint)
