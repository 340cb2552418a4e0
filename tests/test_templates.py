"""Template files: the repository's own before those that mac ships, whatever lies there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mac import render, templates
from mac.files import MAX_BYTES

KNOWN = [output.template for output in render.OUTPUTS]
NAME = "rules/rules.yml.j2"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Where a repository's own template of the rules belongs."""
    path = tmp_path / "templates" / NAME
    path.parent.mkdir(parents=True)
    return path


def test_what_a_repository_does_not_have_is_the_shipped_template(tmp_path: Path) -> None:
    texts, problems = templates.read(tmp_path, KNOWN)
    assert sorted(texts) == sorted(KNOWN)
    assert problems == ()


def test_a_repositorys_own_template_comes_first(tmp_path: Path, own: Path) -> None:
    own.write_text("mine")
    assert templates.read(tmp_path, KNOWN)[0][NAME] == "mine"


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_part_of_a_template(
    tmp_path: Path, own: Path
) -> None:
    own.write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    assert templates.read(tmp_path, KNOWN)[0][NAME] == "a\nb\n"


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"a\n\xffb", "not-utf8", f"templates/{NAME}:2:1"),
        (b"x" * (MAX_BYTES + 1), "file-too-large", f"templates/{NAME}"),
    ],
)
def test_a_template_that_is_no_text_or_too_large_is_a_problem(
    tmp_path: Path, own: Path, content: bytes, code: str, place: str
) -> None:
    own.write_bytes(content)
    texts, (problem,) = templates.read(tmp_path, KNOWN)
    assert (problem.code, str(problem.location)) == (code, place)
    assert NAME not in texts


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (Path.mkdir, "file-unreadable"),
        (os.mkfifo, "file-unreadable"),
        (lambda path: path.symlink_to("nowhere"), "file-missing"),
    ],
)
def test_what_is_no_file_is_a_problem_and_never_the_shipped_template(
    tmp_path: Path, own: Path, make: object, code: str
) -> None:
    make(own)  # type: ignore[operator]
    texts, (problem,) = templates.read(tmp_path, KNOWN)
    assert problem.code == code
    assert NAME not in texts


def test_a_template_that_no_file_uses_is_a_problem(tmp_path: Path, own: Path) -> None:
    own.with_name("rulez.yml.j2").write_text("mine")
    _, (problem,) = templates.read(tmp_path, KNOWN)
    assert problem.code == "template-missing"
    assert problem.hint == f'did you mean "{NAME}"?'
