"""Following a branch of a remote: what is new there, who vouches for it, and going to it."""

from __future__ import annotations

from pathlib import Path

from mac.git_command import Caller
from mac.git_text import redact, shown
from mac.problems import GitError

FETCH_TIMEOUT = 120.0
"""Seconds after which a fetch that has not ended is ended."""


def fetch(top: Path, remote: str, branch: str) -> str:
    """The id of the remote branch's newest commit, which is here afterwards. Raises GitError."""
    git = Caller(top)
    git(
        *("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--end-of-options", remote),
        f"refs/heads/{branch}",
        timeout=FETCH_TIMEOUT,
        refusal=f"cannot fetch {branch} from {redact(remote)}",
    )
    return git("rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}").line


def verify(top: Path, commit: str, allowed_signers: Path) -> str:
    """Who signed a commit, with an SSH key that the file of allowed signers has (ssh-keygen(1) says how it is
    written). Raises GitError when nobody did, or somebody else, or with a key of another kind.
    """
    if not allowed_signers.is_file():
        raise GitError(f"{allowed_signers} is not there: it says whose signatures count")
    answer = Caller(top)(
        # Whatever the clone or the user has set up: no other program may say that a signature is good.
        *("-c", f"gpg.ssh.allowedSignersFile={allowed_signers.absolute()}"),
        *("-c", "gpg.ssh.program=ssh-keygen"),
        *("-c", "gpg.program=false", "-c", "gpg.openpgp.program=false", "-c", "gpg.x509.program=false"),
        *("-c", "gpg.minTrustLevel=fully"),
        *("verify-commit", commit),
        ok=(0, 1, 128),
        timeout=30.0,
    )
    words = shown(answer.err)
    if answer.code != 0:
        message = f"the commit {commit[:12]} is not signed by anybody in {allowed_signers}"
        raise GitError(f"{message}: {words}" if words else message, "nothing of it was deployed")
    return words


def go_to(top: Path, commit: str) -> None:
    """Makes the work tree that of a commit, with no branch. Raises GitError when the commit does not come
    after the present one, as when the branch was rewritten, or when changes are in the way.
    """
    git = Caller(top)
    head = git.head()
    if head == commit:
        return
    if head and git("merge-base", "--is-ancestor", head, commit, ok=(0, 1)).code != 0:
        raise GitError(
            f"the commit {commit[:12]} does not come after {head[:12]}, which was deployed last",
            f"the branch was rewritten: if that is meant, `git checkout --detach {commit[:12]}` here, once",
        )
    git(
        *("checkout", "--quiet", "--no-overwrite-ignore", "--no-recurse-submodules", "--detach", commit),
        refusal=f"cannot move to {commit[:12]}",
    )
