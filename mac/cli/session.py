"""What the options before the command's name said, for the command and for the error report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Session:
    """One call of `mac`.

    `root` is -C before the command's name, as the user wrote it; `repository` what was found to be the
    monitoring repository, for commands that need one. `output_format`: --format, "" where there is none.
    """

    def __init__(self) -> None:
        self.verbose = False
        self.root: str | None = None
        self.repository: Path | None = None
        self.output_format = ""
