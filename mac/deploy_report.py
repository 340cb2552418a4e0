"""What a deployment did, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mac.deploy_model import Delivered, DestinationType, Needs, State

SCHEMA_VERSION = 1
_SHOWN = 20  # changes of one destination

_SAID = {
    State.PLANNED: "would change",
    State.UNCHANGED: "is up to date",
    State.DEPLOYED: "deployed",
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
        if one.state is State.DEPLOYED and one.type is not DestinationType.GRAFANA_FILES:
            version += " and verified"
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


def needs_as_dict(needs: Mapping[str, Needs]) -> dict[str, Any]:
    """The JSON form, a contract: of each destination name, writes, requests, signals, roles, policy."""
    return {
        "schema_version": SCHEMA_VERSION,
        "destinations": [
            {
                "name": name,
                "writes": list(each.writes),
                "requests": list(each.requests),
                "signals": each.signals,
                "roles": list(each.roles),
                "policy": _policy(each),
            }
            for name, each in needs.items()
        ],
    }


def needs_text(needs: Mapping[str, Needs]) -> str:
    lines = []
    for name, each in needs.items():
        lines.append(name)
        lines += [f"  write {folder}" for folder in each.writes]
        lines += [f"  {request}" for request in each.requests]
        lines += [f"  SIGHUP to the process in {each.signals}"] if each.signals else []
        lines += [f"  sts:AssumeRole on {role}, which needs" for role in each.roles]
        lines += [f"  {action}" for action in each.actions]
        lines += [f"    on {resource}" for resource in each.resources]
    return "\n".join(lines)


def _policy(needs: Needs) -> dict[str, Any] | None:
    if not needs.actions:
        return None
    statement = {
        "Sid": "MacDeploys",
        "Effect": "Allow",
        "Action": sorted(needs.actions),
        "Resource": sorted(needs.resources),
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
