"""Reads the inventory from AWS: every scope by itself, many at once.

What cannot be read keeps what was last known of it: a failure never looks like an empty scope.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime

from mac.answers import CallError
from mac.aws import Access, Aws
from mac.kinds import all_kinds
from mac.kinds.kind import Place
from mac.links import link
from mac.model import (
    GLOBAL_REGION,
    Account,
    InventoryConfig,
    Resource,
    Scope,
    ScopeState,
    ScopeStatus,
    Snapshot,
)
from mac.problems import AwsError, Problem, ProblemsError, did_you_mean

Progress = Callable[[int, int, ScopeStatus], None]
"""Told after each scope, by the calling thread: how many are done, of how many, and how this one ended."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What came of a scope: its resources, or why there are none."""

    resources: tuple[Resource, ...] = ()
    error: CallError | None = None


def scopes(config: InventoryConfig) -> tuple[Scope, ...]:
    """Every scope of the inventory, sorted. Raises ProblemsError for a kind that does not exist."""
    known = all_kinds()
    problems = [
        Problem(
            config.location,
            "unknown-resource-kind",
            f'there is no resource kind "{name}"',
            did_you_mean(name, known),
        )
        for name in config.kinds
        if name not in known
    ]
    if problems:
        raise ProblemsError(problems)
    return tuple(
        sorted(
            {
                Scope(account.id, region, name)
                for account in config.accounts
                for name in config.kinds or known
                for region in ((GLOBAL_REGION,) if known[name].global_ else config.regions)
            }
        )
    )


def collect(
    config: InventoryConfig,
    last: Snapshot,
    *,
    now: datetime,
    progress: Progress | None = None,
    aws: Aws | None = None,
) -> Snapshot:
    """The inventory now, linked. A scope that fails keeps its resources of `last`, and says since when.

    Raises ProblemsError for an unknown kind; AwsError when no account can be entered and nothing is known
    from before. `aws` may be given to keep its clients from one reading to the next.
    """
    wanted = scopes(config)
    if not wanted:
        return Snapshot()
    aws = aws or Aws(threads=config.concurrency)
    accounts = {account.id: account for account in config.accounts}
    statuses: dict[Scope, ScopeStatus] = {}
    found: list[Resource] = []
    kept = _by_scope(last.resources)
    before = {status.scope: status for status in last.scopes}
    # Two pools: a scope waits for its details, so these must not wait behind other scopes.
    pool = ThreadPoolExecutor(config.concurrency, "mac-scope")
    details = ThreadPoolExecutor(config.concurrency, "mac-detail")
    try:
        accesses = _enter(aws, accounts.values(), config.regions[0], pool)
        _refuse_if_nobody(accesses, last)
        readings: dict[Future[_Reading], Scope] = {
            pool.submit(_read, aws, accesses[scope.account], scope, config, details): scope
            for scope in wanted
        }
        for done, future in enumerate(as_completed(readings), start=1):
            scope, reading = readings[future], future.result()
            if reading.error is None:
                found += reading.resources
            else:
                found += (r for r in kept[scope] if _declared(r, config))
            statuses[scope] = _status(scope, reading.error, before.get(scope), now)
            if progress:
                progress(done, len(wanted), statuses[scope])
    except BaseException:
        aws.stop()  # on ^C nobody waits for the scopes that are being read
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        details.shutdown(wait=False, cancel_futures=True)
    complete = frozenset(s for s, status in statuses.items() if status.state is ScopeState.COMPLETE)
    return Snapshot(tuple(statuses[scope] for scope in wanted), link(found, complete))


def failed(snapshot: Snapshot) -> Mapping[tuple[ScopeState, str], tuple[Scope, ...]]:
    """The scopes that are not complete, by state and reason, so that one cause is told once."""
    causes: dict[tuple[ScopeState, str], list[Scope]] = defaultdict(list)
    for status in snapshot.scopes:
        if status.state is not ScopeState.COMPLETE:
            causes[status.state, status.reason].append(status.scope)
    return {cause: tuple(sorted(causes[cause])) for cause in sorted(causes)}


def _by_scope(resources: Iterable[Resource]) -> dict[Scope, list[Resource]]:
    known = all_kinds()
    found: dict[Scope, list[Resource]] = defaultdict(list)
    for resource in resources:
        kind = known.get(resource.kind)
        region = GLOBAL_REGION if kind is not None and kind.global_ else resource.region
        found[Scope(resource.account, region, resource.kind)].append(resource)
    return found


def _declared(resource: Resource, config: InventoryConfig) -> bool:
    """A global scope may hold resources of a region that was taken out of the inventory since."""
    return resource.region in config.regions or resource.region == GLOBAL_REGION


def _enter(
    aws: Aws, accounts: Iterable[Account], region: str, pool: Executor
) -> dict[str, Access | CallError]:
    def enter(account: Account) -> Access | CallError:
        try:
            return aws.enter(account, region)
        except CallError as error:
            return error

    futures = {account.id: pool.submit(enter, account) for account in accounts}
    return {account: future.result() for account, future in futures.items()}


def _refuse_if_nobody(accesses: Mapping[str, Access | CallError], last: Snapshot) -> None:
    errors = {account: e for account, e in accesses.items() if isinstance(e, CallError)}
    if len(errors) < len(accesses) or last.resources:
        return
    reasons = "; ".join(f"account {account}: {error.reason}" for account, error in sorted(errors.items()))
    raise AwsError(
        f"no account can be read, and there is no earlier snapshot: {reasons}",
        "check the credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, the role of this machine) and the "
        "accounts and roles in inventory/aws.yaml",
    )


def _read(
    aws: Aws, access: Access | CallError, scope: Scope, config: InventoryConfig, details: Executor
) -> _Reading:
    if isinstance(access, CallError):
        return _Reading(error=access)
    kind = all_kinds()[scope.kind]
    region = config.regions[0] if kind.global_ else scope.region
    place = Place(scope.account, scope.region, access.partition, config.regions)
    try:
        with aws.scope(access, kind, region, details) as api:
            resources = (kind.transform(place, raw) for raw in kind.fetch(api, place))
            # While the fleet changes, one page may repeat a resource of another.
            found = {resource.sort_key: resource for resource in resources if resource is not None}
            return _Reading(tuple(found.values()))
    except CallError as error:
        return _Reading(error=aws.judge_region(access, region, error) if error.region_in_doubt else error)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # A field is missing or of another type: no answer can be better than a wrong one.
        what = f"{type(error).__name__}: {error}"
        return _Reading(error=CallError(f"a {kind.title} is described in a way that mac cannot read: {what}"))


def _status(scope: Scope, error: CallError | None, before: ScopeStatus | None, now: datetime) -> ScopeStatus:
    if error is None:
        return ScopeStatus(scope)
    since = before.since if before and before.state is not ScopeState.COMPLETE else ""
    return ScopeStatus(
        scope, error.state, error.reason, since or now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
