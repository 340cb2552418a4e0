"""A value of a tag never becomes syntax, and a template never reaches out of its box."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import emit
from mac.templating import Mode, Names, TemplateError, go_text, matchers, promql_string, template

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def expression(text: str, **names: object) -> str:
    return template(text, Mode.EXPRESSION).render(names)


def refused(text: str, mode: Mode = Mode.EXPRESSION, **names: object) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        template(text, mode).render(names)
    return caught.value


def test_numbers_come_out_without_the_noise_of_binary_fractions() -> None:
    assert expression("x > << 1 - p.share >>", p=Names({"share": 0.7})) == "x > 0.3"
    assert expression("x > << n >>", n=5) == "x > 5"


@pytest.mark.parametrize(
    "text",
    ["<< v >>", "<< v | upper >>", '<< v ~ "a" >>', "<< [1, 2] | join(v) >>", "<< v | default(v, true) >>"],
)
def test_an_unescaped_value_is_refused_however_it_is_dressed(text: str) -> None:
    assert "without escaping" in refused(text, v='x"} or vector(1)').message


def test_joining_an_escaped_value_to_a_raw_one_is_no_longer_escaped() -> None:
    assert "without escaping" in refused("<< (v | promql) ~ v >>", v='"').message


def test_the_filter_makes_a_value_a_string_that_cannot_end() -> None:
    assert expression('up{a="<< v | promql >>"}', v='x"}\n\\') == r'up{a="x\"}\n\\"}'


@pytest.mark.parametrize(
    "text",
    [
        "<% filter upper %>a<% endfilter %>",
        "<% macro m() %><% endmacro %>",
        "<% include 'x' %>",
        "<% import 'x' as y %>",
        "<% set x %>a<% endset %>",
    ],
)
def test_statements_that_bypass_the_rule_are_not_there(text: str) -> None:
    assert refused(text).syntax


@pytest.mark.parametrize(
    "text",
    [
        '<< "a" * 100000000 >>',
        '<< "%1000000000d" % 1 >>',
        "<< 9 ** 9 ** 9 >>",
        '<< v.format("x") >>',
        "<< v.__class__.__mro__ >>",
        "<< range(10) >>",
        "<< cycler >>",
        "<< true >>",
    ],
)
def test_growth_and_reaching_into_objects_are_refused(text: str) -> None:
    refused(text, v="x")


def test_a_missing_name_is_told_with_its_line() -> None:
    error = refused("a\nb << nothing >>")
    assert (error.line, error.name) == (2, "nothing")


def test_a_missing_parameter_is_told_by_name() -> None:
    error = refused("a\n\n<< p.shar >>", p=Names({"share": 1}))
    assert (error.line, error.name, error.message) == (3, "shar", 'p has no parameter "shar"')


def test_broken_syntax_is_told_with_its_line() -> None:
    error = refused("a\n<< b")
    assert error.syntax
    assert error.line == 2


def test_a_template_knows_the_parameters_and_names_that_it_uses() -> None:
    compiled = template('<< p.a >> << p["b"] >> << scope >>', Mode.EXPRESSION)
    assert compiled.parameters == {"a", "b"}
    assert compiled.names == {"scope"}


def test_a_parameter_may_have_the_name_of_a_method() -> None:
    assert expression("<< p.items >>", p=Names({"items": 3})) == "3"


def test_a_text_keeps_prometheus_own_templates_and_escapes_those_of_a_value() -> None:
    text = template("<< v >> {{ $value }}", Mode.TEXT).render({"v": "{{ $labels.x }}"})
    assert text == '{{"{"}}{{"{"}} $labels.x }} {{ $value }}'


def test_matchers_are_escaped_and_safe_to_place() -> None:
    assert expression("up{<< m >>}", m=matchers({"a": 'x"', "b": "y"})) == r'up{a="x\"",b="y"}'


@given(TEXTS)
def test_an_escaped_promql_string_has_no_raw_quote_newline_or_control(value: str) -> None:
    escaped = str(promql_string(value))
    assert not set(escaped) & {"\n", "\r", "\t", "\x00", "\u2028"}
    assert '"' not in escaped.replace("\\\\", "").replace('\\"', "")


@given(TEXTS)
def test_escaped_go_text_opens_no_action_of_its_own(value: str) -> None:
    rest = str(go_text(value)).replace('{{"{"}}', "")
    assert "{" not in rest


@given(TEXTS, TEXTS)
def test_any_value_survives_the_file_template(key: str, value: str) -> None:
    text = template("<< v | yaml >>\n", Mode.FILE).render({"v": {"k": [value, {key: value}]}})
    assert emit.read_yaml(text) == {"k": [value, {key: value}]}
