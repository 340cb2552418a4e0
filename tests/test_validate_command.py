"""`mac validate` and `mac schema` as a user calls them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from mac import schema

Mac = Callable[..., Result]

BASE = Path(__file__).parent / "golden" / "problems" / "_base"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "monitoring"
    shutil.copytree(BASE, root)
    monkeypatch.chdir(root)
    return root


def misspell(root: Path) -> None:
    path = root / "standards/services/shop.yaml"
    path.write_text(path.read_text().replace("owner: sales", "owner: slaes"))


def test_a_sound_repository_is_valid(mac: Mac, repository: Path):
    result = mac("validate")
    assert result.exit_code == 0
    assert "9 documents, no problems" in result.stdout


def test_a_mistake_is_shown_with_its_line_and_ends_with_1(mac: Mac, repository: Path):
    misspell(repository)
    result = mac("validate")
    assert result.exit_code == 1
    assert "standards/services/shop.yaml:5:10: error:" in result.stdout
    assert '= did you mean "sales"?' in result.stdout
    assert "\x1b" not in result.stdout


def test_warnings_alone_end_with_0(mac: Mac, repository: Path):
    path = repository / "standards/data/store.yaml"
    path.write_text(path.read_text().replace("      for: << p.patience >>\n", ""))
    result = mac("validate")
    assert result.exit_code == 0
    assert "warning" in result.stdout


def test_json_is_a_list_of_problems(mac: Mac, repository: Path):
    misspell(repository)
    result = mac("validate", "--format", "json")
    assert result.exit_code == 1
    (problem,) = json.loads(result.stdout)
    assert (problem["path"], problem["line"], problem["code"]) == (
        "standards/services/shop.yaml",
        5,
        "unknown-team",
    )


def test_annotations_name_files_as_the_checkout_does(
    mac: Mac, repository: Path, monkeypatch: pytest.MonkeyPatch
):
    misspell(repository)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repository.parent))
    result = mac("validate", "--format", "github")
    assert result.exit_code == 1
    assert result.stdout.startswith("::error file=monitoring/standards/services/shop.yaml,line=5,")


def test_nothing_to_annotate_prints_nothing(mac: Mac, repository: Path):
    assert mac("validate", "--format", "github").stdout == ""


def test_paths_choose_whose_problems_are_shown(mac: Mac, repository: Path, monkeypatch: pytest.MonkeyPatch):
    misspell(repository)
    assert mac("validate", "standards/data").exit_code == 0
    assert mac("validate", "standards/data", "standards/services/shop.yaml").exit_code == 1
    monkeypatch.chdir(repository / "standards/services")
    assert mac("validate", "shop.yaml").exit_code == 1
    assert mac("validate", ".").exit_code == 1
    assert mac("validate", repository / "standards/teams").exit_code == 0
    assert mac("validate", "../..").exit_code == 1


def test_a_path_that_is_not_there_is_a_problem(mac: Mac, repository: Path):
    result = mac("validate", "standards/gone.yaml")
    assert result.exit_code == 1
    assert "standards/gone.yaml: error: the file does not exist [file-missing]" in result.stdout


def test_a_path_without_documents_is_said_to_have_none(mac: Mac, repository: Path):
    (repository / "docs").mkdir()
    result = mac("validate", "docs")
    assert result.exit_code == 0
    assert "docs holds no document" in result.stderr


def test_a_path_outside_of_the_repository_is_wrong_usage(mac: Mac, repository: Path, tmp_path: Path):
    assert mac("validate", tmp_path).exit_code == 64


def test_a_folder_that_is_no_repository_is_a_problem(mac: Mac, tmp_path: Path):
    result = mac("-C", tmp_path, "validate")
    assert result.exit_code == 1
    assert "mac.yaml" in result.stderr


def test_schema_lists_the_kinds(mac: Mac):
    assert mac("schema").stdout.split() == list(schema.names())


@pytest.mark.parametrize("kind", ["standard", "Standard", "standard-test", "StandardTest"])
def test_schema_prints_a_schema_however_the_kind_is_spelt(mac: Mac, kind: str):
    assert "properties" in json.loads(mac("schema", kind).stdout)


def test_schema_of_an_unknown_kind_is_wrong_usage(mac: Mac):
    result = mac("schema", "teem")
    assert result.exit_code == 64
    assert 'did you mean "team"?' in result.stderr
