"""Cartography's own reading of EC2 instances, for benchmarks/inventory.py; prints what it took as JSON.

Runs in a Python that has cartography, not in mac's. What it writes to Neo4j is left out: only its calls and
what it makes of the answers are measured, account by account and region by region, as it goes itself.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import sys
import time

import boto3
from cartography.intel.aws.ec2.instances import get_ec2_instances, transform_ec2_instances


def main() -> None:
    accounts, regions = json.loads(sys.argv[1])
    logging.disable(logging.INFO)
    start, found = time.perf_counter(), 0
    for account in accounts:
        sts = boto3.Session().client("sts", region_name=regions[0])
        role = f"arn:aws:iam::{account}:role/mac"
        issued = sts.assume_role(RoleArn=role, RoleSessionName="cartography")["Credentials"]
        session = boto3.Session(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
        for region in regions:
            reservations = get_ec2_instances(session, region)
            found += len(transform_ec2_instances(reservations, region, account).instance_list)
    took = time.perf_counter() - start
    version = importlib.metadata.version("cartography")
    print(json.dumps({"seconds": took, "instances": found, "version": version}))


if __name__ == "__main__":
    main()
