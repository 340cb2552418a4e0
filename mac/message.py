"""The commit message of a plan: what changed, by cause, for the person who reads the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mac import report

if TYPE_CHECKING:
    from mac.diff import Change, Plan
    from mac.git import Commit

SNAPSHOT_TRAILER = "Mac-Snapshot"
REVISION_TRAILER = "Mac-Standards"
MERGE_TRAILER = "Mac-Merge"

_LINES = 40  # of the body; the diff has the rest
_WIDE = 200  # characters of a line
_NAMED = 4  # so many names fit into a line
_DONE = {"add": "added", "remove": "removed", "modify": "changed"}


def commit_message(plan: Plan, provenance: Mapping[str, Any], revision: str) -> tuple[str, dict[str, str]]:
    """(message, trailers). `revision` is the commit whose standards were used; "" before the first."""
    changes = [c for c in plan.changes if c.kind != "file"] or list(plan.changes)
    trailers = {SNAPSHOT_TRAILER: str(provenance["snapshot"])}
    if revision:
        trailers[REVISION_TRAILER] = revision
    if not changes:
        return "Keep what this is generated from\n\nThe configuration is unchanged.", trailers
    body: list[str] = []
    for cause in sorted({change.cause for change in changes}):
        body += ["", f"By {cause}:", *_lines([c for c in changes if c.cause == cause])]
    if len(body) > _LINES:
        body = [*body[:_LINES], f"- and {len(body) - _LINES} more lines"]
    return "\n".join([_subject(changes), *body]), trailers


def merge_message(commit: str) -> str:
    """The message under which a branch of mac's takes in what engineers have changed."""
    return f"Take in {commit[:12]}\n\nWhat is generated stays as it was.\n\n{MERGE_TRAILER}: {commit}\n"


def is_ours(commit: Commit) -> bool:
    """Whether mac made this commit: then it may be made again on another head."""
    signs = (f"{SNAPSHOT_TRAILER}: sha256:", f"{MERGE_TRAILER}: ")
    return any(f"\n{sign}" in commit.message for sign in signs)


def _subject(changes: list[Change]) -> str:
    """For example "inventory: 200 targets added, 150 targets removed"."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for change in changes:
        counts[change.kind, change.action] += change.count
    parts = [
        f"{count} {kind}{'s' * (count != 1)} {_DONE[action]}"
        for (kind, action), count in sorted(counts.items(), key=lambda item: -item[1])
    ]
    shown = ", ".join(parts[:3]) + (" and more" if len(parts) > 3 else "")
    return f"{', '.join(sorted({c.cause for c in changes}))}: {shown}"


def _lines(changes: list[Change]) -> list[str]:
    """One line for all changes of a kind in one service and environment; a few are named, many counted."""
    groups: dict[tuple[str, str, str, str, str], list[Change]] = defaultdict(list)
    for change in changes:
        job = change.name if change.kind == "target" else ""
        groups[change.service, change.environment, change.kind, change.action, job].append(change)
    lines = []
    for (service, environment, kind, action, job), found in sorted(groups.items()):
        count = sum(change.count for change in found)
        names = sorted({change.name for change in found})
        cells = {change.cell for change in found if change.cell}
        where = [part for part in (service, environment) if part]
        if cells:
            where.append(cells.pop() if len(cells) == 1 else f"{len(cells)} cells")
        what = job or (", ".join(names) if len(names) <= _NAMED else "")
        number = kind if count == 1 else f"{count} {kind}s"
        place = f" ({' / '.join(where)})" if where else ""
        lines.append(report.one_line(f"- {_DONE[action]} {number} {what}".rstrip() + place, _WIDE))
    return lines
