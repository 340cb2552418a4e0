"""Consistent hashing: which of `count` shards something belongs to, so that one more shard moves little.

Jump consistent hash (Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014): from n
to n + 1 shards, about one in n + 1 keys moves, and each that moves goes to the new shard. Integers alone, so
that every machine gives the same answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from mac.model import Resource

_MASK = (1 << 64) - 1
_MULTIPLIER = 2862933555777941757  # the generator's of the paper
_TOP = 1 << 31


def shard(key: str, count: int) -> int:
    """The shard of `key`, from 0 to `count` - 1."""
    last = 0
    for at in jumps(key):
        if at >= count:
            break
        last = at
    return last


def identity(resource: Resource) -> str:
    """What a resource is known by when shards are chosen: its address, so that all that runs on one machine
    stays together, else its ARN.
    """
    return resource.addresses[0] if resource.addresses else resource.arn


def shard_of(resource: Resource, count: int) -> int:
    """Its shard, from 0."""
    return shard(identity(resource), count)


def jumps(key: str) -> Iterator[int]:
    """The shards that `key` goes to as shards are added, from 0 up and without an end.

    After s comes t: with s + 1 to t shards it is in s, and with t + 1 it is in t.
    """
    state = int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    at = 0
    while True:
        yield at
        state = (state * _MULTIPLIER + 1) & _MASK
        at = (at + 1) * _TOP // ((state >> 33) + 1)
