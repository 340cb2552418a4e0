"""Indicators and SLOs of documents that fit their schema, made into the model's values, and what is wrong
with them that a schema cannot say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mac import conventions, durations, slo
from mac.model import BurnRate, Indicator, Slo, Standard, Text
from mac.problems import Problem, Severity, did_you_mean
from mac.source import Document, Pointer

Raw = Mapping[str, Any]

FORMS = (
    ("errors", "total"),
    ("good", "total"),
    ("ratio",),
    ("histogram", "threshold"),
    ("value", "above"),
    ("value", "below"),
)
_REFERENCE = ("standard", "name")
_MATCHERS = "matchers"  # only beside a histogram
_QUERIES = frozenset(key for form in FORMS for key in form) | {_MATCHERS}
SLICE = "1m"
_RESERVED = frozenset(
    {
        *(conventions.SERVICE, conventions.ENVIRONMENT, conventions.TEAM, conventions.TIER),
        *(conventions.SEVERITY, conventions.STANDARD, conventions.OUTAGE, conventions.OVERRIDE),
        *(conventions.REACH, conventions.REMINDER, conventions.SLO, "window", "alertname"),
    }
)


# --- decoding ----------------------------------------------------------------------------------------


def indicator(document: Document, at: Pointer, name: str, raw: Raw) -> Indicator:
    """An indicator. In which queries are missing is found by `check_form`."""

    def text(key: str) -> Text | None:
        return Text(str(raw[key]), document.text_location((*at, key))) if key in raw else None

    settings = {key: raw[key] for key in ("minimum_traffic", "absent_after", "description") if key in raw}
    place = document.location(at, key=True)
    if "histogram" in raw:
        return latency(
            name,
            Text(raw["histogram"], document.location((*at, "histogram"))),
            raw.get("threshold", 0),
            raw.get(_MATCHERS, ""),
            location=place,
            **settings,
        )
    value = text("value")
    if value is not None:
        op, limit = (">", raw.get("above")) if "above" in raw else ("<", raw.get("below"))
        return slices(name, value, op, str(limit), location=place, **settings)
    return Indicator(
        name, text("errors"), text("good"), text("total"), text("ratio"), location=place, **settings
    )


def latency(name: str, histogram: Text, threshold: float, matchers: str, **settings: Any) -> Indicator:
    """Of all that a histogram counted, what took no longer than `threshold`, one of its buckets."""
    # Prometheus 3 writes le="1.0" where older ones have le="1".
    spelled = repr(float(threshold))
    bounds = [spelled.removesuffix(".0"), spelled] if spelled.endswith(".0") else [spelled]
    le = "|".join(bound.replace(".", r"\\.").replace("+", r"\\+") for bound in bounds)
    selected = f"<< scope >>{',' if matchers else ''}{matchers}"
    metric, place = histogram.text, histogram.location
    return Indicator(
        name,
        good=Text(f'increase({metric}_bucket{{le=~"{le}",{selected}}}[<< window >>])', place),
        total=Text(f"increase({metric}_count{{{selected}}}[<< window >>])", place),
        **settings,
    )


def slices(name: str, value: Text, op: str, limit: str, **settings: Any) -> Indicator:
    """Minutes, of which those are bad in which `value op limit` holds; a minute without data is neither."""
    end = "\n" if "#" in value.text else ""
    inner = f"({value.text.strip()}{end})"
    return Indicator(
        name,
        errors=Text(f"sum_over_time(({inner} {op} bool {limit})[<< window >>:{SLICE}])", value.location),
        total=Text(f"count_over_time({inner}[<< window >>:{SLICE}])", value.location),
        sliced=True,
        **{"minimum_traffic": 0, **settings},
    )


def slo_of(document: Document, at: Pointer, raw: Raw) -> Slo:
    """An entry of `slo:`."""
    given = raw["indicator"]
    own = None if "standard" in given else indicator(document, (*at, "indicator"), raw["name"], given)
    texts = {key: raw[key] for key in ("title", "environment", "runbook", "minimum_traffic") if key in raw}
    return Slo(
        name=raw["name"],
        objective=share(raw["objective"]),
        window=spelled(raw.get("window", slo.WORKBOOK_WINDOW)),
        description=raw.get("description", "").strip(),
        standard=given.get("standard", ""),
        indicator=given.get("name", ""),
        own=own,
        absent_after=raw.get("absent_after", ""),
        page=_levels(raw.get("page")),
        ticket=_levels(raw.get("ticket")),
        labels=dict(raw.get("labels", {})),
        location=document.location((*at, "name")),
        **texts,
    )


def share(percent: float) -> float:
    return round(percent / 100, 12)


def spelled(duration: str) -> str:
    """A duration in its one spelling, since it becomes part of names; what is none stays as it is."""
    length = durations.milliseconds(duration)
    return durations.spell(length) if length else duration


def _levels(raw: list[Raw] | None) -> tuple[BurnRate, ...] | None:
    if raw is None:
        return None
    return tuple(BurnRate(r["burn_rate"], spelled(r["long"]), spelled(r["short"])) for r in raw)


# --- indicators --------------------------------------------------------------------------------------


def check_indicators(standard: Standard, document: Document) -> Iterator[Problem]:
    """Problems of a standard's indicators."""
    for name, found in standard.indicators.items():
        at: Pointer = ("spec", "indicators", name)
        yield from _indicator(document, at, document.data["spec"]["indicators"][name], found)


def _indicator(document: Document, at: Pointer, raw: Raw, found: Indicator) -> Iterator[Problem]:
    given = [key for key in raw if key in _QUERIES]
    known = [key for key in given if key != _MATCHERS or "histogram" in given]
    if not any(set(form) == set(known) - {_MATCHERS} for form in FORMS) or len(known) != len(given):
        yield _form(document, at, given, FORMS)
        return
    patience = raw.get("absent_after")
    if patience is not None and not durations.milliseconds(patience):
        place = document.location((*at, "absent_after"))
        yield Problem(place, "wrong-value", f"{patience} is no time to wait", "as in 1h")
    yield from unbounded(found)


def unbounded(found: Indicator) -> Iterator[Problem]:
    """Queries that look over the same range whatever the window is."""
    for query in found.queries:
        if "window" not in query.text:
            message = "the query does not say << window >>, the range that it looks over"
            hint = "as in sum by (service, environment) (increase(requests_total{<< scope >>}[<< window >>]))"
            yield Problem(query.location, "wrong-value", message, hint)


def _form(document: Document, at: Pointer, given: Iterable[str], forms: Iterable[tuple[str, ...]]) -> Problem:
    has = " and ".join(given) or "nothing"
    hint = f"one of: {'; '.join(' and '.join(form) for form in forms)}"
    return Problem(document.location(at, key=True), "wrong-value", f"no indicator is made of {has}", hint)


# --- SLOs --------------------------------------------------------------------------------------------


def check_slos(
    document: Document, slos: Iterable[Slo], standards: Mapping[str, Standard], names: Iterable[str]
) -> Iterator[Problem]:
    """Problems of the entries under `slo:`. `names`: of the standards, broken ones included."""
    for n, found in enumerate(slos):
        at: Pointer = ("spec", "slo", n)
        raw = document.data["spec"]["slo"][n]
        yield from _of_indicator(document, (*at, "indicator"), found, standards, tuple(names))
        yield from _windows(document, at, raw)
        yield from reserved(found)
        yield from unreachable(found)
        for key in ("page", "ticket"):
            for m, level in enumerate(raw.get(key, ())):
                if level["burn_rate"] * found.budget >= 1:
                    place = document.location((*at, key, m, "burn_rate"))
                    most = f"{1 / found.budget:.12g}"
                    message = f"not even an outage burns the error budget {level['burn_rate']} times too fast"
                    yield Problem(place, "slo-unreachable", message, f"a rate below {most}")


def _of_indicator(
    document: Document,
    inside: Pointer,
    found: Slo,
    standards: Mapping[str, Standard],
    names: tuple[str, ...],
) -> Iterator[Problem]:
    raw = document.data["spec"]["slo"][inside[-2]]["indicator"]
    queries = [key for key in raw if key in _QUERIES]
    references = [key for key in _REFERENCE if key in raw]
    if references and (queries or len(references) != len(_REFERENCE)):
        yield _form(document, inside, [*references, *queries], (_REFERENCE, *FORMS))
    elif not references and found.own is not None:
        yield from _indicator(document, inside, raw, found.own)
    elif found.standard not in names:
        place = document.location((*inside, "standard"))
        message = f'there is no standard "{found.standard}"'
        yield Problem(place, "unknown-standard", message, did_you_mean(found.standard, names))
    elif found.standard in standards and found.indicator not in standards[found.standard].indicators:
        known = standards[found.standard].indicators
        place = document.location((*inside, "name"))
        message = f'{found.standard} has no indicator "{found.indicator}"'
        hint = did_you_mean(found.indicator, known) or "it has no indicators"
        yield Problem(place, "unknown-indicator", message, hint)


def _windows(document: Document, at: Pointer, raw: Raw) -> Iterator[Problem]:
    levels = [((*at, k, m), level) for k in ("page", "ticket") for m, level in enumerate(raw.get(k, ()))]
    named = [((*at, "window"), raw["window"])] if "window" in raw else []
    named += [((*at, "absent_after"), raw["absent_after"])] if "absent_after" in raw else []
    named += [((*place, key), level[key]) for place, level in levels for key in ("long", "short")]
    bad = [(place, text) for place, text in named if not durations.milliseconds(text)]
    for place, text in bad:
        yield Problem(document.location(place), "wrong-value", f"{text} is no length of time", "as in 30d")
    if bad:
        return
    period = durations.milliseconds(raw.get("window", slo.WORKBOOK_WINDOW)) or 0
    longest = max(durations.milliseconds(level.long) or 0 for level in slo.TICKET)
    if period < longest:
        message = f"{raw['window']} is shorter than the windows of the alerts, of which the longest is 3d"
        yield Problem(document.location((*at, "window")), "wrong-value", message, "7d to 90d are usual")
    for place, level in levels:
        long, short = (durations.milliseconds(level[key]) or 0 for key in ("long", "short"))
        if not short < long <= period:
            message = f"{level['short']}, {level['long']} and the SLO's window must follow in length"
            hint = "the short window is usually a twelfth of the long one"
            yield Problem(document.location((*place, "long")), "wrong-value", message, hint)


def unreachable(found: Slo) -> Iterator[Problem]:
    """Whether the usual burn rates are out of reach, so that no alert can come."""
    given = {"page": found.page, "ticket": found.ticket}
    for severity, levels in slo.levels(found).items():
        if given[severity] is None and not levels:
            message = (
                f"with an error budget of {found.budget * 100:.12g}% over {found.window} not even an outage "
                f"reaches a burn rate at which a {severity} is due"
            )
            hint = f"give burn rates of your own under `{severity}`, or a higher objective"
            yield Problem(found.location, "slo-unreachable", message, hint, Severity.WARNING)


def reserved(found: Slo) -> Iterator[Problem]:
    """Labels that mac sets itself."""
    for label in found.labels:
        if label in _RESERVED:
            message = f'the label "{label}" of the SLO {found.name} is set by mac'
            yield Problem(found.location, "wrong-value", message, "leave it out, or give it another name")


def check_names(owner: str, slos: Iterable[Slo]) -> Iterator[Problem]:
    """SLOs of one service that have one name, wherever they are written."""
    seen: dict[str, Slo] = {}
    for found in slos:
        first = seen.setdefault(found.name, found)
        if first is not found:
            message = f'the service {owner} has an SLO "{found.name}" already, at {first.location}'
            yield Problem(found.location, "duplicate-name", message, "give one of them another name")
