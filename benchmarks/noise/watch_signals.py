"""What the monitoring tells of itself, and what probes find: all of it works, in every world.

Its parts are on no machine of the fleet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.noise.clock import DAY, START, Floats
from benchmarks.noise.signals import NONE, Series, Wanted, constant, counter

if TYPE_CHECKING:
    from benchmarks.noise.world import World

PROBE = "probe-"
"""What the jobs of probes begin with."""

BLACKBOX = {"job": "blackbox", "instance": "127.0.0.1:9115"}

_BY_ALERTMANAGER = {"alertmanager": "http://127.0.0.1:9093/api/v2/alerts"}

# Counters of what fails, by job. They are there from the start, and stay zero.
_FAILURES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "alertmanager": {"alertmanager_notifications_failed_total": {"integration": "slack", "reason": "other"}},
    "cloudwatch": {"yace_cloudwatch_request_errors": {"api_name": "GetMetricData"}},
    "prometheus": {
        **dict.fromkeys(
            (
                "prometheus_notifications_dropped_total",
                "prometheus_sd_file_read_errors_total",
                "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                "prometheus_target_scrapes_sample_out_of_order_total",
                "prometheus_target_scrapes_sample_out_of_bounds_total",
                "prometheus_target_scrapes_exceeded_sample_limit_total",
                "prometheus_tsdb_compactions_failed_total",
                "prometheus_tsdb_head_truncations_failed_total",
                "prometheus_tsdb_checkpoint_creations_failed_total",
                "prometheus_tsdb_checkpoint_deletions_failed_total",
                "prometheus_tsdb_wal_truncations_failed_total",
                "prometheus_tsdb_wal_writes_failed_total",
                "prometheus_tsdb_reloads_failures_total",
                "prometheus_tsdb_wal_corruptions_total",
            ),
            NONE,
        ),
        "prometheus_rule_evaluation_failures_total": {"rule_group": "all"},
        "prometheus_rule_group_iterations_missed_total": {"rule_group": "all"},
        "prometheus_target_sync_failed_total": {"scrape_job": "host"},
        "prometheus_notifications_errors_total": _BY_ALERTMANAGER,
    },
}
# Counters of what is done, a second.
_DONE: Mapping[str, Mapping[str, tuple[Mapping[str, str], float]]] = {
    "alertmanager": {"alertmanager_notifications_total": ({"integration": "slack"}, 0.002)},
    "cloudwatch": {"yace_cloudwatch_requests_total": ({"api_name": "GetMetricData"}, 0.2)},
    "prometheus": {
        "prometheus_rule_evaluations_total": ({"rule_group": "all"}, 15.0),
        "prometheus_notifications_sent_total": (_BY_ALERTMANAGER, 0.1),
    },
}
_STATES: Mapping[str, Mapping[str, float]] = {
    "alertmanager": {
        "alertmanager_config_last_reload_successful": 1,
        "alertmanager_config_hash": 48_213_377_102_385,
        "alertmanager_cluster_members": 1,
    },
    "prometheus": {
        "prometheus_config_last_reload_successful": 1,
        "process_start_time_seconds": START - 9 * DAY,
    },
}


def series(world: World, job: str, wanted: Wanted) -> Iterator[Series]:
    """All that a job outside the fleet tells, over the whole time.

    Raises KeyError for a job that nothing outside the fleet answers to.
    """
    if job.startswith(PROBE):
        yield from _probe(world, wanted)
        return
    if job not in _FAILURES:
        raise KeyError(job)
    found: dict[str, tuple[Mapping[str, str], Floats]] = {
        name: (labels, constant(world.count, 0)) for name, labels in _FAILURES[job].items()
    }
    for name, (labels, rate) in _DONE[job].items():
        found[name] = (labels, counter(constant(world.count, rate)))
    for name, value in _STATES.get(job, {}).items():
        found[name] = (NONE, constant(world.count, value))
    for name, (labels, values) in found.items():
        if name in wanted:
            yield Series(name, labels, values, 1 if name in _DONE[job] else 0)


def _probe(world: World, wanted: Wanted) -> Iterator[Series]:
    """The endpoint answers, with the certificate that is in use."""
    expiry = np.floor(world.times / DAY) * DAY + START + world.services.certificate_days * DAY
    for incident in world.incidents:
        if incident.kind == "certificate-expiry":
            inside = (world.times >= incident.start) & (world.times < incident.end)
            expiry[inside] = np.floor(START + incident.start + 2 * DAY)
    values = {
        "probe_success": (constant(world.count, 1), 0),
        "probe_duration_seconds": (constant(world.count, 0.031), 3),
        "probe_ssl_earliest_cert_expiry": (expiry, 0),
    }
    for name, (found, decimals) in values.items():
        if name in wanted:
            yield Series(name, NONE, found, decimals)
