"""Parsing answers: the same values as botocore's own parsers, from the same bytes."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore import parsers
from botocore.session import Session
from botocore.utils import parse_timestamp
from conftest import PROJECT

from mac.kinds import all_kinds
from mac.parsing import ParserFactory, timestamp


def _fake() -> Any:
    spec = importlib.util.spec_from_file_location("fake_aws", PROJECT / "benchmarks/fake_aws.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_aws"] = module
    spec.loader.exec_module(module)
    return module


fake = _fake()
CALLS = sorted({(kind.service, call) for kind in all_kinds().values() for call in kind.calls})


@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_every_answer_reads_as_botocore_reads_it(service: str, operation: str) -> None:
    place = (fake.account_id(0), "us-east-1")
    answers = fake.Answers({place: 120})
    variant = answers.variant(service, operation, b"", place)
    response = {
        "body": answers.body(service, operation, variant, *place),
        "headers": {},
        "status_code": 200,
    }
    model = Session().get_service_model(service)
    shape = model.operation_model(operation).output_shape
    protocol = model.resolved_protocol
    own = ParserFactory().create_parser(protocol).parse(response, shape)
    theirs = parsers.ResponseParserFactory().create_parser(protocol).parse(response, shape)
    assert own == theirs
    # An answer without anything in it would compare nothing. A hook of botocore's reads that of this one.
    assert len(own) > 1 or operation == "GetBucketLocation"


def _parsed(factory: Any, body: str, operation: str, status: int = 200, service: str = "ec2") -> Any:
    model = Session().get_service_model(service)
    response = {"body": body.encode(), "headers": {}, "status_code": status}
    shape = model.operation_model(operation).output_shape
    return factory.create_parser(model.resolved_protocol).parse(response, shape)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("<DescribeInstancesResponse/>", 200),
        ("<DescribeInstancesResponse><reservationSet/><nextToken/></DescribeInstancesResponse>", 200),
        (
            '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r'
            "</requestId><unknown>1</unknown><reservationSet><item><ownerId>1</ownerId></item></reservationSet>"
            "<reservationSet><item><ownerId>2</ownerId></item></reservationSet></DescribeInstancesResponse>",
            200,
        ),
        (
            "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1"
            "</instanceId><launchTime>2026-03-04T05:06:07.000Z</launchTime><ebsOptimized>true"
            "</ebsOptimized><amiLaunchIndex>3</amiLaunchIndex><tagSet><item><key>k</key><value> é\n"
            "</value></item></tagSet></item></instancesSet></item></reservationSet>"
            "</DescribeInstancesResponse>",
            200,
        ),
        (
            "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>no</Message></Error>"
            "</Errors><RequestID>r</RequestID></Response>",
            503,
        ),
    ],
)
def test_empty_repeated_unknown_and_refused_read_alike(body: str, status: int) -> None:
    both = [
        _parsed(f, body, "DescribeInstances", status)
        for f in (ParserFactory(), parsers.ResponseParserFactory())
    ]
    assert both[0] == both[1]


def test_a_body_that_is_cut_is_an_error() -> None:
    with pytest.raises(parsers.ResponseParserError):
        _parsed(ParserFactory(), "<DescribeInstancesResponse><reservationSet>", "DescribeInstances")


@pytest.mark.parametrize(
    "value",
    [
        *("2026-03-04T05:06:07.000Z", "2026-03-04T05:06:07Z", "2026-03-04T05:06:07.123456Z"),
        *("2026-03-04T05:06:07+02:00", "Wed, 04 Mar 2026 05:06:07 GMT", "1772600767", 1772600767.5, 0),
        *("20260304T050607Z", "2026-03-04", "2026-03-04T05:06:07.1234567Z"),
    ],
)
def test_a_time_is_the_same_as_botocores(value: Any) -> None:
    assert timestamp(value) == parse_timestamp(value)


def test_a_time_of_aws_is_in_utc() -> None:
    found = timestamp("2026-03-04T05:06:07.000Z")
    assert found == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert found.utcoffset() == datetime(2026, 1, 1, tzinfo=UTC).utcoffset()


def test_what_is_no_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="Invalid timestamp"):
        timestamp("2026-13-45T05:06:07Z")


def test_tags_that_repeat_are_kept_once() -> None:
    item = "<item><key>team</key><value>data-platform</value></item>"
    body = f"<DescribeTagsResponse><tagSet>{item}{item}</tagSet></DescribeTagsResponse>"
    first, second = _parsed(ParserFactory(), body, "DescribeTags")["Tags"]
    assert first["Value"] is second["Value"]
