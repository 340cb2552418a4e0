"""A snapshot is canonical: the same inventory is the same bytes, and what is written is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac.model import Lifecycle, Resource, Scope, ScopeState, ScopeStatus, Snapshot
from mac.problems import ProblemsError
from mac.snapshot import digest, files, from_bytes, from_files, read, stored, to_bytes


def resource(identifier: str = "i-1", **fields: Any) -> Resource:
    place = {"account": "111122223333", "region": "eu-west-1", "kind": "ec2-instance"}
    return Resource(**{**place, "arn": f"arn:{identifier}", "id": identifier, **fields})


FULL = resource(
    "i-2",
    name="web",
    addresses=("10.0.0.1", "fd00::1"),
    state="stopped",
    lifecycle=Lifecycle.STOPPED,
    lifecycle_reason="warm-pool: Warmed:Stopped",
    tags={"service": "shop", "Name": "web"},
    links={"autoscaling-group": ("web",), "target-group": ("b", "c")},
    attributes={"zone": "eu-west-1a", "spot": False, "size": 3, "states": {"a": ["x"]}},
    launched="2026-11-23T01:00:00Z",
)
BUCKET = resource("logs", kind="s3-bucket", region="us-east-1")
SCOPES = (
    ScopeStatus(Scope("111122223333", "eu-west-1", "ec2-instance")),
    ScopeStatus(
        Scope("111122223333", "global", "s3-bucket"), ScopeState.STALE, "timed out", "2026-11-23T01:00:00Z"
    ),
)
SNAPSHOT = Snapshot(SCOPES, (resource(), FULL, BUCKET))


def write(snapshot: Snapshot, root: Path) -> Path:
    for name, content in files(snapshot).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def problems(error: ProblemsError) -> list[tuple[str, str]]:
    return [(str(p.location), p.message) for p in error.problems]


def test_a_directory_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    assert read(write(SNAPSHOT, tmp_path)) == SNAPSHOT


def test_a_single_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "fleet.jsonl"
    path.write_bytes(to_bytes(SNAPSHOT))
    assert read(path) == SNAPSHOT


def test_an_empty_snapshot_is_read_back(tmp_path: Path) -> None:
    assert read(write(Snapshot(), tmp_path)) == Snapshot() == from_bytes(to_bytes(Snapshot()))


def test_files_lie_by_account_region_and_kind_with_one_resource_a_line() -> None:
    written = files(SNAPSHOT)
    assert list(written) == [
        "111122223333/eu-west-1/ec2-instance.jsonl",
        "111122223333/us-east-1/s3-bucket.jsonl",
        "scopes.json",
    ]
    assert written["111122223333/eu-west-1/ec2-instance.jsonl"].count(b"\n") == 2
    assert json.loads(written["scopes.json"])["scopes"][1] == {
        "account": "111122223333",
        "region": "global",
        "kind": "s3-bucket",
        "state": "stale",
        "reason": "timed out",
        "since": "2026-11-23T01:00:00Z",
    }


def test_the_order_of_the_input_does_not_matter() -> None:
    shuffled = Snapshot(SCOPES[::-1], SNAPSHOT.resources[::-1])
    assert to_bytes(shuffled) == to_bytes(SNAPSHOT)
    assert files(shuffled) == files(SNAPSHOT)
    assert digest(shuffled) == digest(SNAPSHOT)
    tags = dict(reversed(list(FULL.tags.items())))
    assert to_bytes(Snapshot((), (replace(FULL, tags=tags),))) == to_bytes(Snapshot((), (FULL,)))


def test_the_digest_sees_resources_and_states_but_no_times() -> None:
    stale = SCOPES[1]
    later = replace(stale, since="2027-01-01T00:00:00Z", reason="timed out again")
    assert digest(replace(SNAPSHOT, scopes=(SCOPES[0], later))) == digest(SNAPSHOT)
    denied = replace(stale, state=ScopeState.DENIED)
    assert digest(replace(SNAPSHOT, scopes=(SCOPES[0], denied))) != digest(SNAPSHOT)
    changed = replace(FULL, tags={"service": "other"})
    assert digest(replace(SNAPSHOT, resources=(resource(), changed, BUCKET))) != digest(SNAPSHOT)


hostile = st.text(st.characters(exclude_categories=()), max_size=20)  # surrogates too


@given(
    st.builds(
        resource,
        st.text(min_size=1, max_size=5),
        name=hostile,
        tags=st.dictionaries(hostile, hostile, max_size=4),
        links=st.dictionaries(hostile, st.lists(hostile, min_size=1, max_size=2).map(tuple), max_size=2),
        attributes=st.dictionaries(hostile, st.one_of(hostile, st.booleans(), st.none()), max_size=2),
        lifecycle=st.sampled_from(Lifecycle),
    )
)
def test_any_text_is_read_back_as_it_was_written(found: Resource) -> None:
    snapshot = Snapshot((), (found,))
    assert from_bytes(to_bytes(snapshot)) == snapshot
    assert from_files(files(snapshot)) == snapshot
    assert to_bytes(snapshot).count(b"\n") == 2


@pytest.mark.parametrize("value", ["a\nb", "\ud83d", "\udc00x", "😀", "\u2028", "\x00", 'x"} or vector(1)'])
def test_a_hostile_tag_stays_on_its_line(value: str) -> None:
    snapshot = Snapshot((), (resource(tags={"service": value}),))
    assert from_bytes(to_bytes(snapshot)).resources[0].tags == {"service": value}
    assert digest(snapshot) == digest(from_bytes(to_bytes(snapshot)))


BROKEN = [
    (b"{", "not JSON"),
    (b'{"a": 1}', 'unknown key "a"'),
    (b"[]", "a resource is not an object"),
    (b'{"arn": "a", "kind": "k", "account": "1", "region": "r"}', 'no "id"'),
    (b'{"arn": 1, "kind": "k", "account": "1", "region": "r", "id": "i"}', '"arn" is not a string'),
    (
        b'{"arn": "a", "kind": "k", "account": "1", "region": "r", "id": "i", "tags": {"a": 1}}',
        '"a" is not a string',
    ),
    (
        b'{"arn": "a", "kind": "k", "account": "1", "region": "r", "id": "i", "links": {"a": "b"}}',
        '"links.a" is not a list of strings',
    ),
    (
        b'{"arn": "a", "kind": "k", "account": "1", "region": "r", "id": "i", "lifecycle": "gone"}',
        'unknown lifecycle "gone"',
    ),
    (b"\xff\xfe", "not JSON"),
]


@pytest.mark.parametrize(("line", "message"), BROKEN)
def test_a_broken_line_is_a_problem_with_its_place(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "fleet.jsonl"
    path.write_bytes(to_bytes(SNAPSHOT) + line + b"\n")
    with pytest.raises(ProblemsError) as caught:
        read(path)
    ((place, told),) = problems(caught.value)
    assert place == f"{path}:5:1"
    assert told.startswith(message)
    assert caught.value.problems[0].code == "snapshot-invalid"


def test_every_broken_line_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    write(SNAPSHOT, tmp_path)
    first = tmp_path / "111122223333/eu-west-1/ec2-instance.jsonl"
    first.write_bytes(b"{\n" + first.read_bytes())
    (tmp_path / "111122223333/us-east-1/s3-bucket.jsonl").write_bytes(b"nonsense\n[]\n")
    with pytest.raises(ProblemsError) as caught:
        read(tmp_path)
    assert [place.removeprefix(f"{tmp_path}/") for place, _ in problems(caught.value)] == [
        "111122223333/eu-west-1/ec2-instance.jsonl:1:1",
        "111122223333/us-east-1/s3-bucket.jsonl:1:1",
        "111122223333/us-east-1/s3-bucket.jsonl:2:1",
    ]


def test_a_resource_that_stands_twice_is_a_problem(tmp_path: Path) -> None:
    write(SNAPSHOT, tmp_path)
    path = tmp_path / "111122223333/eu-west-1/ec2-instance.jsonl"
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(ProblemsError) as caught:
        read(tmp_path)
    assert [told for _, told in problems(caught.value)] == ["arn:i-1 stands twice", "arn:i-2 stands twice"]
    assert caught.value.problems[0].hint == f"the first is at {path}:1:1"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "not JSON"),
        ("[]", "not a snapshot: no schema_version"),
        ('{"schema_version": 99}', "schema_version 99 is not one that this mac reads (1, 2)"),
        ('{"schema_version": 1, "scopes": {}}', "scopes is not a list"),
        ('{"schema_version": true}', "schema_version True is not one that this mac reads"),
        ('{"schema_version": 1, "resources": "2"}', "resources is not a number"),
        ('{"schema_version": 1, "scopes": ["x"]}', "a scope is not an object"),
        (
            '{"schema_version": 1, "scopes": [{"account": "1", "region": "r", "kind": "k", "state": "s"}]}',
            'scope 1/r/k: unknown state "s"',
        ),
    ],
)
def test_a_broken_header_is_a_problem(tmp_path: Path, header: str, message: str) -> None:
    (tmp_path / "scopes.json").write_text(header)
    with pytest.raises(ProblemsError) as caught:
        read(tmp_path)
    ((place, told),) = problems(caught.value)
    assert place == f"{tmp_path}/scopes.json"
    assert told.startswith(message)


def test_a_snapshot_without_its_scopes_is_not_taken_for_a_complete_one(tmp_path: Path) -> None:
    (write(SNAPSHOT, tmp_path) / "scopes.json").unlink()
    with pytest.raises(ProblemsError) as caught:
        read(tmp_path)
    assert problems(caught.value) == [(f"{tmp_path}/scopes.json", "the file is missing")]


def test_a_snapshot_that_was_cut_off_between_two_lines_is_not_a_smaller_fleet(tmp_path: Path) -> None:
    count = len(SNAPSHOT.resources)
    whole = to_bytes(SNAPSHOT)
    with pytest.raises(ProblemsError) as caught:
        from_bytes(whole[: whole[:-1].rindex(b"\n") + 1])
    told = f"it has {count} resources, but {count - 1} were found"
    assert problems(caught.value) == [("snapshot:1:1", told)]
    (write(SNAPSHOT, tmp_path) / "111122223333/us-east-1/s3-bucket.jsonl").unlink()
    with pytest.raises(ProblemsError) as caught:
        read(tmp_path)
    assert problems(caught.value) == [(f"{tmp_path}/scopes.json", told)]


def test_a_snapshot_that_was_made_by_hand_need_not_count() -> None:
    header, _, rest = to_bytes(SNAPSHOT).partition(b"\n")
    said = json.loads(header)
    del said["resources"]
    assert from_bytes(json.dumps(said).encode() + b"\n" + rest) == SNAPSHOT


def test_a_file_of_somebody_else_beside_the_snapshot_is_not_part_of_it(tmp_path: Path) -> None:
    folder = write(SNAPSHOT, tmp_path / "inventory/snapshot")
    (folder / "README.md").write_text("mine")
    kept = {f"inventory/snapshot/{path}" for path in files(SNAPSHOT)}
    assert stored(tmp_path) == kept


def test_a_file_that_is_no_snapshot_is_one_problem_however_many_lines_it_has() -> None:
    with pytest.raises(ProblemsError) as caught:
        from_bytes(b"\x00\xff\n" * 1000, "photo.jpg")
    assert [problem.location.line for problem in caught.value.problems] == [1]


def test_a_snapshot_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError) as caught:
        read(tmp_path / "nowhere")
    assert caught.value.problems[0].code == "file-missing"
