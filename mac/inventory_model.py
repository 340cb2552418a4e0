"""What is found in AWS: resources, the scopes in which they are read, and how that ended.

A part of `mac.model`, from where everyone imports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mac.inventory_config import KnownAccount

Json = Any
"""A JSON value: None, bool, int, float, str, list of Json, dict of str to Json."""

GLOBAL_REGION = "global"
"""The region of a scope whose service is not regional (S3's bucket list)."""


class Lifecycle(StrEnum):
    """What a resource's own state means for monitoring. Only IN_SERVICE resources are targets."""

    STARTING = "starting"  # launched on purpose, not expected to answer yet
    IN_SERVICE = "in-service"
    LEAVING = "leaving"  # being stopped or terminated on purpose: silence is expected
    STOPPED = "stopped"  # exists, is not expected to answer


class LifecycleReason(StrEnum):
    """Why a resource is not in service, as far as AWS tells. All but FAILURE and REPLACEMENT are on purpose.

    What is being stopped for no reason that AWS gives is SHUTDOWN: somebody, or it itself, asked for it.
    """

    LAUNCH = "launch"
    LAUNCH_HOOK = "launch-hook"  # a lifecycle hook of its autoscaling group holds it back
    ROOT_VOLUME = "root-volume-replacement"
    WARM_POOL = "warm-pool"
    STANDBY = "standby"
    SCALE_IN = "scale-in"
    TERMINATION_HOOK = "termination-hook"  # leaving; a lifecycle hook of its group delays the end
    REPLACEMENT = "replacement"  # leaving because its group, or its service, found it unhealthy
    SPOT_INTERRUPTION = "spot-interruption"
    EMR_TERMINATION = "emr-termination"
    EMR_RESIZE = "emr-resize"
    MAINTENANCE = "maintenance"  # AWS retires the hardware
    SHUTDOWN = "shutdown"
    FAILURE = "failure"  # it ended by itself, or never came up

    def told(self, word: str) -> str:
        """A resource's `lifecycle_reason`: this, and AWS's own word for it."""
        return f"{self.value}: {word}" if word else self.value


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """The unit in which the inventory is read, fails and is kept: account id, region, kind name."""

    account: str
    region: str
    kind: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}/{self.kind}"


def together(scopes: Sequence[Scope]) -> str:
    """A scope, or what several have in common: "123456789012/*/ec2-instance (4 scopes)"."""
    if len(scopes) == 1:
        return str(scopes[0])
    parts = ({s.account for s in scopes}, {s.region for s in scopes}, {s.kind for s in scopes})
    return f"{'/'.join('*' if len(names) > 1 else min(names) for names in parts)} ({len(scopes)} scopes)"


class ScopeState(StrEnum):
    """How the last reading of a scope ended. All but COMPLETE keep the last known good resources."""

    COMPLETE = "complete"
    STALE = "stale"
    DENIED = "denied"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class ScopeStatus:
    """A scope, how its last reading ended, why, and since when it is not complete (ISO 8601, UTC).

    `cause` is a `mac.answers.Cause`, or empty when it is not known.
    """

    scope: Scope
    state: ScopeState = ScopeState.COMPLETE
    reason: str = ""
    since: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One AWS resource as its service describes it.

    `addresses`: where it can be reached, the one to scrape first (private IPv4 for machines).
    `state`: AWS's own word; `lifecycle`: what it means for monitoring; `lifecycle_reason`: why it is not in
    service, a LifecycleReason and mostly AWS's own word ("termination-hook: Terminating:Wait").
    `links`: relation → identifiers of other resources, e.g. {"autoscaling-group": ("ingest-a",)}.
    `attributes`: JSON values that a standard or template may use; never a secret.
    `launched`: ISO 8601 in UTC, or empty.
    """

    arn: str
    kind: str
    account: str
    region: str
    id: str
    name: str = ""
    addresses: tuple[str, ...] = ()
    state: str = ""
    lifecycle: Lifecycle = Lifecycle.IN_SERVICE
    lifecycle_reason: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: Mapping[str, Json] = field(default_factory=dict)
    launched: str = ""

    def port(self, port: int) -> int | None:
        """Where it answers at its address for what listens on `port` in it; None when nowhere.

        Containers that share their machine's address are given ports of the machine (`host_ports`). Where
        these are the same, others may be open too; where they are mapped, only what is mapped can be reached.
        """
        given: Mapping[str, int] = self.attributes.get("host_ports") or {}
        mapped = any(inside != str(outside) for inside, outside in given.items())
        return given.get(str(port), None if mapped else port)

    @property
    def sort_key(self) -> tuple[str, str, str, str, str]:
        return (self.account, self.region, self.kind, self.id, self.arn)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The inventory at one moment: every scope's status and every resource, both sorted.

    `accounts` is empty when the inventory lists its accounts and regions.
    """

    scopes: tuple[ScopeStatus, ...] = ()
    resources: tuple[Resource, ...] = ()
    accounts: tuple[KnownAccount, ...] = ()
