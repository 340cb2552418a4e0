"""Route 53 health checks: what is probed, not what the probes say now."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds import hosted_zone
from mac.kinds.kind import Api, Kind, Place, Raw, attribute_facts, dimension, present, tag_map
from mac.model import Lifecycle, Resource

NAME = "route53-health-check"

DISABLED = "disabled"
"""Not AWS's word: health checks have no state but the `Disabled` of their configuration."""
STATES = {"": Lifecycle.IN_SERVICE, DISABLED: Lifecycle.STOPPED}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    listed = api.pages("ListHealthChecks", "HealthChecks", size=1000)
    yield from hosted_zone.with_tags(api, listed, "healthcheck", "NoSuchHealthCheck")


def transform(place: Place, raw: Raw) -> Resource:
    checked, tags = raw["HealthCheckConfig"], tag_map(raw["Tags"])
    state = DISABLED if checked.get("Disabled") else ""
    host = checked.get("FullyQualifiedDomainName") or checked.get("IPAddress")
    return Resource(
        arn=f"arn:{place.partition}:route53:::healthcheck/{raw['Id']}",
        kind=NAME,
        account=place.account,
        region=place.region,
        id=raw["Id"],
        name=tags.get("Name") or host or "",
        addresses=tuple(a for a in (host,) if a),
        state=state,
        lifecycle=STATES[state],
        tags=tags,
        links=present({NAME: tuple(sorted(checked.get("ChildHealthChecks") or ()))}),
        attributes=present(
            {
                "type": checked["Type"].lower(),
                "port": checked.get("Port"),
                "path": (checked.get("ResourcePath") or "").partition("?")[0],  # a query may hold a token
                "interval_seconds": checked.get("RequestInterval"),
                "failure_threshold": checked.get("FailureThreshold"),
                "inverted": bool(checked.get("Inverted")),
                "alarm": (checked.get("AlarmIdentifier") or {}).get("Name"),
                "managed_by": (raw.get("LinkedService") or {}).get("ServicePrincipal"),
            }
        ),
    )


KIND = Kind(
    name=NAME,
    title="Route 53 health check",
    service="route53",
    calls={"ListHealthChecks": "route53:ListHealthChecks", **hosted_zone.TAG_CALLS},
    fetch=fetch,
    transform=transform,
    states=STATES,
    global_=True,
    namespaces=("AWS/Route53",),
    dimensions=dimension("HealthCheckId"),
    facts=attribute_facts("type"),
    fact_names=("type",),
)
