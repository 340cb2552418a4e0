"""`mac init`."""

from __future__ import annotations

from pathlib import Path

import click

from mac.cli import options


@click.command(epilog="Example: mac init monitoring && cd monitoring && mac validate")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the files of mac's own that are there and differ.")
@click.option("--no-git", is_flag=True, help="Do not make a Git repository.")
@options.output_format("text", "json")
@click.pass_context
def command(
    ctx: click.Context, directory: Path | None, force: bool, no_git: bool, output_format: str
) -> None:
    """Make a new monitoring repository.

    In DIR, which is made when it is missing; else in the current directory. Nothing that is there already
    is changed: where a file of mac's own would go, another one is a problem; README, workflow and pre-commit
    configuration stay as they are. Makes a Git repository, unless DIR is in one.
    """
    import json

    from mac import init
    from mac.problems import ProblemsError

    target = options.start_directory(ctx) / (directory or ".")
    scaffold, problems = init.write(target, force=force)
    if scaffold is None:
        raise ProblemsError(problems)
    made_git = False if no_git else init.make_git(target)
    if output_format == "json":
        answer = {
            "schema_version": 1,
            "written": scaffold.written,
            "unchanged": scaffold.unchanged,
            "kept": scaffold.kept,
            "git_repository_made": made_git,
        }
        options.data(json.dumps(answer, indent=2))
        return
    for path in scaffold.kept:
        options.progress(f"kept {path}, which was there already")
    for path in scaffold.written:
        options.note_if_verbose(f"wrote {path}")
    options.data(f"{len(scaffold.written)} files written to {target}")
    options.progress(_NEXT)


_NEXT = """
Next:
  inventory/aws.yaml          say which accounts and regions you have
  mac inventory               read AWS
  mac.yaml                    say how your tags are called
  standards/services, teams   replace ours by yours
  mac validate                check what you wrote
  mac diff                    look at what would be generated
  git add -A && git commit    keep what you wrote
  mac generate --commit       generate, and commit that"""
