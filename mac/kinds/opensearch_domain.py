"""OpenSearch Service domains, those that run Elasticsearch among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mac.kinds.kind import (
    Api,
    Dimensions,
    Kind,
    Place,
    Raw,
    attribute_facts,
    in_batches,
    present,
    tag_map,
    with_tags,
)
from mac.model import Endpoint, Lifecycle, Resource

NAME = "opensearch-domain"

STATES = {
    "Creating": Lifecycle.STARTING,
    "Active": Lifecycle.IN_SERVICE,
    "Modifying": Lifecycle.IN_SERVICE,
    "UpgradingEngineVersion": Lifecycle.IN_SERVICE,
    "UpdatingServiceSoftware": Lifecycle.IN_SERVICE,
    "Isolated": Lifecycle.STOPPED,
    "Deleting": Lifecycle.LEAVING,
}
_BATCH = 5  # AWS's limit


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def described(batch: Sequence[str]) -> list[Raw]:
        # A domain that was deleted meanwhile is not in the answer.
        return list(api.call("DescribeDomains", DomainNames=list(batch))["DomainStatusList"])

    listed = [domain["DomainName"] for domain in api.call("ListDomainNames")["DomainNames"]]
    domains = in_batches(api, listed, _BATCH, described)
    yield from with_tags(
        api, domains, "ListTags", "ARN", "ARN", key="TagList", gone=("ResourceNotFoundException",)
    )


def transform(place: Place, raw: Raw) -> Resource:
    state = raw.get("DomainProcessingStatus") or ""
    if raw.get("Deleted"):
        state = "Deleting"
    elif not raw.get("Created"):
        state = "Creating"
    nodes = raw.get("ClusterConfig") or {}
    zones = nodes.get("ZoneAwarenessConfig") or {}
    endpoints = [raw.get("Endpoint"), *(e for _, e in sorted((raw.get("Endpoints") or {}).items()))]
    return Resource(
        arn=raw["ARN"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["DomainName"],
        name=raw["DomainName"],
        addresses=tuple(e for e in endpoints if e),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=tag_map(raw["Tags"]),
        attributes=present(
            {
                "engine": (raw.get("EngineVersion") or "").partition("_")[0].lower(),
                "engine_version": (raw.get("EngineVersion") or "").partition("_")[2],
                "instance_type": nodes.get("InstanceType"),
                "nodes": nodes.get("InstanceCount"),
                "dedicated_masters": nodes.get("DedicatedMasterCount") or 0,
                "warm_nodes": nodes.get("WarmCount") or 0,
                "zones": zones.get("AvailabilityZoneCount") if nodes.get("ZoneAwarenessEnabled") else 1,
                "storage_bytes": ((raw.get("EBSOptions") or {}).get("VolumeSize") or 0) * 1024**3 or None,
                "vpc": (raw.get("VPCOptions") or {}).get("VPCId"),
            }
        ),
    )


def dimensions(resource: Resource) -> Dimensions:
    """Names of domains repeat from account to account: CloudWatch keeps the account beside."""
    return (("DomainName", resource.id), ("ClientId", resource.account))


def endpoints(resource: Resource) -> tuple[Endpoint, ...]:
    """Only of a public domain: one in a VPC answers to what its security groups let in."""
    if resource.attributes.get("vpc"):
        return ()
    return tuple(Endpoint(f"https://{address}", "http_answers") for address in resource.addresses)


KIND = Kind(
    name=NAME,
    title="OpenSearch domain",
    service="opensearch",
    calls={
        "ListDomainNames": "es:ListDomainNames",
        "DescribeDomains": "es:DescribeDomains",
        "ListTags": "es:ListTags",
    },
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/ES",),
    dimensions=dimensions,
    endpoints=endpoints,
    facts=attribute_facts("engine", "instance_type"),
    fact_names=("engine", "instance_type"),
)
