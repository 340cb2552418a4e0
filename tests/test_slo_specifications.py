"""SLOs of OpenSLO and sloth in standards/slo/: what is carried over, and what is told."""

from __future__ import annotations

import shutil
from pathlib import Path
from textwrap import dedent

import pytest

from mac import example, render, snapshot, standards, templates, validate
from mac.model import Slo, Snapshot
from mac.standards import Loaded
from tests.conftest import PROJECT

SLOTH = """\
version: "prometheus/v1"
service: ingest
labels: {category: requests, tier: "2"}
slos:
  - name: requests-availability
    objective: 99.9
    description: Requests succeed.
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="host",code=~"5.."}[{{.window}}]))
        total_query: |
          sum(
            rate(http_requests_total{job="host"}[{{ .window }}])
          )
    alerting:
      name: HighErrorRate
      annotations: {runbook: "https://example.com/runbook", summary: High error rate}
      page_alert: {labels: {severity: critical}}
      ticket_alert: {disable: true}
"""

OPENSLO = """\
apiVersion: openslo/v1
kind: DataSource
metadata: {name: main}
spec: {type: Prometheus, connectionDetails: {url: "https://prometheus.example.com"}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: good-requests}
spec:
  ratioMetric:
    counter: true
    good: {metricSource: {metricSourceRef: main, spec: {query: 'sum(http_requests_total{code!~"5.."})'}}}
    total: {metricSource: {metricSourceRef: main, spec: {query: http_requests_total}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: web-availability, displayName: Web, labels: {env: production, team: [a, b]}}
spec:
  service: ingest
  indicatorRef: good-requests
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives:
    - {displayName: Internal, target: 0.999}
    - {displayName: Contract, targetPercent: 99}
"""

THRESHOLD = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: dataset-freshness}
spec:
  service: ingest
  indicator:
    spec:
      thresholdMetric:
        metricSource: {type: Prometheus, spec: {query: 'max(dataset_age_seconds{job="host"})'}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: METHOD
  objectives:
    - {op: lte, value: 900, target: 0.99SLICES}
"""


def load(folder: Path, **files: str) -> Loaded:
    """The shipped repository with these files in standards/slo/; `__` in a name is a dot."""
    for part in ("mac.yaml", "inventory/aws.yaml"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / part, folder / part)
    shutil.copytree(PROJECT / "standards", folder / "standards", dirs_exist_ok=True)
    for name, content in files.items():
        (folder / "standards/slo" / f"{name}.yaml").write_text(content, encoding="utf-8")
    return standards.load(folder)


def slos(loaded: Loaded) -> dict[str, Slo]:
    """Those that specifications add to the shipped ones."""
    assert loaded.catalog is not None, loaded.problems
    shipped = {"availability", "latency", "freshness"}
    return {s.name: s for s in loaded.catalog.services["ingest"].slos if s.name not in shipped}


def told(loaded: Loaded) -> list[tuple[str, int, str]]:
    return [(p.code, p.location.line, p.severity.value) for p in loaded.problems]


def renders(loaded: Loaded) -> None:
    """What comes of the SLOs is sound by every check, those of promtool included."""
    assert loaded.catalog is not None
    texts, _ = templates.read(PROJECT, (o.template for o in render.OUTPUTS))
    found = render.render(
        loaded.catalog, example.bindings(loaded.catalog), texts, snapshot.digest(Snapshot())
    )
    assert found.problems == ()
    assert validate.check(found.files, found.documents, found.provenance) == ()
    assert validate.check_with_engines(found.files, required=True) == ()


# --- sloth -------------------------------------------------------------------------------------------


def test_an_slo_of_sloth_is_carried_and_what_is_not_is_told_at_its_place(tmp_path: Path):
    loaded = load(tmp_path, web=SLOTH)
    found = slos(loaded)["requests-availability"]
    assert (found.objective, found.window, found.page, found.ticket) == (0.999, "30d", None, ())
    assert found.labels == {"category": "requests"}
    assert found.runbook == "https://example.com/runbook"
    assert found.own is not None
    assert found.own.countable
    errors, total = found.own.errors, found.own.total
    assert errors is not None
    assert total is not None
    assert errors.text.endswith("[<< window>>]))) * << seconds >>")
    assert total.location.line == 12
    assert told(loaded) == [
        ("slo-not-carried", 3, "warning"),  # the label tier
        ("slo-not-carried", 16, "warning"),  # the alert's name
        ("slo-not-carried", 17, "warning"),  # the summary
        ("slo-not-carried", 18, "warning"),  # a label of the page alone
    ]
    renders(loaded)


def test_a_change_of_a_specification_is_a_change_of_its_service(tmp_path: Path):
    one = load(tmp_path, web=SLOTH).catalog
    other = load(tmp_path, web=SLOTH.replace("99.9", "99.5")).catalog
    assert one is not None
    assert other is not None
    changed = {name for name in one.digests if one.digests[name] != other.digests[name]}
    assert changed == {"service/ingest"}


@pytest.mark.parametrize(
    ("wrong", "code", "line", "hint"),
    [
        (("service: ingest", "service: ingset"), "unknown-service", 2, 'did you mean "ingest"?'),
        (("objective: 99.9", "objectiv: 99.9"), "unknown-key", 6, 'did you mean "objective"?'),
        (("objective: 99.9", "objective: 100"), "wrong-value", 6, ""),
        (("[{{.window}}]", "[5m]"), "wrong-value", 10, "as in sum by"),
        (('version: "prometheus/v1"', "version: prometheus/v2"), "unknown-kind", 1, "error_query"),
    ],
)
def test_a_mistake_in_a_file_of_sloth_is_told(
    tmp_path: Path, wrong: tuple[str, str], code: str, line: int, hint: str
):
    loaded = load(tmp_path, web=SLOTH.replace(*wrong))
    assert loaded.catalog is None
    (problem,) = [p for p in loaded.problems if p.severity == "error"]
    assert (problem.code, problem.location.line) == (code, line)
    assert hint in problem.hint


def test_a_plugin_of_sloth_has_no_queries_to_carry(tmp_path: Path):
    plain = dedent("""\
        version: prometheus/v1
        service: ingest
        slos:
          - {name: a, objective: 99, sli: {plugin: {id: availability}}}
        """)
    loaded = load(tmp_path, web=plain)
    assert told(loaded) == [("slo-not-carried", 4, "error")]


def test_a_mistake_in_a_query_of_another_tool_is_told_where_it_stands(tmp_path: Path):
    loaded = load(tmp_path, web=SLOTH.replace('job="host"', 'job="hots"'))
    assert loaded.catalog is not None
    texts, _ = templates.read(PROJECT, (o.template for o in render.OUTPUTS))
    digest = snapshot.digest(Snapshot())
    found = render.render(loaded.catalog, example.bindings(loaded.catalog), texts, digest)
    problems = validate.check(found.files, found.documents, found.provenance, validate.places(loaded.catalog))
    places = {(p.location.path, p.location.line, p.code) for p in problems}
    web = "standards/slo/web.yaml"
    assert places == {(web, 10, "unknown-series"), (web, 13, "unknown-series")}


def test_a_ratio_of_sloth_is_taken_as_it_is(tmp_path: Path):
    plain = dedent("""\
        version: prometheus/v1
        service: ingest
        slos:
          - name: wifi
            objective: 95
            sli: {raw: {error_ratio_query: "1 - (avg_over_time(up[{{.window}}]))"}}
        """)
    loaded = load(tmp_path, web=plain)
    own = slos(loaded)["wifi"].own
    assert own is not None
    assert own.ratio is not None
    assert own.ratio.text == "1 - (avg_over_time(up[<< window>>]))"
    renders(loaded)


# --- OpenSLO -----------------------------------------------------------------------------------------


def test_every_objective_of_openslo_becomes_an_slo(tmp_path: Path):
    loaded = load(tmp_path, web=OPENSLO)
    found = slos(loaded)
    assert {name: s.objective for name, s in found.items()} == {
        "web-availability-internal": 0.999,
        "web-availability-contract": 0.99,
    }
    one = found["web-availability-contract"]
    assert (one.window, one.environment, one.title) == ("4w", "production", "Contract")
    assert one.own is not None
    assert one.own.good is not None
    assert one.own.good.text == 'increase(http_requests_total{code!~"5.."}[<< window >>])'
    assert told(loaded) == [("slo-not-carried", 17, "warning")]  # the label team
    renders(loaded)


@pytest.mark.parametrize("method", ["Occurrences", "Timeslices"])
def test_a_threshold_of_openslo_becomes_stretches_of_time(tmp_path: Path, method: str):
    slices = ", timeSliceTarget: 0.9, timeSliceWindow: 5m" if method == "Timeslices" else ""
    loaded = load(tmp_path, web=THRESHOLD.replace("METHOD", method).replace("SLICES", slices))
    own = slos(loaded)["dataset-freshness"].own
    assert own is not None
    assert own.sliced
    assert own.errors is not None
    assert "> bool 900" in own.errors.text
    assert (":5m]" in own.errors.text) == bool(slices)
    assert loaded.problems == ()
    renders(loaded)


def test_time_slices_of_a_ratio_are_judged_slice_by_slice(tmp_path: Path):
    text = OPENSLO.replace("Occurrences", "Timeslices").replace(
        "{displayName: Internal, target: 0.999}",
        "{displayName: Internal, target: 0.999, timeSliceTarget: 0.95, timeSliceWindow: 10}",
    )
    text = text.replace("    - {displayName: Contract, targetPercent: 99}\n", "")
    loaded = load(tmp_path, web=text)
    own = slos(loaded)["web-availability"].own
    assert own is not None
    assert own.errors is not None
    assert "> bool 0.05)[<< window >>:10m]" in own.errors.text
    renders(loaded)


@pytest.mark.parametrize(
    ("wrong", "code", "line", "severity"),
    [
        (("indicatorRef: good-requests", "indicatorRef: god-requests"), "unknown-indicator", 20, "error"),
        (("duration: 4w", "duration: 1M"), "slo-not-carried", 21, "error"),
        (("isRolling: true", "isRolling: false"), "slo-not-carried", 21, "error"),
        (("spec: {type: Prometheus,", "spec: {type: Datadog,"), "slo-not-carried", 12, "error"),
        (("sum(http_requests_total{", "max(http_requests_total{"), "slo-not-carried", 12, "error"),
        (("budgetingMethod: Occurrences", "budgetingMethod: Timeslices"), "missing-key", 24, "error"),
        (("budgetingMethod: Occurrences", "budgetMethod: Occurrences"), "unknown-key", 22, "error"),
        (("kind: DataSource", "kind: DataSauce"), "unknown-kind", 2, "error"),
        (("kind: DataSource", "kind: AlertPolicy"), "slo-not-carried", 2, "warning"),
        (("target: 0.999", "target: 1"), "wrong-value", 24, "error"),
        (("apiVersion: openslo/v1\n", "apiVersion: openslo/v2alpha\n"), "unknown-kind", 1, "error"),
    ],
)
def test_what_of_openslo_is_wrong_or_not_carried_is_told(
    tmp_path: Path, wrong: tuple[str, str], code: str, line: int, severity: str
):
    loaded = load(tmp_path, web=OPENSLO.replace(wrong[0], wrong[1], 1))
    assert (code, line, severity) in told(loaded)


def test_openslo_outside_of_its_folder_is_sent_there(tmp_path: Path):
    load(tmp_path)
    (tmp_path / "standards/aws/web.yaml").write_text(THRESHOLD, encoding="utf-8")
    loaded = standards.load(tmp_path)
    assert "misplaced-document" in {p.code for p in loaded.problems}
    assert any("standards/slo/" in p.hint for p in loaded.problems)


def test_two_slos_of_one_name_are_told_wherever_they_are_written(tmp_path: Path):
    loaded = load(tmp_path, web=SLOTH.replace("requests-availability", "availability"))
    assert "duplicate-name" in {p.code for p in loaded.problems}
