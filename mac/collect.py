"""Reads the inventory: every scope by itself, many at once, each from its source.

What cannot be read keeps what was last known of it: a failure never looks like an empty scope.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from queue import SimpleQueue

from mac import accounts, config_aggregator, reading
from mac.answers import CallError
from mac.aws import Access, Aws
from mac.durations import spell
from mac.giving_way import GivingWay
from mac.grace import settle
from mac.kinds import Kind, all_kinds, aws_kinds
from mac.kinds.kind import Place
from mac.links import link
from mac.memory import many_answers
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
from mac.reading import Key, young
from mac.sources import ListedResources, Reading, Readings, Source, assign, refuse_duplicates


@dataclass(frozen=True, slots=True)
class Step:
    """How far the reading is when a scope has ended: scopes done, of how many, and what was found so far.

    `throttles`: how often AWS has asked to slow down. `status`: how the scope ended that was the last.
    """

    done: int
    total: int
    status: ScopeStatus
    resources: int
    throttles: int

    def text(self, seconds: float) -> str:
        """One line for people. `seconds` since the reading began: what is left is estimated of it."""
        words = [f"{self.done:,}/{self.total:,} scopes", f"{self.resources:,} resources"]
        if self.throttles:
            words.append(f"throttled {self.throttles:,} times")
        left = seconds / self.done * (self.total - self.done)
        if self.done < self.total and seconds >= _TOO_EARLY:
            words.append(f"{spell(max(round(left), 1) * 1000)} left")
        return ", ".join(words)


_TOO_EARLY = 2.0  # seconds, in which clients are made and the pace says nothing

Progress = Callable[[Step], None]
"""Told after each scope, by the calling thread."""


def scopes(config: InventoryConfig) -> tuple[Scope, ...]:
    """Every scope of the accounts that the inventory lists, sorted.

    Raises ProblemsError for a kind that does not exist.
    """
    known = aws_kinds()
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
                for region in ((GLOBAL_REGION,) if known[name].global_ else account.regions or config.regions)
            }
        )
    )


@dataclass(slots=True)
class _Work:
    """What all scopes share while they are read."""

    aws: Aws
    config: InventoryConfig
    details: Executor
    now: datetime
    kept: Mapping[Scope, list[Resource]]
    before: Mapping[Scope, ScopeStatus]
    giving_way: GivingWay | None = None
    accesses: dict[str, Access | CallError] = field(default_factory=dict)
    regions: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of each account

    def read_all(
        self, access: Access, kind: Kind, place: Place, known: Mapping[Key, Resource]
    ) -> tuple[Resource, ...]:
        region = _asked(kind, place)
        # What has ended is listed for a while; what is neither there nor ended is not listed yet again.
        grace = self.config.grace if kind.ended else 0
        fresh = frozenset(key for key, resource in known.items() if young(resource, self.now, grace))
        asked = reading.Question(kind, place, region, known, fresh, self.config.deadline)
        return reading.read_all(self.aws, access, asked, self.details)

    def declared(self, resource: Resource) -> bool:
        """A global scope may hold resources of a region that was taken out of the inventory since."""
        return resource.region in (*self.regions.get(resource.account, ()), GLOBAL_REGION)

    def known(self, scope: Scope) -> list[Resource]:
        return [r for r in self.kept.get(scope, ()) if self.declared(r)]


def _asked(kind: Kind, place: Place) -> str:
    """The region whose endpoint is asked."""
    if not kind.global_:
        return place.region
    return kind.home or (place.regions or (place.region,))[0]


@many_answers()
def collect(
    config: InventoryConfig,
    last: Snapshot,
    *,
    now: datetime,
    only: frozenset[Scope] | None = None,
    giving_way: GivingWay | None = None,
    progress: Progress | None = None,
    aws: Aws | None = None,
) -> Snapshot:
    """The inventory now, linked. A scope that fails keeps its resources of `last`, and says since when.

    `only`: all other scopes of `last` are taken from it as they are; accounts and regions too.
    `giving_way`: may end it early. Raises ProblemsError for an unknown kind; AwsError when no account can be
    entered and nothing is known from before. `aws` may be given to keep its clients from one reading to the
    next.
    """
    scopes(replace(config, accounts=()))  # an unknown kind is said before anything is asked
    if not config.accounts and config.organization is None:
        return Snapshot()
    aws = aws or Aws(threads=config.concurrency)
    statuses: dict[Scope, ScopeStatus] = {}
    found: list[Resource] = []
    before = {status.scope: status for status in last.scopes}
    # Two pools: a scope waits for its details, so these must not wait behind other scopes.
    pool = ThreadPoolExecutor(config.concurrency, "mac-scope")
    details = ThreadPoolExecutor(config.concurrency, "mac-detail")
    work = _Work(aws, config, details, now, _by_scope(last.resources), before, giving_way)
    try:
        members = _members(work, last, pool) if only is None else accounts.as_known(config, last)
        work.regions = {a.id: a.regions or config.regions for a in members.accounts}
        for scope, error in members.errors.items():
            statuses[scope] = _status(scope, error, before.get(scope), now)
        wanted = scopes(replace(config, accounts=tuple(members.accounts)))
        if only is not None:
            kept = [scope for scope in wanted if scope in before and scope not in only]
            found += chain.from_iterable(map(work.known, kept))
            statuses |= {scope: before[scope] for scope in (*kept, *filter(_of_accounts, before))}
            wanted = tuple(scope for scope in wanted if scope not in statuses)
            asked = {scope.account for scope in wanted}
            work.accesses = _enter(work, (a for a in members.accounts if a.id in asked), pool)
        assigned = assign(_sources(work, pool), wanted)
        total = sum(len(claimed) for _, claimed in assigned)
        throttles, told = 0, Counter[str]()  # in all, and what of it was told of each account
        readings = chain.from_iterable(source.read(claimed) for source, claimed in assigned)
        for done, (scope, result) in enumerate(readings, start=1):
            found += result.resources if result.error is None else work.known(scope)
            statuses[scope] = _status(scope, result.error, before.get(scope), now)
            if progress:
                access = work.accesses.get(scope.account)
                if isinstance(access, Access):  # the sum over all accounts would be made for every scope
                    throttles += access.budget.throttles - told[scope.account]
                    told[scope.account] = access.budget.throttles
                progress(Step(done, total, statuses[scope], len(found), throttles))
        if giving_way is not None:
            found += chain.from_iterable(map(work.known, giving_way.unread))
            statuses |= {scope: before[scope] for scope in giving_way.unread}
    except BaseException:
        aws.stop()  # on ^C nobody waits for the scopes that are being read
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        details.shutdown(wait=False, cancel_futures=True)
    refuse_duplicates(config.listed, found)
    complete = frozenset(s for s, status in statuses.items() if status.state is ScopeState.COMPLETE)
    settled = settle(link(found, complete), {r.arn: r for r in last.resources}, now, config.grace)
    return Snapshot(tuple(statuses[scope] for scope in sorted(statuses)), settled, members.known(config))


def _members(work: _Work, last: Snapshot, pool: Executor) -> accounts.Found:
    """The accounts with their regions, entered."""
    config = work.config
    found = accounts.find(config, last, work.aws, work.read_all)
    others = frozenset(config_aggregator.kinds_of(config))
    if config.enabled_regions or not others.issuperset(config.kinds or aws_kinds()):
        work.accesses = _enter(work, found.accounts, pool)
    _refuse_if_nobody(work.accesses, found.errors.get(accounts.ACCOUNTS), last)
    accounts.with_regions(found, config, last, aws=work.aws, accesses=work.accesses, pool=pool)
    return found


def _of_accounts(scope: Scope) -> bool:
    """Whether a scope tells what is to be read, and not what is there."""
    return scope.kind in (accounts.ACCOUNTS.kind, accounts.REGIONS)


def _sources(work: _Work, pool: Executor) -> list[Source]:
    """Files, then aggregators; all else is read from the services themselves."""
    config = work.config
    found: list[Source] = [ListedResources(config.listed)]
    for aggregator in config.aggregators:
        access: Access | CallError
        try:
            access = work.aws.enter(aggregator.account, aggregator.region, config.via)
        except CallError as error:
            access = error
        kinds, regions = config_aggregator.kinds_of(config), work.regions
        found.append(
            config_aggregator.Aggregated(
                aggregator,
                kinds,
                aws=work.aws,
                access=access,
                read_all=work.read_all,
                known=work.known,
                regions=regions,
                pool=pool,
                details=work.details,
            )
        )
    return [*found, _Services(work, pool)]


@dataclass(frozen=True, slots=True)
class _Services:
    """The source that has every scope of AWS: each service itself, in each account and region."""

    work: _Work
    pool: Executor

    def claims(self, wanted: Sequence[Scope]) -> Sequence[Scope]:
        return wanted

    def read(self, scopes: Sequence[Scope]) -> Readings:
        return _in_turn(self.work, scopes, self.pool)


def _by_scope(resources: Iterable[Resource]) -> dict[Scope, list[Resource]]:
    known = all_kinds()
    found: dict[Scope, list[Resource]] = defaultdict(list)
    for resource in resources:
        kind = known.get(resource.kind)
        region = GLOBAL_REGION if kind is not None and kind.global_ else resource.region
        found[Scope(resource.account, region, resource.kind)].append(resource)
    return found


def _enter(work: _Work, members: Iterable[Account], pool: Executor) -> dict[str, Access | CallError]:
    home = accounts.home_region(work.config)

    def enter(account: Account) -> Access | CallError:
        try:
            return work.aws.enter(account, home, work.config.via)
        except CallError as error:
            return error

    futures = {account.id: pool.submit(enter, account) for account in members}
    return {account: future.result() for account, future in futures.items()}


def _refuse_if_nobody(
    accesses: Mapping[str, Access | CallError], organization: CallError | None, last: Snapshot
) -> None:
    errors = {account: e for account, e in accesses.items() if isinstance(e, CallError)}
    if last.resources or len(errors) < len(accesses) or (not accesses and organization is None):
        return
    told = [f"account {account}: {error.reason}" for account, error in sorted(errors.items())]
    if organization:
        told.insert(0, f"the organization: {organization.reason}")
    raise AwsError(
        f"no account can be read, and there is no earlier snapshot: {'; '.join(told)}",
        "check the credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, the role of this machine) and the "
        "accounts and roles in inventory/aws.yaml",
    )


def _in_turn(work: _Work, wanted: Iterable[Scope], pool: Executor) -> Iterator[tuple[Scope, Reading]]:
    """Reads the scopes, one of each account in turn, each as it is done.

    An account that is throttled is read by one thread from then on: that is what AWS asks for, and no thread
    that waits for it is missed by the others. What gives way has read as many scopes as are read at once.
    """
    waiting: dict[str, deque[Scope]] = defaultdict(deque)
    for scope in wanted:
        waiting[scope.account].append(scope)
    # Each begins elsewhere in the same order of kinds: the largest lists of all accounts would else come at
    # the same time, and fill the memory.
    for number, account in enumerate(waiting):
        waiting[account].rotate(-(len(waiting[account]) * number // len(waiting)))
    turns = deque(waiting)
    running: dict[Future[Reading], Scope] = {}
    ended: SimpleQueue[Future[Reading]] = SimpleQueue()
    busy: Counter[str] = Counter()

    def start() -> bool:
        """Starts the next scope whose account may have another thread; whether there was one."""
        for _ in range(len(turns) if len(running) < work.config.concurrency else 0):
            account = turns.popleft()
            access = work.accesses[account]
            free = busy[account] == 0 or isinstance(access, CallError) or not access.budget.throttled
            if free:
                scope = waiting[account].popleft()
                future = pool.submit(_read, work, scope)
                running[future] = scope
                busy[account] += 1
                future.add_done_callback(ended.put)
            if waiting[account]:
                turns.append(account)
            if free:
                return True
        return False

    def leave(giving_way: GivingWay) -> None:
        """Begins no scope any more, but those of which nothing is known."""
        left: set[Scope] = set()
        for account, scopes in waiting.items():
            left.update(scope for scope in scopes if scope in work.before)
            waiting[account] = deque(scope for scope in scopes if scope not in work.before)
        turns.clear()
        turns.extend(account for account, scopes in waiting.items() if scopes)
        giving_way.unread |= left

    while turns or running:
        while start():
            pass
        future = ended.get()
        scope = running.pop(future)
        busy[scope.account] -= 1
        yield scope, future.result()
        if work.giving_way is not None and work.giving_way.asked():
            leave(work.giving_way)


def _read(work: _Work, scope: Scope) -> Reading:
    access = work.accesses[scope.account]
    if isinstance(access, CallError):
        return Reading(error=access)
    kind = all_kinds()[scope.kind]
    place = Place(scope.account, scope.region, access.partition, work.regions[scope.account])
    try:
        found = work.read_all(access, kind, place, {r.sort_key: r for r in work.known(scope)})
    except CallError as error:
        region = _asked(kind, place)
        if error.region_in_doubt:
            error = work.aws.judge_region(access, region, error, kind.service)
        return Reading(error=error)
    return Reading(found)


def _status(scope: Scope, error: CallError | None, before: ScopeStatus | None, now: datetime) -> ScopeStatus:
    if error is None:
        return ScopeStatus(scope)
    since = before.since if before and before.state is not ScopeState.COMPLETE else ""
    since = since or now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return ScopeStatus(scope, error.state, error.reason, since, error.cause.value)
