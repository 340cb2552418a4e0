"""What a run did, as JSON (a contract) and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from mac import columns
from mac.model import ScopeState, Snapshot
from mac.pipeline import Outcome

SCHEMA_VERSION = 1


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
        "problems": [p.as_dict() for p in built.problems],
        "output": str(built.output),
        "snapshot": built.rendered.provenance["snapshot"],
        "commit": outcome.commit,
        "pushed": outcome.pushed,
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
    """The same for a person at a terminal."""
    d = as_dict(outcome)
    scopes = ", ".join(f"{count} {state}" for state, count in d["scopes"].items() if count)
    reasons = ", ".join(f"{count} {reason}" for reason, count in d["unbound"].items())
    watched = f"{d['targets']} targets" + (
        f" and {d['cloudwatch_resources']} resources through CloudWatch" if d["cloudwatch_resources"] else ""
    )
    rows = [
        ("resources", f"{d['resources']['found']} found, {d['resources']['bound']} bound"),
        ("not bound", f"{d['resources']['unbound']}" + (f": {reasons}" if reasons else "")),
        ("scopes", scopes),
        ("watched", f"{watched}, in {d['cells']} cells"),
        ("rules", f"{d['rules']['alerting']} alerting, {d['rules']['recording']} recording"),
        ("dashboards", str(d["dashboards"])),
        ("files", ", ".join(f"{count} {what}" for what, count in d["files"].items())),
        ("commit", _commit(outcome)),
        ("seconds", ", ".join(f"{s.name} {s.seconds:.2f}" for s in outcome.stages)),
    ]
    return table(rows)


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Columns of text, left-aligned, two spaces apart; no line ends in blanks."""
    return columns.table(rows)


def _commit(outcome: Outcome) -> str:
    if outcome.commit is None:
        return "nothing new" if outcome.pushed else "none"
    return outcome.commit[:12] + (", pushed" if outcome.pushed else "")
