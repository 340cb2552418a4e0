"""A machine's first minutes, in which EC2 may not tell its tags yet.

Its identity does not flap: it is what was known of it before, else what its autoscaling group or EMR cluster
gives to its machines; and when nothing is known, it is starting, and not a machine without an owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from mac.kinds import autoscaling_group, ec2_instance, emr_cluster
from mac.model import Lifecycle, LifecycleReason, Resource
from mac.reading import young

AWAITING = "awaiting"
"""The attribute of a machine that is starting only because its tags are not known."""

_AWS = "aws:"  # the prefix of tags that AWS sets by itself

Key = tuple[str, str, str]
"""Account, region and identifier."""


def settle(
    resources: Iterable[Resource], known: Mapping[str, Resource], now: datetime, grace: float
) -> tuple[Resource, ...]:
    """The linked resources, with what tags fresh machines lack. `known`: ARN → what was last known of it."""
    listed = tuple(resources)
    givers = {
        (r.account, r.region, r.id): _given(r)
        for r in listed
        if r.kind in (autoscaling_group.NAME, emr_cluster.NAME)
    }
    return tuple(
        _settled(r, known.get(r.arn), givers)
        if r.kind == ec2_instance.NAME and _bare(r) and young(r, now, grace)
        else r
        for r in listed
    )


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith(_AWS)}


def _bare(machine: Resource) -> bool:
    return not _own(machine.tags) and machine.lifecycle in (Lifecycle.IN_SERVICE, Lifecycle.STARTING)


def _given(giver: Resource) -> dict[str, str]:
    """The tags that a group or cluster gives to its machines."""
    withheld = giver.attributes.get("not_propagated", ())
    return {key: value for key, value in _own(giver.tags).items() if key not in withheld}


def _settled(machine: Resource, before: Resource | None, givers: Mapping[Key, Mapping[str, str]]) -> Resource:
    tags = dict(_own(before.tags)) if before else {}
    for relation in (autoscaling_group.NAME, emr_cluster.NAME):
        for identifier in machine.links.get(relation, ()):
            tags = tags or dict(givers.get((machine.account, machine.region, identifier), {}))
    if tags:
        return replace(machine, tags={**machine.tags, **tags}, name=tags.get("Name", machine.name))
    attributes = {**machine.attributes, AWAITING: "tags"}
    reason = machine.lifecycle_reason or LifecycleReason.LAUNCH.told("no tags yet")
    return replace(machine, lifecycle=Lifecycle.STARTING, lifecycle_reason=reason, attributes=attributes)
