"""DocumentDB clusters, which RDS lists among its own."""

from __future__ import annotations

from mac.kinds import rds_cluster, rds_instance
from mac.kinds.kind import Kind, attribute_facts, dimension

NAME = "docdb-cluster"

KIND = Kind(
    name=NAME,
    title="DocumentDB cluster",
    service="rds",  # it answers for DocumentDB as well
    calls={"DescribeDBClusters": "rds:DescribeDBClusters"},
    fetch=rds_instance.of_engine("DescribeDBClusters", "DBClusters", "docdb"),
    transform=rds_cluster.transformer(NAME, "docdb-instance", lambda engine: engine == "docdb"),
    states=rds_cluster.STATES,
    namespaces=("AWS/DocDB",),
    dimensions=dimension("DBClusterIdentifier"),
    facts=attribute_facts("engine_version"),
    fact_names=("engine_version",),
)
