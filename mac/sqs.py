"""A queue of SQS: receive by long polling, delete, count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mac.acting import acting_as
from mac.answers import FAILURES, CallError, explain
from mac.aws import Access, Aws
from mac.event_model import EventQueue, Message
from mac.model import Via
from mac.problems import AwsError

LONGEST_POLL = 20  # seconds, and
BATCH = 10  # messages: SQS allows no more

READING = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
"""The IAM actions that this takes, on the queue."""

_SENT = "SentTimestamp"  # in milliseconds
_COUNT = "ApproximateNumberOfMessages"


class Queue:
    """Every method raises AwsError."""

    def __init__(self, settings: EventQueue, aws: Aws | None = None) -> None:
        self.settings = settings
        self._via = Via(settings.role_arn, settings.external_id) if settings.role_arn else None
        self._aws = aws or Aws()
        self._access: Access | None = None

    def receive(self, wait: int) -> tuple[Message, ...]:
        """Up to ten messages, as soon as there are any; none if none came for `wait` seconds (at most 20)."""
        with self._calling("ReceiveMessage") as (client, url):
            answer = client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=wait,
                MessageSystemAttributeNames=[_SENT],
            )
        return tuple(
            Message(raw["Body"], raw["ReceiptHandle"], int(raw["Attributes"][_SENT]) / 1000)
            for raw in answer.get("Messages") or ()
        )

    def delete(self, receipts: Sequence[str]) -> None:
        """What cannot be deleted any more is received again."""
        for start in range(0, len(receipts), BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt}
                for number, receipt in enumerate(receipts[start : start + BATCH])
            ]
            with self._calling("DeleteMessageBatch") as (client, url):
                client.delete_message_batch(QueueUrl=url, Entries=entries)

    def depth(self) -> int:
        """How many messages wait, roughly."""
        with self._calling("GetQueueAttributes") as (client, url):
            answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=[_COUNT])
        return int(answer["Attributes"][_COUNT])

    @contextmanager
    def _calling(self, operation: str) -> Iterator[tuple[Any, str]]:
        settings = self.settings
        try:
            # Entered once: its retries are one account's, and its credentials renew themselves.
            self._access = self._access or self._aws.hub(settings.region, self._via)
            client = self._aws.client("sqs", settings.region)
            with acting_as(self._access.credentials, self._access.budget):
                yield client, self._url(client)
        except (CallError, *FAILURES) as error:
            known = explain(error, operation)
            raise AwsError(f"the queue {settings.queue}: {known.reason}") from error

    def _url(self, client: Any) -> str:
        """An ARN holds all that a URL does, so that nobody needs to be asked for it."""
        if not self.settings.queue.startswith("arn:"):
            return self.settings.queue
        account, name = self.settings.queue.split(":")[4:6]
        return f"{client.meta.endpoint_url}/{account}/{name}"
