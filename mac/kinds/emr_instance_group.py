"""The instance groups and instance fleets of EMR clusters, with the instances in them.

A cluster has either groups or fleets; both say which of its machines are master, core and task.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds import emr_cluster
from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, present, tag_map
from mac.model import Lifecycle, Resource

NAME = "emr-instance-group"

STATES = {
    "PROVISIONING": Lifecycle.STARTING,
    "BOOTSTRAPPING": Lifecycle.STARTING,
    "RUNNING": Lifecycle.IN_SERVICE,
    "RECONFIGURING": Lifecycle.IN_SERVICE,
    "RESIZING": Lifecycle.IN_SERVICE,  # the machines that stay work on
    "SUSPENDED": Lifecycle.IN_SERVICE,
    "ARRESTED": Lifecycle.IN_SERVICE,
    "SHUTTING_DOWN": Lifecycle.LEAVING,
    "TERMINATING": Lifecycle.LEAVING,
}
RESIZING = "RESIZING"
_ENDED = frozenset(["TERMINATED", "ENDED"])
LIVE = ("AWAITING_FULFILLMENT", "PROVISIONING", "BOOTSTRAPPING", "RUNNING")


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    for cluster in emr_cluster.live_clusters(api):
        instances = list(
            api.pages("ListInstances", "Instances", ClusterId=cluster["Id"], InstanceStates=list(LIVE))
        )
        if cluster.get("InstanceCollectionType") == "INSTANCE_FLEET":
            groups = api.pages("ListInstanceFleets", "InstanceFleets", ClusterId=cluster["Id"])
            member_of = "InstanceFleetId"
        else:
            groups = api.pages("ListInstanceGroups", "InstanceGroups", ClusterId=cluster["Id"])
            member_of = "InstanceGroupId"
        for group in groups:
            members = [i for i in instances if i.get(member_of) == group["Id"] and i.get("Ec2InstanceId")]
            yield {"cluster": cluster, "group": group, "instances": members}


def transform(place: Place, raw: Raw) -> Resource | None:
    cluster, group = raw["cluster"], raw["group"]
    state = group["Status"]["State"]
    if state in _ENDED:
        return None
    fleet = "InstanceFleetType" in group
    role = (group["InstanceFleetType"] if fleet else group["InstanceGroupType"]).lower()
    states = {i["Ec2InstanceId"]: i["Status"]["State"] for i in raw["instances"]}
    shrinking = (group.get("ShrinkPolicy") or {}).get("InstanceResizePolicy") or {}
    types = {s["InstanceType"] for s in group.get("InstanceTypeSpecifications") or ()}
    return Resource(
        # AWS gives these no ARN of their own: the cluster's, and the group's identifier.
        arn=f"{emr_cluster.arn_of(place, cluster)}/{'fleet' if fleet else 'group'}/{group['Id']}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=group["Id"],
        name=group.get("Name") or role,
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(cluster.get("Tags")),  # groups have none, and belong to their cluster
        links=present({"emr-cluster": (cluster["Id"],), "ec2-instance": tuple(sorted(states))}),
        attributes=present(
            {
                "emr_cluster": cluster["Name"],
                "emr_role": role,
                "instance_type": group.get("InstanceType"),
                "instance_types": sorted(types),
                "market": (group.get("Market") or "").lower().replace("_", "-"),
                "requested": group.get("RequestedInstanceCount"),
                "target_on_demand": group.get("TargetOnDemandCapacity"),
                "target_spot": group.get("TargetSpotCapacity"),
                "instance_states": {i: s for i, s in sorted(states.items()) if s != "RUNNING"},
                # The machines that were named for a resize; EMR does not tell which others it will take.
                "to_terminate": sorted(shrinking.get("InstancesToTerminate") or ()),
            }
        ),
    )


KIND = Kind(
    name=NAME,
    title="EMR instance group or fleet",
    service="emr",
    calls={
        **emr_cluster.KIND.calls,
        "ListInstanceGroups": "elasticmapreduce:ListInstanceGroups",
        "ListInstanceFleets": "elasticmapreduce:ListInstanceFleets",
        "ListInstances": "elasticmapreduce:ListInstances",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    facts=attribute_facts("emr_cluster", "emr_role"),
    fact_names=("emr_cluster", "emr_role"),
)
