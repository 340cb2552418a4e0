"""Simulated time, and random streams that do not disturb one another."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

STEP = 30
"""Seconds between two scrapes, and between two states of the world."""

DAY = 86_400
START = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
"""The first instant of the world in epoch seconds: a Monday, 00:00 UTC. Times elsewhere count from it."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own for each name, so that a new signal changes no other."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def steps(days: float) -> int:
    return int(days * DAY) // STEP


def smoothed(rng: np.random.Generator, count: int, minutes: float) -> Floats:
    """Noise of about unit size that changes within `minutes`, not from one sample to the next."""
    width = max(2, int(minutes * 60) // STEP)
    knots = rng.standard_normal(count // width + 3)
    at = np.arange(count) / width
    return np.asarray(np.interp(at, np.arange(len(knots)), knots), dtype=np.float64)


def hours(seconds: Floats) -> Floats:
    """The hour of the day, 0 to 24."""
    return np.asarray(seconds % DAY / 3600, dtype=np.float64)


def _bump(hour: Floats, centre: float, width: float) -> Floats:
    distance = np.abs(hour - centre)
    distance = np.minimum(distance, 24 - distance)
    return np.asarray(np.exp(-((distance / width) ** 2) / 2), dtype=np.float64)


def load(peaks: str, seconds: Floats) -> Floats:
    """How busy a kind of work is, 0 to 1, by the time of the day. `peaks`: day, office, batch or ""."""
    hour = hours(seconds)
    if peaks == "day":  # people and devices: late morning and evening
        return np.maximum(_bump(hour, 11, 2.5), 0.95 * _bump(hour, 20, 2.2))
    if peaks == "office":
        return np.maximum(_bump(hour, 10.5, 1.8), 0.9 * _bump(hour, 15.5, 2.0))
    if peaks == "batch":  # the night's jobs, and the smaller run after lunch
        return np.maximum(_bump(hour, 2.5, 1.6), 0.8 * _bump(hour, 14, 1.5))
    return np.full_like(hour, 0.5)
