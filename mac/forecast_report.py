"""What is said of a forecast: text for a terminal, Markdown for a pull request, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mac.columns import printable, table
from mac.forecast_figures import (
    DIMENSIONS,
    SHOWN_CAUSES,
    Forecast,
    Judged,
    Overrun,
    Proposal,
    Sent,
    Side,
    Unsure,
)

SCHEMA_VERSION = 1

TITLES = {
    "alerts": "alerts that fired",
    "notifications": "notifications",
    "pages": "pages",
    "pages_at_night": "pages at night",
    "reminders": "reminders of what was told",
    "resolved": "messages that it is over",
}
_SHOWN = 20
_LIMITS = {"pages_per_week": "pages a week", "notifications_per_day": "notifications a day"}


# --- for people --------------------------------------------------------------------------------------


def text(found: Forecast, proposals: Sequence[Proposal] = ()) -> str:
    """Figures first, then what needs a look."""
    parts = [f"{headline(found)}\n", table(totals(found))]
    for by in DIMENSIONS:
        rows = ranked(found, by)
        if rows:
            parts.append(table([_heading(found, f"notifications by {by}"), *rows]))
    parts += [_section(title, lines) for title, lines in sections(found, proposals) if lines]
    parts.append(f"{cost(found)}\n")
    return "\n".join(parts)


def markdown(found: Forecast, proposals: Sequence[Proposal] = ()) -> str:
    """A comment for a pull request: the figures, what is lost, and the rest folded away."""
    lines = ["### mac forecast", "", _cell(headline(found)), "", *_grid(totals(found))]
    for title, given in sections(found, proposals):
        if given and title in _OPEN:
            lines += ["", f"**{title}**", "", *(f"- {_cell(line)}" for line in _cut(given))]
    for by in DIMENSIONS:
        rows = ranked(found, by)
        if rows:
            body = _grid([_heading(found, by), *rows])
            lines += [
                "",
                "<details>",
                f"<summary>Notifications by {by}</summary>",
                "",
                *body,
                "",
                "</details>",
            ]
    for title, given in sections(found, proposals):
        if given and title not in _OPEN:
            body = [f"- {_cell(line)}" for line in _cut(given)]
            lines += [
                "",
                "<details>",
                f"<summary>{title}: {len(given)}</summary>",
                "",
                *body,
                "",
                "</details>",
            ]
    lines += ["", _cell(cost(found))]
    return "\n".join(lines) + "\n"


def headline(found: Forecast) -> str:
    """One sentence: notifications and pages a day, before and after."""
    after = _pace(found.after, found.days)
    when = f"{_day(found.start)} to {_day(found.end)}"
    if found.before is None:
        return f"{after}, as the past {found.days:g} days were ({when})."
    before = _pace(found.before, found.days)
    return f"{before} with {found.base}; {after} as it is written now ({found.days:g} days, {when})."


def _pace(side: Side, days: float) -> str:
    told, pages = len(side.notifications) / days, len(side.pages) / days
    return f"{told:.1f} notifications a day, {pages:.1f} of them pages"


def totals(found: Forecast) -> list[tuple[str, ...]]:
    """A table: each figure before, after and a day."""
    after = found.after.totals
    if found.before is None:
        rows = [(TITLES[name], str(count), f"{count / found.days:.1f}") for name, count in after.items()]
        return [("", "in all", "a day"), *rows]
    before = found.before.totals
    pairs = [(TITLES[name], before[name], count) for name, count in after.items()]
    compared = [
        (title, str(old), str(new), f"{new - old:+}", f"{new / found.days:.1f}") for title, old, new in pairs
    ]
    return [("", "before", "after", "change", "after, a day"), *compared]


def ranked(found: Forecast, by: str) -> list[tuple[str, ...]]:
    """(name, before, after) of what tells most, before or after."""
    after = found.after.count(by)
    before = found.before.count(by) if found.before else {}
    names = sorted({*before, *after}, key=lambda n: (-max(before.get(n, 0), after.get(n, 0)), n))
    if found.before is None:
        return [(name, str(after.get(name, 0))) for name in names[:SHOWN_CAUSES]]
    return [(name, str(before.get(name, 0)), str(after.get(name, 0))) for name in names[:SHOWN_CAUSES]]


def _heading(found: Forecast, first: str) -> tuple[str, ...]:
    return (first, "in all") if found.before is None else (first, "before", "after")


_LOST, _KNOWN, _BUDGETS = "Incidents that nobody would be told of", "Incidents", "Budgets that are exceeded"
_OPEN = (_LOST, _BUDGETS)


def sections(found: Forecast, proposals: Sequence[Proposal] = ()) -> list[tuple[str, list[str]]]:
    """(title, lines) of what needs a look; a title without lines has nothing to say."""
    side = found.after
    blind = [unsure for unsure in side.unsure if unsure.selectors]
    failed = [unsure for unsure in side.unsure if not unsure.selectors]
    return [
        (_LOST, [_judged(each) for each in found.lost]),
        (_BUDGETS, [_overrun(each) for each in found.overruns]),
        (_KNOWN, [_judged(each) for each in found.judged if each.after is not None]),
        (
            "What keeps the noise down",
            [*_saved(side), *(f"{n} alerts not told: {r}" for r, n in side.held.items())],
        ),
        ("Alerts without data, of which nothing is known", [_unsure(each) for each in blind]),
        ("Alerts that could not be replayed", [_unsure(each) for each in failed]),
        ("Alerts that never fired", [f"{s}: {alert}" if s else alert for s, alert in side.quiet]),
        ("Messages that were really sent", [_sent(each) for each in found.sent]),
        ("What the past suggests", [f"{p.service}: {p.alert}: {p.detail}" for p in proposals]),
        ("Notes", list(found.notes)),
    ]


def _saved(side: Side) -> list[str]:
    used = [saved for saved in side.saved if saved.notifications]
    return [f"{saved.lever}: {saved.notifications:+} messages without it" for saved in used]


def _sent(each: Sent) -> str:
    return f"{each.integration}: {each.really:.0f}, and {each.forecast} by the forecast of what runs"


def _judged(each: Judged) -> str:
    incident = each.incident
    place = f" [{incident.location}]" if incident.location else ""
    delays = [f"{word} {_after(delay)}" for word, delay in (("before", each.before), ("after", each.after))]
    return f"{_minute(incident.start)} {incident.service}: {incident.name} ({', '.join(delays)}){place}"


def _after(delay: float | None) -> str:
    return "not told" if delay is None else f"told in {delay / 60:.0f} min"


def _overrun(each: Overrun) -> str:
    return (
        f"{each.kind} {each.name}: {each.forecast:.1f} {_LIMITS[each.limit]}, {each.allowed:g} are allowed"
        f" [{each.location}]"
    )


def _unsure(each: Unsure) -> str:
    name = f"{each.service}: {each.alert}" if each.service else each.alert
    return (
        f"{name}: no series fits {' nor '.join(each.selectors)}"
        if each.selectors
        else f"{name}: {each.reason}"
    )


def cost(found: Forecast) -> str:
    """What the forecast took of the server."""
    spent = found.cost
    return (
        f"Asked {found.server}: {spent.queries} queries, {spent.kept} answers from the cache,"
        f" {spent.samples:,} samples read, {spent.seconds:.1f} s of queries"
        f" (the longest {spent.longest:.2f} s) in {spent.span:.1f} s."
    )


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{title}:", *(f"  {printable(line)}" for line in _cut(lines)), ""])


def _cut(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {rest} more"] if rest > 0 else [])]


def _grid(rows: Sequence[tuple[str, ...]]) -> list[str]:
    width = len(rows[0])
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    return [lines[0], f"|---|{'---:|' * (width - 1)}", *lines[1:]]


def _cell(words: str) -> str:
    """Text of labels in Markdown: neither a table, nor a link, nor HTML comes of it."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#!~@" else c for c in printable(words))


def _day(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"


def _minute(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"


# --- for programs ------------------------------------------------------------------------------------


def as_dict(found: Forecast, proposals: Sequence[Proposal] = ()) -> dict[str, Any]:
    """The JSON form, a contract: docs/forecast.md has its keys."""
    return {
        "schema_version": SCHEMA_VERSION,
        "start": _iso(found.start),
        "end": _iso(found.end),
        "days": found.days,
        "server": found.server,
        "base": found.base,
        "before": _side(found.before) if found.before else None,
        "after": _side(found.after),
        "incidents": [_incident(each) for each in found.judged],
        "over_budget": [
            {
                "kind": each.kind,
                "name": each.name,
                "limit": each.limit,
                "allowed": each.allowed,
                "forecast": round(each.forecast, 2),
                "path": each.location.path,
                "line": each.location.line,
            }
            for each in found.overruns
        ],
        "actual": [
            {"integration": s.integration, "sent": round(s.really, 1), "forecast": s.forecast}
            for s in found.sent
        ],
        "proposals": [
            {"service": p.service, "alert": p.alert, "reason": p.reason, "detail": p.detail}
            for p in proposals
        ],
        "cost": {
            "queries": found.cost.queries,
            "cached": found.cost.kept,
            "failed": found.cost.failed,
            "samples": found.cost.samples,
            "points": found.cost.points,
            "query_seconds": round(found.cost.seconds, 3),
            "longest_query_seconds": found.cost.longest,
            "seconds": found.cost.span,
        },
        "notes": list(found.notes),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "rules": side.rules,
        **side.totals,
        "by": {by: _sorted(side.count(by)) for by in DIMENSIONS},
        "pages_by": {by: _sorted(side.page_count(by)) for by in DIMENSIONS},
        "timeline": [
            {
                "time": _iso(told.time),
                "receiver": told.receiver,
                "alerts": list(told.alerts),
                "services": list(told.services),
                "teams": list(told.teams),
                "kind": _kind(told.resolved, told.reminder, told.page),
                "night": told.night,
            }
            for told in side.told
        ],
        "saved": {str(saved.lever): saved.notifications for saved in side.saved},
        "not_told": dict(side.held),
        "never_fired": [{"service": service, "alert": alert} for service, alert in side.quiet],
        "unknown": [
            {"service": u.service, "alert": u.alert, "reason": u.reason, "selectors": list(u.selectors)}
            for u in side.unsure
        ],
    }


def _kind(resolved: bool, reminder: bool, page: bool) -> str:
    return "resolved" if resolved else "reminder" if reminder else "page" if page else "notification"


def _incident(each: Judged) -> dict[str, Any]:
    incident = each.incident
    return {
        "name": incident.name,
        "service": incident.service,
        "start": _iso(incident.start),
        "end": _iso(incident.end),
        "told_after_seconds": {"before": each.before, "after": each.after},
    }


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _iso(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"


def budget_lines(overruns: Iterable[Overrun]) -> list[str]:
    """Each budget that is exceeded, as a line."""
    return [_overrun(each) for each in overruns]
