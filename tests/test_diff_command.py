"""`mac diff`, on a monitoring repository as `mac init` makes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from click.testing import Result

from mac import snapshot as snapshots
from mac.model import Resource
from tests.builders import instance, snapshot

Mac = Callable[..., Result]


def machines(numbers: Iterable[int], service: str = "hdfs") -> list[Resource]:
    return [instance(n, {"service": service, "role": "hdfs-datanode", "team": "data"}) for n in numbers]


def write(path: Path, resources: list[Resource]) -> Path:
    path.write_bytes(snapshots.to_bytes(snapshot(*resources)))
    return path


@pytest.fixture
def repository(tmp_path: Path, mac: Mac) -> Path:
    """A repository whose configuration was generated for twenty DataNodes."""
    root = tmp_path / "monitoring"
    assert mac("init", root).exit_code == 0
    before = write(tmp_path / "before.jsonl", machines(range(20)))
    result = mac("generate", "-C", root, "--snapshot", before)
    assert result.exit_code == 0, result.stderr
    return root


def test_nothing_to_change_is_told_with_exit_code_0(repository: Path, mac: Mac) -> None:
    before = repository.parent / "before.jsonl"
    result = mac("diff", "-C", repository, "--snapshot", before, "--detailed-exitcode")
    assert (result.exit_code, result.stdout.split(":")[0]) == (0, "No changes")


def test_changes_are_told_with_exit_code_2_when_it_is_asked_for(repository: Path, mac: Mac) -> None:
    after = write(repository.parent / "after.jsonl", machines(range(2, 60)))
    plain = mac("diff", "-C", repository, "--snapshot", after)
    detailed = mac("diff", "-C", repository, "--snapshot", after, "--detailed-exitcode")
    assert (plain.exit_code, detailed.exit_code) == (0, 2)
    assert plain.stdout == detailed.stdout
    assert "+ 40 targets hdfs-datanode  (hdfs / production / main-us-east-1)" in plain.stdout
    assert "- 2 targets hdfs-datanode  (hdfs / production / main-us-east-1)" in plain.stdout


def test_where_a_guard_would_stop_generate_is_a_warning(repository: Path, mac: Mac) -> None:
    after = write(repository.parent / "after.jsonl", machines(range(2)))
    result = mac("diff", "-C", repository, "--snapshot", after)
    assert result.exit_code == 0
    assert "warning: 36 of 42 targets would go" in result.stderr
    assert "[guard-shrink]" in result.stderr


def test_the_json_is_what_generate_then_does(repository: Path, mac: Mac) -> None:
    after = write(repository.parent / "after.jsonl", machines(range(60)))
    shown = json.loads(mac("diff", "-C", repository, "--snapshot", after, "--format", "json").stdout)
    assert shown["summary"] == {"add": sum(c["count"] for c in shown["changes"]), "remove": 0, "modify": 0}
    assert {c["cause"] for c in shown["changes"]} == {"inventory"}
    path = repository / "cells/main-us-east-1/targets/hdfs-datanode.json"
    assert len(json.loads(path.read_text())) == 20
    assert mac("generate", "-C", repository, "--snapshot", after).exit_code == 0
    assert len(json.loads(path.read_text())) == 60
    again = mac("diff", "-C", repository, "--snapshot", after, "--format", "json")
    assert json.loads(again.stdout)["changes"] == []


def test_a_changed_standard_is_told_by_field(repository: Path, mac: Mac) -> None:
    (standard,) = repository.glob("standards/*/hdfs-datanode.yaml")
    text = standard.read_text()
    assert "severity: page" in text
    standard.write_text(text.replace("severity: page", "severity: ticket"))
    before = repository.parent / "before.jsonl"
    result = mac("diff", "-C", repository, "--snapshot", before, "--format", "json")
    changes = json.loads(result.stdout)["changes"]
    rules = [c for c in changes if c["kind"] == "rule"]
    assert rules
    assert {c["cause"] for c in changes} == {"standard"}
    assert {f["field"] for c in rules for f in c["fields"]} == {"labels.severity"}


@pytest.mark.parametrize("form", ["markdown", "github"])
def test_a_pull_request_is_told_too(repository: Path, mac: Mac, form: str) -> None:
    after = write(repository.parent / "after.jsonl", machines(range(60)))
    result = mac("diff", "-C", repository, "--snapshot", after, "--format", form)
    assert result.exit_code == 0
    assert "Plan: " in result.stdout
    assert "40 targets hdfs-datanode" in result.stdout
