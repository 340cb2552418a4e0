"""What `mac generate` does: builds, asks what may stop the plan, and executes it.

begin      prepares the place where the output is kept
build      see `pipeline`: everything up to the plan
guards     pure; what a person has to allow
judge      those of the request: they may ask servers
write      writes the snapshot and the output, each all or nothing
commit     one Git commit of the owned paths
push       to the remote; a lost race begins again on the new head, a few times
propose    a pull request for what was pushed
"""

from __future__ import annotations

from dataclasses import replace

from mac import conventions, diff, git, lock, message, pipeline, plan_report, propose, record, snapshot, write
from mac.problems import GitError, ProblemsError, RemoteError, UsageError, errors, ordered
from mac.run import Built, Clock, Outcome, Progress, Request, silent

PUSH_ATTEMPTS = 5


def generate(request: Request, progress: Progress = silent, clock: Clock | None = None) -> Outcome:
    """The main job. Raises ProblemsError when the input has problems, MacError when the environment fails.

    `clock`: measures the stages, and tells the one in which it failed.
    """
    _check_options(request)
    clock = clock or Clock()
    unreached: RemoteError | None = None
    with lock.locked(request.root, lock.WAIT, lambda holder: progress("wait", f"for {holder}")):
        with clock.stage("begin"):
            asked_for = pipeline.asked_for(request)
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
            built = pipeline.build(request, clock, progress, place)
            _refuse(built, request, clock, progress)
            built = _judged(built, request, clock, progress)
            written = _write(request, built, clock, progress)
            commit = _commit(request, built, clock, progress) if request.commit else None
            pushed = False
            if asked_for.push and not unreached:
                try:
                    with clock.stage("push"):
                        progress("push", f"to {place.remote}")
                        pushed = place.push()
                except RemoteError as error:
                    if not request.lasting:
                        raise
                    unreached = error
                if not pushed and not unreached:
                    progress("push", "the remote has moved on: generating again on its head")
                    continue
            place.keep()
            propose_it = pushed and request.pull_request
            address = _propose(asked_for, built, clock, progress) if propose_it else ""
            return Outcome(built, written, commit, pushed, address, clock.stages(), unreached)
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


def _refuse(built: Built, request: Request, clock: Clock, progress: Progress) -> None:
    """The guards: raises ProblemsError when the plan must not be executed without being allowed."""
    with clock.stage("guards"):
        progress("guards", "")
        stops = pipeline.stops(built, request)
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


def _propose(asked_for: record.Asked, built: Built, clock: Clock, progress: Progress) -> str:
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
