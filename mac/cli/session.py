"""What the options before the command's name said, for the command and for the error report."""

from __future__ import annotations


class Session:
    """One call of `mac`. `root` is as the user wrote it, or None."""

    def __init__(self) -> None:
        self.verbose = False
        self.root: str | None = None
