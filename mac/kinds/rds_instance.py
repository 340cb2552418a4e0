"""RDS and Aurora database instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, tag_map, timestamp
from mac.model import Lifecycle, Resource

NAME = "rds-instance"

STATES = {
    "available": Lifecycle.IN_SERVICE,
    "creating": Lifecycle.STARTING,
    "starting": Lifecycle.STARTING,
    "deleting": Lifecycle.LEAVING,
    "stopping": Lifecycle.LEAVING,
    "stopped": Lifecycle.STOPPED,
}
Transform = Callable[[Place, Raw], Resource | None]
Fetch = Callable[[Api, Place], Iterable[Raw]]

# The same calls list these too; they are services of their own, with metrics of their own.
OTHER_SERVICES = frozenset(["neptune", "docdb"])


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    yield from api.pages("DescribeDBInstances", "DBInstances", size=100)


def transformer(kind: str, cluster_kind: str, belongs: Callable[[str], bool]) -> Transform:
    """Makes resources of `kind` of the instances whose engine `belongs` to it, in clusters of that kind."""

    def transform(place: Place, raw: Raw) -> Resource | None:
        engine = raw["Engine"]
        if not belongs(engine):
            return None
        state = raw.get("DBInstanceStatus") or ""
        endpoint = raw.get("Endpoint") or {}
        cluster = raw.get("DBClusterIdentifier")
        source = raw.get("ReadReplicaSourceDBInstanceIdentifier")
        return Resource(
            arn=raw["DBInstanceArn"],
            kind=kind,
            account=place.account,
            region=place.region,
            id=raw["DBInstanceIdentifier"],
            name=raw["DBInstanceIdentifier"],
            addresses=tuple(a for a in (endpoint.get("Address"),) if a),
            state=state,
            lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
            tags=tag_map(raw.get("TagList")),
            links=present(
                {cluster_kind: (cluster,) if cluster else (), "replica-of": (source,) if source else ()}
            ),
            attributes=present(
                {
                    "engine": engine,
                    "engine_version": raw.get("EngineVersion"),
                    "instance_class": raw.get("DBInstanceClass"),
                    "zone": raw.get("AvailabilityZone"),
                    "multi_az": raw.get("MultiAZ"),
                    "storage_bytes": (raw.get("AllocatedStorage") or 0) * 1024**3 or None,
                    "port": endpoint.get("Port"),
                }
            ),
            launched=timestamp(raw.get("InstanceCreateTime")),
        )

    return transform


def of_engine(call: str, key: str, engine: str) -> Fetch:
    """Fetches what `call` lists of one engine alone."""

    def fetch(api: Api, place: Place) -> Iterator[Raw]:
        yield from api.pages(call, key, size=100, Filters=[{"Name": "engine", "Values": [engine]}])

    return fetch


def dimensions(resource: Resource) -> Dimensions:
    return (("DBInstanceIdentifier", resource.id),)


KIND = Kind(
    name=NAME,
    title="RDS instance",
    service="rds",
    calls={"DescribeDBInstances": "rds:DescribeDBInstances"},
    fetch=fetch,
    transform=transformer(NAME, "rds-cluster", lambda engine: engine not in OTHER_SERVICES),
    states=STATES,
    namespaces=("AWS/RDS",),
    dimensions=dimensions,
    facts=attribute_facts("engine", "instance_class", "zone"),
    fact_names=("engine", "instance_class", "zone"),
)
