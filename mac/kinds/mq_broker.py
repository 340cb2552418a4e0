"""Amazon MQ brokers: ActiveMQ and RabbitMQ. Their users are not kept."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, attribute_facts, present, timestamp
from mac.model import Lifecycle, Resource

NAME = "mq-broker"

STATES = {
    "CREATION_IN_PROGRESS": Lifecycle.STARTING,
    "CREATION_FAILED": Lifecycle.STOPPED,  # it was never set up
    "RUNNING": Lifecycle.IN_SERVICE,
    "REBOOT_IN_PROGRESS": Lifecycle.IN_SERVICE,
    "CRITICAL_ACTION_REQUIRED": Lifecycle.IN_SERVICE,
    "REPLICA": Lifecycle.IN_SERVICE,
    "DELETION_IN_PROGRESS": Lifecycle.LEAVING,
}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    def describe(summary: Raw) -> Raw:
        # It tells the tags too.
        return api.call("DescribeBroker", gone=("NotFoundException",), BrokerId=summary["BrokerId"])

    yield from api.each(describe, api.pages("ListBrokers", "BrokerSummaries", size=100))


def transform(place: Place, raw: Raw) -> Resource:
    state = raw["BrokerState"]
    addresses = [_address(instance) for instance in raw.get("BrokerInstances") or ()]
    return Resource(
        arn=raw["BrokerArn"],
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["BrokerId"],
        name=raw["BrokerName"],
        addresses=tuple(address for address in addresses if address),
        state=state,
        lifecycle=STATES.get(state, Lifecycle.IN_SERVICE),
        tags=dict(raw.get("Tags") or {}),
        attributes=present(
            {
                "engine": raw["EngineType"].lower(),
                "engine_version": raw.get("EngineVersion"),
                "deployment": raw["DeploymentMode"].lower().replace("_", "-"),
                "instance_type": raw.get("HostInstanceType"),
                "public": raw.get("PubliclyAccessible"),
            }
        ),
        launched=timestamp(raw.get("Created")),
    )


def _address(instance: Raw) -> str:
    """RabbitMQ has no address in the network of its own, only the names in its endpoints."""
    endpoints = instance.get("Endpoints") or ()
    host = (urlsplit(endpoints[0]).hostname or "") if endpoints else ""
    return instance.get("IpAddress") or host


def dimensions(resource: Resource) -> Dimensions:
    """CloudWatch numbers the machines of an ActiveMQ broker, and knows RabbitMQ's by the broker's name."""
    numbered = resource.attributes.get("engine") == "activemq"
    return (("Broker", f"{resource.name}-1" if numbered else resource.name),)


def standby(resource: Resource) -> tuple[Dimensions, ...]:
    """The other machine of an active/standby pair: either may be the active one."""
    pair = resource.attributes.get("deployment") == "active-standby-multi-az"
    return ((("Broker", f"{resource.name}-2"),),) if pair else ()


KIND = Kind(
    name=NAME,
    title="MQ broker",
    service="mq",
    calls={"ListBrokers": "mq:ListBrokers", "DescribeBroker": "mq:DescribeBroker"},
    fetch=fetch,
    transform=transform,
    states=STATES,
    namespaces=("AWS/AmazonMQ",),
    dimensions=dimensions,
    standby=standby,
    facts=attribute_facts("deployment", "engine", "instance_type"),
    fact_names=("deployment", "engine", "instance_type"),
)
