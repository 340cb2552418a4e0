"""Databases of the Glue data catalog. CloudWatch has no metrics of them.

Where Lake Formation governs the catalog, Glue leaves out of the list, without a word, the databases that the
reader may not see.
"""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Kind, Place, Raw, present, timestamp, with_tags
from mac.model import Resource

NAME = "glue-database"


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    prefix = f"arn:{place.partition}:glue:{place.region}:{place.account}:database"
    listed = api.pages("GetDatabases", "DatabaseList", size=100)
    named = ({**database, "Arn": f"{prefix}/{database['Name']}"} for database in listed)
    yield from with_tags(api, named, "GetTags", "ResourceArn", "Arn", gone=("EntityNotFoundException",))


def transform(place: Place, raw: Raw) -> Resource:
    # A link to a database of another account.
    target = raw.get("TargetDatabase") or {}
    federated = raw.get("FederatedDatabase") or {}
    return Resource(
        arn=raw["Arn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["Name"],
        name=raw["Name"],
        tags=dict(raw["Tags"] or {}),
        attributes=present(
            {
                "target_catalog": target.get("CatalogId"),
                "target_database": target.get("DatabaseName"),
                "connection": federated.get("ConnectionName"),
            }
        ),
        launched=timestamp(raw.get("CreateTime")),
    )


KIND = Kind(
    name=NAME,
    title="Glue database",
    service="glue",
    calls={"GetDatabases": "glue:GetDatabases", "GetTags": "glue:GetTags"},
    fetch=fetch,
    transform=transform,
)
