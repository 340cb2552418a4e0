"""What an exporter says, and the catalogue that becomes of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Run:
    """What an exporter said: texts of /metrics and the like, its version, and in words what was run."""

    texts: tuple[str, ...]
    version: str
    source: str


@dataclass
class Seen:
    """A metric in an exposition. `labels` in the order in which they were seen."""

    type: str
    labels: dict[str, None] = field(default_factory=dict)


_TYPE = re.compile(r"# TYPE (\S+) (\w+)")
_SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? ')
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*"')
_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
_OWN_LABEL = {"histogram": "le", "summary": "quantile"}


def read(text: str, found: dict[str, Seen] | None = None) -> dict[str, Seen]:
    """The metrics of a text in Prometheus's format 0.0.4, added to those that were found before."""
    found = {} if found is None else found
    for line in text.splitlines():
        if declared := _TYPE.match(line):
            found.setdefault(declared[1], Seen(declared[2]))
        elif not line.startswith("#") and (sample := _SAMPLE.match(line)):
            metric = _family(sample[1], found)
            seen = found.setdefault(metric, Seen("untyped"))
            own = _OWN_LABEL.get(seen.type)
            seen.labels |= dict.fromkeys(name for name in _LABEL.findall(sample[2] or "") if name != own)
    return found


def _family(name: str, found: dict[str, Seen]) -> str:
    """The metric that a sample belongs to: a histogram's are named after it."""
    for kind, endings in _PARTS.items():
        for ending in endings:
            stem = name.removesuffix(ending)
            if stem != name and stem in found and found[stem].type == kind:
                return stem
    return name


# --- the file ----------------------------------------------------------------------------------------


def document(name: str, title: str, run: Run, kept: dict[str, dict[str, object]]) -> str:
    """The text of a catalogue. `kept`: entries that were obtained in another way."""
    found: dict[str, Seen] = {}
    for text in run.texts:
        read(text, found)
    entries: dict[str, dict[str, object]] = {
        metric: {"type": seen.type, "labels": sorted(seen.labels)} for metric, seen in found.items()
    }
    entries = {**{key: value for key, value in kept.items() if key not in entries}, **entries}
    lines = [
        f"# Written by scripts/catalogue.py {name}. Entries that say how they were obtained are kept by it.",
        f"catalogue: {name}",
        f"title: {json.dumps(title)}",
        f"version: {json.dumps(run.version)}",
        "obtained: run",
        f"source: {json.dumps(run.source)}",
        "metrics:",
    ]
    lines += [f"  {metric}: {_flow(entry)}" for metric, entry in sorted(entries.items())]
    return "\n".join(lines) + "\n"


def _flow(entry: dict[str, object]) -> str:
    parts = []
    for key, value in entry.items():
        text = f"[{', '.join(value)}]" if key == "labels" and isinstance(value, list) else json.dumps(value)
        parts.append(f"{key}: {value if key in ('type', 'obtained') else text}")
    return "{" + ", ".join(parts) + "}"


def kept(path: Path) -> dict[str, dict[str, object]]:
    """The entries of a file that say themselves how they were obtained."""
    if not path.is_file():
        return {}
    metrics = yaml.safe_load(path.read_text(encoding="utf-8"))["metrics"]
    return {name: entry for name, entry in metrics.items() if entry.get("obtained", "run") != "run"}
