"""Recorded answers of AWS, for what the embedded AWS does not serve.

botocore's Stubber checks every answer, and every request, against botocore's own model of the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from botocore.credentials import Credentials
from botocore.stub import Stubber

from mac.aws import Access, Aws
from mac.kinds import all_kinds
from mac.kinds.kind import Place
from mac.model import Resource
from tests import aws_fleet as fleet

ACCOUNT = "111122223333"
PLACE = Place(ACCOUNT, fleet.REGION, "aws", (fleet.REGION,))


@dataclass(frozen=True)
class Call:
    """One call that must be made, in its turn: the operation in snake case, its parameters, the answer.

    `error` is the code of a refusal, in place of an answer.
    """

    operation: str
    expected: dict[str, Any]
    answer: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    region: str = fleet.REGION


def read(kind: str, calls: Sequence[Call], place: Place = PLACE) -> list[Resource]:
    """What the kind makes of these answers. Each call must be made, exactly so, and no other.

    Raises CallError where a reading of AWS would fail the scope.
    """
    declared = all_kinds()[kind]
    aws = fleet.Watch().aws()
    access = Access(place.account, place.partition, Credentials("recorded", "recorded"))
    # One thread: the answers are given in their order.
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        stubs = _stubs(aws, declared.service, calls)
        for stub in stubs:
            stack.enter_context(stub)
        region = place.regions[0] if declared.global_ else place.region
        with aws.scope(access, declared, region, pool) as api:
            found = [declared.transform(place, raw) for raw in declared.fetch(api, place)]
        for stub in stubs:
            stub.assert_no_pending_responses()
    return [resource for resource in found if resource is not None]


def _stubs(aws: Aws, service: str, calls: Iterable[Call]) -> list[Stubber]:
    stubs: dict[str, Stubber] = {}
    for call in calls:
        if call.region not in stubs:
            stubs[call.region] = Stubber(aws.client(service, call.region))
        stub = stubs[call.region]
        if call.error:
            stub.add_client_error(call.operation, call.error, expected_params=call.expected)
        else:
            stub.add_response(call.operation, call.answer, call.expected)
    return list(stubs.values())
