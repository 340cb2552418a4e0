"""What becomes of the generated files in Kubernetes, as mac.yaml says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mac.problems import NOWHERE, Location


class AlertmanagerAs(StrEnum):
    """How the Prometheus Operator gets the configuration of Alertmanager."""

    VERBATIM = "secret"  # the file as it is, in a Secret
    TRANSLATED = "config"  # an AlertmanagerConfig
    NONE = "none"  # Alertmanager runs elsewhere


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """`namespace`: of every object. `labels`: that every object has beside mac's own, to be selected by."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    alertmanager: AlertmanagerAs = AlertmanagerAs.VERBATIM
    location: Location = NOWHERE
