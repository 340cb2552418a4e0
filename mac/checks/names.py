"""Names that must be unique: rule groups, rules with all their labels, scrape jobs, receivers, intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from mac.checks.tree import Rule, Tree
from mac.problems import Location, Problem


def check(tree: Tree) -> Iterator[Problem]:
    """Problems of code generated-name."""
    for path, document, _ in tree.entries("rules"):
        names = (str(group.get("name")) for group in document.get("groups", ()))
        yield from _twice(path, "rule group", names)
    for path, document, _ in tree.entries("prometheus"):
        jobs = (str(scrape.get("job_name")) for scrape in document.get("scrape_configs", ()))
        yield from _twice(path, "scrape job", jobs)
    for path, document, _ in tree.entries("alertmanager"):
        for what, key in (("receiver", "receivers"), ("time interval", "time_intervals")):
            yield from _twice(path, what, (str(item.get("name")) for item in document.get(key, ())))
    for rules in tree.cells.values():
        yield from _same_rules(tree, rules)


def _twice(path: str, what: str, names: Iterable[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            message = f'{count} times there is a {what} named "{name}"'
            yield Problem(Location(path), "generated-name", message)


def _same_rules(tree: Tree, rules: Iterable[Rule]) -> Iterator[Problem]:
    """One Prometheus cannot tell apart two rules that agree in name and labels: one overwrites the other."""
    seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
    for rule in rules:
        identity = (rule.name, frozenset(rule.labels.items()))
        if identity in seen:
            what = "alert" if rule.alerting else "recording rule"
            yield tree.problem(
                rule,
                "generated-name",
                f"this {what} exists twice with the same labels in one Prometheus",
                "give one of them another name, or a label of its own",
            )
        seen.add(identity)
