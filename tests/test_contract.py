"""Every shipped standard keeps the contract of tests/contract.py; and the contract can be broken."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import contract
import pytest
import yaml
from conftest import PROJECT
from contract import RULES, Subject

from mac import metrics, rules, source, standards, testcases
from mac.checks import metrics as metric_checks
from mac.standards import decode

EXCEPTIONS = Path(__file__).with_name("contract_exceptions.yaml")
NAMES = sorted(
    path.stem
    for path in (PROJECT / "standards").glob("*/*.yaml")
    if "\nkind: Standard\n" in path.read_text(encoding="utf-8")
)


@cache
def subjects() -> dict[str, Subject]:
    loaded = standards.load(PROJECT)
    assert loaded.catalog is not None, loaded.problems
    catalogues = metrics.find(PROJECT)
    shipped = loaded.catalog.standards
    uses = {name: rules.expressions(contract.binding(each)) for name, each in shipped.items()}
    known = {name: metric_checks.of_standard(each, catalogues) for name, each in shipped.items()}
    recorded = metric_checks.recorded_series(list(shipped.values()), uses, known)
    return {
        name: Subject(
            each,
            [test for test in loaded.tests if test.standard == name],
            loaded.sources[each.location.path],
            _text(PROJECT / f"standards/runbooks/{name}.md"),
            catalogues,
            recorded,
        )
        for name, each in shipped.items()
    }


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def exceptions() -> list[dict[str, str]]:
    found: list[dict[str, str]] = yaml.safe_load(EXCEPTIONS.read_text(encoding="utf-8"))
    return found


def complaints(subject: Subject) -> Iterator[tuple[str, str, str, str]]:
    """(rule, standard, alert, what is wrong)"""
    for name, rule in RULES.items():
        for alert, wrong in rule(subject):
            yield name, subject.standard.name, alert, wrong


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_standard_keeps_the_contract(name: str) -> None:
    allowed = {(e["rule"], e["standard"], e.get("alert", "")) for e in exceptions()}
    found = [c for c in complaints(subjects()[name]) if c[:3] not in allowed]
    assert found == [], "\n".join(f"{rule}: {alert}: {wrong}" for rule, _, alert, wrong in found)


def test_every_exception_has_a_reason_and_is_needed() -> None:
    for each in exceptions():
        assert each["reason"].strip(), each
        found = {c[:3] for c in complaints(subjects()[each["standard"]])}
        assert (each["rule"], each["standard"], each.get("alert", "")) in found, each


def test_no_two_standards_that_one_machine_may_have_share_a_port() -> None:
    """A machine may have any roles together, each with its sensor; what is scraped must tell them apart."""
    owners: dict[int, set[str]] = {}
    for name, subject in subjects().items():
        if subject.standard.applies_to.kind == "ec2-instance":
            scrape = [subject.standard.scrape.port] if subject.standard.scrape else []
            for port in {*scrape, *(sensor.port for sensor in subject.standard.sensors)}:
                owners.setdefault(port, set()).add(name)
    assert len(owners) > 10
    assert {port: names for port, names in owners.items() if len(names) > 1} == {}


# --- the contract can be broken ----------------------------------------------------------------------

STANDARD = """\
apiVersion: mac/v1
kind: Standard
metadata: {name: shop, title: Shop}
spec:
  applies_to: {kind: ec2-instance}
  runbook: shop.md
  depends_on: [host]
  exporters: [node]
  parameters:
    busy: {type: number, default: 1, min: 0, max: 9, description: How busy.}
  scrape: {job: shop, port: 9100}
  alerts:
    - alert: ShopDown
      expr: count by (service, environment) (up{job="shop",<< scope >>} == 0) > << p.busy >>
      for: 10m
      keep_firing_for: 5m
      severity: page
      outage: true
      summary: "{{ $value }} shops are down"
      description: They do not answer.
    - alert: ShopErrors
      expr: |
        sum by (service, environment) (rate(node_network_receive_errs_total{<< scope >>}[5m]))
        / (sum by (service, environment) (rate(node_network_receive_packets_total{<< scope >>}[5m])) > 5)
        > 0.1
      for: 10m
      # without keep_firing_for: the rate lasts
      severity: ticket
      summary: "{{ $value | humanizePercentage }} of packets are bad"
      description: Look at the cable.
    - alert: ShopFull
      expr: |
        count by (service, environment) (
          node_filesystem_avail_bytes{<< scope >>} < 1e9
          and predict_linear(node_filesystem_avail_bytes{<< scope >>}[6h], 86400) < 0
        ) > 0
      for: 10m
      keep_firing_for: 5m
      severity: ticket
      summary: "{{ $value }} disks run full"
      description: Within a day.
    - alert: ShopAbsent
      expr: absent(up{job="shop",<< scope >>})
      for: 10m
      severity: ticket
      summary: No shop is collected
      description: None.
  dashboard:
    panels:
      - {title: Up, expr: 'sum by (service) (up{<< scope >>})', description: Shops., threshold: "1"}
"""
_CASES = "\n".join(
    f"""\
    - name: {alert} fires
      series: [{{series: 'up{{job="shop"}}', values: 1x90}}]
      alerts:
        - {{alert: {alert}, at: 9m, firing: []}}
        - {{alert: {alert}, at: 11m, firing: [{{annotations: {{summary: s}}}}]}}"""
    for alert in ("ShopDown", "ShopErrors", "ShopFull", "ShopAbsent")
)
TEST = f"""\
apiVersion: mac/v1
kind: StandardTest
metadata: {{name: shop}}
spec:
  standard: shop
  cases:
{_CASES}
    - name: machines are terminated on purpose
      series: [{{series: 'up{{job="shop",resource_id="i-1"}}', values: 1x5 stale}}]
      alerts:
        - {{alert: ShopDown, at: 30m, firing: []}}
        - {{alert: ShopErrors, at: 30m, firing: []}}
        - {{alert: ShopFull, at: 30m, firing: []}}
        - {{alert: ShopAbsent, at: 30m, firing: []}}
"""
RUNBOOK = "# Shop\n" + "".join(
    f"\n## {alert}\n\n**Meaning.** a\n\n**Impact.** b\n\n**First steps.** c\n"
    for alert in ("ShopDown", "ShopErrors", "ShopFull", "ShopAbsent")
)


def made_up(standard: str = STANDARD, test: str = TEST, runbook: str = RUNBOOK) -> Subject:
    document, problems = source.parse(standard.encode(), "shop.yaml")
    cases, more = source.parse(test.encode(), "shop.test.yaml")
    assert (problems, more) == ((), ())
    assert document is not None
    assert cases is not None
    read = decode.standard(document)
    return Subject(read, [testcases.read(cases)], document.lines, runbook, metrics.find(PROJECT), {})


def test_the_made_up_standard_keeps_the_contract() -> None:
    assert list(complaints(made_up())) == []


BROKEN = {
    "no_alert_a_machine": [
        (
            "standard",
            "count by (service, environment) (up",
            "count by (service, environment, resource_id) (up",
        ),
        ("standard", 'count by (service, environment) (up{job="shop",<< scope >>} == 0)', "up{<< scope >>}"),
    ],
    "ratios_have_a_minimum_of_traffic": [
        ("standard", ") > 5)", "))"),
        ("standard", ") > 5)", ") > 0)"),
        ("standard", 'absent(up{job="shop",<< scope >>})', "histogram_quantile(0.9, node_forks_total) > 5"),
    ],
    "every_alert_waits": [("standard", "for: 10m", "for: 0s")],
    "every_alert_outlasts_a_gap": [("standard", "# without keep_firing_for", "# without")],
    "absence_is_told": [("standard", "absent(up", "sum(up")],
    "machines_that_are_not_collected_are_told": [
        ("standard", 'absent(up{job="shop",', 'absent(up{job="ship",'),
        ("standard", "absent(up", "absent(node_load1"),
        ("standard", "kind: ec2-instance", "kind: load-balancer"),
    ],
    "exhaustion_is_predicted": [
        ("standard", "and predict_linear(node_filesystem_avail_bytes{<< scope >>}[6h], 86400) < 0", "")
    ],
    "only_pages_are_outages": [("standard", "severity: page", "severity: ticket")],
    "what_runs_on_hosts_depends_on_them": [("standard", "  depends_on: [host]\n", "")],
    "numbers_are_for_people": [
        ("standard", "{{ $value | humanizePercentage }}", "{{ $value }}"),
        ("standard", "Look at the cable", "Look at {{$value}} of them"),
    ],
    "every_alert_has_its_section_in_the_runbook": [
        ("runbook", "## ShopFull", "## ShopEmpty"),
        ("runbook", "**Impact.** b", ""),
        ("runbook", "**Impact.** b", "**Impact.** As above."),
    ],
    "panels_that_the_runbook_names_are_there": [
        ("runbook", "**Impact.** b", "**Impact.** Look at the panel *Ships*."),
    ],
    "its_dashboard_shows_what_alerts": [
        ("standard", ', threshold: "1"', ""),
        ("standard", "description: Shops.", "unit: short"),
    ],
    "parameters_are_described_and_bounded": [("standard", ", max: 9", "")],
    "its_metrics_are_in_a_catalogue": [
        ("standard", "  exporters: [node]\n", ""),
        ("standard", "[node]", "[nodee]"),
    ],
    "cloudwatch_is_asked_for_nothing_in_vain": [
        (
            "standard",
            "  scrape: {job: shop, port: 9100}\n",
            "  cloudwatch: {namespace: AWS/EC2, metrics: [{name: CPUUtilization, statistics: [Sum]}]}\n",
        )
    ],
    "every_alert_is_seen_to_fire_in_time": [
        ("test", "ShopFull, at: 9m", "ShopFull, at: 13m"),
        ("test", "ShopFull, at: 11m", "ShopFull, at: 30m"),
    ],
    "what_every_alert_says_is_checked": [
        (
            "test",
            "{alert: ShopDown, at: 11m, firing: [{annotations: {summary: s}}]}",
            "{alert: ShopDown, at: 11m, firing: [{}]}",
        )
    ],
    "every_alert_is_seen_to_stay_silent": [
        ("test", "{alert: ShopErrors, at: 30m, firing: []}", "{alert: ShopErrors, at: 30m, firing: [{}]}")
    ],
    "machines_terminated_on_purpose_are_not_told": [
        ("test", "are terminated on purpose", "go"),
        ("test", "1x5 stale", "1x5"),
    ],
}
"""Rule → changes that break it: in which text, what stands there, what comes in its place."""


def test_every_rule_of_the_contract_is_seen_to_be_broken() -> None:
    assert BROKEN.keys() == RULES.keys()


@pytest.mark.parametrize(
    ("rule", "part", "good", "bad"), [(r, *change) for r, changes in BROKEN.items() for change in changes]
)
def test_a_bad_standard_breaks_the_rule(rule: str, part: str, good: str, bad: str) -> None:
    texts = {"standard": STANDARD, "test": TEST, "runbook": RUNBOOK}
    assert good in texts[part]
    texts[part] = texts[part].replace(good, bad, 1)
    assert list(RULES[rule](made_up(**texts)))
