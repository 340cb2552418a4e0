"""What is too large for one object, as several: always the same parts, and a change moves little.

A part holds what its mark begins the hash of. One that grows too large becomes two, and no other part moves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

_LONGEST_MARK = 24


def parts(sizes: Mapping[str, int], limit: int) -> Mapping[str, tuple[str, ...]]:
    """Mark → the keys of a part, in the order of `sizes`; the mark "" where one part holds all.

    `sizes`: key → its size. `limit`: the size of a part, which a part of one key alone may exceed.
    """
    hashes = {key: _bits(key) for key in sizes}
    found: dict[str, tuple[str, ...]] = {}
    pending = [("", tuple(sizes))]
    while pending:
        mark, keys = pending.pop()
        if sum(sizes[key] for key in keys) <= limit or len(keys) <= 1 or len(mark) == _LONGEST_MARK:
            found[mark] = keys
            continue
        for bit in "01":
            within = tuple(key for key in keys if hashes[key][len(mark)] == bit)
            if within:
                pending.append((mark + bit, within))
    return dict(sorted(found.items()))


def _bits(key: str) -> str:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return f"{int.from_bytes(digest[: _LONGEST_MARK // 8]):0{_LONGEST_MARK}b}"
