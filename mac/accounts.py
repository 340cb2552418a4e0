"""Which accounts and regions are read, where the inventory leaves that to AWS.

What cannot be asked stays as it was last known: an organization that does not answer has not lost its
accounts, and an account that does not tell its regions still has those that it had.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from mac.answers import CallError, Cause
from mac.aws import HUB, MAIN_REGIONS, Access, Aws
from mac.kinds import Kind
from mac.kinds.kind import Api, Place, Raw
from mac.model import (
    GLOBAL_REGION,
    Account,
    EnabledRegions,
    InventoryConfig,
    KnownAccount,
    Organization,
    Resource,
    Scope,
    Snapshot,
)
from mac.reading import Key

ACCOUNTS = Scope(HUB, GLOBAL_REGION, "account")
"""The scope of the organization's list of accounts."""

_LONGEST_NAME = 63  # it is part of file names
_FEW = 3  # accounts that may always leave


REGIONS = "region"
"""In place of a kind: the scope of an account's list of enabled regions."""


def regions_scope(account: str) -> Scope:
    """The scope of an account's list of enabled regions."""
    return Scope(account, GLOBAL_REGION, REGIONS)


@dataclass(slots=True)
class Found:
    """What is to be read. `errors`: how asking for it ended, None where it was answered completely."""

    accounts: list[Account] = field(default_factory=list)
    left_out: dict[str, KnownAccount] = field(default_factory=dict)
    errors: dict[Scope, CallError | None] = field(default_factory=dict)

    def known(self, config: InventoryConfig) -> tuple[KnownAccount, ...]:
        """What the snapshot keeps: nothing when the inventory says it all itself."""
        if config.organization is None and config.enabled_regions is None:
            return ()
        known = {a.id: KnownAccount(a.id, a.name, a.regions) for a in self.accounts}
        return tuple(sorted({**self.left_out, **known}.values(), key=lambda a: a.id))


# --- accounts ----------------------------------------------------------------------------------------


def _fetch(api: Api, organization: Organization) -> Iterator[Raw]:
    """Every account of the organization's units. Accounts of excluded units are not even listed."""
    units = deque(organization.units)
    if not units and all(excluded.isdigit() for excluded in organization.exclude):
        found = list(api.pages("ListAccounts", "Accounts", size=20))
        if not found:  # there is always the management account
            raise CallError("ListAccounts: the list is empty", cause=Cause.MALFORMED)
        yield from found
        return
    seen = set(organization.exclude)
    units = units or deque(root["Id"] for root in api.pages("ListRoots", "Roots"))
    while units:
        unit = units.popleft()
        if unit in seen:
            continue
        seen.add(unit)
        yield from api.pages("ListAccountsForParent", "Accounts", size=20, ParentId=unit)
        below = api.pages("ListChildren", "Children", ParentId=unit, ChildType="ORGANIZATIONAL_UNIT")
        units += (child["Id"] for child in below)


def organization_kind(organization: Organization) -> Kind:
    """The calls that list the organization's accounts; not a kind of resource that is watched."""
    walk = organization.units or not all(excluded.isdigit() for excluded in organization.exclude)
    operations = ["ListAccountsForParent", "ListChildren"] if walk else ["ListAccounts"]
    if walk and not organization.units:
        operations.append("ListRoots")

    def fetch(api: Api, _: Place) -> Iterator[Raw]:
        return _fetch(api, organization)

    def transform(_: Place, raw: Raw) -> Resource:
        return replace(
            _account(raw["Id"]),
            name=raw.get("Name") or "",
            # `Status` is what `State` replaces.
            state=raw.get("State") or raw["Status"],
            attributes={"arn": raw["Arn"]},
        )

    return Kind(
        name="account",
        title="account of the organization",
        service="organizations",
        calls={operation: f"organizations:{operation}" for operation in operations},
        fetch=fetch,
        transform=transform,
    )


def _account(number: str) -> Resource:
    """By its number alone, so that it can be compared with what was known: its ARN was not kept."""
    return Resource(arn="", kind="account", account=HUB, region=GLOBAL_REGION, id=number)


Reader = Callable[[Access, Kind, Place, Mapping[Key, Resource]], Iterable[Resource]]
"""Reads all resources of a kind, or raises CallError: `mac.reading.read_all`."""


def find(config: InventoryConfig, last: Snapshot, aws: Aws, read: Reader) -> Found:
    """The accounts to read: those that are listed, then the organization's."""
    found = Found(accounts=list(config.accounts))
    organization = config.organization
    if organization is None:
        return found
    listed = {account.id for account in config.accounts}
    before = [_account(a.id) for a in last.accounts if a.id not in listed]
    try:
        access = aws.hub(home_region(config), config.via)
        place = Place(HUB, home_region(config), access.partition)
        there = {account.sort_key: account for account in before}
        answer = list(read(access, organization_kind(organization), place, there))
        _refuse_loss(before, answer, config.largest_loss)
    except CallError as error:
        found = _members_before(config, organization, last)
        found.errors[ACCOUNTS] = error
        return found
    found.errors[ACCOUNTS] = None
    names = _names(answer, [account.name for account in config.accounts])
    for account in sorted(answer, key=lambda a: a.id):
        why = _left_out(account, organization)
        if account.id in listed:
            continue
        if why:
            found.left_out[account.id] = KnownAccount(account.id, names[account.id], left_out=why)
        else:
            partition = account.attributes["arn"].split(":")[1]
            found.accounts.append(_member(account.id, names[account.id], organization, partition))
    return found


def as_known(config: InventoryConfig, last: Snapshot) -> Found:
    """The accounts, with their regions, as they were known last; nobody is asked."""
    organization, enabled = config.organization, config.enabled_regions
    found = (
        _members_before(config, organization, last) if organization else Found(accounts=list(config.accounts))
    )
    if enabled is not None:
        before = {known.id: known.regions for known in last.accounts}
        for number, account in enumerate(found.accounts):
            regions = _still_chosen(before.get(account.id, ()), enabled)
            found.accounts[number] = replace(account, regions=regions or _exact(enabled))
    return found


def _members_before(config: InventoryConfig, organization: Organization, last: Snapshot) -> Found:
    listed = {account.id for account in config.accounts}
    members = [
        _member(known.id, known.name, organization, access_partition(config))
        for known in last.accounts
        if not known.left_out and known.id not in listed and known.id not in organization.exclude
    ]
    left_out = {a.id: a for a in last.accounts if a.left_out and a.id not in listed}
    return Found([*config.accounts, *members], left_out)


def _refuse_loss(before: Sequence[Resource], answer: Iterable[Resource], allowed: float) -> None:
    """Raises CallError when more of the known accounts are missing than ever leave at a time.

    An account that is closed is listed for months as suspended. One that is not listed at all has left the
    organization, or its units; or the answer is wrong, and with it all that is watched there would go.
    """
    there = {account.id for account in answer}
    missing = sorted(account.id for account in before if account.id not in there)
    few = len(missing) < _FEW and len(missing) < len(before)
    if not missing or few or len(missing) <= allowed * len(before):
        return
    named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
    raise CallError(
        f"of the {len(before)} accounts that the organization had, {len(missing)} are not listed any more "
        f"({named}); if they have left, allow it once with --allow-shrink",
        cause=Cause.SHRUNK,
    )


def _member(account: str, name: str, organization: Organization, partition: str) -> Account:
    return Account(
        id=account,
        name=name,
        role_arn=f"arn:{partition}:iam::{account}:role/{organization.role}",
        external_id=organization.external_id,
        session_name=organization.session_name,
        location=organization.location,
    )


def _left_out(account: Resource, organization: Organization) -> str:
    if account.id in organization.exclude:
        return "excluded in inventory/aws.yaml"
    if account.state != "ACTIVE":
        return f"the organization says that it is {account.state.lower().replace('_', ' ')}"
    # An account's ARN names the management account: arn:aws:organizations::MANAGEMENT:account/o-…/ID.
    if account.attributes["arn"].split(":")[4] == account.id and not organization.include_management:
        return "the management account is read only with include_management"
    return ""


def _names(accounts: Iterable[Resource], taken: Iterable[str]) -> dict[str, str]:
    """Names that may be parts of files' names. Of two that are alike, each gets its number behind it."""
    short = {}
    for account in accounts:
        name = re.sub(r"[^a-z0-9]+", "-", account.name.lower()).strip("-")
        short[account.id] = name[:_LONGEST_NAME].rstrip("-") or account.id
    counted = Counter([*short.values(), *taken])
    return {
        account: name if counted[name] == 1 else f"{name[: _LONGEST_NAME - 13]}-{account}"
        for account, name in short.items()
    }


def entered(config: InventoryConfig) -> tuple[tuple[str, ...], Kind | None]:
    """The roles that are taken on directly, and the calls that list accounts: what a policy must allow.

    With a central account, the policy serves for both: who runs mac needs only the last role of it.
    """
    organization = config.organization
    roles = [account.role_arn for account in config.accounts if account.role_arn]
    if organization:
        roles.append(f"arn:{access_partition(config)}:iam::*:role/{organization.role}")
    roles += [config.via.role_arn] if config.via else []
    roles += [a.account.role_arn for a in config.aggregators if a.account.role_arn]
    return tuple(roles), organization_kind(organization) if organization else None


# --- regions -----------------------------------------------------------------------------------------


def access_partition(config: InventoryConfig) -> str:
    """The partition that the inventory's own words imply."""
    roles = [account.role_arn for account in config.accounts if account.role_arn]
    roles += [config.via.role_arn] if config.via else []
    if roles:
        return roles[0].split(":")[1]
    first = (config.regions or _exact(config.enabled_regions) or ("",))[0]
    return "aws-cn" if first.startswith("cn-") else "aws-us-gov" if first.startswith("us-gov-") else "aws"


def home_region(config: InventoryConfig) -> str:
    """The region in which questions are asked that belong to none."""
    known = config.regions or _exact(config.enabled_regions)
    return known[0] if known else MAIN_REGIONS.get(access_partition(config), "us-east-1")


def _exact(enabled: EnabledRegions | None) -> tuple[str, ...]:
    return tuple(r for r in enabled.include if "*" not in r) if enabled else ()


def with_regions(
    found: Found,
    config: InventoryConfig,
    last: Snapshot,
    *,
    aws: Aws,
    accesses: Mapping[str, Access | CallError],
    pool: Executor,
) -> None:
    """Gives each account its own regions, where the inventory asks for the enabled ones."""
    enabled = config.enabled_regions
    if enabled is None:
        return
    before = {known.id: known.regions for known in last.accounts}
    home = home_region(config)

    def ask(account: Account) -> tuple[str, ...] | CallError:
        access = accesses[account.id]
        if isinstance(access, CallError):
            return access
        try:
            chosen = _chosen(aws.enabled_regions(access, home), enabled)
        except CallError as error:
            return error
        return chosen or CallError("no enabled region fits include and exclude", cause=Cause.UNKNOWN_REGION)

    answers = list(pool.map(ask, found.accounts))
    for number, (account, answer) in enumerate(zip(found.accounts, answers, strict=True)):
        if isinstance(answer, CallError):
            found.errors[regions_scope(account.id)] = answer
            regions = _still_chosen(before.get(account.id, ()), enabled)
        else:
            found.errors[regions_scope(account.id)] = None
            regions = answer
        found.accounts[number] = replace(account, regions=regions or _exact(enabled))


def _fits(region: str, enabled: EnabledRegions) -> bool:
    wanted = not enabled.include or any(fnmatchcase(region, pattern) for pattern in enabled.include)
    return wanted and not any(fnmatchcase(region, pattern) for pattern in enabled.exclude)


def _still_chosen(regions: Iterable[str], enabled: EnabledRegions) -> tuple[str, ...]:
    return tuple(region for region in regions if _fits(region, enabled))


def _chosen(regions: Iterable[str], enabled: EnabledRegions) -> tuple[str, ...]:
    """Those that fit; what belongs to no region is asked in the first: one named, or the partition's main."""
    exact, main = _exact(enabled), tuple(MAIN_REGIONS.values())

    def rank(region: str) -> tuple[int, int, str]:
        named = exact.index(region) if region in exact else len(exact)
        return (named, region not in main, region)

    return tuple(sorted(_still_chosen(regions, enabled), key=rank))
