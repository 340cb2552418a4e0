"""Resources are found by field, label, tag, link and attribute; a misspelled word is no empty fleet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mac import emit
from mac.inventory_list import (
    Condition,
    Selection,
    as_dict,
    as_lines,
    as_table,
    condition,
    misspelled,
    select,
)
from mac.labels import labels
from mac.model import LabelSource, Lifecycle, Resource
from mac.problems import UsageError

SOURCES = (
    LabelSource("service", ("service",)),
    LabelSource("environment", ("environment", "env"), aliases={"production": "prod"}),
)
KNOWN = {
    "kind": ("ec2-instance", "msk-cluster", "sqs-queue"),
    "service": ("idle", "shop"),
    "account": ("111122223333",),
    "region": ("eu-west-1", "us-east-1"),
}


def resource(identifier: str, kind: str = "ec2-instance", **fields: Any) -> Resource:
    place = {"account": "111122223333", "region": "eu-west-1", "kind": kind}
    return Resource(**{**place, "arn": f"arn:{identifier}", "id": identifier, **fields})


FLEET = (
    resource(
        "i-1",
        name="web-1",
        addresses=("10.0.0.1", "fd00::1"),
        state="running",
        tags={"service": "shop", "Env": "production", "a=b": "c"},
        links={"autoscaling-group": ("web", "spare")},
        attributes={"zone": "eu-west-1a", "spot": True, "cores": 4},
    ),
    resource("i-2", name="db", state="stopped", lifecycle=Lifecycle.STOPPED, tags={"service": "store"}),
    resource("jobs", "sqs-queue", region="us-east-1", tags={"service": "shop"}, attributes={"fifo": False}),
)


def chosen(*conditions: str, **lists: tuple[str, ...]) -> list[str]:
    wanted = Selection(**lists, conditions=tuple(condition(text) for text in conditions))
    return [one.resource.id for one in select(FLEET, wanted, lambda r: labels(r, SOURCES), KNOWN)]


def test_nothing_asked_is_everything() -> None:
    assert chosen() == ["i-1", "i-2", "jobs"]


def test_any_of_a_list_and_all_of_the_lists() -> None:
    assert chosen(kinds=("sqs-queue", "ec2-instance")) == ["i-1", "i-2", "jobs"]
    assert chosen(kinds=("ec2-instance",), services=("shop",)) == ["i-1"]
    assert chosen(regions=("us-east-1",)) == ["jobs"]
    assert chosen(accounts=("111122223333",), services=("store",)) == ["i-2"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("state=running", ["i-1"]),
        ("lifecycle=in-service", ["i-1", "jobs"]),
        ("lifecycle!=in-service", ["i-2"]),
        ("name=web-*", ["i-1"]),
        ("name=web-?", ["i-1"]),
        ("name=WEB-1", []),
        ("tag.service=shop", ["i-1", "jobs"]),
        ("service=shop", ["i-1", "jobs"]),
        ("environment=prod", ["i-1"]),
        ("link.autoscaling-group=spare", ["i-1"]),
        ("attribute.cores=4", ["i-1"]),
        ("zone=eu-west-1?", ["i-1"]),
        ("spot=true", ["i-1"]),
        ("fifo=false", ["jobs"]),
        ("fifo!=false", ["i-1", "i-2"]),
        ("address=fd00::*", ["i-1"]),
        ("address=*", ["i-1"]),
        ("address!=*", ["i-2", "jobs"]),
        (" state = running ", ["i-1"]),
    ],
)
def test_a_condition_is_on_a_field_a_label_a_tag_a_link_or_an_attribute(text: str, found: list[str]) -> None:
    assert chosen(text) == found


def test_all_conditions_must_hold() -> None:
    assert chosen("service=shop", "state=running") == ["i-1"]
    assert chosen("service=shop", "state!=running") == ["jobs"]


def test_a_value_may_have_an_equals_sign_and_a_key_may_not() -> None:
    assert condition("tag.x=a=b") == Condition("tag.x", "a=b")
    assert condition("state!=running") == Condition("state", "running", negated=True)


@pytest.mark.parametrize("text", ["state", "=running", "!=x", ""])
def test_what_is_no_condition_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError):
        condition(text)


@pytest.mark.parametrize(
    ("lists", "hint"),
    [
        ({"kinds": ("ec2-instnace",)}, "ec2-instance"),
        ({"services": ("shpo",)}, "shop"),
        ({"regions": ("eu-west-11",)}, "eu-west-1"),
        ({"accounts": ("111122223334",)}, "111122223333"),
    ],
)
def test_a_misspelled_word_is_no_empty_fleet(lists: dict[str, tuple[str, ...]], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(**lists)
    assert hint in caught.value.hint


def test_a_key_that_no_resource_has_is_wrong_usage() -> None:
    with pytest.raises(UsageError) as caught:
        chosen("stat=running")
    assert "state" in caught.value.hint


def test_what_may_be_and_is_not_there_is_an_empty_list() -> None:
    assert chosen(kinds=("msk-cluster",)) == []
    assert chosen(services=("idle",)) == []
    assert select((), Selection(conditions=(condition("state=x"),)), dict.__call__, KNOWN) == ()


def test_the_table_has_a_line_a_resource_and_a_dash_for_what_is_not_known() -> None:
    listed = select(FLEET, Selection(), lambda r: labels(r, SOURCES), KNOWN)
    lines = as_table(listed).splitlines()
    assert lines[0].split() == ["KIND", "ACCOUNT", "REGION", "ID", "NAME", "SERVICE", "STATE", "ADDRESS"]
    assert lines[1].split() == [
        *("ec2-instance", "111122223333", "eu-west-1", "i-1", "web-1", "shop", "running", "10.0.0.1"),
    ]
    assert lines[3].split()[-5:] == ["jobs", "-", "shop", "in-service", "-"]


def test_a_hostile_name_breaks_neither_the_table_nor_the_lines() -> None:
    hostile = resource("i-9", name="a\n\x1b[31mb\ud800")
    listed = select([hostile], Selection(), lambda r: labels(r, SOURCES), KNOWN)
    assert len(as_table(listed).splitlines()) == 2
    assert "\x1b" not in as_table(listed)
    (line,) = as_lines(listed)
    assert json.loads(line)["name"] == hostile.name
    assert "\n" not in line
    assert json.loads(emit.json_escaped(as_dict(listed), pretty=True))["resources"][0]["name"] == hostile.name


def test_programs_get_the_resource_as_the_snapshot_has_it_and_its_labels() -> None:
    listed = select(FLEET, Selection(kinds=("sqs-queue",)), lambda r: labels(r, SOURCES), KNOWN)
    (line,) = as_lines(listed)
    told = as_dict(listed)
    assert told["schema_version"] == 1
    assert told["resources"] == [json.loads(line)]
    assert json.loads(line)["labels"] == {
        "account": "111122223333",
        "environment": "default",
        "fifo": "false",
        "region": "us-east-1",
        "resource_id": "jobs",
        "service": "shop",
    }
    assert json.loads(line)["tags"] == {"service": "shop"}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("lifecycle=in-servce", ['no resource has lifecycle=in-servce; did you mean "in-service"?']),
        ("state=rebooting", ["no resource has state=rebooting"]),
        ("name=web-*", []),
        ("state!=nonsense", []),
    ],
)
def test_a_value_that_nothing_has_is_hinted_at(text: str, hint: list[str]) -> None:
    assert list(misspelled(FLEET, [condition(text)], lambda r: labels(r, SOURCES))) == hint
