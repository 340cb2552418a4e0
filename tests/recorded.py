"""Recorded answers of AWS, for what the embedded AWS does not serve.

botocore's Stubber checks every answer, and every request, against botocore's own model of the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.credentials import Credentials
from botocore.stub import Stubber

from mac import scope_api
from mac.aws import Access, Aws
from mac.kinds import all_kinds
from mac.kinds.kind import Place
from mac.model import Resource
from mac.retries import Budget
from tests import aws_fleet as fleet

heard: Callable[[str, Sequence[Call]], None] | None = None
"""Told of every reading, when somebody wants to know what is recorded."""

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
    if heard is not None:
        heard(kind, calls)
    declared = all_kinds()[kind]
    aws = fleet.Watch().aws()
    access = Access(place.account, place.partition, Credentials("recorded", "recorded"), Budget(0))
    with ExitStack() as stack:
        stubs = _stubs(aws, declared.service, calls)
        for stub in stubs:
            stack.enter_context(stub)
        region = (declared.home or place.regions[0]) if declared.global_ else place.region
        with scope_api.opened(aws, access, declared, region, _InTurn()) as api:
            found = [declared.transform(place, raw) for raw in declared.fetch(api, place)]
        for stub in stubs:
            stub.assert_no_pending_responses()
    return [resource for resource in found if resource is not None]


class _Later(Future[Any]):
    """Work that is done by whoever waits for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            try:
                self.set_result(self._work())
            except BaseException as error:
                self.set_exception(error)
        return super().result(timeout)


class _InTurn(Executor):
    """In place of threads: the answers stand in the order of the calls, the whole list before its details."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return _Later(partial(fn, *args, **kwargs))


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
