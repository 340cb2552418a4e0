"""Where a run's output is kept: the work tree that it is made in, its branch and its remote.

    in place   the user's own work tree: what is there is committed on the current branch
    beside it  another branch of the same repository, in a linked work tree below .mac/
    elsewhere  another repository, in a clone below .mac/

Reads and writes files, and Git. Whatever is in the way is told before anything is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from mac import conventions, emit, git, git_own, lock, outside, write
from mac.problems import GitError, Location, Problem, ProblemsError, UsageError
from mac.record_model import GitSettings, TargetFiles

Kept = Callable[[Path], set[str]]


class Words(Protocol):
    """How mac's own commits are told, and how its merges are."""

    def is_ours(self, commit: git.Commit) -> bool: ...

    def merge_message(self, commit: str) -> str: ...


_OWN = "branch"
_CLONE = "record"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. `output`: the folder of the output, given by name; `folder`: that of mac.yaml.

    `follow`: begin on what the remote's branch has, also in place.
    """

    root: Path
    settings: GitSettings
    targets: TargetFiles
    folder: str
    output: Path | None = None
    commit: bool = False
    push: bool = False
    branch: str = ""
    remote: str = ""
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """`output`: the folder of the generated files; `home`: the one whose inventory/snapshot is kept.

    `repository` is None when nothing is committed. `start`: the commit of the monitoring repository from
    which everything is generated, "" outside of Git; `tip`: the branch before this run, None when it is new.
    `dirty`: documents that are not as `start` has them.
    """

    output: Path
    home: Path
    repository: git.Repository | None = None
    branch: str = ""
    remote: str = "origin"
    start: str = ""
    tip: str | None = None
    dirty: tuple[str, ...] = ()
    author: str | None = None
    apart: bool = False  # in a work tree of mac's own
    linked: bool = False  # of the same repository
    outside: Path | None = None  # the folder of the targets, when they are not in Git

    # --- files -----------------------------------------------------------------------------------

    def tree(self, rev: str = "") -> tuple[Mapping[str, bytes], Mapping[str, Any]]:
        """The generated files that are there, or in a revision, and their provenance; {} when there are none.

        Targets outside of Git are in no revision: those that are there are taken.
        """
        repository = self.repository or (git.open(self.home) if rev else None)
        inside = present(repository, self.output, rev)
        if self.outside is None:
            return inside
        return outside.joined(inside, present(None, self.outside))

    def foreign(self, files: Mapping[str, bytes], owned: Iterable[str]) -> tuple[Problem, ...]:
        """What of others is in the way of these files."""
        mine = set(owned)
        if self.outside is None:
            return write.foreign(self.output, files, mine)
        inside, beyond = outside.parted(files)
        return (*write.foreign(self.output, inside, mine), *write.foreign(self.outside, beyond, mine))

    def write(
        self,
        files: Mapping[str, bytes],
        owned: Iterable[str],
        stored: Mapping[str, bytes],
        kept: Kept,
        root: Path,
    ) -> write.Written:
        """Makes the output hold these files, and `home` the snapshot `stored`, if there is one: in one
        exchange when they lie in one folder. `kept`: which files in a folder are those of a snapshot. `root`:
        where the commands that only look find it.
        """
        mine = set(owned)
        done = []
        if self.outside is not None:
            files, beyond = outside.parted(files)
            there = {path for path in mine if outside.is_apart(path)}
            done.append(write.write(self.outside, beyond, there, remove=there - beyond.keys()))
        homes = {root} if self.outside or (self.apart and not self.linked) else set()
        homes |= set() if self.outside else {self.home}
        for home in sorted(homes) if stored else ():
            here = kept(home)
            if home.resolve() == self.output.resolve():
                files, mine = {**files, **stored}, mine | here
            else:
                write.write(home, stored, here, remove=here - stored.keys())
        done.append(write.write(self.output, files, mine, remove=mine - files.keys()))
        return write.Written(
            tuple(path for each in done for path in each.written),
            tuple(path for each in done for path in each.unchanged),
            tuple(path for each in done for path in each.removed),
        )

    def keeps(self, source: object) -> bool:
        """Whether an inventory belongs to the output: one that was read for it (None), or that it has."""
        kept = self.home / conventions.SNAPSHOT_DIR
        return source is None or (isinstance(source, Path) and source.resolve() == kept.resolve())

    def in_git(self, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Those of these files that a commit has."""
        return files if self.outside is None else outside.parted(files)[0]

    def paths(self, names: Iterable[str]) -> list[Path]:
        """Where these files are, if they are in Git."""
        return [self.output / name for name in names]

    # --- Git -------------------------------------------------------------------------------------

    def revision(self) -> str:
        """The commit from which everything was generated, with a mark when documents differed from it."""
        return f"{self.start}-dirty" if self.dirty and self.start else self.start

    def head(self) -> str | None:
        """The current commit; None before the first, and outside of Git."""
        return self.repository.head() if self.repository else None

    def base(self, branch: str) -> str | None:
        """The head of the branch that something is proposed to, fetched."""
        if self.repository is None:
            return None
        return self.repository.fetched(self.remote, branch)

    def commit(self, paths: Iterable[Path], message: str) -> str | None:
        """The new commit's id, or None when nothing differs. Raises GitError."""
        if self.repository is None:
            return None
        return self.repository.commit(sorted(paths), message, author=self.author)

    def push(self) -> bool:
        """False: the remote has moved on. Raises GitError."""
        if self.repository is None:
            raise ValueError("nothing is committed here")
        if self.apart and self.repository.head() in (self.tip, self.start):
            return True  # nothing is new, or nothing differs from where a new branch would begin
        return self.repository.push(self.branch, self.remote)

    def keep(self) -> None:
        """Lets a local branch be what was committed apart, where nobody has it checked out."""
        if self.repository is not None and self.linked:
            self.repository.point(self.branch)


def begin(asked: Asked, words: Words, *, again: bool = False) -> Record:
    """The place to work in, as it has to be before a run. `again`: a push was lost. Raises GitError, and of
    it RemoteError when a remote does not answer that has to be asked.
    """
    place = _place(asked, words, again)
    if asked.targets.kept == "git" or asked.output:
        return place
    return replace(place, outside=Path(asked.targets.folder))


def _place(asked: Asked, words: Words, again: bool) -> Record:
    root = asked.root
    in_place = Record(asked.output or root / asked.folder, root)
    if not asked.commit:
        return in_place
    branch = asked.branch or asked.settings.branch
    if asked.settings.repository:
        if asked.output:
            raise UsageError("--output and a deployment repository do not go together", "leave --output out")
        return _elsewhere(asked, branch)
    repository = git.open(root)
    start = repository.head() or ""
    remote = asked.remote or asked.settings.remote
    author = asked.settings.author or None
    if asked.output:
        repository.require(asked.output)
    current = repository.current()
    if branch and not start:
        raise GitError("there is no commit to begin a branch from", "commit what engineers wrote first")
    if branch and branch != current:
        if asked.output:
            raise UsageError(
                "--output and --branch do not go together", "`output` in mac.yaml names a folder"
            )
        return _beside(asked, repository, branch, repository.address(remote), words)
    name = repository.branch() if asked.push else branch

    def mine() -> Iterable[Path]:
        return _mine(asked, repository, in_place.output)

    if again:
        start = repository.sync_to_remote(name, remote, ours=words.is_ours, mine=mine)
    elif asked.follow:
        start = repository.follow(name, remote, ours=words.is_ours, mine=mine)
    return Record(
        in_place.output, root, repository, name, remote, start, start or None, _dirty(asked), author
    )


def _mine(asked: Asked, repository: git.Repository, output: Path) -> Iterable[Path]:
    """What mac wrote in the user's work tree, as the current commit has it and as a run left it."""
    for folder in (output, asked.root):
        write.recover(folder)
    names = {conventions.PROVENANCE}
    for rev in ("HEAD", ""):
        names |= present(repository, output, rev, ())[1].get("files", {}).keys()
    return [*(output / name for name in sorted(names)), asked.root / conventions.SNAPSHOT_DIR]


def _beside(asked: Asked, repository: git.Repository, branch: str, remote: str, words: Words) -> Record:
    repository.check_name(branch)
    start = repository.head() or ""
    tree = git_own.linked(repository.top, lock.work_dir(asked.root) / _OWN)
    here = tree.top / asked.root.resolve().relative_to(repository.top)
    own = git.open(tree.top)
    if asked.push:
        tip = git_own.fetched(tree, remote, branch, default=False, timeout=git.NETWORK_TIMEOUT)
    else:
        tip = repository.known(branch, remote)

    def owned(commit: str) -> Iterable[str]:
        folder = here / asked.folder
        _, provenance = present(own, folder, commit, ())
        names = {folder / path for path in (*provenance.get("files", {}), conventions.PROVENANCE)}
        return {own.name(path) for path in (*names, here / conventions.SNAPSHOT_DIR)}

    def refuse(commit: str) -> None:
        theirs = [c for c in own.beyond(commit, start) if not words.is_ours(c)]
        if theirs:
            raise git.would_lose(f"the branch {branch}", theirs, "merge the branch, or name another one")

    target = (
        git_own.level(tree, tip, start, git_own.Mine(owned, refuse, words.merge_message(start)))
        if tip
        else start
    )
    git_own.go(tree, target, branch)
    author = asked.settings.author or None
    return Record(
        here / asked.folder,
        here,
        own,
        branch,
        remote,
        start,
        tip,
        _dirty(asked),
        author,
        apart=True,
        linked=True,
    )


def _elsewhere(asked: Asked, branch: str) -> Record:
    settings = asked.settings
    tree = git_own.clone(lock.work_dir(asked.root) / _CLONE, settings.repository)
    tip = git_own.fetched(tree, "origin", branch, default=True, timeout=git.NETWORK_TIMEOUT)
    name = branch or git_own.default_branch(tree, "origin", timeout=git.NETWORK_TIMEOUT)
    git_own.go(tree, tip, name)
    output = tree.top / asked.folder
    start, author = git.head_of(asked.root), settings.author or None
    changed = _dirty(asked) if start else ()
    own = git.open(tree.top)
    return Record(output, output, own, name, "origin", start, tip, changed, author, apart=True)


def _dirty(asked: Asked) -> tuple[str, ...]:
    """What engineers write and have not committed."""
    written = ("mac.yaml", "inventory/aws.yaml", "standards", "templates", "metrics")
    return git.open(asked.root).dirty([asked.root / name for name in written])


# --- what is there -----------------------------------------------------------------------------------


def deployment(root: Path) -> Path:
    """Where `published` has its clone of the deployment repository."""
    return lock.work_dir(root) / _CLONE


def published(
    root: Path, settings: GitSettings, folder: str, revision: str = "HEAD"
) -> tuple[str, Mapping[str, bytes], Mapping[str, Any]]:
    """A commit of the deployment repository, fetched, the generated files in it and their provenance; {} when
    nothing was generated in it. `revision`: HEAD stands for the head of its branch.

    Raises GitError, and OutputError when another mac works there for too long.
    """
    with lock.locked(root, lock.WAIT):
        tree = git_own.clone(deployment(root), settings.repository)
        tip = git_own.fetched(tree, "origin", settings.branch, default=False, timeout=git.NETWORK_TIMEOUT)
        if tip is None:
            what = f"branch {settings.branch}" if settings.branch else "commit"
            hint = "`mac generate --commit --push` makes it"
            raise GitError(f"the deployment repository has no {what} yet", hint)
        repository = git.open(tree.top)
        relative = re.fullmatch(r"(HEAD|@)(?P<back>[~^@].*)?", revision)
        sha = repository.resolve(f"{tip}{relative['back'] or ''}" if relative else revision)
        return sha, *present(repository, tree.top / folder, sha)


def present(
    repository: git.Repository | None, output: Path, rev: str = "", names: Iterable[str] | None = None
) -> tuple[Mapping[str, bytes], Mapping[str, Any]]:
    """The output that is there, on disk or in the revision `rev`, and its provenance. {}: there is none.

    `names`: those files alone. Raises ProblemsError when the provenance cannot be read.
    """

    def read(paths: Iterable[str]) -> Mapping[str, bytes]:
        return repository.tree(rev, output, paths) if repository and rev else write.read_tree(output, paths)

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
    return {**files, **read(owned if names is None else names)}, provenance
