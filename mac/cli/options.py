"""Options and output that several commands share.

@click.command()
@options.root
@options.output_format("text", "json", "github")
def command(root: Path, output_format: str) -> None: ...
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mac.cli.session import Session

if TYPE_CHECKING:
    from mac.snapshot_source import Source

F = TypeVar("F", bound=Callable[..., Any])

PROJECT_FILE = "mac.yaml"


def root(function: F) -> F:
    """Gives the command `root: Path`, the monitoring repository, absolute.

    From -C/--root after the command's name, else before it, else the nearest parent with a mac.yaml.
    When there is none the command ends with a file-missing problem.
    """
    return click.option(
        "-C",
        "--root",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False),
        callback=_find_root,
        help="The monitoring repository.  [default: the nearest parent with a mac.yaml]",
    )(function)


def snapshot(function: F) -> F:
    """Gives the command `snapshot: Source | None`, of mac.snapshot_source."""
    return click.option(
        "--snapshot",
        metavar="PATH|REV[:PATH]",
        callback=_located,
        help="Use this snapshot (a file, a folder, or one in a Git revision) instead of asking AWS.",
    )(function)


def kept_snapshot(function: F) -> F:
    """Gives the command `snapshot: Source | None`, for a command that never asks AWS."""
    return click.option(
        "--snapshot",
        metavar="PATH|REV[:PATH]",
        callback=_located,
        help="Look at this snapshot: a file, a folder, or one in a Git revision.  [default: the one that the "
        "repository keeps]",
    )(function)


def output(meaning: str) -> Callable[[F], F]:
    """Gives the command `output: Path | None`, absolute. `meaning`: what the folder is to it."""
    return click.option(
        "--output",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        callback=_absolute,
        help=f"{meaning}  [default: `output` in mac.yaml, the repository itself]",
    )


def destinations(meaning: str) -> Callable[[F], F]:
    """Gives the command `names: tuple[str, ...]`, of destinations. `meaning`: what is done with each."""
    return click.option(
        "--to",
        "names",
        metavar="NAME",
        multiple=True,
        help=f"{meaning} this destination of mac.yaml; may be given several times.  [default: all]",
    )


def allow(function: F) -> F:
    """Gives the command `allow: frozenset[str]`, the names of guards that are open for this run."""
    return click.option(
        "--allow",
        metavar="GUARD",
        multiple=True,
        callback=_guards,
        help="Open a guard, this once; may be given several times. docs/operations.md lists them.",
    )(function)


def output_format(*formats: str) -> Callable[[F], F]:
    """Gives the command `output_format: str`, one of `formats`; the first is the default."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        is_eager=True,  # before an option that may have a problem to report
        callback=_remember_format,
        help="How to report.",
    )


def repository_or_here(ctx: click.Context) -> Path:
    """The monitoring repository for a command that does without one as well: then the current directory."""
    start = start_directory(ctx)
    return next((d for d in (start, *start.parents) if os.path.lexists(d / PROJECT_FILE)), start)


def start_directory(ctx: click.Context) -> Path:
    """Where a command that needs no repository works: -C before its name, else the current directory."""
    return Path(ctx.ensure_object(Session).root or ".").absolute()


def program() -> Path:
    """Where this `mac` is, for a unit that starts it."""
    import shutil

    own = shutil.which("mac", path=str(Path(sys.executable).parent))
    return Path(own or shutil.which("mac") or sys.argv[0]).absolute()


def duration(least: float = 0.0) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """A callback for durations as Prometheus writes them, such as 90s or 5m: gives seconds. A plain number is
    one of seconds.
    """

    def convert(_ctx: click.Context, _option: click.Parameter, text: str | None) -> float | None:
        from mac import durations

        if text is None:
            return None
        seconds = durations.seconds(f"{text}s" if text.isdigit() else text)
        if seconds is None:
            raise click.BadParameter(f"{text!r} is no duration such as 90s or 5m")
        if seconds < least:
            raise click.BadParameter(f"{text} is less than {least:g} seconds")
        return seconds

    return convert


def wants_color(stream: Any) -> bool:
    """Whether `stream` is a terminal whose user has not asked for plain text (NO_COLOR, TERM=dumb)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(stream.isatty())


def progress(message: str) -> None:
    """One line about what is going on, on standard error."""
    click.echo(message, err=True)


def note_if_verbose(message: str) -> None:
    """A line on standard error, only with -v."""
    ctx = click.get_current_context(silent=True)
    if ctx is not None and ctx.ensure_object(Session).verbose:
        click.echo(message, err=True)


def data(text: str) -> None:
    """What was asked for, on standard output, with one newline at its end."""
    click.echo(text, nl=not text.endswith("\n"), color=wants_color(sys.stdout))


def _remember_format(ctx: click.Context, _option: click.Parameter, chosen: str) -> str:
    ctx.ensure_object(Session).output_format = chosen
    return chosen


def _absolute(_ctx: click.Context, _option: click.Parameter, given: Path | None) -> Path | None:
    return given.absolute() if given else None


def _guards(_ctx: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> frozenset[str]:
    if not given:
        return frozenset()
    from mac import guards
    from mac.problems import did_you_mean

    for name in given:
        if name not in guards.NAMES:
            raise click.BadParameter(f'there is no guard "{name}"; {did_you_mean(name, guards.NAMES)}')
    return frozenset(given)


def _located(_ctx: click.Context, _option: click.Parameter, given: str | None) -> Source | None:
    from mac import snapshot_source

    return None if given is None else snapshot_source.locate(given)


def _find_root(ctx: click.Context, _option: click.Parameter, given: str | None) -> Path:
    session = ctx.ensure_object(Session)
    session.repository = _repository(ctx, given or session.root)
    return session.repository


def _repository(ctx: click.Context, named: str | None) -> Path:
    if ctx.resilient_parsing:
        return Path(named or ".")
    if named is not None:
        directory = Path(named).absolute()
        if not os.path.lexists(directory / PROJECT_FILE):
            raise _no_project(directory, f"{named} has no {PROJECT_FILE}")
        return directory
    here = Path.cwd()
    for directory in (here, *here.parents):
        # What is no file is told with the documents.
        if os.path.lexists(directory / PROJECT_FILE):
            return directory
    raise _no_project(here, f"neither {here} nor a folder above it has a {PROJECT_FILE}")


def _no_project(directory: Path, message: str) -> Exception:
    from mac.problems import Location, Problem, ProblemsError

    hint = "mac init makes a monitoring repository; -C DIR names one that is elsewhere"
    return ProblemsError([Problem(Location(str(directory / PROJECT_FILE)), "file-missing", message, hint)])
