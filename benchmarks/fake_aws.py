"""An endpoint on loopback that answers for a large fleet, slowly and cheaply. For benchmarks alone.

    .venv/bin/python benchmarks/fake_aws.py --instances 100000 --latency 0.1

Writes its address to standard output and serves until its standard input ends. Every operation that a kind
of mac declares has an answer of the shape of botocore's model of the service, rendered before it is asked
for: what is done for a request is to put the account and the region in. Machines and their groups are as many
as asked for, on pages as AWS has them (1,000 instances, 100 groups with their machines inline); of every
other kind there is one in a scope. A tenth of the fleet is in one account and region, so that there is a
list of many pages; the rest is spread evenly.

It checks no signature and throttles nobody: it is good for measuring time, and proves nothing about AWS.

Requests to `/__bench/` are not AWS's: `stats` (what was asked since the last `reset`), `reset`, `change` (the
first machine of every scope has another type from then on, in the account and region of the query alone).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.model import OperationModel, Shape

from mac.kinds import all_kinds

REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1")
PAGE, GROUP_PAGE, GROUP_SIZE, SPOT = 1000, 100, 50, 10

_ACCOUNT, _REGION = "777700007777", "zz-place-7"  # in rendered answers; a request's own are put in
_PLACES = re.compile(f"({_ACCOUNT}|{_REGION})".encode())
_WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
_TYPES = ("r6g.2xlarge", "m6i.4xlarge")  # before and after the change
# Of the words that a service has for a state, one that means in service.
_GOOD = (
    *("ISSUED", "ACTIVE", "AVAILABLE", "RUNNING", "InService", "active", "available", "running", "healthy"),
    *("in-use", "STARTED", "VALID", "ENABLED", "INSTANCE_GROUP", "PROVISIONED", "STANDARD"),
)
_TOKENS = re.compile(r"(next|continuation)?_?-?(token|marker)|lastevaluatedtablename|position", re.IGNORECASE)
_TAGS = {"service": "search", "role": "index", "environment": "production", "team": "data"}
_DEEP = 7


def account_id(number: int) -> str:
    return f"{100000000000 + number}"


def sizes(instances: int, accounts: int, regions: int) -> list[int]:
    """How many machines are in each account and region, in the order of accounts and then regions."""
    places = accounts * regions
    large = instances // 10 if places > 1 else instances
    share, left = divmod(instances - large, max(places - 1, 1))
    return [large, *(share + (i < left) for i in range(places - 1))]


# --- answers from the service's own model ------------------------------------------------------------


def example(shape: Shape, name: str, above: tuple[str, ...] = ()) -> Any:
    """A value of this shape, small and always the same; None where it would go too deep."""
    if shape.type_name == "structure":
        if shape.name in above or len(above) > _DEEP:
            return None
        if {"Key", "Value"} == set(shape.members) or {"key", "value"} == set(shape.members):
            key, value = sorted(shape.members)
            return {key: "service", value: "search"}
        found = {
            key: example(member, key, (*above, shape.name))
            for key, member in shape.members.items()
            if not _TOKENS.fullmatch(key)
        }
        return {key: value for key, value in found.items() if value is not None}
    if shape.type_name == "list":
        item = example(shape.member, name.rstrip("s"), above)
        return [] if item is None else [item]
    if shape.type_name == "map":
        if shape.value.type_name == "string":
            return dict(_TAGS)
        value = example(shape.value, name, above)
        return {} if value is None else {"one": value}
    if shape.type_name == "string":
        return _text(shape, name)
    return {"boolean": False, "timestamp": _WHEN, "blob": b"x", "double": 1.0, "float": 1.0}.get(
        shape.type_name, 1
    )


def _text(shape: Shape, name: str) -> str:
    known = getattr(shape, "enum", None) or []
    if known:
        return next((word for word in _GOOD if word in known), known[0])
    if name.lower().endswith("arn"):
        return f"arn:aws:service:{_REGION}:{_ACCOUNT}:thing/{name.lower()}-1"
    if name.lower() in ("status", "state") or name.lower().endswith(("status", "state")):
        return "available"
    if "region" in name.lower():
        return _REGION
    return f"{name.lower()}-1"


def _mend(service: str, operation: str, answer: dict[str, Any]) -> None:  # noqa: PLR0912  a table
    """What a model does not tell: fields that must agree with one another."""
    arn = f"arn:aws:{service}:{_REGION}:{_ACCOUNT}"
    tags = [{"Key": key, "Value": value} for key, value in _TAGS.items()]
    balancer = f"{arn}:loadbalancer/app/front/50dc6c495c0c9188"
    group = f"{arn}:targetgroup/front/6d0ecf831eec9f09"
    match service, operation:
        case "elbv2", "DescribeLoadBalancers":
            answer["LoadBalancers"][0]["LoadBalancerArn"] = balancer
        case "elbv2", "DescribeTargetGroups":
            answer["TargetGroups"][0] |= {"TargetGroupArn": group, "LoadBalancerArns": [balancer]}
        case "elbv2", "DescribeTags":
            answer["TagDescriptions"] = [{"ResourceArn": one, "Tags": tags} for one in (balancer, group)]
        case "route53", "ListHostedZones":
            answer["HostedZones"][0]["Id"] = "/hostedzone/Z1"
        case "route53", "ListHealthChecks":
            answer["HealthChecks"][0]["Id"] = "check-1"
        case "route53", "ListTagsForResources":
            answer["ResourceTagSets"] = [{"ResourceId": one, "Tags": tags} for one in ("Z1", "check-1")]
        case "dms", "ListTagsForResource":
            task = f"arn:aws:service:{_REGION}:{_ACCOUNT}:thing/replicationtaskarn-1"
            answer["TagList"] = [{**tag, "ResourceArn": task} for tag in tags]
        case "sqs", "GetQueueAttributes":
            answer["Attributes"] = {
                "QueueArn": f"{arn}:jobs",
                "CreatedTimestamp": "1770000000",
                "VisibilityTimeout": "30",
                "MessageRetentionPeriod": "345600",
            }
        case "acm", "ListCertificates":
            answer["CertificateSummaryList"][0]["InUse"] = True
        case "elasticache", "DescribeCacheClusters":
            answer["CacheClusters"][0]["ARN"] = f"{arn}:cluster:sessions-001"
        case "elasticache", "DescribeReplicationGroups":
            answer["ReplicationGroups"][0]["ARN"] = f"{arn}:replicationgroup:sessions"
        case "ec2", "DescribeSpotInstanceRequests":
            answer["SpotInstanceRequests"] = []  # those that are being taken back
        case "ecs", _:
            answer["failures"] = []
        case "sts", "GetCallerIdentity":
            answer["Account"] = _ACCOUNT
        case "sts", "AssumeRole":
            answer["Credentials"] |= {
                "AccessKeyId": f"ASIA{_ACCOUNT}",
                "SessionToken": "session",
                "Expiration": datetime(2099, 1, 1, tzinfo=UTC),
            }


@cache
def operation_of(service: str, operation: str) -> OperationModel:
    from moto.core.utils import get_service_model  # late: who reads from here shares this module

    return get_service_model(service).operation_model(operation)


def rendered(model: OperationModel, answer: Mapping[str, Any]) -> bytes:
    from moto.core.serialize import get_serializer_class

    service = model.service_model
    made = get_serializer_class(service.service_name, service.resolved_protocol)(operation_model=model)
    body = made.serialize(answer)["body"]
    return body if isinstance(body, bytes) else str(body).encode()


def _machine(number: int, changed: bool) -> dict[str, Any]:
    """One machine as EC2 describes it, all that it says of a common one."""
    host = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    face = f"eni-{number:017x}"
    tags = {**_TAGS, "Name": f"search-index-{number}", "aws:autoscaling:groupName": _group(number)}
    guard = {"GroupId": "sg-0123456789abcdef0", "GroupName": "search"}
    dns = f"ip-{host.replace('.', '-')}.{_REGION}.compute.internal"
    spot = (
        {"InstanceLifecycle": "spot", "SpotInstanceRequestId": f"sir-{number:08x}"}
        if not number % SPOT
        else {}
    )
    return {
        "InstanceId": f"i-{number:017x}",
        "ImageId": "ami-0abcdef1234567890",
        "State": {"Code": 16, "Name": "running"},
        "PrivateDnsName": dns,
        "PublicDnsName": "",
        "StateTransitionReason": "",
        "AmiLaunchIndex": 0,
        "ProductCodes": [],
        "InstanceType": _TYPES[changed],
        "LaunchTime": _WHEN,
        "Placement": {"AvailabilityZone": f"{_REGION}a", "GroupName": "", "Tenancy": "default"},
        "Monitoring": {"State": "disabled"},
        "SubnetId": "subnet-0123456789abcdef0",
        "VpcId": "vpc-0123456789abcdef0",
        "PrivateIpAddress": host,
        "Architecture": "arm64",
        "RootDeviceType": "ebs",
        "RootDeviceName": "/dev/xvda",
        "VirtualizationType": "hvm",
        "ClientToken": f"fleet-{number:032x}",
        "EbsOptimized": True,
        "EnaSupport": True,
        "Hypervisor": "xen",
        "SourceDestCheck": True,
        "SecurityGroups": [guard],
        "IamInstanceProfile": {
            "Arn": f"arn:aws:iam::{_ACCOUNT}:instance-profile/search",
            "Id": "AIPACKCEVSQ6C2EXAMPLE",
        },
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {
                    "VolumeId": f"vol-{number:017x}",
                    "Status": "attached",
                    "AttachTime": _WHEN,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "NetworkInterfaces": [
            {
                "NetworkInterfaceId": face,
                "SubnetId": "subnet-0123456789abcdef0",
                "VpcId": "vpc-0123456789abcdef0",
                "Description": "",
                "OwnerId": _ACCOUNT,
                "Status": "in-use",
                "MacAddress": "02:00:00:00:00:01",
                "PrivateIpAddress": host,
                "PrivateDnsName": dns,
                "SourceDestCheck": True,
                "InterfaceType": "interface",
                "Groups": [guard],
                "Attachment": {
                    "AttachmentId": f"eni-attach-{number:017x}",
                    "DeviceIndex": 0,
                    "NetworkCardIndex": 0,
                    "Status": "attached",
                    "AttachTime": _WHEN,
                    "DeleteOnTermination": True,
                },
                "PrivateIpAddresses": [{"PrivateIpAddress": host, "PrivateDnsName": dns, "Primary": True}],
            }
        ],
        "CpuOptions": {"CoreCount": 8, "ThreadsPerCore": 1},
        "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
        "HibernationOptions": {"Configured": False},
        "MetadataOptions": {
            "State": "applied",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 2,
            "HttpEndpoint": "enabled",
            "HttpProtocolIpv6": "disabled",
            "InstanceMetadataTags": "disabled",
        },
        "EnclaveOptions": {"Enabled": False},
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "UsageOperationUpdateTime": _WHEN,
        "PrivateDnsNameOptions": {"HostnameType": "ip-name", "EnableResourceNameDnsARecord": False},
        "MaintenanceOptions": {"AutoRecovery": "default"},
        "CurrentInstanceBootMode": "uefi",
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        **spot,
    }


def _group(number: int) -> str:
    return f"search-index-{number // GROUP_SIZE}"


def _autoscaling(number: int, machines: int) -> dict[str, Any]:
    first = number * GROUP_SIZE
    name = _group(first)
    wanted = range(first, min(first + GROUP_SIZE, machines))
    return {
        "AutoScalingGroupName": name,
        "AutoScalingGroupARN": f"arn:aws:autoscaling:{_REGION}:{_ACCOUNT}:autoScalingGroup:{number:032x}:"
        f"autoScalingGroupName/{name}",
        "MinSize": 1,
        "MaxSize": 2 * GROUP_SIZE,
        "DesiredCapacity": len(wanted),
        "DefaultCooldown": 300,
        "AvailabilityZones": [f"{_REGION}a"],
        "HealthCheckType": "EC2",
        "HealthCheckGracePeriod": 300,
        "CreatedTime": _WHEN,
        "VPCZoneIdentifier": "subnet-0123456789abcdef0",
        "TerminationPolicies": ["Default"],
        "NewInstancesProtectedFromScaleIn": False,
        "Instances": [
            {
                "InstanceId": f"i-{i:017x}",
                "InstanceType": _TYPES[0],
                "AvailabilityZone": f"{_REGION}a",
                "LifecycleState": "InService",
                "HealthStatus": "Healthy",
                "ProtectedFromScaleIn": False,
            }
            for i in wanted
        ],
        "Tags": [
            {
                "ResourceId": name,
                "ResourceType": "auto-scaling-group",
                "Key": key,
                "Value": value,
                "PropagateAtLaunch": True,
            }
            for key, value in _TAGS.items()
        ],
    }


Variant = tuple[str, ...]
"""What of a request, beside the operation, decides on the answer."""


@dataclass
class Answers:
    """The bodies. `machines`: of each account and region; `changed`: where the first has another type."""

    machines: Mapping[tuple[str, str], int]
    changed: set[tuple[str, str]] = field(default_factory=set)
    _parts: dict[tuple[str, str, Variant], list[bytes]] = field(default_factory=dict)
    _items: dict[tuple[int, bool], bytes] = field(default_factory=dict)

    def variant(self, service: str, operation: str, body: bytes, place: tuple[str, str]) -> Variant:
        if operation in ("DescribeInstances", "DescribeAutoScalingGroups") and service in (
            "ec2",
            "autoscaling",
        ):
            token = re.search(rb"NextToken=p(\d+)", body)
            size = re.search(rb"Max(?:Results|Records)=(\d+)", body)
            most = PAGE if service == "ec2" else GROUP_PAGE
            page = min(int(size.group(1)), most) if size else (most if service == "ec2" else most // 2)
            first = int(token.group(1)) if token else 0
            here = str(self.machines.get(place, 0))
            return (str(first), str(page), here, "changed" if place in self.changed and not first else "")
        if service == "rds":
            engine = re.search(rb"Values?\.?[\w.]*=(docdb|neptune)", body)
            return (engine.group(1).decode() if engine else "mysql",)
        if operation == "AssumeRole":
            role = re.search(rb"iam%3A%3A(\d{12})", body)
            return (role.group(1).decode() if role else "",)
        return ()

    def body(self, service: str, operation: str, variant: Variant, account: str, region: str) -> bytes:
        key = (service, operation, variant)
        parts = self._parts.get(key)
        if parts is None:
            parts = self._parts[key] = _PLACES.split(self._render(service, operation, variant))
        if operation == "AssumeRole":
            account = variant[0]
        filled = parts.copy()
        own = {_ACCOUNT.encode(): account.encode(), _REGION.encode(): region.encode()}
        filled[1::2] = [own[place] for place in parts[1::2]]
        return b"".join(filled)

    def _render(self, service: str, operation: str, variant: Variant) -> bytes:
        model = operation_of(service, operation)
        if service == "ec2" and operation == "DescribeInstances":
            return self._machines(model, *variant)
        answer = example(model.output_shape, operation) if model.output_shape else {}
        if service == "autoscaling" and operation == "DescribeAutoScalingGroups":
            first, page, machines = (int(value) for value in variant[:3])
            groups = -(-machines // GROUP_SIZE)
            last = min(first + page, groups)
            answer = {"AutoScalingGroups": [_autoscaling(i, machines) for i in range(first, last)]}
            if last < groups:
                answer["NextToken"] = f"p{last}"
        if service == "rds":
            for described in (*answer.get("DBClusters", ()), *answer.get("DBInstances", ())):
                described["Engine"] = variant[0]
        _mend(service, operation, answer)
        return rendered(model, answer)

    def _machines(self, model: OperationModel, first: str, page: str, machines: str, changed: str) -> bytes:
        start, end = int(first), min(int(first) + int(page), int(machines))
        answer: dict[str, Any] = {"Reservations": []}
        if end < int(machines):
            answer["NextToken"] = f"p{end}"
        whole = rendered(model, answer)
        if start >= end:
            return whole
        items = b"".join(self._item(model, i, bool(changed) and i == start) for i in range(start, end))
        list_ = re.compile(rb"<reservationSet\s*/>|<reservationSet></reservationSet>")
        full, count = list_.subn(b"<reservationSet>" + items + b"</reservationSet>", whole)
        if not count:  # an empty list may be left out altogether
            full = re.sub(rb"(<DescribeInstancesResponse[^>]*>)", rb"\1@", whole, count=1)
            full = full.replace(b"@", b"<reservationSet>" + items + b"</reservationSet>", 1)
        return full

    def _item(self, model: OperationModel, number: int, changed: bool) -> bytes:
        key = (number, changed)
        if key not in self._items:
            reservation = {"ReservationId": f"r-{number:017x}", "OwnerId": _ACCOUNT, "Groups": []}
            # Rendered once from the model; all others differ from it in a few places.
            if key not in self._items and number > 1 and not changed and number % SPOT:
                pattern = self._item(model, 1, False)
                self._items[key] = _renumbered(pattern, number)
            else:
                answer = {"Reservations": [{**reservation, "Instances": [_machine(number, changed)]}]}
                whole = rendered(model, answer)
                found = re.search(rb"<reservationSet>(.*)</reservationSet>", whole, re.DOTALL)
                if found is None:
                    raise RuntimeError("the machines are not where EC2 has them")
                self._items[key] = found.group(1)
        return self._items[key]


def _renumbered(pattern: bytes, number: int) -> bytes:
    """Machine 1 as another machine."""
    host = (10, number >> 16 & 255, number >> 8 & 255, number & 255)
    replaced = {
        f"{1:032x}": f"{number:032x}",
        f"-{1:017x}": f"-{number:017x}",
        "10.0.0.1": ".".join(map(str, host)),
        "ip-10-0-0-1.": f"ip-{'-'.join(map(str, host))}.",
        ">search-index-1<": f">search-index-{number}<",
        ">search-index-0<": f">{_group(number)}<",
    }
    for old, new in replaced.items():
        pattern = pattern.replace(old.encode(), new.encode())
    return pattern


# --- which operation a request is for ----------------------------------------------------------------


class Routes:
    """Signing name and request → service and operation, for the operations that kinds declare."""

    def __init__(self) -> None:
        self.named: dict[tuple[str, str], tuple[str, str]] = {}
        self.paths: dict[str, list[tuple[str, re.Pattern[str], tuple[str, str]]]] = defaultdict(list)
        wanted = {(k.service, operation) for k in all_kinds().values() for operation in k.calls}
        wanted |= {("sts", "AssumeRole"), ("sts", "GetCallerIdentity")}
        for service, operation in sorted(wanted):
            model = operation_of(service, operation)
            about, name = model.service_model, (service, operation)
            if "json" in about.resolved_protocol and "rest" not in about.resolved_protocol:
                self.named["", f"{about.metadata['targetPrefix']}.{operation}"] = name
            elif "rest" not in about.resolved_protocol:
                self.named[about.metadata["apiVersion"], operation] = name
            else:
                path = re.escape(urlsplit(model.http["requestUri"]).path)
                path = re.sub(r"\\\{[^}]+\\\+\\\}", ".+", path)
                path = re.sub(r"\\\{[^}]+\\\}", "[^/]+", path)
                pattern = re.compile(path.rstrip("/") + "/?")
                self.paths[about.signing_name].append((model.http["method"], pattern, name))

    def find(self, signed: str, method: str, url: str, target: str, body: bytes) -> tuple[str, str]:
        if target:
            return self.named["", target]
        action = re.search(rb"(?:^|&)Action=(\w+)&Version=([\d-]+)", body)
        if action:
            return self.named[action.group(2).decode(), action.group(1).decode()]
        where = urlsplit(url)
        if signed == "s3":
            if "tagging" in where.query:
                return "s3", "GetBucketTagging"
            return "s3", "GetBucketLocation" if "location" in where.query else "ListBuckets"
        for verb, pattern, name in self.paths[signed]:
            if verb == method and pattern.fullmatch(where.path):
                return name
        raise KeyError(f"{signed} {method} {url}")


# --- the server --------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was asked. `answered`: how often each body was, for parsing the same bytes again."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    distinct: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    answered: Counter[tuple[str, str, Variant]] = field(default_factory=Counter)
    sent: int = 0
    flying: int = 0
    peak: int = 0
    unknown: list[str] = field(default_factory=list)
    since: float = field(default_factory=time.process_time)

    def told(self) -> dict[str, Any]:
        return {
            "calls": {":".join(name): count for name, count in sorted(self.calls.items())},
            "distinct": {":".join(name): len(found) for name, found in sorted(self.distinct.items())},
            "answered": [[*name[:2], list(name[2]), count] for name, count in sorted(self.answered.items())],
            "bytes": self.sent,
            "in_flight": self.peak,
            "unknown": sorted(set(self.unknown)),
            "cpu": time.process_time() - self.since,
        }


_SIGNED = re.compile(rb"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target: *([^\r]+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One connection; a request is answered after the latency, requests of a connection one by one."""

    def __init__(self, answers: Answers, routes: Routes, latency: float, tally: list[Tally]) -> None:
        self._answers, self._routes, self._latency, self._tally = answers, routes, latency, tally
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        for head, body in self._requests():
            self._answer(head, body)

    def _requests(self) -> Iterator[tuple[bytes, bytes]]:
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length.group(1)) if length else 0)
            if len(self._buffer) < whole:
                return
            body = bytes(self._buffer[end + 4 : whole])
            del self._buffer[:whole]
            yield head, body

    def _answer(self, head: bytes, body: bytes) -> None:
        method, url, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        if url.startswith("/__bench/"):
            self._write(200, self._told(url))
            return
        tally = self._tally[0]
        signed = _SIGNED.search(head)
        if signed is None:
            tally.unknown.append(f"unsigned {method} {url}")
            self._write(403, b"")
            return
        key, region, service = (part.decode() for part in signed.groups())
        account = key[4:] if key.startswith("ASIA") else account_id(0)
        target = _TARGET.search(head)
        try:
            name = self._routes.find(service, method, url, target.group(1).decode() if target else "", body)
        except KeyError as error:
            tally.unknown.append(str(error))
            self._write(501, b"")
            return
        variant = self._answers.variant(*name, body, (account, region))
        tally.calls[name] += 1
        tally.distinct[name].add(hash((account, region, url, body)))
        tally.answered[*name, variant] += 1
        tally.flying += 1
        tally.peak = max(tally.peak, tally.flying)
        content = self._answers.body(*name, variant, account, region)
        tally.sent += len(content)
        asyncio.get_running_loop().call_later(self._latency, self._land, tally, content)

    def _land(self, tally: Tally, content: bytes) -> None:
        tally.flying -= 1
        self._write(200, content)

    def _write(self, status: int, content: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        kind = b"application/json" if content[:1] in (b"{", b"[") else b"text/xml"
        self._transport.write(
            b"HTTP/1.1 %d X\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(content))
        )
        self._transport.write(content)

    def _told(self, url: str) -> bytes:
        where = urlsplit(url)
        if where.path.endswith("/reset"):
            self._tally[0] = Tally()
        if where.path.endswith("/change"):
            asked = parse_qs(where.query)
            self._answers.changed.add((asked["account"][0], asked["region"][0]))
        return json.dumps(self._tally[0].told()).encode()


def fleet(instances: int, accounts: int, regions: int) -> Answers:
    places = [(account_id(a), region) for a in range(accounts) for region in REGIONS[:regions]]
    return Answers(dict(zip(places, sizes(instances, accounts, regions), strict=True)))


def warm(answers: Answers) -> None:
    """Renders what is large before it is asked for."""
    pages = {
        (str(first), str(PAGE), str(n), "") for n in answers.machines.values() for first in range(0, n, PAGE)
    }
    for variant in sorted(pages):
        answers.body("ec2", "DescribeInstances", variant, _ACCOUNT, _REGION)


async def serve(answers: Answers, latency: float) -> None:
    loop = asyncio.get_running_loop()
    routes, tally = Routes(), [Tally()]
    server = await loop.create_server(
        lambda: Connection(answers, routes, latency, tally), "127.0.0.1", 0, backlog=512
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until whoever started it has gone
    server.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--instances", type=int, default=1000)
    arguments.add_argument("--accounts", type=int, default=50)
    arguments.add_argument("--regions", type=int, default=len(REGIONS))
    arguments.add_argument("--latency", type=float, default=0.1)
    given = arguments.parse_args()
    answers = fleet(given.instances, given.accounts, given.regions)
    warm(answers)
    asyncio.run(serve(answers, given.latency))


if __name__ == "__main__":
    main()
