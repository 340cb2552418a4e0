"""Several Prometheus with the same files but one: each gets its own configuration by the usual name."""

from __future__ import annotations

from collections.abc import Mapping

from mac import conventions


def own(files: Mapping[str, bytes], cell: str, replica: str) -> dict[str, bytes]:
    """The files of one replica, of those of its cell. Paths begin below the cell's folder."""
    found = {}
    mine = conventions.prometheus_name(replica)
    for path, content in files.items():
        if path == mine:
            found[conventions.prometheus_name()] = content
        elif not conventions.is_prometheus_file(f"cells/{cell}/{path}"):
            found[path] = content
    return found
