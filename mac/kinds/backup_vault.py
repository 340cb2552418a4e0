"""Backup vaults. The number of their recovery points is not kept: every backup changes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, dimension, present, timestamp
from mac.model import Lifecycle, Resource

NAME = "backup-vault"

STATES = {
    "": Lifecycle.IN_SERVICE,  # told of logically air-gapped vaults alone
    "CREATING": Lifecycle.STARTING,
    "AVAILABLE": Lifecycle.IN_SERVICE,
    "FAILED": Lifecycle.STOPPED,
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(vault: Raw) -> Raw:
        tags: dict[str, str] = {}
        token: dict[str, Any] = {}
        while True:  # botocore has no paginator for it
            answer = api.call(
                "ListTags",
                gone=("ResourceNotFoundException",),
                ResourceArn=vault["BackupVaultArn"],
                **token,
            )
            tags |= answer.get("Tags") or {}
            if not answer.get("NextToken"):
                return {**vault, "Tags": tags}
            token = {"NextToken": answer["NextToken"]}

    yield from api.each(describe, api.pages("ListBackupVaults", "BackupVaultList", size=1000))


def transform(place: Place, raw: Raw) -> Resource:
    state = raw.get("VaultState") or ""
    return Resource(
        arn=raw["BackupVaultArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["BackupVaultName"],
        name=raw["BackupVaultName"],
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=dict(raw["Tags"]),
        attributes=present(
            {
                "type": (raw.get("VaultType") or "BACKUP_VAULT").lower().replace("_", "-"),
                "locked": bool(raw.get("Locked")),
                "minimum_retention_days": raw.get("MinRetentionDays"),
                "maximum_retention_days": raw.get("MaxRetentionDays"),
            }
        ),
        launched=timestamp(raw.get("CreationDate")),
    )


KIND = Kind(
    name=NAME,
    title="backup vault",
    service="backup",
    calls={"ListBackupVaults": "backup:ListBackupVaults", "ListTags": "backup:ListTags"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/Backup",),
    dimensions=dimension("BackupVaultName"),
    facts=attribute_facts("locked", "type"),
    fact_names=("locked", "type"),
)
