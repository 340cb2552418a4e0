"""The stages in their order; nothing else composes them.

    load       reads mac.yaml, inventory/aws.yaml, standards/, templates/
    inventory  asks AWS, or reads a snapshot
    bind       pure
    render     pure
    validate   pure, then promtool and amtool when they are there
    plan       reads the present output; pure
    write      writes the snapshot and the output, each all or nothing
    commit     one Git commit of the owned paths
    push       to the remote; a lost race begins again on the new head, a few times

Everything is built in memory before anything is written. `diff` stops after plan: what it shows is the
object that `generate` executes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mac import (
    accounts,
    bind,
    collect,
    config_aggregator,
    conventions,
    coverage,
    diff,
    git,
    guards,
    incomplete,
    lock,
    measure,
    message,
    plan_report,
    propose,
    record,
    render,
    shards,
    snapshot,
    snapshot_source,
    standards,
    templates,
    validate,
    write,
)
from mac.kinds import Kind
from mac.model import Catalog, InventoryConfig, Scope, Snapshot
from mac.problems import (
    GitError,
    Problem,
    ProblemsError,
    RemoteError,
    Severity,
    UsageError,
    errors,
    ordered,
)
from mac.record_model import GitSettings, TargetFiles
from mac.run import Built, Clock, Outcome, Progress, Request, silent

__all__ = ["Built", "Clock", "Outcome", "Progress", "Request", "asked", "silent"]

PUSH_ATTEMPTS = 5
LOCK_WAIT = 60.0  # seconds

# --- inventory ---------------------------------------------------------------------------------------


def inventory(
    root: Path, *, to: Path | None = None, allow_shrink: bool = False, progress: Progress = silent
) -> Snapshot:
    """Reads AWS and writes the snapshot: to the monitoring repository, or to the file `to`.

    `allow_shrink`: an organization may have lost any number of its accounts.
    """
    loaded = load(root)
    progress("inventory", "asking AWS")
    with lock.locked(root, LOCK_WAIT, lambda holder: progress("wait", f"for {holder}")):
        write.recover(root)
        stored = root / conventions.SNAPSHOT_DIR
        found = _ask_aws(loaded, stored, datetime.now(UTC), progress, everything=allow_shrink)
        if to is not None:
            write.replace_file(to, snapshot_source.encode(found, to))
        else:
            _write_snapshot(root, found)
        return found


def observe(root: Path, progress: Progress = silent) -> Snapshot:
    """The inventory as AWS tells it now; nothing is written."""
    loaded = load(root)
    progress("inventory", "asking AWS")
    return _ask_aws(loaded, root / conventions.SNAPSHOT_DIR, datetime.now(UTC), progress)


def load(root: Path) -> Catalog:
    """What engineers wrote. Raises ProblemsError when any of it is wrong."""
    loaded = standards.load(root)
    if loaded.catalog is None or errors(loaded.problems):
        raise ProblemsError(loaded.problems)
    return loaded.catalog


def inventory_problems(root: Path, found: Snapshot, now: datetime, *, strict: bool) -> list[Problem]:
    """What is wrong with a snapshot as an inventory: what has not been read for too long."""
    return incomplete.outdated(found, load(root).inventory, now, strict=strict)


def entered(config: InventoryConfig) -> tuple[tuple[str, ...], Kind | None]:
    """The roles that reading the inventory takes on, and the calls that list its accounts."""
    return accounts.entered(config)


asked = config_aggregator.asked


def _ask_aws(
    catalog: Catalog,
    stored: Path,
    now: datetime,
    progress: Progress,
    *,
    everything: bool = False,
    only: frozenset[Scope] | None = None,
) -> Snapshot:
    last = snapshot.read(stored) if stored.exists() else Snapshot()
    start = time.monotonic()
    config = replace(catalog.inventory, largest_loss=1.0) if everything else catalog.inventory
    return collect.collect(
        config,
        last,
        now=now,
        only=only,
        progress=lambda step: progress("inventory", step.text(time.monotonic() - start)),
    )


def _write_snapshot(root: Path, found: Snapshot) -> write.Written:
    files, owned = snapshot.stored_files(found), snapshot.stored(root)
    return write.write(root, files, owned, remove=owned - files.keys())


# --- generate and diff -------------------------------------------------------------------------------


def generate(request: Request, progress: Progress = silent, clock: Clock | None = None) -> Outcome:
    """The main job. Raises ProblemsError when the input has problems, MacError when the environment fails.

    `clock`: measures the stages, and tells the one in which it failed.
    """
    _check_options(request)
    clock = clock or Clock()
    unreached: RemoteError | None = None
    with lock.locked(request.root, LOCK_WAIT, lambda holder: progress("wait", f"for {holder}")):
        with clock.stage("begin"):
            asked_for = _asked_for(request)
        if request.pull_request and not asked_for.settings.pull_requests:
            raise UsageError("mac.yaml has no git.pull_requests", "it names the API and the project")
        for attempt in range(PUSH_ATTEMPTS):
            with clock.stage("begin"):
                progress("begin", "")
                try:
                    place = record.begin(asked_for, message, again=attempt > 0)
                except RemoteError as error:
                    if not request.lasting:
                        raise
                    unreached = error
                    place = record.begin(replace(asked_for, push=False, follow=False), message)
            built = build(request, clock, progress, place)
            with clock.stage("guards"):
                progress("guards", "")
                refuse(built, request)
            built = _judged(built, request, clock, progress)
            written = _write(request, built, clock, progress)
            commit = _commit(request, built, clock, progress) if request.commit else None
            if not asked_for.push or unreached:
                place.keep()
                return Outcome(built, written, commit, False, "", clock.stages(), unreached)
            try:
                with clock.stage("push"):
                    progress("push", f"to {place.remote}")
                    pushed = place.push()
            except RemoteError as error:
                if not request.lasting:
                    raise
                place.keep()
                return Outcome(built, written, commit, False, "", clock.stages(), error)
            if pushed:
                place.keep()
                address = _propose(request, asked_for, built, clock, progress) if request.pull_request else ""
                return Outcome(built, written, commit, True, address, clock.stages())
            progress("push", "the remote has moved on: generating again on its head")
    raise GitError(
        f"the push lost {PUSH_ATTEMPTS} races in a row",
        "somebody else pushes all the time, or a lock was left behind in the remote repository "
        "(refs/heads/….lock); run again, or commit to a branch of its own with --branch",
    )


def _check_options(request: Request) -> None:
    needed = (("--push", request.push), ("--branch", bool(request.branch)))
    for option, given in needed:
        if given and not request.commit:
            raise UsageError(f"{option} needs --commit", "give both, or commit by hand")
    if request.pull_request and not request.push:
        raise UsageError("--pull-request needs --push", "what is proposed has to be there")


def _asked_for(request: Request) -> record.Asked:
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


def plan(request: Request, progress: Progress = silent) -> Built:
    """What `generate` would do; nothing of the user's is written. Raises ProblemsError when the input has
    errors. Where a guard would stop `generate`, that is among the warnings.
    """
    asked_for = _asked_for(request)
    kept_apart = bool(asked_for.settings.repository or asked_for.settings.branch) and not request.output
    with lock.locked(request.root, LOCK_WAIT) if kept_apart else nullcontext():
        place = record.begin(replace(asked_for, commit=kept_apart), message)
        built = build(request, Clock(), progress, place)
        stops = [replace(p, severity=Severity.WARNING) for p in _stops(built, request)]
    return replace(built, problems=ordered([*built.problems, *stops]))


def build(
    request: Request, clock: Clock, progress: Progress = silent, place: record.Record | None = None
) -> Built:
    """Everything up to the plan; writes nothing. Raises ProblemsError when there are errors.

    `place`: where the output is kept, as `record.begin` prepared it; without it, where it lies on disk. The
    guards are not asked: see `refuse`.
    """
    if place is None:
        place = record.begin(replace(_asked_for(request), commit=False), message)
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
        state, unread = _inventory(request, catalog, place, progress)
        found += unread
    with clock.stage("bind"):
        progress("bind", f"{len(state.resources)} resources")
        bindings = bind.bind(catalog, state, request.today)
        if catalog.project.scale.sharding is not None:
            write.recover(place.output)
            bindings = divided(catalog, bindings, place.tree(request.base)[1])
        found += bindings.problems
        if not bindings.bindings and guards.UNBOUND not in request.allow:
            found.append(bind.nothing_bound(catalog, bindings))
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


def _inventory(
    request: Request, catalog: Catalog, place: record.Record, progress: Progress
) -> tuple[Snapshot, list[Problem]]:
    """What is there, by AWS or by the snapshot that was given, and what of it could not be read."""
    progress("inventory", "reading the snapshot" if request.snapshot else "asking AWS")
    if request.snapshot:
        state = snapshot_source.read(request.snapshot, request.root)
    else:
        kept = (home / conventions.SNAPSHOT_DIR for home in (place.home, request.root))
        last = next((folder for folder in kept if folder.exists()), place.home / conventions.SNAPSHOT_DIR)
        everything = guards.ACCOUNTS in request.allow
        state = _ask_aws(catalog, last, request.now, progress, everything=everything, only=request.only)
        if guards.STALE not in request.allow:
            incomplete.refuse_silence(state)
    return state, [
        *incomplete.problems(state),
        *incomplete.outdated(state, catalog.inventory, request.now),
    ]


def present(
    root: Path, output: Path | None = None, rev: str = ""
) -> tuple[Mapping[str, bytes], Mapping[str, Any]]:
    """The generated files that are there, or in a revision, and their provenance; {} when there are none.

    `output`: the folder, instead of mac.yaml's.
    """
    asked_for = replace(_asked_for(Request(root, output=output)), commit=False)
    return record.begin(asked_for, message).tree(rev)


def refuse(built: Built, request: Request) -> None:
    """The guards: raises ProblemsError when the plan must not be executed without being allowed."""
    stops = _stops(built, request)
    if stops:
        raise ProblemsError([*built.problems, *stops])


def _judged(built: Built, request: Request, clock: Clock, progress: Progress) -> Built:
    """With what the request's judges say. Raises ProblemsError when one stops the plan."""
    if not built.plan or not request.judges:
        return built
    with clock.stage("judge"):
        found = [problem for judge in request.judges for problem in judge(built, progress)]
    problems = ordered([*built.problems, *found])
    if errors(found):
        raise ProblemsError(problems)
    return replace(built, problems=problems)


def _stops(built: Built, request: Request) -> list[Problem]:
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


def _write(request: Request, built: Built, clock: Clock, progress: Progress) -> write.Written:
    """The output, and the snapshot that it comes from unless that was given."""
    with clock.stage("write"):
        progress("write", f"{len(built.rendered.files)} files")
        stored = snapshot.stored_files(built.snapshot) if request.snapshot is None else {}
        return built.record.write(built.rendered.files, built.owned, stored, snapshot.stored, request.root)


def _commit(request: Request, built: Built, clock: Clock, progress: Progress) -> str | None:
    with clock.stage("commit"):
        progress("commit", "")
        place = built.record
        paths = place.paths((*built.owned, *built.rendered.files))
        if place.keeps(request.snapshot) and place.outside is None:
            paths.append(place.home / conventions.SNAPSHOT_DIR)
        made = _in_git(place, built.plan) or _since(place.head(), built)
        text, trailers = message.commit_message(made, built.rendered.provenance, place.revision())
        return place.commit(paths, git.trailers(text, trailers))


def _since(rev: str | None, built: Built) -> diff.Plan:
    """What the output has over a revision of where it is kept: also what an earlier run did not commit."""
    new = built.rendered
    old, provenance = built.record.tree(rev) if rev else ({}, {})
    return _in_git(built.record, diff.plan(old, new.files, provenance, new.provenance))


def _in_git(place: record.Record, plan: diff.Plan) -> diff.Plan:
    """What of a plan the log tells: targets outside of Git have no part in it."""
    if place.outside is None:
        return plan
    return replace(plan, changes=tuple(change for change in plan.changes if change.kind != "target"))


def _propose(
    request: Request, asked_for: record.Asked, built: Built, clock: Clock, progress: Progress
) -> str:
    """The address of the pull request for what was pushed; "" when it has nothing that its base lacks."""
    settings, place = asked_for.settings.pull_requests, built.record
    if settings is None or place.repository is None:
        return ""
    with clock.stage("propose"):
        progress("propose", f"to {settings.project}")
        made = _since(place.base(settings.base), built)
        if not made or place.branch == settings.base:
            return ""
        text, _ = message.commit_message(made, built.rendered.provenance, place.start)
        title = text.partition("\n")[0]
        body = plan_report.markdown(made, built.problems)
        return propose.propose(settings, propose.Proposal(place.branch, title, body))
