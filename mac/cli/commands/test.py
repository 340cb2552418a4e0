"""`mac test`: the standards' own rule tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options

if TYPE_CHECKING:
    from mac.testrun import Tested


@click.command(epilog="Example: mac test standards/data -k boot")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-k", "word", default="", metavar="WORD", help="Only cases whose standard or name has this word."
)
@click.option(
    "--promtool",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="PATH",
    help="The promtool to test with.  [default: MAC_PROMTOOL, else the one on PATH]",
)
@click.option("-j", "--jobs", type=click.IntRange(1, 256), help="Cases at once.  [default: one a processor]")
@options.output_format("text", "json")
@options.root
def command(
    root: Path,
    paths: tuple[Path, ...],
    word: str,
    promtool: Path | None,
    jobs: int | None,
    output_format: str,
) -> int:
    """Run the tests of standards and of routing.

    Each case of a standard's .test.yaml runs in promtool, on the rules that `mac generate` would write; tests
    of routing run in amtool and Alertmanager, on its routes and inhibition. PATH is a test file, its
    standard, or a folder. Without -k every alert needs a case in which it fires and one in which it stays
    silent.
    """
    from mac import testrun

    tested = testrun.run_tests(root, paths=paths, word=word, promtool=promtool, jobs=jobs)
    if output_format == "json":
        options.data(_json(tested))
    else:
        options.data(_text(tested))
        _show(tested)
    return errors.DONE if tested.report.passed else errors.PROBLEMS


def _text(tested: Tested) -> str:
    color = options.wants_color(sys.stdout)
    lines = []
    for result in tested.report.results:
        word = click.style("PASS", fg="green") if result.passed else click.style("FAIL", fg="red", bold=True)
        line = f"{word} {result.standard}: {result.name} ({result.seconds:.2f} s)"
        lines.append(line if color else click.unstyle(line))
    failed = sum(not result.passed for result in tested.report.results)
    counts = [f"{len(tested.report.results) - failed} passed", f"{failed} failed"]
    if tested.report.problems:
        counts.append(f"{len(tested.report.problems)} alerts untested")
    lines.append(f"{', '.join(counts)} in {tested.seconds:.1f} s with {_engines(tested)}")
    return "\n".join(lines)


def _engines(tested: Tested) -> str:
    return " and ".join(str(engine) for engine in tested.engines)


def _show(tested: Tested) -> None:
    from mac import report

    problems = [problem for result in tested.report.results for problem in result.problems]
    text = report.text(
        [*problems, *tested.report.problems], tested.sources, color=options.wants_color(sys.stderr)
    )
    if text:
        click.echo(text, err=True, nl=False, color=options.wants_color(sys.stderr))


def _json(tested: Tested) -> str:
    from mac import emit, report

    failed = sum(not result.passed for result in tested.report.results)
    return emit.json_pretty(
        {
            "schema_version": 1,
            "engines": [str(engine) for engine in tested.engines],
            "summary": {
                "passed": len(tested.report.results) - failed,
                "failed": failed,
                "untested": len(tested.report.problems),
                "seconds": round(tested.seconds, 3),
            },
            "cases": [
                {
                    "standard": result.standard,
                    "name": result.name,
                    "path": result.location.path,
                    "line": result.location.line,
                    "outcome": "passed" if result.passed else "failed",
                    "seconds": round(result.seconds, 3),
                    "problems": report.as_dicts(result.problems),
                }
                for result in tested.report.results
            ],
            "problems": report.as_dicts(tested.report.problems),
        }
    ).decode()
