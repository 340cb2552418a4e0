"""What a deployment did, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mac.deploy_model import Delivered, State

SCHEMA_VERSION = 1
_SHOWN = 20  # changes of one destination

_SAID = {
    State.PLANNED: "would change",
    State.UNCHANGED: "is up to date",
    State.DEPLOYED: "deployed and verified",
    State.REFUSED: "refused, nothing was changed",
    State.ROLLED_BACK: "rolled back",
    State.FAILED: "failed",
}
_SIGNS = {"add": "+", "change": "~", "remove": "-"}


def as_dict(revision: str, delivered: Sequence[Delivered]) -> dict[str, Any]:
    """The JSON form, a contract: schema_version, revision, destinations."""
    return {
        "schema_version": SCHEMA_VERSION,
        "revision": revision,
        "destinations": [
            {
                "name": one.name,
                "type": one.type.value,
                "state": one.state.value,
                "version": one.version,
                "changes": [
                    {"what": change.what, "action": change.action.value}
                    for change in (one.plan.changes if one.plan else ())
                ],
                "pending": one.plan.pending if one.plan else "",
                "message": one.message,
                "hint": one.hint,
                "problems": [problem.as_dict() for problem in one.problems],
            }
            for one in delivered
        ],
    }


def text(revision: str, delivered: Sequence[Delivered]) -> str:
    return "\n".join(_lines(revision, delivered))


def _lines(revision: str, delivered: Sequence[Delivered]) -> Iterator[str]:
    yield f"commit {revision[:12]}"
    for one in delivered:
        version = f" as {one.version}" if one.version else ""
        yield f"{one.name} ({one.type.value}): {_SAID[one.state]}{version}"
        if one.plan and one.state is not State.UNCHANGED:
            for change in one.plan.changes[:_SHOWN]:
                yield f"  {_SIGNS[change.action]} {change.what}"
            if len(one.plan.changes) > _SHOWN:
                yield f"  … and {len(one.plan.changes) - _SHOWN} more"
            if one.plan.pending:
                yield f"  because {one.plan.pending}"
        if one.message and not one.problems:
            yield f"  {one.message}"
        if one.hint:
            yield f"  hint: {one.hint}"
