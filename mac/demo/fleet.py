"""The demo's fleet as values: `fleet.yaml`, read and scaled to a number of machines."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mac import emit
from mac.problems import UsageError

Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Site:
    """An account in a region, with the one network that the fleet has there."""

    account: str
    account_name: str
    region: str
    environment: str
    cidr: str


@dataclass(frozen=True, slots=True)
class MachineGroup:
    """Machines that are launched alike. `state`: running, stopped, terminating or terminated."""

    name: str
    site: Site
    size: int
    type: str
    tags: Tags
    state: str = "running"
    autoscaling: bool = False
    balanced: bool = False
    standby: int = 0


@dataclass(frozen=True, slots=True)
class Cluster:
    """An EMR cluster. `state`: running, terminating or terminated."""

    name: str
    site: Site
    master: int
    core: int
    task: int
    tags: Tags
    transient: bool = False
    state: str = "running"

    @property
    def size(self) -> int:
        return self.master + self.core + self.task


@dataclass(frozen=True, slots=True)
class Database:
    name: str
    site: Site
    engine: str
    instance_class: str
    tags: Tags


@dataclass(frozen=True, slots=True)
class CacheCluster:
    name: str
    site: Site
    engine: str
    node_type: str
    tags: Tags


@dataclass(frozen=True, slots=True)
class Named:
    """A resource that has nothing but a name and tags: a bucket, queue, table or function."""

    name: str
    site: Site
    tags: Tags


@dataclass(frozen=True, slots=True)
class Resize:
    """Machines to launch into, or terminate of, the group of this name in this place."""

    group: str
    site: Site
    machines: int


@dataclass(frozen=True, slots=True)
class NewService:
    name: str
    owner: str
    tier: int
    title: str


@dataclass(frozen=True, slots=True)
class FleetChange:
    """What happens to the fleet between two readings of it."""

    launched: tuple[Resize, ...]
    started: tuple[Cluster, ...]
    terminated: tuple[Resize, ...]
    ended: tuple[tuple[str, Site], ...]  # clusters, by name and place
    groups: tuple[MachineGroup, ...]  # how to launch what is new
    service: NewService
    launches: int
    terminations: int


@dataclass(frozen=True, slots=True)
class Fleet:
    seed: int
    role: str
    sites: tuple[Site, ...]
    groups: tuple[MachineGroup, ...]
    clusters: tuple[Cluster, ...]
    databases: tuple[Database, ...]
    caches: tuple[CacheCluster, ...]
    buckets: tuple[Named, ...]
    queues: tuple[Named, ...]
    tables: tuple[Named, ...]
    functions: tuple[Named, ...]
    change: FleetChange

    @property
    def machines(self) -> int:
        """Machines that exist, in service or not; those that are long terminated do not count."""
        parts: Sequence[MachineGroup | Cluster] = (*self.groups, *self.clusters)
        return sum(part.size for part in parts if part.state != "terminated")


def apportion(weights: Sequence[int], total: int) -> list[int]:
    """`total` divided in proportion to `weights`, in whole numbers that add up to it (largest remainder)."""
    whole = sum(weights)
    if not whole:
        return [0 for _ in weights]
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares


def load(machines: int | None = None, seed: int | None = None) -> Fleet:
    """The fleet of `fleet.yaml` with exactly this many machines. Raises UsageError when they are too few."""
    document = emit.read_yaml((importlib.resources.files(__package__) / "fleet.yaml").read_text("utf-8"))
    return _fleet(document, machines or document["machines"], document["seed"] if seed is None else seed)


def _fleet(document: Any, machines: int, seed: int) -> Fleet:
    sites = tuple(
        Site(cell["account"], cell["name"], cell["region"], cell["environment"], cell["cidr"])
        for cell in document["cells"]
    )
    groups = [g for entry in document["groups"] for g in _groups(entry, sites)]
    groups += _hostile(document, sites[0])
    clusters = [c for entry in document["clusters"] for c in _clusters(entry, sites)]
    fixed = {entry["name"] for entry in document["groups"] if entry.get("fixed")}
    fixed |= {group.name for group in groups if group.name.startswith("odd-")}
    groups, clusters = _scaled(groups, clusters, fixed, machines)
    return Fleet(
        seed=seed,
        role=document["role"],
        sites=sites,
        groups=tuple(groups),
        clusters=tuple(clusters),
        databases=tuple(
            Database(e["name"], site, e["engine"], e["class"], _tags(e, site))
            for site in sites
            for e in document["databases"]
        ),
        caches=tuple(
            CacheCluster(e["name"], site, e["engine"], e["class"], _tags(e, site))
            for site in sites
            for e in document["caches"]
        ),
        buckets=tuple(
            Named(f"{site.account_name}-{site.region}-{name}", site, {"team": "data", "service": "etl"})
            for site in sites
            for name in document["buckets"]
        ),
        queues=_named(document["queues"], sites),
        tables=_named(document["tables"], sites),
        functions=_named(document["functions"], sites),
        change=_change(document, sites, groups, clusters, machines),
    )


def _tags(entry: Any, site: Site) -> Tags:
    tags: dict[str, str] = dict(entry["tags"])
    return tags if entry.get("bare") else {"Name": entry["name"], "environment": site.environment, **tags}


def _named(entries: Any, sites: Sequence[Site]) -> tuple[Named, ...]:
    return tuple(Named(e["name"], site, _tags(e, site)) for site in sites for e in entries)


def _groups(entry: Any, sites: Sequence[Site]) -> list[MachineGroup]:
    return [
        MachineGroup(
            entry["name"],
            site,
            size,
            entry["type"],
            _tags(entry, site),
            state=entry.get("state", "running"),
            autoscaling=entry.get("autoscaling", False),
            balanced=entry.get("balanced", False),
            standby=entry.get("standby", 0) if site is sites[0] else 0,
        )
        for site, size in zip(sites, entry["counts"], strict=True)
        if size
    ]


def _clusters(entry: Any, sites: Sequence[Site]) -> list[Cluster]:
    parts = zip(sites, entry["clusters"], entry["master"], entry["core"], entry["task"], strict=True)
    return [
        Cluster(
            f"{entry['name']}-{number}" if count > 1 else entry["name"],
            site,
            master,
            core,
            task,
            _tags(entry, site),
            transient=entry.get("transient", False),
            state=entry.get("state", "running"),
        )
        for site, count, master, core, task in parts
        for number in range(1, count + 1)
    ]


def _hostile(document: Any, site: Site) -> list[MachineGroup]:
    longest = document["longest"]
    all_tags = [*document["hostile"], {**longest["tags"], longest["tag"]: "x" * longest["length"]}]
    return [
        MachineGroup(
            f"odd-{number:02}",
            site,
            1,
            "t3.large",
            {"Name": f"odd-{number:02}", "environment": site.environment, **tags},
        )
        for number, tags in enumerate(all_tags, start=1)
    ]


def _scaled(
    groups: list[MachineGroup], clusters: list[Cluster], fixed: set[str], machines: int
) -> tuple[list[MachineGroup], list[Cluster]]:
    """Every size but the fixed ones changed by one factor, so that `machines` exist in all."""

    def grows(group: MachineGroup) -> bool:
        return group.name not in fixed and group.state != "terminated"

    def lives(cluster: Cluster) -> bool:
        return cluster.state != "terminated"

    constant = sum(g.size for g in groups if not grows(g) and g.state != "terminated")
    constant += sum(c.master for c in clusters if lives(c))
    weights = [g.size for g in groups if grows(g)]
    weights += [part for c in clusters if lives(c) for part in (c.core, c.task)]
    # Below this some service would have no machine at all.
    fewest = constant + len([w for w in weights if w])
    if machines < fewest:
        raise UsageError(f"the fleet needs at least {fewest} machines", hint=f"try --machines {fewest}")
    # One for each, the rest in proportion: nothing that the fleet has is lost when it is small.
    sizes = iter(apportion_with_one(weights, machines - constant))
    new_groups = [replace(g, size=next(sizes)) if grows(g) else g for g in groups]
    new_clusters = [replace(c, core=next(sizes), task=next(sizes)) if lives(c) else c for c in clusters]
    return new_groups, new_clusters


def apportion_with_one(weights: Sequence[int], total: int) -> list[int]:
    """As `apportion`, with at least one for each weight that is not zero, if `total` suffices for that."""
    shares = apportion(weights, total)
    missing = [i for i, weight in enumerate(weights) if weight and not shares[i]]
    for index in missing:
        shares[index] = 1
        shares[max(range(len(shares)), key=lambda i: (shares[i], -i))] -= 1
    return shares


def _change(
    document: Any, sites: Sequence[Site], groups: list[MachineGroup], clusters: list[Cluster], machines: int
) -> FleetChange:
    change, normal = document["change"], document["machines"]
    launches = max(len(change["launched"]) + 2, round(change["launch"] * machines / normal))
    terminations = max(len(change["terminated"]) + 2, round(change["terminate"] * machines / normal))

    started: list[Cluster] = []
    for entry in change["new"]["clusters"]:
        for cluster in _clusters(entry, sites):
            grown = round((cluster.core + cluster.task) * machines / normal)
            core, task = apportion_with_one([cluster.core, cluster.task], max(2, grown))
            started.append(replace(cluster, core=core, task=task))
    ended: list[Cluster] = []
    for entry in change["terminated"]:
        if "cluster" in entry:
            site = sites[entry["cell"]]
            ended.append(next(c for c in clusters if c.site == site and c.name.startswith(entry["cluster"])))
    # A group of a small fleet keeps one machine.
    sizes = {(g.name, g.site): g.size for g in groups}
    terminated = tuple(
        replace(resize, machines=min(resize.machines, sizes[resize.group, resize.site] - 1))
        for resize in _resizes(change["terminated"], sites, terminations - sum(c.size for c in ended))
    )
    return FleetChange(
        launched=_resizes(change["launched"], sites, launches - sum(c.size for c in started)),
        started=tuple(started),
        terminated=terminated,
        ended=tuple((c.name, c.site) for c in ended),
        groups=(*groups, *(_unsized(entry, site) for entry in change["new"]["groups"] for site in sites)),
        service=NewService(**change["new"]["service"]),
        launches=launches,
        terminations=sum(r.machines for r in terminated) + sum(c.size for c in ended),
    )


def _unsized(entry: Any, site: Site) -> MachineGroup:
    return MachineGroup(entry["name"], site, 0, entry["type"], _tags(entry, site))


def _resizes(entries: Any, sites: Sequence[Site], total: int) -> tuple[Resize, ...]:
    resized = [entry for entry in entries if "group" in entry]
    counts = apportion_with_one([entry["share"] for entry in resized], total)
    return tuple(
        Resize(entry["group"], sites[entry["cell"]], count)
        for entry, count in zip(resized, counts, strict=True)
    )
