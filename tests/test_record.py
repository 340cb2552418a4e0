"""Where the output is kept: another branch, another repository, targets outside of Git; with the real git."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mac import git as macgit
from mac import guards, pipeline, servers, validate
from mac.problems import GitError, ProblemsError, UsageError
from tests.test_pipeline import HOSTS, changes, fleet, git, run, seen, tree

__all__ = ["seen"]  # a fixture

Seen = Callable[..., Path]


@pytest.fixture
def repository(tmp_path: Path, mac: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small monitoring repository, pushed to a bare remote. What is generated is judged elsewhere: here it
    is neither much nor checked by engines.
    """
    monkeypatch.setattr(validate, "check_with_engines", lambda *files, **options: ())
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(tmp_path, "clone", "--quiet", str(remote), "monitoring")
    root = tmp_path / "monitoring"
    mac("init", root)
    for path in (root / "standards").rglob("*.yaml"):
        if path.name != "host.yaml" and path.parent.name != "teams":
            path.unlink()
    service = (
        "apiVersion: mac/v1\nkind: Service\nmetadata: {name: ingest}\nspec:\n  owner: platform\n  tier: 2\n"
    )
    (root / "standards/services/ingest.yaml").write_text(service)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Begin")
    git(root, "push", "--quiet", "origin", "HEAD:main")
    return root


def setting(root: Path, text: str, *, commit: bool = True) -> None:
    """Adds lines to spec of mac.yaml."""
    path = root / "mac.yaml"
    path.write_text(path.read_text().replace("\nspec:\n", f"\nspec:\n{text}", 1))
    if commit:
        git(root, "commit", "--quiet", "--all", "--message=Settings")
        git(root, "push", "--quiet", "origin", "HEAD:main")


def parameter(root: Path, value: str) -> None:
    """Changes a standard's parameter by a commit on main."""
    path = root / "standards/services/ingest.yaml"
    text = path.read_text().partition("  parameters:")[0]
    path.write_text(f"{text}  parameters: {{host: {{down_ratio: {value}}}}}\n")
    git(root, "commit", "--quiet", "--all", f"--message=Down at {value}")


def names(root: Path, rev: str) -> set[str]:
    return set(git(root, "ls-tree", "-r", "--name-only", rev).splitlines())


def published(remote: Path, rev: str, path: str) -> str:
    return git(remote, "show", f"{rev}:{path}")


# --- another branch ----------------------------------------------------------------------------------


def test_a_branch_is_committed_to_without_touching_the_work_tree(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    (repository / "notes.txt").write_text("mine")
    git(repository, "add", "notes.txt")
    git(
        repository, "remote", "set-url", "origin", "../remote.git"
    )  # which is elsewhere from other work trees
    outcome = run(repository, seen(fleet()), commit=True, push=True, branch="generated")
    assert git(repository, "symbolic-ref", "--short", "HEAD") == "main"
    assert git(repository, "status", "--porcelain") == "A  notes.txt"
    assert tree(repository) == {}
    assert git(tmp_path / "remote.git", "rev-parse", "generated") == outcome.commit
    assert git(repository, "rev-parse", "generated") == outcome.commit
    added = git(repository, "diff", "--name-only", "main", "generated").splitlines()
    assert "provenance.json" in added
    assert all(
        name.startswith(("cells/", "alertmanager/", "dashboards/", "sensors/", "prov")) for name in added
    )


def test_a_branch_takes_in_what_engineers_change_and_is_never_forced(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    path, remote = seen(fleet()), tmp_path / "remote.git"
    first = run(repository, path, commit=True, push=True, branch="generated").commit
    parameter(repository, "0.33")
    second = run(repository, path, commit=True, push=True, branch="generated").commit
    assert second is not None
    git(remote, "merge-base", "--is-ancestor", str(first), second)
    git(remote, "merge-base", "--is-ancestor", git(repository, "rev-parse", "main"), second)
    assert "0.33" in published(remote, "generated", "standards/services/ingest.yaml")
    rules = "cells/main-us-east-1/rules/production/ingest.yml"
    assert "0.33" in published(remote, "generated", rules)
    assert rules in git(remote, "show", "--name-only", "--format=", "generated").splitlines()
    assert run(repository, path, commit=True, push=True, branch="generated").commit is None
    assert git(remote, "rev-parse", "generated") == second


def test_guards_look_at_what_the_branch_had(repository: Path, seen: Seen) -> None:
    run(repository, seen(fleet()), commit=True, push=True, branch="generated")
    parameter(repository, "0.33")  # main has no generated files, and moves on
    with pytest.raises(ProblemsError) as caught:
        run(repository, seen(fleet(range(1, 11))), commit=True, push=True, branch="generated")
    assert "guard-shrink" in {p.code for p in caught.value.problems}


def test_a_commit_of_somebody_else_on_the_branch_is_not_lost(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    path = seen(fleet())
    run(repository, path, commit=True, push=True, branch="generated")
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", "--branch", "generated", str(tmp_path / "remote.git"), "other")
    git(other, "commit", "--quiet", "--allow-empty", "--message=By hand")
    git(other, "push", "--quiet", "origin", "generated")
    parameter(repository, "0.33")
    with pytest.raises(GitError, match="By hand"):
        run(repository, path, commit=True, push=True, branch="generated")


def test_a_branch_that_was_merged_begins_anew_from_there(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    path = seen(fleet())
    run(repository, path, commit=True, push=True, branch="generated")
    git(repository, "merge", "--quiet", "--no-ff", "--message=Merge", "generated")
    git(repository, "push", "--quiet", "origin", "main", ":generated")
    git(repository, "branch", "--quiet", "--delete", "generated")
    assert run(repository, path, commit=True, push=True, branch="generated").commit is None
    assert git(tmp_path / "remote.git", "branch", "--list", "generated") == ""
    parameter(repository, "0.33")
    made = run(repository, path, commit=True, push=True, branch="generated").commit
    assert git(repository, "log", "--format=%s", f"main..{made}").count("\n") == 0


def test_a_lost_race_on_the_branch_is_generated_again(
    repository: Path, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = tmp_path / "remote.git"
    path = seen(fleet()).rename(tmp_path / "mine.jsonl")
    git(tmp_path, "clone", "--quiet", str(remote), "other")
    push = macgit.Repository.push
    lost: list[bool] = []

    def late(self: macgit.Repository, *arguments: object) -> bool:
        if not lost:  # somebody else's run ends first
            lost.append(True)
            run(tmp_path / "other", seen(fleet(range(1, 31))), commit=True, push=True, branch="generated")
        return push(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(macgit.Repository, "push", late)
    outcome = run(repository, path, commit=True, push=True, branch="generated")
    assert outcome.pushed
    assert git(remote, "rev-parse", "generated") == outcome.commit
    assert git(remote, "rev-list", "--count", "main..generated") == "2"
    assert json.loads(published(remote, "generated", "cells/main-us-east-1/targets/host.json"))


def test_what_a_killed_run_left_in_the_work_tree_of_the_branch_is_thrown_away(
    repository: Path, seen: Seen
) -> None:
    path = seen(fleet())
    run(repository, path, commit=True, branch="generated")
    linked = repository / ".mac/branch"
    (linked / "cells/main-us-east-1/prometheus.yml").write_text("torn")
    (linked / "cells/left.json").write_text("[]")
    Path(git(linked, "rev-parse", "--git-path", "index.lock")).touch()
    assert run(repository, path, commit=True, branch="generated").commit is None
    assert not (linked / "cells/left.json").exists()
    (linked / ".git").write_text("gitdir: /nonexistent\n")
    parameter(repository, "0.33")
    assert run(repository, path, commit=True, branch="generated").commit


def test_a_branch_works_on_a_detached_head_and_in_a_shallow_clone(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    path, remote = seen(fleet()), tmp_path / "remote.git"
    git(repository, "checkout", "--quiet", "--detach")
    run(repository, path, commit=True, push=True, branch="generated")
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=main", f"file://{remote}", "shallow")
    assert run(tmp_path / "shallow", path, commit=True, push=True, branch="generated").commit is None
    made = run(tmp_path / "shallow", seen(fleet(range(1, 39))), commit=True, push=True, branch="generated")
    assert git(remote, "rev-parse", "generated") == made.commit


def test_a_name_that_is_none_and_a_folder_beside_the_branch_are_refused(repository: Path, seen: Seen) -> None:
    path = seen(fleet())
    with pytest.raises(UsageError, match="not a name for a branch"):
        run(repository, path, commit=True, branch="a..b")
    with pytest.raises(UsageError, match="do not go together"):
        run(repository, path, commit=True, branch="generated", output=repository / "out")


def test_documents_that_are_not_committed_are_marked_in_the_log(repository: Path, seen: Seen) -> None:
    head = git(repository, "rev-parse", "HEAD")
    (repository / "mac.yaml").write_text((repository / "mac.yaml").read_text() + "# a thought\n")
    run(repository, seen(fleet()), commit=True, push=True, branch="generated")
    assert f"Mac-Standards: {head}-dirty" in git(repository, "log", "-1", "--format=%B", "generated")


# --- another repository ------------------------------------------------------------------------------


@pytest.fixture
def deployment(tmp_path: Path, repository: Path) -> Path:
    """A bare repository for what is generated, with a file of its owners; mac.yaml names it."""
    bare = tmp_path / "deployment.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=trunk", str(bare))
    git(tmp_path, "clone", "--quiet", str(bare), "theirs")
    (tmp_path / "theirs/README").write_text("theirs")
    git(tmp_path / "theirs", "add", "README")
    git(tmp_path / "theirs", "commit", "--quiet", "--message=Theirs")
    git(tmp_path / "theirs", "push", "--quiet", "origin", "HEAD:trunk")
    setting(repository, f"  git: {{repository: 'file://{bare}', author: 'Robot <robot@example.com>'}}\n")
    return bare


def test_a_deployment_repository_gets_what_is_generated_and_keeps_its_own(
    repository: Path, deployment: Path, seen: Seen
) -> None:
    path = seen(fleet())
    outcome = run(repository, path, commit=True, push=True)
    assert git(deployment, "rev-parse", "trunk") == outcome.commit
    assert {"README", "provenance.json", "alertmanager/alertmanager.yml"} <= names(deployment, "trunk")
    assert "standards/services/ingest.yaml" not in names(deployment, "trunk")
    assert git(deployment, "log", "-1", "--format=%an <%ae>", "trunk") == "Robot <robot@example.com>"
    head = git(repository, "rev-parse", "HEAD")
    assert f"Mac-Standards: {head}" in git(deployment, "log", "-1", "--format=%B", "trunk")
    assert git(repository, "status", "--porcelain") == ""
    assert run(repository, path, commit=True, push=True).commit is None
    assert not changes(repository, path).plan
    built = changes(repository, seen(fleet(range(1, 36))))
    assert ("remove", "target", 5) in {(c.action, c.kind, c.count) for c in built.plan.changes}


def test_a_deployment_repository_may_be_a_branch_and_a_folder(
    repository: Path, deployment: Path, seen: Seen
) -> None:
    path = repository / "mac.yaml"
    text = path.read_text().replace('output: "."', "output: monitoring/generated")
    path.write_text(text.replace("{repository:", "{branch: live/eu, repository:"))
    run(repository, seen(fleet()), commit=True, push=True)
    assert {"README", "monitoring/generated/provenance.json"} <= names(deployment, "live/eu")
    assert names(deployment, "trunk") == {"README"}


def test_an_empty_deployment_repository_gets_its_first_commit(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    bare = tmp_path / "empty.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=trunk", str(bare))
    setting(repository, f"  git: {{repository: 'file://{bare}'}}\n")
    outcome = run(repository, seen(fleet()), commit=True, push=True)
    assert git(bare, "rev-list", "--all") == outcome.commit
    assert run(repository, seen(fleet()), commit=True, push=True).commit is None


def test_a_deployment_repository_that_refuses_is_quoted_and_the_next_run_begins_afresh(
    repository: Path, deployment: Path, seen: Seen
) -> None:
    hook = deployment / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'protected: ask first' >&2; exit 1\n")
    hook.chmod(0o755)
    path = seen(fleet())
    with pytest.raises(GitError, match=r"(?s)refused the push to trunk.*protected: ask first"):
        run(repository, path, commit=True, push=True)
    hook.unlink()
    made = run(repository, path, commit=True, push=True).commit
    assert git(deployment, "rev-parse", "trunk") == made


def test_a_file_of_others_in_the_deployment_repository_stops_the_run(
    repository: Path, deployment: Path, seen: Seen, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "alertmanager").mkdir()
    (theirs / "alertmanager/alertmanager.yml").write_text("theirs\n")
    git(theirs, "add", "alertmanager")
    git(theirs, "commit", "--quiet", "--message=Their Alertmanager")
    git(theirs, "push", "--quiet", "origin", "HEAD:trunk")
    with pytest.raises(ProblemsError) as caught:
        run(repository, seen(fleet()), commit=True, push=True)
    assert "foreign-file" in {p.code for p in caught.value.problems}


# --- signatures --------------------------------------------------------------------------------------


def signing(tmp_path: Path) -> Path:
    """Git signs with a new SSH key, as the user's settings say; the allowed signers."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    signers = tmp_path / "signers"
    signers.write_text(f"tester@example.com {key.with_suffix('.pub').read_text()}")
    for name, value in {
        "gpg.format": "ssh",
        "user.signingKey": str(key),
        "commit.gpgSign": "true",
        "gpg.ssh.allowedSignersFile": str(signers),
    }.items():
        git(tmp_path, "config", "--global", name, value)
    return signers


def test_commits_and_merges_are_signed_where_git_is_set_up_for_it(
    repository: Path, deployment: Path, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    signing(tmp_path)
    path = seen(fleet())
    elsewhere = run(repository, path, commit=True, push=True).commit
    git(deployment, "verify-commit", str(elsewhere))
    text = (repository / "mac.yaml").read_text()
    (repository / "mac.yaml").write_text("".join(t for t in text.splitlines(True) if "repository:" not in t))
    git(repository, "commit", "--quiet", "--all", "--message=Here again")
    run(repository, path, commit=True, branch="generated")
    parameter(repository, "0.33")
    run(repository, path, commit=True, branch="generated")
    for commit in git(repository, "rev-list", "main..generated").splitlines():
        git(repository, "verify-commit", commit)


# --- targets outside of Git --------------------------------------------------------------------------


def test_targets_in_a_folder_leave_git_alone_when_machines_come_and_go(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    live = tmp_path / "live"
    setting(repository, f"  targets: file\n  targets_folder: {live}\n")
    first = run(repository, seen(fleet()), commit=True)
    assert first.commit
    assert not [
        name for name in names(repository, "HEAD") if name.startswith("cells/") and "/targets/" in name
    ]
    path = "cells/main-us-east-1/targets/host.json"
    assert len(json.loads((live / path).read_text())) == HOSTS
    assert f"{live}/{path}" in (repository / "cells/main-us-east-1/prometheus.yml").read_text()
    moved = seen(fleet(range(5, HOSTS + 5)))
    found = {(c.action, c.kind, c.count) for c in changes(repository, moved).plan.changes}
    assert {("add", "target", 4), ("remove", "target", 4)} <= found
    second = run(repository, moved, commit=True)
    assert second.written.written == (path, "provenance.json")
    assert second.commit is None
    assert git(repository, "status", "--porcelain") == ""
    assert not changes(repository, moved).plan
    with pytest.raises(ProblemsError) as caught:
        run(repository, seen(fleet(range(1, 11))), commit=True)
    assert "guard-shrink" in {p.code for p in caught.value.problems}
    run(repository, seen(fleet(range(1, 11))), commit=True, allow=guards.SHRINK)
    assert len(json.loads((live / path).read_text())) == 10


def test_targets_that_were_in_git_leave_it_and_come_back(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    path, live = seen(fleet()), tmp_path / "live"
    run(repository, path, commit=True)
    lines = f"  targets: file\n  targets_folder: {live}\n"
    setting(repository, lines)
    run(repository, path, commit=True)
    assert not [
        name for name in names(repository, "HEAD") if name.startswith("cells/") and "/targets/" in name
    ]
    (repository / "mac.yaml").write_text((repository / "mac.yaml").read_text().replace(lines, ""))
    run(repository, path, commit=True)
    assert [name for name in names(repository, "HEAD") if name.startswith("cells/") and "/targets/" in name]


def test_a_clone_without_the_folder_validates_and_a_fresh_one_owns_it(
    repository: Path, seen: Seen, tmp_path: Path, mac: Callable[..., object]
) -> None:
    live = tmp_path / "live"
    setting(repository, f"  targets: file\n  targets_folder: {live}\n")
    run(repository, seen(fleet()), commit=True)
    live.rename(tmp_path / "away")
    answer = mac("validate", "-C", repository)
    assert answer.exit_code == 0, answer.output  # type: ignore[attr-defined]
    (tmp_path / "away").rename(live)
    assert run(repository, seen(fleet(range(2, 42))), commit=True).commit is None


def test_targets_kept_elsewhere_need_a_place(repository: Path) -> None:
    setting(repository, "  targets: http_sd\n", commit=False)
    with pytest.raises(ProblemsError) as caught:
        pipeline.load(repository)
    messages = [p.message for p in caught.value.problems if p.code == "missing-key"]
    assert messages == [
        "nothing says where Prometheus asks for its targets",
        "nothing says where the targets are written",
    ]


def test_a_prometheus_finds_its_targets_where_they_are_kept(
    repository: Path, seen: Seen, tmp_path: Path
) -> None:
    live = tmp_path / "live"
    live.mkdir()
    answer = partial(SimpleHTTPRequestHandler, directory=str(live))
    with ThreadingHTTPServer(("127.0.0.1", 0), answer) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            for kept, url in (
                ("http_sd", f"http://127.0.0.1:{web.server_address[1]}"),
                ("file", "http://x/"),
            ):
                path = repository / "mac.yaml"
                lines = f"  targets: {kept}\n  targets_folder: {live}\n  targets_url: {url}\n"
                own = "".join(t for t in path.read_text().splitlines(True) if not t.startswith("  targets"))
                path.write_text(own.replace("\nspec:\n", f"\nspec:\n{lines}", 1))
                run(repository, seen(fleet(range(1, 4))))
                with servers.prometheus(repository / "cells/main-us-east-1/prometheus.yml") as prometheus:
                    deadline = time.monotonic() + 60
                    wanted = {f"127.0.0.{n}:9100" for n in range(1, 4)}
                    while not wanted <= {t["labels"]["instance"] for t in prometheus.targets()}:
                        assert time.monotonic() < deadline, f"{kept}: the targets are not found"
                        time.sleep(0.1)
        finally:
            web.shutdown()
            thread.join()
