"""Accounts come from AWS Organizations and regions from AWS; what does not answer stays as it was known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import Result

from mac import accounts, iam, schema, scope_table, source
from mac.collect import collect
from mac.grace import settle
from mac.incomplete import outdated
from mac.kinds import all_kinds
from mac.model import (
    Account,
    EnabledRegions,
    InventoryConfig,
    KnownAccount,
    Lifecycle,
    Organization,
    Resource,
    ScopeState,
    Snapshot,
    Via,
)
from mac.problems import AwsError, Severity
from mac.snapshot import files as snapshot_files
from mac.snapshot import from_bytes, from_files, stored_files, to_bytes
from mac.snapshot import read as read_stored
from mac.standards import inventory as document_of_inventory
from tests import aws_fleet as fleet

NOW = datetime(2096, 11, 23, 12, tzinfo=UTC)  # long after the embedded AWS launches anything
SQS = ("sqs-queue",)
THROTTLED = fleet.json_refusal("ThrottlingException")


@pytest.fixture(scope="module")
def organization() -> Iterator[dict[str, str]]:
    """Names → ids: the root, units and accounts of an organization of 23 besides the management account."""
    with fleet.serve():
        api = boto3.client("organizations", region_name="us-east-1")
        api.create_organization(FeatureSet="ALL")
        root = api.list_roots()["Roots"][0]["Id"]
        made = {"root": root}
        for name, parent in (("prod", "root"), ("data", "prod"), ("test", "root")):
            unit = api.create_organizational_unit(ParentId=made[parent], Name=name)
            made[name] = unit["OrganizationalUnit"]["Id"]
        for number in range(23):
            name = f"Team {number} (Prod)"
            status = api.create_account(AccountName=name, Email=f"t{number}@example.org")[
                "CreateAccountStatus"
            ]
            made[name] = status["AccountId"]
        for number, unit in enumerate(("prod", "data", "test")):
            account = made[f"Team {number} (Prod)"]
            api.move_account(AccountId=account, SourceParentId=root, DestinationParentId=made[unit])
        yield made


def inventory(**more: Any) -> InventoryConfig:
    organization = Organization("mac-reader", **more)
    return InventoryConfig((), (fleet.REGION,), SQS, concurrency=4, organization=organization)


def read(
    config: InventoryConfig,
    last: Snapshot = Snapshot(),  # noqa: B008  a frozen value
    watch: fleet.Watch | None = None,
) -> Snapshot:
    return collect(config, last, now=NOW, aws=(watch or fleet.Watch()).aws())


def read_accounts(found: Snapshot) -> set[str]:
    return {s.scope.account for s in found.scopes if s.scope.kind == "sqs-queue"}


def test_all_accounts_of_an_organization_are_read_but_its_management_account(
    organization: dict[str, str],
) -> None:
    watch = fleet.Watch()
    found = read(inventory(), watch=watch)
    assert watch.count("ListAccounts") == 2  # twenty a page
    teams = {i for name, i in organization.items() if name.startswith("Team")}
    assert read_accounts(found) == teams
    assert {s.state for s in found.scopes} == {ScopeState.COMPLETE}
    (left,) = [a for a in found.accounts if a.left_out]
    assert left.id == fleet.AMBIENT
    assert "include_management" in left.left_out
    assert {a.name for a in found.accounts if a.id in teams} == {f"team-{n}-prod" for n in range(23)}
    assert from_bytes(to_bytes(found)) == found == from_files(snapshot_files(found))


def test_units_are_read_with_those_below_them_and_without_what_is_excluded(
    organization: dict[str, str],
) -> None:
    team = [organization[f"Team {n} (Prod)"] for n in range(3)]
    prod, data = organization["prod"], organization["data"]
    assert read_accounts(read(inventory(units=(prod,)))) == set(team[:2])
    assert read_accounts(read(inventory(units=(prod,), exclude=(data,)))) == {team[0]}
    found = read(inventory(units=(prod,), exclude=(team[0],)))
    assert read_accounts(found) == {team[1]}
    assert [(a.id, a.left_out) for a in found.accounts if a.left_out] == [
        (team[0], "excluded in inventory/aws.yaml")
    ]
    everything = read(inventory(exclude=(data,)))
    assert len(read_accounts(everything)) == 22


def rows(*numbers: str, state: str = "ACTIVE") -> list[dict[str, str]]:
    return [
        {
            "Id": number,
            "Arn": f"arn:aws:organizations::{fleet.AMBIENT}:account/o-abc/{number}",
            "Name": f"n{number}",
            "Status": state,
        }
        for number in numbers
    ]


def page(*numbers: str, token: str = "", state: str = "ACTIVE") -> Any:
    body = {"Accounts": rows(*numbers, state=state)} | ({"NextToken": token} if token else {})
    return fleet.answer(200, json.dumps(body), "application/x-amz-json-1.1")


def test_an_empty_page_with_a_token_is_not_the_end(organization: dict[str, str]) -> None:
    first, second = fleet.new_account().id, fleet.new_account().id

    def pages(request: Any) -> Any:
        asked = json.loads(request.body).get("NextToken")
        return {None: page(first, token="1"), "1": page(token="2"), "2": page(second)}[asked](request)

    watch = fleet.Watch({("ListAccounts", ""): pages})
    assert read_accounts(read(inventory(), watch=watch)) == {first, second}
    assert watch.count("ListAccounts") == 6  # such a page is so rare that the list is read twice


def test_a_suspended_account_is_left_out_and_says_so(organization: dict[str, str]) -> None:
    gone = fleet.new_account().id
    found = read(inventory(), watch=fleet.Watch({("ListAccounts", ""): page(gone, state="SUSPENDED")}))
    assert read_accounts(found) == set()
    assert [a.left_out for a in found.accounts] == ["the organization says that it is suspended"]


def test_an_organization_that_does_not_answer_keeps_its_accounts(organization: dict[str, str]) -> None:
    prod = organization["prod"]
    first = read(inventory(units=(prod,)))
    fleet.queue(
        fleet.session(
            Account(
                organization["Team 0 (Prod)"], "", fleet.ROLE.format(account=organization["Team 0 (Prod)"])
            )
        ),
        "fresh",
    )
    refused = fleet.Watch({("ListAccountsForParent", ""): fleet.json_refusal("AccessDeniedException")})
    second = read(inventory(units=(prod,)), first, refused)
    assert second.accounts == first.accounts
    assert read_accounts(second) == read_accounts(first)
    assert [r.name for r in second.resources] == ["fresh"]  # and they are read as ever
    (status,) = [s for s in second.scopes if s.state is not ScopeState.COMPLETE]
    assert status.scope == accounts.ACCOUNTS
    assert (status.state, status.cause) == (ScopeState.DENIED, "denied")


@pytest.mark.parametrize("body", ["{}", '{"Accounts": []}'])
def test_an_organization_without_any_account_is_no_answer(organization: dict[str, str], body: str) -> None:
    first = read(inventory())
    empty = fleet.answer(200, body, "application/x-amz-json-1.1")
    second = read(inventory(), first, fleet.Watch({("ListAccounts", ""): empty}))
    assert read_accounts(second) == read_accounts(first)
    (status,) = [s for s in second.scopes if s.state is not ScopeState.COMPLETE]
    assert (status.scope, status.cause) == (accounts.ACCOUNTS, "malformed")


@pytest.mark.parametrize("operation", ["ListAccountsForParent", "ListChildren"])
def test_a_unit_without_the_list_of_what_is_in_it_is_no_answer(
    organization: dict[str, str], operation: str
) -> None:
    units = (organization["prod"],)
    first = read(inventory(units=units))
    empty = fleet.answer(200, "{}", "application/x-amz-json-1.1")
    second = read(inventory(units=units), first, fleet.Watch({(operation, ""): empty}))
    assert read_accounts(second) == read_accounts(first) != set()
    (status,) = [s for s in second.scopes if s.state is not ScopeState.COMPLETE]
    assert (status.scope, status.cause) == (accounts.ACCOUNTS, "malformed")


def members(count: int) -> list[str]:
    return [f"{number:012}" for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [(10, 7, False), (10, 6, True), (4, 2, False), (3, 1, False), (2, 0, True), (20, 21, False)],
)
def test_an_organization_that_lost_many_accounts_at_once_keeps_them_until_a_person_says_so(
    before: int, after: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")  # nobody is asked for one
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    def listing(count: int) -> Any:
        return lambda _, kind, place, __: [kind.transform(place, row) for row in rows(*members(count))]

    config = inventory()
    first = accounts.find(config, Snapshot(), fleet.Watch().aws(), listing(before))
    last = Snapshot(accounts=first.known(config))
    second = accounts.find(config, last, fleet.Watch().aws(), listing(after))
    error = second.errors[accounts.ACCOUNTS]
    assert [a.id for a in second.accounts] == members(before if refused else after)
    assert (error is not None) == refused
    if error:
        assert error.cause == "shrunk"
        assert f"of the {before} accounts" in error.reason
        assert "--allow-shrink" in error.reason
    allowed = accounts.find(replace(config, largest_loss=1), last, fleet.Watch().aws(), listing(after))
    assert [a.id for a in allowed.accounts] == members(after)


def test_accounts_that_are_missing_from_a_list_are_read_until_it_is_allowed_that_they_go(
    organization: dict[str, str], tmp_path: Path, mac: Callable[..., Result]
) -> None:
    root = tmp_path / "monitoring"
    assert mac("init", root).exit_code == 0
    (root / "inventory/aws.yaml").write_text(
        "apiVersion: mac/v1\nkind: Inventory\nspec:\n"
        "  accounts: {organization: {role: mac-reader}}\n"
        f"  regions: [{fleet.REGION}]\n  kinds: [sqs-queue]\n"
    )
    gone = members(30)
    known = Snapshot(accounts=tuple(KnownAccount(number, f"n{number}") for number in gone))
    for path, data in stored_files(known).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    told = mac("inventory", "-C", root, "--strict")
    assert told.exit_code == 1
    assert "of the 30 accounts that the organization had, 30 are not listed any more" in told.stderr
    assert read_accounts(read_stored(root / "inventory/snapshot")) == set(gone)
    assert mac("inventory", "-C", root, "--strict", "--allow-shrink").exit_code == 0
    assert len(read_accounts(read_stored(root / "inventory/snapshot")) - set(gone)) == 23


def test_an_account_that_moves_between_pages_of_the_list_stays(organization: dict[str, str]) -> None:
    first = read(inventory())
    lists: list[int] = []

    def forget_one(parsed: dict[str, Any], **_: Any) -> None:
        lists.append(1)
        if len(lists) == 2:  # the second page of the first reading
            parsed["Accounts"].pop()

    aws = fleet.Watch().aws()
    aws.events.register("after-call.organizations.ListAccounts", forget_one)
    second = collect(inventory(), first, now=NOW, aws=aws)
    assert read_accounts(second) == read_accounts(first)
    assert len(lists) == 4


def test_an_organization_that_was_never_read_cannot_be_guessed(organization: dict[str, str]) -> None:
    refused = fleet.Watch({("ListAccounts", ""): fleet.json_refusal("AccessDeniedException")})
    with pytest.raises(AwsError, match="the organization: ListAccounts: AccessDeniedException"):
        read(inventory(), watch=refused)


def test_names_that_are_alike_get_their_numbers() -> None:
    alike = [
        Resource(arn="", kind="", account="", region="", id=i, name="Shop") for i in ("1" * 12, "2" * 12)
    ]
    assert set(accounts._names(alike, []).values()) == {f"shop-{'1' * 12}", f"shop-{'2' * 12}"}


def test_a_central_account_is_entered_first(organization: dict[str, str]) -> None:
    account = fleet.new_account()
    asked: list[str] = []
    aws = fleet.Watch().aws()
    aws.events.register("before-send.sts.AssumeRole", lambda request, **_: asked.append(str(request.body)))
    via = Via("arn:aws:iam::999999999999:role/hub", "ext", "watcher")
    config = replace(fleet.config(replace(account, session_name="reader"), kinds=SQS), via=via)
    found = collect(config, Snapshot(), now=NOW, aws=aws)
    assert {s.state for s in found.scopes} == {ScopeState.COMPLETE}
    assert ["999999999999" in body for body in asked] == [True, False]
    assert "RoleSessionName=watcher" in asked[0]
    assert "ExternalId=ext" in asked[0]
    assert "RoleSessionName=reader" in asked[1]


# --- regions -----------------------------------------------------------------------------------------


def test_the_regions_that_an_account_has_enabled_are_read_and_kept(organization: dict[str, str]) -> None:
    account = fleet.new_account()
    config = replace(fleet.config(account, kinds=SQS), regions=(), enabled_regions=EnabledRegions(("eu-*",)))
    found = read(config)
    regions = {s.scope.region for s in found.scopes if s.scope.kind == "sqs-queue"}
    assert {"eu-west-1", "eu-central-1"} <= regions
    assert all(region.startswith("eu-") for region in regions)
    (known,) = found.accounts
    assert set(known.regions) == regions
    fewer = replace(config, enabled_regions=EnabledRegions(("eu-*",), ("eu-west-*",)))
    refused = fleet.Watch({("DescribeRegions", ""): fleet.refusal("UnauthorizedOperation")})
    later = read(fewer, found, refused)
    kept = {s.scope.region for s in later.scopes if s.scope.kind == "sqs-queue"}
    assert kept == {r for r in regions if not r.startswith("eu-west-")}
    (status,) = [s for s in later.scopes if s.state is not ScopeState.COMPLETE]
    assert status.scope == accounts.regions_scope(account.id)


# --- a budget for each account -----------------------------------------------------------------------


def test_one_throttled_account_does_not_take_the_retries_of_another(organization: dict[str, str]) -> None:
    slow, well = fleet.new_account(), fleet.new_account()
    for account in (slow, well):
        for number in range(3):
            fleet.queue(fleet.session(account), f"q{number}")
    made: Counter[str] = Counter()
    failed_once: set[str] = set()
    aws = fleet.Watch(attempts=5).aws()
    object.__setattr__(aws.limits, "pause", 0)
    object.__setattr__(aws.limits, "retries", 6)

    def answer(request: Any, **_: Any) -> Any:
        url = str(request.body)
        who = slow.id if slow.id in url else well.id
        made[who] += 1
        if who == slow.id:
            return THROTTLED(request)
        if url not in failed_once:  # each call of the healthy one fails in passing
            failed_once.add(url)
            return fleet.json_refusal("InternalError", status=500)(request)
        return None

    aws.events.register_first("before-send.sqs.ListQueueTags", answer)
    found = collect(fleet.config(slow, well, kinds=SQS), Snapshot(), now=NOW, aws=aws)
    states = {s.scope.account: (s.state, s.cause) for s in found.scopes}
    assert states == {slow.id: (ScopeState.STALE, "throttled"), well.id: (ScopeState.COMPLETE, "")}
    assert made[well.id] == 6  # three calls, each made twice: as many as if it were alone
    assert made[slow.id] <= 3 + 6  # its own budget, and not one more


def test_a_scope_whose_time_is_over_is_given_up(organization: dict[str, str]) -> None:
    account = fleet.new_account()
    fleet.queue(fleet.session(account), "q")
    found = read(replace(fleet.config(account, kinds=SQS), deadline=-1))
    (status,) = found.scopes
    assert (status.state, status.cause) == (ScopeState.STALE, "timeout")
    assert status.reason == "ListQueues: the scope's time was over before its last page"


# --- age ---------------------------------------------------------------------------------------------


def test_what_was_not_read_for_longer_than_max_age_is_a_problem(organization: dict[str, str]) -> None:
    account = fleet.new_account()
    config = fleet.config(account, kinds=SQS)
    found = read(config, read(config), fleet.Watch({("ListQueues", ""): THROTTLED}))
    assert outdated(found, config, NOW + timedelta(hours=24)) == []
    (problem,) = outdated(found, config, NOW + timedelta(hours=25))
    assert (problem.code, problem.severity) == ("inventory-outdated", Severity.WARNING)
    assert "2096-11-23T12:00:00Z" in problem.message
    (strict,) = outdated(found, config, NOW + timedelta(hours=25), strict=True)
    assert strict.severity is Severity.ERROR


# --- the first minutes of a machine ------------------------------------------------------------------

LAUNCHED = "2096-11-23T11:55:00Z"


def thing(kind: str, name: str, **more: Any) -> Resource:
    return Resource(f"arn:{name}", kind, "1" * 12, fleet.REGION, name, **more)


def test_a_fresh_machine_without_tags_has_those_that_its_group_gives() -> None:
    group = thing(
        "autoscaling-group",
        "g",
        tags={"service": "shop", "secret": "x", "aws:x": "y"},
        attributes={"not_propagated": ["secret"]},
    )
    machine = thing("ec2-instance", "i-1", launched=LAUNCHED, links={"autoscaling-group": ("g",)})
    _, settled = settle([group, machine], {}, NOW, 600)
    assert settled.tags == {"service": "shop"}
    assert settled.lifecycle is Lifecycle.IN_SERVICE
    assert settle([group, machine], {}, NOW + timedelta(minutes=6), 600)[1] == machine


def test_a_fresh_machine_without_tags_is_starting_and_one_that_had_tags_keeps_them() -> None:
    machine = thing("ec2-instance", "i-1", launched=LAUNCHED)
    (alone,) = settle([machine], {}, NOW, 600)
    assert (alone.lifecycle, alone.attributes) == (Lifecycle.STARTING, {"awaiting": "tags"})
    before = replace(machine, tags={"service": "shop"})
    (known,) = settle([machine], {machine.arn: before}, NOW, 600)
    assert (known.lifecycle, known.tags) == (Lifecycle.IN_SERVICE, {"service": "shop"})


def test_a_fresh_machine_that_is_not_listed_for_a_moment_does_not_vanish(
    organization: dict[str, str],
) -> None:
    account = fleet.new_account()
    config = fleet.config(account, kinds=("ec2-instance",))
    (machine,) = fleet.launch(fleet.session(account), 1, service="shop")
    first = collect(config, Snapshot(), now=datetime.now(UTC), aws=fleet.Watch().aws())
    none = fleet.answer(200, "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>")
    watch = fleet.Watch({("DescribeInstances", ""): none})
    soon = collect(config, first, now=datetime.now(UTC), aws=watch.aws())
    assert [r.id for r in soon.resources] == [machine]
    late = collect(config, first, now=datetime.now(UTC) + timedelta(hours=1), aws=watch.aws())
    assert late.resources == ()
    fleet.session(account).client("ec2").terminate_instances(InstanceIds=[machine])
    assert collect(config, first, now=datetime.now(UTC), aws=fleet.Watch().aws()).resources == ()


# --- lists that change while they are read -----------------------------------------------------------


def test_what_moves_between_pages_is_neither_lost_nor_doubled(organization: dict[str, str]) -> None:
    account = fleet.new_account()
    aws = fleet.session(account)
    for name in "abc":
        fleet.queue(aws, name)
    config = fleet.config(account, kinds=SQS)
    first = read(config)
    url = first.resources and aws.client("sqs").get_queue_url(QueueName="a")["QueueUrl"].rpartition("/")[0]
    readings: list[list[str]] = []

    def listed(request: Any) -> Any:
        token = json.loads(request.body).get("NextToken")
        if token is None:
            readings.append([])
        # In the first reading "c" moves to the page that was already read, and "b" stands on both.
        shown = {(1, None): "ab", (1, "2"): "b", (2, None): "ac", (2, "2"): "b"}[len(readings), token]
        body = {"QueueUrls": [f"{url}/{name}" for name in shown]} | ({} if token else {"NextToken": "2"})
        return fleet.answer(200, json.dumps(body), "application/x-amz-json-1.0")(request)

    watch = fleet.Watch({("ListQueues", ""): listed})
    second = read(config, first, watch)
    assert second == first
    assert watch.count("ListQueues") == 4
    readings.clear()
    readings.append([])  # both readings as the second: nothing is missing, so one is enough
    calm = fleet.Watch({("ListQueues", ""): listed})
    assert read(config, first, calm) == first
    assert calm.count("ListQueues") == 2


# --- permissions -------------------------------------------------------------------------------------


def test_the_calls_that_list_an_organization_are_those_of_the_policy(organization: dict[str, str]) -> None:
    for settings in ({}, {"units": (organization["prod"],)}, {"exclude": (organization["data"],)}):
        config, watch = inventory(**settings), fleet.Watch()
        read(config, watch=watch)
        roles, listing = accounts.entered(config)
        made = {f"{s}:{operation}" for s, operation, _ in watch.calls if s == "organizations"}
        document = iam.policy([all_kinds()["sqs-queue"]], roles, listing)
        statements = {s["Sid"]: s for s in document["Statement"]}
        assert set(statements["MacListsAccounts"]["Action"]) == made
        assert statements["MacEntersAccounts"]["Resource"] == ["arn:aws:iam::*:role/mac-reader"]


def test_a_stack_set_makes_the_role_with_the_same_permissions() -> None:
    kinds = list(all_kinds().values())
    template = iam.stack_set(kinds, "teams/mac-reader", "arn:aws:iam::999999999999:role/hub", "ext")
    role = template["Resources"]["InventoryRole"]["Properties"]
    assert (role["Path"], role["RoleName"]) == ("/teams/", "mac-reader")
    (policy,) = role["Policies"]
    assert policy["PolicyDocument"] == iam.policy(kinds)
    trust = role["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Principal"] == {"AWS": {"Ref": "Principal"}}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "ext"}}
    assert template["Parameters"]["Principal"]["Default"] == "arn:aws:iam::999999999999:role/hub"
    # What CloudFormation takes for an inline policy, without blanks.
    assert len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) <= 10240


# --- as it is written and shown ----------------------------------------------------------------------

WRITTEN = """\
apiVersion: mac/v1
kind: Inventory
spec:
  accounts:
    organization: {role: mac-reader, units: [ou-ab12-11111111], exclude: ["210987654321"], external_id: x}
    list: [{id: "123456789012", name: main}]
  regions: {enabled: {exclude: [ap-*]}}
  via: {role_arn: "arn:aws:iam::999999999999:role/hub"}
  max_age: 2d
  grace: 5m
  deadline: 90s
"""


def test_an_inventory_of_an_organization_is_written_in_a_few_lines() -> None:
    document, problems = source.parse(WRITTEN.encode(), "inventory/aws.yaml")
    assert document is not None
    assert (*problems, *schema.problems(document, "inventory")) == ()
    config = document_of_inventory.read(document)
    assert config.organization is not None
    assert config.organization.units == ("ou-ab12-11111111",)
    assert config.organization.external_id == "x"
    assert [a.id for a in config.accounts] == ["123456789012"]
    assert (config.regions, config.enabled_regions) == ((), EnabledRegions((), ("ap-*",)))
    assert config.via == Via("arn:aws:iam::999999999999:role/hub")
    assert (config.max_age, config.grace, config.deadline) == (172800, 300, 90)
    plain = WRITTEN.replace("{enabled: {exclude: [ap-*]}}", "enabled").replace("units:", "unit:")
    document, _ = source.parse(plain.encode(), "inventory/aws.yaml")
    assert document is not None
    assert [p.code for p in schema.problems(document, "inventory")] == ["unknown-key"]


def test_the_table_tells_what_failed_for_how_long_and_how_much_is_kept(organization: dict[str, str]) -> None:
    account = fleet.new_account()
    fleet.queue(fleet.session(account), "q")
    config = fleet.config(account, kinds=(*SQS, "sns-topic"))
    found = read(config, read(config), fleet.Watch({("ListQueues", ""): THROTTLED}))
    text = scope_table.as_text(found, NOW + timedelta(hours=27, minutes=5))
    line = next(row for row in text.splitlines() if row.startswith(f"{account.id}/"))
    assert line.split(maxsplit=5) == [
        f"{account.id}/{fleet.REGION}/sqs-queue",
        "stale",
        "(throttled)",
        "1",
        "1d3h",
        "ListQueues: throttled (ThrottlingException)",
    ]
    rows = scope_table.as_dict(found, "sha256:x", NOW + timedelta(hours=1))["scopes"]
    assert [(r["kind"], r["cause"], r["age_seconds"]) for r in rows] == [
        ("sns-topic", "", None),
        ("sqs-queue", "throttled", 3600),
    ]
