"""`mac demo`."""

from __future__ import annotations

import click

from mac.cli import options


@click.command(epilog="Example: mac demo --machines 500 --keep")
@click.option("--machines", type=click.IntRange(min=1), help="How large the fleet is.  [default: 2000]")
@click.option("--seed", type=click.IntRange(min=0), help="Another fleet's identifiers.")
@click.option("--keep", is_flag=True, help="Leave the monitoring repository, and say how to go on by hand.")
@click.option("--no-engines", is_flag=True, help="Do not start Prometheus and Alertmanager.")
def command(machines: int | None, seed: int | None, keep: bool, no_engines: bool) -> None:
    """Run all of it on an embedded AWS.

    Fills an AWS in a process of its own with a data platform's fleet, makes a monitoring repository with a
    local Git remote, and runs the commands that you would: init, generate, then diff and generate once more
    after the fleet has changed. Prometheus and Alertmanager are started on the result where they are
    installed. Nothing leaves this machine, and everything that was started is ended.
    """
    from mac.demo import run

    run.demo(run.Settings(machines, seed, keep, engines=not no_engines), options.data)
