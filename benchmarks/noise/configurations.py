"""Configurations under test: rules, targets and routing over the time of a world.

`generated` is `mac generate`'s own stages on the shipped standards and the world's inventory, at each sync
after something changed. The first one is compared with the whole pipeline, validation and engines included.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from benchmarks.noise.targets import Key, Presence, Target, in_groups
from mac import bind, conventions, diff, pipeline, render, scraping, snapshot, standards, templates
from mac.model import Binding, Catalog, Lifecycle, Snapshot, Standard
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
    old: _Moment | None = None
    watched: dict[str, Mapping[str, str]] = {}
    refused = 0
    times = tuple(_moments(world, sync))
    for number, at in enumerate(times):
        state = world.inventory(at)
        new = stages.moment(state if lifecycle else _without_lifecycle(state))
        if old is None:
            stages.compare_with_pipeline(new)
        elif stages.refuses(old, new):
            refused += 1
            continue
        applied = at + APPLY if old else at
        presence.replace(applied, new.targets)
        if old is None or old.rules != new.rules:
            rules.replace(applied, _groups(stages.rendered(new).documents))
        if old is None or old.by_cloudwatch != new.by_cloudwatch:
            watched |= new.cloudwatch_labels()
        old = new
        if number % 100 == 0:
            progress(f"{name}: sync {number} of {len(times)}")
    if old is None:
        raise SystemExit("the world has no inventory at its beginning")
    last = stages.rendered(old)
    if _listed(last) != old.targets:
        raise SystemExit("the targets are not those of the rendered files")
    prometheus = [d for path, d in last.documents.items() if path.endswith("/prometheus.yml")]
    if len(prometheus) != 1:
        raise SystemExit(f"the benchmark evaluates one Prometheus, and the world has {len(prometheus)} cells")
    return Configuration(
        name,
        rules.until(world.end),
        presence.until(world.end),
        last.documents[conventions.ALERTMANAGER_CONFIG],
        watched,
        prometheus[0]["global"]["external_labels"],
        len(times),
        refused,
    )


@dataclass(frozen=True, slots=True)
class _Moment:
    """What mac makes of one inventory. `rules` is all that rendered rules depend on, as a key."""

    state: Snapshot
    bindings: bind.Bindings
    targets: set[Key]
    by_cloudwatch: frozenset[str]
    rules: Any

    def cloudwatch_labels(self) -> dict[str, Mapping[str, str]]:
        document = scraping.cloudwatch_exporter(b for b in self.bindings.bindings if b.standard.cloudwatch)
        return {
            job["name"]: {tag["key"]: tag["value"] for tag in job["customTags"]} for job in document["static"]
        }


class _Stages:
    """mac's stages with what they all share: the documents and templates of the project.

    Most syncs change targets alone. Then binding says all, and rendering, which takes longest, is left out:
    the rules are those of before, and the targets are made by the same function that rendering calls.
    """

    def __init__(self, begin: float) -> None:
        self._today = datetime.fromtimestamp(begin, UTC)
        loaded = standards.load(PROJECT)
        if loaded.catalog is None or errors(loaded.problems):
            raise SystemExit(f"the shipped standards do not load: {loaded.problems[0]}")
        self._catalog: Catalog = loaded.catalog
        self._templates, _ = templates.read(PROJECT, (o.template for o in render.OUTPUTS))
        self._counting = {
            name for name, standard in self._catalog.standards.items() if _counts_resources(standard)
        }

    def moment(self, state: Snapshot) -> _Moment:
        bindings = bind.bind(self._catalog, state, self._today.date())
        wrong = errors(bindings.problems)
        if wrong:
            raise SystemExit(f"mac refuses the world: {wrong[0]}")
        by_job: dict[str, list[Binding]] = {}
        for binding in bindings.bindings:
            if binding.standard.scrape:
                by_job.setdefault(binding.standard.scrape.job, []).append(binding)
        targets: set[Key] = set()
        for job, own in by_job.items():
            scrape = own[0].standard.scrape
            if scrape:
                targets |= in_groups(job, scraping.target_groups(own, scrape))
        by_cloudwatch = frozenset(
            m.resource.arn for b in bindings.bindings if b.standard.cloudwatch for m in b.members
        )
        return _Moment(state, bindings, targets, by_cloudwatch, [self._key(b) for b in bindings.bindings])

    def _key(self, binding: Binding) -> Any:
        counted = binding.standard.name in self._counting
        partitions = [(p.override, p.parameters, p.size if counted else 0) for p in binding.partitions]
        members = len(binding.members) if counted else 0
        return replace(binding, members=(), partitions=()), partitions, members

    def rendered(self, moment: _Moment) -> render.Rendered:
        digest = snapshot.digest(moment.state)
        found = render.render(self._catalog, moment.bindings, self._templates, digest)
        wrong = errors(found.problems)
        if wrong:
            raise SystemExit(f"mac refuses the world: {wrong[0]}")
        return found

    def compare_with_pipeline(self, moment: _Moment) -> None:
        """The whole pipeline, with validation by promtool and amtool, must give the same files."""
        with tempfile.TemporaryDirectory(prefix="mac-noise-") as folder:
            file = Path(folder, "snapshot.jsonl")
            file.write_bytes(snapshot.to_bytes(moment.state))
            request = pipeline.Request(
                PROJECT, snapshot=file, output=Path(folder, "out"), engines_required=True, now=self._today
            )
            built = pipeline.build(request, pipeline.Clock())
        found = self.rendered(moment)
        if dict(built.rendered.files) != dict(found.files) or _listed(found) != moment.targets:
            raise SystemExit("the stages do not give what the pipeline gives")

    def refuses(self, old: _Moment, new: _Moment) -> bool:
        """Whether a guard of the project stops this change."""
        guards = self._catalog.project.guards
        gone = {key[:2] for key in old.targets} - {key[:2] for key in new.targets}
        lost = len(gone) + len(old.by_cloudwatch - new.by_cloudwatch)
        few = lost < guards.minimum or lost <= guards.removed_targets * len(old.targets)
        if few and old.rules == new.rules:
            return False  # as the plan would say, which takes longer
        before, after = self.rendered(old), self.rendered(new)
        plan = diff.plan(before.files, after.files, before.provenance, after.provenance)
        return bool(diff.guard(plan, guards, before.provenance))


def _counts_resources(standard: Standard) -> bool:
    """Whether a rule's text depends on how many resources there are."""
    texts = [rule.expr for rule in (*standard.recording, *standard.alerts)]
    texts += [text for alert in standard.alerts for text in (alert.summary, alert.description)]
    return any("expected" in text.text for text in texts)


def _listed(rendered: render.Rendered) -> set[Key]:
    """The targets in the rendered files."""
    found: set[Key] = set()
    for path, entry in rendered.provenance["files"].items():
        if entry["kind"] == "targets":
            found |= in_groups(entry["job"], rendered.documents[path])
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


def _groups(documents: Mapping[str, Document]) -> Iterator[tuple[str, Document]]:
    """(file, group) of all rule groups."""
    for path, document in documents.items():
        if "/rules/" in path or path.endswith(conventions.HEARTBEAT_FILE):
            groups = document["groups"] if isinstance(document, dict) else document
            yield from ((path, group) for group in groups)


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
