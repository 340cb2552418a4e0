"""Past one machine: how cells are divided, replicated, and where their series go. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mac.access_model import ServerAccess
from mac.problems import NOWHERE, Location


@dataclass(frozen=True, slots=True)
class CellSize:
    """What mac.yaml says of one cell. `shards`: exactly so many; 0: as many as its size asks for.

    `series`: how many its Prometheus was seen to hold; 0 when nobody says.
    """

    shards: int = 0
    series: int = 0
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Sharding:
    """`max_targets`, `max_series`: what one Prometheus may have; 0: any number. `measure`: where running ones
    are asked for their series, with `{cell}` in the place of their names.
    """

    max_targets: int = 0
    max_series: int = 0
    cells: Mapping[str, CellSize] = field(default_factory=dict)
    measure: ServerAccess | None = None
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class RemoteWrite:
    """Where every Prometheus sends its series. Files are those of the machine that it runs on: secrets are
    named and never held. At most one of `token_file`, `username` and `sigv4_region` is set.
    """

    url: str
    tenant: str = ""
    token_file: str = ""
    username: str = ""
    password_file: str = ""
    sigv4_region: str = ""
    sigv4_role_arn: str = ""
    tls: Mapping[str, str] = field(default_factory=dict)
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Scale:
    """`sharding`: None where no cell is ever divided. `replicas`: the names of the Prometheus that collect
    the same, () for one alone.
    """

    sharding: Sharding | None = None
    replicas: tuple[str, ...] = ()
    remote_write: RemoteWrite | None = None


@dataclass(frozen=True, slots=True)
class Division:
    """A cell that is divided into `count` shards, numbered from 0; at least two."""

    cell: str
    count: int
