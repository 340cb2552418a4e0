"""For whom the current thread calls AWS: the shared clients sign with the credentials of its turn.

botocore asks for credentials when it signs a request, in the thread that makes the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from botocore.credentials import CredentialProvider, Credentials, ReadOnlyCredentials

from mac.retries import Budget


@dataclass(frozen=True, slots=True)
class Turn:
    """On whose behalf the current thread calls, out of which budget, and until when (monotonic seconds)."""

    credentials: Credentials
    budget: Budget = field(default_factory=lambda: Budget(0))
    until: float = float("inf")


acting: ContextVar[Turn] = ContextVar("mac_turn")


class _ActingCredentials(Credentials):
    """The credentials of whoever the current thread is acting for; botocore asks when it signs."""

    def __init__(self) -> None:
        super().__init__("", "", method="mac")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return acting.get().credentials.get_frozen_credentials()


class ActingProvider(CredentialProvider):
    METHOD = "mac"

    def load(self) -> Credentials:
        return _ActingCredentials()


@contextmanager
def acting_as(
    credentials: Credentials, budget: Budget | None = None, until: float = float("inf")
) -> Iterator[None]:
    token = acting.set(Turn(credentials, budget or Budget(0), until))
    try:
        yield
    finally:
        acting.reset(token)
