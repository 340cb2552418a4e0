"""What `inventory/aws.yaml` says, and what AWS says of accounts where the file leaves it to AWS.

A part of `mac.model`, from where everyone imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mac.problems import NOWHERE, Location

if TYPE_CHECKING:
    from mac.model import Resource


@dataclass(frozen=True, slots=True)
class Account:
    """An account to read. Without `role_arn` the ambient credentials are used.

    `regions`: those of this account alone; empty for the inventory's.
    """

    id: str
    name: str
    role_arn: str = ""
    external_id: str = ""
    location: Location = NOWHERE
    regions: tuple[str, ...] = ()
    session_name: str = "mac"  # what CloudTrail shows as the caller


@dataclass(frozen=True, slots=True)
class Organization:
    """The accounts of an organization, each entered by its role of the name `role`.

    `units`: organizational units (or the root) whose accounts are read, with those of the units below; empty
    for all. `exclude`: account and unit ids. The management account is read only if `include_management`:
    what is rolled out to an organization (stack sets) does not reach it.
    """

    role: str
    external_id: str = ""
    session_name: str = "mac"
    units: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    include_management: bool = False
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class EnabledRegions:
    """The regions that an account has enabled: those that match `include` (empty: all), not `exclude`.

    Both hold names, or patterns such as "eu-*".
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Via:
    """A role in a central account from which the roles of all others are taken on."""

    role_arn: str
    external_id: str = ""
    session_name: str = "mac"


@dataclass(frozen=True, slots=True)
class ConfigAggregator:
    """An AWS Config aggregator, in a region of an account, that is asked for `kinds` (empty: all that it
    can tell) in place of AWS's services.

    It answers for all accounts and regions of the inventory. `account` is its own, entered as any other.
    """

    name: str
    region: str
    account: Account
    kinds: tuple[str, ...]
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Listed:
    """A resource that is not read from AWS, and where it is written."""

    resource: Resource
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class InventoryConfig:
    """`inventory/aws.yaml`. `max_age`, `grace` and `deadline` are seconds.

    `largest_loss`: the share (0…1) of its accounts that an organization may lose between two readings.
    """

    accounts: tuple[Account, ...]
    regions: tuple[str, ...]
    kinds: tuple[str, ...] = ()  # empty: every kind that mac knows
    concurrency: int = 32
    location: Location = NOWHERE
    organization: Organization | None = None
    enabled_regions: EnabledRegions | None = None  # then `regions` is empty
    via: Via | None = None
    max_age: float = 24 * 3600  # for which the last known good is trusted
    grace: float = 600  # after a launch, in which tags may be missing
    deadline: float = 600  # for all pages of one scope
    aggregators: tuple[ConfigAggregator, ...] = ()
    listed: tuple[Listed, ...] = ()  # of all files
    largest_loss: float = 0.3  # no key of the file: allowed for one run


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """What AWS itself said about an account, kept for when it cannot be asked.

    `regions`: those that are read in it, where the inventory asks for the enabled ones; the first is asked
    for what is not regional. `left_out`: why nothing is read in it; empty for an account that is read.
    """

    id: str
    name: str = ""
    regions: tuple[str, ...] = ()
    left_out: str = ""
