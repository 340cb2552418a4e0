"""How Python and the C library keep memory while very many answers are read at a time."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Of glibc's malloc.h, and bytes. An answer is megabytes, and gone a moment later. Out of the heap, where each
# thread has one of its own, little of that would ever go back to the system: taken by itself, all of it does.
_MALLOC = {"M_TRIM_THRESHOLD": (-1, 1_000_000), "M_MMAP_THRESHOLD": (-3, 262_144), "M_ARENA_MAX": (-8, 2)}
# Objects that are made before Python looks for cycles. It would look through all models and resources after
# every few thousand new ones, for a third of the time of a large reading; answers have no cycles in them.
_THRESHOLDS = (50_000, 20, 100)


@contextmanager
def many_answers() -> Iterator[None]:
    """For a reading of the inventory. What is set of the C library stays so until the process ends."""
    _return_what_is_large()
    before = gc.get_threshold()
    if gc.isenabled():
        gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _return_what_is_large() -> None:
    """glibc takes settings, and no other common C library does."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # another library; Windows has no CDLL(None)
        return
    for option, value in _MALLOC.values():
        mallopt(option, value)
