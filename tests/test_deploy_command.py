"""`mac deploy` on a real repository."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from conftest import PROJECT

from mac import generating, guards, http, init, pipeline, servers, standards
from mac import snapshot as snapshots
from mac.deploy_model import DestinationType, State
from tests import builders
from tests.running_git import git

Mac = Callable[..., Result]
CELL = "main-us-east-1"


def generate(root: Path, machines: int) -> None:
    resources = [
        builders.instance(n, {"service": "ingest", "role": "ingest"}) for n in range(1, machines + 1)
    ]
    path = root.parent / "fleet.jsonl"
    path.write_bytes(snapshots.to_bytes(builders.snapshot(*resources)))
    generating.generate(pipeline.Request(root, snapshot=path, commit=True, allow=guards.SHRINK))


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which three machines are generated and committed."""
    root = tmp_path_factory.mktemp("deploy") / "monitoring"
    init.write(root)
    inventory = root / "inventory/aws.yaml"
    inventory.write_text(inventory.read_text().replace("[us-east-1, eu-west-1]", "[us-east-1]"))
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Begin")
    generate(root, 3)
    return root


@pytest.fixture
def root(pattern: Path, tmp_path: Path) -> Path:
    shutil.copytree(pattern, tmp_path / "monitoring", symlinks=True)
    return tmp_path / "monitoring"


def hosts(server: servers.Prometheus) -> int:
    return sum(target["labels"]["job"] == "host" for target in server.targets())


def destinations(root: Path, text: str) -> None:
    path = root / "mac.yaml"
    base = path.read_text().split("\n  destinations:")[0].rstrip()
    path.write_text(f"{base}\n  destinations:\n{text}")


def test_what_is_committed_is_deployed_verified_and_not_deployed_twice(
    root: Path, tmp_path: Path, mac: Mac
) -> None:
    folder = tmp_path / "grafana"
    destinations(root, f"    grafana: {{type: grafana-files, folder: {folder}}}\n")
    dry = mac("deploy", "-C", root, "--dry-run", "--format", "json")
    assert dry.exit_code == 0, dry.output
    assert json.loads(dry.stdout)["destinations"][0]["state"] == "planned"
    assert not folder.exists()
    done = mac("deploy", "-C", root)
    assert done.exit_code == 0, done.output
    assert "grafana (grafana-files): deployed as 0001-" in done.stdout
    assert (folder / "current/ingest.json").read_bytes() == (root / "dashboards/ingest.json").read_bytes()
    again = mac("deploy", "-C", root, "--format", "json")
    answer = json.loads(again.stdout)
    assert (answer["schema_version"], answer["revision"]) == (1, git(root, "rev-parse", "HEAD"))
    assert answer["destinations"][0]["state"] == "unchanged"


def test_a_generated_configuration_runs_and_an_older_commit_can_be_put_back(
    root: Path, tmp_path: Path, mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_PAUSE", 0.001)
    folder = tmp_path / "p"

    def declare(url: str) -> None:
        destinations(
            root,
            f"    prometheus:\n      type: prometheus-files\n      cell: {CELL}\n      folder: {folder}\n"
            f"      settle: 60s\n      server: {{url: '{url}'}}\n",
        )

    declare("http://127.0.0.1:1")
    (root / "mac.yaml").write_text((root / "mac.yaml").read_text().replace("settle: 60s", "settle: 1s"))
    first = mac("deploy", "-C", root)
    assert first.exit_code == 3
    with servers.prometheus(folder / "current/prometheus.yml") as server:
        declare(server.url)
        done = mac("deploy", "-C", root)
        assert done.exit_code == 0, done.output
        assert hosts(server) == 3
        generate(root, 2)
        assert mac("deploy", "-C", root, "--to", "prometheus").exit_code == 0
        assert hosts(server) == 2
        assert mac("deploy", "-C", root, "--revision", "HEAD~1").exit_code == 0
        assert hosts(server) == 3


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("    a: {type: prometheus-files, folder: /srv/a}\n", 1, '"cell" is missing'),
        ("    a: {type: grafana-files, folder: /srv/a, cell: x}\n", 1, '"cell" has no meaning'),
        ("    a: {type: grafana-files, folder: srv}\n", 1, "an absolute path"),
        ("    a: {type: grafana-file, folder: /srv}\n", 1, "grafana-files"),
        (
            "    a: {type: grafana-files, folder: /srv/a}\n    b: {type: grafana-files, folder: /srv/a}\n",
            1,
            "the folder belongs to the destination a already",
        ),
        (
            "    a: {type: prometheus-files, cell: main-us-west-1, folder: /srv/a, server: {url: 'http://x'}}\n",
            1,
            "no cell main-us-west-1",
        ),
    ],
)
def test_a_destination_that_is_wrong_is_told_at_its_place(
    root: Path, mac: Mac, text: str, code: int, told: str
) -> None:
    destinations(root, text)
    done = mac("deploy", "-C", root)
    assert done.exit_code == code, done.output
    assert told in done.stderr
    assert "mac.yaml:" in done.stderr


def test_the_example_of_the_page_is_true(root: Path) -> None:
    example, *_ = re.findall(r"```yaml\n(.*?)```", (PROJECT / "docs/deploy.md").read_text(), re.DOTALL)
    (root / "mac.yaml").write_text(example)
    assert {d.type for d in standards.settings(root).destinations} <= set(DestinationType)
    page = (PROJECT / "docs/deploy.md").read_text()
    assert [kind for kind in DestinationType if f"`{kind}`" not in page] == []
    assert [state for state in State if f"`{state}`" not in page] == []


def test_what_a_destination_has_to_allow_is_printed(root: Path, mac: Mac) -> None:
    destinations(
        root,
        "    p: {type: prometheus-files, cell: c, folder: /srv/p, server: {url: 'http://127.0.0.1:1'}}\n"
        "    a: {type: amp, cell: c, workspace: ws-1, region: cn-north-1, "
        "role_arn: 'arn:aws-cn:iam::123456789012:role/r'}\n",
    )
    text = mac("deploy", "-C", root, "permissions")
    assert text.exit_code == 0, text.output
    assert "  write /srv/p\n  GET /metrics\n" in text.stdout
    assert "  POST /-/reload\n" in text.stdout
    assert "  sts:AssumeRole on arn:aws-cn:iam::123456789012:role/r, which needs\n  aps:" in text.stdout
    one = mac("deploy", "-C", root, "permissions", "--to", "a", "--format", "json")
    [found] = json.loads(one.stdout)["destinations"]
    [statement] = found["policy"]["Statement"]
    assert "aps:PutRuleGroupsNamespace" in statement["Action"]
    assert statement["Resource"] == [
        "arn:aws-cn:aps:cn-north-1:*:rulegroupsnamespace/ws-1/*",
        "arn:aws-cn:aps:cn-north-1:*:workspace/ws-1",
    ]


def test_wrong_usage_is_told_before_anything_is_done(root: Path, mac: Mac) -> None:
    none = mac("deploy", "-C", root)
    assert (none.exit_code, "no destinations" in none.stderr) == (64, True)
    destinations(root, "    grafana: {type: grafana-files, folder: /srv/none}\n")
    unknown = mac("deploy", "-C", root, "--to", "grafan")
    assert unknown.exit_code == 64
    assert 'did you mean "grafana"' in unknown.stderr
    empty = mac("deploy", "-C", root, "--revision", "HEAD~1")
    assert empty.exit_code == 3
    assert "nothing was generated in it" in empty.stderr
    assert mac("deploy", "-C", root, "--revision", "nowhere").exit_code == 3


def test_a_divided_cell_and_its_replicas_are_asked_for_by_name(root: Path, mac: Mac) -> None:
    def told(text: str) -> str:
        destinations(
            root,
            f"    p: {{type: prometheus-files, {text}, folder: /srv/none, server: {{url: 'http://x'}}}}\n",
        )
        done = mac("deploy", "-C", root, "--dry-run")
        assert done.exit_code == 1, done.output
        assert "mac.yaml:" in done.stderr
        return done.stderr

    assert f"has no cell {CELL}-shard-1" in told(f"cell: {CELL}, shard: 1")
    missing = told(f"cell: {CELL}, replica: a")
    assert f"has no prometheus.yml for the replica a of {CELL}" in missing
    assert "it has prometheus.yml" in missing
    whole = root / f"cells/{CELL}"
    for replica in ("a", "b"):
        shutil.copy(whole / "prometheus.yml", whole / f"prometheus-{replica}.yml")
    settle(root, remove=[whole / "prometheus.yml"])
    assert "it has prometheus-a.yml, prometheus-b.yml; replica names one" in told(f"cell: {CELL}")
    settle(root, remove=[whole / "prometheus-a.yml", whole / "prometheus-b.yml"])
    divided = told(f"cell: {CELL}")
    assert f"{CELL} is divided in the commit" in divided
    assert "name one of its shards, as in shard: 0" in divided


def settle(root: Path, remove: list[Path]) -> None:
    """Commits what is there, without these files, as generated."""
    for path in remove:
        path.unlink()
    provenance = json.loads((root / "provenance.json").read_bytes())
    generated = {p.relative_to(root).as_posix() for p in (root / "cells").rglob("*") if p.is_file()}
    provenance["files"] = {path: {} for path in generated}
    (root / "provenance.json").write_text(json.dumps(provenance))
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Divide")
