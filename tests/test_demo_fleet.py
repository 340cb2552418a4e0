"""The demo's fleet: what it holds, how it is scaled, built and changed."""

from __future__ import annotations

import ipaddress
import os
import select
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from mac import process
from mac.demo import fill, fleet
from mac.demo.embedded import EmbeddedAws, embedded_aws
from mac.demo.fleet import Fleet, Site
from mac.problems import UsageError

SMALL = 200
LIVING = ("running", "stopped", "shutting-down")


# --- the plan ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("machines", [200, 333, 2000, 20_000])
def test_a_fleet_has_exactly_the_machines_that_were_asked_for(machines: int) -> None:
    assert fleet.load(machines).machines == machines


def test_without_a_number_it_has_two_thousand_and_the_change_is_200_up_and_150_down() -> None:
    planned = fleet.load()
    assert planned.machines == 2000
    assert (planned.change.launches, planned.change.terminations) == (200, 150)


@pytest.mark.parametrize("machines", [200, 999, 2000, 20_000])
def test_the_parts_of_a_change_add_up_and_no_group_is_emptied(machines: int) -> None:
    planned = fleet.load(machines)
    change = planned.change
    sizes = {(g.name, g.site): g.size for g in planned.groups}
    clusters = {(c.name, c.site): c.size for c in planned.clusters}
    launched = sum(r.machines for r in change.launched) + sum(c.size for c in change.started)
    ended = sum(clusters[key] for key in change.ended)
    assert launched == change.launches
    assert ended + sum(r.machines for r in change.terminated) == change.terminations
    assert all(0 < r.machines < sizes[r.group, r.site] for r in change.terminated)


def test_a_small_fleet_still_has_every_group_and_cluster() -> None:
    large, small = fleet.load(), fleet.load(SMALL)
    assert {(g.name, g.site) for g in small.groups} == {(g.name, g.site) for g in large.groups}
    assert all(g.size > 0 for g in small.groups)
    assert all(c.core and c.master for c in small.clusters)


def test_too_few_machines_are_refused_with_the_number_that_suffices() -> None:
    with pytest.raises(UsageError) as refused:
        fleet.load(20)
    fewest = int(refused.value.hint.split()[-1])
    assert fleet.load(fewest).machines == fewest
    with pytest.raises(UsageError):
        fleet.load(fewest - 1)


def test_shares_are_whole_and_add_up() -> None:
    assert fleet.apportion([1, 1, 1], 100) == [34, 33, 33]
    assert fleet.apportion([0, 5], 3) == [0, 3]
    assert fleet.apportion([], 0) == []
    assert fleet.apportion_with_one([1, 1000, 0], 10) == [1, 9, 0]


def test_the_fleet_has_the_platform_and_what_a_real_account_also_holds() -> None:
    planned = fleet.load()
    services = Counter(g.tags.get("service", "") for g in planned.groups)
    known = {"ingest", "etl", "hdfs", "metastore", "alluxio", "query", "scheduler", "bastion"}
    assert known <= set(services) | {c.tags["service"] for c in planned.clusters}
    assert {g.state for g in planned.groups} == {"running", "stopped", "terminating", "terminated"}
    assert any(not g.tags for g in planned.groups)
    assert any(g.tags.get("team") == "dtaa" for g in planned.groups)
    assert any("Service" in g.tags for g in planned.groups)
    assert any('"' in value for g in planned.groups for value in g.tags.values())
    assert max(len(value) for g in planned.groups for value in g.tags.values()) == 256
    assert {c.transient for c in planned.clusters} == {True, False}
    assert len({(s.account, s.region) for s in planned.sites}) == 4
    assert len({s.account for s in planned.sites}) == 2


def test_every_network_lies_on_the_loopback_and_none_overlap() -> None:
    networks = [ipaddress.IPv4Network(site.cidr) for site in fleet.load().sites]
    assert all(network.subnet_of(ipaddress.IPv4Network("127.0.0.0/8")) for network in networks)
    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)


# --- the embedded AWS --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with embedded_aws() as running:
        yield running


class Built:
    """A fleet that was built and changed, with what the API showed before and after."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.fleet: Fleet = fleet.load(SMALL)
        self.clients = fill.Clients(aws.endpoint_url, self.fleet.role)
        aws.seed(self.fleet.seed)
        self.places = fill.fill(self.fleet, self.clients)
        self.before = self.machines()
        aws.seed(self.fleet.seed + 1)
        fill.change(self.fleet.change, self.places, self.clients)
        self.after = self.machines()

    def machines(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for site in self.fleet.sites:
            pages = self.clients("ec2", site).get_paginator("describe_instances").paginate()
            for page in pages:
                for reservation in page["Reservations"]:
                    found |= {i["InstanceId"]: (site, i) for i in reservation["Instances"]}
        return found


@pytest.fixture(scope="module")
def built(aws: EmbeddedAws) -> Built:
    return Built(aws)


def _states(machines: dict[str, Any]) -> Counter[str]:
    return Counter(instance["State"]["Name"] for _, instance in machines.values())


def _tags(instance: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}


def test_the_api_shows_as_many_machines_as_were_planned(built: Built) -> None:
    states = _states(built.before)
    assert sum(states[state] for state in LIVING) == SMALL
    assert all(states[state] for state in (*LIVING, "terminated"))


def test_every_machine_has_an_address_of_its_own_within_its_network(built: Built) -> None:
    for site, instance in built.after.values():
        assert ipaddress.IPv4Address(instance["PrivateIpAddress"]) in ipaddress.IPv4Network(site.cidr)
    addresses = Counter(i["PrivateIpAddress"] for _, i in built.after.values())
    assert addresses.most_common(1)[0][1] == 1


def test_the_change_launches_and_terminates_what_it_says(built: Built) -> None:
    change = built.fleet.change
    assert len(built.after) - len(built.before) == change.launches
    leaving = {id_ for id_, (_, i) in built.after.items() if i["State"]["Name"] == "shutting-down"}
    was_leaving = {id_ for id_, (_, i) in built.before.items() if i["State"]["Name"] == "shutting-down"}
    assert len(leaving - was_leaving) == change.terminations
    new = [_tags(i).get("service") for id_, (_, i) in built.after.items() if id_ not in built.before]
    assert change.service.name in new


def test_clusters_are_where_their_region_is_and_their_machines_carry_its_tags(built: Built) -> None:
    for site in built.fleet.sites:
        emr = built.clients("emr", site)
        listed = {c["Id"]: c for c in emr.list_clusters()["Clusters"]}
        planned = [c for c in (*built.fleet.clusters, *built.fleet.change.started) if c.site == site]
        assert Counter(c["Name"] for c in listed.values()) == Counter(c.name for c in planned)
        for cluster in planned:
            cluster_id = built.places[site].clusters[cluster.name]
            members = [
                i for _, i in built.after.values()
                if _tags(i).get("aws:elasticmapreduce:job-flow-id") == cluster_id
            ]  # fmt: skip
            roles = Counter(_tags(i)["aws:elasticmapreduce:instance-group-role"] for i in members)
            planned_roles = Counter(MASTER=cluster.master, CORE=cluster.core, TASK=cluster.task)
            assert roles == +planned_roles
            assert all(_tags(i)["service"] == "etl" for i in members)
            known = emr.list_instances(ClusterId=cluster_id)["Instances"]
            assert {i["Ec2InstanceId"] for i in known} == {i["InstanceId"] for i in members}


def test_a_cluster_that_ends_takes_its_machines_with_it(built: Built) -> None:
    (name, site), *_ = built.fleet.change.ended
    cluster_id = built.places[site].clusters[name]
    status = built.clients("emr", site).describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]
    assert status["State"] == "TERMINATING"
    members = {
        i["State"]["Name"] for _, i in built.after.values()
        if _tags(i).get("aws:elasticmapreduce:job-flow-id") == cluster_id
    }  # fmt: skip
    assert members == {"shutting-down"}


def test_tags_reach_the_api_byte_for_byte(built: Built) -> None:
    shown = [_tags(i) for _, i in built.before.values()]
    odd = [g for g in built.fleet.groups if g.name.startswith("odd-")]
    assert len(odd) >= 15
    for group in odd:
        assert dict(group.tags) in shown


def test_the_ingest_tier_is_balanced_and_has_machines_in_standby(built: Built) -> None:
    site = built.fleet.sites[0]
    groups = built.clients("autoscaling", site).describe_auto_scaling_groups()["AutoScalingGroups"]
    ingest = next(g for g in groups if g["AutoScalingGroupName"] == "ingest")
    states = Counter(i["LifecycleState"] for i in ingest["Instances"])
    assert states["Standby"] == 2
    health = built.clients("elbv2", site).describe_target_health(TargetGroupArn=ingest["TargetGroupARNs"][0])
    registered = {t["Target"]["Id"] for t in health["TargetHealthDescriptions"]}
    assert {i["InstanceId"] for i in ingest["Instances"]} == registered


def test_pages_of_machines_are_as_large_as_was_asked_for(built: Built) -> None:
    site = built.fleet.sites[0]
    pages = built.clients("ec2", site).get_paginator("describe_instances").paginate(
        PaginationConfig={"PageSize": 5}
    )  # fmt: skip
    sizes: list[int] = []
    seen: list[str] = []
    for page in pages:
        reservations = [[i["InstanceId"] for i in r["Instances"]] for r in page["Reservations"]]
        sizes.append(sum(map(len, reservations)))
        # Only a reservation that is larger by itself makes a page larger.
        assert sizes[-1] <= 5 or len(reservations) == 1
        seen += [machine for reservation in reservations for machine in reservation]
    assert len(sizes) > 1
    assert sorted(seen) == sorted(id_ for id_, (place, _) in built.after.items() if place == site)


def test_the_data_services_are_there_in_each_place(built: Built) -> None:
    for site in built.fleet.sites:
        ask = built.clients
        assert len(ask("rds", site).describe_db_instances()["DBInstances"]) == 2
        assert len(ask("sqs", site).list_queues()["QueueUrls"]) == 4
        assert ask("dynamodb", site).list_tables()["TableNames"] == ["ingest-offsets"]
        assert len(ask("lambda", site).list_functions()["Functions"]) == 1
        assert len(ask("elasticache", site).describe_cache_clusters()["CacheClusters"]) == 1
        buckets = {b["Name"] for b in ask("s3", site).list_buckets()["Buckets"]}
        assert {b.name for b in built.fleet.buckets if b.site.account == site.account} == buckets


def test_the_same_seed_gives_the_same_machines(built: Built) -> None:
    with embedded_aws() as second:
        again = Built(second)

    def identity(machines: dict[str, tuple[Site, Any]]) -> list[tuple[str, str]]:
        return sorted((id_, instance["PrivateIpAddress"]) for id_, (_, instance) in machines.items())

    assert identity(again.after) == identity(built.after)


# --- its process -------------------------------------------------------------------------------------


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_ends_with_the_block_that_started_it() -> None:
    with embedded_aws() as running:
        assert _alive(running.pid)
    assert not _alive(running.pid)


def test_it_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    # The parent says who its AWS is, then waits to be killed.
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, signal\n"
        "from mac.demo.embedded import embedded_aws\n"
        "with embedded_aws() as aws:\n"
        "    print('aws', aws.pid, flush=True)\n"
        "    signal.pause()\n"
    )
    with process.start([sys.executable, str(script)]) as parent:
        pid = int(parent.wait_for_line(r"^aws (\d+)$").group(1))
        assert _alive(pid)
        os.kill(parent.pid, signal.SIGKILL)
        descriptor = os.pidfd_open(pid)
        try:
            ended, _, _ = select.select([descriptor], [], [], 20)
        finally:
            os.close(descriptor)
        assert ended


def test_a_program_that_uses_it_sees_nothing_of_the_users_own_aws() -> None:
    theirs = {
        "PATH": "/bin",
        "AWS_PROFILE": "mine",
        "AWS_ENDPOINT_URL_S3": "http://10.0.0.1",
        "AWS_SESSION_TOKEN": "x",
        "https_proxy": "http://proxy",
    }
    seen = EmbeddedAws("http://127.0.0.1:1", 1).environment(theirs)
    assert seen["PATH"] == "/bin"
    assert seen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "https_proxy"} & set(seen)


def test_no_service_of_the_embedded_aws_is_looked_for_at_another_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in EmbeddedAws("http://127.0.0.1:1", 1).environment({}).items():
        monkeypatch.setenv(name, value)
    asked: list[str] = []

    def refuse(request: Any, **_: Any) -> None:
        asked.append(request.url)
        raise ConnectionRefusedError

    client = boto3.client("mwaa", config=Config(retries={"total_max_attempts": 1}))
    client.meta.events.register("before-send", refuse)
    with pytest.raises(ConnectionRefusedError):
        client.list_environments()
    assert [urlsplit(url).hostname for url in asked] == ["127.0.0.1"]
