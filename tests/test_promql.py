"""Expressions: what is accepted, what is asked of them, and agreement with three generations of promtool."""

import json
import re
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mac import promql, re2, series_labels
from mac.promql import Expression, Failure, Matcher

ENGINES = Path(__file__).parent.parent / ".engines"
GENERATIONS = ("bookworm", "trixie", "sid")


def expression(text: str) -> Expression:
    parsed = promql.parse(text)
    assert isinstance(parsed, Expression), parsed
    return parsed


def failure(text: str) -> Failure:
    parsed = promql.parse(text)
    assert isinstance(parsed, Failure), parsed
    return parsed


def labels(text: str, recorded: dict[str, series_labels.Labels] | None = None) -> series_labels.Result:
    return series_labels.of(expression(text), recorded)


def refused_by_promtool(generation: str, expressions: list[str], folder: Path) -> dict[int, str]:
    """The index and complaint of every expression that this generation's promtool refuses."""
    groups = [
        {"name": f"g{i}", "rules": [{"record": "a:b", "expr": text}]} for i, text in enumerate(expressions)
    ]
    path = folder / f"{generation}.yml"
    path.write_text(json.dumps({"groups": groups}, ensure_ascii=False), encoding="utf-8")
    run = subprocess.run(
        [str(ENGINES / generation / "usr/bin/promtool"), "check", "rules", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = run.stdout + run.stderr
    assert "group" in output or run.returncode == 0 or "SUCCESS" in output, output
    return {int(m[1]): m[0] for m in re.finditer(r'group "g(\d+)"[^\n]*', output)}


GOOD = [
    "up",
    'up{job="a"} == 0',
    "1 - up",
    "vector(1)",
    'sum by (service, environment) (rate(x_total{code=~"5..",service="s"}[5m])) / ignoring (a) y > 0.1',
    "a * on (instance) group_left (zone) b",
    'label_replace(up, "service", "$1", "job", "(.+)")',
    'absent(up{job="x", service="y"})',
    "up[5m:1m] offset 1m",
    "max_over_time(rate(x[1m])[5m:30s]) > bool 1",
    "up offset -5m",
    "up @ end()",
    'topk by (zone) (3, up{zone!~"a|b"})',
    'count_values("version", build_info)',
    "service:x:ratio unless on (service) y",
    'x{a=~"(?i)prod.*", b=~"[[:alpha:]]+\\\\.x{2,3}"}',
    "# a comment\nup > 1",
    "-up ^ 2 % 3 atan2 4",
    'histogram_quantile(0.9, sum by (le) (rate(x_bucket{le!="[5]"}[5m])))',
    'x{a="by (\\"b\\")"}',
    "service:x:rate5m > 1e3 + 0x5d",
]
BAD = [
    "up{",
    "up{}[5m",
    "{}",
    'x{a="1" or b="2"}',
    "info(up)",
    "limitk(3, up)",
    'sort_by_label(up, "a")',
    "mad_over_time(x[5m])",
    "double_exponential_smoothing(x[5m], 0.1, 0.1)",
    "holt_winters(x[5m], 0.1, 0.1)",
    "x[0]",
    "rate(x[5])",
    "x offset 5",
    "rate(x)",
    "up > 5m",
    "a + fill(0) b",
    '{"foo.bar"}',
    'up{"job"="a"}',
    'sum by ("a") (up)',
    'x{a=~"(?<n>y)"}',
    'x{a=~"y**"}',
    'x{a=~"y{1001}"}',
    'x{a=~"(y{100}){11}"}',
    'x{a=~"\\\\u0041"}',
    'x{a=~"\\\\p{Letter}"}',
    'x{a=~"(?x)y"}',
    'x{a=~"y)(z"}',
    'x{a=~"[a--b]"}',
    'x{a=~"[[:letter:]]"}',
    "sum(",
    "",
    "up up",
    "1 +",
    'up{a="\\q"}',
]


@pytest.mark.parametrize("text", GOOD)
def test_an_expression_that_every_prometheus_knows_is_accepted(text: str) -> None:
    expression(text)


@pytest.mark.parametrize("text", BAD)
def test_an_expression_that_some_prometheus_refuses_is_refused(text: str) -> None:
    failure(text)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_no_accepted_expression_is_refused_by_promtool(generation: str, tmp_path: Path) -> None:
    assert refused_by_promtool(generation, GOOD, tmp_path) == {}


def test_every_refused_expression_is_refused_by_some_generation(tmp_path: Path) -> None:
    refused = [set(refused_by_promtool(generation, BAD, tmp_path)) for generation in GENERATIONS]
    accepted = [BAD[i] for i in range(len(BAD)) if not any(i in found for found in refused)]
    assert accepted == []


LABEL = st.sampled_from(["service", "environment", "zone", "job"])
VALUE = st.sampled_from(["a", "", 'q"uote', "back\\slash", "new\nline", "{{ x }}", "é", "[5]", "a#b"])
PATTERN = st.lists(
    st.sampled_from(
        ["a", ".", "*", "+", "?", "(", ")", "(?:", "(?i)", "[a-z]", "[^", "]", "|", "{2}", "\\d"]
    ),
    max_size=6,
).map("".join)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


MATCHER = st.one_of(
    st.builds(lambda n, op, v: f"{n}{op}{quoted(v)}", LABEL, st.sampled_from(["=", "!="]), VALUE),
    st.builds(lambda n, op, v: f"{n}{op}{quoted(v)}", LABEL, st.sampled_from(["=~", "!~"]), PATTERN),
)
SELECTOR = st.builds(
    lambda name, matchers: name + ("{" + ",".join(matchers) + "}" if matchers else ""),
    st.sampled_from(["up", "a:b:c", "x_total"]),
    st.lists(MATCHER, max_size=3),
)
GROUPING = st.lists(LABEL, max_size=2).map(", ".join)


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({})".format, inner),
        st.builds("sum by ({}) ({})".format, GROUPING, inner),
        st.builds("max without ({}) ({})".format, GROUPING, inner),
        st.builds("({}) {} ({})".format, inner, st.sampled_from("+-*/%^"), inner),
        st.builds(
            "({}) {} on ({}) ({})".format, inner, st.sampled_from(["and", "or", "unless"]), GROUPING, inner
        ),
        st.builds("({}) > bool {}".format, inner, st.sampled_from(["1", "1e3", "Inf", "1_0", "5m"])),
        st.builds("rate({}[{}])".format, inner, st.sampled_from(["5m", "1h30m", "5", "0s", "1d"])),
        st.builds("abs({})".format, inner),
    )


ANY_EXPRESSION = st.recursive(SELECTOR, combined, max_leaves=5)


# No shrinking: each try runs three processes, and the assertion names the expression.
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(ANY_EXPRESSION, min_size=60, max_size=120, unique=True))
def test_generated_expressions_that_are_accepted_load_in_every_prometheus(
    tmp_path: Path, expressions: list[str]
) -> None:
    accepted = [text for text in expressions if isinstance(promql.parse(text), Expression)]
    for generation in GENERATIONS:
        refused = refused_by_promtool(generation, accepted, tmp_path)
        assert {accepted[i]: complaint for i, complaint in refused.items()} == {}


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=200)
def test_any_text_is_an_expression_or_a_failure(text: str) -> None:
    parsed = promql.parse(text)
    assert isinstance(parsed, Failure) or parsed.text == text


def test_expressions_of_one_shape_keep_their_own_values() -> None:
    texts = [f'x{{a="v{n}",b=~"v{n}.*",c=\'d="v{n}"\'}} / y{{a="w-{n}"}}' for n in range(3)]
    parsed = [expression(text) for text in texts]
    assert len({p.shape for p in parsed}) == 3  # b's regular expression is no plain value
    for n, one in enumerate(parsed):
        assert one.text == texts[n]
        assert [m.value for m in one.selectors[0].matchers] == [f"v{n}", f"v{n}.*", f'd="v{n}"']
        assert one.selectors[1].equal_to("a") == f"w-{n}"
    assert expression('x{a="1"}').shape == expression('x{a="2"}').shape
    assert expression('x{a=""}').shape != expression('x{a="2"}').shape
    assert failure('{__name__="a-b"}').unsupported


# --- caps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "(" * 20_000 + "up" + ")" * 20_000,
        "(" * 150 + "up" + ")" * 150,
        "abs(" * 150 + "up" + ")" * 150,
        "1" + "+1" * 1_000,
        "-" * 1_000 + "1",
        "up" + " or up" * 300,
        "up" + " == up" * 300,
        "up" + " > up" * 300,
        "a" * 20_000,
    ],
)
def test_an_expression_that_would_end_the_parser_is_refused_before_it_is_parsed(text: str) -> None:
    failure(text)


@pytest.mark.parametrize("text", ["(" * 100 + "up" + ")" * 100, "up" + " or up" * 200, "1" + "+1" * 200])
def test_the_largest_expression_is_parsed_on_a_small_stack(text: str) -> None:
    results: list[object] = []
    size = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=lambda: results.append(series_labels.of(expression(text))))
        thread.start()
    finally:
        threading.stack_size(size)
    thread.join()
    assert len(results) == 1


def test_what_stands_in_strings_and_comments_does_not_count_as_nesting() -> None:
    expression('up{a="' + "(" * 150 + '"} # ' + "+" * 500)


# --- places -------------------------------------------------------------------------------------------


def test_an_unknown_function_is_shown_where_it_stands() -> None:
    found = failure("sum(\n  rat(x[5m])\n)")
    assert (found.line, found.column, found.length) == (2, 3, 3)


def test_an_experimental_function_is_called_unsupported() -> None:
    found = failure("1 + mad_over_time(x[5m])")
    assert found.unsupported
    assert (found.line, found.column) == (1, 5)


def test_a_regular_expression_that_only_rust_knows_is_shown() -> None:
    found = failure('x{a=~"(?x) y"}')
    assert "(?x)" in found.message
    assert found.column == 7


# --- questions ----------------------------------------------------------------------------------------


def test_selectors_tell_metric_and_matchers() -> None:
    parsed = expression('rate(x{a="1",b!~"2"}[5m]) / {__name__="y"} + {a="z"}')
    assert [s.metric for s in parsed.selectors] == ["x", "y", ""]
    assert parsed.selectors[0].matchers == (Matcher("a", "=", "1"), Matcher("b", "!~", "2"))
    assert parsed.selectors[0].equal_to("a") == "1"
    assert parsed.selectors[0].equal_to("b") is None
    assert parsed.metrics == {"x", "y"}


def test_grouping_tells_every_label_that_is_named() -> None:
    parsed = expression("sum by (a) (x) * on (b) group_left (c) max without (d) (y)")
    assert set(parsed.grouping) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("text", "kept", "lost"),
    [
        ("up", "service zone", ""),
        ('up{zone=""}', "service", "zone"),
        ("sum(up)", "", "service zone"),
        ("sum by (service) (up)", "service", "zone"),
        ("sum without (zone) (up)", "service job", "zone"),
        ("topk(3, up)", "service zone", ""),
        ("topk by (zone) (3, up)", "service zone", ""),
        ('count_values by (zone) ("v", up)', "zone v", "service"),
        ("vector(1)", "", "service"),
        ("up > 1", "service zone", ""),
        ("1 < up", "service zone", ""),
        ("1 + 1", "", "service"),
        ("time() - x", "service", ""),
        ("scalar(up) + 1", "", "service"),
        ("a + b", "service zone", ""),
        ("a + on (service) b", "service", "zone"),
        ("a + ignoring (zone) b", "service", "zone"),
        ("a * on (zone) group_left (team) b", "service zone team", ""),
        ("sum by (zone) (a) * on (zone) group_right () b", "service zone", ""),
        ("sum by (zone) (a) * on (zone) group_left (team) b", "zone team", "service"),
        ("a and sum(b)", "service zone", ""),
        ("a or vector(0)", "", "service"),
        ("a or sum by (service) (b)", "service", "zone"),
        ("a unless b", "service", ""),
        ('absent(up{service="a",zone=~"b"})', "service", "zone job"),
        ('absent(up{service="a",service="b"})', "", "service"),
        ("absent(sum by (service) (up))", "", "service"),
        ('absent_over_time(up{service="a"}[5m])', "service", "zone"),
        ('label_replace(sum by (job) (up), "service", "$1", "job", "(.*)")', "job service", "zone"),
        ('label_replace(up, "service", "", "job", "(.*)")', "job", "service"),
        ('label_join(sum by (job) (up), "service", "-", "job")', "job service", "zone"),
        ('label_join(sum by (job) (up), "service", "", "zone")', "job", "service"),
        ("histogram_quantile(0.9, sum by (le, service) (x))", "service", "le zone"),
        ("max_over_time(sum by (service) (x)[5m:1m])", "service", "zone"),
        ("-(sum by (service) (x))", "service", "zone"),
        ("hour()", "", "service"),
        ("hour(x)", "service", ""),
    ],
)
def test_labels_that_survive_an_expression(text: str, kept: str, lost: str) -> None:
    result = labels(text)
    assert [label for label in kept.split() if result.may_lose(label)] == []
    assert [label for label in lost.split() if not result.may_lose(label)] == []


def test_a_recorded_series_has_the_labels_that_its_rule_leaves() -> None:
    recorded = {"a:b:c": labels("sum by (service) (x)").labels}
    assert labels("a:b:c > 1", recorded).may_lose("zone")
    assert not labels("a:b:c > 1", recorded).may_lose("service")
    assert labels('a:b:c{zone="a"}', recorded).complaints == ('a:b:c has no label "zone"',)
    assert labels('a:b:c{zone=""}', recorded).complaints == ()


@pytest.mark.parametrize(
    "text",
    [
        "sum by (zone) (sum by (service) (x))",
        "sum by (service) (x) / sum by (service, zone) (x)",
        "sum by (service) (x) / on (zone) y",
        "sum by (service) (x) and on (zone) sum by (zone) (x)",
    ],
)
def test_what_can_never_match_is_complained_about(text: str) -> None:
    assert len(labels(text).complaints) == 1


@pytest.mark.parametrize(
    "text",
    [
        "sum by (service, zone) (x) / sum by (zone, service) (x)",
        "sum by (service) (x) / ignoring (zone) sum by (service, zone) (x)",
        "x / on (service) group_left () sum by (service) (y)",
        "sum by (service) (x) / y",
        "sum by (service) (x) or vector(0)",
        "sum by (a) (x) > 1 and on () vector(1)",
    ],
)
def test_what_may_match_is_not_complained_about(text: str) -> None:
    assert labels(text).complaints == ()


LABELS = st.builds(series_labels.Labels, st.frozensets(st.sampled_from("abcd")), st.booleans())


@given(LABELS, LABELS, st.frozensets(st.sampled_from("abcd")), st.sampled_from("abcde"))
def test_sets_of_labels_follow_the_laws_of_sets(
    one: series_labels.Labels, two: series_labels.Labels, some: frozenset[str], label: str
) -> None:
    assert (label in one.both(two)) == (label in one and label in two)
    assert (label in one.but(some)) == (label in one and label not in some)
    assert (label in one.only(some)) == (label in one and label in some)
    assert (label in one.plus(some)) == (label in one or label in some)


def test_plain_patterns_are_re2() -> None:
    for pattern in (
        "",
        "a|b",
        "(?P<x>a)*?",
        r"\d{3}",
        "[]a-z]",
        "(?s-i:a)",
        "{{x}}",
        r"\p{Greek}\pL",
        "a{2,}",
    ):
        assert re2.fault(pattern) == ""
