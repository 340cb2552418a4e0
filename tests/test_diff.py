"""Plans: what changes, why, and that a plan turns the old tree into the new one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mac import diff, emit, files, items, plan_report, render, templates
from mac.bind import bind
from mac.diff import Change, Plan
from mac.model import Catalog, Resource, Service, Text, WorkingHours
from mac.problems import Location, Problem, Severity
from tests import builders
from tests.builders import alert, instance, parameter, recording, snapshot, standard

TEMPLATES, _ = templates.read(files.shipped_root(), (o.template for o in render.OUTPUTS))
CELL = "main-us-east-1"


@dataclass(frozen=True)
class Generated:
    files: Mapping[str, bytes]
    provenance: Mapping[str, Any]


NOTHING = Generated({}, {})


def generated(
    *resources: Resource,
    catalog: Catalog | None = None,
    templates_: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
) -> Generated:
    chosen = catalog or builders.catalog()
    teams = {f"team/{name}": "sha256:0" for name in chosen.teams}
    services = {f"service/{name}": "sha256:0" for name in chosen.services}
    inputs = {**chosen.digests, **teams, **services, "settings": "sha256:0", **(digests or {})}
    chosen = replace(chosen, digests=inputs)
    bindings = bind(chosen, snapshot(*resources), date(2026, 11, 23))
    digest = f"sha256:{abs(hash(tuple(sorted((r.id, tuple(r.tags.items())) for r in resources)))):x}"
    result = render.render(chosen, bindings, {**TEMPLATES, **(templates_ or {})}, digest)
    assert result.problems == ()
    return Generated(result.files, result.provenance)


def plan(old: Generated, new: Generated) -> Plan:
    return diff.plan(old.files, new.files, old.provenance, new.provenance)


def fleet(first: int, last: int, **changes: Any) -> list[Resource]:
    return [instance(number, **changes) for number in range(first, last)]


def of_kind(made: Plan, kind: str) -> list[Change]:
    return [change for change in made.changes if change.kind == kind]


def shape(change: Change) -> tuple[str, str, str, int, str]:
    return (change.action, change.kind, change.name, change.count, change.cause)


# --- targets ------------------------------------------------------------------------------------------


def test_machines_that_are_alike_are_one_change_with_their_number() -> None:
    made = plan(generated(*fleet(0, 10)), generated(*fleet(0, 410)))
    assert [shape(c) for c in made.changes] == [("add", "target", "web", 400, "inventory")]
    assert (made.changes[0].service, made.changes[0].environment, made.changes[0].cell) == (
        "web",
        "production",
        CELL,
    )
    assert made.summary == {"add": 400, "remove": 0, "modify": 0}


def test_machines_that_go_are_removed_by_the_inventory() -> None:
    made = plan(generated(*fleet(0, 10)), generated(*fleet(4, 10)))
    assert [shape(c) for c in made.changes] == [("remove", "target", "web", 4, "inventory")]
    assert made.changes[0].examples == tuple(instance(n).id for n in range(4))


def test_a_machine_with_another_address_is_the_same_target() -> None:
    made = plan(generated(*fleet(0, 3)), generated(*fleet(0, 2), instance(2, addresses=("127.9.9.9",))))
    # The inventory's digest of this test does not see addresses; what fed the change is then unknown.
    assert [(c.action, c.kind, c.count) for c in made.changes] == [("modify", "target", 1)]
    assert made.changes[0].fields == (diff.FieldChange("address", "127.0.0.2:9100", "127.9.9.9:9100"),)


def test_a_machine_with_another_tag_keeps_its_identity() -> None:
    tags = {"service": "web", "role": "web", "env": "staging"}
    old = generated(*fleet(0, 3))
    made = plan(old, generated(*fleet(0, 2), instance(2, tags=tags)))
    (change,) = of_kind(made, "target")
    assert (change.action, change.environment, change.cause) == ("modify", "staging", "inventory")
    assert [(f.field, f.old, f.new) for f in change.fields] == [
        ("labels.environment", "production", "staging")
    ]


def test_a_standard_that_asks_another_port_changes_its_targets() -> None:
    scrape = replace(standard().scrape, port=9200)  # type: ignore[type-var]
    changed = builders.catalog(standard(scrape=scrape))
    made = plan(
        generated(*fleet(0, 30)),
        generated(*fleet(0, 30), catalog=changed, digests={"standard/web": "sha256:1"}),
    )
    assert [shape(c) for c in made.changes] == [("modify", "target", "web", 30, "standard")]
    assert made.changes[0].fields == (diff.FieldChange("address", None, None),)


def test_resources_behind_the_cloudwatch_exporter_are_targets() -> None:
    from mac.model import AppliesTo, CloudWatch, CloudWatchMetric

    rds = standard(
        "rds",
        applies_to=AppliesTo("rds-instance"),
        scrape=None,
        cloudwatch=CloudWatch("AWS/RDS", (CloudWatchMetric("CPUUtilization", ("Average",)),)),
    )
    chosen = builders.catalog(rds)

    def database(number: int) -> Resource:
        arn = f"arn:aws:rds:us-east-1:{builders.ACCOUNT}:db:db-{number}"
        return instance(number, arn=arn, kind="rds-instance", id=f"db-{number}", addresses=())

    made = plan(generated(database(1), catalog=chosen), generated(database(1), database(2), catalog=chosen))
    assert [shape(c) for c in made.changes] == [("add", "target", "AWS/RDS", 1, "inventory")]
    assert made.changes[0].examples == ("db-2",)


def test_a_resource_whose_metrics_differ_in_their_dimensions_is_one_target() -> None:
    from mac.model import AppliesTo, CloudWatch, CloudWatchMetric

    def read(*kinds: str) -> Catalog:
        metrics = [CloudWatchMetric("numFailedTasks", ("Sum",), {"Type": kind}) for kind in kinds]
        source = CloudWatch("Glue", tuple(metrics))
        glue = standard("glue", applies_to=AppliesTo("glue-job"), scrape=None, cloudwatch=source)
        return builders.catalog(glue)

    job = instance(1, arn="arn:aws:glue:us-east-1:1:job/j", kind="glue-job", id="j", addresses=())
    first = plan(NOTHING, generated(job, catalog=read("count", "gauge")))
    assert [c.count for c in first.changes if c.kind == "target"] == [1]
    made = plan(generated(job, catalog=read("count")), generated(job, catalog=read("count", "gauge")))
    assert [(c.action, c.kind, c.count) for c in made.changes] == [("modify", "target", 1)]


# --- rules --------------------------------------------------------------------------------------------


def test_a_changed_standard_shows_the_fields_of_its_rules() -> None:
    changed = builders.catalog(standard(alerts=(alert(for_=Text("10m"), summary=Text("Down")),)))
    made = plan(
        generated(*fleet(0, 3)),
        generated(*fleet(0, 3), catalog=changed, digests={"standard/web": "sha256:1"}),
    )
    assert [shape(c) for c in made.changes] == [("modify", "rule", "WebDown", 1, "standard")]
    assert [(f.field, f.new) for f in made.changes[0].fields] == [
        ("annotations.summary", "Down"),
        ("for", "10m"),
    ]


def test_a_service_that_overrides_a_parameter_is_the_cause() -> None:
    own = Service("web", "platform", 1, parameters={"web": {"floor": 0.5}})
    made = plan(
        generated(*fleet(0, 3)),
        generated(
            *fleet(0, 3), catalog=builders.catalog(services=(own,)), digests={"service/web": "sha256:1"}
        ),
    )
    (change,) = of_kind(made, "rule")
    assert (change.action, change.name, change.cause) == ("modify", "WebDown", "service")
    assert {f.field for f in change.fields} == {"annotations.description", "expr"}


def test_a_service_with_another_owner_is_the_cause_of_new_team_labels() -> None:
    own = Service("web", "data", 1)
    made = plan(
        generated(*fleet(0, 3)),
        generated(
            *fleet(0, 3),
            catalog=builders.catalog(services=(own,)),
            digests={"service/web": "sha256:1", "standard/web": "sha256:1"},
        ),
    )
    (change,) = of_kind(made, "rule")
    assert (change.cause, [f.field for f in change.fields]) == ("service", ["labels.team"])


def test_the_settings_are_the_cause_of_what_an_environment_overrides() -> None:
    changed = builders.catalog(environments={"production": {"web": {"floor": 0.7}}})
    made = plan(
        generated(*fleet(0, 3)),
        generated(*fleet(0, 3), catalog=changed, digests={"settings": "sha256:1"}),
    )
    assert {c.cause for c in of_kind(made, "rule")} == {"settings"}


def test_a_new_service_brings_its_rules_by_the_inventory() -> None:
    other = [instance(n, tags={"service": "api", "role": "web"}) for n in range(10, 13)]
    made = plan(generated(*fleet(0, 3)), generated(*fleet(0, 3), *other))
    assert {shape(c) for c in made.changes if c.service == "api" and c.kind != "dashboard"} == {
        ("add", "target", "web", 3, "inventory"),
        ("add", "rule", "WebDown", 1, "inventory"),
        ("add", "rule", "service:web_up:ratio", 1, "inventory"),
    }


def test_a_new_standard_brings_rules_to_services_that_have_some() -> None:
    other = standard("cpu", alerts=(alert("CpuHigh", "service:cpu_up:ratio{<< scope >>} < << p.floor >>"),))
    other = replace(other, recording=(recording("service:cpu_up:ratio"),))
    both = builders.catalog(standard(), other)
    made = plan(generated(*fleet(0, 3)), generated(*fleet(0, 3), catalog=both))
    causes = {(c.kind, c.name, c.cause) for c in made.changes if c.action == "add" and c.kind != "file"}
    assert causes == {
        ("rule", "CpuHigh", "standard"),
        ("rule", "service:cpu_up:ratio", "standard"),
        ("scrape", "cpu", "standard"),
        ("target", "cpu", "standard"),
    }


def test_rules_that_a_tag_splits_are_told_apart() -> None:
    tagged = instance(5, tags={"service": "web", "role": "web", "mac:floor": "0.5"})
    made = plan(generated(*fleet(0, 3), instance(5)), generated(*fleet(0, 3), tagged))
    rules = [c for c in of_kind(made, "rule") if c.name == "WebDown"]
    assert {(c.action, c.cause) for c in rules} == {("add", "inventory"), ("modify", "inventory")}


def test_a_changed_template_is_the_cause_of_what_only_it_explains() -> None:
    text = TEMPLATES["rules/rules.yml.j2"].replace("  - <<", "  - interval: 1m\n    <<")
    made = plan(
        generated(*fleet(0, 3)),
        generated(*fleet(0, 3), templates_={"rules/rules.yml.j2": text}),
    )
    assert {(c.kind, c.cause) for c in made.changes} == {("rule", "template")}
    assert [f.field for f in made.changes[0].fields] == ["group"]


def test_a_comment_in_a_template_changes_nothing() -> None:
    text = "# Edited.\n" + TEMPLATES["rules/rules.yml.j2"]
    made = plan(generated(*fleet(0, 3)), generated(*fleet(0, 3), templates_={"rules/rules.yml.j2": text}))
    assert not made


# --- Alertmanager, dashboards, files ------------------------------------------------------------------


def test_a_team_that_changes_its_receivers_is_the_cause() -> None:
    chosen = builders.catalog()
    hours = WorkingHours("Europe/Madrid", ("monday:friday",), "09:00", "18:00")
    moved = replace(
        chosen.teams["data"],
        receivers={"page": chosen.teams["platform"].receivers["page"]},
        working_hours=hours,
    )
    changed = replace(chosen, teams={**chosen.teams, "data": moved})
    made = plan(
        generated(*fleet(0, 3)),
        generated(*fleet(0, 3), catalog=changed, digests={"team/data": "sha256:1"}),
    )
    assert {c.cause for c in made.changes} == {"team"}
    assert {(c.kind, c.name) for c in made.changes} >= {
        ("receiver", "data / page"),
        ("receiver", "data / ticket"),
        ("route", 'everything / team="data" / severity="ticket"'),
        ("route", "time: data / working hours"),
    }


def test_routes_that_change_places_are_a_change() -> None:
    one = generated(*fleet(0, 3))
    document = emit.read_yaml(one.files["alertmanager/alertmanager.yml"].decode())
    document["route"]["routes"].reverse()
    files = {**one.files, "alertmanager/alertmanager.yml": emit.yaml(document).encode()}
    made = plan(one, Generated(files, one.provenance))
    assert [(c.kind, c.name, c.fields[0].field) for c in made.changes] == [("route", "everything", "order")]


def test_services_that_depend_on_others_bring_inhibition() -> None:
    services = (Service("web", "platform", 1, depends_on=("db",)), Service("db", "data", 1))
    before = builders.catalog(services=(Service("web", "platform", 1), Service("db", "data", 1)))
    made = plan(
        generated(*fleet(0, 3), catalog=before),
        generated(
            *fleet(0, 3), catalog=builders.catalog(services=services), digests={"service/web": "sha256:1"}
        ),
    )
    (change,) = made.changes
    assert (change.action, change.kind, change.cause) == ("add", "route", "service")
    assert change.name.startswith("inhibition: ")


def test_a_dashboard_shows_which_panels_changed() -> None:
    panels = (replace(standard().panels[0], unit="percent"),)
    made = plan(
        generated(*fleet(0, 3)),
        generated(
            *fleet(0, 3),
            catalog=builders.catalog(standard(panels=panels)),
            digests={"standard/web": "sha256:1"},
        ),
    )
    (change,) = made.changes
    assert (change.kind, change.service, change.cause) == ("dashboard", "web", "standard")
    assert [f.field for f in change.fields] == ["panels.Answering"]


def test_other_settings_of_prometheus_are_a_change_of_its_file() -> None:
    changed = builders.catalog(evaluation_interval="15s")
    made = plan(
        generated(*fleet(0, 3)), generated(*fleet(0, 3), catalog=changed, digests={"settings": "sha256:1"})
    )
    (change,) = made.changes
    assert shape(change) == ("modify", "file", f"cells/{CELL}/prometheus.yml", 1, "settings")
    assert change.fields == (diff.FieldChange("global.evaluation_interval", "30s", "15s"),)


def test_a_generated_file_that_was_edited_into_nonsense_is_still_compared() -> None:
    one = generated(*fleet(0, 3))
    path = f"cells/{CELL}/rules/production/web.yml"
    for content in (b"[", b"\xff\xfe", b"groups: 5", b"", b"- a", b"groups: [{rules: [5]}]"):
        made = plan(Generated({**one.files, path: content}, one.provenance), one)
        assert {(c.action, c.kind) for c in made.changes} >= {("add", "rule")}


def test_the_first_generation_adds_everything() -> None:
    made = plan(NOTHING, generated(*fleet(0, 3)))
    assert made.summary["remove"] == made.summary["modify"] == 0
    causes = {c.kind: c.cause for c in made.changes}
    assert causes["target"] == "inventory"
    assert causes["rule"] == "standard"
    assert causes["receiver"] == "team"


# --- laws ---------------------------------------------------------------------------------------------

TAGS = st.fixed_dictionaries(
    {"service": st.sampled_from(["web", "api", 'we"b {{ x }}']), "role": st.just("web")},
    optional={
        "env": st.sampled_from(["staging", "prod"]),
        "team": st.sampled_from(["data", "platform"]),
        "mac:floor": st.sampled_from(["0.5", "0.25"]),
    },
)
FLEETS = st.dictionaries(st.integers(1, 12), TAGS, min_size=1, max_size=6).map(
    lambda tags: [instance(number, own) for number, own in tags.items()]
)
CATALOGS = st.sampled_from(
    [
        builders.catalog(),
        builders.catalog(
            standard(alerts=(alert(for_=Text("1m")), alert("Other"))), standard("cpu", alerts=())
        ),
        builders.catalog(
            services=(Service("web", "data", 2, depends_on=("api",)), Service("api", "data", 3))
        ),
        builders.catalog(standard(parameters={"floor": parameter(default=0.3)}), scrape_interval="1m"),
    ]
)
TREES = st.builds(lambda resources, catalog: generated(*resources, catalog=catalog), FLEETS, CATALOGS)


def state(tree: Generated) -> dict[items.Key, items.Item]:
    return items.read(tree.files, tree.provenance, tree.files)


def values(found: Mapping[items.Key, items.Item]) -> dict[items.Key, Any]:
    return {key: item.value for key, item in found.items()}


@settings(max_examples=40)
@given(TREES)
def test_a_tree_does_not_differ_from_itself(tree: Generated) -> None:
    assert plan(tree, tree) == Plan()


@settings(max_examples=40)
@given(TREES, TREES)
def test_a_plan_turns_the_old_tree_into_the_new_one(old: Generated, new: Generated) -> None:
    made = plan(old, new)
    assert values(diff.apply(state(old), made)) == values(state(new))
    assert sum(made.summary.values()) >= len(made.edits)
    back = plan(new, old)
    assert back.summary["add"] == made.summary["remove"]
    assert back.summary["remove"] == made.summary["add"]


@settings(max_examples=20)
@given(TREES, TREES, st.randoms(use_true_random=False))
def test_the_order_of_input_is_irrelevant(old: Generated, new: Generated, shuffle: random.Random) -> None:
    def shuffled(tree: Generated) -> Generated:
        files = list(tree.files.items())
        shuffle.shuffle(files)
        entries = list(tree.provenance["files"].items())
        shuffle.shuffle(entries)
        mixed = {}
        for path, content in files:
            if "/targets/" in path:
                groups = emit.read_json(content)
                shuffle.shuffle(groups)
                mixed[path] = emit.json_rows(groups)
            else:
                mixed[path] = content
        return Generated(mixed, {**tree.provenance, "files": dict(entries)})

    assert plan(old, new).changes == plan(shuffled(old), shuffled(new)).changes


# --- reports ------------------------------------------------------------------------------------------


def some_plan() -> Plan:
    changed = builders.catalog(standard(alerts=(alert(for_=Text("10m")),)))
    return plan(
        generated(*fleet(0, 10)),
        generated(*fleet(5, 410), catalog=changed, digests={"standard/web": "sha256:1"}),
    )


def test_the_text_groups_changes_by_cause() -> None:
    assert plan_report.text(some_plan()).splitlines() == [
        "Because of the inventory:",
        "",
        f"  + 400 targets web  (web / production / {CELL})",
        "      " + ", ".join(instance(n).id for n in range(10, 15)) + ", and 395 more",
        f"  - 5 targets web  (web / production / {CELL})",
        "      " + ", ".join(instance(n).id for n in range(5)),
        "",
        "Because of standards:",
        "",
        f"  ~ rule WebDown  (web / production / {CELL})",
        "      for: 5m → 10m",
        "",
        "Plan: 400 to add, 5 to remove, 1 to modify.",
    ]


def test_the_json_has_the_keys_of_the_contract() -> None:
    made = json.loads(json.dumps(plan_report.as_dict(some_plan())))
    assert made["schema_version"] == 1
    assert made["summary"] == {"add": 400, "remove": 5, "modify": 1}
    rule = made["changes"][-1]
    assert rule == {
        "action": "modify",
        "kind": "rule",
        "name": "WebDown",
        "service": "web",
        "environment": "production",
        "cell": CELL,
        "cause": "standard",
        "count": 1,
        "fields": [{"field": "for", "old": "5m", "new": "10m"}],
        "examples": [],
    }


def test_no_changes_are_told_in_every_format() -> None:
    assert "No changes" in plan_report.text(Plan())
    assert "No changes" in plan_report.markdown(Plan())
    assert "No changes" in plan_report.github(Plan())
    assert plan_report.as_dict(Plan())["changes"] == []


def test_many_places_of_one_change_are_one_line() -> None:
    changes = tuple(
        Change("modify", "rule", "Down", f"s{n}", "production", CELL, "standard") for n in range(40)
    )
    lines = [line for line in plan_report.text(Plan(changes)).splitlines() if "Down" in line]
    assert lines == [f"  ~ 40 rules Down  (in 40 places, such as s0 / production / {CELL})"]


@pytest.mark.parametrize("form", [plan_report.text, plan_report.markdown])
def test_what_differs_in_a_long_value_is_what_is_shown(form: Callable[[Plan], str]) -> None:
    old, new = (f"{'before ' * 200}in {value} {'behind ' * 200}" for value in ("172800", "259200"))
    field = diff.FieldChange("expr", old, new)
    shown = form(Plan((Change("modify", "rule", "Full", "s", "e", CELL, "standard", fields=(field,)),)))
    assert "before in 172800 behind" in shown
    assert "before in 259200 behind" in shown
    assert max(map(len, shown.splitlines())) < 200


def changed_dashboard(field: str, old: Any, new: Any) -> Plan:
    fields = (diff.FieldChange(field, old, new),)
    return Plan((Change("modify", "dashboard", "Team data", "", "", "", "service", fields=fields),))


def panel(*services: str) -> dict[str, Any]:
    names = "|".join(f"service-with-a-long-name-{name}" for name in services)
    query = f'count by (service) (up{{service=~"{names}"}} == 0)'
    return {"type": "timeseries", "title": "Down", "targets": [{"refId": "A", "expr": query}]}


@pytest.mark.parametrize("form", [plan_report.text, plan_report.markdown])
def test_of_a_panel_that_changes_the_query_is_shown_where_it_differs(form: Callable[[Plan], str]) -> None:
    old, new = panel(*map(str, range(60))), panel(*map(str, range(30)), "new", *map(str, range(30, 60)))
    made = changed_dashboard("panels.Down", old, new)
    shown = [line.strip() for line in form(made).splitlines()]
    place = shown.index("panels.Down.targets[A].expr:")
    assert "name-29|service-with-a-long-name-30|" in shown[place + 1]
    assert "name-29|service-with-a-long-name-new|service-with-a-long-name-30" in shown[place + 2]
    assert max(map(len, shown)) < 200
    (field,) = plan_report.as_dict(made)["changes"][0]["fields"]
    assert field == {"field": "panels.Down", "old": old, "new": new}


def test_of_variables_of_a_dashboard_the_one_that_changes_is_named() -> None:
    def variables(*names: str) -> dict[str, Any]:
        queries = {"cell": "label_values(up, cell)", "service": f'label_values(up{{service=~"{names}"}})'}
        return {"list": [{"name": name, "type": "query", "query": text} for name, text in queries.items()]}

    old, new = variables(*"ab" * 300), variables("x", *"ab" * 300, "y")
    lines = plan_report.text(changed_dashboard("templating", old, new)).splitlines()
    assert [line.strip() for line in lines if "templating" in line] == ["templating.list[service].query:"]
    before, after = (line for line in lines if line.startswith("        "))
    assert "…" in before[20:-20]
    assert "…" in after[20:-20]
    assert "'x'" in after
    assert "'y'" in after
    assert max(map(len, lines)) < 200


def test_what_changes_alike_in_several_variables_is_shown_once() -> None:
    def variables(metric: str) -> dict[str, Any]:
        queries = ("query_result", "label_values") * 3
        return {
            "list": [
                {"name": f"{query}{n}", "query": f"{query}({metric}, {'x' * 60})"}
                for n, query in enumerate(queries)
            ]
        }

    shown = plan_report.text(changed_dashboard("templating", variables("up"), variables("down")))
    assert [line.strip() for line in shown.splitlines() if "templating" in line] == [
        f"templating.list[{name}].query (and in 2 more places):"
        for name in ("query_result0", "label_values1")
    ]


def test_a_field_that_differs_in_many_places_tells_how_many_are_left_out() -> None:
    old, new = ({f"key-{n}": f"{side} {n} {'x' * 30}" for n in range(40)} for side in ("old", "new"))
    lines = plan_report.text(changed_dashboard("settings", old, new)).splitlines()
    assert [line.strip() for line in lines if "more" in line] == ["settings: differs in 34 more places"]


def test_dashboards_that_come_together_are_one_line() -> None:
    changes = tuple(Change("add", "dashboard", f"s{n}", f"s{n}", "", "", "inventory") for n in range(40))
    assert plan_report.text(Plan(changes)).splitlines()[2:4] == [
        "  + 40 dashboards",
        "      s0, s1, s2, s3, s4, s5, s6, s7, and 32 more",
    ]
    few = plan_report.text(Plan(changes[:3]))
    assert [line for line in few.splitlines() if "dashboard" in line] == [
        f"  + dashboard s{n}  (s{n})" for n in range(3)
    ]


def test_a_reviewer_reads_the_warnings_too() -> None:
    warning = Problem(Location("mac.yaml"), "edited-file", "it was edited", severity=Severity.WARNING)
    stop = Problem(Location("mac.yaml"), "guard-shrink", "too many <b>go</b>", severity=Severity.WARNING)
    assert "<details>\n<summary>1 warning in 1 file</summary>" in plan_report.markdown(Plan(), [warning])
    shown = plan_report.markdown(some_plan(), [warning, stop])
    assert "<details open>\n<summary>2 warnings in 1 file: generate would stop</summary>" in shown
    assert "```\nmac.yaml: warning: it was edited [edited-file]" in shown
    assert shown.index("too many <b>go</b>") < shown.index("\n```\n\n</details>")


def hostile() -> Plan:
    name = "a\x1b[2J\u202e```\n::error::x</details>%0A"
    field = diff.FieldChange("expr", "a\n```\n", "::warning::b" * 100)
    return Plan((Change("modify", "rule", name, name, name, name, "standard", fields=(field,)),))


def test_a_name_does_not_steer_the_terminal() -> None:
    shown = plan_report.text(hostile())
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert all(line.startswith(("  ", "Because", "Plan")) or not line for line in shown.splitlines())


def test_a_name_does_not_become_markup() -> None:
    shown = plan_report.markdown(hostile())
    opened = shown.index("````\n")
    closed = shown.rindex("````\n")
    assert opened < shown.index("</details>%0A") < closed


def test_a_name_does_not_become_a_workflow_command() -> None:
    lines = plan_report.github(hostile()).splitlines()
    assert len(lines) == 2
    assert all(line.startswith("::notice title=") for line in lines)


def test_a_large_plan_fits_into_a_comment() -> None:
    changes = tuple(
        Change("add", "rule", f"Rule{n}", "s" * 60, "production", CELL, cause)
        for n in range(3000)
        for cause in ("inventory", "standard")
    )
    shown = plan_report.markdown(Plan(changes))
    assert len(shown.encode()) < 65_536
    assert "more; see mac diff" in shown
    assert shown.count("<details>") == shown.count("</details>") == 2


def test_colour_is_only_what_is_asked_for() -> None:
    assert "\x1b" not in plan_report.text(some_plan())
    assert "\x1b[32m" in plan_report.text(some_plan(), color=True)
