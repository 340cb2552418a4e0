"""Reading, committing and pushing with real repositories, real remotes, real hooks and the real git."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mac import git, git_command
from mac.git_text import redact, shown, trailers
from mac.problems import GitError, UsageError


@pytest.fixture(autouse=True)
def _isolated_git(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.file.allow")  # for submodules from a folder
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "always")
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr(git_command, "LOCK_WAIT", 0.3)
    monkeypatch.delenv("EMAIL", raising=False)


def run(folder: Path, *arguments: str) -> str:
    """Plain git, as a user would call it."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def put(root: Path, **files: str) -> None:
    for path, text in {name.replace("__", "/"): text for name, text in files.items()}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def hook(root: Path, name: str, body: str) -> None:
    path = root / (".git/hooks" if (root / ".git").is_dir() else "hooks") / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def state(root: Path) -> tuple[str, str]:
    """The index with modes and stages, and what status says."""
    return run(root, "ls-files", "--stage"), run(root, "status", "--porcelain", "--untracked-files=all")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository with one commit: cells/a, cells/b and a file of the user."""
    root = tmp_path / "work"
    root.mkdir()
    run(root, "init", "--quiet", "-b", "main")
    put(root, cells__a="1", cells__b="1", README="mine")
    run(root, "add", ".")
    run(root, "commit", "--quiet", "-m", "first")
    return root


@pytest.fixture
def remote(tmp_path: Path, work: Path) -> Path:
    """A bare remote of `work`, which is its origin."""
    bare = tmp_path / "remote.git"
    run(tmp_path, "clone", "--quiet", "--bare", str(work), str(bare))
    run(work, "remote", "add", "origin", str(bare))
    run(work, "fetch", "--quiet", "origin")
    return bare


def clone(remote: Path, name: str, *options: str) -> Path:
    root = remote.parent / name
    run(remote.parent, "clone", "--quiet", *options, f"file://{remote}", str(root))
    return root


# --- opening -----------------------------------------------------------------------------------------


def test_a_folder_outside_of_any_repository_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="is not in a Git repository") as caught:
        git.open(tmp_path)
    assert "git init" in caught.value.hint


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="is not a folder"):
        git.open(tmp_path / "missing")


def test_a_bare_repository_is_an_error(remote: Path) -> None:
    with pytest.raises(GitError, match="work tree"):
        git.open(remote)


def test_a_machine_without_git_is_an_error_with_a_hint(work: Path, tmp_path: Path) -> None:
    script = (
        "import pathlib, sys\nfrom mac import git\nfrom mac.problems import GitError\n"
        "try: git.open(pathlib.Path(sys.argv[1]))\n"
        "except GitError as error: print(error.message, '|', error.hint)\n"
    )
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script, work], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "git cannot be run | install git, and see that it is in the PATH\n"


def test_the_variables_of_a_running_hook_do_not_lead_elsewhere(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run(other, "init", "--quiet")
    expected = run(work, "rev-parse", "HEAD").strip()
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    repository = git.open(work)
    assert repository.head() == expected
    put(work, cells__a="2")
    assert repository.commit(["cells/a"], "change")
    assert not (other / ".git/index").exists()


# --- reading -----------------------------------------------------------------------------------------


def test_a_revision_is_read_by_files_and_folders(work: Path) -> None:
    put(work, cells__a="2", cells__deep__c="3", dashboards__d="4")
    (work / "cells/link").symlink_to("a")
    (work / "cells/bin").write_bytes(bytes(range(256)) + b"\n\nx")
    run(work, "add", ".")
    run(work, "commit", "--quiet", "-m", "second")
    repository = git.open(work)
    tree = repository.tree("HEAD", work, ["cells", "README", "nothing", "dash"])
    assert tree == {
        "cells/a": b"2",
        "cells/b": b"1",
        "cells/deep/c": b"3",
        "cells/bin": bytes(range(256)) + b"\n\nx",
        "README": b"mine",
    }
    assert repository.tree("HEAD~1", work, ["cells/a"]) == {"cells/a": b"1"}
    assert repository.tree("HEAD", work, []) == {}
    assert repository.tree("main", work / "cells", ["deep", "a"]) == {"deep/c": b"3", "a": b"2"}


def test_names_that_are_hard_on_the_shell_are_read_as_they_are(work: Path) -> None:
    names = ["cells/a b", "cells/ü", 'cells/"q"', "cells/*", "cells/new\nline", "cells/tab\t", ":x/y", "-o/z"]
    for name in names:
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(name)
    repository = git.open(work)
    assert repository.commit(names, "odd names")
    assert repository.tree("HEAD", work, names) == {name: name.encode() for name in names}
    assert repository.dirty(names) == ()


@pytest.mark.parametrize("rev", ["nothing", "HEAD~9", "", "--all", "0" * 40, "HEAD:README", "a..b"])
def test_an_unknown_revision_is_an_error(work: Path, rev: str) -> None:
    with pytest.raises(GitError, match="is not a revision"):
        git.open(work).tree(rev, work, ["cells"])


def test_a_shallow_clone_is_read_and_says_what_it_lacks(work: Path, remote: Path) -> None:
    put(work, cells__a="2")
    run(work, "commit", "--quiet", "-am", "second")
    run(work, "push", "--quiet", "origin", "main")
    root = clone(remote, "shallow", "--depth", "1")
    repository = git.open(root)
    assert repository.tree("HEAD", root, ["cells/a"]) == {"cells/a": b"2"}
    with pytest.raises(GitError) as caught:
        repository.tree("HEAD~1", root, ["cells/a"])
    assert "shallow" in caught.value.hint


def test_thousands_of_files_are_committed_and_read(work: Path) -> None:
    names = [f"cells/c{n % 5}/rules/{n}.yml" for n in range(2000)]
    for name in names:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    repository = git.open(work)
    assert repository.commit(names, "many")
    assert repository.tree("HEAD", work, names) == {name: name.encode() for name in names}


def test_what_differs_from_head_is_dirty_staged_or_not(work: Path) -> None:
    repository = git.open(work)
    assert repository.dirty(["cells", "README"]) == ()
    put(work, cells__a="2", cells__new="3", README="changed")
    (work / "cells/b").unlink()
    run(work, "add", "cells/a")
    assert repository.dirty(["cells"]) == ("cells/a", "cells/b", "cells/new")
    assert repository.dirty(["cells/b", "README"]) == ("README", "cells/b")


# --- committing --------------------------------------------------------------------------------------


def test_exactly_the_given_files_are_committed(work: Path) -> None:
    put(work, cells__a="2", cells__new="n", cells__theirs="t", README="half done")
    (work / "cells/b").unlink()
    put(work, staged="s")
    run(work, "add", "staged", "README")
    put(work, README="more")
    repository = git.open(work)
    sha = repository.commit(["cells/a", "cells/b", "cells/new", "cells/never"], "change\n\n# kept\n")
    assert sha == repository.head()
    assert run(work, "show", "--name-status", "--format=%B", "HEAD") == (
        "change\n\n# kept\n\n\nM\tcells/a\nD\tcells/b\nA\tcells/new\n"
    )
    assert state(work)[1] == "MM README\nA  staged\n?? cells/theirs\n"


def test_what_others_have_staged_beside_the_files_stays_staged(work: Path) -> None:
    put(work, cells__deep__theirs="1", cells__deep__overlooked="1", cells__deep__mine="1")
    repository = git.open(work)
    repository.commit(["cells"], "more")
    put(work, cells__deep__theirs="staged")
    run(work, "add", "cells/deep/theirs")
    put(work, cells__deep__theirs="1", cells__deep__mine="2", cells__deep__overlooked="2", cells__a="2")
    run(work, "update-index", "--assume-unchanged", "cells/deep/overlooked")
    assert repository.commit(["cells/a", "cells/deep/mine"], "change")
    assert run(work, "show", "--name-only", "--format=", "HEAD") == "cells/a\ncells/deep/mine\n"
    assert state(work)[1] == "MM cells/deep/theirs\n"


def test_absolute_paths_and_folders_are_understood(work: Path) -> None:
    put(work, cells__a="2", cells__new__x="n", README="not this")
    (work / "cells/b").unlink()
    git.open(work).commit([work / "cells"], "folder")
    shown_names = run(work, "show", "--name-status", "--format=", "HEAD")
    assert shown_names == "M\tcells/a\nD\tcells/b\nA\tcells/new/x\n"


def test_nothing_to_commit_is_none_and_leaves_the_index_alone(work: Path) -> None:
    repository = git.open(work)
    put(work, staged="s")
    run(work, "add", "staged")
    os.utime(work / "cells/a", ns=(1, 1))
    before = state(work)
    assert repository.commit(["cells/a", "cells/b", "cells/none"], "nothing") is None
    assert state(work) == before


def test_a_change_that_is_staged_and_taken_back_in_the_file_is_nothing(work: Path) -> None:
    put(work, cells__a="2")
    run(work, "add", "cells/a")
    put(work, cells__a="1")
    run(work, "rm", "--quiet", "--cached", "cells/b")
    before = state(work)
    assert git.open(work).commit(["cells/a", "cells/b"], "nothing") is None
    assert state(work) == before


def test_the_first_commit_of_a_repository_works(tmp_path: Path) -> None:
    run(tmp_path, "init", "--quiet", "-b", "main")
    put(tmp_path, cells__a="1", staged="s")
    run(tmp_path, "add", "staged")
    repository = git.open(tmp_path)
    assert repository.head() is None
    assert repository.branch() == "main"
    sha = repository.commit(["cells/a"], "first")
    assert repository.head() == sha
    assert run(tmp_path, "ls-tree", "-r", "--name-only", "HEAD") == "cells/a\n"
    assert state(tmp_path)[1] == "A  staged\n"


def test_a_first_commit_of_nothing_is_none(tmp_path: Path) -> None:
    run(tmp_path, "init", "--quiet")
    assert git.open(tmp_path).commit(["cells/a"], "first") is None


def test_without_an_identity_macs_own_is_used(work: Path) -> None:
    put(work, cells__a="2")
    run(work, "config", "user.useConfigOnly", "true")
    git.open(work).commit(["cells/a"], "change")
    assert (
        run(work, "log", "-1", "--format=%an <%ae> %cn <%ce>") == "mac <mac@localhost> mac <mac@localhost>\n"
    )


def test_a_configured_identity_and_a_given_author_are_used(work: Path) -> None:
    run(work, "config", "user.name", "Ada")
    run(work, "config", "user.email", "ada@example.com")
    put(work, cells__a="2")
    git.open(work).commit(["cells/a"], "change", author="Bob <bob@example.com>")
    assert (
        run(work, "log", "-1", "--format=%an <%ae> %cn <%ce>")
        == "Bob <bob@example.com> Ada <ada@example.com>\n"
    )


@pytest.mark.parametrize("name", ["pre-commit", "commit-msg", "prepare-commit-msg"])
def test_a_hook_that_refuses_is_heard_and_leaves_the_index(work: Path, name: str) -> None:
    hook(work, name, "echo 'not on a \x1b[31mFriday\x1b[0m' >&2; exit 1")
    put(work, cells__a="2", cells__new="n", staged="s")
    (work / "cells/b").unlink()
    run(work, "add", "staged")
    before, head = state(work), run(work, "rev-parse", "HEAD")
    with pytest.raises(GitError, match="git refused the commit: not on a Friday"):
        git.open(work).commit(["cells/a", "cells/b", "cells/new"], "change")
    assert state(work) == before
    assert run(work, "rev-parse", "HEAD") == head


def test_a_refused_commit_of_a_file_that_became_a_folder_leaves_the_index(work: Path) -> None:
    (work / "cells/a").unlink()
    put(work, cells__a__x="2")
    before = state(work)
    hook(work, "pre-commit", "exit 1")
    repository = git.open(work)
    with pytest.raises(GitError):
        repository.commit(["cells/a", "cells/a/x"], "change")
    assert state(work) == before
    hook(work, "pre-commit", "exit 0")
    assert repository.commit(["cells/a", "cells/a/x"], "change")
    assert run(work, "show", "--name-status", "--format=", "HEAD") == "D\tcells/a\nA\tcells/a/x\n"


def test_a_folder_that_became_a_file_is_committed(work: Path) -> None:
    put(work, cells__deep__x="1")
    repository = git.open(work)
    repository.commit(["cells/deep/x"], "a folder")
    (work / "cells/deep/x").unlink()
    (work / "cells/deep").rmdir()
    put(work, cells__deep="2")
    assert repository.commit(["cells/deep/x", "cells/deep"], "a file")
    assert run(work, "show", "--name-status", "--format=", "HEAD") == "A\tcells/deep\nD\tcells/deep/x\n"


def test_hooks_see_what_is_committed_and_plain_pathspecs(work: Path) -> None:
    hook(work, "pre-commit", "git diff --cached --name-only -- 'cells/*' > \"$PWD/seen\"")
    put(work, cells__a="2", staged="s")
    run(work, "add", "staged")
    git.open(work).commit(["cells/a"], "change")
    assert (work / "seen").read_text() == "cells/a\n"


def signing(work: Path, body: str) -> None:
    program = work.parent / "sign"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    run(work, "config", "commit.gpgSign", "true")
    run(work, "config", "gpg.program", str(program))


def test_commits_are_signed_where_that_is_configured(work: Path) -> None:
    signing(work, "cat >/dev/null; echo '[GNUPG:] SIG_CREATED ' >&2; echo 'a signature'")
    put(work, cells__a="2")
    git.open(work).commit(["cells/a"], "change")
    assert "gpgsig a signature" in run(work, "cat-file", "commit", "HEAD")


def test_a_signature_that_cannot_be_made_is_an_error(work: Path) -> None:
    signing(work, "echo 'no secret key' >&2; exit 2")
    put(work, cells__a="2", cells__new="3")
    before = state(work)
    with pytest.raises(GitError, match="failed to sign"):
        git.open(work).commit(["cells/a", "cells/new"], "change")
    assert state(work) == before


def test_a_lock_that_was_left_behind_is_named(work: Path) -> None:
    (work / ".git/index.lock").touch()
    put(work, cells__a="2", cells__new="3")
    for paths in (["cells/a"], ["cells/new"]):
        with pytest.raises(GitError, match=r"index\.lock") as caught:
            git.open(work).commit(paths, "change")
        assert "delete the lock file" in caught.value.hint
    (work / ".git/index.lock").unlink()
    assert git.open(work).commit(["cells"], "change")


def test_a_lock_that_goes_away_is_waited_for(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_command, "LOCK_WAIT", 60.0)
    lock = work / ".git/index.lock"
    lock.touch()
    threading.Timer(0.3, lock.unlink).start()
    put(work, cells__a="2", cells__new="3")
    assert git.open(work).commit(["cells"], "change")


def test_ignored_files_are_an_error_that_names_them(work: Path) -> None:
    put(work, **{".gitignore": "/dashboards/\n"})
    put(work, cells__a="2", dashboards__d="3", dashboards__e="3")
    before = state(work)
    with pytest.raises(GitError, match=r"dashboards/d and 1 more cannot be committed") as caught:
        git.open(work).commit(["cells/a", "dashboards/d", "dashboards/e"], "change")
    assert "git check-ignore -v dashboards/d" in caught.value.hint
    assert state(work) == before


def test_an_ignored_file_that_is_tracked_is_committed(work: Path) -> None:
    put(work, **{".gitignore": "/cells/\n"})
    put(work, cells__a="2")
    assert git.open(work).commit(["cells/a"], "change")


def test_a_detached_head_is_committed_on_and_has_no_branch(work: Path) -> None:
    run(work, "checkout", "--quiet", "--detach")
    put(work, cells__a="2")
    repository = git.open(work)
    sha = repository.commit(["cells/a"], "change")
    assert repository.head() == sha
    with pytest.raises(GitError, match="detached"):
        repository.branch()


def test_an_unfinished_merge_is_not_committed(work: Path) -> None:
    run(work, "switch", "--quiet", "-c", "other")
    put(work, README="theirs")
    run(work, "commit", "--quiet", "-am", "theirs")
    run(work, "switch", "--quiet", "main")
    run(work, "merge", "--quiet", "--no-commit", "--no-ff", "other")
    put(work, cells__a="2")
    before = state(work)
    with pytest.raises(GitError, match="a merge is under way"):
        git.open(work).commit(["cells/a"], "change")
    assert state(work) == before


def test_a_path_outside_of_the_repository_is_an_error(work: Path, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="outside of the repository"):
        git.open(work).commit([tmp_path / "elsewhere"], "change")


def test_a_monitoring_repository_may_be_a_folder_of_a_larger_one(work: Path, remote: Path) -> None:
    root = work / "ops/monitoring"
    put(root, cells__a="1", cells__b="1")
    repository = git.open(root)
    assert repository.top == work
    sha = repository.commit(["cells/a"], "only a")
    assert run(work, "ls-tree", "-r", "--name-only", "HEAD", "ops") == "ops/monitoring/cells/a\n"
    assert repository.tree("HEAD", root, ["cells"]) == {"cells/a": b"1"}
    assert repository.dirty(["cells"]) == ("ops/monitoring/cells/b",)
    assert repository.push("main")
    assert run(remote, "rev-parse", "main").strip() == sha


def test_a_linked_worktree_is_its_own_place(work: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    run(work, "worktree", "add", "--quiet", "-b", "topic", str(linked))
    put(linked, cells__a="2", cells__new="3")
    repository = git.open(linked)
    assert repository.branch() == "topic"
    assert repository.commit(["cells"], "there")
    assert state(work)[1] == ""
    assert run(work, "log", "-1", "--format=%s", "topic") == "there\n"


def test_a_submodule_is_a_repository_and_its_outside_refuses_its_files(work: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    run(outer, "init", "--quiet", "-b", "main")
    run(outer, "submodule", "--quiet", "add", str(work), "monitoring")
    run(outer, "commit", "--quiet", "-m", "with a submodule")
    put(outer / "monitoring", cells__a="2")
    inner = git.open(outer / "monitoring")
    assert inner.top == outer / "monitoring"
    assert inner.commit(["cells/a"], "inside")
    put(outer / "monitoring", cells__new="3")
    with pytest.raises(GitError, match="submodule"):
        git.open(outer).commit(["monitoring/cells/new"], "outside")


# --- branches and pushes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["-f", "a..b", "", "a b", "@{-1}x", "x.lock", "refs/heads/x"])
def test_what_is_no_branch_name_is_refused(work: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not a name for a branch"):
        git.open(work).check_name(name)


def test_a_push_sends_the_commit_and_no_tags(work: Path, remote: Path) -> None:
    run(work, "config", "push.followTags", "true")
    run(work, "tag", "-a", "v1", "-m", "v1")
    put(work, cells__a="2")
    repository = git.open(work)
    sha = repository.commit(["cells/a"], "change")
    assert repository.push("main")
    assert repository.push("main")
    assert run(remote, "rev-parse", "main").strip() == sha
    assert run(remote, "tag") == ""


def test_a_shallow_clone_and_a_detached_head_push(work: Path, remote: Path) -> None:
    root = clone(remote, "shallow", "--depth", "1")
    run(root, "checkout", "--quiet", "--detach")
    put(root, cells__a="2")
    repository = git.open(root)
    sha = repository.commit(["cells/a"], "change")
    assert repository.push("mac/update")
    assert run(remote, "rev-parse", "mac/update").strip() == sha


def test_a_push_before_the_first_commit_is_an_error(tmp_path: Path) -> None:
    run(tmp_path, "init", "--quiet")
    with pytest.raises(GitError, match="no commit"):
        git.open(tmp_path).push("main")


def test_of_two_clones_that_race_the_second_is_told_and_catches_up(work: Path, remote: Path) -> None:
    first, second = git.open(clone(remote, "one")), git.open(clone(remote, "two"))
    put(first.root, cells__a="first", cells__from_one="x")
    put(second.root, cells__a="second", README="half done", staged="staged")
    run(second.root, "add", "staged")
    put(second.root, staged="and changed again")
    first.commit(["cells"], "first")
    second.commit(["cells"], "second")
    assert first.push("main")
    assert not second.push("main")
    assert run(remote, "log", "-1", "--format=%s", "main") == "first\n"
    assert second.sync_to_remote("main") == first.head() == second.head()
    assert (second.root / "cells/a").read_text() == "first"
    assert (second.root / "README").read_text() == "half done"
    assert state(second.root)[1] == " M README\nAM staged\n"
    put(second.root, cells__a="second again")
    second.commit(["cells"], "second")
    assert second.push("main")
    assert run(remote, "log", "--format=%s", "main") == "second\nfirst\nfirst\n"


def test_even_a_remote_that_wants_force_is_not_forced(work: Path, remote: Path) -> None:
    run(work, "config", "remote.origin.push", "+refs/heads/*:refs/heads/*")
    theirs = clone(remote, "theirs")
    run(theirs, "commit", "--quiet", "--allow-empty", "-m", "theirs")
    run(theirs, "push", "--quiet", "origin", "main")
    put(work, cells__a="2")
    repository = git.open(work)
    repository.commit(["cells/a"], "mine")
    assert not repository.push("main")
    assert run(remote, "log", "-1", "--format=%s", "main") == "theirs\n"


def test_a_remote_that_moves_during_the_push_has_moved_on(work: Path, remote: Path) -> None:
    put(work, cells__a="2")
    repository = git.open(work)
    repository.commit(["cells/a"], "mine")
    theirs = run(remote, "commit-tree", "main^{tree}", "-p", "main", "-m", "theirs").strip()
    # Somebody else's push ends between this one's negotiation and its update of the branch.
    hook(remote, "update", f"echo {theirs} > refs/heads/main")
    assert not repository.push("main")
    assert run(remote, "rev-parse", "main").strip() == theirs


def another_remote_commit(remote: Path, **files: str) -> None:
    theirs = clone(remote, "theirs")
    put(theirs, **files)
    run(theirs, "add", ".")
    run(theirs, "commit", "--quiet", "-m", "theirs")
    run(theirs, "push", "--quiet", "origin", "main")


def test_catching_up_refuses_to_lose_a_commit_of_the_user(work: Path, remote: Path) -> None:
    run(work, "commit", "--quiet", "--allow-empty", "-m", "by hand")
    put(work, cells__a="2")
    repository = git.open(work)
    head = repository.commit(["cells/a"], "mine")
    another_remote_commit(remote, cells__b="2")
    assert not repository.push("main")
    with pytest.raises(GitError, match="by hand"):
        repository.sync_to_remote("main")
    assert repository.head() == head
    assert repository.sync_to_remote("main", ours=lambda c: c.message.startswith("by hand")) != head


@pytest.mark.parametrize("staged", [True, False])
def test_catching_up_refuses_to_lose_a_change_of_the_user(work: Path, remote: Path, staged: bool) -> None:
    put(work, cells__a="2", README="mine, not committed")
    if staged:
        run(work, "add", "README")
    repository = git.open(work)
    head = repository.commit(["cells/a"], "mine")
    another_remote_commit(remote, README="theirs")
    with pytest.raises(GitError, match="cannot move to origin/main"):
        repository.sync_to_remote("main")
    assert (work / "README").read_text() == "mine, not committed"
    assert repository.head() == head


@pytest.mark.parametrize("ignored", ["", "/new\n"])
def test_catching_up_refuses_to_overwrite_an_untracked_file(work: Path, remote: Path, ignored: str) -> None:
    put(work, new="mine")
    (work / ".git/info/exclude").write_text(ignored)
    another_remote_commit(remote, new="theirs")
    with pytest.raises(GitError, match="cannot move"):
        git.open(work).sync_to_remote("main")
    assert (work / "new").read_text() == "mine"


def test_catching_up_does_not_move_another_branch(work: Path, remote: Path) -> None:
    run(work, "switch", "--quiet", "-c", "topic")
    with pytest.raises(GitError, match="the current branch is topic"):
        git.open(work).sync_to_remote("main")


def test_catching_up_works_on_a_detached_head(work: Path, remote: Path) -> None:
    run(work, "checkout", "--quiet", "--detach")
    another_remote_commit(remote, cells__b="2")
    repository = git.open(work)
    assert repository.sync_to_remote("main") == run(remote, "rev-parse", "main").strip()
    with pytest.raises(GitError, match="detached"):
        repository.branch()


def test_a_remote_hook_that_refuses_is_quoted(work: Path, remote: Path) -> None:
    hook(remote, "pre-receive", "echo 'changes need a review' >&2; exit 1")
    put(work, cells__a="2")
    repository = git.open(work)
    repository.commit(["cells/a"], "change")
    with pytest.raises(GitError, match=r"(?s)refused the push to main.*changes need a review") as caught:
        repository.push("main")
    assert "--branch" in caught.value.hint


def test_a_remote_that_is_not_there_is_an_error_without_the_password(work: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    run(work, "remote", "add", "origin", f"http://mac:s3cr3t@127.0.0.1:{port}/x.git?access_token=t0k3n")
    repository = git.open(work)
    for action in (lambda: repository.push("main"), lambda: repository.sync_to_remote("main")):
        with pytest.raises(GitError, match="origin") as caught:
            action()
        assert "s3cr3t" not in caught.value.message + caught.value.hint
        assert "t0k3n" not in caught.value.message + caught.value.hint
        assert f"127.0.0.1:{port}" in caught.value.message


def test_a_remote_that_is_not_configured_is_an_error(work: Path) -> None:
    with pytest.raises(GitError, match="cannot push to origin"):
        git.open(work).push("main")


@pytest.fixture
def silent_port() -> Iterator[tuple[int, socket.socket]]:
    """A server that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(30)
        yield server.getsockname()[1], server


def test_a_remote_that_hangs_is_given_up_and_nothing_is_left_running(
    work: Path, silent_port: tuple[int, socket.socket]
) -> None:
    port, server = silent_port
    run(work, "remote", "add", "origin", f"http://user:pw@127.0.0.1:{port}/x.git")
    repository = git.open(work)
    with pytest.raises(GitError, match=r"did not end within 0\.5 seconds"):
        repository.push("main", timeout=0.5)
    connection, _ = server.accept()
    with connection:
        connection.settimeout(30)
        while connection.recv(4096):  # its request, then the end: whoever connected is gone
            pass
    with pytest.raises(GitError, match=r"did not end within 0\.5 seconds"):
        repository.sync_to_remote("main", timeout=0.5)


def test_what_git_leaves_running_is_not_waited_for(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_command, "_GRACE", 0.2)
    hook(work, "post-commit", f"echo $$ > {shlex.quote(str(work / 'pid'))}; exec sleep 60 &")
    put(work, cells__a="2")
    done: list[str | None] = []
    thread = threading.Thread(
        target=lambda: done.append(git.open(work).commit(["cells/a"], "change")), daemon=True
    )
    thread.start()
    thread.join(30)
    assert done
    assert done[0]


# --- words -------------------------------------------------------------------------------------------


def test_trailers_are_read_by_git(work: Path) -> None:
    message = trailers(
        "inventory: 3 targets added\n\nBy inventory:\n- added 3 × target\n\n---\nKey: in the body\n",
        {"Mac-Snapshot": "abc", "Mac-Note": "two\nlines"},
    )
    put(work, cells__a="2")
    git.open(work).commit(["cells/a"], message)
    read = run(work, "log", "-1", "--format=%(trailers)")
    assert read.strip() == "Mac-Snapshot: abc\nMac-Note: two lines"
    assert run(work, "log", "-1", "--format=%s") == "inventory: 3 targets added\n"


@pytest.mark.parametrize("key", ["", "a b", "a:", "a\n", "-a"])
def test_a_trailer_key_must_be_one(key: str) -> None:
    with pytest.raises(ValueError, match="trailer key"):
        trailers("message", {key: "x"})


def test_an_empty_message_is_refused() -> None:
    with pytest.raises(ValueError, match="message"):
        trailers(" \n", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:pw@host/x", "https://***@host/x"),
        ("https://token@host/x and ssh://git@host", "https://***@host/x and ssh://***@host"),
        ("https://user:p@ss@host:80/x", "https://***@host:80/x"),
        ("https://host/x?access_token=abc&y=1", "https://host/x?access_token=***&y=1"),
        ("Authorization: Basic Zm9v", "Authorization: Basic ***"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_secrets_in_urls_are_not_shown(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_a_token_that_a_hook_repeats_is_not_shown() -> None:
    token = "ghp_" + "a1" * 18
    assert shown(f"no: {token} may not\nat all".encode()) == f"no: {'*' * len(token)} may not\nat all"


def test_words_of_others_cannot_steer_the_terminal() -> None:
    assert (
        shown(b"\x1b[31mred\x1b[0m\n\n 10%\r100%, done.\r\n\x1b]0;title\x07\xff")
        == "red\n100%, done.\n?]0;title?\ufffd"
    )
