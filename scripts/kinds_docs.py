#!/usr/bin/env python3
"""Write docs/kinds.md from what the kinds declare, and from how the tests read them.

A test tells when it is out of date: `make docs`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from mac import iam
from mac.kinds import Kind, all_kinds, has_endpoints
from mac.model import Lifecycle, Resource

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/kinds.md"

HEAD = """\
# Kinds of AWS resources

Written by `make docs` from the modules in `mac/kinds/`, one a kind, and from their tests. A standard names a
kind in `spec.applies_to.kind`, and may match by the kind's *facts* beside the labels that every resource has
(`service`, `role`, `environment`, `team`, `account`, `region`, `resource_id`).

{kinds}

Only a resource that is *in service* is watched. One that is starting is not expected to answer yet; one that
is leaving, being terminated or stopped on purpose, leaves without an alert. One that has ended is not in the
inventory. A state that is not listed counts as in service, so that a state nobody thought of is watched and
not passed over.

## What was run against what

A kind that is tested on a `server` is read over HTTP, with its tags and in pages where it has some, from the
server of [moto](https://github.com/getmoto/moto), each time the tests run. A `recorded` one is not served by
moto: it is read from made-up answers in the shape of AWS's API, which botocore checks against its own model
of the service. So is what moto lacks of a kind that it serves: EMR instance fleets, machines in warm pools,
the second page of a list of buckets. A kind that is tested from a `file` is not in AWS, but stands in a file
of resources ([inventory.md](inventory.md)) or in the document of a service ([endpoints.md](endpoints.md));
those of `monitoring` are told by `mac.yaml` ([standards.md](standards.md#the-standard-document)).

**Nothing was run against real AWS.** That the IAM actions suffice was not tried, since moto grants
everything; nor does it show throttling or eventual consistency. The first run on an account of your own
tells: a call that is denied makes its scope `denied`, with the call's name.

## What reading takes

`mac inventory iam-policy` prints the policy for the kinds that `inventory/aws.yaml` names: the actions below
and `{always}`, which tells a disabled region from one that fails. No action changes anything, and none
reads what is inside a bucket, queue, table or database.

A scope is what is read, fails and is kept as one: a kind in a region of an account. A kind whose scope is
*the account* has one list for all regions; of `s3-bucket`, what lies outside of the inventory's regions is
left out.
"""


HOW = {"SERVED": "server", "STUBBED": "recorded", "LISTED": "file", "TOLD": "mac.yaml"}


def page() -> str:
    kinds = all_kinds().values()
    tested = _tested()
    rows = [f"| [`{k.name}`](#{k.name}) | {k.title} | {tested[k.name]} |" for k in kinds]
    listed = "\n".join(["| kind | what it is | tested |", "|---|---|---|", *rows])
    always = next(iter(iam.policy([])["Statement"][0]["Action"]))
    return "\n".join([HEAD.format(kinds=listed, always=always), *(section(kind) for kind in kinds)])


def section(kind: Kind) -> str:
    rows = [
        ("calls", _words(f"{kind.service}:{call}" for call in kind.calls)),
        ("IAM actions", _words(sorted(set(kind.calls.values())))),
        ("scope", _scope(kind)),
        ("facts", _words(kind.fact_names)),
        ("CloudWatch namespace", _words(kind.namespaces)),
        ("CloudWatch dimensions", _words(name for name, _ in kind.dimensions(_sample(kind)))),
        ("CloudWatch parts", _words(kind.parts)),
        ("endpoints", "[probed](endpoints.md#what-is-probed)" if has_endpoints(kind.name) else ""),
        *((str(lifecycle), _words(_states(kind, lifecycle))) for lifecycle in Lifecycle),
    ]
    table = "\n".join(f"| {name} | {words} |" for name, words in rows if words)
    return f"## {kind.name}\n\n| {kind.title} | |\n|---|---|\n{table}\n"


def _scope(kind: Kind) -> str:
    if not kind.service:
        return ""
    return "the account" if kind.global_ else "account and region"


def _states(kind: Kind, lifecycle: Lifecycle) -> Iterator[str]:
    """AWS's words. `""` is a resource without a state, which is how AWS shows one that is well."""
    return (state or "(none)" for state, meaning in kind.states.items() if meaning is lifecycle)


def _sample(kind: Kind) -> Resource:
    balancer = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/x/0"
    links = {"load-balancer": (balancer,)}
    return Resource(arn=balancer, kind=kind.name, account="", region="", id="x", links=links)


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _tested() -> dict[str, str]:
    """Kind → how it is tested, as the test modules say themselves."""
    found: dict[str, str] = {}
    for module in sorted((ROOT / "tests").glob("test_kinds*.py")):
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                how = HOW.get(node.targets[0].id)
                if how:
                    found |= dict.fromkeys(ast.literal_eval(node.value), how)
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
