"""Machines know their groups and clusters, and whether they leave on purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac.kinds import autoscaling_group, ec2_instance
from mac.kinds.kind import Place
from mac.links import group_lifecycle, link
from mac.model import Lifecycle, Resource, Scope

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


def machine(identifier: str = "i-1", state: str = "running", **tags: str) -> Resource:
    return resource("ec2-instance", identifier, state=state, tags=tags)


def group(**states: str) -> Resource:
    instances = {name.replace("_", "-"): state for name, state in states.items()}
    raw = {
        "AutoScalingGroupARN": "arn:asg",
        "AutoScalingGroupName": "web",
        "MinSize": 0,
        "MaxSize": 9,
        "DesiredCapacity": 1,
        "Instances": [{"InstanceId": i, "LifecycleState": s} for i, s in instances.items()],
    }
    return autoscaling_group.transform(Place(ACCOUNT, REGION), raw)


def lifecycles(*resources: Resource) -> dict[str, Lifecycle]:
    return {r.id: r.lifecycle for r in link(resources) if r.kind == "ec2-instance"}


@pytest.mark.parametrize(
    ("state", "meaning"),
    [
        ("Pending", STARTING),
        ("Pending:Wait", STARTING),
        ("InService", IN_SERVICE),
        ("Terminating", LEAVING),
        ("Terminating:Wait", LEAVING),
        ("Terminated", LEAVING),
        ("EnteringStandby", STOPPED),
        ("Standby", STOPPED),
        ("Warmed:Running", STOPPED),
        ("Warmed:Terminating:Wait", STOPPED),
        ("Quarantined", IN_SERVICE),
        ("Detached", IN_SERVICE),
    ],
)
def test_a_groups_word_decides_whether_its_running_machine_should_answer(
    state: str, meaning: Lifecycle
) -> None:
    assert group_lifecycle(state) is meaning
    assert lifecycles(machine(), group(i_1=state)) == {"i-1": meaning}


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


def emr_group(**states: str) -> Resource:
    instances = {name.replace("_", "-"): state for name, state in states.items()}
    return resource(
        "emr-instance-group",
        "ig-1",
        links={"emr-cluster": ("j-1",), "ec2-instance": tuple(instances)},
        attributes={
            "emr_role": "core",
            "emr_cluster": "etl",
            "instance_states": {i: s for i, s in instances.items() if s != "RUNNING"},
        },
    )


def test_a_terminating_cluster_takes_its_machines_along() -> None:
    found = lifecycles(machine(), emr_group(i_1="RUNNING"), cluster("TERMINATING", LEAVING))
    assert found == {"i-1": LEAVING}


def test_a_bootstrapping_machine_is_not_expected_to_answer() -> None:
    parts = (emr_group(i_1="BOOTSTRAPPING", i_2="RUNNING"), cluster("RUNNING", IN_SERVICE))
    assert lifecycles(machine("i-1"), machine("i-2"), *parts) == {"i-1": STARTING, "i-2": IN_SERVICE}


def test_the_tags_of_aws_tell_the_cluster_where_emr_was_not_read() -> None:
    tags = {
        ec2_instance.CLUSTER_TAG: "j-1",
        ec2_instance.ROLE_TAG: "CORE",
        ec2_instance.GROUP_TAG: "web",
    }
    (found,) = link([machine(**tags)])
    assert found.lifecycle is IN_SERVICE
    assert found.links == {"autoscaling-group": ("web",), "emr-cluster": ("j-1",)}
    assert ec2_instance.facts(found) == {"asg": "web", "emr_role": "core"}
    (gone,) = link([machine(**tags)], {Scope(ACCOUNT, REGION, "emr-cluster")})
    assert gone.lifecycle is LEAVING


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
