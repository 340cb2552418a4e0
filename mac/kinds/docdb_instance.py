"""Instances of DocumentDB clusters, which RDS lists among its own."""

from __future__ import annotations

from mac.kinds import rds_instance
from mac.kinds.kind import Kind, attribute_facts, dimension

NAME = "docdb-instance"

KIND = Kind(
    name=NAME,
    title="DocumentDB instance",
    service="rds",  # it answers for DocumentDB as well
    calls={"DescribeDBInstances": "rds:DescribeDBInstances"},
    fetch=rds_instance.of_engine("DescribeDBInstances", "DBInstances", "docdb"),
    transform=rds_instance.transformer(NAME, "docdb-cluster", lambda engine: engine == "docdb"),
    states=rds_instance.STATES,
    namespaces=("AWS/DocDB",),
    dimensions=dimension("DBInstanceIdentifier"),
    facts=attribute_facts("engine_version", "instance_class", "zone"),
    fact_names=("engine_version", "instance_class", "zone"),
)
