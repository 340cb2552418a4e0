"""Where moto is slower than a fleet needs, or departs from AWS in what an inventory sees.

Applied only in the process that serves the embedded AWS; nothing of `mac` itself is changed. Each
correction brings moto nearer to AWS's documented behaviour, none makes reading it easier.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import utcnow
from moto.ec2.exceptions import InvalidInstanceIdError
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState
from moto.ec2.models.tags import TagBackend
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix
from moto.emr.models import EXAMPLE_AMI_ID, Cluster, ElasticMapReduceBackend, InstanceGroup
from moto.emr.models import Instance as ClusterInstance
from moto.emr.responses import ElasticMapReduceResponse

CLUSTER_TAG = "aws:elasticmapreduce:job-flow-id"
GROUP_ROLE_TAG = "aws:elasticmapreduce:instance-group-role"


def apply() -> None:
    """Installs every correction; a second call changes nothing."""
    if TagBackend.describe_tags is not _describe_tags:
        InstanceResponse.describe_instances = _describe_instances  # type: ignore[method-assign]
        TagBackend.describe_tags = _describe_tags  # type: ignore[method-assign]
        AmiBackend.describe_images = _describe_images  # type: ignore[method-assign, assignment]
        InstanceBackend.get_instance = _get_instance  # type: ignore[method-assign]
        Instance.terminate = _terminate_instance  # type: ignore[method-assign]
        ElasticMapReduceBackend.run_instances = _run_cluster_instances  # type: ignore[method-assign]
        ElasticMapReduceBackend.add_tags = _add_cluster_tags  # type: ignore[method-assign]
        Cluster.terminate = _terminate_cluster  # type: ignore[method-assign]
        # Only EMR looks for the region in the host's name alone, and finds us-east-1 on a loopback address.
        ElasticMapReduceResponse.get_region_from_url = BaseResponse.get_region_from_url  # type: ignore[method-assign]


# --- EC2 ---------------------------------------------------------------------------------------------

_describe_all_tags = TagBackend.describe_tags
_describe_by_reservations = InstanceResponse.describe_instances
_describe_all_images = AmiBackend.describe_images
_terminate_at_once = Instance.terminate


def _describe_tags(self: TagBackend, filters: dict[str, list[str]] | None = None) -> list[dict[str, str]]:
    """The tags of resources that are named exactly, by key instead of by a scan over every tag."""
    ids = (filters or {}).get("resource-id", [])
    if not ids or len(filters or {}) != 1 or any(set(i) & set("*?[\\") for i in ids):
        return _describe_all_tags(self, filters)
    return [
        {
            "resource_id": resource_id,
            "key": key,
            "value": value,
            "resource_type": EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource_id), ""),
        }
        for resource_id in dict.fromkeys(ids)
        for key, value in self.tags.get(resource_id, {}).items()
    ]


def _describe_images(
    self: AmiBackend, ami_ids: list[str] | None = None, filters: dict[str, Any] | None = None, **rest: Any
) -> list[Ami]:
    """One image by its id, as each launch asks for it, without a pass over all of them."""
    ids = (filters or {}).get("image-id")
    if (
        isinstance(ids, str)
        and ids in self.amis
        and filters == {"image-id": ids}
        and not ami_ids
        and not rest
    ):
        return [self.amis[ids]]
    return _describe_all_images(self, ami_ids, filters, **rest)


def _describe_instances(self: InstanceResponse) -> ActionResult:
    """MaxResults counts machines, as in AWS, and not reservations, of which one may hold thousands."""
    get = self._get_param
    if get("InstanceIds", []) or self._filters_from_querystring():
        return _describe_by_reservations(self)
    limit, token = int(get("MaxResults", 1000)), get("NextToken")
    reservations = list(self.ec2_backend.reservations.values())
    start = [r.id for r in reservations].index(token) + 1 if token else 0
    machines = accumulate(len(r.instances) for r in reservations[start:])
    # At least one, and as many more as fit.
    count = max(1, sum(total <= limit for total in machines))

    def with_limit(name: str, *default: Any, **keywords: Any) -> Any:
        return count if name == "MaxResults" else get(name, *default, **keywords)

    self._get_param = with_limit  # type: ignore[method-assign, assignment]
    return _describe_by_reservations(self)


def _get_instance(self: InstanceBackend, instance_id: str) -> Instance:
    """From the newest on: a machine that is being launched asks for itself."""
    for reservation in reversed(list(self.reservations.values())):
        for instance in reversed(reservation.instances):
            if instance.id == instance_id:
                return instance
    raise InvalidInstanceIdError([instance_id])


def _terminate_instance(self: Instance, *args: Any, **kwargs: Any) -> InstanceState:
    """AWS shows a machine as shutting-down before it is terminated; moto skips that state.

    Here the first call leaves it shutting-down and the second one terminates it, so that what a reader
    sees depends on what was done and not on the clock.
    """
    leaving = self._state.name in {"shutting-down", "terminated"}
    previous = _terminate_at_once(self, *args, **kwargs)
    if not leaving:
        self._state.name, self._state.code = "shutting-down", 32
    return previous


# --- EMR ---------------------------------------------------------------------------------------------


def _run_cluster_instances(
    self: ElasticMapReduceBackend, cluster_id: str, instances: dict[str, Any], instance_group: InstanceGroup
) -> None:
    """A cluster's machines start in its subnet and carry EMR's own tags; moto does neither."""
    cluster = self.clusters[cluster_id]
    reservation = self.ec2_backend.run_instances(
        EXAMPLE_AMI_ID,
        instances["instance_count"],
        None,
        [],
        instance_type=instance_group.instance_type,
        is_instance_type_default=False,
        region_name=self.region_name,
        subnet_id=cluster.ec2_subnet_id,
        tags={"instance": {CLUSTER_TAG: cluster_id, GROUP_ROLE_TAG: instance_group.role, **cluster._tags}},
    )
    for machine in reservation.instances:
        cluster.add_instance(ClusterInstance(ec2_instance=machine, instance_group=instance_group))


def _add_cluster_tags(self: ElasticMapReduceBackend, cluster_id: str, tags: dict[str, str]) -> None:
    """A cluster's tags reach its machines."""
    cluster = self.describe_cluster(cluster_id)
    cluster.add_tags(tags)
    machines = [instance.ec2_instance_id for instance in cluster.ec2_instances]
    if machines:
        self.ec2_backend.create_tags(machines, tags)


def _terminate_cluster(self: Cluster) -> None:
    """A cluster that ends takes its machines with it, by way of TERMINATING; see `_terminate_instance`."""
    self.state = "TERMINATED" if self.state in {"TERMINATING", "TERMINATED"} else "TERMINATING"
    for group in self.instance_groups:
        group.state = self.state
    machines = [instance.ec2_instance_id for instance in self.ec2_instances]
    if machines:
        self.emr_backend.ec2_backend.terminate_instances(machines)
    if self.state == "TERMINATED":
        self.end_datetime = utcnow()
