"""Giving a server back what it had, where it does not take what it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mac.deploy_model import DeployError, RolledBackError
from mac.problems import MacError


@contextmanager
def by(put_back: Callable[[], object]) -> Iterator[None]:
    """What is sent in the block is taken as a whole or not at all. Raises RolledBackError when `put_back` had
    to be called, DeployError when that failed too.
    """
    try:
        yield
    except MacError as error:
        try:
            put_back()
        except MacError as second:
            message = f"not taken ({error.message}), and what was there could not be put back"
            raise DeployError(f"{message}: {second.message}", second.hint) from error
        raise RolledBackError(f"not taken, what was there is back: {error.message}", error.hint) from error
