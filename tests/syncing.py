"""A small world to keep in sync: an AWS, a repository with a remote, and a Prometheus; all on loopback."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from mac import engines, process, servers
from mac.model import Account
from tests.aws_fleet import PAIRS
from tests.running_git import git

REGION = "us-east-1"
NETWORK = "127.40.0.0/16"
FOLDER = Path(__file__).parent.parent

INVENTORY = """\
apiVersion: mac/v1
kind: Inventory
spec:
  accounts: [{{id: "{id}", name: main, role_arn: "{role}"}}]
  regions: [us-east-1]
  kinds: [ec2-instance, sqs-queue]
"""
PROJECT = """\
apiVersion: mac/v1
kind: Project
spec:
  default_team: platform
  prometheus:
    {{own_address: "127.0.0.1:{port}", alertmanagers: ["127.0.0.1:{alertmanager}"], scrape_interval: 5s,
      evaluation_interval: 5s}}
"""
DESTINATIONS = """\
  destinations:
    prometheus:
      type: prometheus-files
      cell: main-us-east-1
      folder: {folder}
      server: {{url: "http://127.0.0.1:{port}", timeout: 10s}}
      settle: {settle}
"""
FILES = {
    "standards/teams/platform.yaml": """\
apiVersion: mac/v1
kind: Team
metadata: {name: platform}
spec:
  receivers:
    page: [{slack: {api_url_file: /etc/slack, channel: "#a"}}]
    ticket: [{slack: {api_url_file: /etc/slack, channel: "#a"}}]
""",
    "standards/services/shop.yaml": """\
apiVersion: mac/v1
kind: Service
metadata: {name: shop}
spec: {owner: platform, tier: 1}
""",
    "standards/web.yaml": """\
apiVersion: mac/v1
kind: Standard
metadata: {name: web, title: Web}
spec:
  applies_to: {kind: ec2-instance}
  scrape: {job: web, port: 8080}
  alerts:
    - {alert: WebDown, severity: page, for: 5m, summary: down, description: It is down.,
       expr: 'avg by (service, environment) (up{job="web",<< scope >>}) < 0.5'}
""",
}


def free_port() -> int:
    """One that nobody had just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class World:
    """`root`: the clone that is kept in sync; `remote`: bare; `folder`: what Prometheus reads."""

    root: Path
    remote: Path
    folder: Path
    port: int
    aws: boto3.Session
    subnet: str

    def launch(self, count: int = 1) -> list[str]:
        answer = self.aws.client("ec2").run_instances(
            ImageId="ami-12c6146b",
            InstanceType="m5.large",
            MinCount=count,
            MaxCount=count,
            SubnetId=self.subnet,
            TagSpecifications=[{"ResourceType": "instance", "Tags": PAIRS}],
        )
        return [instance["InstanceId"] for instance in answer["Instances"]]

    def terminate(self, *instances: str) -> None:
        self.aws.client("ec2").terminate_instances(InstanceIds=list(instances))

    def head(self) -> str:
        """Of the remote."""
        return git(self.remote, "rev-parse", "main")

    def commits(self) -> int:
        return int(git(self.remote, "rev-list", "--count", "main"))

    def listed(self, revision: str = "HEAD") -> int:
        """Targets of the machines in a commit of the clone."""
        text = git(self.root, "show", f"{revision}:cells/main-us-east-1/targets/web.json")
        return sum(len(group["targets"]) for group in json.loads(text))

    def clone(self, name: str) -> Path:
        """Another clone of the remote, with the same documents."""
        git(self.remote.parent, "clone", "--quiet", str(self.remote), name)
        return self.remote.parent / name

    @contextmanager
    def prometheus(self) -> Iterator[servers.Prometheus]:
        """A Prometheus on what is deployed."""
        engine = engines.require("prometheus")
        argv = [
            str(engine.path),
            f"--config.file={self.folder}/current/prometheus.yml",
            f"--storage.tsdb.path={self.folder.parent / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-lifecycle",
        ]
        with process.start(argv, cwd=self.folder.parent) as server:
            api = servers.Prometheus(f"http://127.0.0.1:{self.port}")
            server.wait_until(api.ready, 60.0)
            yield api


def machines(server: servers.Prometheus) -> set[str]:
    """Addresses of the machines that a Prometheus scrapes."""
    found: Sequence[Any] = server.targets()
    return {t["discoveredLabels"]["__address__"] for t in found if t["labels"]["job"] == "web"}


def build(
    folder: Path, account: Account, aws: boto3.Session, *, settle: str = "30s", deploys: bool = True
) -> World:
    """An account with a network on loopback, and a repository that is pushed and has generated nothing."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=NETWORK)["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=NETWORK, AvailabilityZone=f"{REGION}a")
    aws.client("sqs").create_queue(QueueName="orders", tags={"service": "shop"})
    port, reads = free_port(), folder / "prometheus"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    git(folder, "clone", "--quiet", "remote.git", "monitoring")
    root = folder / "monitoring"
    texts = dict(FILES)
    texts["inventory/aws.yaml"] = INVENTORY.format(id=account.id, role=account.role_arn)
    project = PROJECT + (DESTINATIONS if deploys else "")
    texts["mac.yaml"] = project.format(port=port, alertmanager=free_port(), folder=reads, settle=settle)
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    shutil.copytree(FOLDER / "templates", root / "templates")
    git(root, "checkout", "--quiet", "-b", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Begin")
    git(root, "push", "--quiet", "origin", "main")
    return World(root, folder / "remote.git", reads, port, aws, subnet["Subnet"]["SubnetId"])
