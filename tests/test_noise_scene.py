"""What each configuration of the noise benchmark gets to see of a world."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.noise import scene, score, views
from benchmarks.noise.configurations import Configuration
from benchmarks.noise.history import History
from benchmarks.noise.overtime import timed
from benchmarks.noise.run import nothing
from benchmarks.noise.scene import Scene


@pytest.fixture(scope="module")
def small() -> Scene:
    return Scene(1, 146, "tuned")


def test_incidents_and_traps_lie_within_the_scene(small: Scene) -> None:
    assert len(small.incidents) == 9
    assert all(small.begin <= i.start < i.end <= small.end for i in small.incidents)
    assert all(small.begin <= t.start < t.end <= small.end for t in small.traps)


def test_the_list_by_hand_is_blinder_than_one_that_follows_and_has_no_transient_clusters(
    small: Scene,
) -> None:
    by_hand, live = small.by_hand(), small.by_hand(live=True)
    transient = {c.id for c in small.world.clusters if c.transient}
    machines = views.by_address(small.world)
    listed = {machines[t.address.rpartition(":")[0]].cluster for t in by_hand}
    assert transient
    assert not listed & transient
    assert small.blind_share(Configuration("c", (), by_hand, {})) > 0.1
    assert small.blind_share(Configuration("c", (), live, {})) < 0.01


def test_nothing_configured_finds_nothing(small: Scene) -> None:
    found = nothing(small)
    assert (found.recall, found.alerts, found.blind_share) == (0.0, 0, 1.0)


def test_only_what_rules_read_is_written() -> None:
    metrics, labels = scene._read(
        [
            'sum by (service, pool) (rate(a_total{job="x",mode="idle"}[5m])) and on (zone) b',
            'increase({__name__=~"Worker_Blocks(_.+)?",job="y"}[1h])',
        ]
    )
    assert metrics == {"a_total", "b", "Worker_Blocks"}
    assert labels >= {"service", "pool", "job", "mode", "zone"}


def test_a_machine_that_was_lost_is_down_in_its_samples(small: Scene, tmp_path: Path) -> None:
    incident = next(i for i in small.incidents if i.kind == "critical-node-lost")
    mine = [t for t in small.by_hand() if dict(t.labels)["host"] in incident.machines]
    group = {"name": "g", "rules": [{"alert": "Down", "expr": 'up{job="node"} == 0'}]}
    rules = timed([("f.yml", group)], small.begin, small.end)
    history = History(tmp_path / "data")
    for part in small.samples(Configuration("c", rules, tuple(mine), {}), tmp_path):
        history.load(part)
    with history.server() as server:
        (found,) = server.range('up{job="node"} == 0', small.begin, small.end, 30)
    assert incident.start <= found.points[0][0] < incident.start + 30
    assert dict(found.labels)["service"] == incident.service == "query"
    assert score.services(incident)[0] == "query"
