"""Configurations under test: rules, targets and routing over the time of a world.

`generated` is `mac generate`'s own stages on the shipped standards and the world's inventory, at each sync
after something changed. The first one is the whole pipeline with validation and engines, and must give the
same bytes.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from benchmarks.noise.targets import Presence, Target, in_groups
from mac import bind, conventions, diff, pipeline, render, snapshot, standards, templates
from mac.model import Catalog, Lifecycle, Snapshot
from mac.problems import errors

PROJECT = Path(__file__).resolve().parent.parent.parent
STEP = 30.0  # seconds; scrape and evaluation interval of both configurations
SYNC = 60.0  # seconds between two looks of `mac sync` at the inventory
APPLY = (
    30.0  # seconds from an inventory to the targets that follow from it: file_sd_configs' refresh_interval
)

Document = Any
Progress = Callable[[str], None]


_ON_THE_WAY = (Lifecycle.STARTING, Lifecycle.LEAVING)


class Inventory(Protocol):
    """What a configuration needs to know of a world. Times are Unix seconds."""

    begin: float
    end: float

    def changes(self) -> Sequence[float]: ...

    def inventory(self, at: float) -> Snapshot: ...


@dataclass(frozen=True, slots=True)
class Span:
    """A rule's text, as the rule file has it, while it held: from `start` until `end`."""

    start: float
    end: float
    rule: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TimedRule:
    """A rule over time. `key`: file, group, name, labels; by it Prometheus keeps its state on a reload."""

    key: tuple[str, str, str, tuple[tuple[str, str], ...], int]
    spans: tuple[Span, ...]

    @property
    def name(self) -> str:
        return self.key[2]

    @property
    def recording(self) -> bool:
        return "record" in self.spans[0].rule


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that one configuration says. `cloudwatch`: ARN → labels of its CloudWatch series.

    `refused`: syncs at which a guard stopped mac, so that the targets stayed as they were.
    """

    name: str
    rules: tuple[TimedRule, ...]
    targets: tuple[Target, ...]
    alertmanager: Document
    cloudwatch: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    external_labels: Mapping[str, str] = field(default_factory=dict)
    syncs: int = 0
    refused: int = 0


# --- what mac generates ------------------------------------------------------------------------------


def generated(
    world: Inventory,
    *,
    name: str = "mac",
    sync: float = SYNC,
    lifecycle: bool = True,
    progress: Progress = lambda text: None,
) -> Configuration:
    """mac's configuration of a world, looked at every `sync` seconds.

    Without `lifecycle` (for the ablation) what boots or leaves counts as in service until it is gone.
    Raises SystemExit when the inventory or the standards have errors.
    """
    stages = _Stages(world.begin)
    presence, rules = Presence(), _Rules()
    old: render.Rendered | None = None
    watched: dict[str, Mapping[str, str]] = {}
    external: Mapping[str, str] = {}
    refused = 0
    moments = tuple(_moments(world, sync))
    for number, at in enumerate(moments):
        state = world.inventory(at)
        if not lifecycle:
            state = _without_lifecycle(state)
        new = stages.rendered(state) if old else stages.whole(state)
        if old and stages.refuses(old, new):
            refused += 1
            continue
        applied = at + APPLY if old else at
        now = set()
        for path, entry in new.provenance["files"].items():
            if entry["kind"] == "targets":
                now |= in_groups(entry["job"], new.documents[path])
        presence.replace(applied, now)
        if old is None or _changed(old, new, "/rules/", conventions.HEARTBEAT_FILE):
            rules.replace(applied, _groups(new.documents))
        for path, document in new.documents.items():
            if path.endswith("/exporters/cloudwatch.yml"):
                watched |= _cloudwatch_labels(document)
            if path.endswith("/prometheus.yml"):
                external = document["global"]["external_labels"]
        old = new
        if number % 100 == 0:
            progress(f"{name}: sync {number} of {len(moments)}")
    if old is None:
        raise SystemExit("the world has no inventory at its beginning")
    cells = {path.split("/")[1] for path in old.documents if path.startswith("cells/")}
    if len(cells) > 1:
        raise SystemExit(f"the benchmark evaluates one Prometheus, and the world has {len(cells)} cells")
    return Configuration(
        name,
        rules.until(world.end),
        presence.until(world.end),
        old.documents[conventions.ALERTMANAGER_CONFIG],
        watched,
        external,
        len(moments),
        refused,
    )


class _Stages:
    """mac's stages with what they all share: the documents and templates of the project."""

    def __init__(self, begin: float) -> None:
        self._today = datetime.fromtimestamp(begin, UTC)
        loaded = standards.load(PROJECT)
        if loaded.catalog is None or errors(loaded.problems):
            raise SystemExit(f"the shipped standards do not load: {loaded.problems[0]}")
        self._catalog: Catalog = loaded.catalog
        self._templates, _ = templates.read(PROJECT, (o.template for o in render.OUTPUTS))

    def rendered(self, state: Snapshot) -> render.Rendered:
        bindings = bind.bind(self._catalog, state, self._today.date())
        found = render.render(self._catalog, bindings, self._templates, snapshot.digest(state))
        wrong = errors((*bindings.problems, *found.problems))
        if wrong:
            raise SystemExit(f"mac refuses the world: {wrong[0]}")
        return found

    def whole(self, state: Snapshot) -> render.Rendered:
        """By the whole pipeline: validated, by promtool and amtool too."""
        with tempfile.TemporaryDirectory(prefix="mac-noise-") as folder:
            file = Path(folder, "snapshot.jsonl")
            file.write_bytes(snapshot.to_bytes(state))
            request = pipeline.Request(
                PROJECT, snapshot=file, output=Path(folder, "out"), engines_required=True, now=self._today
            )
            built = pipeline.build(request, pipeline.Clock())
        if dict(built.rendered.files) != dict(self.rendered(state).files):
            raise SystemExit("the stages do not give what the pipeline gives")
        return built.rendered

    def refuses(self, old: render.Rendered, new: render.Rendered) -> bool:
        """Whether a guard of the project stops this change."""
        guards = self._catalog.project.guards
        present, _ = diff.counts(old.provenance)
        lost = len(_watched(old) - _watched(new))
        few = lost < guards.minimum or lost <= guards.removed_targets * present
        if few and not _changed(old, new, "/rules/"):
            return False  # as the plan would say, which takes longer
        plan = diff.plan(old.files, new.files, old.provenance, new.provenance)
        return bool(diff.guard(plan, guards, old.provenance))


def _watched(rendered: render.Rendered) -> set[tuple[str, ...]]:
    """Whatever a guard counts as a target: (job, address), and the ARN of what CloudWatch tells of."""
    found: set[tuple[str, ...]] = set()
    for path, entry in rendered.provenance["files"].items():
        document = rendered.documents.get(path)
        if entry["kind"] == "targets":
            found |= {(entry["job"], address) for group in document for address in group["targets"]}
        elif entry["kind"] == "exporter":
            found |= {(entry["cell"], job["name"]) for job in document["static"]}
    return found


def _moments(world: Inventory, sync: float) -> Iterator[float]:
    """The beginning, and each look at the inventory that finds something changed."""
    yield world.begin
    looks = {world.begin + math.ceil((at - world.begin) / sync) * sync for at in world.changes()}
    yield from sorted(at for at in looks if world.begin < at < world.end)


def _without_lifecycle(state: Snapshot) -> Snapshot:
    """As a discovery that takes whatever exists: what boots and what leaves counts as in service."""
    return replace(
        state,
        resources=tuple(
            replace(r, lifecycle=Lifecycle.IN_SERVICE) if r.lifecycle in _ON_THE_WAY else r
            for r in state.resources
        ),
    )


def _changed(old: render.Rendered, new: render.Rendered, *parts: str) -> bool:
    def chosen(files: Mapping[str, bytes]) -> dict[str, bytes]:
        return {path: data for path, data in files.items() if any(part in path for part in parts)}

    return chosen(old.files) != chosen(new.files)


def _groups(documents: Mapping[str, Document]) -> Iterator[tuple[str, Document]]:
    """(file, group) of all rule groups."""
    for path, document in documents.items():
        if "/rules/" in path or path.endswith(conventions.HEARTBEAT_FILE):
            groups = document["groups"] if isinstance(document, dict) else document
            yield from ((path, group) for group in groups)


def _cloudwatch_labels(document: Document) -> dict[str, Mapping[str, str]]:
    return {
        job["name"]: {tag["key"]: tag["value"] for tag in job["customTags"]} for job in document["static"]
    }


# --- rules over time ---------------------------------------------------------------------------------


class _Rules:
    """Collects states of a rule set into rules with spans; equal text in a row is one span."""

    def __init__(self) -> None:
        self._spans: dict[Any, list[Span]] = {}

    def replace(self, at: float, groups: Iterable[tuple[str, Document]]) -> None:
        now = dict(_keyed(groups))
        for key, spans in self._spans.items():
            last = spans[-1]
            if last.end == math.inf and now.get(key) != last.rule:
                spans[-1] = replace(last, end=at)
        for key, rule in now.items():
            spans = self._spans.setdefault(key, [])
            if not spans or spans[-1].end < math.inf:
                spans.append(Span(at, math.inf, rule))

    def until(self, end: float) -> tuple[TimedRule, ...]:
        return tuple(
            TimedRule(key, tuple(replace(s, end=min(s.end, end)) for s in spans if s.start < end))
            for key, spans in self._spans.items()
        )


def _keyed(groups: Iterable[tuple[str, Document]]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    for file, group in groups:
        seen: dict[Any, int] = {}
        for rule in group["rules"]:
            labels = tuple(sorted(rule.get("labels", {}).items()))
            same = (file, group["name"], rule.get("alert") or rule["record"], labels)
            seen[same] = seen.get(same, -1) + 1
            yield (*same, seen[same]), rule


def timed(groups: Iterable[tuple[str, Document]], start: float, end: float) -> tuple[TimedRule, ...]:
    """Rules that stay as they are from `start` until `end`."""
    rules = _Rules()
    rules.replace(start, groups)
    return rules.until(end)
