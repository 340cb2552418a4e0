"""What `mac explain` answers as text: who set a value first, the rest below."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence

from mac import columns
from mac.explain.model import Answer, Choice, Decision, Explanation, Lead, Line, Value

_SHOWN = 200  # targets
_IN_FULL = 4  # rules; more of them are a table
_ROWS = 12
_PLACES = 6
_WIDTH = 160


def text(answer: Answer) -> str:
    parts = [*_line(answer.line)] if answer.line else []
    by_rule: dict[str, list[Explanation]] = defaultdict(list)
    for each in answer.found:
        if each.kind != "target":
            by_rule[each.what].append(each)
    for name, rules in by_rule.items():
        alike = _alike(rules)
        parts += [_rule(group) for group in alike] if len(alike) <= _IN_FULL else [_overview(name, alike)]
    targets = [each for each in answer.found if each.kind == "target"]
    parts += [_block(_title(each), _target(each)) for each in targets[:_SHOWN]]
    if len(targets) > _SHOWN:
        parts.append(f"and {len(targets) - _SHOWN} more\n")
    parts += [f"Note: {columns.printable(note)}\n" for note in answer.notes]
    return "\n".join(parts)


def _block(title: str, rows: Iterable[tuple[str, ...]]) -> str:
    listed = list(rows)
    return f"{columns.printable(title)}\n" + (columns.table(listed) if listed else "")


# --- rules --------------------------------------------------------------------------------------------


def _alike(rules: Sequence[Explanation]) -> list[list[Explanation]]:
    """Rules that differ by their cell alone, together."""
    found: dict[Hashable, list[Explanation]] = defaultdict(list)
    for each in rules:
        found[each.service, each.environment, each.override, each.group, each.decisions, each.expr].append(
            each
        )
    return list(found.values())


def _place(each: Explanation) -> str:
    place = " / ".join(part for part in (each.service, each.environment) if part)
    return f"{place}, for {each.override}" if each.override else place


def _title(each: Explanation) -> str:
    return f"{each.what}  {each.kind} of {_place(each)}" if _place(each) else f"{each.what}  {each.kind}"


def _rule(group: Sequence[Explanation]) -> str:
    each = group[0]
    parts = [f"{columns.printable(_title(each))}\n"]
    if each.decisions:
        parts.append(columns.table(row for d in _ordered(each.decisions) for row in _decision(d)))
    if each.expr:
        lines = each.expr.strip().split("\n")
        parts.append("".join(f"    {columns.printable(line)}\n" for line in lines))
    rows = list(_origin(group))
    parts.append(columns.table(rows))
    return "\n".join(parts)


def _ordered(decisions: Iterable[Decision]) -> list[Decision]:
    """What the expression reads comes first, and of that what somebody changed: it is asked for at night."""
    weight = {"expr": 0, "for": 2, "keep_firing_for": 3, "severity": 4}

    def key(decision: Decision) -> tuple[int, int]:
        used = (weight.get(each, 5 if each in ("summary", "description") else 1) for each in decision.used)
        return min(used), -len(decision.chain)

    return sorted(decisions, key=key)


def _decision(decision: Decision) -> Iterator[tuple[str, ...]]:
    """The value that holds and who set it, then those whose values it took the place of."""
    told = ", ".join(used for used in decision.used if used != decision.name)
    last, *others = reversed(decision.chain)
    name = f"{decision.name} = {_value(decision.value, decision.unit)}"
    yield ("", name, f"set by {last.who} {last.name}", last.place, f"in {told}" if told else "")
    for each in others:
        yield (
            "",
            f"    not {_value(each.value, decision.unit)}",
            f"of {each.who} {each.name}",
            each.place,
            "",
        )


def _value(value: object, unit: str) -> str:
    return f"{value} {unit}" if unit else str(value)


def _origin(group: Sequence[Explanation]) -> Iterator[tuple[str, ...]]:
    each = group[0]
    yield from _named((each.kind, each.defined), ("standard", _standard(each)), ("rule group", each.group))
    for one in group[:_ROWS]:
        yield ("", "file", f"{one.file}:{one.line}" if one.line else one.file)
    if len(group) > _ROWS:
        yield ("", "", f"and {len(group) - _ROWS} more")
    evaluated = list(dict.fromkeys(one.evaluated for one in group))
    more = f" and {len(evaluated) - _PLACES} more" if len(evaluated) > _PLACES else ""
    yield from _named(("template", each.template), ("evaluated by", ", ".join(evaluated[:_PLACES]) + more))


def _named(*rows: tuple[str, str]) -> Iterator[tuple[str, ...]]:
    for name, value in rows:
        if value:
            yield ("", name, value)


def _standard(each: Explanation) -> str:
    if not each.standard:
        return ""
    return f"{each.standard} ({each.written})" if each.written else f"{each.standard}, mac's own"


def _overview(name: str, groups: Sequence[Sequence[Explanation]]) -> str:
    """A rule of many services: which values there are, and where."""
    first = groups[0][0]
    services = {each.service for group in groups for each in group}
    count = sum(len(group) for group in groups)
    title = f"{name}  {first.kind} of {len(services)} services, {count} rules"
    values = [
        Value(group[0].service, group[0].environment, group[0].override, decision)
        for group in groups
        for decision in group[0].decisions
    ]
    parts = [_block(title, _values(values))]
    parts.append(columns.table(_named((first.kind, first.defined), ("standard", _standard(first)))))
    rows = [("", "service", "environment", "file")]
    listed = [each for group in groups for each in group]
    for each in listed[:_ROWS]:
        file = f"{each.file}:{each.line}" if each.line else each.file
        rows.append(("", each.service, each.environment, file))
    more = f"  and {len(listed) - _ROWS} more\n" if len(listed) > _ROWS else ""
    parts.append(columns.table(rows) + more)
    parts.append(f"`mac explain {name} --service NAME` tells all of one service.\n")
    return "\n".join(parts)


def _values(values: Iterable[Value]) -> Iterator[tuple[str, ...]]:
    """Each value of each parameter once, with those for whom it holds: the most common one last."""
    found: dict[str, dict[tuple[str, str, str], list[Value]]] = defaultdict(lambda: defaultdict(list))
    for each in values:
        last = each.decision.winner
        who = f"{last.who} {last.name}"
        shown = (_value(each.decision.value, each.decision.unit), who, last.place)
        found[each.decision.name][shown].append(each)
    for name, holders in found.items():
        lead = name
        for (value, who, place), holding in sorted(holders.items(), key=lambda item: len(item[1])):
            where = [_where(one) for one in holding]
            told = ", ".join(where[:2]) if len(where) <= 2 else f"{where[0]} and {len(where) - 1} more"
            yield ("", lead, f"= {value}", f"set by {who}", place, told)
            lead = ""


def _where(value: Value) -> str:
    place = " / ".join(part for part in (value.service, value.environment) if part)
    return f"{place}, for {value.override}" if value.override else place


# --- targets ------------------------------------------------------------------------------------------


def _target(each: Explanation) -> Iterator[tuple[str, ...]]:
    resource = each.resource
    yield from _named(
        ("resource", each.arn),
        ("", f"{resource.kind} in account {resource.account}, {resource.region}" if resource else ""),
        ("bound by", resource.because if resource else ""),
    )
    for label in resource.labels if resource else ():
        came = f"from the tag {label.tag}" if label.tag else "no tag says so: a default, or AWS's own"
        yield ("", "", f"{label.name} = {label.value}, {came}")
    yield from _named(
        ("overridden", each.override),
        ("job", each.group),
        ("", each.defined),
        ("service", " / ".join(part for part in (each.service, each.environment) if part)),
        ("standard", _standard(each)),
        ("file", f"{each.file}:{each.line}" if each.line else each.file),
        ("template", each.template),
        ("shard", _why(each.choice) if each.choice else ""),
    )


def _why(choice: Choice) -> str:
    return (
        f"{choice.shard} of the {choice.count} of {choice.cell}, by the hash of {choice.identity}; it stays "
        f"there until there are {choice.moves_at}, and moves to the last of those"
    )


# --- lines --------------------------------------------------------------------------------------------


def _line(line: Line) -> Iterator[str]:
    place = f"{line.path}:{line.line}" if line.line else line.path
    what = line.what if len(line.what) <= _WIDTH else f"{line.what[: _WIDTH - 2]} …"
    rows = [*_named(("what", what), ("at", line.at))]
    *others, last = line.origins or (None,)  # the template, which comes last, is always told
    shown = [*others[:_ROWS], *([last] if last else [])]
    rows += [("", origin.what, f"{origin.name}  {origin.place}".strip()) for origin in shown if origin]
    if len(others) > _ROWS:
        rows.append(("", "", f"and {len(others) - _ROWS} more; --format json has all"))
    text = f"  {line.text.strip()[:100]}" if line.line and line.text.strip() else ""
    yield _block(f"{place}{text}", rows)
    if line.values:
        yield _block("What it is", _values(line.values))
    if line.leads:
        yield _leads(line.leads)


def _leads(leads: Sequence[Lead]) -> str:
    rows: list[tuple[str, ...]] = []
    for lead in leads[:_ROWS]:
        file = f"{lead.file}:{lead.line}" if lead.line else lead.file
        name = f"{lead.count} × {lead.name}" if lead.count > 1 else lead.name
        place = " / ".join(part for part in (lead.service, lead.environment) if part)
        rows.append(("", lead.kind, name, place, file))
    rest = leads[_ROWS:]
    more = f"  and {len(rest)} more; --format json has all\n" if rest else ""
    return _block(f"What comes of it: {_counted(leads)}", rows) + more


def _counted(leads: Sequence[Lead]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for lead in leads:
        counts[lead.kind] += lead.count
    words = {"alert": "alert", "recording": "recording rule", "target": "target", "file": "file"}
    return ", ".join(
        f"{count:,} {words.get(kind, kind)}{'' if count == 1 else 's'}" for kind, count in counts.items()
    )
