"""Clients for building an embedded AWS. What reads a real one goes through `mac.aws`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config


def role_clients(role_arn: str, endpoint_url: str) -> Callable[[str, str], Any]:
    """Makes clients (of a service, in a region) at `endpoint_url` that act by a role, which made-up
    credentials assume."""
    config = Config(read_timeout=300, retries={"total_max_attempts": 1}, proxies={})
    session = boto3.Session(aws_access_key_id="embedded", aws_secret_access_key="embedded")  # noqa: S106
    sts = session.client("sts", region_name="us-east-1", endpoint_url=endpoint_url, config=config)
    issued = sts.assume_role(RoleArn=role_arn, RoleSessionName="mac")["Credentials"]

    def client(service: str, region: str) -> Any:
        return session.client(
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            config=config,
            aws_access_key_id=issued["AccessKeyId"],
            aws_secret_access_key=issued["SecretAccessKey"],
            aws_session_token=issued["SessionToken"],
        )

    return client
