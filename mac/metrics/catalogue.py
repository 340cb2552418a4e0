"""One catalogue: the metrics of an exporter or of a CloudWatch namespace, as a document says them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mac import schema
from mac.problems import NOWHERE, Location, Problem
from mac.source import Document

OBTAINED = {
    "run": "the exporter was run and asked",
    "source": "read in the exporter's source",
    "documentation": "read in the documentation",
}
"""How an entry came to be → the same in words."""

_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
_PART_LABELS = {("histogram", "_bucket"): "le", ("summary", ""): "quantile"}
_NOT_IN_A_LABEL = re.compile(r"[ ,\t/\\.\-:=@<>()“]")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. `type` is Prometheus's (CloudWatch's are gauges), `labels` those that the exporter puts on.

    `obtained`: a key of OBTAINED.
    """

    name: str
    type: str = "gauge"
    labels: tuple[str, ...] = ()
    unit: str = ""
    obtained: str = ""
    sources: tuple[str, ...] = ()

    def series(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The names of its series, each with its labels: a histogram has three."""
        for part in _PARTS.get(self.type, ("",)):
            own = _PART_LABELS.get((self.type, part))
            yield self.name + part, (*self.labels, own) if own and own not in self.labels else self.labels


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`namespace` and `dimensions` are CloudWatch's, empty for an exporter. `sources`: where to check it."""

    name: str
    title: str
    obtained: str
    metrics: Mapping[str, Metric]
    sources: tuple[str, ...] = ()
    version: str = ""
    namespace: str = ""
    dimensions: tuple[str, ...] = ()
    location: Location = field(default=NOWHERE, compare=False)

    def series(self) -> dict[str, tuple[str, ...]]:
        """Name → labels of all series of an exporter."""
        return {name: labels for metric in self.metrics.values() for name, labels in metric.series()}


def read(document: Document, stem: str) -> tuple[Catalogue | None, tuple[Problem, ...]]:
    """The catalogue in a document of the file `stem`.yaml, and what is wrong with it."""
    faults = schema.problems(document, "metrics/catalogue")
    if faults:
        return None, faults
    data: Mapping[str, Any] = document.data
    if data["catalogue"] != stem:
        place = document.location(("catalogue",))
        message = f'the catalogue is named "{data["catalogue"]}" and its file {stem}.yaml'
        return None, (Problem(place, "wrong-value", message, "name both alike"),)
    sources = _listed(data["source"])
    metrics = {
        name: Metric(
            name,
            raw.get("type", "gauge"),
            tuple(raw.get("labels", ())),
            raw.get("unit", ""),
            raw.get("obtained", data["obtained"]),
            _listed(raw["source"]) if "source" in raw else sources,
        )
        for name, raw in data["metrics"].items()
    }
    found = Catalogue(
        name=data["catalogue"],
        title=data["title"],
        obtained=data["obtained"],
        metrics=metrics,
        sources=sources,
        version=data.get("version", ""),
        namespace=data.get("namespace", ""),
        dimensions=tuple(data.get("dimensions", ())),
        location=document.location(("catalogue",)),
    )
    return found, ()


def _listed(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


# --- CloudWatch --------------------------------------------------------------------------------------


def exported(namespace: str, metric: str, statistic: str) -> str:
    """The series in which yet-another-cloudwatch-exporter shows a statistic of a CloudWatch metric.

    As its pkg/promutil/migrate.go has it (BuildMetricName): a metric's name loses the words of its namespace
    that it begins with.
    """
    prefix = _snake(namespace.lower()).removeprefix("_")
    name = _snake(metric)
    for part in prefix.split("_"):
        name = name.removeprefix(part)
    prefix = prefix if prefix.startswith("aws") else f"aws_{prefix}"
    return f"{prefix}_{name.removeprefix('_')}_{_snake(statistic)}"


def dimension_label(dimension: str) -> str:
    """The label in which that exporter shows a dimension (createPrometheusLabels, without snake case)."""
    return "dimension_" + _NOT_IN_A_LABEL.sub("_", dimension).replace("%", "_percent")


def _snake(text: str) -> str:
    made, before = "", ""
    for char in text:
        if _NOT_IN_A_LABEL.fullmatch(char):
            made += "_"
        elif char == "%":
            made += "_percent"
        else:
            made += "_" * (char.isupper() and (before.islower() or before.isdigit())) + char.lower()
        before = char
    return made
