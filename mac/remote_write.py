"""What a Prometheus is that is not alone: labels that tell it from others, and where its series go. Pure.

Mimir and Amazon Managed Service for Prometheus take the series of one of several Prometheus with the same
`cluster`, and tell them apart by `__replica__`, which they take off (their guides on high availability). An
Alertmanager would take the same alert with two replicas for two, so alerts have neither.
"""

from __future__ import annotations

import re
from typing import Any

from mac import conventions
from mac.framing import Document
from mac.shard_model import RemoteWrite, Scale
from mac.shard_parts import Part


def completed(document: Document, scale: Scale, part: Part, replica: str) -> Document:
    """A prometheus.yml with what mac.yaml says of shards, replicas and remote write; as it is where that is
    nothing.
    """
    added: dict[str, str] = {conventions.CELL: part.place}
    if part.shard:
        added[conventions.SHARD] = str(part.shard.number)
    alerting = document["alerting"]
    if replica:
        added |= {conventions.CLUSTER: part.cell.name, conventions.REPLICA: replica}
        if alerting:
            names = f"{conventions.CLUSTER}|{conventions.REPLICA}"
            alerting = {"alert_relabel_configs": [{"action": "labeldrop", "regex": names}], **alerting}
    settings = document["global"]
    labels = dict(sorted({**settings["external_labels"], **added}.items()))
    whole = {**document, "global": {**settings, "external_labels": labels}, "alerting": alerting}
    if scale.remote_write:
        whole["remote_write"] = [_remote_write(scale.remote_write, part)]
    return whole


def _remote_write(to: RemoteWrite, part: Part) -> Document:
    found: dict[str, Any] = {"url": to.url}
    if to.tenant:
        found["headers"] = {"X-Scope-OrgID": to.tenant}
    if to.token_file:
        found["authorization"] = {"type": "Bearer", "credentials_file": to.token_file}
    if to.username:
        found["basic_auth"] = {"username": to.username, "password_file": to.password_file}
    if to.sigv4_region:
        role = {"role_arn": to.sigv4_role_arn} if to.sigv4_role_arn else {}
        found["sigv4"] = {"region": to.sigv4_region, **role}
    if to.tls:
        found["tls_config"] = dict(sorted(to.tls.items()))
    if part.shard:
        found["write_relabel_configs"] = _relabelled(part)
    return found


def _relabelled(part: Part) -> list[Document]:
    """A resource's series are the same series in whichever shard collects it: there they go on when it moves.
    What a shard records of resources has the labels that it would have if the ruler had recorded it.
    """
    entries: list[Document] = [
        {
            "source_labels": [conventions.RESOURCE_ID],
            "regex": ".+",
            "target_label": conventions.SHARD,
            "replacement": "",
        }
    ]
    if part.own_series:
        names = "|".join(re.escape(name) for name in part.own_series)
        entries += [
            {"source_labels": ["__name__"], "regex": names, "target_label": label, "replacement": ""}
            for label in (conventions.ACCOUNT, conventions.CELL, conventions.REGION)
        ]
    return entries
