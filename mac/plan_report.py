"""A Plan for people and programs: text, JSON (a contract), Markdown for a pull request, GitHub notices.

Names and values come from tags and documents, so nothing of them may steer a terminal or become markup.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mac import plan_fields, report
from mac.causes import CAUSES
from mac.diff import ADD, MODIFY, REMOVE, Change, Plan
from mac.problems import Problem

SCHEMA_VERSION = 1

_SIGNS = {ADD: "+", REMOVE: "-", MODIFY: "~"}
_COLORS = {ADD: "\x1b[32m", REMOVE: "\x1b[31m", MODIFY: "\x1b[33m"}
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"
_PLACES = 3
"""So many places are named; more are counted."""
_NAMES = 8
"""So many dashboards or files that come or go are lines of their own; more are one line."""

_STOPS = ("guard-", "zero-rules", "foreign-file")
"""So begin the codes of what would stop `mac generate`."""
_NAMED_ALONE = ("dashboard", "file", "sensor")
_NOTHING = "No changes: the generated configuration is up to date."
_CAUSE_TITLES = {
    "inventory": "the inventory",
    "standard": "standards",
    "service": "services",
    "team": "teams",
    "template": "templates",
    "settings": "settings",
}
# GitHub cuts comments at 65,536 characters.
_COMMENT = 60_000


def as_dict(plan: Plan) -> dict[str, Any]:
    """The JSON of `mac diff --format json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "changes": [
            {
                "action": change.action,
                "kind": change.kind,
                "name": change.name,
                "service": change.service,
                "environment": change.environment,
                "cell": change.cell,
                "cause": change.cause,
                "count": change.count,
                "fields": [{"field": f.field, "old": f.old, "new": f.new} for f in change.fields],
                "examples": list(change.examples),
            }
            for change in plan.changes
        ],
        "summary": dict(plan.summary),
    }


def text(plan: Plan, *, color: bool = False) -> str:
    """Changes under their causes, additions with +, removals with -, modifications with ~."""
    if not plan:
        return f"{_NOTHING}\n"
    lines: list[str] = []
    for cause, changes in _by_cause(plan.changes):
        title = f"Because of {_CAUSE_TITLES[cause]}:"
        lines += [f"{_BOLD}{title}{_RESET}" if color else title, ""]
        for line in _folded(changes):
            shown = f"  {_SIGNS[line.action]} {line.title}"
            lines.append(f"{_COLORS[line.action]}{shown}{_RESET}" if color else shown)
            lines += [f"      {detail}" for detail in line.details]
        lines.append("")
    lines.append(_summary(plan))
    return "\n".join(lines) + "\n"


def markdown(plan: Plan, problems: Sequence[Problem] = ()) -> str:
    """A comment for a pull request: a table of totals, then each cause with its changes folded away.

    `problems`: what else the reviewer should know; open when generate would stop at them.
    """
    warnings = _warnings(problems)
    if not plan:
        return f"### mac diff\n\n{_NOTHING}\n{warnings}"
    parts = ["### mac diff\n", f"{_summary(plan)}\n", _totals(plan), warnings]
    room = _COMMENT - sum(map(len, parts))
    for cause, changes in _by_cause(plan.changes):
        lines = [f"  {_SIGNS[line.action]} {line.title}" + _indented(line) for line in _folded(changes)]
        items = sum(change.count for change in changes)
        head = (
            f"\n<details>\n<summary>Because of {_CAUSE_TITLES[cause]}: {_number(items, 'change')}</summary>\n"
        )
        body = _fenced(lines, room - len(head) - 200)
        part = f"{head}\n{body}\n</details>\n"
        room -= len(part)
        parts.append(part)
    return "".join(parts)


def github(plan: Plan) -> str:
    """One notice for the summary, and one a cause, as GitHub's workflow commands."""
    notices = [("mac diff", _summary(plan) if plan else _NOTHING)]
    for cause, changes in _by_cause(plan.changes):
        lines = [f"{_SIGNS[line.action]} {line.title}" for line in _folded(changes)]
        shown = "\n".join([*lines[:20], *([f"and {len(lines) - 20} more"] if len(lines) > 20 else [])])
        notices.append((f"mac diff: because of {_CAUSE_TITLES[cause]}", shown))
    return "".join(
        report.workflow_command("notice", {"title": title}, body) + "\n" for title, body in notices
    )


# --- lines -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    """What is shown of one or more changes that differ in their place only."""

    action: str
    title: str
    details: tuple[str, ...]


def _by_cause(changes: Sequence[Change]) -> Iterator[tuple[str, list[Change]]]:
    for cause in CAUSES:
        found = [change for change in changes if change.cause == cause]
        if found:
            yield cause, found


def _folded(changes: Iterable[Change]) -> Iterator[_Line]:
    alike: dict[tuple[Any, ...], list[Change]] = defaultdict(list)
    for change in changes:
        fields = tuple(f.field for f in change.fields)
        alike[change.kind, change.name, change.action, fields].append(change)
    groups = list(alike.values())
    for kind in _NAMED_ALONE:
        for action in _SIGNS:
            found = [g for g in groups if (g[0].kind, g[0].action, g[0].fields) == (kind, action, ())]
            if len(found) > _NAMES:
                groups = [g for g in groups if g not in found]
                yield _names([change for group in found for change in group])
    for group in groups:
        if len(group) <= _PLACES:
            yield from (_line([change]) for change in group)
        else:
            yield _line(group)


def _names(changes: Sequence[Change]) -> _Line:
    """Dashboards or files that come or go: there is nothing to say of each but its name."""
    shown = ", ".join(_shown(change.name) for change in changes[:_NAMES])
    title = f"{len(changes)} {changes[0].kind}s"
    return _Line(changes[0].action, title, (f"{shown}, and {len(changes) - _NAMES} more",))


def _line(group: Sequence[Change]) -> _Line:
    first = group[0]
    count = sum(change.count for change in group)
    what = f"{count} {first.kind}s" if count > 1 else first.kind
    title = f"{what} {_shown(first.name)}"
    places = [place for change in group if (place := _place(change))]
    if len(group) == 1 and places:
        title += f"  ({places[0]})"
    elif places:
        title += f"  (in {len(group)} places, such as {places[0]})"
    details = [line for field in first.fields for line in plan_fields.lines(field)]
    if len(group) > 1 and details:
        details.insert(0, f"in {places[0] if places else 'the first'}:")
    if first.kind == "target" and first.examples and len(group) == 1:
        more = count - len(first.examples)
        names = ", ".join(_shown(name) for name in first.examples)
        details.append(names + (f", and {more} more" if more > 0 else ""))
    return _Line(first.action, title, tuple(details))


def _place(change: Change) -> str:
    parts = (change.service, change.environment, change.cell)
    return " / ".join(_shown(part) for part in parts if part)


def _shown(value: str, limit: int = 160) -> str:
    return report.one_line(value, limit)


def _summary(plan: Plan) -> str:
    add, remove, modify = (plan.summary[action] for action in (ADD, REMOVE, MODIFY))
    return f"Plan: {add:,} to add, {remove:,} to remove, {modify:,} to modify."


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


# --- Markdown and GitHub -----------------------------------------------------------------------------


def _totals(plan: Plan) -> str:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for change in plan.changes:
        counts[change.kind, change.action] += change.count
    rows = ["| | add | remove | modify |", "|---|---:|---:|---:|"]
    for kind in dict.fromkeys(change.kind for change in plan.changes):
        cells = " | ".join(f"{counts[kind, action]:,}" for action in (ADD, REMOVE, MODIFY))
        rows.append(f"| {kind} | {cells} |")
    return "\n" + "\n".join(rows) + "\n"


def _warnings(problems: Sequence[Problem]) -> str:
    if not problems:
        return ""
    stops = any(p.code.startswith(_STOPS) for p in problems)
    title = report.summary(problems) + (": generate would stop" if stops else "")
    body = _fenced(report.text(problems, {}).splitlines()[:-2], _COMMENT // 4)
    opened = "<details open>" if stops else "<details>"
    return f"\n{opened}\n<summary>{title}</summary>\n\n{body}\n</details>\n"


def _indented(line: _Line) -> str:
    return "".join(f"\n      {detail}" for detail in line.details)


def _fenced(lines: Sequence[str], room: int) -> str:
    """A code block that no line can close, with as many lines as there is room for."""
    shown: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    if len(shown) < len(lines):
        shown.append(f"… and {len(lines) - len(shown)} more; see mac diff")
    body = "\n".join(shown)
    fence = "```"
    while fence in body:
        fence += "`"
    return f"{fence}\n{body}\n{fence}\n"
