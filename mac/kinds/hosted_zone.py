"""Route 53 hosted zones, public and private."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, in_batches, present, tag_map
from mac.model import Resource

NAME = "hosted-zone"

_TAGS = "ListTagsForResources"
_TAG_BATCH = 10  # AWS's limit
TAG_CALLS = {_TAGS: "route53:ListTagsForResources"}


def with_tags(api: Api, items: Iterable[Raw], type_: str, gone: str) -> Iterator[Raw]:
    """The items, each under its bare id, with their tags under "Tags". `gone`: the error code of one that
    was deleted meanwhile."""

    def ask(batch: Sequence[Raw]) -> list[Raw]:
        identifiers = [item["Id"] for item in batch]
        answer = api.call(_TAGS, gone=(gone,), ResourceType=type_, ResourceIds=identifiers)
        tags = {found["ResourceId"]: found.get("Tags") for found in answer["ResourceTagSets"]}
        return [{**item, "Tags": tags[item["Id"]]} for item in batch]

    yield from in_batches(api, items, _TAG_BATCH, ask)


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    listed = api.pages("ListHostedZones", "HostedZones", size=100)
    bare = ({**zone, "Id": zone["Id"].rpartition("/")[2]} for zone in listed)
    yield from with_tags(api, bare, "hostedzone", "NoSuchHostedZone")


def transform(place: Place, raw: Raw) -> Resource:
    return Resource(
        arn=f"arn:{place.partition}:route53:::hostedzone/{raw['Id']}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["Id"],
        name=raw["Name"].rstrip("."),
        tags=tag_map(raw["Tags"]),
        attributes=present(
            {
                "private": bool((raw.get("Config") or {}).get("PrivateZone")),
                # Zones of Cloud Map and other services come and go with these.
                "managed_by": (raw.get("LinkedService") or {}).get("ServicePrincipal"),
            }
        ),
    )


def dimensions(resource: Resource) -> Dimensions:
    """CloudWatch counts the queries of public zones alone."""
    return () if resource.attributes.get("private") else (("HostedZoneId", resource.id),)


KIND = Kind(
    name=NAME,
    title="Route 53 hosted zone",
    service="route53",
    calls={"ListHostedZones": "route53:ListHostedZones", **TAG_CALLS},
    fetch=fetch,
    transform=transform,
    global_=True,
    namespaces=("AWS/Route53",),
    dimensions=dimensions,
    facts=attribute_facts("private"),
    fact_names=("private",),
)
