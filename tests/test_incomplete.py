"""What is told of scopes that were not read: each cause once, and many of one sort as one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mac import incomplete, scope_table
from mac.answers import Cause
from mac.model import InventoryConfig, Scope, ScopeState, ScopeStatus, Snapshot
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
    incomplete_lines = lines[lines.index("") + 2 :]
    assert {line.split("  ")[0] for line in incomplete_lines} == {
        "*/*/mwaa-environment (4 scopes)",
        "111111111111/us-east-1/ec2-instance",
    }
    assert len(incomplete_lines) == 2


def test_silence_is_refused_and_one_answer_is_enough() -> None:
    with pytest.raises(AwsError, match="none of the 1 scopes"):
        incomplete.refuse_silence(Snapshot((lacking("ec2-instance", "no such call"),)))
    incomplete.refuse_silence(snapshot(lacking("ec2-instance", "no such call")))
