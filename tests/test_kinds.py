"""The first kinds are read completely, over HTTP, with their tags, and keep no secret.

The others have modules of their own, `test_kinds_<group>.py`. Each names the kinds that it reads from an
embedded AWS (SERVED) and those that it reads from recorded answers (STUBBED).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from mac import iam
from mac.collect import collect
from mac.kinds import Kind, all_kinds, aws_kinds, elasticache_cluster, emr_cluster, emr_instance_group, names
from mac.kinds.kind import Gone, Place
from mac.model import Account, Lifecycle, Resource, ScopeState, Snapshot
from mac.snapshot import to_bytes
from tests import aws_fleet as fleet
from tests.recorded import Call, read

NOW = datetime(2096, 11, 23, 12, tzinfo=UTC)  # long after the embedded AWS launches anything
PLACE = Place("111122223333", "eu-west-1", "aws", ("eu-west-1",))
SERVED = (
    "autoscaling-group",
    "dynamodb-table",
    "ec2-instance",
    "elasticache-cluster",
    "emr-cluster",
    "emr-instance-group",
    "lambda-function",
    "load-balancer",
    "rds-instance",
    "s3-bucket",
    "sqs-queue",
    "target-group",
)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with fleet.serve() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def account(moto: str) -> Account:
    made = fleet.new_account()
    build(fleet.session(made), made.id)
    return made


def build(aws: boto3.Session, account: str) -> None:
    """More of everything than fits on one page of two."""
    instances = fleet.launch(aws, 4, **fleet.TAGS, Name="web")
    aws.client("ec2").terminate_instances(InstanceIds=instances[:1])
    aws.client("ec2").stop_instances(InstanceIds=instances[1:2])
    aws.client("ec2").run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1, InstanceMarketOptions={"MarketType": "spot"}
    )
    for number in range(3):
        _, target = fleet.balancer(aws, f"lb{number}", "network" if number == 2 else "application")
        fleet.group(aws, f"group{number}", 2, [target])
        fleet.cluster(aws, f"etl{number}")
        fleet.database(aws, f"db{number}")
        fleet.bucket(aws, f"bucket-{account}-{number}")
        fleet.queue(aws, f"queue{number}")
        fleet.table(aws, f"table{number}")
        fleet.function(aws, f"function{number}")
        fleet.cache(aws, f"cache{number}")
    fleet.bucket(aws, f"elsewhere-{account}", "us-east-1")
    fleet.bucket(aws, f"bare-{account}", tagged=False)
    fleet.database(aws, "graph", "neptune")


@pytest.fixture(scope="module")
def reading(account: Account) -> tuple[Snapshot, fleet.Watch]:
    """In pages of two. S3 by itself, since moto cuts the list of buckets and gives no token for the rest."""
    watch = fleet.Watch(page_size=2)
    paged = tuple(name for name in SERVED if name != "s3-bucket")
    first = collect(fleet.config(account, kinds=paged), Snapshot(), now=NOW, aws=watch.aws())
    watch.page_size = 0
    buckets = collect(fleet.config(account, kinds=("s3-bucket",)), Snapshot(), now=NOW, aws=watch.aws())
    scopes = tuple(sorted(first.scopes + buckets.scopes, key=lambda s: s.scope))
    resources = tuple(sorted(first.resources + buckets.resources, key=lambda r: r.sort_key))
    return Snapshot(scopes, resources), watch


def of_kind(snapshot: Snapshot, kind: str) -> list[Resource]:
    return [r for r in snapshot.resources if r.kind == kind]


def test_every_scope_is_complete(reading: tuple[Snapshot, fleet.Watch]) -> None:
    snapshot, _ = reading
    assert {s.scope.kind: (s.state, s.reason) for s in snapshot.scopes} == dict.fromkeys(
        SERVED, (ScopeState.COMPLETE, "")
    )


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("autoscaling-group", 3),
        ("dynamodb-table", 3),
        ("elasticache-cluster", 3),
        ("emr-cluster", 3),
        ("emr-instance-group", 6),
        ("lambda-function", 3),
        ("load-balancer", 3),
        ("rds-instance", 3),
        ("sqs-queue", 3),
        ("target-group", 3),
    ],
)
def test_all_pages_are_read_with_the_tags(
    reading: tuple[Snapshot, fleet.Watch], kind: str, count: int
) -> None:
    found = of_kind(reading[0], kind)
    assert len(found) == count
    assert [dict(r.tags) for r in found] == [fleet.TAGS] * count
    assert all(r.arn.startswith("arn:aws:") and r.region == fleet.REGION for r in found)


@pytest.mark.parametrize(
    "operation",
    [
        "DescribeInstances",
        "DescribeAutoScalingGroups",
        "DescribeLoadBalancers",
        "DescribeDBInstances",
        "DescribeCacheClusters",
        "ListTables",
        "ListQueues",
    ],
)
def test_the_lists_came_in_several_pages(reading: tuple[Snapshot, fleet.Watch], operation: str) -> None:
    assert reading[1].count(operation) > 1


def test_terminated_instances_are_left_out_and_stopped_ones_are_no_targets(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    web = [r for r in of_kind(reading[0], "ec2-instance") if r.name == "web"]
    assert sorted(r.lifecycle for r in web) == [
        Lifecycle.IN_SERVICE,
        Lifecycle.IN_SERVICE,
        Lifecycle.STOPPED,
    ]
    running = next(r for r in web if r.lifecycle is Lifecycle.IN_SERVICE)
    assert running.addresses
    assert running.attributes["zone"].startswith(fleet.REGION)
    assert running.launched.endswith("Z")
    assert running.tags["service"] == "shop"


def test_a_stopped_machine_says_why_and_a_spot_instance_was_asked_after(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    snapshot, watch = reading
    stopped = next(r for r in of_kind(snapshot, "ec2-instance") if r.lifecycle is Lifecycle.STOPPED)
    assert stopped.lifecycle_reason == "shutdown: Client.UserInitiatedShutdown"
    spot = [r for r in of_kind(snapshot, "ec2-instance") if r.attributes["market"] == "spot"]
    assert [r.lifecycle for r in spot] == [Lifecycle.IN_SERVICE]
    assert watch.count("DescribeSpotInstanceRequests") == 1


def test_machines_of_a_group_know_it_and_the_load_balancer_before_it(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    snapshot, _ = reading
    members = [
        r for r in of_kind(snapshot, "ec2-instance") if r.links.get("autoscaling-group") == ("group1",)
    ]
    assert len(members) == 2
    balancers = {r.arn: r for r in of_kind(snapshot, "load-balancer")}
    for member in members:
        (balancer,) = member.links["load-balancer"]
        assert balancers[balancer].name == "lb1"
        assert all_kinds()["ec2-instance"].facts(member)["asg"] == "group1"


def test_machines_of_a_cluster_know_their_role(reading: tuple[Snapshot, fleet.Watch]) -> None:
    snapshot, _ = reading
    facts = all_kinds()["ec2-instance"].facts
    roles = sorted(
        (facts(r)["emr_cluster"], facts(r)["emr_role"])
        for r in of_kind(snapshot, "ec2-instance")
        if r.links.get("emr-cluster")
    )
    assert roles == sorted((f"etl{n}", role) for n in range(3) for role in ("master", "core", "core"))


def test_neptune_and_documentdb_are_not_rds(reading: tuple[Snapshot, fleet.Watch]) -> None:
    assert [r.id for r in of_kind(reading[0], "rds-instance")] == ["db0", "db1", "db2"]
    documents = {"Engine": "docdb", "DBInstanceIdentifier": "d", "DBInstanceArn": "arn:d"}
    assert all_kinds()["rds-instance"].transform(PLACE, documents) is None


def test_buckets_have_their_own_region_and_only_declared_regions_count(
    account: Account, reading: tuple[Snapshot, fleet.Watch]
) -> None:
    found = {r.id: r for r in of_kind(reading[0], "s3-bucket")}
    assert sorted(found) == sorted([f"bare-{account.id}", *(f"bucket-{account.id}-{n}" for n in range(3))])
    assert {r.region for r in found.values()} == {fleet.REGION}
    assert found[f"bare-{account.id}"].tags == {}
    assert found[f"bucket-{account.id}-0"].tags == fleet.TAGS


def test_no_secret_is_kept(reading: tuple[Snapshot, fleet.Watch]) -> None:
    written = to_bytes(reading[0])
    assert b"hunter2" not in written
    assert b"PASSWORD" not in written.upper()


def test_reading_the_same_fleet_again_gives_the_same_bytes(
    account: Account, reading: tuple[Snapshot, fleet.Watch]
) -> None:
    again = collect(fleet.config(account, kinds=SERVED), reading[0], now=NOW, aws=fleet.Watch().aws())
    assert to_bytes(again) == to_bytes(reading[0])


@pytest.mark.parametrize(
    ("kind", "name", "dimensions"),
    [
        ("rds-instance", "db0", {"DBInstanceIdentifier": "db0"}),
        ("sqs-queue", "queue0", {"QueueName": "queue0"}),
        ("dynamodb-table", "table0", {"TableName": "table0"}),
        ("lambda-function", "function0", {"FunctionName": "function0"}),
        ("elasticache-cluster", "cache0", {"CacheClusterId": "cache0"}),
        ("autoscaling-group", "group0", {"AutoScalingGroupName": "group0"}),
    ],
)
def test_cloudwatch_knows_a_resource_by_its_name(
    reading: tuple[Snapshot, fleet.Watch], kind: str, name: str, dimensions: dict[str, str]
) -> None:
    resource = next(r for r in of_kind(reading[0], kind) if r.id == name)
    assert dict(all_kinds()[kind].dimensions(resource)) == dimensions


def test_cloudwatch_knows_balancers_and_target_groups_by_the_end_of_their_arn(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    kinds = all_kinds()
    balancer = next(r for r in of_kind(reading[0], "load-balancer") if r.id == "lb0")
    (pair,) = kinds["load-balancer"].dimensions(balancer)
    assert pair[0] == "LoadBalancer"
    assert pair[1].startswith("app/lb0/")
    assert balancer.arn.endswith(f":loadbalancer/{pair[1]}")
    target = next(r for r in of_kind(reading[0], "target-group") if r.id == "lb0")
    found = dict(kinds["target-group"].dimensions(target))
    assert found["TargetGroup"].startswith("targetgroup/lb0/")
    assert found["LoadBalancer"] == pair[1]
    network = next(r for r in of_kind(reading[0], "load-balancer") if r.id == "lb2")
    assert kinds["load-balancer"].facts(network)["type"] == "network"


def test_a_machine_in_standby_is_no_target_and_says_so_until_it_is_back(moto: str) -> None:
    account = fleet.new_account()
    aws = fleet.session(account)
    fleet.group(aws, "web", 2)
    scaling = aws.client("autoscaling")
    listed = scaling.describe_auto_scaling_instances()["AutoScalingInstances"]
    resting = listed[0]["InstanceId"]
    scaling.enter_standby(
        AutoScalingGroupName="web", InstanceIds=[resting], ShouldDecrementDesiredCapacity=True
    )
    config = fleet.config(account, kinds=("autoscaling-group", "ec2-instance"))
    before = collect(config, Snapshot(), now=NOW)
    assert {
        r.id: (r.lifecycle, r.lifecycle_reason) for r in of_kind(before, "ec2-instance") if r.id == resting
    } == {resting: (Lifecycle.STOPPED, "standby: Standby")}
    scaling.exit_standby(AutoScalingGroupName="web", InstanceIds=[resting])
    after = {r.id: r for r in collect(config, before, now=NOW).resources}
    assert (after[resting].lifecycle, after[resting].lifecycle_reason) == (Lifecycle.IN_SERVICE, "")


def test_a_queue_knows_its_dead_letter_queue(moto: str) -> None:
    account = fleet.new_account()
    aws = fleet.session(account)
    dead = fleet.queue(aws, "dead")
    fleet.queue(aws, "live", RedrivePolicy=f'{{"deadLetterTargetArn": "{dead}", "maxReceiveCount": "3"}}')
    found = collect(fleet.config(account, kinds=("sqs-queue",)), Snapshot(), now=NOW)
    assert {r.id: dict(r.links) for r in found.resources} == {
        "dead": {},
        "live": {"dead-letter-queue": (dead,)},
    }


def test_every_kind_is_read_by_a_test() -> None:
    modules = sorted(path.stem for path in Path(__file__).parent.glob("test_kinds*.py"))
    read: list[str] = []
    for module in modules:
        group = importlib.import_module(f"tests.{module}")
        for how in ("SERVED", "STUBBED", "LISTED", "TOLD"):
            read += getattr(group, how, ())
    assert sorted(read) == list(names())


def test_the_policy_allows_every_call_that_was_made(reading: tuple[Snapshot, fleet.Watch]) -> None:
    """And each kind declares what it calls: an undeclared call raises."""
    kinds = [all_kinds()[name] for name in SERVED]
    allowed = iam.policy(kinds)["Statement"][0]["Action"]
    declared = {call: action for kind in kinds for call, action in kind.calls.items()}
    made = {operation for _, operation, _ in reading[1].calls} - {"AssumeRole", "GetCallerIdentity"}
    assert {declared[operation] for operation in made} <= set(allowed)
    not_in_moto = {"DescribeWarmPool", "ListInstanceFleets"}
    assert made == set(declared) - not_in_moto


def test_the_policy_allows_nothing_but_reading() -> None:
    statement = iam.policy(all_kinds().values(), ["arn:aws:iam::1:role/b", "arn:aws:iam::1:role/a"])
    reading, limited, entering = statement["Statement"]
    # Every reading call of API Gateway has this one action: API keys are read by it as well.
    assert limited["Action"] == ["apigateway:GET"]
    assert limited["Resource"] == ["arn:*:apigateway:*::/apis", "arn:*:apigateway:*::/restapis"]
    assert reading["Resource"] == "*"
    verbs = {action.partition(":")[2] for action in reading["Action"]}
    assert all(verb.startswith(("Describe", "List", "Get")) for verb in verbs)
    assert "*" not in "".join(reading["Action"])
    assert {action.partition(":")[0] for action in reading["Action"]} >= {"elasticmapreduce", "s3"}
    assert entering["Resource"] == ["arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b"]
    (alone,) = iam.policy([all_kinds()["s3-bucket"]])["Statement"]
    assert "s3:ListAllMyBuckets" in alone["Action"]
    assert not any(action.startswith("rds:") for action in alone["Action"])


def test_the_calls_that_kinds_declare_exist_in_aws() -> None:
    core = boto3.Session()._session
    for kind in aws_kinds().values():
        assert set(kind.calls) <= set(core.get_service_model(kind.service).operation_names)


def test_the_states_that_kinds_know_are_those_of_aws() -> None:
    core = boto3.Session()._session
    for name, service, shape in [
        ("ec2-instance", "ec2", "InstanceStateName"),
        ("emr-cluster", "emr", "ClusterState"),
        ("emr-instance-group", "emr", "InstanceGroupState"),
        ("dynamodb-table", "dynamodb", "TableStatus"),
        ("load-balancer", "elbv2", "LoadBalancerStateEnum"),
    ]:
        known = set(core.get_service_model(service).shape_for(shape).enum)
        assert set(all_kinds()[name].states) <= known


def test_kinds_are_named_after_their_modules_and_sorted() -> None:
    kinds = all_kinds()
    assert list(kinds) == sorted(kinds) == list(names())
    assert all(isinstance(kind, Kind) and kind.name == name for name, kind in kinds.items())
    for kind in kinds.values():
        assert list(kind.fact_names) == sorted(kind.fact_names)


def test_instance_fleets_are_read_as_groups_from_all_their_pages() -> None:
    """moto has no instance fleets."""
    described = {
        "Id": "j-1",
        "Name": "etl",
        "Status": {"State": "RUNNING"},
        "InstanceCollectionType": "INSTANCE_FLEET",
        "ClusterArn": "arn:aws:elasticmapreduce:eu-west-1:111122223333:cluster/j-1",
        "Tags": fleet.PAIRS,
    }

    def instance(identifier: str, state: str) -> dict[str, object]:
        machine = {"Ec2InstanceId": identifier} if identifier else {}
        return {**machine, "InstanceFleetId": "if-1", "Status": {"State": state}, "Market": "SPOT"}

    types = [{"InstanceType": "m5.xlarge", "BidPrice": "1"}, {"InstanceType": "m4.xlarge"}]
    task = {
        "Id": "if-1",
        "Name": "burst",
        "InstanceFleetType": "TASK",
        "Status": {"State": "RESIZING"},
        "TargetOnDemandCapacity": 0,
        "TargetSpotCapacity": 8,
        "ProvisionedSpotCapacity": 3,
        "InstanceTypeSpecifications": types,
    }
    ended = {"Id": "if-2", "InstanceFleetType": "CORE", "Status": {"State": "TERMINATED"}}
    of_cluster = {"ClusterId": "j-1"}
    listed = {**of_cluster, "InstanceStates": list(emr_instance_group.LIVE)}
    calls = [
        Call("list_clusters", {"ClusterStates": list(emr_cluster.STATES)}, {"Clusters": [{"Id": "j-1"}]}),
        Call("describe_cluster", of_cluster, {"Cluster": described}),
        Call(
            "list_instances",
            listed,
            {"Instances": [instance("i-1", "RUNNING"), instance("", "AWAITING_FULFILLMENT")], "Marker": "m"},
        ),
        Call("list_instances", {**listed, "Marker": "m"}, {"Instances": [instance("i-2", "BOOTSTRAPPING")]}),
        Call("list_instance_fleets", of_cluster, {"InstanceFleets": [ended], "Marker": "m"}),
        Call("list_instance_fleets", {**of_cluster, "Marker": "m"}, {"InstanceFleets": [task]}),
    ]
    (found,) = read("emr-instance-group", calls)
    assert found.links == {"emr-cluster": ("j-1",), "ec2-instance": ("i-1", "i-2")}
    assert (found.name, found.state, found.lifecycle) == ("burst", "RESIZING", Lifecycle.IN_SERVICE)
    assert found.tags == fleet.TAGS
    assert found.attributes == {
        "emr_cluster": "etl",
        "emr_role": "task",
        "instance_types": ["m4.xlarge", "m5.xlarge"],
        "target_on_demand": 0,
        "target_spot": 8,
        "instance_states": {"i-2": "BOOTSTRAPPING"},
    }


def test_a_cache_that_is_being_made_does_not_spoil_the_others() -> None:
    asked: list[tuple[str, ...]] = []

    class Recorded:
        def pages(self, *_: object, **__: object) -> Iterator[object]:
            for name, status in [("new", "creating"), ("old", "available")]:
                yield {"CacheClusterId": name, "CacheClusterStatus": status, "ARN": f"arn:{name}"}

        def each(self, function, items):  # type: ignore[no-untyped-def]
            for item in items:
                try:
                    yield function(item)
                except Gone:
                    continue

        def call(self, operation: str, gone: tuple[str, ...], **parameters: object) -> dict[str, object]:
            asked.append(gone)
            if parameters["ResourceName"] == "arn:new" and "InvalidReplicationGroupState" in gone:
                raise Gone
            return {"TagList": []}

    found = list(elasticache_cluster.fetch(Recorded(), PLACE))  # type: ignore[arg-type]
    assert [raw["CacheClusterId"] for raw in found] == ["old"]
    assert "InvalidReplicationGroupState" not in asked[1]
