"""The demo: an empty directory, an AWS, and the commands that a user types, one after another.

Nothing here knows how `mac` works: each step runs the command line as its users do.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mac import emit, engines, process
from mac.demo import fill, fleet, loaded
from mac.demo.embedded import EmbeddedAws, embedded_aws
from mac.demo.fleet import Fleet, NewService
from mac.problems import MacError

Say = Callable[[str], None]
"""Shows a line or more of text to whoever watches."""

COMMAND_TIMEOUT = 3600.0  # seconds; 20,000 machines take the embedded AWS minutes
SHOWN_DIAGNOSTICS = 16  # lines


@dataclass(frozen=True, slots=True)
class Settings:
    """`machines` and `seed`: None is what the fleet's file says. `engines`: start them where present."""

    machines: int | None = None
    seed: int | None = None
    keep: bool = False
    engines: bool = True


class Terminal:
    """Runs commands in one directory and shows them as a recorded terminal does."""

    def __init__(self, directory: Path, environment: Mapping[str, str], say: Say) -> None:
        self.directory = directory
        self._environment = environment
        self._say = say

    def mac(self, *words: str, expected: Sequence[int] = (0,)) -> None:
        self._run([sys.executable, "-m", "mac", *words], ["mac", *words], expected)

    def git(self, *words: str) -> None:
        self._run(["git", *words], ["git", *words], (0,))

    def _run(self, command: Sequence[str], shown: Sequence[str], expected: Sequence[int]) -> None:
        self._say(f"\n$ {shlex.join(shown)}")
        start = time.perf_counter()
        ended = process.run(command, cwd=self.directory, env=self._environment, timeout=COMMAND_TIMEOUT)
        for text in (_shortened(ended.stderr), ended.stdout.rstrip()):
            if text:
                self._say(text)
        if ended.returncode not in expected:
            raise MacError(f"{shlex.join(shown)} ended with exit code {ended.returncode}")
        seconds = time.perf_counter() - start
        if shown[0] == "mac":
            self._say(f"# {seconds:.1f} s, exit code {ended.returncode}")


def demo(settings: Settings, say: Say) -> None:
    """Runs all of it. Raises MacError as soon as a step does not end as it must."""
    planned = fleet.load(settings.machines, settings.seed)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(_directory(settings.keep))
        say("# An AWS of its own, in another process, on this machine's loopback.")
        aws = stack.enter_context(embedded_aws())
        clients = fill.Clients(aws.endpoint_url, planned.role)
        places = _build(planned, aws, clients, say)
        terminal = Terminal(directory, _environment(aws), say)
        _first_run(terminal, planned, say)
        terminal.directory = repository = directory / "monitoring"
        _check_engines(repository, settings.engines, say)

        say("\n# The fleet changes, and so does what is written about it.")
        start = time.perf_counter()
        aws.seed(planned.seed + 1)
        fill.change(planned.change, places, clients)
        say(
            f"{planned.change.launches:,} machines launched, {planned.change.terminations:,} terminated, "
            f"one new service: {planned.change.service.name} ({time.perf_counter() - start:.1f} s)"
        )
        _declare(terminal, planned.change.service, say)
        terminal.mac("diff", "--detailed-exitcode", expected=(2,))
        terminal.mac("generate", "--commit", "--push")
        terminal.git("log", "-1", "--stat=100", "--stat-count=12")
        _check_engines(repository, settings.engines, say)
        say("\n# Nothing has changed since: nothing to do, no commit.")
        terminal.mac("diff", "--detailed-exitcode")
    if settings.keep:
        say(_go_on(repository))


@contextlib.contextmanager
def _directory(keep: bool) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="mac-demo-")).resolve()
    try:
        yield path
    finally:
        if not keep:
            shutil.rmtree(path, ignore_errors=True)


def _environment(aws: EmbeddedAws) -> dict[str, str]:
    """For the commands: this AWS, and a Git that is not configured by whoever runs the demo."""
    person = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "mac demo"), ("EMAIL", "demo@localhost"))
    }
    git = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    inherited = {k: v for k, v in aws.environment().items() if not k.startswith("GIT_")}
    # The commands run from a temporary directory; the package may be importable from here only.
    path = {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PYTHONSAFEPATH": "1"}
    return {**inherited, **git, **person, **path, "NO_COLOR": "1", "COLUMNS": "110"}


def _build(planned: Fleet, aws: EmbeddedAws, clients: fill.Clients, say: Say) -> fill.Places:
    start = time.perf_counter()
    aws.seed(planned.seed)
    places = fill.fill(planned, clients)
    states = Counter(g.state for g in planned.groups for _ in range(g.size))
    states.update(c.state for c in planned.clusters for _ in range(c.size))
    accounts = len({s.account for s in planned.sites})
    regions = len({s.region for s in planned.sites})
    say(
        f"{planned.machines:,} machines in {accounts} accounts and {regions} regions: "
        f"{states['running']:,} running, {states['stopped']:,} stopped, "
        f"{states['terminating']:,} terminating; "
        f"{len(planned.clusters)} EMR clusters, {len(planned.databases)} databases, "
        f"{len(planned.buckets)} buckets, {len(planned.queues)} queues "
        f"({time.perf_counter() - start:.1f} s)"
    )
    return places


def _first_run(terminal: Terminal, planned: Fleet, say: Say) -> None:
    say("\n# A monitoring repository, and a remote for it.")
    terminal.git("init", "--quiet", "--bare", "--initial-branch=main", "monitoring.git")
    terminal.git("clone", "--quiet", "monitoring.git", "monitoring")
    terminal.mac("init", "monitoring")
    terminal.directory /= "monitoring"
    _write_inventory(terminal.directory, planned, say)
    terminal.git("add", "--all")
    terminal.git("commit", "--quiet", "--message=Begin with the standards as they are shipped")
    terminal.git("push", "--quiet", "--set-upstream", "origin", "main")
    say("\n# From the standards and what runs in AWS to configuration, checked, committed and pushed.")
    terminal.mac("generate", "--commit", "--push")
    # Everything is new: its causes would be a long list.
    terminal.git("log", "-1", "--format=%h %s%n%n%(trailers)", "--shortstat")


def _write_inventory(root: Path, planned: Fleet, say: Say) -> None:
    accounts = {s.account: s.account_name for s in planned.sites}
    document = {
        "apiVersion": "mac/v1",
        "kind": "Inventory",
        "spec": {
            "accounts": [
                {"id": number, "name": name, "role_arn": fill.role_arn(number, planned.role)}
                for number, name in accounts.items()
            ],
            "regions": list(dict.fromkeys(s.region for s in planned.sites)),
            "kinds": list(fill.KINDS),
        },
    }
    _write(root / "inventory/aws.yaml", document, say)


def _declare(terminal: Terminal, service: NewService, say: Say) -> None:
    """What an engineer writes when a team starts a service."""
    path = Path(f"standards/services/{service.name}.yaml")
    document = {
        "apiVersion": "mac/v1",
        "kind": "Service",
        "metadata": {"name": service.name, "title": service.title},
        "spec": {
            "owner": service.owner,
            "tier": service.tier,
            "endpoints": [{"url": f"https://{service.name}.example.com/health"}],
        },
    }
    _write(terminal.directory / path, document, say)
    terminal.git("add", str(path))
    terminal.git("commit", "--quiet", f"--message=Declare the service {service.name}")


def _write(path: Path, document: Mapping[str, object], say: Say) -> None:
    text = emit.yaml(document) + "\n"
    path.write_text(text, encoding="utf-8")
    shown = "/".join(path.parts[-3:] if path.parts[-3] == "standards" else path.parts[-2:])
    say(f"\n$ cat {shown}\n{text.rstrip()}")


def _check_engines(repository: Path, wanted: bool, say: Say) -> None:
    if not wanted:
        return
    prometheus, alertmanager = engines.find("prometheus"), engines.find("alertmanager")
    if prometheus is None:
        say("\n# No prometheus on this machine: the generated configuration is not started.")
    else:
        say(f"\n# {prometheus} on the generated configuration, cell by cell: its API beside the provenance.")
        loaded.check(
            repository,
            prometheus,
            lambda cell: say(f"{cell.name:<24} runs  {cell.shown}\n{'':<24} named {cell.named}"),
        )
    if alertmanager is None:
        say("\n# No alertmanager on this machine: its configuration is not started.")
    else:
        version, count = loaded.receivers(repository, alertmanager)
        say(f"{'alertmanager ' + version:<24} runs  {count} receivers")


def _shortened(diagnostics: str) -> str:
    lines = diagnostics.rstrip().splitlines()
    if len(lines) <= SHOWN_DIAGNOSTICS:
        return "\n".join(lines)
    return "\n".join([*lines[:SHOWN_DIAGNOSTICS], f"… {len(lines) - SHOWN_DIAGNOSTICS} more lines"])


def _go_on(repository: Path) -> str:
    return f"""
# Kept. The embedded AWS is gone; the snapshot is what it was:

cd {shlex.quote(str(repository))}
git log --stat
mac validate
mac diff --snapshot inventory/snapshot
mac generate --snapshot inventory/snapshot --commit
rm -r {shlex.quote(str(repository.parent))}   # when you are done"""
