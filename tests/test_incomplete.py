"""What is told of scopes that were not read: each cause once, and many of one sort as one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mac import incomplete, scope_table
from mac.answers import Cause
from mac.model import InventoryConfig, KnownAccount, Scope, ScopeState, ScopeStatus, Snapshot
from mac.problems import AwsError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SINCE = "2026-11-23T11:00:00Z"
CONFIG = InventoryConfig((), ("us-east-1",))


def lacking(
    kind: str,
    reason: str,
    cause: Cause = Cause.UNSUPPORTED,
    region: str = "us-east-1",
    account: str = "1" * 12,
) -> ScopeStatus:
    return ScopeStatus(Scope(account, region, kind), ScopeState.STALE, reason, SINCE, cause.value)


def snapshot(*statuses: ScopeStatus) -> Snapshot:
    read = ScopeStatus(Scope("1" * 12, "us-east-1", "sqs-queue"))
    return Snapshot(tuple(sorted((read, *statuses), key=lambda s: s.scope)))


def test_one_cause_is_told_once_and_every_reason_of_a_few_is_told() -> None:
    found = snapshot(
        *(lacking("ec2-instance", "no such call", region=region) for region in ("eu-west-1", "us-east-1")),
        lacking("rds-instance", "no such list"),
    )
    told = incomplete.problems(found)
    assert [p.code for p in told] == ["scope-incomplete"] * 2
    assert told[0].message == "this scope and 1 more are stale: no such call"
    assert told[1].message == "this scope is stale: no such list"
    assert all(SINCE in p.hint for p in told)


def test_what_an_endpoint_does_not_have_is_one_line_however_many_calls_it_is() -> None:
    kinds = [f"kind-{n:02}" for n in range(40)]
    found = snapshot(
        *(lacking(kind, f"List-{kind}: UnknownOperation") for kind in kinds),
        lacking("kind-07", "List-kind-07: UnknownOperation", region="us-east-2"),
        lacking("ec2-instance", "throttled", Cause.THROTTLED),
    )
    throttled, unsupported = incomplete.problems(found)
    assert throttled.message == "this scope is stale: throttled"
    assert unsupported.message.startswith("this scope and 40 more are stale: List-kind-07: UnknownOperation;")
    assert "39 other reasons" in unsupported.message
    later = NOW + timedelta(days=2)
    assert len(incomplete.outdated(found, CONFIG, later)) == 2
    assert incomplete.outdated(found, CONFIG, NOW) == []


def test_the_table_has_one_line_for_a_reason_and_says_what_its_scopes_share() -> None:
    found = snapshot(
        *(
            lacking("mwaa-environment", "ListEnvironments: 500", region=region, account=account)
            for region in ("eu-west-1", "us-east-1")
            for account in ("1" * 12, "2" * 12)
        ),
        lacking("ec2-instance", "throttled", Cause.THROTTLED),
    )
    lines = scope_table.as_text(found, NOW).splitlines()
    assert [line.split("  ")[0] for line in table_of(lines)] == [
        "111111111111/us-east-1/ec2-instance",
        "*/*/mwaa-environment (4 scopes in 2 accounts: 111111111111, 222222222222)",
    ]
    assert lines[-1] == "Each scope by itself: --format json"


def table_of(lines: list[str]) -> list[str]:
    """The rows of the second table, without its header."""
    begin = lines.index("") + 2
    return lines[begin : lines.index("", begin)]


def refused(account: int, kind: str) -> ScopeStatus:
    """AWS names the role and the account in each refusal."""
    number = f"{account:012}"
    reason = f"AssumeRole: AccessDenied: arn:aws:iam::{number}:role/mac-inventory may not be assumed"
    scope = Scope(number, "us-east-1", kind)
    return ScopeStatus(scope, ScopeState.DENIED, reason, SINCE, Cause.DENIED.value)


def test_a_thousand_accounts_that_refuse_are_one_line_that_names_the_first() -> None:
    kinds = ("ec2-instance", "sqs-queue")
    found = Snapshot(
        tuple(refused(account, kind) for account in range(1, 1001) for kind in kinds),
        accounts=tuple(KnownAccount(f"{n:012}", left_out="suspended") for n in range(2000, 2900)),
    )
    text = scope_table.as_text(found, NOW)
    assert len(text.splitlines()) < 15
    (row,) = table_of(text.splitlines())
    assert row.split("  ")[0] == (
        "*/us-east-1/* (2000 scopes in 1000 accounts: 000000000001, 000000000002, 000000000003, …)"
    )
    assert row.endswith(
        "AssumeRole: AccessDenied: arn:aws:iam::ACCOUNT:role/mac-inventory may not be assumed"
    )
    assert " 1h " in row
    assert "900 accounts: 000000002000, 000000002001, 000000002002, …" in text
    listed = scope_table.as_dict(found, "sha256:x", NOW)
    assert len(listed["scopes"]) == 2000
    assert len(listed["accounts"]) == 900


def test_many_reasons_of_one_status_are_one_line_with_the_most_frequent() -> None:
    calls = [f"Describe{n}" for n in range(9)]
    found = snapshot(
        *(lacking(f"kind-{n}", f"{call}: 500", Cause.FAILED) for n, call in enumerate(calls)),
        lacking("kind-7", "Describe7: 500", Cause.FAILED, region="eu-west-1"),
    )
    (row,) = table_of(scope_table.as_text(found, NOW).splitlines())
    assert row.split("  ")[0] == "111111111111/*/* (10 scopes)"
    assert row.endswith("Describe7: 500; and 8 other reasons")


def test_a_refusal_says_how_many_scopes_failed_which_and_why() -> None:
    told = scope_table.refusal(snapshot(lacking("ec2-instance", "DescribeInstances: no")))
    assert told.splitlines() == [
        "1 of 2 scopes was not read completely:",
        "  111111111111/us-east-1/ec2-instance: stale (unsupported): DescribeInstances: no",
    ]
    causes = list(Cause)[:7]
    many = scope_table.refusal(snapshot(*(lacking(f"kind-{c}", f"no: {c}", c) for c in causes)))
    assert many.splitlines()[0] == "7 of 8 scopes were not read completely:"
    assert many.splitlines()[-1] == "  and 2 more of the table above"


def test_silence_is_refused_and_one_answer_is_enough() -> None:
    with pytest.raises(AwsError, match="none of the 1 scopes"):
        incomplete.refuse_silence(Snapshot((lacking("ec2-instance", "no such call"),)))
    incomplete.refuse_silence(snapshot(lacking("ec2-instance", "no such call")))
