#!/usr/bin/env python3
"""Write docs/kinds.md from the kinds and their tests. A test tells when it is out of date: `make docs`."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from mac.kinds import Kind, all_kinds

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/kinds.md"

HEAD = """\
# Kinds of resources

Written by `make docs` from the kinds themselves, one module each in `mac/kinds/`, and from their tests.

**Scope**: whether a kind is read in each region of an account, or once for all of them. **Actions**: what IAM
must allow; `mac inventory iam-policy` prints them as a policy. **CloudWatch**: the namespaces of its metrics.
**Facts**: labels that a standard may match by, beside those that come from tags.

**Tested**: `server` is read over HTTP from an embedded AWS (moto), with its tags, and page by page where that
one pages. `recorded` is read from answers in AWS's shapes, which botocore checks against its own model of the
service, since the embedded AWS does not serve the kind. `file` is not in AWS, but listed in a file
([inventory.md](inventory.md)). None has been run against AWS itself.
"""


def page() -> str:
    rows = [["Kind", "What", "Scope", "Actions", "CloudWatch", "Facts", "Tested"], ["---"] * 7]
    tested = _tested()
    rows += [_row(kind, tested[name]) for name, kind in all_kinds().items()]
    return HEAD + "\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _row(kind: Kind, tested: str) -> list[str]:
    return [
        f"`{kind.name}`",
        kind.title,
        "account" if kind.global_ else "region" if kind.service else "–",
        _code(sorted(set(kind.calls.values()))),
        _code(kind.namespaces),
        _code(kind.fact_names),
        tested,
    ]


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words) or "–"


def _tested() -> dict[str, str]:
    """Kind → how it is tested, as the test modules say themselves."""
    found: dict[str, str] = {}
    for module in sorted((ROOT / "tests").glob("test_kinds*.py")):
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                how = {"SERVED": "server", "STUBBED": "recorded", "LISTED": "file"}.get(node.targets[0].id)
                if how:
                    found |= dict.fromkeys(ast.literal_eval(node.value), how)
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
