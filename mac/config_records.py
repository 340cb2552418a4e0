"""What AWS Config records of a resource, as the service itself describes it, for the kinds' own transforms.

Config writes the answer of the service's own call with other capitals (`dBInstanceArn`, `dNSName`,
`targetGroupARNs`), sometimes wraps a word (`{"value": "…"}`), and keeps tags apart. So each field is found in
botocore's model of the service without regard to case. The spelling was looked up in the property lists that
AWS publishes (awslabs/aws-config-resource-schema); none of it was run against AWS.

What Config does not tell is not there: the notice before a spot interruption, the machines of warm pools,
whether a tag of an autoscaling group is given to its machines (taken as not), the only IPv6 address of a
machine without IPv4, and, by that list, the dead letter queue of a queue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mac.kinds import all_kinds
from mac.kinds.kind import Place, Raw
from mac.model import Resource

Shape = Any
"""botocore's model of a structure."""

_MILLISECONDS = 10**11  # a larger number of seconds would be after the year 5000
_GONE = frozenset(["ResourceDeleted", "ResourceDeletedNotRecorded", "ResourceNotRecorded"])


def _pairs(row: Raw) -> list[dict[str, str]]:
    return [{"Key": tag["key"], "Value": tag.get("value") or ""} for tag in row.get("tags") or ()]


def _mapping(row: Raw) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in _pairs(row)}


def _group(raw: dict[str, Any], row: Raw) -> dict[str, Any]:
    told = {tag["Key"]: tag for tag in raw.get("Tags") or ()}
    tags = [{"PropagateAtLaunch": False, **told.get(pair["Key"], {}), **pair} for pair in _pairs(row)]
    return {"Instances": [], **raw, "Tags": tags}


def _queue(raw: dict[str, Any], row: Raw) -> dict[str, Any]:
    policy = raw.get("RedrivePolicy")
    text = policy if isinstance(policy, str | None) else json.dumps(policy)
    return {**raw, "RedrivePolicy": text, "Tags": _mapping(row)}


@dataclass(frozen=True, slots=True)
class Record:
    """How Config describes a kind: its own `type`, the service and shape that `configuration` follows (none:
    it is taken as it is), and what is added from beside it."""

    type: str
    service: str
    shape: str
    add: Callable[[dict[str, Any], Raw], dict[str, Any]] = lambda raw, row: {**raw, "Tags": _pairs(row)}


RECORDS: Mapping[str, Record] = {
    "autoscaling-group": Record(
        "AWS::AutoScaling::AutoScalingGroup", "autoscaling", "AutoScalingGroup", _group
    ),
    "dynamodb-table": Record("AWS::DynamoDB::Table", "dynamodb", "TableDescription"),
    "ec2-instance": Record("AWS::EC2::Instance", "ec2", "Instance"),
    "lambda-function": Record(
        "AWS::Lambda::Function",
        "lambda",
        "FunctionConfiguration",
        lambda raw, row: {**raw, "Tags": _mapping(row)},
    ),
    "load-balancer": Record("AWS::ElasticLoadBalancingV2::LoadBalancer", "elbv2", "LoadBalancer"),
    "rds-instance": Record(
        "AWS::RDS::DBInstance", "rds", "DBInstance", lambda raw, row: {**raw, "TagList": _pairs(row)}
    ),
    "s3-bucket": Record(
        "AWS::S3::Bucket",
        "s3",
        "Bucket",
        lambda raw, row: {**raw, "Tags": _pairs(row), "Region": row["awsRegion"]},
    ),
    "sqs-queue": Record("AWS::SQS::Queue", "sqs", "", _queue),
}
"""The kinds that Config describes well enough, by their names."""


def resource(kind: str, row: Raw, partition: str, shape: Shape) -> Resource | None:
    """The resource that the kind's own call would give. `row`: one result of a query, `shape`: the kind's.

    None for what does not exist any more. Raises LookupError, TypeError or ValueError for a row of another
    form.
    """
    if row.get("configurationItemStatus") in _GONE:
        return None
    configuration = _json(row["configuration"])
    raw = respelt(shape, configuration) if shape is not None else dict(configuration)
    arn = str(row.get("arn") or "").split(":")
    place = Place(row["accountId"], row["awsRegion"], arn[1] if len(arn) > 1 else partition)
    return all_kinds()[kind].transform(place, RECORDS[kind].add(raw, row))


def _json(value: Any) -> Any:
    """Config puts JSON into a text in some of its answers."""
    return json.loads(value) if isinstance(value, str) else value


def respelt(shape: Shape, value: Any) -> Any:
    """A value of Config's in the service's own spelling and types; fields that the service does not have are
    left out, and so is a time in a form that cannot be read."""
    if value is None:
        return None
    match shape.type_name:
        case "structure":
            names = {name.lower(): name for name in shape.members}
            known = ((names.get(key.lower()), inner) for key, inner in value.items())
            return {name: respelt(shape.members[name], inner) for name, inner in known if name}
        case "list":
            return [respelt(shape.member, inner) for inner in value]
        case "map":
            return {key: respelt(shape.value, inner) for key, inner in value.items()}
    if isinstance(value, dict):
        value = value.get("value")
    return _instant(value) if shape.type_name == "timestamp" else value


def _instant(value: Any) -> datetime | None:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC)
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
