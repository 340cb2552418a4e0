"""The stages in their order, up to the plan: what would be written, and what it would change.

    load       reads mac.yaml, inventory/aws.yaml, standards/, templates/
    inventory  asks AWS, or reads a snapshot
    bind       pure
    render     pure
    validate   pure, then promtool and amtool when they are there
    plan       reads the present output; pure

Everything is built in memory. `mac diff` shows the object that `generating.py` executes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mac import (
    bind,
    conventions,
    coverage,
    diff,
    git,
    guards,
    inventory,
    lock,
    measure,
    message,
    record,
    render,
    shards,
    snapshot,
    standards,
    templates,
    unbound,
    validate,
    write,
)
from mac.model import Catalog
from mac.problems import Problem, ProblemsError, Severity, errors, ordered
from mac.record_model import GitSettings, TargetFiles
from mac.run import Built, Clock, Progress, Request, silent

__all__ = ["Built", "Clock", "Request"]


def load(root: Path) -> Catalog:
    """What engineers wrote. Raises ProblemsError when any of it is wrong."""
    loaded = standards.load(root)
    if loaded.catalog is None or errors(loaded.problems):
        raise ProblemsError(loaded.problems)
    return loaded.catalog


def plan(request: Request, progress: Progress = silent) -> Built:
    """What `generate` would do; nothing of the user's is written. Raises ProblemsError when the input has
    errors. Where a guard would stop `generate`, that is among the warnings.
    """
    asked = asked_for(request)
    kept_apart = bool(asked.settings.repository or asked.settings.branch) and not request.output
    with lock.locked(request.root, lock.WAIT) if kept_apart else nullcontext():
        place = record.begin(replace(asked, commit=kept_apart), message)
        built = build(request, Clock(), progress, place)
        stopped = [replace(p, severity=Severity.WARNING) for p in stops(built, request)]
    return replace(built, problems=ordered([*built.problems, *stopped]))


def build(
    request: Request, clock: Clock, progress: Progress = silent, place: record.Record | None = None
) -> Built:
    """Everything up to the plan; writes nothing. Raises ProblemsError when there are errors.

    `place`: where the output is kept, as `record.begin` prepared it; without it, where it lies on disk. The
    guards are not asked: see `stops`.
    """
    if place is None:
        place = record.begin(replace(asked_for(request), commit=False), message)
    root = request.root
    write.recover(root)
    with clock.stage("load"):
        loaded = standards.load(root)
        texts, template_problems = templates.read(root, (o.template for o in render.OUTPUTS))
        found = [*loaded.problems, *template_problems]
    if loaded.catalog is None or errors(found):
        raise ProblemsError(found)
    catalog = loaded.catalog
    with clock.stage("inventory"):
        state, unread = inventory.requested(request, catalog, (place.home, root), progress)
        found += unread
    with clock.stage("bind"):
        progress("bind", f"{len(state.resources)} resources")
        bindings = bind.bind(catalog, state, request.today)
        if catalog.project.scale.sharding is not None:
            write.recover(place.output)
            bindings = divided(catalog, bindings, place.tree(request.base)[1])
        found += bindings.problems
        if not bindings.bindings and guards.UNBOUND not in request.allow:
            found.append(unbound.nothing_bound(catalog, bindings.unbound))
            raise ProblemsError(found)
    with clock.stage("render"):
        progress("render", f"{len(bindings.bindings)} bindings")
        rendered = render.render(catalog, bindings, texts, snapshot.digest(state))
        found += rendered.problems
    if errors(found):
        raise ProblemsError(found)
    with clock.stage("validate"):
        progress("validate", f"{len(rendered.files)} files")
        where = validate.places(catalog)
        found += validate.check(rendered.files, rendered.documents, rendered.provenance, where)
        if not errors(found):
            found += validate.check_with_engines(
                rendered.files, required=request.engines_required, where=where
            )
    if errors(found):
        raise ProblemsError(found)
    write.recover(place.output)
    with clock.stage("plan"):
        progress("plan", "comparing with what is there")
        old, old_provenance = place.tree(request.base)
        plan = diff.plan(old, rendered.files, old_provenance, rendered.provenance)
        owned = (*old_provenance.get("files", {}), conventions.PROVENANCE)
        found += validate.edited(old, old_provenance)
        before, after = shards.counts(old_provenance), shards.counts(rendered.provenance)
        found += guards.moved(plan, before, after, guards.counts(old_provenance)[0])
    return Built(catalog, state, bindings, rendered, plan, ordered(found), place, owned, old_provenance)


def divided(catalog: Catalog, bindings: bind.Bindings, provenance: Mapping[str, Any]) -> bind.Bindings:
    """The bindings with the shards of cells that are too large. `provenance`: of the tree before."""
    sharding = catalog.project.scale.sharding
    if sharding is None:
        return bindings
    before = shards.counts(provenance)
    measured, unknown = measure.series(sharding, [cell.name for cell in bindings.cells], before)
    whole = shards.divide(catalog, bindings, before, measured)
    return replace(whole, problems=ordered([*whole.problems, *unknown]))


def present(
    root: Path, output: Path | None = None, rev: str = ""
) -> tuple[Mapping[str, bytes], Mapping[str, Any]]:
    """The generated files that are there, or in a revision, and their provenance; {} when there are none.

    `output`: the folder, instead of mac.yaml's.
    """
    asked = replace(asked_for(Request(root, output=output)), commit=False)
    return record.begin(asked, message).tree(rev)


def stops(built: Built, request: Request) -> list[Problem]:
    """What the guards have against a plan that nobody allowed."""
    limits, allowed = built.catalog.project.guards, request.allow
    found = [*guards.shrink(built.plan, limits, built.old_provenance, allowed)]
    if guards.NO_RULES not in allowed:
        found += guards.zero_rules(built.rendered.provenance)
    if guards.STALE not in allowed:
        found += guards.stale(built.snapshot, limits)
    if guards.COVERAGE not in allowed and limits.coverage:
        covered = coverage.coverage(built.catalog, built.snapshot, built.bindings, request.today)
        found += guards.coverage(covered.percent, covered.unwatched, limits)
    if guards.SECRETS not in allowed:
        stored = snapshot.stored_files(built.snapshot) if built.record.keeps(request.snapshot) else {}
        found += guards.secrets({**stored, **built.rendered.files}, limits)
    return [*found, *built.record.foreign(built.rendered.files, built.owned)]


def covered_by(built: Built) -> coverage.Coverage:
    """How much of the inventory is watched, today."""
    return coverage.coverage(built.catalog, built.snapshot, built.bindings, datetime.now(UTC).date())


def asked_for(request: Request) -> record.Asked:
    """What mac.yaml and the options say of where the output is kept."""
    try:
        project = standards.settings(request.root)
    except ProblemsError:  # `load` tells it, with whatever else is wrong
        project = None
    settings = project.git if project else GitSettings()
    push = request.push and not (request.lasting and _has_no_remote(request, settings))
    return record.Asked(
        root=request.root,
        settings=settings,
        targets=project.targets if project else TargetFiles(),
        folder=project.output if project else ".",
        output=request.output,
        commit=request.commit,
        push=push,
        branch=request.branch,
        remote=request.remote,
        follow=request.lasting and push,
    )


def _has_no_remote(request: Request, settings: GitSettings) -> bool:
    name = request.remote or settings.remote
    return not settings.repository and not git.open(request.root).has_remote(name)
