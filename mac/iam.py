"""The IAM policy that lets mac read, and nothing else: made from what the kinds declare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mac.kinds import Kind

POLICY_VERSION = "2012-10-17"  # the version of IAM's policy language

# Tells a disabled region from a failing one. GetCallerIdentity needs no permission.
_ALWAYS = "ec2:DescribeRegions"


def policy(kinds: Iterable[Kind], role_arns: Iterable[str] = ()) -> dict[str, Any]:
    """An identity policy that allows reading these kinds, and taking on these roles if any.

    The calls are lists and descriptions, most of which IAM cannot limit to single resources.
    """
    actions = sorted({_ALWAYS, *(action for kind in kinds for action in kind.calls.values())})
    statements: list[dict[str, Any]] = [
        {"Sid": "MacReadsTheInventory", "Effect": "Allow", "Action": actions, "Resource": "*"}
    ]
    roles = sorted(set(role_arns))
    if roles:
        statements.append(
            {"Sid": "MacEntersAccounts", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": roles}
        )
    return {"Version": POLICY_VERSION, "Statement": statements}
