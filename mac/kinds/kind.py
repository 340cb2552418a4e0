"""What a kind of AWS resource declares, and the AWS calls that it may make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from mac.model import Endpoint, Lifecycle, Resource

Raw = Mapping[str, Any]
"""A part of an AWS answer, in botocore's spelling."""

Dimensions = tuple[tuple[str, str], ...]
"""CloudWatch dimensions: (name, value) pairs."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Gone(Exception):  # noqa: N818  the resource's state, not a failure
    """A resource was deleted after it was listed and before it was described."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scope is read: the account, its region (`global` for global kinds), the ARN partition.

    `regions` are all regions of the inventory: a global list is cut down to them.
    """

    account: str
    region: str
    partition: str = "aws"
    regions: tuple[str, ...] = ()


class Api(Protocol):
    """The calls of one scope, bound to its account, region and service.

    Every method raises a `mac.answers.CallError` when AWS does not answer completely; an operation that the
    kind did not declare is a bug. Error codes in `gone` raise Gone instead.
    """

    def pages(
        self, operation: str, key: str, size: int = 0, gone: tuple[str, ...] = (), **parameters: Any
    ) -> Iterator[Any]:
        """Every item under `key` (or `outer.inner`) of every page of at most `size` items (0: AWS decides).

        The operation has a paginator in botocore, or the kind declares its `paging`.
        """

    def call(
        self,
        operation: str,
        *,
        gone: tuple[str, ...] = (),
        empty: tuple[str, ...] = (),
        region: str = "",
        **parameters: Any,
    ) -> Raw:
        """One answer; `{}` for the error codes in `empty`; from another region if `region` is given."""

    def each(self, function: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
        """`function` of every item, several at a time, in order; items that turn out Gone are left out."""


def no_dimensions(resource: Resource) -> Dimensions:
    return ()


def no_standby(resource: Resource) -> tuple[Dimensions, ...]:
    return ()


def no_endpoints(resource: Resource) -> tuple[Endpoint, ...]:
    return ()


def no_facts(resource: Resource) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Paging:
    """How to page through an operation for which botocore has no paginator, or one that trusts too much.

    `token`: the parameter that asks for the next page. `next`: where an answer tells its value, as a JMESPath
    expression. `limit`: the parameter for the size of a page. `more`: the field that says whether there are
    more pages, where there is one; an answer that says so and holds nothing is an error.
    """

    token: str
    next: str
    limit: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of AWS resource: how it is read, and what it means for monitoring.

    `service`: botocore's service name; empty for what is not in AWS. `calls`: operation → the IAM action that
    allows it. `only`: the ARNs for which the actions are needed, where they would allow more than lists and
    descriptions elsewhere.
    `reads`: operation → the members of its answer that `fetch` and `transform` look at, as dotted names; a
    list counts for its items, and a name stands for all below it. All else is not parsed. For operations that
    tell of very many resources; what is not here is parsed whole.
    `fetch` asks AWS and raises; `transform` is pure and returns None for what does not exist any more.
    `paging`: operations that botocore cannot page through, or not safely.
    `states`: AWS's word for a state → what it means; a word that is not here counts as in service, so
    that a state nobody thought of is watched and not passed over.
    `ended`: the id of what `transform` returned None for, where AWS goes on listing what has ended.
    `global_`: it is read once an account. `home`: the region of a global kind whose service is regional.
    `like`: the kind whose standards apply as well, as far as they do not read CloudWatch.
    `endpoints`: where a resource answers from outside; standards for the kind `endpoint` apply to one that
    does.
    `namespaces`, `dimensions`: the CloudWatch metrics of a resource. `standby`: the dimensions of further
    machines behind it, each of which has the same metrics. `parts`: a dimension that some of its metrics have
    beside → its values, one for each part of the resource. `facts`: labels to match by.
    """

    name: str
    title: str
    service: str
    calls: Mapping[str, str]
    fetch: Callable[[Api, Place], Iterable[Raw]]
    transform: Callable[[Place, Raw], Resource | None]
    paging: Mapping[str, Paging] = field(default_factory=dict)
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    states: Mapping[str, Lifecycle] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    global_: bool = False
    home: str = ""
    namespaces: tuple[str, ...] = ()
    dimensions: Callable[[Resource], Dimensions] = no_dimensions
    standby: Callable[[Resource], tuple[Dimensions, ...]] = no_standby
    parts: Mapping[str, Callable[[Resource], tuple[str, ...]]] = field(default_factory=dict)
    facts: Callable[[Resource], Mapping[str, str]] = no_facts
    fact_names: tuple[str, ...] = ()
    ended: Callable[[Raw], str] | None = None
    like: str = ""
    endpoints: Callable[[Resource], tuple[Endpoint, ...]] = no_endpoints

    def lifecycle(self, state: str) -> Lifecycle:
        return self.states.get(state, Lifecycle.IN_SERVICE)

    def dimension_sets(self, resource: Resource) -> tuple[Dimensions, ...]:
        """All that CloudWatch knows a resource by; empty for one that it does not know."""
        own = self.dimensions(resource)
        return (own, *self.standby(resource)) if own else ()


def tag_map(pairs: Iterable[Raw] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Tags from AWS's list of Key and Value (some services spell them in lower case)."""
    return {pair[key]: pair.get(value) or "" for pair in pairs or ()}


def timestamp(value: datetime | None) -> str:
    """ISO 8601 in UTC to the second, or empty."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else ""


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty: AWS leaves out or blanks the same field from one service to the next."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {}, ())}


def attribute_facts(*names: str) -> Callable[[Resource], Mapping[str, str]]:
    """Facts that are attributes of the same name; a truth value reads `true` or `false`."""

    def facts(resource: Resource) -> Mapping[str, str]:
        found = {name: resource.attributes[name] for name in names if name in resource.attributes}
        return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in found.items()}

    return facts


def dimension(name: str) -> Callable[[Resource], Dimensions]:
    """The one dimension by which CloudWatch knows a resource: its id."""

    def dimensions(resource: Resource) -> Dimensions:
        return ((name, resource.id),)

    return dimensions


def with_tags(
    api: Api,
    items: Iterable[Raw],
    call: str,
    parameter: str,
    arn: str,
    *,
    key: str = "Tags",
    gone: tuple[str, ...] = (),
) -> Iterator[Raw]:
    """The items with what `call` says under `key` as their "Tags". It takes one resource: its field `arn`."""

    def describe(item: Raw) -> Raw:
        return {**item, "Tags": api.call(call, gone=gone, **{parameter: item[arn]}).get(key)}

    yield from api.each(describe, items)


def in_batches(
    api: Api, items: Iterable[Item], size: int, ask: Callable[[Sequence[Item]], Iterable[Answer]]
) -> Iterator[Answer]:
    """What `ask` says of all items, when it can be asked about `size` of them at a time.

    An item that is Gone fails the whole batch: its others are then asked about one by one.
    """

    def attempt(batch: Sequence[Item]) -> tuple[list[Answer], Sequence[Item]]:
        try:
            return list(ask(batch)), ()
        except Gone:
            return [], batch

    listed = list(items)
    batches = [listed[start : start + size] for start in range(0, len(listed), size)]
    for answers, again in api.each(attempt, batches):
        yield from answers
        for alone in api.each(lambda item: list(ask([item])), again):
            yield from alone
