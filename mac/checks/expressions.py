"""Expressions: every one is PromQL, reads series that exist, and names labels that its series have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from mac import conventions, promql
from mac.checks.tree import Rule, Tree
from mac.model import Json
from mac.problems import Location, Problem, Severity, did_you_mean
from mac.promql import Expression, Failure

KNOWN_LABELS = (
    *conventions.TAXONOMY,
    *(conventions.ACCOUNT, conventions.REGION, conventions.ZONE, conventions.RESOURCE_ID, conventions.CELL),
    *(conventions.STANDARD, conventions.SEVERITY, conventions.TIER, conventions.OUTAGE, conventions.OVERRIDE),
    *(conventions.REACH, conventions.REMINDER),
    *("instance", "job"),
)
_LONG = 6
"""Labels shorter than this are one letter away from too many honest words (role, rule)."""


def check(tree: Tree) -> Iterator[Problem]:
    """Problems of the expressions of all rules and dashboards."""
    anywhere = frozenset(rule.name for rule in tree.rules if not rule.alerting)
    jobs = {cell: _jobs(document) for cell, document in _prometheus(tree)}
    every_job = frozenset(job for found in jobs.values() for job in found)
    for whole, shards in tree.shards.items():
        jobs[whole] = frozenset(job for shard in shards for job in jobs.get(shard, ()))
    for cell, rules in tree.cells.items():
        recorded = tree.recorded[cell]
        for rule in rules:
            parsed = promql.parse(rule.expr)
            if isinstance(parsed, Failure):
                yield _failed(tree, rule, parsed)
                continue
            if any(":" in metric for metric in parsed.metrics):
                yield from _recorded(tree, rule, parsed, recorded.keys(), anywhere)
            yield from _collected(tree, rule, parsed, jobs.get(cell), every_job)
            yield from _misspelt(tree, rule, parsed)
            for complaint in tree.result(rule, parsed).complaints:
                yield tree.problem(rule, "promql-label", complaint, severity=Severity.WARNING)
    yield from _dashboards(tree)


def _failed(tree: Tree, rule: Rule, failure: Failure) -> Problem:
    code = "promql-unsupported" if failure.unsupported else "promql-syntax"
    shown = _line(rule.expr, failure)
    message = f"{failure.message}, in: {shown}" if shown else failure.message
    return tree.problem(rule, code, message, failure.hint, word=_word(rule.expr, failure))


def _word(expr: str, failure: Failure) -> str:
    """The part of an expression that a failure points at."""
    if not failure.line:
        return ""
    start = failure.column - 1
    return expr.split("\n")[failure.line - 1][start : start + failure.length]


def _line(expr: str, failure: Failure) -> str:
    lines = expr.split("\n")
    text = lines[failure.line - 1] if failure.line else " ".join(lines)
    text = text.strip()
    return text if len(text) <= 160 else text[:159] + "…"


def _recorded(
    tree: Tree, rule: Rule, parsed: Expression, here: Any, anywhere: frozenset[str]
) -> Iterator[Problem]:
    """Series with a colon in their name come from recording rules, of the same Prometheus. Where nobody tells
    of lost zones, there are none.
    """
    for metric in sorted(parsed.metrics):
        if ":" not in metric or metric in here or metric == conventions.ZONE_LOST:
            continue
        if metric in anywhere:
            yield tree.problem(
                rule,
                "unknown-series",
                f"{metric} is not recorded in cell {rule.cell}: this rule sees nothing there",
                "a recorded series exists only where its standard is bound",
                word=metric,
                severity=Severity.WARNING,
            )
        else:
            hint = did_you_mean(metric, anywhere)
            yield tree.problem(rule, "unknown-series", f"no rule records {metric}", hint, word=metric)


def _collected(
    tree: Tree, rule: Rule, parsed: Expression, here: frozenset[str] | None, anywhere: frozenset[str]
) -> Iterator[Problem]:
    """A series of a job exists where the job is scraped."""
    if here is None:
        return
    for selector in parsed.selectors:
        job = selector.equal_to("job")
        if not job or job in here:
            continue
        if job in anywhere:
            yield tree.problem(
                rule,
                "unknown-series",
                f'job "{job}" is not scraped in cell {rule.cell}: this rule sees nothing there',
                word=job,
                severity=Severity.WARNING,
            )
        else:
            hint = did_you_mean(job, anywhere)
            yield tree.problem(rule, "unknown-series", f'no scrape job is named "{job}"', hint, word=job)


def _misspelt(tree: Tree, rule: Rule, parsed: Expression) -> Iterator[Problem]:
    named = {matcher.name for selector in parsed.selectors for matcher in selector.matchers}
    for label in sorted(named.union(parsed.grouping)):
        meant = misspelling_of(label)
        if meant:
            message = f'"{label}" is not a label of these series'
            yield tree.problem(rule, "promql-label", message, f'did you mean "{meant}"?', word=label)


def _dashboards(tree: Tree) -> Iterator[Problem]:
    """A panel's expression, with Grafana's variables in place of values, is PromQL too."""
    for kind in ("dashboard", "overview"):
        for path, document, _ in tree.entries(kind):
            for what, expr in _shown(document):
                parsed = promql.parse(_without_variables(expr))
                if isinstance(parsed, Failure):
                    yield Problem(Location(path), "promql-syntax", f"{what}: {parsed.message}", parsed.hint)


def _shown(document: Json) -> Iterator[tuple[str, str]]:
    """Every expression of a dashboard, and what has it."""
    for panel in document["panels"]:
        for target in panel.get("targets", ()):
            yield f'panel "{panel["title"]}"', target["expr"]
    for annotation in document["annotations"]["list"]:
        yield f'annotation "{annotation["name"]}"', annotation["expr"]


def _without_variables(expr: str) -> str:
    for name in ("$__rate_interval", "$__interval", "$__range"):
        expr = expr.replace(name, "5m").replace(f"${{{name[1:]}}}", "5m")
    return expr


def _prometheus(tree: Tree) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for _, document, entry in tree.entries("prometheus"):
        yield str(entry.get("cell", "")), document


def _jobs(document: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(str(scrape.get("job_name")) for scrape in document.get("scrape_configs", ()))


@cache
def misspelling_of(label: str) -> str:
    """The label of the taxonomy that `label` is one slip away from, or "".

    A slip: a letter too many, too few, exchanged, or two that changed places. Plurals are words of their own.
    """
    if label in KNOWN_LABELS:
        return ""
    for known in KNOWN_LABELS:
        if label == known + "s":
            continue
        if _swapped(label, known) or (len(known) >= _LONG and _one_slip(label, known)):
            return known
    return ""


def _swapped(a: str, b: str) -> bool:
    if len(a) != len(b):
        return False
    at = next((i for i in range(len(a)) if a[i] != b[i]), len(a))
    return a[at : at + 2] == b[at : at + 2][::-1] and a[at + 2 :] == b[at + 2 :] and a != b


def _one_slip(a: str, b: str) -> bool:
    if abs(len(a) - len(b)) > 1:
        return False
    if len(a) == len(b):
        return sum(x != y for x, y in zip(a, b, strict=True)) == 1
    short, long = sorted((a, b), key=len)
    return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
