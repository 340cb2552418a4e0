"""The regions of an account: `account:ListRegions` tells them, or EC2 where that is not to be had."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.validate import validate_parameters

from mac import iam, regions
from mac.aws import Aws
from mac.collect import collect
from mac.kinds import all_kinds
from mac.model import Account, EnabledRegions, InventoryConfig, ScopeState, Snapshot
from tests import aws_fleet as fleet
from tests.test_collect import NO_HOST, NOW

SQS = ("sqs-queue",)
ENABLED = EnabledRegions()
JSON = "application/json"


@pytest.fixture(scope="module", autouse=True)
def moto() -> Iterator[None]:
    with fleet.serve():
        yield


@pytest.fixture
def account() -> Account:
    return fleet.new_account()


def pages(*listed: Mapping[str, str]) -> Any:
    """A fault: recorded answers of ListRegions, region → status a page, each as botocore's model has it."""
    shape = boto3.Session()._session.get_service_model("account").operation_model("ListRegions").output_shape
    bodies: dict[str | None, str] = {}
    for number, statuses in enumerate(listed):
        found = [{"RegionName": r, "RegionOptStatus": status} for r, status in statuses.items()]
        body: dict[str, Any] = {"Regions": found}
        if number + 1 < len(listed):
            body["NextToken"] = str(number + 1)
        validate_parameters(body, shape)
        bodies[str(number) if number else None] = json.dumps(body)

    def answer(request: Any) -> Any:
        asked = json.loads(request.body)
        assert asked["MaxResults"] == 50
        return fleet.answer(200, bodies[asked.get("NextToken")], JSON)(request)

    return answer


def config(account: Account, enabled: EnabledRegions = ENABLED) -> InventoryConfig:
    return replace(fleet.config(account, kinds=SQS), regions=(), enabled_regions=enabled)


def read_regions(found: Snapshot) -> list[str]:
    return sorted(s.scope.region for s in found.scopes if s.scope.kind == "sqs-queue")


LISTED = pages(
    {"us-east-1": "ENABLED_BY_DEFAULT", "af-south-1": "DISABLED"},
    {"eu-south-1": "ENABLED", "il-central-1": "ENABLING", "ap-east-1": "DISABLING"},
)


def test_the_accounts_own_list_is_read_to_its_last_page(account: Account) -> None:
    watch = fleet.Watch({("ListRegions", ""): LISTED})
    found = collect(config(account), Snapshot(), now=NOW, aws=watch.aws())
    assert read_regions(found) == ["ap-east-1", "eu-south-1", "us-east-1"]
    assert watch.count("ListRegions") == 2
    assert watch.count("DescribeRegions") == 0


REFUSED = fleet.json_refusal("AccessDeniedException", status=403)


@pytest.mark.parametrize(
    "fault",
    [
        REFUSED,
        fleet.json_refusal("TooManyRequestsException", status=429),
        fleet.answer(404, "<html><title>Not Found</title></html>", "text/html"),
        fleet.answer(501, "", JSON),
        fleet.failure(ConnectTimeoutError(endpoint_url="https://account.us-east-1.amazonaws.com")),
        fleet.answer(200, "{}", JSON),
        fleet.answer(200, '{"Regions": [{"RegionName": "us-east-1"}]}', JSON),
    ],
)
def test_where_the_list_is_not_to_be_had_ec2_is_asked(account: Account, fault: Any) -> None:
    watch = fleet.Watch({("ListRegions", ""): fault}, attempts=5)
    found = collect(config(account, EnabledRegions(("eu-west-*",))), Snapshot(), now=NOW, aws=watch.aws())
    assert "eu-west-1" in read_regions(found)
    assert {s.state for s in found.scopes} == {ScopeState.COMPLETE}
    assert (watch.count("ListRegions"), watch.count("DescribeRegions")) == (1, 1)  # no second attempt


@pytest.mark.parametrize(("fault", "asked"), [(fleet.answer(501, "", JSON), 1), (REFUSED, 3)])
def test_an_endpoint_that_is_not_there_is_asked_once_and_a_refusal_is_each_accounts_own(
    fault: Any, asked: int
) -> None:
    watch = fleet.Watch({("ListRegions", ""): fault})
    members = [fleet.new_account() for _ in range(3)]
    inventory = replace(config(members[0], EnabledRegions(("eu-west-1",))), accounts=tuple(members))
    collect(replace(inventory, concurrency=1), Snapshot(), now=NOW, aws=watch.aws())
    assert (watch.count("ListRegions"), watch.count("DescribeRegions")) == (asked, 3)


def test_where_neither_answers_both_reasons_are_told(account: Account) -> None:
    faults = {
        ("ListRegions", ""): REFUSED,
        ("DescribeRegions", ""): fleet.refusal("UnauthorizedOperation"),
    }
    inventory = config(account, EnabledRegions(("eu-west-1",)))
    found = collect(inventory, Snapshot(), now=NOW, aws=fleet.Watch(faults).aws())
    (status,) = [s for s in found.scopes if s.scope.kind == "region"]
    assert status.state is ScopeState.DENIED
    assert status.reason == (
        "DescribeRegions: UnauthorizedOperation: no; ListRegions: AccessDeniedException: no"
    )
    assert read_regions(found) == ["eu-west-1"]


@pytest.mark.parametrize(
    ("status", "state"),
    [("DISABLED", ScopeState.DISABLED), ("ENABLED", ScopeState.STALE), ("DISABLING", ScopeState.STALE)],
)
def test_the_list_tells_a_disabled_region_from_a_failing_one(
    account: Account, status: str, state: ScopeState
) -> None:
    faults = {
        ("ListRegions", ""): pages({"us-east-1": "ENABLED_BY_DEFAULT", fleet.REGION: status}),
        ("ListQueues", ""): fleet.json_refusal("UnrecognizedClientException"),
    }
    found = collect(fleet.config(account, kinds=SQS), Snapshot(), now=NOW, aws=fleet.Watch(faults).aws())
    assert [s.state for s in found.scopes] == [state]


def test_the_policy_allows_both_calls_and_they_are_made(account: Account) -> None:
    watch = fleet.Watch({("ListRegions", ""): REFUSED})
    collect(config(account, EnabledRegions(("eu-west-1",))), Snapshot(), now=NOW, aws=watch.aws())
    made = {operation for _, operation, _ in watch.calls}
    assert set(regions.CALLS) <= made
    allowed = iam.policy([all_kinds()["sqs-queue"]])["Statement"][0]["Action"]
    assert set(regions.CALLS.values()) <= set(allowed)
    core = boto3.Session()._session
    for operation, action in regions.CALLS.items():
        service, _, name = action.partition(":")
        assert name == operation
        assert operation in core.get_service_model(service).operation_names


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "us-gov-west-1"])
def test_every_partition_has_an_endpoint_of_the_list(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    endpoint = Aws().client("account", region).meta.endpoint_url
    assert endpoint.startswith("https://account.")


def test_a_name_that_leads_nowhere_is_told_as_that_of_a_service_that_is_not_in_the_region(
    account: Account,
) -> None:
    core = boto3.Session()._session
    elsewhere = min(set(core.get_available_regions("ec2")) - set(core.get_available_regions("mwaa")))
    faults = {
        ("ListRegions", ""): pages({"us-east-1": "ENABLED_BY_DEFAULT", elsewhere: "ENABLED"}),
        ("ListEnvironments", ""): fleet.failure(NO_HOST),
    }
    for region, cause in ((elsewhere, "unknown-region"), ("us-east-1", "unreachable")):
        inventory = fleet.config(account, regions=(region,), kinds=("mwaa-environment",))
        found = collect(inventory, Snapshot(), now=NOW, aws=fleet.Watch(faults).aws())
        assert [(s.state, s.cause) for s in found.scopes] == [(ScopeState.STALE, cause)]
