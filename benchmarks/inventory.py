"""How long mac takes to read a large organization's inventory, beside what is possible and a plain script.

    .venv/bin/python benchmarks/inventory.py [--instances N] [--accounts N] [--concurrency N]

Starts benchmarks/fake_aws.py, an endpoint on loopback that answers every call after 100 ms, and reads all
kinds of resources from it in a process of its own, as `mac inventory` does. Prints what came of it and writes
benchmarks/results/inventory.json. The endpoint takes CPU time of the same cores: that is told as well, and so
is the load of the machine before, since wall times mean little on one that does other work.

The fewest possible calls: each distinct request once, lists on AWS's largest pages, one list of databases for
the three kinds that it tells of, and no call for an identity that AssumeRole has told already.

The ideal time is the largest of three: the longest chain of calls that wait for one another; the fewest calls
times the latency, divided by the calls that were under way at once (as many as the endpoint saw, if they were
more than asked for); the bare parsing (expat or json, nothing else) of the same bytes, divided by the cores.

The script is boto3 as one writes it first: a session for each region, one call after the other. It makes the
same calls as mac's kinds do. It reads one region of one account, and its time is scaled by the number of
calls. With --cartography PYTHON the machines alone are read by cartography too, without its writes to Neo4j:

    python3 -m venv peer && peer/bin/pip install cartography
    .venv/bin/python benchmarks/inventory.py --cartography peer/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import boto3
import fake_aws
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.paginate import Paginator

from mac import emit
from mac.collect import collect
from mac.kinds import Kind, all_kinds
from mac.kinds.kind import Gone, Place
from mac.model import Account, InventoryConfig, ScopeState, Snapshot
from mac.summary import table

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "benchmarks/results/inventory.json"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
_SHARED_LISTS = ("rds:DescribeDBClusters", "rds:DescribeDBInstances")
_CHAIN = 4  # ECS: clusters, tasks, their descriptions, their machines


@dataclass(frozen=True)
class Setting:
    """What is read, and how fast the endpoint is (seconds)."""

    instances: int
    accounts: int
    regions: int
    latency: float
    concurrency: int
    only: Sequence[str] = ()  # kinds; all of them where none is named

    def config(self) -> InventoryConfig:
        ids = [fake_aws.account_id(i) for i in range(self.accounts)]
        return InventoryConfig(
            tuple(Account(i, f"account-{i}", f"arn:aws:iam::{i}:role/mac") for i in ids),
            fake_aws.REGIONS[: self.regions],
            kinds=tuple(self.only) or kinds(),
            concurrency=self.concurrency,
        )


def kinds() -> tuple[str, ...]:
    """Those that are read from AWS."""
    return tuple(name for name, kind in all_kinds().items() if kind.calls)


# --- the endpoint ------------------------------------------------------------------------------------


@contextmanager
def endpoint(setting: Setting) -> Iterator[str]:
    """The fake endpoint; it ends with the block."""
    given = {"instances": setting.instances, "accounts": setting.accounts}
    given |= {"regions": setting.regions, "latency": setting.latency}
    command = [sys.executable, str(PROJECT / "benchmarks/fake_aws.py")]
    command += [word for name, value in given.items() for word in (f"--{name}", str(value))]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment("")
    )
    try:
        address = server.stdout.readline().strip() if server.stdout else ""
        if not address.startswith("http://127.0.0.1:"):
            raise SystemExit("the endpoint did not start")
        yield address
    finally:
        server.communicate("")


def _environment(address: str) -> dict[str, str]:
    """Without anybody's credentials and settings; with the endpoint, if there is one."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    own |= {"PYTHONPATH": str(PROJECT), "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    own |= {"AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
    own |= {"AWS_ACCESS_KEY_ID": "AKIA000000000000", "AWS_SECRET_ACCESS_KEY": "none"}
    own |= {"NO_PROXY": "127.0.0.1"}
    return own | ({"AWS_ENDPOINT_URL": address} if address else {})


def ask(address: str, what: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{address}/__bench/{what}") as answer:  # noqa: S310  the endpoint above
        found: dict[str, Any] = json.load(answer)
        return found


# --- in a process of its own: reading ----------------------------------------------------------------


def _in_own_process(task: str, setting: Setting, address: str) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, __file__, "--task", task, "--setting", json.dumps(vars(setting))],
        env=_environment(address),
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def _peak_mb() -> float:
    """The most memory that this process has had; unlike getrusage's, not that of who started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def read(setting: Setting, *, again: bool = True) -> dict[str, Any]:
    """Reads, and if `again` a second time: one machine has changed by then."""
    address, config = os.environ["AWS_ENDPOINT_URL"], setting.config()
    before = _peak_mb()
    ask(address, "reset")  # what the endpoint took to start is not of the reading
    wall, busy = time.perf_counter(), time.process_time()
    first = collect(config, Snapshot(), now=NOW)
    took, used = time.perf_counter() - wall, time.process_time() - busy
    incomplete = [s for s in first.scopes if s.state is not ScopeState.COMPLETE]
    if incomplete:
        raise SystemExit(f"{len(incomplete)} scopes were not read: {incomplete[0]}")
    result = {"seconds": took, "cpu": used, "peak_mb": _peak_mb(), "start_mb": before}
    result |= {"scopes": len(first.scopes), "resources": len(first.resources), "stats": ask(address, "stats")}
    if not again:
        return result
    ask(address, "reset")
    ask(address, f"change?account={config.accounts[0].id}&region={config.regions[0]}")
    wall = time.perf_counter()
    second = collect(config, first, now=NOW)
    result["second_seconds"] = time.perf_counter() - wall
    old = {r.sort_key: r for r in first.resources}
    changed = [r for r in second.resources if old.pop(r.sort_key, None) != r]
    if len(changed) != 1 or old:
        raise SystemExit(f"one machine has changed, and mac saw {len(changed)} change and {len(old)} go")
    result["second_calls"] = sum(ask(address, "stats")["calls"].values())
    result["second_peak_mb"] = _peak_mb()
    return result


class _Script:
    """The calls of a kind, made by one client one after the other."""

    def __init__(self, session: boto3.Session, kind: Kind, region: str) -> None:
        self._session, self._kind = session, kind
        self._client = session.client(kind.service, region_name=region)

    def pages(
        self, operation: str, key: str, size: int = 0, gone: tuple[str, ...] = (), **parameters: Any
    ) -> Iterator[Any]:
        paging = self._kind.paging.get(operation)
        if paging:
            model = self._client.meta.service_model.operation_model(operation)
            told = {"input_token": paging.token, "output_token": paging.next, "result_key": key}
            told |= {"limit_key": paging.limit} if paging.limit else {}
            told |= {"more_results": paging.more} if paging.more else {}
            pager = Paginator(getattr(self._client, xform_name(operation)), told, model)
        else:
            pager = self._client.get_paginator(xform_name(operation))
        for page in pager.paginate(**parameters, PaginationConfig={"PageSize": size} if size else {}):
            found: Any = page
            for part in key.split("."):
                found = found.get(part) or {}
            yield from found

    def call(
        self,
        operation: str,
        *,
        gone: tuple[str, ...] = (),
        empty: tuple[str, ...] = (),
        region: str = "",
        **parameters: Any,
    ) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = getattr(self._client, xform_name(operation))(**parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] in empty:
                return {}
            raise
        return answer

    def each(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            try:
                yield function(item)
            except Gone:
                continue


def script(setting: Setting) -> dict[str, Any]:
    """One region of the last account, whose fleet is an even share."""
    config = setting.config()
    account, region = config.accounts[-1], config.regions[-1]
    wall = time.perf_counter()
    sts = boto3.Session().client("sts", region_name=region)
    issued = sts.assume_role(RoleArn=account.role_arn, RoleSessionName="script")["Credentials"]
    session = boto3.Session(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"], region)
    found = []
    for name in kinds():
        kind = all_kinds()[name]
        if kind.global_:
            continue
        place = Place(account.id, region, "aws", config.regions)
        api = _Script(session, kind, region)
        found += [kind.transform(place, raw) for raw in kind.fetch(api, place)]
    took = time.perf_counter() - wall
    stats = ask(os.environ["AWS_ENDPOINT_URL"], "stats")
    return {"seconds": took, "resources": len(found), "calls": sum(stats["calls"].values())}


def cartography(setting: Setting, python: Path) -> dict[str, Any]:
    """The machines alone, read by cartography and by mac. `python`: one that has cartography."""
    config = setting.config()
    given = json.dumps([[a.id for a in config.accounts], list(config.regions)])
    with endpoint(setting) as address:
        own = _in_own_process("read-once", replace(setting, only=("ec2-instance",)), address)
    with endpoint(setting) as address:
        told = subprocess.run(
            [python, PROJECT / "benchmarks/cartography_ec2.py", given],
            env=_environment(address),
            stdout=subprocess.PIPE,
            check=True,
        )
    peer = json.loads(told.stdout)
    if peer["instances"] != own["resources"]:
        raise SystemExit(f"cartography found {peer['instances']} machines, mac {own['resources']}")
    return {
        "version": peer["version"],
        "measured": "EC2 instances: calls and transformation, without the writes to Neo4j",
        "seconds": round(peer["seconds"], 2),
        "mac_seconds": round(own["seconds"], 2),
        "cartography_over_mac": round(peer["seconds"] / own["seconds"], 2),
    }


# --- what is possible --------------------------------------------------------------------------------


def fewest(setting: Setting, stats: Mapping[str, Any]) -> int:
    """Calls that suffice."""
    sizes = fake_aws.sizes(setting.instances, setting.accounts, setting.regions)
    groups = [-(-n // fake_aws.GROUP_SIZE) for n in sizes]
    found = dict(stats["distinct"])
    found["ec2:DescribeInstances"] = sum(max(-(-n // fake_aws.PAGE), 1) for n in sizes)
    found["autoscaling:DescribeAutoScalingGroups"] = sum(max(-(-n // fake_aws.GROUP_PAGE), 1) for n in groups)
    found.pop("sts:GetCallerIdentity", None)
    found |= {name: min(found[name], len(sizes)) for name in _SHARED_LISTS if name in found}
    return int(sum(found.values()))


def bare_parsing(setting: Setting, stats: Mapping[str, Any]) -> float:
    """CPU seconds for parsing every body that was answered, with expat or json and nothing else."""
    answers = fake_aws.fleet(setting.instances, setting.accounts, setting.regions)
    total = 0.0
    for service, operation, variant, count in stats["answered"]:
        body = answers.body(service, operation, tuple(variant), fake_aws.account_id(0), fake_aws.REGIONS[0])
        parse = json.loads if body[:1] in (b"{", b"[") else ElementTree.fromstring
        if not body:
            continue
        start, rounds = time.process_time(), 3
        for _ in range(rounds):
            parse(body)
        total += (time.process_time() - start) / rounds * count
    return total


def ideal(setting: Setting, stats: Mapping[str, Any]) -> dict[str, float]:
    largest = fake_aws.sizes(setting.instances, setting.accounts, setting.regions)[0]
    pages = -(-largest // fake_aws.PAGE) + (1 if largest >= fake_aws.SPOT else 0)
    at_once = max(setting.concurrency, stats["in_flight"])
    return {
        "chain": (1 + max(pages, _CHAIN)) * setting.latency,
        "calls": fewest(setting, stats) * setting.latency / at_once,
        "parsing": bare_parsing(setting, stats) / (os.cpu_count() or 1),
    }


# --- the whole ---------------------------------------------------------------------------------------


def measure(setting: Setting, *, again: bool) -> dict[str, Any]:
    with endpoint(setting) as address:
        found = _in_own_process("read" if again else "read-once", setting, address)
    stats = found["stats"]
    if stats["unknown"]:
        raise SystemExit(f"the endpoint has no answer for {stats['unknown'][0]}")
    return found | {"ideal": ideal(setting, stats), "fewest": fewest(setting, stats)}


def run(setting: Setting, growth: Iterable[int], beside: Iterable[int]) -> dict[str, Any]:
    load = os.getloadavg()[0]
    steps = [
        (n, measure(replace(setting, instances=n), again=n == setting.instances))
        for n in sorted({*growth, setting.instances})
    ]
    found = next(step for n, step in steps if n == setting.instances)
    others = [(n, measure(replace(setting, concurrency=n), again=False)) for n in beside]
    with endpoint(setting) as address:
        plain = _in_own_process("script", setting, address)
    calls = sum(found["stats"]["calls"].values())
    whole_script = plain["seconds"] / plain["calls"] * calls
    best = max(found["ideal"].values())
    return {
        "instances": setting.instances,
        "accounts": setting.accounts,
        "regions": setting.regions,
        "kinds": len(kinds()),
        "latency_seconds": setting.latency,
        "concurrency": setting.concurrency,
        "in_flight_peak": found["stats"]["in_flight"],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "scopes": found["scopes"],
        "resources": found["resources"],
        "calls": calls,
        "calls_fewest": found["fewest"],
        "calls_over_minimum": round(calls / found["fewest"], 3),
        "bytes": found["stats"]["bytes"],
        "seconds": round(found["seconds"], 2),
        "ideal_seconds": {name: round(value, 2) for name, value in found["ideal"].items()},
        "wall_over_ideal": round(found["seconds"] / best, 3),
        "peak_mb": round(found["peak_mb"], 1),
        "start_mb": round(found["start_mb"], 1),
        "cpu_seconds": round(found["cpu"], 2),
        "endpoint_cpu_seconds": round(found["stats"]["cpu"], 2),
        "load_before": round(load, 1),
        "cpu_ms_per_resource": round(found["cpu"] / found["resources"] * 1000, 3),
        "growth": [
            {
                "instances": n,
                "seconds": round(step["seconds"], 2),
                "cpu_seconds": round(step["cpu"], 2),
                "peak_mb": round(step["peak_mb"], 1),
                "wall_over_ideal": round(step["seconds"] / max(step["ideal"].values()), 3),
            }
            for n, step in steps
        ],
        "by_concurrency": [
            {
                "concurrency": n,
                "seconds": round(step["seconds"], 2),
                "wall_over_ideal": round(step["seconds"] / max(step["ideal"].values()), 3),
            }
            for n, step in sorted([*others, (setting.concurrency, found)], key=lambda pair: pair[0])
        ],
        "second_run": {
            "seconds": round(found["second_seconds"], 2),
            "calls": found["second_calls"],
            "peak_mb": round(found["second_peak_mb"], 1),
        },
        "script": {
            "measured_seconds": round(plain["seconds"], 2),
            "measured_calls": plain["calls"],
            "scaled_seconds": round(whole_script, 1),
        },
        "script_over_mac": round(whole_script / found["seconds"], 2),
    }


def show(result: Mapping[str, Any]) -> str:
    best = result["ideal_seconds"]
    rows = [("MEASURE", "VALUE")]
    rows += [
        ("scopes", f"{result['scopes']:,}"),
        ("resources", f"{result['resources']:,}"),
        ("calls / fewest", f"{result['calls']:,} / {result['calls_fewest']:,}"),
        ("seconds", f"{result['seconds']} (second run {result['second_run']['seconds']})"),
        ("ideal seconds", ", ".join(f"{name} {value}" for name, value in best.items())),
        ("wall over ideal", f"{result['wall_over_ideal']}"),
        ("peak memory", f"{result['peak_mb']} MB"),
        ("CPU per resource", f"{result['cpu_ms_per_resource']} ms ({result['cpu_seconds']} s)"),
        ("CPU of the endpoint", f"{result['endpoint_cpu_seconds']} s, on the same {result['cores']} cores"),
        ("load before", f"{result['load_before']} (well above 0, wall times are those of a busy machine)"),
        ("growth", ", ".join(f"{step['instances']:,}: {step['seconds']} s" for step in result["growth"])),
        (
            "by concurrency",
            ", ".join(
                f"{step['concurrency']}: {step['seconds']} s ({step['wall_over_ideal']} of the ideal)"
                for step in result["by_concurrency"]
            ),
        ),
        ("script over mac", f"{result['script_over_mac']} (one region measured, scaled by calls)"),
    ]
    if peer := result.get("cartography"):
        what = f"{peer['cartography_over_mac']} (version {peer['version']}; {peer['measured']})"
        rows.append(("cartography over mac", what))
    return table(rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--instances", type=int, default=100_000)
    arguments.add_argument("--accounts", type=int, default=50)
    arguments.add_argument("--regions", type=int, default=len(fake_aws.REGIONS))
    arguments.add_argument("--latency", type=float, default=0.1, help="seconds for every answer")
    usual = InventoryConfig((), ()).concurrency
    arguments.add_argument("--concurrency", type=int, default=usual, help="[default: mac's own]")
    arguments.add_argument(
        "--beside", type=int, nargs="*", default=[16, 64], help="read once more with these, to compare"
    )
    arguments.add_argument(
        "--cartography", type=Path, metavar="PYTHON", help="compare with the cartography that this Python has"
    )
    arguments.add_argument("--output", type=Path, default=RESULTS)
    arguments.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    arguments.add_argument("--setting", type=json.loads, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.task:
        print(json.dumps(TASKS[given.task](Setting(**given.setting))))
        return
    setting = Setting(given.instances, given.accounts, given.regions, given.latency, given.concurrency)
    growth = [n for n in (1000, 10_000, 100_000) if n < setting.instances]
    result = run(setting, growth, given.beside)
    if given.cartography:
        result["cartography"] = cartography(setting, given.cartography)
    print(show(result), end="")
    given.output.write_bytes(emit.json_pretty(result))


TASKS = {"read": read, "read-once": partial(read, again=False), "script": script}

if __name__ == "__main__":
    main()
