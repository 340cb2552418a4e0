"""Ties resources together: which machine belongs to which group, cluster and role, and what that means
for whether it should answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from mac.kinds import (
    autoscaling_group,
    ec2_instance,
    emr_cluster,
    emr_instance_group,
    load_balancer,
    target_group,
)
from mac.model import Json, Lifecycle, Resource, Scope

_OWNED_LINKS = (
    autoscaling_group.NAME,
    emr_cluster.NAME,
    emr_instance_group.NAME,
    target_group.NAME,
    load_balancer.NAME,
)
_OWNED_ATTRIBUTES = ("emr_cluster", "emr_role")

# When several speak about one machine, the one that knows most about its end is right.
_FINALITY = (Lifecycle.IN_SERVICE, Lifecycle.STARTING, Lifecycle.STOPPED, Lifecycle.LEAVING)

_EMR_STARTING = frozenset(["AWAITING_FULFILLMENT", "PROVISIONING", "BOOTSTRAPPING"])

Key = tuple[str, str, str]
"""Account, region and identifier."""


@dataclass(slots=True)
class _Ties:
    """What others say about one machine."""

    links: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    attributes: dict[str, Json] = field(default_factory=dict)
    lifecycles: list[Lifecycle] = field(default_factory=list)


def group_lifecycle(state: str) -> Lifecycle:
    """What an autoscaling group's lifecycle state of an instance means."""
    if state.startswith("Warmed:"):
        return Lifecycle.STOPPED
    if state.startswith("Pending"):
        return Lifecycle.STARTING
    if state.startswith("Terminat"):
        return Lifecycle.LEAVING
    if state in ("EnteringStandby", "Standby"):
        return Lifecycle.STOPPED
    return Lifecycle.IN_SERVICE


def link(resources: Iterable[Resource], complete: Collection[Scope] = frozenset()) -> tuple[Resource, ...]:
    """The resources with their links, sorted; linking twice is linking once.

    `complete` are the scopes that were read completely just now: an EMR cluster that is missing there has
    ended, and its machines are leaving even while EC2 still shows them as running.
    """
    known = sorted(resources, key=lambda r: r.sort_key)
    ties: dict[Key, _Ties] = defaultdict(_Ties)
    clusters = {_key(r): r for r in known if r.kind == emr_cluster.NAME}
    balancers = {r.arn: r.links for r in known if r.kind == target_group.NAME}
    for resource in known:
        if resource.kind == autoscaling_group.NAME:
            _tie_group(resource, balancers, ties)
        elif resource.kind == emr_instance_group.NAME:
            _tie_emr(resource, ties)
    groups_of = _target_groups(known)
    linked = []
    for resource in known:
        if resource.kind == ec2_instance.NAME:
            linked.append(_machine(resource, ties, clusters, complete))
        elif resource.kind == load_balancer.NAME:
            linked.append(_with_links(resource, {target_group.NAME: groups_of.get(resource.arn, set())}))
        else:
            linked.append(resource)
    return tuple(linked)


def _key(resource: Resource, identifier: str = "") -> Key:
    return (resource.account, resource.region, identifier or resource.id)


def _tie_group(
    group: Resource, balancers: Mapping[str, Mapping[str, tuple[str, ...]]], ties: dict[Key, _Ties]
) -> None:
    states = group.attributes.get("instance_states", {})
    for instance in group.links.get(ec2_instance.NAME, ()):
        tie = ties[_key(group, instance)]
        tie.links[autoscaling_group.NAME].add(group.id)
        tie.lifecycles.append(group_lifecycle(states.get(instance, "InService")))
        for target in group.links.get(target_group.NAME, ()):
            tie.links[target_group.NAME].add(target)
            tie.links[load_balancer.NAME].update(balancers.get(target, {}).get(load_balancer.NAME, ()))


def _tie_emr(group: Resource, ties: dict[Key, _Ties]) -> None:
    states = group.attributes.get("instance_states", {})
    for instance in group.links.get(ec2_instance.NAME, ()):
        tie = ties[_key(group, instance)]
        tie.links[emr_instance_group.NAME].add(group.id)
        tie.links[emr_cluster.NAME].update(group.links.get(emr_cluster.NAME, ()))
        tie.attributes["emr_role"] = group.attributes["emr_role"]
        tie.attributes["emr_cluster"] = group.attributes["emr_cluster"]
        if group.lifecycle is Lifecycle.LEAVING:
            tie.lifecycles.append(Lifecycle.LEAVING)
        if states.get(instance) in _EMR_STARTING:
            tie.lifecycles.append(Lifecycle.STARTING)


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
    for identifier in tie.links.get(emr_cluster.NAME, ()):
        found = clusters.get(_key(machine, identifier))
        if found is not None:
            tie.attributes["emr_cluster"] = found.name
            tie.lifecycles.append(found.lifecycle)
        elif Scope(machine.account, machine.region, emr_cluster.NAME) in complete:
            tie.lifecycles.append(Lifecycle.LEAVING)
    own = ec2_instance.KIND.lifecycle(machine.state)
    lifecycle = max([own, *tie.lifecycles], key=_FINALITY.index)
    attributes = {k: v for k, v in machine.attributes.items() if k not in _OWNED_ATTRIBUTES}
    return replace(
        _with_links(machine, tie.links), lifecycle=lifecycle, attributes={**attributes, **tie.attributes}
    )


def _with_links(resource: Resource, found: Mapping[str, Collection[str]]) -> Resource:
    """With the links that this module makes replaced by those that were found."""
    links = {k: v for k, v in resource.links.items() if k not in _OWNED_LINKS}
    links |= {relation: tuple(sorted(ids)) for relation, ids in found.items() if ids}
    return replace(resource, links=links)


def _target_groups(resources: Iterable[Resource]) -> dict[str, set[str]]:
    """Load balancer ARN → the ARNs of the target groups behind it."""
    found: dict[str, set[str]] = defaultdict(set)
    for resource in resources:
        if resource.kind == target_group.NAME:
            for balancer in resource.links.get(load_balancer.NAME, ()):
                found[balancer].add(resource.arn)
    return found
