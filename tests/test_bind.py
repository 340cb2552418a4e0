"""Every resource ends up watched or named with a reason, and no alert exists twice."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import scraping
from mac.bind import Bindings, bind
from mac.model import (
    AppliesTo,
    Catalog,
    CloudWatch,
    CloudWatchMetric,
    Exemption,
    Lifecycle,
    Resource,
    Scrape,
    Service,
    Unwatched,
)
from tests import builders
from tests.builders import instance, parameter, snapshot, standard

TODAY = date(2026, 11, 23)


def bound(catalog: Catalog, *resources: Resource) -> Bindings:
    return bind(catalog, snapshot(*resources), TODAY)


def reasons(result: Bindings) -> dict[str, str]:
    return {u.resource.id: u.reason for u in result.unbound}


def test_a_resource_is_bound_by_its_tags_without_regard_to_case() -> None:
    result = bound(builders.catalog(), instance(tags={"Service": "web", "ENV": "prod"}))
    (binding,) = result.bindings
    assert (binding.service, binding.environment, binding.team, binding.tier) == (
        "web",
        "production",
        "platform",
        1,
    )
    assert binding.cell.name == "main-us-east-1"


def test_the_exact_tag_wins_over_one_that_differs_in_case() -> None:
    result = bound(builders.catalog(), instance(tags={"SERVICE": "other", "service": "web"}))
    assert [b.service for b in result.bindings] == ["web"]


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (instance(tags={}), "no-service"),
        (instance(tags={"Name": "x"}), "no-service"),
        (instance(addresses=()), "no-standard"),
        (instance(lifecycle=Lifecycle.STOPPED, state="stopped"), "stopped"),
        (instance(lifecycle=Lifecycle.LEAVING, state="shutting-down"), "leaving"),
        (instance(lifecycle=Lifecycle.STARTING, state="pending"), "starting"),
        (instance(kind="s3-bucket"), "no-standard"),
        (instance(tags={"service": "we\ud800b"}), "hostile-value"),
    ],
)
def test_what_is_not_bound_has_a_reason(resource: Resource, reason: str) -> None:
    result = bound(builders.catalog(), resource)
    assert reasons(result) == {resource.id: reason}
    assert not result.bindings
    assert result.bound == 0


@pytest.mark.parametrize(
    ("ports", "target"),
    [
        ({}, "127.0.0.1:9100"),  # an interface of its own, or the network of its machine
        ({"9100": 32768, "8080": 32769}, "127.0.0.1:32768"),  # a bridge
        ({"8080": 8080}, "127.0.0.1:9100"),  # as it is inside: the network of its machine
        ({"8080": 32769}, ""),
    ],
)
def test_a_container_is_scraped_at_the_port_that_its_machine_gives_to_it(
    ports: dict[str, int], target: str
) -> None:
    task = instance(kind="ecs-task", attributes={"host_ports": ports} if ports else {})
    scrape = Scrape("app", 9100)
    chosen = standard(applies_to=AppliesTo("ecs-task"), scrape=scrape)
    result = bound(builders.catalog(chosen), task)
    groups = scraping.target_groups(result.bindings, scrape)
    assert [one for group in groups for one in group["targets"]] == ([target] if target else [])
    if not target:
        (unbound,) = result.unbound
        assert unbound.detail == "its container's port 9100 is not mapped to a port of its machine"


def test_two_tasks_on_one_machine_are_two_targets() -> None:
    tasks = [
        instance(n, kind="ecs-task", addresses=("127.0.0.9",), attributes={"host_ports": {"9100": 32768 + n}})
        for n in (1, 2)
    ]
    scrape = Scrape("app", 9100)
    chosen = standard(applies_to=AppliesTo("ecs-task"), scrape=scrape)
    groups = scraping.target_groups(bound(builders.catalog(chosen), *tasks).bindings, scrape)
    assert [group["targets"] for group in groups] == [["127.0.0.9:32769"], ["127.0.0.9:32770"]]


def test_a_resource_without_metrics_in_cloudwatch_is_not_bound_to_a_standard_that_reads_them() -> None:
    source = CloudWatch("AWS/ApplicationELB", (CloudWatchMetric("RequestCount", ("Sum",)),))
    chosen = standard(applies_to=AppliesTo("target-group"), scrape=None, cloudwatch=source)
    # A target group that no load balancer stands before has no dimensions.
    result = bound(builders.catalog(chosen), instance(kind="target-group"))
    assert [(u.reason, "CloudWatch" in u.detail) for u in result.unbound] == [("no-standard", True)]


def test_a_machine_that_runs_and_is_left_out_says_why() -> None:
    taken = instance(
        state="running",
        lifecycle=Lifecycle.LEAVING,
        lifecycle_reason="spot-interruption: marked-for-termination",
    )
    (unbound,) = bound(builders.catalog(), taken).unbound
    assert unbound.detail == "it is running (spot-interruption: marked-for-termination)"


def test_a_misspelt_tag_key_is_pointed_out() -> None:
    result = bound(builders.catalog(), instance(tags={"sevice": "web"}))
    assert 'its tag "sevice" looks like a misspelling' in result.unbound[0].detail


def test_an_undeclared_service_is_watched_all_the_same_and_told_once() -> None:
    machines = [instance(n, tags={"service": "wbe"}) for n in range(1, 8)]
    result = bound(builders.catalog(), *machines)
    assert [b.service for b in result.bindings] == ["wbe"]
    assert result.bindings[0].team == "platform"
    (problem,) = result.problems
    assert problem.code == "undeclared-service"
    assert "7 resources" in problem.message
    assert problem.hint == 'did you mean "web"?'


def test_many_services_and_teams_without_a_document_are_one_problem_each() -> None:
    machines = [instance(n, tags={"service": f"new {n % 5}", "team": f"crew{n % 5}"}) for n in range(1, 8)]
    services, teams = bound(builders.catalog(), *machines).problems
    assert (services.location.path, teams.location.path) == ("standards/services", "standards/teams")
    assert "5 services that tags name (7 resources) have no document" in services.message
    assert services.message.endswith(': "new 1" (2), "new 2" (2), "new 0", "new 3", "new 4"')
    assert "crew1 (2), crew2 (2), crew0, crew3, crew4" in teams.message


def test_misspelt_services_are_told_one_by_one_however_many_are_unknown() -> None:
    names = ["wbe", *(f"unlike{n}" for n in range(5))]
    machines = [instance(n, tags={"service": name}) for n, name in enumerate(names)]
    hints = [p.hint for p in bound(builders.catalog(), *machines).problems]
    assert hints.count('did you mean "web"?') == 1
    assert len(hints) == 2


def test_the_names_of_all_services_are_no_hint() -> None:
    (problem,) = bound(builders.catalog(), instance(tags={"service": "unlike"})).problems
    assert "known:" not in problem.hint
    assert "write one in standards/services" in problem.hint


def test_an_undeclared_service_can_be_only_reported() -> None:
    result = bound(builders.catalog(undeclared_services="report"), instance(tags={"service": "wbe"}))
    assert set(reasons(result).values()) == {"undeclared-service"}


def test_an_undeclared_service_goes_to_the_team_of_its_tags() -> None:
    result = bound(builders.catalog(), instance(tags={"service": "new", "owner": "data"}))
    assert result.bindings[0].team == "data"


def test_a_team_that_does_not_exist_is_told_and_the_default_team_takes_over() -> None:
    result = bound(builders.catalog(), instance(tags={"service": "new", "team": "dta"}))
    assert result.bindings[0].team == "platform"
    assert [(p.code, p.hint) for p in result.problems if p.code == "unknown-team"] == [
        ("unknown-team", 'did you mean "data"?')
    ]


def test_a_role_tag_may_list_several_roles() -> None:
    one = standard("one", applies_to=AppliesTo("ec2-instance", ({"role": ("a",)},)))
    two = standard("two", applies_to=AppliesTo("ec2-instance", ({"role": ("b",)},)))
    result = bound(builders.catalog(one, two), instance(tags={"service": "web", "role": "a + b"}))
    assert [b.standard.name for b in result.bindings] == ["one", "two"]
    assert result.bound == 1


def test_parameters_come_from_default_environment_service_and_tag_in_this_order() -> None:
    knobs = {n: parameter(n, 0.1, open_to_tags=True) for n in ("a", "b", "c", "d")}
    service = Service("web", "platform", 1, parameters={"web": {"c": 0.3, "d": 0.3}})
    environments = {"production": {"web": {"b": 0.2, "c": 0.2, "d": 0.2}}}
    result = bound(
        builders.catalog(standard(parameters=knobs), services=(service,), environments=environments),
        instance(tags={"service": "web", "mac:d": "0.4"}),
    )
    (partition,) = result.bindings[0].partitions
    assert partition.parameters == {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}
    assert partition.override == "d=0.4"


def test_a_tag_that_repeats_the_services_value_is_no_override() -> None:
    result = bound(builders.catalog(), instance(tags={"service": "web", "mac:floor": "0.90"}))
    assert [p.override for p in result.bindings[0].partitions] == [""]


@pytest.mark.parametrize(
    ("tag", "value", "code"),
    [
        ("mac:floor", "high", "tag-parameter"),
        ("mac:floor", "1.5", "tag-parameter"),
        ("mac:floor", "nan", "tag-parameter"),
        ("mac:flor", "0.5", "tag-parameter"),
        ("mac:closed", "0.5", "parameter-closed"),
    ],
)
def test_a_tag_that_sets_a_parameter_wrongly_is_told_and_has_no_effect(
    tag: str, value: str, code: str
) -> None:
    knobs = {"floor": parameter(open_to_tags=True), "closed": parameter("closed")}
    result = bound(
        builders.catalog(standard(parameters=knobs)), instance(tags={"service": "web", tag: value})
    )
    assert [p.code for p in result.problems] == [code]
    assert [p.override for p in result.bindings[0].partitions] == [""]


def test_a_tag_that_one_standard_takes_is_not_told_for_another_that_keeps_it_closed() -> None:
    shut = standard("shut", parameters={"floor": parameter()})
    result = bound(builders.catalog(standard(), shut), instance(tags={"service": "web", "mac:floor": "0.5"}))
    assert not result.problems
    assert [(b.standard.name, b.partitions[0].override) for b in result.bindings] == [
        ("shut", ""),
        ("web", "floor=0.5"),
    ]


def service_with(exemption: Exemption) -> Catalog:
    return builders.catalog(services=(Service("web", "platform", 1, exemptions=(exemption,)),))


def test_an_exemption_leaves_an_alert_out_until_its_date() -> None:
    catalog = service_with(Exemption("web", "known", "2026-11-23", alert="WebDown"))
    assert bound(catalog, instance()).bindings[0].silenced == {"WebDown"}


def test_an_expired_exemption_is_told_and_no_longer_holds() -> None:
    catalog = service_with(Exemption("web", "known", "2026-11-22", alert="WebDown"))
    result = bound(catalog, instance())
    assert result.bindings[0].silenced == frozenset()
    assert [p.code for p in result.problems] == ["exemption-expired"]


def test_an_exemption_of_a_whole_standard_leaves_its_resources_unbound() -> None:
    result = bound(service_with(Exemption("web", "known", "2027-01-01")), instance())
    assert set(reasons(result).values()) == {"exempt"}


def test_an_exemption_for_another_environment_has_no_effect() -> None:
    result = bound(service_with(Exemption("web", "known", "2027-01-01", environment="staging")), instance())
    assert result.bound == 1


RESOURCES = st.lists(
    st.builds(
        lambda number, service, role, lifecycle: instance(
            number, tags={"service": service, "role": role}, lifecycle=lifecycle
        ),
        st.integers(1, 30),
        st.sampled_from(["web", "wbe", "", "other"]),
        st.text(max_size=5),
        st.sampled_from(Lifecycle),
    ),
    unique_by=lambda r: r.id,
)


@given(RESOURCES, st.randoms(use_true_random=False))
def test_every_resource_is_bound_or_named_and_order_is_irrelevant(
    resources: list[Resource], random: object
) -> None:
    result = bound(builders.catalog(), *resources)
    watched = {m.resource.id for b in result.bindings for m in b.members}
    assert watched.isdisjoint(reasons(result))
    assert watched | set(reasons(result)) == {r.id for r in resources}
    assert result.bound == len(watched)
    random.shuffle(resources)  # type: ignore[attr-defined]
    assert bound(builders.catalog(), *resources) == result


def test_settings_of_what_nobody_watches_that_have_ended_are_told() -> None:
    catalog = builders.catalog(unwatched=(Unwatched({"kind": ("s3-bucket",)}, "scratch", "2026-11-22"),))
    (problem,) = bound(catalog, instance()).problems
    assert problem.code == "exemption-expired"
    assert "unwatched resources ended on 2026-11-22" in problem.message
