"""The one place where a failure becomes a message on standard error and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TextIO

import click

from mac.cli.session import Session

DONE = 0
PROBLEMS = 1
CHANGES = 2  # only from `mac diff --detailed-exitcode`
ENVIRONMENT = 3
USAGE = 64
BUG = 70
INTERRUPTED = 130
CLOSED_PIPE = 128 + signal.SIGPIPE  # as a program that the signal ends: `mac diff | head` is no failure


def guarded(command: click.Command, arguments: Sequence[str]) -> int:
    """Run a click command to its exit code. Whatever it raises is told on standard error; nothing escapes.

    SIGTERM, and a terminal that goes, end it as ^C does, so that what it started is ended too.
    """
    _open_closed_streams()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)
    session = Session()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What AWS or a file system holds may be no text; it is shown as it can be.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            code = _run(command, arguments, session)
            sys.stdout.flush()
        except (KeyboardInterrupt, click.exceptions.Abort):
            _say("interrupted")
            code = INTERRUPTED
        except Exception as error:
            if isinstance(error, BrokenPipeError) and _nobody_reads():
                raise
            code = _explain(error, session)
            _give_up_what_cannot_be_written()
    except BrokenPipeError:
        _to_nowhere(sys.stdout, sys.stderr)
        return CLOSED_PIPE
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code


def _give_up_what_cannot_be_written() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _to_nowhere(sys.stdout)


def _to_nowhere(*streams: TextIO) -> None:
    """Keeps Python from flushing once more when it ends: some versions exit with 120 when that fails."""
    for stream in streams:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_closed_streams() -> None:
    """Whoever closed a standard stream (`mac … >&-`) wants nothing of it; a file that is opened later, such
    as a lock, must not get its number, or what programs print would end there.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  for as long as we run
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _run(command: click.Command, arguments: Sequence[str], session: Session) -> int:
    color = False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None
    try:
        answer = command.main(
            list(arguments), prog_name="mac", standalone_mode=False, obj=session, color=color
        )
    except SystemExit as error:
        # click itself makes this of a closed pipe, and of a completion that it has answered.
        if _nobody_reads():
            raise BrokenPipeError from error
        raise
    except click.ClickException as error:
        # Wrong usage, a file that click was to open included.
        error.show()
        return USAGE
    return answer if isinstance(answer, int) else DONE


def _explain(error: Exception, session: Session) -> int:
    from mac.problems import MacError, ProblemsError

    if isinstance(error, ProblemsError):
        from mac.cli.problems import report_as_asked

        report_as_asked(error.problems, session)
        return error.exit_code
    if isinstance(error, MacError):
        _say(error.message, error.hint)
        code = error.exit_code
    elif isinstance(error, OSError) and error.errno is not None:
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))
        code = ENVIRONMENT
    else:
        _report_bug(error, session)
        return BUG
    if session.verbose:
        _traceback(error)
    return code


def _report_bug(error: Exception, session: Session) -> None:
    import tempfile
    import traceback

    name = f"{type(error).__name__}: {error}".split("\n", 1)[0]
    if session.verbose:
        _traceback(error)
        _say(f"this is a bug in mac: {name}")
        return
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="mac-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as report:
            report.writelines(traceback.format_exception(error))
        hint = f"please report it with {report.name}"
    except OSError:
        hint = "please report it with what `mac -v` prints"
    _say(f"this is a bug in mac: {name}", hint)


def _traceback(error: Exception) -> None:
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)


def _say(message: str, hint: str = "") -> None:
    from mac.cli.options import wants_color

    color = wants_color(sys.stderr)
    click.echo(f"{click.style('error', fg='red', bold=True)}: {message}", err=True, color=color)
    if hint:
        click.echo(f"{click.style('hint', fg='cyan', bold=True)}: {hint}", err=True, color=color)


def _nobody_reads() -> bool:
    """Whether it was our own output whose reader has gone, and not some connection of the command's."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a stream that is closed, or no file
            poll.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
