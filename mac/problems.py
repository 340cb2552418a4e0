"""What can be wrong: a user's mistake is a Problem (a value), a failing environment a MacError (raised).

Every problem code is declared in CODES with one sentence; `docs/problems.md` has an entry for each.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """An error stops generation; a warning is shown and goes on."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a user's file. Lines and columns count from 1; 0 means that the whole file is meant.

    `length` is the width of the text that is meant, for the caret; 0 when it is not known.
    """

    path: str
    line: int = 0
    column: int = 0
    length: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.path
        return f"{self.path}:{self.line}:{self.column}"


NOWHERE = Location("")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the input, where it is, and what to do about it."""

    location: Location
    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"problem code {self.code!r} is not declared in mac.problems.CODES")

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, a contract: path, line, column, severity, code, message, hint."""
        return {
            "path": self.location.path,
            "line": self.location.line,
            "column": self.location.column,
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
        }


def ordered(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sorted by place, each once, so that the same input always reads the same."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda p: (p.location, p.severity, p.code, p.message)))


def errors(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Only those that stop generation."""
    return tuple(p for p in problems if p.severity is Severity.ERROR)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word that is meant in all likelihood, or nothing."""
    folded = {c.casefold(): c for c in sorted(set(known))}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f'did you mean "{folded[near[0]]}"?' if near else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or, when none is near, the known words; may be empty."""
    candidates = sorted(set(known))
    if not candidates:
        return ""
    if near := nearest(word, candidates):
        return near
    shown = ", ".join(candidates[:12])
    return f"known: {shown}" + (", …" if len(candidates) > 12 else "")


# One sentence a code. The page docs/problems.md explains each; a test compares the two.
CODES: dict[str, str] = {
    # reading files
    "file-missing": "a file that is needed is not there",
    "file-unreadable": "a file cannot be read",
    "file-too-large": "a document is larger than mac reads",
    "not-utf8": "a document is not UTF-8 text",
    "yaml-syntax": "the text is not YAML",
    "yaml-duplicate-key": "a key stands twice in one mapping",
    "yaml-alias": "an alias expands beyond reason, or contains itself",
    "yaml-unsupported": "a YAML feature that mac does not read",
    "json-syntax": "the text is not JSON",
    # shape of documents
    "unknown-kind": "the document's kind or apiVersion is not one of mac's",
    "unknown-key": "a key that the schema does not have",
    "missing-key": "a key that the schema requires",
    "wrong-type": "a value of another type than the schema says",
    "wrong-value": "a value that the schema does not allow",
    "duplicate-name": "two documents of one kind have the same name",
    "misplaced-document": "a document lies in a folder that is for another kind",
    # references between documents
    "unknown-standard": "a standard that does not exist",
    "unknown-service": "a service that does not exist",
    "unknown-team": "a team that does not exist",
    "unknown-parameter": "a parameter that the standard does not have",
    "unknown-alert": "an alert that the standard does not have",
    "unknown-indicator": "an indicator that the standard does not have",
    "unknown-slo": "an SLO that the service does not have",
    "unknown-resource-kind": "a resource kind that mac does not know",
    "unknown-module": "a module of the blackbox exporter that neither mac nor mac.yaml has",
    "unknown-label": "a label that is not in the taxonomy",
    "parameter-value": "a parameter's value has another type or lies out of bounds",
    "parameter-closed": "a tag sets a parameter that its standard does not open to tags",
    "parameter-unused": "a parameter that no rule of its standard uses",
    "dependency-cycle": "services or standards depend on each other in a circle",
    "exemption-expired": "an exemption is past its date",
    "receiver-missing": "a team has no receiver for a severity",
    "plain-secret": "a secret stands in a file where only a reference belongs",
    # service level objectives
    "slo-unreachable": "a burn rate that not even an outage reaches",
    "slo-not-carried": "a part of an OpenSLO or sloth specification that mac does not carry over",
    "slo-unbound": "an SLO of a service in which nothing measures it",
    # packages
    "package-source": "the source of a package does not have what is pinned",
    "package-content": "a package holds what no package may hold",
    "package-outdated": "a package was not fetched as it is pinned",
    "package-edited": "a file of a package is not what was fetched",
    "package-unpinned": "a folder of packages has no entry in mac.yaml",
    # expressions and templates
    "template-syntax": "a template cannot be read by Jinja",
    "template-value": "a template uses a name that is not there, or places a value without a filter",
    "template-missing": "a template that mac needs is not there",
    "template-output": "a template's output is not what was meant",
    "promql-syntax": "an expression is not PromQL",
    "promql-label": "an expression uses a label that its series do not have",
    "promql-unsupported": "an expression uses what not every supported Prometheus has",
    "lost-label": "an aggregation drops a label that routing needs",
    "unknown-series": "an expression refers to a series that nothing collects or records",
    "unknown-metric": "an expression or a standard names a metric that its exporter does not export",
    "metric-label": "an expression uses a label that its metric's exporter does not put on",
    "unknown-exporter": "a standard names an exporter whose metrics mac does not know",
    "duplicate-alert": "two alerts have one name",
    "untested-alert": "an alert has no test in which it fires, or none in which it stays silent",
    "test-failed": "a rule test does not hold",
    # inventory and binding
    "scope-incomplete": "a scope of the inventory was not read completely",
    "duplicate-resource": "a resource stands in a file and is known from elsewhere too",
    "inventory-outdated": "the last known good of a scope is older than the inventory allows",
    "snapshot-invalid": "a snapshot cannot be read",
    "nothing-bound": "no resource is bound to any standard",
    "undeclared-service": "a tag names a service that has no Service document",
    "tag-parameter": "a resource's tag sets a parameter wrongly",
    "endpoint-unprobed": "an endpoint of a service that no cell probes",
    "hostile-value": "a value that the monitoring tools cannot represent",
    # generated files
    "generated-schema": "a generated file does not have the shape that it must have",
    "generated-name": "two generated things have one name",
    "route-unreachable": "an alert reaches no receiver",
    "inhibits-itself": "an inhibition rule would mute its own source",
    "text-template": "a Go template in a generated text is not whole",
    "engine-rejects": "promtool, amtool or the blackbox exporter refuses a generated file",
    "sensor-target": "State Manager cannot tell by tags which machines a sensor is for",
    "foreign-file": "a file that mac did not write is in the way",
    "edited-file": "a generated file was changed by hand",
    "operator-inexpressible": "what the objects of the Prometheus Operator have no place for",
    "manifest-too-large": "an object that Kubernetes would not keep",
    # deployment
    "unknown-cell": "a destination is to get the files of a cell that was not generated",
    "over-quota": "what is deployed is larger than its destination takes",
    # shards
    "cell-too-large": "a cell has more than its shards may have",
    "cell-resharded": "targets move to other shards",
    "series-unmeasured": "the series of a cell could not be counted",
    # guards
    "guard-shrink": "the plan removes more than the guard allows",
    "zero-rules": "the plan has no rules",
    "over-budget": "the forecast has more notifications than a budget allows",
    "forecast-failed": "the notifications of a plan could not be forecast",
    "guard-stale": "more of the inventory was not read than the guard allows",
    "guard-coverage": "less is watched than the guard demands",
    "guard-secret": "a file that would be committed looks as if a credential stood in it",
}


class MacError(Exception):
    """The environment failed, not the input. The command line turns it into an exit code.

    `message` is a whole sentence for the person at the terminal; `hint` says what to do.
    """

    exit_code = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class AwsError(MacError):
    """AWS could not be asked at all (a failing scope is a status, not an exception)."""


class GitError(MacError):
    """Git refused, or is not there."""


class RemoteError(GitError):
    """The other side of a fetch or a push does not answer; nothing is known of its branches."""


class EngineError(MacError):
    """promtool, amtool, Prometheus or Alertmanager is missing or broke down."""


class OutputError(MacError):
    """The output cannot be written, or somebody else is writing it."""


class BusyError(OutputError):
    """Somebody else is writing there."""


class UsageError(MacError):
    """Options that do not go together."""

    exit_code = 64


class ProblemsError(MacError):
    """The input has problems: carries them to the command line, which shows all of them."""

    exit_code = 1

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = ordered(problems)
        super().__init__(f"{len(errors(self.problems))} problems")
