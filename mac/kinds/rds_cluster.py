"""Aurora clusters and Multi-AZ clusters of RDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mac.kinds.kind import (
    Api,
    Kind,
    Place,
    Raw,
    attribute_facts,
    dimension,
    present,
    tag_map,
    timestamp,
)
from mac.kinds.rds_instance import OTHER_SERVICES, Transform
from mac.model import Lifecycle, Resource

NAME = "rds-cluster"

STATES = {
    "available": Lifecycle.IN_SERVICE,
    "creating": Lifecycle.STARTING,
    "starting": Lifecycle.STARTING,
    "deleting": Lifecycle.LEAVING,
    "stopping": Lifecycle.LEAVING,
    "stopped": Lifecycle.STOPPED,
}


def transformer(kind: str, instances: str, belongs: Callable[[str], bool]) -> Transform:
    """Makes resources of `kind` of the clusters whose engine `belongs` to it; `instances`: their kind."""

    def transform(place: Place, raw: Raw) -> Resource | None:
        engine = raw["Engine"]
        if not belongs(engine):
            return None
        state = raw.get("Status") or ""
        endpoints = (raw.get("Endpoint"), raw.get("ReaderEndpoint"))
        scaling = raw.get("ServerlessV2ScalingConfiguration") or {}
        return Resource(
            arn=raw["DBClusterArn"],
            kind=kind,
            account=place.account,
            region=place.region,
            id=raw["DBClusterIdentifier"],
            name=raw["DBClusterIdentifier"],
            addresses=tuple(a for a in endpoints if a),
            state=state,
            lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
            tags=tag_map(raw.get("TagList")),
            links=present(
                {
                    # Not which of them writes: that moves with every failover.
                    instances: tuple(
                        sorted(m["DBInstanceIdentifier"] for m in raw.get("DBClusterMembers") or ())
                    ),
                    "replica-of": tuple(a for a in (raw.get("ReplicationSourceIdentifier"),) if a),
                }
            ),
            attributes=present(
                {
                    "engine": engine,
                    "engine_version": raw.get("EngineVersion"),
                    "engine_mode": raw.get("EngineMode"),
                    "zones": sorted(raw.get("AvailabilityZones") or ()),
                    "multi_az": raw.get("MultiAZ"),
                    "port": raw.get("Port"),
                    "minimum_capacity": scaling.get("MinCapacity"),
                    "maximum_capacity": scaling.get("MaxCapacity"),
                }
            ),
            launched=timestamp(raw.get("ClusterCreateTime")),
        )

    return transform


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    yield from api.pages("DescribeDBClusters", "DBClusters", size=100)


KIND = Kind(
    name=NAME,
    title="RDS cluster",
    service="rds",
    calls={"DescribeDBClusters": "rds:DescribeDBClusters"},
    fetch=fetch,
    transform=transformer(NAME, "rds-instance", lambda engine: engine not in OTHER_SERVICES),
    states=STATES,
    namespaces=("AWS/RDS",),
    dimensions=dimension("DBClusterIdentifier"),
    facts=attribute_facts("engine", "engine_mode"),
    fact_names=("engine", "engine_mode"),
)
