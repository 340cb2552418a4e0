"""Targets over time: what a Prometheus was told to scrape, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One target of one job, as one Prometheus has it from `start` (inclusive) until `end`, Unix seconds.

    `labels`: those of its target group, sorted; `job` and `instance` (the address) come on top.
    """

    job: str
    address: str
    labels: Labels
    start: float
    end: float


Key = tuple[str, str, Labels]


def in_groups(job: str, groups: Iterable[Mapping[str, Any]]) -> set[Key]:
    """(job, address, labels) of all targets in a file for file-based discovery."""
    return {
        (job, address, tuple(sorted(group.get("labels", {}).items())))
        for group in groups
        for address in group["targets"]
    }


class Presence:
    """Collects states of a target list into targets with a beginning and an end."""

    def __init__(self) -> None:
        self._since: dict[Key, float] = {}
        self._ended: list[Target] = []

    def replace(self, at: float, now: set[Key]) -> None:
        """From `at` on the list is `now`. Times must not run backwards."""
        for key in [key for key in self._since if key not in now]:
            since = self._since.pop(key)
            if since < at:
                self._ended.append(Target(*key, since, at))
        for key in now:
            self._since.setdefault(key, at)

    def until(self, end: float) -> tuple[Target, ...]:
        """All targets, those that are still there with `end`, sorted."""
        present = [Target(*key, since, end) for key, since in self._since.items() if since < end]
        return tuple(sorted([*self._ended, *present]))
