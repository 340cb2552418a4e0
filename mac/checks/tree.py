"""The generated files as the checks see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mac import conventions, promql, series_labels
from mac.model import Json, Text
from mac.problems import Location, Problem, Severity
from mac.promql import Expression, Failure
from mac.series_labels import Labels, Result

Places = Mapping[tuple[str, str], Text]
"""(owner, rule) → the text that the rule comes from, as it stands in a document. See `owner`."""


def owner(service: str, standard: str) -> str:
    """Whose rules those are that stand under `standard`: of the standard, or of an SLO of the service."""
    return f"{service}/{standard}" if standard.startswith(conventions.SLO_STANDARD_PREFIX) else standard


@dataclass(frozen=True, slots=True)
class Rule:
    """A generated rule and where it comes from. `labels` are its own, as they reach Alertmanager."""

    path: str
    cell: str
    group: str
    service: str
    standard: str
    name: str
    alerting: bool
    expr: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Tree:
    """Documents by path, their provenance, and where the rules of standards stand."""

    documents: Mapping[str, Json]
    provenance: Mapping[str, Any]
    places: Places = field(default_factory=dict)

    def entries(self, kind: str) -> Iterator[tuple[str, Json, Mapping[str, Any]]]:
        """(path, document, provenance entry) of every file of a kind, sorted by path."""
        for path, entry in sorted(self.provenance.get("files", {}).items()):
            if entry.get("kind") == kind and path in self.documents:
                yield path, self.documents[path], entry

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule of every file."""
        return tuple(
            rule for path, document, entry in self.entries("rules") for rule in _rules(path, document, entry)
        )

    @cached_property
    def cells(self) -> Mapping[str, tuple[Rule, ...]]:
        """Cell → its rules."""
        found: dict[str, list[Rule]] = {}
        for rule in self.rules:
            found.setdefault(rule.cell, []).append(rule)
        return {cell: tuple(rules) for cell, rules in found.items()}

    @cached_property
    def shards(self) -> Mapping[str, tuple[str, ...]]:
        """Cell that is divided → its shards. Its own rules are a ruler's, which sees the series of all."""
        found: dict[str, dict[str, None]] = {}
        for entry in self.provenance.get("files", {}).values():
            if "shard" in entry:
                found.setdefault(str(entry["shard"]["of"]), {})[str(entry["cell"])] = None
        return {cell: tuple(sorted(own)) for cell, own in found.items()}

    @cached_property
    def recorded(self) -> Mapping[str, Mapping[str, Labels]]:
        """Cell → recorded series that it sees → the labels that they may have."""
        found: dict[str, Mapping[str, Labels]] = {}
        for cell, rules in self.cells.items():
            own = {**_recorded(rules)}
            for shard in self.shards.get(cell, ()):
                for name, labels in _recorded(self.cells.get(shard, ())).items():
                    sent = labels.plus((*conventions.EXTERNAL, conventions.SHARD))
                    own[name] = own[name].either(sent) if name in own else sent
            found[cell] = own
        return found

    def result(self, rule: Rule, parsed: Expression) -> Result:
        """The labels of the result of a rule's expression."""
        key = (rule.cell, parsed.shape)
        found = self._results.get(key)
        if found is None:
            found = self._results[key] = series_labels.of(parsed, self.recorded[rule.cell])
        return found

    @cached_property
    def _results(self) -> dict[tuple[str, str], Result]:
        return {}

    def place(self, rule: Rule, word: str = "") -> Location:
        """Where an engineer mends a rule: in its standard when that is known, else in the generated file.

        `word`: what is wrong in the expression; it is pointed at when the standard has it.
        """
        source = self.places.get((owner(rule.service, rule.standard), rule.name))
        if source is None:
            return Location(rule.path)
        return source.find(word) if word else source.location

    def problem(
        self,
        rule: Rule,
        code: str,
        message: str,
        hint: str = "",
        *,
        word: str = "",
        severity: Severity = Severity.ERROR,
    ) -> Problem:
        """A problem of a rule. Rules of one standard that have the same problem share one."""
        place = self.place(rule, word)
        where = f"{rule.name}: " if place.path != rule.path else f'rule {rule.name} of group "{rule.group}": '
        return Problem(place, code, where + message, hint, severity)


def _rules(path: str, document: Json, entry: Mapping[str, Any]) -> Iterator[Rule]:
    standards = {str(r["group"]): str(r["standard"]) for r in entry.get("rules", ())}
    cell = str(entry.get("cell", ""))
    for group in document.get("groups", ()):
        name = str(group.get("name", ""))
        for rule in group.get("rules", ()):
            yield Rule(
                path=path,
                cell=cell,
                group=name,
                service=str(entry.get("service", "")),
                standard=standards.get(name, ""),
                name=str(rule.get("alert") or rule.get("record") or ""),
                alerting="alert" in rule,
                expr=str(rule.get("expr", "")),
                labels=rule.get("labels", {}),
                annotations=rule.get("annotations", {}),
            )


def _recorded(rules: tuple[Rule, ...]) -> Mapping[str, Labels]:
    """Two rounds: in the first a recorded series may have any label. What is recorded from recorded series is
    then known nearly as well as it can be, and never held to have less than it has.
    """
    shapes: dict[tuple[str, str], tuple[Expression | Failure, frozenset[str]]] = {}
    for rule in rules:
        if not rule.alerting:
            parsed = promql.parse(rule.expr)
            shape = parsed.shape if isinstance(parsed, Expression) else rule.expr
            own = shapes.get((rule.name, shape))
            shapes[rule.name, shape] = (parsed, frozenset(rule.labels) | (own[1] if own else frozenset()))
    known: dict[str, Labels] = {}
    for _ in range(2):
        found: dict[str, Labels] = {}
        for (name, _shape), (parsed, labels) in shapes.items():
            if isinstance(parsed, Expression):
                result = series_labels.of(parsed, known).labels.plus(labels)
            else:
                result = series_labels.EVERY
            found[name] = found[name].either(result) if name in found else result
        known = found
    return known
