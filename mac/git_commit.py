"""Committing the state of certain files and nothing else, however the index stands."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator, Set
from contextlib import contextmanager, suppress

from mac.git_command import Caller
from mac.git_paths import covers, is_entry, is_folder, literal, nul, tops
from mac.problems import GitError

DEFAULT_NAME = "mac"
DEFAULT_EMAIL = "mac@localhost"

_UNFINISHED = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
}


def commit(git: Caller, given: Set[str], message: str, author: str | None) -> str | None:
    """The id of a new commit with the state of these files, and of those in these folders; None when they
    equal HEAD. Names are from the top. Raises GitError, and then the index is as before.
    """
    _refuse_unfinished(git)
    head = git.head()
    # Tag and name of each entry; other tags than "H" are for entries that git is told to overlook.
    index = {entry[2:]: entry[0] for entry in git.names("ls-files", "-z", "-v")}
    known = index.keys() | (git.names("ls-tree", "-r", "-z", "--name-only", head) if head else ())
    files = _files(git, given, known)
    here = {name for name in files if is_entry(git.top / name)}
    new = here - index.keys()
    _refuse_ignored(git, new)
    with _in_index(git, new):
        differing = set(_differing(git, files, "HEAD")) if head else here
        changed = differing & files
        if not changed:
            return None
        staged = set(_differing(git, files, "--cached", "HEAD")) if head else index.keys()
        overlooked = {name for name, tag in index.items() if tag != "H"}
        _run(git, _places(git, changed, (differing | staged | overlooked) - files), message, author)
    made = git.head()
    if made is None or made == head:
        raise GitError("git said that it committed, and HEAD has not moved")
    return made


def _run(git: Caller, places: Collection[str], message: str, author: str | None) -> None:
    with tempfile.NamedTemporaryFile(prefix="mac-message-") as text:
        text.write(message.encode("utf-8", "replace"))
        text.flush()
        git(
            *identity(git),
            *("commit", "--quiet", "--only", "--cleanup=whitespace", "--no-status", "-F", text.name),
            *([f"--author={author}"] if author else []),
            *("--pathspec-from-file=-", "--pathspec-file-nul"),
            stdin=nul(literal(places)),
            refusal="git refused the commit",
        )


def identity(git: Caller) -> list[str]:
    """Options that give mac's own name where the user has configured none."""
    options = []
    for key, value in (("user.name", DEFAULT_NAME), ("user.email", DEFAULT_EMAIL)):
        if not git("config", "--get", key, ok=(0, 1)).line:
            options += ["-c", f"{key}={value}"]
    return options


# --- which files -------------------------------------------------------------------------------------


def _files(git: Caller, given: Set[str], known: Set[str]) -> set[str]:
    """Names of files: those given, and those in the folders given, tracked or on disk."""
    # A file that has become a folder is a deletion, not all of the folder.
    folders = {name for name in given - known if is_folder(git.top / name)}
    files = {name for name in known if covers(given, name)} | (given - folders)
    for folder in folders:
        for here, _, names in os.walk(git.top / folder):
            files |= {os.path.relpath(os.path.join(here, name), git.top) for name in names}
    return files


def _differing(git: Caller, files: Set[str], *what: str) -> list[str]:
    """Names under the same top-level entries that differ from a commit, on disk or in the index."""
    return git.names(
        *("-c", "diff.autoRefreshIndex=true", "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff"),
        *("--no-relative", "--ignore-submodules=dirty", *what, "--", *tops(files)),
    )


def _places(git: Caller, changed: Set[str], others: Set[str]) -> set[str]:
    """The fewest names that say `changed` and none of the `others`: folders where those are all that differs.

    Git compares every file with every pathspec, which takes minutes for 20,000 of both.
    """
    replaced = {name for name in changed if is_folder(git.top / name)}
    if replaced:  # git cannot commit the folder that holds these; the files in them say it
        return set(changed - replaced)
    shared = {name[:cut] for name in others for cut in range(len(name)) if name[cut] == "/"}
    places = set()
    for name in changed:
        cuts = (cut for cut in range(len(name)) if name[cut] == "/" and name[:cut] not in shared)
        cut = next(cuts, len(name))
        places.add(name[:cut])
    return places


# --- what stands in the way --------------------------------------------------------------------------


def _refuse_unfinished(git: Caller) -> None:
    paths = git("rev-parse", *(option for name in _UNFINISHED for option in ("--git-path", name))).line
    for path, what in zip(paths.splitlines(), _UNFINISHED.values(), strict=True):
        if (git.top / path).exists():
            raise GitError(
                f"a {what} is under way in {git.top}", f"finish it, or give it up with `git {what} --abort`"
            )


def _refuse_ignored(git: Caller, new: Collection[str]) -> None:
    if not new:
        return
    ignored = git("check-ignore", "-z", "--stdin", stdin=nul(new), ok=(0, 1)).names
    if ignored:
        more = f" and {len(ignored) - 1} more" if len(ignored) > 1 else ""
        raise GitError(
            f"{ignored[0]}{more} cannot be committed: .gitignore hides it",
            f"`git check-ignore -v {ignored[0]}` names the rule to take out",
        )


@contextmanager
def _in_index(git: Caller, new: Collection[str]) -> Iterator[None]:
    """New files are known to the index within; it is as before if that fails or nothing is committed."""
    if not new:
        yield
        return
    before = git.names("ls-files", "-z", "--stage")
    head = git.head()
    git("update-index", "--add", "--replace", "-z", "--stdin", stdin=nul(new), refusal="git add failed")
    try:
        yield
    finally:
        if git.head() == head:
            with suppress(GitError):  # the error that led here says more
                git("update-index", "--force-remove", "-z", "--stdin", stdin=nul(new))
                now = set(git.names("ls-files", "-z", "--stage"))
                git(
                    "update-index",
                    "-z",
                    "--index-info",
                    stdin=nul(entry for entry in before if entry not in now),
                )
