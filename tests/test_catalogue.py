"""Catalogues of metrics: what is in them, how they are read, and what is checked against them."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import Result
from conftest import PROJECT

from mac import kinds, metrics, standards
from mac.checks import metrics as checks
from mac.kinds.kind import Kind
from mac.metrics.catalogue import Metric, dimension_label, exported
from mac.model import AppliesTo, CloudWatch, CloudWatchMetric, Location, Resource, Scrape, Standard, Text
from mac.problems import Problem

Mac = Callable[..., Result]


def catalogues() -> metrics.Catalogues:
    return metrics.find(PROJECT)


def shop(exporters: tuple[str, ...] | None = ("node",), **changes: object) -> Standard:
    fields = {"scrape": Scrape("shop", 9100), "exporters": exporters, **changes}
    return Standard("shop", "Shop", AppliesTo("ec2-instance"), **fields)  # type: ignore[arg-type]


def found(expr: str, standard: Standard | None = None) -> list[Problem]:
    """The problems of one expression of a standard."""
    text = Text(expr, Location("shop.yaml", 7, 5))
    one = standard or shop()
    return list(checks.check([one], {one.name: [("Alert", expr, text)]}, catalogues()))


# --- what is shipped ---------------------------------------------------------------------------------


def test_every_shipped_catalogue_can_be_read_and_says_where_it_comes_from() -> None:
    every = catalogues().every()
    files = list((PROJECT / "mac/metrics").rglob("*.yaml"))
    assert len(every) == len(files) > 40
    for each in every:
        assert each.sources, each.name
        for metric in each.metrics.values():
            assert metric.obtained in ("run", "source", "documentation"), metric
            if metric.obtained != "run":
                assert all(address.startswith("https://") for address in metric.sources), metric


def test_a_namespace_is_found_by_its_name() -> None:
    for each in catalogues().every():
        if each.namespace:
            assert catalogues().namespace(each.namespace) == each
    assert catalogues().namespace("AWS/SQX") is None


def test_the_names_of_an_exporters_metrics_are_names() -> None:
    for each in catalogues().every():
        if not each.namespace:
            assert all(re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", name) for name in each.metrics), each.name


def test_kinds_name_the_dimensions_that_their_namespaces_have() -> None:
    for kind in kinds.all_kinds().values():
        for name in kind.namespaces:
            known = catalogues().namespace(name)
            if known is not None:
                assert {d for d, _ in kind.dimensions(_example(kind))} <= set(known.dimensions), kind.name


def _example(kind: Kind) -> Resource:
    arn = "arn:aws:service:us-east-1:123456789012:loadbalancer/app/x/0123456789abcdef"
    return Resource(arn, kind.name, "1", "us-east-1", "x", "x", attributes={"type": "application"})


# --- the exporter's names of CloudWatch's metrics ----------------------------------------------------


@pytest.mark.parametrize(
    ("namespace", "metric", "statistic", "name"),
    [
        ("AWS/RDS", "CPUUtilization", "Average", "aws_rds_cpuutilization_average"),
        ("AWS/RDS", "FreeStorageSpace", "Average", "aws_rds_free_storage_space_average"),
        (
            "AWS/ApplicationELB",
            "HTTPCode_Target_5XX_Count",
            "Sum",
            "aws_applicationelb_httpcode_target_5_xx_count_sum",
        ),
        ("AWS/ApplicationELB", "TargetResponseTime", "p99", "aws_applicationelb_target_response_time_p99"),
        (
            "AWS/ApplicationELB",
            "TargetResponseTime",
            "p99.9",
            "aws_applicationelb_target_response_time_p99_9",
        ),
        (
            "AWS/SQS",
            "NumberOfMessagesDeleted",
            "SampleCount",
            "aws_sqs_number_of_messages_deleted_sample_count",
        ),
        ("AWS/ApiGateway", "5XXError", "Sum", "aws_apigateway_5_xxerror_sum"),
        # words of the namespace that the metric begins with are left out
        ("Glue", "glue.driver.aggregate.bytesRead", "Sum", "aws_glue_driver_aggregate_bytes_read_sum"),
        ("AWS/Kafka", "KafkaDataLogsDiskUsed", "Maximum", "aws_kafka_data_logs_disk_used_maximum"),
        ("/aws/sagemaker/TrainingJobs", "CPU%", "Average", "aws_sagemaker_trainingjobs_cpu_percent_average"),
        ("ECS/ContainerInsights", "CpuUtilized", "Average", "aws_ecs_containerinsights_cpu_utilized_average"),
    ],
)
def test_names_are_made_as_the_exporter_makes_them(
    namespace: str, metric: str, statistic: str, name: str
) -> None:
    assert exported(namespace, metric, statistic) == name


def test_a_dimension_is_a_label_of_its_own() -> None:
    assert dimension_label("QueueName") == "dimension_QueueName"
    assert dimension_label("Cluster Name") == "dimension_Cluster_Name"


def test_a_histogram_is_three_series_and_a_summary_too() -> None:
    assert dict(Metric("a", "histogram", ("x",)).series()) == {
        "a_bucket": ("x", "le"),
        "a_sum": ("x",),
        "a_count": ("x",),
    }
    assert dict(Metric("a", "summary").series()) == {"a": ("quantile",), "a_sum": (), "a_count": ()}


# --- expressions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expr",
    [
        "sum by (service, mode) (rate(node_cpu_seconds_total[5m]))",
        'up{job="shop"} == 0 unless on (service) ALERTS{alertname="x",anything="y"}',
        "count by (zone) (node_load1) > on () group_left () max(scrape_duration_seconds)",
        'sum by (part) (label_replace(node_load1, "part", "$1", "resource_id", "(.).*"))',
        'count_values("size", node_memory_MemTotal_bytes) * on (size) group_left () '
        'count_values("size", node_memory_MemTotal_bytes)',
        'count({__name__=~"node_disk_.*_total",device="x"})',
        'node_load1{role="x"} + time()',
    ],
)
def test_what_exists_is_no_problem(expr: str) -> None:
    assert found(expr) == []


@pytest.mark.parametrize(
    ("expr", "code", "column", "hint"),
    [
        ("rate(node_cpu_second_total[5m])", "unknown-metric", 10, 'did you mean "node_cpu_seconds_total"?'),
        ("node_load1 > 1 and redis_up == 0", "unknown-metric", 24, ""),
        ("rate(node_cpu_seconds_total{mod='idle'}[5m])", "metric-label", 33, 'did you mean "mode"?'),
        ("rate(node_cpu_seconds_total{mod!='idle'}[5m])", "metric-label", 33, 'did you mean "mode"?'),
        ("sum by (service, mod) (node_cpu_seconds_total)", "metric-label", 22, 'did you mean "mode"?'),
        ("node_load1 / on (devise) node_disk_io_now", "metric-label", 22, 'did you mean "device"?'),
        ('count({__name__=~"nod_.*"})', "unknown-metric", 23, ""),
        ("service:shop:rate5m > 1", "unknown-metric", 5, ""),
    ],
)
def test_what_does_not_exist_is_told_at_its_place(expr: str, code: str, column: int, hint: str) -> None:
    [problem] = found(expr)
    assert (problem.code, problem.location.line, problem.location.column) == (code, 7, column)
    assert problem.message.startswith("Alert: ")
    assert hint in problem.hint


def test_a_label_that_only_one_side_has_is_told() -> None:
    [problem] = found("node_load1 / on (device) node_disk_io_now")
    assert problem.code == "metric-label"
    assert "only the right has device" in problem.message


def test_recorded_series_of_other_standards_are_known_with_their_labels() -> None:
    from mac.model import StandardRecording

    text = Text("count by (service, mode) (node_cpu_seconds_total)", Location("f", 1, 1))
    other = Standard(
        "other",
        "Other",
        AppliesTo("ec2-instance"),
        scrape=Scrape("other", 1),
        exporters=("node",),
        recording=(StandardRecording("service:cpus:count", text),),
    )
    uses = {"other": [("service:cpus:count", text.text, text)]}

    def problems(expr: str) -> list[str]:
        place = Text(expr, Location("f", 1, 1))
        return [
            p.message
            for p in checks.check([shop(), other], {**uses, "shop": [("A", expr, place)]}, catalogues())
        ]

    assert problems('service:cpus:count{mode="idle",service="x"} > 1') == []
    assert problems('service:cpus:count{cpu="1"} > 1') == ['A: service:cpus:count has no label "cpu"']


# --- what a standard says ----------------------------------------------------------------------------


def test_a_standard_that_names_no_exporter_is_not_checked_and_says_so() -> None:
    silent = shop(None)
    assert found("shop_anything{x='y'} > 1", silent) == []
    assert checks.unchecked([silent, shop()], catalogues()) == ("shop",)
    assert checks.unchecked([shop(())], catalogues()) == ()
    assert [p.code for p in found("shop_anything > 1", shop(()))] == ["unknown-metric"]


def test_an_exporter_without_a_catalogue_is_a_problem_and_hides_no_other() -> None:
    problems = found("anything > 1", shop(("nodee",)))
    assert [(p.code, p.hint) for p in problems] == [("unknown-exporter", 'did you mean "node"?')]


def queue(*asked: CloudWatchMetric) -> Standard:
    return Standard("q", "Q", AppliesTo("sqs-queue"), cloudwatch=CloudWatch("AWS/SQS", asked))


def test_cloudwatch_is_read_with_the_statistics_that_are_asked_for() -> None:
    asked = queue(CloudWatchMetric("NumberOfMessagesSent", ("Sum",)))
    assert found('aws_sqs_number_of_messages_sent_sum{dimension_QueueName="x",fifo="true"}', asked) == []
    [problem] = found("aws_sqs_number_of_messages_sent_average > 1", asked)
    assert problem.code == "unknown-metric"
    assert "add the statistic Average of NumberOfMessagesSent" in problem.hint
    [problem] = found('aws_sqs_number_of_messages_sent_sum{dimension_Queue="x"}', asked)
    assert (problem.code, problem.hint) == ("metric-label", 'did you mean "dimension_QueueName"?')


def test_metrics_and_dimensions_that_cloudwatch_has_not_are_told() -> None:
    place = Location("q.yaml", 3, 9)
    wrong = queue(CloudWatchMetric("NumberOfMessagesSend", ("Sum",), {"QueueNam": "x"}, place))
    problems = found("vector(1)", wrong)
    assert [(p.code, p.location, p.hint) for p in problems] == [
        ("unknown-metric", place, 'did you mean "NumberOfMessagesSent"?'),
        ("unknown-metric", place, 'did you mean "QueueName"?'),
    ]


def test_cloudwatch_series_are_checked_also_where_the_exporter_is_not_known() -> None:
    both = Standard(
        "q",
        "Q",
        AppliesTo("sqs-queue"),
        scrape=Scrape("q", 1),
        cloudwatch=CloudWatch("AWS/SQS", (CloudWatchMetric("NumberOfMessagesSent", ("Sum",)),)),
    )
    assert found("my_own > 1", both) == []
    assert [p.code for p in found("aws_sqs_number_of_messages_sent_maximum > 1", both)] == ["unknown-metric"]


def test_the_shipped_standards_read_nothing_that_does_not_exist() -> None:
    from mac import example, rules, slo

    catalog = standards.load(PROJECT).catalog
    assert catalog is not None
    bound = [b for b in example.bindings(catalog).bindings if b.standard.name in catalog.standards]
    uses = {b.standard.name: rules.expressions(b) for b in bound}
    known = [slo.collected(b.standard, catalog.standards) for b in bound]
    assert list(checks.check([each for each in known if each], uses, catalogues())) == []


# --- a repository's own catalogues -------------------------------------------------------------------

OWN = """\
catalogue: shop
title: The shop
obtained: run
source: curl http://127.0.0.1:8080/metrics
metrics:
  shop_orders_total: {type: counter, labels: [country]}
"""
STANDARD = """\
apiVersion: mac/v1
kind: Standard
metadata: {name: shop, title: Shop}
spec:
  applies_to: {kind: ec2-instance, any: [{role: [shop]}]}
  scrape: {job: shop, port: 8080}
  exporters: [shop]
  recording:
    - record: service:orders:rate5m
      expr: sum by (service, environment, county) (rate(shop_orders_total{<< scope >>}[5m]))
"""


@pytest.fixture
def repository(tmp_path: Path, mac: Mac) -> Path:
    root = tmp_path / "monitoring"
    assert mac("init", root).exit_code == 0
    (root / "metrics").mkdir()
    (root / "metrics/shop.yaml").write_text(OWN, encoding="utf-8")
    (root / "standards/data/shop.yaml").write_text(STANDARD, encoding="utf-8")
    return root


def written(repository: Path) -> list[Path]:
    """What is written here, apart from what is shipped."""
    return [repository / "standards/data/shop.yaml", repository / "metrics"]


def test_validate_reads_a_repositorys_own_catalogue(repository: Path, mac: Mac) -> None:
    result = mac("validate", "-C", repository, *written(repository), "--format", "json")
    assert result.exit_code == 1, result.output
    [problem] = json.loads(result.stdout)
    assert (problem["path"], problem["line"], problem["column"]) == ("standards/data/shop.yaml", 10, 43)
    assert (problem["code"], problem["hint"]) == ("metric-label", 'did you mean "country"?')


def test_what_is_wrong_with_a_catalogue_is_told_at_its_line(repository: Path, mac: Mac) -> None:
    own = repository / "metrics/shop.yaml"
    own.write_text(OWN.replace("counter", "countr"), encoding="utf-8")
    result = mac("validate", "-C", repository, *written(repository), "--format", "json")
    told = [(p["path"], p["line"], p["code"]) for p in json.loads(result.stdout)]
    assert told == [("metrics/shop.yaml", 6, "wrong-value")]
    own.write_text(OWN.replace("catalogue: shop", "catalogue: store"), encoding="utf-8")
    result = mac("validate", "-C", repository, *written(repository), "--format", "json")
    assert [(p["path"], p["line"]) for p in json.loads(result.stdout)] == [("metrics/shop.yaml", 1)]


def test_validate_says_which_standards_it_cannot_check(repository: Path, mac: Mac) -> None:
    text = STANDARD.replace("  exporters: [shop]\n", "")
    (repository / "standards/data/shop.yaml").write_text(text, encoding="utf-8")
    result = mac("validate", "-C", repository, *written(repository))
    assert result.exit_code == 0, result.output
    assert re.search(r"not checked are the metrics of [^:]*\bshop\b", result.stderr)


# --- mac metrics -------------------------------------------------------------------------------------


def test_metrics_check_tells_a_person_what_is_wrong(mac: Mac, in_directory: Path) -> None:
    good = mac("metrics", "check", 'rate(node_cpu_seconds_total{mode="idle"}[5m])')
    assert (good.exit_code, good.stdout) == (0, "every metric and label is known\n")
    bad = mac("metrics", "check", "aws_sqs_number_of_message_sent_p99_9 > 1", "--format", "json")
    assert bad.exit_code == 1
    [problem] = json.loads(bad.stdout)["problems"]
    assert problem["hint"] == 'did you mean "aws_sqs_number_of_messages_sent_p99_9"?'
    assert (problem["line"], problem["column"]) == (1, 1)
    assert mac("metrics", "check", "up +").exit_code == 1


def test_metrics_check_looks_only_where_it_is_told(mac: Mac, in_directory: Path) -> None:
    assert mac("metrics", "check", "redis_up", "--exporter", "redis").exit_code == 0
    assert mac("metrics", "check", "redis_up", "--exporter", "node").exit_code == 1
    unknown = mac("metrics", "check", "redis_up", "--exporter", "nod")
    assert unknown.exit_code == 64
    assert 'did you mean "node"?' in unknown.stderr


def test_metrics_list_shows_catalogues_and_their_metrics(repository: Path, mac: Mac) -> None:
    every = json.loads(mac("-C", repository, "metrics", "list", "--format", "json").stdout)
    assert every["schema_version"] == 1
    named = {c["namespace"] or c["name"]: c for c in every["catalogues"]}
    assert {"node", "AWS/SQS", "shop"} <= named.keys()
    assert named["shop"]["count"] == 1
    one = mac("-C", repository, "metrics", "list", "--exporter", "shop")
    assert one.stdout.splitlines()[1].split() == ["shop_orders_total", "counter", "country", "run"]


# --- scripts/catalogue.py ----------------------------------------------------------------------------

EXPOSITION = """\
# HELP a_total A.
# TYPE a_total counter
a_total{y="1",x="a\\"}b, z=\\"2"} 3
a_total{y="2",w=""} 1e+06
# TYPE b histogram
b_bucket{x="1",le="+Inf"} 1
b_sum{x="1"} 2
b_count{x="1"} 1
# TYPE c summary
c{quantile="0.5"} 1
c_sum 1
c_count 1
d_sum 4
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """What reads and writes catalogues, as the script has it."""
    spec = importlib.util.spec_from_file_location("catalogue_script", PROJECT / "scripts/catalogue.py")
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return importlib.import_module("exporters.exposition")


def test_an_exposition_is_read_into_metrics_with_types_and_labels(script: ModuleType) -> None:
    seen = {name: (one.type, sorted(one.labels)) for name, one in script.read(EXPOSITION).items()}
    assert seen == {
        "a_total": ("counter", ["w", "x", "y"]),
        "b": ("histogram", ["x"]),
        "c": ("summary", []),
        "d_sum": ("untyped", []),
    }


def test_what_is_written_can_be_read_and_keeps_what_was_obtained_in_another_way(
    script: ModuleType, tmp_path: Path
) -> None:
    run = script.Run((EXPOSITION,), "1.2", "a run")
    (tmp_path / "metrics").mkdir()
    path = tmp_path / "metrics/mine.yaml"
    old = {"type": "gauge", "labels": ["raid"], "obtained": "documentation", "source": "https://example.com"}
    path.write_text(script.document("mine", "Mine", run, {"e": old}), encoding="utf-8")
    assert script.kept(path) == {"e": old}
    read = metrics.find(tmp_path).exporter("mine")
    assert read is not None
    assert (read.metrics["b"].type, read.metrics["b"].obtained) == ("histogram", "run")
    assert read.metrics["e"].sources == ("https://example.com",)
