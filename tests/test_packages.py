"""Packages of standards: fetched, kept, compared with their pins, and used."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PROJECT

from mac import files, git_fetch, lock, packages, schema, source, standards
from mac import snapshot as snapshots
from mac.problems import errors
from mac.standards import packages as pins
from mac.standards import project as settings_document
from tests.builders import instance, snapshot
from tests.package_repository import (
    PACKAGE,
    STANDARD,
    TAKEN,
    TEAM,
    Files,
    Mac,
    Repository,
    committed,
    git,
    put,
)


@pytest.fixture
def repository(tmp_path: Path, mac: Mac, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    return Repository(tmp_path, mac)


# --- the way it is meant to go -----------------------------------------------------------------------


def test_a_package_of_a_git_repository_is_fetched_validated_and_tested(repository: Repository) -> None:
    result = repository.update()
    assert result.exit_code == 0, result.output
    assert f"acme: {repository.first}, 6 files" in result.stdout
    assert sorted(repository.files()) == TAKEN
    assert repository.files()["data/acme-cache.yaml"] == STANDARD.encode()
    assert repository.problems() == []
    assert repository.check().stdout == "1 package, as pinned\n"
    tested = repository.mac("test", "-C", repository.root, repository.folder)
    assert tested.exit_code == 0, tested.output
    assert "2 passed, 0 failed" in tested.output


def test_what_was_fetched_is_written_down_with_its_source_and_hashes(repository: Repository) -> None:
    assert repository.update().exit_code == 0
    files = repository.files()
    manifest = json.loads(files.pop("package.json"))
    assert manifest == {
        "schema_version": 1,
        "name": "acme",
        "source": {"git": repository.address, "revision": repository.first, "path": "."},
        "files": {path: hashlib.sha256(data).hexdigest() for path, data in files.items()},
    }


def test_the_standards_of_a_package_generate_and_the_cause_of_a_change_is_the_standard(
    repository: Repository,
) -> None:
    found = repository.root.parent / "snapshot.jsonl"
    machine = instance(1, {"service": "cart", "role": "cache"})
    found.write_bytes(snapshots.to_bytes(snapshot(machine)))
    repository.update()
    command = ("-C", repository.root, "--snapshot", found)
    assert repository.mac("generate", *command).exit_code == 0
    rules = (repository.root / "cells/main-us-east-1/rules/production/cart.yml").read_text()
    address = "https://wiki.example.com/standards/packages/acme/runbooks/acme-cache.md#acmecachedown"
    assert address in rules
    changed = STANDARD.replace("for: 5m", "for: 9m")
    repository.pin(committed(repository.remote, {"standards/data/acme-cache.yaml": changed}))
    assert repository.update().exit_code == 0
    plan = json.loads(repository.mac("diff", *command, "--format", "json").stdout)
    causes = {change["name"]: change["cause"] for change in plan["changes"]}
    assert causes["AcmeCacheDown"] == "standard"


def test_an_update_writes_what_differs_and_removes_what_is_gone(repository: Repository) -> None:
    repository.update()
    git(repository.remote, "rm", "--quiet", "LICENSE")
    second = committed(repository.remote, {"standards/data/acme-cache.yaml": STANDARD + "# new\n"})
    repository.pin(second)
    assert [code for code, _ in repository.problems()] == ["package-outdated"]
    answer = json.loads(repository.update("--format", "json").stdout)
    assert answer["schema_version"] == 1
    (package,) = answer["packages"]
    assert (package["before"], package["after"]) == (repository.first, second)
    assert package["written"] == ["data/acme-cache.yaml", "package.json"]
    assert package["removed"] == ["LICENSE"]
    assert repository.problems() == []
    assert "nothing to change" in repository.update().stdout


def test_what_is_the_sources_own_is_left_out_and_said(repository: Repository) -> None:
    (package,) = json.loads(repository.update("--format", "json").stdout)["packages"]
    left_out = [".hidden", "data/notes.txt", "slo", "teams"]
    assert package["left_out"] == [f"standards/{path}" for path in left_out]


def test_a_package_may_lie_in_a_folder_of_its_repository(repository: Repository) -> None:
    revision = committed(repository.remote, {f"deep/er/{path}": text for path, text in PACKAGE.items()})
    repository.pin(revision, path="deep/er")
    assert repository.update().exit_code == 0
    assert sorted(repository.files()) == TAKEN
    assert repository.problems() == []


def test_an_own_standard_extends_one_of_a_package(repository: Repository) -> None:
    put(
        repository.root,
        {
            "standards/data/our-cache.yaml": "apiVersion: mac/v1\nkind: Standard\n"
            "metadata: {name: our-cache, title: Ours}\nspec: {extends: acme-cache, "
            "parameters: {outage_ratio: {default: 0.2}}}\n"
        },
    )
    assert ("unknown-standard", "standards/data/our-cache.yaml") in repository.problems()
    assert repository.update().exit_code == 0  # although the documents did not hold before
    loaded = standards.load(repository.root)
    assert errors(loaded.problems) == ()
    assert loaded.catalog is not None
    ours = loaded.catalog.standards["our-cache"]
    assert ours.parameters["outage_ratio"].default == 0.2
    assert ours.runbook == "https://wiki.example.com/standards/packages/acme/runbooks/acme-cache.md"


def test_only_the_named_packages_are_fetched(repository: Repository) -> None:
    entry = {"name": "acme", "git": repository.address, "revision": repository.first}
    repository.pins(entry, {**entry, "name": "gone", "revision": "0" * 40})
    assert repository.update("acme").exit_code == 0
    assert repository.problems() == [("package-outdated", "mac.yaml")]
    assert repository.update("acne").exit_code == 64
    assert 'did you mean "acme"' in repository.update("acne").stderr


def test_a_package_without_an_entry_goes_with_the_next_update_of_all(repository: Repository) -> None:
    repository.update()
    (repository.folder / "mine.txt").write_text("of the user")
    repository.pins()
    assert repository.problems() == [("package-unpinned", "standards/packages/acme")]
    result = repository.update()
    assert result.exit_code == 0, result.output
    assert "acme: removed, 6 files" in result.stdout
    assert list(repository.files()) == ["mine.txt"]


def test_without_packages_there_is_nothing_to_do(tmp_path: Path, mac: Mac) -> None:
    assert mac("init", tmp_path).exit_code == 0
    assert mac("packages", "update", "-C", tmp_path).stdout == "no package is pinned in mac.yaml\n"
    assert mac("packages", "check", "-C", tmp_path).stdout == "0 packages, as pinned\n"
    assert not (tmp_path / "standards/packages").exists()


# --- what does not match the pins --------------------------------------------------------------------


def test_a_package_that_was_never_fetched_is_a_problem_at_its_pin(repository: Repository) -> None:
    (problem,) = standards.load(repository.root).problems
    assert problem.code == "package-outdated"
    assert problem.location.path == "mac.yaml"
    assert problem.location.line > 1
    assert "mac packages update acme" in problem.hint
    assert repository.check().exit_code == 1
    assert repository.mac("validate", "-C", repository.root).exit_code == 1


@pytest.mark.parametrize(
    ("tamper", "place"),
    [
        (lambda f: (f / "data/acme-cache.yaml").write_text(STANDARD + "# mine\n"), "data/acme-cache.yaml"),
        (lambda f: (f / "runbooks/acme-cache.md").unlink(), "runbooks/acme-cache.md"),
        (lambda f: (f / "metrics/more.yaml").write_text("a: 1\n"), "metrics/more.yaml"),
        (lambda f: (f / "more").symlink_to("data"), "more"),
        (
            lambda f: (
                (f / "LICENSE").rename(f.parent.parent / "L.txt"),
                (f / "LICENSE").symlink_to("../../L.txt"),
            ),
            "LICENSE",
        ),
    ],
    ids=["changed", "removed", "added", "link to a folder", "link with the content"],
)
def test_whatever_is_changed_by_hand_is_a_problem(
    repository: Repository, tamper: Callable[[Path], object], place: str
) -> None:
    repository.update()
    tamper(repository.folder)
    path = f"standards/packages/acme/{place}"
    assert ("package-edited", path) in repository.problems()
    checked = repository.check()
    assert checked.exit_code == 1
    assert f"{path}: error: " in checked.stdout


def test_an_update_puts_back_what_was_changed_by_hand(repository: Repository) -> None:
    repository.update()
    before = repository.files()
    (repository.folder / "data/acme-cache.yaml").write_text("mine")
    (repository.folder / "LICENSE").unlink()
    assert repository.update().exit_code == 0
    assert repository.files() == before


def test_an_update_brings_to_light_what_was_changed_together_with_its_hash(repository: Repository) -> None:
    repository.update()
    before = repository.files()
    mine = STANDARD.replace("default: 0.5", "default: 0.6").encode()
    manifest = json.loads(before["package.json"])
    manifest["files"]["data/acme-cache.yaml"] = hashlib.sha256(mine).hexdigest()
    put(repository.folder, {"data/acme-cache.yaml": mine, "package.json": json.dumps(manifest)})
    assert repository.problems() == []
    result = repository.update()
    assert "2 files written" in result.stdout
    assert repository.files() == before


def test_files_of_others_in_the_way_are_not_overwritten(repository: Repository) -> None:
    put(repository.folder, {"LICENSE": "mine"})
    result = repository.update()
    assert result.exit_code == 1
    assert "foreign-file" in result.stderr
    assert repository.files() == {"LICENSE": b"mine"}


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"schema_version": 2}', '{"schema_version": 1, "name": "acme", "source": {}, "files": []}']
    + [
        json.dumps({"schema_version": 1, "name": "acme", "source": {}, "files": {path: "0" * 64}})
        for path in ("../../../mac.yaml", "/etc/passwd", "a//b", "a/../b", "")
    ],
)
def test_a_package_file_that_says_nothing_sensible_removes_nothing(repository: Repository, text: str) -> None:
    repository.update()
    settings = (repository.root / "mac.yaml").read_bytes()
    (repository.folder / "package.json").write_text(text)
    assert ("json-syntax", "standards/packages/acme/package.json") in repository.problems()
    assert repository.update().exit_code == 0
    assert (repository.root / "mac.yaml").read_bytes() == settings
    assert repository.problems() == []


def test_a_team_that_is_put_into_a_package_is_refused(repository: Repository) -> None:
    repository.update()
    put(repository.folder, {"data/team.yaml": TEAM})
    assert ("misplaced-document", "standards/packages/acme/data/team.yaml") in repository.problems()


def test_a_runbook_that_nobody_can_be_led_to_is_a_warning(repository: Repository) -> None:
    entry = {"name": "acme", "git": repository.address, "revision": repository.first}
    repository.pins(entry, runbooks="")
    repository.update()
    loaded = standards.load(repository.root)
    (problem,) = loaded.problems
    assert (problem.code, problem.severity) == ("missing-key", "warning")
    assert loaded.catalog is not None
    assert loaded.catalog.standards["acme-cache"].alerts[0].runbook == ""
    repository.pins({**entry, "runbooks": "https://acme.example.com/"}, runbooks="")
    loaded = standards.load(repository.root)
    assert loaded.problems == ()
    assert loaded.catalog is not None
    expected = "https://acme.example.com/acme-cache.md#acmecachedown"
    assert loaded.catalog.standards["acme-cache"].alerts[0].runbook == expected


# --- killed between two writes -----------------------------------------------------------------------


def test_an_update_that_is_killed_leaves_the_old_packages_or_the_new(repository: Repository) -> None:
    repository.update()
    old = repository.files()
    changed: Files = {
        f"standards/data/more-{n}.yaml": STANDARD.replace("acme-cache", f"more-{n}") for n in range(3)
    }
    repository.pin(committed(repository.remote, changed))
    program = (
        "import os, sys\n"
        "from mac import exchange\n"
        "real, step = exchange.rename_exchange, sys.argv.pop(1)\n"
        "def before(*paths): os._exit(137)\n"
        "def after(*paths): real(*paths); os._exit(137)\n"
        "exchange.rename_exchange = {'before': before, 'after': after}[step]\n"
        "from mac.cli import main\n"
        "main()\n"
    )
    for step in ("before", "after"):
        command = [sys.executable, "-c", program, step, "packages", "update", "-C", str(repository.root)]
        assert subprocess.run(command, check=False, capture_output=True).returncode == 137
        torn = repository.files()
        assert torn == old if step == "before" else len(torn) == len(old) + 3
        (repository.root / "standards/data/own.txt").write_text("written meanwhile")
        result = repository.update()
        assert result.exit_code == 0, result.output
        assert len(repository.files()) == len(old) + 3
        assert {code for code, _ in repository.problems() if code.startswith("package-")} == set()
        assert (repository.root / "standards/data/own.txt").read_text() == "written meanwhile"
        repository.pin(repository.first)
        repository.update()
        assert repository.files() == old
        repository.pin(git(repository.remote, "rev-parse", "HEAD"))


def test_an_update_waits_for_another_mac_and_does_not_write_beside_it(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT", 0.0)
    with (lock.work_dir(repository.root) / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = repository.update()
        assert result.exit_code == 3
        assert "another mac" in result.stderr
    assert not repository.folder.exists()
    assert repository.update().exit_code == 0


# --- the page ----------------------------------------------------------------------------------------

PAGE = (PROJECT / "docs/packages.md").read_text(encoding="utf-8")


def test_the_settings_that_the_page_shows_are_sound() -> None:
    found = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 2
    for text in found:
        document, problems = source.parse(text.encode(), "mac.yaml")
        assert document is not None
        assert (*problems, *schema.problems(document, "project")) == ()
        assert list(pins.pins(settings_document.read(document), document)) == []


def test_the_page_tells_every_key_of_a_pin_and_every_limit() -> None:
    spec = json.loads(schema.text("project"))["properties"]["spec"]["properties"]
    keys = set(spec["packages"]["items"]["properties"])
    table = PAGE.split("## The pin")[1].split("\n## ")[0]
    assert keys <= set(re.findall(r"`(\w+)`", table))
    limits = (packages.MAX_FILES, packages.MAX_FOLDERS, packages.MAX_DEPTH, packages.MAX_BYTES // 10**6)
    for limit in (*limits, git_fetch.MAX_PACK // 10**6, files.MAX_BYTES // 10**6):
        assert re.search(rf"\b{limit:,}\b", PAGE), limit
    assert git_fetch.FETCH_TIMEOUT == 120  # two minutes, says the page


def test_the_distribution_of_the_page_brings_its_standards_along(tmp_path: Path) -> None:
    (project,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    settings = tomllib.loads(project)
    put(tmp_path / "acme_standards", PACKAGE)
    patterns = settings["tool"]["setuptools"]["package-data"]["acme_standards"]
    root = tmp_path / "acme_standards"
    matched = {path.relative_to(root).as_posix() for pattern in patterns for path in root.glob(pattern)}
    assert {"standards/data/acme-cache.yaml", "standards/runbooks/acme-cache.md"} <= matched
    assert (settings["project"]["name"], settings["project"]["version"]) == ("acme-standards", "1.4.2")
