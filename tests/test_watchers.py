"""Monitoring's own parts: what each cell's Prometheus watches of itself, of Alertmanager, of the exporter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from mac import render, routing, standards, watchers
from mac.bind import Bindings, bind
from mac.kinds import all_kinds, monitoring
from mac.kinds.kind import Place
from mac.model import AppliesTo, Catalog, Cell, Exemption, Resource, Scrape, Service, Slo, Standard
from tests import builders
from tests.builders import ACCOUNT, REGION, alert, instance, snapshot, standard
from tests.conftest import PROJECT
from tests.test_render import TEMPLATES, database

TODAY = date(2026, 11, 23)
HERE = Cell("main-us-east-1", ACCOUNT, REGION)


def part(name: str, role: str, **changes: Any) -> Standard:
    fields: dict[str, Any] = {
        "applies_to": AppliesTo("monitoring", ({"role": (role,)},)),
        "scrape": None,
        "recording": (),
        "alerts": (alert(f"{name.title()}Down", 'up{job="x"} == 0', outage=True),),
        "panels": (),
        **changes,
    }
    return standard(name, **fields)


PROMETHEUS = part("prometheus", "prometheus", scrape=Scrape("prometheus", 9090))
ALERTMANAGER = part("alertmanager", "alertmanager", scrape=Scrape("alertmanager", 9093))
EXPORTER = part("exporter", "cloudwatch-exporter")


def database_instance(**changes: Any) -> Resource:
    fields: dict[str, Any] = {
        "arn": f"arn:aws:rds:{REGION}:{ACCOUNT}:db:orders",
        "kind": "rds-instance",
        "account": ACCOUNT,
        "region": REGION,
        "id": "orders",
        "tags": {"service": "web"},
        "attributes": {"engine": "postgres"},
    }
    return Resource(**{**fields, **changes})


def made(*own: Standard, **project: Any) -> Catalog:
    return builders.catalog(standard(), database(), *own, **project)


def bound(catalog: Catalog, *resources: Resource) -> Bindings:
    return bind(catalog, snapshot(*(resources or (instance(),))), TODAY)


def of_monitoring(bindings: Bindings) -> list[tuple[str, str, list[str]]]:
    """(cell, standard, the members' ids)"""
    return [
        (b.cell.name, b.standard.name, [m.resource.id for m in b.members])
        for b in bindings.bindings
        if b.service == "monitoring"
    ]


def test_no_call_of_aws_tells_where_monitoring_runs() -> None:
    kind = all_kinds()["monitoring"]
    assert kind.service == ""
    for ask in (lambda: monitoring.fetch(None, None), lambda: monitoring.transform(Place("", ""), {})):  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            ask()


def test_each_cell_watches_its_prometheus_and_every_alertmanager() -> None:
    catalog = made(PROMETHEUS, ALERTMANAGER, alertmanagers=("a.example.com:9093", "b.example.com:9193"))
    catalog = replace(catalog, inventory=replace(catalog.inventory, regions=(REGION, "eu-west-1")))
    found = of_monitoring(bound(catalog, instance(1), instance(2, region="eu-west-1")))
    both = ["a.example.com:9093", "b.example.com:9193"]
    assert found == [
        ("main-eu-west-1", "alertmanager", both),
        ("main-eu-west-1", "prometheus", ["127.0.0.1:9090"]),
        ("main-us-east-1", "alertmanager", both),
        ("main-us-east-1", "prometheus", ["127.0.0.1:9090"]),
    ]


def test_the_cloudwatch_exporter_is_watched_where_cloudwatch_is_read() -> None:
    catalog = made(EXPORTER, cloudwatch_exporter="yace:5001")
    assert of_monitoring(bound(catalog, instance())) == []
    assert of_monitoring(bound(catalog, database_instance())) == [
        ("main-us-east-1", "exporter", ["yace:5001"])
    ]


def test_mac_sync_is_watched_where_mac_yaml_says_that_it_runs() -> None:
    own = part("mac-sync", "mac-sync", scrape=Scrape("mac-sync", 9877))
    assert of_monitoring(bound(made(own))) == []
    catalog = made(own, mac_sync="sync.example.com:19877")
    assert of_monitoring(bound(catalog)) == [("main-us-east-1", "mac-sync", ["sync.example.com:19877"])]
    files = render.render(catalog, bound(catalog), TEMPLATES, "sha256:0")
    [target] = files.documents["cells/main-us-east-1/targets/mac-sync.json"]
    assert target["targets"] == ["sync.example.com:19877"]


def test_nothing_is_watched_of_monitoring_where_there_is_no_cell() -> None:
    assert bind(made(PROMETHEUS), snapshot(), TODAY).bindings == ()


def test_monitoring_is_no_resource_of_the_inventory() -> None:
    without, with_ = bound(made()), bound(made(PROMETHEUS))
    assert (with_.bound, with_.unbound, with_.problems) == (without.bound, without.unbound, without.problems)


def test_a_standard_for_another_part_is_not_bound() -> None:
    assert of_monitoring(bound(made(part("mimir", "mimir")))) == []


def test_a_service_document_of_monitoring_says_who_is_told_and_exempts() -> None:
    own = Service("monitoring", "data", 1, parameters={"prometheus": {"floor": 0.5}})
    services = (Service("web", "platform", 1), own)
    catalog = builders.catalog(
        standard(), PROMETHEUS, ALERTMANAGER, services=services, alertmanagers=("a:1",)
    )
    found = {b.standard.name: b for b in bound(catalog).bindings if b.service == "monitoring"}
    assert {(b.team, b.tier) for b in found.values()} == {("data", 1)}
    assert found["prometheus"].partitions[0].parameters == {"floor": 0.5}
    exempt = replace(own, exemptions=(Exemption("alertmanager", "another team's", "2027-01-01"),))
    catalog = replace(catalog, services={**catalog.services, "monitoring": exempt})
    assert [name for _, name, _ in of_monitoring(bound(catalog))] == ["prometheus"]


def test_they_are_scraped_where_mac_yaml_says() -> None:
    catalog = made(
        PROMETHEUS, ALERTMANAGER, own_address="127.0.0.1:19090", alertmanagers=("alerts.example.com:19093",)
    )
    files = render.render(catalog, bound(catalog), TEMPLATES, "sha256:0")
    assert files.problems == ()
    targets = {
        job: files.documents[f"cells/main-us-east-1/targets/{job}.json"]
        for job in ("prometheus", "alertmanager")
    }
    assert [t["targets"] for t in targets["prometheus"]] == [["127.0.0.1:19090"]]
    assert targets["alertmanager"] == [
        {
            "targets": ["alerts.example.com:19093"],
            "labels": {
                "account": ACCOUNT,
                "environment": "all",
                "region": REGION,
                "resource_id": "alerts.example.com:19093",
                "role": "alertmanager",
                "service": "monitoring",
            },
        }
    ]
    prometheus = files.documents["cells/main-us-east-1/prometheus.yml"]
    assert "rules/all/*.yml" in prometheus["rule_files"]
    rules = files.documents["cells/main-us-east-1/rules/all/monitoring.yml"]
    assert [g["name"] for g in rules["groups"]] == [
        "monitoring / all / alertmanager",
        "monitoring / all / prometheus",
    ]


# --- what is not said while the exporter is down -------------------------------------------------------


def blindness(*own: Standard, services: Sequence[Service] = ()) -> list[dict[str, Any]]:
    catalog = builders.catalog(*own, services=tuple(services))
    rules = routing.alertmanager(catalog)["inhibit_rules"]
    return [rule for rule in rules if rule["equal"] == ["cell"]]


ABSENCE = alert("RdsMissing", "absent(aws_rds_cpuutilization_average{<< scope >>})")
FULL = alert("RdsFull", "aws_rds_cpuutilization_average{<< scope >>} > 5")


def test_absences_of_cloudwatch_metrics_wait_for_the_exporter_and_values_do_not() -> None:
    scraped = standard(alerts=(alert("WebAbsent", 'absent(up{job="web",<< scope >>})'),))
    assert blindness(scraped, replace(database(), alerts=(ABSENCE, FULL)), EXPORTER) == [
        {
            "source_matchers": ['standard="exporter"', 'outage="true"'],
            "target_matchers": ['alertname=~"RdsMissing"', 'standard!="exporter"'],
            "equal": ["cell"],
        }
    ]


def test_without_a_standard_for_the_exporter_every_absence_is_told() -> None:
    assert blindness(replace(database(), alerts=(ABSENCE,)), PROMETHEUS) == []


def test_objectives_that_cloudwatch_measures_wait_as_well() -> None:
    slo = Slo("availability", 0.99, standard="rds", indicator="answered")
    own = Service("web", "platform", 1, slos=(slo,))
    _, second = blindness(replace(database(), alerts=(ABSENCE,)), EXPORTER, services=(own,))
    assert second["target_matchers"][:2] == ['alertname="SliAbsent"', 'standard=~"slo-availability"']


def test_every_shipped_absence_of_cloudwatch_is_among_them() -> None:
    """Also where the name does not tell."""
    shipped = standards.load(PROJECT).catalog
    assert shipped is not None
    (rule,) = (
        r
        for r in routing.alertmanager(shipped)["inhibit_rules"]
        if r["equal"] == ["cell"] and r["target_matchers"][0].startswith("alertname=~")
    )
    muted = rule["target_matchers"][0].partition("=~")[2].strip('"').split("|")
    assert {"RdsMetricsAbsent", "AlbNotCollected", "EcsInsightsAbsent"} <= set(muted)
    reading = {a.alert for s in shipped.standards.values() if s.cloudwatch for a in s.alerts}
    assert set(muted) <= reading


def test_parts_are_found_by_the_port_of_their_standard() -> None:
    project = builders.catalog(alertmanagers=("alerts:9999",)).project
    found = {r.name: r for r, _ in watchers.parts(project, HERE, cloudwatch=True)}
    ports = {
        name: r.port(port) for (name, r), port in zip(sorted(found.items()), (9093, 5000, 9090), strict=True)
    }
    assert ports == {"alertmanager": 9999, "cloudwatch-exporter": 5000, "prometheus": 9090}
