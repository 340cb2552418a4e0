"""The inventory is read scope by scope; what fails keeps what was known, and never looks empty."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from mac import answers
from mac.collect import Step, collect, scopes
from mac.giving_way import GivingWay
from mac.incomplete import problems
from mac.model import Account, InventoryConfig, Lifecycle, Resource, Scope, ScopeState, ScopeStatus, Snapshot
from mac.problems import AwsError, ProblemsError
from mac.snapshot import digest, to_bytes
from tests import aws_fleet as fleet

NOW = datetime(2096, 11, 23, 12, tzinfo=UTC)  # long after the embedded AWS launches anything
LATER = NOW + timedelta(hours=1)
SINCE = "2096-11-23T12:00:00Z"
EC2, SQS, LAMBDA = ("ec2-instance",), ("sqs-queue",), ("lambda-function",)


@pytest.fixture(scope="module", autouse=True)
def moto() -> Iterator[str]:
    with fleet.serve() as endpoint:
        yield endpoint


@pytest.fixture
def account() -> Account:
    return fleet.new_account()


def read(
    config: InventoryConfig,
    last: Snapshot = Snapshot(),  # noqa: B008  a frozen value
    now: datetime = NOW,
    **watch: Any,
) -> Snapshot:
    return collect(config, last, now=now, aws=fleet.Watch(**watch).aws())


def only(snapshot: Snapshot) -> ScopeStatus:
    (status,) = snapshot.scopes
    return status


def ids(snapshot: Snapshot, kind: str = "") -> list[str]:
    return [r.id for r in snapshot.resources if r.kind == (kind or r.kind)]


# --- accounts ----------------------------------------------------------------------------------------


def test_each_account_is_entered_by_its_role_and_none_sees_anothers_resources() -> None:
    accounts = [fleet.new_account() for _ in range(6)]
    launched = {a.id: sorted(fleet.launch(fleet.session(a), n + 1)) for n, a in enumerate(accounts)}
    found = read(fleet.config(*accounts, kinds=EC2))
    for account in accounts:
        own = [r for r in found.resources if r.account == account.id]
        assert sorted(r.id for r in own) == launched[account.id]
        assert all(f":{account.id}:" in r.arn for r in own)


def test_a_role_is_taken_on_with_its_external_id_under_the_name_of_mac(account: Account) -> None:
    asked: list[str] = []
    aws = fleet.Watch().aws()
    aws.events.register("before-send.sts.AssumeRole", lambda request, **_: asked.append(str(request.body)))
    secret = replace(account, external_id="ext-7")
    collect(fleet.config(secret, kinds=SQS), Snapshot(), now=NOW, aws=aws)
    assert len(asked) == 1
    assert "ExternalId=ext-7" in asked[0]
    assert "RoleSessionName=mac" in asked[0]


def test_credentials_that_are_about_to_expire_are_replaced(account: Account) -> None:
    watch = fleet.Watch()
    aws = watch.aws()

    def expire_soon(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Credentials"]["Expiration"] = datetime.now(UTC) + timedelta(minutes=1)

    aws.events.register("after-call.sts.AssumeRole", expire_soon)
    found = collect(fleet.config(account, kinds=SQS), Snapshot(), now=NOW, aws=aws)
    assert only(found).state is ScopeState.COMPLETE
    assert watch.count("AssumeRole") == 2  # for GetCallerIdentity, and again for ListQueues


def test_without_a_role_the_ambient_credentials_are_used() -> None:
    queue = "ambient"
    fleet.queue(fleet.session(Account(fleet.AMBIENT, "main")), queue)
    assert queue in ids(read(fleet.config(Account(fleet.AMBIENT, "main"), kinds=SQS)))


def test_ambient_credentials_of_another_account_read_nothing(account: Account) -> None:
    wrong = Account("999999999999", "wrong")
    fleet.queue(fleet.session(account), "mine")
    watch = fleet.Watch()
    found = collect(fleet.config(account, wrong, kinds=SQS), Snapshot(), now=NOW, aws=watch.aws())
    assert ids(found) == ["mine"]
    status = next(s for s in found.scopes if s.scope.account == wrong.id)
    assert status.state is ScopeState.STALE
    assert status.reason == f"the ambient credentials lead to account {fleet.AMBIENT}, not to {wrong.id}"
    assert watch.count("ListQueues") == 1


def test_a_role_in_another_account_than_declared_reads_nothing(account: Account) -> None:
    other = fleet.new_account()
    crossed = replace(account, role_arn=other.role_arn)
    with pytest.raises(AwsError, match=f"lead to account {other.id}, not to {account.id}"):
        read(fleet.config(crossed, kinds=SQS))


def test_without_credentials_and_without_a_snapshot_nothing_can_be_said(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    config = fleet.config(account, Account("999999999999", "other"), kinds=SQS)
    with pytest.raises(AwsError, match="no AWS credentials were found") as caught:
        read(config)
    assert account.id in caught.value.message
    assert "AWS_PROFILE" in caught.value.hint
    known = Snapshot((), (kept(account, "q"),))
    found = read(config, known)
    assert ids(found) == ["q"]
    assert {s.state for s in found.scopes} == {ScopeState.STALE}
    (problem,) = problems(found)
    assert problem.message == "this scope and 1 more are stale: no AWS credentials were found"


def kept(account: Account, name: str, kind: str = "sqs-queue", region: str = fleet.REGION) -> Resource:
    arn = f"arn:aws:sqs:{region}:{account.id}:{name}"
    return Resource(arn=arn, kind=kind, account=account.id, region=region, id=name, name=name)


def test_a_role_that_may_not_be_taken_on_denies_its_account_alone(account: Account) -> None:
    other = fleet.new_account()
    fleet.queue(fleet.session(other), "fine")
    aws = fleet.Watch().aws()

    role_refused = fleet.query_refusal("AccessDenied", "not authorized to perform: sts:AssumeRole", 403)

    def refuse(request: Any, **_: Any) -> Any:
        return role_refused(request) if account.id in str(request.body) else None

    aws.events.register_first("before-send.sts.AssumeRole", refuse)
    found = collect(fleet.config(account, other, kinds=SQS), Snapshot(), now=NOW, aws=aws)
    states = {s.scope.account: s.state for s in found.scopes}
    assert states == {account.id: ScopeState.DENIED, other.id: ScopeState.COMPLETE}
    assert ids(found) == ["fine"]


# --- scopes that fail --------------------------------------------------------------------------------

DENIED = fleet.refusal(
    "UnauthorizedOperation",
    "You are not authorized to perform this operation. Encoded authorization failure message: x7Zk==",
)


def test_a_denied_scope_keeps_its_resources_while_the_others_move(account: Account) -> None:
    aws = fleet.session(account)
    (machine,) = fleet.launch(aws)
    fleet.queue(aws, "old")
    config = fleet.config(account, kinds=EC2 + SQS)
    first = read(config)
    fleet.launch(aws)
    fleet.queue(aws, "new")
    second = read(config, first, LATER, faults={("DescribeInstances", ""): DENIED})
    assert ids(second, "ec2-instance") == [machine]
    assert ids(second, "sqs-queue") == ["new", "old"]
    status = next(s for s in second.scopes if s.scope.kind == "ec2-instance")
    assert status.state is ScopeState.DENIED
    assert status.since == "2096-11-23T13:00:00Z"
    assert status.reason == (
        "DescribeInstances: UnauthorizedOperation: You are not authorized to perform this operation."
    )


def test_a_scope_remembers_when_it_began_to_fail_and_forgets_it_when_it_recovers(account: Account) -> None:
    config = fleet.config(account, kinds=EC2)
    (machine,) = fleet.launch(fleet.session(account))
    first = read(config)
    denied = read(config, first, NOW, faults={("DescribeInstances", ""): DENIED})
    slow = fleet.refusal("RequestLimitExceeded", "Request limit exceeded.", 503)
    throttled = read(config, denied, LATER, faults={("DescribeInstances", ""): slow})
    assert only(denied).since == SINCE
    assert only(throttled) == ScopeStatus(
        only(first).scope,
        ScopeState.STALE,
        "DescribeInstances: throttled (RequestLimitExceeded)",
        SINCE,
        "throttled",
    )
    assert ids(throttled) == [machine]
    recovered = read(config, throttled, LATER)
    assert only(recovered) == ScopeStatus(only(first).scope)
    assert to_bytes(recovered) == to_bytes(first)


TIMEOUT = ReadTimeoutError(endpoint_url="https://ec2")
NO_HOST = EndpointConnectionError(endpoint_url="https://ec2.moon-1.amazonaws.com/")


@pytest.mark.parametrize(
    ("kind", "operation", "fault", "reason"),
    [
        ("ec2-instance", "DescribeInstances", fleet.refusal("InternalError", "oops", 500), "InternalError"),
        ("ec2-instance", "DescribeInstances", fleet.failure(TIMEOUT), "DescribeInstances: timed out"),
        ("ec2-instance", "DescribeInstances", fleet.failure(NO_HOST), "Could not connect"),
        ("ec2-instance", "DescribeInstances", fleet.answer(200, "<html>log in</html>"), "cannot be read"),
        ("ec2-instance", "DescribeInstances", fleet.answer(200, ""), "cannot be read"),
        (
            "ec2-instance",
            "DescribeInstances",
            fleet.answer(200, "<DescribeInstancesResponse><reservationSet><item>"),
            "cannot be read",
        ),
        (
            "ec2-instance",
            "DescribeInstances",
            fleet.answer(
                200,
                "<DescribeInstancesResponse><reservationSet><item><instancesSet><item>"
                "<instanceId>i-1</instanceId></item></instancesSet></item></reservationSet>"
                "</DescribeInstancesResponse>",
            ),
            "described in a way that mac cannot read: KeyError: 'State'",
        ),
        (
            "sqs-queue",
            "ListQueues",
            fleet.answer(200, '{"QueueUrls": ["http', "application/json"),
            "not JSON",
        ),
        ("sqs-queue", "ListQueues", fleet.answer(200, "", "application/json"), "not JSON"),
        ("sqs-queue", "ListQueues", fleet.answer(404, "<html>nothing here</html>"), "ListQueues"),
        ("lambda-function", "ListTags", fleet.json_refusal("ServiceException", "x", 500), "ServiceException"),
        ("sqs-queue", "ListQueueTags", fleet.json_refusal("RequestThrottled"), "throttled"),
        ("s3-bucket", "GetBucketTagging", fleet.failure(TIMEOUT), "GetBucketTagging: timed out"),
    ],
)
def test_a_scope_that_was_not_read_completely_is_stale_and_keeps_its_resources(
    account: Account, kind: str, operation: str, fault: Any, reason: str
) -> None:
    aws = fleet.session(account)
    fleet.launch(aws)
    fleet.queue(aws, "q")
    fleet.bucket(aws, f"b-{account.id}")
    if kind == "lambda-function":
        fleet.function(aws, "f")
    config = fleet.config(account, kinds=(kind,))
    first = read(config)
    second = read(config, first, faults={(operation, ""): fault})
    assert only(second).state is ScopeState.STALE
    assert reason in only(second).reason
    assert second.resources == first.resources != ()


def test_a_denied_tag_call_makes_the_scope_denied_and_not_untagged(account: Account) -> None:
    fleet.queue(fleet.session(account), "q")
    config = fleet.config(account, kinds=SQS)
    first = read(config)
    second = read(config, first, faults={("ListQueueTags", ""): fleet.json_refusal("AccessDenied")})
    assert only(second).state is ScopeState.DENIED
    assert second.resources == first.resources
    assert first.resources[0].tags == fleet.TAGS


def test_a_failing_second_page_discards_the_first(account: Account) -> None:
    aws = fleet.session(account)
    fleet.launch(aws, 3)
    config = fleet.config(account, kinds=EC2)
    first = read(config)
    fleet.launch(aws, 3)
    made = fleet.Watch(page_size=2)
    shared = made.aws()
    seen: list[int] = []

    def fail_second(request: Any, **_: Any) -> Any:
        seen.append(1)
        return fleet.refusal("InternalError", "oops", 500)(request) if len(seen) == 2 else None

    shared.events.register_first("before-send.ec2.DescribeInstances", fail_second)
    second = collect(config, first, now=NOW, aws=shared)
    assert len(seen) == 2
    assert only(second).state is ScopeState.STALE
    assert second.resources == first.resources


def test_a_short_failure_is_tried_again(account: Account) -> None:
    (machine,) = fleet.launch(fleet.session(account))
    shared = fleet.Watch(attempts=3).aws()
    seen: list[int] = []

    def fail_first(request: Any, **_: Any) -> Any:
        seen.append(1)
        return fleet.refusal("InternalError", "oops", 500)(request) if len(seen) == 1 else None

    shared.events.register_first("before-send.ec2.DescribeInstances", fail_first)
    found = collect(fleet.config(account, kinds=EC2), Snapshot(), now=NOW, aws=shared)
    assert ids(found) == [machine]
    assert len(seen) == 2


def test_one_region_fails_alone(account: Account) -> None:
    here, there = fleet.session(account), fleet.session(account, "us-east-1")
    fleet.launch(here)
    (machine,) = fleet.launch(there)
    config = fleet.config(account, regions=(fleet.REGION, "us-east-1"), kinds=EC2)
    found = read(config, faults={("DescribeInstances", fleet.REGION): DENIED})
    assert ids(found) == [machine]
    assert [s.state for s in found.scopes] == [ScopeState.DENIED, ScopeState.COMPLETE]


def regions(status: str) -> Any:
    return fleet.answer(
        200,
        "<DescribeRegionsResponse><regionInfo><item><regionName>eu-west-1</regionName>"
        f"<optInStatus>{status}</optInStatus></item></regionInfo></DescribeRegionsResponse>",
    )


@pytest.mark.parametrize(
    ("evidence", "state"),
    [
        (regions("not-opted-in"), ScopeState.DISABLED),
        (regions("opted-in"), ScopeState.STALE),
        (DENIED, ScopeState.STALE),
    ],
)
def test_a_region_is_disabled_only_if_aws_says_so(account: Account, evidence: Any, state: ScopeState) -> None:
    unknown = fleet.refusal("AuthFailure", "AWS was not able to validate the credentials", 401)
    found = read(
        fleet.config(account, kinds=EC2),
        Snapshot((), (kept(account, "i-1", "ec2-instance"),)),
        faults={("DescribeInstances", ""): unknown, ("DescribeRegions", ""): evidence},
    )
    assert only(found).state is state
    assert ids(found) == ["i-1"]


def test_a_region_that_aws_does_not_know_is_named(account: Account) -> None:
    config = fleet.config(account, regions=("eu-west-9",), kinds=EC2)
    found = read(config, faults={("DescribeInstances", ""): fleet.failure(NO_HOST)})
    assert only(found).reason.startswith("AWS knows no region eu-west-9")


# --- resources that go away while they are read ------------------------------------------------------


def test_a_queue_that_is_deleted_after_the_list_is_left_out(account: Account) -> None:
    aws = fleet.session(account)
    fleet.queue(aws, "stays")
    fleet.queue(aws, "goes")
    shared = fleet.Watch().aws()
    gone = fleet.json_refusal("com.amazonaws.sqs#QueueDoesNotExist")

    def answer(request: Any, **_: Any) -> Any:
        return gone(request) if "goes" in str(request.body) else None

    shared.events.register_first("before-send.sqs.ListQueueTags", answer)
    found = collect(fleet.config(account, kinds=SQS), Snapshot(), now=NOW, aws=shared)
    assert only(found).state is ScopeState.COMPLETE
    assert ids(found) == ["stays"]


def test_a_load_balancer_that_is_deleted_after_the_list_does_not_spoil_its_batch(account: Account) -> None:
    aws = fleet.session(account)
    fleet.balancer(aws, "stays")
    doomed, _ = fleet.balancer(aws, "goes")
    shared = fleet.Watch().aws()
    gone = fleet.query_refusal("LoadBalancerNotFound", "One or more load balancers not found")

    def answer(request: Any, **_: Any) -> Any:
        return gone(request) if quote(doomed, safe="") in str(request.body) else None

    shared.events.register_first("before-send.elastic-load-balancing-v2.DescribeTags", answer)
    found = collect(fleet.config(account, kinds=("load-balancer",)), Snapshot(), now=NOW, aws=shared)
    assert (only(found).state, only(found).reason) == (ScopeState.COMPLETE, "")
    assert ids(found) == ["stays"]


# --- buckets: one list for all regions ---------------------------------------------------------------


def test_buckets_are_listed_to_the_last_page(account: Account) -> None:
    def page(request: Any) -> Any:
        second = "continuation-token" in request.url
        name, token = ("two", "") if second else ("one", "<ContinuationToken>t</ContinuationToken>")
        return fleet.answer(
            200,
            f"<ListAllMyBucketsResult><Buckets><Bucket><Name>{name}</Name>"
            f"<BucketRegion>{fleet.REGION}</BucketRegion></Bucket></Buckets>{token}</ListAllMyBucketsResult>",
        )(request)

    tags = fleet.answer(404, "<Error><Code>NoSuchTagSet</Code><Message>none</Message></Error>")
    watch = fleet.Watch({("ListBuckets", ""): page, ("GetBucketTagging", ""): tags})
    config = fleet.config(account, kinds=("s3-bucket",))
    found = collect(config, Snapshot(), now=NOW, aws=watch.aws())
    assert only(found).scope == Scope(account.id, "global", "s3-bucket")
    assert ids(found) == ["one", "two"]
    assert watch.count("GetBucketLocation") == 0  # the list told the region
    assert all(r.region == fleet.REGION and r.tags == {} for r in found.resources)


def test_buckets_that_cannot_be_listed_are_kept_but_not_those_of_a_region_that_was_taken_out(
    account: Account,
) -> None:
    last = Snapshot((), tuple(kept(account, r, "s3-bucket", r) for r in (fleet.REGION, "us-east-1")))
    faults = {("ListBuckets", ""): fleet.failure(TIMEOUT)}
    found = read(fleet.config(account, kinds=("s3-bucket",)), last, faults=faults)
    assert ids(found) == [fleet.REGION]


# --- the whole ---------------------------------------------------------------------------------------


def test_scopes_that_are_not_declared_any_more_take_their_resources_along(account: Account) -> None:
    fleet.queue(fleet.session(account), "q")
    both = read(fleet.config(account, kinds=EC2 + SQS))
    assert ids(read(fleet.config(account, kinds=EC2), both)) == []


def test_progress_is_told_by_the_calling_thread_for_every_scope(account: Account) -> None:
    told: list[tuple[int, int, str, int]] = []
    collect(
        fleet.config(account, kinds=EC2 + SQS + ("dynamodb-table",)),
        Snapshot(),
        now=NOW,
        aws=fleet.Watch().aws(),
        progress=lambda step: told.append(
            (step.done, step.total, step.status.scope.kind, threading.get_ident())
        ),
    )
    assert [(done, total) for done, total, _, _ in told] == [(1, 3), (2, 3), (3, 3)]
    assert {kind for _, _, kind, _ in told} == {"ec2-instance", "sqs-queue", "dynamodb-table"}
    assert {thread for *_, thread in told} == {threading.get_ident()}


def test_progress_tells_what_was_found_and_how_often_aws_was_asked_too_fast(account: Account) -> None:
    fleet.launch(fleet.session(account), 3)
    shared = fleet.Watch(attempts=2).aws()
    refused: list[int] = []

    def refuse_first(request: Any, **_: Any) -> Any:
        refused.append(1)
        return fleet.refusal("RequestLimitExceeded", status=503)(request) if len(refused) == 1 else None

    shared.events.register_first("before-send.ec2.DescribeInstances", refuse_first)
    steps: list[Step] = []
    collect(fleet.config(account, kinds=EC2), Snapshot(), now=NOW, aws=shared, progress=steps.append)
    assert [(s.done, s.total, s.resources, s.throttles) for s in steps] == [(1, 1, 3, 1)]


def test_a_reading_that_gives_way_leaves_what_is_known_and_reads_what_is_not(account: Account) -> None:
    aws = fleet.session(account)
    fleet.launch(aws, 1)
    fleet.queue(aws, "first")
    before = read(fleet.config(account, kinds=EC2 + SQS))
    fleet.launch(aws, 1)
    fleet.queue(aws, "second")
    fleet.function(aws, "new")
    giving_way = GivingWay(lambda: True)
    config = replace(fleet.config(account, kinds=EC2 + SQS + LAMBDA), concurrency=1)
    found = collect(config, before, now=LATER, aws=fleet.Watch().aws(), giving_way=giving_way)
    assert len(ids(found, "ec2-instance")) == 2, "what was begun comes to its end"
    assert ids(found, "sqs-queue") == ids(before, "sqs-queue"), "known, and left"
    assert ids(found, "lambda-function") != [], "not known from before"
    assert [(s.scope.kind, s.state) for s in found.scopes] == [
        (kind, ScopeState.COMPLETE) for kind in ("ec2-instance", "lambda-function", "sqs-queue")
    ]
    assert {scope.kind for scope in giving_way.unread} == {"sqs-queue"}
    rest = collect(config, found, now=LATER, aws=fleet.Watch().aws(), only=giving_way.unread)
    assert len(ids(rest, "sqs-queue")) == 2


@pytest.mark.parametrize(
    ("step", "seconds", "text"),
    [
        ((1, 400, 0, 0), 0.5, "1/400 scopes, 0 resources"),  # too early to tell
        ((100, 400, 1234, 0), 20.0, "100/400 scopes, 1,234 resources, 1m left"),
        ((399, 400, 5, 2), 20.0, "399/400 scopes, 5 resources, throttled 2 times, 1s left"),
        ((400, 400, 5, 0), 20.0, "400/400 scopes, 5 resources"),
    ],
)
def test_the_progress_line(step: tuple[int, int, int, int], seconds: float, text: str) -> None:
    done, total, resources, throttles = step
    status = ScopeStatus(Scope("1", "r", "ec2-instance"))
    assert Step(done, total, status, resources, throttles).text(seconds) == text


def test_accounts_do_not_all_begin_with_the_same_kind(account: Account) -> None:
    other = fleet.new_account()
    first, second = sorted((account.id, other.id))
    config = replace(fleet.config(account, other, kinds=EC2 + SQS), concurrency=1)
    steps: list[Step] = []
    collect(config, Snapshot(), now=NOW, aws=fleet.Watch().aws(), progress=steps.append)
    assert [(s.status.scope.account, s.status.scope.kind) for s in steps] == [
        *((first, "ec2-instance"), (second, "sqs-queue")),
        *((first, "sqs-queue"), (second, "ec2-instance")),
    ]


def test_an_unknown_kind_is_a_problem_with_a_suggestion(account: Account) -> None:
    with pytest.raises(ProblemsError) as caught:
        read(fleet.config(account, kinds=("ec2-instance", "sqs-queues")))
    (problem,) = caught.value.problems
    assert problem.code == "unknown-resource-kind"
    assert 'did you mean "sqs-queue"?' in problem.hint


def test_scopes_are_sorted_and_each_stands_once() -> None:
    config = fleet.config(Account("2", "b"), Account("1", "a"), regions=("r2", "r1", "r2"), kinds=EC2)
    assert [str(s) for s in scopes(config)] == [f"{a}/{r}/ec2-instance" for a in "12" for r in ("r1", "r2")]


def test_a_machine_of_a_cluster_that_has_ended_is_leaving(account: Account) -> None:
    aws = fleet.session(account)
    flow = fleet.cluster(aws, "etl")
    config = fleet.config(account, kinds=("ec2-instance", "emr-cluster", "emr-instance-group"))
    running = read(config)
    machines = ids(running, "ec2-instance")
    assert {r.lifecycle for r in running.resources} == {Lifecycle.IN_SERVICE}
    # EMR has forgotten the cluster, EC2 still runs its machines for a moment.
    aws.client("ec2").create_tags(
        Resources=machines, Tags=[{"Key": "aws:elasticmapreduce:job-flow-id", "Value": flow}]
    )
    none = fleet.answer(200, '{"Clusters": []}', "application/x-amz-json-1.1")
    ended = read(config, running, faults={("ListClusters", ""): none})
    assert ids(ended) == machines
    assert {r.lifecycle for r in ended.resources} == {Lifecycle.LEAVING}
    # A list that failed says nothing about any cluster.
    refused = read(
        config, running, faults={("ListClusters", ""): fleet.json_refusal("AccessDeniedException")}
    )
    assert {r.lifecycle for r in refused.resources} == {Lifecycle.IN_SERVICE}


def test_hostile_tags_reach_the_snapshot_unchanged(account: Account) -> None:
    hostile = 'x"} or vector(1) or up{a="\n\t\\ {{ $labels.x }} << p >> \u202e on 012 😀'
    fleet.launch(fleet.session(account), 1, service=hostile, role="é" * 256)
    found = read(fleet.config(account, kinds=EC2))
    assert found.resources[0].tags == {"service": hostile, "role": "é" * 256}
    assert digest(found).startswith("sha256:")


def test_a_resource_that_two_pages_repeat_stands_once(account: Account) -> None:
    (machine,) = fleet.launch(fleet.session(account))
    watch = fleet.Watch()
    aws = watch.aws()
    pages: list[int] = []

    def repeat(parsed: dict[str, Any], **_: Any) -> None:
        pages.append(1)
        if len(pages) == 1:
            parsed["NextToken"] = "again"

    def forget(params: dict[str, Any], **_: Any) -> None:
        params["body"].pop("NextToken", None)  # moto would refuse a token that it did not give

    aws.events.register("after-call.ec2.DescribeInstances", repeat)
    aws.events.register("before-call.ec2.DescribeInstances", forget)
    found = collect(fleet.config(account, kinds=EC2), Snapshot(), now=NOW, aws=aws)
    assert len(pages) == 2
    assert ids(found) == [machine]


def test_an_interruption_ends_the_reading_of_the_other_scopes(account: Account) -> None:
    watch = fleet.Watch()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    config = replace(fleet.config(account), concurrency=1)
    with pytest.raises(KeyboardInterrupt):
        collect(config, Snapshot(), now=NOW, aws=watch.aws(), progress=interrupt)
    for thread in threading.enumerate():
        if thread.name.startswith("mac-"):
            thread.join(timeout=30)
    lists = {operation for _, operation, _ in watch.calls if operation.startswith(("Describe", "List"))}
    assert 1 <= len(lists) <= 2  # the first scope's, and at most the one that was under way


def test_an_endpoint_with_a_name_is_asked_for_buckets_by_path(
    account: Account, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.bucket(fleet.session(account), f"named-{account.id}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.replace("127.0.0.1", "localhost"))
    asked: list[str] = []
    aws = fleet.Watch().aws()
    aws.events.register("before-send.s3.GetBucketTagging", lambda request, **_: asked.append(request.url))
    found = collect(fleet.config(account, kinds=("s3-bucket",)), Snapshot(), now=NOW, aws=aws)
    assert ids(found) == [f"named-{account.id}"]
    assert [urlsplit(url).hostname for url in asked] == ["localhost"]


def test_a_profile_that_does_not_exist_is_said(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(AwsError, match="nobody"):
        read(fleet.config(account, kinds=SQS))


def test_arns_lie_in_the_partition_of_their_region(account: Account) -> None:
    fleet.launch(fleet.session(account, "cn-north-1"))
    (found,) = read(fleet.config(account, regions=("cn-north-1",), kinds=EC2)).resources
    assert found.arn.startswith(f"arn:aws-cn:ec2:cn-north-1:{account.id}:instance/")


def test_nothing_declared_is_nothing_read() -> None:
    assert collect(fleet.config(), Snapshot(), now=NOW) == Snapshot()


@pytest.mark.parametrize(
    "message",
    [
        "You are not authorized. Encoded authorization failure message: aGVsbG8",
        "You are not authorized. (Service: AmazonEC2; Status Code: 403; Request ID: 5d6f4b0e-1111)",
        "You are not authorized.\n  RequestId: 5d6f4b0e-0000-4000-8000-000000000000",
    ],
)
def test_a_reason_reads_the_same_each_time(message: str) -> None:
    error = answers.meaning("DescribeInstances", "UnauthorizedOperation", message)
    assert error.reason == "DescribeInstances: UnauthorizedOperation: You are not authorized."


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (
            "<!doctype html>\n<html lang=en><title>502 Bad\n Gateway</title><h1>no</h1>",
            "a web page: 502 Bad Gateway",
        ),
        ("<html>Not found</html>", "a web page"),
        ("the value <html> is not allowed", "the value <html> is not allowed"),
    ],
)
def test_a_web_page_in_place_of_an_error_is_told_by_its_title(page: str, told: str) -> None:
    assert answers.meaning("ListQueues", "502", page).reason == f"ListQueues: 502: {told}"


BLOCKED = "<html><head><title>Request blocked</title></head></html>"
XML_DENIED = "<AccessDeniedException><Message>denied by the endpoint</Message></AccessDeniedException>"
S3_DENIED = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("sqs-queue", "ListQueues"),  # JSON
        ("efs-file-system", "DescribeFileSystems"),  # REST with JSON
        ("sns-topic", "ListTopics"),  # query
        ("ec2-instance", "DescribeInstances"),
        ("hosted-zone", "ListHostedZones"),  # REST with XML
        ("s3-bucket", "ListBuckets"),
    ],
)
@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ((403, BLOCKED), "denied"),
        ((403, XML_DENIED), "denied"),
        ((403, S3_DENIED), "denied"),
        ((403, '{"message": "Forbidden"}'), "denied"),
        ((403, ""), "denied"),
        ((401, '"log in"'), "denied"),
        ((404, "<!DOCTYPE html><title>Not Found</title>"), "unsupported"),
        ((404, ""), "unsupported"),
        ((501, BLOCKED), "unsupported"),
        ((305, BLOCKED), "unreachable"),
        ((502, "<html><head><title>502 Bad Gateway</title></head>"), "unreachable"),
        ((503, "<!doctype html><html>later</html>"), "unreachable"),
        ((429, "slow down"), "throttled"),
        ((500, "[]"), "failed"),
    ],
)
def test_what_is_no_answer_of_awss_is_told_by_its_code_or_its_status_and_is_never_empty(
    account: Account, kind: str, operation: str, told: tuple[int, str], cause: str
) -> None:
    last = Snapshot((), (kept(account, "x", kind),))
    config = fleet.config(account, kinds=(kind,))
    found = read(config, last, faults={(operation, ""): fleet.answer(*told)})
    assert only(found).cause == cause, only(found).reason
    assert only(found).state is (ScopeState.DENIED if cause == "denied" else ScopeState.STALE)
    assert ids(found) == ["x"]


def test_an_operation_that_the_service_does_not_have_here_is_unsupported_and_not_denied() -> None:
    told = answers.meaning(
        "ListEnvironments",
        "AccessDeniedException",
        "Unable to determine service/operation name to be authorized",
    )
    assert (told.state, told.cause) == (ScopeState.STALE, "unsupported")


def test_an_answer_without_a_list_that_aws_always_sends_is_none(account: Account) -> None:
    last = Snapshot((), (kept(account, "x", "glue-database"),))
    config = fleet.config(account, kinds=("glue-database",))
    nothing = fleet.answer(200, "{}", "application/x-amz-json-1.1")
    found = read(config, last, faults={("GetDatabases", ""): nothing})
    assert only(found).cause == "malformed"
    assert only(found).reason == "GetDatabases: an answer without DatabaseList"
    assert ids(found) == ["x"]


def test_a_list_that_may_be_left_out_is_asked_for_again_when_something_is_missing(account: Account) -> None:
    fleet.queue(fleet.session(account), "kept")
    config = fleet.config(account, kinds=SQS)
    first = read(config)
    asked: list[int] = []

    def nothing_once(request: Any) -> Any:
        asked.append(1)
        return fleet.answer(200, "{}", "application/x-amz-json-1.0")(request) if len(asked) == 1 else None

    assert ids(read(config, first, faults={("ListQueues", ""): nothing_once})) == ["kept"]
    assert len(asked) == 2
    asked.clear()
    assert ids(read(config, faults={("ListQueues", ""): nothing_once})) == []
    assert len(asked) == 1  # nothing is known that could be missing


@pytest.mark.parametrize("body", ["null", "[]", '"later"', "0"])
def test_json_that_is_no_object_is_told_as_such(account: Account, body: str) -> None:
    fleet.queue(fleet.session(account), "kept")
    first = read(fleet.config(account, kinds=SQS))
    odd = fleet.answer(200, body, "application/x-amz-json-1.0")
    second = read(fleet.config(account, kinds=SQS), first, LATER, faults={("ListQueues", ""): odd})
    assert [r.name for r in second.resources] == ["kept"]
    assert only(second).cause == "malformed"
    assert only(second).reason.endswith("ListQueues: not a JSON object")
