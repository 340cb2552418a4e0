"""Composes what is asked about what is there, without AWS; of all that, only the site is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

from mac import bind, conventions, coverage, emit, files, pipeline, site, snapshot_source, write
from mac.model import Binding
from mac.problems import Location, Problem, ProblemsError

SITE_FILES = "site.json"
"""What the site's folder holds of mac's, so that pages of what is gone go too."""


def coverage_of(root: Path, source: snapshot_source.Source | None, today: date) -> coverage.Coverage:
    """How much of the snapshot `source` is watched; of the one that the repository keeps if it is None.

    Raises ProblemsError when the documents or the snapshot cannot be read.
    """
    catalog = pipeline.load(root)
    found = snapshot_source.read(source or root / conventions.SNAPSHOT_DIR, root)
    return coverage.coverage(catalog, found, bind.bind(catalog, found, today), today)


def site_of(
    root: Path, source: snapshot_source.Source | None, today: date, *, grafana: str = ""
) -> Mapping[str, bytes]:
    """The catalogue's site, path → content; with the snapshot `source`, else the one that is kept, if any.
    `grafana`: the address of it, else mac.yaml's.

    Raises ProblemsError when the documents, the runbooks or the snapshot cannot be read.
    """
    catalog = pipeline.load(root)
    kept = root / conventions.SNAPSHOT_DIR
    observed = None
    if source is not None or kept.exists():
        found = snapshot_source.read(source or kept, root)
        bindings = bind.bind(catalog, found, today)
        covered = coverage.coverage(catalog, found, bindings, today)
        observed = site.Observed(bindings, covered, dict(_dashboards(bindings.bindings)))
    shown = grafana or catalog.project.addresses.grafana
    return site.render(site.Material(catalog, _runbooks(root), today, observed, shown))


def write_site(content: Mapping[str, bytes], output: Path) -> write.Written:
    """Makes `output` hold the site, all or nothing; pages that an earlier site had there are removed.

    Raises ProblemsError where files of others are in the way, OutputError as `write.write` does.
    """
    before = _written_before(output)
    listed = emit.json_pretty({"files": sorted(content)})
    return write.write(
        output, {**content, SITE_FILES: listed}, before, remove=before - content.keys() - {SITE_FILES}
    )


def _written_before(output: Path) -> set[str]:
    text, problems = files.read_text(output / SITE_FILES, output)
    if text is None and all(problem.code == "file-missing" for problem in problems):
        return set()
    try:
        return {SITE_FILES, *map(str, emit.read_json(text or "")["files"])}
    except (ValueError, LookupError, TypeError):
        place = files.shown(output / SITE_FILES, output.parent)
        hint = "name another folder with --output, or delete it"
        message = "is not the list of a site's files, so what is mac's in this folder is not known"
        raise ProblemsError([Problem(Location(place), "foreign-file", message, hint)]) from None


def _dashboards(bindings: Iterable[Binding]) -> Iterator[tuple[str, site.Dashboard]]:
    for binding in bindings:
        if binding.standard.panels:
            name = binding.service
            yield name, site.Dashboard(conventions.dashboard_file(name), conventions.dashboard_uid(name))


def _runbooks(root: Path) -> Mapping[str, str]:
    folder = root / conventions.RUNBOOK_DIR
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*.md")):
        text, wrong = files.read_text(path, root)
        problems += wrong
        if text is not None:
            found[path.relative_to(folder).as_posix()] = text
    if problems:
        raise ProblemsError(problems)
    return found
