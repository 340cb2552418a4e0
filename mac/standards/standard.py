"""What is wrong inside of one standard that a schema cannot say, and between the names of several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from mac import conventions, durations, kinds, parameters
from mac.model import EACH_PART, CloudWatch, Parameter, Scrape, Standard, StandardAlert, Text
from mac.problems import Location, Problem, Severity, did_you_mean
from mac.source import Document, Pointer
from mac.standards import objectives, probes, sensors
from mac.standards.written import Written

EVERYWHERE = (*conventions.TAXONOMY, conventions.ACCOUNT, conventions.REGION, conventions.RESOURCE_ID)
"""Labels that every resource may have, whatever its kind."""

_DEFAULT_INTERVAL = "30s"
_SHORT_PERIODS = (1_000, 5_000, 10_000, 20_000, 30_000)  # what CloudWatch takes below a minute

_MOST_VALUES = 1440  # of one call of GetMetricStatistics


def check(standard: Standard, document: Document, written: Written) -> Iterator[Problem]:
    """Everything that is wrong with one standard."""
    yield from _applies_to(standard, document)
    for n, name in enumerate(standard.depends_on):
        if name not in written.standard_names():
            place = document.location(("spec", "depends_on", n))
            hint = did_you_mean(name, written.standard_names())
            yield Problem(place, "unknown-standard", f'there is no standard "{name}"', hint)
    for n, name in enumerate(standard.covers):
        if name not in kinds.names():
            place = document.location(("spec", "covers", n))
            hint = did_you_mean(name, kinds.names())
            yield Problem(place, "unknown-resource-kind", f'there is no resource kind "{name}"', hint)
    yield from _explained(standard, written)
    for parameter in standard.parameters.values():
        yield from _parameter(parameter, document)
    yield from _unused(standard)
    yield from objectives.check_indicators(standard, document)
    if standard.scrape:
        interval = written.project[0].scrape_interval if written.project else _DEFAULT_INTERVAL
        yield from _scrape(standard.scrape, interval, document)
    yield from sensors.check(standard, document)
    yield from probes.check(standard, document, written)
    if standard.cloudwatch:
        yield from _cloudwatch(standard.cloudwatch.period, standard.cloudwatch.length, document)
        yield from _namespace(standard.cloudwatch.namespace, standard.applies_to.kind, document)
        yield from _parts(standard.cloudwatch, standard.applies_to.kind)
    yield from _duplicates(standard)


def _explained(standard: Standard, written: Written) -> Iterator[Problem]:
    """What mutes alerts: others that exist, and outages alone for a whole cell."""
    known = {alert.alert for other, _ in written.standards.values() for alert in other.alerts}
    known.add(conventions.SLO_FAST)
    for alert in standard.alerts:
        for name in alert.explained_by:
            if name not in known - {alert.alert}:
                message = f'{alert.alert} cannot be explained by "{name}": there is no such other alert'
                hint = did_you_mean(name, known - {alert.alert})
                yield Problem(alert.location, "unknown-alert", message, hint)
        if alert.whole_cell and not alert.outage:
            message = f"{alert.alert} reaches the whole cell and is no outage"
            yield Problem(alert.location, "wrong-value", message, "add `outage: true`, or leave out `reach`")


def _applies_to(standard: Standard, document: Document) -> Iterator[Problem]:
    kind = standard.applies_to.kind
    if kind not in kinds.names():
        place = document.location(("spec", "applies_to", "kind"))
        hint = did_you_mean(kind, kinds.names())
        yield Problem(place, "unknown-resource-kind", f'there is no resource kind "{kind}"', hint)
        return
    known = (*EVERYWHERE, *kinds.all_kinds()[kind].fact_names)
    for n, clause in enumerate(standard.applies_to.any_of):
        for label in clause:
            if label not in known:
                place = document.location(("spec", "applies_to", "any", n, label), key=True)
                message = f'resources of the kind {kind} have no label "{label}"'
                yield Problem(place, "unknown-label", message, did_you_mean(label, known))


# --- parameters --------------------------------------------------------------------------------------


def _parameter(parameter: Parameter, document: Document) -> Iterator[Problem]:
    at: Pointer = ("spec", "parameters", parameter.name)
    for field, fault in parameter_faults(parameter).items():
        place = document.location((*at, field))
        yield Problem(place, "parameter-value", f"the {field} of {parameter.name} {fault}")


def parameter_faults(parameter: Parameter) -> dict[str, str]:
    """What is wrong with a declaration: "min", "max" or "default" → the end of a sentence."""
    unbounded = replace(parameter, minimum=None, maximum=None)
    given = {"min": parameter.minimum, "max": parameter.maximum, "default": parameter.default}
    faults = {
        field: fault
        for field, value in given.items()
        if value is not None and (fault := parameters.fault(unbounded, value))
    }
    if parameter.type == "string":
        faults |= {
            field: "has no meaning for a string" for field in ("min", "max") if given[field] is not None
        }
    if not faults and parameter.minimum is not None:
        fault = parameters.fault(replace(parameter, minimum=None), parameter.minimum)
        faults = {"min": fault} if fault else {}
    if not faults and (fault := parameters.fault(parameter, parameter.default)):
        faults = {"default": fault}
    return faults


def _texts(standard: Standard) -> Iterator[Text]:
    for rule in standard.recording:
        yield rule.expr
    for alert in standard.alerts:
        yield from (alert.expr, alert.for_, alert.keep_firing_for, alert.summary, alert.description)
    for indicator in standard.indicators.values():
        yield from indicator.queries
    if standard.probe:
        yield standard.probe.path
    for panel in standard.panels:
        yield panel.expr
        if panel.threshold:
            yield panel.threshold


def _unused(standard: Standard) -> Iterator[Problem]:
    texts = "\n".join(text.text for text in _texts(standard))
    if re.search(r"\bp\s*\[\s*[^'\"\s]", texts):
        return  # a computed name may be any
    for name, parameter in standard.parameters.items():
        if not re.search(rf"\bp\s*(\.\s*{name}\b|\[\s*['\"]{name}['\"])", texts):
            message = f"no rule and no panel uses the parameter {name}"
            hint = f"write << p.{name} >> where it counts, or remove it"
            yield Problem(parameter.location, "parameter-unused", message, hint, Severity.WARNING)


# --- collection --------------------------------------------------------------------------------------


def _scrape(scrape: Scrape, default_interval: str, document: Document) -> Iterator[Problem]:
    interval, timeout = scrape.interval or default_interval, scrape.timeout
    for field, value in (("interval", scrape.interval), ("timeout", timeout)):
        if value and not durations.milliseconds(value):
            place = document.location(("spec", "scrape", field))
            yield Problem(place, "wrong-value", f"{value} is no time to wait", "as in 30s")
            return
    if timeout and (durations.milliseconds(timeout) or 0) > (durations.milliseconds(interval) or 0):
        place = document.location(("spec", "scrape", "timeout"))
        message = f"the timeout {timeout} is longer than the interval {interval}"
        yield Problem(place, "wrong-value", message, "Prometheus refuses such a job")


def _cloudwatch(period: str, length: str, document: Document) -> Iterator[Problem]:
    width, reach = durations.milliseconds(period) or 0, durations.milliseconds(length) or 0
    if width not in _SHORT_PERIODS and (not width or width % 60_000):
        place = document.location(("spec", "cloudwatch", "period"))
        message = f"{period} is not a period of CloudWatch"
        yield Problem(place, "wrong-value", message, "whole minutes, or 1s, 5s, 10s, 20s or 30s")
    elif reach < width:
        field = "length" if document.has(("spec", "cloudwatch", "length")) else "period"
        place = document.location(("spec", "cloudwatch", field))
        message = f"the length {length} is shorter than the period {period}, so no value would ever fit"
        yield Problem(place, "wrong-value", message, "make the length a few periods")
    elif reach > _MOST_VALUES * width:
        place = document.location(("spec", "cloudwatch", "length"))
        message = f"CloudWatch answers for at most {_MOST_VALUES} periods of {period}, and {length} are more"
        yield Problem(place, "wrong-value", message, "a longer period, or a shorter length")


def _namespace(namespace: str, kind: str, document: Document) -> Iterator[Problem]:
    """A namespace of AWS that the kind has no metrics in; one of the user's own may be anything."""
    known = kinds.all_kinds()[kind].namespaces if kind in kinds.names() else (namespace,)
    if namespace.startswith("AWS/") and namespace not in known:
        place = document.location(("spec", "cloudwatch", "namespace"))
        message = f"{kind} has no metrics in the namespace {namespace}, as far as mac knows"
        yield Problem(place, "wrong-value", message, did_you_mean(namespace, known), Severity.WARNING)


def _parts(source: CloudWatch, kind: str) -> Iterator[Problem]:
    """`EACH_PART` for a dimension whose values the kind does not know: CloudWatch would be asked for "*"."""
    known = tuple(kinds.all_kinds()[kind].parts) if kind in kinds.names() else ()
    for metric in source.metrics:
        for name in sorted(
            n for n, value in metric.dimensions.items() if value == EACH_PART and n not in known
        ):
            message = f"mac does not know the parts of {kind} that {name} tells apart"
            hint = did_you_mean(name, known) if known else "write the value of the dimension"
            yield Problem(metric.location, "wrong-value", message, hint)


# --- names -------------------------------------------------------------------------------------------


def _duplicates(standard: Standard) -> Iterator[Problem]:
    seen: dict[object, Location] = {}
    for rule in standard.recording:
        key = (rule.record, tuple(sorted(rule.labels.items())))
        first = seen.setdefault(key, rule.location)
        if first != rule.location:
            message = f"{rule.record} is recorded on line {first.line} already, with the same labels"
            yield Problem(rule.location, "duplicate-name", message, "give it another name, or a label")


def check_names(standards: Iterable[tuple[Standard, Document]]) -> Iterator[Problem]:
    """Names that must be unique among all standards: alerts, recorded series, scrape jobs."""
    ordered = sorted(standards, key=lambda item: item[1].path)
    alerts: dict[str, StandardAlert] = {}
    recorded: dict[str, tuple[str, Location]] = {}
    jobs: dict[str, tuple[str, Location]] = {}
    for standard, document in ordered:
        if standard.name.startswith(conventions.SLO_STANDARD_PREFIX):
            message = f"names that begin with {conventions.SLO_STANDARD_PREFIX} are those of SLOs"
            yield Problem(standard.location, "duplicate-name", message, "give it another name")
        for alert in standard.alerts:
            if alert.alert in conventions.SLO_ALERTS:
                message = "this is the name of an alert of every SLO"
                yield Problem(alert.location, "duplicate-alert", message, "give it another name")
            first = alerts.setdefault(alert.alert, alert)
            if first is not alert:
                message = f"an alert of this name exists already, at {first.location}"
                yield Problem(
                    alert.location,
                    "duplicate-alert",
                    message,
                    "`mac explain` and routes tell alerts apart by name",
                )
        for rule in standard.recording:
            owner, place = recorded.setdefault(rule.record, (standard.name, rule.location))
            if owner != standard.name:
                message = f"the standard {owner} records a series of this name already, at {place}"
                yield Problem(rule.location, "duplicate-name", message, "give it another name")
        if standard.scrape:
            place = document.location(("spec", "scrape", "job"))
            owner, other = jobs.setdefault(standard.scrape.job, (standard.name, place))
            if _is_reserved(standard.scrape.job):
                message = "this is the name of a job of mac's own"
                yield Problem(place, "duplicate-name", message, "give it another name")
            if owner != standard.name:
                message = f"the standard {owner} scrapes a job of this name already, at {other}"
                yield Problem(place, "duplicate-name", message, "give it another name")


def _is_reserved(job: str) -> bool:
    own = (conventions.CLOUDWATCH_JOB, conventions.BLACKBOX_JOB)
    return job in own or job.startswith(conventions.PROBE_JOB_PREFIX)
