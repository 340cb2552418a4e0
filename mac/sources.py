"""Where an inventory is read from. Each scope has one source, and every source ends a scope the same way.

The sources are AWS's services themselves (`mac.collect`), an AWS Config aggregator (`mac.config_aggregator`)
and files of what is not in AWS (`ListedResources`). What one claims, no later one is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mac.answers import CallError
from mac.kinds import all_kinds
from mac.model import GLOBAL_REGION, Listed, Resource, Scope
from mac.problems import Problem, ProblemsError


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a scope: its resources, or why there are none."""

    resources: tuple[Resource, ...] = ()
    error: CallError | None = None


Readings = Iterator[tuple[Scope, Reading]]


class Source(Protocol):
    """Something that can tell all resources of a scope, or why it cannot."""

    def claims(self, wanted: Sequence[Scope]) -> Sequence[Scope]:
        """Which scopes it answers for: some of those that are wanted, and scopes of its own."""

    def read(self, scopes: Sequence[Scope]) -> Readings:
        """Each of these scopes once, as it is done. A scope that fails is an error of its own."""


def assign(
    sources: Iterable[Source], wanted: Sequence[Scope]
) -> tuple[tuple[Source, tuple[Scope, ...]], ...]:
    """The sources, each with what is left for it."""
    found, left = [], tuple(wanted)
    for source in sources:
        claimed = tuple(source.claims(left))
        taken = frozenset(claimed)
        left = tuple(scope for scope in left if scope not in taken)
        found.append((source, claimed))
    return tuple(found)


def scope_of(resource: Resource) -> Scope:
    """The scope to which a resource belongs."""
    kind = all_kinds().get(resource.kind)
    region = GLOBAL_REGION if kind is not None and kind.global_ else resource.region
    return Scope(resource.account, region, resource.kind)


def in_aws(one: Listed) -> Problem:
    """A file tells what AWS is asked for."""
    scope = scope_of(one.resource)
    message = f"AWS is asked for {scope.kind} in {scope.account}/{scope.region}"
    hint = "remove it; what is not in AWS belongs to an account or a region of its own"
    return Problem(one.location, "duplicate-resource", message, hint)


def refuse_duplicates(listed: Iterable[Listed], found: Iterable[Resource]) -> None:
    """Raises ProblemsError for what files tell of the ARNs that were found elsewhere."""
    by_arn = {one.resource.arn: one for one in listed}
    problems = []
    for resource in found:
        one = by_arn.get(resource.arn)
        if one is not None and resource is not one.resource:
            message = f"{resource.arn} is known from AWS"
            problems.append(Problem(one.location, "duplicate-resource", message, "remove it from the file"))
    if problems:
        raise ProblemsError(problems)


class ListedResources:
    """The resources of files: whatever they say is all that there is."""

    def __init__(self, listed: Iterable[Listed]) -> None:
        self._by_scope: dict[Scope, list[Listed]] = defaultdict(list)
        for one in listed:
            self._by_scope[scope_of(one.resource)].append(one)

    def claims(self, wanted: Sequence[Scope]) -> Sequence[Scope]:
        """Scopes of its own. Raises ProblemsError for those that AWS is asked for."""
        asked = [one for scope in wanted for one in self._by_scope.get(scope, ())]
        if asked:
            raise ProblemsError(in_aws(one) for one in asked)
        return sorted(self._by_scope)

    def read(self, scopes: Sequence[Scope]) -> Readings:
        for scope in scopes:
            yield scope, Reading(tuple(one.resource for one in self._by_scope[scope]))
