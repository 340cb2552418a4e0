"""A snapshot is found by what a user calls it: a path, a revision, or a path in a revision."""

from __future__ import annotations

from pathlib import Path

import pytest

from mac import snapshot
from mac.compact import is_compact
from mac.model import Snapshot
from mac.problems import ProblemsError, UsageError
from mac.snapshot_source import Revision, encode, is_there, locate, read
from tests.builders import instance
from tests.builders import snapshot as snapshot_of
from tests.running_git import git

OLD, NEW = snapshot_of(instance(1)), snapshot_of(instance(1), instance(2))


def keep(root: Path, found: Snapshot) -> None:
    stored = snapshot.stored_files(found)
    for path in snapshot.stored(root) - stored.keys():
        (root / path).unlink()
    for path, data in stored.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The monitoring repository is a folder of a Git repository. OLD was committed, then NEW."""
    top = tmp_path / "top"
    root = top / "monitoring"
    root.mkdir(parents=True)
    git(top, "init", "-q", "-b", "main")
    for found in (OLD, NEW):
        keep(root, found)
        (top / "fleet.jsonl").write_bytes(snapshot.to_bytes(found))
        (top / "fleet.jsonl.gz").write_bytes(encode(found, Path("fleet.jsonl.gz")))
        git(top, "add", ".")
        git(top, "commit", "-q", "-m", "Keep the inventory")
    git(top, "tag", "v1", "HEAD~1")
    monkeypatch.chdir(root)
    return root


def test_a_revision_is_the_snapshot_that_was_kept_then(repository: Path) -> None:
    assert read(locate("HEAD~1"), repository) == OLD
    assert read(locate("v1"), repository) == OLD
    assert read(locate("main"), repository) == NEW


def test_what_is_in_the_work_tree_now_does_not_matter_to_a_revision(repository: Path) -> None:
    keep(repository, Snapshot())
    assert read(locate("HEAD"), repository) == NEW
    assert read(locate("inventory/snapshot"), repository) != NEW


@pytest.mark.parametrize(
    "text",
    [
        "HEAD~1:fleet.jsonl",
        "HEAD~1:fleet.jsonl.gz",
        "HEAD~1:monitoring/inventory/snapshot",
        "HEAD~1:monitoring/inventory/snapshot/",
        "v1:./inventory/snapshot",
    ],
)
def test_a_path_in_a_revision_counts_from_the_top_as_in_git(repository: Path, text: str) -> None:
    assert read(locate(text), repository) == OLD


def test_what_lies_there_is_meant_before_a_revision_of_the_same_name(repository: Path) -> None:
    (repository / "v1").write_bytes(snapshot.to_bytes(NEW))
    assert read(locate("v1"), repository) == NEW
    assert read(locate("v1:./inventory/snapshot"), repository) == OLD


def test_a_colon_inside_a_date_does_not_end_the_revision() -> None:
    assert locate("main@{2026-11-23 12:00:00}") == Revision("main@{2026-11-23 12:00:00}")
    assert locate("main@{2026-11-23 12:00}:a/b:c") == Revision("main@{2026-11-23 12:00}", "a/b:c")


@pytest.mark.parametrize("text", ["HEAD:nowhere", "HEAD~1:monitoring/nowhere.jsonl"])
def test_a_revision_without_a_snapshot_is_a_problem(repository: Path, text: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        read(locate(text), repository)
    (problem,) = caught.value.problems
    assert (problem.code, problem.location.path) == ("file-missing", text)


def test_a_broken_snapshot_in_a_revision_is_told_with_its_line(repository: Path) -> None:
    broken = repository / "inventory/snapshot/111122223333/eu-west-1/ec2-instance.jsonl"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(b"{}\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "Break it")
    with pytest.raises(ProblemsError) as caught:
        read(locate("HEAD"), repository)
    place = "HEAD:inventory/snapshot/111122223333/eu-west-1/ec2-instance.jsonl:1:1"
    assert place in {str(problem.location) for problem in caught.value.problems}


@pytest.mark.parametrize("text", ["nothing", "nothing:fleet.jsonl", "--help", "HEAD:../fleet", "HEAD:/etc"])
def test_what_is_neither_a_path_nor_a_revision_is_wrong_usage(repository: Path, text: str) -> None:
    with pytest.raises(UsageError):
        read(locate(text), repository)


@pytest.mark.parametrize("text", ["", ":", ":fleet.jsonl"])
def test_what_names_no_revision_is_wrong_usage(repository: Path, text: str) -> None:
    with pytest.raises(UsageError):
        read(locate(text) if text else Revision(""), repository)


def test_outside_git_only_paths_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet").write_bytes(snapshot.to_bytes(OLD))
    assert read(locate("fleet"), tmp_path) == OLD
    with pytest.raises(UsageError, match="neither a file, nor a folder, nor a Git revision"):
        read(locate("HEAD"), tmp_path)


def test_a_file_that_is_still_to_be_written_is_not_there(repository: Path) -> None:
    assert not is_there(locate("new.jsonl"), repository)
    assert is_there(locate("HEAD"), repository)
    assert is_there(locate("inventory"), repository)
    assert is_there(locate("typo:fleet.jsonl"), repository)  # and read says what is wrong with it


def test_a_files_name_says_its_form() -> None:
    assert is_compact(encode(NEW, Path("a.jsonl.gz")))
    assert encode(NEW, Path("a.jsonl")) == snapshot.to_bytes(NEW)
