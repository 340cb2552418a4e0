"""A Git repository: reading a revision, committing exactly what mac owns, pushing without force.

Git itself does the work, through GitPython's command runner. Hooks, signing and the user's settings count
as they do when the user commits. Whatever else is staged or changed stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from mac import git_commit, git_own
from mac.git_command import Caller, run
from mac.git_paths import covers, literal, nul, tops
from mac.git_text import blobs_in, redact, shown, trailers
from mac.problems import GitError, UsageError

__all__ = ["Commit", "Repository", "open", "redact", "trailers"]

NETWORK_TIMEOUT = 120.0
"""Seconds after which a fetch or a push that has not ended is ended."""

# Ways in which a remote says that its branch is not where the pusher believed.
_MOVED = (
    *("fetch first", "non-fast-forward", "stale info", "remote ref updated since checkout"),
    *("cannot lock ref", "failed to lock", "failed to update ref", "incorrect old value"),
    "reference already exists",
)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its id (hexadecimal) and its whole message."""

    sha: str
    message: str


def open(root: Path) -> Repository:
    """The repository whose work tree `root` lies in. Raises GitError."""
    if not root.is_dir():
        raise GitError(f"{root} is not a folder")
    root = root.resolve()
    answer = run(root, "rev-parse", "--show-toplevel")
    if answer.code == 0:
        top = Path(answer.line)
        return Repository(root, top, Caller(top))
    words = shown(answer.err)
    if "not a git repository" in words:
        raise GitError(f"{root} is not in a Git repository", "make one with `git init`, or clone one")
    raise GitError(f"git cannot use {root}: {words}")


def head_of(folder: Path) -> str:
    """The id of the current commit of the repository that a folder lies in; "" when there is none."""
    answer = run(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    return answer.line if answer.code == 0 else ""


def would_lose(who: str, commits: Collection[Commit], hint: str) -> GitError:
    """The error that `who` has commits which would be lost; it names a few."""
    subjects = "".join(f"\n  {c.sha[:12]} {c.message.split(chr(10), 1)[0]}" for c in tuple(commits)[:5])
    return GitError(f"{who} has commits that mac did not make and would lose:{subjects}", hint)


@dataclass(frozen=True, slots=True)
class Repository:
    """The work tree at `top`, used from the folder `root` in it. Relative paths are relative to `root`.

    Every method raises GitError when git refuses or is missing.
    """

    root: Path
    top: Path
    _git: Caller
    _made: set[str] = field(default_factory=set)  # commits of this object, not known to be pushed

    # --- reading ---------------------------------------------------------------------------------

    def head(self) -> str | None:
        """The id of the current commit; None before the first."""
        return self._git.head()

    def branch(self) -> str:
        """The name of the current branch. Raises GitError when HEAD is detached."""
        name = self.current()
        if not name:
            raise GitError("HEAD is detached: there is no current branch", "name one with --branch")
        return name

    def tree(self, rev: str, folder: Path, paths: Iterable[str]) -> Mapping[str, bytes]:
        """The files of a revision at those paths below `folder`, and at paths below those; by path below
        `folder`. What is not there, or is no regular file, is left out.
        """
        commit = self.resolve(rev)
        base = self.name(folder)
        prefix = f"{base}/" if base else ""
        wanted = {prefix + path for path in paths}
        if not wanted:
            return {}
        starts = {PurePosixPath(path[len(prefix) :]).parts[0] for path in wanted}
        listing = self._git("ls-tree", "-r", "-z", commit, "--", *literal(prefix + path for path in starts))
        blobs: dict[str, bytes] = {}
        for entry in listing.names:
            about, name = entry.split("\t", 1)
            mode, _, blob = about.split(" ")
            if mode.startswith("100") and covers(wanted, name):
                blobs[name.removeprefix(prefix)] = blob.encode()
        contents = self._blobs(set(blobs.values()))
        return {name: contents[blob] for name, blob in blobs.items()}

    def _blobs(self, ids: Collection[bytes]) -> Mapping[bytes, bytes]:
        if not ids:
            return {}
        return blobs_in(self._git("cat-file", "--batch", stdin=b"\n".join(sorted(ids)) + b"\n").out)

    def resolve(self, rev: str) -> str:
        """The id of the commit that a revision names."""
        # A revision that looks like an option would be taken for one.
        if rev and not rev.startswith("-"):
            answer = self._git("rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}", ok=(0, 1, 128))
            if answer.code == 0:
                return answer.line
        hint = "see `git log` or `git branch --all` for what there is"
        if self._git("rev-parse", "--is-shallow-repository").line == "true":
            hint = (
                "this clone is shallow: fetch more of the history, for example with `git fetch --unshallow`"
            )
        raise GitError(f"{rev!r} is not a revision of this repository", hint)

    def touching(self, rev: str, paths: Iterable[Path | str], most: int) -> tuple[str, ...]:
        """The newest commits of a revision in which anything at these paths changed, newest first."""
        names = literal(self.name(path) for path in paths)
        listing = self._git("log", "--format=%H", f"--max-count={most}", self.resolve(rev), "--", *names)
        return tuple(listing.out.decode().split())

    def behind(self, old: str, new: str) -> int | None:
        """By how many commits `old` is older than `new`; None when it is no ancestor, as far as is known."""
        if self._git("merge-base", "--is-ancestor", old, new, ok=(0, 1, 128)).code != 0:
            return None
        return int(self._git("rev-list", "--count", f"{old}..{new}").line)

    def require(self, path: Path) -> None:
        """Raises GitError when files at this place cannot be committed here."""
        self.name(path)

    def dirty(self, paths: Iterable[Path | str]) -> tuple[str, ...]:
        """Those files among `paths`, and below them, that differ from HEAD, staged or not, relative to the
        work tree's top. Untracked ones count, ignored ones do not.
        """
        asked = {self.name(path) for path in paths}
        listing = self._git(
            *(
                "status",
                "--porcelain=v1",
                "-z",
                "--untracked-files=all",
                "--no-renames",
                "--ignore-submodules=all",
            ),
            *("--", *tops(asked)),
        )
        names = {entry[3:] for entry in listing.names}
        return tuple(sorted(name for name in names if covers(asked, name)))

    # --- committing ------------------------------------------------------------------------------

    def commit(self, paths: Iterable[Path | str], message: str, *, author: str | None = None) -> str | None:
        """Commits the state of exactly these files, deletions too; a folder stands for all files in it.

        Returns the new commit's id, or None when they equal HEAD. `author`: "Name <email>". Without a
        configured identity mac's own is used. When git, a hook or signing refuses, the index is as before.
        """
        made = git_commit.commit(self._git, {self.name(path) for path in paths}, message, author)
        if made:
            self._made.add(made)
        return made

    # --- branches and the remote -----------------------------------------------------------------

    def current(self) -> str:
        """The name of the current branch; "" when HEAD is detached."""
        return self._git("symbolic-ref", "--quiet", "--short", "HEAD", ok=(0, 1)).line

    def check_name(self, branch: str) -> None:
        """Raises UsageError for what is no name of a branch."""
        is_name = self._git("check-ref-format", "--branch", branch, ok=(0, 1, 128)).code == 0
        if not is_name or branch.startswith("refs/"):  # refs/heads/x would be made as refs/heads/refs/heads/x
            raise UsageError(f"{branch!r} is not a name for a branch")

    def known(self, branch: str, remote: str) -> str | None:
        """The head of the local branch, else that of the remote's as it was fetched last, else None."""
        for ref in (f"refs/heads/{branch}", f"refs/remotes/{remote}/{branch}"):
            if self._exists(ref):
                return self.resolve(ref)
        return None

    def point(self, branch: str) -> None:
        """Lets the local branch be the current commit. Refuses a branch that is checked out somewhere."""
        self._git(
            "branch", "--force", "--no-track", branch, "HEAD", refusal=f"cannot move the branch {branch}"
        )

    def _exists(self, ref: str) -> bool:
        return self._git("show-ref", "--verify", "--quiet", ref, ok=(0, 1)).code == 0

    def push(self, branch: str, remote: str = "origin", *, timeout: float = NETWORK_TIMEOUT) -> bool:
        """Sends the current commit to the remote's branch; never forces, sends no tags.

        False: the remote's branch has moved on. Raises GitError with the remote's words when it refuses,
        and after `timeout` seconds.
        """
        if self.head() is None:
            raise GitError("there is no commit to push yet")
        answer = self._git(
            *(
                "push",
                "--porcelain",
                "--no-follow-tags",
                "--end-of-options",
                remote,
                f"HEAD:refs/heads/{branch}",
            ),
            timeout=timeout,
            ok=(0, 1),
            refusal=f"cannot push to {redact(remote)}",
        )
        if answer.code == 0:
            self._made.clear()
            return True
        status = shown(answer.out)
        refused = [line for line in status.splitlines() if line.startswith("!")]
        if refused and any(sign in line for line in refused for sign in _MOVED):
            return False
        words = "\n".join(part for part in (shown(answer.err), status) if part)
        raise GitError(
            f"{redact(remote)} refused the push to {branch}:\n{words}",
            "a hook or a protection of the branch: push to another branch with --branch" if refused else "",
        )

    def unpushed(self, commit: str) -> tuple[Commit, ...]:
        """The commits of HEAD that are not part of `commit`, newest first."""
        return self._between(commit, "HEAD")

    def beyond(self, commit: str, start: str) -> tuple[Commit, ...]:
        """The commits of `commit` that are not part of `start`, newest first, without merges."""
        return self._between(start, commit, "--no-merges")

    def _between(self, old: str, new: str, *options: str) -> tuple[Commit, ...]:
        listing = self._git("log", "-z", "--format=%H%n%B", *options, f"{old}..{new}").out
        entries = (entry.decode("utf-8", "replace") for entry in listing.split(b"\0") if entry)
        return tuple(Commit(*entry.split("\n", 1)) for entry in entries)

    def address(self, remote: str) -> str:
        """The remote as linked work trees name it too, for which a path from the top leads elsewhere."""
        url = self._git("config", "--get", f"remote.{remote}.url", ok=(0, 1)).line
        place = self.top / url
        relative = url and not Path(url).is_absolute() and place.exists()
        return str(place.resolve()) if relative else remote

    def has_remote(self, name: str) -> bool:
        """Whether there is a remote of this name; an address is none."""
        return name in self._git("remote").line.splitlines()

    def follow(
        self,
        branch: str,
        remote: str = "origin",
        *,
        ours: Callable[[Commit], bool] = lambda _: False,
        mine: Callable[[], Iterable[Path]] = tuple,
        timeout: float = NETWORK_TIMEOUT,
    ) -> str:
        """As `sync_to_remote`, but where HEAD has all that the remote's branch has, or the remote has none,
        HEAD stays, with what is not pushed yet. Raises RemoteError when the remote does not answer.
        """
        target = git_own.fetched(self._git, remote, branch, default=False, timeout=timeout, known=self.head())
        head = self.head()
        if target is None or head is None or target == head:
            return head or ""
        if self._git("merge-base", "--is-ancestor", target, head, ok=(0, 1, 128)).code == 0:
            return head
        return self.sync_to_remote(branch, remote, ours=ours, mine=mine, timeout=timeout)

    def fetched(self, remote: str, branch: str, *, timeout: float = NETWORK_TIMEOUT) -> str | None:
        """The head of a branch of the remote, fetched; None when there is no such branch."""
        return git_own.fetched(self._git, remote, branch, default=False, timeout=timeout)

    def sync_to_remote(
        self,
        branch: str,
        remote: str = "origin",
        *,
        ours: Callable[[Commit], bool] = lambda _: False,
        mine: Callable[[], Iterable[Path]] = tuple,
        timeout: float = NETWORK_TIMEOUT,
    ) -> str:
        """Fetches the branch and moves HEAD and the files to it, so that they can be generated again.

        Drops the commits that this object made, those that `ours` accepts, and changes of files and folders
        of `mine` that a run wrote and did not come to commit. Refuses, and changes nothing, if other commits
        would be lost, or other changes that are not committed. Returns the new HEAD.
        """
        current = self.current()
        if current and current != branch:
            raise GitError(f"the current branch is {current}, not {branch}")
        self._git(
            *("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--end-of-options", remote),
            f"refs/heads/{branch}",
            timeout=timeout,
            refusal=f"cannot fetch {branch} from {redact(remote)}",
        )
        target = self.resolve("FETCH_HEAD")
        theirs = [c for c in self.unpushed(target) if c.sha not in self._made and not ours(c)]
        if theirs:
            raise would_lose(f"{remote}/{branch} has moved on, and HEAD", theirs, "push or rebase them first")
        self._put_back(mine())
        # Unlike a reset this keeps what is staged, and refuses where it cannot.
        place = ["-B", branch, "--no-track"] if current else ["--detach"]
        self._git(
            *("checkout", "--quiet", "--no-overwrite-ignore", "--no-recurse-submodules", *place, target),
            refusal=f"cannot move to {remote}/{branch}",
        )
        self._made.clear()
        return target

    def _put_back(self, paths: Iterable[Path]) -> None:
        """Makes what differs from HEAD at these paths, and below them, as HEAD has it."""
        if not (changed := self.dirty(paths)):
            return
        self._git(
            "reset", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul", stdin=nul(literal(changed))
        )
        there = set(self._git.names("ls-tree", "-r", "-z", "--name-only", "HEAD"))
        if kept := there.intersection(changed):
            files = nul(literal(kept))
            self._git("checkout", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul", stdin=files)
        for name in set(changed) - there:
            (self.top / name).unlink(missing_ok=True)

    # --- running git -----------------------------------------------------------------------------

    def name(self, path: Path | str) -> str:
        """A path as git names it: from the top, with "/", no link followed at its end; "" for the top."""
        place = self.root / path
        real = Path(os.path.normpath(place)) if place == self.root else place.parent.resolve() / place.name
        if real != self.top and self.top not in real.parents:
            raise GitError(f"{path} lies outside of the repository {self.top}")
        name = PurePath(real).relative_to(self.top).as_posix()
        return "" if name == "." else name
