"""`mac inventory`, its list and diff, and `--snapshot` everywhere, from the command line on real Git."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from mac import compact, snapshot
from mac.model import Account, Resource, Scope, ScopeState, ScopeStatus, Snapshot
from tests import aws_fleet, builders
from tests.running_git import git

Mac = Callable[..., Result]

WEB = {"service": "shop", "role": "web", "environment": "prod"}


def fleet(count: int) -> Snapshot:
    return builders.snapshot(*(builders.instance(n, WEB) for n in range(1, count + 1)))


def keep(root: Path, found: Snapshot) -> None:
    stored = snapshot.stored_files(found)
    for path in snapshot.stored(root) - stored.keys():
        (root / path).unlink()
    for path, data in stored.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


@pytest.fixture
def repository(tmp_path: Path, mac: Mac, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two machines were kept and committed, then three; four are in the work tree."""
    root = tmp_path / "monitoring"
    assert mac("init", root).exit_code == 0
    git(root, "init", "-q", "-b", "main")
    for count in (2, 3):
        keep(root, fleet(count))
        git(root, "add", "--all")
        git(root, "commit", "-q", "-m", f"{count} machines")
    keep(root, fleet(4))
    monkeypatch.chdir(root)
    return root


def ids(resources: list[dict[str, str]]) -> list[str]:
    return [r["id"] for r in resources]


def machine(number: int) -> Resource:
    return builders.instance(number, WEB)


def test_the_kept_snapshot_is_listed_as_a_table_and_counted_on_standard_error(
    mac: Mac, repository: Path
) -> None:
    told = mac("inventory", "list")
    assert told.exit_code == 0
    assert len(told.stdout.splitlines()) == 5
    assert told.stdout.splitlines()[1].split()[0] == "ec2-instance"
    assert "4 of 4 resources" in told.stderr


@pytest.mark.parametrize(
    ("revision", "count"), [("HEAD", 3), ("HEAD~1", 2), ("HEAD~1:inventory/snapshot", 2)]
)
def test_a_revision_is_listed(mac: Mac, repository: Path, revision: str, count: int) -> None:
    told = mac("inventory", "list", "--snapshot", revision, "--format", "jsonl")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert ids(lines) == [machine(n).id for n in range(1, count + 1)]
    assert {line["labels"]["service"] for line in lines} == {"shop"}


def test_filters_narrow_the_list(mac: Mac, repository: Path) -> None:
    wanted = machine(2)
    arguments = ["--kind", "ec2-instance", "--service", "shop", "--region", wanted.region]
    arguments += ["--account", wanted.account, "--where", f"id={wanted.id}", "--format", "json"]
    told = json.loads(mac("inventory", "list", *arguments).stdout)
    assert told["schema_version"] == 1
    assert ids(told["resources"]) == [wanted.id]


def test_an_account_may_be_called_by_its_name(mac: Mac, repository: Path) -> None:
    """`mac init` calls its account main; the resources carry its number."""
    kept = Snapshot((), (builders.instance(1, WEB, account="123456789012", arn="arn:1"),))
    keep(repository, kept)
    told = mac("inventory", "list", "--account", "main", "--format", "jsonl")
    assert json.loads(told.stdout)["account"] == "123456789012"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "ec2-instnace"], "ec2-instance"),
        (["--account", "mian"], 'did you mean "main"?'),
        (["--snapshot", ""], "names no snapshot"),
        (["--service", "shpo"], "shop"),
        (["--where", "stat=running"], "state"),
        (["--where", "running"], "KEY=VALUE"),
        (["--snapshot", "nowhere"], "neither a file, nor a folder, nor a Git revision"),
    ],
)
def test_a_misspelled_word_is_wrong_usage(
    mac: Mac, repository: Path, arguments: list[str], words: str
) -> None:
    told = mac("inventory", "list", *arguments)
    assert told.exit_code == 64
    assert words in told.stderr
    assert told.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["inventory", "diff", "", "HEAD"],
        ["inventory", "diff", "HEAD", ""],
        ["inventory", "--snapshot", ""],
        ["generate", "--snapshot", ""],
        ["diff", "--snapshot", ""],
    ],
)
def test_an_empty_name_is_no_snapshot_and_not_the_one_that_is_kept(
    mac: Mac, repository: Path, arguments: list[str]
) -> None:
    told = mac(*arguments)
    assert told.exit_code == 64
    assert "'' names no snapshot" in told.stderr


def shrunk(reason: str = "AssumeRole: AccessDenied: no") -> Snapshot:
    """Two scopes, of which one was refused."""
    scope = Scope("123456789012", "us-east-1", "sqs-queue")
    refused = ScopeStatus(scope, ScopeState.DENIED, reason, "2026-11-23T11:00:00Z", "denied")
    read = ScopeStatus(Scope("123456789012", "us-east-1", "ec2-instance"))
    return Snapshot((read, refused), fleet(1).resources)


def test_strict_says_on_standard_error_which_scopes_failed_and_why(mac: Mac, repository: Path) -> None:
    keep(repository, shrunk())
    told = mac("inventory", "--snapshot", "inventory/snapshot", "--strict", "--format", "json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["states"]["denied"] == 1
    assert told.stderr.splitlines()[-2:] == [
        "--strict: 1 of 2 scopes was not read completely:",
        "  123456789012/us-east-1/sqs-queue: denied: AssumeRole: AccessDenied: no",
    ]
    assert mac("inventory", "--snapshot", "inventory/snapshot").exit_code == 0


@pytest.mark.parametrize("form", ["policy", "trust", "stackset"])
@pytest.mark.parametrize("principal", ["nonsense", "", "123456789012", "arn:aws:s3:::bucket"])
def test_a_principal_that_is_no_arn_of_a_role_is_refused(
    mac: Mac, repository: Path, form: str, principal: str
) -> None:
    told = mac("inventory", "iam-policy", "--form", form, "--principal", principal)
    assert told.exit_code == 64
    assert "arn:aws:iam::123456789012:role/mac" in told.stderr
    root = mac("inventory", "iam-policy", "--form", form, "--principal", "arn:aws:iam::123456789012:root")
    assert root.exit_code == 0


def test_a_source_that_is_not_there_is_told_at_the_line_that_names_it(mac: Mac, repository: Path) -> None:
    inventory = repository / "inventory/aws.yaml"
    inventory.write_text(inventory.read_text() + "  sources: [{file: inventory/other.yaml}]\n")
    (repository / "inventory/others.yaml").write_text("")
    told = mac("validate")
    assert told.exit_code == 1
    line = inventory.read_text().splitlines().index("  sources: [{file: inventory/other.yaml}]") + 1
    assert f"inventory/aws.yaml:{line}:20" in told.stderr + told.stdout
    assert 'did you mean "inventory/others.yaml"?' in told.stderr + told.stdout


def test_a_role_of_an_organization_is_named_and_not_given_by_its_arn(mac: Mac, repository: Path) -> None:
    (repository / "inventory/aws.yaml").write_text(
        "apiVersion: mac/v1\nkind: Inventory\nspec:\n"
        "  accounts: {organization: {role: arn:aws:iam::123456789012:role/mac}}\n  regions: [us-east-1]\n"
    )
    told = mac("validate")
    assert told.exit_code == 1
    assert "is not the bare name of an IAM role, such as mac-inventory" in told.stdout + told.stderr


def test_without_a_snapshot_there_is_nothing_to_list(mac: Mac, repository: Path) -> None:
    for path in snapshot.stored(repository):
        (repository / path).unlink()
    (repository / "inventory/snapshot").rename(repository / "elsewhere")
    told = mac("inventory", "list")
    assert told.exit_code == 1
    assert "there is no snapshot" in told.stderr


def test_two_revisions_are_compared(mac: Mac, repository: Path) -> None:
    told = json.loads(mac("inventory", "diff", "HEAD~1", "HEAD", "--format", "json").stdout)
    assert [(c["action"], c["id"], c["service"]) for c in told["changes"]] == [
        ("added", machine(3).id, "shop")
    ]
    assert told["before"] == snapshot.digest(fleet(2))
    assert told["after"] == snapshot.digest(fleet(3))


def test_a_revision_is_compared_with_what_is_kept_now(mac: Mac, repository: Path) -> None:
    told = mac("inventory", "diff", "HEAD")
    assert told.exit_code == 0
    assert told.stdout.splitlines()[1].split() == ["ec2-instance", "shop", "1", "-", "-"]
    assert f"+ ec2-instance of shop: {machine(4).id}" in told.stdout
    assert mac("inventory", "diff", "inventory/snapshot").stdout == "The two snapshots hold the same.\n"


def test_a_file_is_compared_with_a_revision(mac: Mac, repository: Path, tmp_path: Path) -> None:
    file = tmp_path / "fleet.jsonl.gz"
    file.write_bytes(compact.compress(snapshot.to_bytes(fleet(1))))
    told = json.loads(mac("inventory", "diff", "HEAD", file, "--format", "json").stdout)
    assert told["summary"] == [
        {"kind": "ec2-instance", "service": "shop", "added": 0, "removed": 2, "changed": 0}
    ]


@pytest.mark.parametrize(("revision", "count"), [("HEAD", 3), ("HEAD~1", 2)])
def test_the_inventory_of_a_revision_is_shown_without_asking_aws(
    mac: Mac, repository: Path, revision: str, count: int
) -> None:
    told = json.loads(mac("inventory", "--snapshot", revision, "--format", "json").stdout)
    assert told["resources"] == count
    assert told["snapshot"] == snapshot.digest(fleet(count))


def test_a_misspelled_path_in_a_revision_is_not_taken_for_a_file_to_write(mac: Mac, repository: Path) -> None:
    before = sorted(path.name for path in repository.iterdir())
    told = mac("inventory", "--snapshot", "HAED:inventory/snapshot")
    assert told.exit_code == 64
    assert sorted(path.name for path in repository.iterdir()) == before


@pytest.mark.parametrize("revision", ["HEAD~70", "HEAD^^^^^^^", "main@{70}"])
def test_a_revision_that_is_not_there_is_not_taken_for_a_file_to_write(
    mac: Mac, repository: Path, revision: str
) -> None:
    before = sorted(path.name for path in repository.iterdir())
    told = mac("inventory", "--snapshot", revision)
    assert told.exit_code not in (0, 70)
    assert revision in told.stderr
    assert sorted(path.name for path in repository.iterdir()) == before


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("HEAD", "is a Git revision, which cannot be written"),
        ("inventory", "is a folder"),
        ("nowhere/fleet.jsonl", "there is no folder"),
        ("mac.yaml", "is not a snapshot, and is not overwritten"),
    ],
)
def test_a_reading_is_not_written_over_what_is_no_snapshot_and_aws_is_not_asked_first(
    mac: Mac, repository: Path, place: str, words: str
) -> None:
    before = {path: path.read_bytes() for path in repository.glob("*") if path.is_file()}
    told = mac("inventory", "--refresh", "--snapshot", place)
    assert told.exit_code == 64
    assert words in told.stderr
    assert "asking AWS" not in told.stderr
    assert {path: path.read_bytes() for path in repository.glob("*") if path.is_file()} == before


def test_without_a_name_what_is_kept_is_compared_with_what_was_committed_last(
    mac: Mac, repository: Path
) -> None:
    assert mac("inventory", "diff").stdout == mac("inventory", "diff", "HEAD").stdout != ""


def test_a_list_without_a_hit_says_what_may_have_been_meant(mac: Mac, repository: Path) -> None:
    told = mac("inventory", "list", "--where", "state=runing")
    assert told.exit_code == 0
    assert told.stderr.splitlines() == [
        "0 of 4 resources",
        'no resource has state=runing; did you mean "running"?',
    ]


def test_configuration_is_generated_from_a_revision_as_it_was_from_the_file(
    mac: Mac, repository: Path, tmp_path: Path
) -> None:
    file = tmp_path / "two.jsonl"
    file.write_bytes(snapshot.to_bytes(fleet(2)))
    trees = []
    for source in (file, "HEAD~1"):
        output = tmp_path / f"out{len(trees)}"
        told = mac("generate", "--snapshot", source, "--output", output)
        assert told.exit_code == 0, told.stderr
        trees.append({p.relative_to(output): p.read_bytes() for p in output.rglob("*") if p.is_file()})
    assert trees[0] == trees[1]
    assert any(path.name == "provenance.json" for path in trees[0])


def test_a_plan_is_made_from_a_revision(mac: Mac, repository: Path) -> None:
    assert mac("generate", "--snapshot", "HEAD~1").exit_code == 0
    told = mac("diff", "--snapshot", "HEAD", "--detailed-exitcode")
    assert told.exit_code == 2
    assert mac("diff", "--snapshot", "HEAD~1", "--detailed-exitcode").exit_code == 0


def test_aws_is_read_into_a_compressed_file_and_shown_from_it(mac: Mac, repository: Path) -> None:
    inventory = repository / "inventory/aws.yaml"
    inventory.write_text(
        inventory.read_text().replace("[us-east-1, eu-west-1]", f"[{aws_fleet.REGION}]\n  kinds: [sqs-queue]")
    )
    with aws_fleet.serve():
        account = Account(aws_fleet.AMBIENT, "main")
        aws_fleet.queue(aws_fleet.session(account), "jobs")
        told = mac("inventory", "--snapshot", "fleet.jsonl.gz")
    assert told.exit_code == 0, told.stderr
    assert compact.is_compact((repository / "fleet.jsonl.gz").read_bytes())
    # The server may hold queues that other tests made.
    found = [r.id for r in snapshot.read(repository / "fleet.jsonl.gz").resources]
    assert "jobs" in found
    # The server has gone: what is shown is the file.
    shown = json.loads(mac("inventory", "--snapshot", "fleet.jsonl.gz", "--format", "json").stdout)
    assert shown["by_kind"] == {"sqs-queue": len(found)}
