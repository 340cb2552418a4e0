"""Events of AWS: what they name, how a queue of them is read, and the stacks that fill it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aws_fleet as fleet
import boto3
import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from hypothesis import given, settings
from hypothesis import strategies as st

from mac import deploy, event_scopes, event_stacks, exposition, kinds, sqs, standards
from mac.answers import CallError
from mac.deploy.amp import AmpAlertmanager
from mac.deploy_model import AmpSettings
from mac.event_model import Event, EventQueue, Message
from mac.events import Events
from mac.inventory_model import Scope
from mac.model import Via
from mac.problems import AwsError, ProblemsError

REGION = "us-east-1"
ACCOUNT = "123456789012"
SAMPLES: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("aws_events.json").read_text(encoding="utf-8")
)
"""As AWS's documentation shows them, with values in place of its placeholders."""

MEMBERSHIP = {"autoscaling-group", "classic-load-balancer", "ebs-volume", "ec2-instance", "target-group"}


def named(name: str, **changes: Any) -> set[str]:
    """The kinds that a sample puts out of date, all of them where it happened."""
    found = event_scopes.scopes(event_scopes.read(json.dumps({**SAMPLES[name], **changes})))
    assert {(scope.account, scope.region) for scope in found} <= {(ACCOUNT, REGION)}
    return {scope.kind for scope in found}


# --- what an event names -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("instance-state", MEMBERSHIP),
        ("spot-interruption", {"autoscaling-group", "ec2-instance"}),
        ("launch", MEMBERSHIP),
        ("terminate", MEMBERSHIP),
        ("terminate-hook", {"autoscaling-group", "ec2-instance"}),
        ("launch-failed", set()),
        ("emr-cluster", {"ec2-instance", "emr-cluster", "emr-instance-group"}),
        ("emr-step", {"emr-cluster"}),
        ("tag-instance", {"ec2-instance"}),
    ],
)
def test_an_event_names_what_it_puts_out_of_date(sample: str, expected: set[str]) -> None:
    assert named(sample) == expected


def test_groups_and_fleets_of_emr_name_their_machines() -> None:
    for type_ in ("EMR Instance Group State Change", "EMR Instance Fleet State Change"):
        assert named("emr-cluster", **{"detail-type": type_}) == {"ec2-instance", "emr-instance-group"}


def test_tags_of_what_is_no_machine_name_nothing() -> None:
    bucket = {"service": "s3", "resource-type": "bucket"}
    assert named("tag-instance", detail=bucket) == set()
    assert named("tag-instance", detail=None) == set()


def test_an_event_of_somebody_else_names_nothing() -> None:
    assert named("instance-state", source="com.example.shop") == set()


def test_every_rule_names_kinds_that_are_read_by_region() -> None:
    for rule in event_scopes.RULES:
        for kind in rule.kinds:
            assert not kinds.aws_kinds()[kind].global_


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", 'no "source"'),
        (json.dumps({**SAMPLES["launch"], "account": 5}), 'no "account"'),
        (json.dumps({**SAMPLES["launch"], "account": "../../etc"}), "none of AWS's"),
        (json.dumps({**SAMPLES["launch"], "region": "us-east-1\n"}), "none of AWS's"),
    ],
)
def test_what_is_no_event_is_refused(body: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        event_scopes.read(body)


@settings(max_examples=50)
@given(
    st.text() | st.recursive(st.none() | st.text(), lambda c: st.dictionaries(st.text(), c)).map(json.dumps)
)
def test_no_text_breaks_the_reader(body: str) -> None:
    try:
        found = event_scopes.read(body)
    except ValueError:
        return
    assert isinstance(found, Event)


# --- reading a queue ---------------------------------------------------------------------------------


class FakeQueue:
    """Gives out lots of messages; an AwsError in their place is raised. Once they are over there are none."""

    def __init__(self, *lots: Sequence[Message] | AwsError) -> None:
        self.lots = list(lots)
        self.deleted: list[str] = []
        self.waits: list[int] = []

    def receive(self, wait: int) -> Sequence[Message]:
        self.waits.append(wait)
        lot = self.lots.pop(0) if self.lots else ()
        if isinstance(lot, AwsError):
            raise lot
        return lot

    def delete(self, receipts: Sequence[str]) -> None:
        self.deleted += receipts

    def depth(self) -> int:
        return 7


def message(sample: str, receipt: str = "r", sent: float = 0.0) -> Message:
    return Message(json.dumps(SAMPLES[sample]), receipt, sent)


def source(queue: FakeQueue, **options: Any) -> Events:
    return Events(queue, **options)  # type: ignore[arg-type]


def page(events: Events) -> dict[str, str]:
    lines = exposition.text(events.families()).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_a_burst_is_one_answer() -> None:
    queue = FakeQueue([message("launch")] * 10, [message("launch"), message("emr-step")])
    found = source(queue).wait(30)
    assert {scope.kind for scope in found} == MEMBERSHIP | {"emr-cluster"}
    assert queue.waits == [20, 1, 1]


def test_messages_are_deleted_once_their_scopes_are_in_the_callers_hands() -> None:
    queue = FakeQueue([message("launch", "first")], [], [message("launch", "second")])
    events = source(queue)
    assert events.wait(30)
    assert queue.deleted == []
    assert events.wait(30)
    assert queue.deleted == ["first"]


def test_what_names_nothing_is_dropped_at_once_and_does_not_wake_anybody() -> None:
    told: list[str] = []
    bad = Message("}", "bad", 0.0)
    queue = FakeQueue([message("launch-failed", "idle"), bad, bad], [message("emr-step", "step")])
    events = source(queue, told=told.append)
    assert {scope.kind for scope in events.wait(30)} == {"emr-cluster"}
    assert queue.deleted == ["idle", "bad", "bad"]
    assert told == ["a message of the queue was dropped and 1 more: it is not JSON"]
    shown = page(events)
    assert shown['mac_sync_events_total{result="taken"}'] == "1"
    assert shown['mac_sync_events_total{result="ignored"}'] == "1"
    assert shown['mac_sync_events_total{result="malformed"}'] == "2"


def test_nothing_for_the_whole_time_is_an_empty_answer() -> None:
    assert source(FakeQueue()).wait(0.01) == frozenset()


def test_the_lag_is_that_of_the_oldest_message_and_over_when_the_queue_is_empty() -> None:
    queue = FakeQueue([message("launch", sent=970.0), message("launch", sent=990.0)])
    events = source(queue, gather=0.0, clock=lambda: 1000.0)
    events.wait(30)
    shown = page(events)
    assert shown["mac_sync_event_lag_seconds"] == "30"
    assert shown["mac_sync_event_queue_messages"] == "7"
    assert shown["mac_sync_events_last_read_timestamp_seconds"] == "1000"
    events.wait(0.01)
    assert page(events)["mac_sync_event_lag_seconds"] == "0"


def test_a_failure_is_raised_and_what_was_found_before_it_is_not_lost() -> None:
    queue = FakeQueue(AwsError("no"), [message("emr-step")], AwsError("no"), [message("launch")])
    events = source(queue)
    with pytest.raises(AwsError):
        events.wait(30)
    assert {scope.kind for scope in events.wait(30)} == {"emr-cluster"}
    assert {scope.kind for scope in events.wait(30)} == MEMBERSHIP


def test_a_queue_that_never_answers_grows_old_from_the_start() -> None:
    queue = FakeQueue(AwsError("no"))
    events = source(queue, clock=lambda: 5.0)
    with pytest.raises(AwsError):
        events.wait(30)
    assert page(events)["mac_sync_events_last_read_timestamp_seconds"] == "5"


# --- the stacks --------------------------------------------------------------------------------------

TEMPLATES = {
    "alone": event_stacks.hub(kinds.DEFAULT),
    "accounts": event_stacks.hub(kinds.DEFAULT, accounts=["111111111111", "222222222222"]),
    "organization": event_stacks.hub(kinds.DEFAULT, organization=True),
    "both": event_stacks.hub(kinds.DEFAULT, accounts=["111111111111"], organization=True),
    "spoke": event_stacks.spoke(kinds.DEFAULT),
}


def test_cloudformation_knows_all_of_the_templates() -> None:
    config = ManualArgs(regions=[REGION])
    for name in ("alone", "both", "spoke"):
        assert [str(match) for match in lint(json.dumps(TEMPLATES[name]), config=config)] == []
    assert lint(json.dumps(TEMPLATES["spoke"]).replace("EventPattern", "Pattern"), config=config)


def test_only_events_of_what_is_read_are_forwarded() -> None:
    assert event_stacks.patterns(["s3-bucket"]) == {}
    assert event_stacks.patterns(["emr-cluster"]) == {
        "Changes": {
            "source": ["aws.emr"],
            "detail-type": ["EMR Cluster State Change", "EMR Step Status Change"],
        }
    }
    assert "TagsEc2Instance" in event_stacks.patterns(["ec2-instance"])


def test_nobody_but_the_rules_of_the_stack_sends_to_its_queues() -> None:
    resources = TEMPLATES["accounts"]["Resources"]
    rules = {name for name, each in resources.items() if each["Type"] == "AWS::Events::Rule"}
    assert len(rules) == 4
    for queue in ("Queue", "DeadLetters"):
        policy = resources[f"{queue}Policy"]["Properties"]
        (allowed,) = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
        assert policy["Queues"] == [{"Ref": queue}]
        assert allowed["Resource"] == {"Fn::GetAtt": [queue, "Arn"]}
        sources = allowed["Condition"]["ArnEquals"]["aws:SourceArn"]
        assert {each["Fn::GetAtt"][0] for each in sources} == rules
        assert resources[queue]["Properties"]["SqsManagedSseEnabled"] is True


def test_the_bus_takes_events_of_the_accounts_and_of_the_organization_alone() -> None:
    def allowed(template: str) -> dict[str, Any]:
        resources = TEMPLATES[template]["Resources"].values()
        policies = [r["Properties"] for r in resources if r["Type"] == "AWS::Events::EventBusPolicy"]
        return {each["StatementId"]: each["Statement"] for each in policies}

    assert allowed("alone") == {}
    assert allowed("both").keys() == {"MacAccountsForward", "MacOrganizationForward"}
    assert allowed("accounts")["MacAccountsForward"]["Principal"] == {
        "AWS": [{"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{n * 12}:root"} for n in "12"]
    }
    organization = allowed("organization")["MacOrganizationForward"]
    assert organization["Condition"]["StringEquals"] == {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}}


def test_who_reads_the_queue_may_do_nothing_else() -> None:
    statement = event_stacks.reader("arn")["Statement"]
    assert statement == [
        {
            "Sid": "MacReadsEvents",
            "Effect": "Allow",
            "Action": ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            "Resource": "arn",
        }
    ]


# --- with an AWS -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with fleet.serve() as endpoint:
        yield endpoint


def stack(client: Any, name: str, template: dict[str, Any], **parameters: str) -> dict[str, str]:
    """The outputs of a stack."""
    client.create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    (made,) = client.describe_stacks(StackName=name)["Stacks"]
    assert made["StackStatus"] == "CREATE_COMPLETE"
    return {each["OutputKey"]: each["OutputValue"] for each in made.get("Outputs", ())}


def put(session: boto3.Session, sample: str) -> None:
    event = SAMPLES[sample]
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
    }
    answer = session.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0


class WithAccount(sqs.Queue):
    """moto's events are without the account, which every one of AWS has."""

    def receive(self, wait: int) -> tuple[Message, ...]:
        return tuple(
            replace(each, body=json.dumps({**json.loads(each.body), "account": ACCOUNT}))
            for each in super().receive(wait)
        )


@pytest.mark.usefixtures("moto")
@pytest.mark.filterwarnings("ignore:Tried to parse AWS")
def test_an_event_reaches_mac_through_the_stack_and_is_read_once() -> None:
    """By EventBridge, from the hub's own account and from another region by way of the hub's bus.

    moto takes events of aws.* from anybody, gives a forwarded one the hub's region, where AWS keeps the
    first one, and knows neither queue policies nor the policy of the bus.
    """
    here, there = (boto3.Session(region_name=region) for region in (REGION, "eu-west-1"))
    made = stack(
        here.client("cloudformation"), "hub", TEMPLATES["organization"], OrganizationId="o-abcdefghij"
    )
    stack(there.client("cloudformation"), "spoke", TEMPLATES["spoke"], HubBus=made["BusArn"])
    queue = WithAccount(EventQueue(made["QueueArn"], REGION))
    assert queue.receive(0) == ()
    put(here, "instance-state")
    put(here, "launch-failed")  # of no interest to any rule
    put(there, "emr-step")
    assert queue.depth() == 2
    events = Events(queue, gather=0.2)
    found = events.wait(20)
    assert found == {Scope(ACCOUNT, REGION, kind) for kind in (*MEMBERSHIP, "emr-cluster")}
    assert events.wait(0.5) == frozenset()
    assert queue.depth() == 0
    shown = page(events)
    assert shown['mac_sync_events_total{result="taken"}'] == "2"
    assert 'mac_sync_events_total{result="ignored"} 0' in exposition.text(events.families())


@pytest.mark.usefixtures("moto")
def test_the_queue_is_found_by_its_url_as_well() -> None:
    url = boto3.client("sqs", region_name=REGION).create_queue(QueueName="by-url")["QueueUrl"]
    settings = EventQueue(url, REGION)
    queue = sqs.Queue(settings)
    assert queue.receive(0) == ()
    assert settings.arn == f"arn:aws:sqs:{REGION}:{ACCOUNT}:by-url"


@pytest.mark.usefixtures("moto")
def test_a_queue_that_is_not_there_is_an_error_with_its_name() -> None:
    queue = sqs.Queue(EventQueue(f"arn:aws:sqs:{REGION}:{ACCOUNT}:nowhere", REGION))
    with pytest.raises(AwsError, match=r"the queue arn:aws:sqs:.*nowhere: ReceiveMessage"):
        queue.receive(0)


# --- the command line --------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One with an account in two regions, and a queue."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "standards/teams").mkdir(parents=True)
    (tmp_path / "mac.yaml").write_text(
        "apiVersion: mac/v1\nkind: Project\nspec:\n  sync:\n    events:\n"
        f"      queue: https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/mac-sync-events\n"
    )
    (tmp_path / "inventory/aws.yaml").write_text(
        "apiVersion: mac/v1\nkind: Inventory\nspec:\n  kinds: [ec2-instance]\n"
        "  regions: [us-east-1, eu-west-1]\n"
        f'  accounts: [{{id: "{ACCOUNT}", name: main}}]\n'
    )
    (tmp_path / "standards/teams/platform.yaml").write_text(
        "apiVersion: mac/v1\nkind: Team\nmetadata: {name: platform}\nspec:\n  receivers:\n"
        "    page: [{webhook: {url: 'https://example.com/'}}]\n    ticket: [{webhook: {url: 'https://example.com/'}}]\n"
    )
    return tmp_path


def test_the_stacks_are_printed_for_what_the_inventory_reads(mac: Any, repository: Path) -> None:
    printed = mac("sync", "--root", repository, "cloudformation")
    assert printed.exit_code == 0, printed.stderr
    assert json.loads(printed.stdout) == event_stacks.hub(["ec2-instance"], accounts=[ACCOUNT])
    printed = mac("sync", "--root", repository, "cloudformation", "--form", "spoke")
    assert json.loads(printed.stdout) == event_stacks.spoke(["ec2-instance"])


def test_one_account_in_one_region_has_no_bus(mac: Any, repository: Path) -> None:
    inventory = repository / "inventory/aws.yaml"
    inventory.write_text(inventory.read_text().replace("us-east-1, eu-west-1", "us-east-1"))
    printed = json.loads(mac("sync", "--root", repository, "cloudformation").stdout)
    assert "Bus" not in printed["Resources"]
    assert "Parameters" not in printed


def test_an_inventory_without_events_gets_no_stack(mac: Any, repository: Path) -> None:
    inventory = repository / "inventory/aws.yaml"
    inventory.write_text(inventory.read_text().replace("ec2-instance", "s3-bucket"))
    refused = mac("sync", "--root", repository, "cloudformation")
    assert (refused.exit_code, refused.stdout) == (64, "")
    assert "AWS sends no events" in refused.stderr


def test_the_policy_is_printed_for_the_queue_of_mac_yaml(mac: Any, repository: Path) -> None:
    printed = json.loads(mac("sync", "--root", repository, "iam-policy").stdout)
    assert printed == event_stacks.reader(f"arn:aws:sqs:{REGION}:{ACCOUNT}:mac-sync-events")
    (repository / "mac.yaml").write_text("apiVersion: mac/v1\nkind: Project\nspec: {}\n")
    refused = mac("sync", "--root", repository, "iam-policy")
    assert refused.exit_code == 64
    assert "spec.sync.events.queue" in refused.stderr


class Entered:
    """An AWS that nobody enters; it notes by which role that was tried."""

    def hub(self, region: str, via: Via | None) -> Any:
        self.asked = (region, via)
        raise CallError("nobody enters")


def test_the_queue_and_the_workspace_are_entered_by_the_external_id_of_their_role(repository: Path) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/mac"
    by_role = f"role_arn: '{role}', external_id: mac-4f1c"
    (repository / "mac.yaml").write_text(
        "apiVersion: mac/v1\nkind: Project\nspec:\n  sync:\n    events:\n"
        f"      {{queue: 'arn:aws:sqs:{REGION}:{ACCOUNT}:q', {by_role}}}\n  destinations:\n"
        f"    a: {{type: amp-alertmanager, workspace: ws-1, region: {REGION}, {by_role}}}\n"
    )
    project = standards.settings(repository)
    assert project.events is not None
    (amp,) = project.destinations
    assert isinstance(amp, AmpSettings)
    workspace = deploy.destination(amp)
    assert isinstance(workspace, AmpAlertmanager)
    aws: Any = Entered()
    with pytest.raises(AwsError, match="nobody enters"):
        sqs.Queue(project.events, aws).receive(0)
    assert aws.asked == (REGION, Via(role, "mac-4f1c"))
    workspace.workspace._aws = aws = Entered()
    with pytest.raises(AwsError, match="nobody enters"):
        workspace.workspace.alertmanager()
    assert aws.asked == (REGION, Via(role, "mac-4f1c"))
    (repository / "mac.yaml").write_text(
        "apiVersion: mac/v1\nkind: Project\nspec:\n  sync:\n"
        f"    events: {{queue: 'arn:aws:sqs:{REGION}:{ACCOUNT}:q', external_id: mac-4f1c}}\n"
    )
    with pytest.raises(ProblemsError) as caught:
        standards.settings(repository)
    assert "role_arn" in caught.value.problems[0].message
