"""`mac explain`, `mac generate` and `mac diff` in a repository whose cell is divided."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from mac import hashing, standards
from mac import snapshot as snapshots
from mac.deploy_model import FilesSettings
from tests.builders import instance, snapshot

Mac = Callable[..., Result]
CELL = "main-us-east-1"
FLEET = [instance(n, {"service": "hdfs", "role": "hdfs-datanode"}) for n in range(1, 31)]
MOVER = next(m for m in FLEET if hashing.shard_of(m, 2) != hashing.shard_of(m, 3))


def settle(root: Path, text: str) -> None:
    path = root / "mac.yaml"
    base = path.read_text(encoding="utf-8").split("\n  # shards\n")[0].rstrip()
    path.write_text(f"{base}\n  # shards\n{text}", encoding="utf-8")


def divided(count: int) -> str:
    return (
        f"  shards: {{cells: {{{CELL}: {{shards: {count}}}}}}}\n"
        "  remote_write: {url: http://127.0.0.1:9009/api/v1/push}\n"
    )


@pytest.fixture
def repository(tmp_path: Path, mac: Mac) -> Path:
    """Thirty DataNodes in two shards, generated."""
    root = tmp_path / "monitoring"
    assert mac("init", root).exit_code == 0
    kept = root / "inventory/snapshot"
    for path, content in snapshots.stored_files(snapshot(*FLEET)).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    assert kept.is_dir()
    settle(root, divided(2))
    done = mac("generate", "-C", root, "--snapshot", kept)
    assert done.exit_code == 0, done.stderr
    return root


def explained(mac: Mac, root: Path, what: str) -> list[dict[str, Any]]:
    result = mac("explain", "-C", root, what, "--format", "json")
    assert result.exit_code == 0, result.stderr
    return list(json.loads(result.stdout)["found"])


def test_a_target_is_explained_and_moves_when_its_explanation_says(repository: Path, mac: Mac) -> None:
    found = explained(mac, repository, MOVER.id)
    assert {each["standard"] for each in found} >= {"host", "hdfs-datanode"}
    assert len({each["cell"] for each in found}) == 1  # all that runs on it
    choice = found[0]["choice"]
    assert choice["identity"] == MOVER.addresses[0]
    assert found[0]["cell"] == f"{CELL}-shard-{choice['shard']}"
    assert (choice["count"], choice["moves_at"]) == (2, 3)
    shown = mac("explain", "-C", repository, MOVER.addresses[0]).stdout
    assert f"by the hash of {MOVER.addresses[0]}" in shown
    assert "standards/compute/host.yaml:" in shown

    shown = mac("explain", "-C", repository, "ShardSilent").stdout
    assert f"a ruler that has the series of all 2 shards of {CELL}" in shown
    missing = mac("explain", "-C", repository, "ShardSilnt")
    assert missing.exit_code == 64
    assert 'did you mean "ShardSilent"?' in missing.stderr

    # A third of all targets move, and no guard stops it.
    settle(repository, divided(3))
    kept = repository / "inventory/snapshot"
    plan = mac("diff", "-C", repository, "--snapshot", kept)
    assert f"{CELL} goes from 2 shards to 3 shards" in plan.stderr
    assert "Because of settings:" in plan.stdout
    targets = [line.strip() for line in plan.stdout.splitlines() if " targets " in line or " target " in line]
    assert targets
    assert all(line.startswith(("~", "+")) for line in targets)
    assert mac("generate", "-C", repository, "--snapshot", kept).exit_code == 0
    assert explained(mac, repository, MOVER.id)[0]["choice"]["shard"] == 2

    # Its size asks for one Prometheus now: it keeps what it has.

    settle(repository, divided(2).replace(f"cells: {{{CELL}: {{shards: 2}}}}", "max_targets: 100000"))
    assert "No changes" in mac("diff", "-C", repository, "--snapshot", kept).stdout


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("  shards: {max_targets: 10}\n", 3, "a cell that is divided needs remote_write"),
        ("  shards: {max_target: 10}\n", 12, '"max_target"'),
        (
            "  shards: {max_series: 9, measure: {url: 'http://127.0.0.1:9090'}}\n",
            42,
            "{cell} is missing",
        ),
        ("  replicas: [a, b]\n", 3, "replicas need remote_write"),
        ("  remote_write: {url: mimir}\n", 23, "an address such as"),
        (
            "  remote_write: {url: 'http://aps/api', sigv4: {region: eu-west-1}}\n",
            23,
            "AWS answers at https:// only",
        ),
        (
            "  remote_write: {url: 'https://a/b', token_file: /t, sigv4: {region: eu-west-1}}\n",
            17,
            "token_file, basic_auth and sigv4 exclude each other",
        ),
        (
            "  remote_write: {url: 'https://a/b', tls: {cert_file: /c}}\n",
            38,
            "a certificate needs its key",
        ),
    ],
)
def test_what_is_wrong_with_the_settings_is_told_where_it_stands(
    tmp_path: Path, text: str, column: int, words: str
) -> None:
    (tmp_path / "mac.yaml").write_text(f"apiVersion: mac/v1\nkind: Project\nspec:\n{text}", encoding="utf-8")
    found = [p for p in standards.load(tmp_path).problems if words in p.message]
    assert [str(p.location) for p in found] == [f"mac.yaml:4:{column}"], found


def test_a_destination_names_a_shard_and_a_replica_of_its_cell(tmp_path: Path) -> None:
    (tmp_path / "mac.yaml").write_text(
        "apiVersion: mac/v1\n"
        "kind: Project\n"
        "spec:\n"
        "  destinations:\n"
        "    one:\n"
        "      type: prometheus-files\n"
        f"      cell: {CELL}\n"
        "      shard: 1\n"
        "      replica: b\n"
        "      folder: /srv/one\n"
        "      server: {url: 'http://127.0.0.1:9090'}\n",
        encoding="utf-8",
    )
    (found,) = standards.settings(tmp_path).destinations
    assert isinstance(found, FilesSettings)
    assert (found.cell, found.replica) == (f"{CELL}-shard-1", "b")
