"""A standard that extends another: what it says itself, what it takes over, and whose place it takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from mac import emit, overlay, source, standards
from mac import snapshot as snapshots
from mac.problems import errors
from mac.source import Document
from tests.builders import instance, snapshot

Mac = Callable[..., Result]

STRICTER = """\
apiVersion: mac/v1
kind: Standard
metadata: {name: acme-host, title: Machines of Acme}
spec:
  extends: host
  without:
    alerts: [HostsOutOfMemory]
  parameters:
    outage_ratio: {default: 0.25}
  alerts:
    - alert: HostsAbsent
      severity: page
    - alert: HostsRebooted
      expr: count by (service, environment) (time() - node_boot_time_seconds{<< scope >>} < 600) > 9
      for: 1m
      severity: ticket
      summary: Half of << service >> has rebooted
      description: All at once, in << environment >>.
"""


@pytest.fixture
def repository(tmp_path: Path, mac: Mac) -> Path:
    root = tmp_path / "monitoring"
    assert mac("init", root).exit_code == 0
    return root


def write(root: Path, text: str = STRICTER, name: str = "acme-host") -> Path:
    path = root / f"standards/acme/{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def free(root: Path) -> None:
    """Services set parameters and exemptions of `host`; its extension is meant from now on."""
    for path in (root / "standards/services").glob("*.yaml"):
        text = path.read_text().replace("    host:\n", "    acme-host:\n")
        path.write_text(text.replace("standard: host\n", "standard: acme-host\n"))
        if "HostsOutOfMemory" in text:
            path.write_text(text[: text.index("  exemptions:")])


def test_an_extension_says_what_differs_and_takes_over_the_rest(repository: Path) -> None:
    before = standards.load(repository).catalog
    assert before is not None
    write(repository)
    free(repository)
    loaded = standards.load(repository)
    assert errors(loaded.problems) == ()
    assert loaded.catalog is not None
    base, own = before.standards["host"], loaded.catalog.standards["acme-host"]
    assert "host" not in loaded.catalog.standards
    assert loaded.catalog.bases == {"host": base}
    assert own.parameters["outage_ratio"].default == 0.25
    assert own.parameters["outage_ratio"].description == base.parameters["outage_ratio"].description
    names = [a.alert for a in own.alerts]
    kept = [a.alert for a in base.alerts if a.alert != "HostsOutOfMemory"]
    assert names == [*kept, "HostsRebooted"]
    by_name = {a.alert: a for a in own.alerts}
    assert by_name["HostsAbsent"].severity == "page"
    assert by_name["HostsAbsent"].location.path == "standards/acme/acme-host.yaml"
    assert by_name["HostsAbsent"].expr.location.path == "standards/compute/host.yaml"
    assert (own.scrape, own.recording, own.panels) == (base.scrape, base.recording, base.panels)
    assert own.title == "Machines of Acme"


def test_who_depends_on_the_base_depends_on_what_took_its_place(repository: Path) -> None:
    write(repository)
    free(repository)
    catalog = standards.load(repository).catalog
    assert catalog is not None
    assert "acme-host" in catalog.standards["hdfs-datanode"].depends_on
    assert "host" not in catalog.standards["hdfs-datanode"].depends_on


def test_no_alert_exists_twice(repository: Path, mac: Mac) -> None:
    write(repository)
    free(repository)
    found = repository.parent / "snapshot.jsonl"
    machine = instance(1, {"service": "hdfs", "role": "hdfs-datanode"})
    found.write_bytes(snapshots.to_bytes(snapshot(machine)))
    result = mac("generate", "-C", repository, "--snapshot", found)
    assert result.exit_code == 0, result.stderr
    rules = emit.read_yaml((repository / "cells/main-us-east-1/rules/production/hdfs.yml").read_text())
    alerts = [r["alert"] for g in rules["groups"] for r in g["rules"] if "alert" in r]
    assert alerts.count("HostsAbsent") == 1
    assert "HostsOutOfMemory" not in alerts
    (absent,) = [r for g in rules["groups"] for r in g["rules"] if r.get("alert") == "HostsAbsent"]
    assert (absent["labels"]["standard"], absent["labels"]["severity"]) == ("acme-host", "page")


def test_what_is_said_of_the_base_elsewhere_is_told(repository: Path, mac: Mac) -> None:
    write(repository)
    result = mac("validate", "-C", repository)
    assert result.exit_code == 1
    assert "acme-host takes the place of host" in result.stderr + result.stdout
    assert "write acme-host here" in result.stderr + result.stdout


def test_only_what_an_extension_says_itself_needs_tests_of_its_own(repository: Path, mac: Mac) -> None:
    write(repository)
    free(repository)
    result = mac("test", "-C", repository, repository / "standards/acme", "--format", "json")
    told = [problem["message"].split()[0] for problem in json.loads(result.stdout)["problems"]]
    assert told == ["HostsAbsent", "HostsRebooted"]
    assert mac("test", "-C", repository, repository / "standards/compute/host.yaml").exit_code == 0


def test_an_extension_may_be_extended_whatever_the_order_of_files(repository: Path) -> None:
    write(repository)
    free(repository)
    for path in (repository / "standards/services").glob("*.yaml"):
        path.write_text(path.read_text().replace("acme-host", "a-host"))
    write(
        repository,
        "apiVersion: mac/v1\nkind: Standard\nmetadata: {name: a-host}\nspec:\n  extends: acme-host\n"
        "  scrape: {port: 9999}\n",
        "a-host",
    )
    loaded = standards.load(repository)
    assert errors(loaded.problems) == ()
    assert loaded.catalog is not None
    scrape = loaded.catalog.standards["a-host"].scrape
    assert scrape is not None
    assert (scrape.job, scrape.port) == ("host", 9999)
    assert sorted(loaded.catalog.bases) == ["acme-host", "host"]
    assert "a-host" in loaded.catalog.standards["hdfs-datanode"].depends_on


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("extends: host\n", "extends: hots\n", 'there is no standard "hots"', 5),
        ("extends: host\n", "extends: acme-host\n", "acme-host extends itself", 5),
        ("[HostsOutOfMemory]", "[HostsOutOfMemry]", 'host has no "HostsOutOfMemry" under alerts', 7),
        ("{default: 0.25}", "{default: 7}", "the default of outage_ratio", 9),
        ("      for: 1m\n", "      fro: 1m\n", 'unknown key "fro"', 15),
        ("    alerts: [H", "    alarms: [H", 'unknown key "alarms"', 7),
    ],
)
def test_a_mistake_is_told_at_its_line(repository: Path, old: str, new: str, message: str, line: int) -> None:
    assert old in STRICTER
    write(repository, STRICTER.replace(old, new))
    free(repository)
    found = [p for p in standards.load(repository).problems if message in p.message]
    assert [(p.location.path, p.location.line) for p in found] == [("standards/acme/acme-host.yaml", line)]


def test_two_extensions_of_one_standard_must_not_share_alerts(repository: Path) -> None:
    write(repository)
    write(repository, STRICTER.replace("acme-host", "other-host"), "other-host")
    free(repository)
    assert "duplicate-alert" in {p.code for p in standards.load(repository).problems}


# --- the overlay by itself ---------------------------------------------------------------------------

NAMED: overlay.Named = {("items",): "name"}
ITEMS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcd"), "value": st.integers(0, 9)}),
    max_size=4,
    unique_by=lambda item: item["name"],
)
DOCUMENTS = st.fixed_dictionaries(
    {"items": ITEMS, "map": st.dictionaries(st.sampled_from("xyz"), st.integers(0, 9), max_size=3)}
)


def document(data: object, path: str) -> Document:
    found, problems = source.parse(json.dumps(data).encode(), path)
    assert found is not None
    assert problems == ()
    return found


@given(DOCUMENTS, DOCUMENTS, st.sets(st.sampled_from("abcd")))
def test_an_overlay_holds_what_either_says_and_knows_where(
    base: dict, over: dict, left_out: set[str]
) -> None:
    joined = overlay.overlay(
        document(base, "base"), document(over, "over"), NAMED, {("items",): sorted(left_out)}
    )
    wanted = {i["name"]: i["value"] for i in base["items"] if i["name"] not in left_out}
    wanted |= {i["name"]: i["value"] for i in over["items"]}
    assert {i["name"]: i["value"] for i in joined.data["items"]} == wanted
    assert joined.data["map"] == {**base["map"], **over["map"]}
    own = {i["name"] for i in over["items"]}
    for n, item in enumerate(joined.data["items"]):
        place = joined.location(("items", n, "value"))
        assert place.path == ("over" if item["name"] in own else "base")
    for key in joined.data["map"]:
        assert joined.location(("map", key), key=True).path == ("over" if key in over["map"] else "base")


@given(DOCUMENTS)
def test_a_document_over_itself_is_itself(data: dict) -> None:
    same = document(data, "x")
    assert overlay.overlay(same, same, NAMED, {}).content_digest == same.content_digest
