"""The whole of `generate` and `diff` on real Git repositories; AWS is a snapshot, so that it can be moved."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from mac import generating, guards, lock, pipeline, write
from mac import snapshot as snapshots
from mac.model import Resource, Scope, ScopeState, ScopeStatus, Snapshot
from mac.problems import GitError, OutputError, Problem, ProblemsError
from mac.run import Outcome
from tests import builders
from tests.builders import instance
from tests.conftest import Ran, mac_argv
from tests.running_git import git

HOSTS = 40


def fleet(numbers: range = range(1, HOSTS + 1), service: str = "ingest") -> list[Resource]:
    return [instance(n, tags={"service": service, "role": "ingest"}) for n in numbers]


def measured(problems: Iterable[Problem]) -> list[Problem]:
    """Without those of SLOs that the small fleet of a test cannot measure."""
    return [p for p in problems if p.code != "slo-unbound"]


def tree(root: Path) -> dict[str, bytes]:
    """Everything that is generated."""
    names = ("cells", "alertmanager", "dashboards", "sensors", "provenance.json")
    found: dict[str, bytes] = {}
    for name in names:
        place = root / name
        files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
        found.update({p.relative_to(root).as_posix(): p.read_bytes() for p in files})
    return found


@pytest.fixture
def repository(tmp_path: Path, mac: Callable[..., object]) -> Path:
    """A monitoring repository as `mac init` makes it, pushed to a bare remote."""
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(tmp_path, "clone", "--quiet", str(remote), "monitoring")
    root = tmp_path / "monitoring"
    mac("init", root)
    inventory = root / "inventory/aws.yaml"
    inventory.write_text(inventory.read_text().replace("[us-east-1, eu-west-1]", "[us-east-1]"))
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Begin")
    git(root, "push", "--quiet", "origin", "HEAD:main")
    return root


@pytest.fixture
def seen(tmp_path: Path) -> Callable[..., Path]:
    """Writes a snapshot of these resources and gives its path."""

    def write(resources: list[Resource]) -> Path:
        path = tmp_path / "fleet.jsonl"
        path.write_bytes(snapshots.to_bytes(builders.snapshot(*resources)))
        return path

    return write


def run(root: Path, snapshot: Path, **options: object) -> Outcome:
    return generating.generate(pipeline.Request(root, snapshot=snapshot, **options))  # type: ignore[arg-type]


def changes(root: Path, snapshot: Path, **options: object) -> pipeline.Built:
    return pipeline.plan(pipeline.Request(root, snapshot=snapshot, **options))  # type: ignore[arg-type]


Seen = Callable[..., Path]


def test_what_is_generated_is_committed_alone_and_pushed(repository: Path, seen: Seen) -> None:
    (repository / "notes.txt").write_text("mine")
    git(repository, "add", "notes.txt")
    outcome = run(repository, seen(fleet()), commit=True, push=True)
    assert outcome.commit == git(repository, "rev-parse", "HEAD")
    assert outcome.pushed
    assert git(repository, "rev-parse", "origin/main") == outcome.commit
    assert set(git(repository, "show", "--name-only", "--format=").split("\n")) == set(tree(repository))
    assert git(repository, "status", "--porcelain") == "A  notes.txt"


def test_the_message_names_the_causes_and_carries_the_trailers(repository: Path, seen: Seen) -> None:
    before = git(repository, "rev-parse", "HEAD")
    path = seen(fleet())
    run(repository, path, commit=True)
    subject, _, body = git(repository, "log", "-1", "--format=%B").partition("\n")
    assert f"{HOSTS + 2} targets added" in subject  # and the two of monitoring itself
    assert "ingest / production / main-us-east-1" in body
    trailers = git(repository, "log", "-1", "--format=%(trailers:only)").splitlines()
    digest = snapshots.digest(snapshots.read(path))
    assert trailers == [f"Mac-Snapshot: {digest}", f"Mac-Standards: {before}"]


def test_a_second_run_writes_nothing_and_commits_nothing(repository: Path, seen: Seen) -> None:
    path = seen(fleet())
    run(repository, path, commit=True)
    head = git(repository, "rev-parse", "HEAD")
    times = {p: (repository / p).stat().st_mtime_ns for p in tree(repository)}
    outcome = run(repository, path, commit=True)
    assert outcome.commit is None
    assert not outcome.written.written
    assert git(repository, "rev-parse", "HEAD") == head
    assert {p: (repository / p).stat().st_mtime_ns for p in times} == times


def test_output_that_was_written_but_not_committed_is_committed_by_the_next_run(
    repository: Path, seen: Seen
) -> None:
    path = seen(fleet())
    run(repository, path)
    outcome = run(repository, path, commit=True)
    assert not outcome.written.written
    assert outcome.commit is not None
    assert git(repository, "status", "--porcelain") == ""
    assert f"{HOSTS + 2} targets added" in git(repository, "log", "-1", "--format=%s")


def test_the_repositorys_own_snapshot_is_committed_with_what_it_became(repository: Path) -> None:
    kept = snapshots.stored_files(builders.snapshot(*fleet()))
    write.write(repository, kept, [])
    run(repository, repository / "inventory/snapshot", commit=True)
    assert git(repository, "status", "--porcelain") == ""
    assert set(git(repository, "ls-files", "inventory/snapshot").split("\n")) == set(kept)


def test_the_same_snapshot_gives_the_same_bytes_whatever_the_process(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    path = seen(fleet())
    trees = []
    for seed in ("1", "2"):
        output = tmp_path / f"out-{seed}"
        subprocess.run(
            mac_argv(["-C", repository, "generate", "--snapshot", path, "--output", output]),
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
        trees.append(tree(output))
    assert trees[0] == trees[1]
    assert trees[0]


def test_diff_shows_what_generate_then_does(repository: Path, seen: Seen) -> None:
    run(repository, seen(fleet()))
    path = seen(fleet(range(5, HOSTS + 7)))
    built = changes(repository, path)
    assert {(c.action, c.kind, c.cause, c.count) for c in built.plan.changes} >= {
        ("add", "target", "inventory", 6),
        ("remove", "target", "inventory", 4),
    }
    run(repository, path)
    assert not changes(repository, path).plan


def test_a_changed_parameter_is_a_changed_rule_because_of_the_service(repository: Path, seen: Seen) -> None:
    path = seen(fleet())
    run(repository, path, commit=True)
    document = repository / "standards/services/ingest.yaml"
    document.write_text(document.read_text() + "  parameters: {host: {down_ratio: 0.33}}\n")
    found = {(c.action, c.kind, c.name, c.cause) for c in changes(repository, path).plan.changes}
    assert ("modify", "rule", "HostsDown", "service") in found
    assert all(cause == "service" for *_, cause in found)
    again = changes(repository, path, base="HEAD")
    assert {(c.action, c.kind, c.name, c.cause) for c in again.plan.changes} == found


def test_a_fleet_that_vanishes_stops_at_the_guard_until_it_is_allowed(repository: Path, seen: Seen) -> None:
    run(repository, seen(fleet()))
    before = tree(repository)
    path = seen(fleet(range(1, 11)))
    assert "guard-shrink" in {p.code for p in changes(repository, path).problems}
    with pytest.raises(ProblemsError) as caught:
        run(repository, path)
    assert [p.code for p in caught.value.problems if p.severity == "error"] == ["guard-shrink"]
    assert tree(repository) == before
    run(repository, path, allow=guards.SHRINK)
    assert tree(repository) != before


def test_nothing_bound_is_an_error_that_says_why(repository: Path, seen: Seen) -> None:
    with pytest.raises(ProblemsError) as caught:
        run(repository, seen([instance(1, tags={})]))
    (problem,) = caught.value.problems
    assert problem.code == "nothing-bound"
    assert "1 no-service" in problem.message


def test_nothing_bound_names_the_tags_that_the_fleet_has(repository: Path, seen: Seen) -> None:
    with pytest.raises(ProblemsError) as caught:
        run(repository, seen([instance(n, tags={"App": "shop", "Stage": "x"}) for n in range(3)]))
    (problem,) = caught.value.problems
    assert "from the tag service (spec.labels in mac.yaml), which 3 of them lack" in problem.hint
    assert "App (3), Stage (3)" in problem.hint


def test_what_is_not_bound_is_named_with_why(
    repository: Path, seen: Seen, mac: Callable[..., Result]
) -> None:
    path = seen([*fleet(), *(instance(n, tags={}) for n in range(900, 905))])
    answer = mac("generate", "-C", repository, "--snapshot", path)
    words = answer.stdout.partition("not bound, and why:")[2].split()
    assert words[:5] == ["5", "it", "has", "no", "tags"]
    assert words[5:] == [*(f"{instance(n).id}," for n in range(900, 903)), "…"]
    assert "in 1 cell\n" in answer.stdout
    assert "none: --commit was not given" in answer.stdout


def test_what_promtool_refuses_is_told_at_the_standard(repository: Path, seen: Seen, generation: str) -> None:
    (standard,) = repository.glob("standards/*/host.yaml")
    text = standard.read_text()
    head, found, rest = text.partition("      summary: ")
    assert found
    standard.write_text(f'{head}{found}"{{{{ nosuchfunction $value }}}}"\n{rest.partition(chr(10))[2]}')
    with pytest.raises(ProblemsError) as caught:
        run(repository, seen(fleet()), engines_required=True)
    (refused,) = (p for p in caught.value.problems if p.code == "engine-rejects")
    assert refused.location.path == standard.relative_to(repository).as_posix()
    assert refused.location.line
    assert "nosuchfunction" in refused.message


def test_a_file_of_somebody_else_is_never_overwritten(repository: Path, seen: Seen) -> None:
    mine = repository / "alertmanager/alertmanager.yml"
    mine.parent.mkdir()
    mine.write_text("mine\n")
    with pytest.raises(ProblemsError) as caught:
        run(repository, seen(fleet()))
    assert "foreign-file" in {p.code for p in caught.value.problems}
    assert mine.read_text() == "mine\n"
    assert not (repository / "cells").exists()


def test_a_generated_file_that_was_edited_is_told_and_put_back(repository: Path, seen: Seen) -> None:
    path = seen(fleet())
    run(repository, path)
    before = tree(repository)
    edited = repository / "cells/main-us-east-1/prometheus.yml"
    edited.write_bytes(edited.read_bytes() + b"# by hand\n")
    outcome = run(repository, path)
    assert "edited-file" in {p.code for p in outcome.built.problems}
    assert tree(repository) == before


def test_a_broken_provenance_is_told_and_nothing_is_written(repository: Path, seen: Seen) -> None:
    path = seen(fleet())
    run(repository, path)
    (repository / "provenance.json").write_text("{")
    before = tree(repository)
    with pytest.raises(ProblemsError) as caught:
        run(repository, path)
    assert [p.code for p in caught.value.problems] == ["json-syntax"]
    assert tree(repository) == before


def test_a_push_that_lost_a_race_is_generated_again_on_the_new_head(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(tmp_path / "remote.git"), "other")
    document = other / "standards/services/ingest.yaml"
    document.write_text(document.read_text() + "  parameters: {host: {down_ratio: 0.33}}\n")
    git(other, "commit", "--quiet", "--all", "--message=Another parameter")
    git(other, "push", "--quiet", "origin", "HEAD:main")
    outcome = run(repository, seen(fleet()), commit=True, push=True)
    assert outcome.pushed
    assert (
        git(repository, "log", "--format=%s", "--max-parents=1", "-2").splitlines()[1] == "Another parameter"
    )
    rules = (repository / "cells/main-us-east-1/rules/production/ingest.yml").read_text()
    assert "0.33" in rules
    assert git(repository, "rev-parse", "HEAD") == git(tmp_path / "remote.git", "rev-parse", "main")


def test_a_commit_to_a_branch_leaves_the_other_branch_alone(repository: Path, seen: Seen) -> None:
    main = git(repository, "rev-parse", "HEAD")
    outcome = run(repository, seen(fleet()), commit=True, push=True, branch="generated")
    assert git(repository, "rev-parse", "origin/generated") == outcome.commit
    assert git(repository, "rev-parse", "main") == main


def test_a_commit_outside_of_git_is_a_clear_error(repository: Path, seen: Seen, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("mac.yaml", "inventory", "standards"):
        (repository / name).rename(bare / name)
    with pytest.raises(GitError, match="repository"):
        run(bare, seen(fleet()), commit=True)
    assert not (bare / "cells").exists()


def test_one_cause_is_told_once_however_many_scopes_it_leaves(
    repository: Path, tmp_path: Path, mac: Callable[..., Result]
) -> None:
    kinds = ("autoscaling-group", "ec2-instance", "lambda-function", "rds-instance", "sqs-queue")
    begin = "2026-11-20T10:00:00Z"
    statuses = [
        ScopeStatus(Scope(builders.ACCOUNT, builders.REGION, kind), ScopeState.STALE, "expired", begin)
        for kind in kinds
    ]
    path = tmp_path / "stale.jsonl"
    path.write_bytes(snapshots.to_bytes(Snapshot(tuple(statuses), tuple(fleet()))))
    now = datetime(2026, 11, 20, 11, tzinfo=UTC)
    (problem,) = measured(run(repository, path, now=now).built.problems)
    assert problem.location.path.endswith("/autoscaling-group")
    assert problem.message == "this scope and 4 more are stale: expired"
    assert begin in problem.hint
    table = mac("inventory", "-C", repository, "--snapshot", path).stdout
    (line,) = (line for line in table.splitlines() if "expired" in line)
    assert line.startswith(f"{builders.ACCOUNT}/{builders.REGION}/* (5 scopes)")


def test_a_scope_that_failed_is_told_and_its_targets_stay(repository: Path, tmp_path: Path) -> None:
    scope = Scope(builders.ACCOUNT, builders.REGION, "ec2-instance")
    status = ScopeStatus(scope, ScopeState.DENIED, "AccessDenied", "2026-11-20T10:00:00Z")
    path = tmp_path / "stale.jsonl"
    path.write_bytes(snapshots.to_bytes(Snapshot((status,), tuple(fleet()))))
    outcome = run(repository, path, now=datetime(2026, 11, 20, 11, tzinfo=UTC))
    assert [p.code for p in measured(outcome.built.problems)] == ["scope-incomplete"]
    assert (
        outcome.built.rendered.provenance["files"]["cells/main-us-east-1/targets/host.json"]["targets"]
        == HOSTS
    )


# --- kill and race -----------------------------------------------------------------------------------


def start(root: Path, snapshot: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        mac_argv(["-C", root, "generate", "--snapshot", snapshot, "--allow-shrink"]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def test_killed_at_any_moment_it_leaves_the_old_output_or_the_new(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    """Each round moves the fleet and kills the run at a random moment; the write itself is killed call by
    call in test_write."""
    sizes = (HOSTS, HOSTS + 20)
    wanted: list[Mapping[str, bytes]] = []
    paths = []
    for size in sizes:
        path = tmp_path / f"fleet-{size}.jsonl"
        path.write_bytes(seen(fleet(range(1, size + 1))).read_bytes())
        begun = time.monotonic()
        run(repository, path, allow=guards.SHRINK)
        wanted.append(tree(repository))
        paths.append(path)
    took = max(time.monotonic() - begun, 0.2) + 0.5  # the start of a process included
    chance = random.Random(0)
    killed = 0
    for round_ in range(12):
        process = start(repository, paths[round_ % 2])
        try:
            process.wait(chance.uniform(0, took))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
        assert tree(repository) in wanted
    assert killed
    run(repository, paths[0], allow=guards.SHRINK)
    assert tree(repository) == wanted[0]


def test_who_has_to_wait_is_told_for_whom(repository: Path, seen: Seen) -> None:
    path = seen(fleet())
    told: list[tuple[str, str]] = []
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock.locked(repository, 0):
            ready.set()
            done.wait(60)

    def progress(stage: str, text: str) -> None:
        told.append((stage, text))
        done.set()

    holder = threading.Thread(target=hold)
    holder.start()
    ready.wait(60)
    generating.generate(pipeline.Request(repository, snapshot=path), progress)
    holder.join()
    assert told[0] == ("wait", f"for process {os.getpid()}")


def test_two_at_once_leave_the_output_of_one_of_them(repository: Path, tmp_path: Path) -> None:
    wanted = []
    paths = []
    for size in (HOSTS, HOSTS + 20):
        path = tmp_path / f"fleet-{size}.jsonl"
        path.write_bytes(snapshots.to_bytes(builders.snapshot(*fleet(range(1, size + 1)))))
        run(repository, path, allow=guards.SHRINK)
        wanted.append(tree(repository))
        paths.append(path)
    for _ in range(3):
        both = [start(repository, path) for path in paths]
        for process in both:
            _, words = process.communicate(timeout=120)
            assert process.returncode == 0, words.decode()
        assert tree(repository) in wanted
    assert json.loads(wanted[0]["provenance.json"])["schema_version"] == 1


def test_a_snapshot_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write.replace_file(folder, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_what_no_file_can_hold_is_told_as_json_too(
    repository: Path, seen: Seen, mac: Callable[..., Result]
) -> None:
    path = seen([*fleet(), instance(99, tags={"service": "\ud800", "role": "ingest"})])
    answer = mac("generate", "-C", repository, "--snapshot", path, "--format", "json")
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["unbound"] == {"hostile-value": 1}


def test_what_could_not_be_committed_in_the_end_stops_before_anything_is_written(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    path = seen(fleet())
    with pytest.raises(GitError, match="lies outside of the repository"):
        run(repository, path, commit=True, output=tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    git(repository, "checkout", "--quiet", "--detach")
    with pytest.raises(GitError, match="HEAD is detached"):
        run(repository, path, commit=True, push=True)
    assert git(repository, "status", "--porcelain") == ""


def test_when_aws_answers_nothing_at_all_the_run_fails_until_that_is_allowed(
    repository: Path, run_mac: Callable[..., Ran]
) -> None:
    kept = snapshots.stored_files(builders.snapshot(*fleet()))
    write.write(repository, kept, [])
    inventory = repository / "inventory/aws.yaml"
    inventory.write_text(inventory.read_text() + "  kinds: [ec2-instance]\n")
    # An endpoint that nobody listens on: what was known stays, and is not taken for news.
    nobody = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    refused = run_mac("-C", repository, "generate", env=nobody)
    assert refused.returncode == 3
    assert "none of the 1 scopes of the inventory could be read" in refused.stderr
    assert not (repository / "cells").exists()
    assert run_mac("-C", repository, "inventory", env=nobody).returncode == 3
    allowed = run_mac("-C", repository, "generate", "--allow-stale", env=nobody)
    assert allowed.returncode == 0
    assert f"{HOSTS + 2} targets" in allowed.stdout
