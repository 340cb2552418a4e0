"""Deployment to Amazon Managed Service for Prometheus: a strict server of its own, and the embedded AWS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import boto3
import deploying
import pytest
from amp_server import Amp

from mac import deploy, emit
from mac.demo.embedded import embedded_aws
from mac.deploy.amp import TAG
from mac.deploy_model import AmpSettings, DestinationType, Release, State


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def amp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Amp]:
    with Amp() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


def settings(
    kind: DestinationType = DestinationType.AMP, workspace: str = "ws-1", cell: str = deploying.CELL
) -> AmpSettings:
    return AmpSettings("here", kind, workspace, "us-east-1", cell=cell, settle=30.0)


def release(**rules: str) -> Release:
    """Service → the content of its rule file."""
    files = {f"rules/production/{name}.yml": content.encode() for name, content in rules.items()}
    return deploying.release({"prometheus.yml": b"{}", "heartbeat.yml": b"heartbeat", **files})


def deployed(server: Amp) -> list[str]:
    return sorted(server.data(name) for name in server.rules)


def test_each_rule_file_is_a_namespace_and_only_what_differs_is_sent(amp: Amp) -> None:
    done = deploy.deliver(settings(), release(web="one", hdfs="two"))
    assert (done.state, done.message) == (State.DEPLOYED, "")
    assert deployed(amp) == ["heartbeat", "one", "two"]
    [web] = [name for name in amp.rules if amp.data(name) == "one"]
    assert web.startswith("mac.main-us-east-1.production.web.")
    amp.calls.clear()
    assert deploy.deliver(settings(), release(web="one", hdfs="two")).state is State.UNCHANGED
    assert amp.calls == []
    done = deploy.deliver(settings(), release(web="three"))
    assert done.state is State.DEPLOYED
    assert deployed(amp) == ["heartbeat", "three"]
    assert [call.split(" ")[0] for call in amp.calls] == ["PUT", "DELETE"]


def test_namespaces_of_others_and_of_other_cells_stay(amp: Amp) -> None:
    client = boto3.client("amp", region_name="us-east-1")
    client.create_rule_groups_namespace(workspaceId="ws-1", name="handmade", data=b"theirs")
    assert deploy.deliver(settings(cell="other"), deploying.release({})).state is State.UNCHANGED
    deploy.deliver(settings(), release(web="one"))
    assert deploy.deliver(settings(cell="main"), deploying.release({})).state is State.UNCHANGED
    assert deploy.deliver(settings(), deploying.release({})).state is State.DEPLOYED
    assert deployed(amp) == ["theirs"]


@pytest.mark.parametrize("bad", [{"web": "refused"}, {"web": "one", "new": "refused"}])
def test_what_aws_refuses_later_is_replaced_by_what_was_there(amp: Amp, bad: dict[str, str]) -> None:
    deploy.deliver(settings(), release(web="one", hdfs="two"))
    done = deploy.deliver(settings(), release(**bad))
    assert done.state is State.ROLLED_BACK
    assert "it has the word in it" in done.message
    assert deployed(amp) == ["heartbeat", "one", "two"]
    assert deploy.destination(settings()).read_back().faults == ()


def test_a_long_name_is_cut_and_stays_one_of_its_own(amp: Amp) -> None:
    long = "s" * 150
    assert (
        deploy.deliver(settings(), release(**{f"{long}a": "one", f"{long}b": "two"})).state is State.DEPLOYED
    )
    assert deployed(amp) == ["heartbeat", "one", "two"]
    assert max(map(len, amp.rules)) == 128


def rules(*groups: str, length: int = 3_000) -> str:
    """A rule file with these groups, each of about `length` bytes."""
    found = [
        {"name": group, "rules": [{"record": "a:b", "expr": "vector(1)", "labels": {"x": "y" * length}}]}
        for group in groups
    ]
    return emit.yaml({"groups": found}) + "\n"


def groups(server: Amp) -> dict[str, list[str]]:
    """Namespace → the groups in it, without the heartbeat."""
    return {
        name: [group["name"] for group in emit.read_yaml(server.data(name))["groups"]]
        for name in server.rules
        if server.data(name) != "heartbeat"
    }


def test_a_rule_file_that_is_too_large_is_several_namespaces_of_whole_groups(amp: Amp) -> None:
    here = replace(settings(), max_bytes=10_000)
    names = [f"web / production / {n}" for n in range(5)]
    done = deploy.deliver(here, release(web=rules(*names)))
    assert (done.state, done.message) == (State.DEPLOYED, "")
    first = groups(amp)
    assert len(first) > 1
    assert sorted(name for found in first.values() for name in found) == sorted(names)
    assert all(len(amp.data(name).encode()) <= here.max_bytes for name in first)
    assert deploy.deliver(here, release(web=rules(*names))).state is State.UNCHANGED
    amp.calls.clear()
    assert deploy.deliver(here, release(web=rules(*names, "another"))).state is State.DEPLOYED
    left = [name for name in first if groups(amp).get(name) != first[name]]
    assert len(left) <= 1, "the parts that the new group is not in stay as they are"
    amp.calls.clear()
    assert deploy.deliver(here, release(web=rules(*names[:2]))).state is State.DEPLOYED
    assert list(groups(amp).values()) == [names[:2]], "the parts that are gone are deleted"


def test_a_group_or_a_definition_that_is_too_large_by_itself_is_refused(amp: Amp) -> None:
    here = replace(settings(), max_bytes=10_000)
    deploy.deliver(here, release(web="one"))
    amp.calls.clear()
    for dry in (True, False):
        done = deploy.deliver(here, release(web=rules("small", "large", length=20_000)), dry_run=dry)
        assert done.state is State.REFUSED
        [problem] = done.problems
        assert (problem.code, problem.location.path) == (
            "over-quota",
            "cells/main-us-east-1/rules/production/web.yml",
        )
    there = replace(settings(DestinationType.AMP_ALERTMANAGER), max_bytes=10_000)
    large = deploying.release(alertmanager={"alertmanager.yml": b"route: " + b"x" * 20_000})
    assert deploy.deliver(there, large).state is State.REFUSED
    assert amp.calls == []


def test_a_workspace_that_is_not_there_is_told(amp: Amp) -> None:
    done = deploy.deliver(settings(workspace="ws-2"), release(web="one"))
    assert done.state is State.FAILED
    assert "ws-2" in done.message
    assert "ResourceNotFoundException" in done.message


def test_an_alertmanager_definition_is_taken_or_the_old_one_put_back(amp: Amp) -> None:
    kind = DestinationType.AMP_ALERTMANAGER
    first = deploying.release(alertmanager={"alertmanager.yml": b"route:\n\n  receiver: x\n"})
    refused = deploying.release(alertmanager={"alertmanager.yml": b"refused: 1\n"})
    none_yet = deploy.deliver(settings(kind), refused)
    assert none_yet.state is State.ROLLED_BACK, none_yet.message
    deploy.destination(settings(kind)).read_back()
    deploy.destination(settings(kind)).read_back()
    assert amp.definition == {}
    assert deploy.deliver(settings(kind), first).state is State.DEPLOYED
    kept = deploy.destination(settings(kind)).read_back()
    assert deploy.deliver(settings(kind), first).state is State.UNCHANGED
    assert deploy.deliver(settings(kind), refused).state is State.ROLLED_BACK
    assert deploy.destination(settings(kind)).read_back() == kept
    from mac.deploy.amp import definition

    assert definition(first) == b"alertmanager_config: |\n  route:\n\n    receiver: x\n"


def test_the_embedded_aws_takes_and_keeps_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded_aws() as aws:
        for name, value in aws.environment(os.environ).items():
            monkeypatch.setenv(name, value)
        client = boto3.client("amp", region_name="us-east-1")
        workspace = client.create_workspace()["workspaceId"]
        client.create_rule_groups_namespace(workspaceId=workspace, name="handmade", data=b"theirs")
        here = settings(workspace=workspace)
        assert deploy.deliver(here, release(web="one", hdfs="two")).state is State.DEPLOYED
        assert deploy.deliver(here, release(web="one", hdfs="two")).state is State.UNCHANGED
        assert deploy.deliver(here, release(web="three")).state is State.DEPLOYED
        found = client.list_rule_groups_namespaces(workspaceId=workspace)["ruleGroupsNamespaces"]
        assert sorted(each.get("tags", {}).get(TAG, "") for each in found) == [
            "",
            "main-us-east-1",
            "main-us-east-1",
        ]
        [web] = [each["name"] for each in found if ".web." in each["name"]]
        kept = client.describe_rule_groups_namespace(workspaceId=workspace, name=web)
        assert kept["ruleGroupsNamespace"]["data"] == b"three"
        divided = replace(here, max_bytes=10_000)
        large = release(web=rules(*(f"group {n}" for n in range(6))))
        assert deploy.deliver(divided, large).state is State.DEPLOYED
        found = client.list_rule_groups_namespaces(workspaceId=workspace)["ruleGroupsNamespaces"]
        assert len([each for each in found if ".web." in each["name"]]) > 1
        assert deploy.deliver(divided, large).state is State.UNCHANGED
        assert deploy.deliver(divided, release(web="three")).state is State.DEPLOYED
        found = client.list_rule_groups_namespaces(workspaceId=workspace)["ruleGroupsNamespaces"]
        assert [each["name"] for each in found if ".web." in each["name"]] == [web]
