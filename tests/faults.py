"""One failure at each page of each call, one at a time, and what came of it.

Every kind that the embedded AWS serves is read from it, through the proxy of `tests.fault_proxy`; what it
does not serve is read from the recorded answers of the kind's own tests. After each failure the resources
must be those that were known before, the failed scope the only incomplete one, and nothing that is watched
lost; for one failure of each sort the generated files are compared, byte by byte.

    python -m tests.faults [GROUP…]     # prints the numbers
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mac import bind, pipeline, render, templates
from mac.aws import Aws, Limits
from mac.collect import collect
from mac.conventions import PROVENANCE
from mac.kinds import all_kinds, aws_kinds
from mac.kinds.kind import no_dimensions
from mac.model import (
    Account,
    AlertSeverity,
    AppliesTo,
    Catalog,
    CloudWatch,
    CloudWatchMetric,
    InventoryConfig,
    ScopeState,
    Scrape,
    Snapshot,
    Standard,
    StandardAlert,
    Text,
)
from tests import aws_fleet as fleet
from tests import recorded
from tests.fault_proxy import (
    EMPTIED,
    FAULTS,
    HANG,
    SHORT,
    Key,
    Proxy,
    proxied,
    recordings,
    tell_what_is_asked,
)

NOW = datetime(2096, 11, 23, 12, tzinfo=UTC)  # long after the embedded AWS launches anything
ROOT = Path(__file__).parent.parent
GROUPS = ("test_kinds", "test_kinds_compute", "test_kinds_data", "test_kinds_edge", "test_kinds_stores")
# Not two: where the embedded AWS forgets the token, where EC2 refuses so small a page, and where there would
# be many pages alike.
PAGE_SIZES = {"s3-bucket": 0, "dms-task": 0, "nat-gateway": 5, "ec2-instance": 5}
RECORDED_PAGES = 0  # recorded calls ask for pages of the kind's own size


@dataclass
class Tally:
    """What was tried. `pages`: distinct requests, each a call or a page of one. `asked`: kind → its calls."""

    kinds: int = 0
    calls: int = 0
    pages: int = 0
    failures: int = 0
    confirmed: int = 0  # a second reading made up for the failure, and the scope was complete
    targets: int = 0
    targets_lost: int = 0
    files: int = 0  # generated files that were compared
    wrong: list[str] = field(default_factory=list)
    asked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __str__(self) -> str:
        return (
            f"{self.kinds} kinds, {self.calls} calls, {self.pages} pages, {self.failures} failures tried "
            f"({self.confirmed} made good by a second reading); {self.targets} targets, "
            f"targets lost: {self.targets_lost}; {self.files} generated files compared; "
            f"wrong: {len(self.wrong)}"
        )


def operation(key: Key) -> str:
    """A word for what a request asks; the same for all pages of a call."""
    service, method, path, body = key
    action = re.search(rb"Action=(\w+)", body)
    named = path.partition(" ")[2] or f"{method} {urlsplit(path).path}"
    return f"{service}:{action.group(1).decode() if action else named}"


# --- what is watched ---------------------------------------------------------------------------------


@cache
def catalog() -> Catalog:
    """The project's own standards, and a made-up one for each kind that has none."""
    loaded = pipeline.load(ROOT)
    watched = {standard.applies_to.kind for standard in loaded.standards.values()}
    made = {f"any-{kind}": _standard(kind) for kind in aws_kinds() if kind not in watched}
    return replace(loaded, standards={**loaded.standards, **made})


def _standard(kind: str) -> Standard:
    known = all_kinds()[kind]
    metrics = known.namespaces and known.dimensions is not no_dimensions
    return Standard(
        name=f"any-{kind}",
        title=kind,
        applies_to=AppliesTo(kind),
        scrape=None if metrics else Scrape(f"any-{kind}", 9100),
        cloudwatch=CloudWatch(known.namespaces[0], (CloudWatchMetric("Any", ("Sum",)),)) if metrics else None,
        alerts=(
            StandardAlert(
                alert="AnyDown",
                expr=Text("sum by (service, environment) (up == 0) > 0"),
                severity=AlertSeverity.TICKET,
                summary=Text("down"),
                description=Text("down"),
            ),
        ),
    )


def targets(snapshot: Snapshot) -> frozenset[tuple[str, str]]:
    """What is watched: (standard, resource) of every binding."""
    bound = bind.bind(catalog(), snapshot, date(2026, 11, 23)).bindings
    return frozenset((b.standard.name, m.resource.arn) for b in bound for m in b.members)


def generated(snapshot: Snapshot) -> dict[str, bytes]:
    """Every file that is generated, but the one that says of which snapshot the others are."""
    bindings = bind.bind(catalog(), snapshot, date(2026, 11, 23))
    texts, _ = templates.read(ROOT, (output.template for output in render.OUTPUTS))
    rendered = render.render(catalog(), bindings, texts, "sha256:any")
    if rendered.problems:
        raise AssertionError(rendered.problems)
    return {path: data for path, data in rendered.files.items() if path != PROVENANCE}


# --- the matrix --------------------------------------------------------------------------------------


def aws_for(size: int, timeout: float = 20) -> Aws:
    limits = Limits(connect_timeout=5, read_timeout=timeout, attempts=1, page_size=size, pause=0)
    made = Aws(limits, threads=4)
    made._core.register_component("data_loader", fleet._loader)
    tell_what_is_asked(made)
    return made


@dataclass
class Case:
    """A kind whose fleet stands still: its requests, what is known of it, and beside it another kind, which
    must not notice anything."""

    kind: str
    size: int
    config: InventoryConfig
    first: Snapshot
    pages: list[Key]


def case(proxy: Proxy, account: Account, kind: str, tally: Tally, size: int | None = None) -> Case | None:
    """Reads a kind without any failure; None when that fails by itself, which is wrong."""
    beside = "sqs-queue" if kind != "sqs-queue" else "dynamodb-table"
    config = fleet.config(account, kinds=(kind, beside))
    size = PAGE_SIZES.get(kind, 2) if size is None else size
    proxy.spoiled = {}
    first = collect(config, Snapshot(), now=NOW, aws=aws_for(size))
    if any(s.state is not ScopeState.COMPLETE for s in first.scopes):
        tally.wrong.append(f"{kind}: not read at all: {[s.reason for s in first.scopes if s.reason]}")
        return None
    if not any(r.kind == kind for r in first.resources):
        tally.wrong.append(f"{kind}: there is none, so that nothing could be lost")
        return None
    proxy.asked.clear()
    collect(fleet.config(account, kinds=(kind,)), Snapshot(), now=NOW, aws=aws_for(size))
    asked = dict(proxy.asked)
    tally.kinds += kind not in tally.asked
    tally.asked[kind] |= set(asked.values())
    tally.pages += len(asked)
    tally.calls += len({operation(key) for key in asked})
    tally.targets += len(targets(first))
    return Case(kind, size, config, first, sorted(asked))


def matrix(proxy: Proxy, tried: Case, tally: Tally) -> None:
    """Every failure but a hanging one at every page of every call, one at a time."""
    calm = aws_for(tried.size)
    watched, files = targets(tried.first), generated(tried.first)
    compared: set[str] = set()
    for key in tried.pages:
        for how, change in FAULTS.items():
            answer = proxy.known[key]
            if how == HANG or (change is not None and change(key[0], answer) is None):
                continue
            if how == SHORT and answer.status >= 300:  # its header has told the error already
                continue
            found = _read(proxy, tried, {key: how}, calm, tally)
            tally.targets_lost += len(watched - targets(found))
            if how not in compared:  # the same resources would give the same files, at each page
                compared.add(how)
                tally.files += len(files)
                if generated(found) != files:
                    tally.wrong.append(f"{tried.kind}: {how} at {operation(key)}: other files")
    proxy.spoiled = {}


def _read(proxy: Proxy, tried: Case, spoiled: Mapping[Key, str], aws: Aws, tally: Tally) -> Snapshot:
    """The inventory with these failures, of which each fails one scope."""
    proxy.spoiled, proxy.hits = dict(spoiled), 0
    found = collect(tried.config, tried.first, now=NOW, aws=aws)
    tally.failures += len(spoiled)
    told = " and ".join(f"{how} at {operation(key)} {key[3][:120]!r}" for key, how in spoiled.items())
    if proxy.hits != len(spoiled):
        tally.wrong.append(f"{told}: {len(spoiled) - proxy.hits} were never asked")
    if found.resources != tried.first.resources:
        tally.wrong.append(f"{told}: the resources are not those that were known")
    incomplete = sum(s.state is not ScopeState.COMPLETE for s in found.scopes)
    if incomplete == 0 and EMPTIED in spoiled.values():
        tally.confirmed += 1
    elif any(key[0] == "sts" for key in spoiled):
        if incomplete != len(found.scopes):
            tally.wrong.append(f"{told}: an account that was not entered was read")
    elif incomplete != len(spoiled):
        tally.wrong.append(f"{told}: {incomplete} scopes are not complete, and not {len(spoiled)}")
    return found


def hangs(proxy: Proxy, cases: Sequence[Case], tally: Tally, patience: float, most: int = 0) -> None:
    """A connection that hangs at each page of each call (at most the last `most` of a kind).

    Kinds wait together, each for a page of its own, since a wait costs time and nothing else. All that does
    not hang must be answered within `patience` seconds.
    """
    owners = Counter(key for one in cases for key in one.pages)
    for size in sorted({one.size for one in cases}):
        alike = [one for one in cases if one.size == size]
        together = Case("", size, alike[0].config, Snapshot(), [])
        kinds = tuple(sorted({kind for one in alike for kind in one.config.kinds}))
        together.config = replace(alike[0].config, kinds=kinds, concurrency=len(kinds) + 4)
        together.first = collect(together.config, Snapshot(), now=NOW, aws=aws_for(size))
        watched = targets(together.first)
        waiting = {one.kind: one.pages[-most:] for one in alike}
        shared = {key for pages in waiting.values() for key in pages if owners[key] > 1}
        queues = [[key for key in pages if key not in shared] for pages in waiting.values()]
        rounds = [{key: HANG for key in row if key} for row in _rows(queues)]
        rounds += [{key: HANG} for key in sorted(shared)]
        hasty = aws_for(size, timeout=patience)
        for spoiled in rounds:
            found = _read(proxy, together, spoiled, hasty, tally)
            tally.targets_lost += len(watched - targets(found))
    proxy.spoiled = {}


def _rows(queues: Sequence[Sequence[Key]]) -> Iterator[list[Key]]:
    for number in range(max(map(len, queues), default=0)):
        yield [queue[number] for queue in queues if number < len(queue)]


# --- fleets ------------------------------------------------------------------------------------------


def build(make: Callable[..., None], aws: Any, account: Account) -> None:
    """A group's own fleet: some want the account's number, some make one of each at a time."""
    fleet.queue(aws, "beside")
    match list(inspect.signature(make).parameters):
        case ["aws"]:
            make(aws)
        case ["aws", "account"]:
            make(aws, account.id)
        case ["aws", "number", "tagged"]:
            for number in range(3):
                make(aws, number, number > 0)
        case parameters:
            raise TypeError(f"{make.__module__}.build takes {parameters}")


def recorded_calls(groups: Collection[str]) -> dict[str, list[recorded.Call]]:
    """Kind → the longest of the readings that its own tests make from recorded answers."""
    found: dict[str, list[recorded.Call]] = {}

    def hear(kind: str, calls: Sequence[recorded.Call]) -> None:
        if len(calls) > len(found.get(kind, ())):
            found[kind] = list(calls)

    recorded.heard = hear
    try:
        for name in groups:
            for test, function in vars(importlib.import_module(f"tests.{name}")).items():
                if test.startswith("test_") and not inspect.signature(function).parameters:
                    function()
    finally:
        recorded.heard = None
    return found


def _group(name: str, tally: Tally) -> None:
    """The kinds of a group that the embedded AWS serves."""
    module = importlib.import_module(f"tests.{name}")
    with fleet.serve() as backend:
        account = fleet.new_account()
        build(module.build, fleet.session(account), account)
        with proxied(backend) as proxy:
            _all(proxy, account, {kind: PAGE_SIZES.get(kind, 2) for kind in module.SERVED}, tally)


def _recorded(groups: Collection[str], tally: Tally) -> None:
    """The kinds of which no call, or not every one, was tried so far."""
    for kind, calls in sorted(recorded_calls(groups).items()):
        told = aws_kinds()[kind]
        if not set(told.calls) - tally.asked.get(kind, set()):
            continue
        with fleet.serve() as backend:
            account = replace(fleet.new_account(), id=recorded.ACCOUNT)
            account = replace(account, role_arn=fleet.ROLE.format(account=account.id))
            fleet.queue(fleet.session(account), "beside")
            with proxied(backend) as proxy:
                proxy.recorded = recordings(told.service, calls)
                _all(proxy, account, {kind: RECORDED_PAGES}, tally)


def _all(proxy: Proxy, account: Account, kinds: Mapping[str, int], tally: Tally) -> None:
    made = (case(proxy, account, kind, tally, size) for kind, size in kinds.items())
    cases = [one for one in made if one is not None]
    for one in cases:
        matrix(proxy, one, tally)
    hangs(proxy, cases, tally, patience=2)


def main(groups: Collection[str]) -> int:
    """All kinds of these groups."""
    tally, began = Tally(), time.monotonic()
    steps = [(name, lambda name=name: _group(name, tally)) for name in groups]
    for name, step in [*steps, ("recorded", lambda: _recorded(groups, tally))]:
        told = len(tally.wrong)
        step()
        for line in tally.wrong[told:]:
            print(line, file=sys.stderr, flush=True)
        print(f"{time.monotonic() - began:6.0f} s  {name}: so far {tally}", flush=True)
    for kind in sorted(tally.asked):
        untried = sorted(set(aws_kinds()[kind].calls) - tally.asked[kind])
        if untried:
            print(f"not tried of {kind}: {', '.join(untried)}")
    return 1 if tally.wrong or tally.targets_lost else 0


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    sys.exit(main(sys.argv[1:] or GROUPS))
