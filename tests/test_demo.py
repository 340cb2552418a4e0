"""The demo as its users see it: run once, whole, on a small fleet."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result

from mac import conventions, emit, engines, process, servers
from mac.demo import fleet, loaded
from mac.problems import EngineError

MACHINES = "200"
DEADLINE = 300.0


@dataclass(frozen=True)
class Shown:
    """What a whole demo showed, and what it left."""

    output: str
    repository: Path
    remote: Path


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """One run for all tests, also when several workers share them."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "whole-demo"
    folder.mkdir(exist_ok=True)
    log = folder / "output.txt"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not log.exists():
            ended = process.run(
                [sys.executable, "-m", "mac", "demo", "--machines", MACHINES, "--keep"],
                cwd=folder,
                env={**os.environ, "TMPDIR": str(folder)},
                timeout=DEADLINE,
            )
            log.write_text(f"{ended.stdout}{ended.stderr}exit code: {ended.returncode}\n", encoding="utf-8")
    output = log.read_text(encoding="utf-8")
    assert output.endswith("exit code: 0\n"), output
    (directory,) = folder.glob("mac-demo-*")
    return Shown(output, directory / "monitoring", directory / "monitoring.git")


def _git(repository: Path, *words: str) -> str:
    ended = process.run(["git", "-C", str(repository), *words])
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_demo_commits_both_readings_of_the_fleet_and_pushes_them(shown: Shown) -> None:
    subjects = _git(shown.remote, "log", "--reverse", "--format=%s", "main").splitlines()
    assert subjects[0].startswith("Begin with")
    assert subjects[2] == "Declare the service features"
    assert len(subjects) == 4
    assert _git(shown.remote, "rev-parse", "main") == _git(shown.repository, "rev-parse", "HEAD")
    assert _git(shown.repository, "status", "--porcelain") == ""


def test_generated_commits_carry_the_snapshot_in_a_trailer(shown: Shown) -> None:
    trailers = _git(shown.remote, "log", "--format=%(trailers:key=Mac-Snapshot,valueonly)", "main").split()
    assert len(set(trailers)) == 2
    provenance = emit.read_json((shown.repository / conventions.PROVENANCE).read_bytes())
    assert trailers[0] == provenance["snapshot"]


def test_the_diff_says_that_there_are_changes_and_names_the_new_service(shown: Shown) -> None:
    first = shown.output.index("$ mac diff")
    diff = shown.output[first : shown.output.index("$ mac generate", first)]
    assert "exit code 2" in diff
    assert "features" in diff
    assert "inventory" in diff


def test_a_second_look_at_the_same_fleet_finds_nothing_to_do(shown: Shown) -> None:
    last = shown.output[shown.output.rindex("$ mac diff") :]
    assert "exit code 0" in last


def test_the_second_run_moves_exactly_the_machines_that_moved(shown: Shown) -> None:
    """Host targets come and go one by one with the machines that are in service."""
    revisions = _git(shown.remote, "rev-list", "main").split()

    def hosts(revision: str) -> set[str]:
        paths = _git(shown.remote, "ls-tree", "-r", "--name-only", revision, "cells/").split("\n")
        found: set[str] = set()
        for path in (p for p in paths if p.endswith("targets/host.json")):
            groups = emit.read_json(_git(shown.remote, "show", f"{revision}:{path}"))
            found |= {group["labels"]["resource_id"] for group in groups}
        return found

    after, before = hosts(revisions[0]), hosts(revisions[2])
    said = re.search(r"(\d+) machines launched, (\d+) terminated", shown.output)
    assert said is not None
    assert (len(after - before), len(before - after)) == (int(said[1]), int(said[2]))


def test_every_target_lies_on_this_machine(shown: Shown) -> None:
    probes = []
    for path in shown.repository.glob("cells/*/targets/*.json"):
        for group in emit.read_json(path.read_bytes()):
            if path.name.startswith(conventions.PROBE_JOB_PREFIX):
                probes += group["targets"]
            else:
                assert all(target.startswith("127.") for target in group["targets"])
    assert "https://features.example.com/health" in probes
    # Names are asked for by a blackbox exporter, and here by none.
    for path in shown.repository.glob("cells/*/prometheus.yml"):
        for job in emit.read_yaml(path.read_text(encoding="utf-8"))["scrape_configs"]:
            if job["job_name"].startswith(conventions.PROBE_JOB_PREFIX):
                assert job["relabel_configs"][-1]["replacement"] == "127.0.0.1:1"


def test_prometheus_shows_what_the_provenance_names(shown: Shown) -> None:
    pairs = re.findall(r"runs  (.* targets, .*)\n\s+named (.*)", shown.output)
    cells = len(list(shown.repository.glob("cells/*/prometheus.yml")))
    assert len(pairs) == 2 * cells == 8
    assert all(runs == names for runs, names in pairs)
    assert re.search(r"alertmanager \S+\s+runs  \d+ receivers", shown.output)


def test_each_generation_of_the_engines_accepts_and_loads_the_fleet(shown: Shown, generation: str) -> None:
    root = shown.repository
    promtool, amtool = engines.require("promtool"), engines.require("amtool")
    for path in sorted(root.glob("cells/*/prometheus.yml")):
        assert promtool.check_config(path) == ()
    assert promtool.check_rules(sorted(root.glob("cells/*/rules/*/*.yml"))) == ()
    assert amtool.check_config(root / conventions.ALERTMANAGER_CONFIG) == ()
    cells: list[loaded.Cell] = []
    loaded.check(root, engines.require("prometheus"), cells.append, at_once=1)
    assert len(cells) == 4
    assert all(cell.shown == cell.named and cell.shown.rules for cell in cells)
    _, receivers = loaded.receivers(root, engines.require("alertmanager"))
    assert receivers > 1


def test_hostile_tags_reach_prometheus_byte_for_byte(shown: Shown) -> None:
    planned = fleet.load(int(MACHINES))
    odd = {g.tags["service"] for g in planned.groups if g.name.startswith("odd-")}
    config = shown.repository / conventions.prometheus_file("production-us-east-1")
    with servers.prometheus(config) as api:
        seen = loaded.settled(
            lambda: {target["labels"].get("service") for target in api.targets()}, odd.issubset
        )
    assert odd - seen == set()


def test_a_prometheus_that_lacks_a_rule_file_is_found_out(shown: Shown, tmp_path: Path) -> None:
    cell = "staging-eu-west-1"
    copy = tmp_path / "monitoring"
    shutil.copytree(shown.repository / "cells" / cell, copy / "cells" / cell)
    provenance = emit.read_json((shown.repository / conventions.PROVENANCE).read_bytes())
    own = {path: entry for path, entry in provenance["files"].items() if entry.get("cell") == cell}
    (copy / conventions.PROVENANCE).write_bytes(emit.json_line({**provenance, "files": own}))
    (copy / conventions.rules_file(cell, "staging", "hdfs")).unlink()
    with pytest.raises(EngineError, match=rf"{cell} shows ([0-9]+ targets), .* names \1, "):
        loaded.check(copy, engines.require("prometheus"), lambda _: None)


def test_kept_commands_lead_back_to_the_repository(shown: Shown) -> None:
    assert f"cd {shown.repository}" in shown.output
    ended = process.run(
        [sys.executable, "-m", "mac", "-C", str(shown.repository), "diff", "--detailed-exitcode",
         "--snapshot", str(shown.repository / "inventory/snapshot")]
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


# --- how it ends -------------------------------------------------------------------------------------


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                found |= {child} | _descendants(child)
    return found


@contextlib.contextmanager
def _watched(pids: set[int]) -> Iterator[dict[int, int]]:
    """A descriptor for each process that becomes readable when it has ended."""
    descriptors = {pid: os.pidfd_open(pid) for pid in pids}
    try:
        yield descriptors
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


@pytest.mark.parametrize(
    ("moment", "number"), [("# An AWS of its own", signal.SIGTERM), (r"\$ mac generate", signal.SIGINT)]
)
def test_an_interrupted_demo_leaves_nothing_behind(
    tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    command = [sys.executable, "-u", "-m", "mac", "demo", "--machines", MACHINES, "--no-engines"]
    with process.start(command, cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path)}) as running:
        running.wait_for_line(rf"^{moment}", timeout=60)
        # The embedded AWS, at least, is there before it is interrupted.
        running.wait_until(lambda: bool(_descendants(running.pid)), timeout=60)
        with _watched(_descendants(running.pid)) as descriptors:
            os.kill(running.pid, number)
            running_pid = os.pidfd_open(running.pid)
            try:
                assert select.select([running_pid], [], [], 30)[0], "it did not end"
            finally:
                os.close(running_pid)
            for pid, descriptor in descriptors.items():
                assert select.select([descriptor], [], [], 30)[0], f"process {pid} is still there"
        assert not running.running
        assert running.stop() == 130
    assert list(tmp_path.glob("mac-demo-*")) == []


def test_the_help_has_an_example(mac: object) -> None:
    assert callable(mac)
    answer: Result = mac("demo", "--help")
    assert "mac demo --machines" in answer.stdout


def test_too_few_machines_are_a_wrong_usage(mac: object) -> None:
    assert callable(mac)
    answer: Result = mac("demo", "--machines", "5")
    assert answer.exit_code == 64
    assert "at least" in answer.stderr
