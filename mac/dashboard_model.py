"""Where people see dashboards and the other layers, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where people's browsers reach what alerts and dashboards link to; "" leaves the link out.

    `prometheus` may hold `{cell}`, which stands for a cell's name. `repository` is where the files of the
    monitoring repository are read, `site` where `mac docs` was published. Each ends with a slash.
    """

    grafana: str = ""
    prometheus: str = ""
    alertmanager: str = ""
    repository: str = ""
    site: str = ""


@dataclass(frozen=True, slots=True)
class GrafanaProvider:
    """The folder that dashboards appear in, and where Grafana finds their files."""

    folder: str = "Services"
    path: str = "/var/lib/grafana/dashboards/mac"
