"""Endpoints: who is probed, by which module, from which cell, and what the blackbox exporter is told."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import builders
import pytest
from conftest import ENGINES, GENERATIONS, PROJECT

from mac import items, render, schema, standards, templates, validate
from mac.bind import Bindings, bind
from mac.model import (
    AppliesTo,
    Catalog,
    Endpoint,
    Exemption,
    Parameter,
    Probe,
    ProbeModule,
    Resource,
    Scrape,
    Service,
    ServiceEndpoint,
    Standard,
    Text,
)
from mac.probe_model import MODULES
from mac.problems import Severity

TODAY = date(2026, 11, 23)
TEMPLATES, _ = templates.read(PROJECT, [output.template for output in render.OUTPUTS])
HEALTH = "https://shop.example.com/health"


def probing(name: str = "endpoint", kind: str = "endpoint", **probe: Any) -> Standard:
    path = Parameter("path", "string", "/", open_to_tags=True)
    probe.setdefault("path", Text("<< p.path >>"))
    return Standard(
        name, name.title(), AppliesTo(kind), parameters={"path": path}, probe=Probe(**probe), exporters=()
    )


def balancer(*listeners: str, **changes: Any) -> Resource:
    fields: dict[str, Any] = {
        "kind": "load-balancer",
        "arn": f"arn:aws:elasticloadbalancing:{builders.REGION}:{builders.ACCOUNT}:loadbalancer/app/lb/1",
        "id": "lb",
        "addresses": ("lb.example.com",),
        "attributes": {"type": "application", "listeners": list(listeners)},
    }
    return builders.instance(1, {"service": "web", **changes.pop("tags", {})}, **{**fields, **changes})


def declaring(*endpoints: ServiceEndpoint, **changes: Any) -> Service:
    return Service("web", "platform", 1, endpoints=endpoints, **changes)


def declared(url: str = HEALTH, module: str = "http_2xx", **changes: Any) -> ServiceEndpoint:
    return ServiceEndpoint(Endpoint(url, module), **changes)


def catalog(*chosen: Standard, service: Service | None = None, **project: Any) -> Catalog:
    services = (service,) if service else ()
    return builders.catalog(*(chosen or (probing(),)), services=services, **project)


def rendered(chosen: Catalog, *resources: Resource) -> tuple[render.Rendered, Bindings]:
    bindings = bind(chosen, builders.snapshot(*resources), TODAY)
    return render.render(chosen, bindings, TEMPLATES, "sha256:0"), bindings


def probed(result: render.Rendered) -> dict[str, list[str]]:
    """Module → what it is asked for, in every cell."""
    found: dict[str, list[str]] = {}
    for path, document in sorted(result.documents.items()):
        if "/targets/probe-" in path:
            module = Path(path).stem.removeprefix("probe-")
            found.setdefault(module, []).extend(group["targets"][0] for group in document)
    return found


# --- who is probed -----------------------------------------------------------------------------------


def test_a_load_balancer_is_probed_at_each_of_its_listeners_and_at_its_path() -> None:
    result, _ = rendered(catalog(), balancer("http:80", "https:443", tags={"mac:path": "/health?deep=1"}))
    assert result.problems == ()
    assert probed(result) == {
        "http_answers": ["http://lb.example.com:80/health?deep=1"],
        "http_answers_unverified": ["https://lb.example.com:443/health?deep=1"],
    }


def test_targets_carry_the_labels_of_their_resource_and_say_who_probes_them() -> None:
    result, _ = rendered(catalog(), balancer("http:80"))
    ((group,),) = [d for p, d in result.documents.items() if "/targets/" in p]
    assert group["labels"] == {
        "account": builders.ACCOUNT,
        "environment": "production",
        "probe": "endpoint",
        "probed": "load-balancer",
        "region": builders.REGION,
        "resource_id": "lb",
        "service": "web",
        "type": "application",
    }


def test_a_standards_module_stands_in_only_where_it_speaks_the_same_protocol() -> None:
    network = balancer("tcp:5432", "http:80")
    result, _ = rendered(catalog(probing(module="http_2xx")), network)
    assert probed(result) == {
        "http_2xx": ["http://lb.example.com:80/"],
        "tcp_connect": ["lb.example.com:5432"],
    }


@pytest.mark.parametrize(
    ("address", "target"), [("127.0.0.9", "127.0.0.9:8080"), ("fd00::9", "[fd00::9]:8080")]
)
def test_a_standard_probes_a_port_of_machines(address: str, target: str) -> None:
    web = probing("web", "ec2-instance", scheme="http", port=8080, path=Text("/ready"))
    result, _ = rendered(catalog(web), builders.instance(addresses=(address,)))
    assert probed(result) == {"http_2xx": [f"http://{target}/ready"]}


def test_a_resource_without_endpoints_is_not_meant_and_loses_no_coverage_by_it() -> None:
    cloud = replace(builders.standard("lb"), applies_to=AppliesTo("load-balancer"), scrape=Scrape("lb", 9))
    _, bindings = rendered(catalog(probing(), cloud), balancer("udp:53"))
    assert bindings.out_of_reach == ()
    assert [b.standard.name for b in bindings.bindings] == ["lb"]


def test_standards_for_endpoints_that_do_not_probe_leave_other_resources_alone() -> None:
    other = replace(probing(), probe=None, scrape=Scrape("other", 9100))
    assert rendered(catalog(other), balancer("http:80"))[1].bindings == ()


# --- what services declare ---------------------------------------------------------------------------


def test_a_declared_endpoint_is_probed_as_it_is_written() -> None:
    service = declaring(declared(), declared("tls://db.example.com:5432", "tls_connect"))
    result, bindings = rendered(catalog(service=service), balancer("http:80"))
    assert probed(result) == {
        "http_2xx": [HEALTH],
        "tls_connect": ["db.example.com:5432"],
        "http_answers": ["http://lb.example.com:80/"],
    }
    ((group,),) = [d for p, d in result.documents.items() if p.endswith("probe-http_2xx.json")]
    assert group["labels"]["resource_id"] == HEALTH
    assert bindings.bound == 1  # of the snapshot's resources


def test_a_declared_endpoint_without_a_path_takes_the_services() -> None:
    service = declaring(declared("https://shop.example.com"), parameters={"endpoint": {"path": "/up"}})
    result, _ = rendered(catalog(service=service), balancer())
    assert probed(result) == {}  # the load balancer binds nothing, so there is no cell yet
    result, _ = rendered(catalog(service=service), balancer("http:80"))
    assert probed(result)["http_2xx"] == ["https://shop.example.com/up"]


def far(number: int, service: str, region: str) -> Resource:
    return builders.instance(number, {"service": service}, region=region)


@pytest.mark.parametrize(
    ("changes", "cell"),
    [
        ({}, "main-eu-west-1"),  # where the service is
        ({"cell": "main-us-east-1"}, "main-us-east-1"),
        ({"environment": "staging"}, "main-ap-south-1"),  # where it is nowhere: the first of all
    ],
)
def test_one_cell_probes_a_declared_endpoint(changes: dict[str, str], cell: str) -> None:
    regions = ("us-east-1", "eu-west-1", "ap-south-1")
    chosen = catalog(probing(), builders.standard("host"), service=declaring(declared(**changes)))
    chosen = replace(chosen, inventory=replace(chosen.inventory, regions=regions))
    other = (far(1, "other", "us-east-1"), far(2, "web", "eu-west-1"), far(3, "other", "ap-south-1"))
    result, _ = rendered(chosen, *other)
    (path,) = [p for p in result.files if "/targets/probe-" in p]
    assert path == f"cells/{cell}/targets/probe-http_2xx.json"
    (group,) = result.documents[path]
    assert group["labels"]["environment"] == changes.get("environment", "production")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cell": "main-us-east-2"}, ('there is no cell "main-us-east-2"', 'did you mean "main-us-east-1"?')),
        ({}, ("no standard for the kind endpoint", "")),
    ],
)
def test_an_endpoint_that_nothing_probes_is_told(changes: dict[str, str], told: tuple[str, str]) -> None:
    only = builders.standard("host") if not changes else probing("host", "ec2-instance", scheme="tcp", port=1)
    _, bindings = rendered(catalog(only, service=declaring(declared(**changes))), builders.instance())
    (problem,) = [p for p in bindings.problems if p.code == "endpoint-unprobed"]
    assert told[0] in problem.message
    assert problem.hint == told[1]
    assert problem.severity is Severity.WARNING


def test_a_service_may_exempt_itself() -> None:
    exemption = Exemption("endpoint", "only its clients reach it", "2027-01-01")
    service = declaring(declared(), exemptions=(exemption,))
    _, bindings = rendered(catalog(service=service), balancer("http:80"))
    assert bindings.bindings == ()
    assert [s.standard for s in bindings.spared] == ["endpoint"]


# --- what a tag may do -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["@evil.example.com/", "health", "//evil.example.com", "/a b", "/{{ x }}", "/\n", "\\", "/é"]
)
def test_a_tag_leads_no_probe_to_another_host_and_stops_nothing(path: str) -> None:
    result, _ = rendered(catalog(), balancer("http:80", tags={"mac:path": path}))
    (target,) = probed(result)["http_answers"]
    assert target in ("http://lb.example.com:80/", "http://lb.example.com:80//evil.example.com")
    assert [p for p in result.problems if p.severity is Severity.ERROR] == []
    if not path.startswith("//"):
        assert [p.code for p in result.problems] == ["tag-parameter"]
    assert validate.check(result.files, result.documents, result.provenance) == ()


def test_a_path_of_the_service_that_is_none_is_an_error() -> None:
    service = declaring(parameters={"endpoint": {"path": "health"}})
    result, _ = rendered(catalog(service=service), balancer("http:80"))
    assert [(p.code, p.severity) for p in result.problems] == [("parameter-value", Severity.ERROR)]


# --- what is generated -------------------------------------------------------------------------------


def test_each_module_has_a_job_that_asks_the_exporter_and_another_asks_for_itself() -> None:
    result, _ = rendered(
        catalog(service=declaring(declared()), blackbox_exporter="prober:9116"), balancer("http:80")
    )
    path = "cells/main-us-east-1/prometheus.yml"
    jobs = {job["job_name"]: job for job in result.documents[path]["scrape_configs"]}
    assert list(jobs) == ["probe-http_2xx", "probe-http_answers", "blackbox"]
    assert result.provenance["files"][path]["jobs"] == list(jobs)
    asked = jobs["probe-http_2xx"]
    assert (asked["metrics_path"], asked["params"]) == ("/probe", {"module": ["http_2xx"]})
    assert asked["relabel_configs"][-1] == {"target_label": "__address__", "replacement": "prober:9116"}
    assert jobs["blackbox"]["static_configs"] == [{"targets": ["prober:9116"]}]


def test_the_exporter_knows_the_modules_that_are_asked_for_and_no_others() -> None:
    own = ProbeModule("http_2xx", "http", {"valid_status_codes": [200, 401]}, "1m30s")
    result, _ = rendered(
        catalog(service=declaring(declared()), probe_modules={"http_2xx": own}), balancer("tcp:80")
    )
    assert result.documents["cells/main-us-east-1/exporters/blackbox.yml"] == {
        "modules": {
            "http_2xx": {
                "prober": "http",
                "timeout": "90s",
                "http": {
                    "preferred_ip_protocol": "ip4",
                    "ip_protocol_fallback": True,
                    "valid_status_codes": [200, 401],
                },
            },
            "tcp_connect": {
                "prober": "tcp",
                "tcp": {"preferred_ip_protocol": "ip4", "ip_protocol_fallback": True},
            },
        }
    }
    jobs = result.documents["cells/main-us-east-1/prometheus.yml"]["scrape_configs"]
    assert {job["job_name"]: job["scrape_timeout"] for job in jobs} == {
        "probe-http_2xx": "30s",  # no longer than the interval
        "probe-tcp_connect": "10s",
        "blackbox": "10s",
    }


def test_without_endpoints_nothing_of_it_is_generated() -> None:
    result, _ = rendered(catalog(builders.standard()), builders.instance())
    assert not [p for p in result.files if "probe" in p or "blackbox" in p]


def test_what_is_generated_is_checked_by_the_schemas_and_the_engines() -> None:
    result, _ = rendered(catalog(service=declaring(declared())), balancer("http:80", "tls:443"))
    assert result.problems == ()
    assert validate.check(result.files, result.documents, result.provenance) == ()
    assert validate.check_with_engines(result.files, required=True) == ()


def test_a_diff_tells_the_endpoints_of_one_resource_apart() -> None:
    result, _ = rendered(catalog(), balancer("http:80", "http:8080"))
    found = items.read(result.files, result.provenance, result.files)
    targets = [item for key, item in found.items() if key.kind == "target"]
    assert sorted(t.key.name for t in targets) == ["http://lb.example.com:80/", "http://lb.example.com:8080/"]
    assert {t.standards for t in targets} == {("endpoint",)}
    assert items.resource_ids(targets) == {"lb"}


ALL = {
    **MODULES,
    "http_all": ProbeModule(
        "http_all",
        "http",
        {
            "method": "POST",
            "valid_status_codes": [200],
            "valid_http_versions": ["HTTP/1.1", "HTTP/2.0"],
            "headers": {"Host": "shop.example.com"},
            "body": "ping",
            "follow_redirects": False,
            "fail_if_ssl": False,
            "fail_if_not_ssl": True,
            "fail_if_body_matches_regexp": ["maintenance"],
            "fail_if_body_not_matches_regexp": ["ok"],
            "tls_config": {"server_name": "shop.example.com"},
            "preferred_ip_protocol": "ip6",
            "ip_protocol_fallback": False,
        },
        "5s",
    ),
    "mail": ProbeModule(
        "mail",
        "tcp",
        {"query_response": [{"expect": "^220"}, {"send": "STARTTLS"}, {"starttls": True}], "tls": False},
    ),
    "grpc_shop": ProbeModule("grpc_shop", "grpc", {"service": "shop", "tls": True}),
    "resolver": ProbeModule(
        "resolver",
        "dns",
        {
            "query_name": "example.com",
            "query_type": "A",
            "valid_rcodes": ["NOERROR"],
            "transport_protocol": "tcp",
        },
        "1500ms",
    ),
}
SCHEME = {"http": "https", "tcp": "tcp", "grpc": "grpc", "dns": "dns"}


@pytest.mark.parametrize("chosen", GENERATIONS)
def test_the_exporter_itself_takes_every_module_and_every_setting(chosen: str, tmp_path: Path) -> None:
    endpoints = [declared(f"{SCHEME[m.prober]}://a.example.com:1", name) for name, m in ALL.items()]
    result, _ = rendered(catalog(service=declaring(*endpoints), probe_modules=ALL), balancer("http:80"))
    path = "cells/main-us-east-1/exporters/blackbox.yml"
    assert set(result.documents[path]["modules"]) == set(ALL)
    assert schema.check(result.documents[path], "generated/blackbox") == ()
    config = tmp_path / "blackbox.yml"
    config.write_bytes(result.files[path])
    done = check_config(chosen, config)
    assert done.returncode == 0, done.stderr
    config.write_text(config.read_text().replace("valid_status_codes", "valid_codes"))
    assert check_config(chosen, config).returncode != 0


@pytest.mark.parametrize("chosen", GENERATIONS)
def test_what_the_exporter_refuses_is_a_problem_at_the_generated_file(
    chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = ENGINES / chosen / "usr/bin/prometheus-blackbox-exporter"
    monkeypatch.setenv("MAC_BLACKBOX_EXPORTER", str(program))
    result, _ = rendered(catalog(service=declaring(declared())), balancer("http:80"))
    assert validate.check_with_engines(result.files, required=True) == ()
    path = "cells/main-us-east-1/exporters/blackbox.yml"
    content = result.files[path].replace(b"valid_status_codes", b"valid_codes")
    (problem,) = validate.check_with_engines({**result.files, path: content}, required=True)
    line = content.decode().splitlines().index("      valid_codes:") + 1
    assert (problem.code, problem.location.path, problem.location.line) == ("engine-rejects", path, line)
    assert "field valid_codes not found" in problem.message


def check_config(chosen: str, config: Path) -> subprocess.CompletedProcess[str]:
    program = ENGINES / chosen / "usr/bin/prometheus-blackbox-exporter"
    if not program.exists():
        pytest.fail(f"{program} is missing: run `make engines`", pytrace=False)
    argv = [program, "--config.check", f"--config.file={config}"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


# --- the documents -----------------------------------------------------------------------------------


def test_settings_that_the_schema_takes_are_those_that_are_proven_here() -> None:
    document = json.loads(schema.text("project"))
    module = document["properties"]["spec"]["properties"]["probe_modules"]["additionalProperties"]
    for prober in ("http", "tcp", "grpc", "dns"):
        known = set(module["properties"][prober]["properties"])
        shared = {"preferred_ip_protocol", "ip_protocol_fallback", "tls_config"}
        proven = {name for m in ALL.values() if m.prober == prober for name in m.settings}
        assert known <= proven | shared, known - proven


def test_documents_become_endpoints_probes_and_modules(tmp_path: Path) -> None:
    write(tmp_path, "mac.yaml", MAC)
    write(tmp_path, "inventory/aws.yaml", INVENTORY)
    write(tmp_path, "standards/endpoint.yaml", STANDARD)
    write(tmp_path, "standards/services/web.yaml", SERVICE)
    write(tmp_path, "standards/teams/platform.yaml", TEAM)
    loaded = standards.load(tmp_path)
    assert [p for p in loaded.problems if p.severity is Severity.ERROR] == []
    assert loaded.catalog is not None
    project, service = loaded.catalog.project, loaded.catalog.services["web"]
    assert project.blackbox_exporter == "prober:9115"
    assert project.probe_modules == {
        "http_401": ProbeModule("http_401", "http", {"valid_status_codes": [401]}, "5s")
    }
    assert [(e.endpoint, e.environment, e.cell) for e in service.endpoints] == [
        (Endpoint("https://shop.example.com/health", "http_401"), "", ""),
        (Endpoint("grpcs://shop.example.com:443", "grpc_tls"), "staging", "main-us-east-1"),
    ]
    probe = loaded.catalog.standards["endpoint"].probe
    assert probe is not None
    assert (probe.module, probe.path.text) == ("http_2xx", "<< p.path >>")


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"apiVersion: mac/v1\n{text}")


MAC = """\
kind: Project
spec:
  default_team: platform
  prometheus: {blackbox_exporter: "prober:9115"}
  probe_modules:
    http_401: {prober: http, timeout: 5s, http: {valid_status_codes: [401]}}
"""
INVENTORY = """\
kind: Inventory
spec:
  accounts: [{id: "123456789012", name: main}]
  regions: [us-east-1]
"""
STANDARD = """\
kind: Standard
metadata: {name: endpoint, title: Endpoint}
spec:
  applies_to: {kind: endpoint}
  exporters: [blackbox]
  parameters:
    path: {type: string, default: /, description: What is asked for., tag: true}
  probe: {module: http_2xx, path: << p.path >>}
"""
SERVICE = """\
kind: Service
metadata: {name: web}
spec:
  owner: platform
  endpoints:
    - {url: "https://shop.example.com/health", module: http_401}
    - {url: "grpcs://shop.example.com:443", environment: staging, cell: main-us-east-1}
"""
TEAM = """\
kind: Team
metadata: {name: platform}
spec:
  receivers:
    page: [{webhook: {url_file: /etc/alertmanager/page}}]
    ticket: [{webhook: {url_file: /etc/alertmanager/ticket}}]
"""
