"""Secrets that AWS keeps: parameters of SSM's Parameter Store, and secrets of Secrets Manager.

Read when they are needed, since they are rotated; no message has one in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mac.acting import acting_as
from mac.answers import FAILURES, CallError, explain
from mac.aws import Aws
from mac.deploy_model import StoredSecret
from mac.model import Via
from mac.problems import AwsError


def read(secret: StoredSecret, aws: Aws | None = None) -> str:
    """The secret itself, without the newline that an editor leaves. Raises AwsError."""
    if secret.parameter:
        operation = "GetParameter"
        with _calling(secret, "ssm", operation, aws) as client:
            answer = client.get_parameter(Name=secret.parameter, WithDecryption=True)
        value = str(answer["Parameter"]["Value"])
    else:
        operation = "GetSecretValue"
        with _calling(secret, "secretsmanager", operation, aws) as client:
            answer = client.get_secret_value(SecretId=secret.secret)
        value = str(answer.get("SecretString") or "")
    value = (_field(secret, value) if secret.key else value).strip()
    if not value:
        raise AwsError(f"{secret} is empty, or no text")
    return value


def _field(secret: StoredSecret, text: str) -> str:
    try:
        found = json.loads(text)[secret.key]
    except (ValueError, LookupError, TypeError):
        raise AwsError(f"{secret} is no JSON object that has this key") from None  # the cause shows the text
    return found if isinstance(found, str) else json.dumps(found)


@contextmanager
def _calling(secret: StoredSecret, service: str, operation: str, aws: Aws | None) -> Iterator[Any]:
    made = aws or Aws()
    try:
        access = made.hub(
            secret.region, Via(secret.role_arn, secret.external_id) if secret.role_arn else None
        )
        with acting_as(access.credentials, access.budget):
            yield made.client(service, secret.region)
    except (CallError, *FAILURES) as error:
        raise AwsError(f"{secret} cannot be read: {explain(error, operation).reason}") from error
