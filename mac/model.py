"""The values that the stages hand to one another. Frozen, plain, no behaviour beyond look-ups.
Raw dictionaries stop at the border: documents become these types in `standards`, AWS answers in `kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mac import inventory_config
from mac.problems import NOWHERE, Location

Json = Any
"""A JSON value: None, bool, int, float, str, list of Json, dict of str to Json."""

GLOBAL_REGION = "global"
"""The region of a scope whose service is not regional (S3's bucket list)."""

# What the inventory is told to read has a file of its own.
Account = inventory_config.Account
ConfigAggregator = inventory_config.ConfigAggregator
EnabledRegions = inventory_config.EnabledRegions
InventoryConfig = inventory_config.InventoryConfig
KnownAccount = inventory_config.KnownAccount
Listed = inventory_config.Listed
Organization = inventory_config.Organization
Via = inventory_config.Via
# --- inventory ---------------------------------------------------------------------------------------


class Lifecycle(StrEnum):
    """What a resource's own state means for monitoring. Only IN_SERVICE resources are targets."""

    STARTING = "starting"  # launched on purpose, not expected to answer yet
    IN_SERVICE = "in-service"
    LEAVING = "leaving"  # being stopped or terminated on purpose: silence is expected
    STOPPED = "stopped"  # exists, is not expected to answer


class LifecycleReason(StrEnum):
    """Why a resource is not in service, as far as AWS tells. All but FAILURE and REPLACEMENT are on purpose.

    What is being stopped for no reason that AWS gives is SHUTDOWN: somebody, or it itself, asked for it.
    """

    LAUNCH = "launch"
    LAUNCH_HOOK = "launch-hook"  # a lifecycle hook of its autoscaling group holds it back
    ROOT_VOLUME = "root-volume-replacement"
    WARM_POOL = "warm-pool"
    STANDBY = "standby"
    SCALE_IN = "scale-in"
    TERMINATION_HOOK = "termination-hook"  # leaving; a lifecycle hook of its group delays the end
    REPLACEMENT = "replacement"  # leaving because its group, or its service, found it unhealthy
    SPOT_INTERRUPTION = "spot-interruption"
    EMR_TERMINATION = "emr-termination"
    EMR_RESIZE = "emr-resize"
    MAINTENANCE = "maintenance"  # AWS retires the hardware
    SHUTDOWN = "shutdown"
    FAILURE = "failure"  # it ended by itself, or never came up

    def told(self, word: str) -> str:
        """A resource's `lifecycle_reason`: this, and AWS's own word for it."""
        return f"{self.value}: {word}" if word else self.value


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """The unit in which the inventory is read, fails and is kept: account id, region, kind name."""

    account: str
    region: str
    kind: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}/{self.kind}"


class ScopeState(StrEnum):
    """How the last reading of a scope ended. All but COMPLETE keep the last known good resources."""

    COMPLETE = "complete"
    STALE = "stale"
    DENIED = "denied"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class ScopeStatus:
    """A scope, how its last reading ended, why, and since when it is not complete (ISO 8601, UTC).

    `cause` is a `mac.answers.Cause`, or empty when it is not known.
    """

    scope: Scope
    state: ScopeState = ScopeState.COMPLETE
    reason: str = ""
    since: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One AWS resource as its service describes it.

    `addresses`: where it can be reached, the one to scrape first (private IPv4 for machines).
    `state`: AWS's own word; `lifecycle`: what it means for monitoring; `lifecycle_reason`: why it is not in
    service, a LifecycleReason and mostly AWS's own word ("termination-hook: Terminating:Wait").
    `links`: relation → identifiers of other resources, e.g. {"autoscaling-group": ("ingest-a",)}.
    `attributes`: JSON values that a standard or template may use; never a secret.
    `launched`: ISO 8601 in UTC, or empty.
    """

    arn: str
    kind: str
    account: str
    region: str
    id: str
    name: str = ""
    addresses: tuple[str, ...] = ()
    state: str = ""
    lifecycle: Lifecycle = Lifecycle.IN_SERVICE
    lifecycle_reason: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: Mapping[str, Json] = field(default_factory=dict)
    launched: str = ""

    @property
    def sort_key(self) -> tuple[str, str, str, str, str]:
        return (self.account, self.region, self.kind, self.id, self.arn)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The inventory at one moment: every scope's status and every resource, both sorted.

    `accounts` is empty when the inventory lists its accounts and regions.
    """

    scopes: tuple[ScopeStatus, ...] = ()
    resources: tuple[Resource, ...] = ()
    accounts: tuple[KnownAccount, ...] = ()


# --- standards, services, teams, settings ------------------------------------------------------------

PARAMETER_TYPES = ("ratio", "duration", "count", "bytes", "seconds", "number", "string")

ParameterValue = float | int | str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A knob of a standard. Durations are PromQL durations ("10m"); ratios lie in 0…1."""

    name: str
    type: str
    default: ParameterValue
    unit: str = ""
    minimum: ParameterValue | None = None
    maximum: ParameterValue | None = None
    description: str = ""
    open_to_tags: bool = False
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Text:
    """A template text in a document, with the place of its first character."""

    text: str
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class AppliesTo:
    """Which resources a standard is for: of this kind, and matching one of the clauses (if there are any).

    A clause maps label names to the values that it accepts; all labels of a clause must match.
    """

    kind: str
    any_of: tuple[Mapping[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Scrape:
    """How a resource that answers by itself is scraped."""

    job: str
    port: int
    path: str = "/metrics"
    scheme: str = "http"
    interval: str = ""
    timeout: str = ""


@dataclass(frozen=True, slots=True)
class CloudWatchMetric:
    name: str
    statistics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CloudWatch:
    """Which metrics of a resource the CloudWatch exporter reads. Durations are PromQL durations."""

    namespace: str
    metrics: tuple[CloudWatchMetric, ...]
    period: str = "1m"
    length: str = "5m"


class AlertSeverity(StrEnum):
    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class StandardRecording:
    record: str
    expr: Text
    labels: Mapping[str, str] = field(default_factory=dict)
    location: Location = NOWHERE

    @property
    def name(self) -> str:
        return self.record


@dataclass(frozen=True, slots=True)
class StandardAlert:
    """An alert of a standard, before it is rendered for a service.

    `outage`: it says that the whole service (or this part of it) is down, so it may mute what depends on it.
    """

    alert: str
    expr: Text
    severity: AlertSeverity
    summary: Text
    description: Text
    for_: Text = Text("0s")
    keep_firing_for: Text = Text("0s")
    outage: bool = False
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    location: Location = NOWHERE

    @property
    def name(self) -> str:
        return self.alert


StandardRule = StandardRecording | StandardAlert


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    expr: Text
    unit: str = "short"
    description: str = ""
    threshold: Text | None = None


@dataclass(frozen=True, slots=True)
class Standard:
    """One technology: what must run on which resources, how it is collected, and what is wrong when."""

    name: str
    title: str
    applies_to: AppliesTo
    description: str = ""
    runbook: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    scrape: Scrape | None = None
    cloudwatch: CloudWatch | None = None
    recording: tuple[StandardRecording, ...] = ()
    alerts: tuple[StandardAlert, ...] = ()
    panels: tuple[Panel, ...] = ()
    depends_on: tuple[str, ...] = ()
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Exemption:
    """Leaves one standard, or one alert of it, out for a service (in one environment or in all)."""

    standard: str
    reason: str
    expires: str  # ISO date; the last day on which it holds
    alert: str = ""
    environment: str = ""
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Service:
    """One service: who owns it, how important it is, and where it departs from the standards."""

    name: str
    owner: str
    tier: int
    title: str = ""
    description: str = ""
    depends_on: tuple[str, ...] = ()
    parameters: Mapping[str, Mapping[str, ParameterValue]] = field(
        default_factory=dict
    )  # standard → parameter → value
    exemptions: tuple[Exemption, ...] = ()
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Receiver:
    """One integration: its type (pagerduty, slack, webhook, …) and its Alertmanager fields."""

    type: str
    fields: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class WorkingHours:
    timezone: str
    days: tuple[str, ...]
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Team:
    name: str
    receivers: Mapping[str, tuple[Receiver, ...]]  # severity → integrations
    title: str = ""
    working_hours: WorkingHours | None = None
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Where a taxonomy label comes from: the first tag that is there (compared without case)."""

    label: str
    tags: tuple[str, ...]
    default: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Guards:
    """Shares (0…1) that one plan may remove without being asked, and how few removals never count."""

    removed_targets: float = 0.3
    removed_rules: float = 0.3
    minimum: int = 10


@dataclass(frozen=True, slots=True)
class Project:
    """`mac.yaml`."""

    labels: tuple[LabelSource, ...]
    default_team: str
    default_tier: int = 3
    undeclared_services: str = "bind"  # or "report"
    output: str = "."
    scrape_interval: str = "30s"
    evaluation_interval: str = "30s"
    alertmanagers: tuple[str, ...] = ()
    cloudwatch_exporter: str = "127.0.0.1:5000"
    group_wait: str = "30s"
    group_interval: str = "5m"
    repeat_interval: str = "4h"
    environments: Mapping[str, Mapping[str, Mapping[str, ParameterValue]]] = field(default_factory=dict)
    guards: Guards = Guards()
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that engineers wrote, checked: the input of `bind` beside the snapshot."""

    project: Project
    inventory: InventoryConfig
    standards: Mapping[str, Standard]
    services: Mapping[str, Service]
    teams: Mapping[str, Team]
    digests: Mapping[str, str] = field(default_factory=dict)  # "standard/host" → content hash, for causes


# --- binding -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One Prometheus: an account and region."""

    name: str
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Partition:
    """The resources of a binding that share one set of parameter values.

    `override` is empty for those that follow the service, else it spells the tags' values
    ("down_ratio=0.5") and is a label on their targets.
    """

    override: str
    parameters: Mapping[str, ParameterValue]
    size: int


@dataclass(frozen=True, slots=True)
class Member:
    """A resource under a standard: the labels that its target carries."""

    resource: Resource
    labels: Mapping[str, str]
    override: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """One standard for one service in one environment, in one cell, with all its resources."""

    cell: Cell
    environment: str
    service: str
    standard: Standard
    team: str
    tier: int
    members: tuple[Member, ...]
    partitions: tuple[Partition, ...]  # the base ("") first, if any resource follows it
    silenced: frozenset[str] = field(default_factory=frozenset)  # alerts left out by exemptions


@dataclass(frozen=True, slots=True)
class Unbound:
    """A resource that no standard watches, and why (`reason` is a stable word, `detail` a sentence)."""

    resource: Resource
    reason: str
    detail: str
