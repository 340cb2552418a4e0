"""Probes from outside: what a blackbox exporter is told, the jobs that ask it, and their targets.

A job asks for one module, so that everything that is probed alike is one file of targets.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mac import conventions, durations, endpoints, rules, scraping, templating
from mac.model import Binding, Catalog, Cell, Endpoint, Member, Probe, ProbeModule, Project
from mac.problems import Problem, Severity
from mac.templating import Mode, TemplateError

Document = dict[str, Any]

_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_TIMEOUT = "10s"
# The exporter would take IPv6 first, and a machine without a way there would find everything down.
_ADDRESSES = {"preferred_ip_protocol": "ip4", "ip_protocol_fallback": True}


def targets(
    catalog: Catalog, bindings: Iterable[Binding]
) -> tuple[dict[str, list[Document]], tuple[Problem, ...]]:
    """Module → content of its file for file-based discovery, for the bindings of one cell."""
    known = endpoints.modules(catalog.project)
    found: dict[str, list[tuple[object, Document]]] = defaultdict(list)
    problems: list[Problem] = []
    for binding in bindings:
        probe = binding.standard.probe
        if probe is None:
            continue
        paths, wrong = _paths(binding, probe)
        problems += wrong
        for member in binding.members:
            for endpoint in dict.fromkeys(endpoints.of(probe, member.resource, known)):
                group = _group(binding, member, endpoint, paths[member.override])
                key = (member.resource.sort_key, binding.standard.name, group["targets"])
                found[endpoint.module].append((key, group))
    ordered = {module: sorted(groups, key=lambda item: item[0]) for module, groups in sorted(found.items())}  # type: ignore[arg-type,return-value]
    return {module: [group for _, group in groups] for module, groups in ordered.items()}, tuple(problems)


def scrape_configs(project: Project, cell: Cell, modules: Iterable[ProbeModule]) -> Iterator[Document]:
    """The jobs of these modules, and the one that asks the exporter for itself."""
    for module in modules:
        yield {
            "job_name": conventions.probe_job(module.name),
            "scrape_interval": project.scrape_interval,
            "scrape_timeout": _shorter(module.timeout or _TIMEOUT, project.scrape_interval),
            "metrics_path": "/probe",
            "params": {"module": [module.name]},
            "scheme": "http",
            **scraping.discovery(project, cell, conventions.probe_job(module.name)),
            "relabel_configs": [
                {"source_labels": ["__address__"], "target_label": "__param_target"},
                {"source_labels": ["__param_target"], "target_label": "instance"},
                {"target_label": "__address__", "replacement": project.blackbox_exporter},
            ],
        }
    yield {
        "job_name": conventions.BLACKBOX_JOB,
        "scrape_interval": project.scrape_interval,
        "scrape_timeout": _shorter(_TIMEOUT, project.scrape_interval),
        "metrics_path": "/metrics",
        "scheme": "http",
        "static_configs": [{"targets": [project.blackbox_exporter]}],
    }


def exporter(modules: Iterable[ProbeModule]) -> Document:
    """`blackbox.yml`: these modules, and none that nothing asks for."""
    return {"modules": {module.name: _module(module) for module in modules}}


def _module(module: ProbeModule) -> Document:
    document: Document = {"prober": module.prober}
    if module.timeout:
        document["timeout"] = f"{(durations.milliseconds(module.timeout) or 0) / 1000:g}s"
    return {**document, module.prober: {**_ADDRESSES, **module.settings}}


def _shorter(timeout: str, interval: str) -> str:
    """Prometheus refuses a time-out that is longer than the interval."""
    return min(timeout, interval, key=lambda t: durations.milliseconds(t) or 0)


def _group(binding: Binding, member: Member, endpoint: Endpoint, path: str) -> Document:
    target = endpoint.target
    if "://" in target and "/" not in target.partition("://")[2]:
        target += path
    labels = {
        **member.labels,
        conventions.PROBE: binding.standard.name,
        conventions.PROBED: member.resource.kind,
    }
    return {"targets": [target], "labels": dict(sorted(labels.items()))}


# --- paths -------------------------------------------------------------------------------------------


def _paths(binding: Binding, probe: Probe) -> tuple[Mapping[str, str], list[Problem]]:
    """Override → path. One that a tag sets and that is none gives way to the service's: a path that begins
    with an @ would lead to another host.
    """
    problems: list[Problem] = []
    settled = "/"
    paths: dict[str, str] = {}
    for partition in binding.partitions:
        names = rules.names(binding, partition, is_split=False)
        path = ""
        try:
            path = templating.template(probe.path.text.strip(), Mode.TEXT).render(names)
        except TemplateError as error:
            problems.append(Problem(probe.path.location, "template-value", error.message))
        if not partition.override:
            settled = path if _PATH.fullmatch(path) else settled
        if not _PATH.fullmatch(path) and not problems:
            problems.append(_no_path(binding, probe, path, tagged=bool(partition.override)))
        paths[partition.override] = path if _PATH.fullmatch(path) else settled
    return paths, problems


def _no_path(binding: Binding, probe: Probe, path: str, *, tagged: bool) -> Problem:
    message = f"the path {path[:80]!r} of {binding.service} is none: it begins with / and has no blanks"
    if tagged:
        hint = "mend the tag; until then the service's path is probed"
        return Problem(probe.path.location, "tag-parameter", message, hint, Severity.WARNING)
    return Problem(probe.path.location, "parameter-value", message, "as in /health")
