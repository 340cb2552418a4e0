"""The benchmark of the inventory, on a small organization: that it reads everything, and reports it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import PROJECT

from mac.kinds import all_kinds

ACCOUNTS, REGIONS, INSTANCES = 2, 2, 1250


def test_a_small_run_reads_every_kind_and_reports_what_it_took(tmp_path: Path) -> None:
    output = tmp_path / "inventory.json"
    given = {"instances": INSTANCES, "accounts": ACCOUNTS, "regions": REGIONS}
    given |= {"latency": 0.001, "concurrency": 4}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, PROJECT / "benchmarks/inventory.py", *words, "--beside", "8", "--output", output],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_bytes())
    read = [kind for kind in all_kinds().values() if kind.calls]
    regional = sum(not kind.global_ for kind in read)
    assert found["kinds"] == len(read)
    assert found["scopes"] == ACCOUNTS * (REGIONS * regional + len(read) - regional)
    assert found["resources"] > INSTANCES + found["scopes"] / 2
    assert found["calls"] >= found["calls_fewest"] > found["scopes"] / 2
    assert found["second_run"]["calls"] >= found["calls_fewest"]
    assert [step["instances"] for step in found["growth"]] == [1000, INSTANCES]
    assert [step["concurrency"] for step in found["by_concurrency"]] == [4, 8]
    # Less than the ideal would mean that the ideal is wrong.
    assert found["wall_over_ideal"] >= 1
    assert found["script_over_mac"] > 0
    assert found["peak_mb"] > found["start_mb"] > 0
