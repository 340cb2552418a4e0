"""Metrics in the text format that Prometheus scrapes: of mac's own `/metrics`, and of textfile collectors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of a family: its labels and its value."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric. `type`: "gauge", or "counter", whose name ends in _total. Without samples it is left out."""

    name: str
    help: str
    samples: tuple[Sample, ...]
    type: str = "gauge"


def text(families: Iterable[Family]) -> str:
    """All of them, in the order given; labels are sorted."""
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    if family.samples:
        told = family.help.replace("\\", r"\\").replace("\n", r"\n")
        yield f"# HELP {family.name} {told}"
        yield f"# TYPE {family.name} {family.type}"
    for sample in family.samples:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(sample.labels.items()))
        yield f"{family.name}{f'{{{labels}}}' if labels else ''} {_number(sample.value)}"


def _escaped(value: str) -> str:
    # What is no Unicode would make the whole page unreadable.
    plain = value.encode("utf-8", "replace").decode()
    return plain.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
