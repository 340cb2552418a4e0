"""The values that the stages hand to one another. Frozen, plain, no behaviour beyond look-ups.
Raw dictionaries stop at the border: documents become these types in `standards`, AWS answers in `kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mac import (
    dashboard_model,
    inventory_config,
    inventory_model,
    package_model,
    probe_model,
    sensor_model,
    slo_model,
    team_model,
    text,
)
from mac.access_model import ServerAccess
from mac.deploy_model import DestinationSettings
from mac.event_model import EventQueue
from mac.operator_model import OperatorSettings
from mac.problems import NOWHERE, Location
from mac.record_model import GitSettings, TargetFiles
from mac.shard_model import Scale

# What the inventory is told to read, what is found, teams, objectives and more have files of their own.
Account = inventory_config.Account
ConfigAggregator = inventory_config.ConfigAggregator
EnabledRegions = inventory_config.EnabledRegions
InventoryConfig = inventory_config.InventoryConfig
KnownAccount = inventory_config.KnownAccount
Listed = inventory_config.Listed
Organization = inventory_config.Organization
Via = inventory_config.Via

GLOBAL_REGION = inventory_model.GLOBAL_REGION
Json = inventory_model.Json
Lifecycle = inventory_model.Lifecycle
LifecycleReason = inventory_model.LifecycleReason
Resource = inventory_model.Resource
Scope = inventory_model.Scope
ScopeState = inventory_model.ScopeState
ScopeStatus = inventory_model.ScopeStatus
Snapshot = inventory_model.Snapshot
together = inventory_model.together
AlertSeverity = team_model.AlertSeverity
Maintenance = team_model.Maintenance
MuteTime = team_model.MuteTime
NoiseBudget = team_model.NoiseBudget
Receiver = team_model.Receiver
Team = team_model.Team
WorkingHours = team_model.WorkingHours

BurnRate = slo_model.BurnRate
Indicator = slo_model.Indicator
Slo = slo_model.Slo
Text = text.Text
Addresses = dashboard_model.Addresses
GrafanaProvider = dashboard_model.GrafanaProvider
Endpoint = probe_model.Endpoint
Probe = probe_model.Probe
ProbeModule = probe_model.ProbeModule
ServiceEndpoint = probe_model.ServiceEndpoint
Package = package_model.Package
Download = sensor_model.Download
Sensor = sensor_model.Sensor
SensorCheck = sensor_model.SensorCheck
SensorRun = sensor_model.SensorRun

# --- standards, services, teams, settings ------------------------------------------------------------

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


EACH_PART = "*"


@dataclass(frozen=True, slots=True)
class CloudWatchMetric:
    """`dimensions`: those that a metric has beside the resource's own, as `Type: gauge` of a Glue job's.

    The value `EACH_PART` stands for every part that the kind knows, as each `Broker ID` of an MSK cluster.
    """

    name: str
    statistics: tuple[str, ...]
    dimensions: Mapping[str, str] = field(default_factory=dict)
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class CloudWatch:
    """Which metrics of a resource the CloudWatch exporter reads. Durations are PromQL durations."""

    namespace: str
    metrics: tuple[CloudWatchMetric, ...]
    period: str = "1m"
    length: str = "5m"


_AT_ONCE = Text("0s")


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
    `whole_cell`: an outage of more than one service. `reminder`: how often it is told again, "" for the
    project's repeat interval. `explained_by`: alerts that say the same with more right.
    """

    alert: str
    expr: Text
    severity: AlertSeverity
    summary: Text
    description: Text
    for_: Text = _AT_ONCE
    keep_firing_for: Text = _AT_ONCE
    outage: bool = False
    whole_cell: bool = False
    reminder: str = ""
    explained_by: tuple[str, ...] = ()
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    location: Location = NOWHERE

    @property
    def name(self) -> str:
        return self.alert


StandardRule = StandardRecording | StandardAlert


SIGNALS = ("latency", "traffic", "errors", "saturation")
"""The golden signals, in the order in which a dashboard shows them."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph. `signal`: the golden signal that it shows, if any."""

    title: str
    expr: Text
    unit: str = "short"
    description: str = ""
    threshold: Text | None = None
    signal: str = ""


@dataclass(frozen=True, slots=True)
class Standard:
    """One technology: what must run on which resources, how it is collected, and what is wrong when.

    `exporters`: the catalogues that have its metrics; None when it does not say.
    """

    name: str
    title: str
    applies_to: AppliesTo
    description: str = ""
    runbook: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    scrape: Scrape | None = None
    sensors: tuple[Sensor, ...] = ()
    cloudwatch: CloudWatch | None = None
    probe: Probe | None = None
    recording: tuple[StandardRecording, ...] = ()
    alerts: tuple[StandardAlert, ...] = ()
    panels: tuple[Panel, ...] = ()
    depends_on: tuple[str, ...] = ()
    exporters: tuple[str, ...] | None = None
    exporters_location: Location = NOWHERE
    extends: str = ""
    covers: tuple[str, ...] = ()  # kinds that are watched through a linked resource of this standard
    indicators: Mapping[str, Indicator] = field(default_factory=dict)
    location: Location = NOWHERE

    @property
    def defaults(self) -> dict[str, ParameterValue]:
        """Parameter → its value where nothing overrides it."""
        return {name: parameter.default for name, parameter in self.parameters.items()}


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
    slos: tuple[Slo, ...] = ()
    endpoints: tuple[ServiceEndpoint, ...] = ()
    budget: NoiseBudget | None = None
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
    """Shares (0…1) that one plan may remove without being asked, and how few removals never count.

    `stale_scopes`: the share (0…1) of scopes that may have failed; `coverage`: the percentage that must be
    watched. `harmless`: fingerprints of what looks like a credential and is none. `forecast`: whether a plan
    is stopped too that breaks a budget of notifications.
    """

    removed_targets: float = 0.3
    removed_rules: float = 0.3
    minimum: int = 10
    stale_scopes: float = 1.0
    coverage: float = 0.0
    harmless: tuple[str, ...] = ()
    forecast: bool = False


@dataclass(frozen=True, slots=True)
class Unwatched:
    """Resources that nobody needs to watch: all those with these labels (`kind` is one of them)."""

    match: Mapping[str, tuple[str, ...]]
    reason: str
    expires: str = ""  # ISO date; the last day on which it holds; empty: for good
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Project:
    """`mac.yaml`."""

    labels: tuple[LabelSource, ...]
    default_team: str
    default_tier: int = 3
    page_tiers: tuple[int, ...] = (1, 2, 3, 4)  # of services whose pages wake somebody
    undeclared_services: str = "bind"  # or "report"
    output: str = "."
    runbooks: str = ""  # the address at which people read standards/runbooks/
    scrape_interval: str = "30s"
    evaluation_interval: str = "30s"
    own_address: str = "127.0.0.1:9090"  # where each Prometheus finds itself
    alertmanagers: tuple[str, ...] = ()
    cloudwatch_exporter: str = "127.0.0.1:5000"
    blackbox_exporter: str = "127.0.0.1:9115"
    probe_modules: Mapping[str, ProbeModule] = field(default_factory=dict)  # its own
    query: ServerAccess | None = None  # the server that has the history
    group_wait: str = "30s"
    group_interval: str = "5m"
    ticket_interval: str = "30m"  # the group_interval of tickets
    repeat_interval: str = "4h"
    heartbeat_interval: str = "1m"
    alertmanager_api: ServerAccess | None = None  # where silences are known
    maintenance: tuple[Maintenance, ...] = ()
    environments: Mapping[str, Mapping[str, Mapping[str, ParameterValue]]] = field(default_factory=dict)
    guards: Guards = Guards()
    git: GitSettings = field(default_factory=GitSettings)
    targets: TargetFiles = field(default_factory=TargetFiles)
    unwatched: tuple[Unwatched, ...] = ()
    addresses: Addresses = field(default_factory=Addresses)
    grafana: GrafanaProvider = field(default_factory=GrafanaProvider)
    packages: tuple[Package, ...] = ()
    downloads: Mapping[str, Download] = field(default_factory=dict)  # by the sensor's name
    destinations: tuple[DestinationSettings, ...] = ()
    scale: Scale = field(default_factory=Scale)
    mac_sync: str = ""  # where the metrics of `mac sync` are; "": they are not collected
    events: EventQueue | None = None  # what tells `mac sync` of changes
    operator: OperatorSettings | None = None  # manifests for Kubernetes
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that engineers wrote, checked: the input of `bind` beside the snapshot.

    `bases`: standards that others extend; they watch nothing, and their tests hold.
    """

    project: Project
    inventory: InventoryConfig
    standards: Mapping[str, Standard]
    services: Mapping[str, Service]
    teams: Mapping[str, Team]
    bases: Mapping[str, Standard] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)  # "standard/host" → content hash, for causes


# --- binding -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One Prometheus: an account and region, or a shard of it."""

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
    """One standard for one service in one environment, in one cell, with all its resources.

    `pages`: whether its tier is one that wakes somebody; where not, pages are tickets.
    """

    cell: Cell
    environment: str
    service: str
    standard: Standard
    team: str
    tier: int
    members: tuple[Member, ...]
    partitions: tuple[Partition, ...]  # the base ("") first, if any resource follows it
    pages: bool = True
    silenced: frozenset[str] = field(default_factory=frozenset)  # alerts left out by exemptions


@dataclass(frozen=True, slots=True)
class Spared:
    """A resource that a standard would watch, if its service did not exempt it."""

    resource: Resource
    standard: str
    exemption: Exemption


@dataclass(frozen=True, slots=True)
class Unbound:
    """A resource that no standard watches, and why (`reason` is a stable word, `detail` a sentence)."""

    resource: Resource
    reason: str
    detail: str
