"""`mac deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mac import agent
    from mac.agent import Round
    from mac.deploy_model import Delivered


@click.group(invoke_without_command=True, epilog="Example: mac deploy --to prometheus --dry-run")
@options.root
@options.destinations("Deploy to")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--revision",
    metavar="REV",
    help="Deploy what this commit has.  [default: HEAD]",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Go on: follow a branch of the remote in this clone, which is for that alone, and deploy it.",
)
@click.option("--branch", metavar="NAME", default="main", show_default=True, help="With --watch: the branch.")
@click.option("--remote", default="origin", show_default=True, help="With --watch: the remote.")
@click.option(
    "--interval",
    type=click.FloatRange(1.0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="With --watch: how often to look.",
)
@click.option(
    "--allowed-signers",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --watch: deploy only commits that are signed with an SSH key of this file, in the format of "
    "ssh-keygen(1).  [default: whoever may push is trusted]",
)
@options.output_format("text", "json")
@click.pass_context
def command(
    ctx: click.Context,
    root: Path,
    names: tuple[str, ...],
    dry_run: bool,
    revision: str | None,
    watch: bool,
    branch: str,
    remote: str,
    interval: float,
    allowed_signers: Path | None,
    output_format: str,
) -> int:
    """Bring what is committed to where it runs, and verify it.

    A destination that does not take it has back what it ran before, and the exit code is 3. A second run
    changes nothing. With --watch it goes on until SIGTERM, and with --format json prints a line a round.
    """
    ctx.obj.root = str(root)
    if ctx.invoked_subcommand:
        return errors.DONE
    if watch:
        if dry_run or revision is not None:
            raise click.UsageError("--watch deploys what the branch has: leave out --dry-run and --revision")
        from mac import agent

        signers = allowed_signers.absolute() if allowed_signers else None
        _watch(agent.Watch(root, branch, remote, interval, signers, names), output_format)
        return errors.DONE
    if allowed_signers:
        raise click.UsageError("--allowed-signers needs --watch")
    from mac import delivery

    commit, delivered = delivery.deliver(
        root,
        names=names,
        revision="HEAD" if revision is None else revision,
        dry_run=dry_run,
        progress=lambda name: options.progress(f"{'looking at' if dry_run else 'deploying to'} {name}"),
    )
    _show(commit, delivered, output_format)
    return _exit_code(delivered)


@command.command("unit", epilog="Example: mac deploy unit -- --branch main > /etc/systemd/system/mac.service")
@click.argument("arguments", nargs=-1)
@click.pass_context
def unit(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Print a systemd unit that runs `mac deploy --watch` with these options."""
    from mac import delivery, deploy_unit

    root = Path(ctx.obj.root)
    delivery.followed(root)
    words = ["deploy", "--root", str(root), "--watch", *arguments]
    project = delivery.settings(root)
    options.data(deploy_unit.unit(options.program(), words, root, project, deploy_unit.DEPLOYS))


@command.command("permissions", epilog="Example: mac deploy permissions --to amp --format json")
@click.option("--to", "names", metavar="NAME", multiple=True, help="Of this destination.  [default: all]")
@options.output_format("text", "json")
@click.pass_context
def permissions(ctx: click.Context, names: tuple[str, ...], output_format: str) -> None:
    """Print the least that each destination has to allow."""
    from mac import delivery, deploy_report, emit

    found = delivery.needs(Path(ctx.obj.root), names)
    if output_format == "json":
        options.data(emit.json_escaped(deploy_report.needs_as_dict(found), pretty=True))
    else:
        options.data(deploy_report.needs_text(found))


def _show(commit: str, delivered: Sequence[Delivered], output_format: str, *, line: bool = False) -> None:
    from mac import deploy_report, emit
    from mac.cli import problems

    if output_format == "json":
        options.data(emit.json_escaped(deploy_report.as_dict(commit, delivered), pretty=not line))
        return
    options.data(deploy_report.text(commit, delivered))
    refused = [problem for one in delivered for problem in one.problems]
    if refused:
        problems.show(refused, None)


def _exit_code(delivered: Sequence[Delivered]) -> int:
    from mac.deploy_model import State

    states = {one.state for one in delivered}
    if states & {State.FAILED, State.ROLLED_BACK}:
        return errors.ENVIRONMENT
    return errors.PROBLEMS if State.REFUSED in states else errors.DONE


def _watch(watch: agent.Watch, output_format: str) -> None:
    """Until SIGTERM or ^C, which let a deployment that is under way come to its end."""
    import signal
    import sys

    from mac.agent import Agent, Stop
    from mac.deploy_model import State
    from mac.problems import ProblemsError

    stop = Stop()

    def told(done: Round) -> None:
        if done.error:
            options.progress(f"error: {done.error.message}")
            if isinstance(done.error, ProblemsError):
                from mac.cli import problems

                problems.show(done.error.problems, watch.root)
        if output_format == "json" or any(one.state is not State.UNCHANGED for one in done.delivered):
            _show(done.commit, done.delivered, output_format, line=True)
        sys.stdout.flush()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: stop.ask())
    try:
        Agent(watch, stop.waited).run(told)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
