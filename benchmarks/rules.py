"""How long mac takes for a large fleet's rules, as a ratio to promtool on the same files.

    .venv/bin/python benchmarks/rules.py [--services N]

Renders the shipped standards for N services (default 1,200: about 50,000 rules), checks what came out, and
lets promtool check the same files. Prints a table and writes benchmarks/results/rules.json. Ratios are of
wall time in one run on one machine: below 1 is faster than promtool.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from mac import bind, emit, engines, render, standards, summary, templates, validate
from mac.model import Lifecycle, Resource, Snapshot

PROJECT = Path(__file__).resolve().parent.parent
ACCOUNT, REGION = "123456789012", "us-east-1"
ROLES = ("hdfs-namenode", "hdfs-datanode", "yarn-nodemanager", "alluxio-worker")


def fleet(services: int) -> Snapshot:
    """One machine of each role in each service."""
    machines = []
    for service in range(services):
        for role in ROLES:
            number = len(machines) + 1
            identifier = f"i-{number:017x}"
            machines.append(
                Resource(
                    arn=f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{identifier}",
                    kind="ec2-instance",
                    account=ACCOUNT,
                    region=REGION,
                    id=identifier,
                    addresses=(f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",),
                    state="running",
                    lifecycle=Lifecycle.IN_SERVICE,
                    tags={"service": f"service-{service:05}", "role": role},
                )
            )
    return Snapshot((), tuple(machines))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--services", type=int, default=1200)
    services = arguments.parse_args().services
    catalog = standards.load(PROJECT).catalog
    if catalog is None:
        raise SystemExit("the shipped standards do not load: see `mac validate`")
    texts, _ = templates.read(PROJECT, (o.template for o in render.OUTPUTS))
    promtool = engines.require("promtool")
    seconds: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = step()
        seconds[name] = time.perf_counter() - start
        return result

    machines = fleet(services)
    bindings = timed("bind", lambda: bind.bind(catalog, machines, date(2026, 1, 1)))
    rendered = timed(
        "render, read back and compare", lambda: render.render(catalog, bindings, texts, f"sha256:{0:064}")
    )
    problems = timed(
        "check (schema, PromQL, across files)",
        lambda: validate.check(rendered.files, rendered.documents, rendered.provenance),
    )
    wrong = [p for p in (*rendered.problems, *problems) if p.severity == "error"]
    if wrong:
        raise SystemExit(f"the benchmark's own configuration is wrong: {wrong[0]}")
    rules = [path for path in rendered.files if "/rules/" in path]
    with tempfile.TemporaryDirectory() as folder:
        for path in rules:
            place = Path(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(rendered.files[path])
        found = timed("promtool check rules", lambda: promtool.check_rules([Path(folder, p) for p in rules]))
    if found:
        raise SystemExit(f"promtool refuses: {found[0]}")
    counted = summary.counts(rendered.provenance)["rules"]
    total = counted["alerting"] + counted["recording"]
    peer = seconds["promtool check rules"]
    rows = [("STEP", "SECONDS", "RULES/S", "× PROMTOOL'S TIME")]
    rows += [
        (name, f"{took:.2f}", f"{total / took:,.0f}", f"{took / peer:.2f}") for name, took in seconds.items()
    ]
    print(f"{total:,} rules in {len(rules):,} files, {promtool}, Python {platform.python_version()}")
    print(summary.table(rows), end="")
    result = {
        "rules": total,
        "files": len(rules),
        "promtool": promtool.version,
        "seconds": {name: round(took, 3) for name, took in seconds.items()},
        "ratio_to_promtool": {name: round(took / peer, 3) for name, took in seconds.items()},
    }
    (PROJECT / "benchmarks/results/rules.json").write_bytes(emit.json_pretty(result))


if __name__ == "__main__":
    main()
