"""Rule tests of a standard: what `standards/<area>/<name>.test.yaml` says.

Times, values and series are in promtool's notation and are handed to it as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mac import conventions
from mac.model import ParameterValue
from mac.problems import NOWHERE, Location
from mac.source import Document, Pointer


@dataclass(frozen=True, slots=True)
class InputSeries:
    """A series by its labels, and its values from time 0 on: `up{job="host"}`, `1x30`."""

    series: str
    values: str


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """An alert that is expected to fire.

    `labels`: those that the expression adds. Labels and annotations that every alert of the standard has
    are filled in by the runner; of the annotations only the given ones are compared.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertExpectation:
    """Exactly these alerts of one rule fire at that time; none: it is silent."""

    alert: str
    at: str
    firing: tuple[FiringAlert, ...] = ()
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Sample:
    labels: str
    value: float


@dataclass(frozen=True, slots=True)
class ExpressionExpectation:
    """The expression has exactly these samples at that time."""

    expr: str
    at: str
    samples: tuple[Sample, ...] = ()
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class TestCase:
    __test__ = False  # not pytest's

    name: str
    series: tuple[InputSeries, ...]
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    interval: str = "1m"
    alerts: tuple[AlertExpectation, ...] = ()
    expressions: tuple[ExpressionExpectation, ...] = ()
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class StandardTest:
    """The cases of one standard, and the binding that they are rendered for.

    Or those of the SLO `slo` of `service`; then `standard` is empty. `expected` is the number of resources
    that the binding has.
    """

    name: str
    standard: str
    cases: tuple[TestCase, ...]
    service: str = "example"
    environment: str = "production"
    team: str = "example"
    tier: int = 1
    cell: str = "test"
    expected: int = 10
    slo: str = ""
    location: Location = NOWHERE

    @property
    def subject(self) -> str:
        """What is under test, as rules and exemptions name it."""
        return conventions.slo_standard(self.slo) if self.slo else self.standard


@dataclass(frozen=True, slots=True)
class RoutingCase:
    """An alert by its labels, and what is expected of it.

    `receivers`: exactly those that it reaches, None when that is not asked. `muted`: whether it is held back
    while the alerts of `others` fire, None when that is not asked.
    """

    name: str
    labels: Mapping[str, str]
    receivers: tuple[str, ...] | None = None
    others: tuple[Mapping[str, str], ...] = ()
    muted: bool | None = None
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class RoutingTest:
    name: str
    cases: tuple[RoutingCase, ...]
    location: Location = NOWHERE


def read_routing(document: Document) -> RoutingTest:
    """The cases in a document that fits the schema routing-test."""
    data = document.data
    return RoutingTest(
        data["metadata"]["name"],
        tuple(
            RoutingCase(
                name=raw["name"],
                labels=dict(raw["labels"]),
                receivers=tuple(raw["receivers"]) if "receivers" in raw else None,
                others=tuple(dict(labels) for labels in raw.get("while", ())),
                muted=raw.get("muted"),
                location=document.location(("spec", "cases", n, "name")),
            )
            for n, raw in enumerate(data["spec"]["cases"])
        ),
        document.location(("metadata", "name")),
    )


def read(document: Document) -> StandardTest:
    """The tests in a document that fits the schema standard-test."""
    data = document.data
    spec = data["spec"]
    settings = {
        name: spec[name]
        for name in ("slo", "service", "environment", "team", "tier", "cell", "expected")
        if name in spec
    }
    cases = tuple(_case(document, ("spec", "cases", i), raw) for i, raw in enumerate(spec["cases"]))
    return StandardTest(
        name=data["metadata"]["name"],
        standard=spec.get("standard", ""),
        cases=cases,
        location=document.location(("spec", "slo" if "slo" in spec else "standard")),
        **settings,
    )


def _case(document: Document, at: Pointer, raw: Mapping[str, Any]) -> TestCase:
    return TestCase(
        name=raw["name"],
        series=tuple(InputSeries(s["series"], str(s["values"])) for s in raw.get("series", ())),
        parameters=dict(raw.get("parameters", {})),
        interval=raw.get("interval", "1m"),
        alerts=tuple(
            AlertExpectation(
                alert=item["alert"],
                at=item["at"],
                firing=tuple(
                    FiringAlert(dict(f.get("labels", {})), dict(f.get("annotations", {})))
                    for f in item.get("firing", ())
                ),
                location=document.location((*at, "alerts", i, "alert")),
            )
            for i, item in enumerate(raw.get("alerts", ()))
        ),
        expressions=tuple(
            ExpressionExpectation(
                expr=item["expr"],
                at=item["at"],
                samples=tuple(Sample(s["labels"], s["value"]) for s in item.get("samples", ())),
                location=document.location((*at, "expressions", i, "expr")),
            )
            for i, item in enumerate(raw.get("expressions", ()))
        ),
        location=document.location((*at, "name")),
    )
