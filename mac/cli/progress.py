"""What a long run is doing, on standard error: a line that is rewritten on a terminal, plain lines else."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

_EVERY = 0.1  # seconds between two looks of the terminal's line
_EVERY_LINE = 10.0  # seconds between two lines of one stage in a log
_ERASE = "\r\x1b[K"


def diagnostics(text: str) -> None:
    """Text for people, on standard error, with one newline at its end."""
    click.echo(text, err=True, nl=not text.endswith("\n"))


@contextmanager
def stage_progress() -> Iterator[Callable[[str, str], None]]:
    """A Progress of the pipeline, with the seconds since it began.

    Without a terminal each stage is told when it begins, and again every ten seconds while it goes on.
    """
    terminal = sys.stderr.isatty()
    began = time.monotonic()
    shown = ""
    last = 0.0

    def report(stage: str, text: str) -> None:
        nonlocal shown, last
        now = time.monotonic()
        if stage == shown and now - last < (_EVERY if terminal else _EVERY_LINE):
            return
        last = now
        line = f"{now - began:5.1f} s  {stage}" + (f": {text}" if text else "")
        if terminal:
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"{_ERASE}{line[:width]}", err=True, nl=False)
        else:
            click.echo(f"mac: {line}", err=True)
        shown = stage

    try:
        yield report
    finally:
        if terminal and shown:
            click.echo(_ERASE, err=True, nl=False)
