"""Neptune clusters, which RDS lists among its own."""

from __future__ import annotations

from mac.kinds import rds_cluster, rds_instance
from mac.kinds.kind import Kind, attribute_facts, dimension

NAME = "neptune-cluster"

KIND = Kind(
    name=NAME,
    title="Neptune cluster",
    service="rds",  # it answers for Neptune as well
    calls={"DescribeDBClusters": "rds:DescribeDBClusters"},
    fetch=rds_instance.of_engine("DescribeDBClusters", "DBClusters", "neptune"),
    transform=rds_cluster.transformer(NAME, "neptune-instance", lambda engine: engine == "neptune"),
    states=rds_cluster.STATES,
    namespaces=("AWS/Neptune",),
    dimensions=dimension("DBClusterIdentifier"),
    facts=attribute_facts("engine_version"),
    fact_names=("engine_version",),
)
