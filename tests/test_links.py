"""Machines know their groups and clusters, and whether they leave on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac.kinds import autoscaling_group, ec2_instance, emr_instance_group
from mac.kinds.kind import Place
from mac.lifecycle import group_verdict
from mac.links import link
from mac.model import Lifecycle, Resource, Scope
from tests.recorded import Call, read

ACCOUNT, REGION = "111122223333", "eu-west-1"
STARTING, IN_SERVICE, LEAVING, STOPPED = (
    Lifecycle.STARTING,
    Lifecycle.IN_SERVICE,
    Lifecycle.LEAVING,
    Lifecycle.STOPPED,
)


def resource(kind: str, identifier: str, **fields: object) -> Resource:
    place = {"account": ACCOUNT, "region": REGION, "arn": f"arn:{kind}:{identifier}"}
    return Resource(**{**place, "kind": kind, "id": identifier, **fields})  # type: ignore[arg-type]


def machine(
    identifier: str = "i-1",
    state: str = "running",
    tags: dict[str, str] | None = None,
    **attributes: str,
) -> Resource:
    return resource("ec2-instance", identifier, state=state, tags=tags or {}, attributes=attributes)


def group(unhealthy: Sequence[str] = (), status: str = "", **states: str) -> Resource:
    instances = {name.replace("_", "-"): state for name, state in states.items()}
    raw = {
        "AutoScalingGroupARN": "arn:asg",
        "AutoScalingGroupName": "web",
        "MinSize": 0,
        "MaxSize": 9,
        "DesiredCapacity": 1,
        "Status": status,
        "Instances": [
            {
                "InstanceId": i,
                "LifecycleState": s,
                "HealthStatus": "Unhealthy" if i in unhealthy else "Healthy",
            }
            for i, s in instances.items()
        ],
    }
    return autoscaling_group.transform(Place(ACCOUNT, REGION), raw)


def verdicts(*resources: Resource) -> dict[str, tuple[Lifecycle, str]]:
    return {r.id: (r.lifecycle, r.lifecycle_reason) for r in link(resources) if r.kind == "ec2-instance"}


def lifecycles(*resources: Resource) -> dict[str, Lifecycle]:
    return {r.id: r.lifecycle for r in link(resources) if r.kind == "ec2-instance"}


@pytest.mark.parametrize(
    ("state", "meaning", "reason"),
    [
        ("Pending", STARTING, "launch: Pending"),
        ("Pending:Wait", STARTING, "launch-hook: Pending:Wait"),
        ("Pending:Proceed", STARTING, "launch-hook: Pending:Proceed"),
        ("InService", IN_SERVICE, ""),
        ("Terminating", LEAVING, "scale-in: Terminating"),
        ("Terminating:Wait", LEAVING, "termination-hook: Terminating:Wait"),
        ("Terminating:Retained", LEAVING, "termination-hook: Terminating:Retained"),
        ("Terminated", LEAVING, "scale-in: Terminated"),
        ("EnteringStandby", STOPPED, "standby: EnteringStandby"),
        ("Standby", STOPPED, "standby: Standby"),
        ("Warmed:Running", STOPPED, "warm-pool: Warmed:Running"),
        ("Warmed:Terminating:Wait", STOPPED, "warm-pool: Warmed:Terminating:Wait"),
        ("ReplacingRootVolume:Wait", STARTING, "root-volume-replacement: ReplacingRootVolume:Wait"),
        ("RootVolumeReplaced", IN_SERVICE, ""),
        ("Quarantined", IN_SERVICE, ""),
        ("Detached", IN_SERVICE, ""),
    ],
)
def test_a_groups_word_decides_whether_its_running_machine_should_answer(
    state: str, meaning: Lifecycle, reason: str
) -> None:
    assert group_verdict(state) == (meaning, reason)
    assert verdicts(machine(), group(i_1=state)) == {"i-1": (meaning, reason)}


def test_every_word_of_a_group_for_a_machine_that_is_not_in_service_has_a_reason() -> None:
    known = boto3.Session()._session.get_service_model("autoscaling").shape_for("LifecycleState").enum
    in_service = {state for state in known if group_verdict(state)[0] is IN_SERVICE}
    assert in_service == {"InService", "Quarantined", "Detaching", "Detached", "RootVolumeReplaced"}
    for state in known:
        meaning, reason = group_verdict(state)
        assert bool(reason) is (meaning is not IN_SERVICE)


def test_a_machine_that_its_group_found_unhealthy_is_replaced_and_not_scaled_in() -> None:
    assert verdicts(machine(), group(i_1="Terminating:Wait", unhealthy=["i-1"])) == {
        "i-1": (LEAVING, "replacement: Terminating:Wait")
    }
    # As long as it is in service it is watched: it is broken, and nobody asked for that.
    assert verdicts(machine(), group(i_1="InService", unhealthy=["i-1"])) == {"i-1": (IN_SERVICE, "")}


def test_a_group_that_is_being_deleted_takes_its_machines_along() -> None:
    deleted = group(i_1="InService", status=autoscaling_group.DELETING)
    assert verdicts(machine(), deleted) == {"i-1": (LEAVING, "scale-in: Delete in progress")}


def test_a_stopping_machine_of_a_warm_pool_is_stopping_because_of_it() -> None:
    pool = group(i_1="Warmed:Pending")
    stopped = {"state_reason": "Client.UserInitiatedShutdown"}
    assert verdicts(machine(state="stopping", **stopped), pool) == {
        "i-1": (LEAVING, "warm-pool: Warmed:Pending")
    }
    assert verdicts(machine(state="stopped", **stopped), pool) == {
        "i-1": (STOPPED, "warm-pool: Warmed:Pending")
    }


@pytest.mark.parametrize(
    ("state", "status", "code", "meaning", "reason"),
    [
        ("pending", "", "", STARTING, "launch: pending"),
        ("running", "", "", IN_SERVICE, ""),
        ("running", "marked-for-termination", "", LEAVING, "spot-interruption: marked-for-termination"),
        (
            "shutting-down",
            "",
            "Server.SpotInstanceTermination",
            LEAVING,
            "spot-interruption: Server.SpotInstanceTermination",
        ),
        (
            "stopped",
            "",
            "Server.SpotInstanceShutdown",
            STOPPED,
            "spot-interruption: Server.SpotInstanceShutdown",
        ),
        ("stopping", "", "Server.ScheduledStop", LEAVING, "maintenance: Server.ScheduledStop"),
        ("shutting-down", "", "Server.InternalError", LEAVING, "failure: Server.InternalError"),
        ("stopped", "", "Client.UserInitiatedShutdown", STOPPED, "shutdown: Client.UserInitiatedShutdown"),
        ("stopping", "", "", LEAVING, "shutdown: stopping"),
    ],
)
def test_ec2_says_why_a_machine_does_not_answer(
    state: str, status: str, code: str, meaning: Lifecycle, reason: str
) -> None:
    alone = machine(state=state, spot_status=status, state_reason=code)
    assert verdicts(alone) == {"i-1": (meaning, reason)}


def test_a_spot_interruption_says_more_than_the_scale_in_that_follows_it() -> None:
    taken = machine(spot_status="instance-terminated-no-capacity")
    assert verdicts(taken, group(i_1="Terminating")) == {
        "i-1": (LEAVING, "spot-interruption: instance-terminated-no-capacity")
    }


def test_spot_requests_are_asked_for_once_and_only_where_there_are_spot_instances() -> None:
    def instance(identifier: str, market: str = "") -> dict[str, Any]:
        lifecycle = {"InstanceLifecycle": market} if market else {}
        stopped_before = {"StateReason": {"Code": "Client.UserInitiatedShutdown"}}
        return {"InstanceId": identifier, "State": {"Name": "running"}, **stopped_before, **lifecycle}

    listed = {
        "Reservations": [
            {"Instances": [instance("i-1"), instance("i-2", "spot")]},
            {"Instances": [instance("i-3", "spot")]},
        ]
    }
    notices = [
        "instance-terminated-by-price",
        "instance-terminated-no-capacity",
        "marked-for-stop",
        "marked-for-termination",
    ]
    asked = {"MaxResults": 1000, "Filters": [{"Name": "status-code", "Values": notices}]}

    def request(identifier: str) -> dict[str, Any]:
        secret = {"UserData": "cGFzc3dvcmQ="}
        status = {"Code": "marked-for-termination", "UpdateTime": datetime(2026, 11, 23, tzinfo=UTC)}
        return {"InstanceId": identifier, "Status": status, "LaunchSpecification": secret}

    calls = [
        Call("describe_instances", {"MaxResults": 1000}, listed),
        Call(
            "describe_spot_instance_requests",
            asked,
            {"SpotInstanceRequests": [request("i-9")], "NextToken": "n"},
        ),
        Call(
            "describe_spot_instance_requests",
            {**asked, "NextToken": "n"},
            {"SpotInstanceRequests": [request("i-3")]},
        ),
    ]
    found = {r.id: (r.lifecycle, r.attributes.get("spot_status")) for r in read("ec2-instance", calls)}
    assert found == {
        "i-1": (IN_SERVICE, None),
        "i-2": (IN_SERVICE, None),
        "i-3": (LEAVING, "marked-for-termination"),
    }
    plain = {"Reservations": [{"Instances": [instance("i-1")]}]}
    (alone,) = read("ec2-instance", [Call("describe_instances", {"MaxResults": 1000}, plain)])
    assert "state_reason" not in alone.attributes


def test_a_machine_that_ec2_ends_is_leaving_whatever_its_group_says() -> None:
    assert lifecycles(machine(state="shutting-down"), group(i_1="InService")) == {"i-1": LEAVING}
    assert lifecycles(machine(state="stopped"), group(i_1="InService")) == {"i-1": STOPPED}


def test_a_group_of_another_region_says_nothing() -> None:
    elsewhere = replace(group(i_1="Terminating"), region="us-east-1")
    assert lifecycles(machine(), elsewhere) == {"i-1": IN_SERVICE}


def test_a_warm_pool_is_asked_for_and_its_running_machines_are_no_targets() -> None:
    class Recorded:
        """moto's warm pools are always empty."""

        def pages(self, operation: str, key: str, **parameters: object):  # type: ignore[no-untyped-def]
            if operation == "DescribeWarmPool":
                assert parameters["AutoScalingGroupName"] == "web"
                yield {"InstanceId": "i-2", "LifecycleState": "Warmed:Running"}
            else:
                yield {
                    "AutoScalingGroupARN": "arn:asg",
                    "AutoScalingGroupName": "web",
                    "MinSize": 0,
                    "MaxSize": 9,
                    "DesiredCapacity": 1,
                    "WarmPoolConfiguration": {"PoolState": "Running"},
                    "Instances": [{"InstanceId": "i-1", "LifecycleState": "InService"}],
                }

    place = Place(ACCOUNT, REGION)
    (raw,) = autoscaling_group.fetch(Recorded(), place)  # type: ignore[arg-type]
    warm = autoscaling_group.transform(place, raw)
    assert lifecycles(machine("i-1"), machine("i-2"), warm) == {"i-1": IN_SERVICE, "i-2": STOPPED}


def cluster(state: str, meaning: Lifecycle) -> Resource:
    return resource("emr-cluster", "j-1", name="etl", state=state, lifecycle=meaning)


def emr_group(group_state: str = "RUNNING", named: Sequence[str] = (), **states: str) -> Resource:
    instances = {name.replace("_", "-"): state for name, state in states.items()}
    return resource(
        "emr-instance-group",
        "ig-1",
        state=group_state,
        lifecycle=emr_instance_group.KIND.lifecycle(group_state),
        links={"emr-cluster": ("j-1",), "ec2-instance": tuple(instances)},
        attributes={
            "emr_role": "core",
            "emr_cluster": "etl",
            "instance_states": {i: s for i, s in instances.items() if s != "RUNNING"},
            "to_terminate": list(named),
        },
    )


def test_a_terminating_cluster_takes_its_machines_along() -> None:
    parts = (emr_group(i_1="RUNNING"), cluster("TERMINATING", LEAVING))
    assert verdicts(machine(), *parts) == {"i-1": (LEAVING, "emr-termination: TERMINATING")}


def test_a_group_that_is_taken_out_of_its_cluster_takes_its_machines_along() -> None:
    parts = (emr_group("SHUTTING_DOWN", i_1="RUNNING"), cluster("RUNNING", IN_SERVICE))
    assert verdicts(machine(), *parts) == {"i-1": (LEAVING, "emr-termination: SHUTTING_DOWN")}


def test_a_bootstrapping_machine_is_not_expected_to_answer() -> None:
    parts = (emr_group(i_1="BOOTSTRAPPING", i_2="RUNNING"), cluster("RUNNING", IN_SERVICE))
    assert verdicts(machine("i-1"), machine("i-2"), *parts) == {
        "i-1": (STARTING, "launch: BOOTSTRAPPING"),
        "i-2": (IN_SERVICE, ""),
    }


def test_the_machines_of_a_cluster_that_starts_are_starting() -> None:
    parts = (emr_group(i_1="RUNNING"), cluster("BOOTSTRAPPING", STARTING))
    assert verdicts(machine(), *parts) == {"i-1": (STARTING, "launch: BOOTSTRAPPING")}


def test_a_resize_tells_which_machines_come_and_which_were_named_to_go() -> None:
    resizing = emr_group("RESIZING", named=["i-3"], i_1="PROVISIONING", i_2="RUNNING", i_3="RUNNING")
    found = verdicts(machine("i-1"), machine("i-2"), machine("i-3"), resizing, cluster("RUNNING", IN_SERVICE))
    assert found == {
        "i-1": (STARTING, "emr-resize: PROVISIONING"),
        "i-2": (IN_SERVICE, ""),
        "i-3": (LEAVING, "emr-resize: RESIZING"),
    }
    done = emr_group("RUNNING", named=["i-3"], i_3="RUNNING")  # the policy outlives the resize
    assert verdicts(machine("i-3"), done) == {"i-3": (IN_SERVICE, "")}


def test_a_machine_that_ec2_ends_and_its_cluster_no_longer_lists_was_taken_by_a_resize() -> None:
    tags = {ec2_instance.CLUSTER_TAG: "j-1"}
    ending = machine("i-9", "shutting-down", tags, state_reason="Client.UserInitiatedShutdown")
    listed = machine("i-1", "shutting-down", tags)
    parts = [ending, listed, emr_group(i_1="RUNNING"), cluster("RUNNING", IN_SERVICE)]

    def why(*complete: str) -> dict[str, str]:
        linked = link(parts, {Scope(ACCOUNT, REGION, kind) for kind in complete})
        return {r.id: r.lifecycle_reason for r in linked if r.kind == "ec2-instance"}

    assert why("emr-cluster", "emr-instance-group") == {
        "i-9": "emr-resize: shutting-down",
        "i-1": "shutdown: shutting-down",
    }
    # What was not read says nothing.
    assert why("emr-cluster")["i-9"] == "shutdown: Client.UserInitiatedShutdown"


def disk(*instances: str, state: str = "attached") -> Resource:
    return resource("ebs-volume", "vol-1", state=state, links={"ec2-instance": instances})


@pytest.mark.parametrize(
    ("volume", "machines", "meaning", "reason"),
    [
        (disk("i-1"), {"i-1": "running"}, IN_SERVICE, ""),
        (disk("i-1"), {"i-1": "stopped"}, STOPPED, "shutdown: stopped"),
        (disk("i-1"), {"i-1": "shutting-down"}, LEAVING, "shutdown: shutting-down"),
        (disk("i-1", state="detaching"), {"i-1": "running"}, LEAVING, ""),
        (disk("i-1", "i-2"), {"i-1": "stopped", "i-2": "running"}, IN_SERVICE, ""),
        (disk("i-1", "i-2"), {"i-1": "stopped"}, IN_SERVICE, ""),
        (disk("i-1"), {}, IN_SERVICE, ""),
    ],
)
def test_a_disk_is_in_service_while_a_machine_that_uses_it_is_or_may_be(
    volume: Resource, machines: dict[str, str], meaning: Lifecycle, reason: str
) -> None:
    fleet = [machine(i, state) for i, state in machines.items()]
    (found,) = [r for r in link([volume, *fleet]) if r.kind == "ebs-volume"]
    assert (found.lifecycle, found.lifecycle_reason) == (meaning, reason)
    (again,) = [r for r in link([found, machine("i-1"), machine("i-2")]) if r.kind == "ebs-volume"]
    assert again.lifecycle is (LEAVING if volume.state == "detaching" else IN_SERVICE)


def test_the_tags_of_aws_tell_the_cluster_where_emr_was_not_read() -> None:
    tags = {
        ec2_instance.CLUSTER_TAG: "j-1",
        ec2_instance.ROLE_TAG: "CORE",
        ec2_instance.GROUP_TAG: "web",
    }
    (found,) = link([machine(tags=tags)])
    assert found.lifecycle is IN_SERVICE
    assert found.links == {"autoscaling-group": ("web",), "emr-cluster": ("j-1",)}
    assert ec2_instance.facts(found) == {"asg": "web", "emr_role": "core"}
    (gone,) = link([machine(tags=tags)], {Scope(ACCOUNT, REGION, "emr-cluster")})
    assert (gone.lifecycle, gone.lifecycle_reason) == (LEAVING, "emr-termination")


def test_a_task_without_an_interface_answers_at_the_address_of_its_machine() -> None:
    host = replace(machine("i-1"), addresses=("10.0.0.1", "fd00::1"))
    shared = resource("ecs-task", "t-1", links={"ec2-instance": ("i-1",)})
    own = resource("ecs-task", "t-2", addresses=("10.0.9.9",))
    stray = resource("ecs-task", "t-3", links={"ec2-instance": ("i-2",)})
    linked = link([host, shared, own, stray])
    assert {r.id: r.addresses for r in linked if r.kind == "ecs-task"} == {
        "t-1": host.addresses,
        "t-2": ("10.0.9.9",),
        "t-3": (),
    }
    moved = [replace(r, addresses=("10.0.0.2",)) if r.id == "i-1" else r for r in linked]
    assert next(r for r in link(moved) if r.id == "t-1").addresses == ("10.0.0.2",)


def test_a_load_balancer_knows_the_target_groups_behind_it() -> None:
    balancer = resource("load-balancer", "lb")
    target = resource("target-group", "tg", links={"load-balancer": (balancer.arn,)})
    linked = {r.id: r for r in link([balancer, target])}
    assert linked["lb"].links == {"target-group": (target.arn,)}


def test_links_that_hold_no_more_are_taken_away() -> None:
    before = link([machine(), group(i_1="Terminating")])
    assert next(r for r in before if r.id == "i-1").lifecycle is LEAVING
    (alone,) = link([r for r in before if r.kind == "ec2-instance"])
    assert alone.lifecycle is IN_SERVICE
    assert alone.links == {}


@given(st.permutations([machine("i-1"), machine("i-2", "stopped"), group(i_1="Pending", i_2="InService")]))
def test_order_does_not_matter_and_linking_twice_is_linking_once(resources: list[Resource]) -> None:
    once = link(resources)
    assert once == link(sorted(resources, key=lambda r: r.id)) == link(once)
