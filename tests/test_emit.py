"""What is emitted reads back as what was meant, in every reader."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import emit

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS
WORDS = st.sampled_from(
    ["on", "no", "null", "~", "012", "1e3", "0x1f", "1:30", "=", "<<", "- a", "# b", "a: b"]
)
BLOCKS = st.text(string.ascii_letters + "  \n{}()#:-'\"|>", min_size=1)
VALUES = st.recursive(
    SCALARS | WORDS | BLOCKS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS | WORDS, inner),
    max_leaves=20,
)


@given(VALUES)
def test_any_value_reads_back_as_itself(value: object) -> None:
    assert emit.read_yaml(emit.yaml(value) + "\n") == value


@given(VALUES, st.integers(1, 4))
def test_an_indented_value_reads_back_inside_its_parent(value: object, depth: int) -> None:
    if not isinstance(value, dict | list) or not value:
        value = {"k": value}
    indent = depth * 2
    text = f"parent:\n{' ' * indent}{emit.yaml(value, indent)}\n"
    assert emit.read_yaml(text) == {"parent": value}


@given(VALUES)
def test_json_reads_back_as_itself(value: object) -> None:
    assert json.loads(emit.json_line(value)) == value


@given(st.lists(st.dictionaries(TEXTS, TEXTS)))
def test_a_list_of_rows_has_one_row_a_line(rows: list[dict[str, str]]) -> None:
    text = emit.json_rows(rows)
    assert json.loads(text) == rows
    assert text.count(b"\n") == (len(rows) + 2 if rows else 1)


def test_an_expression_of_several_lines_stays_readable() -> None:
    assert emit.yaml({"expr": "sum(\n  up\n)"}) == "expr: |-\n  sum(\n    up\n  )"


def test_words_of_yaml_are_quoted_as_keys_and_values() -> None:
    assert emit.yaml({"on": "off"}) == '"on": "off"'


def test_marks_that_reorder_text_on_the_screen_are_escaped() -> None:
    assert emit.yaml("a\u202eb") == '"a\\u202eb"'


@pytest.mark.parametrize("emitter", [emit.yaml, emit.json_line, emit.json_pretty])
def test_a_lone_surrogate_is_told_and_not_written(emitter: object) -> None:
    with pytest.raises(emit.UnrepresentableError):
        emitter({"a": "\ud800"})  # type: ignore[operator]


def test_a_broken_document_is_a_value_error_with_its_place() -> None:
    with pytest.raises(ValueError, match="line 2"):
        emit.read_yaml("a: 1\nb: ]")
