"""What a run did, as JSON (a contract) and as text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from mac import columns, report
from mac.model import ScopeState, Snapshot
from mac.run import Outcome

SCHEMA_VERSION = 1

_WHYS = 10  # reasons that are shown to a person
_NAMED = 3  # resources that are named for each


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """The JSON of `mac generate --format json`."""
    built = outcome.built
    return {
        "schema_version": SCHEMA_VERSION,
        "resources": {
            "found": len(built.snapshot.resources),
            "bound": built.bindings.bound,
            "unbound": len(built.bindings.unbound),
        },
        "scopes": scope_counts(built.snapshot),
        **counts(built.rendered.provenance),
        "files": {
            "written": len(outcome.written.written),
            "unchanged": len(outcome.written.unchanged),
            "removed": len(outcome.written.removed),
        },
        "unbound": dict(sorted(Counter(u.reason for u in built.bindings.unbound).items())),
        "not_bound": _not_bound(outcome),
        "problems": report.as_dicts(built.problems),
        "output": str(built.output),
        "snapshot": built.rendered.provenance["snapshot"],
        "commit": outcome.commit,
        "pushed": outcome.pushed,
        "pull_request": outcome.pull_request,
        "stages": [{"name": s.name, "seconds": s.seconds} for s in outcome.stages],
    }


def scope_counts(snapshot: Snapshot) -> dict[str, int]:
    """How many scopes are in each state; every state is there."""
    found = Counter(s.state for s in snapshot.scopes)
    return {state.value: found.get(state, 0) for state in ScopeState}


def counts(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Targets, rules and dashboards that a provenance names."""
    entries = provenance.get("files", {}).values()
    rules = Counter(r["type"] for e in entries if e["kind"] == "rules" for r in e["rules"])
    return {
        "targets": sum(e["targets"] for e in entries if e["kind"] == "targets"),
        "cloudwatch_resources": sum(e["resources"] for e in entries if e["kind"] == "exporter"),
        "rules": {"alerting": rules.get("alerting", 0), "recording": rules.get("recording", 0)},
        "cells": sum(e["kind"] == "prometheus" for e in entries),
        "dashboards": sum(e["kind"] == "dashboard" for e in entries),
    }


def as_text(outcome: Outcome) -> str:
    """The same for a person at a terminal; what is not bound, and why, at the end."""
    d = as_dict(outcome)
    scopes = ", ".join(f"{count} {state}" for state, count in d["scopes"].items() if count)
    reasons = ", ".join(f"{count} {reason}" for reason, count in d["unbound"].items())
    watched = number(d["targets"], "target") + (
        f" and {number(d['cloudwatch_resources'], 'resource')} through CloudWatch"
        if d["cloudwatch_resources"]
        else ""
    )
    rows = [
        ("resources", f"{d['resources']['found']} found, {d['resources']['bound']} bound"),
        ("not bound", f"{d['resources']['unbound']}" + (f": {reasons}" if reasons else "")),
        ("scopes", scopes),
        ("watched", f"{watched}, in {number(d['cells'], 'cell')}"),
        ("rules", f"{d['rules']['alerting']} alerting, {d['rules']['recording']} recording"),
        ("dashboards", str(d["dashboards"])),
        ("files", ", ".join(f"{count} {what}" for what, count in d["files"].items())),
        ("commit", _commit(outcome)),
        *([("pull request", outcome.pull_request)] if outcome.pull_request else []),
        ("seconds", ", ".join(f"{s.name} {s.seconds:.2f}" for s in outcome.stages)),
    ]
    return table(rows) + _whys(d["not_bound"])


def number(count: int, word: str) -> str:
    """A count with its word: `1 cell`, `2 cells`."""
    return f"{count} {word}" + ("" if count == 1 else "s")


def _not_bound(outcome: Outcome) -> list[dict[str, Any]]:
    """Resources that nothing watches, by why, the most frequent first; each reason with a few of them."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for unbound in outcome.built.bindings.unbound:
        found[unbound.reason, unbound.detail].append(unbound.resource.id)
    return [
        {"reason": reason, "why": why, "count": len(ids), "examples": sorted(ids)[:_NAMED]}
        for (reason, why), ids in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def _whys(reasons: list[dict[str, Any]]) -> str:
    if not reasons:
        return ""
    rows = [
        (f"  {r['count']}", r["why"], ", ".join(r["examples"]) + (", …" if r["count"] > _NAMED else ""))
        for r in reasons[:_WHYS]
    ]
    rest = reasons[_WHYS:]
    if rest:
        rows.append((f"  {sum(r['count'] for r in rest)}", "for other reasons: --format json has all", ""))
    return "\nnot bound, and why:\n" + table(rows)


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Columns of text, left-aligned, two spaces apart; no line ends in blanks."""
    return columns.table(rows)


def _commit(outcome: Outcome) -> str:
    if outcome.commit is None:
        asked = any(stage.name == "commit" for stage in outcome.stages)
        return "none: nothing has changed" if asked else "none: --commit was not given"
    return outcome.commit[:12] + (", pushed" if outcome.pushed else "")
