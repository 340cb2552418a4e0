"""What AWS's API would say of the world at a moment, as the inventory that `mac` would have read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.noise import roles
from benchmarks.noise.clock import START
from benchmarks.noise.machines import INF, SPOT, Cluster, Machine
from mac import kinds, links
from mac.model import Resource, Scope, ScopeState, ScopeStatus, Snapshot

if TYPE_CHECKING:
    from benchmarks.noise.world import World

KINDS = (
    "acm-certificate",
    "autoscaling-group",
    "ec2-instance",
    "emr-cluster",
    "emr-instance-group",
    "load-balancer",
    "rds-instance",
    "s3-bucket",
    "sqs-queue",
    "target-group",
)

BALANCER = (
    f"arn:aws:elasticloadbalancing:{roles.REGION}:{roles.ACCOUNT}:loadbalancer/app/ingest/50dc6c495c0c9188"
)
TARGETS = f"arn:aws:elasticloadbalancing:{roles.REGION}:{roles.ACCOUNT}:targetgroup/ingest/73e2d6bc24d8a067"
CERTIFICATE = f"arn:aws:acm:{roles.REGION}:{roles.ACCOUNT}:certificate/0f1c8d2e-7a57-4c5c-9f6f-7f1a2b3c4d5e"


def snapshot(world: World, at: float) -> Snapshot:
    """All scopes read completely at `at` seconds."""
    machines = [m for m in world.machines if m.launched <= at < m.gone]
    clusters = [c for c in world.clusters if c.launched <= at < c.gone]
    found = [
        *(_machine(m, at) for m in machines),
        *_groups(world, machines, at),
        *(_cluster(c, at) for c in clusters),
        *_instance_groups(machines, clusters, at),
        *_rest(machines, at),
    ]
    scopes = sorted(
        Scope(roles.ACCOUNT, "global" if kind == "s3-bucket" else roles.REGION, kind) for kind in KINDS
    )
    complete = frozenset(scopes)
    statuses = tuple(ScopeStatus(scope, ScopeState.COMPLETE) for scope in scopes)
    return Snapshot(statuses, tuple(sorted(links.link(found, complete), key=lambda r: r.sort_key)))


def everything(world: World) -> Snapshot:
    """All machines that are ever in service, as if at once: what each is labelled does not depend on when."""
    machines = [m for m in world.machines if m.in_service < min(m.leaving, world.end) and m.leaving > 0]
    found = [_machine(m, max(m.in_service, m.daemons_ready), always=True) for m in machines]
    clusters = {m.cluster for m in machines} - {""}
    found += [_cluster(c, c.ready) for c in world.clusters if c.id in clusters]
    found += list(_groups(world, machines, None))
    found += list(_instance_groups(machines, [c for c in world.clusters if c.id in clusters], None))
    found += list(_rest(machines, None))
    return Snapshot((), tuple(sorted(links.link(found), key=lambda r: r.sort_key)))


def _arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{roles.REGION}:{roles.ACCOUNT}:{rest}"


def _resource(kind: str, arn: str, identifier: str, **fields: Any) -> Resource:
    state = fields.get("state", "")
    return Resource(
        arn=arn,
        kind=kind,
        account=roles.ACCOUNT,
        region=roles.REGION,
        id=identifier,
        lifecycle=kinds.all_kinds()[kind].lifecycle(state),
        **fields,
    )


def _time(at: float) -> str:
    return (datetime.fromtimestamp(START, UTC) + timedelta(seconds=int(at))).strftime("%Y-%m-%dT%H:%M:%SZ")


def _tags(service: str, role: str, team: str, **more: str) -> dict[str, str]:
    tags = {"service": service, "role": role, "team": team, "environment": roles.ENVIRONMENT, **more}
    return {key: value for key, value in tags.items() if value}


def _machine(machine: Machine, at: float, *, always: bool = False) -> Resource:
    """`always`: as it is while it is in service."""
    group = machine.group
    state = "running" if always or at >= machine.running else "pending"
    attributes: dict[str, Any] = {
        "instance_type": group.type,
        "zone": machine.zone,
        "architecture": "x86_64",
        "market": "spot" if group.spot else "on-demand",
    }
    if not always and at >= machine.leaving:
        if machine.why == SPOT and at < machine.off:
            attributes["spot_status"] = "marked-for-termination"
        else:
            state = "shutting-down"
    tags = _tags(group.service, group.role, group.team, Name=group.name)
    if group.autoscaling:
        tags["aws:autoscaling:groupName"] = group.name
    if group.emr:
        tags["aws:elasticmapreduce:job-flow-id"] = machine.cluster
        tags["aws:elasticmapreduce:instance-group-role"] = group.emr.upper()
    return _resource(
        "ec2-instance",
        _arn("ec2", f"instance/{machine.id}"),
        machine.id,
        name=group.name,
        addresses=(machine.address,),
        state=state,
        tags=tags,
        attributes=attributes,
        launched=_time(machine.launched),
    )


def _groups(world: World, machines: list[Machine], at: float | None) -> Iterator[Resource]:
    for group in roles.GROUPS:
        if not group.autoscaling:
            continue
        members = [m for m in machines if m.group is group]
        states: dict[str, str] = {}
        unhealthy = []
        if at is not None:
            states = {m.id: "Pending" for m in members if at < m.in_service}
            states |= {m.id: "Terminating" for m in members if at >= m.leaving}
            unhealthy = [m.id for m in members if at >= m.leaving and m.why == "replaced"]
        smallest, largest = world.bounds(group.name)
        links_: dict[str, tuple[str, ...]] = {"ec2-instance": tuple(sorted(m.id for m in members))}
        if group.name == "ingest":
            links_["target-group"] = (TARGETS,)
        attributes = {
            "minimum": smallest,
            "maximum": largest,
            "desired": sum(1 for m in members if states.get(m.id) != "Terminating"),
            "health_check": "EC2",
            "zones": list(roles.ZONES),
            "instance_states": states,
            "unhealthy": unhealthy,
        }
        yield _resource(
            "autoscaling-group",
            _arn("autoscaling", f"autoScalingGroup:0:autoScalingGroupName/{group.name}"),
            group.name,
            name=group.name,
            tags=_tags(group.service, group.role, group.team),
            links=links_,
            attributes={key: found for key, found in attributes.items() if found not in ({}, [])},
        )


def _cluster(cluster: Cluster, at: float) -> Resource:
    state = "TERMINATING" if at >= cluster.leaving else "RUNNING" if at >= cluster.ready else "BOOTSTRAPPING"
    return _resource(
        "emr-cluster",
        _arn("elasticmapreduce", f"cluster/{cluster.id}"),
        cluster.id,
        name=cluster.name,
        state=state,
        tags=_tags("etl", "", "data"),
        attributes={
            "release": "emr-7.5.0",
            "applications": ["Hadoop", "Spark"],
            "collection": "instance_group",
            "transient": cluster.transient,
            "zone": cluster.zone,
        },
        launched=_time(cluster.launched),
    )


def _instance_groups(
    machines: list[Machine], clusters: list[Cluster], at: float | None
) -> Iterator[Resource]:
    for cluster in clusters:
        for role in ("master", "core", "task"):
            members = [m for m in machines if m.cluster == cluster.id and m.group.emr == role]
            if not members:
                continue
            # EMR drops a machine from its list as soon as it goes.
            listed = [m for m in members if at is None or at < m.leaving or m.leaving == INF]
            booting = {m.id: "BOOTSTRAPPING" for m in listed if at is not None and at < m.in_service}
            ending = at is not None and at >= cluster.leaving
            yield _resource(
                "emr-instance-group",
                _arn("elasticmapreduce", f"cluster/{cluster.id}/group/ig-{cluster.id[2:]}-{role}"),
                f"ig-{cluster.id[2:]}-{role}",
                name=role,
                state="TERMINATING" if ending else "RUNNING",
                tags=_tags("etl", "", "data"),
                links={"emr-cluster": (cluster.id,), "ec2-instance": tuple(sorted(m.id for m in listed))},
                attributes={
                    "emr_cluster": cluster.name,
                    "emr_role": role,
                    "instance_type": members[0].group.type,
                    "market": "spot" if members[0].group.spot else "on-demand",
                    "requested": len(listed),
                    **({"instance_states": booting} if booting else {}),
                },
            )


def _rest(machines: list[Machine], at: float | None) -> Iterator[Resource]:
    ingest = _tags("ingest", "alb", "ingestion")
    yield _resource(
        "load-balancer", BALANCER, "ingest", name="ingest", state="active", tags=ingest,
        attributes={"type": "application", "scheme": "internal", "zones": list(roles.ZONES)},
    )  # fmt: skip
    behind = [
        m for m in machines if m.group.name == "ingest" and (at is None or m.in_service <= at < m.leaving)
    ]
    yield _resource(
        "target-group", TARGETS, "ingest", name="ingest", tags=ingest,
        links={"load-balancer": (BALANCER,), "ec2-instance": tuple(sorted(m.id for m in behind))},
        attributes={"target_type": "instance", "protocol": "HTTP", "port": 8080},
    )  # fmt: skip
    yield _resource(
        "acm-certificate", CERTIFICATE, CERTIFICATE.rpartition("/")[2], name="ingest.example.com",
        state="ISSUED", tags=ingest,
        attributes={"type": "imported", "in_use": True, "renewal": "ineligible", "key_algorithm": "RSA-2048"},
    )  # fmt: skip
    for name, engine, size, service, role, team in roles.DATABASES:
        yield _resource(
            "rds-instance", _arn("rds", f"db:{name}"), name, name=name, state="available",
            tags=_tags(service, role, team),
            attributes={"engine": engine, "instance_class": size, "zone": roles.ZONES[0]},
        )  # fmt: skip
    for name, service, team in roles.QUEUES:
        yield _resource(
            "sqs-queue", _arn("sqs", name), name, name=name, tags=_tags(service, "queue", team),
            attributes={"fifo": False, "visibility_timeout_seconds": 30, "retention_seconds": 345_600},
        )  # fmt: skip
    for name in roles.BUCKETS:
        identifier = f"{roles.ACCOUNT_NAME}-{roles.REGION}-{name}"
        # One of them has request metrics, which cost money, and says so.
        role = "s3-requests" if name == "raw" else ""
        yield _resource(
            "s3-bucket",
            f"arn:aws:s3:::{identifier}",
            identifier,
            name=identifier,
            tags=_tags("etl", role, "data"),
        )
