"""Definitions in the place of recorded names: as text, and beside what Prometheus records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import engine_path

from mac import engines, promql
from mac.forecast.model import labels
from mac.forecast.recording import (
    RecordingRule,
    Substituted,
    changed,
    reads,
    substituted,
)
from mac.promql import Failure
from mac.substitution import substitute


def rule(record: str, expr: str, interval: float = 30.0, **own: str) -> RecordingRule:
    return RecordingRule(record, expr, labels(own), interval)


def put(expr: str, *rules: RecordingRule) -> Substituted:
    return substituted(expr, rules, rules)


def test_a_recorded_name_becomes_its_definition_with_the_labels_of_its_rule() -> None:
    found = put(
        'a:b{service="x"} > 1', rule("a:b", "sum(c)", service="x"), rule("a:b", "sum(d)", service="y")
    )
    assert found == Substituted('(label_replace(sum(c), "service", "x", "", "")) > 1')


def test_definitions_are_put_into_definitions() -> None:
    found = put("one + 1", rule("one", "two * 2"), rule("two", "sum(three)"))
    assert found.expr == "((sum(three)) * 2) + 1"


def test_a_range_becomes_a_subquery_at_the_interval_of_the_group() -> None:
    found = put("max_over_time(a:b[5m])", rule("a:b", "sum(c)", interval=15))
    assert found == Substituted("max_over_time((sum(c))[5m:15s])", ranges=("a:b",))


def test_what_history_has_stays() -> None:
    old, new = rule("old", "sum(c)"), rule("new", "sum(d)")
    assert substituted("old / new", [old, new], [new]).expr == "old / (sum(d))"
    assert substituted("old > 0", [old, new], [new]).expr == "old > 0"


def test_several_rules_that_a_selector_means_are_joined() -> None:
    rules = [rule("a:b", "sum(c)", zone=zone) for zone in ("p", "q")]
    [p, q] = (f'label_replace(sum(c), "zone", "{zone}", "", "")' for zone in ("p", "q"))
    assert substituted("max(a:b)", rules, rules[:1]).expr == f"max((({p}) or ({q})))"
    assert substituted('max(a:b{zone="q"})', rules, rules[:1]).expr == 'max(a:b{zone="q"})'


def test_absent_keeps_the_labels_of_its_selector() -> None:
    found = put('absent(a:b{service="x",zone=~"y"})', rule("a:b", "sum(c)", service="x", zone="y"))
    labelled = 'label_replace(label_replace(sum(c), "service", "x", "", ""), "zone", "y", "", "")'
    assert " ".join(found.expr.split()).replace("( ", "(").replace(" )", ")") == (
        f'label_replace(absent(({labelled})), "service", "x", "", "")'
    )


@pytest.mark.parametrize(
    ("expr", "reason"),
    [
        ("a:b offset 5m", "a:b is read with an offset or at a fixed time"),
        ("rate(a:b[5m] @ 10)", "a:b is read with an offset or at a fixed time"),
        ('a:b{host="h"}', "a:b is selected by host, which its expression computes"),
        ("circle", "circle reads itself"),
        ("(", "unclosed left parenthesis"),
    ],
)
def test_what_cannot_be_replaced_is_named(expr: str, reason: str) -> None:
    found = put(expr, rule("a:b", "sum by (host) (c)"), rule("circle", "circle + c"))
    assert found == Substituted(expr, reasons=(reason,))


def test_rules_that_changed_and_those_that_read_them_are_not_in_history() -> None:
    head = [rule("top", "middle + 1"), rule("middle", "new"), rule("new", "sum(c)"), rule("same", "sum(d)")]
    base = [
        rule("top", "middle + 1"),
        rule("middle", "new"),
        rule("new", "avg(c)"),
        rule("same", "sum(d)", 99),
    ]
    assert [found.record for found in changed(head, base)] == ["top", "middle", "new"]
    assert changed(head, head) == ()


def test_what_an_expression_reads_is_known() -> None:
    assert reads("b + a") == {"a", "b"}
    assert reads("(") == frozenset()


def test_an_expression_without_a_replacement_is_not_rewritten() -> None:
    text = "sum( up )  >\n0"
    assert substitute(text, lambda _: None) == text
    assert isinstance(substitute("sum(", lambda _: None), Failure)


@pytest.mark.parametrize("generation", ["trixie", "sid"])
def test_what_is_put_in_gives_what_prometheus_records(generation: str, tmp_path: Path) -> None:
    """The engine itself compares: at no evaluation is there one without the other, or with another value."""
    rules = [
        rule("job:errors:rate", "sum by (job) (rate(errors_total[2m]))", service="$x", kind='q"\\'),
        rule("job:ratio", 'job:errors:rate{service="$x"} / 2', tier="1"),
        rule("job:smooth", "avg_over_time(job:ratio[2m])"),
    ]
    exprs = {
        "Plain": 'job:errors:rate{service="$x"} > 0.01',
        "Chained": "job:ratio > 0.01",
        "Joined": "job:ratio * on (job) group_left (kind) job:errors:rate > 0",
        "Missing": 'absent(job:ratio{tier="1"})',
        "Smoothed": "job:smooth >= 0",
    }
    group = {
        "name": "all",
        "interval": "30s",
        "rules": [
            *({"record": r.record, "expr": r.expr, "labels": dict(r.labels)} for r in rules),
            *({"alert": name, "expr": expr} for name, expr in exprs.items()),
        ],
    }
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [group]}))
    checks = []
    for name, expr in exprs.items():
        found = put(expr, *rules)
        assert found.reasons == ()
        assert not isinstance(promql.parse(found.expr), Failure)
        # The samples of a subquery lie at other moments than recorded ones where the series begins and ends.
        bound = 1e-9 if not found.ranges else 0.05
        differences = f"(abs(({expr}) - ({found.expr})) > {bound})"
        one_sided = f"(({expr}) unless ({found.expr})) or (({found.expr}) unless ({expr}))"
        for step in range(20):
            time = f"{step * 30}s"
            checks.append({"expr": differences, "eval_time": time, "exp_samples": []})
            if not found.ranges:
                checks.append({"expr": one_sided, "eval_time": time, "exp_samples": []})
        checks.append(
            {
                "expr": f"count({found.expr}) > 0",
                "eval_time": "4m" if name != "Missing" else "0s",
                "exp_samples": [{"labels": "{}", "value": 1 if name == "Missing" else 2}],
            }
        )
    series = [
        {"series": f'errors_total{{job="{job}", host="{host}"}}', "values": f"_ 0+{n + 1}x12 stale"}
        for n, (job, host) in enumerate((("a", "1"), ("a", "2"), ("b", "1")))
    ]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "30s",
        "tests": [{"interval": "30s", "input_series": series, "promql_expr_test": checks}],
    }
    (tmp_path / "test.yml").write_text(json.dumps(test))
    done = engines.at("promtool", engine_path(generation, "promtool")).test_rules(tmp_path, ["test.yml"])
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
