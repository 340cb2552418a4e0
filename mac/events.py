"""Changes as AWS tells them: a queue of events in, the scopes of the inventory to read anew out.

What wakes `mac sync` between two complete readings: see `mac.sync_model.Wake`.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from mac import event_scopes, sqs
from mac.event_model import Message
from mac.exposition import Family, Sample
from mac.model import Scope
from mac.problems import AwsError
from mac.sqs import Queue

GATHER = 2.0  # seconds in which the rest of a burst is waited for: one launch alone is four or five events
_COUNTED_EVERY = 60.0

TAKEN, IGNORED, MALFORMED = "taken", "ignored", "malformed"


class Events:
    """A queue as a source of changes. `told` gets a sentence about messages that are no events of AWS's.

    Messages are deleted at the next `wait`, when the scopes of the last one are in its caller's hands: at
    least once. What a killed process leaves behind comes again, and only has something read in vain.
    """

    def __init__(
        self,
        queue: Queue,
        told: Callable[[str], None] = lambda sentence: None,
        *,
        gather: float = GATHER,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._queue, self._told, self._gather, self._clock = queue, told, gather, clock
        self._receipts: list[str] = []
        self._lock = threading.Lock()  # of what `families` shows
        self._counts: Counter[str] = Counter({TAKEN: 0, IGNORED: 0, MALFORMED: 0})
        self._lag, self._read_at = 0.0, clock()
        self._depth: int | None = None
        self._counted = -math.inf

    def wait(self, seconds: float) -> frozenset[Scope]:
        """See `mac.sync_model.Wake`. A burst of events is one answer, if it comes within two seconds."""
        self._delete()
        self._count()
        until = time.monotonic() + seconds
        found: set[Scope] = set()
        while not found and (left := until - time.monotonic()) > 0:
            found |= self._receive(min(sqs.LONGEST_POLL, math.ceil(left))) or set()
            if not found:
                self._delete()  # what names nothing is done with
        end = time.monotonic() + self._gather
        while found and time.monotonic() < end:
            try:
                more = self._receive(1)
            except AwsError:
                break  # the next `wait` tells, and what was found is not lost for it
            if more is None:
                break
            found |= more
        return frozenset(found)

    def _delete(self) -> None:
        receipts, self._receipts = self._receipts, []
        self._queue.delete(receipts)

    def _receive(self, wait: int) -> set[Scope] | None:
        """The scopes that the next messages name; None when there was no message."""
        messages = self._queue.receive(wait)
        now = self._clock()
        found, results, faults = _scopes(messages)
        self._receipts += [message.receipt for message in messages]
        with self._lock:
            self._read_at = now
            self._lag = max((now - message.sent for message in messages), default=0.0)
            self._counts.update(results)
        if faults:
            more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
            self._told(f"a message of the queue was dropped{more}: {faults[0]}")
        return found if messages else None

    def _count(self) -> None:
        if time.monotonic() - self._counted < _COUNTED_EVERY:
            return
        depth = self._queue.depth()
        self._counted = time.monotonic()
        with self._lock:
            self._depth = depth

    def families(self) -> tuple[Family, ...]:
        """Families for a page of metrics: `exposition.text` writes them. May be called from any thread.

        mac_sync_events_total{result}: messages that named something to read, named nothing, were no events.
        mac_sync_event_lag_seconds: how long the oldest message of the last receipt had waited; 0 when the
        queue was empty. mac_sync_event_queue_messages: how many waited, seen once a minute.
        mac_sync_events_last_read_timestamp_seconds: when the queue last answered; the start, before it has.
        """
        with self._lock:
            counts = tuple(
                Sample(self._counts[each], {"result": each}) for each in (TAKEN, IGNORED, MALFORMED)
            )
            lag, read_at, depth = max(self._lag, 0.0), self._read_at, self._depth
        return (
            Family(
                "mac_sync_events_total",
                "Messages of the event queue, by what came of them.",
                counts,
                "counter",
            ),
            Family(
                "mac_sync_event_lag_seconds",
                "Time that the oldest message of the last receipt had waited in the event queue.",
                (Sample(lag),),
            ),
            Family(
                "mac_sync_event_queue_messages",
                "Messages that wait in the event queue, roughly.",
                () if depth is None else (Sample(depth),),
            ),
            Family(
                "mac_sync_events_last_read_timestamp_seconds",
                "When the event queue last answered, in seconds since 1970; the start, before it has.",
                (Sample(read_at),),
            ),
        )


def _scopes(messages: Sequence[Message]) -> tuple[set[Scope], list[str], list[str]]:
    """What messages name, what came of each, and what is wrong with those that are no events."""
    found: set[Scope] = set()
    results, faults = [], []
    for message in messages:
        try:
            named = event_scopes.scopes(event_scopes.read(message.body))
        except ValueError as error:
            results.append(MALFORMED)
            faults.append(str(error))
            continue
        found |= named
        results.append(TAKEN if named else IGNORED)
    return found, results, faults
