"""Objects of Kubernetes: their names, labels and sizes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mac import emit
from mac.model import Json
from mac.operator_model import OperatorSettings

LARGEST = 240_000
"""Bytes of an object as JSON. Kubernetes keeps 1 MiB; but `kubectl apply`, and Argo CD with it unless it is
told otherwise, keeps all of an object in its annotations too, and those may have 256 KiB.
"""

CELL_LABEL = "mac-cell"
_LONGEST_NAME = 80  # the operator makes names of files of it, which have a namespace and an id too
_LONGEST_VALUE = 63


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file with one object. `entry`: what the provenance says of it."""

    path: str
    document: Json
    entry: Mapping[str, Json] = field(default_factory=dict)


def name(*parts: str, hashed: str = "") -> str:
    """A name that Kubernetes takes (RFC 1123) whatever the parts hold: readable, and with a hash, so that no
    two share one. `hashed`: what else tells it apart.
    """
    readable = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    mark = _hash("\n".join((*parts, hashed)))
    return f"mac-{readable}"[: _LONGEST_NAME - len(mark) - 1].rstrip("-") + f"-{mark}"


def label_value(text: str) -> str:
    """The text as the value of a label; changed only where it cannot be one."""
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", text):
        return text
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")
    mark = _hash(text)
    return f"{readable[: _LONGEST_VALUE - len(mark) - 1]}-{mark}".strip("._-")


def document(
    settings: OperatorSettings,
    kind: tuple[str, str],
    named: str,
    content: Mapping[str, Any],
    cell: str = "",
) -> dict[str, Any]:
    """An object. `kind`: its apiVersion and kind. `content`: all but apiVersion, kind and metadata."""
    labels = {**settings.labels, "app.kubernetes.io/managed-by": "mac"}
    if cell:
        labels[CELL_LABEL] = label_value(cell)
    metadata = {"name": named, "namespace": settings.namespace, "labels": dict(sorted(labels.items()))}
    return {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, **content}


def size(value: Json) -> int:
    """Bytes of a value as JSON."""
    return len(emit.json_escaped(value).encode())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
