"""What a long run is doing, on standard error: a line that is rewritten on a terminal, plain lines else."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

_EVERY = 0.1  # seconds between two looks of the terminal's line
_ERASE = "\r\x1b[K"


def diagnostics(text: str) -> None:
    """Text for people, on standard error, with one newline at its end."""
    click.echo(text, err=True, nl=not text.endswith("\n"))


@contextmanager
def stage_progress() -> Iterator[Callable[[str, str], None]]:
    """A Progress of the pipeline. Without a terminal each stage is told once, when it begins."""
    terminal = sys.stderr.isatty()
    shown = ""
    last = 0.0

    def report(stage: str, text: str) -> None:
        nonlocal shown, last
        if terminal:
            now = time.monotonic()
            if stage == shown and now - last < _EVERY:
                return
            last = now
            line = f"{stage}: {text}" if text else stage
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"{_ERASE}{line[:width]}", err=True, nl=False)
        elif stage != shown:
            click.echo(f"mac: {stage}" + (f": {text}" if text else ""), err=True)
        shown = stage

    try:
        yield report
    finally:
        if terminal and shown:
            click.echo(_ERASE, err=True, nl=False)
