from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT

from mac import __version__, files, init
from mac.problems import GitError, OutputError
from tests.running_git import git


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def new(folder: Path) -> Path:
    scaffold, problems = init.write(folder)
    assert problems == ()
    assert scaffold
    return folder


# --- what is made ------------------------------------------------------------------------------------


def test_a_new_repository_is_what_this_project_holds_once(tmp_path: Path) -> None:
    made = content(new(tmp_path / "a/b/monitoring"))
    for path in ("mac.yaml", "inventory/aws.yaml"):
        assert made[path] == (PROJECT / path).read_bytes()
    for folder in ("standards", "templates"):
        expected = {f"{folder}/{name}": data for name, data in content(PROJECT / folder).items()}
        assert expected
        assert {path: data for path, data in made.items() if path.startswith(f"{folder}/")} == expected
    assert {".gitignore", "README.md", ".pre-commit-config.yaml", ".github/workflows/mac.yml"} <= set(made)
    assert not any(path.startswith(("inventory/snapshot", "cells")) for path in made)


def test_the_documents_of_a_new_repository_name_their_schemas(tmp_path: Path) -> None:
    made = new(tmp_path / "new")
    for name, kind in (("mac.yaml", "project"), ("inventory/aws.yaml", "inventory")):
        first = (made / name).read_text().splitlines()[0]
        identity = json.loads((PROJECT / f"mac/schemas/{kind}.json").read_text())["$id"]
        assert first == f"# yaml-language-server: $schema={identity}"


def test_a_new_repository_has_no_problems(tmp_path: Path, mac: Callable[..., Any]) -> None:
    new(tmp_path / "new")
    answer = mac("-C", tmp_path / "new", "validate")
    assert answer.exit_code == 0, answer.output


def test_the_workflow_checks_pull_requests_and_generates_after_them(tmp_path: Path) -> None:
    text = (new(tmp_path / "new") / ".github/workflows/mac.yml").read_text()
    workflow = yaml.safe_load(text)
    triggers = workflow[True]  # YAML 1.1 reads the key `on` so
    assert set(triggers) == {"pull_request", "push", "schedule", "workflow_dispatch"}
    assert workflow["env"]["MAC_PACKAGE"].endswith(f"@v{__version__}")

    def script(job: str) -> str:
        return "\n".join(step.get("run", "") for step in workflow["jobs"][job]["steps"])

    assert "mac validate --format github" in script("check")
    assert "mac diff --snapshot inventory/snapshot --format markdown" in script("check")
    assert "gh pr comment" in script("check")
    assert workflow["jobs"]["check"]["permissions"]["pull-requests"] == "write"
    assert "mac generate --engines --commit --push" in script("generate")
    assert workflow["jobs"]["generate"]["permissions"] == {"contents": "write", "id-token": "write"}
    used = [step["uses"].split("@")[0] for step in workflow["jobs"]["generate"]["steps"] if "uses" in step]
    assert "aws-actions/configure-aws-credentials" in used


def test_every_mac_command_of_the_workflow_and_the_hooks_is_one(
    tmp_path: Path, mac: Callable[..., Any]
) -> None:
    """Options included: each line is tried with --help, after which click has parsed the rest."""
    made = new(tmp_path / "new")
    workflow = yaml.safe_load((made / ".github/workflows/mac.yml").read_text())
    scripts = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    hooks = yaml.safe_load((made / ".pre-commit-config.yaml").read_text())
    scripts += [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    lines = [
        line.strip() for text in scripts for line in text.splitlines() if line.strip().startswith("mac ")
    ]
    assert len(lines) >= 5
    (made / "inventory/snapshot").mkdir()
    for line in lines:
        words = line.partition(" > ")[0].split()[1:]
        assert mac(words[0], "-C", made, *words[1:], "--help").exit_code == 0, line


def test_the_shell_of_the_workflow_is_shell(tmp_path: Path) -> None:
    workflow = yaml.safe_load((new(tmp_path / "new") / ".github/workflows/mac.yml").read_text())
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            script = step.get("run", "").replace("${{", "${x:-").replace("}}", "}")
            done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (0, ""), script


# --- what is there already ---------------------------------------------------------------------------


def test_doing_it_twice_changes_nothing(tmp_path: Path) -> None:
    before = content(new(tmp_path))
    scaffold, problems = init.write(tmp_path)
    assert problems == ()
    assert scaffold
    assert scaffold.written == scaffold.kept == ()
    assert content(tmp_path) == before


def test_a_file_of_the_user_s_is_never_overwritten(tmp_path: Path) -> None:
    mine = {
        "mac.yaml": b"mine",
        "standards/compute/host.yaml": b"mine too",
    }
    for path, data in mine.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    scaffold, problems = init.write(tmp_path)
    assert scaffold is None
    assert sorted((p.location.path, p.code) for p in problems) == [
        ("mac.yaml", "foreign-file"),
        ("standards/compute/host.yaml", "foreign-file"),
    ]
    assert content(tmp_path) == mine, "nothing is written when anything is in the way"


def test_force_replaces_mac_s_own_files_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "mac.yaml").write_text("mine")
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "standards").mkdir()
    (tmp_path / "standards/mine.yaml").write_text("mine")
    scaffold, problems = init.write(tmp_path, force=True)
    assert problems == ()
    assert scaffold
    assert scaffold.kept == ("README.md",)
    made = content(tmp_path)
    assert made["mac.yaml"] == (PROJECT / "mac.yaml").read_bytes()
    assert made["README.md"] == made["standards/mine.yaml"] == b"mine"


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    target = tmp_path / "new"
    target.mkdir()
    (target / "mac.yaml").symlink_to(outside)
    assert init.write(target)[0] is None
    assert init.write(target, force=True)[0]
    assert outside.read_text() == "precious"
    assert (target / "mac.yaml").read_bytes() == (PROJECT / "mac.yaml").read_bytes()


def test_what_is_ignored_is_added_to_what_the_user_ignores(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.log")
    new(tmp_path)
    text = (tmp_path / ".gitignore").read_text()
    assert text.startswith("*.log\n")
    assert ".mac/" in text.splitlines()
    new(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == text


def test_a_file_where_a_folder_belongs_is_a_problem_and_the_reverse(tmp_path: Path) -> None:
    (tmp_path / "standards").write_text("")
    (tmp_path / "mac.yaml").mkdir()
    scaffold, problems = init.write(tmp_path, force=True)
    assert scaffold is None
    assert {Path(p.location.path).name for p in problems} == {"standards", "mac.yaml"}
    file = tmp_path / "file"
    file.write_text("")
    assert init.write(file)[0] is None


def test_a_folder_that_may_not_be_written_is_a_failure_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "mac.yaml"))

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        init.write(tmp_path)
    assert content(tmp_path) == {}, "no temporary file stays behind"


# --- Git ---------------------------------------------------------------------------------------------


def test_a_git_repository_is_made_unless_there_is_one(tmp_path: Path) -> None:
    new(tmp_path / "outer")
    assert init.make_git(tmp_path / "outer")
    assert git(tmp_path / "outer", "symbolic-ref", "--short", "HEAD") == "main"
    new(tmp_path / "outer/inner")
    assert not init.make_git(tmp_path / "outer/inner")
    assert not (tmp_path / "outer/inner/.git").exists()


def test_without_git_it_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GitError) as caught:
        init.make_git(tmp_path)
    assert "--no-git" in caught.value.hint


def test_the_command_works_in_an_empty_a_missing_and_a_named_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mac: Callable[..., Any]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert mac("init").exit_code == 0
    assert mac("init", "../missing").exit_code == 0
    assert mac("-C", tmp_path, "init", "named").exit_code == 0
    assert content(empty) == content(tmp_path / "missing") == content(tmp_path / "named")
    assert (tmp_path / "named/.git").is_dir()


def test_the_command_tells_all_that_is_in_the_way(tmp_path: Path, mac: Callable[..., Any]) -> None:
    (tmp_path / "mac.yaml").write_text("mine")
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/aws.yaml").write_text("mine")
    answer = mac("init", tmp_path)
    assert answer.exit_code == 1
    assert "mac.yaml" in answer.stderr
    assert "inventory/aws.yaml" in answer.stderr
    assert "--force" in answer.stderr


# --- the installed package ---------------------------------------------------------------------------


def test_an_installed_package_makes_the_same_repository(tmp_path: Path) -> None:
    """Laid out as the wheel is: the package, and what pyproject.toml puts into it."""
    wheel = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    site = tmp_path / "site"
    for package in wheel["packages"]:
        shutil.copytree(PROJECT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    for source, place in wheel["force-include"].items():
        (site / place).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (PROJECT / source).is_dir() else shutil.copy
        copy(PROJECT / source, site / place)
    code = (
        "import sys, mac; assert mac.__file__.startswith(sys.argv[1])\n"
        "from mac.cli import main; main(sys.argv[2:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(site), "init", str(tmp_path / "installed"), "--no-git"],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "installed") == content(new(tmp_path / "checkout"))


def test_a_package_without_its_files_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "shipped_root", lambda: tmp_path)
    with pytest.raises(OutputError, match="not installed completely"):
        init.shipped()
