"""What an earlier mac wrote is read as it was meant, and has the same hash as then."""

from __future__ import annotations

from pathlib import Path

import pytest

from mac import migration, snapshot
from mac.answers import Cause
from mac.model import Lifecycle, ScopeState
from mac.problems import ProblemsError

# Written by the first version, with the hash that it gave.
_SCOPES = """\
{"account":"111122223333","kind":"ec2-instance","region":"eu-west-1","state":"complete"},
{"account":"111122223333","kind":"load-balancer","reason":"DescribeLoadBalancers: AccessDenied","region":"eu-west-1","since":"2026-11-01T00:00:00Z","state":"denied"},
{"account":"111122223333","kind":"rds-instance","reason":"DescribeDBInstances: throttled (Throttling)","region":"eu-west-1","since":"2026-11-01T00:00:00Z","state":"stale"},
{"account":"111122223333","kind":"s3-bucket","reason":"ListBuckets: timed out","region":"eu-west-1","since":"2026-11-01T00:00:00Z","state":"stale"},
{"account":"111122223333","kind":"sqs-queue","reason":"the account has not enabled this region","region":"eu-west-1","since":"2026-11-01T00:00:00Z","state":"disabled"},
{"account":"111122223333","kind":"target-group","reason":"DescribeTargetGroups: InternalFailure","region":"eu-west-1","since":"2026-11-01T00:00:00Z","state":"stale"}
"""  # noqa: E501
_RESOURCES = """\
{"account":"111122223333","addresses":["10.0.0.1"],"arn":"arn:i-1","id":"i-1","kind":"ec2-instance","lifecycle":"in-service","name":"web","region":"eu-west-1","state":"running","tags":{"service":"shop"}}
{"account":"111122223333","arn":"arn:i-2","id":"i-2","kind":"ec2-instance","lifecycle":"stopped","region":"eu-west-1","state":"stopped"}
"""
FIRST = {
    "scopes.json": f'{{"schema_version": 1, "scopes": [\n{_SCOPES}]}}\n'.encode(),
    "111122223333/eu-west-1/ec2-instance.jsonl": _RESOURCES.encode(),
}
_HEADER = f'{{"kind":"Snapshot","schema_version":1,"scopes":[{_SCOPES.replace(chr(10), "")}]}}'
SINGLE = f"{_HEADER}\n{_RESOURCES}".encode()
HASH = "sha256:b19d9078bd993fd8ce39434259c3b6c7a2eb7ad803d01b370cc126b2a1d856ec"


def test_the_first_version_is_read_with_the_sorts_of_its_failures() -> None:
    found = snapshot.from_files(FIRST)
    assert {s.scope.kind: (s.state, s.cause) for s in found.scopes} == {
        "ec2-instance": (ScopeState.COMPLETE, ""),
        "load-balancer": (ScopeState.DENIED, Cause.DENIED),
        "rds-instance": (ScopeState.STALE, Cause.THROTTLED),
        "s3-bucket": (ScopeState.STALE, Cause.TIMEOUT),
        "sqs-queue": (ScopeState.DISABLED, Cause.DISABLED),
        "target-group": (ScopeState.STALE, Cause.FAILED),
    }
    assert {s.since for s in found.scopes} == {"", "2026-11-01T00:00:00Z"}
    assert [(r.id, r.lifecycle, r.lifecycle_reason) for r in found.resources] == [
        ("i-1", Lifecycle.IN_SERVICE, ""),
        ("i-2", Lifecycle.STOPPED, ""),
    ]
    assert found.accounts == ()


def test_both_forms_of_the_first_version_are_the_same_snapshot() -> None:
    assert snapshot.from_bytes(SINGLE) == snapshot.from_files(FIRST)


def test_a_migrated_snapshot_has_the_hash_that_it_had() -> None:
    """Else everything that was generated from it would seem to come from another inventory."""
    assert snapshot.digest(snapshot.from_files(FIRST)) == HASH


def test_what_was_migrated_is_written_in_the_present_version_and_read_back() -> None:
    found = snapshot.from_files(FIRST)
    written = snapshot.files(found)
    assert f'"schema_version": {migration.CURRENT}'.encode() in written["scopes.json"]
    assert snapshot.from_files(written) == found
    assert written["111122223333/eu-west-1/ec2-instance.jsonl"] == _RESOURCES.encode()


def test_the_present_version_is_taken_as_it_stands() -> None:
    row = {"state": "stale", "reason": "ListBuckets: timed out"}
    assert migration.scope(migration.CURRENT, row) is row
    assert migration.CURRENT == max(migration.READABLE) == snapshot.SCHEMA_VERSION


@pytest.mark.parametrize("version", ["0", "3", "true", '"2"', "null", "2.0"])
def test_another_version_is_refused(tmp_path: Path, version: str) -> None:
    (tmp_path / "scopes.json").write_text(f'{{"schema_version": {version}, "scopes": []}}')
    with pytest.raises(ProblemsError) as caught:
        snapshot.read(tmp_path)
    (problem,) = caught.value.problems
    assert "is not one that this mac reads (1, 2)" in problem.message


def test_a_broken_row_of_the_first_version_is_still_a_problem() -> None:
    broken = FIRST["scopes.json"].replace(
        b'{"account":"111122223333","kind":"ec2-instance"', b'"x",{"account":""'
    )
    with pytest.raises(ProblemsError):
        snapshot.from_files({**FIRST, "scopes.json": broken})
