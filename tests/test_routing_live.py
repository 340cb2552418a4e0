"""Who is told what: the shipped standards, services and teams, in real Alertmanagers of every generation."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import builders
import pytest
from conftest import GENERATIONS, PROJECT, engine_path
from webhook import Notification, Webhook

from mac import bind, conventions, emit, engines, render, routing, rules, servers, standards, templates
from mac.model import Catalog, Cell, Receiver, Resource, WorkingHours

HERE, ELSEWHERE = "here-us-east-1", "here-eu-west-1"
"""Two cells."""

# What a person may have to hear about; every machine of a service stands for its whole role.
MACHINES = {
    "hdfs": ("hdfs-namenode", "hdfs-datanode"),
    "alluxio": ("alluxio-worker",),
    "ingest": ("ingest",),
    "query": ("trino-worker",),
    "scheduler": ("airflow",),
    "bastion": ("bastion",),
    "nobodys": ("",),
}

Alert = dict[str, Any]


@cache
def catalog() -> Catalog:
    """As shipped, but for what depends on the clock: groups wait for a moment, and of the teams with
    working hours one is at work and one is not.
    """
    loaded = standards.load(PROJECT)
    assert loaded.catalog is not None
    shipped = loaded.catalog
    assert shipped.teams["data"].working_hours, "the shipped team whose tickets wait for working hours"
    # A zone in which it is about noon, so that the hours do not end while the test runs.
    ahead = 12 - datetime.now(UTC).hour
    zone = f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"
    every_day = ("sunday:saturday",)
    hours = {
        "data": WorkingHours(zone, every_day, "06:00", "18:00"),
        "platform": WorkingHours(zone, every_day, "00:00", "06:00"),
    }
    return replace(
        shipped,
        project=replace(shipped.project, group_wait="300ms", group_interval="300ms", ticket_interval="300ms"),
        inventory=replace(
            shipped.inventory,
            accounts=(replace(shipped.inventory.accounts[0], id=builders.ACCOUNT, name="here"),),
            regions=("us-east-1", "eu-west-1"),
        ),
        teams={name: replace(team, working_hours=hours.get(name)) for name, team in shipped.teams.items()},
    )


@cache
def generated() -> Mapping[str, Any]:
    """Path → content of every file that is generated for one machine of each role in both cells."""
    machines: list[Resource] = []
    for region in ("us-east-1", "eu-west-1"):
        for service, roles in sorted(MACHINES.items()):
            for role in roles:
                tags = {"service": service, "role": role}
                machines.append(builders.instance(len(machines) + 1, tags, region=region))
    bindings = bind.bind(catalog(), builders.snapshot(*machines), date(2026, 1, 1))
    texts, _ = templates.read(PROJECT, (output.template for output in render.OUTPUTS))
    rendered = render.render(catalog(), bindings, texts, "sha256:0")
    assert rendered.problems == ()
    return {
        path: emit.read_yaml(content.decode())
        for path, content in rendered.files.items()
        if path.endswith(".yml")
    }


def alert(service: str, name: str, environment: str, cell: str = HERE, **labels: str) -> Alert:
    """The alert as its Prometheus would send it: its rule's labels and the cell's.

    Each test has an environment of its own, so that all can share one Alertmanager.
    """
    rules = generated()[conventions.rules_file(cell, "production", service)]
    found = [r for g in rules["groups"] for r in g["rules"] if r.get("alert") == name]
    assert len(found) == 1, f"{name} of {service}"
    external = generated()[conventions.prometheus_file(cell)]["global"]["external_labels"]
    return {
        "labels": {
            **external,
            **found[0]["labels"],
            "alertname": name,
            "environment": environment,
            **labels,
        },
        "annotations": found[0]["annotations"],
    }


def ended(alert: Alert) -> Alert:
    now = datetime.now(UTC)
    return {
        **alert,
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": now.isoformat(),
    }


class Told:
    """An Alertmanager with the generated configuration, and what comes out of it."""

    def __init__(self, api: servers.Alertmanager, webhook: Webhook) -> None:
        self._api = api
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._rounds = 0
        self.webhook = webhook

    def post(self, *alerts: Alert) -> None:
        request = urllib.request.Request(
            f"{self._api.url}/api/v2/alerts",
            json.dumps(alerts).encode(),
            {"Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=30) as answer:
            assert answer.status == 200

    def settle(self) -> None:
        """Until every group that waits now was told or held back.

        An alert that is posted later waits as long as they do: once it was told they were flushed. The
        second one leaves time for their notifications to arrive.
        """
        for _ in range(2):
            self._rounds += 1
            mark = f"settled-{self._rounds}"
            self.post({"labels": {"alertname": mark, "environment": mark, "severity": "page"}})
            self.await_told(mark, {"platform / page": [mark]})

    def await_told(self, environment: str, expected: Mapping[str, Sequence[str]]) -> None:
        """Until just these alerts were told in this environment: receiver → names of those that fire."""
        self.webhook.wait_until(lambda _: self.of(environment) == expected)
        assert self.of(environment) == expected

    def after(self, expected: Mapping[str, Sequence[str]], environment: str, *alerts: Alert) -> None:
        """Posts the alerts at once: these are told, and no others."""
        self.post(*alerts)
        self.await_told(environment, expected)
        self.settle()
        assert self.of(environment) == expected

    def of(self, environment: str) -> dict[str, list[str]]:
        return by_receiver(self.webhook.all(environment=environment))


def by_receiver(notifications: Sequence[Notification]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for notification in notifications:
        told.setdefault(notification.receiver, []).extend(notification.firing)
    return {receiver: sorted(names) for receiver, names in told.items()}


@pytest.fixture(scope="module", params=GENERATIONS)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    engine = engines.at("alertmanager", engine_path(request.param, "alertmanager"))
    with Webhook() as webhook:
        config = generated()[conventions.ALERTMANAGER_CONFIG]
        config = {**config, "receivers": webhook.instead_of(config["receivers"])}
        path: Path = tmp_path_factory.mktemp("alertmanager") / "alertmanager.yml"
        path.write_text(json.dumps(config))
        with servers.alertmanager(path, engine=engine) as api:
            yield Told(api, webhook)


# --- who -----------------------------------------------------------------------------------------------


def test_the_owner_is_told_by_severity(told: Told) -> None:
    told.after(
        {
            "data / page": ["HdfsBlocksMissing"],
            "data / ticket": ["HdfsFilling"],
            "data / info": ["AlluxioWorkersDown"],
            "ingestion / ticket": ["HostsDown"],
        },
        "who",
        alert("hdfs", "HdfsBlocksMissing", "who"),
        alert("hdfs", "HdfsFilling", "who"),
        alert("alluxio", "AlluxioWorkersDown", "who", severity="info"),
        alert("ingest", "HostsDown", "who"),
    )


def test_what_no_route_knows_reaches_the_default_team_at_once(told: Told) -> None:
    told.after(
        {
            "platform / page": ["ByHand", "HostsDown", "HostsUnreachable"],
            # Its team is known, so it is the team's own.
            "data / page": ["HdfsFilling"],
        },
        "unknown",
        alert("ingest", "HostsDown", "unknown", team="departed", severity="ticket"),
        alert("nobodys", "HostsUnreachable", "unknown"),
        alert("hdfs", "HdfsFilling", "unknown", severity="shrug"),
        {"labels": {"alertname": "ByHand", "environment": "unknown"}},
    )


def test_alerts_of_a_service_come_as_one_notification(told: Told) -> None:
    machines = [f"r{number}" for number in range(10)]
    alerts = [
        alert("ingest", "HostDisksFillingNow", "group", cell, role=role)
        for cell in (HERE, ELSEWHERE)
        for role in machines
    ]
    told.post(*alerts)
    told.settle()
    [notification] = told.webhook.all(environment="group")
    assert notification.receiver == "ingestion / page"
    assert notification.group == {"service": "ingest", "environment": "group"}
    assert notification.firing == ["HostDisksFillingNow"] * 20


def test_the_end_is_told_too(told: Told) -> None:
    page = alert("ingest", "HostsUnreachable", "end")
    told.post(page)
    told.await_told("end", {"ingestion / page": ["HostsUnreachable"]})
    told.post(ended(page))
    assert told.webhook.wait_until(lambda _: len(told.webhook.all(environment="end")) == 2)
    last = told.webhook.all(environment="end")[-1]
    assert (last.receiver, last.firing, last.resolved) == ("ingestion / page", [], ["HostsUnreachable"])


# --- what is not said ------------------------------------------------------------------------------------


def test_an_outage_mutes_the_tickets_of_its_service_until_it_ends(told: Told) -> None:
    page, ticket = alert("hdfs", "HdfsNoActiveNameNode", "mute"), alert("hdfs", "HdfsFilling", "mute")
    told.after({"data / page": ["HdfsNoActiveNameNode"]}, "mute", page, ticket)
    told.post(ended(page))
    told.await_told("mute", {"data / page": ["HdfsNoActiveNameNode"], "data / ticket": ["HdfsFilling"]})


def test_an_outage_mutes_neither_pages_nor_outages_of_its_service_nor_itself(told: Told) -> None:
    """But for those of standards that depend on its own."""
    first = alert("hdfs", "HdfsDataNodesDown", "pages")
    assert first["labels"]["outage"] == "true"
    told.after(
        {
            "data / page": [
                "HdfsBlocksMissing",
                "HdfsDataNodesDown",
                "HdfsDataNodesDown",
                "HdfsNoActiveNameNode",
            ]
        },
        "pages",
        first,
        alert("hdfs", "HdfsDataNodesDown", "pages", override="down_ratio=0.3"),
        alert("hdfs", "HdfsBlocksMissing", "pages"),
        alert("hdfs", "HdfsNoActiveNameNode", "pages", ELSEWHERE),
        alert("hdfs", "HdfsNameNodesDown", "pages"),
    )


def test_an_outage_mutes_the_standards_that_depend_on_its_own(told: Told) -> None:
    told.after(
        {"data / page": ["HostsUnreachable"]},
        "standards",
        alert("hdfs", "HostsUnreachable", "standards"),
        alert("hdfs", "HdfsNoActiveNameNode", "standards"),
        alert("hdfs", "HdfsDataNodesDown", "standards"),
        alert("hdfs", "HdfsDataNodesFull", "standards"),
        alert("alluxio", "HostsDown", "standards"),
    )


def test_an_outage_mutes_the_services_that_depend_on_its_own_and_no_others(told: Told) -> None:
    told.after(
        {
            "data / page": ["HdfsNoActiveNameNode"],
            "ingestion / page": ["HostsUnreachable"],
        },
        "services",
        alert("hdfs", "HdfsNoActiveNameNode", "services"),
        alert("alluxio", "AlluxioWorkersUnreachable", "services"),
        alert("alluxio", "AlluxioStorageLost", "services"),
        alert("ingest", "HostsUnreachable", "services"),
        alert("ingest", "HostsDown", "services", role="other"),
    )


def test_an_outage_mutes_only_in_its_own_cell_and_environment(told: Told) -> None:
    elsewhere = (("place", ELSEWHERE), ("place-2", HERE))
    silent = ("HdfsFilling", "HdfsDataNodesFull")
    told.after(
        {
            "data / page": ["AlluxioWorkersUnreachable", "HdfsNoActiveNameNode"],
            "data / ticket": ["HdfsDataNodesFull", "HdfsFilling"],
        },
        "place",
        alert("hdfs", "HdfsNoActiveNameNode", "place"),
        *(alert("hdfs", name, environment, cell) for name in silent for environment, cell in elsewhere),
        *(alert("alluxio", "AlluxioWorkersUnreachable", *place) for place in (*elsewhere, ("place", HERE))),
    )
    [alluxio] = told.webhook.all(environment="place", service="alluxio")
    assert [a["labels"]["cell"] for a in alluxio.alerts] == [ELSEWHERE]
    assert by_receiver(told.webhook.all(environment="place-2")) == {
        "data / page": ["AlluxioWorkersUnreachable"],
        "data / ticket": ["HdfsDataNodesFull", "HdfsFilling"],
    }


def test_while_a_cell_does_not_read_cloudwatch_missing_metrics_are_not_told_one_by_one(told: Told) -> None:
    """Not those of the other cell, and nothing that a value says."""
    blind = {
        "alertname": "CloudWatchExporterDown",
        "standard": "cloudwatch-exporter",
        "severity": "page",
        "outage": "true",
        "team": "platform",
        "service": "monitoring",
        "environment": "all",
        "cell": HERE,
    }
    of_rds = {"team": "data", "service": "orders", "standard": "rds-instance", "environment": "blind"}
    told.after(
        {"data / page": ["RdsStorageFull"], "data / ticket": ["RdsMetricsAbsent"]},
        "blind",
        {"labels": blind},
        {"labels": {**of_rds, "alertname": "RdsStorageFull", "severity": "page", "cell": HERE}},
        *(
            {"labels": {**of_rds, "alertname": name, "severity": "ticket", "cell": cell}}
            for name, cell in (
                ("RdsMetricsAbsent", HERE),
                ("RdsMetricsAbsent", ELSEWHERE),
                ("AlbNotCollected", HERE),
            )
        ),
    )
    [absent] = [n for n in told.webhook.all(environment="blind") if n.receiver == "data / ticket"]
    assert [a["labels"]["cell"] for a in absent.alerts] == [ELSEWHERE]
    told.post(ended({"labels": blind}))


def test_a_page_that_is_no_outage_mutes_nothing(told: Told) -> None:
    told.after(
        {"data / page": ["HdfsBlocksMissing"], "data / ticket": ["AlluxioStorageLost", "HdfsFilling"]},
        "plain",
        alert("hdfs", "HdfsBlocksMissing", "plain"),
        alert("hdfs", "HdfsFilling", "plain"),
        alert("alluxio", "AlluxioStorageLost", "plain"),
    )


# --- when ------------------------------------------------------------------------------------------------


def test_outside_of_working_hours_tickets_are_held_and_pages_are_not(told: Told) -> None:
    """The team `platform` is not at work, `data` is, `ingestion` has no hours."""
    everyone = (("scheduler", "platform"), ("alluxio", "data"), ("ingest", "ingestion"))
    alerts = [
        alert(service, name, "hours", role=severity, severity=severity)
        for service, _ in everyone
        for name, severity in (("HostDisksFillingNow", "page"), ("HostDisksFilling", "ticket"))
    ]
    alerts += [alert(service, "HostsOutOfMemory", "hours", severity="info") for service, _ in everyone]
    told.after(
        {
            "platform / page": ["HostDisksFillingNow"],
            "data / page": ["HostDisksFillingNow"],
            "data / ticket": ["HostDisksFilling"],
            "data / info": ["HostsOutOfMemory"],
            "ingestion / page": ["HostDisksFillingNow"],
            "ingestion / ticket": ["HostDisksFilling"],
            "ingestion / info": ["HostsOutOfMemory"],
        },
        "hours",
        *alerts,
    )


# --- the heartbeat -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_heartbeat_is_told_again_and_again_and_each_cell_by_itself(name: str, tmp_path: Path) -> None:
    shipped = catalog()
    hook = Receiver("webhook", {"url": "http://127.0.0.1:9/"})
    teams = {**shipped.teams, "platform": replace(shipped.teams["platform"], heartbeat=(hook,))}
    project = replace(shipped.project, heartbeat_interval="300ms")
    made = replace(shipped, teams=teams, project=project)
    document = routing.alertmanager(made)
    beats = [
        {"labels": {**rule["labels"], "alertname": rule["alert"], "cell": cell}}
        for cell in (HERE, ELSEWHERE)
        for rule in [rules.heartbeat(project, Cell(cell, "", ""))]
    ]
    engine = engines.at("alertmanager", engine_path(name, "alertmanager"))
    with Webhook() as webhook:
        path = tmp_path / "alertmanager.yml"
        receivers = webhook.instead_of(document["receivers"])
        path.write_text(json.dumps({**document, "receivers": receivers}))
        with servers.alertmanager(path, engine=engine) as api:
            api.post(beats)
            assert webhook.wait_until(
                lambda heard: all(
                    sum(n.group.get("cell") == cell for n in heard) >= 3 for cell in (HERE, ELSEWHERE)
                )
            )
            heard = webhook.all()
    assert {n.receiver for n in heard} == {"platform / heartbeat"}
    assert all(n.firing == ["Heartbeat"] for n in heard)
