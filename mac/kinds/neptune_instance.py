"""Instances of Neptune clusters, which RDS lists among its own."""

from __future__ import annotations

from mac.kinds import rds_instance
from mac.kinds.kind import Kind, attribute_facts, dimension

NAME = "neptune-instance"

KIND = Kind(
    name=NAME,
    title="Neptune instance",
    service="rds",  # it answers for Neptune as well
    calls={"DescribeDBInstances": "rds:DescribeDBInstances"},
    fetch=rds_instance.of_engine("DescribeDBInstances", "DBInstances", "neptune"),
    transform=rds_instance.transformer(NAME, "neptune-cluster", lambda engine: engine == "neptune"),
    states=rds_instance.STATES,
    namespaces=("AWS/Neptune",),
    dimensions=dimension("DBInstanceIdentifier"),
    facts=attribute_facts("engine_version", "instance_class", "zone"),
    fact_names=("engine_version", "instance_class", "zone"),
)
