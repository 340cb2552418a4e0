"""`mac sync`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options
from mac.cli.session import Session

if TYPE_CHECKING:
    from mac.events import Events
    from mac.sync import Sync
    from mac.sync_log import Log
    from mac.sync_metrics import Metrics
    from mac.sync_model import Round

NOWHERE = "none"


@click.group(invoke_without_command=True, epilog="Example: mac sync --interval 2m --log-format json")
@options.root
@click.option(
    "--interval",
    callback=options.duration(least=1.0),
    default="60s",
    show_default=True,
    metavar="DURATION",
    help="How often all of AWS is read.",
)
@click.option("--once", is_flag=True, help="One round, then end: 0 when nothing failed.")
@options.destinations("Deploy to")
@click.option("--no-push", is_flag=True, help="Commit, and leave the remote alone.")
@options.allow
@click.option("--engines", is_flag=True, help="Fail when promtool or amtool is missing.")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:9877",
    show_default=True,
    help=f"Where /metrics and /healthz are; {NOWHERE}: nowhere. Not with --once.",
)
@click.option(
    "--patience",
    callback=options.duration(least=1.0),
    metavar="DURATION",
    help="Without a good round for so long /healthz says 503.  [default: five intervals, at least 10m]",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How events are written to standard error, one a line.",
)
@click.pass_context
def command(
    ctx: click.Context,
    root: Path,
    interval: float,
    once: bool,
    names: tuple[str, ...],
    no_push: bool,
    allow: frozenset[str],
    engines: bool,
    listen: str,
    patience: float | None,
    log_format: str,
) -> int:
    """Keep what runs in sync with what is there.

    Reads AWS, generates, asks the guards, commits, pushes, deploys and verifies, again and again until
    SIGTERM or ^C. A round that has begun to write comes to its end first, any other is given up; a second
    signal ends it at once. What fails is told and tried again, later and later, and all else goes on.
    """
    session: Session = ctx.obj
    session.root = str(root)
    if ctx.invoked_subcommand:
        return errors.DONE
    from mac import delivery, forecasting, guards
    from mac.sync import Abandoned, Settings, Sync
    from mac.sync_log import Log
    from mac.sync_metrics import Metrics

    log = Log(options.progress, as_json=log_format == "json")
    settings = Settings(
        root,
        interval,
        push=not no_push,
        names=names,
        allow=allow,
        engines_required=engines,
        judges=() if guards.FORECAST in allow else (forecasting.by_budget(forecasting.Request(root)),),
    )
    if allow and not once:
        raise click.UsageError("--allow needs --once: a guard is opened for one round")
    if names:
        delivery.chosen_from(delivery.settings(root), names)  # a wrong name is told before anything begins
    if once:
        sync = Sync(settings, progress=_progress(log, session.verbose))
        with _ended_by_signals(sync, log):
            try:
                done = sync.round()
            except Abandoned:
                return errors.INTERRUPTED
        log.round(done)
        return _exit_code(done)
    events = _events(root, log)
    sync = Sync(settings, events, _progress(log, session.verbose))
    metrics = Metrics(interval, max(5 * interval, 600.0) if patience is None else patience)

    def told(done: Round) -> None:
        metrics.note(done)
        log.round(done)

    with _listening(listen, metrics, events, log), _ended_by_signals(sync, log):
        log.event("start", root=str(root), interval=interval)
        sync.run(told)
        log.event("end")
    return errors.DONE


@command.command(
    "unit", epilog="Example: mac sync unit -- --interval 2m > /etc/systemd/system/mac-sync.service"
)
@click.argument("arguments", nargs=-1)
@click.pass_context
def unit(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Print a systemd unit that runs `mac sync` with these options."""
    from mac import delivery, deploy_unit

    root = Path(ctx.obj.root)
    words = ["sync", "--root", str(root), *arguments]
    options.data(deploy_unit.unit(options.program(), words, root, delivery.settings(root), deploy_unit.SYNCS))


@command.command(
    "cloudformation", epilog="Example: mac sync cloudformation --form spoke > mac-events-spoke.template.json"
)
@click.option(
    "--form",
    type=click.Choice(["hub", "spoke"]),
    default="hub",
    show_default=True,
    help="The queue that mac reads, with its rules; or what forwards to it from another account or region, "
    "for a stack set.",
)
@click.pass_context
def cloudformation(ctx: click.Context, form: str) -> None:
    """Print the CloudFormation template of what fills the event queue."""
    from mac import config_aggregator, emit, event_stacks, pipeline

    config = pipeline.load(Path(ctx.obj.root)).inventory
    kinds = [kind.name for kind in config_aggregator.asked(config)[0]]
    if not event_stacks.patterns(kinds):
        raise click.UsageError("AWS sends no events about any kind that this inventory reads")
    accounts = [account.id for account in config.accounts]
    alone = len(accounts) == 1 and len(config.regions) == 1
    template = (
        event_stacks.spoke(kinds)
        if form == "spoke"
        else event_stacks.hub(
            kinds, accounts=() if alone else accounts, organization=config.organization is not None
        )
    )
    options.data(emit.json_pretty(template).decode())


@command.command("iam-policy", epilog="Example: mac sync iam-policy > mac-events-reader.json")
@click.pass_context
def iam_policy(ctx: click.Context) -> None:
    """Print the least-privilege IAM policy for reading the event queue."""
    from mac import emit, event_stacks, standards

    queue = standards.settings(Path(ctx.obj.root)).events
    if queue is None:
        raise click.UsageError("mac.yaml names no queue (spec.sync.events.queue)")
    options.data(emit.json_pretty(event_stacks.reader(queue.arn)).decode())


def _events(root: Path, log: Log) -> Events | None:
    """What tells of changes before the next full reading, if mac.yaml names it."""
    from mac import standards

    queue = standards.settings(root).events
    if queue is None:
        return None
    from mac.events import Events
    from mac.sqs import Queue

    return Events(Queue(queue), lambda sentence: log.event("events", message=sentence))


def _progress(log: Log, verbose: bool) -> Callable[[str, str], None]:
    def told(stage: str, text: str) -> None:
        if verbose:
            log.event("stage", stage=stage, doing=text)

    return told


def _exit_code(done: Round) -> int:
    from mac.problems import MacError

    for failure in done.failures:
        if not isinstance(failure.error, MacError):
            raise failure.error
    codes = [f.error.exit_code for f in done.failures if isinstance(f.error, MacError)]
    return max(codes, default=errors.DONE)


@contextmanager
def _listening(where: str, metrics: Metrics, events: Events | None, log: Log) -> Iterator[None]:
    if where == NOWHERE:
        yield
        return
    from mac import exposition
    from mac.sync_server import listening

    def page() -> str:
        return metrics.page() + (exposition.text(events.families()) if events else "")

    host, _, port = where.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise click.UsageError(f"--listen {where}: it is HOST:PORT, such as 127.0.0.1:9877")
    with listening(host.strip("[]"), int(port), page, metrics.healthy) as address:
        log.event("listening", address=address)
        yield


@contextmanager
def _ended_by_signals(sync: Sync, log: Log) -> Iterator[None]:
    """The first SIGTERM or ^C stops the loop, the second ends it where it is."""
    import signal

    asked = False

    def stop(number: int, _frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        sync.stop()
        with suppress(RuntimeError):  # this thread was writing to the log itself
            log.event("stopping", signal=signal.Signals(number).name)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
