"""Files are built as data, framed by templates and read back: what comes out is what was meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mac import emit, files, process, render, templates
from mac.bind import bind
from mac.model import EACH_PART, AppliesTo, Catalog, CloudWatch, CloudWatchMetric, Resource, Standard
from tests import builders
from tests.builders import instance, snapshot, standard

TEMPLATES, _ = templates.read(files.shipped_root(), (o.template for o in render.OUTPUTS))
RULES = "cells/main-us-east-1/rules/production/web.yml"
TARGETS = "cells/main-us-east-1/targets/web.json"


def rendered(
    *resources: Resource, catalog: Catalog | None = None, texts: dict[str, str] | None = None
) -> render.Rendered:
    chosen = catalog or builders.catalog()
    bindings = bind(chosen, snapshot(*resources), date(2026, 11, 23))
    return render.render(chosen, bindings, {**TEMPLATES, **(texts or {})}, "sha256:0")


def database() -> Standard:
    return standard(
        "rds",
        applies_to=AppliesTo("rds-instance"),
        scrape=None,
        cloudwatch=CloudWatch("AWS/RDS", (CloudWatchMetric("CPUUtilization", ("Average",)),)),
    )


def test_every_file_of_a_service_is_there() -> None:
    files = rendered(instance()).files
    assert set(files) == {
        "alertmanager/alertmanager.yml",
        "cells/main-us-east-1/prometheus.yml",
        RULES,
        TARGETS,
        "dashboards/provider.yml",
        "dashboards/teams/platform.json",
        "dashboards/web.json",
        "provenance.json",
    }


def test_the_provenance_names_every_file_and_rule() -> None:
    result = rendered(instance(1), instance(2))
    provenance = json.loads(result.files["provenance.json"])
    assert set(provenance["files"]) == set(result.files) - {"provenance.json"}
    assert [r["name"] for r in provenance["files"][RULES]["rules"]] == ["service:web_up:ratio", "WebDown"]
    assert provenance["files"][TARGETS]["targets"] == 2


def test_a_target_carries_the_labels_of_the_taxonomy_and_not_the_team() -> None:
    result = rendered(instance(1, tags={"service": "web", "role": "web", "team": "data", "env": "prod"}))
    (group,) = json.loads(result.files[TARGETS])
    assert group["targets"] == ["127.0.0.1:9100"]
    assert group["labels"] == {
        "account": builders.ACCOUNT,
        "environment": "production",
        "region": "us-east-1",
        "resource_id": instance(1).id,
        "role": "web",
        "service": "web",
    }


def test_a_cloudwatch_standard_names_exactly_its_resources_to_the_exporter() -> None:
    db = instance(kind="rds-instance", id="orders", arn="arn:aws:rds:us-east-1:1:db:orders", addresses=())
    document = emit.read_yaml(
        rendered(db, catalog=builders.catalog(database()))
        .files["cells/main-us-east-1/exporters/cloudwatch.yml"]
        .decode()
    )
    (job,) = document["static"]
    assert job["dimensions"] == [{"name": "DBInstanceIdentifier", "value": "orders"}]
    assert {"key": "service", "value": "web"} in job["customTags"]
    assert job["metrics"] == [
        {"name": "CPUUtilization", "statistics": ["Average"], "period": 60, "length": 300}
    ]


def exporter_jobs(*resources: Resource, standard: Standard) -> list[dict[str, Any]]:
    files = rendered(*resources, catalog=builders.catalog(standard)).files
    (path,) = (path for path in files if path.endswith("/exporters/cloudwatch.yml"))
    jobs: list[dict[str, Any]] = emit.read_yaml(files[path].decode())["static"]
    return jobs


def read_from(kind: str, namespace: str, *metrics: CloudWatchMetric) -> Standard:
    source = CloudWatch(namespace, metrics)
    return replace(database(), applies_to=AppliesTo(kind), cloudwatch=source)


def test_metrics_with_dimensions_of_their_own_are_asked_for_in_jobs_of_their_own() -> None:
    job = instance(kind="glue-job", id="nightly", arn="arn:aws:glue:us-east-1:1:job/nightly", addresses=())
    run = {"JobRunId": "ALL", "Type": "gauge"}
    metrics = (
        CloudWatchMetric("a", ("Sum",)),
        CloudWatchMetric("b", ("Average",), run),
        CloudWatchMetric("c", ("Maximum",), dict(reversed(run.items()))),
    )
    plain, further = exporter_jobs(job, standard=read_from("glue-job", "Glue", *metrics))
    assert [m["name"] for m in plain["metrics"]] == ["a"]
    assert plain["dimensions"] == [{"name": "JobName", "value": "nightly"}]
    assert [m["name"] for m in further["metrics"]] == ["b", "c"]
    assert {d["name"]: d["value"] for d in further["dimensions"]} == {"JobName": "nightly", **run}
    assert (plain["name"], plain["customTags"]) == (further["name"], further["customTags"])


def test_each_machine_of_a_resource_that_has_several_is_asked_for() -> None:
    pair = {"engine": "activemq", "deployment": "active-standby-multi-az"}
    arn = "arn:aws:mq:us-east-1:1:broker:orders:b-1"
    broker = instance(kind="mq-broker", id="b-1", name="orders", arn=arn, addresses=(), attributes=pair)
    metric = CloudWatchMetric("CpuUtilization", ("Average",))
    jobs = exporter_jobs(broker, standard=read_from("mq-broker", "AWS/AmazonMQ", metric))
    assert [job["dimensions"] for job in jobs] == [
        [{"name": "Broker", "value": "orders-1"}],
        [{"name": "Broker", "value": "orders-2"}],
    ]


def test_each_part_of_a_resource_is_asked_for_and_none_of_one_without_parts() -> None:
    metrics = (
        CloudWatchMetric("ActiveControllerCount", ("Maximum",)),
        CloudWatchMetric("CpuUser", ("Average",), {"Broker ID": EACH_PART}),
    )
    standard = read_from("msk-cluster", "AWS/Kafka", *metrics)

    def asked(**attributes: int) -> list[tuple[str, dict[str, str]]]:
        arn = "arn:aws:kafka:us-east-1:1:cluster/events/1-2"
        cluster = instance(kind="msk-cluster", id="events", arn=arn, addresses=(), attributes=attributes)
        return [
            (job["metrics"][0]["name"], {d["name"]: d["value"] for d in job["dimensions"]})
            for job in exporter_jobs(cluster, standard=standard)
        ]

    whole = ("ActiveControllerCount", {"Cluster Name": "events"})
    assert asked(brokers=2) == [
        whole,
        ("CpuUser", {"Cluster Name": "events", "Broker ID": "1"}),
        ("CpuUser", {"Cluster Name": "events", "Broker ID": "2"}),
    ]
    assert asked() == [whole]


@pytest.mark.parametrize(
    ("kind", "region", "asked"),
    [
        ("cloudfront-distribution", "global", "us-east-1"),
        ("route53-health-check", "global", "us-east-1"),
        ("cloudfront-certificate", "us-east-1", "us-east-1"),
        ("nat-gateway", "eu-west-1", "eu-west-1"),
    ],
)
def test_the_exporter_asks_the_region_that_has_the_metrics(kind: str, region: str, asked: str) -> None:
    found = instance(kind=kind, id="x-1", arn="arn:aws:x:::x-1", region=region, addresses=())
    (job,) = exporter_jobs(found, standard=read_from(kind, "AWS/Any", CloudWatchMetric("m", ("Sum",))))
    assert job["regions"] == [asked]


def test_a_template_may_add_to_a_file() -> None:
    extra = TEMPLATES["prometheus/prometheus.yml.j2"] + '  - job_name: "mine"\n    static_configs: []\n'
    result = rendered(instance(), texts={"prometheus/prometheus.yml.j2": extra})
    assert not result.problems
    assert b'job_name: "mine"' in result.files["cells/main-us-east-1/prometheus.yml"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("groups: []\n", "template-output"),
        ("groups: [\n", "template-output"),
        ("<< nothing >>\n", "template-value"),
        ("<% for %>\n", "template-syntax"),
        ("x: << groups[0].rules[0].expr >>\n", "template-value"),
    ],
)
def test_a_template_that_loses_or_breaks_something_is_told(text: str, code: str) -> None:
    result = rendered(instance(), texts={"rules/rules.yml.j2": text})
    assert [(p.code, p.location.path) for p in result.problems] == [(code, "templates/rules/rules.yml.j2")]
    assert RULES not in result.files


def test_two_standards_may_not_share_a_scrape_job() -> None:
    one, two = standard("one"), standard("two", scrape=standard("one").scrape)
    result = rendered(instance(), catalog=builders.catalog(one, two))
    assert [p.code for p in result.problems] == ["generated-name"]


HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(HOSTILE, HOSTILE)
def test_any_tag_value_reaches_every_file_as_the_same_value(service: str, role: str) -> None:
    result = rendered(instance(tags={"service": service, "role": role}))
    assert not result.problems
    (group,) = json.loads(result.files[TARGETS])
    assert (group["labels"]["service"], group["labels"]["role"]) == (service, role)
    for path in result.files:
        assert not path.startswith("/")
        assert ".." not in path.split("/")
        assert all(len(part) < 100 for part in path.split("/"))


@given(st.lists(st.integers(1, 500), unique=True, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_the_inventory_does_not_change_a_byte(numbers: list[int], random: object) -> None:
    machines = [instance(n) for n in numbers]
    before = rendered(*machines).files
    random.shuffle(machines)  # type: ignore[attr-defined]
    assert rendered(*machines).files == before


@pytest.mark.parametrize(("status", "headline"), [("firing", "down "), ("resolved", "resolved")])
def test_a_headline_says_what_is_wrong_and_when_it_is_over(
    status: str,
    headline: str,
    all_engines: Mapping[str, Mapping[str, Path]],
    tmp_path: Path,
) -> None:
    files = rendered(instance()).files
    receivers = emit.read_yaml(files["alertmanager/alertmanager.yml"].decode())["receivers"]
    (title,) = {c["title"] for receiver in receivers for c in receiver.get("slack_configs", ())}
    told = tmp_path / "told.json"
    alerts = [{"status": status, "labels": {}, "annotations": {"summary": "down"}}]
    labels = {"service": "web", "environment": "production"}
    told.write_text(json.dumps({"status": status, "commonLabels": labels, "alerts": alerts}))
    for programs in all_engines.values():
        command = [programs["amtool"], "template", "render", f"--template.glob={tmp_path}/*.tmpl"]
        answer = process.run(
            [*map(str, command), f"--template.data={told}", f"--template.text={title}"], timeout=30
        )
        assert answer.stdout.rstrip("\n") == f"web (production): {headline}"
