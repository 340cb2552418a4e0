"""The kinds of AWS resources that mac reads, one module each: a new module here is a new kind."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from mac.kinds.kind import Kind, no_endpoints

_FRAME = "kind"  # the module that declares what a kind is

DEFAULT = (
    *("autoscaling-group", "dynamodb-table", "ec2-instance", "elasticache-cluster", "emr-cluster"),
    *("emr-instance-group", "lambda-function", "load-balancer", "rds-instance", "s3-bucket", "sqs-queue"),
    "target-group",
)
"""What an inventory reads that names no kinds, beside the kinds that its standards are for: machines, what
they belong to, and the services that a data platform stands on. Every further kind costs its calls in each
account and region, so it is asked for (`kinds: all`, or by name)."""

__all__ = ["DEFAULT", "Kind", "all_kinds", "aws_kinds", "has_endpoints", "names"]


@cache
def names() -> tuple[str, ...]:
    """The names of all kinds, sorted; imports none of them."""
    return tuple(sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__) if m.name != _FRAME))


@cache
def all_kinds() -> Mapping[str, Kind]:
    """Every kind by its name, sorted. A module without KIND, or with another name's, is a bug."""
    found: dict[str, Kind] = {}
    for name in names():
        module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
        kind = getattr(module, "KIND", None)
        if not isinstance(kind, Kind):
            raise TypeError(f"{module.__name__} does not export a KIND")
        if kind.name != name:
            raise ValueError(f"{module.__name__} must hold the kind {name}, not {kind.name}")
        found[name] = kind
    return MappingProxyType(found)


@cache
def aws_kinds() -> Mapping[str, Kind]:
    """Those that are in AWS, and so can be read from it."""
    return MappingProxyType({name: kind for name, kind in all_kinds().items() if kind.service})


def has_endpoints(name: str) -> bool:
    """Whether mac knows where resources of a kind answer from outside."""
    return all_kinds()[name].endpoints is not no_endpoints
