"""Work trees of mac's own: a clone of another repository, or a linked work tree on another branch.

Nobody works there, so whatever is not committed in them is thrown away. HEAD is detached in them: a branch
may be checked out elsewhere, and the remote's is what counts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mac import git_commit
from mac.git_command import Caller, run
from mac.git_paths import covers, nul
from mac.git_text import redact
from mac.problems import GitError


@dataclass(frozen=True, slots=True)
class Mine:
    """What of a branch is mac's. `owned`: a commit → names, from the top, of the files and folders in it that
    mac wrote. `refuse`: raises when a commit's history has what would be lost. `message`: of a merge.
    """

    owned: Callable[[str], Iterable[str]]
    refuse: Callable[[str], None]
    message: str


def clone(folder: Path, url: str) -> Caller:
    """A repository at `folder` whose remote `origin` is `url`; what is there is used again."""
    if not _is_top(folder):
        _remove(folder)
        folder.mkdir(parents=True)
        Caller(folder)("init", "--quiet")
    git = Caller(folder)
    git("config", "remote.origin.url", url)
    git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    return git


def linked(top: Path, folder: Path) -> Caller:
    """A work tree at `folder` of the repository at `top`, which has a commit."""
    main = Caller(top)
    if not _is_top(folder) or _common(folder) != _common(top):
        _remove(folder)
        main("worktree", "prune")
        main("worktree", "add", "--quiet", "--force", "--no-checkout", "--detach", str(folder), "HEAD")
    return Caller(folder)


def fetched(
    git: Caller, remote: str, branch: str, *, default: bool, timeout: float, known: str | None = None
) -> str | None:
    """The head of the remote's branch, fetched; None when the remote has no such branch. `default`: the
    remote's own head takes its place. `known`: a commit that is here, and is not fetched.
    """
    ref = f"refs/heads/{branch}" if branch else "HEAD"
    said = git(
        *("ls-remote", "--quiet", "--end-of-options", remote, *([ref, "HEAD"] if default else [ref])),
        timeout=timeout,
        refusal=f"cannot reach {redact(remote)}",
    ).line
    there = {name: sha for sha, _, name in (line.partition("\t") for line in said.splitlines())}
    chosen = next((name for name in (ref, "HEAD") if name in there), None)
    if chosen is None:
        return None
    if known is not None and there[chosen] == known:
        return known
    git(
        *("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--end-of-options", remote, chosen),
        timeout=timeout,
        refusal=f"cannot fetch {branch or 'the default branch'} from {redact(remote)}",
    )
    return git("rev-parse", "--verify", "FETCH_HEAD^{commit}").line


def default_branch(git: Caller, remote: str, *, timeout: float) -> str:
    """The branch that the remote's HEAD names; `main` when it has no commits and does not say."""
    said = git("ls-remote", "--quiet", "--symref", "--end-of-options", remote, "HEAD", timeout=timeout).line
    named = [line.split()[1] for line in said.splitlines() if line.startswith("ref: ")]
    return named[0].removeprefix("refs/heads/") if named else "main"


def go(git: Caller, commit: str | None, branch: str) -> None:
    """Makes the work tree what that commit has, and nothing else; None: before the first commit."""
    for left in ("index.lock", "HEAD.lock"):  # of a run that was killed; nobody else works here
        with suppress(FileNotFoundError):
            (git.top / git("rev-parse", "--git-path", left).line).unlink()
    if commit is None:
        git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        git("read-tree", "--empty")
    else:
        git("checkout", "--quiet", "--force", "--detach", "--no-recurse-submodules", commit)
    git("clean", "-ffdxq")


def level(git: Caller, tip: str, start: str, mine: Mine) -> str:
    """The commit that is to be worked on, so that a branch at `tip` has all of `start`.

    What mac wrote comes from `tip`, all else from `start`. Nothing is ever taken off a branch: where both
    have moved, the result is a merge.
    """
    if _has(git, start, tip):
        return start
    mine.refuse(tip)
    if _has(git, tip, start):
        return tip
    go(git, start, "")
    gone, kept = set(mine.owned(start)), set(mine.owned(tip))
    listing = git.names("ls-tree", "-r", "-z", tip)
    entries = [entry for entry in listing if covers(kept, entry.split("\t", 1)[1])]
    there = [name for name in git.names("ls-files", "-z") if covers(gone | kept, name)]
    git("update-index", "--force-remove", "-z", "--stdin", stdin=nul(there))
    git("update-index", "-z", "--index-info", stdin=nul(entries))
    tree = git("write-tree").line
    signed = git("config", "--type=bool", "--get", "commit.gpgSign", ok=(0, 1)).line == "true"
    return git(
        *(*git_commit.identity(git), "commit-tree", *(["-S"] if signed else [])),
        *("-p", tip, "-p", start, "-F", "-", tree),
        stdin=mine.message.encode(),
        refusal="git refused the merge",
    ).line


def _has(git: Caller, commit: str, ancestor: str) -> bool:
    answer = git("merge-base", "--is-ancestor", ancestor, commit, ok=(0, 1, 128))
    if answer.code == 128:
        shallow = git("rev-parse", "--is-shallow-repository").line == "true"
        hint = "this clone is shallow: fetch the history with `git fetch --unshallow`" if shallow else ""
        raise GitError(f"git cannot compare {ancestor[:12]} with {commit[:12]}", hint)
    return answer.code == 0


def _is_top(folder: Path) -> bool:
    if not (folder / ".git").exists():
        return False
    answer = run(folder, "rev-parse", "--show-toplevel")
    return answer.code == 0 and Path(answer.line) == folder.resolve()


def _common(folder: Path) -> Path:
    return (folder / Caller(folder)("rev-parse", "--git-common-dir").line).resolve()


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        os.unlink(folder)
    elif folder.exists():
        shutil.rmtree(folder)
