"""Every indicator of a shipped standard is sound, and what it counts as an error is one."""

from __future__ import annotations

from functools import cache

import pytest
from conftest import PROJECT
from contract import binding

from mac import conventions, engines, metrics, rules, ruletest, slo, standards
from mac.checks import metrics as metric_checks
from mac.model import Catalog, Service, Slo, Standard
from mac.testcases import ExpressionExpectation, InputSeries, Sample, StandardTest, TestCase


@cache
def shipped() -> Catalog:
    catalog = standards.load(PROJECT).catalog
    assert catalog is not None
    return catalog


@cache
def catalogues() -> metrics.Catalogues:
    return metrics.find(PROJECT)


def objective(standard: str, indicator: str) -> Slo:
    return Slo("good", 0.99, standard=standard, indicator=indicator)


INDICATORS = [(s.name, name) for s in shipped().standards.values() for name in s.indicators]


@pytest.mark.parametrize(("name", "indicator"), INDICATORS)
def test_an_indicator_reads_what_there_is(name: str, indicator: str) -> None:
    base = shipped().standards[name]
    compiled = slo.standard(objective(name, indicator), base.indicators[indicator], shipped().standards)
    _, problems = rules.for_binding(binding(compiled))
    assert problems == ()
    read = slo.collected(compiled, shipped().standards)
    assert isinstance(read, Standard)
    uses = {each.name: rules.expressions(binding(each)) for each in (base, read)}
    assert list(metric_checks.check([base, read], uses, catalogues())) == []


CASES = {
    ("trino", "availability"): (
        {
            "trino_querymanager_completedqueries_total": "0+100x30",
            "trino_querymanager_internalfailures_total": "0+5x30",
            "trino_querymanager_externalfailures_total": "0+3x30",
            "trino_querymanager_insufficientresourcesfailures_total": "0+2x30",
        },
        0.1,
    ),
    ("kafka", "availability"): (
        {
            "kafka_server_brokertopicmetrics_totalproducerequests_total": "0+60x30",
            "kafka_server_brokertopicmetrics_totalfetchrequests_total": "0+40x30",
            "kafka_server_brokertopicmetrics_failedproducerequests_total": "0+4x30",
            "kafka_server_brokertopicmetrics_failedfetchrequests_total": "0+1x30",
        },
        0.05,
    ),
    ("airflow", "success"): ({"airflow_ti_failures": "0+1x30", "airflow_ti_successes": "0+3x30"}, 0.25),
    ("etl-job", "success"): (
        {'etl_job_last_run_failed{etl_job="load"': "1x30", 'etl_job_critical{etl_job="load"': "1x30"},
        1,
    ),
    ("hdfs-cache", "freshness"): ({'hdfs_cache_unsaved_since_timestamp_seconds{etl_job="load"': "1x30"}, 0),
    ("redis", "availability"): ({'up{job="redis"': "1x30", "redis_up": "0x30"}, 1),
    ("mysql", "availability"): ({'up{job="mysql"': "1x30", "mysql_up": "1x30"}, 0),
    ("postgres", "availability"): ({'up{job="postgres"': "1x30", "pg_up": "0x30"}, 1),
}
"""Indicator → series (the labels of a target are put to them), and the share of errors that they mean."""


@pytest.mark.parametrize("which", CASES, ids="-".join)
def test_what_an_indicator_counts_as_an_error_is_one(which: tuple[str, str]) -> None:
    series, share = CASES[which]
    place = 'service="cart",environment="production",resource_id="i-1"}'
    found = tuple(
        InputSeries(f"{name}{',' if '{' in name else '{'}{place}", values) for name, values in series.items()
    )
    ratio = conventions.slo_ratio("5m")
    labels = f'{ratio}{{service="cart",environment="production",slo="good"}}'
    expected = ExpressionExpectation(ratio, "29m", (Sample(labels, share),))
    test = StandardTest(
        "t", "", (TestCase("a case", found, expressions=(expected,)),), service="cart", slo="good"
    )
    services = {"cart": Service("cart", "platform", 1, slos=(objective(*which),))}
    report = ruletest.run(shipped().standards, [test], engines.require("promtool"), services=services)
    assert [problem.message for result in report.results for problem in result.problems] == []
