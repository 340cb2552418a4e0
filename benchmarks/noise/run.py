"""The noise benchmark.

    make bench-noise
    make bench-noise BENCH="--hosts 146,700,3000 --seeds 1,2,3"

For each size, seed and split of incident kinds: builds a world, lets the first generation and mac watch it,
and prints what each said. Writes benchmarks/results/noise.json; with --docs the tables and pictures of
docs/noise.md as well. Exits with 1 when a gate does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.noise import configurations, confirm, first_generation, gates, pictures, report, score
from benchmarks.noise.configurations import Configuration
from benchmarks.noise.evaluate import evaluate, notifications
from benchmarks.noise.first_generation import SHIPPED, UNGROUPED
from benchmarks.noise.history import History
from benchmarks.noise.incidents import SEEDS, SPLITS
from benchmarks.noise.scene import Scene
from mac import emit
from mac.forecast.model import Episode, Notification

RESULTS = configurations.PROJECT / "benchmarks/results/noise.json"
PICTURES = configurations.PROJECT / "docs/images"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one configuration said in one world. `seen`: kinds of incidents that its targets could show."""

    configuration: Configuration
    score: score.Score
    seen: frozenset[str]
    episodes: tuple[Episode, ...]
    notifications: tuple[Notification, ...]
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that engines and folders do not stay behind
    runs, null, further = _known(options.output) if options.add else ([], [], {})
    first: tuple[Scene, dict[str, Outcome]] | None = None

    def written() -> dict[str, Any]:
        """All that is known so far; a run of hours that is cut off leaves what it had."""
        results = report.results(runs, max(null, default=0.0), further)
        options.output.write_bytes(emit.json_pretty(results))
        return results

    # The splits by turns: what is cut off has something of both.
    os.environ.setdefault("GOGC", "400")  # memory for time, in promtool and Prometheus
    for hosts in options.hosts:
        for split, seed in _in_turns(options.splits, options.seeds):
            scene = Scene(seed, hosts, split)
            found = watch(scene, options.folder)
            null.append(nothing(scene).recall)
            entry = _entry(scene, found)
            runs = sorted([*(r for r in runs if _key(r) != _key(entry)), entry], key=_key)
            print(report.lines(entry), flush=True)
            if options.docs and not first and not options.add:
                PICTURES.mkdir(parents=True, exist_ok=True)
                (PICTURES / "noise-day.svg").write_text(_day(scene, found), encoding="utf-8")
            first = first or (scene, found)
            written()
    if first and options.confirm:
        further["confirmed"] = _confirmed(*first)
        written()
    if first and options.ablation:
        further["ablation"] = _ablation(*first, options.folder)
        print(report.ablation_table(further["ablation"]), flush=True)
    results = written()
    print(report.gate_table(results))
    if options.docs:
        report.write(results)
    return 0 if all(gate["holds"] or gate["goal"] for gate in results["gates"]) else 1


def _known(output: Path) -> tuple[list[dict[str, Any]], list[float], dict[str, Any]]:
    """What earlier invocations found: runs, recall of no configuration, ablation and confirmation."""
    if not output.exists():
        return [], [], {}
    results = json.loads(output.read_bytes())
    further = {name: results[name] for name in ("ablation", "confirmed") if name in results}
    return results["runs"], [results["null_recall"]], further


def _key(run: dict[str, Any]) -> tuple[int, bool, int]:
    """By size, the tuned split first."""
    return run["hosts"], run["split"] != SPLITS[0], run["seed"]


def _in_turns(splits: Sequence[str], seeds: Sequence[int] | None) -> Iterator[tuple[str, int]]:
    """(split, seed): the first seed of each split, then the second, and so on."""
    chosen = {split: tuple(seeds or SEEDS[split]) for split in splits}
    for number in range(max(len(own) for own in chosen.values())):
        for split, own in chosen.items():
            if number < len(own):
                yield split, own[number]


def watch(scene: Scene, folder: Path | None = None) -> dict[str, Outcome]:
    """Both configurations in one world. `folder`: where temporary files go."""
    found: dict[str, Outcome] = {}
    started = time.monotonic()
    by_hand = scene.by_hand()
    ungrouped, shipped = first_generation.configurations(
        by_hand, scene.exported_by_hand(), scene.begin, scene.end
    )
    episodes = _said(scene, ungrouped, folder)
    for configuration in (ungrouped, shipped):
        found[configuration.name] = _outcome(scene, configuration, episodes, started)
    started = time.monotonic()
    mac = configurations.generated(scene, progress=lambda text: _progress(f"mac: {text}"))
    _progress(f"mac: {mac.syncs} syncs with changes, {mac.refused} refused by a guard")
    found[mac.name] = _outcome(scene, mac, _said(scene, mac, folder), started)
    return found


def _confirmed(scene: Scene, found: dict[str, Outcome]) -> dict[str, Any]:
    """Counts of notifications, by the model and by a real Alertmanager, for each configuration at once."""
    _progress(f"{(scene.end - scene.begin) / confirm.SPEED:.0f} s through real Alertmanagers")

    def counted(outcome: Outcome) -> dict[str, list[int]]:
        counts = confirm.confirm(outcome.configuration, outcome.episodes, scene.begin, scene.end)
        return {"firing": list(counts.firing), "resolved": list(counts.resolved)}

    with ThreadPoolExecutor() as pool:
        told = dict(zip(found, pool.map(counted, found.values()), strict=True))
    for name, counts in told.items():
        _progress(f"{name}: (model, real) {counts}")
    return told


def nothing(scene: Scene) -> score.Score:
    """What is scored when nothing is configured."""
    return score.score(scene.incidents, scene.traps, (), (), blind_share=1.0, pagers=frozenset())


def _said(scene: Scene, configuration: Configuration, folder: Path | None) -> tuple[Episode, ...]:
    """Every episode of a configuration's alerts; what it writes is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="mac-noise-", dir=folder) as name:
        history = History(Path(name, "data"))
        parts = scene.samples(configuration, Path(name))
        history.load_all(parts, lambda text: _progress(f"{configuration.name}: {text}"))
        return evaluate(configuration, history, scene.begin, scene.end, _progress).episodes


def _outcome(
    scene: Scene, configuration: Configuration, episodes: tuple[Episode, ...], started: float
) -> Outcome:
    sent = notifications(configuration, episodes, scene.end)
    ours = configuration.name not in (UNGROUPED, SHIPPED) and not _is_by_hand(configuration)
    pagers, teams = score.audience(scene.teams) if ours else (frozenset({first_generation.PAGER}), None)
    found = score.score(
        scene.incidents,
        scene.traps,
        episodes,
        sent,
        blind_share=scene.blind_share(configuration),
        pagers=pagers,
        teams=teams,
    )
    return Outcome(
        configuration, found, scene.seen(configuration), episodes, sent, time.monotonic() - started
    )


def _is_by_hand(configuration: Configuration) -> bool:
    """Whether its Alertmanager is one of the first generation's."""
    return bool(configuration.alertmanager["route"]["receiver"] == first_generation.MAIL)


# --- ablation ----------------------------------------------------------------------------------------


def _ablation(scene: Scene, found: dict[str, Outcome], folder: Path | None) -> dict[str, Any]:
    """One lever at a time, in one world: the first generation with one of ours, and ours without one."""

    def said(configuration: Configuration, episodes: tuple[Episode, ...] | None = None) -> Outcome:
        episodes = _said(scene, configuration, folder) if episodes is None else episodes
        return _outcome(scene, configuration, episodes, time.monotonic())

    mac = configurations.generated(scene)
    ours = found[gates.MAC].episodes
    _, live = first_generation.configurations(
        scene.by_hand(live=True), scene.exported_by_hand(), scene.begin, scene.end
    )
    grouped = first_generation.alertmanager(first_generation.GROUPING, "page")
    rows = {
        "first generation, shipped grouping": found[SHIPPED],
        "first generation on a live list": said(live),
        "mac on a list of three times a day": said(configurations.generated(scene, sync=8 * 3600.0)),
        "mac without its routing (shipped grouping)": said(replace(mac, alertmanager=grouped), ours),
        "mac without lifecycle": said(configurations.generated(scene, lifecycle=False)),
        "mac without dependencies": said(
            replace(mac, alertmanager={**mac.alertmanager, "inhibit_rules": []}), ours
        ),
        "mac": found[gates.MAC],
    }
    return {
        "hosts": scene.hosts,
        "seed": scene.seed,
        "split": scene.split,
        "configurations": {name: _figures(outcome) for name, outcome in rows.items()},
    }


# --- results -----------------------------------------------------------------------------------------


def _entry(scene: Scene, found: dict[str, Outcome]) -> dict[str, Any]:
    """One run as the results have it."""
    return {
        "seed": scene.seed,
        "hosts": scene.hosts,
        "split": scene.split,
        "incidents": len(scene.incidents),
        "configurations": {name: _figures(outcome) for name, outcome in found.items()},
        "told": {
            name: {told.incident.kind: _told(told) for told in outcome.score.incidents}
            for name, outcome in found.items()
            if name != UNGROUPED
        },
        "false_by_alert": {name: dict(outcome.score.false_by_alert) for name, outcome in found.items()},
    }


def _figures(outcome: Outcome) -> dict[str, Any]:
    found = outcome.score
    seen = [told for told in found.incidents if told.incident.kind in outcome.seen]
    return {
        "alerts": found.alerts,
        "notifications": found.notifications,
        "pages": found.pages,
        "recall": round(found.recall, 4),
        "late": found.late,
        "blind_share": round(found.blind_share, 5),
        "trap_alerts": found.trap_alerts,
        "missed": found.missed,
        "recall_when_seen": round(sum(told.at is not None for told in seen) / max(len(seen), 1), 4),
        "resolved": found.resolved,
        "precision": round(found.precision, 4),
        "seconds": round(outcome.seconds, 1),
    }


def _told(told: score.Told) -> dict[str, Any]:
    after = None if told.at is None else round(told.at - told.incident.start)
    return {"after": after, "bound": round(told.incident.bound), "by": told.by, "in_time": told.in_time}


def _day(scene: Scene, found: dict[str, Outcome]) -> str:
    """The first day of a world as a picture."""
    rows = [
        pictures.Lane(
            "incidents", tuple((i.start, i.end, f"{i.kind}, {i.service}") for i in scene.incidents)
        ),
        pictures.Lane("traps", tuple((t.start, t.end, f"{t.kind}, {t.service}") for t in scene.traps)),
    ]
    pagers = score.audience(scene.teams)[0] | {first_generation.PAGER}
    for name, title in ((gates.MAC, "mac"), (SHIPPED, "shipped grouping"), (UNGROUPED, "no grouping")):
        ticks = tuple(
            (
                sent.time,
                f"{sent.receiver}: {', '.join(sorted({dict(a)['alertname'] for a in sent.firing}))}",
                paged,
            )
            for sent in found[name].notifications
            if sent.firing and not score.is_heartbeat(sent)
            for paged in (sent.receiver in pagers,)
        )
        rows.append(pictures.Lane(f"{title}: {len(ticks):,}", ticks=ticks))
    title = f"One day of {scene.hosts} hosts: what happened, and every notification (pages are the long ones)"
    return pictures.timeline(title, scene.begin, scene.begin + 86400, rows)


def _progress(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-noise BENCH=…", description=__doc__)

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser.add_argument("--hosts", type=numbers, default=[146], help="sizes of the fleet, average hosts")
    parser.add_argument("--seeds", type=numbers, help="in place of the splits' own seeds")
    parser.add_argument("--splits", type=lambda text: text.split(","), default=list(SPLITS))
    parser.add_argument(
        "--ablation", action="store_true", help="also one lever at a time, in the first world"
    )
    parser.add_argument(
        "--confirm", action="store_true", help="the first world through a real Alertmanager too"
    )
    parser.add_argument("--add", action="store_true", help="keep what other runs left in the output")
    parser.add_argument("--docs", action="store_true", help="write the tables and pictures of docs/noise.md")
    parser.add_argument("--folder", type=Path, help="where temporary files go (gigabytes)")
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
