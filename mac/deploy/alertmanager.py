"""An Alertmanager that reads alertmanager.yml from a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mac.deploy.running import Reloading

CONFIG = "alertmanager.yml"


@dataclass(frozen=True, slots=True)
class Alertmanager(Reloading):
    def faults(self, folder: Path, files: Mapping[str, bytes]) -> Iterator[str]:
        """It exports a number that stands for the text that it runs: the first 48 bits of its MD5."""
        wanted = int.from_bytes(
            hashlib.md5(files.get(CONFIG, b""), usedforsecurity=False).digest()[:6], "little"
        )
        if self.gauge("alertmanager_config_hash") != wanted:
            yield f"{self.server.url} runs another configuration than {folder / CONFIG}"
