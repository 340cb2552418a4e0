"""What is collected: scrape configuration, targets, and the CloudWatch exporter's configuration."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mac import conventions, durations, kinds
from mac.kinds.kind import Dimensions, Kind
from mac.model import (
    EACH_PART,
    GLOBAL_REGION,
    Binding,
    Cell,
    CloudWatch,
    CloudWatchMetric,
    Member,
    Project,
    Resource,
    Scrape,
)

Document = dict[str, Any]

REFRESH = "30s"
"""How often Prometheus reads the files of targets again, whatever it is told of them."""


def target_groups(bindings: Iterable[Binding], scrape: Scrape) -> list[Document]:
    """Content of a file for file-based discovery: one group a resource, in the inventory's order."""
    members = [m for binding in bindings for m in binding.members]
    return [
        {"targets": [_target(m.resource, scrape)], "labels": dict(m.labels)}
        for m in sorted(members, key=lambda m: (m.resource.sort_key, sorted(m.labels.items())))
    ]


def prometheus(
    project: Project,
    cell: Cell,
    scrapes: Iterable[Scrape],
    environments: Iterable[str],
    *,
    cloudwatch: bool,
    probes: Iterable[Document] = (),
    heartbeat: bool = False,
) -> Document:
    """`prometheus.yml` of a cell. Paths in it are relative to it. `probes`: scrape jobs of `probing`."""
    beside = [conventions.HEARTBEAT_FILE] if heartbeat else []
    configs = [_scrape_config(project, cell, scrape) for scrape in sorted(scrapes, key=lambda s: s.job)]
    if cloudwatch:
        configs.append(_cloudwatch_scrape(project))
    configs += probes
    alertmanagers = [{"static_configs": [{"targets": list(project.alertmanagers)}]}]
    return {
        "global": {
            "scrape_interval": project.scrape_interval,
            "evaluation_interval": project.evaluation_interval,
            "external_labels": {
                conventions.ACCOUNT: cell.account,
                conventions.CELL: cell.name,
                conventions.REGION: cell.region,
            },
        },
        # Prometheus takes a wildcard in the last part of a path only.
        "rule_files": [
            *beside,
            *(f"rules/{conventions.slug(name)}/*.yml" for name in sorted(environments)),
        ],
        "alerting": {"alertmanagers": alertmanagers} if project.alertmanagers else {},
        "scrape_configs": configs,
    }


def cloudwatch_exporter(bindings: Iterable[Binding]) -> Document:
    """Configuration of yet-another-cloudwatch-exporter: one static job a resource and set of dimensions.

    Static jobs name exactly the bound resources. Discovery would ask the tagging API, which does not know
    resources that were never tagged. Custom tags carry the taxonomy to every series of the resource.
    """
    jobs = []
    for binding in bindings:
        source = binding.standard.cloudwatch
        if source is not None:
            jobs += [job for member in binding.members for job in _static_jobs(member, source)]
    # The sort keeps the jobs of one resource in the order in which they were made.
    jobs.sort(key=lambda job: (job["name"], job["namespace"]))
    return {"apiVersion": "v1alpha1", "static": jobs}


def _target(resource: Resource, scrape: Scrape) -> str:
    address = resource.addresses[0]
    return f"{f'[{address}]' if ':' in address else address}:{resource.port(scrape.port)}"


def _scrape_config(project: Project, cell: Cell, scrape: Scrape) -> Document:
    interval = scrape.interval or project.scrape_interval
    return {
        "job_name": scrape.job,
        "scrape_interval": interval,
        # Prometheus refuses a time-out that is longer than the interval.
        "scrape_timeout": min(scrape.timeout or "10s", interval, key=lambda t: durations.seconds(t) or 0),
        "metrics_path": scrape.path,
        "scheme": scrape.scheme,
        **discovery(project, cell, scrape.job),
    }


def discovery(project: Project, cell: Cell, job: str) -> Document:
    """Where Prometheus finds the targets of a job: beside its configuration, or outside of Git."""
    kept, path = project.targets, conventions.targets_file(cell.name, job)
    if kept.kept == "http_sd":
        return {"http_sd_configs": [{"url": f"{kept.url}/{path}", "refresh_interval": REFRESH}]}
    beside = f"targets/{conventions.slug(job)}.json"
    name = f"{kept.folder}/{path}" if kept.kept == "file" else beside
    return {"file_sd_configs": [{"files": [name], "refresh_interval": REFRESH}]}


def _cloudwatch_scrape(project: Project) -> Document:
    # The exporter's series carry their own region and our labels as custom tags: they win over the
    # exporter's target labels, and lose the prefix.
    return {
        "job_name": conventions.CLOUDWATCH_JOB,
        "honor_labels": True,
        "scrape_interval": "1m",
        "scrape_timeout": "30s",
        "metrics_path": "/metrics",
        "scheme": "http",
        "static_configs": [{"targets": [project.cloudwatch_exporter]}],
        "metric_relabel_configs": [
            {"action": "labelmap", "regex": "custom_tag_(.+)"},
            {"action": "labeldrop", "regex": "custom_tag_.+"},
        ],
    }


def _static_jobs(member: Member, source: CloudWatch) -> Iterator[Document]:
    """CloudWatch answers only for a metric's exact dimensions, which the exporter takes from its job."""
    resource = member.resource
    shared = {
        "name": resource.arn,
        "namespace": source.namespace,
        "regions": [_metrics_region(resource)],
        "customTags": _tags(member.labels),
    }
    groups: dict[Dimensions, list[Document]] = {}
    for metric in source.metrics:
        groups.setdefault(tuple(sorted(metric.dimensions.items())), []).append(_metric(metric, source))
    kind = kinds.all_kinds()[resource.kind]
    for own in kind.dimension_sets(resource):
        for further, metrics in groups.items():
            for exact in _each_part(further, kind, resource):
                dimensions = [{"name": name, "value": value} for name, value in (*own, *exact)]
                yield {**shared, "dimensions": dimensions, "metrics": metrics}


def _each_part(dimensions: Dimensions, kind: Kind, resource: Resource) -> Iterator[Dimensions]:
    """The dimensions with each part of the resource in the place of `EACH_PART`."""
    names = [name for name, _ in dimensions]
    values = [
        kind.parts[name](resource) if value == EACH_PART and name in kind.parts else (value,)
        for name, value in dimensions
    ]
    for chosen in itertools.product(*values):
        yield tuple(zip(names, chosen, strict=True))


def _metric(metric: CloudWatchMetric, source: CloudWatch) -> Document:
    period, length = durations.seconds(source.period), durations.seconds(source.length)
    return {
        "name": metric.name,
        "statistics": list(metric.statistics),
        "period": int(period or 60),
        "length": int(length or 300),
    }


def _metrics_region(resource: Resource) -> str:
    """Where CloudWatch keeps a resource's metrics: those of global services lie in us-east-1."""
    return "us-east-1" if resource.region == GLOBAL_REGION else resource.region


def _tags(labels: Mapping[str, str]) -> list[Document]:
    return [{"key": name, "value": value} for name, value in labels.items()]
