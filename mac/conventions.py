"""Every label, group and file name is made here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import quote

# Labels of the taxonomy. A target carries those that are not empty.
SERVICE = "service"
ENVIRONMENT = "environment"
ROLE = "role"
TEAM = "team"
ACCOUNT = "account"
REGION = "region"
ZONE = "zone"
RESOURCE_ID = "resource_id"
CELL = "cell"
STANDARD = "standard"
SEVERITY = "severity"
TIER = "tier"
OUTAGE = "outage"
REACH = "reach"  # of an outage: the whole cell
REMINDER = "reminder"  # how often it is told again, where that is rarer than usual
OVERRIDE = "override"
PROBE = "probe"  # of a probed target: the standard that probes it
PROBED = "probed"  # of a probed target: the kind of what it belongs to
KIND = "kind"  # no label of a series; what a resource is, beside its labels
SLO = "slo"
SHARD = "shard"  # of a Prometheus: which part of its cell it collects
CLUSTER, REPLICA = "cluster", "__replica__"  # by which Mimir and AMP take one of two that collect the same

EXTERNAL = (ACCOUNT, CELL, REGION)
"""The labels that every Prometheus adds to what it sends."""

TAXONOMY = (SERVICE, ENVIRONMENT, ROLE, TEAM)
"""Labels that come from tags, as `mac.yaml` maps them."""

AFTER_HOURS = "after hours"
NOBODY = "nobody"
"""The receiver of what is told to nobody and only stands in Alertmanager."""

MONITORING, EVERYWHERE = "monitoring", "all"
"""The service and the environment of what is about monitoring itself."""

HEARTBEAT = "Heartbeat"
"""The alert that always fires, so that its absence tells that monitoring itself is dead."""

HEARTBEAT_STANDARD = HEARTBEAT_RECEIVER = "heartbeat"
HEARTBEAT_FILE = "heartbeat.yml"

PARAMETER_TAG_PREFIX = "mac:"

SERVICES_DIR = "standards/services"
TEAMS_DIR = "standards/teams"
SLO_DIR = "standards/slo"
PROVENANCE = "provenance.json"
ALERTMANAGER_CONFIG = "alertmanager/alertmanager.yml"
DASHBOARD_PROVIDER = "dashboards/provider.yml"
OPERATOR_DIR, KUSTOMIZATION = "operator", "kustomization.yaml"
"""What the Prometheus Operator and Kustomize read."""
SNAPSHOT_DIR = "inventory/snapshot"
RUNBOOK_DIR = "standards/runbooks"
METRICS_DIR = "metrics"
"""A repository's own catalogues of metrics."""
PACKAGES_DIR = "standards/packages"
PACKAGE_FILE = "package.json"
SHIPPED_RUNBOOKS = "https://github.com/monitoring-as-code/mac/blob/main/standards/runbooks/"
"""Where the runbooks of the shipped standards are read, unless `mac.yaml` names another place."""

CLOUDWATCH_JOB, BLACKBOX_JOB = "cloudwatch", "blackbox"
"""The scrape jobs of exporters that answer for others."""
BLACKBOX_CONFIG = "exporters/blackbox.yml"
PROBE_JOB_PREFIX = "probe-"

ZONE_LOST = "zone:lost:bool"
"""The zones whose loss ZoneUnreachable tells, so that others need not; none where nothing records it."""

SHARD_ALIVE, SHARD_SILENT = "shard:alive:bool", "ShardSilent"
SHARD_STANDARD = "shard"
"""What each shard records of itself, and the alert of the ruler that misses it."""

SLO_STANDARD_PREFIX = "slo-"
SLO_RUNBOOK = "slo.md"
SLO_OBJECTIVE = "service:slo_objective:ratio"
SLO_BUDGET_REMAINING = "service:slo_error_budget_remaining:ratio"
SLO_BURNS_FAST = "service:slo_burns_fast:ratio"
SLO_FAST, SLO_SLOW, SLO_ABSENT = "ErrorBudgetBurnFast", "ErrorBudgetBurnSlow", "SliAbsent"
SLO_REMINDER = "1d"  # of ErrorBudgetBurnSlow
SLO_ALERTS = (SLO_FAST, SLO_SLOW, SLO_ABSENT)

WORK_DIR = ".mac"
"""Lock, journal and staging area of a running `mac`; never committed."""

SENSOR_PROGRAMS, SENSOR_SETTINGS = "/opt/mac-sensors", "/etc/mac-sensors"
"""Folders of machines: what sensors are, and what they are told."""

SENSOR_TEMPLATE = "sensors/sensor.sh.j2"
"""The template of scripts, which every file that delivers one carries."""

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_PROMETHEUS_FILE = re.compile(r"cells/[^/]+/prometheus(-[a-z0-9-]+)?\.yml")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


def slug(value: str) -> str:
    """A file name for any value: itself when it is plain, else a readable stem and a hash.

    Two different values never share a slug: whatever is changed is told apart by the hash, and a plain
    value cannot look like a hashed one, since those contain a tilde.
    """
    if _PLAIN.fullmatch(value) and ".." not in value and not _RESERVED.fullmatch(value):
        return value
    stem = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:40] or "x"
    return f"{stem}~{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


def runbook_address(base: str, page: str) -> str:
    """Where people read a page of RUNBOOK_DIR. `{name}` in `base` stands for the page without its ".md"; else
    the page follows the base. Without a base it is where mac's own project has the page.
    """
    base = base or SHIPPED_RUNBOOKS
    return base.replace("{name}", page.removesuffix(".md")) if "{name}" in base else base + page


def alert_anchor(alert: str) -> str:
    """The section of a runbook that is about an alert: what GitHub and the site make of its heading."""
    return alert.lower()


def cell_name(account_name: str, region: str) -> str:
    return slug(f"{account_name}-{region}")


def package_folder(name: str) -> str:
    return f"{PACKAGES_DIR}/{name}"


def package_of(path: str) -> str:
    """The package that a document belongs to; "" for one of the repository's own."""
    name, _, inside = path.removeprefix(f"{PACKAGES_DIR}/").partition("/")
    return name if inside and path.startswith(f"{PACKAGES_DIR}/") else ""


def shard_name(cell: str, number: int) -> str:
    """The cell that a shard is: it has a folder, and a Prometheus, of its own."""
    return f"{cell}-shard-{number}"


def prometheus_file(cell: str, replica: str = "") -> str:
    """`replica`: where several Prometheus collect the same, which of them; their other files are shared."""
    return f"cells/{slug(cell)}/{prometheus_name(replica)}"


def prometheus_name(replica: str = "") -> str:
    return f"prometheus-{replica}.yml" if replica else "prometheus.yml"


def is_prometheus_file(path: str) -> bool:
    """Whether `prometheus_file` makes such a path."""
    return bool(_PROMETHEUS_FILE.fullmatch(path))


def rules_file(cell: str, environment: str, service: str) -> str:
    return f"cells/{slug(cell)}/rules/{slug(environment)}/{slug(service)}.yml"


def heartbeat_file(cell: str) -> str:
    return f"cells/{slug(cell)}/{HEARTBEAT_FILE}"


def targets_file(cell: str, job: str) -> str:
    return f"cells/{slug(cell)}/targets/{slug(job)}.json"


def is_targets_file(path: str) -> bool:
    """Whether `targets_file` makes such a path."""
    parts = path.split("/")
    return len(parts) == 4 and parts[0] == "cells" and parts[2] == "targets" and path.endswith(".json")


def cloudwatch_file(cell: str) -> str:
    return f"cells/{slug(cell)}/exporters/cloudwatch.yml"


def blackbox_file(cell: str) -> str:
    return f"cells/{slug(cell)}/{BLACKBOX_CONFIG}"


def probe_job(module: str) -> str:
    """The scrape job of what is probed by a module."""
    return f"{PROBE_JOB_PREFIX}{module}"


def operator_folder(cell: str = "") -> str:
    """The folder of manifests for the Prometheus of a cell; without one that of Alertmanager."""
    return f"{OPERATOR_DIR}/cells/{slug(cell)}" if cell else f"{OPERATOR_DIR}/alertmanager"


def sensor_script(standard: str, sensor: str) -> str:
    return f"sensors/{slug(standard)}/{slug(sensor)}.sh"


def sensor_file(standard: str, name: str) -> str:
    """`name`: document.json, template.json, cloud-init.yaml or ansible.yaml."""
    return f"sensors/{slug(standard)}/{name}"


def dashboard_file(service: str) -> str:
    return f"dashboards/{slug(service)}.json"


def team_dashboard_file(team: str) -> str:
    return f"dashboards/teams/{slug(team)}.json"


def dashboard_uid(service: str) -> str:
    """Grafana's identity of a service's dashboard, which is in its address: the same for good."""
    return f"mac-{_digest(service)}"


def team_dashboard_uid(team: str) -> str:
    return f"mac-team-{_digest(team)}"


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def rule_group(service: str, environment: str, standard: str) -> str:
    """Unique within a Prometheus, readable in its user interface."""
    return f"{service} / {environment} / {standard}"


def slo_standard(name: str) -> str:
    """The name under which the rules of an SLO are grouped and exempted, as if it were a standard."""
    return f"{SLO_STANDARD_PREFIX}{name}"


def receiver(team: str, severity: str, circumstance: str = "") -> str:
    """`circumstance`: an environment, or AFTER_HOURS."""
    return f"{team} / {severity}" + (f" / {circumstance}" if circumstance else "")


def working_hours(team: str) -> str:
    return f"{team} / working hours"


def mute_time(team: str, name: str) -> str:
    return f"{team} / {name}"


def maintenance(name: str) -> str:
    return f"maintenance / {name}"


def slo_ratio(window: str) -> str:
    """The recorded share of events that failed within a window."""
    return f"service:slo_error:ratio{window}"


def slo_events(window: str) -> str:
    """The recorded number of events within a window."""
    return f"service:slo_events:count{window}"


def slo_errors(window: str) -> str:
    """The recorded number of events that failed within a window."""
    return f"service:slo_errors:count{window}"


def override(values: Mapping[str, object]) -> str:
    """The label that tells a partition apart: its parameters as "name=value,…", sorted; "" for none."""
    return ",".join(f"{name}={quote(str(value), safe='.+ ')}" for name, value in sorted(values.items()))


def overridden(label: str) -> tuple[str, ...]:
    """The parameter names in an override label."""
    return tuple(pair.partition("=")[0] for pair in label.split(",") if pair)
