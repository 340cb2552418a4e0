"""The field's own programs (promtool, amtool, Prometheus, Alertmanager, the blackbox exporter): where they
are, what they say.

What promtool and amtool print is made into `Finding`s, the same for the three generations that are supported
(Prometheus 2.42, 2.53 and 3.5, Alertmanager 0.25, 0.28 and 0.33).
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mac import process
from mac.problems import EngineError

_FILES_AT_ONCE = 500  # far below what one argument list may hold
_CHECK_TIMEOUT = 300.0  # 50,000 rules take ten seconds
_REFUSED = 1
# Duplicate rules are found by our own checks; promtool's linter names no file, and ends with 0 or 3.
_NO_LINT = ("--lint=none",)

# Debian calls it prometheus-alertmanager.
TOOLS: dict[str, tuple[str, ...]] = {
    "promtool": ("promtool",),
    "amtool": ("amtool",),
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "blackbox_exporter": ("blackbox_exporter", "prometheus-blackbox-exporter"),
}
"""The engines, and the names under which they are installed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One complaint of an engine. `file` is spelled as the engine was given it, or found it in the
    configuration; empty when it names none. Line and column count from 1; 0 when it tells none.
    """

    file: str
    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Engine:
    """One of the field's own programs, as found on this machine."""

    tool: str
    path: Path
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.tool} {'.'.join(map(str, self.version))}"

    def check_rules(self, paths: Sequence[Path]) -> tuple[Finding, ...]:
        """What promtool finds wrong with rule files. Empty: all is well."""
        found: list[Finding] = []
        for first in range(0, len(paths), _FILES_AT_ONCE):
            chunk = paths[first : first + _FILES_AT_ONCE]
            found += self._check(["check", "rules", *_NO_LINT], chunk)
        return tuple(dict.fromkeys(found))

    def check_config(self, path: Path, cwd: Path | None = None) -> tuple[Finding, ...]:
        """What promtool finds wrong with a prometheus.yml, amtool with an alertmanager.yml, or the blackbox
        exporter with its modules.

        promtool reads the rule and target files that it names too. Empty: all is well.
        """
        if self.tool == "blackbox_exporter":
            return self._check_modules(path, cwd)
        command = ["check-config"] if self.tool == "amtool" else ["check", "config", *_NO_LINT]
        return tuple(dict.fromkeys(self._check(command, (path,), cwd)))

    def test_rules(self, folder: Path, names: Sequence[str], *, timeout: float = 120.0) -> process.Completed:
        """Runs promtool's test files of one folder. Exit code 0: every expectation holds."""
        # Short work with much garbage: collecting it less often saves a third of the time.
        env = {"GOGC": "400", **os.environ}
        return process.run([self.path, "test", "rules", *names], cwd=folder, env=env, timeout=timeout)

    def routes(self, config: Path, labels: Mapping[str, str]) -> tuple[str, ...]:
        """The receivers that amtool says an alert with these labels reaches. Raises EngineError."""
        given = [f'{name}="{_quoted(value)}"' for name, value in sorted(labels.items())]
        command = ["config", "routes", "test", f"--config.file={config}", *given]
        answer = process.run([self.path, *command], timeout=_CHECK_TIMEOUT)
        if answer.returncode:
            text = f"{answer.stdout}\n{answer.stderr}".strip()[-process.TAIL :]
            raise EngineError(f"{self} cannot say where an alert goes: {text}")
        return tuple(answer.stdout.strip().split(","))

    def _check_modules(self, path: Path, cwd: Path | None) -> tuple[Finding, ...]:
        config = f"--config.file={path}"
        answer = process.run([self.path, "--config.check", config], cwd=cwd, timeout=_CHECK_TIMEOUT)
        if answer.returncode == 0:
            return ()
        said = f"{answer.stdout}\n{answer.stderr}".strip()
        logged = _LOGGED_ERROR.search(said)
        if answer.returncode != _REFUSED or logged is None:
            raise EngineError(f"{self} ended with exit code {answer.returncode}\n{said[-process.TAIL :]}")
        message = str(json.loads(logged["quoted"])).removeprefix("error parsing config file: ")
        return parse_findings(f"FAILED:{message}")

    def _check(
        self, command: list[str], paths: Sequence[Path], cwd: Path | None = None
    ) -> tuple[Finding, ...]:
        answer = process.run([self.path, *command, *paths], cwd=cwd, timeout=_CHECK_TIMEOUT)
        if answer.returncode == 0:
            return ()
        text = f"{answer.stdout}\n{answer.stderr}"
        if answer.returncode != _REFUSED:
            raise EngineError(
                f"{self} ended with exit code {answer.returncode}\n{text.strip()[-process.TAIL :]}"
            )
        # It refused: that must never read as "nothing wrong", whatever it printed.
        return parse_findings(text) or (Finding("", 0, 0, text.strip() or f"{self} refused"),)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def find(tool: str) -> Engine | None:
    """The engine that MAC_<TOOL> names (a path), else the one on PATH, else None.

    Raises EngineError when MAC_<TOOL> names no program, or when what is found is not that tool.
    """
    variable = f"MAC_{tool.upper()}"
    named = os.environ.get(variable)
    if named:
        path = shutil.which(named)
        if path is None:
            raise EngineError(f"{variable} names {named}, which is not a program")
        return _identify(tool, path)
    for name in TOOLS[tool]:
        path = shutil.which(name)
        if path is not None:
            return _identify(tool, path)
    return None


def require(tool: str) -> Engine:
    """As `find`, but a missing engine raises EngineError with what to do about it."""
    engine = find(tool)
    if engine is None:
        raise EngineError(
            f"{tool} was not found", hint=f"install it, or set MAC_{tool.upper()} to where it is"
        )
    return engine


def at(tool: str, path: Path) -> Engine:
    """The engine at that path. Raises EngineError when it is not that tool."""
    return _identify(tool, str(path))


@cache
def _identify(tool: str, path: str) -> Engine:
    answer = process.run([path, "--version"], timeout=30)
    match = re.match(
        rf"{tool}, version (\d+)\.(\d+)\.(\d+)", (answer.stdout or answer.stderr).lstrip(), re.ASCII
    )
    if match is None:
        raise EngineError(f"{path} does not say that it is {tool}")
    major, minor, patch = (int(number) for number in match.groups())
    return Engine(tool, Path(path).resolve(), (major, minor, patch))


# What the engines print. promtool: "Checking FILE" and "FILE: LINE:COLUMN: MESSAGE" under "FAILED:";
# amtool: "Checking 'FILE'  FAILED: MESSAGE". The YAML library's own errors are the same in both.
_CHECKING = re.compile(r"Checking '?(?P<file>.*?\.\w+)'?(?=\s|$|[a-z]+=)")
_FAILED = re.compile(r"FAILED:(?P<rest>.*)")
_NAMED = re.compile(
    r"\s*(?:parsing YAML file (?P<parsed>.+?\.\w+)|checking SD file \"(?P<targets>.+?)\""
    r"|(?P<plain>\S.*?\.(?:ya?ml|json))): (?P<rest>.*)"
)
_POSITION = re.compile(r"(?:(?P<line>\d+):(?P<column>\d+)|(?:yaml: )?line (?P<alone>\d+)): (?P<rest>.*)")
_LOGGED_ERROR = re.compile(r'msg="Error loading config" err=(?P<quoted>"(?:[^"\\]|\\["\\nt])*")')
_CONTINUED = re.compile(r"\s+line (?P<line>\d+): (?P<rest>.*)")
_SEVERAL = "yaml: unmarshal errors:"
_CHATTER = re.compile(r"(?:time|ts|level)=|\S+: error: failed to validate|\s*SUCCESS|\s*$")


def parse_findings(text: str) -> tuple[Finding, ...]:
    """The complaints in what promtool or amtool printed, in its order, each once."""
    found: list[Finding] = []
    file = ""
    failing = False
    for raw in text.splitlines():
        line = raw
        checking = _CHECKING.match(line)
        if checking:
            file, failing = checking["file"], False
            line = line[checking.end() :]
        failed = _FAILED.search(line)
        if failed:
            failing = True
            line = failed["rest"]
        if (continued := _CONTINUED.fullmatch(line)) and failing:
            found.append(Finding(file, int(continued["line"]), 0, continued["rest"]))
            continue
        if _CHATTER.match(line):
            continue
        if named := _NAMED.match(line):
            file, failing = named["parsed"] or named["targets"] or named["plain"], True
            line = named["rest"]
        if failing and line.strip() != _SEVERAL:
            found.append(_finding(file, line.strip()))
    return tuple(dict.fromkeys(found))


def _finding(file: str, message: str) -> Finding:
    position = _POSITION.fullmatch(message)
    if position is None:
        return Finding(file, 0, 0, message)
    return Finding(
        file, int(position["line"] or position["alone"]), int(position["column"] or 0), position["rest"]
    )
