"""Kinds of messaging, streaming and data processing: topics, streams, brokers, workflows, jobs, catalogs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from mac import iam, regions
from mac.answers import CallError
from mac.collect import collect
from mac.kinds import all_kinds
from mac.model import Account, Lifecycle, Resource, ScopeState, Snapshot
from mac.snapshot import to_bytes
from tests import aws_fleet as fleet
from tests.recorded import ACCOUNT, PLACE, Call, read

NOW = datetime(2096, 11, 23, 12, tzinfo=UTC)  # long after the embedded AWS launches anything
MADE = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)

SERVED = (
    "athena-workgroup",
    "dms-task",
    "firehose-stream",
    "glue-database",
    "glue-job",
    "kinesis-stream",
    "mq-broker",
    "msk-cluster",
    "sns-topic",
    "state-machine",
)
STUBBED = ("mwaa-environment",)

# moto cuts these lists at the size of a page, and gives no token for the rest.
CUT = ("dms-task",)
# What moto is never asked: brokers are listed only where they let themselves be scraped.
NOT_SERVED = {"ListNodes"}


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
    """Three of each, one of them never tagged."""
    for number in range(3):
        pairs = fleet.PAIRS if number else []
        tags = fleet.TAGS if number else {}
        topics(aws, f"topic{number}", pairs)
        streams(aws, number, tags)
        clusters(aws, number, tags)
        workflows(aws, account, number, pairs)
        catalogs(aws, account, number, tags)
        task(aws, number, pairs)


def topics(aws: boto3.Session, name: str, pairs: list[dict[str, str]]) -> None:
    fifo = {"Attributes": {"FifoTopic": "true"}} if name == "topic2" else {}
    aws.client("sns").create_topic(Name=f"{name}.fifo" if fifo else name, Tags=pairs, **fifo)


def streams(aws: boto3.Session, number: int, tags: dict[str, str]) -> None:
    kinesis, firehose = aws.client("kinesis"), aws.client("firehose")
    name = f"stream{number}"
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    if tags:
        kinesis.add_tags_to_stream(StreamName=name, Tags=tags)
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    backup = {"RoleARN": "arn:aws:iam::123456789012:role/r", "BucketARN": "arn:aws:s3:::backup"}
    endpoint = {
        "EndpointConfiguration": {"Url": "https://collector.example", "AccessKey": "hunter2"},
        "S3Configuration": backup,
    }
    source: dict[str, Any] = {"DeliveryStreamType": "DirectPut"}
    if number == 1:
        source = {
            "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": {"KinesisStreamARN": arn, "RoleARN": backup["RoleARN"]},
        }
    destination = (
        {"HttpEndpointDestinationConfiguration": endpoint}
        if number == 2
        else {"ExtendedS3DestinationConfiguration": backup}
    )
    firehose.create_delivery_stream(
        DeliveryStreamName=f"delivery{number}",
        **source,
        **destination,
        **({"Tags": fleet.PAIRS} if tags else {}),
    )


def clusters(aws: boto3.Session, number: int, tags: dict[str, str]) -> None:
    aws.client("kafka").create_cluster_v2(
        ClusterName=f"kafka{number}",
        Tags=tags,
        Provisioned={
            "BrokerNodeGroupInfo": {"ClientSubnets": ["subnet-1"], "InstanceType": "kafka.m5.large"},
            "KafkaVersion": "3.6.0",
            "NumberOfBrokerNodes": 3,
        },
    )
    engine = "RABBITMQ" if number == 2 else "ACTIVEMQ"
    aws.client("mq").create_broker(
        BrokerName=f"broker{number}",
        DeploymentMode="SINGLE_INSTANCE",
        EngineType=engine,
        EngineVersion="3.13" if number == 2 else "5.18",
        HostInstanceType="mq.m5.large",
        AutoMinorVersionUpgrade=True,
        PubliclyAccessible=False,
        Users=[{"Username": "root", "Password": "hunter2hunter2"}],
        Tags=tags,
    )


def workflows(aws: boto3.Session, account: str, number: int, pairs: list[dict[str, str]]) -> None:
    definition = {"StartAt": "a", "States": {"a": {"Type": "Pass", "Result": "hunter2", "End": True}}}
    aws.client("stepfunctions").create_state_machine(
        name=f"machine{number}",
        definition=json.dumps(definition),
        roleArn=f"arn:aws:iam::{account}:role/states",
        type="EXPRESS" if number == 2 else "STANDARD",
        tags=[{"key": pair["Key"], "value": pair["Value"]} for pair in pairs],
    )
    athena = aws.client("athena")
    # moto refuses to tell the tags of what has none, which AWS does not: every workgroup has one here.
    own = [*pairs, {"Key": "number", "Value": str(number)}]
    athena.create_work_group(Name=f"group{number}", Configuration={}, Tags=own)
    primary = f"arn:aws:athena:{fleet.REGION}:{account}:workgroup/primary"
    athena.tag_resource(ResourceARN=primary, Tags=[{"Key": "number", "Value": "none"}])


def catalogs(aws: boto3.Session, account: str, number: int, tags: dict[str, str]) -> None:
    glue = aws.client("glue")
    glue.create_database(DatabaseInput={"Name": f"database{number}"}, Tags=tags)
    glue.create_job(
        Name=f"job{number}",
        Role="glue",
        Command={"Name": "glueetl", "ScriptLocation": "s3://scripts/job.py"},
        DefaultArguments={"--db_password": "hunter2"},
        GlueVersion="4.0",
        WorkerType="G.1X",
        NumberOfWorkers=4,
        Timeout=60,
        Tags=tags,
    )


def task(aws: boto3.Session, number: int, pairs: list[dict[str, str]]) -> None:
    dms = aws.client("dms")
    machine = dms.create_replication_instance(
        ReplicationInstanceIdentifier=f"replicator{number}", ReplicationInstanceClass="dms.t3.medium"
    )["ReplicationInstance"]["ReplicationInstanceArn"]
    made = dms.create_replication_task(
        ReplicationTaskIdentifier=f"task{number}",
        SourceEndpointArn="arn:aws:dms:eu-west-1:123456789012:endpoint:SOURCE",
        TargetEndpointArn="arn:aws:dms:eu-west-1:123456789012:endpoint:TARGET",
        ReplicationInstanceArn=machine,
        MigrationType="cdc",
        TableMappings="{}",
        ReplicationTaskSettings=json.dumps({"Logging": "hunter2"}),
        Tags=pairs,
    )["ReplicationTask"]["ReplicationTaskArn"]
    if number:
        dms.start_replication_task(ReplicationTaskArn=made, StartReplicationTaskType="start-replication")


def gather(account: Account, watch: fleet.Watch) -> Snapshot:
    first = collect(
        fleet.config(account, kinds=tuple(k for k in SERVED if k not in CUT)),
        Snapshot(),
        now=NOW,
        aws=watch.aws(),
    )
    watch.page_size = 0
    second = collect(fleet.config(account, kinds=CUT), Snapshot(), now=NOW, aws=watch.aws())
    return Snapshot(
        tuple(sorted(first.scopes + second.scopes, key=lambda s: s.scope)),
        tuple(sorted(first.resources + second.resources, key=lambda r: r.sort_key)),
    )


@pytest.fixture(scope="module")
def reading(account: Account) -> tuple[Snapshot, fleet.Watch]:
    """In pages of two."""
    watch = fleet.Watch(page_size=2)
    return gather(account, watch), watch


def of_kind(snapshot: Snapshot, kind: str) -> dict[str, Resource]:
    return {r.name: r for r in snapshot.resources if r.kind == kind}


# --- from the embedded AWS ---------------------------------------------------------------------------


def test_every_scope_is_complete(reading: tuple[Snapshot, fleet.Watch]) -> None:
    assert {s.scope.kind: (s.state, s.reason) for s in reading[0].scopes} == dict.fromkeys(
        SERVED, (ScopeState.COMPLETE, "")
    )


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("dms-task", ["task0", "task1", "task2"]),
        ("firehose-stream", ["delivery0", "delivery1", "delivery2"]),
        ("glue-database", ["database0", "database1", "database2"]),
        ("glue-job", ["job0", "job1", "job2"]),
        ("kinesis-stream", ["stream0", "stream1", "stream2"]),
        ("mq-broker", ["broker0", "broker1", "broker2"]),
        ("msk-cluster", ["kafka0", "kafka1", "kafka2"]),
        ("sns-topic", ["topic0", "topic1", "topic2.fifo"]),
        ("state-machine", ["machine0", "machine1", "machine2"]),
    ],
)
def test_all_are_read_with_their_tags_and_those_without_any_too(
    reading: tuple[Snapshot, fleet.Watch], kind: str, found: list[str]
) -> None:
    resources = of_kind(reading[0], kind)
    assert sorted(resources) == found
    assert [dict(resources[name].tags) for name in found] == [{}, fleet.TAGS, fleet.TAGS]
    assert all(r.arn.startswith("arn:aws:") and r.region == fleet.REGION for r in resources.values())


def test_workgroups_are_read_with_the_one_that_is_always_there(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    found = of_kind(reading[0], "athena-workgroup")
    assert sorted(found) == ["group0", "group1", "group2", "primary"]
    assert found["group1"].tags == {**fleet.TAGS, "number": "1"}
    assert found["group1"].arn.endswith(":workgroup/group1")


@pytest.mark.parametrize("operation", ["GetJobs", "ListDeliveryStreams", "ListStateMachines", "ListStreams"])
def test_the_lists_came_in_several_pages(reading: tuple[Snapshot, fleet.Watch], operation: str) -> None:
    assert reading[1].count(operation) > 1


def test_topics_are_read_beyond_the_hundred_of_a_page(moto: str) -> None:
    account = fleet.new_account()
    sns = fleet.session(account).client("sns")
    for number in range(101):
        sns.create_topic(Name=f"t{number}")
    watch = fleet.Watch()
    found = collect(fleet.config(account, kinds=("sns-topic",)), Snapshot(), now=NOW, aws=watch.aws())
    assert len(found.resources) == 101
    assert watch.count("ListTopics") == 2


def test_no_secret_is_kept(reading: tuple[Snapshot, fleet.Watch]) -> None:
    written = to_bytes(reading[0])
    assert b"hunter2" not in written
    assert b"PASSWORD" not in written.upper()


def test_reading_again_gives_the_same_bytes(account: Account, reading: tuple[Snapshot, fleet.Watch]) -> None:
    assert to_bytes(gather(account, fleet.Watch())) == to_bytes(reading[0])


def test_the_policy_allows_the_calls_that_were_made_and_no_other(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    kinds = [all_kinds()[name] for name in SERVED]
    declared = {(kind.service, call): action for kind in kinds for call, action in kind.calls.items()}
    named = {kind.service: boto3.Session()._session.get_service_model(kind.service) for kind in kinds}
    hyphenated = {model.service_id.hyphenize(): name for name, model in named.items()}
    made = {(hyphenated[s], operation) for s, operation, _ in reading[1].calls if s != "sts"}
    assert {call for call in declared if call not in made} == {("kafka", "ListNodes")}
    assert made <= set(declared)
    allowed = set(iam.policy(kinds)["Statement"][0]["Action"])
    assert {declared[call] for call in made} <= allowed
    assert allowed - set(declared.values()) == set(regions.CALLS.values())


def test_streams_know_where_their_records_come_from_and_go_to(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    snapshot, _ = reading
    found = of_kind(snapshot, "firehose-stream")
    source = of_kind(snapshot, "kinesis-stream")["stream1"]
    assert found["delivery1"].links == {"kinesis-stream": (source.arn,)}
    assert found["delivery0"].links == {}
    assert [found[f"delivery{n}"].attributes["destination"] for n in range(3)] == ["s3", "s3", "http"]
    assert [found[f"delivery{n}"].attributes["source"] for n in range(2)] == [
        "DirectPut",
        "KinesisStreamAsSource",
    ]
    assert source.attributes == {"mode": "on-demand"}


def test_a_task_that_was_never_started_is_no_target(reading: tuple[Snapshot, fleet.Watch]) -> None:
    found = of_kind(reading[0], "dms-task")
    assert found["task1"].lifecycle is Lifecycle.IN_SERVICE
    assert found["task0"].lifecycle is not Lifecycle.IN_SERVICE
    assert found["task1"].attributes == {"instance": "replicator1", "migration": "cdc"}
    assert set(found["task1"].links) == {"dms-instance", "dms-source", "dms-target"}


def test_jobs_and_brokers_say_what_they_are(reading: tuple[Snapshot, fleet.Watch]) -> None:
    kinds, snapshot = all_kinds(), reading[0]
    job = of_kind(snapshot, "glue-job")["job0"]
    assert kinds["glue-job"].facts(job) == {
        "glue_version": "4.0",
        "type": "glueetl",
        "worker_type": "G.1X",
    }
    assert job.attributes["timeout_seconds"] == 3600
    broker = of_kind(snapshot, "mq-broker")["broker1"]
    assert broker.attributes["engine"] == "activemq"
    assert broker.addresses == ("192.168.0.1",)
    topic = of_kind(snapshot, "sns-topic")["topic2.fifo"]
    assert kinds["sns-topic"].facts(topic) == {"fifo": "true"}
    machine = of_kind(snapshot, "state-machine")["machine2"]
    assert kinds["state-machine"].facts(machine) == {"type": "express"}
    cluster = of_kind(snapshot, "msk-cluster")["kafka0"]
    assert cluster.attributes["instance_type"] == "kafka.m5.large"


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "dimensions"),
    [
        ("athena-workgroup", "group0", "AWS/Athena", {"WorkGroup": "group0"}),
        (
            "dms-task",
            "task1",
            "AWS/DMS",
            {"ReplicationInstanceIdentifier": "replicator1", "ReplicationTaskIdentifier": "task1"},
        ),
        ("firehose-stream", "delivery0", "AWS/Firehose", {"DeliveryStreamName": "delivery0"}),
        ("glue-job", "job0", "Glue", {"JobName": "job0"}),
        ("kinesis-stream", "stream0", "AWS/Kinesis", {"StreamName": "stream0"}),
        ("mq-broker", "broker0", "AWS/AmazonMQ", {"Broker": "broker0-1"}),
        ("mq-broker", "broker2", "AWS/AmazonMQ", {"Broker": "broker2"}),
        ("msk-cluster", "kafka0", "AWS/Kafka", {"Cluster Name": "kafka0"}),
        ("sns-topic", "topic0", "AWS/SNS", {"TopicName": "topic0"}),
    ],
)
def test_cloudwatch_knows_a_resource_by_its_name(
    reading: tuple[Snapshot, fleet.Watch],
    kind: str,
    name: str,
    namespace: str,
    dimensions: dict[str, str],
) -> None:
    resource = of_kind(reading[0], kind)[name]
    assert dict(all_kinds()[kind].dimensions(resource)) == dimensions
    assert all_kinds()[kind].namespaces == (namespace,)


def test_both_machines_of_a_broker_pair_are_known(reading: tuple[Snapshot, fleet.Watch]) -> None:
    kind = all_kinds()["mq-broker"]
    broker = of_kind(reading[0], "mq-broker")["broker1"]
    pair = replace(broker, attributes={**broker.attributes, "deployment": "active-standby-multi-az"})
    alone = replace(broker, attributes={**broker.attributes, "deployment": "single-instance"})
    assert kind.dimension_sets(pair) == ((("Broker", "broker1-1"),), (("Broker", "broker1-2"),))
    assert kind.dimension_sets(alone) == ((("Broker", "broker1-1"),),)


def test_cloudwatch_knows_a_state_machine_by_its_arn(reading: tuple[Snapshot, fleet.Watch]) -> None:
    machine = of_kind(reading[0], "state-machine")["machine0"]
    assert all_kinds()["state-machine"].dimensions(machine) == (("StateMachineArn", machine.arn),)


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("athena-workgroup", "ListTagsForResource"),
        ("dms-task", "ListTagsForResource"),
        ("firehose-stream", "ListTagsForDeliveryStream"),
        ("glue-database", "GetTags"),
        ("glue-job", "GetTags"),
        ("kinesis-stream", "ListTagsForStream"),
        ("mq-broker", "DescribeBroker"),
        ("sns-topic", "ListTagsForResource"),
        ("state-machine", "ListTagsForResource"),
    ],
)
def test_tags_that_cannot_be_read_are_not_taken_for_none(
    account: Account, reading: tuple[Snapshot, fleet.Watch], kind: str, operation: str
) -> None:
    refusal = fleet.query_refusal if kind == "sns-topic" else fleet.json_refusal
    watch = fleet.Watch(faults={(operation, ""): refusal("AccessDeniedException")})
    found = collect(fleet.config(account, kinds=(kind,)), reading[0], now=NOW, aws=watch.aws())
    (status,) = found.scopes
    assert status.state is ScopeState.DENIED
    assert operation in status.reason
    assert of_kind(found, kind) == of_kind(reading[0], kind)


# --- from recorded answers ---------------------------------------------------------------------------


def cluster(name: str, **more: Any) -> dict[str, Any]:
    return {
        "ClusterArn": f"arn:aws:kafka:eu-west-1:{ACCOUNT}:cluster/{name}/1-2",
        "ClusterName": name,
        "ClusterType": "PROVISIONED",
        "CreationTime": MADE,
        "State": "ACTIVE",
        "Tags": fleet.TAGS,
        **more,
    }


def test_brokers_that_can_be_scraped_are_the_addresses_of_their_cluster() -> None:
    monitoring = {"Prometheus": {"JmxExporter": {"EnabledInBroker": True}}}
    scraped = {
        "BrokerNodeGroupInfo": {"ClientSubnets": ["subnet-1"], "InstanceType": "kafka.m5.large"},
        "NumberOfBrokerNodes": 2,
        "OpenMonitoring": monitoring,
    }
    first, second = cluster("a", Provisioned=scraped), cluster("b", State="CREATING", Provisioned=scraped)
    serverless = cluster("c", ClusterType="SERVERLESS", Tags={}, Serverless={"VpcConfigs": []})
    node = {"NodeType": "BROKER", "BrokerNodeInfo": {"Endpoints": ["b-2.a.kafka"]}}
    other = {"NodeType": "BROKER", "BrokerNodeInfo": {"Endpoints": ["b-1.a.kafka"]}}
    keeper = {"ZookeeperNodeInfo": {"Endpoints": ["z-1.a.kafka"]}}
    arn = first["ClusterArn"]
    found = read(
        "msk-cluster",
        [
            Call("list_clusters_v2", {"MaxResults": 100}, {"ClusterInfoList": [first], "NextToken": "2"}),
            Call(
                "list_clusters_v2",
                {"MaxResults": 100, "NextToken": "2"},
                {"ClusterInfoList": [second, serverless]},
            ),
            Call(
                "list_nodes",
                {"ClusterArn": arn, "MaxResults": 100},
                {"NodeInfoList": [node, keeper], "NextToken": "n"},
            ),
            Call(
                "list_nodes",
                {"ClusterArn": arn, "MaxResults": 100, "NextToken": "n"},
                {"NodeInfoList": [other]},
            ),
        ],
    )
    assert [(r.name, r.lifecycle) for r in found] == [
        ("a", Lifecycle.IN_SERVICE),
        ("b", Lifecycle.STARTING),
        ("c", Lifecycle.IN_SERVICE),
    ]
    assert found[0].addresses == ("b-1.a.kafka", "b-2.a.kafka")
    assert found[0].attributes["exporters"] == ["jmx"]
    assert found[2].tags == {}
    assert found[2].attributes == {"type": "serverless"}


def environment(name: str, status: str = "AVAILABLE", **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Arn": f"arn:aws:airflow:eu-west-1:{ACCOUNT}:environment/{name}",
        "Status": status,
        "CreatedAt": MADE,
        "AirflowVersion": "2.10.1",
        "AirflowConfigurationOptions": {"core.fernet_key": "hunter2"},
        "EnvironmentClass": "mw1.small",
        "MinWorkers": 1,
        "MaxWorkers": 5,
        "SourceBucketArn": "arn:aws:s3:::dags",
        "WebserverUrl": f"{name}.c2.eu-west-1.airflow.amazonaws.com",
        **more,
    }


def test_environments_are_read_page_by_page_and_keep_no_configuration() -> None:
    found = read(
        "mwaa-environment",
        [
            Call("list_environments", {"MaxResults": 25}, {"Environments": ["a", "b"], "NextToken": "2"}),
            Call(
                "list_environments",
                {"MaxResults": 25, "NextToken": "2"},
                {"Environments": ["c", "d", "e"]},
            ),
            Call("get_environment", {"Name": "a"}, {"Environment": environment("a", Tags=fleet.TAGS)}),
            Call("get_environment", {"Name": "b"}, {"Environment": environment("b")}),
            Call("get_environment", {"Name": "c"}, error="ResourceNotFoundException"),
            Call("get_environment", {"Name": "d"}, {"Environment": environment("d", "DELETED")}),
            Call("get_environment", {"Name": "e"}, {"Environment": environment("e", "PENDING")}),
        ],
    )
    assert [(r.id, dict(r.tags), r.lifecycle) for r in found] == [
        ("a", fleet.TAGS, Lifecycle.IN_SERVICE),
        ("b", {}, Lifecycle.IN_SERVICE),
        ("e", {}, Lifecycle.STARTING),
    ]
    assert b"hunter2" not in to_bytes(Snapshot((), tuple(found)))
    assert found[0].launched == "2026-03-01T08:30:00Z"
    assert found[0].links == {"s3-bucket": ("arn:aws:s3:::dags",)}
    kind = all_kinds()["mwaa-environment"]
    assert kind.dimensions(found[0]) == (("Environment", "a"),)
    assert kind.facts(found[0]) == {"airflow_version": "2.10.1", "environment_class": "mw1.small"}


@pytest.mark.parametrize("denied", ["list_environments", "get_environment"])
def test_environments_that_cannot_be_read_fail_their_scope(denied: str) -> None:
    listed = Call("list_environments", {"MaxResults": 25}, {"Environments": ["a"]})
    refused = {
        "list_environments": [Call("list_environments", {"MaxResults": 25}, error="AccessDeniedException")],
        "get_environment": [listed, Call("get_environment", {"Name": "a"}, error="AccessDeniedException")],
    }[denied]
    with pytest.raises(CallError) as caught:
        read("mwaa-environment", refused)
    assert caught.value.state is ScopeState.DENIED


def replication(name: str) -> dict[str, Any]:
    return {
        "ReplicationTaskIdentifier": name,
        "ReplicationTaskArn": f"arn:aws:dms:eu-west-1:{ACCOUNT}:task:{name.upper()}",
        "ReplicationInstanceArn": f"arn:aws:dms:eu-west-1:{ACCOUNT}:rep:MACHINE",
        "Status": "running",
        "MigrationType": "cdc",
    }


def test_tags_of_tasks_are_read_in_batches_and_a_deleted_task_spoils_no_other() -> None:
    tasks = [replication(f"t{n:02}") for n in range(22)]
    arns = [task["ReplicationTaskArn"] for task in tasks]
    machine = {
        "ReplicationInstanceArn": tasks[0]["ReplicationInstanceArn"],
        "ReplicationInstanceIdentifier": "replicator",
    }
    tag = {"Key": "service", "Value": "shop"}
    asked = {"MaxRecords": 100, "WithoutSettings": True}
    found = read(
        "dms-task",
        [
            Call("describe_replication_tasks", asked, {"ReplicationTasks": tasks[:21], "Marker": "m"}),
            Call("describe_replication_tasks", {**asked, "Marker": "m"}, {"ReplicationTasks": tasks[21:]}),
            Call("describe_replication_instances", {"MaxRecords": 100}, {"Marker": "i"}),
            Call(
                "describe_replication_instances",
                {"MaxRecords": 100, "Marker": "i"},
                {"ReplicationInstances": [machine]},
            ),
            Call(
                "list_tags_for_resource",
                {"ResourceArnList": arns[:20]},
                {"TagList": [{**tag, "ResourceArn": arns[3]}]},
            ),
            Call("list_tags_for_resource", {"ResourceArnList": arns[20:]}, error="ResourceNotFoundFault"),
            Call("list_tags_for_resource", {"ResourceArnList": [arns[20]]}, error="ResourceNotFoundFault"),
            Call("list_tags_for_resource", {"ResourceArnList": [arns[21]]}, {"TagList": []}),
        ],
    )
    assert [r.id for r in found] == [t["ReplicationTaskIdentifier"] for t in [*tasks[:20], tasks[21]]]
    assert [r.id for r in found if r.tags] == ["t03"]
    assert dict(all_kinds()["dms-task"].dimensions(found[0])) == {
        "ReplicationInstanceIdentifier": "replicator",
        "ReplicationTaskIdentifier": "T00",
    }


def test_no_tasks_take_one_call() -> None:
    assert (
        read(
            "dms-task",
            [Call("describe_replication_tasks", {"MaxRecords": 100, "WithoutSettings": True}, {})],
        )
        == []
    )


def test_brokers_workgroups_and_databases_are_read_page_by_page() -> None:
    """What moto serves on one page only."""

    def broker(name: str) -> dict[str, Any]:
        engine = {"DeploymentMode": "CLUSTER_MULTI_AZ", "EngineType": "RABBITMQ"}
        arn = f"arn:aws:mq:eu-west-1:{ACCOUNT}:broker:{name}:b-{name}"
        return {**engine, "BrokerId": f"b-{name}", "BrokerName": name, "BrokerArn": arn}

    instance = {"Endpoints": ["amqps://b-a.mq.eu-west-1.amazonaws.com:5671"]}
    described = {**broker("a"), "BrokerState": "RUNNING", "BrokerInstances": [instance], "Tags": fleet.TAGS}
    users = [{"Username": "root"}]
    found = read(
        "mq-broker",
        [
            Call("list_brokers", {"MaxResults": 100}, {"BrokerSummaries": [broker("a")], "NextToken": "2"}),
            Call("list_brokers", {"MaxResults": 100, "NextToken": "2"}, {"BrokerSummaries": [broker("b")]}),
            Call("describe_broker", {"BrokerId": "b-a"}, {**described, "Users": users}),
            Call("describe_broker", {"BrokerId": "b-b"}, error="NotFoundException"),
        ],
    )
    assert [(r.name, r.addresses) for r in found] == [("a", ("b-a.mq.eu-west-1.amazonaws.com",))]
    assert b"root" not in to_bytes(Snapshot((), tuple(found)))

    prefix = f"arn:aws:athena:eu-west-1:{ACCOUNT}:workgroup"
    one = {"Name": "one", "State": "ENABLED", "EngineVersion": {"EffectiveEngineVersion": "v3"}}
    found = read(
        "athena-workgroup",
        [
            Call("list_work_groups", {"MaxResults": 50}, {"WorkGroups": [one], "NextToken": "2"}),
            Call(
                "list_work_groups",
                {"MaxResults": 50, "NextToken": "2"},
                {"WorkGroups": [{"Name": "two", "State": "DISABLED"}]},
            ),
            Call(
                "list_tags_for_resource",
                {"ResourceARN": f"{prefix}/one"},
                {"Tags": fleet.PAIRS[:1], "NextToken": "t"},
            ),
            Call(
                "list_tags_for_resource",
                {"ResourceARN": f"{prefix}/one", "NextToken": "t"},
                {"Tags": fleet.PAIRS[1:]},
            ),
            Call("list_tags_for_resource", {"ResourceARN": f"{prefix}/two"}, {"Tags": []}),
        ],
    )
    assert [(r.id, dict(r.tags), r.lifecycle) for r in found] == [
        ("one", fleet.TAGS, Lifecycle.IN_SERVICE),
        ("two", {}, Lifecycle.STOPPED),
    ]

    prefix = f"arn:aws:glue:eu-west-1:{ACCOUNT}:database"
    target = {"CatalogId": "210987654321", "DatabaseName": "sales"}
    found = read(
        "glue-database",
        [
            Call("get_databases", {"MaxResults": 100}, {"DatabaseList": [{"Name": "a"}], "NextToken": "2"}),
            Call(
                "get_databases",
                {"MaxResults": 100, "NextToken": "2"},
                {"DatabaseList": [{"Name": "b", "TargetDatabase": target}]},
            ),
            Call("get_tags", {"ResourceArn": f"{prefix}/a"}, {"Tags": fleet.TAGS}),
            Call("get_tags", {"ResourceArn": f"{prefix}/b"}, {}),
        ],
    )
    assert [(r.id, dict(r.tags)) for r in found] == [("a", fleet.TAGS), ("b", {})]
    assert found[1].attributes == {"target_catalog": "210987654321", "target_database": "sales"}


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (
            "firehose-stream",
            Call(
                "list_delivery_streams",
                {"Limit": 1000},
                {"DeliveryStreamNames": [], "HasMoreDeliveryStreams": True},
            ),
        ),
        (
            "kinesis-stream",
            Call(
                "list_streams",
                {"Limit": 1000},
                {"StreamNames": [], "HasMoreStreams": True, "StreamSummaries": []},
            ),
        ),
    ],
)
def test_a_list_that_says_there_is_more_and_not_where_is_no_whole_list(kind: str, call: Call) -> None:
    with pytest.raises(CallError, match="an empty page says that there are more"):
        read(kind, [call])


def test_streams_are_read_on_from_the_last_name_of_a_page() -> None:
    def stream(name: str) -> dict[str, Any]:
        arn = f"arn:aws:kinesis:eu-west-1:{ACCOUNT}:stream/{name}"
        return {"StreamName": name, "StreamARN": arn, "StreamStatus": "UPDATING"}

    def page(name: str, more: bool) -> dict[str, Any]:
        return {"StreamNames": [name], "StreamSummaries": [stream(name)], "HasMoreStreams": more}

    found = read(
        "kinesis-stream",
        [
            Call("list_streams", {"Limit": 1000}, page("a", True)),
            Call("list_streams", {"Limit": 1000, "ExclusiveStartStreamName": "a"}, page("b", False)),
            Call(
                "list_tags_for_stream",
                {"StreamName": "a", "Limit": 50},
                {"Tags": fleet.PAIRS[:1], "HasMoreTags": True},
            ),
            Call(
                "list_tags_for_stream",
                {"StreamName": "a", "Limit": 50, "ExclusiveStartTagKey": "service"},
                {"Tags": fleet.PAIRS[1:], "HasMoreTags": False},
            ),
            Call("list_tags_for_stream", {"StreamName": "b", "Limit": 50}, error="ResourceNotFoundException"),
        ],
    )
    assert [(r.id, dict(r.tags)) for r in found] == [("a", fleet.TAGS)]


# --- what they declare -------------------------------------------------------------------------------


def test_the_states_are_those_of_aws() -> None:
    core = boto3.Session()._session
    for name, service, shape in [
        ("athena-workgroup", "athena", "WorkGroupState"),
        ("firehose-stream", "firehose", "DeliveryStreamStatus"),
        ("kinesis-stream", "kinesis", "StreamStatus"),
        ("mq-broker", "mq", "BrokerState"),
        ("msk-cluster", "kafka", "ClusterState"),
        ("mwaa-environment", "mwaa", "EnvironmentStatus"),
    ]:
        known = set(core.get_service_model(service).shape_for(shape).enum)
        assert set(all_kinds()[name].states) <= known
    # DMS has no list of them in the model, only in its words.
    words = core.get_service_model("dms").shape_for("ReplicationTask").members["Status"].documentation
    assert all(f'"{state}"' in words for state in all_kinds()["dms-task"].states)


def test_errors_that_mean_gone_are_those_of_aws() -> None:
    """A code that AWS does not use would fail the scope each time something is deleted meanwhile."""
    core = boto3.Session()._session
    for service, operation, code in [
        ("athena", "ListTagsForResource", "ResourceNotFoundException"),
        ("dms", "ListTagsForResource", "ResourceNotFoundFault"),
        ("firehose", "DescribeDeliveryStream", "ResourceNotFoundException"),
        ("firehose", "ListTagsForDeliveryStream", "ResourceNotFoundException"),
        ("glue", "GetTags", "EntityNotFoundException"),
        ("kafka", "ListNodes", "NotFoundException"),
        ("kinesis", "ListTagsForStream", "ResourceNotFoundException"),
        ("mq", "DescribeBroker", "NotFoundException"),
        ("mwaa", "GetEnvironment", "ResourceNotFoundException"),
        ("sns", "ListTagsForResource", "ResourceNotFound"),
        ("stepfunctions", "ListTagsForResource", "ResourceNotFound"),
    ]:
        shapes = core.get_service_model(service).operation_model(operation).error_shapes
        assert code in {shape.error_code for shape in shapes}


def test_a_broker_without_addresses_is_read() -> None:
    raw = {
        "BrokerArn": "arn",
        "BrokerId": "b-1",
        "BrokerName": "new",
        "BrokerState": "CREATION_IN_PROGRESS",
        "EngineType": "ACTIVEMQ",
        "DeploymentMode": "ACTIVE_STANDBY_MULTI_AZ",
        "BrokerInstances": [{"Endpoints": []}],
    }
    found = all_kinds()["mq-broker"].transform(PLACE, raw)
    assert found is not None
    assert found.addresses == ()
    assert found.lifecycle is Lifecycle.STARTING
    assert found.attributes["deployment"] == "active-standby-multi-az"
