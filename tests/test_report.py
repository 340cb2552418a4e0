import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import report
from mac.problems import CODES, Location, Problem, Severity

DOCS = Path(__file__).resolve().parent.parent / "docs" / "problems.md"


def problem(line: int = 1, column: int = 1, length: int = 1, **changes: object) -> Problem:
    fields: dict[str, object] = {
        "location": Location("f.yaml", line, column, length),
        "code": "wrong-value",
        "message": "it is wrong",
    }
    return Problem(**{**fields, **changes})  # type: ignore[arg-type]


def shown(line: str, column: int, length: int, **changes: object) -> tuple[str, str]:
    """The user's line and the line with the carets, as they are printed."""
    text = report.text([problem(1, column, length, **changes)], {"f.yaml": [line]})
    _, user, carets = text.split("\n")[:3]
    return user.removeprefix("  1 | "), carets.removeprefix("    | ")


def columns(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


# --- for people --------------------------------------------------------------------------------------


def test_a_problem_is_shown_with_its_line_a_caret_and_its_hint():
    text = report.text([problem(2, 3, 4, hint="mend it")], {"f.yaml": ["spec:", "  exprr: up", "x"]})
    assert text == (
        "f.yaml:2:3: error: it is wrong [wrong-value]\n"
        "  2 |   exprr: up\n"
        "    |   ^^^^\n"
        "    = mend it\n"
        "\n"
        "1 error in 1 file\n"
    )


def test_no_problems_make_no_text():
    assert report.text([], {}) == ""


@pytest.mark.parametrize("before", ["", "abc", "\t", "\t\tx", "日本", "é", "e\u0301", "👍", "a\t日"])
def test_the_caret_stands_below_what_is_meant_whatever_stands_before_it(before: str):
    user, carets = shown(f"{before}HERE after", len(before) + 1, 4)
    assert columns(user[: user.index("HERE")]) == columns(carets) - 4
    assert carets.strip() == "^^^^"


def test_wide_characters_have_wide_carets():
    assert shown("a: 日本語", 4, 3)[1].strip() == "^^^^^^"


@pytest.mark.parametrize("length", [10, 5000])
@pytest.mark.parametrize("column", [1, 200, 5000, 9991])
def test_a_long_line_is_cut_around_what_is_meant(column: int, length: int):
    line = "".join(chr(97 + n % 26) for n in range(10_000))
    user, carets = shown(line, column, length)
    assert len(user) <= 112
    start = carets.index("^")
    assert user[start : start + 10].rstrip("…") in line[column - 1 : column + 9]
    assert user[start] == line[column - 1]


def test_a_place_behind_the_end_of_its_line_still_has_a_caret():
    assert shown("abc", 4, 1) == ("abc", "   ^")
    assert shown("abc", 99, 50) == ("abc", "   ^")
    assert report.text([problem(1, 1, 0)], {"f.yaml": [""]}).split("\n")[1:3] == ["  1 |", "    | ^"]


def test_a_line_that_is_not_there_is_left_out():
    assert report.text([problem(9)], {"f.yaml": ["x"]}).splitlines()[1] == ""
    assert report.text([problem(1)], {}).splitlines()[1] == ""


def test_a_problem_of_a_whole_file_names_the_file_alone():
    text = report.text([problem(location=Location("f.yaml"))], {"f.yaml": ["x"]})
    assert text.startswith("f.yaml: error: it is wrong")
    assert "|" not in text


def test_a_problem_without_a_place_is_shown_all_the_same():
    assert report.text([problem(location=Location(""))], {}).startswith("error: it is wrong [wrong-value]\n")


def test_problems_come_in_the_order_of_their_places_and_once():
    text = report.text([problem(2), problem(1), problem(2)], {})
    assert re.findall(r"f.yaml:(\d)", text) == ["1", "2"]


def test_the_last_line_counts():
    other = problem(location=Location("g.yaml", 1, 1), severity=Severity.WARNING)
    assert report.summary([problem(1), problem(2), other]) == "2 errors and 1 warning in 2 files"
    assert report.summary([other]) == "1 warning in 1 file"
    assert report.summary([]) == "no problems"


def fleet_warnings(number: int) -> list[Problem]:
    places = [Location(f"arn:aws:ec2:us-east-1:123456789012:instance/i-{n:03}") for n in range(number)]
    return [problem(location=place, severity=Severity.WARNING, code="tag-parameter") for place in places]


def test_of_many_warnings_about_resources_some_are_shown_and_all_are_counted():
    found = [*fleet_warnings(60), problem()]
    text = report.text(found, {})
    assert text.count("[tag-parameter]") == 11
    assert "… and 50 more [tag-parameter]: mac -v shows each\n" in text
    assert text.endswith("1 error and 60 warnings in 1 file\n")
    assert report.text(found, {}, every=True).count("[tag-parameter]") == 60
    assert len(json.loads(report.as_json(found))) == 61


def test_a_users_own_mistakes_are_all_shown():
    found = [problem(line) for line in range(1, 61)]
    assert report.text(found, {}).count("[wrong-value]") == 60


def test_color_changes_nothing_but_the_color():
    problems, sources = (
        [problem(1, 3, 4, hint="h"), problem(1, severity=Severity.WARNING)],
        {"f.yaml": ["  exprr"]},
    )
    colored = report.text(problems, sources, color=True)
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == report.text(problems, sources)


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x07", "\u202e", "\r", "\x9b", "\ud800", "\u2028", "\x00"])
def test_nothing_that_acts_on_a_terminal_gets_through(hostile: str):
    dangerous = problem(1, 1, 9, message=f"m{hostile}m", hint=f"h{hostile}h")
    text = report.text([dangerous], {"f.yaml": [f"a{hostile}b"]})
    assert hostile not in text
    assert text.count(f"<U+{ord(hostile[0]):04X}>") == 3


def test_a_secret_is_hidden_also_where_another_problem_shows_its_line():
    line = "key: hunter2 other"
    secret = problem(1, 6, 7, code="plain-secret")
    text = report.text([secret, problem(1, 14, 5)], {"f.yaml": [line]})
    assert "hunter2" not in text
    assert text.count("key: ••••••• other") == 2


@given(st.text(max_size=300), st.integers(0, 310), st.integers(0, 310))
def test_any_line_and_any_place_can_be_shown(line: str, column: int, length: int):
    text = report.text([problem(1, column, length)], {"f.yaml": [line]}, color=True)
    assert "it is wrong" in text
    text.encode()


# --- for programs ------------------------------------------------------------------------------------


def test_json_has_the_fields_of_the_contract():
    assert json.loads(report.as_json([problem(2, 3, hint="h")])) == [
        {
            "path": "f.yaml",
            "line": 2,
            "column": 3,
            "severity": "error",
            "code": "wrong-value",
            "message": "it is wrong",
            "hint": "h",
        }
    ]
    assert json.loads(report.as_json([])) == []


def test_json_survives_a_lone_surrogate():
    assert json.loads(report.as_json([problem(message="a\ud800b")]))[0]["message"] == "a\ufffdb"


def test_an_annotation_escapes_what_github_reads_as_syntax():
    found = problem(
        location=Location("a,b:c%.yaml", 2, 3, 4),
        message="50% :: of\nit",
        severity=Severity.WARNING,
    )
    assert report.github([found]) == (
        "::warning file=a%2Cb%3Ac%25.yaml,line=2,col=3,endColumn=7,title=wrong-value::50%25 :: of%0Ait\n"
    )


def test_an_annotation_of_a_whole_file_has_no_line():
    assert report.github([problem(location=Location("f.yaml"))]) == (
        "::error file=f.yaml,title=wrong-value::it is wrong\n"
    )


def test_annotations_of_a_repository_in_a_folder_name_the_folder():
    assert "file=monitoring/f.yaml," in report.github([problem()], prefix="monitoring/")


# --- the page ----------------------------------------------------------------------------------------


def entries() -> dict[str, str]:
    parts = re.split(r"^### `([a-z0-9-]+)`\n", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_code_has_an_entry_in_the_docs_and_every_entry_a_code():
    assert list(entries()) == list(CODES)


@pytest.mark.parametrize("code", CODES)
def test_an_entry_says_what_it_is_shows_it_and_says_what_to_do(code: str):
    entry = entries()[code]
    first = entry.strip().split("\n\n", 1)[0].replace("\n", " ")
    assert CODES[code].lower() in first.lower()
    assert "```" in entry
    assert "**What to do.**" in entry
