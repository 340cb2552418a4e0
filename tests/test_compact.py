"""The compact form holds the same, is small, and says when it is not whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import compact, snapshot
from mac.model import Resource, Snapshot
from mac.problems import ProblemsError


def fleet(size: int) -> Snapshot:
    return Snapshot(
        (),
        tuple(
            Resource(
                arn=f"arn:aws:ec2:eu-west-1:111122223333:instance/i-{n:017x}",
                kind="ec2-instance",
                account="111122223333",
                region="eu-west-1",
                id=f"i-{n:017x}",
                addresses=(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}",),
                tags={"service": f"service{n % 30}", "environment": "prod", "Name": f"web-{n}"},
                attributes={"zone": f"eu-west-1{'abc'[n % 3]}", "instance_type": "m5.large"},
                launched="2026-11-23T01:00:00Z",
            )
            for n in range(size)
        ),
    )


@given(st.binary(max_size=5000))
def test_what_was_compressed_is_expanded(data: bytes) -> None:
    assert compact.expand(compact.compress(data)) == data


def test_a_large_fleet_is_read_back_from_a_tenth_of_the_bytes(tmp_path: Path) -> None:
    found = fleet(5000)
    plain = snapshot.to_bytes(found)
    packed = compact.compress(plain)
    assert len(packed) * 10 < len(plain)
    path = tmp_path / "fleet.jsonl.gz"
    path.write_bytes(packed)
    assert snapshot.read(path) == found
    assert compact.compress(plain) == packed


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-1], "it ends too early"),
        (lambda data: data[:-40], "it ends too early"),
        (lambda data: data[:12], "it ends too early"),
        (lambda data: data + b"more", "there is something behind its end"),
        (lambda data: data[:20] + bytes([data[20] ^ 255]) + data[21:], "it is damaged"),
        (lambda data: data[:-8] + bytes(8), "it is damaged"),
    ],
)
def test_one_that_is_not_whole_is_a_problem_and_no_smaller_fleet(tmp_path: Path, damage, words: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "fleet.jsonl.gz"
    path.write_bytes(damage(compact.compress(snapshot.to_bytes(fleet(50)))))
    with pytest.raises(ProblemsError) as caught:
        snapshot.read(path)
    (problem,) = caught.value.problems
    assert problem.code == "snapshot-invalid"
    assert problem.location.path == str(path)
    assert words in problem.message


def test_one_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(compact.CompactError, match="more than 1,000 bytes"):
        compact.expand(compact.compress(bytes(100_000)), limit=1000)
