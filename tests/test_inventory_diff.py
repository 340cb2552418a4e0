"""What differs between two snapshots is told completely, by kind and service, and what is alike once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mac import snapshot
from mac.inventory_diff import Action, InventoryDiff, as_dict, as_text, compare, flat, summary
from mac.model import Lifecycle, Resource, Scope, ScopeState, ScopeStatus, Snapshot


def resource(identifier: str, kind: str = "ec2-instance", **fields: Any) -> Resource:
    place = {"account": "111122223333", "region": "eu-west-1", "kind": kind}
    return Resource(**{**place, "arn": f"arn:{identifier}", "id": identifier, **fields})


def service(found: Resource) -> str:
    return found.tags.get("service", "")


def differ(before: list[Resource], after: list[Resource]) -> InventoryDiff:
    return compare(Snapshot((), tuple(before)), Snapshot((), tuple(after)), service)


SHOP = {"service": "shop"}
BEFORE = [
    resource("i-1", tags=SHOP, state="running", addresses=("10.0.0.1",)),
    resource("i-2", tags=SHOP, state="running", name="web"),
    resource("q", "sqs-queue"),
]
AFTER = [
    resource("i-1", tags={**SHOP, "team": "a"}, state="stopping", lifecycle=Lifecycle.LEAVING),
    resource("i-3", tags=SHOP),
    resource("q", "sqs-queue"),
]


def test_what_came_went_and_changed_is_told_by_kind_and_service() -> None:
    found = differ(BEFORE, AFTER)
    assert [(c.action, c.resource.id, c.service) for c in found.changes] == [
        (Action.CHANGED, "i-1", "shop"),
        (Action.REMOVED, "i-2", "shop"),
        (Action.ADDED, "i-3", "shop"),
    ]
    assert [(f.field, f.before, f.after) for f in found.changes[0].fields] == [
        ("addresses", ["10.0.0.1"], None),
        ("lifecycle", "in-service", "leaving"),
        ("state", "running", "stopping"),
        ("tags.team", None, "a"),
    ]
    assert summary(found) == [
        {"kind": "ec2-instance", "service": "shop", "added": 1, "removed": 1, "changed": 1}
    ]


def test_the_text_names_everything_and_says_each_thing_once() -> None:
    assert as_text(differ(BEFORE, AFTER)) == (
        "KIND          SERVICE  ADDED  REMOVED  CHANGED\n"
        "ec2-instance  shop     1      1        1\n"
        "\n"
        "+ ec2-instance of shop: i-3\n"
        "- ec2-instance of shop: i-2 (web)\n"
        "~ ec2-instance of shop: i-1\n"
        '    addresses: ["10.0.0.1"] → -\n'
        "    lifecycle: in-service → leaving\n"
        "    state: running → stopping\n"
        "    tags.team: - → a\n"
    )


def test_what_changed_alike_is_one_line() -> None:
    before = [resource(f"i-{n:04}", state="running") for n in range(400)]
    after = [replace(r, state="stopped") for r in before]
    lines = as_text(differ(before, after)).splitlines()
    assert lines[3:] == [
        "~ 400 ec2-instance: i-0000, i-0001, i-0002, i-0003 and 396 more",
        "    state: running → stopped",
    ]


def test_the_json_has_every_change_and_both_hashes() -> None:
    told = json.loads(json.dumps(as_dict(differ(BEFORE, AFTER))))
    assert told["schema_version"] == 1
    assert told["before"] == snapshot.digest(Snapshot((), tuple(BEFORE)))
    assert told["after"] == snapshot.digest(Snapshot((), tuple(AFTER)))
    assert [c["action"] for c in told["changes"]] == ["changed", "removed", "added"]
    assert told["changes"][1] == {
        "action": "removed",
        "kind": "ec2-instance",
        "service": "shop",
        "account": "111122223333",
        "region": "eu-west-1",
        "id": "i-2",
        "name": "web",
        "arn": "arn:i-2",
        "fields": [],
    }
    assert told["scopes"] == []


def test_a_scope_that_is_read_otherwise_is_a_difference_though_its_resources_are_kept() -> None:
    scope = Scope("111122223333", "eu-west-1", "ec2-instance")
    kept = (resource("i-1"),)
    found = compare(
        Snapshot((ScopeStatus(scope),), kept),
        Snapshot((ScopeStatus(scope, ScopeState.DENIED, "no"),), kept),
        service,
    )
    assert found
    assert not found.changes
    assert as_text(found).splitlines()[1].split() == [str(scope), "complete", "denied"]
    assert as_dict(found)["scopes"][0]["after"] == "denied"


def test_two_snapshots_that_hold_the_same_are_no_difference() -> None:
    found = differ(BEFORE, list(reversed(BEFORE)))
    assert not found
    assert as_text(found) == "The two snapshots hold the same.\n"


def test_a_hostile_value_breaks_no_line() -> None:
    hostile = "a\nb\x1b[31m\ud800" + "x" * 200
    after = resource("i-\x1b[2J", tags={"service": "shop", "k\n": hostile})
    text = as_text(differ([resource("i-\x1b[2J", tags=SHOP)], [after]))
    assert text.count("\n") == 5
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 120


texts = st.text(max_size=4)
resources = st.lists(
    st.builds(
        lambda n, state, tags, links: resource(f"i-{n}", state=state, tags=tags, links=links),
        st.integers(0, 5),
        texts,
        st.dictionaries(texts, texts, max_size=3),
        st.dictionaries(texts, st.tuples(texts), max_size=2),
    ),
    max_size=6,
    unique_by=lambda r: r.id,
)


@given(resources, resources)
def test_applying_a_difference_gives_the_newer_snapshot(
    before: list[Resource], after: list[Resource]
) -> None:
    patched = {r.sort_key: flat(r) for r in before}
    for change in differ(before, after).changes:
        key = change.resource.sort_key
        if change.action is Action.REMOVED:
            del patched[key]
        elif change.action is Action.ADDED:
            patched[key] = flat(change.resource)
        else:
            patched[key] = _patch(patched[key], {f.field: f.after for f in change.fields})
    assert patched == {r.sort_key: flat(r) for r in after}


def _patch(row: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in {**row, **changed}.items() if v is not None}


@given(resources)
def test_nothing_differs_from_itself(found: list[Resource]) -> None:
    assert not differ(found, found)


def test_many_scopes_that_changed_alike_are_one_line() -> None:
    def read(state: ScopeState) -> Snapshot:
        regions = [f"eu-west-{n}" for n in range(9)]
        return Snapshot(tuple(ScopeStatus(Scope("1" * 12, r, "sqs-queue"), state) for r in regions))

    found = compare(read(ScopeState.COMPLETE), read(ScopeState.STALE), lambda _: "")
    assert as_text(found).splitlines()[-1].split() == [
        *("111111111111/*/sqs-queue", "(9", "scopes)", "complete", "stale"),
    ]
    assert len(as_dict(found)["scopes"]) == 9
