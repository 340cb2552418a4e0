"""Manifests for the Prometheus Operator: what they say, and what a cluster would take of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mac import diff, emit, engines, files, process, render, schema, templates, validate
from mac.bind import bind
from mac.manifests import objects
from mac.model import Catalog, Probe, Receiver, Resource, Standard, Team, WorkingHours
from mac.operator_model import AlertmanagerAs, OperatorSettings
from mac.problems import Severity
from mac.record_model import TargetFiles
from tests import builders
from tests.builders import instance, snapshot, standard

TEMPLATES, _ = templates.read(files.shipped_root(), (o.template for o in render.OUTPUTS))
CELL = "operator/cells/main-us-east-1/"
HERE = OperatorSettings("monitoring", {"release": "stack"})


def catalog(*standards: Standard, operator: OperatorSettings = HERE, **project: Any) -> Catalog:
    return builders.catalog(*standards, operator=operator, **project)


def rendered(
    *resources: Resource, of: Catalog | None = None, texts: Mapping[str, str] | None = None
) -> render.Rendered:
    chosen = of or catalog()
    bindings = bind(chosen, snapshot(*resources), date(2026, 11, 23))
    return render.render(chosen, bindings, {**TEMPLATES, **(texts or {})}, "sha256:0")


def manifests(result: render.Rendered, kind: str) -> dict[str, Any]:
    """Path → the document of each object of a kind, read from its file."""
    entries = result.provenance["files"]
    return {
        path: emit.read_yaml(result.files[path].decode())
        for path, entry in entries.items()
        if entry.get("object") == kind
    }


def only(result: render.Rendered, kind: str) -> Any:
    [document] = manifests(result, kind).values()
    return document


def faults(result: render.Rendered) -> list[str]:
    found = validate.check(result.files, result.documents, result.provenance)
    return [f"{p.location.path}: {p.message}" for p in (*result.problems, *found)]


def test_there_are_none_unless_they_are_asked_for() -> None:
    assert not [path for path in rendered(instance(), of=builders.catalog()).files if "operator" in path]


def test_every_file_is_there_listed_and_as_its_definition_says() -> None:
    result = rendered(instance())
    assert faults(result) == []
    found = sorted(path for path in result.files if path.startswith("operator/"))
    assert [path.rpartition("-")[0] or path for path in found] == [
        "operator/alertmanager/alertmanager.yaml",
        "operator/alertmanager/kustomization.yaml",
        "operator/cells/main-us-east-1/kustomization.yaml".rpartition("-")[0],
        f"{CELL}rules/mac-main-us-east-1-production-web",
        f"{CELL}scrape/mac-main-us-east-1-web",
        "operator/kustomization.yaml",
    ]
    top = emit.read_yaml(result.files["operator/kustomization.yaml"].decode())
    assert top["resources"] == ["alertmanager", "cells/main-us-east-1"]
    cell = emit.read_yaml(result.files[f"{CELL}kustomization.yaml"].decode())
    assert [f"{CELL}{name}" for name in cell["resources"]] == [
        path for path in found if path.startswith((f"{CELL}rules", f"{CELL}scrape"))
    ]


def test_rules_say_what_the_rule_file_says_and_when_they_are_evaluated() -> None:
    result = rendered(instance())
    rule = only(result, "PrometheusRule")
    [group] = result.documents["cells/main-us-east-1/rules/production/web.yml"]["groups"]
    assert rule["spec"]["groups"] == [{**group, "interval": "30s"}]
    assert rule["metadata"]["namespace"] == "monitoring"
    assert rule["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "mac",
        "mac-cell": "main-us-east-1",
        "release": "stack",
    }


def test_what_a_template_adds_to_a_rule_is_in_the_manifest_too() -> None:
    own = TEMPLATES["rules/rules.yml.j2"].replace("<% endfor %>", "    limit: 7\n<% endfor %>", 1)
    rule = only(rendered(instance(), texts={"rules/rules.yml.j2": own}), "PrometheusRule")
    assert rule["spec"]["groups"][0]["limit"] == 7


# --- targets -----------------------------------------------------------------------------------------


def test_targets_stand_in_the_scrape_config_while_they_are_in_git() -> None:
    result = rendered(instance(1), instance(2))
    spec = only(result, "ScrapeConfig")["spec"]
    assert spec["staticConfigs"] == result.documents["cells/main-us-east-1/targets/web.json"]
    assert (spec["jobName"], spec["scheme"], spec["metricsPath"]) == ("web", "HTTP", "/metrics")
    assert "fileSDConfigs" not in spec


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        (
            TargetFiles("http_sd", "/srv/mac", "http://sd.example.com"),
            {
                "httpSDConfigs": [
                    {
                        "url": "http://sd.example.com/cells/main-us-east-1/targets/web.json",
                        "refreshInterval": "30s",
                    }
                ]
            },
        ),
        (
            TargetFiles("file", "/srv/mac"),
            {
                "fileSDConfigs": [
                    {"files": ["/srv/mac/cells/main-us-east-1/targets/web.json"], "refreshInterval": "30s"}
                ]
            },
        ),
    ],
)
def test_targets_outside_of_git_are_found_there(targets: TargetFiles, found: dict[str, Any]) -> None:
    result = rendered(instance(), of=catalog(targets=targets))
    assert faults(result) == []
    spec = only(result, "ScrapeConfig")["spec"]
    assert {key: value for key, value in spec.items() if key.endswith("Configs")} == found


def test_many_targets_are_several_objects_that_a_change_leaves_alone() -> None:
    fleet = [instance(number) for number in range(1, 1_501)]
    before = manifests(rendered(*fleet), "ScrapeConfig")
    assert len(before) > 1
    assert all(objects.size(document) <= objects.LARGEST for document in before.values())
    listed = [t for d in before.values() for each in d["spec"]["staticConfigs"] for t in each["targets"]]
    assert len(listed) == len(set(listed)) == 1_500
    after = manifests(rendered(*fleet[:-1], instance(1_501)), "ScrapeConfig")
    assert before.keys() == after.keys()
    assert sum(before[path] != after[path] for path in before) <= 2
    assert {document["spec"]["jobName"] for document in before.values()} == {"web"}


def test_probes_keep_their_job_and_the_labels_of_each_target() -> None:
    probed = standard(
        "site", scrape=None, probe=Probe(module="http_2xx", scheme="http", port=80), recording=(), alerts=()
    )
    result = rendered(instance(1), instance(2), of=catalog(probed))
    assert faults(result) == []
    listed = result.documents["cells/main-us-east-1/targets/probe-http_2xx.json"]
    probes = manifests(result, "Probe").values()
    assert sorted(
        (each["spec"]["targets"]["staticConfig"] for each in probes), key=lambda each: each["static"]
    ) == [{"static": group["targets"], "labels": group["labels"]} for group in listed]
    for each in probes:
        assert each["spec"]["jobName"] == "probe-http_2xx"
        assert each["spec"]["module"] == "http_2xx"
        assert each["spec"]["prober"] == {"url": "127.0.0.1:9115", "path": "/probe", "scheme": "HTTP"}
    assert [d["spec"]["jobName"] for d in manifests(result, "ScrapeConfig").values()] == ["blackbox"]


def test_probes_outside_of_git_are_scrape_configs_that_ask_the_exporter() -> None:
    probed = standard(
        "site", scrape=None, probe=Probe(module="http_2xx", scheme="http", port=80), recording=(), alerts=()
    )
    of = catalog(probed, targets=TargetFiles("http_sd", "/srv/mac", "http://sd.example.com"))
    result = rendered(instance(), of=of)
    assert faults(result) == []
    assert manifests(result, "Probe") == {}
    [spec] = [
        d["spec"]
        for d in manifests(result, "ScrapeConfig").values()
        if d["spec"]["jobName"] == "probe-http_2xx"
    ]
    assert spec["params"] == {"module": ["http_2xx"]}
    assert spec["relabelings"][2] == {"targetLabel": "__address__", "replacement": "127.0.0.1:9115"}


def test_what_a_template_adds_and_no_object_has_a_place_for_is_told() -> None:
    own = TEMPLATES["prometheus/prometheus.yml.j2"] + '\nremote_write:\n  - url: "http://127.0.0.1:1"\n'
    result = rendered(instance(), texts={"prometheus/prometheus.yml.j2": own})
    [told] = [p for p in result.problems if p.code == "operator-inexpressible"]
    assert told.message.startswith("remote_write: it belongs to the object of the Prometheus")
    assert told.severity is Severity.WARNING, "the object of the Prometheus is the user's"
    jobs = '\nscrape_configs:\n  - job_name: own\n    ec2_sd_configs: [{region: "us-east-1"}]\n'
    own = TEMPLATES["prometheus/prometheus.yml.j2"].replace("\nscrape_configs:\n", jobs)
    result = rendered(instance(), texts={"prometheus/prometheus.yml.j2": own})
    [told] = [p for p in result.problems if p.code == "operator-inexpressible"]
    assert told.message == "scrape job own: it has ec2_sd_configs, which mac does not carry over"
    assert told.severity is Severity.ERROR


# --- Alertmanager ------------------------------------------------------------------------------------


def team(*receivers: Receiver, **changes: Any) -> Team:
    return replace(builders.team(), receivers={"page": receivers, "ticket": receivers}, **changes)


def alerting(of: Team, how: AlertmanagerAs = AlertmanagerAs.TRANSLATED) -> render.Rendered:
    known = replace(catalog(operator=replace(HERE, alertmanager=how)), teams={"platform": of})
    return rendered(instance(), of=known)


SLACK = Receiver("slack", {"api_url_file": "/etc/alertmanager/secrets/slack/url", "channel": "#alerts"})


def test_the_secret_has_the_file_as_it_is() -> None:
    result = alerting(team(SLACK), AlertmanagerAs.VERBATIM)
    assert faults(result) == []
    assert only(result, "Secret")["stringData"] == {
        "alertmanager.yaml": result.files["alertmanager/alertmanager.yml"].decode()
    }


def test_alertmanager_elsewhere_has_no_manifest() -> None:
    result = alerting(team(SLACK), AlertmanagerAs.NONE)
    assert faults(result) == []
    assert not [path for path in result.files if path.startswith("operator/alertmanager")]


def test_an_alertmanager_config_says_the_same_routes_and_names_secrets_by_key() -> None:
    secret = "/etc/alertmanager/secrets/hooks/token"
    hook = Receiver(
        "webhook",
        {
            "url": "https://example.com/hook",
            "max_alerts": 5,
            "http_config": {
                "authorization": {"type": "Bearer", "credentials_file": secret},
                "tls_config": {"ca_file": "/etc/alertmanager/secrets/ca/ca.crt", "server_name": "hook"},
                "follow_redirects": False,
                "proxy_url": "http://127.0.0.1:3128",
            },
        },
    )
    mail = Receiver(
        "email",
        {
            "to": "a@example.com",
            "smarthost": "mail:25",
            "require_tls": True,
            "headers": {"Subject": "{{ .Status }}"},
            "auth_username": "mac",
            "auth_password_file": "/etc/alertmanager/secrets/mail/password",
        },
    )
    pager = Receiver(
        "pagerduty",
        {
            "routing_key_file": "/etc/alertmanager/secrets/pagerduty/key",
            "client_url": "https://example.com",
            "details": {"who": "web"},
        },
    )
    hours = WorkingHours("UTC", ("monday:friday",), "09:00", "17:00")
    result = alerting(team(SLACK, hook, mail, pager, working_hours=hours))
    assert faults(result) == []
    spec, meant = (
        only(result, "AlertmanagerConfig")["spec"],
        result.documents["alertmanager/alertmanager.yml"],
    )
    [receiver] = [each for each in spec["receivers"] if each["name"] == "platform / page"]
    assert receiver["slackConfigs"][0]["apiURL"] == {"name": "slack", "key": "url"}
    assert receiver["webhookConfigs"][0]["httpConfig"] == {
        "authorization": {"type": "Bearer", "credentials": {"name": "hooks", "key": "token"}},
        "tlsConfig": {"ca": {"secret": {"name": "ca", "key": "ca.crt"}}, "serverName": "hook"},
        "followRedirects": False,
        "proxyUrl": "http://127.0.0.1:3128",
    }
    assert receiver["emailConfigs"][0]["headers"] == [{"key": "Subject", "value": "{{ .Status }}"}]
    assert receiver["emailConfigs"][0]["requireTLS"] is True
    assert receiver["pagerdutyConfigs"][0]["clientURL"] == "https://example.com"
    assert receiver["pagerdutyConfigs"][0]["details"] == [{"key": "who", "value": "web"}]
    assert spec["muteTimeIntervals"] == [
        {
            "name": "platform / working hours",
            "timeIntervals": [
                {"times": [{"startTime": "09:00", "endTime": "17:00"}], "weekdays": ["monday:friday"]}
            ],
        }
    ]
    assert said(spec["route"]) == said(meant["route"])
    assert [r["equal"] for r in spec["inhibitRules"]] == [r["equal"] for r in meant["inhibit_rules"]]


def said(route: Mapping[str, Any]) -> Any:
    """A route of either kind in one form."""
    texts = [
        m if isinstance(m, str) else m["name"] + m["matchType"] + emit.json_escaped(m["value"])
        for m in route.get("matchers", ())
    ]
    names = ("active_time_intervals", "mute_time_intervals", "group_by", "group_wait", "repeat_interval")
    camel = {name: name.title().replace("_", "") for name in names}
    values = [route.get(n, route.get(c[0].lower() + c[1:])) for n, c in camel.items()]
    return (
        route["receiver"],
        texts,
        values,
        route.get("continue"),
        [said(r) for r in route.get("routes", ())],
    )


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (
            team(Receiver("slack", {"api_url_file": "/run/secrets/slack"})),
            "/run/secrets/slack names no key of a Secret",
        ),
        (
            team(SLACK, working_hours=WorkingHours("Europe/Madrid", ("monday",), "09:00", "17:00")),
            "its times are of Europe/Madrid",
        ),
        (
            team(
                Receiver(
                    "webhook",
                    {
                        "url": "https://example.com",
                        "http_config": {"basic_auth": {"username": "mac", "password_file": "/run/x"}},
                    },
                )
            ),
            "the user's name is a secret",
        ),
    ],
)
def test_what_an_alertmanager_config_cannot_say_is_told_and_not_left_out(of: Team, why: str) -> None:
    result = alerting(of)
    told = [p for p in result.problems if p.code == "operator-inexpressible"]
    assert any(why in p.message for p in told), told
    assert all("operator.alertmanager: secret" in p.hint for p in told)
    assert manifests(result, "AlertmanagerConfig") == {}
    assert faults(alerting(of, AlertmanagerAs.VERBATIM)) == []


# --- names, sizes, order -----------------------------------------------------------------------------


@given(st.lists(st.text(max_size=300), min_size=1, max_size=3), st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_names_and_labels_are_what_kubernetes_takes_whatever_they_are_made_of(
    parts: list[str], cell: str
) -> None:
    document = objects.document(
        HERE, ("v1", "Secret"), objects.name(*parts), {"stringData": {"alertmanager.yaml": "x"}}, cell
    )
    assert schema.check(document, "operator/secret") == ()


def test_names_are_not_shared_by_services_that_read_alike() -> None:
    assert objects.name("a", "web-1") != objects.name("a", "web_1")
    assert objects.name("a-b", "c") != objects.name("a", "b-c")


def test_hostile_names_of_services_stay_values() -> None:
    hostile = 'x"}\n---\nkind: Secret {{ $labels.a }}'
    result = rendered(instance(tags={"service": hostile, "role": "web"}))
    assert faults(result) == []
    assert {d["kind"] for d in manifests(result, "PrometheusRule").values()} == {"PrometheusRule"}


def test_a_rule_file_that_is_too_large_is_several_objects_with_whole_groups() -> None:
    long = [
        standard(f"web{n}", alerts=(builders.alert(description=builders.Text("d" * 50_000)),))
        for n in range(12)
    ]
    result = rendered(instance(), of=catalog(*(replace(s, scrape=None) for s in long)))
    found = manifests(result, "PrometheusRule")
    assert len(found) > 1
    assert all(objects.size(document) <= objects.LARGEST for document in found.values())
    groups = [group["name"] for document in found.values() for group in document["spec"]["groups"]]
    assert len(groups) == len(set(groups)) == 12
    assert [problem for problem in result.problems if problem.code == "manifest-too-large"] == []


def test_a_group_that_is_too_large_by_itself_is_told() -> None:
    alerts = tuple(builders.alert(f"Web{n}", description=builders.Text("d" * 50_000)) for n in range(6))
    result = rendered(instance(), of=catalog(standard(alerts=alerts)))
    assert [p.code for p in result.problems] == ["manifest-too-large"]


def test_the_order_of_the_inventory_changes_nothing() -> None:
    fleet = [instance(number) for number in range(1, 30)]
    assert rendered(*fleet).files == rendered(*reversed(fleet)).files


def test_the_diff_tells_a_changed_object_by_its_file_and_a_rule_once() -> None:
    old = rendered(instance(1))
    new = rendered(instance(1), of=catalog(standard(alerts=(builders.alert(for_=builders.Text("9m")),))))
    plan = diff.plan(old.files, new.files, old.provenance, new.provenance)
    assert sorted((change.kind, change.action) for change in plan.changes) == [
        ("file", "modify"),
        ("rule", "modify"),
    ]


def test_a_manifest_that_departs_from_its_definition_is_a_problem() -> None:
    result = rendered(instance())
    [path] = manifests(result, "ScrapeConfig")
    document = {**result.documents[path], "spec": {**result.documents[path]["spec"], "jobname": "web"}}
    found = validate.check(result.files, {**result.documents, path: document}, result.provenance)
    assert [(p.location.path, p.code) for p in found] == [(path, "generated-schema")]
    assert "jobname" in found[0].message


@pytest.mark.skipif(
    not shutil.which("kubectl"), reason="kubectl, which has Kustomize in it, is not installed"
)
def test_kustomize_builds_every_object(tmp_path: Path) -> None:
    result = rendered(instance(1), instance(2, tags={"service": "a: {{b}}\n---", "role": "web"}))
    for path, content in result.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    built = process.run(["kubectl", "kustomize", str(tmp_path / "operator")], timeout=60)
    found = [emit.read_yaml(text) for text in built.stdout.split("\n---\n")]
    entries = result.provenance["files"].values()
    assert sorted((each["kind"], each["metadata"]["name"]) for each in found) == sorted(
        (entry["object"], entry["name"])
        for entry in entries
        if entry["kind"] == "manifest" and "name" in entry
    )


def test_the_spec_of_a_prometheus_rule_is_a_rule_file_that_promtool_takes(tmp_path: Path) -> None:
    result = rendered(instance(1), instance(2, tags={"service": "a: {{b}}\n---", "role": "web"}))
    paths = []
    for n, document in enumerate(manifests(result, "PrometheusRule").values()):
        paths.append(tmp_path / f"{n}.yml")
        paths[-1].write_text(emit.yaml(document["spec"]))
    assert len(paths) == 2
    assert engines.require("promtool").check_rules(paths) == ()
    paths[0].write_text(emit.yaml({"groups": [{"name": "x", "every": "30s"}]}))
    assert engines.require("promtool").check_rules(paths) != ()


@pytest.mark.parametrize(
    ("kind", "where", "value"),
    [
        ("PrometheusRule", ("spec", "groups", 0, "interval"), "half an hour"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "expression"), "up"),
        ("ScrapeConfig", ("spec", "scheme"), "ftp"),
        ("ScrapeConfig", ("spec", "staticConfigs", 0, "targets"), []),
        ("ScrapeConfig", ("metadata", "name"), "Mac_web"),
        ("AlertmanagerConfig", ("spec", "route", "routes", 0, "groupby"), ["service"]),
        ("AlertmanagerConfig", ("spec", "route", "routes", 0, "routes", 0, "matchers", 0, "matchType"), "=="),
        ("AlertmanagerConfig", ("spec", "receivers", 1, "slackConfigs", 0, "apiURL"), "https://example.com"),
    ],
)
def test_the_definitions_refuse_what_a_cluster_would_refuse_or_drop(
    kind: str, where: tuple[str | int, ...], value: Any
) -> None:
    document = json.loads(json.dumps(only(alerting(team(SLACK)), kind)))
    assert schema.check(document, f"operator/{kind.lower()}") == ()
    inner = document
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    [fault] = schema.check(document, f"operator/{kind.lower()}")
    assert fault.pointer[: len(where)] == where
