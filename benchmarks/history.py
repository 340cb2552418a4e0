"""How a repository's history grows while machines come and go: targets in Git, and outside of it.

    make bench-history

Each round replaces a share of the machines, generates and commits, as a schedule would. Measured is what Git
keeps, packed. Writes benchmarks/results/history.json: rounds, machines, and for each way commits and bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mac import generating, init, pipeline, write
from mac import snapshot as snapshots
from mac.model import Resource, Scope, ScopeStatus, Snapshot

RESULT = Path(__file__).parent / "results/history.json"
ACCOUNT, REGION = "123456789012", "us-east-1"


@dataclass(frozen=True, slots=True)
class Churn:
    machines: int
    rounds: int
    share: float  # of the machines that are replaced in each round


def machine(number: int) -> Resource:
    """Names and addresses are as random as AWS's own: what repeats would be packed away."""
    chance = random.Random(number)  # noqa: S311
    identifier = f"i-{chance.getrandbits(68):017x}"
    return Resource(
        arn=f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{identifier}",
        kind="ec2-instance",
        account=ACCOUNT,
        region=REGION,
        id=identifier,
        addresses=(f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}",),
        state="running",
        tags={"service": "ingest", "role": "ingest"},
    )


def snapshot(numbers: list[int]) -> Snapshot:
    scope = ScopeStatus(Scope(ACCOUNT, REGION, "ec2-instance"))
    return Snapshot((scope,), tuple(sorted(map(machine, numbers), key=lambda r: r.sort_key)))


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True).stdout


def packed(root: Path) -> int:
    """Bytes that Git keeps, after it has packed as well as it does by itself."""
    git(root, "gc", "--quiet", "--prune=now")
    sizes = dict(line.split(": ") for line in git(root, "count-objects", "-v").splitlines())
    return 1024 * int(sizes["size-pack"])


def measure(root: Path, churn: Churn, targets: str) -> dict[str, int | float | str]:
    """One way of keeping targets; the inventory is committed where the targets are."""
    init.write(root)
    init.make_git(root)
    folder = root.parent / "live"
    if targets != "git":
        settings = root / "mac.yaml"
        lines = f"\nspec:\n  targets: {targets}\n  targets_folder: {folder}\n"
        settings.write_text(settings.read_text().replace("\nspec:\n", lines, 1))
        (root / ".gitignore").write_text("/.mac/\n/inventory/snapshot/\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Begin")
    numbers = list(range(churn.machines))
    fresh = churn.machines
    chance = random.Random(0)  # noqa: S311
    kept = root / "inventory/snapshot"
    begin = commits = 0
    started = time.monotonic()
    for round_ in range(churn.rounds + 1):
        state = snapshot(numbers)
        write.write(root, snapshots.stored_files(state), snapshots.stored(root))
        made = generating.generate(pipeline.Request(root, snapshot=kept, commit=True)).commit
        if round_ == 0:
            begin = packed(root)
        elif made:
            commits += 1
        for place in chance.sample(range(len(numbers)), int(churn.share * len(numbers))):
            numbers[place], fresh = fresh, fresh + 1
    grown = packed(root) - begin
    return {
        "targets": targets,
        "commits": commits,
        "bytes": grown,
        "bytes_a_round": round(grown / churn.rounds),
        "seconds_a_round": round((time.monotonic() - started) / (churn.rounds + 1), 2),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--machines", type=int, default=2000)
    arguments.add_argument("--rounds", type=int, default=48)
    arguments.add_argument("--share", type=float, default=0.02)
    given = arguments.parse_args()
    churn = Churn(given.machines, given.rounds, given.share)
    os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        os.environ |= {f"GIT_{role}_NAME": "bench", f"GIT_{role}_EMAIL": "bench@example.com"}
    ways = []
    for targets in ("git", "file"):
        with tempfile.TemporaryDirectory(prefix="mac-history-") as folder:
            ways.append(measure(Path(folder) / "monitoring", churn, targets))
            print(json.dumps(ways[-1]), flush=True)
    found = {"machines": churn.machines, "rounds": churn.rounds, "share": churn.share, "ways": ways}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
