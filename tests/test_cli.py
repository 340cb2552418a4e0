from __future__ import annotations

import errno
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from conftest import PROJECT, Ran, mac_argv

from mac import __version__
from mac.cli import COMMANDS, cli, errors, options
from mac.cli.session import Session
from mac.problems import AwsError, Location, Problem, ProblemsError


def all_commands() -> list[tuple[str, click.Command]]:
    """Every command and subcommand by its full name."""
    found: list[tuple[str, click.Command]] = []

    def walk(path: str, command: click.Command) -> None:
        found.append((path, command))
        if isinstance(command, click.Group):
            for name, child in command.commands.items():
                walk(f"{path} {name}", child)

    ctx = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(ctx, name)
        assert command is not None
        walk(name, command)
    return found


# --- the table of commands ---------------------------------------------------------------------------


def test_the_table_of_commands_says_what_the_commands_say() -> None:
    for name, line in COMMANDS.items():
        command = importlib.import_module(f"mac.cli.commands.{name}").command
        assert command.get_short_help_str(limit=200) == line, name


def test_every_module_of_a_command_is_in_the_table() -> None:
    modules = {path.stem for path in (PROJECT / "mac/cli/commands").glob("*.py")} - {"__init__"}
    assert modules == set(COMMANDS)


def test_the_help_of_every_command_has_an_example_and_a_line_on_each_option() -> None:
    for path, command in all_commands():
        # click keeps the help option that it makes first
        ctx = click.Context(command, info_name=path, help_option_names=["-h", "--help"])
        assert "Example: mac " in " ".join(command.get_help(ctx).split()), path
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{path} {option.name}"


def test_every_command_accepts_verbose_after_its_name() -> None:
    for path, command in all_commands():
        assert any("--verbose" in option.opts for option in command.params), path


@pytest.mark.parametrize("script", ["cli_docs", "kinds_docs", "standards_docs"])
def test_a_page_that_is_written_from_the_code_is_up_to_date(script: str) -> None:
    spec = importlib.util.spec_from_file_location(script, PROJECT / f"scripts/{script}.py")
    assert spec
    assert spec.loader
    docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(docs)
    assert docs.PAGE.read_text(encoding="utf-8") == docs.page(), "run `make docs`"


# --- start -------------------------------------------------------------------------------------------


def test_help_imports_neither_commands_nor_outside_libraries_but_click() -> None:
    code = (
        "import sys; from mac.cli import main\ntry: main(['--help'])\nfinally: print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.partition("MODULES")[2].split())
    for heavy in ("yaml", "boto3", "botocore", "jinja2", "git", "orjson", "ryaml", "jsonschema_rs"):
        assert heavy not in modules
    assert {m for m in modules if m.startswith("mac.")} == {
        "mac.cli",
        "mac.cli.session",
        "mac.cli.errors",
    }


def test_help_answers_in_less_than_twice_the_time_of_importing_click_and_yaml() -> None:
    def cost(argv: list[str]) -> float:
        """Processor time, which other work on the machine hardly changes; the best of several."""
        costs = []
        for _ in range(7):
            with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            costs.append(used.ru_utime + used.ru_stime)
        return min(costs)

    measure = cost([sys.executable, "-c", "import click, yaml"])
    assert cost(mac_argv(["--help"])) < 2 * measure


def test_help_names_every_command_and_the_exit_codes(mac: Callable[..., Any]) -> None:
    answer = mac("--help")
    assert answer.exit_code == 0
    assert "Exit codes" in answer.stdout
    for name in COMMANDS:
        assert f"\n  {name} " in answer.stdout


def test_the_version_is_the_package_s(mac: Callable[..., Any]) -> None:
    assert mac("--version").stdout == f"mac {__version__}\n"


# --- exit codes --------------------------------------------------------------------------------------


def outcome(
    error: BaseException | None, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    """Exit code and standard error of a command that fails so."""

    @click.command()
    @click.option("-v", "verbose", is_flag=True)
    @click.pass_context
    def command(ctx: click.Context, verbose: bool) -> None:
        ctx.ensure_object(Session).verbose = verbose
        if error is not None:
            raise error

    code = errors.guarded(command, arguments)
    return code, capsys.readouterr().err


def test_a_command_that_is_done_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(None, capsys) == (0, "")


def test_problems_end_with_1_and_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [
        Problem(Location("standards/a.yaml", 3, 5), "unknown-key", "no such key", "did you mean it?"),
        Problem(Location("mac.yaml"), "file-missing", "is not there"),
    ]
    code, said = outcome(ProblemsError(problems), capsys)
    assert code == 1
    for words in ("standards/a.yaml:3:5", "no such key", "did you mean it?", "mac.yaml", "is not there"):
        assert words in said


def test_a_failing_environment_ends_with_3_and_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(AwsError("AWS cannot be asked", "set AWS_PROFILE"), capsys) == (
        3,
        "error: AWS cannot be asked\nhint: set AWS_PROFILE\n",
    )
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/file")
    assert outcome(full, capsys) == (3, "error: /some/file: No space left on device\n")


def test_wrong_usage_ends_with_64(capsys: pytest.CaptureFixture[str], mac: Callable[..., Any]) -> None:
    code, said = outcome(click.UsageError("these do not go together"), capsys)
    assert code == 64
    assert "these do not go together" in said
    for arguments in (["--no-such-option"], ["init", "--no-such-option"], ["completion"]):
        assert mac(*arguments).exit_code == 64


def test_a_misspelt_command_gets_a_suggestion(mac: Callable[..., Any]) -> None:
    answer = mac("genrate")
    assert answer.exit_code == 64
    assert "Did you mean 'generate'?" in answer.stderr


def test_a_bug_ends_with_70_one_line_and_a_file_for_the_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, said = outcome(ZeroDivisionError("a\nb"), capsys)
    assert code == 70
    assert "Traceback" not in said
    assert said.startswith("error: this is a bug in mac: ZeroDivisionError: a\n")
    [report] = tmp_path.iterdir()
    assert str(report) in said
    assert "Traceback" in report.read_text()


def test_a_bug_shows_its_traceback_with_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = outcome(ZeroDivisionError("a"), capsys, "-v")
    assert code == 70
    assert "Traceback" in said


def test_an_interrupt_ends_with_130_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(KeyboardInterrupt(), capsys) == (130, "\nerror: interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_termination_ends_what_was_started(tmp_path: Path, number: signal.Signals) -> None:
    code = f"""
import sys, time, click, pathlib
from mac import process
from mac.cli.errors import guarded
@click.command()
def command():
    with process.start([sys.executable, "-c", "import time; time.sleep(600)"]) as server:
        pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(server.pid))
        print("started", flush=True)
        time.sleep(600)
sys.exit(guarded(command, []))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == "started\n"
        running.send_signal(number)
        _, said = running.communicate(timeout=30)
    assert (running.returncode, said) == (130, "\nerror: interrupted\n")
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


def test_a_terminal_that_goes_is_no_matter_where_it_is_ignored() -> None:
    """As nohup starts it."""
    code = """
import os, signal, sys, click
from mac.cli.errors import guarded
signal.signal(signal.SIGHUP, signal.SIG_IGN)
@click.command()
def command():
    os.kill(os.getpid(), signal.SIGHUP)
    print("still here")
sys.exit(guarded(command, []))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "still here\n", "")


def test_an_interrupt_while_mac_is_being_imported_is_no_traceback() -> None:
    program = """
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from mac.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_a_reader_that_goes_away_is_no_failure_of_ours() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    for arguments in (["--help"], ["completion", "bash"]):
        done = subprocess.run(
            mac_argv(arguments), stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (141, "")
    os.close(writing)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_no_failure(tmp_path: Path, closed: str) -> None:
    words = ["sh", "-c", f'"$@" {closed}', "sh", *mac_argv(["init", tmp_path / "new", "--no-git"])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new/mac.yaml").is_file()


def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            mac_argv(["--help"]), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (3, "error: No space left on device\n")


# --- shared options ----------------------------------------------------------------------------------


@click.group()
@click.option("-C", "root")
@click.pass_context
def outer(ctx: click.Context, root: str | None) -> None:
    ctx.ensure_object(Session).root = root


@outer.command()
@options.root
@options.output_format("text", "json")
def where(root: Path, output_format: str) -> None:
    options.data(f"{output_format} {root}")


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "mac.yaml").touch()
    return folder


def invoke(*arguments: str | Path) -> str:
    answer = CliRunner().invoke(outer, [str(a) for a in arguments], catch_exceptions=False)
    return str(answer.stdout).strip()


def test_the_repository_is_the_nearest_parent_with_a_project_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer_one = repository(tmp_path / "outer")
    inner = repository(outer_one / "a/inner")
    (inner / "standards/data").mkdir(parents=True)
    monkeypatch.chdir(inner / "standards/data")
    assert invoke("where") == f"text {inner}"
    monkeypatch.chdir(outer_one / "a")
    assert invoke("where", "--format", "json") == f"json {outer_one}"


def test_the_repository_may_be_named_before_and_after_the_command(tmp_path: Path) -> None:
    one, other = repository(tmp_path / "one"), repository(tmp_path / "other")
    assert invoke("-C", one, "where") == f"text {one}"
    assert invoke("where", "-C", one) == f"text {one}"
    assert invoke("where", "--root", one) == f"text {one}"
    assert invoke("-C", other, "where", "-C", one) == f"text {one}"


def test_without_a_repository_there_is_a_problem_and_a_way_out(
    in_directory: Path, mac: Callable[..., Any]
) -> None:
    answer = mac("validate")
    assert answer.exit_code == 1
    assert "mac init" in answer.stderr
    answer = mac("-C", in_directory, "validate")
    assert answer.exit_code == 1
    assert f"{in_directory} has no mac.yaml" in answer.stderr


@pytest.mark.parametrize("command", ["validate", "generate", "diff", "inventory", "test"])
def test_problems_are_data_where_a_format_for_programs_is_asked_for(
    in_directory: Path, mac: Callable[..., Any], command: str
) -> None:
    (in_directory / "mac.yaml").write_text("kind: Projekt\n")
    for arguments in ([command, "--format", "json"], [command, "--format", "json", "-C", "."]):
        answer = mac(*arguments)
        assert answer.exit_code == 1
        found = json.loads(answer.stdout)
        keys = {"path", "line", "column", "severity", "code", "message", "hint"}
        assert all(problem.keys() == keys for problem in found)
        assert "unknown-kind" in {problem["code"] for problem in found}
    assert mac("diff", "--format", "github").stdout.startswith("::error file=")
    (in_directory / "mac.yaml").unlink()
    answer = mac(command, "--format", "json")
    assert [problem["code"] for problem in json.loads(answer.stdout)] == ["file-missing"]


def test_a_folder_in_place_of_the_project_file_is_told(in_directory: Path, mac: Callable[..., Any]) -> None:
    (in_directory / "mac.yaml").mkdir()
    for arguments in (["validate"], ["validate", "-C", "."]):
        assert "mac.yaml: error: is a directory, not a file" in mac(*arguments).stdout


def test_a_folder_that_is_not_there_is_wrong_usage(mac: Callable[..., Any], tmp_path: Path) -> None:
    assert mac("-C", tmp_path / "none", "validate").exit_code == 64
    assert mac("validate", "-C", tmp_path / "none").exit_code == 64


class Terminal:
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_whose_user_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert options.wants_color(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not options.wants_color(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not options.wants_color(Terminal())


# --- completion --------------------------------------------------------------------------------------


def test_completion_scripts_are_those_of_the_shells(run_mac: Callable[..., Ran]) -> None:
    for shell, word in (
        ("bash", "complete -o nosort"),
        ("zsh", "#compdef mac"),
        ("fish", "complete --no-files"),
    ):
        done = run_mac("completion", shell)
        assert done.returncode == 0
        assert word in done.stdout


def test_bash_completes_commands_and_options(run_mac: Callable[..., Ran]) -> None:
    def complete(words: str, index: int) -> list[str]:
        done = run_mac(env={"_MAC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(index)})
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert complete("mac in", 1) == ["init", "inventory"]
    assert "--no-git" in complete("mac init --", 2)
    assert complete("mac completion z", 2) == ["zsh"]


def test_json_of_init_is_an_object_with_its_version(mac: Callable[..., Any], tmp_path: Path) -> None:
    answer = mac("init", tmp_path / "new", "--format", "json")
    assert json.loads(answer.stdout)["schema_version"] == 1
