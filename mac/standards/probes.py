"""What is wrong with probes: of standards, of services' endpoints, and the modules of mac.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mac import durations, endpoints, kinds, re2
from mac.model import ProbeModule, Project, Service, Standard
from mac.probe_model import MODULES, PROBERS, SCHEMES
from mac.problems import Location, Problem, did_you_mean
from mac.source import Document, Pointer
from mac.standards import secrets
from mac.standards.written import Written

_PATTERNS = ("fail_if_body_matches_regexp", "fail_if_body_not_matches_regexp")


def check(standard: Standard, document: Document, written: Written) -> Iterator[Problem]:
    """The probe of a standard."""
    probe, at = standard.probe, ("spec", "probe")
    kind = standard.applies_to.kind
    if probe is None:
        if kind == endpoints.KIND:
            place = document.location(("spec", "applies_to", "kind"))
            message = "endpoints are known by their probes alone, and this standard has none"
            yield Problem(place, "missing-key", message, "add `probe: {}`")
        return
    if not probe.port and kind in kinds.names() and not kinds.has_endpoints(kind):
        message = f"mac knows no endpoints of {kind}"
        hint = "name what is probed: scheme and port"
        yield Problem(document.location(at, key=True), "missing-key", message, hint)
    known = _known(written)
    if probe.module:
        place = document.location((*at, "module"))
        yield from _module(place, probe.module, known)
        if probe.scheme:
            yield from _fits(place, probe.scheme, probe.module, known)
    elif probe.scheme and not SCHEMES[probe.scheme][1]:
        place = document.location((*at, "scheme"))
        yield Problem(
            place, "missing-key", f"no module is for {probe.scheme} by itself", "name one: module: …"
        )


def check_endpoints(service: Service, document: Document, written: Written) -> Iterator[Problem]:
    """The endpoints that a service declares."""
    known = _known(written)
    seen: dict[object, Location] = {}
    for n, own in enumerate(service.endpoints):
        at: Pointer = ("spec", "endpoints", n)
        endpoint = own.endpoint
        scheme = endpoint.url.partition("://")[0]
        if not endpoint.module:
            message = f"no module is for {scheme} by itself"
            yield Problem(own.location, "missing-key", message, "name one of mac.yaml: module: …")
        elif document.has((*at, "module")):
            place = document.location((*at, "module"))
            yield from _module(place, endpoint.module, known)
            yield from _fits(place, scheme, endpoint.module, known)
        if parameter := secrets.in_query(endpoint.url):
            message = f'the parameter "{parameter}" looks like a secret, and the address becomes a label'
            hint = "probe a path that needs none; a 401 may be the right answer, in a module of your own"
            yield Problem(own.location, "plain-secret", message, hint)
        other = seen.setdefault((endpoint, own.environment, own.cell), own.location)
        if other != own.location:
            message = f"this endpoint stands on line {other.line} already"
            yield Problem(own.location, "duplicate-name", message, "remove one of them")


def check_modules(settings: Project, document: Document) -> Iterator[Problem]:
    """The modules of mac.yaml: settings that are another prober's, times and patterns that are none."""
    for module in settings.probe_modules.values():
        at: Pointer = ("spec", "probe_modules", module.name)
        raw: Mapping[str, Any] = document.data["spec"]["probe_modules"][module.name]
        for other in PROBERS:
            if other != module.prober and other in raw:
                place = document.location((*at, other), key=True)
                message = f"the prober is {module.prober}, which has no settings of {other}"
                yield Problem(
                    place, "wrong-value", message, f"write them under {module.prober}, or remove them"
                )
        if module.prober == "dns" and "dns" not in raw:
            yield Problem(
                module.location, "missing-key", "what is asked for is missing", "dns: {query_name: …}"
            )
        if module.timeout and not durations.milliseconds(module.timeout):
            place = document.location((*at, "timeout"))
            yield Problem(place, "wrong-value", f"{module.timeout} is no time to wait", "as in 5s")
        yield from _patterns(module, document, at)


def _patterns(module: ProbeModule, document: Document, at: Pointer) -> Iterator[Problem]:
    """Regular expressions that the exporter could not read."""
    given: list[tuple[Pointer, str]] = [
        ((*at, module.prober, name, n), pattern)
        for name in _PATTERNS
        for n, pattern in enumerate(module.settings.get(name, ()))
    ]
    given += [
        ((*at, module.prober, "query_response", n, "expect"), step["expect"])
        for n, step in enumerate(module.settings.get("query_response", ()))
        if "expect" in step
    ]
    for pointer, pattern in given:
        reason = re2.fault(pattern)
        if reason:
            message = f"this is no regular expression: {reason}"
            yield Problem(document.location(pointer), "wrong-value", message)


def _known(written: Written) -> Mapping[str, ProbeModule]:
    return endpoints.modules(written.project[0]) if written.project else MODULES


def _module(place: Location, name: str, known: Mapping[str, ProbeModule]) -> Iterator[Problem]:
    if name not in known:
        message = f'there is no module "{name}"'
        hint = did_you_mean(name, known)
        yield Problem(place, "unknown-module", message, hint)


def _fits(place: Location, scheme: str, name: str, known: Mapping[str, ProbeModule]) -> Iterator[Problem]:
    prober, _ = SCHEMES[scheme]
    if name in known and known[name].prober != prober:
        message = f"the module {name} speaks {known[name].prober}, and {scheme} needs {prober}"
        hint = did_you_mean(name, [m.name for m in known.values() if m.prober == prober])
        yield Problem(place, "wrong-value", message, hint)
