"""Ties resources together: which machine belongs to which group, cluster and role, and what that means
for whether it should answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mac.kinds import (
    autoscaling_group,
    classic_load_balancer,
    ebs_volume,
    ec2_instance,
    ecs_task,
    emr_cluster,
    emr_instance_group,
    load_balancer,
    target_group,
)
from mac.lifecycle import Verdict, cluster_verdict, decided, finality, group_verdict
from mac.model import Json, Lifecycle, LifecycleReason, Resource, Scope

_OWNED_LINKS = (
    autoscaling_group.NAME,
    emr_cluster.NAME,
    emr_instance_group.NAME,
    target_group.NAME,
    load_balancer.NAME,
    classic_load_balancer.NAME,
)
_OWNED_ATTRIBUTES = ("emr_cluster", "emr_role")

_EMR_STARTING = frozenset(["AWAITING_FULFILLMENT", "PROVISIONING", "BOOTSTRAPPING"])

Key = tuple[str, str, str]
"""Account, region and identifier."""


@dataclass(slots=True)
class _Ties:
    """What others say about one machine."""

    links: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    attributes: dict[str, Json] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)


def link(resources: Iterable[Resource], complete: Collection[Scope] = frozenset()) -> tuple[Resource, ...]:
    """The resources with their links, sorted; linking twice is linking once.

    `complete` are the scopes that were read completely just now: an EMR cluster that is missing there has
    ended, and its machines are leaving even while EC2 still shows them as running.
    """
    # Nothing is tied to what is in another place, and what is said of all machines at once fills the memory.
    places: dict[tuple[str, str], list[Resource]] = defaultdict(list)
    for resource in resources:
        places[resource.account, resource.region].append(resource)
    found: list[Resource] = []
    for place in sorted(places):
        found += _link_place(sorted(places.pop(place), key=_in_place), complete)
    return tuple(found)


def _in_place(resource: Resource) -> tuple[str, str, str]:
    """What is left of its `sort_key` where the account and the region are the same."""
    return (resource.kind, resource.id, resource.arn)


def _link_place(known: Sequence[Resource], complete: Collection[Scope]) -> list[Resource]:
    """The resources of one account and region, in their order."""
    ties: dict[Key, _Ties] = defaultdict(_Ties)
    clusters = {_key(r): r for r in known if r.kind == emr_cluster.NAME}
    balancers = {r.arn: r.links for r in known if r.kind == target_group.NAME}
    for resource in known:
        if resource.kind == autoscaling_group.NAME:
            _tie_group(resource, balancers, ties)
        elif resource.kind == emr_instance_group.NAME:
            _tie_emr(resource, ties)
        elif resource.kind == target_group.NAME:
            _tie_targets(resource, ties)
        elif resource.kind == classic_load_balancer.NAME:
            for instance in resource.links.get(ec2_instance.NAME, ()):
                ties[_key(resource, instance)].links[classic_load_balancer.NAME].add(resource.id)
    groups_of = _target_groups(known)
    machines = {_key(r): _machine(r, ties, clusters, complete) for r in known if r.kind == ec2_instance.NAME}
    linked = []
    for resource in known:
        if resource.kind == ec2_instance.NAME:
            linked.append(machines[_key(resource)])
        elif resource.kind == ebs_volume.NAME:
            linked.append(_volume(resource, machines))
        elif resource.kind == ecs_task.NAME:
            linked.append(_task(resource, machines))
        elif resource.kind == load_balancer.NAME:
            behind = {target_group.NAME: groups_of.get(resource.arn, set())}
            linked.append(replace(resource, links=_linked(resource, behind)))
        else:
            linked.append(resource)
    return linked


def _key(resource: Resource, identifier: str = "") -> Key:
    return (resource.account, resource.region, identifier or resource.id)


def _tie_group(
    group: Resource, balancers: Mapping[str, Mapping[str, tuple[str, ...]]], ties: dict[Key, _Ties]
) -> None:
    states = group.attributes.get("instance_states", {})
    unhealthy = group.attributes.get("unhealthy", ())
    for instance in group.links.get(ec2_instance.NAME, ()):
        tie = ties[_key(group, instance)]
        tie.links[autoscaling_group.NAME].add(group.id)
        tie.verdicts.append(group_verdict(states.get(instance, "InService"), instance not in unhealthy))
        if group.lifecycle is Lifecycle.LEAVING:
            tie.verdicts.append((Lifecycle.LEAVING, LifecycleReason.SCALE_IN.told(group.state)))
        for target in group.links.get(target_group.NAME, ()):
            tie.links[target_group.NAME].add(target)
            tie.links[load_balancer.NAME].update(balancers.get(target, {}).get(load_balancer.NAME, ()))


def _tie_targets(group: Resource, ties: dict[Key, _Ties]) -> None:
    """Machines may be registered one by one, without an autoscaling group."""
    for instance in group.links.get(ec2_instance.NAME, ()):
        tie = ties[_key(group, instance)]
        tie.links[target_group.NAME].add(group.arn)
        tie.links[load_balancer.NAME].update(group.links.get(load_balancer.NAME, ()))


def _tie_emr(group: Resource, ties: dict[Key, _Ties]) -> None:
    states = group.attributes.get("instance_states", {})
    named = group.attributes.get("to_terminate", ())
    resizing = group.state == emr_instance_group.RESIZING
    for instance in group.links.get(ec2_instance.NAME, ()):
        tie = ties[_key(group, instance)]
        tie.links[emr_instance_group.NAME].add(group.id)
        tie.links[emr_cluster.NAME].update(group.links.get(emr_cluster.NAME, ()))
        tie.attributes["emr_role"] = group.attributes["emr_role"]
        tie.attributes["emr_cluster"] = group.attributes["emr_cluster"]
        if group.lifecycle is Lifecycle.LEAVING:
            tie.verdicts.append((Lifecycle.LEAVING, LifecycleReason.EMR_TERMINATION.told(group.state)))
        if resizing and instance in named:
            tie.verdicts.append((Lifecycle.LEAVING, LifecycleReason.EMR_RESIZE.told(group.state)))
        state = states.get(instance, "")
        if state in _EMR_STARTING:
            why = LifecycleReason.EMR_RESIZE if resizing else LifecycleReason.LAUNCH
            tie.verdicts.append((Lifecycle.STARTING, why.told(state)))


def _machine(
    machine: Resource,
    ties: Mapping[Key, _Ties],
    clusters: Mapping[Key, Resource],
    complete: Collection[Scope],
) -> Resource:
    tie = ties.get(_key(machine)) or _Ties()
    group = machine.tags.get(ec2_instance.GROUP_TAG)
    if group:
        tie.links[autoscaling_group.NAME].add(group)
    cluster = machine.tags.get(ec2_instance.CLUSTER_TAG)
    if cluster:
        tie.links[emr_cluster.NAME].add(cluster)
    role = machine.tags.get(ec2_instance.ROLE_TAG)
    if role:
        tie.attributes.setdefault("emr_role", role.lower())
    attributes = machine.attributes
    if any(name in attributes for name in _OWNED_ATTRIBUTES):
        attributes = {k: v for k, v in attributes.items() if k not in _OWNED_ATTRIBUTES}
    own = ec2_instance.lifecycle(
        machine.state, attributes.get("spot_status", ""), attributes.get("state_reason", "")
    )
    for identifier in tie.links.get(emr_cluster.NAME, ()):
        found = clusters.get(_key(machine, identifier))
        if found is not None:
            tie.attributes["emr_cluster"] = found.name
            tie.verdicts.append(cluster_verdict(found))
        elif Scope(machine.account, machine.region, emr_cluster.NAME) in complete:
            tie.verdicts.append((Lifecycle.LEAVING, LifecycleReason.EMR_TERMINATION.value))
        # EC2 ends it, and it is no longer of its cluster, which goes on.
        groups_read = Scope(machine.account, machine.region, emr_instance_group.NAME) in complete
        if own[0] is Lifecycle.LEAVING and groups_read and not tie.links.get(emr_instance_group.NAME):
            tie.verdicts.append((Lifecycle.LEAVING, LifecycleReason.EMR_RESIZE.told(machine.state)))
    lifecycle, reason = decided([own, *tie.verdicts])
    return replace(
        machine,
        links=_linked(machine, tie.links),
        lifecycle=lifecycle,
        lifecycle_reason=reason,
        attributes={**attributes, **tie.attributes} if tie.attributes else attributes,
    )


def _volume(volume: Resource, machines: Mapping[Key, Resource]) -> Resource:
    """The disk of a machine that is not in service is not either: it has nothing to do."""
    own: Verdict = (ebs_volume.KIND.lifecycle(volume.state), "")
    attached = [machines.get(_key(volume, i)) for i in volume.links.get(ec2_instance.NAME, ())]
    # One of several machines, or one that is not known, keeps the disk in service.
    known = [m for m in attached if m is not None]
    if known and len(known) == len(attached):
        busiest = min(known, key=lambda m: finality(m.lifecycle))
        own = max(own, (busiest.lifecycle, busiest.lifecycle_reason), key=lambda v: finality(v[0]))
    return replace(volume, lifecycle=own[0], lifecycle_reason=own[1])


def _task(task: Resource, machines: Mapping[Key, Resource]) -> Resource:
    """A task without an address of its own answers at its machine's."""
    hosts = [machines.get(_key(task, i)) for i in task.links.get(ec2_instance.NAME, ())]
    if not hosts:
        return task
    return replace(task, addresses=tuple(a for host in hosts if host for a in host.addresses))


def _linked(resource: Resource, found: Mapping[str, Collection[str]]) -> Mapping[str, tuple[str, ...]]:
    """The links of a resource, with those that this module makes replaced by those that were found."""
    links = {k: v for k, v in resource.links.items() if k not in _OWNED_LINKS}
    links |= {relation: tuple(sorted(ids)) for relation, ids in found.items() if ids}
    return links


def _target_groups(resources: Iterable[Resource]) -> dict[str, set[str]]:
    """Load balancer ARN → the ARNs of the target groups behind it."""
    found: dict[str, set[str]] = defaultdict(set)
    for resource in resources:
        if resource.kind == target_group.NAME:
            for balancer in resource.links.get(load_balancer.NAME, ()):
                found[balancer].add(resource.arn)
    return found
