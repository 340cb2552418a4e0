"""What `mac test` does, in order: load the documents (reads files), select tests, run them (promtool).

Beside `pipeline` the one module that composes stages.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mac import engines, ruletest, standards
from mac.engines import Engine
from mac.model import Standard
from mac.problems import Location, Problem, ProblemsError, UsageError, errors
from mac.testcases import StandardTest


@dataclass(frozen=True, slots=True)
class Tested:
    """A report, with what it takes to show it. `sources`: path → lines of the files that were read."""

    report: ruletest.Report
    promtool: Engine
    sources: Mapping[str, Sequence[str]]
    seconds: float


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
    ProblemsError when the documents are wrong, EngineError without promtool, UsageError when a path or
    the word selects nothing.
    """
    begin = time.perf_counter()
    loaded = standards.load(root)
    if loaded.catalog is None or errors(loaded.problems):
        raise ProblemsError(loaded.problems)
    engine = engines.at("promtool", promtool) if promtool else engines.require("promtool")
    chosen, tests = _select(root, loaded.catalog.standards, loaded.tests, tuple(paths))
    folded = word.casefold()
    report = ruletest.run(
        loaded.catalog.standards,
        tests,
        engine,
        services=loaded.catalog.services,
        select=lambda each, case: folded in f"{each.subject} {case.name}".casefold(),
        jobs=jobs,
    )
    if word and not report.results:
        raise UsageError(f"no test case has {word!r} in its standard or name")
    missing = () if word else ruletest.untested(chosen, tests)
    return Tested(
        ruletest.Report(report.results, missing), engine, loaded.sources, time.perf_counter() - begin
    )


def _select(
    root: Path, known: Mapping[str, Standard], tests: Sequence[StandardTest], paths: tuple[Path, ...]
) -> tuple[list[Standard], list[StandardTest]]:
    if not paths:
        return list(known.values()), list(tests)
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
    for path in paths:
        if path not in used:
            raise ProblemsError([_nothing_there(path)])
    chosen = [t for t in tests if t.standard in named or (t.slo and below(t.location))]
    return [known[name] for name in sorted(named)], chosen


def _nothing_there(path: Path) -> Problem:
    hint = "name a standard, its .test.yaml, or a folder with some"
    return Problem(Location(str(path)), "file-missing", "there is no standard's test here", hint)
