"""Where configuration is deployed, what is deployed, and what came of it: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mac.access_model import ServerAccess
from mac.inventory_model import Json
from mac.problems import NOWHERE, Location, MacError, Problem


class DestinationType(StrEnum):
    """What a destination is, as `mac.yaml` names it."""

    PROMETHEUS_FILES = "prometheus-files"
    ALERTMANAGER_FILES = "alertmanager-files"
    GRAFANA_FILES = "grafana-files"
    GRAFANA_API = "grafana-api"
    RULER = "ruler"
    ALERTMANAGER_API = "alertmanager-api"
    AMP = "amp"
    AMP_ALERTMANAGER = "amp-alertmanager"


SECRETS_DIR = "secrets"
"""The folder beside the versions for secrets that mac writes."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret that AWS keeps, in place of the file at `path` that receivers name.

    One of `parameter`, the name of a parameter of SSM, and `secret`, the name or ARN of a secret of Secrets
    Manager, is set. `key`: the value of this key alone, of a JSON object; "" for all of it.

    `role_arn`: entered first, with `external_id` if there is one; the ambient credentials where it is empty.
    """

    path: str
    region: str
    parameter: str = ""
    secret: str = ""
    key: str = ""
    role_arn: str = ""
    external_id: str = ""
    location: Location = NOWHERE

    @property
    def service(self) -> str:
        return "ssm" if self.parameter else "secretsmanager"

    @property
    def arn(self) -> str:
        """As a policy names it. Secrets Manager adds six characters to a name."""
        name = self.parameter or self.secret
        if name.startswith("arn:"):
            return name
        starts = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
        partition = next((p for start, p in starts.items() if self.region.startswith(f"{start}-")), "aws")
        place = f"arn:{partition}:{self.service}:{self.region}:*"
        return f"{place}:parameter/{name.lstrip('/')}" if self.parameter else f"{place}:secret:{name}-??????"

    def __str__(self) -> str:
        of = f"the key {self.key} of " if self.key else ""
        return f"{of}the {'parameter' if self.parameter else 'secret'} {self.parameter or self.secret}"


@dataclass(frozen=True, slots=True)
class FilesSettings:
    """A folder on this machine from which a server reads its configuration.

    `cell`: whose files; "" but for a Prometheus. `replica`: which of several that have them. `server`: where
    it answers; None for Grafana, which looks by itself. `pid_file`: SIGHUP instead of an HTTP request makes
    it read again. `tool`: its own promtool or amtool; "" for the one that `engines` finds. `keep`: how many
    versions stay, the current one included. `settle`: seconds in which it must have taken up what it was
    given. `secrets`: of an Alertmanager's receivers, written by mac.
    """

    name: str
    type: DestinationType
    folder: str
    cell: str = ""
    replica: str = ""
    server: ServerAccess | None = None
    pid_file: str = ""
    tool: str = ""
    keep: int = 5
    settle: float = 60.0
    secrets: tuple[StoredSecret, ...] = ()
    location: Location = NOWHERE
    cell_location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """A server that is told of its configuration over HTTP, and keeps it itself.

    `cell`: whose rules; "" where the type has no cell. `api`: which server's paths, "mimir" or "cortex".
    `namespace`: with what the names of mac's own namespaces begin, so that others' are left alone; of a
    Grafana the folder's uid, and `title` what people read of it. `secrets`: of an Alertmanager's receivers,
    sent in the place of files.
    """

    name: str
    type: DestinationType
    server: ServerAccess
    cell: str = ""
    api: str = "mimir"
    namespace: str = "mac"
    title: str = "Services"
    settle: float = 60.0
    secrets: tuple[StoredSecret, ...] = ()
    location: Location = NOWHERE
    cell_location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class AmpSettings:
    """A workspace of Amazon Managed Service for Prometheus. `workspace`: its id, as ws-….

    `role_arn`: entered first, with `external_id` if there is one; the ambient credentials where it is empty.
    `max_bytes`: of one rule groups namespace, or of the Alertmanager definition.
    """

    name: str
    type: DestinationType
    workspace: str
    region: str
    cell: str = ""
    role_arn: str = ""
    external_id: str = ""
    namespace: str = "mac"
    max_bytes: int = 1_000_000
    settle: float = 60.0
    location: Location = NOWHERE
    cell_location: Location = NOWHERE


DestinationSettings = FilesSettings | ApiSettings | AmpSettings


@dataclass(frozen=True, slots=True)
class Release:
    """The generated files of one commit: path below the output folder → content."""

    revision: str
    files: Mapping[str, bytes]


class Action(StrEnum):
    """What becomes of one thing at a destination."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, order=True)
class DeployChange:
    """One thing that a deployment changes. `what` names it as people know it there: a file, a rule group."""

    what: str
    action: Action


@dataclass(frozen=True, slots=True)
class DeployPlan:
    """What a deployment will do. `pending`: why it has to act though nothing differs; "" where it has not."""

    revision: str
    changes: tuple[DeployChange, ...]
    pending: str = ""

    def __bool__(self) -> bool:
        return bool(self.changes or self.pending)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a destination has of mac's, and runs.

    `items`: what is there → its content, which may be secret, spelled as a destination's `meant` spells it;
    with `adds` the destination keeps more than it was given. `revision`: the commit from which that was
    deployed first, and `edits`: what was changed since, by somebody else; "" and None where the destination
    does not keep that. `faults`: where what runs departs from what is there, in sentences; `unread`: why that
    could not be looked at.
    """

    items: Mapping[str, bytes]
    revision: str = ""
    edits: tuple[DeployChange, ...] | None = None
    faults: tuple[str, ...] = ()
    unread: str = ""
    adds: bool = False


def contains(there: Json, meant: Json) -> bool:
    """Whether a value has all that was meant; it may have more keys."""
    if isinstance(meant, Mapping):
        return isinstance(there, Mapping) and all(
            key in there and contains(there[key], value) for key, value in meant.items()
        )
    if isinstance(meant, list):
        return (
            isinstance(there, list)
            and len(there) == len(meant)
            and all(contains(one, other) for one, other in zip(there, meant, strict=True))
        )
    return bool(there == meant)


@dataclass(frozen=True, slots=True)
class ScrapedTarget:
    """A target as a Prometheus has it. `labels`: those of its series. `is_down`: it does not answer, and has
    not for as long as was asked for. `error`: why, in the server's words.
    """

    address: str
    labels: Mapping[str, str]
    is_down: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Scraping:
    """What a Prometheus scrapes. `since`: when it was started, in seconds since 1970."""

    since: float
    targets: tuple[ScrapedTarget, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """The least that a destination has to allow. `writes`: folders of this machine. `requests`: methods and
    paths of its server. `actions`: of IAM, on `resources`; where `roles` are entered first, theirs.
    `signals`: the file of the process to signal.
    """

    writes: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    signals: str = ""
    roles: tuple[str, ...] = ()


class State(StrEnum):
    """What came of one destination."""

    PLANNED = "planned"
    UNCHANGED = "unchanged"
    DEPLOYED = "deployed"
    REFUSED = "refused"  # before anything was changed: the configuration is wrong for this destination
    ROLLED_BACK = "rolled-back"  # it did not take the new one; the last good one is back and verified
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivered:
    """One destination after a deployment. `message` and `hint` say why it is not as it should be."""

    name: str
    type: DestinationType
    state: State
    plan: DeployPlan | None = None
    version: str = ""
    message: str = ""
    hint: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it runs what was brought."""
        return self.state in (State.DEPLOYED, State.UNCHANGED)


class DeployError(MacError):
    """A destination cannot be reached, or has not taken what it was given."""


class RolledBackError(DeployError):
    """It has not taken it, and the last good version is back: verified."""
