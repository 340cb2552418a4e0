"""The CloudFormation templates of what brings AWS's events to mac: EventBridge rules, a queue, permissions.

Pure. The hub is where the queue is, in one account and region. Each other account and region forwards its
events to the hub's event bus; from its default bus an event goes on once at most, so there is no other way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from mac.event_scopes import RULES, Rule
from mac.iam import POLICY_VERSION, TEMPLATE_VERSION
from mac.sqs import READING

QUEUE, BUS = "mac-sync-events", "mac-sync"

# A complete reading makes up for whatever is older, so that older events are worth nothing.
_RETENTION = 900  # seconds
_VISIBILITY = 60  # in which a message is deleted that was received
_RECEIPTS = 5
_DEAD_FOR = 14 * 24 * 3600  # the most that SQS has
_ORGANIZATION = "^o-[a-z0-9]{10,32}$"
_BUS_ARN = "^arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/.+$"

Json = dict[str, Any]


def patterns(kinds: Collection[str]) -> dict[str, Json]:
    """Rule's name → event pattern, for the events that put any of these kinds out of date.

    One for what services say of themselves, and one for each sort of thing whose tags matter.
    """
    wanted = [rule for rule in RULES if not set(rule.kinds).isdisjoint(kinds)]
    found: dict[str, Json] = {}
    plain = [rule for rule in wanted if rule.about is None]
    if plain:
        found["Changes"] = {
            "source": sorted({rule.source for rule in plain}),
            "detail-type": sorted({rule.detail_type for rule in plain}),
        }
    about: dict[tuple[str, str], list[Rule]] = defaultdict(list)
    for rule in wanted:
        if rule.about:
            about[rule.about].append(rule)
    for (service, kind), rules in sorted(about.items()):
        found[f"Tags{service.capitalize()}{kind.capitalize()}"] = {
            "source": sorted({rule.source for rule in rules}),
            "detail-type": sorted({rule.detail_type for rule in rules}),
            "detail": {"service": [service], "resource-type": [kind]},
        }
    return found


def hub(kinds: Collection[str], *, accounts: Sequence[str] = (), organization: bool = False) -> Json:
    """The queue with the rules of its own account and region, and the bus to which others forward.

    `accounts`: those that may forward; `organization`: all of one, whose id the template asks for. Without
    either there is no bus.
    """
    found = patterns(kinds)
    resources: Json = {
        "DeadLetters": _queue(f"{QUEUE}-dead", MessageRetentionPeriod=_DEAD_FOR),
        "Queue": _queue(
            QUEUE,
            MessageRetentionPeriod=_RETENTION,
            VisibilityTimeout=_VISIBILITY,
            ReceiveMessageWaitTimeSeconds=20,
            RedrivePolicy={"deadLetterTargetArn": _arn("DeadLetters"), "maxReceiveCount": _RECEIPTS},
        ),
    }
    rules = {name: _rule(pattern, _to_queue()) for name, pattern in found.items()}
    forwards = bool(accounts) or organization
    if forwards:
        resources["Bus"] = {"Type": "AWS::Events::EventBus", "Properties": {"Name": BUS}}
        resources |= _forwarding(accounts, organization)
        rules |= {
            f"Forwarded{name}": _rule(pattern, _to_queue(), bus=_arn("Bus"))
            for name, pattern in found.items()
        }
    resources |= rules
    for queue in ("DeadLetters", "Queue"):
        resources[f"{queue}Policy"] = _only_from(queue, sorted(rules))
    resources["ReaderPolicy"] = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "Description": "Lets mac sync read the queue of events, and nothing else.",
            "PolicyDocument": reader(_arn("Queue")),
        },
    }
    template: Json = {
        "AWSTemplateFormatVersion": TEMPLATE_VERSION,
        "Description": "The queue of events that mac sync reads.",
        "Resources": resources,
        "Outputs": {
            "QueueArn": {"Description": "sync.events.queue of mac.yaml", "Value": _arn("Queue")},
            "ReaderPolicyArn": {
                "Description": "For the role or user that mac sync runs as",
                "Value": {"Ref": "ReaderPolicy"},
            },
        },
    }
    if forwards:
        template["Outputs"]["BusArn"] = {
            "Description": "The parameter HubBus of the other accounts and regions",
            "Value": _arn("Bus"),
        }
    if organization:
        template["Parameters"] = {
            "OrganizationId": {
                "Type": "String",
                "Description": "The organization whose accounts may forward their events.",
                "AllowedPattern": _ORGANIZATION,
            }
        }
    return template


def spoke(kinds: Collection[str]) -> Json:
    """What forwards an account's events of one region to the hub: for a stack set over both.

    It is not for the hub's own account and region, whose events would come twice.
    """
    return {
        "AWSTemplateFormatVersion": TEMPLATE_VERSION,
        "Description": "Forwards the events that mac sync reads to its event bus.",
        "Parameters": {
            "HubBus": {
                "Type": "String",
                "Description": "BusArn among the outputs of the hub.",
                "AllowedPattern": _BUS_ARN,
            }
        },
        "Resources": {
            "Forwarder": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "Description": "Lets EventBridge forward events to the event bus of mac sync.",
                    "AssumeRolePolicyDocument": {
                        "Version": POLICY_VERSION,
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": {"Service": "events.amazonaws.com"},
                                "Action": "sts:AssumeRole",
                            }
                        ],
                    },
                    "Policies": [
                        {
                            "PolicyName": "mac-sync-forward",
                            "PolicyDocument": {
                                "Version": POLICY_VERSION,
                                "Statement": [
                                    {
                                        "Effect": "Allow",
                                        "Action": "events:PutEvents",
                                        "Resource": {"Ref": "HubBus"},
                                    }
                                ],
                            },
                        }
                    ],
                },
            },
            **{
                name: _rule(
                    pattern,
                    {"Id": "hub", "Arn": {"Ref": "HubBus"}, "RoleArn": _arn("Forwarder"), **_impatient()},
                )
                for name, pattern in patterns(kinds).items()
            },
        },
    }


def reader(queue: str | Json) -> Json:
    """The IAM policy of who reads the queue: its ARN, or a template's reference to it."""
    statement = {"Sid": "MacReadsEvents", "Effect": "Allow", "Action": list(READING), "Resource": queue}
    return {"Version": POLICY_VERSION, "Statement": [statement]}


def _arn(resource: str) -> Json:
    return {"Fn::GetAtt": [resource, "Arn"]}


def _queue(name: str, **properties: Any) -> Json:
    return {
        "Type": "AWS::SQS::Queue",
        "Properties": {"QueueName": name, "SqsManagedSseEnabled": True, **properties},
    }


def _to_queue() -> Json:
    dead = {"DeadLetterConfig": {"Arn": _arn("DeadLetters")}}
    return {"Id": "queue", "Arn": _arn("Queue"), **dead, **_impatient()}


def _impatient() -> Json:
    return {"RetryPolicy": {"MaximumEventAgeInSeconds": _RETENTION, "MaximumRetryAttempts": 100}}


def _rule(pattern: Json, target: Json, bus: Json | None = None) -> Json:
    return {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Description": "What mac sync reads anew after.",
            **({"EventBusName": bus} if bus else {}),
            "EventPattern": pattern,
            "State": "ENABLED",
            "Targets": [target],
        },
    }


def _forwarding(accounts: Sequence[str], organization: bool) -> dict[str, Json]:
    """Who may send to the bus: a statement for accounts, and one for an organization."""
    who: dict[str, Json] = {}
    if accounts:
        roots = [{"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{each}:root"} for each in sorted(set(accounts))]
        who["Accounts"] = {"Principal": {"AWS": roots}}
    if organization:
        member = {"StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}}}
        who["Organization"] = {"Principal": "*", "Condition": member}
    return {
        f"Bus{name}": {
            "Type": "AWS::Events::EventBusPolicy",
            "Properties": {
                "EventBusName": {"Ref": "Bus"},
                "StatementId": f"Mac{name}Forward",
                "Statement": {
                    "Effect": "Allow",
                    "Action": "events:PutEvents",
                    "Resource": _arn("Bus"),
                    **principal,
                },
            },
        }
        for name, principal in who.items()
    }


def _only_from(queue: str, rules: Sequence[str]) -> Json:
    """Nobody but these rules sends, and nobody without TLS."""
    statements: list[Json] = [
        {
            "Sid": "MacRulesSend",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": _arn(queue),
            "Condition": {"ArnEquals": {"aws:SourceArn": [_arn(each) for each in rules]}},
        },
        {
            "Sid": "MacRefusesPlainText",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": _arn(queue),
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ]
    return {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": queue}],
            "PolicyDocument": {"Version": POLICY_VERSION, "Statement": statements},
        },
    }
