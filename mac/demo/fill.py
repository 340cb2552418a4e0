"""Builds a fleet in AWS through its API, and changes it. Knows nothing of who serves that API.

Everything is asked for in one order, one request after another, so that a seeded AWS gives the same
identifiers each time.
"""

from __future__ import annotations

import io
import ipaddress
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mac import role_clients
from mac.demo.fleet import Cluster, Fleet, FleetChange, MachineGroup, Resize, Site, apportion

IMAGE = "ami-12c6146b"
BATCH = 25
"""Machines in one RunInstances call: many small reservations are what a long-lived account has."""

ZONES = "abc"

KINDS = (
    "autoscaling-group",
    "dynamodb-table",
    "ec2-instance",
    "elasticache-cluster",
    "emr-cluster",
    "emr-instance-group",
    "lambda-function",
    "load-balancer",
    "rds-instance",
    "s3-bucket",
    "sqs-queue",
    "target-group",
)
"""What is built here. Of the kinds that mac reads beside these, not all are served by every embedded AWS."""


class Clients:
    """boto3 clients that act in a site's account and region, by the fleet's role; each made once."""

    def __init__(self, endpoint_url: str, role: str) -> None:
        self._endpoint_url = endpoint_url
        self._role = role
        self._accounts: dict[str, Callable[[str, str], Any]] = {}
        self._made: dict[tuple[str, Site], Any] = {}

    def __call__(self, service: str, site: Site) -> Any:
        if site.account not in self._accounts:
            arn = role_arn(site.account, self._role)
            self._accounts[site.account] = role_clients.role_clients(arn, self._endpoint_url)
        if (service, site) not in self._made:
            self._made[service, site] = self._accounts[site.account](service, site.region)
        return self._made[service, site]


def role_arn(account: str, role: str) -> str:
    return f"arn:aws:iam::{account}:role/{role}"


@dataclass(slots=True)
class Place:
    """What was built in one site, for what is built next."""

    site: Site
    subnets: list[str] = field(default_factory=list)  # one in each zone
    target_groups: list[str] = field(default_factory=list)
    machines: dict[str, list[str]] = field(default_factory=dict)  # group → instance ids, not autoscaled ones
    clusters: dict[str, str] = field(default_factory=dict)  # name → cluster id


Places = dict[Site, Place]


def fill(fleet: Fleet, clients: Clients) -> Places:
    """Builds the whole fleet in an AWS that has nothing of it yet, and tells where things are."""
    places: Places = {}
    for site in fleet.sites:
        place = places[site] = Place(site)
        _network(place, clients("ec2", site))
        _load_balancer(place, clients("elbv2", site))
        for group in (g for g in fleet.groups if g.site == site):
            _launch_group(place, group, clients)
        for cluster in (c for c in fleet.clusters if c.site == site):
            _start_cluster(place, cluster, clients("emr", site))
        _data_services(fleet, site, clients)
    return places


def change(planned: FleetChange, places: Places, clients: Clients) -> None:
    """Carries out a change of the fleet that `fill` built."""
    groups = {(g.name, g.site): g for g in planned.groups}
    for resize in planned.launched:
        group, place = groups[resize.group, resize.site], places[resize.site]
        if group.autoscaling:
            _scale(resize, clients)
        else:
            _run(place, group, resize.machines, clients("ec2", resize.site))
    for cluster in planned.started:
        _start_cluster(places[cluster.site], cluster, clients("emr", cluster.site))
    for resize in planned.terminated:
        group, place = groups[resize.group, resize.site], places[resize.site]
        if group.autoscaling:
            _scale(Resize(resize.group, resize.site, -resize.machines), clients)
        else:
            ids = place.machines[resize.group][: resize.machines]
            clients("ec2", resize.site).terminate_instances(InstanceIds=ids)
    for name, site in planned.ended:
        clients("emr", site).terminate_job_flows(JobFlowIds=[places[site].clusters[name]])


# --- machines ----------------------------------------------------------------------------------------


def _network(place: Place, ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock=place.site.cidr)["Vpc"]["VpcId"]
    blocks = ipaddress.ip_network(place.site.cidr).subnets(new_prefix=18)
    for zone, block in zip(ZONES, blocks, strict=False):
        subnet = ec2.create_subnet(
            VpcId=vpc, CidrBlock=str(block), AvailabilityZone=f"{place.site.region}{zone}"
        )
        place.subnets.append(subnet["Subnet"]["SubnetId"])


def _load_balancer(place: Place, elbv2: Any) -> None:
    """The ingest tier's load balancer, with one target group that takes traffic and one that stands by."""
    tags = _pairs({"service": "ingest", "role": "alb", "team": "ingestion", **_environment(place.site)})
    balancer = elbv2.create_load_balancer(Name="ingest", Subnets=place.subnets, Type="application", Tags=tags)
    balancer_arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    vpc = balancer["LoadBalancers"][0]["VpcId"]
    for name in ("ingest", "ingest-standby"):
        group = elbv2.create_target_group(Name=name, Protocol="HTTP", Port=8080, VpcId=vpc, Tags=tags)
        place.target_groups.append(group["TargetGroups"][0]["TargetGroupArn"])
    elbv2.create_listener(
        LoadBalancerArn=balancer_arn,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": place.target_groups[0]}],
    )


def _launch_group(place: Place, group: MachineGroup, clients: Clients) -> None:
    ec2 = clients("ec2", group.site)
    if group.autoscaling:
        _create_autoscaling_group(place, group, clients)
        return
    ids = _run(place, group, group.size, ec2)
    if group.state == "stopped":
        ec2.stop_instances(InstanceIds=ids)
    if group.state in {"terminating", "terminated"}:
        ec2.terminate_instances(InstanceIds=ids)
    if group.state == "terminated":
        ec2.terminate_instances(InstanceIds=ids)


def _run(place: Place, group: MachineGroup, count: int, ec2: Any) -> list[str]:
    """Launches machines spread over the zones; returns their ids."""
    ids: list[str] = []
    tags = [{"ResourceType": "instance", "Tags": _pairs(group.tags)}] if group.tags else []
    for subnet, share in zip(place.subnets, apportion([1] * len(place.subnets), count), strict=True):
        for size in _batches(share):
            answer = ec2.run_instances(
                ImageId=IMAGE,
                InstanceType=group.type,
                MinCount=size,
                MaxCount=size,
                SubnetId=subnet,
                TagSpecifications=tags,
            )
            ids += [instance["InstanceId"] for instance in answer["Instances"]]
    place.machines.setdefault(group.name, []).extend(ids)
    return ids


def _batches(count: int) -> Iterator[int]:
    while count > 0:
        yield min(count, BATCH)
        count -= BATCH


def _create_autoscaling_group(place: Place, group: MachineGroup, clients: Clients) -> None:
    clients("ec2", group.site).create_launch_template(
        LaunchTemplateName=group.name,
        LaunchTemplateData={"ImageId": IMAGE, "InstanceType": group.type},
    )
    autoscaling = clients("autoscaling", group.site)
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=group.name,
        LaunchTemplate={"LaunchTemplateName": group.name, "Version": "$Default"},
        MinSize=0,
        MaxSize=100_000,
        DesiredCapacity=group.size,
        VPCZoneIdentifier=",".join(place.subnets),
        TargetGroupARNs=place.target_groups[:1] if group.balanced else [],
        Tags=[{"Key": k, "Value": v, "PropagateAtLaunch": True} for k, v in group.tags.items()],
    )
    if group.standby:
        autoscaling.enter_standby(
            AutoScalingGroupName=group.name,
            InstanceIds=_members(autoscaling, group.name)[: group.standby],
            ShouldDecrementDesiredCapacity=True,
        )


def _members(autoscaling: Any, name: str) -> list[str]:
    """Instance ids, sorted."""
    group = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]
    return sorted(instance["InstanceId"] for instance in group["Instances"])


def _scale(resize: Resize, clients: Clients) -> None:
    """Changes an autoscaling group's capacity; what leaves it leaves its target group too."""
    autoscaling = clients("autoscaling", resize.site)
    answer = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[resize.group])
    group = answer["AutoScalingGroups"][0]
    before = {instance["InstanceId"] for instance in group["Instances"]}
    autoscaling.set_desired_capacity(
        AutoScalingGroupName=resize.group, DesiredCapacity=group["DesiredCapacity"] + resize.machines
    )
    gone = before - set(_members(autoscaling, resize.group))
    for arn in group.get("TargetGroupARNs", []):
        if gone:
            clients("elbv2", resize.site).deregister_targets(
                TargetGroupArn=arn, Targets=[{"Id": i} for i in sorted(gone)]
            )


def _start_cluster(place: Place, cluster: Cluster, emr: Any) -> None:
    roles = (("MASTER", cluster.master), ("CORE", cluster.core), ("TASK", cluster.task))
    step = {
        "Name": "spark-submit",
        "ActionOnFailure": "TERMINATE_CLUSTER",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-submit", "s3://code/etl.py"]},
    }
    answer = emr.run_job_flow(
        Name=cluster.name,
        ReleaseLabel="emr-7.2.0",
        Applications=[{"Name": "Hadoop"}, {"Name": "Spark"}],
        Instances={
            # A cluster lives in one zone; which one differs from cluster to cluster.
            "Ec2SubnetId": place.subnets[len(place.clusters) % len(place.subnets)],
            "KeepJobFlowAliveWhenNoSteps": not cluster.transient,
            "InstanceGroups": [
                {
                    "Name": f"{role.lower()} nodes",
                    "InstanceRole": role,
                    "InstanceType": "r6i.4xlarge",
                    "InstanceCount": count,
                    "Market": "SPOT" if role == "TASK" else "ON_DEMAND",
                }
                for role, count in roles
                if count
            ],
        },
        Steps=[step] if cluster.transient else [],
        JobFlowRole="EMR_EC2_DefaultRole",
        ServiceRole="EMR_DefaultRole",
        Tags=_pairs(cluster.tags),
        VisibleToAllUsers=True,
    )
    place.clusters[cluster.name] = answer["JobFlowId"]
    for _ in range({"running": 0, "terminating": 1, "terminated": 2}[cluster.state]):
        emr.terminate_job_flows(JobFlowIds=[answer["JobFlowId"]])


# --- everything else ---------------------------------------------------------------------------------


def _data_services(fleet: Fleet, site: Site, clients: Clients) -> None:
    for database in (d for d in fleet.databases if d.site == site):
        clients("rds", site).create_db_instance(
            DBInstanceIdentifier=database.name,
            Engine=database.engine,
            DBInstanceClass=database.instance_class,
            AllocatedStorage=200,
            MasterUsername="root",
            MasterUserPassword="only-in-this-process",
            Tags=_pairs(database.tags),
        )
    for cache in (c for c in fleet.caches if c.site == site):
        clients("elasticache", site).create_cache_cluster(
            CacheClusterId=cache.name,
            Engine=cache.engine,
            CacheNodeType=cache.node_type,
            NumCacheNodes=1,
            Tags=_pairs(cache.tags),
        )
    for bucket in (b for b in fleet.buckets if b.site == site):
        s3 = clients("s3", site)
        # us-east-1 is the one region that may not be named.
        where = {"LocationConstraint": site.region}
        extra = {} if site.region == "us-east-1" else {"CreateBucketConfiguration": where}
        s3.create_bucket(Bucket=bucket.name, **extra)
        s3.put_bucket_tagging(Bucket=bucket.name, Tagging={"TagSet": _pairs(bucket.tags)})
    for queue in (q for q in fleet.queues if q.site == site):
        clients("sqs", site).create_queue(QueueName=queue.name, tags=dict(queue.tags))
    for table in (t for t in fleet.tables if t.site == site):
        clients("dynamodb", site).create_table(
            TableName=table.name,
            KeySchema=[{"AttributeName": "partition", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "partition", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            Tags=_pairs(table.tags),
        )
    for function in (f for f in fleet.functions if f.site == site):
        clients("lambda", site).create_function(
            FunctionName=function.name,
            Runtime="python3.12",
            Role=_lambda_role(clients("iam", site)),
            Handler="main.run",
            Code={"ZipFile": _archive()},
            Tags=dict(function.tags),
        )


def _lambda_role(iam: Any) -> str:
    """The ARN of the account's role for functions; roles are shared by the account's regions."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    try:
        answer = iam.create_role(RoleName="functions", AssumeRolePolicyDocument=json.dumps(policy))
    except iam.exceptions.EntityAlreadyExistsException:
        answer = iam.get_role(RoleName="functions")
    return str(answer["Role"]["Arn"])


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("main.py"), "def run(event, context):\n    return event\n")
    return buffer.getvalue()


def _environment(site: Site) -> dict[str, str]:
    return {"environment": site.environment}


def _pairs(tags: Any) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
