"""MSK clusters: Kafka, provisioned or serverless. Their addresses are those of the brokers, for clusters
whose brokers let Prometheus scrape them (open monitoring)."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, timestamp
from mac.model import Lifecycle, Resource

NAME = "msk-cluster"

STATES = {
    "CREATING": Lifecycle.STARTING,
    "ACTIVE": Lifecycle.IN_SERVICE,
    "HEALING": Lifecycle.IN_SERVICE,
    "MAINTENANCE": Lifecycle.IN_SERVICE,
    "REBOOTING_BROKER": Lifecycle.IN_SERVICE,
    "UPDATING": Lifecycle.IN_SERVICE,
    "DELETING": Lifecycle.LEAVING,
}
_WITHOUT_BROKERS = ("CREATING", "DELETING")


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(cluster: Raw) -> Raw:
        if cluster["State"] in _WITHOUT_BROKERS or not _exporters(cluster):
            return cluster
        nodes = api.pages(
            "ListNodes",
            "NodeInfoList",
            size=100,
            gone=("NotFoundException",),
            ClusterArn=cluster["ClusterArn"],
        )
        return {**cluster, "Nodes": list(nodes)}

    yield from api.each(describe, api.pages("ListClustersV2", "ClusterInfoList", size=100))


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["State"]
    provisioned = raw.get("Provisioned") or {}
    brokers = [node.get("BrokerNodeInfo") or {} for node in raw.get("Nodes") or ()]
    return Resource(
        arn=raw["ClusterArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["ClusterName"],
        name=raw["ClusterName"],
        addresses=tuple(sorted(address for broker in brokers for address in broker.get("Endpoints") or ())),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=dict(raw.get("Tags") or {}),
        attributes=present(
            {
                "type": raw["ClusterType"].lower(),
                "kafka_version": (provisioned.get("CurrentBrokerSoftwareInfo") or {}).get("KafkaVersion"),
                "brokers": provisioned.get("NumberOfBrokerNodes"),
                "instance_type": (provisioned.get("BrokerNodeGroupInfo") or {}).get("InstanceType"),
                "enhanced_monitoring": provisioned.get("EnhancedMonitoring"),
                "exporters": _exporters(raw),
            }
        ),
        launched=timestamp(raw.get("CreationTime")),
    )


def _exporters(raw: Raw) -> list[str]:
    """Which exporters run on the brokers: the JMX exporter on port 11001, the node exporter on 11002."""
    monitoring = ((raw.get("Provisioned") or {}).get("OpenMonitoring") or {}).get("Prometheus") or {}
    known = {"jmx": "JmxExporter", "node": "NodeExporter"}
    return [name for name, key in known.items() if (monitoring.get(key) or {}).get("EnabledInBroker")]


def dimensions(resource: Resource) -> Dimensions:
    """Of the metrics of the whole cluster; those of a broker or topic have more beside."""
    return (("Cluster Name", resource.id),)


def brokers(resource: Resource) -> tuple[str, ...]:
    """MSK numbers the brokers of a cluster from 1. A serverless cluster shows none."""
    return tuple(str(number) for number in range(1, int(resource.attributes.get("brokers") or 0) + 1))


KIND = Kind(
    name=NAME,
    title="MSK cluster",
    service="kafka",
    calls={"ListClustersV2": "kafka:ListClustersV2", "ListNodes": "kafka:ListNodes"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/Kafka",),
    dimensions=dimensions,
    parts={"Broker ID": brokers},
    facts=attribute_facts("instance_type", "kafka_version", "type"),
    fact_names=("instance_type", "kafka_version", "type"),
)
