"""Resources that are not in AWS come from files: read, checked, bound, and never mixed up with AWS's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import Result

from mac import bind, pipeline, standards
from mac.collect import collect
from mac.kinds import all_kinds, aws_kinds
from mac.model import Account, Lifecycle, Scope, ScopeState, Snapshot
from mac.problems import ProblemsError
from tests import aws_fleet as fleet

SERVED: tuple[str, ...] = ()
LISTED = ("endpoint", "machine")
TOLD = ("monitoring",)  # tests/test_watchers.py

NOW = datetime(2096, 11, 23, 12, tzinfo=UTC)  # long after the embedded AWS launches anything
INVENTORY = """\
apiVersion: mac/v1
kind: Inventory
spec:
  accounts: [{id: "123456789012", name: main}]
  regions: [eu-west-1]
  kinds: [ec2-instance, sqs-queue]
  sources: [{file: inventory/others.yaml}]
"""
HEAD = "apiVersion: mac/v1\nkind: Resources\n"
OTHERS = (
    HEAD
    + """\
spec:
  account: datacenter
  region: berlin
  resources:
    - {id: db-7, addresses: [10.9.0.7], tags: {service: shop, Name: Orders}, attributes: {zone: rack-3}}
    - {id: db-8, region: munich, addresses: ["fd00::8", db-8.example.com]}
"""
)
STANDARD = """\
apiVersion: mac/v1
kind: Standard
metadata: {name: node, title: Node}
spec:
  applies_to: {kind: ec2-instance}
  scrape: {job: node, port: 9100}
"""
METRICS = STANDARD.replace("name: node", "name: cpu").replace(
    "scrape: {job: node, port: 9100}",
    "cloudwatch: {namespace: AWS/EC2, metrics: [{name: CPUUtilization, statistics: [Average]}]}",
)


@pytest.fixture(scope="module", autouse=True)
def moto() -> Iterator[str]:
    with fleet.serve() as endpoint:
        yield endpoint


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., Path]:
    def make(others: str = OTHERS, inventory: str = INVENTORY) -> Path:
        for path, text in {
            "mac.yaml": "apiVersion: mac/v1\nkind: Project\nspec: {default_team: platform}\n",
            "inventory/aws.yaml": inventory,
            "inventory/others.yaml": others,
            "standards/node.yaml": STANDARD,
            "standards/cpu.yaml": METRICS,
            "standards/teams/platform.yaml": (
                "apiVersion: mac/v1\nkind: Team\nmetadata: {name: platform}\nspec:\n"
                "  receivers: {page: [{webhook: {url: 'http://127.0.0.1:1/'}}], ticket: [{webhook: {url: 'http://127.0.0.1:1/'}}]}\n"
            ),
        }.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
        return tmp_path

    return make


def told(root: Path) -> list[tuple[str, str, str]]:
    """(where, code, message and hint) of each problem of the inventory's files."""
    return [
        (str(p.location).removeprefix("inventory/"), p.code, f"{p.message} | {p.hint}")
        for p in standards.load(root).problems
        if p.location.path.startswith("inventory/")
    ]


def read(root: Path, last: Snapshot = Snapshot()) -> Snapshot:  # noqa: B008  a frozen value
    return collect(pipeline.load(root).inventory, last, now=NOW, aws=fleet.Watch().aws())


def test_a_file_is_a_source_beside_aws(repository: Callable[..., Path]) -> None:
    fleet.queue(fleet.session(Account("123456789012", "main")), "orders")
    found = read(repository())
    assert [(str(s.scope), s.state) for s in found.scopes] == [
        ("123456789012/eu-west-1/ec2-instance", ScopeState.COMPLETE),
        ("123456789012/eu-west-1/sqs-queue", ScopeState.COMPLETE),
        ("datacenter/berlin/machine", ScopeState.COMPLETE),
        ("datacenter/munich/machine", ScopeState.COMPLETE),
    ]
    by_id = {r.id: r for r in found.resources}
    assert "orders" in by_id
    assert {r.id for r in found.resources if r.kind == "machine"} == {"db-7", "db-8"}
    first = by_id["db-7"]
    assert (first.kind, first.account, first.region, first.name) == (
        "machine",
        "datacenter",
        "berlin",
        "Orders",
    )
    assert first.lifecycle is Lifecycle.IN_SERVICE
    assert first.addresses == ("10.9.0.7",)
    assert dict(first.tags) == {"service": "shop", "Name": "Orders"}
    assert all_kinds()["machine"].facts(first) == {"zone": "rack-3"}
    assert by_id["db-8"].addresses == ("fd00::8", "db-8.example.com")
    assert len({r.arn for r in found.resources}) == len(found.resources)


def test_what_is_taken_out_of_the_file_is_gone_and_its_scope_with_it(repository: Callable[..., Path]) -> None:
    before = read(repository())
    root = repository(OTHERS.split("    - {id: db-8")[0])
    after = read(root, before)
    assert [r.id for r in after.resources if r.kind == "machine"] == ["db-7"]
    assert Scope("datacenter", "munich", "machine") not in {s.scope for s in after.scopes}


def test_a_file_of_json_reads_the_same(repository: Callable[..., Path]) -> None:
    expected = [r for r in read(repository()).resources if r.kind == "machine"]
    spec = {
        "account": "datacenter",
        "region": "berlin",
        "resources": [
            {
                "id": "db-7",
                "addresses": ["10.9.0.7"],
                "tags": {"service": "shop", "Name": "Orders"},
                "attributes": {"zone": "rack-3"},
            },
            {"id": "db-8", "region": "munich", "addresses": ["fd00::8", "db-8.example.com"]},
        ],
    }
    root = repository(inventory=INVENTORY.replace("others.yaml", "others.json"))
    text = json.dumps({"apiVersion": "mac/v1", "kind": "Resources", "spec": spec}, indent=2)
    (root / "inventory/others.json").write_text(text, encoding="utf-8")
    assert [r for r in read(root).resources if r.kind == "machine"] == expected


def test_standards_for_hosts_watch_machines_and_those_that_ask_aws_do_not(
    repository: Callable[..., Path],
) -> None:
    root = repository()
    catalog = pipeline.load(root)
    bound = bind.bind(catalog, read(root), date(2026, 11, 23))
    assert [(b.cell.name, b.standard.name, [m.resource.id for m in b.members]) for b in bound.bindings] == [
        ("datacenter-berlin", "node", ["db-7"])
    ]
    assert "db-8" in {u.resource.id for u in bound.unbound}


@pytest.mark.parametrize(
    ("entry", "where", "code", "words"),
    [
        ("{id: a, adresses: [10.0.0.1]}", "7:15", "unknown-key", 'did you mean "addresses"?'),
        ("{id: a, kind: machin}", "7:21", "unknown-resource-kind", 'did you mean "machine"?'),
        ("{kind: machine}", "7:7", "missing-key", "id"),
        ("{id: a, addresses: ['10.0.0.1:9100']}", "7:27", "wrong-value", "without a port"),
        ("{id: a, account: Data Center}", "7:24", "wrong-value", "lower-case letters"),
        ("{id: a, tags: {service: 7}}", "7:31", "wrong-type", "text"),
        ("{id: a}\n    - {id: a}", "8:12", "duplicate-resource", "stands in inventory/others.yaml:7:12"),
        (
            '{id: i-1, kind: ec2-instance, account: "123456789012", region: eu-west-1}',
            "7:12",
            "duplicate-resource",
            "AWS is asked for ec2-instance in 123456789012/eu-west-1",
        ),
    ],
)
def test_a_mistake_in_the_file_is_told_where_it_stands(
    repository: Callable[..., Path], entry: str, where: str, code: str, words: str
) -> None:
    text = f"{HEAD}spec:\n  account: a\n  region: b\n  resources:\n    - {entry}\n"
    (problem,) = told(repository(text))
    assert (problem[0], problem[1]) == (f"others.yaml:{where}", code)
    assert words in problem[2]


def test_an_account_or_region_that_nobody_names_is_a_problem(repository: Callable[..., Path]) -> None:
    found = told(repository(f"{HEAD}spec:\n  account: a\n  resources:\n    - {{id: x}}\n"))
    assert [(p[0], p[1]) for p in found] == [("others.yaml:6:12", "missing-key")]
    assert "the region of" in found[0][2]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("{file: inventory/missing.yaml}", "file-missing"),
        ("{file: ../others.yaml}", "wrong-value"),
        ("{file: /etc/others.yaml}", "wrong-value"),
        ("{flie: inventory/others.yaml}", "unknown-key"),
        ("{}", "wrong-value"),
        ("{file: mac.yaml}", "misplaced-document"),
    ],
)
def test_a_source_that_cannot_be_read_is_a_problem(
    repository: Callable[..., Path], source: str, code: str
) -> None:
    inventory = INVENTORY.replace("{file: inventory/others.yaml}", source)
    found = standards.load(repository(inventory=inventory))
    assert found.catalog is None
    assert [p.code for p in found.problems] == [code]


def test_a_file_cannot_name_what_aws_itself_tells(repository: Callable[..., Path]) -> None:
    """The account is one that only AWS Organizations lists, so that the file alone does not show it."""
    arn = fleet.queue(fleet.session(Account("123456789012", "main")), "twice")
    entry = f"{{id: q, kind: sqs-queue, arn: '{arn}'}}"
    root = repository(f"{HEAD}spec:\n  account: a\n  region: b\n  resources:\n    - {entry}\n")
    with pytest.raises(ProblemsError) as caught:
        read(root)
    (problem,) = caught.value.problems
    assert (problem.code, str(problem.location)) == ("duplicate-resource", "inventory/others.yaml:7:12")


def test_machines_are_not_read_from_aws(repository: Callable[..., Path]) -> None:
    assert "machine" not in aws_kinds()
    inventory = INVENTORY.replace("kinds: [ec2-instance", "kinds: [machine, ec2-instance")
    assert [(p[0], p[1]) for p in told(repository(inventory=inventory))] == [
        ("aws.yaml:6:11", "unknown-resource-kind")
    ]


def test_the_whole_command_reads_files(repository: Callable[..., Path], mac: Callable[..., Result]) -> None:
    root = repository()
    done = mac("inventory", "-C", root, "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["by_kind"]["machine"] == 2
    listed = mac("inventory", "-C", root, "list", "--kind", "machine", "--format", "jsonl")
    assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == ["db-7", "db-8"]
    again = (root / "inventory/snapshot/datacenter/berlin/machine.jsonl").read_bytes()
    assert mac("inventory", "-C", root, "--refresh").exit_code == 0
    assert (root / "inventory/snapshot/datacenter/berlin/machine.jsonl").read_bytes() == again
