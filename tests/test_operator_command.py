"""Manifests for the Prometheus Operator in a repository: asked for, committed, checked, removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.test_pipeline import fleet, git, run, seen
from tests.test_record import names, repository, setting

__all__ = ["repository", "seen"]  # fixtures

Mac = Callable[..., Result]
Seen = Callable[..., Path]
OPERATOR = "  operator: {namespace: monitoring, labels: {release: stack}}\n"


def manifests(root: Path) -> set[str]:
    return {name for name in names(root, "HEAD") if name.startswith("operator/")}


def test_manifests_are_committed_checked_and_taken_away_with_the_setting(
    repository: Path, seen: Seen, mac: Mac
) -> None:
    snapshot = seen(fleet())
    setting(repository, OPERATOR)
    assert run(repository, snapshot, commit=True).commit
    there = manifests(repository)
    assert {"operator/kustomization.yaml", "operator/alertmanager/alertmanager.yaml"} < there
    assert run(repository, snapshot, commit=True).commit is None
    assert git(repository, "status", "--porcelain") == ""
    [scrape] = [name for name in there if "/scrape/mac-main-us-east-1-host-" in name]
    (repository / scrape).write_text((repository / scrape).read_text().replace("jobName:", "jobname:"))
    found = mac("validate", "-C", repository)
    assert "edited-file" in found.output
    assert "jobname" in found.output
    assert run(repository, snapshot, commit=True).commit is None
    assert "jobname" not in (repository / scrape).read_text()
    (repository / "mac.yaml").write_text((repository / "mac.yaml").read_text().replace(OPERATOR, ""))
    assert run(repository, snapshot, commit=True).commit
    assert manifests(repository) == set()
    assert not (repository / "operator").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{labels: {a: b}}", 'the key "namespace" is missing'),
        ("{namespace: Monitoring}", "a namespace of Kubernetes"),
        ("{namespace: m, labels: {mac-cell: x}}", "mac, Argo CD or Flux sets this label itself"),
        ("{namespace: m, labels: {app.kubernetes.io/instance: x}}", "mac, Argo CD or Flux sets this label"),
        ("{namespace: m, labels: {a b: x}}", "a label of Kubernetes"),
        ("{namespace: m, labels: {a: 'x y'}}", "the value of a label of Kubernetes"),
        ("{namespace: m, alertmanager: file}", "not one of secret, config, none"),
        ("{namespace: m, folder: k8s}", 'unknown key "folder"'),
    ],
)
def test_settings_that_kubernetes_would_not_take_are_told(
    repository: Path, mac: Mac, text: str, told: str
) -> None:
    setting(repository, f"  operator: {text}\n", commit=False)
    answer = mac("validate", "-C", repository)
    assert answer.exit_code == 1
    assert told in answer.output
