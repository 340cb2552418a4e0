"""What AWS's events say to mac, and where they are read: plain values."""

from __future__ import annotations

from dataclasses import dataclass

from mac.problems import NOWHERE, Location


@dataclass(frozen=True, slots=True)
class EventQueue:
    """An SQS queue that EventBridge fills. `queue`: its URL or its ARN. `region`: where it is.

    `role_arn`: entered first, with `external_id` if there is one; the ambient credentials where it is empty.
    """

    queue: str
    region: str
    role_arn: str = ""
    external_id: str = ""
    location: Location = NOWHERE

    @property
    def arn(self) -> str:
        """Its ARN, also where `queue` is a URL."""
        if self.queue.startswith("arn:"):
            return self.queue
        account, name = self.queue.rstrip("/").split("/")[-2:]
        partition = "aws-cn" if self.region.startswith("cn-") else "aws"
        if self.region.startswith("us-gov-"):
            partition = "aws-us-gov"
        return f"arn:{partition}:sqs:{self.region}:{account}:{name}"


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a queue. `receipt`: what deletes it. `sent`: seconds since 1970, by SQS's clock."""

    body: str
    receipt: str
    sent: float


@dataclass(frozen=True, slots=True)
class Event:
    """An event of an AWS service, as EventBridge delivers it. `kind` and `type` are of what it is about:
    the service and the type of resource, as AWS's ARNs have them; "" where it does not say.
    """

    source: str
    detail_type: str
    account: str
    region: str
    kind: str = ""
    type: str = ""
