"""What every test stands on: its own environment, the engines of three generations, the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

PROJECT = Path(__file__).resolve().parent.parent
ENGINES = PROJECT / ".engines"

GENERATIONS = ("bookworm", "trixie", "sid")
"""Oldest first: Prometheus 2.42, 2.53, 3.x and Alertmanager 0.25, 0.28, 0.33."""

PROGRAMS = {
    "promtool": "promtool",
    "amtool": "amtool",
    "prometheus": "prometheus",
    "alertmanager": "prometheus-alertmanager",
}

# How long an example takes says something about the machine, not about the code.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

# Nothing of the developer's own may reach a test: credentials, proxies, Git's settings, other engines.
_FOREIGN = ("AWS_", "GIT_", "MAC_", "BOTO_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def pytest_configure(config: pytest.Config) -> None:
    """Before anything is imported or started, fixtures of the whole session included."""
    for name in list(os.environ):
        if name.upper().startswith(_FOREIGN) or name in ("NO_COLOR", "FORCE_COLOR"):
            del os.environ[name]
    os.environ.update(isolated_environment("/nonexistent"))
    for tool, program in PROGRAMS.items():
        os.environ[f"MAC_{tool.upper()}"] = str(ENGINES / GENERATIONS[-1] / "usr/bin" / program)
    # Started in the background, a shell has these ignored, and so would everything that a test starts.
    for number, default in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)


def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: many a test waits for a server, and costs nothing meanwhile."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


def isolated_environment(home: str) -> dict[str, str]:
    """Variables under which Git and AWS know nothing but what a test tells them."""
    return {
        "HOME": home,
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": f"{home}/.gitconfig",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "A Tester",
        "GIT_AUTHOR_EMAIL": "tester@example.com",
        "GIT_COMMITTER_NAME": "A Tester",
        "GIT_COMMITTER_EMAIL": "tester@example.com",
        "AWS_CONFIG_FILE": f"{home}/.aws/config",
        "AWS_SHARED_CREDENTIALS_FILE": f"{home}/.aws/credentials",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in isolated_environment(str(tmp_path_factory.getbasetemp())).items():
        monkeypatch.setenv(name, value)


# --- engines -----------------------------------------------------------------------------------------


def engine_path(generation: str, tool: str) -> Path:
    """A generation's engine. A missing one fails the test: it is set up by `make engines`."""
    path = ENGINES / generation / "usr/bin" / PROGRAMS[tool]
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is missing: run `make engines`", pytrace=False)
    return path


@pytest.fixture(params=GENERATIONS)
def generation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs the test once with each generation: `engines.find` finds that generation's."""
    name: str = request.param
    for tool in PROGRAMS:
        monkeypatch.setenv(f"MAC_{tool.upper()}", str(engine_path(name, tool)))
    return name


@pytest.fixture(scope="session")
def all_engines() -> Mapping[str, Mapping[str, Path]]:
    """Generation → tool → path, for tests that compare the generations."""
    return {name: {tool: engine_path(name, tool) for tool in PROGRAMS} for name in GENERATIONS}


# --- the command line --------------------------------------------------------------------------------


@pytest.fixture
def mac() -> Callable[..., Result]:
    """`mac("diff", "--format", "json")` in this process. Exit codes are those of the real command line,
    since errors pass through the same place; `.stdout` and `.stderr` are apart.
    """
    import click

    from mac.cli import cli
    from mac.cli.errors import guarded

    @click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def whole(arguments: tuple[str, ...]) -> None:
        raise SystemExit(guarded(cli, arguments))

    def call(*arguments: str | Path, **options: str) -> Result:
        return CliRunner().invoke(whole, ["--", *map(str, arguments)], **options)

    return call


@dataclass(frozen=True)
class Ran:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run_mac(tmp_path: Path) -> Callable[..., Ran]:
    """`run_mac("--help")` in a process of its own, in `tmp_path` unless `cwd` says else."""

    def call(
        *arguments: str | Path,
        cwd: Path = tmp_path,
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> Ran:
        done = subprocess.run(
            mac_argv(arguments),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return call


def mac_argv(arguments: Sequence[str | Path]) -> list[str]:
    return [sys.executable, "-m", "mac", *map(str, arguments)]


@pytest.fixture
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's folder as the current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
