"""A failure at any page of any call loses nothing: a sample of it; `make soak` tries all kinds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mac.model import Account
from tests import aws_fleet as fleet
from tests import fault_proxy, faults, recorded, test_kinds

KINDS = ("autoscaling-group", "ec2-instance", "sqs-queue")


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    with fleet.serve() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def account(backend: str) -> Account:
    made = fleet.new_account()
    test_kinds.build(fleet.session(made), made.id)
    return made


def test_one_failure_at_each_page_of_each_call_loses_no_target(backend: str, account: Account) -> None:
    tally = faults.Tally()
    with fault_proxy.proxied(backend) as proxy:
        cases = [made for kind in KINDS if (made := faults.case(proxy, account, kind, tally))]
        for case in cases:
            faults.matrix(proxy, case, tally)
        faults.hangs(proxy, cases, tally, patience=5, most=1)
    print(tally)
    assert tally.wrong == []
    assert tally.targets_lost == 0
    assert tally.targets >= 15
    assert tally.failures >= 120
    assert tally.confirmed >= 3
    assert tally.files >= 100


def test_what_the_embedded_aws_does_not_serve_is_tried_with_recorded_answers(backend: str) -> None:
    calls = faults.recorded_calls(["test_kinds_data"])
    tally, account = faults.Tally(), replace(fleet.new_account(), id=recorded.ACCOUNT)
    account = replace(account, role_arn=fleet.ROLE.format(account=account.id))
    fleet.queue(fleet.session(account), "beside")
    with fault_proxy.proxied(backend) as proxy:
        proxy.recorded = fault_proxy.recordings("mwaa", calls["mwaa-environment"])
        case = faults.case(proxy, account, "mwaa-environment", tally, faults.RECORDED_PAGES)
        assert case is not None, tally.wrong
        assert tally.asked["mwaa-environment"] >= {"ListEnvironments", "GetEnvironment"}
        faults.matrix(proxy, case, tally)
    assert tally.wrong == []
    assert tally.targets_lost == 0
    assert tally.confirmed == 1  # the emptied first page of two


def test_a_failure_that_loses_a_target_is_seen(backend: str, account: Account) -> None:
    """What the matrix is for: here the failed scope forgets what was known."""
    tally = faults.Tally()
    with fault_proxy.proxied(backend) as proxy:
        case = faults.case(proxy, account, "sqs-queue", tally)
        assert case is not None
        case.first = replace(case.first, resources=case.first.resources[1:])
        case.pages = case.pages[:1]
        faults.matrix(proxy, case, tally)
    assert tally.wrong
