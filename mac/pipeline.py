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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from mac import (
    accounts,
    bind,
    collect,
    config_aggregator,
    conventions,
    diff,
    emit,
    git,
    incomplete,
    lock,
    message,
    render,
    snapshot,
    snapshot_source,
    standards,
    templates,
    validate,
    write,
)
from mac.kinds import Kind
from mac.model import Catalog, InventoryConfig, Snapshot
from mac.problems import (
    GitError,
    Location,
    Problem,
    ProblemsError,
    Severity,
    UsageError,
    errors,
    ordered,
)

PUSH_ATTEMPTS = 5
LOCK_WAIT = 60.0  # seconds

Lines = tuple[str, ...]

Progress = Callable[[str, str], None]
"""Called with a stage's name and what it is doing; for people, on stderr."""


def silent(stage: str, text: str) -> None:
    """A Progress that says nothing."""


def unguarded(_catalog: Catalog, _rendered: render.Rendered, _progress: Progress) -> tuple[Problem, ...]:
    """A Guard that stops nothing."""
    return ()


Guard = Callable[[Catalog, render.Rendered, Progress], tuple[Problem, ...]]
"""What else must not be generated: errors stop, warnings are shown."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate. `snapshot`: read this instead of asking AWS. `output`: where instead of mac.yaml's.

    `base`: the revision whose output is compared with, instead of the one on disk. `allow_shrink`,
    `allow_empty` and `allow_stale` open a guard for this run; `guard` is one more, asked by `generate` alone.
    `now` decides which exemptions hold.
    """

    root: Path
    snapshot: snapshot_source.Source | None = None
    output: Path | None = None
    base: str = ""
    commit: bool = False
    push: bool = False
    branch: str = ""
    remote: str = "origin"
    allow_shrink: bool = False
    allow_empty: bool = False
    allow_stale: bool = False
    engines_required: bool = False
    guard: Guard = unguarded
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def today(self) -> date:
        return self.now.date()


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Built:
    """Everything up to the plan, in memory."""

    catalog: Catalog
    snapshot: Snapshot
    bindings: bind.Bindings
    rendered: render.Rendered
    plan: diff.Plan
    problems: tuple[Problem, ...]
    output: Path
    owned: tuple[str, ...]
    old_provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a generate did."""

    built: Built
    written: write.Written
    commit: str | None
    pushed: bool
    stages: tuple[Stage, ...]


class Clock:
    """Measures stages; a stage that runs again adds to its time."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - start

    def stages(self) -> tuple[Stage, ...]:
        return tuple(Stage(name, round(seconds, 3)) for name, seconds in self._seconds.items())


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
        found = _ask_aws(loaded, root, datetime.now(UTC), progress, allow_shrink)
        if to is not None:
            write.replace_file(to, snapshot_source.encode(found, to))
        else:
            _write_snapshot(root, found)
        return found


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


def _ask_aws(catalog: Catalog, root: Path, now: datetime, progress: Progress, allow_shrink: bool) -> Snapshot:
    stored = root / conventions.SNAPSHOT_DIR
    last = snapshot.read(stored) if stored.exists() else Snapshot()
    start = time.monotonic()
    config = replace(catalog.inventory, largest_loss=1.0) if allow_shrink else catalog.inventory
    return collect.collect(
        config,
        last,
        now=now,
        progress=lambda step: progress("inventory", step.text(time.monotonic() - start)),
    )


def _write_snapshot(root: Path, found: Snapshot) -> write.Written:
    files, owned = snapshot.stored_files(found), snapshot.stored(root)
    return write.write(root, files, owned, remove=owned - files.keys())


# --- generate and diff -------------------------------------------------------------------------------


def generate(request: Request, progress: Progress = silent) -> Outcome:
    """The main job. Raises ProblemsError when the input has problems, MacError when the environment fails."""
    if request.push and not request.commit:
        raise UsageError("--push needs --commit", "give both, or commit by hand")
    if request.branch and not request.commit:
        raise UsageError("--branch needs --commit")
    clock = Clock()
    with lock.locked(request.root, LOCK_WAIT, lambda holder: progress("wait", f"for {holder}")):
        repository = git.open(request.root) if request.commit else None
        branch = _prepare(repository, request) if repository else ""
        for _ in range(PUSH_ATTEMPTS):
            built = build(request, clock, progress)
            refuse(built, request)
            built = _guarded(built, request, clock, progress)
            written = _write(request, built, clock, progress)
            commit = _commit(repository, request, built, clock, progress) if repository else None
            if repository is None or not request.push:
                return Outcome(built, written, commit, False, clock.stages())
            with clock.stage("push"):
                progress("push", f"to {request.remote}")
                if repository.push(branch, request.remote):
                    return Outcome(built, written, commit, True, clock.stages())
                progress("push", "the remote has moved on: generating again on its head")
                repository.sync_to_remote(branch, request.remote, ours=message.is_ours)
    raise GitError(
        f"the push lost {PUSH_ATTEMPTS} races in a row",
        "somebody else pushes all the time; run again, or commit to a branch of its own with --branch",
    )


def plan(request: Request, progress: Progress = silent) -> Built:
    """What `generate` would do; nothing is written. Raises ProblemsError when the input has errors.

    Where a guard would stop `generate`, that is among the warnings.
    """
    built = build(request, Clock(), progress)
    stops = [replace(p, severity=Severity.WARNING) for p in _stops(built, request)]
    return replace(built, problems=ordered([*built.problems, *stops]))


def build(request: Request, clock: Clock, progress: Progress = silent) -> Built:
    """Everything up to the plan; writes nothing. Raises ProblemsError when there are errors.

    The guards are not asked: see `refuse`.
    """
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
        progress("inventory", "reading the snapshot" if request.snapshot else "asking AWS")
        if request.snapshot:
            state = snapshot_source.read(request.snapshot, root)
        else:
            state = _ask_aws(catalog, root, request.now, progress, request.allow_shrink)
            if not request.allow_stale:
                incomplete.refuse_silence(state)
        found += [*incomplete.problems(state), *incomplete.outdated(state, catalog.inventory, request.now)]
    with clock.stage("bind"):
        progress("bind", f"{len(state.resources)} resources")
        bindings = bind.bind(catalog, state, request.today)
        found += bindings.problems
        if not bindings.bindings and not request.allow_empty:
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
    output = request.output or root / catalog.project.output
    write.recover(output)
    with clock.stage("plan"):
        progress("plan", "comparing with what is there")
        old, old_provenance = present(root, output, request.base)
        plan = diff.plan(old, rendered.files, old_provenance, rendered.provenance)
        owned = (*old_provenance.get("files", {}), conventions.PROVENANCE)
        found += validate.edited(old, old_provenance)
    return Built(catalog, state, bindings, rendered, plan, ordered(found), output, owned, old_provenance)


def refuse(built: Built, request: Request) -> None:
    """The guards: raises ProblemsError when the plan must not be executed without being allowed."""
    stops = _stops(built, request)
    if stops:
        raise ProblemsError([*built.problems, *stops])


def _guarded(built: Built, request: Request, clock: Clock, progress: Progress) -> Built:
    """With what the request's own guard says. Raises ProblemsError when it stops the plan."""
    if not built.plan:
        return built
    with clock.stage("guard"):
        found = request.guard(built.catalog, built.rendered, progress)
    problems = ordered([*built.problems, *found])
    if errors(found):
        raise ProblemsError(problems)
    return replace(built, problems=problems)


def _stops(built: Built, request: Request) -> list[Problem]:
    found: list[Problem] = []
    if not request.allow_shrink:
        found += diff.guard(built.plan, built.catalog.project.guards, built.old_provenance)
    if not request.allow_empty:
        found += diff.zero_rules(built.rendered.provenance)
    return [*found, *write.foreign(built.output, built.rendered.files, built.owned)]


def present(root: Path, output: Path, base: str = "") -> tuple[Mapping[str, bytes], Mapping[str, Any]]:
    """The output that is there, on disk or in the revision `base`, and its provenance. {}: there is none."""
    repository = git.open(root) if base else None

    def read(paths: Iterable[str]) -> Mapping[str, bytes]:
        return repository.tree(base, output, paths) if repository else write.read_tree(output, paths)

    files = dict(read([conventions.PROVENANCE]))
    if conventions.PROVENANCE not in files:
        return {}, {}
    try:
        provenance = emit.read_json(files[conventions.PROVENANCE])
        owned = list(provenance["files"])
    except (ValueError, KeyError, TypeError) as error:
        place = Location(str(output / conventions.PROVENANCE))
        hint = "put it back from Git: it says which files are mac's"
        raise ProblemsError([Problem(place, "json-syntax", f"it cannot be read: {error}", hint)]) from error
    return {**files, **read(owned)}, provenance


def _write(request: Request, built: Built, clock: Clock, progress: Progress) -> write.Written:
    """The output and the snapshot that it comes from: in one exchange when they lie in one folder."""
    with clock.stage("write"):
        progress("write", f"{len(built.rendered.files)} files")
        files, owned = dict(built.rendered.files), set(built.owned)
        if request.snapshot is None:
            if built.output.resolve() == request.root.resolve():
                files |= snapshot.stored_files(built.snapshot)
                owned |= snapshot.stored(request.root)
            else:
                _write_snapshot(request.root, built.snapshot)
        return write.write(built.output, files, owned, remove=owned - files.keys())


def _prepare(repository: git.Repository, request: Request) -> str:
    """Goes to the branch and returns its name; raises while nothing is written what would stop the end."""
    if request.output:
        repository.require(request.output)
    if request.branch:
        repository.switch(request.branch)
    return repository.branch() if request.push else request.branch


def _commit(
    repository: git.Repository, request: Request, built: Built, clock: Clock, progress: Progress
) -> str | None:
    with clock.stage("commit"):
        paths = {built.output / p for p in (*built.owned, *built.rendered.files)}
        kept, source = request.root / conventions.SNAPSHOT_DIR, request.snapshot
        if source is None or (isinstance(source, Path) and source.resolve() == kept.resolve()):
            paths.add(kept)
        progress("commit", "")
        head = repository.head()
        made = built.plan or _since(head, request, built)
        text, trailers = message.commit_message(made, built.rendered.provenance, head)
        return repository.commit(sorted(paths), git.trailers(text, trailers))


def _since(head: str | None, request: Request, built: Built) -> diff.Plan:
    """What an earlier run wrote and did not commit."""
    new = built.rendered
    old, provenance = present(request.root, built.output, head) if head else ({}, {})
    return diff.plan(old, new.files, provenance, new.provenance)
