"""The pull agent: a branch of a real remote, signatures of real keys, and the unit that runs it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import Result
from conftest import mac_argv

from mac.agent import Agent, Round, Stop, Watch
from mac.backoff import LONGEST_PAUSE
from mac.deploy_model import State
from tests import systemd
from tests.interrupting import at_line
from tests.running_git import git

Mac = Callable[..., Result]


@dataclass(frozen=True)
class Place:
    """Somebody's clone, the agent's, and the folder that it deploys to."""

    author: Path
    clone: Path
    folder: Path

    def commit(self, content: str, *options: str) -> str:
        (self.author / "dashboards").mkdir(exist_ok=True)
        (self.author / "dashboards/web.json").write_text(content)
        (self.author / "provenance.json").write_text('{"files": {"dashboards/web.json": {}}}')
        git(self.author, "add", "--all")
        git(self.author, *options, "commit", "--quiet", f"--message={content}")
        git(self.author, "push", "--quiet", "--force", "origin", "HEAD:main")
        return git(self.author, "rev-parse", "HEAD")

    def runs(self) -> str:
        return (self.folder / "current/web.json").read_text()

    def watch(self, **options: object) -> Watch:
        return replace(Watch(self.clone, "main", interval=60.0), **options)  # type: ignore[arg-type]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    git(tmp_path, "clone", "--quiet", "remote.git", "author")
    made = Place(tmp_path / "author", tmp_path / "clone", tmp_path / "grafana")
    (made.author / "mac.yaml").write_text(
        "apiVersion: mac/v1\nkind: Project\nspec:\n  destinations:\n"
        f"    grafana: {{type: grafana-files, folder: {made.folder}}}\n"
    )
    made.commit("one")
    git(tmp_path, "clone", "--quiet", "remote.git", "clone")
    return made


def never(_seconds: float) -> bool:
    raise AssertionError("it waited")


def done(agent: Agent) -> Round:
    result = agent.round()
    assert result is not None
    return result


def states(result: Round) -> list[State]:
    return [one.state for one in result.delivered]


def test_what_is_pushed_is_deployed_and_what_is_changed_by_hand_is_put_right(place: Place) -> None:
    agent = Agent(place.watch(), never)
    assert states(done(agent)) == [State.DEPLOYED]
    assert place.runs() == "one"
    assert states(done(agent)) == [State.UNCHANGED]
    two = place.commit("two")
    assert done(agent).commit == two
    assert place.runs() == "two"
    (place.folder / "current/web.json").write_text("by hand")
    assert states(done(agent)) == [State.DEPLOYED]
    assert place.runs() == "two"


def test_while_the_remote_is_away_what_is_known_is_kept_and_the_reason_told(place: Place) -> None:
    agent = Agent(place.watch(), never)
    done(agent)
    place.author.parent.joinpath("remote.git").rename(place.author.parent / "away.git")
    (place.folder / "current/web.json").unlink()
    result = done(agent)
    assert not result.good
    assert "cannot fetch main" in str(result.error)
    assert place.runs() == "one"


def test_a_branch_that_was_rewritten_is_not_followed(place: Place) -> None:
    agent = Agent(place.watch(), never)
    place.commit("two")
    done(agent)
    git(place.author, "reset", "--quiet", "--hard", "HEAD~1")
    place.commit("other")
    result = done(agent)
    assert "does not come after" in str(result.error)
    assert place.runs() == "two"


def test_a_commit_that_fails_is_tried_again_later_and_later_and_a_new_one_at_once(place: Place) -> None:
    now = [0.0]
    agent = Agent(place.watch(), never, clock=lambda: now[0])
    place.folder.write_text("a file is in the way")
    tried = []
    for _ in range(100):
        if agent.round() is not None:
            tried.append(now[0])
        now[0] += 60.0
    pauses = [later - sooner for sooner, later in itertools.pairwise(tried)]
    assert pauses[:4] == [120.0, 240.0, 480.0, LONGEST_PAUSE]
    assert set(pauses[4:]) == {LONGEST_PAUSE}
    place.folder.unlink()
    now[0] = tried[-1] + 1
    assert agent.round() is None
    place.commit("two")
    assert states(done(agent)) == [State.DEPLOYED]


def test_rounds_come_at_their_interval_with_some_chance_until_it_is_stopped(place: Place) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) == 5

    told: list[Round] = []
    Agent(place.watch(), wait).run(told.append)
    assert len(told) == 5
    assert all(54.0 <= seconds <= 66.0 for seconds in waited)
    assert len(set(waited)) > 1


# --- signatures --------------------------------------------------------------------------------------


def key(folder: Path, name: str) -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
    return path


def signing(key: Path) -> list[str]:
    return ["-c", "gpg.format=ssh", "-c", f"user.signingkey={key}", "-c", "commit.gpgsign=true"]


def test_only_what_somebody_on_the_list_has_signed_is_deployed(place: Place, tmp_path: Path) -> None:
    ours, theirs = key(tmp_path, "ours"), key(tmp_path, "theirs")
    allowed = tmp_path / "allowed"
    allowed.write_text(f"tester@example.com {ours.with_suffix('.pub').read_text()}")
    agent = Agent(place.watch(allowed_signers=allowed), never)
    unsigned = done(agent)
    assert "is not signed by anybody" in str(unsigned.error)
    assert not place.folder.exists()

    # Whatever the clone itself says of signatures does not count.
    git(place.clone, "config", "gpg.ssh.allowedSignersFile", str(tmp_path / "mine"))
    (tmp_path / "mine").write_text(f"tester@example.com {theirs.with_suffix('.pub').read_text()}")
    (tmp_path / "yes").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "yes").chmod(0o755)
    for name in ("gpg.program", "gpg.ssh.program"):
        git(place.clone, "config", name, str(tmp_path / "yes"))
    place.commit("two", *signing(theirs))
    assert "is not signed by anybody" in str(done(agent).error)
    assert not place.folder.exists()
    assert git(place.clone, "show", "HEAD:dashboards/web.json") == "one", "the clone does not move there"

    # But who is revoked in it is revoked.
    (tmp_path / "revoked").write_text(ours.with_suffix(".pub").read_text())
    git(place.clone, "config", "gpg.ssh.revocationFile", str(tmp_path / "revoked"))
    place.commit("revoked", *signing(ours))
    assert "is not signed by anybody" in str(done(agent).error)
    git(place.clone, "config", "--unset", "gpg.ssh.revocationFile")

    place.commit("three", *signing(ours))
    assert states(done(agent)) == [State.DEPLOYED]
    assert place.runs() == "three"
    allowed.unlink()
    place.commit("four", *signing(ours))
    assert "is not there" in str(done(agent).error)
    assert place.runs() == "three"


# --- the command -------------------------------------------------------------------------------------


def test_the_agent_ends_well_when_it_is_asked_to(place: Place) -> None:
    process = subprocess.Popen(
        mac_argv(["deploy", "-C", place.clone, "--watch", "--interval", "1", "--format", "json"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        place.commit("two")
        states_seen = []
        while "deployed" not in states_seen:
            states_seen.append(json.loads(process.stdout.readline())["destinations"][0]["state"])
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert first["destinations"][0]["state"] == "deployed"
    assert place.runs() == "two"
    assert (process.returncode, errors) == (0, "")


def interrupted(stop: Stop, line: int) -> tuple[bool, bool]:
    """Whether somebody asked to stop at this line of `waited`, as a signal does, and whether it was heard."""
    with at_line(line, stop.ask) as left:
        heard = stop.waited(0.001)
    return left[0] < 0, heard or stop.waited(0.001)


def test_a_signal_at_any_line_of_the_wait_is_heard() -> None:
    answers: list[tuple[bool, bool]] = []
    for line in range(40):
        thread = threading.Thread(target=lambda n=line: answers.append(interrupted(Stop(), n)), daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive(), f"it waits for itself at line {line}"
    assert {asked for asked, _ in answers} == {True, False}
    assert all(asked == heard for asked, heard in answers)


@pytest.mark.parametrize(
    "options", [["--watch", "--dry-run"], ["--watch", "--revision", "HEAD"], ["--allowed-signers", "x"]]
)
def test_options_that_do_not_go_together_are_refused(place: Place, mac: Mac, options: list[str]) -> None:
    assert mac("deploy", "-C", place.clone, *options).exit_code == 64


@systemd.needed
def test_systemd_finds_nothing_wrong_with_the_unit(place: Place, mac: Mac, tmp_path: Path) -> None:
    done = mac("deploy", "-C", place.clone, "unit", "--", "--branch", "100% $HOME main")
    assert done.exit_code == 0, done.output
    systemd.check(done.stdout, tmp_path / "mac-deploy.service")
    assert '"100%% $$HOME main"' in done.stdout
    assert f"-{place.folder}" in done.stdout
