"""What is generated is checked: each mistake is found, and nothing else."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import emit, engines, files, matchers, promql, render, schema, templates, validate
from mac.bind import bind
from mac.checks import expressions, gotext
from mac.model import (
    AppliesTo,
    Catalog,
    CloudWatch,
    CloudWatchMetric,
    Probe,
    Sensor,
    SensorRun,
    Service,
    WorkingHours,
)
from mac.problems import EngineError, Problem, Severity, errors
from tests import builders
from tests.builders import instance, snapshot, standard

TEMPLATES, _ = templates.read(files.shipped_root(), (o.template for o in render.OUTPUTS))
CELL = "cells/main-us-east-1"
RULES = f"{CELL}/rules/production/web.yml"
PROMETHEUS = f"{CELL}/prometheus.yml"
TARGETS = f"{CELL}/targets/web.json"
ALERTMANAGER = "alertmanager/alertmanager.yml"
PLACES = validate.places(builders.catalog())


@dataclass
class Tree:
    """A generated tree whose documents a test may change before it is checked."""

    files: dict[str, bytes]
    documents: dict[str, Any]
    provenance: dict[str, Any]

    def check(self) -> list[Problem]:
        return list(validate.check(self.files, self.documents, self.provenance))

    def codes(self) -> list[str]:
        return [p.code for p in self.check()]

    @property
    def recording(self) -> dict[str, Any]:
        return self.documents[RULES]["groups"][0]["rules"][0]

    @property
    def alert(self) -> dict[str, Any]:
        return self.documents[RULES]["groups"][0]["rules"][1]


def rendered(catalog: Catalog | None = None, **tags: str) -> render.Rendered:
    chosen = catalog or builders.catalog()
    resources = [instance(n, tags={"service": "web", "role": "web", **tags}) for n in range(3)]
    result = render.render(
        chosen, bind(chosen, snapshot(*resources), date(2026, 11, 23)), TEMPLATES, "sha256:0"
    )
    assert result.problems == ()
    return result


def tree(catalog: Catalog | None = None, **tags: str) -> Tree:
    result = rendered(catalog, **tags)
    return Tree(dict(result.files), copy.deepcopy(dict(result.documents)), copy.deepcopy(result.provenance))


def everything() -> Catalog:
    """A catalogue that uses all that is generated: CloudWatch, working hours, dependencies, sensors, …"""
    sensor = Sensor("web-exporter", SensorRun.SERVICE, 9100, "web_exporter", "1.0")
    database = standard(
        "rds",
        applies_to=AppliesTo("rds-instance"),
        scrape=None,
        cloudwatch=CloudWatch("AWS/RDS", (CloudWatchMetric("CPUUtilization", ("Average", "p99")),)),
        recording=(
            builders.recording("service:rds_cpu:avg", "avg by (service, environment) (x{<< scope >>})"),
        ),
        alerts=(builders.alert("RdsCpu", "service:rds_cpu:avg{<< scope >>} > << p.floor >>", outage=True),),
        panels=(),
    )
    probed = standard(
        "answers", scrape=None, probe=Probe(scheme="http", port=80), recording=(), alerts=(), panels=()
    )
    services = (Service("web", "platform", 1, depends_on=("db",)), Service("db", "data", 2))
    chosen = builders.catalog(
        standard(depends_on=("rds",), sensors=(sensor,)),
        database,
        probed,
        services=services,
        alertmanagers=("127.0.0.1:9093",),
    )
    hours = WorkingHours("Europe/Madrid", ("monday:friday",), "09:00", "18:00")
    team = chosen.teams["data"]
    from dataclasses import replace

    return replace(chosen, teams={**chosen.teams, "data": replace(team, working_hours=hours)})


def full() -> render.Rendered:
    chosen = everything()
    arn = f"arn:aws:rds:us-east-1:{builders.ACCOUNT}:db:db-1"
    tags = {"service": "db", "role": "rds"}
    database = instance(9, tags, arn=arn, kind="rds-instance", id="db-1", addresses=())
    bindings = bind(chosen, snapshot(instance(1), instance(2), database), date(2026, 11, 23))
    return render.render(chosen, bindings, TEMPLATES, "sha256:0")


# --- what is right ------------------------------------------------------------------------------------


def test_what_is_generated_has_no_problems() -> None:
    assert tree().check() == []


def test_everything_that_can_be_generated_has_no_problems() -> None:
    result = full()
    kinds = {entry["kind"] for entry in result.provenance["files"].values()}
    assert kinds == set(validate.SCHEMAS)
    assert validate.check(result.files, result.documents, result.provenance) == ()


HOSTILE = ['q"uote', "back\\slash", "{{ $value }}", "{{", "<< scope >>", "on", "012", "n\nl", "é😀", "a, b}"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_names_of_services_have_no_problems(value: str) -> None:
    services = (Service("web", "platform", 1),)
    result = tree(builders.catalog(services=services), service=value)
    assert [p for p in result.check() if p.severity is Severity.ERROR] == []


def test_the_engines_find_nothing_wrong(generation: str) -> None:
    assert validate.check_with_engines(full().files, required=True) == ()


@pytest.mark.parametrize("value", HOSTILE)
def test_the_engines_find_nothing_wrong_with_hostile_names(value: str) -> None:
    assert validate.check_with_engines(tree(service=value).files, required=True) == ()


# --- shape --------------------------------------------------------------------------------------------

Change = Callable[[Tree], Any]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.alert.update(exprr="up"),
        lambda t: t.alert.update(record="a:b"),
        lambda t: t.alert.pop("expr"),
        lambda t: t.alert["labels"].pop("team"),
        lambda t: t.alert["labels"].update(severity="critical"),
        lambda t: t.alert["labels"].update(tier=1),
        lambda t: t.alert["labels"].update({"not-a-label": "x"}),
        lambda t: t.alert.update({"for": "5 minutes"}),
        lambda t: t.alert.update(alert="Not a name"),
        lambda t: t.recording.update(record="not a metric"),
        lambda t: t.documents[RULES].update(groups=[]),
        lambda t: t.documents[PROMETHEUS]["global"].pop("external_labels"),
        lambda t: t.documents[PROMETHEUS].update(remote_wirte=[]),
        lambda t: t.documents[PROMETHEUS]["scrape_configs"][0].update(scrape_intervall="1m"),
        lambda t: t.documents[PROMETHEUS]["scrape_configs"][0].update(scheme="ftp"),
        lambda t: t.documents[PROMETHEUS]["scrape_configs"][0].update(metrics_path="metrics"),
        lambda t: t.documents[TARGETS][0].update(targets=["127.0.0.1"]),
        lambda t: t.documents[TARGETS][0].update(targets=["http://127.0.0.1:9100"]),
        lambda t: t.documents[TARGETS][0]["labels"].pop("service"),
        lambda t: t.documents[TARGETS][0]["labels"].update(zone=""),
        lambda t: t.documents[TARGETS].clear(),
        lambda t: t.documents[ALERTMANAGER].update(inhibit_rule=[]),
        lambda t: t.documents[ALERTMANAGER]["receivers"][0]["pagerduty_configs"][0].update(routing_key="k"),
        lambda t: t.documents[ALERTMANAGER]["receivers"][0].update(pagerduty_config=[]),
        lambda t: t.documents[ALERTMANAGER]["global"].update(slack_api_url="https://example.com"),
        lambda t: t.documents[ALERTMANAGER]["route"]["routes"][0].update(matchers=["team"]),
        lambda t: t.provenance.update(generated_at="now"),
        lambda t: t.provenance["files"][RULES].pop("service"),
        lambda t: t.provenance["files"][RULES].update(kind="rule"),
        lambda t: t.files.update({"cells/stray.yml": b""}),
        lambda t: t.files.pop(TARGETS),
    ],
)
def test_a_wrong_shape_is_a_problem(change: Change) -> None:
    changed = tree()
    change(changed)
    assert set(changed.codes()) == {"generated-schema"}


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.documents[PROMETHEUS].update(remote_write=[{"url": "http://127.0.0.1/"}]),
        lambda t: t.documents[PROMETHEUS]["scrape_configs"][0].update(tls_config={"ca_file": "/ca"}),
        lambda t: t.documents[PROMETHEUS]["scrape_configs"].append(
            {"job_name": "own", "ec2_sd_configs": [{"region": "eu-west-1"}]}
        ),
        lambda t: t.documents[RULES]["groups"][0].update(interval="1m"),
        lambda t: t.documents[ALERTMANAGER].update(templates=["*.tmpl"]),
        lambda t: t.documents[ALERTMANAGER]["global"].update(smtp_smarthost="127.0.0.1:25"),
    ],
)
def test_what_a_template_of_ones_own_adds_is_no_problem(change: Change) -> None:
    changed = tree()
    change(changed)
    assert changed.check() == []


def test_every_field_of_a_team_may_reach_a_receiver() -> None:
    team = json.loads(schema.text("team"))
    generated = json.loads(schema.text("generated/alertmanager"))
    for kind, integration in team["$defs"]["integration"]["properties"].items():
        described = integration
        while "$ref" in described:
            described = team["$defs"][described["$ref"].rpartition("/")[2]]
        assert set(described["properties"]) == set(generated["$defs"][kind]["properties"])


def test_the_schemas_refuse_unknown_keys_everywhere() -> None:
    for name in validate.SCHEMAS.values():
        text = json.loads(schema.text(name))
        assert text["$id"].endswith(f"{name}.json")
        assert [o for o in _objects(text) if "properties" in o and "additionalProperties" not in o] == []


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for item in value for found in _objects(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if value.get("type") == "object" else []
    return own + [found for item in value.values() for found in _objects(item)]


# --- expressions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "code"),
    [
        ("up{", "promql-syntax"),
        ("rate(up)", "promql-syntax"),
        ("mad_over_time(up[5m])", "promql-unsupported"),
        ("service:web_upp:ratio < 1", "unknown-series"),
        ('up{job="wep"}', "unknown-series"),
        ('up{job="web",servce="web"}', "promql-label"),
        ('sum by (service, enviroment) (up{job="web"})', "promql-label"),
        ('service:web_up:ratio{zone="a"}', "promql-label"),
        ("service:web_up:ratio / on (zone) up", "promql-label"),
    ],
)
def test_a_wrong_expression_is_a_problem(expr: str, code: str) -> None:
    changed = tree()
    changed.alert["expr"] = expr
    assert code in changed.codes()


def test_what_is_left_out_for_an_alert_that_nobody_has_is_no_problem() -> None:
    changed = tree()
    changed.alert["expr"] = "service:web_up:ratio < 1 unless on (zone) zone:lost:bool"
    assert "unknown-series" not in changed.codes()


@pytest.mark.parametrize(
    ("expr", "hint"),
    [
        ("service:web_upp:ratio < 1", 'did you mean "service:web_up:ratio"?'),
        ('up{job="wep"}', 'did you mean "web"?'),
        ('up{servcie="web"}', 'did you mean "service"?'),
        ('sum by (enviroment) (up{job="web"})', 'did you mean "environment"?'),
    ],
)
def test_a_misspelt_name_is_met_with_the_right_one(expr: str, hint: str) -> None:
    changed = tree()
    changed.alert["expr"] = expr
    assert hint in [p.hint for p in changed.check()]


@pytest.mark.parametrize(
    "label", ["le", "rule", "item", "mode", "roles", "zones", "services", "regional", "instance_id", "jobs"]
)
def test_an_honest_label_is_not_taken_for_a_misspelling(label: str) -> None:
    assert expressions.misspelling_of(label) == ""


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("servce", "service"),
        ("servicee", "service"),
        ("servixe", "service"),
        ("sevrice", "service"),
        ("environmet", "environment"),
        ("zoen", "zone"),
        ("resorce_id", "resource_id"),
    ],
)
def test_a_slip_is_taken_for_what_was_meant(label: str, meant: str) -> None:
    assert expressions.misspelling_of(label) == meant


def test_a_series_that_only_another_cell_records_is_a_warning() -> None:
    changed = tree()
    other = CELL.replace("us-east-1", "eu-west-1")
    path = f"{other}/rules/production/api.yml"
    document = copy.deepcopy(changed.documents[RULES])
    document["groups"][0]["rules"] = [{**changed.recording, "record": "service:far:ratio"}]
    entry = {**changed.provenance["files"][RULES], "cell": "main-eu-west-1"}
    entry["rules"] = [{**entry["rules"][0], "name": "service:far:ratio"}]
    prometheus = f"{other}/prometheus.yml"
    changed.files |= {path: b"", prometheus: b""}
    changed.documents |= {path: document, prometheus: changed.documents[PROMETHEUS]}
    changed.documents[f"{other}/targets/web.json"] = changed.documents[TARGETS]
    changed.files[f"{other}/targets/web.json"] = b""
    for where, kind in ((path, entry), (prometheus, changed.provenance["files"][PROMETHEUS])):
        changed.provenance["files"][where] = {**kind, "cell": "main-eu-west-1"}
    targets = {**changed.provenance["files"][TARGETS], "cell": "main-eu-west-1"}
    changed.provenance["files"][f"{other}/targets/web.json"] = targets
    assert changed.check() == []
    changed.alert["expr"] = 'service:far:ratio{service="web"} < 1'
    assert [(p.code, p.severity) for p in changed.check()] == [("unknown-series", Severity.WARNING)]


def test_a_problem_is_shown_in_the_standard_when_that_is_known() -> None:
    from dataclasses import replace

    from mac.model import Text
    from mac.problems import Location

    place = Location("standards/web.yaml", 40, 9)
    wrong = builders.alert(expr="up{<< scope >>}\n> rat(up[5m])")
    wrong = replace(wrong, expr=Text(wrong.expr.text, place))
    chosen = builders.catalog(standard(alerts=(wrong,)))
    result = rendered(chosen)
    found = validate.check(result.files, result.documents, result.provenance, validate.places(chosen))
    assert [p.location for p in found] == [Location("standards/web.yaml", 41, 11, 3)]
    assert "rat" in found[0].message


def test_a_wrong_panel_is_a_problem_of_its_dashboard() -> None:
    changed = tree()
    changed.documents["dashboards/web.json"]["panels"][1]["targets"][0]["expr"] = "sum("
    (problem,) = changed.check()
    assert (problem.code, problem.location.path) == ("promql-syntax", "dashboards/web.json")


def test_variables_of_grafana_may_stand_in_a_panel() -> None:
    changed = tree()
    expr = 'sum(rate(x{environment=~"$environment"}[$__rate_interval])) / sum(rate(y[${__range}]))'
    changed.documents["dashboards/web.json"]["panels"][1]["targets"][0]["expr"] = expr
    assert changed.check() == []


# --- names --------------------------------------------------------------------------------------------


def test_two_groups_of_one_name_are_a_problem() -> None:
    changed = tree()
    group = copy.deepcopy(changed.documents[RULES]["groups"][0])
    group["rules"] = [{**group["rules"][1], "alert": "Other"}]
    changed.documents[RULES]["groups"].append(group)
    assert changed.codes() == ["generated-name"]


@pytest.mark.parametrize("index", [0, 1])
def test_two_rules_that_prometheus_cannot_tell_apart_are_a_problem(index: int) -> None:
    changed = tree()
    rules = changed.documents[RULES]["groups"][0]["rules"]
    rules.append({**rules[index], "expr": "up"})
    assert changed.codes() == ["generated-name"]


def test_two_alerts_of_one_name_with_different_labels_are_fine() -> None:
    changed = tree()
    rules = changed.documents[RULES]["groups"][0]["rules"]
    rules.append({**rules[1], "labels": {**rules[1]["labels"], "severity": "ticket"}})
    assert changed.check() == []


def test_two_scrape_jobs_of_one_name_are_a_problem() -> None:
    changed = tree()
    changed.documents[PROMETHEUS]["scrape_configs"] *= 2
    assert changed.codes() == ["generated-name"]


# --- routing ------------------------------------------------------------------------------------------


def test_an_alert_that_leads_to_an_undefined_receiver_is_a_problem() -> None:
    changed = tree()
    changed.documents[ALERTMANAGER]["route"]["routes"][0]["receiver"] = "gone"
    assert changed.codes() == ["route-unreachable"]


@pytest.mark.parametrize(("severity", "codes"), [("page", ["route-unreachable"]), ("info", [])])
def test_an_alert_that_nobody_hears_is_a_problem_unless_it_is_for_looking_at(
    severity: str, codes: list[str]
) -> None:
    changed = tree()
    changed.alert["labels"]["severity"] = severity
    for receiver in changed.documents[ALERTMANAGER]["receivers"]:
        if receiver["name"] == f"platform / {severity}":
            receiver.pop("pagerduty_configs", None)
    assert changed.codes() == codes


def test_routing_follows_continue() -> None:
    changed = tree()
    route = changed.documents[ALERTMANAGER]["route"]
    receivers = changed.documents[ALERTMANAGER]["receivers"]
    receivers.append({"name": "silence"})
    route["routes"].insert(0, {"receiver": "silence", "matchers": ['service="web"'], "continue": True})
    assert changed.check() == []
    route["routes"][0]["continue"] = False
    assert changed.codes() == ["route-unreachable"]


def test_a_text_that_shows_a_label_which_the_expression_drops_is_a_warning() -> None:
    changed = tree()
    changed.alert["annotations"]["summary"] = (
        "{{ $labels.zone }} {{ .Labels.service }} {{ $labels.alertname }}"
    )
    (problem,) = changed.check()
    assert (problem.code, problem.severity) == ("lost-label", Severity.WARNING)
    assert '"zone"' in problem.message


def test_a_label_that_survives_may_stand_in_a_text() -> None:
    changed = tree()
    changed.alert["expr"] = 'up{job="web"} == 0'
    changed.alert["annotations"]["summary"] = "{{ $labels.zone }}"
    assert changed.check() == []


def test_an_empty_routing_label_must_come_from_the_expression() -> None:
    changed = tree()
    changed.alert["labels"]["environment"] = ""
    changed.alert["expr"] = 'sum by (service) (up{job="web"})'
    assert "generated-schema" in changed.codes()


def test_an_inhibition_that_mutes_its_own_source_is_a_problem() -> None:
    changed = tree()
    changed.documents[ALERTMANAGER]["inhibit_rules"] = [
        {
            "source_matchers": ['outage="true"'],
            "target_matchers": ['severity=~"page|ticket"'],
            "equal": ["service"],
        }
    ]
    (problem,) = changed.check()
    assert problem.code == "inhibits-itself"
    assert 'outage="true", severity="page"' in problem.message


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (['a="1"'], ['a="2"']),
        (['a="1"'], ['a!="1"']),
        (['a=~"1|2"'], ['a=~"3|4"']),
        (['a=~"1|2"'], ['a!~"1|2|3"']),
        (['a="1"', 'b="x"'], ['b!="x"']),
        (['a!=""'], ['a=""']),
    ],
)
def test_sides_that_exclude_each_other_are_fine(source: list[str], target: list[str]) -> None:
    assert matchers.example(matchers.read(text) for text in (*source, *target)) is None


VALUES = st.sampled_from(["", "1", "2", "other"])
MATCHERS = st.lists(
    st.one_of(
        st.builds(matchers.Matcher, st.sampled_from("ab"), st.sampled_from(["=", "!="]), VALUES),
        st.builds(matchers.Matcher, st.sampled_from("ab"), st.sampled_from(["=~", "!~"]), st.just("1|2")),
    ),
    max_size=5,
)


@given(MATCHERS)
def test_an_example_exists_if_and_only_if_some_labels_match(own: list[matchers.Matcher]) -> None:
    found = matchers.example(own)
    possible = ["", "1", "2", "other", "something else"]
    exists = any(matchers.all_match(own, {"a": a, "b": b}) for a in possible for b in possible)
    assert (found is not None) == exists
    if found is not None:
        assert matchers.all_match(own, found)


@pytest.mark.parametrize(
    ("text", "value"),
    [('a="x"', "x"), ('a = "x\\"y"', 'x"y'), ("a=x", "x"), ('a="x\\ny\\\\"', "x\ny\\"), ('a=""', "")],
)
def test_matchers_are_read_as_alertmanager_reads_them(text: str, value: str) -> None:
    assert matchers.read(text) == matchers.Matcher("a", "=", value)


@pytest.mark.parametrize("text", ["", "a", 'a=="x"', 'a="x', '"a"="x"', 'a=~"("'])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        matchers.read(text)


# --- texts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain }} text",
        "{{ $value }}",
        "{{- $value -}}",
        '{{ "}}" }}',
        "{{ `}}` }}",
        "{{/* a {{ comment */}}",
        '{{ if eq $labels.zone "a" }}x{{ else if $value }}y{{ else }}z{{ end }}',
        '{{ range query `up{a="b"}` }}{{ . }}{{ end }}',
        "{{ with (index .Alerts 0) }}{{ .Status }}{{ end }}",
        '{{"{{"}} $labels',
        '{{ printf "%.2f" $value }}',
    ],
)
def test_a_whole_text_is_no_problem(text: str) -> None:
    assert gotext.fault(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "{{",
        "{{ $value }",
        '{{ "}} }}',
        "{{ if $value }}x",
        "x{{ end }}",
        "{{ else }}",
        "{{ {{ $value }} }}",
        "{{ (index .Alerts 0 }}",
        "{{ $value) }}",
        "{{ range .Alerts }}{{ if . }}{{ end }}",
    ],
)
def test_a_broken_text_is_a_problem(text: str) -> None:
    changed = tree()
    changed.alert["annotations"]["summary"] = text
    assert changed.codes() == ["text-template"]


def test_a_broken_text_of_a_receiver_is_a_problem() -> None:
    changed = tree()
    changed.documents[ALERTMANAGER]["receivers"][0]["pagerduty_configs"][0]["description"] = "{{ .x"
    assert changed.codes() == ["text-template"]


# --- references ---------------------------------------------------------------------------------------


def test_targets_that_are_not_generated_are_a_problem() -> None:
    changed = tree()
    changed.documents[PROMETHEUS]["scrape_configs"][0]["file_sd_configs"][0]["files"] = ["targets/x.json"]
    assert changed.codes() == ["generated-schema", "generated-schema"]


def test_rules_that_no_prometheus_loads_are_a_problem() -> None:
    changed = tree()
    changed.documents[PROMETHEUS]["rule_files"] = ["rules/staging/*.yml"]
    assert changed.codes() == ["generated-schema"]


# --- engines ------------------------------------------------------------------------------------------


def broken(path: str, change: Callable[[Any], Any]) -> dict[str, bytes]:
    result = rendered()
    document = copy.deepcopy(result.documents[path])
    change(document)
    return {**result.files, path: emit.yaml(document).encode()}


def test_promtool_refusing_a_rule_names_the_standard(generation: str) -> None:
    files = broken(RULES, lambda d: d["groups"][0]["rules"][1].update(expr="sum("))
    (problem,) = validate.check_with_engines(files, required=True)
    assert (problem.code, problem.location.path) == ("engine-rejects", RULES)
    assert "standard web" in problem.hint
    (problem,) = validate.check_with_engines(files, required=True, where=PLACES)
    assert problem.location == PLACES["web", "WebDown"].location


def test_promtool_refusing_a_configuration_names_the_file(generation: str) -> None:
    files = broken(PROMETHEUS, lambda d: d["scrape_configs"][0].update(scrape_timeout="2m"))
    found = validate.check_with_engines(files, required=True)
    assert {(p.code, p.location.path) for p in found} == {("engine-rejects", PROMETHEUS)}


def test_amtool_refusing_a_configuration_names_the_file(generation: str) -> None:
    files = broken(ALERTMANAGER, lambda d: d["route"].update(receiver="gone"))
    found = validate.check_with_engines(files, required=True)
    assert {(p.code, p.location.path) for p in found} == {("engine-rejects", ALERTMANAGER)}


def test_a_missing_engine_is_an_error_only_when_it_is_required(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for tool in engines.TOOLS:
        monkeypatch.delenv(f"MAC_{tool.upper()}", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert validate.check_with_engines(rendered().files, required=False) == ()
    with pytest.raises(EngineError):
        validate.check_with_engines(rendered().files, required=True)


# --- speed --------------------------------------------------------------------------------------------


def test_fifty_thousand_rules_take_seconds() -> None:
    """Two seconds of computing on an idle machine; the bound is for a busy one."""
    changed = tree()
    groups = changed.documents[RULES]["groups"]
    names = []
    for number in range(5_000):
        rules = []
        for index in range(10):
            labels = {**changed.alert["labels"], "service": f"s{number}"}
            expr = f'service:web_up:ratio{{service="s{number}",environment="production"}} < 0.{index}'
            rules.append({**changed.alert, "alert": f"A{index}", "expr": expr, "labels": labels})
        groups.append({"name": f"s{number}", "rules": rules})
        names.append({"group": f"s{number}", "name": "A", "type": "alerting", "standard": "web"})
    changed.provenance["files"][RULES]["rules"] += names
    promql.parse.cache_clear()
    start = time.process_time()
    assert errors(changed.check()) == ()
    assert time.process_time() - start < 15
