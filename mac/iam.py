"""The IAM policies that let mac read, and nothing else: made from what the kinds declare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from mac import regions
from mac.kinds import Kind

POLICY_VERSION = "2012-10-17"  # the version of IAM's policy language
TEMPLATE_VERSION = "2010-09-09"  # the version of CloudFormation's templates

# They tell a disabled region from a failing one. GetCallerIdentity needs no permission.
_ALWAYS = frozenset(regions.CALLS.values())

PRINCIPAL = "arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/.+)"
"""The ARN of who may take on a role, as a regular expression of the whole."""

Json = dict[str, Any]


def policy(kinds: Iterable[Kind], role_arns: Iterable[str] = (), listing: Kind | None = None) -> Json:
    """An identity policy that allows reading these kinds, and taking on these roles if any.

    `listing`: the calls that list an organization's accounts. The calls are lists and descriptions, most of
    which IAM cannot limit to single resources.
    """
    statements = _reading(kinds)
    if listing:
        statements.append(
            {
                "Sid": "MacListsAccounts",
                "Effect": "Allow",
                "Action": sorted(listing.calls.values()),
                "Resource": "*",
            }
        )
    roles = sorted(set(role_arns))
    if roles:
        statements.append(
            {"Sid": "MacEntersAccounts", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": roles}
        )
    return {"Version": POLICY_VERSION, "Statement": statements}


def _reading(kinds: Iterable[Kind]) -> list[Json]:
    everywhere = set(_ALWAYS)
    limited: dict[str, set[str]] = defaultdict(set)
    for kind in kinds:
        for action in kind.calls.values():
            everywhere |= set() if kind.only else {action}
            limited[action] |= set(kind.only)
    by_resources: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for action, resources in limited.items():
        if action not in everywhere:
            by_resources[tuple(sorted(resources))].add(action)
    return [
        _statement("MacReadsTheInventory", everywhere, "*"),
        *(
            _statement(f"MacReadsOnly{number}", actions, list(resources))
            for number, (resources, actions) in enumerate(sorted(by_resources.items()), start=1)
        ),
    ]


def _statement(sid: str, actions: Iterable[str], resources: str | list[str]) -> Json:
    return {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": resources}


def trust(principal: str | Json, external_id: str = "") -> Json:
    """Who may take on the role that has the policy, with the external id if there is one.

    The principal is an ARN, or a template's reference to one.
    """
    statement: Json = {
        "Sid": "MacMayEnter",
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "sts:AssumeRole",
    }
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return {"Version": POLICY_VERSION, "Statement": [statement]}


def stack_set(kinds: Iterable[Kind], role: str, principal: str = "", external_id: str = "") -> Json:
    """A CloudFormation template that makes the role in an account: for a stack set over an organization.

    `role` may have a path before its name. The principal is asked for when it is not given. IAM is global:
    one region is enough. Service-managed stack sets do not reach the management account.
    """
    folder, _, name = role.rpartition("/")
    parameter: Json = {
        "Type": "String",
        "Description": "The ARN of the role or user that mac runs as.",
        "AllowedPattern": PRINCIPAL,
    }
    properties: Json = {
        "RoleName": name,
        "Description": "Lets mac read the inventory, and nothing else.",
        "MaxSessionDuration": 3600,
        "AssumeRolePolicyDocument": trust({"Ref": "Principal"}, external_id),
        "Policies": [
            {
                "PolicyName": "mac-inventory",
                "PolicyDocument": {"Version": POLICY_VERSION, "Statement": _reading(kinds)},
            }
        ],
    }
    if folder:
        properties["Path"] = f"/{folder}/"
    return {
        "AWSTemplateFormatVersion": TEMPLATE_VERSION,
        "Description": "The role by which mac reads this account's inventory.",
        "Parameters": {"Principal": parameter | ({"Default": principal} if principal else {})},
        "Resources": {"InventoryRole": {"Type": "AWS::IAM::Role", "Properties": properties}},
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["InventoryRole", "Arn"]}}},
    }
