"""What `mac coverage` says: for people, for a pull request, for programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mac.columns import printable, table
from mac.coverage import Coverage, Row, State

SCHEMA_VERSION = 1

GROUPINGS = {
    "kind": lambda row: row.resource.kind,
    "service": lambda row: row.service,
    "team": lambda row: row.team,
    "account": lambda row: row.resource.account,
}
"""What the resources may be counted by."""

_SHOWN = 3  # resources named for one reason
_LONGEST = 60  # characters of a resource's name
_SERVICE_LACKS = {
    "owner": "has no document, and so no owner",
    "resources": "has no resource that a standard watches",
    "page": "has no alert that pages",
    "runbook": "has alerts without a runbook",
    "slo": "has no SLO",
}


# --- for people --------------------------------------------------------------------------------------


def text(found: Coverage, by: str, *, matrix: bool = False) -> str:
    """The counts by one grouping, then what is missing. `matrix`: every resource with its standards first."""
    parts = [_matrix(found.rows)] if matrix and found.rows else []
    parts += [_counts(found, by), *_sections(found)]
    return "\n".join(parts)


def _counts(found: Coverage, by: str) -> str:
    groups = found.by(GROUPINGS[by])
    rows = [(by, "resources", *(state.value for state in State))]
    rows += [(name, *(str(number) for number in count.values())) for name, count in groups.items()]
    rows.append(("all", *(str(number) for number in found.count().values())))
    away = ", ".join(f"{number} {lifecycle}" for lifecycle, number in found.not_in_service.items())
    last = f"Not in service, and not counted: {away}.\n" if away else ""
    return f"{table(rows)}\n{_percent(found)}\n{last}"


def _percent(found: Coverage) -> str:
    return f"{shown_percent(found.percent)} % of what is not exempt is monitored with all layers."


def shown_percent(percent: float) -> str:
    """With one digit, never rounded up to what was not reached."""
    return f"{int(percent * 10) / 10:.1f}"


def _sections(found: Coverage) -> list[str]:
    sections = [
        _section("Not monitored", _grouped(_in(found, State.UNMONITORED), _why)),
        _section("Monitored in part", _grouped(_in(found, State.PARTIAL), lambda r: "; ".join(r.missing))),
        _section("Exempt", _grouped(_in(found, State.EXEMPT), _exempted)),
        _section("Standards that watch nothing", [", ".join(found.unused_standards)]),
        _section("Services", [f"{_name(g.service)} {_lacks(g.lacks)}" for g in found.services]),
        _section(
            "Roles that only general standards know",
            [f"{_name(role)}: {number} machines" for role, number in found.only_general.items()],
        ),
    ]
    return [section for section in sections if section]


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines), ""]) if any(lines) else ""


def _in(found: Coverage, state: State) -> list[Row]:
    return [row for row in found.rows if row.state is state]


def _why(row: Row) -> str:
    return row.detail or row.reason


def _exempted(row: Row) -> str:
    return f"{row.detail} (until {row.expires})" if row.expires else row.detail


def _grouped(rows: Iterable[Row], reason: Any) -> list[str]:
    """One line for all resources of a kind with the same reason, the largest groups first."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        groups[row.resource.kind, printable(reason(row))].append(row.resource.name or row.resource.id)
    lines = []
    for (kind, why), names in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        named = ", ".join(_name(name) for name in sorted(names)[:_SHOWN])
        more = ", …" if len(names) > _SHOWN else ""
        lines.append(f"{len(names)} {kind}: {why} ({named}{more})")
    return lines


def _name(text_: str) -> str:
    shown = printable(text_)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _lacks(lacks: Sequence[str]) -> str:
    return "; ".join(_SERVICE_LACKS[word] for word in lacks)


def _matrix(rows: Iterable[Row]) -> str:
    lines = [("state", "kind", "service", "resource", "standards")]
    for row in rows:
        cells = ", ".join(
            cell.standard + (f" ({cell.state})" if cell.state is not State.MONITORED else "")
            for cell in row.cells
        )
        named = _name(row.resource.name or row.resource.id)
        lines.append((row.state.value, row.resource.kind, _name(row.service), named, cells or _why(row)))
    return table(lines)


def markdown(found: Coverage, by: str) -> str:
    """A comment for a pull request."""
    lines = ["## Coverage", "", _percent(found), ""]
    states = [state.value for state in State]
    lines += [f"| {by} | resources | {' | '.join(states)} |", f"|---|{'---:|' * (len(states) + 1)}"]
    for name, count in [*found.by(GROUPINGS[by]).items(), ("**all**", found.count())]:
        lines.append(f"| {_cell(name)} | {' | '.join(str(number) for number in count.values())} |")
    for section in _sections(found):
        title, *points = section.splitlines()
        lines += ["", f"**{title.rstrip(':')}**", ""]
        lines += [f"- {_cell(point.strip())}" for point in points if point.strip()]
    return "\n".join(lines) + "\n"


def _cell(words: str) -> str:
    """Text of tags in Markdown: neither a table, nor a link, nor HTML comes of it."""
    if words == "**all**":
        return words
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#!~@" else c for c in printable(words))


# --- for programs ------------------------------------------------------------------------------------


def as_dict(found: Coverage, *, matrix: bool = False) -> dict[str, Any]:
    """The contract's keys, and beside them what else is known. `matrix`: every resource too."""
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "percent": round(found.percent, 3),
        "resources": found.count(),
        "not_in_service": dict(found.not_in_service),
        **{f"by_{name}": found.by(key) for name, key in GROUPINGS.items()},
        "unmonitored": [_resource(row) for row in _in(found, State.UNMONITORED)],
        "partial": [{**_resource(row), "missing": list(row.missing)} for row in _in(found, State.PARTIAL)],
        "exempt": [{**_resource(row), "expires": row.expires} for row in _in(found, State.EXEMPT)],
        "unused_standards": list(found.unused_standards),
        "services": [{"service": gap.service, "lacks": list(gap.lacks)} for gap in found.services],
        "only_general": dict(found.only_general),
    }
    if matrix:
        report["matrix"] = [_cells(row) for row in found.rows]
    return report


def _resource(row: Row) -> dict[str, Any]:
    resource = row.resource
    return {
        "arn": resource.arn,
        "kind": resource.kind,
        "account": resource.account,
        "region": resource.region,
        "service": row.service,
        "team": row.team,
        "reason": row.reason,
        "detail": row.detail,
    }


def _cells(row: Row) -> Mapping[str, Any]:
    cells = {
        cell.standard: {"state": cell.state.value, "detail": cell.detail, "expires": cell.expires}
        for cell in row.cells
    }
    return {"arn": row.resource.arn, "state": row.state.value, "standards": cells}
