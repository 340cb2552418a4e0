"""`mac generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import options, progress
from mac.cli.session import Session

if TYPE_CHECKING:
    from mac.snapshot_source import Source


@click.command(epilog="Example: mac generate --snapshot inventory/snapshot --output /tmp/look --format json")
@options.root
@options.snapshot
@options.output("Where to write.")
@click.option("--commit", is_flag=True, help="Commit what was generated, and nothing else.")
@click.option("--push", is_flag=True, help="Push the commit; needs --commit.")
@click.option(
    "--branch",
    metavar="NAME",
    default="",
    help="Commit to this branch, apart from the work tree; made when it is new.",
)
@click.option(
    "--pull-request", is_flag=True, help="Propose the branch at git.pull_requests of mac.yaml; needs --push."
)
@click.option("--remote", default="", help="Where to push to.  [default: git.remote in mac.yaml, origin]")
@options.allow
@click.option("--allow-shrink", is_flag=True, help="Allow removals beyond the guards, this once.")
@click.option("--allow-empty", is_flag=True, help="Allow that nothing is bound, this once.")
@click.option(
    "--allow-stale",
    is_flag=True,
    help="Allow that AWS answered nothing: generate from what was known before, this once.",
)
@click.option("--engines", is_flag=True, help="Fail when promtool or amtool is missing.")
@options.output_format("text", "json")
@click.pass_obj
def command(
    session: Session,
    root: Path,
    snapshot: Source | None,
    output: Path | None,
    commit: bool,
    push: bool,
    branch: str,
    pull_request: bool,
    remote: str,
    allow: frozenset[str],
    allow_shrink: bool,
    allow_empty: bool,
    allow_stale: bool,
    engines: bool,
    output_format: str,
) -> None:
    """Generate the configuration, and commit it."""
    from mac import emit, forecasting, generating, guards, run, summary
    from mac.cli import problems

    allow |= guards.named(shrink=allow_shrink, empty=allow_empty, stale=allow_stale)
    request = run.Request(
        root=root,
        snapshot=snapshot,
        output=output,
        commit=commit,
        push=push,
        branch=branch,
        pull_request=pull_request,
        remote=remote,
        allow=allow,
        engines_required=engines,
        judges=() if guards.FORECAST in allow else (forecasting.by_budget(forecasting.Request(root)),),
    )
    with progress.stage_progress() as report_progress:
        outcome = generating.generate(request, report_progress)
    if output_format == "json":
        options.data(emit.json_pretty(summary.as_dict(outcome)).decode())
        return
    if outcome.built.problems:
        problems.show(outcome.built.problems, root, every=session.verbose)
    options.data(summary.as_text(outcome))
