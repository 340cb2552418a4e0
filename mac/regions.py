"""Which regions an account has enabled: asked of AWS in two ways.

`account:ListRegions` is the account's own list. Where it is refused, not there or out of reach (in a network
without a way out, or for a role that was made before it was asked for), `ec2:DescribeRegions` tells the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.credentials import Credentials

from mac.acting import acting_as
from mac.answers import FAILURES, CallError, Cause, explain
from mac.retries import Budget

LIST_CALL, DESCRIBE_CALL = "ListRegions", "DescribeRegions"
CALLS = {LIST_CALL: "account:ListRegions", DESCRIBE_CALL: "ec2:DescribeRegions"}
"""Operation → the IAM action that allows it."""

# A region that is being disabled may still hold what is watched; one that is being enabled cannot be asked.
_ENABLED = frozenset(["ENABLED", "ENABLED_BY_DEFAULT", "DISABLING"])
_NOT_ENABLED = "not-opted-in"
_PAGE = 50  # AWS's limit
_NOT_SERVED = (Cause.UNSUPPORTED, Cause.UNREACHABLE, Cause.TIMEOUT, Cause.UNKNOWN_REGION)


class RegionLists:
    """Asks for the regions of accounts. May be used from several threads."""

    def __init__(self) -> None:
        self._served = True  # whether the list is to be had at all: not an account's matter

    def ask(
        self, client: Callable[[str, str], Any], region: str, credentials: Credentials, budget: Budget
    ) -> Mapping[str, bool]:
        """Every region → whether the account has enabled it. `client` makes clients of a service in a region.

        Raises CallError when neither way leads to an answer.
        """
        first: CallError | None = None
        if self._served:
            try:
                # Not tried again when it fails: there is another way.
                with acting_as(credentials, Budget(0)), _explained(LIST_CALL):
                    return _listed(client("account", region))
            except CallError as error:
                first = error
                self._served = error.cause not in _NOT_SERVED
        try:
            with acting_as(credentials, budget), _explained(DESCRIBE_CALL):
                return _described(client("ec2", region))
        except CallError as error:
            if first is None:
                raise
            reason = f"{error.reason}; {first.reason}"
            raise CallError(reason, error.state, error.code, cause=error.cause) from error


def _listed(account: Any) -> Mapping[str, bool]:
    pages = account.get_paginator("list_regions").paginate(PaginationConfig={"PageSize": _PAGE})
    known = {
        region["RegionName"]: region["RegionOptStatus"] in _ENABLED
        for page in pages
        for region in page.get("Regions") or ()
    }
    return _not_empty(known, LIST_CALL)


def _described(ec2: Any) -> Mapping[str, bool]:
    answer = ec2.describe_regions(AllRegions=True)
    regions = answer.get("Regions") or ()
    known = {region["RegionName"]: region.get("OptInStatus") != _NOT_ENABLED for region in regions}
    return _not_empty(known, DESCRIBE_CALL)


def _not_empty(known: Mapping[str, bool], operation: str) -> Mapping[str, bool]:
    if not known:  # there are always some
        raise CallError(f"{operation}: the list is empty", cause=Cause.MALFORMED)
    return known


@contextmanager
def _explained(operation: str) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        raise explain(error, operation) from error
    except (LookupError, TypeError, AttributeError) as error:
        reason = f"{operation}: a region is described in a way that mac cannot read: {error!r}"
        raise CallError(reason, cause=Cause.MALFORMED) from error
