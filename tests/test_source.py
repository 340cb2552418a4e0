import json
import os
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mac import emit, files, source
from mac.problems import Location, Problem


def parse(text: str) -> tuple[source.Document | None, tuple[Problem, ...]]:
    return source.parse(text.encode(), "f.yaml")


def data(text: str) -> Any:
    document, problems = parse(text)
    assert problems == ()
    assert document is not None
    return document.data


def only(text: str) -> Problem:
    _, problems = parse(text)
    assert len(problems) == 1, problems
    return problems[0]


def marked(text: str, place: Location) -> str:
    """What a caret would stand under."""
    line = text.split("\n")[place.line - 1]
    return line[place.column - 1 : place.column - 1 + place.length]


# --- values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    [
        "on",
        "off",
        "yes",
        "no",
        "y",
        "n",
        "True",
        "FALSE",
        "Null",
        "NULL",
        "012",
        "0o14",
        "0x1f",
        "+1",
        "1_000",
        "2027-03-31",
        "12:30:45",
        "2001-12-14t21:59:43.10-05:00",
        ".inf",
        "-.inf",
        ".nan",
        ".",
        "-",
        "e5",
        "1e99999",
        "1.2.3",
        "1.",
        "--1",
        "123456789012345678901234567890",
        "=",
        "<",
    ],
)
def test_a_word_that_only_yaml_1_1_types_stays_text(word: str):
    if word == "-":
        assert data('a: "-"') == {"a": "-"}
    else:
        assert data(f"a: {word}") == {"a": word}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("123456789012345678", 123456789012345678),
        ("0.5", 0.5),
        (".5", 0.5),
        ("-0.25", -0.25),
        ("1e3", 1000),
        ("1.5E-2", 0.015),
    ],
)
def test_core_values_are_typed(text: str, expected: Any):
    value = data(f"a: {text}")["a"]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("text", ['"5"', "'true'", '"null"', "!!str 5", "! 5", "|-\n  5", ">-\n  5"])
def test_quotes_blocks_and_the_string_tag_make_text(text: str):
    assert isinstance(data(f"a: {text}")["a"], str)


def test_an_empty_text_is_null():
    assert data("") is None
    assert data("# only a comment\n") is None
    assert data("---\n...\n") is None


def test_a_byte_order_mark_and_windows_line_ends_change_nothing():
    document, problems = source.parse("\ufeffa: 1\r\nb:\r\n  - x\r\n".encode(), "f")
    assert problems == ()
    assert document is not None
    assert document.data == {"a": 1, "b": ["x"]}
    assert document.location(("b", 0)) == Location("f", 3, 5, 1)
    assert document.lines[:3] == ("a: 1", "b:", "  - x")


def test_aliases_share_their_value():
    assert data("a: &x {k: [1, 2]}\nb: *x\nc: [*x, *x]") == {
        "a": {"k": [1, 2]},
        "b": {"k": [1, 2]},
        "c": [{"k": [1, 2]}] * 2,
    }


# --- places ------------------------------------------------------------------------------------------

PLACES = """\
é日: "wide \\" quotes"
spec:
  list: [one, {two: 2}]   # comment
  expr: |
    up{job="x"}
      > 0
  folded: >-

    some text
  empty:
"""


@pytest.mark.parametrize(
    ("pointer", "key", "text"),
    [
        (("é日",), False, '"wide \\" quotes"'),
        (("é日",), True, "é日"),
        (("spec", "list"), True, "list"),
        (("spec", "list"), False, "[one, {two: 2}]"),
        (("spec", "list", 0), False, "one"),
        (("spec", "list", 1), False, "{two: 2}"),
        (("spec", "list", 1, "two"), True, "two"),
        (("spec", "list", 1, "two"), False, "2"),
        (("spec", "expr"), False, 'up{job="x"}'),
        (("spec", "expr"), True, "expr"),
    ],
)
def test_the_place_of_a_key_or_value_covers_exactly_it(pointer: source.Pointer, key: bool, text: str):
    document, _ = parse(PLACES)
    assert document is not None
    assert marked(PLACES, document.location(pointer, key=key)) == text


def test_line_n_of_a_block_stands_n_lines_below_its_place():
    document, _ = parse(PLACES)
    assert document is not None
    place = document.text_location(("spec", "expr"))
    assert (place.line, place.column) == (5, 5)
    assert document.lines[place.line][place.column - 1 :] == document.data["spec"]["expr"].split("\n")[1]


def test_a_block_that_begins_with_an_empty_line_keeps_its_line_numbers():
    text = "a: |\n\n    x\n"
    document, _ = parse(text)
    assert document is not None
    assert document.data["a"] == "\nx\n"
    assert document.text_location(("a",)).line == 2
    assert document.text_location(("a",)).column == 5


def test_the_indentation_indicator_counts_as_indentation_only():
    document, _ = parse("a: |2\n    x\n")
    assert document is not None
    assert document.data["a"] == "  x\n"
    assert document.text_location(("a",)) == Location("f.yaml", 2, 3, 3)


def test_text_begins_behind_the_opening_quote():
    document, _ = parse("a: 'up == 0'")
    assert document is not None
    assert document.text_location(("a",)) == Location("f.yaml", 1, 5, 7)


def test_a_pointer_to_what_is_not_there_answers_with_its_nearest_parent():
    document, _ = parse("a:\n  b: 1\n")
    assert document is not None
    assert document.location(("a", "c", "d")) == document.location(("a",))
    assert document.location(("a", "c"), key=True) == document.location(("a",))
    assert not document.has(("a", "c"))
    assert document.has(("a", "b"))


def test_an_alias_stands_where_it_is_written_and_its_content_where_that_is():
    document, _ = parse("a: &x\n  k: 1\nb: *x\n")
    assert document is not None
    assert document.location(("b",)) == Location("f.yaml", 3, 4, 2)
    assert document.location(("b", "k")).line == 2


def test_the_digest_ignores_comments_order_and_spelling():
    one, _ = parse("a: 1\nb: [x]\n")
    two, _ = parse('# comment\n"b":\n  - "x"\na: 1\n')
    three, _ = parse("a: 2\nb: [x]\n")
    assert one is not None
    assert two is not None
    assert three is not None
    assert one.content_digest == two.content_digest != three.content_digest


# --- what is wrong with a text -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "under", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "yaml-duplicate-key", "a", "line 1"),
        ("a:\n\tb: 1\n", "yaml-syntax", "\t", "tab"),
        ("a:\n  - b\n\t- c\n", "yaml-syntax", "\t", "tab"),
        ("a: {{ $value }} down\n", "yaml-unsupported", "{{ $value }} down", "quotes"),
        ("a:\n  b: {{ $value }}\n", "yaml-unsupported", "{{ $value }}", "quotes"),
        ("a: one: two\n", "yaml-syntax", "one: two", "quotes"),
        ("a: `x`\n", "yaml-syntax", "`x`", "quotes"),
        ("a: @x\n", "yaml-syntax", "@x", "quotes"),
        ("a: %x\n", "yaml-syntax", "%x", "quotes"),
        ("a: *gone\n", "yaml-alias", "*gone", "gone"),
        ("a: &x [1, *x]\n", "yaml-alias", "*x", "inside"),
        ("<<: {a: 1}\n", "yaml-unsupported", "<<", "merge"),
        ("1: a\n", "yaml-unsupported", "1", '"1"'),
        ("true: a\n", "yaml-unsupported", "true", '"true"'),
        ("[a]: b\n", "yaml-unsupported", "[", "key"),
        ("a: !secret x\n", "yaml-unsupported", "!secret x", "!secret"),
        ("a: !!python/object:os.system {}\n", "yaml-unsupported", "!!python/object:os.system {", "tag"),
        ("a: 1\n---\nb: 2\n", "yaml-unsupported", "---", "second document"),
        ("a: 'open\nb: 1\n", "yaml-syntax", "'", "never closed"),
        ("a: [1, 2\nb: 1\n", "yaml-syntax", "[", "never closed"),
        ("a: {x: 1\nb: 1\n", "yaml-syntax", "{", "never closed"),
        ("a: 'b' c\n", "yaml-syntax", "c", "closing quote"),
        ("a:b\nc: 1\n", "yaml-syntax", ":", "space"),
        ("a: 1\nb\nc: 1\n", "yaml-syntax", "b", '":"'),
        ('a: "\\q"\n', "yaml-syntax", "\\q", "escape"),
        ("a:\n  - x\n - y\n", "yaml-syntax", "- y", "indentation"),
        ("a: 1\n  b: 2\n", "yaml-syntax", ":", "indented"),
        ("a: \x00\n", "yaml-syntax", "\x00", "U+0000"),
        ("a: \x1b[0m\n", "yaml-syntax", "\x1b", "U+001B"),
        ("a: x\u2028y\n", "yaml-syntax", "\u2028", "U+2028"),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, code: str, under: str, words: str):
    problem = only(text)
    assert problem.code == code
    assert marked(text, problem.location) == under
    assert words in problem.message + problem.hint


def test_mistakes_that_do_not_hinder_reading_are_all_told():
    document, problems = parse("a: 1\na: 2\n3: x\nb: !x y\n")
    assert [p.code for p in problems] == ["yaml-duplicate-key", "yaml-unsupported", "yaml-unsupported"]
    assert document is not None
    assert document.data == {"a": 1, "3": "x", "b": "y"}


def test_bytes_that_are_not_utf8_are_told_at_their_place():
    _, (problem,) = source.parse("a: é\n".encode() + b"b: \xff\n", "f")
    assert (problem.code, problem.location) == ("not-utf8", Location("f", 2, 4, 1))


def test_utf16_is_called_by_its_name():
    _, (problem,) = source.parse("a: 1\n".encode("utf-16"), "f")
    assert problem.code == "not-utf8"
    assert "UTF-16" in problem.hint


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "[{a: "])
def test_deep_nesting_is_a_problem_and_no_crash(opening: str):
    document, problems = parse(opening * 100_000)
    assert document is None
    assert "deep" in problems[0].message


@pytest.mark.parametrize("leaf", ["[x, x, x, x, x, x, x, x, x, x]", '"' + "x" * 100_000 + '"'])
def test_an_alias_bomb_is_refused_before_it_goes_off(leaf: str):
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    document, problems = parse("\n".join([f"a0: &a0 {leaf}", *levels]))
    assert document is None
    assert [p.code for p in problems] == ["yaml-alias"]


def test_aliases_cannot_nest_deeper_than_brackets():
    levels = [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 200)]
    _, problems = parse("\n".join(["a0: &a0 [x]", *levels]))
    assert [p.code for p in problems] == ["yaml-alias"]


# --- files -------------------------------------------------------------------------------------------


def read_problem(path: Path, root: Path) -> Problem:
    document, problems = source.read(path, root)
    assert document is None
    assert len(problems) == 1
    return problems[0]


def test_a_file_is_shown_relative_to_the_repository(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yaml").write_text("a: 1")
    document, problems = source.read(tmp_path / "sub" / "a.yaml", tmp_path)
    assert problems == ()
    assert document is not None
    assert document.path == "sub/a.yaml"


def test_a_missing_file_is_a_problem(tmp_path: Path):
    assert read_problem(tmp_path / "a.yaml", tmp_path).code == "file-missing"


def test_a_path_through_a_file_is_a_missing_file(tmp_path: Path):
    (tmp_path / "a").write_text("")
    assert read_problem(tmp_path / "a" / "b.yaml", tmp_path).code == "file-missing"


def test_a_directory_in_place_of_a_file_is_a_problem(tmp_path: Path):
    assert "directory" in read_problem(tmp_path, tmp_path).message


def test_a_dangling_link_names_its_target(tmp_path: Path):
    (tmp_path / "a.yaml").symlink_to("gone.yaml")
    problem = read_problem(tmp_path / "a.yaml", tmp_path)
    assert problem.code == "file-missing"
    assert "gone.yaml" in problem.message


def test_a_link_to_itself_is_a_problem(tmp_path: Path):
    (tmp_path / "a.yaml").symlink_to("a.yaml")
    assert read_problem(tmp_path / "a.yaml", tmp_path).code == "file-unreadable"


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.yaml")
    assert read_problem(tmp_path / "a.yaml", tmp_path).code == "file-unreadable"


def test_a_device_is_not_read(tmp_path: Path):
    (tmp_path / "a.yaml").symlink_to("/dev/zero")
    assert read_problem(tmp_path / "a.yaml", tmp_path).code == "file-unreadable"


def test_a_huge_file_is_refused_unread(tmp_path: Path):
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(1 << 40)  # more than any memory: read, it would not be told like this
    problem = read_problem(tmp_path / "a.yaml", tmp_path)
    assert problem.code == "file-too-large"
    assert "MB" in problem.message


def test_a_file_without_permission_is_a_problem(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    owner = os.geteuid()
    if owner == 0:  # root may read everything
        os.seteuid(65534)
    try:
        problem = read_problem(path, tmp_path)
    finally:
        os.seteuid(owner)
    assert problem.code == "file-unreadable"
    assert "you" in problem.message


def test_a_name_with_a_nul_is_a_problem(tmp_path: Path):
    assert read_problem(tmp_path / "a\0b", tmp_path).code == "file-unreadable"


def test_a_document_of_the_largest_size_is_read():
    rule = '- {alert: A, expr: "up{job=\\"x\\"} == 0", for: 5m, labels: {severity: page}}\n'
    text = rule * (files.MAX_BYTES // len(rule))
    document, problems = parse(text)
    assert problems == ()
    assert document is not None


# --- properties --------------------------------------------------------------------------------------

_texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
_yamlish = st.text(alphabet=string.printable + "é日😀\u2028\ufeff", max_size=60) | st.lists(
    st.sampled_from(
        [
            "a: ",
            "- ",
            "b:",
            "\n",
            "  ",
            "[",
            "]",
            "{",
            "}",
            "&x ",
            "*x",
            "|",
            ">-",
            "'",
            '"',
            "#",
            "!t ",
            "<<",
            "? ",
            "---",
            "...",
            "%",
            "@",
            "\t",
            ",",
            "1",
            "x",
            "\r\n",
            "{{",
            "|2\n    ",
        ]
    ),
    max_size=30,
).map("".join)
_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400)
@given(_yamlish)
def test_parsing_never_raises_and_places_lie_inside_of_the_text(text: str):
    document, problems = source.parse(text.encode("utf-8", "surrogatepass"), "f")
    assert document is not None or problems
    shown = files.lines(text.encode())
    for problem in problems:
        place = problem.location
        assert 1 <= place.line <= len(shown)
        assert 1 <= place.column <= len(shown[place.line - 1]) + 1


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_no_bytes_make_parsing_raise(content: bytes):
    document, problems = source.parse(content, "f")
    assert document is not None or problems


@settings(max_examples=200)
@given(st.dictionaries(_texts, _values, max_size=5))
def test_what_the_emitter_writes_reads_back(value: dict[str, Any]):
    document, problems = source.parse((emit.yaml(value) + "\n").encode(), "f")
    assert problems == ()
    assert document is not None
    assert document.data == value


@settings(max_examples=200)
@given(st.dictionaries(st.text(string.ascii_letters, min_size=1), _values, max_size=5))
def test_every_place_of_a_json_text_covers_its_value(value: dict[str, Any]):
    text = json.dumps(value, ensure_ascii=False)
    document, problems = source.parse(text.encode(), "f")
    if any(p.code == "yaml-syntax" for p in problems):
        return  # JSON may hold characters that YAML may not
    assert document is not None
    for key in value:
        place = document.location((key,), key=True)
        assert marked(text, place) == f'"{key}"'
