"""A failure at any page of any call loses nothing: a sample of it; `make soak` tries all kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mac.model import Account
from tests import aws_fleet as fleet
from tests import faults, test_kinds

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
    with faults.proxied(backend) as proxy:
        faults.matrix(proxy, account, KINDS, tally, hangs=lambda page, pages: page == pages - 1, patience=5)
    print(tally)
    assert tally.wrong == []
    assert tally.targets_lost == 0
    assert tally.targets >= 15
    assert tally.failures >= 120
    assert tally.confirmed >= 3
