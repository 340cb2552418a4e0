"""An AWS Config aggregator in place of the services: the same resources, and never an empty scope by mistake.

The embedded AWS does not serve these calls. The answers are written by the property lists that AWS publishes
for AWS Config; botocore checks calls and answers against its own model of the service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from click.testing import Result
from conftest import PROJECT

from mac import schema
from mac.collect import collect
from mac.config_records import RECORDS
from mac.kinds import all_kinds
from mac.kinds.kind import Place
from mac.model import (
    Account,
    ConfigAggregator,
    InventoryConfig,
    Lifecycle,
    Resource,
    Scope,
    ScopeState,
    ScopeStatus,
    Snapshot,
)
from tests import aws_fleet as fleet

A, B, HUB = "111122223333", "444455556666", fleet.AMBIENT
EAST, WEST = "us-east-1", "eu-west-1"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WHEN = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
TIME = "2026-11-01T08:30:00.000Z"
SINCE = "2026-11-23T12:00:00Z"
TAGS = [{"tag": "service=shop", "key": "service", "value": "shop"}]
PAIRS = [{"Key": "service", "Value": "shop"}]
COLUMNS = "accountId, awsRegion, arn, resourceId, configurationItemStatus, configuration, tags"


@pytest.fixture(scope="module", autouse=True)
def moto() -> Iterator[str]:
    with fleet.serve() as endpoint:
        yield endpoint


def config(
    *kinds: str, regions: tuple[str, ...] = (WEST,), accounts: Sequence[str] = (A,)
) -> InventoryConfig:
    return InventoryConfig(
        # Nobody may enter these accounts: the aggregator is asked in their stead.
        accounts=tuple(Account(a, f"a{a}", "arn:aws:iam::999999999999:role/nobody") for a in accounts),
        regions=regions,
        kinds=kinds,
        concurrency=1,  # the answers are in the order of the calls
        aggregators=(ConfigAggregator("all", EAST, Account(HUB, HUB), ()),),
    )


# --- answers -----------------------------------------------------------------------------------------


def recorder(
    account: str = A, region: str = WEST, name: str = "default", recording: bool = True, **group: Any
) -> dict[str, Any]:
    described = {"Name": name, "Recording": recording, "RecordingGroup": group or {"AllSupported": True}}
    return {"accountId": account, "awsRegion": region, "configuration": described}


def row(
    configuration: Any, resource: str, arn: str = "", account: str = A, region: str = WEST, **more: Any
) -> dict[str, Any]:
    base = {"accountId": account, "awsRegion": region, "arn": arn, "resourceId": resource, "tags": TAGS}
    return {**base, "configurationItemStatus": "OK", "configuration": configuration, **more}


def machine(resource: str, account: str = A, region: str = WEST, **more: Any) -> dict[str, Any]:
    told = {"instanceId": resource, "instanceType": "m5.large", "launchTime": TIME}
    told |= {"privateIpAddress": "10.0.0.7", "state": {"code": 16, "name": "running"}}
    arn = f"arn:aws:ec2:{region}:{account}:instance/{resource}"
    return row(told | more, resource, arn, account, region)


class Answers:
    """The aggregator's answers, in the order of the calls that must be made."""

    def __init__(self) -> None:
        self.aws = fleet.Watch().aws()
        self.stub = Stubber(self.aws.client("config", EAST))
        self.stub.activate()

    def recorders(self, *rows: dict[str, Any], withheld: Sequence[dict[str, Any]] = ()) -> Answers:
        query = "SELECT accountId, awsRegion, configuration WHERE resourceType = "
        self._select(query + "'AWS::Config::ConfigurationRecorder'", [rows])
        self.stub.add_response(
            "describe_configuration_aggregator_sources_status",
            {"AggregatedSourceStatusList": list(withheld)},
            {"ConfigurationAggregatorName": "all", "UpdateStatus": ["FAILED", "OUTDATED"], "Limit": 100},
        )
        return self

    def of(self, kind: str, *pages: Sequence[dict[str, Any]], error: str = "") -> Answers:
        query = f"SELECT {COLUMNS} WHERE resourceType = '{RECORDS[kind].type}'"
        self._select(query, pages, error)
        return self

    def _select(self, query: str, pages: Sequence[Sequence[dict[str, Any]]], error: str = "") -> None:
        asked: dict[str, Any] = {"Expression": query, "ConfigurationAggregatorName": "all", "Limit": 100}
        for number, rows in enumerate(pages):
            answer: dict[str, Any] = {"Results": [json.dumps(r) for r in rows]}
            token = {"NextToken": str(number)} if number else {}
            if error or number < len(pages) - 1:
                answer["NextToken"] = str(number + 1)
            self.stub.add_response("select_aggregate_resource_config", answer, {**asked, **token})
        if error:
            token = {"NextToken": str(len(pages))} if pages else {}
            self.stub.add_client_error(
                "select_aggregate_resource_config", error, expected_params={**asked, **token}
            )

    def read(self, inventory: InventoryConfig, last: Snapshot = Snapshot(), now: datetime = NOW) -> Snapshot:  # noqa: B008
        found = collect(inventory, last, now=now, aws=self.aws)
        self.stub.assert_no_pending_responses()
        return found


def only(snapshot: Snapshot) -> ScopeStatus:
    (status,) = snapshot.scopes
    return status


# --- the same resource as from the service itself ----------------------------------------------------

GROUP = "arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:u:autoScalingGroupName/web"
TARGETS = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/1"
BALANCER = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/web/1"
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:pay"

# Kind → how AWS Config spells it, and how the service itself answers.
ALIKE: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ec2-instance": (
        row(
            {
                "amiLaunchIndex": 0,
                "architecture": "x86_64",
                "imageId": "ami-1",
                "instanceId": "i-1",
                "instanceType": "m5.large",
                "launchTime": TIME,
                "placement": {"availabilityZone": "eu-west-1a", "tenancy": "default"},
                "privateDnsName": "ip-10-0-0-7",
                "privateIpAddress": "10.0.0.7",
                "state": {"code": 80, "name": "stopped"},
                "stateReason": {"code": "Client.UserInitiatedShutdown", "message": "m"},
                "subnetId": "subnet-1",
                "tags": [{"key": "service", "value": "shop"}],
                "vpcId": "vpc-1",
            },
            "i-1",
            "arn:aws:ec2:eu-west-1:111122223333:instance/i-1",
        ),
        {
            "Architecture": "x86_64",
            "ImageId": "ami-1",
            "InstanceId": "i-1",
            "InstanceType": "m5.large",
            "LaunchTime": WHEN,
            "Placement": {"AvailabilityZone": "eu-west-1a"},
            "PrivateDnsName": "ip-10-0-0-7",
            "PrivateIpAddress": "10.0.0.7",
            "State": {"Code": 80, "Name": "stopped"},
            "StateReason": {"Code": "Client.UserInitiatedShutdown"},
            "SubnetId": "subnet-1",
            "VpcId": "vpc-1",
            "Tags": PAIRS,
        },
    ),
    "autoscaling-group": (
        row(
            {
                "autoScalingGroupARN": GROUP,
                "autoScalingGroupName": "web",
                "availabilityZones": [{"value": "eu-west-1b"}, {"value": "eu-west-1a"}],
                "desiredCapacity": 2,
                "healthCheckType": "ELB",
                "instances": [
                    {"instanceId": "i-1", "lifecycleState": "InService", "healthStatus": "Healthy"},
                    {"instanceId": "i-2", "lifecycleState": "Terminating:Wait", "healthStatus": "Unhealthy"},
                ],
                "maxSize": 4,
                "minSize": 1,
                "suspendedProcesses": [{"processName": "AZRebalance", "suspensionReason": "r"}],
                "targetGroupARNs": [TARGETS],
                "vpczoneIdentifier": "subnet-1",
            },
            "web",
            GROUP,
        ),
        {
            "AutoScalingGroupARN": GROUP,
            "AutoScalingGroupName": "web",
            "AvailabilityZones": ["eu-west-1a", "eu-west-1b"],
            "DesiredCapacity": 2,
            "HealthCheckType": "ELB",
            "Instances": [
                {"InstanceId": "i-1", "LifecycleState": "InService", "HealthStatus": "Healthy"},
                {"InstanceId": "i-2", "LifecycleState": "Terminating:Wait", "HealthStatus": "Unhealthy"},
            ],
            "MaxSize": 4,
            "MinSize": 1,
            "SuspendedProcesses": [{"ProcessName": "AZRebalance"}],
            "TargetGroupARNs": [TARGETS],
            "Tags": [{**PAIRS[0], "PropagateAtLaunch": False}],
        },
    ),
    "rds-instance": (
        row(
            {
                "allocatedStorage": 100,
                "availabilityZone": "eu-west-1a",
                "dBClusterIdentifier": "orders",
                "dBInstanceArn": "arn:aws:rds:eu-west-1:111122223333:db:orders-1",
                "dBInstanceClass": "db.r6g.large",
                "dBInstanceIdentifier": "orders-1",
                "dBInstanceStatus": "available",
                "endpoint": {"address": "orders-1.rds", "port": 5432, "hostedZoneId": "Z"},
                "engine": "aurora-postgresql",
                "engineVersion": "16.1",
                "instanceCreateTime": TIME,
                "latestRestorableTime": "2026-11-23T11:55:00.000Z",
                "masterUsername": "root",
                "multiAZ": False,
                "pendingModifiedValues": {"masterUserPassword": "hunter2"},
            },
            "db-ABC",
            "arn:aws:rds:eu-west-1:111122223333:db:orders-1",
        ),
        {
            "AllocatedStorage": 100,
            "AvailabilityZone": "eu-west-1a",
            "DBClusterIdentifier": "orders",
            "DBInstanceArn": "arn:aws:rds:eu-west-1:111122223333:db:orders-1",
            "DBInstanceClass": "db.r6g.large",
            "DBInstanceIdentifier": "orders-1",
            "DBInstanceStatus": "available",
            "Endpoint": {"Address": "orders-1.rds", "Port": 5432},
            "Engine": "aurora-postgresql",
            "EngineVersion": "16.1",
            "InstanceCreateTime": WHEN,
            "MultiAZ": False,
            "TagList": PAIRS,
        },
    ),
    "load-balancer": (
        row(
            {
                "availabilityZones": [{"zoneName": "eu-west-1a", "subnetId": "subnet-1"}],
                "createdTime": TIME,
                "dNSName": "web.elb",
                "loadBalancerArn": BALANCER,
                "loadBalancerName": "web",
                "scheme": "internal",
                "securityGroups": [{"value": "sg-1"}],
                "state": {"code": "active"},
                "type": "application",
                "vpcId": "vpc-1",
            },
            BALANCER,
            BALANCER,
        ),
        {
            "AvailabilityZones": [{"ZoneName": "eu-west-1a"}],
            "CreatedTime": WHEN,
            "DNSName": "web.elb",
            "LoadBalancerArn": BALANCER,
            "LoadBalancerName": "web",
            "Scheme": "internal",
            "State": {"Code": "active"},
            "Type": "application",
            "VpcId": "vpc-1",
            "Tags": PAIRS,
        },
    ),
    "s3-bucket": (
        row({"name": "logs", "creationDate": TIME}, "logs", "arn:aws:s3:::logs"),
        {"Name": "logs", "CreationDate": WHEN, "Region": WEST, "Tags": PAIRS},
    ),
    "sqs-queue": (
        row(
            {
                "QueueArn": "arn:aws:sqs:eu-west-1:111122223333:jobs.fifo",
                "QueueName": "jobs.fifo",
                "MessageRetentionPeriod": 345600,
                "VisibilityTimeout": 30,
                "RedrivePolicy": {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:111122223333:dead.fifo"},
            },
            "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs.fifo",
            "arn:aws:sqs:eu-west-1:111122223333:jobs.fifo",
        ),
        {
            "QueueArn": "arn:aws:sqs:eu-west-1:111122223333:jobs.fifo",
            "MessageRetentionPeriod": "345600",
            "VisibilityTimeout": "30",
            "RedrivePolicy": '{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:111122223333:dead.fifo"}',
            "Tags": {"service": "shop"},
        },
    ),
    "dynamodb-table": (
        row(
            {
                "billingModeSummary": {"billingMode": "PAY_PER_REQUEST"},
                "creationDateTime": WHEN.timestamp() * 1000,
                "itemCount": 7,
                "tableArn": "arn:aws:dynamodb:eu-west-1:111122223333:table/carts",
                "tableName": "carts",
                "tableStatus": "ACTIVE",
            },
            "carts",
        ),
        {
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "CreationDateTime": WHEN,
            "TableArn": "arn:aws:dynamodb:eu-west-1:111122223333:table/carts",
            "TableName": "carts",
            "TableStatus": "ACTIVE",
            "Tags": PAIRS,
        },
    ),
    "lambda-function": (
        row(
            {
                "architectures": ["arm64"],
                "environment": {"variables": {"DB_PASSWORD": "hunter2"}},
                "functionArn": FUNCTION,
                "functionName": "pay",
                "memorySize": 512,
                "packageType": "Zip",
                "runtime": "python3.12",
                "state": {"value": "Active"},
                "timeout": 30,
            },
            "pay",
            FUNCTION,
        ),
        {
            "Architectures": ["arm64"],
            "FunctionArn": FUNCTION,
            "FunctionName": "pay",
            "MemorySize": 512,
            "PackageType": "Zip",
            "Runtime": "python3.12",
            "Timeout": 30,
            "Tags": {"service": "shop"},
        },
    ),
}


def test_every_kind_that_is_asked_of_an_aggregator_is_compared_and_documented() -> None:
    assert set(ALIKE) == set(RECORDS)
    page = (PROJECT / "docs/inventory.md").read_text(encoding="utf-8")
    assert all(f"| `{kind}` | `{record.type}` |" in page for kind, record in RECORDS.items())
    offered = json.loads(schema.text("inventory"))["properties"]["spec"]["properties"]["sources"]["items"]
    kinds = offered["properties"]["config_aggregator"]["properties"]["kinds"]["items"]["enum"]
    assert kinds == list(RECORDS)


@pytest.mark.parametrize("kind", sorted(ALIKE))
@pytest.mark.parametrize("packed", [False, True], ids=["object", "text"])
def test_a_resource_is_the_same_from_the_aggregator_as_from_its_service(kind: str, packed: bool) -> None:
    recorded, answered = ALIKE[kind]
    direct = all_kinds()[kind].transform(Place(A, WEST, "aws", (WEST,)), answered)
    assert direct is not None
    if packed:  # Config puts the configuration into a text in some of its answers
        recorded = {**recorded, "configuration": json.dumps(recorded["configuration"])}
    found = Answers().recorders(recorder()).of(kind, [recorded]).read(config(kind))
    assert only(found).state is ScopeState.COMPLETE
    assert found.resources == (direct,)
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("written", "launched"),
    [
        (TIME, "2026-11-01T08:30:00Z"),
        ("2026-11-01T09:30:00+01:00", "2026-11-01T08:30:00Z"),
        ("2026-11-01T08:30:00", "2026-11-01T08:30:00Z"),
        (WHEN.timestamp(), "2026-11-01T08:30:00Z"),
        (WHEN.timestamp() * 1000, "2026-11-01T08:30:00Z"),
        ("Nov 1, 2026 8:30:00 AM", ""),
        (None, ""),
    ],
)
def test_a_time_is_read_in_the_forms_that_are_known_and_else_left_out(written: Any, launched: str) -> None:
    answers = Answers().recorders(recorder()).of("ec2-instance", [machine("i-1", launchTime=written)])
    (found,) = answers.read(config("ec2-instance")).resources
    assert found.launched == launched


def test_rows_go_to_their_accounts_and_regions_and_others_are_left_out() -> None:
    rows = [machine("i-1"), machine("i-2", B), machine("i-3", B, EAST), machine("i-4", "999999999999")]
    rows += [
        machine("i-5", A, "ap-south-1"),
        {**machine("i-6"), "configurationItemStatus": "ResourceDeleted"},
    ]
    recorders = [recorder(a, r) for a in (A, B) for r in (WEST, EAST)]
    found = (
        Answers()
        .recorders(*recorders)
        .of("ec2-instance", rows[:3], rows[3:])
        .read(config("ec2-instance", regions=(WEST, EAST), accounts=(A, B)))
    )
    assert {(r.account, r.region, r.id) for r in found.resources} == {
        (A, WEST, "i-1"),
        (B, WEST, "i-2"),
        (B, EAST, "i-3"),
    }
    assert {s.state for s in found.scopes} == {ScopeState.COMPLETE}
    assert len(found.scopes) == 4


def test_kinds_that_the_aggregator_cannot_tell_are_read_from_their_services() -> None:
    account = fleet.new_account()
    topic = fleet.session(account).client("sns").create_topic(Name="news")["TopicArn"]
    inventory = replace(config("ec2-instance", "sns-topic"), accounts=(account,))
    answers = Answers().recorders(recorder(account.id)).of("ec2-instance", [machine("i-1", account.id)])
    found = answers.read(inventory)
    assert sorted(r.arn for r in found.resources) == sorted(
        [topic, f"arn:aws:ec2:eu-west-1:{account.id}:instance/i-1"]
    )
    assert {s.scope.kind for s in found.scopes} == {"ec2-instance", "sns-topic"}


# --- what is not recorded is not empty ---------------------------------------------------------------


def known(*ids: str, kind: str = "ec2-instance") -> Snapshot:
    resources = tuple(Resource(f"arn:{i}", kind, A, WEST, i, state="running") for i in ids)
    return Snapshot((ScopeStatus(Scope(A, WEST, kind)),), resources)


EC2 = "AWS::EC2::Instance"
BY_LIST = {"RecordingStrategy": {"UseOnly": "INCLUSION_BY_RESOURCE_TYPES"}}
BUT = {"RecordingStrategy": {"UseOnly": "EXCLUSION_BY_RESOURCE_TYPES"}}
ALL = {"RecordingStrategy": {"UseOnly": "ALL_SUPPORTED_RESOURCE_TYPES"}}


@pytest.mark.parametrize(
    "one",
    [
        recorder(AllSupported=True),
        recorder(**ALL),
        recorder(AllSupported=False, ResourceTypes=[EC2], **BY_LIST),
        recorder(AllSupported=False, ResourceTypes=[EC2]),
        recorder(AllSupported=False, ExclusionByResourceTypes={"ResourceTypes": ["AWS::S3::Bucket"]}, **BUT),
        {**recorder(), "configuration": {"recording": True, "recordingGroup": {"allSupported": True}}},
    ],
    ids=["all", "strategy of all", "listed", "listed without a strategy", "not excluded", "other capitals"],
)
def test_what_is_recorded_and_not_there_is_gone(one: dict[str, Any]) -> None:
    found = Answers().recorders(one).of("ec2-instance", []).read(config("ec2-instance"), known("i-1"))
    assert only(found).state is ScopeState.COMPLETE
    assert found.resources == ()


FAILED = {"SourceId": A, "SourceType": "ACCOUNT", "AwsRegion": WEST, "LastUpdateStatus": "FAILED"}


@pytest.mark.parametrize(
    ("recorders", "withheld", "reason"),
    [
        ([], [], "knows no recorder of AWS Config there"),
        ([recorder(A, EAST)], [], "knows no recorder of AWS Config there"),
        ([recorder(B)], [], "knows no recorder of AWS Config there"),
        ([recorder(name="AWSConfigurationRecorderForEC2")], [], "knows no recorder of AWS Config there"),
        ([recorder(recording=False)], [], f"does not record {EC2} there"),
        ([recorder(AllSupported=False, ResourceTypes=["AWS::S3::Bucket"], **BY_LIST)], [], "does not record"),
        ([recorder(AllSupported=False, ResourceTypes=[])], [], "does not record"),
        (
            [recorder(AllSupported=False, ExclusionByResourceTypes={"ResourceTypes": [EC2]}, **BUT)],
            [],
            "does not record",
        ),
        ([recorder()], [FAILED], "no current data from there: failed"),
        (
            [recorder()],
            [{**FAILED, "LastErrorCode": "AccessDenied"}],
            "no current data from there: AccessDen",
        ),
        ([recorder()], [{**FAILED, "LastUpdateStatus": "OUTDATED"}], "no current data from there: outdated"),
    ],
)
def test_what_is_not_recorded_keeps_what_was_known(
    recorders: list[dict[str, Any]], withheld: list[dict[str, Any]], reason: str
) -> None:
    """And the aggregator is not even asked: its answer would be an empty list."""
    answers = Answers().recorders(*recorders, withheld=withheld)
    found = answers.read(config("ec2-instance"), known("i-1"))
    status = only(found)
    assert (status.state, status.cause, status.since) == (ScopeState.STALE, "unsupported", SINCE)
    assert reason in status.reason
    assert [r.id for r in found.resources] == ["i-1"]


def test_a_bucket_may_lie_in_any_region_so_all_must_be_recorded() -> None:
    inventory = config("s3-bucket", regions=(WEST, EAST))
    found = Answers().recorders(recorder()).read(inventory)
    assert only(found).state is ScopeState.STALE
    assert "no recorder of AWS Config in us-east-1" in only(found).reason
    rows = [ALIKE["s3-bucket"][0]]
    both = Answers().recorders(recorder(), recorder(A, EAST)).of("s3-bucket", rows).read(inventory)
    assert only(both) == ScopeStatus(Scope(A, "global", "s3-bucket"))
    assert [r.id for r in both.resources] == ["logs"]


# --- failures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("AccessDeniedException", ScopeState.DENIED),
        ("ThrottlingException", ScopeState.STALE),
        ("InvalidNextTokenException", ScopeState.STALE),
        ("NoSuchConfigurationAggregatorException", ScopeState.STALE),
    ],
)
@pytest.mark.parametrize("pages", [[], [[machine("i-1")]]], ids=["first page", "second page"])
def test_a_failing_query_keeps_the_last_known_good_of_all_its_scopes(
    code: str, state: ScopeState, pages: list[list[dict[str, Any]]]
) -> None:
    inventory = config("ec2-instance", "sqs-queue", regions=(WEST, EAST))
    recorders = [recorder(), recorder(A, EAST)]
    rows = [machine("i-1"), machine("i-2", A, EAST)]
    queue = ALIKE["sqs-queue"][0]
    before = Answers().recorders(*recorders).of("ec2-instance", rows).of("sqs-queue", [queue]).read(inventory)
    assert len(before.resources) == 3
    answers = Answers().recorders(*recorders).of("ec2-instance", *pages, error=code).of("sqs-queue", [])
    after = answers.read(inventory, before, NOW + timedelta(hours=1))
    assert after.resources == tuple(r for r in before.resources if r.kind == "ec2-instance")
    assert {(s.scope.kind, s.scope.region): s.state for s in after.scopes} == {
        ("ec2-instance", WEST): state,
        ("ec2-instance", EAST): state,
        ("sqs-queue", WEST): ScopeState.COMPLETE,
        ("sqs-queue", EAST): ScopeState.COMPLETE,
    }


def test_without_knowing_the_recorders_nothing_is_read() -> None:
    answers = Answers()
    answers.stub.add_client_error("select_aggregate_resource_config", "AccessDeniedException")
    found = answers.read(config("ec2-instance", "sqs-queue"), known("i-1"))
    assert {s.state for s in found.scopes} == {ScopeState.DENIED}
    assert [r.id for r in found.resources] == ["i-1"]


def test_an_aggregator_in_an_account_that_cannot_be_entered_keeps_what_was_known() -> None:
    inventory = config("ec2-instance")
    wrong = replace(inventory.aggregators[0], account=Account(B, B))
    found = Answers().read(replace(inventory, aggregators=(wrong,)), known("i-1"))
    assert only(found).reason == f"the ambient credentials lead to account {HUB}, not to {B}"
    assert [r.id for r in found.resources] == ["i-1"]


@pytest.mark.parametrize(
    "broken",
    [
        {**machine("i-1"), "configuration": None},
        {**machine("i-1"), "configuration": {"instanceId": "i-1"}},
        {k: v for k, v in machine("i-1").items() if k != "accountId"},
        {**machine("i-1"), "configuration": "{"},
    ],
    ids=["nothing", "no state", "no account", "half a text"],
)
def test_a_row_that_cannot_be_read_fails_its_kind(broken: dict[str, Any]) -> None:
    answers = Answers().recorders(recorder()).of("ec2-instance", [broken])
    found = answers.read(config("ec2-instance"), known("i-1"))
    assert (only(found).state, only(found).cause) == (ScopeState.STALE, "malformed")
    assert [r.id for r in found.resources] == ["i-1"]


def test_what_may_have_moved_between_pages_is_looked_for_again() -> None:
    """And what the second reading misses as well is gone."""
    pages = [machine("i-1")], [machine("i-2")]
    again = [machine("i-1")], [machine("i-2"), machine("i-3")]
    before = known("i-3", "i-9")
    answers = Answers().recorders(recorder()).of("ec2-instance", *pages).of("ec2-instance", *again)
    found = answers.read(config("ec2-instance"), before)
    assert [r.id for r in found.resources] == ["i-1", "i-2", "i-3"]
    assert found.resources[0].lifecycle is Lifecycle.IN_SERVICE


# --- permissions, and the file -----------------------------------------------------------------------

WRITTEN = """\
apiVersion: mac/v1
kind: Inventory
spec:
  accounts: [{id: "111122223333", name: main, role_arn: "arn:aws:iam::111122223333:role/mac"}]
  regions: [eu-west-1]
  kinds: [ec2-instance, sns-topic]
  sources:
    - config_aggregator:
        name: all
        account: "444455556666"
        region: us-east-1
        role_arn: arn:aws:iam::444455556666:role/mac-config
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "inventory").mkdir(exist_ok=True)
        (tmp_path / "inventory/aws.yaml").write_text(text, encoding="utf-8")
        (tmp_path / "standards/teams").mkdir(parents=True, exist_ok=True)
        hook = "[{webhook: {url: 'http://127.0.0.1:1/'}}]"
        (tmp_path / "standards/teams/platform.yaml").write_text(
            "apiVersion: mac/v1\nkind: Team\nmetadata: {name: platform}\n"
            f"spec: {{receivers: {{page: {hook}, ticket: {hook}}}}}\n",
            encoding="utf-8",
        )
        settings = "apiVersion: mac/v1\nkind: Project\nspec: {default_team: platform}\n"
        (tmp_path / "mac.yaml").write_text(settings, encoding="utf-8")
        return tmp_path

    return write


def test_the_policy_has_the_calls_to_the_aggregator_in_place_of_those_it_replaces(
    written: Callable[[str], Path], mac: Callable[..., Result]
) -> None:
    root = written(WRITTEN)
    done = mac("inventory", "-C", root, "iam-policy")
    assert done.exit_code == 0, done.stderr
    reading, entering = json.loads(done.stdout)["Statement"]
    assert reading["Action"] == [
        "account:ListRegions",
        "config:DescribeConfigurationAggregatorSourcesStatus",
        "config:SelectAggregateResourceConfig",
        "ec2:DescribeRegions",
        "sns:ListTagsForResource",
        "sns:ListTopics",
    ]
    assert entering["Resource"] == [
        "arn:aws:iam::111122223333:role/mac",
        "arn:aws:iam::444455556666:role/mac-config",
    ]
    template = json.loads(mac("inventory", "-C", root, "iam-policy", "--form", "stackset").stdout)
    (policy,) = template["Resources"]["InventoryRole"]["Properties"]["Policies"]
    assert not any(a.startswith("config:") for a in policy["PolicyDocument"]["Statement"][0]["Action"])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("name: all", "nmae: all", ("unknown-key", 'did you mean "name"?')),
        ("region: us-east-1", "region: here", ("wrong-value", "an AWS region")),
        ('"444455556666"', '"44445555"', ("wrong-value", "twelve digits")),
        ("::444455556666:", "::111122223333:", ("wrong-value", "the role belongs to another account")),
        (
            "region: us-east-1",
            "region: us-east-1\n        kinds: [emr-cluster]",
            ("wrong-value", "ec2-instance"),
        ),
        (
            "region: us-east-1",
            "region: us-east-1\n        kinds: [s3-bucket]",
            ("wrong-value", "does not read"),
        ),
    ],
)
def test_a_mistake_in_what_is_written_of_an_aggregator_is_told(
    written: Callable[[str], Path],
    mac: Callable[..., Result],
    old: str,
    new: str,
    told: tuple[str, str],
) -> None:
    done = mac("validate", "-C", written(WRITTEN.replace(old, new)), "--format", "json")
    assert done.exit_code == 1
    problems = [p for p in json.loads(done.stdout) if p["path"] == "inventory/aws.yaml"]
    assert [p["code"] for p in problems] == [told[0]]
    assert told[1] in f"{problems[0]['message']} {problems[0]['hint']}"
