"""Every resource in service is watched, watched in part, exempt with a reason, or named as not watched."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from mac import coverage_report
from mac import snapshot as snapshots
from mac.bind import bind
from mac.coverage import Coverage, State, coverage
from mac.model import (
    AppliesTo,
    Catalog,
    CloudWatch,
    CloudWatchMetric,
    Endpoint,
    Exemption,
    Lifecycle,
    Probe,
    Resource,
    Service,
    ServiceEndpoint,
    Unwatched,
)
from tests import builders
from tests.builders import alert, instance, snapshot, standard

Mac = Callable[..., Result]

TODAY = date(2026, 11, 23)


def covered(catalog: Catalog, *resources: Resource) -> Coverage:
    found = snapshot(*resources)
    return coverage(catalog, found, bind(catalog, found, TODAY), TODAY)


def states(found: Coverage) -> dict[str, str]:
    return {row.resource.id: row.state.value for row in found.rows}


def balancer_standard(**changes: object) -> object:
    source = CloudWatch("AWS/ApplicationELB", (CloudWatchMetric("RequestCount", ("Sum",)),))
    fields = {"applies_to": AppliesTo("load-balancer"), "scrape": None, "cloudwatch": source}
    return standard("alb", **{**fields, **changes})


def balancer(**changes: object) -> Resource:
    arn = f"arn:aws:elasticloadbalancing:{builders.REGION}:{builders.ACCOUNT}:loadbalancer/app/web/1"
    attributes = {"type": "application"}
    fields = {
        "kind": "load-balancer",
        "id": "app/web/1",
        "arn": arn,
        "addresses": (),
        "attributes": attributes,
    }
    return instance(**{**fields, **changes})


def group(**changes: object) -> Resource:
    arn = f"arn:aws:elasticloadbalancing:{builders.REGION}:{builders.ACCOUNT}:targetgroup/web/2"
    fields = {"kind": "target-group", "id": "targetgroup/web/2", "arn": arn, "addresses": (), "tags": {}}
    return instance(**{**fields, **changes})


def test_a_bound_resource_is_monitored_and_an_unbound_one_is_not() -> None:
    found = covered(builders.catalog(), instance(1), instance(2, tags={"Name": "x"}))
    assert [row.state.value for row in found.rows] == ["monitored", "unmonitored"]
    assert (found.rows[1].reason, found.rows[1].detail) == ("no-service", "it has no tag service")
    assert found.percent == 50


def test_what_is_not_in_service_is_not_counted() -> None:
    stopped = instance(2, lifecycle=Lifecycle.STOPPED, state="stopped")
    found = covered(builders.catalog(), instance(1), stopped)
    assert found.count()["total"] == 1
    assert found.not_in_service == {"stopped": 1}
    assert found.percent == 100


def test_an_exempt_resource_has_its_reason_and_its_day_and_does_not_lower_the_share() -> None:
    exemption = Exemption("web", "it is a toy", "2027-01-01")
    catalog = builders.catalog(services=(Service("web", "platform", 1, exemptions=(exemption,)),))
    found = covered(catalog, instance(1))
    (row,) = found.rows
    assert (row.state, row.detail, row.expires) == (State.EXEMPT, "it is a toy", "2027-01-01")
    assert found.percent == 100


def test_an_exemption_that_has_ended_exempts_nothing() -> None:
    exemption = Exemption("web", "it was a toy", "2026-11-22")
    catalog = builders.catalog(services=(Service("web", "platform", 1, exemptions=(exemption,)),))
    assert states(covered(catalog, instance(1))) == {instance(1).id: "monitored"}


def test_a_resource_whose_alerts_are_all_exempt_is_watched_in_part() -> None:
    exemption = Exemption("web", "too loud", "2027-01-01", alert="WebDown")
    catalog = builders.catalog(services=(Service("web", "platform", 1, exemptions=(exemption,)),))
    (row,) = covered(catalog, instance(1)).rows
    assert (row.state, row.missing) == (State.PARTIAL, ("web: alerts",))


def test_declared_endpoints_are_counted_probed_exempt_or_not_probed_at_all() -> None:
    probed = standard("endpoint", applies_to=AppliesTo("endpoint"), scrape=None, probe=Probe())
    exemption = Exemption("endpoint", "a toy of the interns", "2027-01-01", environment="staging")
    written = (
        ServiceEndpoint(Endpoint("https://shop.example.com/", "http_2xx")),
        ServiceEndpoint(Endpoint("https://toy.example.com/", "http_2xx"), environment="staging"),
        ServiceEndpoint(Endpoint("https://far.example.com/", "http_2xx"), cell="nowhere"),
    )
    service = Service("web", "platform", 1, endpoints=written, exemptions=(exemption,))
    found = covered(builders.catalog(standard("web"), probed, services=(service,)), instance(1))
    assert {row.resource.name: row.state.value for row in found.rows if row.resource.kind == "endpoint"} == {
        "https://shop.example.com/": "monitored",
        "https://toy.example.com/": "exempt",
        "https://far.example.com/": "unmonitored",
    }
    assert {(row.service, row.team) for row in found.rows} == {("web", "platform")}
    assert found.percent == pytest.approx(200 / 3)
    (lost,) = (row for row in found.rows if row.state is State.UNMONITORED)
    assert lost.detail == 'there is no cell "nowhere", so nothing probes https://far.example.com/'


def test_a_standard_that_can_collect_nothing_is_a_missing_layer_beside_one_that_can() -> None:
    metrics = CloudWatch("Custom/Web", (CloudWatchMetric("Load", ("Average",)),))
    from_cloudwatch = standard("load", scrape=None, cloudwatch=metrics, applies_to=AppliesTo("target-group"))
    scraped = standard("group", applies_to=AppliesTo("target-group"))
    catalog = builders.catalog(from_cloudwatch, scraped)
    (row,) = covered(catalog, group(tags={"service": "web"}, addresses=("127.0.0.1",))).rows
    assert (row.state, row.missing) == (State.PARTIAL, ("load: collection",))
    (row,) = covered(builders.catalog(from_cloudwatch), group(tags={"service": "web"})).rows
    assert (row.state, row.reason) == (State.UNMONITORED, "no-standard")


@pytest.mark.parametrize("direction", ["to", "from"])
def test_a_target_group_is_watched_through_its_load_balancer(direction: str) -> None:
    if direction == "to":
        resources = (balancer(links={"target-group": (group().arn,)}), group())
    else:
        resources = (balancer(), group(links={"load-balancer": (balancer().arn,)}))
    covering = builders.catalog(balancer_standard(covers=("target-group",)))
    assert states(covered(covering, *resources)) == {
        "app/web/1": "monitored",
        "targetgroup/web/2": "monitored",
    }
    plain = builders.catalog(balancer_standard())
    assert states(covered(plain, *resources))["targetgroup/web/2"] == "unmonitored"
    alone = covered(covering, balancer(), group())
    assert states(alone)["targetgroup/web/2"] == "unmonitored"


def test_a_load_balancer_that_is_exempt_covers_nothing() -> None:
    exemption = Exemption("alb", "a toy", "2027-01-01")
    service = Service("web", "platform", 1, exemptions=(exemption,))
    catalog = builders.catalog(balancer_standard(covers=("target-group",)), services=(service,))
    found = covered(catalog, balancer(links={"target-group": (group().arn,)}), group())
    assert states(found) == {"app/web/1": "exempt", "targetgroup/web/2": "unmonitored"}


@pytest.mark.parametrize(
    ("match", "expires", "state"),
    [
        ({"kind": ("s3-bucket",)}, "", "exempt"),
        ({"kind": ("s3-bucket",)}, "2026-11-23", "exempt"),
        ({"kind": ("s3-bucket",)}, "2026-11-22", "unmonitored"),
        ({"kind": ("s3-bucket",), "service": ("web",)}, "", "exempt"),
        ({"kind": ("s3-bucket",), "service": ("other",)}, "", "unmonitored"),
        ({"kind": ("sqs-queue",)}, "", "unmonitored"),
    ],
)
def test_mac_yaml_says_what_nobody_needs_to_watch(
    match: dict[str, tuple[str, ...]], expires: str, state: str
) -> None:
    catalog = builders.catalog(unwatched=(Unwatched(match, "scratch", expires),))
    (row,) = covered(catalog, instance(kind="s3-bucket")).rows
    assert row.state.value == state


def test_a_watched_resource_stays_monitored_whatever_mac_yaml_says() -> None:
    catalog = builders.catalog(unwatched=(Unwatched({"kind": ("ec2-instance",)}, "scratch"),))
    assert states(covered(catalog, instance(1))) == {instance(1).id: "monitored"}


def test_standards_and_services_without_what_they_need_are_told() -> None:
    idle = standard("idle", applies_to=AppliesTo("s3-bucket"))
    quiet = standard(alerts=(alert(severity="ticket", runbook=""),), runbook="")
    services = (Service("web", "platform", 1), Service("forgotten", "data", 3))
    found = covered(
        builders.catalog(quiet, idle, services=services),
        instance(1),
        instance(2, tags={"service": "stray", "role": "web"}),
    )
    assert found.unused_standards == ("idle",)
    assert {gap.service: gap.lacks for gap in found.services} == {
        "forgotten": ("resources", "slo"),
        "stray": ("owner", "page", "runbook"),
        "web": ("page", "runbook", "slo"),
    }
    assert found.only_general == {"web": 2}


def test_a_role_with_a_standard_of_its_own_is_not_called_general() -> None:
    special = standard("special", applies_to=AppliesTo("ec2-instance", ({"role": ("web",)},)))
    assert covered(builders.catalog(standard("host"), special), instance(1)).only_general == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ec2-instance", "s3-bucket", "target-group"]),
            st.sampled_from([{}, {"service": "web"}, {"service": "toy"}, {"Service": "else"}]),
            st.sampled_from([Lifecycle.IN_SERVICE, Lifecycle.STOPPED, Lifecycle.LEAVING]),
        ),
        max_size=12,
    )
)
def test_every_resource_is_counted_once_in_every_grouping(
    made: list[tuple[str, dict[str, str], Lifecycle]],
) -> None:
    exemption = Exemption("web", "a toy", "2027-01-01")
    services = (Service("web", "platform", 1), Service("toy", "data", 3, exemptions=(exemption,)))
    resources = [
        instance(n, tags=tags, kind=kind, lifecycle=lifecycle, arn=f"arn:{n}")
        for n, (kind, tags, lifecycle) in enumerate(made)
    ]
    found = covered(builders.catalog(services=services), *resources)
    report = coverage_report.as_dict(found, matrix=True)
    count = report["resources"]
    assert count["total"] + sum(found.not_in_service.values()) == len(resources)
    assert count["total"] == sum(count[state.value] for state in State) == len(report["matrix"])
    for name in coverage_report.GROUPINGS:
        assert sum(group["total"] for group in report[f"by_{name}"].values()) == count["total"]
    assert len(report["unmonitored"]) == count["unmonitored"]
    assert all(entry["reason"] for entry in report["unmonitored"])


def test_a_share_is_never_rounded_up_to_what_was_not_reached() -> None:
    assert coverage_report.shown_percent(99.99) == "99.9"


def test_tags_cannot_write_markdown() -> None:
    hostile = instance(1, tags={"service": "a|b\n# <img>"}, kind="s3-bucket", name="[x](http://127.0.0.1)|")
    written = coverage_report.markdown(covered(builders.catalog(), hostile), "service")
    assert "\n# " not in written
    assert "| a\\|b\ufffd\\# \\<img\\> | 1 |" in written
    assert "[x]" not in written


# --- the command -------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, mac: Mac) -> Path:
    root = tmp_path / "monitoring"
    assert mac("init", root).exit_code == 0
    return root


def kept(root: Path, *resources: Resource) -> None:
    path = root.parent / "snapshot.jsonl"
    path.write_bytes(snapshots.to_bytes(snapshot(*resources)))


def test_the_command_reads_a_snapshot_and_fails_under_what_is_asked_for(repository: Path, mac: Mac) -> None:
    machines = [instance(n, {"service": "hdfs", "role": "hdfs-datanode"}) for n in range(3)]
    kept(repository, *machines, instance(9, tags={}))
    arguments = ("coverage", "-C", repository, "--snapshot", repository.parent / "snapshot.jsonl")
    passed = mac(*arguments, "--fail-under", 75)
    assert passed.exit_code == 0, passed.stderr
    assert "75.0 % of what is not exempt is monitored" in passed.stdout
    assert "1 ec2-instance: it has no tags" in passed.stdout
    failed = mac(*arguments, "--fail-under", 75.1, "--format", "json")
    assert failed.exit_code == 1
    assert "coverage is 75.0 %, and 75.1 % is asked for" in failed.stderr
    report = json.loads(failed.stdout)
    assert report["schema_version"] == 1
    assert report["resources"] == {
        "total": 4,
        "monitored": 3,
        "partial": 0,
        "exempt": 0,
        "unmonitored": 1,
    }
    assert report["by_kind"] == {"ec2-instance": report["resources"]}
    assert report["by_team"]["data"]["monitored"] == 3
    assert report["unmonitored"][0].items() >= {"kind": "ec2-instance", "reason": "no-service"}.items()
    assert "sqs-queue" in report["unused_standards"]


def test_the_matrix_names_each_standard_of_each_resource(repository: Path, mac: Mac) -> None:
    kept(repository, instance(1, {"service": "hdfs", "role": "hdfs-datanode"}))
    snapshot_file = repository.parent / "snapshot.jsonl"
    result = mac("coverage", "-C", repository, "--snapshot", snapshot_file, "--matrix")
    line = next(line for line in result.stdout.splitlines() if line.startswith("monitored"))
    assert line.endswith("hdfs-datanode, host")


def test_without_a_snapshot_the_command_says_where_it_looked(repository: Path, mac: Mac) -> None:
    result = mac("coverage", "-C", repository)
    assert result.exit_code == 1
    assert "inventory/snapshot" in result.stderr


def test_what_is_wrong_with_the_settings_is_told_at_its_place(repository: Path, mac: Mac) -> None:
    settings = repository / "mac.yaml"
    settings.write_text(
        settings.read_text()
        + "  unwatched:\n"
        + "    - {match: {kind: [s3-buckets]}, reason: x}\n"
        + '    - {match: {servce: [web]}, reason: x, expires: "2027-02-30"}\n'
    )
    result = mac("validate", "-C", repository)
    assert result.exit_code == 1
    assert 'there is no resource kind "s3-buckets"' in result.stderr + result.stdout
    assert 'resources have no label "servce"' in result.stderr + result.stdout
    assert "2027-02-30 is not a day of the calendar" in result.stderr + result.stdout
