"""What `mac validate` does, in order: documents, templates, standards' rules and metrics, generated files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mac import example, metrics, pipeline, render, rules, slo, snapshot, standards, templates, validate
from mac.model import Snapshot
from mac.problems import Problem, errors, ordered


def check(
    root: Path, *, engines_required: bool = False, note: Callable[[str], None] = lambda text: None
) -> tuple[tuple[Problem, ...], Mapping[str, tuple[str, ...]]]:
    """Everything that is wrong, without AWS: documents, templates, standards' rules, and generated files.

    Standards are checked by rendering each for a made-up service, through the same code as `generate`.
    Returns the problems and the lines of the files that were read. `note` is told what could not be checked.
    """
    loaded = standards.load(root)
    sources = dict(loaded.sources)
    texts, template_problems = templates.read(root, (o.template for o in render.OUTPUTS))
    found = [*loaded.problems, *template_problems]
    catalog = loaded.catalog
    if catalog is not None:
        found += [p for s in catalog.standards.values() for p in rules.check_texts(s)]
        found += [p for s in catalog.services.values() for p in rules.check_slos(s)]
        if not errors(found):
            bound = example.bindings(catalog)
            rendered = render.render(catalog, bound, texts, snapshot.digest(Snapshot()))
            found += rendered.problems
            if not errors(rendered.problems):
                where = validate.places(catalog)
                found += validate.check(rendered.files, rendered.documents, rendered.provenance, where)
            catalogues = metrics.find(root)
            uses = {
                known.name: (known, rules.expressions(binding))
                for binding in bound.bindings
                if (known := slo.collected(binding.standard, catalog.standards))
            }
            found += [*validate.check_metrics(uses, catalogues, note), *catalogues.problems]
            sources |= catalogues.sources
    found += _check_output(root, engines_required)
    return ordered(found), sources


def _check_output(root: Path, engines_required: bool) -> list[Problem]:
    files, provenance = pipeline.present(root)
    if not provenance:
        return []
    documents, broken = render.read_back(files, provenance)
    found = [*broken, *validate.edited(files, provenance)]
    if not errors(found):
        found += validate.check(files, documents, provenance)
    if not errors(found):
        found += validate.check_with_engines(files, required=engines_required)
    return found
