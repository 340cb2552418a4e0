"""The first generation: rules for each machine, a list of machines kept by hand, two ways of grouping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.noise.configurations import Configuration
from benchmarks.noise.overtime import timed
from benchmarks.noise.targets import Target
from mac import emit

RULES = Path(__file__).parent / "rules/first-generation.yml"

UNGROUPED, SHIPPED = "first-generation-ungrouped", "first-generation-shipped"

# The example that Alertmanager's package installs (doc/examples/simple.yml):
# its grouping, its times, its one inhibition, and its split of critical alerts to a pager. Its teams and
# addresses are placeholders, so that one team stands for all here.
GROUPING = ("alertname", "cluster", "service")
_TIMES = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "3h"}
PAGER, MAIL = "pager", "mails"

Document = dict[str, Any]


def alertmanager(group_by: Sequence[str], pages: str = "critical") -> Document:
    """Alertmanager's shipped settings, grouped by `group_by`; `...` is every alert by itself.

    `pages`: the severity that goes to the pager.
    """
    return {
        "route": {
            "receiver": MAIL,
            "group_by": list(group_by),
            **_TIMES,
            "routes": [{"receiver": PAGER, "matchers": [f'severity="{pages}"']}],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['severity="critical"'],
                "target_matchers": ['severity="warning"'],
                "equal": list(GROUPING),
            }
        ],
        "receivers": [
            {"name": name, "webhook_configs": [{"url": "http://127.0.0.1:9/", "send_resolved": True}]}
            for name in (PAGER, MAIL)
        ],
    }


def rule_groups() -> list[Mapping[str, Any]]:
    """The groups of the rule file."""
    document = emit.read_yaml(RULES.read_text(encoding="utf-8"))
    return list(document["groups"])


def configurations(
    targets: Sequence[Target], cloudwatch: Mapping[str, Mapping[str, str]], begin: float, end: float
) -> tuple[Configuration, Configuration]:
    """Without grouping, and with the shipped settings; the same rules on the same list."""
    rules = timed(((RULES.name, group) for group in rule_groups()), begin, end)
    return (
        Configuration(UNGROUPED, rules, tuple(targets), alertmanager(["..."]), cloudwatch),
        Configuration(SHIPPED, rules, tuple(targets), alertmanager(GROUPING), cloudwatch),
    )
