"""The command line. `mac --help` imports click alone: a command's module is imported when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from mac import __version__
from mac.cli.session import Session

# Name → one line of help, in the order of `mac --help`. The module is mac.cli.commands.<name>.
# A test compares each line with the command's own.
COMMANDS: dict[str, str] = {
    "init": "Make a new monitoring repository.",
    "inventory": "Read AWS and keep what was found.",
    "validate": "Check everything that is written and generated, offline.",
    "test": "Run the tests of standards and of routing.",
    "diff": "Show what `mac generate` would change.",
    "forecast": "Say how many notifications each team would get.",
    "generate": "Generate the configuration, and commit it.",
    "deploy": "Bring what is committed to where it runs, and verify it.",
    "sync": "Keep what runs in sync with what is there.",
    "drift": "Show where what runs is out of step with Git, and with what is in AWS.",
    "metrics": "Look up what exporters export.",
    "coverage": "Show which resources are watched, and which are not.",
    "explain": "Tell where an alert, a target or a line of a file comes from.",
    "packages": "Fetch the standards of others, and check them.",
    "docs": "Render the catalogue as a static site.",
    "schema": "Print the JSON Schema of a document.",
    "demo": "Run all of it on an embedded AWS.",
    "completion": "Print the completion script of a shell.",
}


class LazyGroup(click.Group):
    """A group whose commands are known by name and help before they are imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"mac.cli.commands.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"mac.cli.commands.{cmd_name}.command is not a click command")
        _accept_verbose(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _verbose(ctx: click.Context, _option: click.Parameter, given: bool) -> None:
    if given:
        ctx.ensure_object(Session).verbose = True


def _accept_verbose(command: click.Command) -> None:
    """`-v` works after the command's name too."""
    if not any(option.name == "verbose" for option in command.params):
        command.params.append(_verbose_option())
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _accept_verbose(child)


def _verbose_option() -> click.Option:
    return click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_verbose,
        help="Show what is done, and the whole traceback of an error.",
    )


@click.group(
    cls=LazyGroup,
    params=[_verbose_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 the input has problems, 2 there are changes (diff --detailed-exitcode), "
    "3 the environment failed, 64 wrong usage, 70 a bug in mac, 130 interrupted.",
)
@click.version_option(__version__, "-V", "--version", message="mac %(version)s")
@click.option(
    "-C",
    "--root",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="The monitoring repository.  [default: the nearest parent with a mac.yaml]",
)
@click.pass_context
def cli(ctx: click.Context, root: str | None) -> None:
    """Monitoring as Code: Prometheus and Alertmanager configuration that follows an AWS fleet.

    Standards, services and teams are documents in a Git repository; machines and managed services are
    read from AWS. mac binds the two, generates scrape targets, rules and routes, checks them, and commits
    them.

    Example: mac init monitoring && cd monitoring && mac inventory && mac generate --commit
    """
    ctx.ensure_object(Session).root = root


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `mac`; never returns. The one place that exits."""
    from mac.cli.errors import guarded

    sys.exit(guarded(cli, sys.argv[1:] if arguments is None else arguments))
