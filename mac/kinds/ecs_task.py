"""ECS tasks that run, or are about to, or are being stopped.

The address is that of the task's own network interface (network mode `awsvpc`, always so on Fargate), as the
task's attachments tell it. A task in the mode `bridge` or `host` answers at the address of its EC2 instance,
which `mac.links` puts in; `host_ports` says where on it, by the port of the container, and that is where the
task is scraped: a standard names the port of the container. Ports that are bound in ranges are not followed.
Instances outside of EC2 (ECS Anywhere) are not in the inventory, and their tasks have no address.
Overrides are never kept: they hold environment variables.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds import ecs_cluster, ecs_service
from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, present, tag_map, timestamp
from mac.model import Lifecycle, LifecycleReason, Resource

NAME = "ecs-task"

STATES = {
    "PROVISIONING": Lifecycle.STARTING,
    "PENDING": Lifecycle.STARTING,
    "ACTIVATING": Lifecycle.STARTING,
    "RUNNING": Lifecycle.IN_SERVICE,
    "DEACTIVATING": Lifecycle.LEAVING,
    "STOPPING": Lifecycle.LEAVING,
    "DEPROVISIONING": Lifecycle.LEAVING,
}
_ENDED = frozenset(["STOPPED", "DELETED"])
_BATCH = 100  # AWS's limit

# Why a task is being stopped, where ECS says so by its stop code.
_REASONS = {
    "SpotInterruption": LifecycleReason.SPOT_INTERRUPTION,
    "ServiceSchedulerInitiated": LifecycleReason.SCALE_IN,
    "UserInitiated": LifecycleReason.SHUTDOWN,
    "EssentialContainerExited": LifecycleReason.FAILURE,
    "TaskFailedToStart": LifecycleReason.FAILURE,
    "InfrastructureHealth": LifecycleReason.REPLACEMENT,
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    # What should run, whatever it does just now: what should not leaves the list at once, and what has
    # stopped would fill it for an hour.
    listed = ecs_cluster.members(api, "ListTasks", "taskArns", desiredStatus="RUNNING")
    tasks = list(ecs_cluster.described(api, "DescribeTasks", "tasks", listed, _BATCH))
    hosts = sorted({_host(task) for task in tasks if _host(task)[1]})
    found = ecs_cluster.described(
        api, "DescribeContainerInstances", "containerInstances", hosts, _BATCH, tags=False
    )
    instances = {host["containerInstanceArn"]: host.get("ec2InstanceId") for host in found}
    for task in tasks:
        yield {**task, "Ec2InstanceId": instances.get(_host(task)[1])}


def _host(task: Raw) -> tuple[str, str]:
    """The cluster and container instance of a task that has no address of its own."""
    shared = "" if _addresses(task) else task.get("containerInstanceArn") or ""
    return task["clusterArn"], shared


def transform(place: Place, raw: Raw) -> Resource | None:
    state = raw["lastStatus"]
    if state in _ENDED:
        return None
    arn = raw["taskArn"]
    cluster = ecs_cluster.name_of(raw["clusterArn"])
    origin, _, group = (raw.get("group") or "").partition(":")
    service = group if origin == "service" else ""
    family, _, revision = (raw.get("taskDefinitionArn") or "").rpartition("/")[2].partition(":")
    lifecycle, reason = _lifecycle(raw)
    return Resource(
        arn=arn,
        kind=NAME,
        account=place.account,
        region=place.region,
        id=arn.rpartition("/")[2],
        name=service or family,
        addresses=_addresses(raw),
        state=state,
        lifecycle=lifecycle,
        lifecycle_reason=reason,
        tags=tag_map(raw.get("tags"), "key", "value"),
        links=present(
            {
                "ecs-cluster": (cluster,),
                "ecs-service": (ecs_service.identifier(cluster, service),) if service else (),
                "ec2-instance": (raw["Ec2InstanceId"],) if raw.get("Ec2InstanceId") else (),
            }
        ),
        attributes=present(
            {
                "ecs_cluster": cluster,
                "ecs_service": service,
                "family": family,
                "revision": revision,
                "launch_type": (raw.get("launchType") or "").lower().replace("_", "-"),
                "capacity_provider": raw.get("capacityProviderName"),
                "zone": raw.get("availabilityZone"),
                "host_ports": _host_ports(raw),
            }
        ),
        launched=timestamp(raw.get("startedAt") or raw.get("createdAt")),
    )


def _lifecycle(raw: Raw) -> tuple[Lifecycle, str]:
    """A task that runs and should not is leaving: ECS has asked it to stop."""
    state = raw["lastStatus"]
    lifecycle = STATES.get(state, Lifecycle.IN_SERVICE)
    if raw.get("desiredStatus") == "STOPPED" and lifecycle is not Lifecycle.STOPPED:
        lifecycle = Lifecycle.LEAVING
    if lifecycle is Lifecycle.STARTING:
        return lifecycle, LifecycleReason.LAUNCH.told(state)
    if lifecycle is Lifecycle.LEAVING:
        code = raw.get("stopCode") or ""
        return lifecycle, _REASONS.get(code, LifecycleReason.SHUTDOWN).told(code or state)
    return lifecycle, ""


def _addresses(raw: Raw) -> tuple[str, ...]:
    """IPv4 before IPv6, of the network interfaces that are attached to the task."""
    found = [
        (detail["name"], detail["value"])
        for attachment in raw.get("attachments") or ()
        if attachment.get("type") == "ElasticNetworkInterface" and attachment.get("status") != "DELETED"
        for detail in attachment.get("details") or ()
        if detail.get("value")
    ]
    wanted = ("privateIPv4Address", "privateIPv6Address")
    return tuple(value for name in wanted for key, value in found if key == name)


def _host_ports(raw: Raw) -> dict[str, int]:
    """TCP port of a container → port of its instance, where they are bound one by one (not in ranges)."""
    return {
        str(bound["containerPort"]): bound["hostPort"]
        for container in raw.get("containers") or ()
        for bound in container.get("networkBindings") or ()
        if bound.get("containerPort") and bound.get("hostPort") and bound.get("protocol") != "udp"
    }


KIND = Kind(
    name=NAME,
    title="ECS task",
    service="ecs",
    calls={
        **ecs_cluster.LIST_CALLS,
        "ListTasks": "ecs:ListTasks",
        "DescribeTasks": "ecs:DescribeTasks",
        "DescribeContainerInstances": "ecs:DescribeContainerInstances",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    facts=attribute_facts("ecs_cluster", "ecs_service", "family", "launch_type", "zone"),
    fact_names=("ecs_cluster", "ecs_service", "family", "launch_type", "zone"),
)
