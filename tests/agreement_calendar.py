"""Time intervals beside a real Alertmanager's: which of many random ones it is in at this moment.

Each interval is the active time of a route of its own, and each route gets an alert: who is told says which
intervals contain the moment.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from webhook import Webhook

from mac import engines, servers
from mac.forecast.calendar import read_interval

_ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kolkata", "Asia/Tokyo"),
    *("Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Honolulu", "Africa/Johannesburg"),
)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_SLACK = 20  # seconds in which the run has to come to its end


def interval(dice: random.Random) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if dice.random() < 0.7:
        entry["location"] = dice.choice(_ZONES)
    if dice.random() < 0.6:
        entry["times"] = [_times(dice) for _ in range(dice.randrange(1, 4))]
    if dice.random() < 0.5:
        entry["weekdays"] = [_range(dice, list(_DAYS)) for _ in range(dice.randrange(1, 4))]
    if dice.random() < 0.5:
        entry["days_of_month"] = [_days(dice) for _ in range(dice.randrange(1, 4))]
    if dice.random() < 0.3:
        names = list(_MONTHS) if dice.random() < 0.5 else [str(n) for n in range(1, 13)]
        entry["months"] = [_range(dice, names) for _ in range(dice.randrange(1, 4))]
    if dice.random() < 0.2:
        entry["years"] = [_range(dice, [str(year) for year in range(2020, 2036)])]
    return entry


def _times(dice: random.Random) -> dict[str, str]:
    first, last = sorted(dice.sample(range(24 * 60 + 1), 2))
    return {
        "start_time": f"{first // 60:02}:{first % 60:02}",
        "end_time": f"{last // 60:02}:{last % 60:02}",
    }


def _range(dice: random.Random, names: Sequence[str]) -> str:
    first, last = sorted(dice.choices(range(len(names)), k=2))
    return names[first] if first == last else f"{names[first]}:{names[last]}"


def _days(dice: random.Random) -> str:
    """From the end of the month only where it is so for its whole length, as Alertmanager demands."""
    first, last = sorted(dice.choices(range(1, 29), k=2))
    if dice.random() < 0.5:
        return f"{first}:{last + dice.randrange(4)}"
    return f"{-last}:{-first}" if dice.random() < 0.5 else f"{min(first, 27)}:-1"


def disagreements(seed: int, number: int, engine: engines.Engine, folder: Path) -> tuple[int, list[Any]]:
    """How many intervals contain this moment, and those of which a real Alertmanager says otherwise."""
    dice = random.Random(seed)
    entries = [interval(dice) for _ in range(number)]
    # Not at a minute at which one of them begins or ends while the others are told.
    begin = time.time()
    if int(begin // 60) != int((begin + _SLACK) // 60):
        time.sleep(60 - begin % 60)
    inside = {n for n, entry in enumerate(entries) if read_interval(entry).contains(time.time())}
    last = str(number)
    with Webhook() as webhook:
        [receiver] = webhook.instead_of([{"name": "told"}])
        route = {"group_by": ["n"], "group_wait": "0s", "group_interval": "1m"}
        config = {
            "route": {
                "receiver": "told",
                **route,
                "routes": [
                    {"matchers": [f'n="{n}"'], "active_time_intervals": [f"i{n}"]} for n in range(number)
                ],
            },
            "receivers": [receiver],
            "time_intervals": [
                {"name": f"i{n}", "time_intervals": [entry]} for n, entry in enumerate(entries)
            ],
        }
        path = folder / "alertmanager.yml"
        path.write_text(json.dumps(config))
        with servers.alertmanager(path, engine=engine) as api:
            api.post([{"labels": {"alertname": "A", "n": str(n)}} for n in range(number)])
            expected = {str(n) for n in inside}
            webhook.wait_until(lambda heard: expected <= {n.group["n"] for n in heard})
            # Whoever is told of this one was told of the others before.
            api.post([{"labels": {"alertname": "A", "n": last}}])
            webhook.wait_until(lambda heard: last in {n.group["n"] for n in heard})
            told = {int(n.group["n"]) for n in webhook.all()} - {number}
    return len(inside), [(entries[n], n in told) for n in sorted(inside ^ told)]
