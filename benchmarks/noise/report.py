"""The benchmark's results as JSON, as text, and as the tables and pictures of docs/noise.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.noise import gates, incidents, pictures
from benchmarks.noise.configurations import PROJECT
from benchmarks.noise.first_generation import SHIPPED, UNGROUPED
from benchmarks.noise.gates import MAC
from mac import summary

PAGE = PROJECT / "docs/noise.md"
BARS = PROJECT / "docs/images/noise-alerts.svg"
NAMES = (UNGROUPED, SHIPPED, MAC)

_FIGURES = ("alerts", "notifications", "pages", "recall", "late", "blind_share", "trap_alerts", "precision")
_TITLES = ("ALERTS", "NOTIFICATIONS", "PAGES", "RECALL", "LATE", "BLIND", "ON TRAPS", "PRECISION")

Run = Mapping[str, Any]
Results = Mapping[str, Any]


def results(runs: Sequence[Run], null_recall: float, further: Mapping[str, Any]) -> dict[str, Any]:
    """What benchmarks/results/noise.json holds. `ratios` are those of the largest fleet that was run.

    `further`: "ablation" and "confirmed", if there is any.
    """
    sizes = sorted({run["hosts"] for run in runs})
    found = {
        "runs": list(runs),
        "ratios": gates.ratios([run for run in runs if run["hosts"] == sizes[-1]]) if runs else {},
        "ratios_by_hosts": {str(n): gates.ratios([r for r in runs if r["hosts"] == n]) for n in sizes},
        "null_recall": null_recall,
        "gates": [
            {"name": g.name, "demand": g.demand, "found": g.found, "holds": g.holds, "goal": g.goal}
            for g in gates.gates(runs, null_recall)
        ],
    }
    return {**found, **further}


# --- on the terminal ---------------------------------------------------------------------------------


def lines(run: Run) -> str:
    """One run: a line for each configuration, and what was not told in time, or falsely."""
    head = f"{run['hosts']} hosts, seed {run['seed']}, kinds {_kinds(run)}, {run['incidents']} incidents"
    rows = [("", *_TITLES)] + [(name, *_row(run["configurations"][name])) for name in NAMES]
    text = f"{head}\n{summary.table(rows)}"
    for name, told in run["told"].items():
        for kind, found in told.items():
            if not found["in_time"]:
                after = "never" if found["after"] is None else f"after {found['after']} s by {found['by']}"
                text += f"  {name}: {kind} is told {after}, bound {found['bound']} s\n"
    false = run["false_by_alert"].get(MAC, {})
    return text + "".join(f"  mac, false: {count} × {alert}\n" for alert, count in false.items())


def _kinds(run: Run) -> str:
    """The set of kinds, which the seed tells."""
    return incidents.label(run["split"], incidents.set_of(run["split"], run["seed"]))


def gate_table(found: Results) -> str:
    rows = [("GATE", "DEMAND", "FOUND", "")]
    rows += [(g["name"], g["demand"], g["found"], _verdict(g)) for g in found["gates"]]
    return summary.table(rows)


def ablation_table(ablation: Mapping[str, Any]) -> str:
    rows = [("", *_TITLES)]
    rows += [(name, *_row(figures)) for name, figures in ablation["configurations"].items()]
    return summary.table(rows)


def _verdict(gate: Mapping[str, Any]) -> str:
    if gate["holds"]:
        return "reached" if gate["goal"] else "pass"
    return "not reached" if gate["goal"] else "FAIL"


def _row(figures: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_shown(name, figures[name]) for name in _FIGURES)


def _shown(name: str, value: float) -> str:
    if name in ("recall", "precision"):
        return f"{value:.2f}"
    return f"{value:.2%}" if name == "blind_share" else f"{value:,}"


# --- docs/noise.md -----------------------------------------------------------------------------------


def write(found: Results) -> None:
    """Puts the tables between their marks in docs/noise.md, and draws the bars."""
    text = PAGE.read_text(encoding="utf-8")
    parts = {
        "runs": _markdown(
            ("Hosts", "Kinds", "Seed", "Incidents", "", *(t.capitalize() for t in _TITLES)), _runs(found)
        ),
        "ratios": _markdown(("Hosts", "Alerts", "Notifications, shipped grouping", "Pages"), _ratios(found)),
        "gates": _markdown(("Gate", "Demand", "Found", ""), _gates(found)),
    }
    if "ablation" in found:
        parts["ablation"] = _markdown(("", *(t.capitalize() for t in _TITLES)), _ablation(found["ablation"]))
    if "confirmed" in found:
        head = ("", "Firing: model", "real", "Only resolved: model", "real")
        parts["confirmed"] = _markdown(head, _confirmed(found["confirmed"]))
    for name, table in parts.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
        text = re.sub(pattern, lambda m, t=table: f"{m[1]}{t}{m[2]}", text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")
    BARS.parent.mkdir(parents=True, exist_ok=True)
    BARS.write_text(_bars(found["runs"]), encoding="utf-8")


def _runs(found: Results) -> Iterable[Sequence[str]]:
    for run in found["runs"]:
        for name in NAMES:
            first = name == NAMES[0]
            head = (f"{run['hosts']:,}", _kinds(run), str(run["seed"]), str(run["incidents"]))
            yield (*(head if first else ("", "", "", "")), name, *_row(run["configurations"][name]))


def _ratios(found: Results) -> Iterable[Sequence[str]]:
    for hosts, ratio in found["ratios_by_hosts"].items():
        figures = ("alerts", "notifications_shipped_grouping", "pages")
        yield (f"{int(hosts):,}", *(f"{ratio[figure]:.0f}×" for figure in figures))


def _gates(found: Results) -> Iterable[Sequence[str]]:
    return ((g["name"], g["demand"], g["found"], _verdict(g).lower()) for g in found["gates"])


def _ablation(ablation: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    return ((name, *_row(figures)) for name, figures in ablation["configurations"].items())


def _confirmed(confirmed: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    for name, counts in confirmed.items():
        yield (name, *(str(count) for kind in ("firing", "resolved") for count in counts[kind]))


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    listed = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in listed)


def _bars(runs: Sequence[Run]) -> str:
    groups: dict[str, list[tuple[str, float]]] = {}
    for hosts in sorted({run["hosts"] for run in runs}):
        own = [run for run in runs if run["hosts"] == hosts]

        def mean(name: str, figure: str, own: Sequence[Run] = own) -> float:
            return float(sum(run["configurations"][name][figure] for run in own)) / len(own)

        groups[f"{hosts:,} hosts: alerts"] = [(name, mean(name, "alerts")) for name in NAMES]
        groups[f"{hosts:,} hosts: notifications"] = [(name, mean(name, "notifications")) for name in NAMES]
    return pictures.bars("What is said on an average day", "a day", groups)
