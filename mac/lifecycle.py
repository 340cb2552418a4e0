"""Whether a machine should answer, and why not, when EC2, its autoscaling group and its EMR cluster each
have their word."""

from __future__ import annotations

from collections.abc import Iterable

from mac.model import Lifecycle, LifecycleReason, Resource

# When several speak about one machine, the one that knows most about its end is right.
_FINALITY = (Lifecycle.IN_SERVICE, Lifecycle.STARTING, Lifecycle.STOPPED, Lifecycle.LEAVING)
# And of those that agree, the one that says most: from what anything may be to what is one thing alone.
_TELLING = (
    LifecycleReason.SHUTDOWN,
    LifecycleReason.LAUNCH,
    LifecycleReason.LAUNCH_HOOK,
    LifecycleReason.ROOT_VOLUME,
    LifecycleReason.WARM_POOL,
    LifecycleReason.STANDBY,
    LifecycleReason.SCALE_IN,
    LifecycleReason.TERMINATION_HOOK,
    LifecycleReason.EMR_RESIZE,
    LifecycleReason.EMR_TERMINATION,
    LifecycleReason.MAINTENANCE,
    LifecycleReason.FAILURE,
    LifecycleReason.REPLACEMENT,
    LifecycleReason.SPOT_INTERRUPTION,
)

Verdict = tuple[Lifecycle, str]
"""What one of them says about a machine, and why it is not in service."""


def group_verdict(state: str, healthy: bool = True) -> Verdict:
    """What an autoscaling group's lifecycle state of an instance means.

    A group does not say why a machine terminates. What it found unhealthy it replaces; anything else is told
    as scale-in, which may also be a refresh, a rebalancing of zones or the end of a maximum lifetime.
    """
    if state.startswith("Warmed:"):
        return Lifecycle.STOPPED, LifecycleReason.WARM_POOL.told(state)
    if state.startswith("Pending"):
        hook = LifecycleReason.LAUNCH if state == "Pending" else LifecycleReason.LAUNCH_HOOK
        return Lifecycle.STARTING, hook.told(state)
    if state.startswith("ReplacingRootVolume"):
        return Lifecycle.STARTING, LifecycleReason.ROOT_VOLUME.told(state)
    if state.startswith("Terminat"):
        if not healthy:
            return Lifecycle.LEAVING, LifecycleReason.REPLACEMENT.told(state)
        held = state.startswith("Terminating:")
        why = LifecycleReason.TERMINATION_HOOK if held else LifecycleReason.SCALE_IN
        return Lifecycle.LEAVING, why.told(state)
    if state in ("EnteringStandby", "Standby"):
        return Lifecycle.STOPPED, LifecycleReason.STANDBY.told(state)
    return Lifecycle.IN_SERVICE, ""


def finality(lifecycle: Lifecycle) -> int:
    """How much a lifecycle says about the end of a resource: the higher goes before the lower."""
    return _FINALITY.index(lifecycle)


def decided(verdicts: Iterable[Verdict]) -> Verdict:
    """The most final lifecycle, and the reason that says most about it."""
    given = list(verdicts)
    lifecycle = max((found for found, _ in given), key=finality)
    if lifecycle is Lifecycle.IN_SERVICE:
        return lifecycle, ""
    # A warm pool stops its machines: that is why they are stopping.
    told = [why for found, why in given if found is lifecycle or _reason(why) is LifecycleReason.WARM_POOL]
    return lifecycle, max(told, key=lambda why: (_telling(why), why))


def _reason(why: str) -> LifecycleReason | None:
    word = why.partition(":")[0]
    return LifecycleReason(word) if word else None


def _telling(why: str) -> int:
    reason = _reason(why)
    return _TELLING.index(reason) if reason else -1


def cluster_verdict(cluster: Resource) -> Verdict:
    """What the state of an EMR cluster means for its machines."""
    if cluster.lifecycle is Lifecycle.LEAVING:
        return Lifecycle.LEAVING, LifecycleReason.EMR_TERMINATION.told(cluster.state)
    if cluster.lifecycle is Lifecycle.STARTING:
        return Lifecycle.STARTING, LifecycleReason.LAUNCH.told(cluster.state)
    return cluster.lifecycle, ""
