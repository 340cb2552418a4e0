"""Rules are rendered once for each service; an override splits only what depends on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from mac import conventions, rules
from mac.bind import bind
from mac.model import Exemption, Resource, Service, Standard, Text
from tests import builders
from tests.builders import alert, instance, recording, snapshot, standard


def rendered(chosen: Standard, *resources: Resource) -> tuple[rules.RenderedRule, ...]:
    result = bind(builders.catalog(chosen), snapshot(*resources), date(2026, 11, 23))
    found, problems = rules.for_binding(result.bindings[0])
    assert not problems
    return found


def test_a_rule_is_rendered_once_however_many_machines_there_are() -> None:
    found = rendered(standard(), *(instance(n) for n in range(1, 50)))
    assert [r.name for r in found] == ["service:web_up:ratio", "WebDown"]


def test_an_alert_carries_the_labels_that_routing_needs() -> None:
    rule = rendered(standard(), instance())[-1].rule
    assert rule["labels"] == {
        "environment": "production",
        "service": "web",
        "severity": "page",
        "standard": "web",
        "team": "platform",
        "tier": "1",
    }
    assert rule["annotations"]["runbook_url"] == "https://example.com/web"
    assert rule["for"] == "5m"
    assert "keep_firing_for" not in rule


def test_an_override_splits_the_rules_that_depend_on_it_and_no_other() -> None:
    chosen = standard(
        recording=(
            recording(),
            recording("service:web_low:bool", "service:web_up:ratio{<< scope >>} < bool << p.floor >>"),
        ),
        alerts=(
            alert("Low", "service:web_low:bool{<< scope >>} == 1"),
            alert("Gone", "absent(up{<< scope >>})", description=Text("gone")),
        ),
    )
    other = instance(2, tags={"service": "web", "mac:floor": "0.5"})
    found = rendered(chosen, instance(1), other)
    assert [(r.name, r.override) for r in found] == [
        ("service:web_up:ratio", ""),
        ("service:web_up:ratio", "floor=0.5"),
        ("service:web_low:bool", ""),
        ("service:web_low:bool", "floor=0.5"),
        ("Low", ""),
        ("Low", "floor=0.5"),
        ("Gone", ""),
    ]
    exprs = {(r.name, r.override): r.rule["expr"] for r in found}
    assert exprs["Low", ""].count('override=""') == 1
    assert exprs["Low", "floor=0.5"].count('override="floor=0.5"') == 1
    assert "override" not in exprs["Gone", ""]


def test_what_others_leave_out_is_recorded_only_where_its_alert_is_told() -> None:
    lost = recording(conventions.ZONE_LOST, "vector(1)")
    told = standard(recording=(lost,), alerts=(alert(conventions.ZONE_UNREACHABLE), alert("Other")))
    assert [r.name for r in rendered(told, instance())] == [
        conventions.ZONE_LOST,
        conventions.ZONE_UNREACHABLE,
        "Other",
    ]
    assert [r.name for r in rendered(replace(told, alerts=(alert("Other"),)), instance())] == ["Other"]
    exempted = Exemption(told.name, "nobody wants it", "2026-12-31", alert=conventions.ZONE_UNREACHABLE)
    services = (Service("web", "platform", 1, exemptions=(exempted,)),)
    result = bind(builders.catalog(told, services=services), snapshot(instance()), date(2026, 11, 23))
    assert [r.name for r in rules.for_binding(result.bindings[0])[0]] == ["Other"]


def test_without_a_base_partition_only_the_override_is_rendered() -> None:
    found = rendered(standard(), instance(1, tags={"service": "web", "mac:floor": "0.5"}))
    assert [(r.name, r.override) for r in found] == [
        ("service:web_up:ratio", "floor=0.5"),
        ("WebDown", "floor=0.5"),
    ]


def test_braces_in_a_label_are_not_a_template_for_prometheus() -> None:
    service = "{{ $labels.instance }}"
    rule = rendered(standard(), instance(tags={"service": service}))[-1].rule
    assert rule["labels"]["service"] == '{{"{"}}{{"{"}} $labels.instance }}'
    assert f'service="{service}"' in rule["expr"]


def test_a_parameter_that_does_not_exist_is_told_where_it_stands() -> None:
    from mac.problems import Location
    from mac.templating import Mode

    text = Text("up\n  > << p.flor >>", Location("s.yaml", 10, 9))
    (problem,) = rules.check_text(text, Mode.EXPRESSION, standard())
    assert problem.code == "unknown-parameter"
    assert problem.location.line == 11
    assert problem.hint == 'did you mean "floor"?'


@pytest.mark.parametrize(("tier", "severity"), [(1, "page"), (3, "page"), (4, "ticket")])
def test_only_tiers_that_page_wake_somebody(tier: int, severity: str) -> None:
    services = (Service("web", "platform", tier),)
    catalog = builders.catalog(services=services, page_tiers=(1, 2, 3))
    (binding,) = bind(catalog, builders.snapshot(builders.instance()), date(2026, 11, 23)).bindings
    rendered, problems = rules.for_binding(binding)
    assert problems == ()
    (found,) = [r.rule for r in rendered if "alert" in r.rule]
    assert (found["labels"]["severity"], found["labels"]["tier"]) == (severity, str(tier))
