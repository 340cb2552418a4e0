"""The forecast's models beside the real engines, at length: how often they agree, and where they do not.

    python tests/agreement.py [SECTION…]    # prints the numbers, and writes benchmarks/results/agreement.json

Rules against promtool of three generations, routes against three Alertmanagers in time that runs faster, time
intervals against three at this moment, and what an older Alertmanager does twice a minute in real time. A run
on which the machine was too slow to keep the times says nothing; it is made again, slower.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import agreement_calendar
import agreement_routes
import agreement_states

from mac import engines

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "benchmarks/results/agreement.json"
GENERATIONS = ("sid", "trixie", "bookworm")

RULES, SCENARIOS, INTERVALS = 1000, 300, 1000
_AT_ONCE = 150  # scenarios that share an Alertmanager
_UNIT = 1.5  # seconds
_ATTEMPTS = 4
_CLEANING_UNIT, _CLEANING_HORIZON = 10.0, 22  # an older Alertmanager cleans up each 30 seconds


def engine(generation: str, tool: str) -> engines.Engine:
    program = "prometheus-alertmanager" if tool == "alertmanager" else tool
    return engines.at(tool, PROJECT / ".engines" / generation / "usr/bin" / program)


def rules(promtool: engines.Engine) -> dict[str, Any]:
    cases = [agreement_states.case(seed) for seed in range(RULES)]
    compared = 0
    said = []
    for first in range(0, RULES, 100):
        with tempfile.TemporaryDirectory() as folder:
            wrong, states = agreement_states.disagreements(cases[first : first + 100], Path(folder), promtool)
        compared += states
        said += [wrong] if wrong else []
    return {"rules": RULES, "states": compared, "disagreements": said}


def routes(alertmanager: engines.Engine, *, exact: bool = False) -> dict[str, Any]:
    agreed = model = real = repeated = episodes = 0
    differences: list[Any] = []
    for first in range(0, SCENARIOS, _AT_ONCE):
        chosen = [agreement_routes.scenario(n, exact=exact) for n in range(first, first + _AT_ONCE)]
        expected = agreement_routes.expected(chosen, alertmanager.version[:2])
        episodes += sum(len(s.episodes) for s in chosen)
        unit = _UNIT
        for attempt in range(_ATTEMPTS):
            with tempfile.TemporaryDirectory() as folder:
                found = agreement_routes.observe(chosen, alertmanager, Path(folder), unit)
            same, parted = agreement_routes.compare(expected, found.told)
            if found.late < agreement_routes.MARGIN and not parted:
                break
            repeated += attempt + 1 < _ATTEMPTS
            unit *= 1.5
        agreed, model, real = agreed + same, model + len(expected), real + len(found.told)
        differences += [_shown(difference) for difference in parted]
    return {
        "scenarios": SCENARIOS,
        "episodes": episodes,
        "notifications": {"model": model, "real": real, "agreed": agreed},
        "differences": differences,
        "runs_made_again": repeated,
    }


def boundary(alertmanager: engines.Engine) -> dict[str, Any]:
    return routes(alertmanager, exact=True)


def cleaning(alertmanager: engines.Engine) -> dict[str, Any]:
    """In real time: when an empty group is removed decides how long its next alert waits."""
    horizon, unit = _CLEANING_HORIZON, _CLEANING_UNIT
    chosen = [agreement_routes.scenario(seed, horizon) for seed in range(400)]
    with tempfile.TemporaryDirectory() as folder:
        found = agreement_routes.observe(chosen, alertmanager, Path(folder), unit, horizon)
    version = alertmanager.version[:2]
    expected = agreement_routes.expected(chosen, version, horizon, unit=unit, started=found.started)
    never = agreement_routes.expected(chosen, version, horizon)
    same, parted = agreement_routes.compare(expected, found.told)
    return {
        "scenarios": len(chosen),
        "notifications": {"model": len(expected), "real": len(found.told), "agreed": same},
        "agreed_if_nothing_were_cleaned_up": agreement_routes.compare(never, found.told)[0],
        "differences": [_shown(difference) for difference in parted],
    }


def _shown(difference: agreement_routes.Difference) -> dict[str, Any]:
    def told(found: Any) -> list[Any]:
        return [[round(at, 2), [dict(a) for a in t.firing], [dict(a) for a in t.resolved]] for at, t in found]

    return {
        "case": difference.case,
        "receiver": difference.receiver,
        "group": dict(difference.group),
        "model": told(difference.model),
        "real": told(difference.real),
    }


def intervals(alertmanager: engines.Engine) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        inside, wrong = agreement_calendar.disagreements(1, INTERVALS, alertmanager, Path(folder))
    return {"intervals": INTERVALS, "inside": inside, "disagreements": wrong}


SECTIONS: Mapping[str, tuple[str, Callable[[engines.Engine], dict[str, Any]]]] = {
    "states": ("promtool", rules),
    "intervals": ("alertmanager", intervals),
    "cleaning": ("alertmanager", cleaning),
    "notifications": ("alertmanager", routes),
    "repeats due at a flush": ("alertmanager", boundary),
}


def _kept(section: str, used: str, found: Mapping[str, Any]) -> None:
    """Beside what other sections have, which may be run at the same time."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results.setdefault(section, {})[used] = found
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the models of the forecast with the real engines.")
    parser.add_argument("section", nargs="*", choices=[[], *SECTIONS], help="all of them by default")
    chosen = parser.parse_args().section or list(SECTIONS)
    wrong = False
    for section in chosen:
        tool, compare = SECTIONS[section]
        for generation in GENERATIONS:
            used = engine(generation, tool)
            if section == "cleaning" and used.version >= (0, 29, 0):
                continue  # it removes a group with its last alert
            began = time.monotonic()
            found = compare(used)
            _kept(section, str(used), found)
            parted = found.get("disagreements", found.get("differences"))
            wrong = wrong or bool(parted)
            counts = {n: v for n, v in found.items() if n not in ("disagreements", "differences")}
            spent = time.monotonic() - began
            print(f"{spent:5.0f} s  {section}, {used}: {counts}, {len(parted)} differ", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
