"""A cell that is too large is divided: who gets what, which rules a ruler evaluates, and what moves when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import (
    diff,
    emit,
    engines,
    files,
    guards,
    hashing,
    items,
    measure,
    plan_report,
    render,
    shards,
    templates,
    validate,
)
from mac.access_model import ServerAccess
from mac.bind import Bindings, bind
from mac.deploy import replicas
from mac.model import (
    AppliesTo,
    Catalog,
    CloudWatch,
    CloudWatchMetric,
    Guards,
    Receiver,
    Resource,
    Standard,
    StandardRecording,
    Text,
)
from mac.problems import errors
from mac.shard_model import CellSize, RemoteWrite, Scale, Sharding
from tests import builders
from tests.builders import instance, snapshot, standard

TEMPLATES, _ = templates.read(files.shipped_root(), (o.template for o in render.OUTPUTS))
CELL = "main-us-east-1"
MIMIR = RemoteWrite("https://mimir.example.com/api/v1/push", tenant="t", token_file="/etc/prometheus/mimir")
KEYS = st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=60, unique=True)


# --- hashing -----------------------------------------------------------------------------------------


@given(KEYS, st.integers(1, 60))
def test_with_one_more_shard_nothing_moves_but_to_the_new_one(keys: list[str], count: int) -> None:
    for key in keys:
        before, after = hashing.shard(key, count), hashing.shard(key, count + 1)
        assert 0 <= before < count
        assert after in (before, count)


@pytest.mark.parametrize("count", [2, 5, 20])
def test_about_its_share_moves_to_a_new_shard_and_every_shard_gets_its_own(count: int) -> None:
    keys = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(20_000)]
    sizes = Counter(hashing.shard(key, count) for key in keys)
    moved = sum(hashing.shard(key, count) != hashing.shard(key, count + 1) for key in keys)
    mean, share = len(keys) / count, len(keys) / (count + 1)
    # Six standard deviations of a binomial distribution.
    assert max(abs(size - mean) for size in sizes.values()) < 6 * mean**0.5
    assert abs(moved - share) < 6 * share**0.5


def test_the_shard_of_an_address_is_the_same_for_good() -> None:
    assert [hashing.shard(f"10.0.0.{n}", 8) for n in range(8)] == [5, 1, 7, 4, 2, 4, 1, 5]


# --- how many ----------------------------------------------------------------------------------------


def catalog(*standards: Standard, scale: Scale | None = None, **project: Any) -> Catalog:
    """`scale`: two shards of at most 1,000 targets, by remote write to Mimir, unless it is given."""
    two = Scale(Sharding(cells={CELL: CellSize(shards=2)}), remote_write=MIMIR)
    chosen = standards or (standard(recording=(builders.recording(), per_resource())), database())
    return builders.catalog(*chosen, alertmanagers=("127.0.0.1:9093",), scale=scale or two, **project)


def per_resource() -> StandardRecording:
    expr = "max by (service, environment, resource_id) (node_load1{<< scope >>})"
    return StandardRecording("resource:web_load:ratio", Text(expr))


def database() -> Standard:
    return standard(
        "rds",
        applies_to=AppliesTo("rds-instance"),
        scrape=None,
        recording=(),
        alerts=(),
        panels=(),
        cloudwatch=CloudWatch("AWS/RDS", (CloudWatchMetric("CPUUtilization", ("Average",)),)),
    )


def fleet(machines: int = 60, databases: int = 12) -> tuple[Resource, ...]:
    rds = [
        instance(
            n, arn=f"arn:aws:rds:us-east-1:{builders.ACCOUNT}:db:db{n}", kind="rds-instance", id=f"db{n}"
        )
        for n in range(databases)
    ]
    return (*(instance(n) for n in range(1, machines + 1)), *(replace(r, addresses=()) for r in rds))


def divided(chosen: Catalog, before: Mapping[str, int] | None = None, series: int = 0) -> Bindings:
    bound = bind(chosen, snapshot(*fleet()), date(2026, 11, 23))
    return shards.divide(chosen, bound, before, {CELL: series})


def test_a_cell_gets_as_many_shards_as_its_targets_and_its_series_ask_for() -> None:
    def count(sharding: Sharding, before: int = 1, series: int = 0) -> int:
        found = divided(catalog(scale=Scale(sharding, remote_write=MIMIR)), {CELL: before}, series)
        return next((d.count for d in found.divisions), 1)

    assert count(Sharding(max_targets=72)) == 1
    assert count(Sharding(max_targets=71)) == 2
    assert count(Sharding(max_targets=20)) == 4
    assert count(Sharding(max_series=1000)) == 1
    assert count(Sharding(max_series=1000), series=2001) == 3
    assert count(Sharding(max_series=1000, cells={CELL: CellSize(series=3500)})) == 4
    assert count(Sharding(max_targets=71), before=3) == 3  # a fleet that shrinks moves nothing
    assert count(Sharding(max_targets=71, cells={CELL: CellSize(shards=1)}), before=3) == 1


def test_a_cell_with_fewer_shards_than_it_needs_and_one_that_is_not_there_are_told() -> None:
    sharding = Sharding(
        max_targets=10, cells={CELL: CellSize(shards=2), "main-us-west-1": CellSize(shards=2)}
    )
    found = divided(catalog(scale=Scale(sharding, remote_write=MIMIR))).problems
    assert {p.code for p in found} == {"cell-too-large", "unknown-cell"}
    assert not errors(found)


def test_a_prometheus_that_cannot_be_asked_for_its_series_is_told_and_changes_nothing() -> None:
    sharding = Sharding(max_series=10, measure=ServerAccess("http://127.0.0.1:9/{cell}", timeout=0.2))
    found, problems = measure.series(sharding, [CELL], {CELL: 2})
    assert found == {}
    assert [p.code for p in problems] == ["series-unmeasured"]


# --- what is generated -------------------------------------------------------------------------------


def generated(chosen: Catalog | None = None, before: Mapping[str, int] | None = None) -> render.Rendered:
    used = chosen or catalog()
    result = render.render(used, divided(used, before), TEMPLATES, "sha256:0")
    assert not errors(result.problems)
    return result


def yaml(result: render.Rendered, path: str) -> Any:
    return emit.read_yaml(result.files[path].decode())


def test_each_shard_has_its_own_files_and_the_cell_has_the_rules_of_the_ruler() -> None:
    found = generated().files
    assert {path for path in found if path.startswith("cells/")} == {
        f"cells/{CELL}/rules/all/monitoring.yml",
        f"cells/{CELL}/rules/production/web.yml",
        *(
            f"cells/{CELL}-shard-{n}/{name}"
            for n in (0, 1)
            for name in (
                "prometheus.yml",
                "exporters/cloudwatch.yml",
                "rules/all/monitoring.yml",
                "rules/production/web.yml",
                "targets/web.json",
            )
        ),
    }


def test_every_target_is_in_one_shard_and_all_are_in_one() -> None:
    result = generated()
    found = [
        [
            group["targets"][0]
            for group in json.loads(result.files[f"cells/{CELL}-shard-{n}/targets/web.json"])
        ]
        for n in (0, 1)
    ]
    assert not set(found[0]) & set(found[1])
    assert sorted(found[0] + found[1]) == sorted(f"{m.addresses[0]}:9100" for m in fleet(databases=0))
    static = [
        {job["name"] for job in yaml(result, f"cells/{CELL}-shard-{n}/exporters/cloudwatch.yml")["static"]}
        for n in (0, 1)
    ]
    assert len(static[0]) + len(static[1]) == len(static[0] | static[1]) == 12


def test_what_runs_on_one_machine_is_collected_by_one_shard() -> None:
    others = [standard(name, recording=(), alerts=()) for name in ("host", "jvm", "datanode")]
    result = generated(catalog(*others))
    for n in (0, 1):
        hosts = [
            {group["targets"][0] for group in json.loads(content)}
            for path, content in result.files.items()
            if path.startswith(f"cells/{CELL}-shard-{n}/targets/")
        ]
        assert len(hosts) == 3
        assert hosts[0] == hosts[1] == hosts[2]


def test_alerts_are_the_rulers_and_what_is_recorded_of_one_resource_is_the_shards() -> None:
    result = generated()
    own = yaml(result, f"cells/{CELL}-shard-0/rules/production/web.yml")["groups"]
    assert [r["record"] for g in own for r in g["rules"]] == ["resource:web_load:ratio"]
    (group,) = yaml(result, f"cells/{CELL}/rules/production/web.yml")["groups"]
    assert [r.get("record") or r["alert"] for r in group["rules"]] == ["service:web_up:ratio", "WebDown"]
    labels = group["rules"][1]["labels"]
    assert (labels["cell"], labels["account"], labels["region"]) == (CELL, builders.ACCOUNT, "us-east-1")
    assert group["interval"] == "30s"


def test_a_label_that_an_alerts_series_may_have_goes_before_that_of_its_cell() -> None:
    own = standard(recording=(), alerts=(builders.alert(expr='up{job="web",<< scope >>} < << p.floor >>'),))
    (group,) = yaml(generated(catalog(own)), f"cells/{CELL}/rules/production/web.yml")["groups"]
    expected = "{{ with $labels.region }}{{ . }}{{ else }}us-east-1{{ end }}"
    assert group["rules"][0]["labels"]["region"] == expected


def test_a_shard_says_who_it_is_and_a_resources_series_leave_without_it() -> None:
    document = yaml(generated(), f"cells/{CELL}-shard-1/prometheus.yml")
    assert document["global"]["external_labels"] == {
        "account": builders.ACCOUNT,
        "cell": CELL,
        "region": "us-east-1",
        "shard": "1",
    }
    (write,) = document["remote_write"]
    assert write["url"] == MIMIR.url
    assert write["headers"] == {"X-Scope-OrgID": "t"}
    assert write["authorization"] == {"type": "Bearer", "credentials_file": "/etc/prometheus/mimir"}
    first, *others = write["write_relabel_configs"]
    assert (first["source_labels"], first["target_label"], first["replacement"]) == (
        ["resource_id"],
        "shard",
        "",
    )
    assert {(entry["regex"], entry["target_label"]) for entry in others} == {
        ("resource:web_load:ratio", label) for label in ("account", "cell", "region")
    }


def test_replicas_have_a_configuration_each_and_no_alert_has_their_labels() -> None:
    scale = Scale(catalog().project.scale.sharding, ("a", "b"), MIMIR)
    result = generated(catalog(scale=scale))
    folder = f"cells/{CELL}-shard-0"
    assert f"{folder}/prometheus.yml" not in result.files
    for name in ("a", "b"):
        document = yaml(result, f"{folder}/prometheus-{name}.yml")
        labels = document["global"]["external_labels"]
        assert (labels["cluster"], labels["__replica__"]) == (f"{CELL}-shard-0", name)
        assert document["alerting"]["alert_relabel_configs"] == [
            {"action": "labeldrop", "regex": "cluster|__replica__"}
        ]
    assert not validate.check(result.files, result.documents, result.provenance)
    start = len(folder) + 1
    own = {path[start:]: content for path, content in result.files.items() if path.startswith(f"{folder}/")}
    given = replicas.own(own, f"{CELL}-shard-0", "b")
    assert given["prometheus.yml"] == own["prometheus-b.yml"]
    assert "prometheus-a.yml" not in given


def test_each_shard_watches_what_it_sees_of_monitoring_and_the_ruler_misses_a_shard() -> None:
    team = replace(builders.team(), heartbeat=(Receiver("webhook", {"url_file": "/etc/alertmanager/dead"}),))
    own = standard(
        "prometheus",
        applies_to=AppliesTo("monitoring", ({"role": ("prometheus",)},)),
        recording=(),
        alerts=(builders.alert("PrometheusDown", 'up{job="prometheus",<< scope >>} < << p.floor >>'),),
        panels=(),
    )
    chosen = replace(catalog(standard(), own), teams={"platform": team, "data": builders.team("data")})
    result = generated(chosen)
    for n in (0, 1):
        (target,) = json.loads(result.files[f"cells/{CELL}-shard-{n}/targets/prometheus.json"])
        assert target["labels"]["resource_id"] == f"{CELL}-shard-{n}/127.0.0.1:9090"
        groups = yaml(result, f"cells/{CELL}-shard-{n}/rules/all/monitoring.yml")["groups"]
        assert [r.get("record") or r["alert"] for g in groups for r in g["rules"]] == [
            "PrometheusDown",
            "shard:alive:bool",
        ]
        assert f"cells/{CELL}-shard-{n}/heartbeat.yml" in result.files
    (group,) = yaml(result, f"cells/{CELL}/rules/all/monitoring.yml")["groups"]
    assert [r["labels"]["shard"] for r in group["rules"]] == ["0", "1"]
    (beat,) = yaml(result, f"cells/{CELL}/heartbeat.yml")["groups"][0]["rules"]
    assert beat["labels"]["cell"] == CELL
    (route, *_) = yaml(result, "alertmanager/alertmanager.yml")["route"]["routes"]
    assert route["group_by"] == ["cell", "shard"]


def test_without_shards_nothing_is_different() -> None:
    plain = builders.catalog(standard(), database(), alertmanagers=("127.0.0.1:9093",))
    roomy = replace(
        plain, project=replace(plain.project, scale=Scale(Sharding(max_targets=1000), remote_write=None))
    )
    assert generated(roomy).files == generated(plain).files
    assert b"shard" not in b"".join(generated(plain).files.values()).replace(b"/shards/", b"")


def test_remote_write_alone_leaves_a_cell_whole() -> None:
    document = yaml(generated(catalog(scale=Scale(remote_write=MIMIR))), f"cells/{CELL}/prometheus.yml")
    assert "write_relabel_configs" not in document["remote_write"][0]
    assert "shard" not in document["global"]["external_labels"]


def test_what_is_generated_holds_before_our_checks() -> None:
    result = generated()
    assert validate.check(result.files, result.documents, result.provenance) == ()


# --- what changes ------------------------------------------------------------------------------------


def with_shards(count: int) -> render.Rendered:
    return generated(catalog(scale=Scale(Sharding(cells={CELL: CellSize(shards=count)}), remote_write=MIMIR)))


@pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 3), (3, 2), (2, 1)])
def test_another_number_of_shards_moves_targets_and_takes_none_away(old: int, new: int) -> None:
    before, after = with_shards(old), with_shards(new)
    made = diff.plan(before.files, after.files, before.provenance, after.provenance)
    targets = [change for change in made.changes if change.kind == "target"]
    assert {change.action for change in targets} == {"modify"}
    assert {field.field for change in targets for field in change.fields} == {"shard"}
    strict = Guards(removed_targets=0.0, removed_rules=0.0, minimum=1)
    assert [p.message for p in guards.shrink(made, strict, before.provenance) if "targets" in p.message] == []
    (told,) = guards.moved(made, shards.counts(before.provenance), shards.counts(after.provenance), 72)
    words = {1: "one Prometheus", 2: "2 shards", 3: "3 shards"}
    moved = sum(change.count for change in targets)
    assert f"goes from {words[old]} to {words[new]}: {moved} of 72 targets move" in told.message
    assert diff.apply(items.read(before.files, before.provenance, before.files), made) == items.read(
        after.files, after.provenance, after.files
    )


def test_the_rules_of_the_ruler_do_not_change_with_the_number_of_shards() -> None:
    before, after = with_shards(2), with_shards(3)
    path = f"cells/{CELL}/rules/production/web.yml"
    assert before.files[path] == after.files[path]


def test_what_a_new_shard_has_as_all_others_is_told_in_one_line() -> None:
    before, after = with_shards(2), with_shards(8)
    made = diff.plan(before.files, after.files, before.provenance, after.provenance)
    shown = plan_report.text(made)
    assert "+ 6 scrapes web  (main-us-east-1)" in shown
    assert "shard" in shown


# --- engines -----------------------------------------------------------------------------------------


def test_promtool_of_every_generation_accepts_what_a_shard_is_given(generation: str, tmp_path: Path) -> None:
    sigv4 = RemoteWrite(
        "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write",
        sigv4_region="us-east-1",
        sigv4_role_arn="arn:aws:iam::123456789012:role/mac",
        tls={"server_name": "aps"},
    )
    basic = RemoteWrite("https://mimir/api/v1/push", username="u", password_file="/etc/prometheus/p")
    promtool = engines.find("promtool")
    assert promtool is not None
    for write in (sigv4, basic, MIMIR):
        scale = Scale(catalog().project.scale.sharding, ("a", "b"), write)
        result = generated(catalog(scale=scale))
        for path, content in result.files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)
        found = promtool.check_config(tmp_path / f"cells/{CELL}-shard-0/prometheus-a.yml", tmp_path)
        assert found == ()
