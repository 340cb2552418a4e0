"""Dashboards: what they show first, what they link to, and what a stranger's name cannot do to them.

`UPDATE_GOLDEN=1 pytest tests/test_dashboards.py` writes the golden files anew; read the difference.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import string
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import (
    conventions,
    dashboards,
    diff,
    emit,
    files,
    grafana,
    promql,
    render,
    schema,
    standards,
    templates,
)
from mac.bind import bind
from mac.model import (
    SIGNALS,
    Addresses,
    Catalog,
    Indicator,
    Panel,
    Resource,
    Service,
    Slo,
    Standard,
)
from mac.problems import Location
from mac.text import Text
from tests import builders
from tests.builders import instance, snapshot, standard

GOLDEN = Path(__file__).parent / "golden/dashboards"
TEMPLATES, _ = templates.read(files.shipped_root(), (o.template for o in render.OUTPUTS))
EVERYWHERE = Addresses(
    grafana="https://grafana.example.com/",
    prometheus="https://prometheus-{cell}.example.com/",
    alertmanager="https://alerts.example.com/",
    repository="https://git.example.com/monitoring/",
    site="https://monitoring.example.com/",
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
HOSTILE = [
    "$environment",
    "${datasource}",
    "[[environment]]",
    "a$__rate_interval",
    'a"}',
    "a&b=c#d",
    "<b>",
    "../x",
    "{{team}}",
]


def rendered(*resources: Resource, catalog: Catalog | None = None) -> render.Rendered:
    chosen = catalog or builders.catalog()
    bindings = bind(chosen, snapshot(*resources), date(2026, 11, 23))
    result = render.render(chosen, bindings, TEMPLATES, "sha256:0")
    assert result.problems == ()
    return result


def dashboard(*resources: Resource, catalog: Catalog | None = None) -> dict[str, Any]:
    result = rendered(*resources, catalog=catalog)
    return json.loads(result.files[conventions.dashboard_file("web")])


def overview(result: render.Rendered, team: str = "platform") -> dict[str, Any]:
    return json.loads(result.files[conventions.team_dashboard_file(team)])


def alert_links(result: render.Rendered) -> set[str]:
    """Where the alerts of web lead to."""
    (path,) = (path for path in result.files if path.endswith("/web.yml"))
    groups = emit.read_yaml(result.files[path].decode())["groups"]
    found = (rule for group in groups for rule in group["rules"] if "alert" in rule)
    return {rule["annotations"].get("dashboard_url", "") for rule in found}


def rows(document: dict[str, Any]) -> dict[str, list[str]]:
    """Row → the titles of its panels."""
    found: dict[str, list[str]] = {}
    for panel in document["panels"]:
        if panel["type"] == "row":
            current = found.setdefault(panel["title"], [])
        else:
            current.append(panel["title"])
    return found


def links(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from document["links"]
    for panel in document["panels"]:
        yield from panel.get("links", ())


def expressions(document: dict[str, Any]) -> list[str]:
    found = [target["expr"] for panel in document["panels"] for target in panel.get("targets", ())]
    return [*found, *(annotation["expr"] for annotation in document["annotations"]["list"])]


def queries(document: dict[str, Any]) -> dict[str, str]:
    """Variable → the selector whose series have its values."""
    found = {v["name"]: v["query"] for v in document["templating"]["list"] if isinstance(v["query"], dict)}
    return {
        name: query["query"].removeprefix("label_values(").removesuffix(f", {name})")
        for name, query in found.items()
    }


def panel(title: str, signal: str = "", **changes: Any) -> Panel:
    return Panel(title, Text("up{<< scope >>}"), signal=signal, **changes)


def with_objective() -> Catalog:
    own = Indicator("own", errors=Text("errors{<< scope >>}"), total=Text("requests{<< scope >>}"))
    objective = Slo("orders", 0.999, own=own)
    return builders.catalog(services=(Service("web", "platform", 1, slos=(objective,)),))


# --- what is shown -----------------------------------------------------------------------------------


def test_a_service_and_its_team_look_as_they_did() -> None:
    result = rendered(
        instance(),
        catalog=builders.catalog(
            standard(
                panels=(panel("Failing", "errors", threshold=Text("<< p.floor >>")), panel("Answering")),
                location=Location("standards/web.yaml", 5, 9),
            ),
            addresses=EVERYWHERE,
        ),
    )
    names = [
        conventions.dashboard_file("web"),
        conventions.team_dashboard_file("platform"),
        conventions.DASHBOARD_PROVIDER,
    ]
    for name in names:
        expected = GOLDEN / Path(name).relative_to("dashboards")
        if os.environ.get("UPDATE_GOLDEN"):
            expected.parent.mkdir(parents=True, exist_ok=True)
            expected.write_bytes(result.files[name])
        assert result.files[name] == expected.read_bytes(), name
    found = {p.relative_to(GOLDEN).as_posix() for p in GOLDEN.rglob("*") if p.is_file()}
    assert found == {name.removeprefix("dashboards/") for name in names}


def test_the_golden_signals_come_first_and_then_each_standard() -> None:
    chosen = builders.catalog(
        standard("zebra", panels=(panel("Waiting", "latency"), panel("Stripes"))),
        standard("app", panels=(panel("Full", "saturation"), panel("Failing", "errors"), panel("Threads"))),
    )
    assert list(rows(dashboard(instance(), catalog=chosen)).items()) == [
        ("Latency", ["Waiting"]),
        ("Errors", ["Failing"]),
        ("Saturation", ["Full"]),
        ("App", ["Threads"]),
        ("Zebra", ["Stripes"]),
    ]


def test_panels_of_one_title_in_a_row_say_whose_they_are() -> None:
    chosen = builders.catalog(
        standard("one", panels=(panel("Failing", "errors"),)),
        standard("two", panels=(panel("Failing", "errors"), panel("Slow", "errors"))),
    )
    assert rows(dashboard(instance(), catalog=chosen)) == {
        "Errors": ["Failing (One)", "Failing (Two)", "Slow"]
    }


def test_the_shipped_standards_say_which_signals_their_panels_show() -> None:
    loaded = standards.load(files.shipped_root())
    assert loaded.catalog is not None
    balancer = instance(kind="load-balancer", attributes={"type": "application"})
    shown = dashboard(balancer, catalog=builders.catalog(loaded.catalog.standards["alb"]))
    assert list(rows(shown))[:3] == ["Latency", "Traffic", "Errors"]


def test_a_signal_reaches_the_panel_from_the_document_and_others_are_refused() -> None:
    described = json.loads(schema.text("standard"))["properties"]["spec"]["properties"]["dashboard"]
    signal = described["properties"]["panels"]["items"]["properties"]["signal"]
    assert tuple(signal["enum"]) == SIGNALS


@pytest.mark.parametrize(
    ("text", "line"),
    [("0.9", 0.9), ("<< p.floor >>", 0.9), ("0", 0.0), ("10m", None), ("NaN", None), ("1e999", None)],
)
def test_a_threshold_is_a_line_when_it_is_a_number(text: str, line: float | None) -> None:
    chosen = builders.catalog(standard(panels=(panel("Answering", threshold=Text(text)),)))
    (graph,) = [p for p in dashboard(instance(), catalog=chosen)["panels"] if p["type"] == "timeseries"]
    defaults = graph["fieldConfig"]["defaults"]
    lines = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
    assert lines == ([] if line is None else [line])
    assert defaults["custom"]["thresholdsStyle"]["mode"] == ("off" if line is None else "line")


def test_panels_never_overlap_and_stay_within_the_page() -> None:
    shown = tuple(panel(f"P{n}", ("errors", "")[n % 2]) for n in range(7))
    chosen = builders.catalog(standard(panels=shown))
    taken: set[tuple[int, int]] = set()
    for place in (p["gridPos"] for p in dashboard(instance(), catalog=chosen)["panels"]):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells


def test_every_variable_filters_every_expression_and_annotation() -> None:
    result = rendered(instance(), catalog=with_objective())
    for document in (json.loads(result.files["dashboards/web.json"]), overview(result)):
        assert list(queries(document)) == ["environment", "region", "cell"]
        for expr in expressions(document):
            for name in queries(document):
                assert f'{name}=~"${name}' in expr
        assert all("${datasource}" in json.dumps(p) for p in document["panels"] if p["type"] != "row")


def test_a_series_without_region_is_shown_whatever_region_is_chosen() -> None:
    """Prometheus keeps its external labels off its own series: what is recorded there has no region."""
    (expr, *_) = expressions(dashboard(instance()))
    parsed = promql.parse(expr.replace("$region", "(eu-west-1|us-east-1)").replace("$cell", ".*"))
    assert isinstance(parsed, promql.Expression)
    matchers = {m.name: m.value for s in parsed.selectors for m in s.matchers}
    assert re.fullmatch(matchers["region"], "")
    assert re.fullmatch(matchers["region"], "us-east-1")
    assert not re.fullmatch(matchers["region"], "us-east-2")
    assert re.fullmatch(matchers["cell"], "main-us-east-1")


@pytest.mark.parametrize(
    ("names", "selector"),
    [
        (("host",), r'up\{service="web"\}'),
        (("sqs-queue",), r'\{__name__=~"aws_sqs_[a-z_|]+",service="web"\}'),
        (("alb", "host"), r'\{__name__=~"aws_applicationelb_[a-z0-9_|:]+\|up",service="web"\}'),
    ],
)
def test_a_dashboard_finds_its_environments_in_series_that_its_service_has(
    names: tuple[str, ...], selector: str
) -> None:
    loaded = standards.load(files.shipped_root())
    assert loaded.catalog is not None
    shipped = loaded.catalog.standards
    kinds = {"host": "ec2-instance", "sqs-queue": "sqs-queue", "alb": "load-balancer"}
    resources = [
        instance(number, kind=kinds[name], attributes={"type": "application"})
        for number, name in enumerate(names)
    ]
    document = dashboard(*resources, catalog=builders.catalog(*(shipped[name] for name in names)))
    for found in queries(document).values():
        assert re.fullmatch(selector, found), found


# --- the overview ------------------------------------------------------------------------------------


def test_an_overview_shows_alerts_budgets_and_targets_of_the_team() -> None:
    assert rows(overview(rendered(instance(), catalog=with_objective()))) == {
        "Alerts": ["Firing now", "Firing alerts"],
        "Error budgets": ["Error budget left", "Burn rate over an hour"],
        "Targets": ["Targets that answer", "Targets down"],
    }


def test_an_overview_leaves_out_what_no_service_of_the_team_has() -> None:
    assert list(rows(overview(rendered(instance())))) == ["Alerts", "Targets"]


def test_an_overview_selects_the_services_of_its_team_alone() -> None:
    services = (Service("web", "platform", 1), Service("a.b", "platform", 1), Service("axb", "data", 1))
    tags = [{"service": service.name} for service in services]
    chosen = builders.catalog(services=services)
    result = rendered(*(instance(n, tags=t) for n, t in enumerate(tags, 1)), catalog=chosen)
    (expr,) = [e for e in expressions(overview(result)) if e.startswith("avg")]
    parsed = promql.parse(expr)
    assert isinstance(parsed, promql.Expression)
    (pattern,) = {m.value for s in parsed.selectors for m in s.matchers if m.name == "service"}
    assert [s.name for s in services if re.fullmatch(pattern, s.name)] == ["web", "a.b"]
    (other,) = [e for e in expressions(overview(result, "data")) if e.startswith("avg")]
    assert 'service="axb"' in other


def test_what_an_overview_reads_of_objectives_is_recorded() -> None:
    result = rendered(instance(), catalog=with_objective())
    recorded = {
        rule["record"]
        for path in result.files
        if "/rules/" in path
        for group in result.documents[path]["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    read: set[str] = set()
    for expr in expressions(overview(result)):
        parsed = promql.parse(expr)
        assert isinstance(parsed, promql.Expression)
        read |= {metric for metric in parsed.metrics if ":" in metric}
    assert len(read) == 3
    assert read <= recorded


def test_the_dashboards_of_a_team_lead_to_one_another() -> None:
    result = rendered(instance())
    service, team = json.loads(result.files["dashboards/web.json"]), overview(result)
    (listed,) = [link["tags"] for link in team["links"] if link["type"] == "dashboards"]
    assert set(listed) <= set(service["tags"])
    assert not set(listed) <= set(team["tags"])
    assert f"/d/{team['uid']}" in [link.get("url") for link in service["links"]]


def test_an_overview_that_changes_with_a_service_names_it_as_the_cause() -> None:
    def tree(owner: str) -> render.Rendered:
        chosen = builders.catalog(services=(Service("web", owner, 1), Service("api", "platform", 1)))
        digests = {**chosen.digests, "service/web": f"sha256:{owner}"}
        resources = (instance(1), instance(2, tags={"service": "api"}))
        return rendered(*resources, catalog=replace(chosen, digests=digests))

    before, after = tree("platform"), tree("data")
    made = diff.plan(before.files, after.files, before.provenance, after.provenance)
    found = {(c.action, c.name): c.cause for c in made.changes if c.kind == "dashboard"}
    assert found == {
        ("add", "Team data"): "service",
        ("modify", "Team platform"): "service",
        ("modify", "web"): "service",
    }


def test_a_change_of_an_overview_is_shown_by_panel() -> None:
    before, after = rendered(instance()), rendered(instance(), catalog=with_objective())
    made = diff.plan(before.files, after.files, before.provenance, after.provenance)
    (change,) = [c for c in made.changes if c.name == "Team platform"]
    added = {f.field for f in change.fields if f.old is None}
    assert {"panels.Error budget left", "panels.Burn rate over an hour"} <= added
    assert not any(f.field.startswith("panels.Firing") for f in change.fields)


# --- identity ----------------------------------------------------------------------------------------


@given(st.lists(NAMES, min_size=2, max_size=8, unique=True))
def test_every_service_and_team_has_an_address_of_its_own(names: list[str]) -> None:
    uids = [make(n) for n in names for make in (conventions.dashboard_uid, conventions.team_dashboard_uid)]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"[a-z0-9-]{8,40}", uid) for uid in uids)


def test_an_address_is_the_same_for_good() -> None:
    assert conventions.dashboard_uid("web") == "mac-4b5e57f6eb2f42b9039b"
    assert conventions.team_dashboard_uid("platform") == "mac-team-d294fcce0cc885878430"


@given(
    st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=8), min_size=1, max_size=6, unique=True),
    st.integers(0, 6),
    st.sampled_from(["", *SIGNALS]),
)
def test_a_panel_keeps_its_number_whatever_comes_beside_it(titles: list[str], at: int, signal: str) -> None:
    def numbers(shown: list[Panel]) -> dict[str, int]:
        chosen: Standard = standard(panels=tuple(shown))
        document = dashboard(instance(), catalog=builders.catalog(chosen))
        found = {p["title"]: p["id"] for p in document["panels"] if p["type"] != "row"}
        ids = [p["id"] for p in document["panels"]]
        assert len(set(ids)) == len(ids)
        assert len(found) == len(shown)
        return found

    before = [panel(title) for title in titles]
    after = [*before[:at], panel("Another", signal), *before[at:]]
    old, new = numbers(before), numbers(after)
    assert {title: new[title] for title in old} == old


def test_dashboards_do_not_depend_on_the_order_of_bindings() -> None:
    chosen = builders.catalog(standard("one"), standard("two"))
    bound = bind(chosen, snapshot(instance(1), instance(2)), date(2026, 11, 23)).bindings
    assert dashboards.service("web", bound, chosen) == dashboards.service("web", reversed(bound), chosen)
    assert dashboards.overview("platform", bound, EVERYWHERE) == dashboards.overview(
        "platform", list(reversed(bound)), EVERYWHERE
    )


# --- strangers' names --------------------------------------------------------------------------------


@pytest.mark.parametrize("service", HOSTILE)
def test_a_service_named_like_a_variable_of_grafana_is_not_one_in_its_dashboard(service: str) -> None:
    chosen = builders.catalog(addresses=EVERYWHERE)
    result = rendered(instance(tags={"service": service}), instance(2), catalog=chosen)
    own = json.loads(result.files[conventions.dashboard_file(service)])
    both = overview(result)
    for document in (own, both):
        texts = [*expressions(document), *queries(document).values()]
        for text in texts:
            rest = text
            for name, end in (("environment", ""), ("region", "|"), ("cell", "|")):
                rest = rest.replace(f'{name}=~"${name}{end}"', "")
            assert "$" not in rest
            assert "[[" not in rest
            # And the expression still selects the service.
            selected = promql.parse(text)
            assert isinstance(selected, promql.Expression)
            of_service = {m.value for s in selected.selectors for m in s.matchers if m.name == "service"}
            if document is own:
                assert of_service == {service}
            elif of_service:
                assert all(re.fullmatch(pattern, service) for pattern in of_service)
                assert all(re.fullmatch(pattern, "web") for pattern in of_service)
        for link in links(document):
            assert re.fullmatch(r"(https://|/d/)[A-Za-z0-9._~%/?=#&-]+", link.get("url", "/d/x")), link


@given(NAMES)
def test_whatever_a_service_is_called_its_dashboard_is_one_that_grafana_reads(service: str) -> None:
    result = rendered(instance(tags={"service": service}), catalog=builders.catalog(addresses=EVERYWHERE))
    for path, document in result.documents.items():
        if path.startswith("dashboards/") and path.endswith(".json"):
            assert schema.check(document, "generated/dashboard") == ()
            assert grafana.fault(document) == ""


# --- links -------------------------------------------------------------------------------------------


def test_links_lead_to_the_other_layers_of_the_service() -> None:
    chosen = builders.catalog(
        standard(location=Location("standards/a b/web.yaml", 5, 9)),
        services=(Service("web", "platform", 1, location=Location("standards/services/web.yaml", 4, 3)),),
        addresses=EVERYWHERE,
        output="generated",
    )
    document = dashboard(instance(), catalog=chosen)
    assert {link["title"]: link["url"] for link in links(document)} == {
        "Team platform": f"/d/{conventions.team_dashboard_uid('platform')}",
        "Alerts in Prometheus (main-us-east-1)": "https://prometheus-main-us-east-1.example.com/alerts?search=web",
        "Alertmanager": "https://alerts.example.com/#/alerts?filter=%7Bservice%3D%22web%22%7D",
        "Catalogue": "https://monitoring.example.com/",
        "Service": "https://git.example.com/monitoring/standards/services/web.yaml",
        "Provenance": "https://git.example.com/monitoring/generated/provenance.json",
        "Runbook: Web": "https://example.com/web",
        "Standard: web": "https://git.example.com/monitoring/standards/a%20b/web.yaml",
    }


def test_nothing_is_linked_whose_address_is_not_known() -> None:
    titles = {link["title"] for link in links(dashboard(instance()))}
    assert titles == {"Team platform", "Runbook: Web"}


@given(NAMES)
def test_alertmanager_is_asked_for_the_service_by_exactly_its_name(service: str) -> None:
    chosen = builders.catalog(addresses=EVERYWHERE)
    result = rendered(instance(tags={"service": service}), catalog=chosen)
    (path,) = [p for p, entry in result.provenance["files"].items() if entry["kind"] == "dashboard"]
    document = json.loads(result.files[path])
    url = next(link["url"] for link in document["links"] if link["title"] == "Alertmanager")
    asked = promql.parse(unquote(url.partition("?filter=")[2]))
    assert isinstance(asked, promql.Expression)
    assert [m.value for s in asked.selectors for m in s.matchers] == [document["title"]]


def test_a_runbook_cannot_hold_a_variable_of_grafana() -> None:
    chosen = builders.catalog(standard(runbook="https://example.com/$x[[y]]"))
    urls = [link["url"] for link in links(dashboard(instance(), catalog=chosen))]
    assert "https://example.com/%24x%5B%5By]]" in urls


def settings_of(tmp_path: Path, spec: str) -> standards.Loaded:
    shutil.copytree(files.shipped_root() / "standards", tmp_path / "standards")
    shutil.copytree(files.shipped_root() / "inventory", tmp_path / "inventory")
    (tmp_path / "mac.yaml").write_text(f"apiVersion: mac/v1\nkind: Project\nspec:\n{spec}", encoding="utf-8")
    return standards.load(tmp_path)


def test_addresses_and_the_folder_come_from_mac_yaml(tmp_path: Path) -> None:
    loaded = settings_of(
        tmp_path,
        "  docs: https://monitoring.example.com/\n"
        "  addresses:\n"
        "    grafana: https://grafana.example.com/\n"
        "    prometheus: https://prometheus-{cell}.example.com/\n"
        "    alertmanager: https://alerts.example.com/\n"
        "    repository: https://git.example.com/monitoring/\n"
        "  grafana: {folder: Watched, path: /srv/dashboards}\n",
    )
    assert loaded.catalog is not None
    assert loaded.catalog.project.addresses == EVERYWHERE
    (found,) = dashboards.provider(loaded.catalog.project)["providers"]
    assert (found["folder"], found["options"]["path"]) == ("Watched", "/srv/dashboards")


@pytest.mark.parametrize(
    "spec",
    [
        "  docs: https://monitoring.example.com\n",
        "  docs: javascript:alert(1)/\n",
        "  addresses: {alertmanager: 'https://$environment.example.com/'}\n",
        "  addresses: {prometheus: 'https://a.example.com/[[x]]/'}\n",
        "  addresses: {kibana: 'https://a.example.com/'}\n",
        "  grafana: {path: dashboards}\n",
        "  grafana: {path: '/srv/$HOME'}\n",
    ],
)
def test_an_address_that_would_not_lead_there_is_a_problem(tmp_path: Path, spec: str) -> None:
    assert [p.location.path for p in settings_of(tmp_path, spec).problems] == ["mac.yaml"]


# --- Grafana's own types -----------------------------------------------------------------------------


def test_what_grafanas_types_do_not_know_is_told() -> None:
    document = dashboard(instance())
    assert grafana.fault(document) == ""
    graph = next(p for p in document["panels"] if p["type"] == "timeseries")
    graph["fieldConfig"]["defaults"]["treshold"] = 1
    assert re.fullmatch(
        r"Grafana knows no panels\[\d\]\.fieldConfig\.defaults\.treshold", grafana.fault(document)
    )
    assert grafana.fault({**document, "panels": [1]}).startswith("it is no dashboard of Grafana")


def test_grafana_finds_the_files_where_mac_yaml_says() -> None:
    document = emit.read_yaml(rendered(instance()).files[conventions.DASHBOARD_PROVIDER].decode())
    assert schema.check(document, "generated/provider") == ()
    (found,) = document["providers"]
    assert (found["folder"], found["options"]["path"]) == ("Services", "/var/lib/grafana/dashboards/mac")


def test_alerts_lead_to_the_dashboard_of_their_service_where_they_happen() -> None:
    catalog = builders.catalog(addresses=EVERYWHERE)
    result = rendered(instance(1), catalog=catalog)
    document = json.loads(result.files[conventions.dashboard_file("web")])
    (address,) = alert_links(result)
    where, _, chosen = address.partition("?")
    assert where == f"https://grafana.example.com/d/{document['uid']}"
    values = dict(pair.split("=") for pair in chosen.split("&"))
    assert values == {
        "var-environment": "production",
        "var-region": builders.REGION,
        "var-cell": f"main-{builders.REGION}",
    }
    variables = {variable["name"] for variable in document["templating"]["list"]}
    assert {name.removeprefix("var-") for name in values} <= variables


@pytest.mark.parametrize("value", HOSTILE)
def test_an_environment_of_any_name_reaches_the_link_of_an_alert_as_text(value: str) -> None:
    tags = {"service": "web", "environment": value}
    result = rendered(instance(1, tags=tags), catalog=builders.catalog(addresses=EVERYWHERE))
    (address,) = alert_links(result)
    assert parse_qs(address.partition("?")[2])["var-environment"] == [value]
    assert "{{" not in address


def test_alerts_lead_to_no_dashboard_where_nobody_says_where_grafana_is() -> None:
    assert alert_links(rendered(instance(1))) == {""}
