"""`mac deploy`."""

from __future__ import annotations

from pathlib import Path

import click

from mac.cli import errors, options


@click.command(epilog="Example: mac deploy --to prometheus --dry-run")
@options.root
@click.option(
    "--to",
    "names",
    metavar="NAME",
    multiple=True,
    help="Deploy to this destination of mac.yaml; may be given several times.  [default: all]",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--revision", metavar="REV", default="HEAD", show_default=True, help="Deploy what this commit has."
)
@options.output_format("text", "json")
def command(root: Path, names: tuple[str, ...], dry_run: bool, revision: str, output_format: str) -> int:
    """Bring what is committed to where it runs, and verify it.

    A destination that does not take it has back what it ran before, and the exit code is 3. A second run
    changes nothing.
    """
    from mac import delivery, deploy_report, emit
    from mac.cli import problems
    from mac.deploy_model import State

    commit, delivered = delivery.deliver(
        root,
        names=names,
        revision=revision,
        dry_run=dry_run,
        progress=lambda name: options.progress(
            f"deploying to {name}" if not dry_run else f"looking at {name}"
        ),
    )
    if output_format == "json":
        options.data(emit.json_escaped(deploy_report.as_dict(commit, delivered), pretty=True))
    else:
        options.data(deploy_report.text(commit, delivered))
    refused = [problem for one in delivered for problem in one.problems]
    if refused and output_format == "text":
        problems.show(refused, None)
    states = {one.state for one in delivered}
    if states & {State.FAILED, State.ROLLED_BACK}:
        return errors.ENVIRONMENT
    return errors.PROBLEMS if State.REFUSED in states else errors.DONE
