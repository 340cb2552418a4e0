"""The compact form of a snapshot: its single file, compressed; a tenth in size, or less, of a large fleet.

The hash of a snapshot is of what is in it, never of the compressed bytes, which may differ between versions
of zlib.
"""

from __future__ import annotations

import zlib

SUFFIX = ".gz"

MAX_BYTES = 4 * 1024**3
"""How much a compressed snapshot may hold: far more than any fleet, far less than a trap."""

_MAGIC = b"\x1f\x8b"
_GZIP = 31  # zlib's way to say: with gzip's header, largest window
_STEP = 16 * 1024**2


class CompactError(ValueError):
    """The bytes are not a whole compressed snapshot."""


def is_compact(data: bytes) -> bool:
    return data.startswith(_MAGIC)


def compress(data: bytes) -> bytes:
    """gzip, without a time or a file name in it."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return packer.compress(data) + packer.flush()


def expand(data: bytes, limit: int = MAX_BYTES) -> bytes:
    """What `compress` was given. Raises CompactError when that is cut short, damaged, or too large."""
    unpacker = zlib.decompressobj(_GZIP)
    parts: list[bytes] = []
    size = 0
    rest = data
    try:
        while not unpacker.eof:
            part = unpacker.decompress(rest, _STEP)
            rest = unpacker.unconsumed_tail
            if not part and not rest and not unpacker.eof:
                raise CompactError("it ends too early")
            size += len(part)
            if size > limit:
                raise CompactError(f"it holds more than {limit:,} bytes")
            parts.append(part)
    except zlib.error as error:
        raise CompactError(f"it is damaged: {error}") from error
    if unpacker.unused_data:
        raise CompactError("there is something behind its end")
    return b"".join(parts)
