"""An AWS Config aggregator: what it has recorded of all accounts and regions, asked for in one place.

Config has no word for "I do not know this kind": a type that is not recorded gives an empty answer, like a
type of which there is nothing. So the aggregator is asked for the recorders first, which it records as
resources themselves; only a scope of which a running recorder says that it records the type can be empty. A
region whose data the aggregator could not collect, or not lately, is not read either.

The answers are minutes old by AWS's own design, and up to a day where a recorder is set to record daily.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from typing import Any

from mac import config_records, scope_api
from mac.answers import CallError, Cause
from mac.aws import Access, Aws
from mac.config_records import RECORDS
from mac.kinds import Kind, all_kinds, aws_kinds
from mac.kinds.kind import Api, Place, Raw
from mac.model import GLOBAL_REGION, ConfigAggregator, InventoryConfig, Resource, Scope
from mac.reading import Key
from mac.sources import Reading, Readings, scope_of

Reader = Callable[[Access, Kind, Place, Mapping[Key, Resource]], tuple[Resource, ...]]
"""Reads all resources of a kind, or raises CallError: `mac.reading.read_all`."""

_SELECT, _STATUS = "SelectAggregateResourceConfig", "DescribeConfigurationAggregatorSourcesStatus"
_RECORDER = "AWS::Config::ConfigurationRecorder"
# The recorders of other services of AWS record for these alone.
_SERVICE_LINKED = "AWSConfigurationRecorderFor"
_PAGE = 100  # AWS's limit
_WITHHELD = ("FAILED", "OUTDATED")
_TYPE_LIST, _EXCLUSION_LIST = "INCLUSION_BY_RESOURCE_TYPES", "EXCLUSION_BY_RESOURCE_TYPES"
_COLUMNS = "accountId, awsRegion, arn, resourceId, configurationItemStatus, configuration, tags"

CALLS = Kind(
    name="config-aggregator",
    title="resource that AWS Config records",
    service="config",
    calls={operation: f"config:{operation}" for operation in (_SELECT, _STATUS)},
    fetch=lambda api, place: (),
    transform=lambda place, raw: None,
)
"""The calls to an aggregator; not a kind of resource that is watched."""


def kinds_of(config: InventoryConfig) -> tuple[str, ...]:
    """The kinds of the inventory that are asked of an aggregator."""
    wanted = config.kinds or tuple(RECORDS)
    return tuple(
        name
        for aggregator in config.aggregators
        for name in aggregator.kinds or tuple(n for n in wanted if n in RECORDS)
    )


def asked(config: InventoryConfig) -> tuple[list[Kind], list[Kind]]:
    """The kinds that are read in each account, and the calls to the aggregator if there is one."""
    others, known = kinds_of(config), aws_kinds()
    own = [known[name] for name in config.kinds or known if name not in others]
    return own, [CALLS] if others else []


@dataclass(frozen=True, slots=True)
class Aggregated:
    """A source: the aggregator, the way into its account, and what all scopes share while they are read.

    `regions`: those of each account. `known`: what was last known of a scope.
    """

    aggregator: ConfigAggregator
    kinds: tuple[str, ...]
    aws: Aws
    access: Access | CallError
    read_all: Reader
    known: Callable[[Scope], Sequence[Resource]]
    regions: Mapping[str, tuple[str, ...]]
    pool: Executor
    details: Executor

    def claims(self, wanted: Sequence[Scope]) -> Sequence[Scope]:
        return [scope for scope in wanted if scope.kind in self.kinds]

    def read(self, scopes: Sequence[Scope]) -> Readings:
        if not scopes:
            return
        try:
            if isinstance(self.access, CallError):
                raise self.access
            recorders = self._recorders(self.access)
        except CallError as error:
            yield from ((scope, Reading(error=error)) for scope in scopes)
            return
        recorded: dict[str, list[Scope]] = defaultdict(list)
        for scope in scopes:
            reason = self._unknown(scope, recorders)
            if reason:
                yield scope, Reading(error=CallError(reason, cause=Cause.UNSUPPORTED))
            else:
                recorded[scope.kind].append(scope)
        running = {self.pool.submit(self._ask, self.access, k, s): s for k, s in recorded.items()}
        for future in as_completed(running):
            try:
                found = future.result()
            except CallError as error:
                yield from ((scope, Reading(error=error)) for scope in running[future])
                continue
            yield from ((scope, Reading(tuple(found[scope]))) for scope in running[future])

    def _ask(self, access: Access, name: str, scopes: Sequence[Scope]) -> Mapping[Scope, list[Resource]]:
        """All resources of one kind; whatever belongs to no scope of these is not of the inventory."""
        record = RECORDS[name]
        shape = self.aws.shape(record.service, record.shape) if record.shape else None

        def fetch(api: Api, _: Place) -> Iterator[Raw]:
            return self._select(api, f"SELECT {_COLUMNS} WHERE resourceType = '{record.type}'")

        def transform(place: Place, row: Raw) -> Resource | None:
            return config_records.resource(name, row, place.partition, shape)

        kind = replace(
            CALLS,
            title=f"{all_kinds()[name].title} in AWS Config",
            fetch=fetch,
            transform=transform,
            ended=(lambda row: str(row["resourceId"])) if all_kinds()[name].ended else None,
        )
        place = Place(self.aggregator.account.id, self.aggregator.region, access.partition)
        known = {r.sort_key: r for scope in scopes for r in self.known(scope)}
        found: dict[Scope, list[Resource]] = {scope: [] for scope in scopes}
        for resource in self.read_all(access, kind, place, known):
            scope = scope_of(resource)
            if scope in found and resource.region in self.regions.get(resource.account, ()):
                found[scope].append(resource)
        return found

    def _select(self, api: Api, expression: str) -> Iterator[Raw]:
        name = self.aggregator.name
        for text in api.pages(
            _SELECT, "Results", size=_PAGE, Expression=expression, ConfigurationAggregatorName=name
        ):
            yield json.loads(text)

    # --- what the aggregator knows -------------------------------------------------------------------

    def _recorders(self, access: Access) -> Mapping[tuple[str, str], _Recorder]:
        """Account and region → its recorder. Raises CallError."""
        with scope_api.opened(self.aws, access, CALLS, self.aggregator.region, self.details) as api:
            query = f"SELECT accountId, awsRegion, configuration WHERE resourceType = '{_RECORDER}'"
            try:
                found = dict(_recorder(row) for row in self._select(api, query) if _is_customers(row))
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                what = f"{type(error).__name__}: {error}"
                reason = f"a recorder of AWS Config is described in a way that mac cannot read: {what}"
                raise CallError(reason, cause=Cause.MALFORMED) from error
            for source in api.pages(
                _STATUS,
                "AggregatedSourceStatusList",
                size=_PAGE,
                ConfigurationAggregatorName=self.aggregator.name,
                UpdateStatus=list(_WITHHELD),
            ):
                place = (source.get("SourceId", ""), source.get("AwsRegion", ""))
                if source.get("LastUpdateStatus") in _WITHHELD and place in found:
                    why = source.get("LastErrorCode") or source["LastUpdateStatus"].lower()
                    found[place] = replace(found[place], withheld=why)
            return found

    def _unknown(self, scope: Scope, recorders: Mapping[tuple[str, str], _Recorder]) -> str:
        """Why nothing can be said about the scope; empty when what the aggregator says of it is all."""
        type_ = RECORDS[scope.kind].type
        regions = self.regions.get(scope.account, ()) if scope.region == GLOBAL_REGION else (scope.region,)
        for region in regions:
            recorder = recorders.get((scope.account, region))
            where = f"in {region}" if scope.region == GLOBAL_REGION else "there"
            if recorder is None:
                return f"the aggregator {self.aggregator.name} knows no recorder of AWS Config {where}"
            if recorder.withheld:
                return (
                    f"the aggregator {self.aggregator.name} has no current data from {where}: "
                    f"{recorder.withheld}"
                )
            if not recorder.records(type_):
                return f"AWS Config does not record {type_} {where}"
        return ""


@dataclass(frozen=True, slots=True)
class _Recorder:
    """What is recorded in an account and region: the types in `only`, or (None) all but `without`.

    `withheld`: why the aggregator does not have it.
    """

    running: bool
    only: frozenset[str] | None
    without: frozenset[str]
    withheld: str = ""

    def records(self, type_: str) -> bool:
        return self.running and type_ not in self.without and (self.only is None or type_ in self.only)


def _lowered(value: Any) -> Any:
    """With all keys in lower case: Config spells those of a recorder in two ways."""
    if isinstance(value, dict):
        return {key.lower(): _lowered(inner) for key, inner in value.items()}
    return value


def _described(row: Raw) -> Any:
    found = row["configuration"]
    return _lowered(json.loads(found) if isinstance(found, str) else found)


def _is_customers(row: Raw) -> bool:
    return not str(_described(row).get("name") or "").startswith(_SERVICE_LINKED)


def _recorder(row: Raw) -> tuple[tuple[str, str], _Recorder]:
    described = _described(row)
    group = described.get("recordinggroup") or {}
    strategy = (group.get("recordingstrategy") or {}).get("useonly") or ""
    everything = group.get("allsupported") is True or strategy.startswith("ALL_SUPPORTED")
    only, without = None, frozenset[str]()
    if strategy == _EXCLUSION_LIST:
        without = frozenset((group.get("exclusionbyresourcetypes") or {}).get("resourcetypes") or ())
    elif strategy == _TYPE_LIST or not everything:
        only = frozenset(group.get("resourcetypes") or ())
    place = (row["accountId"], row["awsRegion"])
    return place, _Recorder(described.get("recording") is True, only, without)
