"""`mac sync`: a small AWS, a repository with a remote and a Prometheus, kept in sync; and what goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from conftest import PROJECT, engine_path, mac_argv

from mac import collect, delivery, http, lock, sync, sync_server
from mac.deploy.files import FilesDestination
from mac.deploy_model import Delivered, DestinationType, State
from mac.model import Account, Scope, ScopeState, ScopeStatus
from mac.problems import BusyError, GitError, MacError, Problem, ProblemsError, RemoteError
from mac.problems import Location as Place
from mac.sync import Abandoned, Settings, Sync
from mac.sync_log import Log
from mac.sync_metrics import Metrics
from mac.sync_model import Failure, Figures, Round
from mac.sync_schedule import APART, Reading, Schedule
from tests import aws_fleet as fleet
from tests import syncing, systemd
from tests.interrupting import at_line
from tests.syncing import World, git

Mac = Callable[..., Result]


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    with fleet.serve() as endpoint:
        yield endpoint


@pytest.fixture
def account(backend: str) -> Account:
    return fleet.new_account()


@pytest.fixture
def world(tmp_path: Path, account: Account) -> World:
    """With one machine, and without a destination."""
    made = syncing.build(tmp_path, account, fleet.session(account, syncing.REGION), deploys=False)
    made.launch()
    return made


def loop(world: World, **options: Any) -> Sync:
    return Sync(Settings(options.pop("root", world.root), interval=options.pop("interval", 60.0)), **options)


def good(done: Round) -> Round:
    assert done.good, [f"{failure.stage}: {failure.message}" for failure in done.failures]
    return done


def ec2(account: Account) -> Scope:
    return Scope(account.id, syncing.REGION, "ec2-instance")


def sqs(account: Account) -> Scope:
    return Scope(account.id, syncing.REGION, "sqs-queue")


# --- rounds ------------------------------------------------------------------------------------------


def test_what_happens_in_aws_runs_in_prometheus_after_a_round(tmp_path: Path, account: Account) -> None:
    world = syncing.build(tmp_path, account, fleet.session(account, syncing.REGION))
    first, *_ = world.launch(3)
    looped = loop(world)
    http._PAUSE, pause = 0.001, http._PAUSE
    try:
        before = looped.round()  # nobody answers yet: it is in place, and was not seen to run
    finally:
        http._PAUSE = pause
    assert [failure.stage for failure in before.failures] == ["deploy"]
    assert before.commit == world.head()
    with world.prometheus() as server:
        assert looped.round().waiting == ("prometheus",), "what failed is not tried at once"
        looped._attempts.clear()
        good(looped.round())
        assert len(syncing.machines(server)) == 3

        world.launch(2)
        world.terminate(first)
        done = good(looped.round(frozenset([ec2(account)])))
        assert [one.state for one in done.delivered] == [State.DEPLOYED]
        assert len(syncing.machines(server)) == 4
        assert done.commit == world.head()
        assert done.figures is not None
        assert done.figures.plan["target", "add"] == 2
        assert done.figures.plan["target", "remove"] == 1

        loaded = server.query("prometheus_config_last_reload_success_timestamp_seconds")
        commits, runs = world.commits(), os.readlink(world.folder / "current")
        done = good(looped.round())
        assert ([one.state for one in done.delivered], done.commit) == ([State.UNCHANGED], "")
        assert (world.commits(), os.readlink(world.folder / "current")) == (commits, runs)
        assert server.query("prometheus_config_last_reload_success_timestamp_seconds") == loaded

        # Somebody breaks a document: what was generated last is kept running all the same.
        (world.folder / "current/targets/web.json").write_text("[]")
        (world.root / "standards/web.yaml").write_text("kind: nonsense")
        done = looped.round()
        assert {failure.stage for failure in done.failures} == {"load"}
        assert [one.state for one in done.delivered] == [State.DEPLOYED]
        assert len(syncing.machines(server)) == 4


def test_a_partial_reading_asks_for_the_scopes_that_changed_and_keeps_the_others(
    world: World, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = fleet.Watch()
    monkeypatch.setattr(collect, "Aws", lambda **_: watch.aws())
    good(loop(world).round())
    asked = watch.count("ListQueues")
    world.launch(2)
    fleet.queue(world.aws, "returns")
    done = good(loop(world).round(frozenset([ec2(account), Scope("210987654321", "mars", "ec2-instance")])))
    assert watch.count("ListQueues") == asked
    assert done.figures is not None
    assert done.figures.resources == {"ec2-instance": 3, "sqs-queue": 1}
    done = good(loop(world).round())
    assert done.figures is not None
    assert done.figures.resources == {"ec2-instance": 3, "sqs-queue": 2}


def test_a_scope_that_fails_keeps_what_was_known_and_the_others_go_on(
    world: World, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = fleet.Watch()
    monkeypatch.setattr(collect, "Aws", lambda **_: watch.aws())
    world.launch(2)
    good(loop(world).round())
    watch.faults["DescribeInstances", ""] = fleet.refusal("UnauthorizedOperation")
    fleet.queue(world.aws, "returns")
    done = good(loop(world).round())
    assert done.figures is not None
    assert done.figures.resources == {"ec2-instance": 3, "sqs-queue": 2}
    assert {s.scope: s.state for s in done.figures.scopes} == {
        ec2(account): ScopeState.DENIED,
        sqs(account): ScopeState.COMPLETE,
    }
    assert world.listed() == 3
    assert done.commit


def test_a_destination_that_fails_does_not_stop_the_others(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_PAUSE", 0.001)
    world = syncing.build(tmp_path, account, fleet.session(account, syncing.REGION), settle="10s")
    settings = world.root / "mac.yaml"
    settings.write_text(f"{settings.read_text()}    grafana: {{type: grafana-files, folder: {tmp_path}/g}}\n")
    looped = loop(world)
    world.launch()
    FilesDestination.apply, apply = _refusing(FilesDestination.apply), FilesDestination.apply
    try:
        done = looped.round()
    finally:
        FilesDestination.apply = apply
    assert {one.name: one.state for one in done.delivered} == {
        "prometheus": State.FAILED,
        "grafana": State.DEPLOYED,
    }
    assert not done.good
    assert [failure.message for failure in done.failures] == ["prometheus: it is away"]
    done = looped.round()
    assert [one.name for one in done.delivered] == ["grafana"]
    assert done.waiting == ("prometheus",)


def _refusing(apply: Any) -> Any:
    def refuse(self: FilesDestination, release: Any) -> str:
        if self.settings.name == "prometheus":
            raise MacError("it is away")
        return str(apply(self, release))

    return refuse


def test_while_the_remote_is_away_commits_are_kept_and_pushed_later_as_they_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.launch()
    away = world.remote.rename(world.remote.with_name("away"))
    looped = loop(world)
    done = looped.round()
    assert [(f.stage, type(f.error)) for f in done.failures] == [("push", RemoteError)]
    assert done.commit == git(world.root, "rev-parse", "HEAD")
    world.launch()
    done = looped.round()
    assert (done.failures, done.waiting) == ((), ("the remote",))
    second = done.commit
    away.rename(world.remote)
    looped._attempts.clear()
    assert good(looped.round()).commit == ""
    assert world.head() == second
    assert world.commits() == 3


def test_a_remote_that_refuses_is_no_remote_that_is_away(world: World) -> None:
    hook = world.remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    world.launch()
    done = loop(world).round()
    [failure] = done.failures
    assert (failure.stage, type(failure.error)) == ("push", GitError)
    assert "not today" in failure.message
    assert done.figures is None


def test_what_others_push_is_followed(world: World) -> None:
    world.launch()
    looped = loop(world)
    good(looped.round())
    other = world.clone("other")
    standard = other / "standards/web.yaml"
    standard.write_text(standard.read_text().replace("WebDown", "WebGone"))
    git(other, "commit", "--quiet", "--all", "--message=Rename an alert")
    git(other, "push", "--quiet", "origin", "main")
    done = good(looped.round())
    assert done.commit == world.head()
    assert "WebGone" in git(world.root, "grep", "-h", "WebGone", "--", "cells")
    assert git(world.root, "status", "--porcelain") == ""


def test_what_a_killed_round_wrote_and_did_not_commit_is_in_nobodys_way(world: World) -> None:
    good(loop(world).round())
    second = loop(world, root=world.clone("second"))
    world.launch()
    killed = loop(world)
    killed.progress = lambda stage, _text: _die() if stage == "commit" else None
    with pytest.raises(KeyboardInterrupt):
        killed.round()
    assert git(world.root, "status", "--porcelain")
    (world.root / "notes.txt").write_text("mine")
    good(second.round())
    done = good(loop(world).round())
    assert git(world.root, "rev-parse", "HEAD") == world.head()
    assert (done.commit, git(world.root, "status", "--porcelain")) == ("", "?? notes.txt")


def _die() -> None:
    raise KeyboardInterrupt


def test_two_loops_on_one_branch_take_turns_in_the_history(world: World) -> None:
    second = loop(world, root=world.clone("second"))
    first = loop(world)
    world.launch()
    good(first.round())
    world.launch()
    done = good(second.round())
    assert done.commit == world.head()
    good(first.round())
    assert git(world.root, "rev-parse", "HEAD") == world.head()
    assert world.commits() == 3


def test_a_repository_without_a_remote_is_kept_too(world: World) -> None:
    git(world.root, "remote", "remove", "origin")
    done = good(loop(world).round())
    assert done.commit == git(world.root, "rev-parse", "HEAD")
    assert not done.pushed


def with_dashboards(world: World, *lines: str) -> Path:
    """A destination that needs no server, and these lines in mac.yaml; committed and pushed."""
    folder = world.remote.parent / "grafana"
    project = world.root / "mac.yaml"
    text = project.read_text().rstrip()
    text += f"\n  destinations:\n    grafana: {{type: grafana-files, folder: {folder}}}\n"
    project.write_text(text + "".join(f"  {line}\n" for line in lines))
    git(world.root, "commit", "--quiet", "--all", "--message=Deploy")
    git(world.root, "push", "--quiet", "origin", "main")
    return folder


@pytest.mark.parametrize("where", ["branch", "repository"])
def test_drift_is_read_wherever_the_commit_is_made(world: World, where: str) -> None:
    other = world.remote.parent / "other.git"
    git(world.remote.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(other))
    git_line = "git: {branch: generated}" if where == "branch" else f"git: {{repository: 'file://{other}'}}"
    folder = with_dashboards(world, git_line)
    looped = loop(world)
    done = good(looped.round())
    assert done.drift is not None
    assert (done.drift.revision, done.drift.state.value) == (done.commit, "in-sync")

    # What somebody changes there after it was deployed is told, by the commit that has it.
    board = next(path for path in (folder / "current").iterdir() if path.suffix == ".yml")
    hand_over = delivery.hand_over

    def edited(*args: Any, **options: Any) -> tuple[Delivered, ...]:
        delivered = hand_over(*args, **options)
        board.write_text("{}")
        return delivered

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "hand_over", edited)
        drift = good(looped.round()).drift
    assert drift is not None
    assert [(each.kind.value, each.what) for each in drift.drifts] == [("changed", board.name)]


def test_a_destination_that_was_mended_in_mac_yaml_is_tried_at_once(world: World) -> None:
    folder = with_dashboards(world)
    (folder / "current").mkdir(parents=True)  # of somebody else
    looped = loop(world)
    assert [failure.stage for failure in looped.round().failures] == ["deploy"]
    assert looped.round().waiting == ("grafana",)
    project = world.root / "mac.yaml"
    project.write_text(project.read_text().replace(f"folder: {folder}", f"folder: {folder}-2"))
    assert [one.state for one in good(looped.round()).delivered] == [State.DEPLOYED]


def test_targets_outside_of_git_are_in_no_version(world: World, tmp_path: Path) -> None:
    with_dashboards(world, "targets: file", f"targets_folder: {tmp_path / 'live'}")
    looped = loop(world)
    good(looped.round())
    targets = "cells/main-us-east-1/targets/web.json"
    assert (tmp_path / "live" / targets).exists()
    assert looped._release is not None
    assert targets not in looped._release.files
    assert looped._release.files == delivery.release(world.root).files


def test_a_stop_at_any_line_of_the_wait_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "_LOOK", 0.05)
    answers = []

    def waits(looped: Sync, line: int) -> None:
        schedule = Schedule(60.0, lambda: 1.0)
        schedule.note(Reading(None, sweeps=True), looped.clock(), looped.clock(), made=True)
        with at_line(line, looped.stop):
            answers.append(looped._waited(schedule))

    for line in range(24):
        thread = threading.Thread(target=waits, args=(loop(world), line), daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive(), f"it is not seen at line {line}"
    assert answers == [False] * 24


def test_another_mac_in_the_same_clone_is_waited_for_and_then_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "_LOCK_LOOK", 0.01)
    monkeypatch.setattr(lock, "WAIT", 0.3)
    said: list[str] = []
    looped = loop(world, progress=lambda stage, text: said.append(f"{stage} {text}"))
    with held(world.root):
        done = looped.round()
    [failure] = done.failures
    assert (failure.stage, type(failure.error)) == ("lock", BusyError)
    assert f"process {os.getpid()}" in failure.message
    assert f"wait for process {os.getpid()}" in said
    good(looped.round())


@contextmanager
def held(root: Path) -> Iterator[None]:
    """The lock, in another thread."""
    taken, free = threading.Event(), threading.Event()

    def hold() -> None:
        with lock.locked(root, 10.0):
            taken.set()
            free.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(30)
    try:
        yield
    finally:
        free.set()
        thread.join()


# --- the loop ----------------------------------------------------------------------------------------


def test_what_an_event_names_is_read_before_the_next_full_reading(
    world: World, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mac.sync_schedule.APART", 0.01)
    events = Events()
    looped = loop(world, wake=events, interval=3600.0)
    rounds: list[Round] = []

    def told(done: Round) -> None:
        rounds.append(done)
        if len(rounds) == 1:
            events.happen(Scope("999999999999", "us-east-1", "ec2-instance"))  # of somebody else
            world.launch(2)
            events.happen(ec2(account))
        else:
            looped.stop()

    looped.run(told)
    assert [done.only for done in rounds] == [None, {ec2(account)}]
    assert rounds[-1].commit == world.head()
    assert world.listed() == 3


def test_a_reading_of_everything_gives_way_to_an_event_and_is_completed_after_it(
    world: World, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mac.sync_schedule.APART", 0.01)
    path = world.root / "inventory/aws.yaml"
    path.write_text(path.read_text() + "  concurrency: 1\n")
    git(world.root, "commit", "--quiet", "--all", "--message=One after the other")
    git(world.root, "push", "--quiet")
    events = Events()
    looped = loop(world, wake=events, interval=0.1)
    rounds: list[Round] = []

    def told(done: Round) -> None:
        rounds.append(good(done))
        if len(rounds) == 1:
            fleet.queue(world.aws, "returns")
        if len(rounds) == 4:
            looped.stop()

    def progress(stage: str, text: str) -> None:
        if (stage, len(rounds)) == ("inventory", 1) and text.startswith("1/2 "):
            world.launch(2)  # too late for this reading of machines
            events.happen(ec2(account))
            assert events.taken.wait(30)

    looped.progress = progress
    looped.run(told)
    assert [done.only for done in rounds] == [None, {ec2(account)}, {ec2(account)}, {sqs(account)}]
    assert [done.full for done in rounds] == [True, False, False, True]
    found = [done.figures.resources for done in rounds if done.figures]
    assert found[1] == {"ec2-instance": 1, "sqs-queue": 1}, "what was not read is as it was"
    assert found[2] == {"ec2-instance": 3, "sqs-queue": 1}, "the event did not wait"
    assert found[3] == {"ec2-instance": 3, "sqs-queue": 2}, "nor is the rest forgotten"


def test_an_event_source_that_fails_is_told_and_does_not_stop_the_loop(world: World) -> None:
    events = Events(broken=True)
    looped = loop(world, wake=events, interval=1.0)
    rounds: list[Round] = []

    def told(done: Round) -> None:
        rounds.append(done)
        if len(rounds) == 2:
            looped.stop()

    def progress(stage: str, _text: str) -> None:
        if stage == "inventory":
            assert events.asked.wait(30)

    looped.progress = progress
    looped.run(told)
    assert {failure.stage for done in rounds for failure in done.failures} == {"events"}
    assert all(done.good for done in rounds)


class Events:
    def __init__(self, broken: bool = False) -> None:
        self._changed = threading.Event()
        self._scopes: set[Scope] = set()
        self._broken, self._told = broken, False
        self.asked, self.taken = threading.Event(), threading.Event()

    def happen(self, *scopes: Scope) -> None:
        self._scopes |= set(scopes)
        self._changed.set()

    def wait(self, seconds: float) -> frozenset[Scope]:
        self.asked.set()
        if self._told:
            self.taken.set()  # it asks again: what it was told is noted
        if self._broken:
            raise MacError("no queue")
        self._changed.wait(min(seconds, 0.2))
        self._changed.clear()
        taken, self._scopes = frozenset(self._scopes), set()
        self._told = bool(taken)
        return taken


@pytest.mark.parametrize("stage", ["begin", "inventory", "bind", "validate", "plan"])
def test_a_round_that_has_written_nothing_is_given_up_when_the_loop_is_to_stop(
    world: World, stage: str
) -> None:
    world.launch()
    looped = loop(world)
    stages: list[str] = []

    def progress(now: str, _text: str) -> None:
        stages.append(now)
        if now == stage:
            looped.stop()

    looped.progress = progress
    with pytest.raises(Abandoned):
        looped.round()
    assert git(world.root, "status", "--porcelain") == ""
    assert world.commits() == 1
    assert "write" not in stages


def test_a_round_that_has_begun_to_write_comes_to_its_end(world: World) -> None:
    world.launch()
    looped = loop(world)
    looped.progress = lambda stage, _text: looped.stop() if stage == "write" else None
    assert good(looped.round()).commit == world.head()


def test_failures_are_tried_again_later_and_later_and_a_success_forgets_them() -> None:
    schedule, now, pauses = Schedule(60.0, lambda: 1.0), 0.0, []
    for _ in range(6):
        assert schedule.next(now, SOME) == Reading(None, sweeps=True)
        schedule.note(Reading(None, sweeps=True), now, now + 10, made=False)
        now += 10
        assert schedule.pause(now, changed=True) == schedule.pause(now, changed=False)
        pauses.append(schedule.pause(now, changed=False))
        now += pauses[-1]
    assert pauses == [120.0, 240.0, 480.0, 600.0, 600.0, 600.0]
    schedule.note(Reading(None, sweeps=True), now, now + 10, made=True)
    now += 10
    assert schedule.pause(now, changed=False) == 50.0
    assert schedule.pause(now, changed=True) == APART
    served = schedule.next(now + 2, SOME)
    assert served == Reading(SOME, sweeps=False)
    schedule.note(served, now + 2, now + 3, made=True)
    assert schedule.pause(now + 3, changed=False) == 47.0
    assert schedule.next(now + 50, NONE) == Reading(None, sweeps=True, patience=0.0)


SOME = frozenset([Scope("210987654321", "mars", "ec2-instance")])
REST = frozenset([Scope("210987654321", "mars", "sqs-queue")])
NONE: frozenset[Scope] = frozenset()


def swept(schedule: Schedule, now: float, *, unread: frozenset[Scope]) -> float:
    """A reading of everything, or of the rest, for a second."""
    reading = schedule.next(now, NONE)
    assert reading.sweeps
    schedule.note(reading, now, now + 1, made=True, unread=unread)
    return now + 1


def test_a_reading_of_everything_gives_way_and_goes_on_with_what_it_left() -> None:
    schedule = Schedule(60.0, lambda: 1.0)
    now = swept(schedule, 0.0, unread=NONE) + 59
    assert schedule.next(now, SOME) == Reading(SOME, sweeps=False), "what has changed is first"
    now = swept(schedule, now, unread=REST)
    assert schedule.pause(now, changed=True) == 0.0, "somebody waits"
    served = schedule.next(now, SOME)
    assert served == Reading(SOME, sweeps=False)
    schedule.note(served, now, now + 7, made=True)
    now += 9
    assert schedule.next(now, SOME) == Reading(REST, sweeps=True, patience=7.0), "events had their time"
    now = swept(schedule, now, unread=NONE)
    assert schedule.pause(now, changed=False) == 60.0 - 11, "an interval after it was begun"
    assert schedule.next(now, SOME) == Reading(SOME, sweeps=False)


def test_what_a_round_left_is_read_again_when_the_round_came_to_nothing() -> None:
    schedule = Schedule(60.0, lambda: 1.0)
    now = swept(schedule, swept(schedule, 0.0, unread=NONE) + 59, unread=REST)
    reading = schedule.next(now, NONE)
    schedule.note(reading, now, now + 1, made=False, unread=NONE)
    assert schedule.next(now + 600, NONE).only == REST


def test_events_that_never_cease_do_not_keep_everything_from_being_read() -> None:
    schedule, now, rounds = Schedule(60.0, lambda: 1.0), 0.0, []
    left = [frozenset([Scope("210987654321", "mars", f"kind-{n}")]) for n in range(3)]
    now = swept(schedule, now, unread=NONE) + 60
    for _ in range(7):
        reading = schedule.next(now, SOME)
        unread = frozenset().union(*left) if reading.sweeps else NONE
        schedule.note(reading, now, now + 5, made=True, unread=unread)
        if reading.sweeps and left:
            left.pop()
        rounds.append(reading.sweeps)
        now += 5 + schedule.pause(now + 5, changed=True)
    assert rounds == [False, True] * 3 + [False]


# --- the command -------------------------------------------------------------------------------------


def started(world: World, *options: str) -> subprocess.Popen[str]:
    command = mac_argv(
        ["sync", "-C", world.root, "--log-format", "json", "--listen", "127.0.0.1:0", *options]
    )
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def heard(process: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """The next event of this name in its log."""
    assert process.stderr is not None
    for line in process.stderr:
        found: dict[str, Any] = json.loads(line)
        if found["event"] == event:
            return found
    raise AssertionError(f"it ended with {process.wait()} before {event}")


def test_the_loop_tells_of_itself_and_ends_well_when_it_is_asked_to(world: World, account: Account) -> None:
    process = started(world, "--interval", "1")
    try:
        address = heard(process, "listening")["address"]
        first = heard(process, "round")
        world.launch()
        while not (later := heard(process, "round"))["changes"]:
            pass
        page = urllib.request.urlopen(f"{address}/metrics", timeout=30).read().decode()
        health = urllib.request.urlopen(f"{address}/healthz", timeout=30).read()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}/else", timeout=30)
        process.send_signal(signal.SIGTERM)
        assert heard(process, "stopping")["signal"] == "SIGTERM"
        heard(process, "end")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert (first["result"], first["reading"], first["targets"]) == ("success", "full", 1)
    assert set(first["stages"]) >= {"lock", "inventory", "render", "commit", "push", "deploy"}
    assert (later["targets"], later["commit"]) == (2, world.head()[:12])
    assert health == b"ok\n"
    scope = f'account="{account.id}",kind="ec2-instance",region="us-east-1"'
    assert f"mac_sync_scope_last_complete_timestamp_seconds{{{scope}}}" in page
    assert 'mac_sync_targets{cell="main-us-east-1"} 2' in page
    assert "mac_sync_commits_total 2" in page
    assert 'mac_sync_failures_total{stage="push"} 0' in page
    assert 'mac_sync_rounds_total{reading="full",result="failure"} 0' in page
    assert "mac_sync_interval_seconds 1\n" in page


def test_a_second_signal_ends_it_at_once(world: World) -> None:
    hook = world.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {world.root.parent}/began\nexec sleep 60\n")
    hook.chmod(0o755)
    process = started(world)
    try:
        heard(process, "start")
        until = time.monotonic() + 60
        while not (world.root.parent / "began").exists():
            assert time.monotonic() < until
            time.sleep(0.05)  # between two looks
        process.send_signal(signal.SIGINT)
        heard(process, "stopping")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()


def test_one_round_has_the_exit_code_of_what_failed(world: World, mac: Mac) -> None:
    assert mac("sync", "-C", world.root, "--once").exit_code == 0
    (world.root / "standards/web.yaml").write_text("kind: nonsense")
    done = mac("sync", "-C", world.root, "--once")
    assert done.exit_code == 1
    assert "problem stage=load code=unknown-kind" in done.stderr
    git(world.root, "checkout", "--quiet", ".")
    world.remote.rename(world.remote.with_name("away"))
    assert mac("sync", "-C", world.root, "--once").exit_code == 3


@pytest.mark.parametrize(
    "options",
    [
        ["--allow", "shrink-targets"],
        ["--listen", "9877"],
        ["--interval", "soon"],
        ["--interval", "0s"],
        ["--to", "nowhere"],
    ],
)
def test_options_that_make_no_sense_are_refused(world: World, mac: Mac, options: list[str]) -> None:
    assert mac("sync", "-C", world.root, *options).exit_code == 64


def test_an_address_that_is_taken_is_told(world: World, mac: Mac) -> None:
    with syncing.socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = mac("sync", "-C", world.root, "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.exit_code == 3
    assert "cannot listen on 127.0.0.1:" in done.stderr


def test_whoever_hangs_up_is_no_line_of_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    asked = threading.Event()
    gone = threading.Event()

    def page() -> str:
        asked.set()
        gone.wait(30)
        return "x" * 10_000_000

    with sync_server.listening("127.0.0.1", 0, page, lambda: (True, "ok")) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        client = syncing.socket.create_connection((host, int(port)))
        client.setsockopt(syncing.socket.SOL_SOCKET, syncing.socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert asked.wait(30)
        client.close()
        gone.set()
        deadline = time.monotonic() + 30
        while any("process_request_thread" in t.name for t in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert capfd.readouterr().err == ""


@systemd.needed
def test_systemd_finds_nothing_wrong_with_the_unit(world: World, mac: Mac, tmp_path: Path) -> None:
    done = mac("sync", "-C", world.root, "unit", "--", "--interval", "2m")
    assert done.exit_code == 0, done.output
    systemd.check(done.stdout, tmp_path / "mac-sync.service")
    assert f"sync --root {world.root} --interval 2m" in done.stdout


# --- what it tells -----------------------------------------------------------------------------------


STATUSES = (
    ScopeStatus(Scope("1", "r", "a")),
    ScopeStatus(Scope("1", "r", "b"), ScopeState.DENIED, "no", "2026-11-01T00:00:00Z"),
)
FIGURES = Figures(STATUSES, {"a": 3}, {"c": 2}, {("c", "alerting"): 1}, {("file", "modify"): 1}, 0.5)


def ended(at: float, *failures: Failure, **changes: Any) -> Round:
    return Round(at, 2.0, failures=failures, **{"figures": FIGURES, **changes})


def test_a_page_of_metrics_has_what_the_documentation_says_and_promtool_finds_it_well() -> None:
    metrics = Metrics(60.0, 600.0)
    delivered = (Delivered("p", DestinationType.RULER, State.FAILED),)
    metrics.note(ended(1000.0, delivered=delivered, commit="c", stages=(sync.Clock().stages())))
    clock = sync.Clock()
    with clock.stage("lock"):
        pass
    metrics.note(ended(2000.0, Failure("events", MacError("x")), stages=clock.stages(), only=frozenset()))
    page = metrics.page()
    told = set(re.findall(r"^# TYPE (mac_sync_\w+)", page, re.MULTILINE))
    table = (PROJECT / "docs/sync.md").read_text()
    documented = re.findall(r"^\| `(mac_sync_\w+)`", table, re.MULTILINE)
    assert told == set(documented)
    checked = subprocess.run(
        [engine_path("sid", "promtool"), "check", "metrics"],
        input=page,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout + checked.stderr == ""
    assert 'mac_sync_scope_last_complete_timestamp_seconds{account="1",kind="a",region="r"} 998' in page
    assert 'kind="b"' not in page, "it was never read completely"
    assert 'mac_sync_destination_in_sync{destination="p",type="ruler"} 0' in page
    assert 'mac_sync_rounds_total{reading="partial",result="success"} 1' in page
    assert 'mac_sync_failures_total{stage="events"} 1' in page
    assert "mac_sync_coverage_ratio 0.5" in page


def test_it_is_well_as_long_as_a_round_succeeds_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    metrics = Metrics(60.0, 600.0)
    assert metrics.healthy() == (True, "ok\n")
    now[0] += 601
    assert metrics.healthy() == (False, "no round has succeeded for 601 seconds: no round has ended\n")
    metrics.note(ended(now[0], Failure("push", MacError("x")), figures=None))
    well, words = metrics.healthy()
    assert not well
    assert words.endswith("1 round failed since\n")
    metrics.note(ended(now[0]))
    assert metrics.healthy() == (True, "ok\n")


def test_the_log_tells_what_changes_once_and_never_a_secret() -> None:
    lines: list[str] = []
    log = Log(lines.append, as_json=True)
    token = "ghp_0123456789abcdefghij0123456789abcdef"
    secret = f"https://someone:hunter2hunter2@git.example.com/x refused {token}"
    broken = ProblemsError([Problem(Place("a.yaml", 3, 1), "unknown-key", 'password: "correct-horse"')])
    log.round(ended(1.0, Failure("push", MacError(secret)), Failure("load", broken)))
    log.round(ended(2.0))
    log.round(ended(3.0, figures=Figures(STATUSES[:1], {}, {}, {}, {}, 1.0)))
    events = [json.loads(line) for line in lines]
    names = ["failure", "problem", "failure", "scope", "round", "round", "scope", "round"]
    assert [event["event"] for event in events] == names
    assert events[1]["place"] == "a.yaml:3:1"
    assert (events[3]["scope"], events[3]["state"]) == ("1/r/b", "denied")
    for word in ("hunter2", "ghp_0", "correct-horse"):
        assert word not in "".join(lines)
    Log(lines.append).event("end", why="a b")
    assert re.fullmatch(r'\S+Z info    end why="a b"', lines[-1])
