"""Which scopes of the inventory an event of AWS puts out of date.

An event is never taken for a fact: it only names what is to be read. So it does no harm that events come
twice, late and out of order. Some get lost as well (AWS delivers these with best effort), which the next
complete reading makes up for.

The names and fields are those of AWS's published references:
docs.aws.amazon.com/eventbridge/latest/ref/events-ref-ec2.html, …-autoscaling.html, …-emr.html, …-tag.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mac.event_model import Event
from mac.kinds import (
    autoscaling_group,
    classic_load_balancer,
    ebs_volume,
    ec2_instance,
    emr_cluster,
    emr_instance_group,
    target_group,
)
from mac.model import Scope

# A machine, whatever lists it as a member, and its disks. EMR's groups are not among them: EMR allows few
# calls, sends events of its own, and a machine's tags tell its cluster and its role at once.
_MEMBERSHIP = (
    *(autoscaling_group.NAME, classic_load_balancer.NAME, ebs_volume.NAME, ec2_instance.NAME),
    target_group.NAME,
)
_LIFECYCLE = (autoscaling_group.NAME, ec2_instance.NAME)
_EMR_MACHINES = (ec2_instance.NAME, emr_instance_group.NAME)
_EMR_CLUSTER = (emr_cluster.NAME, *_EMR_MACHINES)


@dataclass(frozen=True, slots=True)
class Rule:
    """Events of this source and type put these kinds out of date, where they happen.

    `about`: the service and the type of resource that they must be about, for events of any.
    """

    source: str
    detail_type: str
    kinds: tuple[str, ...]
    about: tuple[str, str] | None = None


def _of(source: str, kinds: tuple[str, ...], *types: str) -> Iterable[Rule]:
    return (Rule(source, each, kinds) for each in types)


RULES: tuple[Rule, ...] = (
    *_of("aws.ec2", _MEMBERSHIP, "EC2 Instance State-change Notification"),
    # Two minutes before the machine goes: nobody is told then that it does not answer.
    *_of("aws.ec2", _LIFECYCLE, "EC2 Spot Instance Interruption Warning"),
    *_of(
        "aws.autoscaling",
        _MEMBERSHIP,
        "EC2 Instance Launch Successful",
        "EC2 Instance Terminate Successful",
        "EC2 Instance Detach Successful",
    ),
    *_of(
        "aws.autoscaling",
        _LIFECYCLE,
        "EC2 Instance-launch Lifecycle Action",
        "EC2 Instance-terminate Lifecycle Action",
    ),
    *_of("aws.emr", _EMR_CLUSTER, "EMR Cluster State Change"),
    *_of(
        "aws.emr",
        _EMR_MACHINES,
        "EMR Instance Group State Change",
        "EMR Instance Fleet State Change",
        "EMR Unhealthy Node Replacement",
    ),
    # A step makes its cluster run or wait, and its end may be the cluster's.
    *_of("aws.emr", (emr_cluster.NAME,), "EMR Step Status Change"),
    # A tag may make a machine another service's. Machines alone: other resources can wait for a round.
    Rule("aws.tag", "Tag Change on Resource", (ec2_instance.NAME,), about=("ec2", "instance")),
)

_BY_NAME: Mapping[tuple[str, str], Rule] = {(rule.source, rule.detail_type): rule for rule in RULES}
_ACCOUNT, _REGION = re.compile(r"[0-9]{12}"), re.compile(r"[a-z]{2,}(-[a-z0-9]+)+-[0-9]+")
_LONGEST = 1024 * 1024  # bytes: SQS's limit


def read(body: str) -> Event:
    """The event in a message of a queue. Raises ValueError for anything else, with why."""
    try:
        raw = json.loads(body) if len(body) <= _LONGEST else None
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(raw, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  as is said of all that is no event
    found = {key: raw.get(key) for key in ("source", "detail-type", "account", "region")}
    for key, value in found.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f'it has no "{key}"')
    texts: dict[str, str] = {key: str(value) for key, value in found.items()}
    if not _ACCOUNT.fullmatch(texts["account"]) or not _REGION.fullmatch(texts["region"]):
        raise ValueError("its account or its region is none of AWS's")
    detail: Any = raw.get("detail")
    about: Mapping[str, Any] = detail if isinstance(detail, dict) else {}
    kind, type_ = about.get("service"), about.get("resource-type")
    return Event(
        texts["source"],
        texts["detail-type"],
        texts["account"],
        texts["region"],
        kind if isinstance(kind, str) else "",
        type_ if isinstance(type_, str) else "",
    )


def scopes(event: Event) -> frozenset[Scope]:
    """What is to be read anew; empty for an event that says nothing of the inventory.

    The inventory may not have all of them: it need not read these kinds, or this account.
    """
    rule = _BY_NAME.get((event.source, event.detail_type))
    if rule is None or (rule.about and rule.about != (event.kind, event.type)):
        return frozenset()
    return frozenset(Scope(event.account, event.region, kind) for kind in rule.kinds)
