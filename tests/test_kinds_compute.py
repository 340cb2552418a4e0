"""Disks, gateways, containers, EMR Serverless and Batch: read from an embedded AWS, and from two pages of
recorded answers where the embedded one gives everything on one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto.moto_api import state_manager

from mac.answers import CallError
from mac.collect import collect
from mac.kinds import all_kinds, ebs_volume
from mac.model import Account, Lifecycle, Resource, ScopeState, Snapshot
from mac.snapshot import to_bytes
from tests import aws_fleet as fleet
from tests.recorded import ACCOUNT, PLACE, Call, read

SERVED = (
    "batch-queue",
    "ebs-volume",
    "ecs-cluster",
    "ecs-service",
    "ecs-task",
    "eks-cluster",
    "eks-nodegroup",
    "emr-serverless-application",
    "nat-gateway",
    "vpn-connection",
)

NOW = datetime(2096, 11, 23, 12, tzinfo=UTC)  # long after the embedded AWS launches anything
ROLE = "arn:aws:iam::111122223333:role/any"
LOWER = [{"key": k, "value": v} for k, v in fleet.TAGS.items()]
SECRET = "hunter2"


# --- over HTTP ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """moto moves a task one state on whenever it is described, unless it is told to wait."""
    with fleet.serve():
        state_manager.set_transition("ecs::task", {"progression": "manual", "times": 1_000_000})
        made = fleet.new_account()
        build(fleet.session(made))
        yield made
        state_manager.unset_transition("ecs::task")


def build(aws: boto3.Session) -> None:
    """Three of each kind, two of which are tagged."""
    network(aws.client("ec2"), fleet.subnets(aws)[0])
    containers(aws)
    kubernetes(aws)
    serverless = aws.client("emr-serverless")
    for number in range(3):
        serverless.create_application(
            name=f"spark{number}", releaseLabel="emr-6.9.0", type="SPARK", **tagged(number, fleet.TAGS)
        )
    queues(aws)


def tagged(number: int, tags: Any) -> dict[str, Any]:
    """The last one is left without tags."""
    return {"tags": tags} if number < 2 else {}


def network(ec2: Any, subnet: str) -> None:
    gateway = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.9", BgpAsn=65000)
    private = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    loose = ec2.create_volume(AvailabilityZone=f"{fleet.REGION}a", Size=1)
    assert loose["State"] == "available"
    for number in range(3):
        specification = lambda kind, n=number: (  # noqa: E731
            {"TagSpecifications": [{"ResourceType": kind, "Tags": fleet.PAIRS}]} if n < 2 else {}
        )
        instance = ec2.run_instances(
            ImageId="ami-12c6146b", MinCount=1, MaxCount=1, Placement={"AvailabilityZone": f"{fleet.REGION}a"}
        )["Instances"][0]["InstanceId"]
        volume = ec2.create_volume(
            AvailabilityZone=f"{fleet.REGION}a", Size=100, VolumeType="gp3", **specification("volume")
        )["VolumeId"]
        ec2.attach_volume(Device="/dev/sdf", InstanceId=instance, VolumeId=volume)
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        ec2.create_nat_gateway(AllocationId=address, SubnetId=subnet, **specification("natgateway"))
        ec2.create_vpn_connection(
            Type="ipsec.1",
            CustomerGatewayId=gateway["CustomerGateway"]["CustomerGatewayId"],
            VpnGatewayId=private,
            **specification("vpn-connection"),
        )


def containers(aws: boto3.Session) -> None:
    ecs = aws.client("ecs")
    definition = ecs.register_task_definition(
        family="shop",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[
            {
                "name": "web",
                "image": "web",
                "memory": 256,
                "environment": [{"name": "DB_PASSWORD", "value": SECRET}],
            }
        ],
    )["taskDefinition"]["taskDefinitionArn"]
    vpc = aws.client("ec2").create_security_group(GroupName="tasks", Description="tasks")["GroupId"]
    networking = {"awsvpcConfiguration": {"subnets": fleet.subnets(aws)[:1], "securityGroups": [vpc]}}
    for number in range(3):
        name = f"cluster{number}"
        ecs.create_cluster(clusterName=name, **tagged(number, LOWER))
        ecs.create_service(
            cluster=name,
            serviceName="web",
            taskDefinition=definition,
            desiredCount=0,
            launchType="FARGATE",
            networkConfiguration=networking,
            **tagged(number, LOWER),
        )
        ecs.run_task(
            cluster=name,
            taskDefinition=definition,
            launchType="FARGATE",
            group="service:web",
            networkConfiguration=networking,
            **tagged(number, LOWER),
        )

    shared_host(ecs, aws.client("ec2"))


def shared_host(ecs: Any, ec2: Any) -> None:
    """A cluster on an EC2 instance, with a task that answers at the instance's address."""
    instance = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ecs.create_cluster(clusterName="hosts")
    ecs.register_container_instance(
        cluster="hosts", instanceIdentityDocument=json.dumps({"instanceId": instance})
    )
    ecs.register_task_definition(
        family="agent",
        networkMode="host",
        containerDefinitions=[{"name": "agent", "image": "agent", "memory": 256, "cpu": 10}],
    )
    ecs.run_task(cluster="hosts", taskDefinition="agent", launchType="EC2")


def kubernetes(aws: boto3.Session) -> None:
    eks = aws.client("eks")
    subnets = fleet.subnets(aws)
    for number in range(3):
        name = f"k8s{number}"
        eks.create_cluster(
            name=name,
            roleArn=ROLE,
            resourcesVpcConfig={"subnetIds": subnets},
            **tagged(number, fleet.TAGS),
        )
        eks.create_nodegroup(
            clusterName=name,
            nodegroupName="workers",
            nodeRole=ROLE,
            subnets=subnets,
            scalingConfig={"minSize": 1, "maxSize": 3, "desiredSize": 2},
            **tagged(number, fleet.TAGS),
        )


def queues(aws: boto3.Session) -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = aws.client("iam").create_role(RoleName="batch", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    batch = aws.client("batch")
    environment = batch.create_compute_environment(
        computeEnvironmentName="fleet", type="UNMANAGED", state="ENABLED", serviceRole=role
    )["computeEnvironmentArn"]
    for number in range(3):
        batch.create_job_queue(
            jobQueueName=f"queue{number}",
            state="DISABLED" if number == 1 else "ENABLED",
            priority=number + 1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
            **tagged(number, fleet.TAGS),
        )


@pytest.fixture(scope="module")
def reading(account: Account) -> tuple[Snapshot, fleet.Watch]:
    """In pages of two. NAT gateways by themselves, since EC2 gives no less than five of them on a page."""
    watch = fleet.Watch(page_size=2)
    paged = tuple(name for name in SERVED if name != "nat-gateway")
    first = collect(fleet.config(account, kinds=paged), Snapshot(), now=NOW, aws=watch.aws())
    watch.page_size = 5
    gateways = collect(fleet.config(account, kinds=("nat-gateway",)), Snapshot(), now=NOW, aws=watch.aws())
    scopes = tuple(sorted(first.scopes + gateways.scopes, key=lambda s: s.scope))
    resources = tuple(sorted(first.resources + gateways.resources, key=lambda r: r.sort_key))
    return Snapshot(scopes, resources), watch


def of_kind(snapshot: Snapshot, kind: str) -> list[Resource]:
    return [r for r in snapshot.resources if r.kind == kind]


def test_every_scope_is_complete(reading: tuple[Snapshot, fleet.Watch]) -> None:
    assert {s.scope.kind: (s.state, s.reason) for s in reading[0].scopes} == dict.fromkeys(
        SERVED, (ScopeState.COMPLETE, "")
    )


@pytest.mark.parametrize("kind", SERVED)
def test_all_three_are_read_also_the_one_that_was_never_tagged(
    reading: tuple[Snapshot, fleet.Watch], kind: str
) -> None:
    found = of_kind(reading[0], kind)
    if kind == "ebs-volume":  # beside the instances' own disks
        found = [r for r in found if r.attributes["size_bytes"] == 100 * 1024**3]
    if kind == "ecs-cluster":  # beside the one of the compute environment of Batch
        found = [r for r in found if r.name.startswith("cluster")]
    if kind == "ecs-task":  # beside the one of a shared machine
        found = [r for r in found if r.name == "web"]
    assert sorted(dict(r.tags).get("service", "") for r in found) == ["", "shop", "shop"]
    assert {json.dumps(dict(r.tags), sort_keys=True) for r in found} == {
        json.dumps({}),
        json.dumps(fleet.TAGS, sort_keys=True),
    }
    assert all(r.arn.startswith("arn:aws:") and fleet.REGION in r.arn for r in found)
    assert len({r.id for r in found}) == 3


@pytest.mark.parametrize("operation", ["ListApplications", "ListNodegroups", "ListClusters"])
def test_the_lists_came_in_several_calls(reading: tuple[Snapshot, fleet.Watch], operation: str) -> None:
    assert reading[1].count(operation) > 1


def test_only_attached_disks_are_read_and_each_knows_its_instance(
    reading: tuple[Snapshot, fleet.Watch], account: Account
) -> None:
    ec2 = fleet.session(account).client("ec2")
    attached = {
        v["VolumeId"]: (v["Attachments"][0]["InstanceId"],)
        for v in ec2.describe_volumes()["Volumes"]
        if v["Attachments"]
    }
    assert {r.id: r.links["ec2-instance"] for r in of_kind(reading[0], "ebs-volume")} == attached
    assert len(ec2.describe_volumes()["Volumes"]) == len(attached) + 1


def test_a_task_knows_its_service_and_that_its_cluster_and_where_it_answers(
    reading: tuple[Snapshot, fleet.Watch], account: Account
) -> None:
    snapshot, _ = reading
    known = {r.id for r in snapshot.resources if r.kind in ("ecs-cluster", "ecs-service")}
    interfaces = fleet.session(account).client("ec2").describe_network_interfaces()["NetworkInterfaces"]
    addresses = {i["PrivateIpAddress"] for i in interfaces if i["Description"] == "moto ECS"}
    tasks = [r for r in of_kind(snapshot, "ecs-task") if r.name == "web"]
    assert {r.addresses for r in tasks} == {(a,) for a in addresses}
    for task in tasks:
        (cluster,) = task.links["ecs-cluster"]
        (service,) = task.links["ecs-service"]
        assert service == f"{cluster}/web"
        assert {cluster, service} <= known
        assert task.name == "web"
        assert task.attributes["family"] == "shop"
        assert (task.lifecycle, task.lifecycle_reason) == (Lifecycle.IN_SERVICE, "")
    services = {r.id: r for r in of_kind(snapshot, "ecs-service")}
    assert services["cluster1/web"].links == {"ecs-cluster": ("cluster1",)}
    assert dict(all_kinds()["ecs-service"].dimensions(services["cluster1/web"])) == {
        "ClusterName": "cluster1",
        "ServiceName": "web",
    }


def test_a_task_on_a_shared_machine_knows_it(reading: tuple[Snapshot, fleet.Watch], account: Account) -> None:
    (agent,) = [r for r in of_kind(reading[0], "ecs-task") if r.name == "agent"]
    kinds = ("ec2-instance", "ecs-task")
    both = collect(fleet.config(account, kinds=kinds), Snapshot(), now=NOW, aws=fleet.Watch().aws())
    machines = {r.id: r for r in of_kind(both, "ec2-instance")}
    (host,) = agent.links["ec2-instance"]
    (linked,) = [r for r in of_kind(both, "ecs-task") if r.id == agent.id]
    assert linked.addresses == machines[host].addresses != ()


def test_a_node_group_knows_its_cluster_and_its_autoscaling_group(
    reading: tuple[Snapshot, fleet.Watch], account: Account
) -> None:
    group = next(r for r in of_kind(reading[0], "eks-nodegroup") if r.id == "k8s1/workers")
    told = (
        fleet.session(account)
        .client("eks")
        .describe_nodegroup(clusterName="k8s1", nodegroupName="workers")["nodegroup"]["resources"][
            "autoScalingGroups"
        ][0]["name"]
    )
    assert group.links == {"eks-cluster": ("k8s1",), "autoscaling-group": (told,)}
    assert group.attributes["desired"] == 2


def test_a_queue_that_its_owner_disabled_is_not_in_service(reading: tuple[Snapshot, fleet.Watch]) -> None:
    found = {r.id: r.lifecycle for r in of_kind(reading[0], "batch-queue")}
    assert found == {
        "queue0": Lifecycle.IN_SERVICE,
        "queue1": Lifecycle.STOPPED,
        "queue2": Lifecycle.IN_SERVICE,
    }


def test_no_secret_is_kept(reading: tuple[Snapshot, fleet.Watch], account: Account) -> None:
    """moto makes up the tunnels' keys, inside the customer gateway's configuration."""
    connections = fleet.session(account).client("ec2").describe_vpn_connections()["VpnConnections"]
    assert "pre_shared_key" in connections[0]["CustomerGatewayConfiguration"]
    written = to_bytes(reading[0])
    assert SECRET.encode() not in written
    assert b"SHARED" not in written.upper()
    assert b"PASSWORD" not in written.upper()


def test_reading_the_same_again_gives_the_same_bytes(
    account: Account, reading: tuple[Snapshot, fleet.Watch]
) -> None:
    again = collect(fleet.config(account, kinds=SERVED), reading[0], now=NOW, aws=fleet.Watch().aws())
    assert to_bytes(again) == to_bytes(reading[0])


def test_these_kinds_make_all_the_calls_that_they_declare(reading: tuple[Snapshot, fleet.Watch]) -> None:
    made = {operation for _, operation, _ in reading[1].calls} - {"AssumeRole", "GetCallerIdentity"}
    assert made == {call for name in SERVED for call in all_kinds()[name].calls}


@pytest.mark.parametrize(
    ("kind", "namespace", "names"),
    [
        ("ebs-volume", "AWS/EBS", {"VolumeId"}),
        ("nat-gateway", "AWS/NATGateway", {"NatGatewayId"}),
        ("vpn-connection", "AWS/VPN", {"VpnId"}),
        ("emr-serverless-application", "AWS/EMRServerless", {"ApplicationId"}),
        ("ecs-cluster", "AWS/ECS", {"ClusterName"}),
        ("ecs-service", "AWS/ECS", {"ClusterName", "ServiceName"}),
        ("eks-cluster", "AWS/EKS", {"ClusterName"}),
        ("batch-queue", "AWS/Batch", {"JobQueueName"}),
    ],
)
def test_cloudwatch_knows_them_by_the_exporters_names(
    reading: tuple[Snapshot, fleet.Watch], kind: str, namespace: str, names: set[str]
) -> None:
    declared = all_kinds()[kind]
    resource = of_kind(reading[0], kind)[0]
    assert namespace in declared.namespaces
    pairs = dict(declared.dimensions(resource))
    assert set(pairs) == names
    assert all(value and value in resource.arn for value in pairs.values())


def test_the_states_that_kinds_know_are_those_of_aws() -> None:
    core = boto3.Session()._session
    for name, service, shape in [
        ("ebs-volume", "ec2", "VolumeAttachmentState"),
        ("nat-gateway", "ec2", "NatGatewayState"),
        ("vpn-connection", "ec2", "VpnState"),
        ("emr-serverless-application", "emr-serverless", "ApplicationState"),
        ("eks-cluster", "eks", "ClusterStatus"),
        ("eks-nodegroup", "eks", "NodegroupStatus"),
        ("batch-queue", "batch", "JQStatus"),
    ]:
        known = set(core.get_service_model(service).shape_for(shape).enum)
        assert set(all_kinds()[name].states) - {"DISABLED"} <= known, name


# --- two pages of recorded answers -------------------------------------------------------------------

MADE = datetime(2026, 11, 1, tzinfo=UTC)
EC2 = f"arn:aws:ec2:{fleet.REGION}:{ACCOUNT}"
ECS = f"arn:aws:ecs:{fleet.REGION}:{ACCOUNT}"
CLUSTER = f"{ECS}:cluster/main"


def volume(number: int, state: str = "attached", **more: Any) -> dict[str, Any]:
    attachment = {"InstanceId": f"i-{number}", "State": state, "Device": "/dev/sdf"}
    return {"VolumeId": f"vol-{number}", "State": "in-use", "Attachments": [attachment], **more}


def test_disks_come_in_pages() -> None:
    asked = {"Filters": [{"Name": "status", "Values": ["in-use"]}], "MaxResults": 1000}
    calls = [
        Call(
            "describe_volumes", asked, {"Volumes": [volume(1), volume(2, "detaching")], "NextToken": "more"}
        ),
        Call("describe_volumes", {**asked, "NextToken": "more"}, {"Volumes": [volume(3, "attaching")]}),
    ]
    assert {r.id: (r.lifecycle, r.arn) for r in read("ebs-volume", calls)} == {
        "vol-1": (Lifecycle.IN_SERVICE, f"{EC2}:volume/vol-1"),
        "vol-2": (Lifecycle.LEAVING, f"{EC2}:volume/vol-2"),
        "vol-3": (Lifecycle.STARTING, f"{EC2}:volume/vol-3"),
    }


def test_a_disk_of_two_instances_is_in_service_while_it_is_so_for_one() -> None:
    attachments = [{"InstanceId": "i-2", "State": "attached"}, {"InstanceId": "i-1", "State": "detaching"}]
    shared = ebs_volume.transform(PLACE, {**volume(1), "Attachments": attachments})
    assert shared is not None
    assert (shared.lifecycle, shared.links) == (Lifecycle.IN_SERVICE, {"ec2-instance": ("i-1", "i-2")})
    assert ebs_volume.transform(PLACE, {**volume(1), "Attachments": []}) is None


def test_gateways_come_in_pages_and_deleted_ones_are_left_out() -> None:
    def gateway(number: int, state: str, *addresses: dict[str, Any]) -> dict[str, Any]:
        return {"NatGatewayId": f"nat-{number}", "State": state, "NatGatewayAddresses": list(addresses)}

    primary = {"PrivateIp": "10.0.0.9", "PublicIp": "203.0.113.1", "IsPrimary": True}
    other = {"PrivateIp": "10.0.0.2", "PublicIp": "203.0.113.2", "IsPrimary": False}
    calls = [
        Call(
            "describe_nat_gateways",
            {"MaxResults": 1000},
            {
                "NatGateways": [gateway(1, "available", other, primary), gateway(2, "deleted")],
                "NextToken": "n",
            },
        ),
        Call(
            "describe_nat_gateways",
            {"MaxResults": 1000, "NextToken": "n"},
            {"NatGateways": [gateway(3, "failed"), gateway(4, "deleting")]},
        ),
    ]
    found = {r.id: r for r in read("nat-gateway", calls)}
    assert {i: r.lifecycle for i, r in found.items()} == {
        "nat-1": Lifecycle.IN_SERVICE,
        "nat-3": Lifecycle.STOPPED,
        "nat-4": Lifecycle.LEAVING,
    }
    assert found["nat-1"].addresses == ("10.0.0.9", "10.0.0.2")


def test_no_key_of_a_tunnel_is_kept_and_no_time_that_changes() -> None:
    answer = {
        "VpnConnections": [
            {
                "VpnConnectionId": "vpn-1",
                "State": "available",
                "CustomerGatewayConfiguration": f"<pre_shared_key>{SECRET}</pre_shared_key>",
                "TransitGatewayId": "tgw-1",
                "Options": {
                    "StaticRoutesOnly": False,
                    "TunnelOptions": [{"OutsideIpAddress": "203.0.113.1", "PreSharedKey": SECRET}],
                },
                "VgwTelemetry": [
                    {"OutsideIpAddress": "203.0.113.2", "Status": "DOWN", "LastStatusChange": NOW},
                    {"OutsideIpAddress": "203.0.113.1", "Status": "UP", "AcceptedRouteCount": 7},
                ],
            },
            {"VpnConnectionId": "vpn-2", "State": "deleted"},
        ]
    }
    (found,) = read("vpn-connection", [Call("describe_vpn_connections", {}, answer)])
    assert found.addresses == ("203.0.113.1", "203.0.113.2")
    assert found.attributes == {"transit_gateway": "tgw-1", "static_routes": False}


def application(number: int, state: str = "STARTED", **more: Any) -> dict[str, Any]:
    return {
        "id": f"app{number}",
        "arn": f"arn:aws:emr-serverless:{fleet.REGION}:{ACCOUNT}:/applications/app{number}",
        "releaseLabel": "emr-7.1.0",
        "type": "Spark",
        "state": state,
        "createdAt": MADE,
        "updatedAt": NOW,
        **more,
    }


def test_serverless_applications_come_in_pages_and_one_may_go_meanwhile() -> None:
    live = ["CREATING", "CREATED", "STARTING", "STARTED", "STOPPING", "STOPPED"]
    asked = {"maxResults": 50, "states": live}
    configuration = [{"classification": "spark-defaults", "properties": {"spark.password": SECRET}}]

    def described(number: int, state: str) -> dict[str, Any]:
        full = application(number, state, tags=fleet.TAGS, runtimeConfiguration=configuration)
        identifier = full.pop("id")
        return {"application": {**full, "applicationId": identifier}}

    calls = [
        Call(
            "list_applications", asked, {"applications": [application(1), application(2)], "nextToken": "n"}
        ),
        Call("list_applications", {**asked, "nextToken": "n"}, {"applications": [application(3)]}),
        Call("get_application", {"applicationId": "app1"}, described(1, "STARTED")),
        Call("get_application", {"applicationId": "app2"}, error="ResourceNotFoundException"),
        Call("get_application", {"applicationId": "app3"}, described(3, "TERMINATED")),
    ]
    (found,) = read("emr-serverless-application", calls)
    assert (found.id, found.tags, found.launched) == ("app1", fleet.TAGS, "2026-11-01T00:00:00Z")
    assert SECRET not in str(found)
    assert all_kinds()[found.kind].facts(found) == {"engine": "spark", "release": "emr-7.1.0"}


@pytest.mark.parametrize(
    ("release", "names"),
    [
        ("emr-6.15.0", {"ApplicationId"}),
        ("emr-7.9.0", {"ApplicationId"}),
        ("emr-7.10.0", {"ApplicationId", "ApplicationName"}),
        ("emr-8.0.0-latest", {"ApplicationId", "ApplicationName"}),
        ("emr-spark-8.0-preview", {"ApplicationId", "ApplicationName"}),
    ],
)
def test_newer_serverless_applications_are_known_by_their_name_too(release: str, names: set[str]) -> None:
    kind = all_kinds()["emr-serverless-application"]
    raw = {**application(1, name="nightly", releaseLabel=release), "applicationId": "app1"}
    found = kind.transform(PLACE, raw)
    assert found is not None
    assert {name for name, _ in kind.dimensions(found)} == names


def two_pages(operation: str, key: str, first: list[str], second: list[str], **asked: Any) -> list[Call]:
    asked = {"maxResults": 100, **asked}
    return [
        Call(operation, asked, {key: first, "nextToken": "n"}),
        Call(operation, {**asked, "nextToken": "n"}, {key: second}),
    ]


def test_clusters_come_in_pages_and_are_described_a_hundred_at_a_time() -> None:
    arns = [f"{ECS}:cluster/c{number:03}" for number in range(150)]

    def described(of: list[str]) -> dict[str, Any]:
        clusters = [
            {"clusterArn": a, "clusterName": a.rpartition("/")[2], "status": "ACTIVE", "tags": LOWER}
            for a in of
        ]
        return {"clusters": clusters}

    gone = {"failures": [{"arn": arns[149], "reason": "MISSING"}]}
    calls = [
        *two_pages("list_clusters", "clusterArns", arns[:100], arns[100:]),
        Call("describe_clusters", {"clusters": arns[:100], "include": ["TAGS"]}, described(arns[:100])),
        Call(
            "describe_clusters",
            {"clusters": arns[100:], "include": ["TAGS"]},
            described(arns[100:149]) | gone,
        ),
    ]
    found = read("ecs-cluster", calls)
    assert [r.arn for r in found] == arns[:149]
    assert all(r.tags == fleet.TAGS for r in found)


def test_a_batch_that_was_answered_in_part_fails_the_scope() -> None:
    calls = [
        Call("list_clusters", {"maxResults": 100}, {"clusterArns": [CLUSTER]}),
        Call(
            "describe_clusters",
            {"clusters": [CLUSTER], "include": ["TAGS"]},
            {"clusters": [], "failures": [{"arn": CLUSTER, "reason": "INTERNAL", "detail": "later"}]},
        ),
    ]
    with pytest.raises(CallError, match="DescribeClusters: INTERNAL: later"):
        read("ecs-cluster", calls)


def test_services_are_listed_by_cluster_in_pages_and_described_ten_at_a_time() -> None:
    arns = [f"{ECS}:service/main/s{number:02}" for number in range(12)]
    target = f"arn:aws:elasticloadbalancing:{fleet.REGION}:{ACCOUNT}:targetgroup/web/1"

    def described(of: list[str], status: str = "ACTIVE") -> dict[str, Any]:
        services = [
            {
                "serviceArn": arn,
                "serviceName": arn.rpartition("/")[2],
                "clusterArn": CLUSTER,
                "status": status,
                "desiredCount": 0,
                "runningCount": 3,
                "loadBalancers": [{"targetGroupArn": target, "containerName": "web", "containerPort": 80}],
                "tags": LOWER,
            }
            for arn in of
        ]
        return {"services": services}

    ended = f"{ECS}:cluster/ended"
    calls = [
        Call("list_clusters", {"maxResults": 100}, {"clusterArns": [CLUSTER, ended]}),
        *two_pages("list_services", "serviceArns", arns[:11], arns[11:], cluster=CLUSTER),
        Call("list_services", {"maxResults": 100, "cluster": ended}, error="ClusterNotFoundException"),
        Call(
            "describe_services",
            {"cluster": CLUSTER, "services": arns[:10], "include": ["TAGS"]},
            described(arns[:10]),
        ),
        Call(
            "describe_services",
            {"cluster": CLUSTER, "services": arns[10:], "include": ["TAGS"]},
            {
                "services": [
                    *described(arns[10:11])["services"],
                    *described(arns[11:], "INACTIVE")["services"],
                ]
            },
        ),
    ]
    found = read("ecs-service", calls)
    assert [r.id for r in found] == [f"main/s{number:02}" for number in range(11)]
    assert found[0].links == {"ecs-cluster": ("main",), "target-group": (target,)}
    assert found[0].attributes["desired"] == 0


def task(number: int, state: str = "RUNNING", **more: Any) -> dict[str, Any]:
    details = {"networkInterfaceId": "eni-1", "privateIPv4Address": f"10.0.0.{number}"}
    return {
        "taskArn": f"{ECS}:task/main/t{number}",
        "clusterArn": CLUSTER,
        "lastStatus": state,
        "desiredStatus": "RUNNING",
        "group": "service:web",
        "taskDefinitionArn": f"{ECS}:task-definition/shop:7",
        "overrides": {"containerOverrides": [{"environment": [{"name": "TOKEN", "value": SECRET}]}]},
        "attachments": [
            {
                "type": "ElasticNetworkInterface",
                "status": "ATTACHED",
                "details": [{"name": k, "value": v} for k, v in details.items()],
            },
            {"type": "AmazonElasticBlockStorage", "details": [{"name": "privateIPv4Address", "value": "no"}]},
        ],
        "tags": LOWER,
        **more,
    }


def tasks(*described: dict[str, Any]) -> dict[str, Resource]:
    arns = [t["taskArn"] for t in described]
    calls = [
        Call("list_clusters", {"maxResults": 100}, {"clusterArns": [CLUSTER]}),
        *two_pages("list_tasks", "taskArns", arns[:1], arns[1:], cluster=CLUSTER, desiredStatus="RUNNING"),
        Call(
            "describe_tasks",
            {"cluster": CLUSTER, "tasks": arns, "include": ["TAGS"]},
            {"tasks": list(described)},
        ),
    ]
    return {r.id: r for r in read("ecs-task", calls)}


def test_only_a_task_that_runs_and_should_is_in_service_and_the_others_say_why() -> None:
    found = tasks(
        task(1),
        task(2, "PENDING"),
        task(3, desiredStatus="STOPPED", stopCode="SpotInterruption"),
        task(4, "DEACTIVATING", desiredStatus="STOPPED", stopCode="ServiceSchedulerInitiated"),
        task(5, "STOPPING", desiredStatus="STOPPED", stopCode="EssentialContainerExited"),
        task(6, "DEPROVISIONING", desiredStatus="STOPPED"),
        task(7, "STOPPED", desiredStatus="STOPPED", stopCode="UserInitiated"),
    )
    assert {i: (r.lifecycle.value, r.lifecycle_reason) for i, r in found.items()} == {
        "t1": ("in-service", ""),
        "t2": ("starting", "launch: PENDING"),
        "t3": ("leaving", "spot-interruption: SpotInterruption"),
        "t4": ("leaving", "scale-in: ServiceSchedulerInitiated"),
        "t5": ("leaving", "failure: EssentialContainerExited"),
        "t6": ("leaving", "shutdown: DEPROVISIONING"),
    }
    assert found["t1"].addresses == ("10.0.0.1",)
    assert found["t1"].links == {"ecs-cluster": ("main",), "ecs-service": ("main/web",)}
    assert SECRET not in str(found)


def test_a_task_of_no_service_is_named_after_its_family_and_one_without_interface_has_no_address() -> None:
    found = tasks(task(1, group="family:shop", attachments=[], launchType="EC2"), task(2))
    assert found["t1"].links == {"ecs-cluster": ("main",)}
    assert (found["t1"].name, found["t1"].addresses) == ("shop", ())
    assert all_kinds()["ecs-task"].facts(found["t1"]) == {
        "ecs_cluster": "main",
        "family": "shop",
        "launch_type": "ec2",
    }


def test_a_task_that_shares_its_machines_address_is_linked_to_the_machine() -> None:
    host = f"{ECS}:container-instance/main/h1"
    bindings = [
        {"bindIP": "0.0.0.0", "containerPort": 8080, "hostPort": 32768, "protocol": "tcp"},
        {"bindIP": "0.0.0.0", "containerPort": 8125, "hostPort": 32769, "protocol": "udp"},
    ]
    shared = {"attachments": [], "containerInstanceArn": host, "launchType": "EC2"}
    described = [
        task(1, **shared, containers=[{"name": "web", "networkBindings": bindings}]),
        task(2, **shared),
        task(3, containerInstanceArn=host),  # it has an interface of its own
    ]
    arns = [t["taskArn"] for t in described]
    asked = {"cluster": CLUSTER, "containerInstances": [host]}
    answer = {"containerInstances": [{"containerInstanceArn": host, "ec2InstanceId": "i-1"}]}
    calls = [
        Call("list_clusters", {"maxResults": 100}, {"clusterArns": [CLUSTER]}),
        Call(
            "list_tasks",
            {"maxResults": 100, "cluster": CLUSTER, "desiredStatus": "RUNNING"},
            {"taskArns": arns},
        ),
        Call(
            "describe_tasks", {"cluster": CLUSTER, "tasks": arns, "include": ["TAGS"]}, {"tasks": described}
        ),
    ]
    found = {r.id: r for r in read("ecs-task", [*calls, Call("describe_container_instances", asked, answer)])}
    assert {i: r.links.get("ec2-instance") for i, r in found.items()} == {
        "t1": ("i-1",),
        "t2": ("i-1",),
        "t3": None,
    }
    assert found["t1"].attributes["host_ports"] == {"8080": 32768}
    assert found["t3"].addresses == ("10.0.0.3",)
    # The machine was taken out of the cluster meanwhile: its tasks are there, and lead nowhere.
    gone = Call("describe_container_instances", asked, {"failures": [{"arn": host, "reason": "MISSING"}]})
    assert {r.id: r.links.get("ec2-instance") for r in read("ecs-task", [*calls, gone])} == dict.fromkeys(
        ["t1", "t2", "t3"]
    )


def test_kubernetes_clusters_and_node_groups_come_in_pages() -> None:
    def cluster(name: str) -> dict[str, Any]:
        described = {
            "name": name,
            "arn": f"arn:aws:eks:{fleet.REGION}:{ACCOUNT}:cluster/{name}",
            "status": "ACTIVE",
            "endpoint": "https://ABC.gr7.eu-west-1.eks.amazonaws.com",
            "certificateAuthority": {"data": SECRET},
            "tags": fleet.TAGS,
        }
        return {"cluster": described}

    listed = two_pages("list_clusters", "clusters", ["a", "gone"], ["b"])
    found = read(
        "eks-cluster",
        [
            *listed,
            Call("describe_cluster", {"name": "a"}, cluster("a")),
            Call("describe_cluster", {"name": "gone"}, error="ResourceNotFoundException"),
            Call("describe_cluster", {"name": "b"}, cluster("b")),
        ],
    )
    assert [r.id for r in found] == ["a", "b"]
    assert found[0].addresses == ("abc.gr7.eu-west-1.eks.amazonaws.com",)
    assert SECRET not in str(found)

    def group(cluster: str, name: str, status: str = "ACTIVE") -> Call:
        described = {
            "nodegroupName": name,
            "nodegroupArn": f"arn:aws:eks:{fleet.REGION}:{ACCOUNT}:nodegroup/{cluster}/{name}/1",
            "clusterName": cluster,
            "status": status,
            "resources": {"autoScalingGroups": [{"name": f"eks-{cluster}-{name}"}]},
            "scalingConfig": {"minSize": 0, "maxSize": 3, "desiredSize": 0},
        }
        asked = {"clusterName": cluster, "nodegroupName": name}
        return Call("describe_nodegroup", asked, {"nodegroup": described})

    groups = read(
        "eks-nodegroup",
        [
            *listed,
            *two_pages("list_nodegroups", "nodegroups", ["x"], ["y"], clusterName="a"),
            Call(
                "list_nodegroups",
                {"maxResults": 100, "clusterName": "gone"},
                error="ResourceNotFoundException",
            ),
            Call("list_nodegroups", {"maxResults": 100, "clusterName": "b"}, {"nodegroups": ["x"]}),
            group("a", "x"),
            group("a", "y", "DEGRADED"),
            group("b", "x", "CREATE_FAILED"),
        ],
    )
    assert {r.id: r.lifecycle for r in groups} == {
        "a/x": Lifecycle.IN_SERVICE,
        "a/y": Lifecycle.IN_SERVICE,
        "b/x": Lifecycle.STOPPED,
    }
    assert groups[0].attributes["desired"] == 0


def test_queues_come_in_pages_and_deleted_ones_are_left_out() -> None:
    def queue(name: str, status: str, state: str = "ENABLED") -> dict[str, Any]:
        return {
            "jobQueueName": name,
            "jobQueueArn": f"arn:aws:batch:{fleet.REGION}:{ACCOUNT}:job-queue/{name}",
            "state": state,
            "status": status,
            "priority": 1,
            "computeEnvironmentOrder": [
                {"order": 2, "computeEnvironment": "second"},
                {"order": 1, "computeEnvironment": "first"},
            ],
        }

    calls = [
        Call(
            "describe_job_queues",
            {"maxResults": 100},
            {"jobQueues": [queue("a", "VALID"), queue("b", "DELETED")], "nextToken": "n"},
        ),
        Call(
            "describe_job_queues",
            {"maxResults": 100, "nextToken": "n"},
            {"jobQueues": [queue("c", "INVALID"), queue("d", "DELETING", "DISABLED")]},
        ),
    ]
    found = {r.id: r for r in read("batch-queue", calls)}
    assert {i: r.lifecycle for i, r in found.items()} == {
        "a": Lifecycle.IN_SERVICE,
        "c": Lifecycle.IN_SERVICE,
        "d": Lifecycle.LEAVING,
    }
    assert found["a"].attributes["compute_environments"] == ["first", "second"]


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("ebs-volume", "DescribeVolumes"),
        ("nat-gateway", "DescribeNatGateways"),
        ("vpn-connection", "DescribeVpnConnections"),
        ("emr-serverless-application", "GetApplication"),
        ("ecs-cluster", "DescribeClusters"),
        ("ecs-service", "DescribeServices"),
        ("ecs-task", "DescribeTasks"),
        ("eks-cluster", "DescribeCluster"),
        ("eks-nodegroup", "DescribeNodegroup"),
        ("batch-queue", "DescribeJobQueues"),
    ],
)
def test_a_refused_call_leaves_what_was_known(
    reading: tuple[Snapshot, fleet.Watch], account: Account, kind: str, operation: str
) -> None:
    """Of the calls that tell the tags: without them nothing is told."""
    refused = fleet.refusal("UnauthorizedOperation")
    if all_kinds()[kind].service != "ec2":
        refused = fleet.json_refusal("AccessDeniedException", status=403)
    watch = fleet.Watch(faults={(operation, ""): refused})
    found = collect(fleet.config(account, kinds=(kind,)), reading[0], now=NOW, aws=watch.aws())
    assert watch.count(operation) >= 1
    assert [s.state for s in found.scopes] == [ScopeState.DENIED]
    assert list(found.resources) == of_kind(reading[0], kind)
