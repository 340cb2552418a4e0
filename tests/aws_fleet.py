"""An AWS for tests: moto over HTTP on loopback, a small fleet of every kind, and faults for single calls."""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.session import Session as CoreSession
from moto.core.responses import BaseResponse
from moto.emr.responses import ElasticMapReduceResponse
from moto.server import ThreadedMotoServer

from mac.aws import Aws, Limits
from mac.model import Account, InventoryConfig

AMBIENT = "123456789012"
REGION = "eu-west-1"
ROLE = "arn:aws:iam::{account}:role/mac-reader"
TAGS = {"service": "shop", "environment": "prod"}
PAIRS = [{"Key": k, "Value": v} for k, v in TAGS.items()]

# botocore reads its descriptions of the services once, and not once a test.
_loader = boto3.Session()._session.get_component("data_loader")
_accounts = itertools.count(200000000000 + os.getpid() % 100000 * 1000)


def new_account() -> Account:
    """An account that no other test uses, entered by its role."""
    number = str(next(_accounts))
    return Account(number, f"a{number}", ROLE.format(account=number))


@contextmanager
def serve() -> Iterator[str]:
    """The endpoint of a running moto, with credentials for AMBIENT in the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        # moto's EMR looks for the region in the host's name, where a server on loopback has none.
        own = BaseResponse.get_region_from_url
        patch.setattr(ElasticMapReduceResponse, "get_region_from_url", own)
        for name in [n for n in os.environ if n.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield endpoint
    server.stop()


def session(account: Account, region: str = REGION) -> boto3.Session:
    """A session inside an account."""
    ambient = _session(region_name=region)
    if not account.role_arn:
        return ambient
    issued = ambient.client("sts").assume_role(RoleArn=account.role_arn, RoleSessionName="fleet")[
        "Credentials"
    ]
    return _session(
        aws_access_key_id=issued["AccessKeyId"],
        aws_secret_access_key=issued["SecretAccessKey"],
        aws_session_token=issued["SessionToken"],
        region_name=region,
    )


def _session(**settings: str) -> boto3.Session:
    core = CoreSession()
    core.register_component("data_loader", _loader)
    return boto3.Session(botocore_session=core, **settings)


def config(*accounts: Account, regions: tuple[str, ...] = (REGION,), kinds: tuple[str, ...] = ()) -> Any:
    return InventoryConfig(accounts=accounts, regions=regions, kinds=kinds, concurrency=4)


# --- a fleet -----------------------------------------------------------------------------------------


def launch(aws: boto3.Session, count: int = 1, **tags: str) -> list[str]:
    """Instances, each in a reservation of its own, since moto pages by reservation."""
    ec2 = aws.client("ec2")
    pairs = [{"Key": k, "Value": v} for k, v in tags.items()]
    specification = [{"ResourceType": "instance", "Tags": pairs}] if pairs else []
    return [
        ec2.run_instances(
            ImageId="ami-12c6146b",
            InstanceType="m5.large",
            MinCount=1,
            MaxCount=1,
            UserData="password=hunter2",
            TagSpecifications=specification,
        )["Instances"][0]["InstanceId"]
        for _ in range(count)
    ]


def subnets(aws: boto3.Session) -> list[str]:
    found = aws.client("ec2").describe_subnets()["Subnets"]
    return [s["SubnetId"] for s in sorted(found, key=lambda s: s["AvailabilityZone"])][:2]


def group(aws: boto3.Session, name: str, size: int = 1, targets: list[str] | None = None) -> None:
    scaling = aws.client("autoscaling")
    if not scaling.describe_launch_configurations(LaunchConfigurationNames=["lc"])["LaunchConfigurations"]:
        scaling.create_launch_configuration(
            LaunchConfigurationName="lc", ImageId="ami-12c6146b", InstanceType="m5.large"
        )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchConfigurationName="lc",
        MinSize=0,
        MaxSize=10,
        DesiredCapacity=size,
        VPCZoneIdentifier=subnets(aws)[0],
        TargetGroupARNs=targets or [],
        Tags=[{"Key": k, "Value": v, "PropagateAtLaunch": True} for k, v in TAGS.items()],
    )


def balancer(aws: boto3.Session, name: str, type_: str = "application") -> tuple[str, str]:
    """A load balancer with a target group behind it: their ARNs."""
    elb = aws.client("elbv2")
    arn = elb.create_load_balancer(Name=name, Subnets=subnets(aws), Type=type_, Tags=PAIRS)["LoadBalancers"][
        0
    ]["LoadBalancerArn"]
    vpc = aws.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    protocol = "HTTP" if type_ == "application" else "TCP"
    target = elb.create_target_group(Name=name, Protocol=protocol, Port=80, VpcId=vpc, Tags=PAIRS)[
        "TargetGroups"
    ][0]["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=arn,
        Protocol=protocol,
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target}],
    )
    return arn, target


def cluster(aws: boto3.Session, name: str, core: int = 2) -> str:
    groups = [("MASTER", 1), ("CORE", core)]
    flow: str = aws.client("emr").run_job_flow(
        Name=name,
        ReleaseLabel="emr-6.15.0",
        Applications=[{"Name": "Spark"}, {"Name": "Hadoop"}],
        ServiceRole="EMR_DefaultRole",
        JobFlowRole="EMR_EC2_DefaultRole",
        VisibleToAllUsers=True,
        Tags=PAIRS,
        Instances={
            "KeepJobFlowAliveWhenNoSteps": True,
            "Ec2SubnetId": subnets(aws)[0],
            "InstanceGroups": [
                {
                    "Name": role.lower(),
                    "InstanceRole": role,
                    "InstanceType": "m5.xlarge",
                    "InstanceCount": n,
                    "Market": "ON_DEMAND",
                }
                for role, n in groups
            ],
        },
    )["JobFlowId"]
    return flow


def database(aws: boto3.Session, name: str, engine: str = "postgres") -> None:
    aws.client("rds").create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.r6g.large",
        Engine=engine,
        AllocatedStorage=100,
        MasterUsername="root",
        MasterUserPassword="hunter2hunter2",
        Tags=PAIRS,
    )


def bucket(aws: boto3.Session, name: str, region: str = REGION, tagged: bool = True) -> None:
    s3 = aws.client("s3", region_name=region)
    location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **location)
    if tagged:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": PAIRS})


def queue(aws: boto3.Session, name: str, **attributes: str) -> str:
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName=name, tags=TAGS, Attributes=attributes)["QueueUrl"]
    arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return arn


def table(aws: boto3.Session, name: str) -> None:
    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=PAIRS,
    )


def function(aws: boto3.Session, name: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", "def run(event, context): return 1")
    trust = {"Version": "2012-10-17", "Statement": []}
    iam = aws.client("iam")
    role = iam.create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler="main.run",
        Code={"ZipFile": packed.getvalue()},
        Environment={"Variables": {"DB_PASSWORD": "hunter2"}},
        Tags=TAGS,
    )


def cache(aws: boto3.Session, name: str) -> None:
    aws.client("elasticache").create_cache_cluster(
        CacheClusterId=name, Engine="redis", CacheNodeType="cache.t3.micro", NumCacheNodes=1, Tags=PAIRS
    )


# --- calls and faults --------------------------------------------------------------------------------


class _Stream:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def answer(status: int, body: str, content_type: str = "text/xml") -> Callable[[Any], AWSResponse]:
    """A fault: this answer in place of AWS's."""

    def respond(request: Any) -> AWSResponse:
        headers = {"content-type": content_type, "x-amzn-requestid": "5d6f4b0e-0000-4000-8000-000000000000"}
        return AWSResponse(request.url, status, headers, _Stream(body.encode()))

    return respond


def refusal(code: str, message: str = "no", status: int = 403) -> Callable[[Any], AWSResponse]:
    """A fault: an error in EC2's form."""
    return answer(
        status,
        f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        "<RequestID>5d6f4b0e-0000-4000-8000-000000000000</RequestID></Response>",
    )


def json_refusal(code: str, message: str = "no", status: int = 400) -> Callable[[Any], AWSResponse]:
    """A fault: an error in the form of the JSON protocols."""
    body = json.dumps({"__type": code, "message": message})
    return answer(status, body, "application/x-amz-json-1.1")


def query_refusal(code: str, message: str = "no", status: int = 400) -> Callable[[Any], AWSResponse]:
    """A fault: an error in the form of the query protocol."""
    return answer(
        status,
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "</ErrorResponse>",
    )


def failure(error: Exception) -> Callable[[Any], AWSResponse]:
    """A fault: the call never gets an answer."""

    def respond(request: Any) -> AWSResponse:
        raise error

    return respond


@dataclass
class Watch:
    """An Aws that remembers every call as (service, operation, region), and fails those in `faults`."""

    faults: dict[tuple[str, str], Callable[[Any], AWSResponse]] = field(default_factory=dict)
    page_size: int = 0
    attempts: int = 1
    calls: list[tuple[str, str, str]] = field(default_factory=list)

    def aws(self) -> Aws:
        limits = Limits(connect_timeout=2, read_timeout=20, attempts=self.attempts, page_size=self.page_size)
        made = Aws(limits, threads=4)
        made._core.register_component("data_loader", _loader)
        made.events.register("before-send", self._before_send)
        return made

    def _before_send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        _, service, operation = event_name.split(".")
        scope = request.headers["Authorization"].decode().split("Credential=")[1].split("/")
        region = scope[2]
        self.calls.append((service, operation, region))
        fault = self.faults.get((operation, region)) or self.faults.get((operation, ""))
        return fault(request) if fault else None

    def count(self, operation: str) -> int:
        return sum(1 for _, made, _ in self.calls if made == operation)
