"""What must hold, and the figures that are only reported: ratios to the first generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.noise.first_generation import SHIPPED, UNGROUPED

MAC = "mac"

PAGES_PER_INCIDENT = 1.2
NOTIFICATIONS_PER_INCIDENT = 2.0
BLIND_SHARE = 0.01
ALERTS_PER_HOST = 1.0  # of the first generation, a day: more would be an unfair baseline
GOAL_HOSTS = 3000
GOAL_ALERTS, GOAL_NOTIFICATIONS = 100.0, 30.0
GOAL_PAGES, GOAL_INCIDENTS = 10, 9

Run = Mapping[str, Any]
"""One entry of `runs` in the results."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One demand, what was found, and whether it holds. `goal`: wanted, and no reason to fail."""

    name: str
    demand: str
    found: str
    holds: bool
    goal: bool = False


def gates(runs: Sequence[Run], null_recall: float) -> tuple[Gate, ...]:
    """All gates over all runs: the worst run counts. Empty when there are no runs."""
    if not runs:
        return ()
    ours = [run["configurations"][MAC] for run in runs]
    first = [run["configurations"][UNGROUPED] for run in runs]
    recall = min(c["recall"] for c in ours)
    blind = max(c["blind_share"] for c in ours)
    pages = max(_per_incident(run, MAC, "pages") for run in runs)
    said = max(_per_incident(run, MAC, "notifications") for run in runs)
    trapped = sum(c["trap_alerts"] for c in ours)
    noise = max(c["alerts"] / run["hosts"] for c, run in zip(first, runs, strict=True))
    seen = min(c["recall_when_seen"] for c in first)
    found = [
        Gate("recall", "1.0 within each incident's bound", f"{recall:.3f}", recall == 1.0),
        Gate("blind host-hours", f"at most {BLIND_SHARE:.0%}", f"{blind:.2%}", blind <= BLIND_SHARE),
        Gate(
            "pages an incident", f"at most {PAGES_PER_INCIDENT}", f"{pages:.2f}", pages <= PAGES_PER_INCIDENT
        ),
        Gate(
            "notifications an incident",
            f"at most {NOTIFICATIONS_PER_INCIDENT:g}",
            f"{said:.2f}",
            said <= NOTIFICATIONS_PER_INCIDENT,
        ),
        Gate("alerts on traps", "0", str(trapped), trapped == 0),
        Gate("recall of no configuration", "0", f"{null_recall:g}", null_recall == 0),
        Gate(
            "first generation, alerts a host and day",
            f"at most {ALERTS_PER_HOST:g}",
            f"{noise:.2f}",
            noise <= ALERTS_PER_HOST,
        ),
        Gate("first generation, recall of what it can see", "1.0", f"{seen:.3f}", seen == 1.0),
    ]
    large = [run for run in runs if run["hosts"] >= GOAL_HOSTS]
    if large:
        found += _goals(large)
    return tuple(found)


def _goals(runs: Sequence[Run]) -> list[Gate]:
    reached = ratios(runs)
    pages = max(
        run["configurations"][MAC]["pages"] * GOAL_INCIDENTS / max(run["incidents"], 1) for run in runs
    )
    return [
        Gate(
            "fewer alerts than the first generation",
            f"{GOAL_ALERTS:g}×",
            f"{reached['alerts']:.0f}×",
            reached["alerts"] >= GOAL_ALERTS,
            goal=True,
        ),
        Gate(
            "fewer notifications than with shipped grouping",
            f"{GOAL_NOTIFICATIONS:g}×",
            f"{reached['notifications_shipped_grouping']:.0f}×",
            reached["notifications_shipped_grouping"] >= GOAL_NOTIFICATIONS,
            goal=True,
        ),
        Gate(
            f"pages a day with {GOAL_INCIDENTS} incidents",
            f"at most {GOAL_PAGES}",
            f"{pages:.1f}",
            pages <= GOAL_PAGES,
            goal=True,
        ),
    ]


def _per_incident(run: Run, name: str, figure: str) -> float:
    return float(run["configurations"][name][figure]) / max(run["incidents"], 1)


def ratios(runs: Sequence[Run]) -> dict[str, float]:
    """The first generation's figures as multiples of mac's, over the sums of all runs."""

    def total(name: str, figure: str) -> float:
        return float(sum(run["configurations"][name][figure] for run in runs))

    def ratio(name: str, figure: str) -> float:
        return round(total(name, figure) / max(total(MAC, figure), 1.0), 2)

    return {
        "alerts": ratio(UNGROUPED, "alerts"),
        "notifications_shipped_grouping": ratio(SHIPPED, "notifications"),
        "notifications_ungrouped": ratio(UNGROUPED, "notifications"),
        "pages": ratio(UNGROUPED, "pages"),
        "pages_shipped_grouping": ratio(SHIPPED, "pages"),
    }
