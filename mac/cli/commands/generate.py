"""`mac generate`."""

from __future__ import annotations

from pathlib import Path

import click

from mac.cli import options, progress


@click.command(epilog="Example: mac generate --snapshot inventory/snapshot --output /tmp/look --format json")
@options.root
@click.option(
    "--snapshot",
    metavar="PATH|REV[:PATH]",
    help="Use this snapshot (a file, a folder, or one in a Git revision) instead of asking AWS.",
)
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write.  [default: `output` in mac.yaml, the repository itself]",
)
@click.option("--commit", is_flag=True, help="Commit what was generated, and nothing else.")
@click.option("--push", is_flag=True, help="Push the commit; needs --commit.")
@click.option("--branch", metavar="NAME", default="", help="Commit to this branch, made when it is new.")
@click.option("--remote", default="origin", show_default=True, help="Where to push to.")
@click.option("--allow-shrink", is_flag=True, help="Allow removals beyond the guard, this once.")
@click.option("--allow-empty", is_flag=True, help="Allow that nothing is bound, this once.")
@click.option("--engines", is_flag=True, help="Fail when promtool or amtool is missing.")
@options.output_format("text", "json")
def command(
    root: Path,
    snapshot: str | None,
    output: Path | None,
    commit: bool,
    push: bool,
    branch: str,
    remote: str,
    allow_shrink: bool,
    allow_empty: bool,
    engines: bool,
    output_format: str,
) -> None:
    """Generate the configuration, and commit it."""
    from mac import emit, pipeline, snapshot_source, summary
    from mac.cli import problems

    request = pipeline.Request(
        root=root,
        snapshot=snapshot_source.locate(snapshot) if snapshot else None,
        output=output.absolute() if output else None,
        commit=commit,
        push=push,
        branch=branch,
        remote=remote,
        allow_shrink=allow_shrink,
        allow_empty=allow_empty,
        engines_required=engines,
    )
    with progress.stage_progress() as report_progress:
        outcome = pipeline.generate(request, report_progress)
    if output_format == "json":
        options.data(emit.json_pretty(summary.as_dict(outcome)).decode())
        return
    if outcome.built.problems:
        problems.show(outcome.built.problems, root)
    options.data(summary.as_text(outcome))
