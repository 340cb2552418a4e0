"""`spec.operator` of mac.yaml: what the Prometheus Operator is to run."""

from __future__ import annotations

from typing import Any

from mac.operator_model import AlertmanagerAs, OperatorSettings
from mac.source import Document, Pointer

_AT: Pointer = ("spec", "operator")


def read(document: Document) -> OperatorSettings | None:
    """None: no manifests are generated."""
    raw: dict[str, Any] | None = document.data["spec"].get("operator")
    if raw is None:
        return None
    return OperatorSettings(
        namespace=raw["namespace"],
        labels=dict(raw.get("labels", {})),
        alertmanager=AlertmanagerAs(raw.get("alertmanager", AlertmanagerAs.VERBATIM)),
        location=document.location(_AT, key=True),
    )
