"""Configurations under test: rules, targets and routing over the time of a world.

`generated` is `mac generate`'s own stages on the shipped standards and the world's inventory, at each sync
after something changed. The first one is compared with the whole pipeline, validation and engines included.
Where a world knows all that it ever has, the stages run on that once, and again at the syncs that matter.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from benchmarks.noise.overtime import RulesOverTime, TimedRule
from benchmarks.noise.targets import Key, Presence, Target, in_groups
from mac import (
    bind,
    conventions,
    diff,
    guards,
    pipeline,
    probing,
    render,
    scraping,
    snapshot,
    standards,
    templates,
)
from mac.model import Binding, Catalog, Lifecycle, Snapshot, Standard
from mac.problems import errors

PROJECT = Path(__file__).resolve().parent.parent.parent
STEP = 30.0  # seconds; scrape and evaluation interval of both configurations
SYNC = 60.0  # seconds between two looks of `mac sync` at the inventory
APPLY = (
    30.0  # seconds from an inventory to the targets that follow from it: file_sd_configs' refresh_interval
)

_LOOKS = 12  # syncs of a world that is foreseen at which the stages run all the same

Document = Any
Progress = Callable[[str], None]


_ON_THE_WAY = (Lifecycle.STARTING, Lifecycle.LEAVING)


class Inventory(Protocol):
    """What a configuration needs to know of a world. Times are Unix seconds."""

    begin: float
    end: float

    def changes(self) -> Sequence[float]: ...

    def inventory(self, at: float) -> Snapshot: ...


class Foreseen(Inventory, Protocol):
    """An inventory of which is known what it will ever have."""

    def everything(self) -> Snapshot:
        """All that is ever in service, as if at once."""

    def live(self, ever: Iterable[Key], sync: float, apply: float, *, lifecycle: bool) -> tuple[Target, ...]:
        """Of targets that are ever there: since when, and until when, a list has each that is made of the
        inventory every `sync` seconds and read `apply` seconds later."""


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
    world: Inventory | Foreseen,
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
    stages = _Stages(world.begin, lifecycle)
    times = tuple(_moments(world, sync))
    listed = _foreseen(world, stages, times, sync, progress) if hasattr(world, "everything") else None
    if listed is None:
        listed = _followed(world, stages, times, progress)
    last = stages.rendered(listed.last)
    if _listed(last) != listed.last.targets:
        raise SystemExit("the targets are not those of the rendered files")
    prometheus = [d for path, d in last.documents.items() if path.endswith("/prometheus.yml")]
    if len(prometheus) != 1:
        raise SystemExit(f"the benchmark evaluates one Prometheus, and the world has {len(prometheus)} cells")
    return Configuration(
        name,
        listed.rules.until(world.end),
        listed.targets,
        last.documents[conventions.ALERTMANAGER_CONFIG],
        listed.watched,
        prometheus[0]["global"]["external_labels"],
        len(times),
        listed.refused,
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    """What came of all syncs; `last` is the last of them that was applied."""

    targets: tuple[Target, ...]
    rules: RulesOverTime
    watched: Mapping[str, Mapping[str, str]]
    refused: int
    last: _Moment


def _followed(world: Inventory, stages: _Stages, times: Sequence[float], progress: Progress) -> _Listed:
    """Every sync, one after the other."""
    presence, rules = Presence(), RulesOverTime()
    old: _Moment | None = None
    watched: dict[str, Mapping[str, str]] = {}
    refused = 0
    for number, at in enumerate(times):
        new = stages.moment(world.inventory(at))
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
            progress(f"sync {number} of {len(times)}")
    if old is None:
        raise SystemExit("the world has no inventory at its beginning")
    return _Listed(presence.until(world.end), rules, watched, refused, old)


def _foreseen(
    world: Foreseen, stages: _Stages, times: Sequence[float], sync: float, progress: Progress
) -> _Listed | None:
    """The same from all that is ever there, or None when a guard may stop a sync.

    The stages run again at the first and the last sync, at some between, and at each at which a standard gets
    its first resource, loses its last, or has another number of them and its rules say so. The targets of
    each of these must be the ones that were foreseen.
    """
    ever = stages.moment(world.everything())
    targets = world.live(ever.targets, sync, APPLY, lifecycle=stages.lifecycle)
    if _many_leave(targets, ever, times, stages.removable):
        progress("a guard may stop a sync: each is followed")
        return None
    matters = {
        *times[:: max(1, len(times) // _LOOKS)],
        times[-1],
        *_rules_may_change(targets, ever, stages, times),
    }
    rules = RulesOverTime()
    watched = ever.cloudwatch_labels()
    old: _Moment | None = None
    for at in sorted(matters):
        new = stages.moment(world.inventory(at))
        applied = at + APPLY if old else at
        if {(t.job, t.address, t.labels) for t in targets if t.start <= applied < t.end} != new.targets:
            raise SystemExit(f"the targets at {at:.0f} are not those that were foreseen")
        if old is None:
            stages.compare_with_pipeline(new)
        if old is None or old.rules != new.rules:
            rules.replace(applied, _groups(stages.rendered(new).documents))
        if any(watched.get(arn) != found for arn, found in new.cloudwatch_labels().items()):
            raise SystemExit(f"what CloudWatch is asked at {at:.0f} was not foreseen")
        old = new
    if old is None:
        raise SystemExit("the world has no inventory at its beginning")
    progress(f"{len(times)} syncs, of which {len(matters)} were followed")
    return _Listed(targets, rules, watched, 0, old)


def _many_leave(targets: Sequence[Target], ever: _Moment, times: Sequence[float], share: float) -> bool:
    """Whether a sync takes so many targets away that a guard has to be asked; what CloudWatch is asked of
    counts as well, as if all of it went at once."""
    gone = Counter(t.end for t in targets)
    begun = Counter(t.start for t in targets)
    there = 0
    for at in sorted({*gone, *begun}):
        if at - APPLY in set(times) and gone[at] > 0 and gone[at] + len(ever.by_cloudwatch) > share * there:
            return True
        there += begun[at] - gone[at]
    return False


def _rules_may_change(
    targets: Sequence[Target], ever: _Moment, stages: _Stages, times: Sequence[float]
) -> Iterator[float]:
    """The syncs at which the rules of a binding come, go or are about another number of resources."""
    at_sync = {at + APPLY: at for at in times}
    for binding in ever.bindings.bindings:
        scrape = binding.standard.scrape
        if scrape is None:
            continue
        own = [
            t
            for t in targets
            if t.job == scrape.job
            and dict(t.labels).get(conventions.SERVICE) == binding.service
            and dict(t.labels).get(conventions.ENVIRONMENT) == binding.environment
        ]
        change = Counter(t.start for t in own)
        change.subtract(t.end for t in own)
        there = 0
        for at in sorted(change):
            before, there = there, there + change[at]
            changed = before != there if stages.counts(binding) else (before == 0) != (there == 0)
            if changed and at in at_sync:
                yield at_sync[at]


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

    def __init__(self, begin: float, lifecycle: bool) -> None:
        self.lifecycle = lifecycle
        self._today = datetime.fromtimestamp(begin, UTC)
        loaded = standards.load(PROJECT)
        if loaded.catalog is None or errors(loaded.problems):
            raise SystemExit(f"the shipped standards do not load: {loaded.problems[0]}")
        self._catalog: Catalog = loaded.catalog
        self._templates, _ = templates.read(PROJECT, (o.template for o in render.OUTPUTS))
        self._counting = {
            name for name, standard in self._catalog.standards.items() if _counts_resources(standard)
        }

    @property
    def removable(self) -> float:
        """The share of what was there that one sync may take away."""
        return self._catalog.project.guards.removed_targets

    def counts(self, binding: Binding) -> bool:
        return binding.standard.name in self._counting

    def moment(self, state: Snapshot) -> _Moment:
        state = state if self.lifecycle else _without_lifecycle(state)
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
        for module, groups in probing.targets(self._catalog, bindings.bindings)[0].items():
            targets |= in_groups(conventions.probe_job(module), groups)
        by_cloudwatch = frozenset(
            m.resource.arn for b in bindings.bindings if b.standard.cloudwatch for m in b.members
        )
        return _Moment(state, bindings, targets, by_cloudwatch, [self._key(b) for b in bindings.bindings])

    def _key(self, binding: Binding) -> Any:
        counted = self.counts(binding)
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
        limits = self._catalog.project.guards
        gone = {key[:2] for key in old.targets} - {key[:2] for key in new.targets}
        lost = len(gone) + len(old.by_cloudwatch - new.by_cloudwatch)
        few = lost < limits.minimum or lost <= limits.removed_targets * len(old.targets)
        if few and old.rules == new.rules:
            return False  # as the plan would say, which takes longer
        before, after = self.rendered(old), self.rendered(new)
        plan = diff.plan(before.files, after.files, before.provenance, after.provenance)
        return bool(guards.shrink(plan, limits, before.provenance))


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
